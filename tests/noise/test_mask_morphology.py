"""Strokes, against the same done pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from segdata.core import kernels
from segdata.core.runs import Ints, Runs
from segdata.noise.segments import grow, keep_topmost, perturb_outlines, translate
from segdata.testing.strategies import masks

Masks = list[np.ndarray]


def runs_of(drawn: Masks) -> tuple[Runs, Ints, Ints]:
    pieces = []
    for mask in drawn:
        start, length, value = kernels.label_runs(mask.astype(np.uint8))
        pieces.append(Runs(start[value > 0], length[value > 0], np.zeros(int((value > 0).sum()), np.int32)))
    height, width = (np.array([mask.shape[axis] for mask in drawn], np.int64) for axis in (0, 1))
    return Runs.concatenate(pieces, [1] * len(drawn)), height, width


def masks_of(runs: Runs, height: Ints, width: Ints) -> Masks:
    runs.checked(height, width)
    drawn = [np.zeros(high * wide, bool) for high, wide in zip(height, width, strict=True)]
    for start, length, owner in zip(runs.start, runs.length, runs.owner, strict=True):
        drawn[owner][start : start + length] = True
    return [each.reshape(wide, high).T for each, high, wide in zip(drawn, height.tolist(), width.tolist(), strict=True)]


def disc(radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(x**2 + y**2 <= radius**2 + radius / 2)


some_masks = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda size: masks(*size)), min_size=1, max_size=3
)


@given(some_masks, st.data())
def test_larger_and_smaller_by_a_disc(drawn: Masks, data: st.DataObject) -> None:
    by = np.array(data.draw(st.lists(st.integers(-3, 3), min_size=len(drawn), max_size=len(drawn))), np.int64)
    runs, height, width = runs_of(drawn)
    found = masks_of(grow(runs, height, width, by), height, width)
    for mask, k, other in zip(drawn, by.tolist(), found, strict=True):
        if k < 0:
            expected = ndimage.binary_erosion(mask, disc(-k), border_value=1)
        else:
            expected = ndimage.binary_dilation(mask, disc(k))
        np.testing.assert_array_equal(other, expected)


@given(some_masks, st.integers(-9, 9), st.integers(-9, 9))
def test_moved(drawn: Masks, right: int, down: int) -> None:
    runs, height, width = runs_of(drawn)
    n = len(drawn)
    found = masks_of(translate(runs, height, width, np.full(n, right), np.full(n, down)), height, width)
    for mask, other in zip(drawn, found, strict=True):
        expected = ndimage.shift(mask.astype(np.uint8), (down, right), order=0) > 0
        np.testing.assert_array_equal(other, expected)


@given(st.integers(1, 8).flatmap(lambda n: st.lists(masks(n, n), min_size=1, max_size=4)), st.randoms())
def test_the_uppermost_has_the_pixel(drawn: Masks, random: object) -> None:
    rank = np.random.default_rng(random.randint(0, 9)).permutation(len(drawn))  # type: ignore[attr-defined]  # random
    runs, height, width = runs_of(drawn)
    found = masks_of(keep_topmost(runs, np.zeros(len(drawn), np.int64), height, width, rank), height, width)
    top = np.full(drawn[0].shape, -1)
    for k in np.argsort(rank).tolist():
        top[drawn[k]] = k
    for k, other in enumerate(found):
        np.testing.assert_array_equal(other, top == k)


@pytest.mark.parametrize("size", [0.0, 1.5])
def test_a_shaky_hand_draws_no_larger(size: float) -> None:
    square = np.zeros((90, 90), bool)
    square[20:70, 20:70] = True
    runs, height, width = runs_of([square] * 200)
    n = len(height)
    area = perturb_outlines(runs, height, width, np.full(n, size), np.random.default_rng(0)).areas(n)
    assert (area != 2500).any() == (size > 0)
    assert abs(area.mean() - 2500) <= 4 * area.std() / np.sqrt(n)
