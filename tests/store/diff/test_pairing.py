"""Which image of B stands opposite which of A."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.core.batch import Batch, replace_column
from segdata.core.dataset import OpenDataset
from segdata.core.runs import Ints
from segdata.store.diff.compare import compare_datasets
from segdata.store.diff.pairing import join_rows, pair_images
from tests.store.diff.memory import SMALL, small


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
