"""Scan conversion against pycocotools, pixel for pixel."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import _mask, mask

# pycocotools on numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Ring = list[float]

near = st.one_of(
    st.integers(-8, 32),
    st.integers(-16, 64).map(lambda half: half / 2),
    st.floats(-8, 32),
    st.integers(-40, 160).map(lambda fifth: fifth / 5 + 0.1),
)
rings = st.lists(near, min_size=2, max_size=16)
sides = st.integers(1, 24)
segments = st.tuples(st.lists(rings, max_size=3), sides, sides)


def draw(kernels: ModuleType, shapes: list[tuple[list[Ring], int, int]]) -> tuple[np.ndarray, ...]:
    """Rasterise segments, each with rings, height and width."""
    height, width = np.array([shape[1:] for shape in shapes], np.int64).reshape(-1, 2).T.copy()
    flat = [ring for shape in shapes for ring in shape[0]]
    xy = np.array([number for ring in flat for number in ring], np.float64)
    ring = np.cumsum([0, *map(len, flat)], dtype=np.int64)
    segment = np.cumsum([0, *(len(shape[0]) for shape in shapes)], dtype=np.int64)
    return kernels.rasterise(xy, ring, segment, height, width)


def paint(start: np.ndarray, length: np.ndarray, height: int, width: int) -> np.ndarray:
    pixels = np.zeros(height * width, np.uint8)
    for p, n in zip(start, length, strict=True):
        assert n > 0
        assert p // height == (p + n - 1) // height
        # One free pixel before: the longest runs, sorted and disjoint.
        assert p % height == 0 or not pixels[p - 1]
        assert not pixels[p:].any()
        pixels[p : p + n] = 1
    return pixels.reshape(width, height).T


def painted_by_pycocotools(rings: list[Ring], height: int, width: int) -> np.ndarray:
    # An odd last number is no point; a ring without points is nothing, and pycocotools reads beyond its end.
    rings = [ring[: len(ring) // 2 * 2] for ring in rings]
    if not rings:
        return np.zeros((height, width), np.uint8)
    return mask.decode(mask.merge(_mask.frPoly(rings, height, width)))


def compare(kernels: ModuleType, shapes: list[tuple[list[Ring], int, int]]) -> None:
    start, length, owner = draw(kernels, shapes)
    assert (start.dtype, length.dtype, owner.dtype) == (np.int64, np.int64, np.int32)
    assert np.all(np.diff(owner) >= 0)
    for i, (shape, height, width) in enumerate(shapes):
        found = paint(start[owner == i], length[owner == i], height, width)
        np.testing.assert_array_equal(found, painted_by_pycocotools(shape, height, width))


@given(st.lists(segments, max_size=4))
def test_every_pixel_is_that_of_pycocotools(kernels: ModuleType, shapes: list[tuple[list[Ring], int, int]]) -> None:
    compare(kernels, shapes)


@pytest.mark.parametrize("scale", [1, 30, 300, 2000])
def test_random_polygons(kernels: ModuleType, scale: int) -> None:
    """Self-crossing polygons, inside the image and far outside."""
    rng = np.random.default_rng(scale)
    shapes = []
    for _ in range(250):
        xy = rng.normal(20, scale, (rng.integers(1, 4), 2 * rng.integers(1, 30)))
        digits = rng.integers(0, 4)
        shapes.append((np.round(xy, digits).tolist(), int(rng.integers(1, 60)), int(rng.integers(1, 60))))
    compare(kernels, shapes)


def test_smooth_outlines(kernels: ModuleType) -> None:
    """What people draw: blobs with many short edges."""
    rng = np.random.default_rng(1)
    shapes = []
    for _ in range(250):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 40))
        radius = rng.uniform(10, 50) * rng.uniform(0.8, 1.2, 40)
        x, y = rng.uniform(0, 100, 2)
        xy = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)
        shapes.append(([np.round(xy.ravel(), 2).tolist()], 100, 120))
    compare(kernels, shapes)


def test_edges_of_a_million_pixels(kernels: ModuleType) -> None:
    ring = [-1e6, -3e5, 1e6, 7e5, 20.3, 1e6, -900000.5, -1e6]
    compare(kernels, [([ring], 50, 60), ([[*ring[2:], 3.0, 4.0]], 50, 60)])


def test_segments_without_points(kernels: ModuleType) -> None:
    compare(kernels, [([], 4, 4), ([[1, 1]], 4, 4), ([[0, 0, 4, 0, 4, 4, 0, 4]], 4, 4), ([[1, 1, 1, 1, 1, 1]], 4, 4)])
    assert len(draw(kernels, [([[], []], 4, 4)])[0]) == 0
    assert [len(column) for column in draw(kernels, [])] == [0, 0, 0]


def test_many_crossings_of_one_column(kernels: ModuleType) -> None:
    """A comb: more crossings than are sorted by insertion."""
    teeth = [[0.0, y, 2.0, y + 0.3, 0.0, y + 0.6] for y in range(90)]
    comb = [number for tooth in teeth[::-1] for number in tooth]
    compare(kernels, [([comb], 100, 3), (teeth[1:] + teeth[:1], 100, 3)])


def test_the_largest_image(kernels: ModuleType) -> None:
    """Pixel numbers beyond 2^32, where pycocotools wraps around."""
    start, length, _ = draw(
        kernels, [([[99_990, 99_995, 100_050, 99_995, 100_050, 100_050, 99_990, 100_050]], 100_000, 100_000)]
    )
    np.testing.assert_array_equal(start, np.arange(99_990, 100_000) * 100_000 + 99_995)
    assert length.tolist() == [5] * 10


def test_offsets_cut_the_columns(kernels: ModuleType) -> None:
    """The middle of a column is fine, beyond its end is not."""
    xy = np.array([9.0, 1, 1, 3, 1, 3, 3, 1, 3, 9])
    four = np.array([4])
    ring, segment = np.array([0, 1, 9, 10]), np.array([1, 2])
    assert kernels.rasterise(xy, ring, segment, four, four)[0].tolist() == [5, 9]
    for bad_ring, bad_segment in [([0, 12], [0, 1]), ([0, 8], [0, 2]), ([0, 8], [0]), ([8, 0], [0, 1])]:
        with pytest.raises(ValueError, match="do not cut"):
            kernels.rasterise(xy, np.array(bad_ring), np.array(bad_segment), four, four)
