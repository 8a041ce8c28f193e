"""Polygons against Pillow and OpenCV themselves, pixel for pixel."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Ring = NDArray[np.float64]
Shape = tuple[list[Ring], int, int]  # rings, height, width

LIBRARIES = ("pillow", "opencv")

_NUMBERS = (
    st.integers(-20, 80),
    st.integers(-1, 4),  # points coincide, edges lie on one line
    st.integers(-40, 160).map(lambda half: half / 2),
    st.floats(-20, 80),
    st.integers(-9000, 9000),
)


@st.composite
def rings(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Ring:
    number = draw(st.sampled_from(_NUMBERS))
    return np.array(draw(st.lists(st.tuples(number, number), min_size=2, max_size=12)), np.float64)


sides = st.integers(1, 64)
shapes = st.tuples(st.lists(rings(), max_size=3), sides, sides)


def drawn(kernels: ModuleType, library: str, some: list[Shape]) -> list[NDArray[np.uint8]]:
    """The pixels of each shape, after the promises of runs were looked at."""
    height, width = np.array([shape[1:] for shape in some], np.int64).reshape(-1, 2).T.copy()
    flat = [ring for shape in some for ring in shape[0]]
    xy = np.concatenate([np.empty(0), *(ring.ravel() for ring in flat)])
    ring = np.cumsum([0, *(ring.size for ring in flat)], dtype=np.int64)
    segment = np.cumsum([0, *(len(shape[0]) for shape in some)], dtype=np.int64)
    start, length, owner = getattr(kernels, f"draw_{library}")(xy, ring, segment, height, width)
    assert (start.dtype, length.dtype, owner.dtype) == (np.int64, np.int64, np.int32)
    assert (np.diff(owner) >= 0).all()
    return [
        painted(start[owner == i], length[owner == i], *size)
        for i, size in enumerate(zip(height.tolist(), width.tolist(), strict=True))
    ]


def painted(start: NDArray[np.int64], length: NDArray[np.int64], height: int, width: int) -> NDArray[np.uint8]:
    assert (length > 0).all()
    assert (start % max(height, 1) + length <= height).all()
    apart = np.diff(start) - length[:-1]
    assert ((apart > 0) | ((apart == 0) & (start[1:] % max(height, 1) == 0))).all()  # the longest runs, in order
    change = np.zeros(height * width + 1, np.int8)
    np.add.at(change, start, 1)
    np.add.at(change, start + length, -1)
    return np.cumsum(change, dtype=np.int8)[:-1].reshape(width, height).T.astype(np.uint8)


def by_library(library: str, shape: Shape) -> NDArray[np.uint8]:
    given_rings, height, width = shape
    if library == "opencv":
        pixels = np.zeros((height, width), np.uint8)
        if given_rings:
            cv2.fillPoly(pixels, [ring.astype(np.int32) for ring in given_rings], 1)
        return pixels
    image = Image.new("L", (width, height))
    for ring in given_rings:
        ImageDraw.Draw(image).polygon([tuple(point) for point in ring.tolist()], fill=1, outline=1)
    return np.array(image)


def compare(kernels: ModuleType, library: str, some: list[Shape]) -> None:
    for shape, found in zip(some, drawn(kernels, library, some), strict=True):
        np.testing.assert_array_equal(found, by_library(library, shape), err_msg=str(shape))


# Pillow draws this one differently when it lies elsewhere: single precision rounds other halves.
SIDEWAYS = np.array([[2678.0, 28], [2688, 6], [2689, 59], [2679, 54], [2678, 52], [2691, 8]])


@pytest.mark.parametrize("library", LIBRARIES)
@settings(max_examples=150)
@given(st.lists(shapes, max_size=4))
@example([([SIDEWAYS], 64, 2741)])
def test_every_pixel_is_that_of_the_library(kernels: ModuleType, library: str, some: list[Shape]) -> None:
    compare(kernels, library, some)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("scale", [2, 40, 1000, 100_000])
def test_random_polygons(kernels: ModuleType, library: str, scale: int) -> None:
    """Self-crossing polygons, inside the image and far outside."""
    rng = np.random.default_rng(scale)
    some: list[Shape] = []
    for _ in range(100):
        corners = [rng.normal(20, scale, (rng.integers(2, 20), 2)) for _ in range(rng.integers(1, 3))]
        some.append((corners, int(rng.integers(1, 60)), int(rng.integers(1, 60))))
    compare(kernels, library, some)


@pytest.mark.parametrize("library", LIBRARIES)
def test_smooth_outlines_and_walks_along_pixels(kernels: ModuleType, library: str) -> None:
    """What people draw, and what programs make of masks."""
    rng = np.random.default_rng(1)
    some: list[Shape] = []
    for _ in range(100):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 40))
        radius = rng.uniform(3, 50) * rng.uniform(0.8, 1.2, 40)
        blob = rng.uniform(0, 100, 2) + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        walk = np.cumsum(rng.integers(-2, 3, (60, 2)), axis=0) + rng.integers(0, 100, 2)
        some += [([blob], 100, 120), ([walk.astype(np.float64)], 100, 120)]
    compare(kernels, library, some)


@pytest.mark.parametrize("library", LIBRARIES)
def test_many_edges_in_one_row(kernels: ModuleType, library: str) -> None:
    """Combs, upright and lying: more places than are sorted by insertion, and corners of many edges in one row."""
    teeth = np.array(
        [[3 * k + dx, dy] for k in range(60) for dx, dy in ((0, 2), (1, 40), (2, 3))] + [[180, 50], [0, 50]]
    )
    spikes = np.array([[3 * k % 97, (0, 30, 15)[k % 3]] for k in range(150)])
    some = [([comb.astype(np.float64)], 64, 200) for comb in (teeth, teeth[:, ::-1], spikes, spikes[:, ::-1])]
    compare(kernels, library, some)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_farthest_coordinates(kernels: ModuleType, library: str) -> None:
    far = 1e7
    around = np.array([[-far, -far], [far, -far], [far, far], [-far, far]])
    slanted = np.array([[-far, -far], [far, far], [-far, far]])
    whole, half, nothing = drawn(kernels, library, [([each], 30, 40) for each in (around, slanted, around / 2 + far)])
    assert whole.all()
    assert half[29, 0]
    assert not half[0, 39]
    assert not nothing.any()


@pytest.mark.parametrize("library", LIBRARIES)
def test_nothing_gives_nothing(kernels: ModuleType, library: str) -> None:
    square = np.array([[0.0, 0], [3, 0], [3, 3], [0, 3]])
    empty, no_rows, no_columns = drawn(kernels, library, [([], 4, 4), ([square], 0, 5), ([square], 5, 0)])
    assert not empty.any()
    assert (no_rows.shape, no_columns.shape) == ((0, 5), (5, 0))
    assert drawn(kernels, library, []) == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_offsets_cut_the_columns(kernels: ModuleType, library: str) -> None:
    """The middle of a column is fine, beyond its end is not."""
    draw = getattr(kernels, f"draw_{library}")
    xy = np.array([9.0, 1, 1, 3, 1, 3, 3, 1, 3, 9])
    four = np.array([4])
    assert draw(xy, np.array([0, 1, 9, 10]), np.array([1, 2]), four, four)[0].tolist() == [5, 9, 13]
    for ring, segment in [([0, 12], [0, 1]), ([0, 8], [0, 2]), ([0, 8], [0]), ([8, 0], [0, 1])]:
        with pytest.raises(ValueError, match="do not cut"):
            draw(xy, np.array(ring), np.array(segment), four, four)
    with pytest.raises(ValueError, match="1 heights come with 2 widths"):
        draw(xy, np.array([0, 8]), np.array([0, 1]), four, np.array([4, 4]))


def test_a_row_of_spans_that_overlap_is_one(kernels: ModuleType) -> None:
    """Many rings over each other: each pixel once, whatever covers it."""
    rng = np.random.default_rng(3)
    boxes = [np.array([[x, y], [x + 9, y], [x + 9, y + 9], [x, y + 9]]) for x, y in rng.integers(0, 40, (80, 2)) * 1.0]
    compare(kernels, "pillow", [(boxes, 50, 50)])
