"""SEG111 hairline: a sliver one or two pixels wide lies between segments."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.table import Table
from segdata.rules.shared import (
    SUM_COLUMNS,
    background_is_declared,
    forbidden_overlaps,
    leaves_background_unlabelled,
    requires_full_coverage,
    sum_by_owner,
)


@rule(
    "SEG111",
    "hairline",
    severity="info",
    needs=("coverage", "gaps", "pairs"),
    fix="unsafe",
    habit="image",
    per_image=background_is_declared,
    by_part=True,
)
def hairline(tables: Tables, *, max_width: float = 2.0, min_length: float = 10.0) -> Findings:
    """Along a border lies a sliver, one or two pixels wide, that no segment or two segments claim.

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

    You get one finding for each annotation, with the number of slivers. Width and length are those of the rectangle of
    the same area and perimeter. In sparse coverage a line may be intended, as between fibres that touch, and where
    overlap is allowed shared pixels are fine: the rule flags only what the policies forbid. Masks that leave a
    background (SEG101) count as sparse. SEG101 and SEG102 judge these pixels with all others of their kind; this info
    adds that they are slivers along borders.

    Why: neighbours that touch in the image do not touch in the labels, or each owns the other's edge. Boundary metrics
    count the line twice, and your model learns to leave it out.

    Remedy: close it: give each pixel to the nearest segment.

    Options: `max_width` and `min_length`: of a sliver, in pixels.
    Defaults: CamVid and CamSeq01 (56 masks) have none; the two images of COCO's panoptic sample have 30, where
    neighbours were drawn apart. In ten corrected masks of touching fibres, which are sparse data, 69 of that kind are
    intended.
    """
    if not leaves_background_unlabelled(tables):
        gaps = tables.gaps.take(requires_full_coverage(tables)[tables.gaps["annotation"]])
        yield from _slivers("unlabelled", gaps, max_width, min_length)
    if tables.profile.overlap.value != "allow":
        pairs = forbidden_overlaps(tables)
        overlaps = pairs.beside(area=pairs["shared"], annotation=tables.segments["annotation"][pairs["a"]])
        yield from _slivers("overlapping", overlaps, max_width, min_length)


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
