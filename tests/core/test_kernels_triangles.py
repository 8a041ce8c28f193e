"""Triangulations against OpenCV, edge by edge, and against Qhull."""

from types import ModuleType

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import Delaunay

Points = NDArray[np.int64]


@st.composite
def point_sets(draw: st.DrawFn) -> Points:
    number = st.integers(0, draw(st.sampled_from([2, 5, 40, 100_000])))
    points = draw(st.lists(st.tuples(number, number), min_size=1, max_size=40, unique=True))
    return np.array(points, np.int64)


def by_opencv(points: Points) -> NDArray[np.int64]:
    """The edges (m, 2, 2) from point to point, without those to the corners of the large triangle."""
    corner = points.min(axis=0)
    size = np.ptp(points, axis=0) + 1
    plane = cv2.Subdiv2D((0, 0, *size.tolist()))
    plane.insert((points - corner).astype(np.float32))
    ends = np.asarray(plane.getEdgeList()).reshape(-1, 2, 2)
    inside = ((ends >= 0) & (ends < size)).all(axis=(1, 2))
    return ends[inside].astype(np.int64) + corner


def compare(kernels: ModuleType, points: Points) -> None:
    edges = kernels.triangulate(*points.T.copy())
    assert edges.dtype == np.int64
    np.testing.assert_array_equal(points[edges], by_opencv(points))


@settings(max_examples=150)
@given(point_sets())
def test_edges_are_those_of_opencv(kernels: ModuleType, points: Points) -> None:
    compare(kernels, points)


def test_a_grid_and_a_line(kernels: ModuleType) -> None:
    """All points on circles with others, and on lines."""
    y, x = np.mgrid[:9, :7]
    compare(kernels, np.stack([32 * x.ravel() + 1, 32 * y.ravel() + 1], axis=1))
    compare(kernels, np.stack([np.arange(12), 2 * np.arange(12)], axis=1))


def test_triangles_are_those_of_qhull(kernels: ModuleType) -> None:
    """But for some along the hull, where a corner of the large triangle may lie in the circle."""
    points = np.unique(np.random.default_rng(1).integers(0, 50_000, (300, 2)), axis=0)
    edges = {tuple(sorted(edge)) for edge in kernels.triangulate(*points.T.copy()).tolist()}
    triangles = Delaunay(points)
    simplices = triangles.simplices
    expected = {tuple(sorted(edge)) for i, j in ((0, 1), (1, 2), (2, 0)) for edge in simplices[:, [i, j]].tolist()}
    hull = {tuple(sorted(edge)) for edge in triangles.convex_hull.tolist()}
    assert edges - expected == set()
    assert len(expected - edges) <= len(hull)


def test_no_point_and_one_point_have_no_edges(kernels: ModuleType) -> None:
    for n in (0, 1):
        assert kernels.triangulate(np.zeros(n, np.int64), np.zeros(n, np.int64)).shape == (0, 2)
    with pytest.raises(ValueError, match="3 x come with 2 y"):
        kernels.triangulate(np.arange(3), np.arange(2))
