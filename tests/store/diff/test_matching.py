"""Matching by shared pixels, against taking the best pair, one after the other."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.core.batch import Batch
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.store.diff.compare import compare_datasets
from segdata.testing.pictures import Mask, runs_of_masks
from tests.store.diff.memory import small

Segment = tuple[Mask, int]
_SEGMENTS = st.lists(st.tuples(arrays(bool, (3, 4)), st.integers(1, 2)), max_size=4)


def batch_of(segments: list[Segment]) -> Batch:
    """One image of 3 x 4 with these masks and categories, numbered from 0."""
    return Batch(
        make_table(BATCH_IMAGES, 1, image_id=["a.png"], width=[4], height=[3]),
        make_table(BATCH_ANNOTATIONS, 1, image=[0]),
        make_table(
            BATCH_SEGMENTS, len(segments), annotation=[0] * len(segments), segment_id=range(len(segments)),
            category_id=[category for _, category in segments],
        ),
        runs_of_masks([mask for mask, _ in segments]),
    )  # fmt: skip


def greedily(a: list[Segment], b: list[Segment], least: float) -> list[float]:
    """The IoU of every pair that is chosen, when the best that is left is taken until none is good enough."""
    pairs = []
    for i, (one, of_one) in enumerate(a):
        for j, (other, of_other) in enumerate(b):
            shared, union = (one & other).sum(), (one | other).sum()
            iou = shared / union if union else 1.0
            exact = bool((one == other).all())
            enough = exact or (shared > 0 and iou >= (least if of_one == of_other else 0.5))
            strange = of_one != of_other
            # For what a conversion made, equal pixels of another category are as near as any; empty ones come last.
            turn = int(not exact) if least >= 0.5 or not strange else 1 if union else 2
            if enough:
                pairs.append((turn, strange, turn == 0 and i != j, -iou, -shared, i != j, i + j, abs(i - j), i, j))
    chosen = []
    pairs.sort()
    used_a, used_b = set(), set()
    for _, _, _, iou, _, _, _, _, i, j in pairs:
        if i not in used_a and j not in used_b:
            used_a.add(i)
            used_b.add(j)
            chosen.append(-iou)
    return chosen


@pytest.mark.parametrize("least", [0.0, 0.5])
@settings(max_examples=60)
@given(a=_SEGMENTS, b=_SEGMENTS)
def test_the_best_pairs_are_matched(least: float, a: list[Segment], b: list[Segment]) -> None:
    found = compare_datasets(small(batch_of(a)), small(batch_of(b)), least=least, limit=None, strict=True)
    chosen = greedily(a, b, least)
    n_pixels = found.counts["pixels"].n if "pixels" in found.counts else 0
    missing = found.counts["segment-missing"].n if "segment-missing" in found.counts else 0
    assert len(a) - missing == len(chosen)
    assert n_pixels == sum(iou < 1 for iou in chosen)
    told = [float(change.message.partition("IoU ")[2]) for change in found.changes if change.kind == "pixels"]
    np.testing.assert_allclose(sorted(told), sorted(iou for iou in chosen if iou < 1), atol=0.001)


def test_of_equal_pixels_category_and_id_decide() -> None:
    mask = np.ones((3, 4), bool)
    a = batch_of([(mask, 1), (mask, 2), (mask, 2)])
    b = replace(a, segments=a.segments.take([2, 0, 1]))
    assert compare_datasets(small(a), small(b), strict=True).same
    less = compare_datasets(small(a), small(batch_of([(mask, 2), (mask, 3)])))
    told = {kind: count.n for kind, count in less.telling.items()}
    assert told == {"segment-missing": 1, "category": 1, "category-pixels": 1}
    (moved,) = [change for change in less.changes if change.kind == "category"]
    assert (moved.category_a, moved.category_b) == ("road", "tree"), "a car is still a car"


def test_one_category_comes_before_more_shared_pixels() -> None:
    """A car that lost pixels to a tree is still the car."""
    car, tree = np.zeros((2, 3, 4), bool)
    car[:, :2] = tree[:, :3] = True
    a = batch_of([(car, 1)])
    b = batch_of([(tree, 2), (car & ~(np.arange(4) == 0), 1)])
    found = compare_datasets(small(a), small(b))
    assert "category" not in found.counts
    assert found.counts["segment-added"].n == 1


def test_of_equal_iou_the_pair_that_shares_more_is_chosen() -> None:
    def strip(*places: int) -> Mask:
        return np.isin(np.arange(12).reshape(3, 4), places)

    a, b = [(strip(2), 1), (strip(0, 1, 2, 3), 1), (strip(0, 1), 1)], [(strip(2, 3), 1), (strip(0, 1), 1)]
    found = compare_datasets(small(batch_of(a)), small(batch_of(b)), least=0.0, limit=None)
    assert {(each.kind, each.segment_a) for each in found.changes} == {("segment-missing", 0), ("pixels", 1)}
