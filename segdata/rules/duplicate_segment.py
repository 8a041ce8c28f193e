"""SEG104 duplicate-segment: two segments cover the same pixels."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule("SEG104", "duplicate-segment", severity="warning", needs=("pairs",), fix="safe", habit="image", per_image=True)
def duplicate_segment(tables: Tables, *, min_iou: float = 0.9, min_iou_across: float = 1.0) -> Findings:
    """Two segments of one annotation cover the same pixels.

    Flagged, in one category:
        .xxxxxx.
        .xxxxxa.

        x = a + b
        a, b: car

    Fine, too different for one category:
        .xxxxxx.
        .xxxxaa.

        x = a + b
        a, b: car

    Flagged, in two categories (min_iou_across=0.8):
        .xxxxxx.
        .xxxxaa.

        x = a + b
        a: car
        b: truck

    Within a category an intersection over union of 0.9 or more counts, across categories identical pixels: which
    one is right? Near twins of two categories, 0.8 or more, are infos if you ask for them. Each of several
    identical segments is paired with the first. The rule ignores crowds.

    Why: a duplicate counts its object twice in training and evaluation. Under two categories it teaches that both are
    right.

    Remedy: delete one. If both are identical and of the same category, delete either.

    Options: `min_iou`: within a category. `min_iou_across`: across categories.
    Defaults: of 300 pairs that overlap in COCO (50 images), 712 in TACO and 348 of nuclei (GBM40) none of one
    category is flagged. At 0.8 across categories there are three: a bowl that is also a cup is right, and two lids on
    their containers may be intended. One of three is too few for a default.
    """
    segments, pairs = tables.segments, tables.pairs
    a, b, shared = pairs["a"], pairs["b"], pairs["shared"]
    area, category, crowd = segments["area"], segments["category_id"], segments["iscrowd"]
    iou = shared / (area[a] + area[b] - shared)
    same_category = category[a] == category[b]
    for row in np.flatnonzero((iou >= np.where(same_category, min_iou, min_iou_across)) & ~(crowd[a] | crowd[b])):
        first, second = int(a[row]), int(b[row])
        how = "are identical" if iou[row] == 1 else f"cover nearly the same pixels (IoU {iou[row]:.2f})"
        if not same_category[row]:
            first_name, second_name = (tables.profile.name_of(int(category[segment])) for segment in (first, second))
            how += f", one is {first_name}, the other {second_name}"
        yield RowFinding(
            f"two segments {how}",
            segments=(first, second),
            bbox=tuple(int(pairs[side][row]) for side in ("x", "y", "width", "height")),  # type: ignore[arg-type]  # four
            pixels=int(shared[row]),
            score=float(iou[row]),
            is_fixable=bool(iou[row] == 1 and same_category[row]),
            severity=None if same_category[row] or iou[row] == 1 else "info",
        )
