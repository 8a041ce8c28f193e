"""SEG116 seam: segments end together on a straight line."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.core.table import Table, group_edges
from segdata.rules.shared import both_ways, box_around, requires_full_coverage

_FILLED, _NEAR = 0.9, 2  # `min_filled` and `min_width` of SEG130
_TIMES_ELSEWHERE = 3  # as many columns are equal at the side as within the image
_SIDES = ("left", "top", "right", "bottom")
_MIN_EXPLAINED = 0.8  # share of the length of all ends on one side, by a single one on the other


@rule(
    "SEG116",
    "seam",
    severity="warning",
    needs=("ends", "steps", "pairs", "margins", "holes"),
    habit="image",
    per_image=True,
)
def seam(tables: Tables, *, min_segments: int = 4, min_length: int = 8) -> Findings:
    """Segments are cut along a straight line that is not the frame.

    Flagged:
        ..........................................................
        .aaaaaaaaaaaa..bbbbbbbbbbbb....cccccccccccc..dddddddddddd.
        .aaaaaaaaaaaa..bbbbbbbbbbbb....cccccccccccc..dddddddddddd.
        ..aaaaaaaaaa...bbbbbbbbbbb.....cccccccccccc...ddddddddddd.
        ..aaaaaaaaaa....bbbbbbbbbb......cccccccccc....dddddddddd..
        ....aaaaaa........bbbbbbb........ccccccc.......ddddddd....
        ..........................................................

    Fine, each ends where it ends:
        ..........................................................
        .aaaaaaaaaaaa..................cccccccccccc...............
        .aaaaaaaaaaaa..bbbbbbbbbbbb....cccccccccccc..dddddddddddd.
        ..aaaaaaaaaa...bbbbbbbbbbb.....cccccccccccc...ddddddddddd.
        ..aaaaaaaaaa....bbbbbbbbbb......cccccccccc....dddddddddd..
        ....aaaaaa........bbbbbbb........ccccccc.......ddddddd....
        ..........................................................

    Fine, they end at one straight segment:
        pppppppppppppppppppppppppppppppppppppppppppppppppppppppppp
        paaaaaaaaaaaapbbbbbbbbbbbbppppcccccccccccccpdddddddddddddp
        .aaaaaaaaaaaa..bbbbbbbbbbbb....cccccccccccc..dddddddddddd.
        ..aaaaaaaaaa...bbbbbbbbbbb.....cccccccccccc...ddddddddddd.
        ..aaaaaaaaaa....bbbbbbbbbb......cccccccccc....dddddddddd..
        ....aaaaaa........bbbbbbb........ccccccc.......ddddddd....

    Fine, a rail stands before their ends:
        .aaaaaaaaaaaa..bbbbbbbbbbbb....cccccccccccc..dddddddddddd.
        .aaaaaaaaaaaa..bbbbbbbbbbbb....cccccccccccc..dddddddddddd.
        ..aaaaaaaaaa...bbbbbbbbbbb.....cccccccccccc...ddddddddddd.
        ..aaaaaaaaaa....bbbbbbbbbb......cccccccccc....dddddddddd..
        rrwwwwwwwwwwrrrrxxxxxxxxxxrrrrrryyyyyyyyyyrrrrzzzzzzzzzzrr
        ..........................................................

        w = a + r
        x = b + r
        y = c + r
        z = d + r

    You get one finding for each line on which at least min_segments segments end flat from one side: where a segment
    begins with min_length pixels at once and continues as wide. It is a warning if the line lies close to the frame,
    nearer than min_length, as where masks stop short of it. Elsewhere it is an info, because a pole or a wall in front
    of things ends them as straight as the border of a tile.

    You also get a finding for each side of an image along which the labels repeat or mirror those beside them, as
    padding does: the last columns, or rows, are all equal, eight at least and three times as many as are equal
    elsewhere in the image, or they are the mirror image of those before them, up to half of the image. At least four
    segments must cross them.

    The rule does not report such a line if one segment beyond it has an end as long as all of them together: the line
    is that segment's edge. Nor does a segment count that shares pixels with another, less than half as long across the
    line, that ends there, too (2 px): a rail before windows. Segments of which one lies mostly under another (half of
    its pixels) count once. The rule leaves out crowds, void, exact rectangles, masks that were enlarged (SEG118), and
    lines beyond which a full picture has no labels (SEG130).

    A segment in which one hole is an exact rectangle, min_length wide and high, with nothing in it, is an info: a
    network's window, or an augmentation, erased it. Segments that are rectangles around it are frames, and fine.

    Why: images were annotated tile by tile, or masks stop short of the frame. Instances are cut, lost or doubled along
    the line, and your model learns to end them there. Padding shows your model things that are not there.

    Remedy: annotate tiles with an overlap and join what they share; draw up to the frame. Pad with void, or cut off
    what was padded. Fill what was erased.

    Options: `min_segments`: segments that end on one line from one side. `min_length`: of each end, in pixels.
    Defaults: nuclei of GBM40 end one pixel short of the frame, on nine lines in 8 of 40 images, and StarDist's on one:
    these ten are flagged, and right, as are eight at the frame of photographs of rooms and streets. Three lines
    elsewhere, at a parapet, a pole and a pillar, were no seams: hence the info. COCO (50 images), TACO (1500), COCO's
    panoptic sample, CamVid, CamSeq01, kudzu, crops and DAVIS have none. At three segments there would be ten more lines
    of nuclei, and four in CamVid's streets. No margin is repeated or mirrored in 42 openings of public datasets, and no
    rectangle is without labels.
    """
    yield from _padding(tables)
    yield from _erased_rectangles(tables, min_length)
    segments = tables.segments
    rectangle = segments["area"] == segments["width"] * segments["height"]
    left_out = rectangle | np.isin(np.arange(len(segments)), tables.steps["segment"])
    left_out |= np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    ends = tables.ends.take((tables.ends["length"] >= min_length) & ~left_out[tables.ends["segment"]])
    ends = ends.beside(annotation=segments["annotation"][ends["segment"]], behind=_are_behind_bands(tables, ends))
    n_lines = ends.repeated("annotation", "upright", "at")
    above = _lie_under(tables)
    low, high = _dense_extents(tables)
    for rows in (ends := ends.take(n_lines)).groups("annotation", "upright", "at"):
        for begins in (True, False):
            own_rows, opposite_rows = (rows[ends["begins"][rows] == side] for side in (begins, not begins))
            own_rows = own_rows[~ends["behind"][own_rows]]
            length = int(ends["length"][own_rows].sum())
            explained = ends["length"][opposite_rows].max(initial=0) >= _MIN_EXPLAINED * length
            owners = ends["segment"][own_rows]
            n_things = int((~np.isin(above[owners], owners)).sum()) if len(own_rows) >= min_segments else 0
            upright, line, annotation = (int(ends[name][rows[0]]) for name in ("upright", "at", "annotation"))
            is_band = line == (low if begins else high)[annotation, 1 - upright]
            if n_things >= min_segments and not explained and not is_band:
                yield _seam_finding(tables, ends, own_rows, begins, length, min_length)
                break


def _padding(tables: Tables) -> Findings:
    """Sides of images along which labels are repeated or mirrored."""
    margins, images = tables.margins, tables.images
    is_padding = margins["mirrored"] | (margins["width"] > _TIMES_ELSEWHERE * margins["elsewhere"])
    for annotation, side, width, is_mirrored in margins.take(is_padding).lines(
        "annotation", "side", "width", "mirrored"
    ):
        image = int(tables.annotations["image"][annotation])
        across, down = int(images["width"][image]), int(images["height"][image])
        lines, length = ("columns", down) if side % 2 == 0 else ("rows", across)
        what = "mirror those beside them" if is_mirrored else "repeat the one beside them"
        left, top = across - width if side == 2 else 0, down - width if side == 3 else 0
        size = (width, down) if side % 2 == 0 else (across, width)
        yield RowFinding(
            f"the {width:,} {lines} at the {_SIDES[side]} {what}, as padding does",
            annotation=annotation,
            bbox=(left, top, *size),
            pixels=width * length,
        )


def _erased_rectangles(tables: Tables, min_length: int) -> Findings:
    """Holes that are exact rectangles with nothing in them, one in its image; not in a segment with straight sides."""
    segments, holes = tables.segments, tables.holes
    is_rectangle = holes["area"] == holes["width"] * holes["height"]
    is_rectangle &= (holes["empty"] != 0) & (np.minimum(holes["width"], holes["height"]) >= min_length)
    if not is_rectangle.any():
        return
    owner = holes["segment"]
    enclosed = segments["area"] + segments["hole_pixels"]
    is_rectangle &= (enclosed < segments["width"] * segments["height"] * _FILLED)[owner]
    is_rectangle &= ~requires_full_coverage(tables)[segments["annotation"][owner]]  # there it is a gap (SEG101)
    rectangles = holes.take(is_rectangle).beside(annotation=segments["annotation"][owner[is_rectangle]])
    single = rectangles.take(~rectangles.repeated("annotation"))
    for segment, pixels, x, y, width, height in single.lines("segment", "area", "x", "y", "width", "height"):
        yield RowFinding(
            f"an exact rectangle of {width:,} x {height:,} px within the segment has no label: was it erased?",
            segments=(segment,),
            bbox=(x, y, width, height),
            pixels=pixels,
            severity="info",
        )


def _dense_extents(tables: Tables) -> tuple[Ints, Ints]:
    """(n_annotations, 2) where labels that fill their box begin and end, x and y; -1 if it is no band (SEG130)."""
    segments, pairs, annotations = tables.segments, tables.pairs, tables.annotations
    owner, n = segments["annotation"].astype(np.int64), len(annotations)
    is_void = np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    rows = np.flatnonzero(~is_void & (segments["area"] > 0))
    frame = np.stack([tables.images[name][annotations["image"]] for name in ("width", "height")], axis=1)
    edges = group_edges(segments.take(rows), owner[rows], n)
    low, high = np.stack([edges["left"], edges["top"]], axis=1), np.stack([edges["right"], edges["bottom"]], axis=1)
    filled = np.bincount(owner[rows], segments["area"][rows], n)
    filled -= np.bincount(owner[pairs["a"]], pairs["shared"], n)
    dense = filled >= _FILLED * np.maximum(high - low, 0).prod(axis=1)
    none = np.full_like(low, -1)
    is_far = np.stack([low >= _NEAR, frame - high >= _NEAR])
    return np.where(dense[:, None] & is_far[0], low, none), np.where(dense[:, None] & is_far[1], high, none)


def _are_behind_bands(tables: Tables, ends: Table) -> Flags:
    """(n_ends,) whether a segment shares pixels with another, less than half as long, that ends where it ends."""
    segments, pairs = tables.segments, both_ways(tables.pairs)
    first, second = pairs["one"], pairs["other"]
    behind = np.zeros(len(ends), bool)
    for upright, (start, size) in enumerate((("y", "height"), ("x", "width"))):
        is_shorter = 2 * segments[size][second] < segments[size][first]
        for begins in (False, True):
            limit = segments[start] if begins else segments[start] + segments[size]
            hidden = np.zeros(len(segments), bool)
            hidden[first[is_shorter & (np.abs(limit[first] - limit[second]) <= _NEAR)]] = True
            own = hidden[ends["segment"]] & (np.abs(limit[ends["segment"]] - ends["at"]) <= _NEAR)
            behind |= own & (ends["upright"] == upright) & (ends["begins"] == begins)
    return behind


def _lie_under(tables: Tables) -> Ints:
    """The first segment that covers half of each segment's pixels, or -1; of twins, only the second has one."""
    area, pairs = tables.segments["area"], both_ways(tables.pairs)
    covering = np.full(len(area), -1, np.int64)
    inside, outside = (pairs[name][2 * pairs["shared"] >= area[pairs["one"]]] for name in ("one", "other"))
    is_smaller = (area[inside] < area[outside]) | ((area[inside] == area[outside]) & (inside > outside))
    covering[inside[is_smaller]] = outside[is_smaller]
    return covering


def _seam_finding(tables: Tables, ends: Table, rows: Ints, begins: bool, length: int, strip: int) -> RowFinding:
    """The finding: a warning if the line cuts off a strip at the frame, narrower than `strip`; else an info."""
    upright, position = bool(ends["upright"][rows[0]]), int(ends["at"][rows[0]])
    annotation, segment = int(ends["annotation"][rows[0]]), ends["segment"][rows]
    left, top, width, height = box_around(tables, segment)
    image = int(tables.annotations["image"][annotation])
    distance = min(position, int(tables.images["width" if upright else "height"][image]) - position)
    frame_note = f", {distance} px short of the frame" if distance < strip else ""
    statement = f"{count_noun(len(rows), 'segment')} {'begin' if begins else 'end'} flat on the line"
    side = max(position - 1, 0)
    return RowFinding(
        f"{statement} {'x' if upright else 'y'} = {position}{frame_note}, over {length:,} px of it",
        annotation=annotation,
        segments=tuple(sorted(segment.tolist())),
        bbox=(side, top, 2, height) if upright else (left, side, width, 2),
        pixels=length,
        severity=None if distance < strip else "info",
    )
