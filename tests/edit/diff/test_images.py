"""Which image of B stands opposite which of A."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.core.batch import Batch, replaced
from segdata.core.dataset import Dataset
from segdata.edit.diff.compare import compare
from segdata.edit.diff.images import opposites
from tests.edit.diff.memory import SMALL, small


def called(*names: str) -> Dataset:
    """The first images of the small dataset under other names."""
    batch: Batch = SMALL.take_images(np.arange(len(names)))
    return small(replace(batch, images=replaced(batch.images, "image_id", names)))


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
    found = opposites(called(*a), called(*b))
    assert (found.by, list(zip(found.a.tolist(), found.b.tolist(), strict=True))) == (by, rows)


def test_rows_are_those_of_the_source() -> None:
    part = replace(called("a.png", "b.png", "c.png"), rows=np.array([2, 1]))
    found = opposites(part, called("c.png"))
    assert list(zip(found.a.tolist(), found.b.tolist(), strict=True)) == [(1, -1), (2, 0)]


def test_portions_hold_every_pair_once() -> None:
    found = opposites(called("a.png", "b.png", "c.png"), called("b.png", "c.png"))
    portions = found.portions(2)
    assert [len(a) for a, _ in portions] == [2, 1]
    assert np.concatenate([b for _, b in portions]).tolist() == found.b.tolist()


def test_no_images_at_all() -> None:
    nothing = small(SMALL.take_images(np.array([], np.int64)))
    assert compare(nothing, nothing).same
    assert compare(small(), nothing).counts["image-missing"].n == 3
