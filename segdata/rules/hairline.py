"""SEG111 hairline: a sliver one or two pixels wide lies between segments."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.strata import joint_codes
from segdata.core.table import Table, group_edges
from segdata.rules.shared import (
    SUM_COLUMNS,
    background_is_declared,
    forbidden_overlaps,
    leaves_background_unlabelled,
    requires_full_coverage,
    sum_by_owner,
)

_MAX_STEPS, _SPAN = 1.05, 0.95  # pixels for each row or column of a line; of the image's side that it spans
_MIN_REST, _MIN_REST_WIDTH = 0.2, 4.0  # of the line, the rest of its segment; its mean width in pixels: it is no line


@rule(
    "SEG111",
    "hairline",
    severity="info",
    needs=("coverage", "gaps", "pairs", "shapes", "parts"),
    fix="unsafe",
    habit="image",
    per_image=background_is_declared,
    by_part=True,
)
def hairline(tables: Tables, *, max_width: float = 2.0, min_length: float = 10.0) -> Findings:
    """Along a border lies a sliver, one or two pixels wide, that no segment or two segments claim, or a line is stray.

    Flagged, unlabelled:
        aaaaaaaaaaaa
        ............
        bbbbbbbbbbbb
        coverage: exhaustive

    Flagged, claimed twice:
        aaaaaaaaaaaa
        xxxxxxxxxxxx
        bbbbbbbbbbbb

        x = a + b
        overlap: forbid

    Fine, wider:
        aaaaaaaaaaaa
        ............
        ............
        ............
        bbbbbbbbbbbb
        coverage: exhaustive

    Fine, shorter:
        aaaaaaaaaaaa
        aaaaa..aaaaa
        bbbbbbbbbbbb
        coverage: exhaustive

    Fine, coverage is sparse:
        aaaaaaaaaaaa
        ............
        bbbbbbbbbbbb

    Flagged, a line from side to side:
        ..............
        aaaaaaaaaaaaaa
        ..............
        ..aaaaaaaaa...
        ..aaaaaaaaa...
        ..aaaaaaaaa...
        ..aaaaaaaaa...
        ..aaaaaaaaa...
        ..aaaaaaaaa...
        ..aaaaaaaaa...
        ..aaaaaaaaa...
        ..aaaaaaaaa...

    You get one finding for each annotation, with the number of slivers. Width and length are those of the rectangle of
    the same area and perimeter. In sparse coverage a line may be intended, as between fibres that touch, and where
    overlap is allowed shared pixels are fine: the rule flags only what the policies forbid. Masks that leave a
    background (SEG101) count as sparse. SEG101 and SEG102 judge these pixels with all others of their kind; this info
    adds that they are slivers along borders.

    You also get one for each part of a segment that is a line one pixel wide, from side to side of the image or around
    it, unless the rest of the segment is thin, too (four pixels on average), as cracks and wires are.

    Why: neighbours that touch in the image do not touch in the labels, or each owns the other's edge. Boundary metrics
    count the line twice, and your model learns to leave it out. A line across is a slip of the brush, or a plot's axis.

    Remedy: close it: give each pixel to the nearest segment. Erase a line that nobody meant.

    Options: `max_width` and `min_length`: of a sliver, in pixels.
    Defaults: CamVid and CamSeq01 (56 masks) have none; the two images of COCO's panoptic sample have 30, where
    neighbours were drawn apart. In ten corrected masks of touching fibres, which are sparse data, 69 of that kind are
    intended. In 42 openings of public datasets no line goes from side to side.
    """
    if not leaves_background_unlabelled(tables):
        gaps = tables.gaps.take(requires_full_coverage(tables)[tables.gaps["annotation"]])
        yield from _slivers("unlabelled", gaps, max_width, min_length)
    if tables.profile.overlap.value != "allow":
        pairs = forbidden_overlaps(tables)
        overlaps = pairs.beside(area=pairs["shared"], annotation=tables.segments["annotation"][pairs["a"]])
        yield from _slivers("overlapping", overlaps, max_width, min_length)
    yield from _stray_lines(tables)


def _stray_lines(tables: Tables) -> Findings:
    """Parts that are lines of one pixel from side to side, or around the image, of segments that are not thin."""
    segments, images = tables.segments, tables.images
    counts = ~segments["iscrowd"] & ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    lines = _join_at_corners(tables.parts.take(counts[tables.parts["segment"]]))
    owner, area, width, height = (lines[name] for name in ("segment", "area", "width", "height"))
    across, down = (images[side][segments["image"][owner]] for side in ("width", "height"))
    is_line = (area <= _MAX_STEPS * np.maximum(width, height)) & ((width >= _SPAN * across) | (height >= _SPAN * down))
    is_frame = (width == across) & (height == down) & (area == 2 * (across + down) - 4)
    rest, rest_edge = segments["area"][owner] - area, segments["perimeter"][owner] - lines["perimeter"]
    is_thick = (rest >= _MIN_REST * area) & (2 * rest >= _MIN_REST_WIDTH * rest_edge)
    stray = lines.take((is_line | is_frame) & is_thick)
    for segment, pixels, *box in stray.lines("segment", "area", "x", "y", "width", "height"):
        name = tables.category_name(segment)
        message = f"a line one pixel wide, from side to side of the image, is a part of {name}: {pixels:,} px"
        yield RowFinding(message, segments=(segment,), bbox=tuple(box), pixels=pixels)


def _join_at_corners(parts: Table) -> Table:
    """Parts of one segment that touch at their corners as one, if only one region of the segment has their size."""
    region, first = joint_codes(parts["segment"], parts["cluster"])
    n = len(first)
    sums = {name: np.bincount(region, parts[name], n).astype(np.int64) for name in ("area", "perimeter")}
    edges = group_edges(parts, region, n)
    box = {"x": edges["left"], "y": edges["top"]}
    box |= {"width": edges["right"] - edges["left"], "height": edges["bottom"] - edges["top"]}
    joined = Table({"segment": parts["segment"][first], "cluster": parts["cluster"][first], **sums, **box})
    return joined.take(joined["area"] == joined["cluster"])


def _slivers(kind: str, regions: Table, max_width: float, min_length: float) -> Findings:
    """Findings of the regions (annotation, area, perimeter, box) whose equivalent rectangle is thin and long enough."""
    half = regions["perimeter"] / 2
    root = np.sqrt(np.maximum(half**2 - 4 * regions["area"], 0))
    thin = regions.take(((half - root) / 2 <= max_width) & ((half + root) / 2 >= min_length))
    slivers = sum_by_owner(thin, "annotation")
    for annotation, n, pixels, area, *box in slivers.lines("annotation", *SUM_COLUMNS):
        largest = f", the largest of {area:,} px" if n > 1 else ""
        message = f"{count_noun(n, f'{kind} sliver')} up to {max_width:g} px wide, {pixels:,} px{largest}"
        yield RowFinding(message, annotation=annotation, bbox=tuple(box), pixels=pixels)
