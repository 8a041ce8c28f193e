"""SEG104 duplicate-segment: two segments cover the same pixels."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.reductions import sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.strata import joint_codes
from segdata.rules.shared import both_ways

_MIN_TOGETHER, _MIN_INSIDE, _UNION_TOLERANCE = 3, 0.95, 0.1  # segments in one that is their union, and their pixels
_MIN_COVERED, _MAX_EQUAL = 20, 0.2  # pairs of two categories of which one covers the other; the share of equal ones


@rule(
    "SEG104",
    "duplicate-segment",
    severity="warning",
    needs=("pairs",),
    fix="safe",
    habit="image",
    whole=True,
    by_part=True,
)
def duplicate_segment(tables: Tables, *, min_iou: float = 0.75, min_iou_across: float = 1.0) -> Findings:
    """Two segments of one annotation cover the same pixels.

    Flagged, in one category:
        .xxxxxx.
        .xxxxaa.

        x = a + b
        a, b: car

    Fine, too different for one category:
        .xxxxxx.
        .xxaaaa.

        x = a + b
        a, b: car

    Flagged, in two categories (min_iou_across=0.8):
        .xxxxxx.
        .xxxxaa.

        x = a + b
        a: car
        b: truck

    Flagged, one is all others of its category together:
        xxx.yyy.zz
        xxx.yyy.zz

        x = a + d
        y = b + d
        z = c + d
        a, b, c, d: car

    Within a category an intersection over union of 0.75 or more counts, across categories identical pixels: which
    one is right? Two categories are an info, since a thing may be both. Two categories that describe
    one thing by design, as its visible and its whole extent, are left out: in 20 pairs or more one covers at least half
    of the other, and at most one in five of these are equal. Each of several
    identical segments is paired with the first. A segment that is the others together must have at least three
    inside it, all of its category in the image. The rule ignores crowds.

    Why: a duplicate counts its object twice in training and evaluation. Under two categories it teaches that both are
    right.

    Remedy: delete one. If both are identical and of the same category, delete either.

    Options: `min_iou`: within a category. `min_iou_across`: across categories.
    Defaults: of 300 pairs that overlap in COCO (50 images), 712 in TACO and 348 of nuclei (GBM40) none of one category
    is flagged, nor of 19,316 parts of facades. An object that is outlined twice by hand reaches 0.75 to 0.9: 15 of 15
    such pairs of crystals, cars and grains of powder are one object. At 0.8 across categories there are three: a bowl
    that is also a cup is right, and two lids on their containers may be intended. One of three is too few for a
    default.
    """
    yield from _unions(tables)
    segments, pairs = tables.segments, tables.pairs
    a, b, shared = pairs["a"], pairs["b"], pairs["shared"]
    area, category, crowd = segments["area"], segments["category_id"], segments["iscrowd"]
    iou = shared / (area[a] + area[b] - shared)
    same_category, compared = category[a] == category[b], ~(crowd[a] | crowd[b])
    meant = _describe_one_thing(tables, np.flatnonzero(~same_category & compared), iou)
    rows = np.flatnonzero((iou >= np.where(same_category, min_iou, min_iou_across)) & compared & ~meant).tolist()
    for row, box in pairs.rows(rows, "x", "y", "width", "height").items():
        first, second = int(a[row]), int(b[row])
        how = "are identical" if iou[row] == 1 else f"cover nearly the same pixels (IoU {iou[row]:.2f})"
        if not same_category[row]:
            first_name, second_name = (tables.profile.name_of(int(category[segment])) for segment in (first, second))
            how += f", one is {first_name}, the other {second_name}"
        yield RowFinding(
            f"two segments {how}",
            segments=(first, second),
            bbox=box,
            pixels=int(shared[row]),
            score=float(iou[row]),
            is_fixable=bool(iou[row] == 1 and same_category[row]),
            severity=None if same_category[row] else "info",
        )


def _unions(tables: Tables) -> Findings:
    """A finding for each segment that is all others of its category and annotation together."""
    segments, pairs = tables.segments, both_ways(tables.pairs)
    one, other, area = pairs["one"], pairs["other"], segments["area"]
    group, first = joint_codes(segments["annotation"], segments["category_id"])
    counted = (area > 0) & ~segments["iscrowd"]
    inside = (group[one] == group[other]) & counted[one] & counted[other] & (area[other] < area[one])
    inside &= pairs["shared"] >= _MIN_INSIDE * area[other]
    n_inside = np.bincount(one[inside], minlength=len(segments))
    pixels = np.bincount(one[inside], pairs["shared"][inside], len(segments))
    n_others = np.bincount(group[counted], minlength=len(first))[group] - 1
    union = counted & (n_inside >= _MIN_TOGETHER) & (n_inside == n_others)
    for row in np.flatnonzero(union & (np.abs(pixels - area) <= _UNION_TOLERANCE * area)).tolist():
        message = f"it is the {n_inside[row]:,} other segments of its category here together: a mask of all objects?"
        yield RowFinding(message, segments=(row,), pixels=int(area[row]), is_fixable=False)


def _describe_one_thing(tables: Tables, rows: Ints, iou: Floats) -> Flags:
    """(n_pairs,) which of the pairs (rows, of two categories) are of categories that cover each other by design."""
    segments, pairs = tables.segments, tables.pairs
    a, b = pairs["a"][rows], pairs["b"][rows]
    area, category = segments["area"], segments["category_id"].astype(np.int64)
    low, high = np.minimum(category[a], category[b]), np.maximum(category[a], category[b])
    covers = 2 * pairs["shared"][rows] >= np.minimum(area[a], area[b])
    counts = {"n": np.ones(int(covers.sum()), np.int64), "n_equal": iou[rows[covers]] == 1}
    table = sum_by(tables, {"low": low[covers], "high": high[covers]}, counts, least=_MIN_COVERED)
    table = table.take(table["n_equal"] <= _MAX_EQUAL * table["n"])
    code, _ = joint_codes(*(np.concatenate([own, table[name]]) for name, own in (("low", low), ("high", high))))
    meant = np.zeros(len(pairs), bool)
    meant[rows[np.isin(code[: len(rows)], code[len(rows) :])]] = True
    return meant
