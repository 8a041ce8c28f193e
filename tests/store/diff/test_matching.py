"""Which image of B stands opposite which of A."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.core.batch import Batch, replace_column
from segdata.core.dataset import OpenDataset
from segdata.core.runs import Ints
from segdata.store.diff.compare import compare_datasets
from segdata.store.diff.matching import join_rows, pair_images
from segdata.testing.pictures import Mask
from tests.memory import SMALL, make_batch, small


def called(*names: str) -> OpenDataset:
    """The first images of the small dataset under other names."""
    batch: Batch = SMALL.take_images(np.arange(len(names)))
    return small(replace(batch, images=replace_column(batch.images, "image_id", names)))


@pytest.mark.parametrize(
    ("a", "b", "by", "rows"),
    [
        (("a.png", "b.png"), ("b.png", "a.png"), "id", [(0, 1), (1, 0)]),
        (("a.png", "b.png"), ("b.png", "c.png"), "id", [(0, -1), (1, 0), (-1, 1)]),
        (("x/a.png", "b.png"), ("b.jpg", "x/a.jpg"), "stem", [(1, 0), (0, 1)]),
        (("x/a.png", "b.png"), ("b.jpg", "a.jpg"), "stem", [(-1, 1), (1, 0), (0, -1)]),
        (("x/a.png", "y/b.png"), ("b.jpg", "a.jpg"), "name", [(0, 1), (1, 0)]),
        (("a.png",), ("b.png",), "id", [(0, -1), (-1, 0)]),
        (("a.png", "a.png"), ("a.png", "a.png", "a.png"), "id", [(0, 0), (1, 1), (-1, 2)]),  # as often as it is listed
        (("a.png", "a.tif", "b.png"), ("a.jpg", "b.jpg"), "stem", [(-1, 0), (0, -1), (1, -1), (2, 1)]),  # of two none
    ],
)
def test_opposites(a: tuple[str, ...], b: tuple[str, ...], by: str, rows: list[tuple[int, int]]) -> None:
    found = pair_images(called(*a), called(*b))
    assert (found.by, list(zip(found.a.tolist(), found.b.tolist(), strict=True))) == (by, rows)


def test_rows_are_those_of_the_source() -> None:
    part = replace(called("a.png", "b.png", "c.png"), rows=np.array([2, 1]))
    found = pair_images(part, called("c.png"))
    assert list(zip(found.a.tolist(), found.b.tolist(), strict=True)) == [(1, -1), (2, 0)]


@pytest.mark.parametrize(("only", "rows"), [
    ({"b.png"}, [(-1, 0)]), ({"a.png"}, [(0, 1)]), ({"c.png"}, [(1, -1)]), ({"a.png", "b.png"}, [(0, 1), (-1, 0)]),
    (set(), []),
])  # fmt: skip
def test_images_that_either_side_has(only: set[str], rows: list[tuple[int, int]]) -> None:
    found = pair_images(called("a.png", "c.png"), called("b.png", "a.png"), only)
    assert list(zip(found.a.tolist(), found.b.tolist(), strict=True)) == rows


def test_portions_hold_every_pair_once() -> None:
    found = pair_images(called("a.png", "b.png", "c.png"), called("b.png", "c.png"))
    portions = found.portions(2)
    assert [len(a) for a, _ in portions] == [2, 1]
    assert np.concatenate([b for _, b in portions]).tolist() == found.b.tolist()


def test_no_images_at_all() -> None:
    nothing = small(SMALL.take_images(np.array([], np.int64)))
    assert compare_datasets(nothing, nothing).same
    assert compare_datasets(small(), nothing).counts["image-missing"].n == 3


_KEYS = st.integers(0, 5).flatmap(lambda n: arrays(np.int64, (2, n), elements=st.integers(0, 2)))


@given(_KEYS, _KEYS)
def test_each_row_goes_with_the_next_of_its_key(a: Ints, b: Ints) -> None:
    rest = list(range(b.shape[1]))
    expected = []
    for row in range(a.shape[1]):
        fits = [other for other in rest if (b[:, other] == a[:, row]).all()]
        if fits:
            rest.remove(fits[0])
            expected.append((row, fits[0]))
    rows_a, rows_b = join_rows(list(a), list(b))
    assert sorted(zip(rows_a.tolist(), rows_b.tolist(), strict=True)) == expected


Segment = tuple[Mask, int]
_SEGMENTS = st.lists(st.tuples(arrays(bool, (3, 4)), st.integers(1, 2)), max_size=4)


def batch_of(segments: list[Segment]) -> Batch:
    """One image of 3 x 4 with these masks and categories, numbered from 0."""
    image = {"image_id": "a.png", "width": 4, "height": 3}
    return make_batch([image], [(0, None)], [(0, category, mask) for mask, category in segments])


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


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_that_are_alike_the_first_is_chosen_whichever_side_is_a(turned: bool) -> None:
    """The second of one side lies half on the first and half on the third of the other."""

    def mask(*places: int) -> Mask:
        return np.isin(np.arange(12).reshape(3, 4), places)

    one = [(mask(11), 1), (mask(0, 1, 2, 3), 1)]
    other = [(mask(0, 1), 1), (mask(10), 1), (mask(2, 3), 1)]
    sides = (small(batch_of(other)), small(batch_of(one))) if turned else (small(batch_of(one)), small(batch_of(other)))
    found = compare_datasets(*sides, limit=None)
    (pixels,) = (each for each in found.changes if each.kind == "pixels")
    assert (pixels.segment_a, pixels.segment_b) == ((0, 1) if turned else (1, 0))
