"""Borders of bitmaps against OpenCV, ring by ring."""

from itertools import pairwise
from types import ModuleType

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

BITMAPS = st.tuples(st.integers(1, 16), st.integers(1, 16)).flatmap(
    lambda size: arrays(np.uint8, size, elements=st.sampled_from([0, 1]), fill=st.sampled_from([0, 1]))
)


def rings_of(xy: NDArray[np.int32], ring: NDArray[np.int64]) -> list[list[list[int]]]:
    return [xy[i:j].tolist() for i, j in pairwise(ring.tolist())]


def by_opencv(pixels: Pixels, mode: int) -> tuple[list[list[list[int]]], list[list[int]]]:
    """The contours, and next, previous, first child and parent of each."""
    contours, levels = cv2.findContours(pixels, mode, cv2.CHAIN_APPROX_SIMPLE)
    return [contour[:, 0].tolist() for contour in contours], [] if levels is None else levels[0].tolist()


def compare(kernels: ModuleType, pixels: Pixels) -> None:
    xy, ring, hole, parent = kernels.borders(pixels)
    assert (xy.dtype, ring.dtype, hole.dtype, parent.dtype) == (np.int32, np.int64, bool, np.int64)
    rings = rings_of(xy, ring)
    assert rings == by_opencv(pixels, cv2.RETR_LIST)[0]
    outermost = [row for row, above in enumerate(parent.tolist()) if above < 0]
    assert [rings[row] for row in outermost] == by_opencv(pixels, cv2.RETR_EXTERNAL)[0]
    outer = [row for row, is_hole in enumerate(hole.tolist()) if not is_hole]
    contours, levels = by_opencv(pixels, cv2.RETR_CCOMP)
    has_holes = set(parent[hole].tolist())
    assert [(rings[row], row in has_holes) for row in outer] == [
        (points, child >= 0) for points, (_, _, child, above) in zip(contours, levels, strict=True) if above < 0
    ]
    contours, levels = by_opencv(pixels, cv2.RETR_TREE)
    above = [str(contours[level[3]]) if level[3] >= 0 else "" for level in levels]
    around = dict(zip(map(str, contours), above, strict=True))
    if len(around) == len(rings):  # else a ring stands twice: that of a thin part is that of its hole
        ours = [str(rings[row]) if row >= 0 else "" for row in parent.tolist()]
        assert dict(zip(map(str, rings), ours, strict=True)) == around


@settings(max_examples=300)
@given(BITMAPS)
def test_rings_are_those_of_opencv(kernels: ModuleType, pixels: Pixels) -> None:
    compare(kernels, pixels)


@pytest.mark.parametrize("density", [0.1, 0.5, 0.7, 0.9, 0.99])
def test_many_rings(kernels: ModuleType, density: float) -> None:
    """More than the 127 that OpenCV tells apart."""
    rng = np.random.default_rng(3)
    compare(kernels, (rng.random((97, 120)) < density).astype(np.uint8))


def test_rings_in_rings(kernels: ModuleType) -> None:
    y, x = np.mgrid[:41, :41]
    nested = (np.maximum(abs(x - 20), abs(y - 20)) % 4 < 2).astype(np.uint8)
    compare(kernels, nested)
    _, _, hole, parent = kernels.borders(nested)
    depth = [0] * len(hole)
    for row in range(len(hole) - 1, -1, -1):
        depth[row] = 0 if parent[row] < 0 else depth[parent[row]] + 1
    assert depth == list(range(len(hole) - 1, -1, -1))
    assert hole.tolist() == [level % 2 == 1 for level in depth]


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0), (3, 4)])
def test_nothing_has_no_rings(kernels: ModuleType, size: tuple[int, int]) -> None:
    xy, ring, hole, parent = kernels.borders(np.zeros(size, np.uint8))
    assert (xy.shape, ring.tolist(), len(hole), len(parent)) == ((0, 2), [0], 0, 0)
