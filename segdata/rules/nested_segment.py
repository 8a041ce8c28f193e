"""SEG110 nested-segment: a segment lies inside another of its category."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.guideline import is_related_either_way
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.rules.shared import is_thing


@rule(
    "SEG110",
    "nested-segment",
    severity="info",
    needs=("pairs", "holes"),
    tasks=("instance", "panoptic"),
    habit="image",
    per_image=True,
    opt_in=True,
)
def nested_segment(tables: Tables, *, min_share: float = 0.95, max_iou: float = 0.8) -> Findings:
    """A segment lies wholly inside another of its category.

    Flagged, it shares its pixels with the outer one:
        aaaaaaa
        aaxxaaa
        aaaaaaa

        x = a + b
        a, b: car

    Flagged, it fills a hole of the outer one:
        aaaaaaa
        aabbaaa
        aaaaaaa

        a, b: car

    Fine, they overlap:
        aaaaaaa
        aaxxaaa
        ..bb...

        x = a + b
        a, b: car

    Fine, it has another category:
        aaaaaaa
        aabbaaa
        aaaaaaa

        a: car
        b: window

    The rule looks at things only. It ignores crowds, and categories that `may_overlap` themselves. Segments that are
    nearly the same are SEG104.

    Why: one of the two is usually left over from an earlier attempt, or a detail drawn as an object of its own: the
    object counts twice.

    Remedy: delete one of them, or give it its own category.

    Options: `min_share`: the share of the inner segment that must lie in the outer one, or of the hole that it must
    fill. `max_iou`: pairs that are more alike are duplicates.
    Defaults: TACO has 2 findings (pieces of litter on others), crops 1 (a leaf within its plant), the nuclei of the
    Data Science Bowl 2018 (29461) 3: two within rings, one in front of another. RVOS, a model, has 1. COCO (50 images),
    GBM40, kudzu, lemons, StarDist and COCO's panoptic sample have none. 4 of these 7 are mistakes and the others may be
    intended, so the severity is info.
    """
    segments = tables.segments
    pairs = tables.pairs
    area = segments["area"]
    swap = area[pairs["a"]] < area[pairs["b"]]
    inner, outer = np.where(swap, (pairs["a"], pairs["b"]), (pairs["b"], pairs["a"]))
    shared = pairs["shared"]
    inside = (shared >= min_share * area[inner]) & (shared <= max_iou * area[outer])
    nestings = [(inner[inside], outer[inside]), _in_holes(tables, min_share)]
    inner, outer = (np.concatenate(array) for array in zip(*nestings, strict=True))
    category = segments["category_id"].astype(np.int64)
    thing_segments = is_thing(tables)
    counts = (category[inner] == category[outer]) & thing_segments[inner] & thing_segments[outer]
    counts &= ~is_related_either_way(tables.profile.taxonomy, "may_overlap", category[inner], category[outer])
    inner_rows, outer_rows = np.unique(np.column_stack([inner, outer])[counts], axis=0).T
    sides = (segments[side][inner_rows].tolist() for side in ("x", "y", "width", "height"))
    rows = (array.tolist() for array in (inner_rows, outer_rows, area[inner_rows], area[outer_rows]))
    for inner_row, outer_row, pixels, outer_pixels, *box in zip(*rows, *sides, strict=True):
        message = f"{pixels:,} px lie inside another segment of the category, which has {outer_pixels:,} px"
        yield RowFinding(message, segments=(inner_row, outer_row), bbox=tuple(box), pixels=pixels)


def _in_holes(tables: Tables, min_share: float) -> tuple[Ints, Ints]:
    """Segments, and those whose holes they fill: their boxes lie in the hole's, and their areas are nearly its."""
    segments = tables.segments
    holes = tables.holes.take(~tables.holes["empty"])
    owner = holes["segment"]
    annotation = segments["annotation"]
    # Segments are in the order of their annotations: those that may fill a hole are a stretch of rows.
    first = np.searchsorted(annotation, annotation[owner])
    count = np.searchsorted(annotation, annotation[owner], side="right") - first
    hole = np.repeat(np.arange(len(owner)), count)
    inner = np.arange(len(hole)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    area, room = segments["area"][inner], holes["area"][hole]
    fits = (area <= room) & (area >= min_share * room)
    for start, length in (("x", "width"), ("y", "height")):
        begin, end = segments[start][inner], segments[start][inner] + segments[length][inner]
        fits &= (begin >= holes[start][hole]) & (end <= holes[start][hole] + holes[length][hole])
    fits &= inner != owner[hole]
    return inner[fits], owner[hole[fits]]
