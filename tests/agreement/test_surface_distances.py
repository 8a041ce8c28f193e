"""Boundary agreement: published and measured figures, what does not count, and what is undefined."""

import numpy as np
import pytest
from scipy import ndimage

from segdata.agreement.metrics.boundary_iou import boundary_iou
from segdata.agreement.surface_distances import CategoryTolerance, Tolerance, surface_table
from tests.agreement.dense_boundaries import Mask, assd, edges_of, measured, nsd, one, only, opposite_of
from tests.generators.panels import panel_of_masks


def box(size: int, top: int, bottom: int, left: int, right: int) -> Mask:
    mask = np.zeros((size, size), bool)
    mask[top:bottom, left:right] = True
    return mask


A, MOVED, LARGER = box(100, 20, 80, 20, 80), box(100, 22, 82, 20, 80), box(100, 17, 83, 17, 83)


def test_a_square_that_is_moved() -> None:
    row = one(A, MOVED)
    assert (row["band_both"], row["band_any"]) == (456, 912)
    assert boundary_iou(np.array(row["band_both"]), np.array(row["band_any"])) == 0.5
    assert (row["hd95"], row["hd"], assd(row), nsd(row)) == (2, 2, 1, 1)
    assert (row["sum_a"] / row["edge_a"], row["sum_b"] / row["edge_b"]) == (1, 1)
    assert row["offset"] == 0


def test_a_square_that_is_larger() -> None:
    row = one(A, LARGER)
    assert (row["band_both"], row["band_any"]) == (0, 684 + 756)
    assert row["hd95"] == pytest.approx(3.1622776602)
    assert row["hd"] == pytest.approx(4.2426406871)
    assert assd(row) == pytest.approx(3.0224056, abs=1e-7)
    assert nsd(row) == 0
    assert nsd(one(A, LARGER, tolerance=Tolerance(3))) > 0.9
    assert row["offset"] == pytest.approx(3.0213715, abs=1e-7)
    assert row["sum_a"] / row["edge_a"] == 3
    assert row["sum_b"] / row["edge_b"] == pytest.approx(3.0427431, abs=1e-7)


def test_small_squares() -> None:
    a, b = box(8, 1, 5, 1, 5), box(8, 2, 6, 1, 5)
    assert nsd(one(a, b, tolerance=Tolerance(1))) == 1
    row = one(a, b, tolerance=Tolerance(0.5))
    assert (nsd(row), row["hd95"], row["sum_a"] / row["edge_a"], row["sum_b"] / row["edge_b"]) == (0.5, 1, 0.5, 0.5)


def test_the_end_of_the_image_bounds_a_segment() -> None:
    half, whole = box(100, 0, 100, 0, 50), box(100, 0, 100, 0, 100)
    row = one(half, whole)
    assert row["band_any"] == 864 + 1164 - row["band_both"]
    assert (row["edge_a"], row["edge_b"]) == (296, 396)


def test_the_end_of_the_image_says_nothing_about_who_draws_larger() -> None:
    """Both reach the border; inside the image one draws two pixels further."""
    row = one(box(100, 0, 60, 0, 100), box(100, 0, 62, 0, 100))
    assert row["offset"] == 2
    assert row["offset_sd"] == 0


@pytest.mark.parametrize("missed", [0, 3])
def test_what_one_misses_does_not_make_the_other_draw_larger(missed: int) -> None:
    """Of a category's thirty squares one draws all two pixels larger, but leaves some out."""
    first, second = np.zeros((200, 240), bool), np.zeros((200, 240), bool)
    for k in range(30):
        x, y = 40 * (k % 6) + 15, 40 * (k // 6) + 15
        first[y : y + 10, x : x + 10] = True
        if k >= missed:
            second[y - 2 : y + 12, x - 2 : x + 12] = True
    row = one(first, second)
    assert row["offset"] == pytest.approx(2.0, abs=0.1)  # corners are farther
    assert (row["hd"] > 20) == (missed > 0)


def test_one_empty_and_both_empty() -> None:
    row = one(A, None)
    assert (row["edge_a"], row["edge_b"], row["near_a"], nsd(row)) == (236, 0, 0, 0)
    assert (row["band_both"], row["band_any"]) == (0, 684)
    assert np.isnan([row[name] for name in ("hd95", "hd", "sum_a", "sum_b", "offset", "offset_sd")]).all()
    assert measured(only(panel_of_masks([(5, 5)], [[[]], [[]]], ["thing"]))) == []


def test_segments_in_void_alone_have_no_row() -> None:
    assert measured(opposite_of(None, A, void=np.ones((100, 100), bool))) == []


def test_boundaries_beside_void_do_not_count() -> None:
    """What the first calls void covers the lower half, where they differ."""
    low = box(100, 50, 100, 0, 100)
    row = one(box(100, 20, 50, 20, 80), box(100, 20, 90, 20, 80), void=low)
    assert row["edge_a"] == row["edge_b"] == 60 + 2 * 28
    assert (row["hd"], nsd(row), row["offset"]) == (0, 1, 0)
    assert row["band_both"] == row["band_any"]


def test_distances_in_mm_where_the_spacing_is_known() -> None:
    spacing = np.array([[0.5, 2.0, np.nan]])
    row = one(A, MOVED, spacing=spacing, tolerance=Tolerance(2, mm=3.9))
    assert (row["hd"], row["near_a"] < row["edge_a"]) == (4, True)
    assert nsd(one(A, MOVED, spacing=spacing, tolerance=Tolerance(2, mm=4))) == 1
    assert nsd(one(A, MOVED, spacing=spacing, tolerance=Tolerance(4))) == 1
    assert one(A, MOVED, spacing=np.full((1, 3), np.nan))["hd"] == 2


def test_a_category_may_have_its_own_tolerance() -> None:
    """Both categories are moved by 2 px, or 4 mm; "a" is the first one."""
    layers = [[[(0, A), (1, A)]], [[(0, MOVED), (1, MOVED)]]]
    opposite = only(panel_of_masks([A.shape], layers, ["thing", "stuff"]))
    own = Tolerance(1.9, categories={"a": CategoryTolerance(2)})
    assert [nsd(row) == 1 for row in measured(opposite, tolerance=own)] == [True, False]
    spacing = np.array([[0.5, 2.0, np.nan]])
    own = Tolerance(9, mm=3.9, categories={"a": CategoryTolerance(9, mm=4)})
    assert [nsd(row) == 1 for row in measured(opposite, tolerance=own, spacing=spacing)] == [True, False]
    own = Tolerance(9, mm=3.9, categories={"a": CategoryTolerance(4)})  # 4 px are 4 mm where a pixel is 0.5 x 2 mm
    assert [nsd(row) == 1 for row in measured(opposite, tolerance=own, spacing=spacing)] == [True, False]


def test_a_segment_in_two_matches_is_refused() -> None:
    with pytest.raises(ValueError, match="two matches"):
        surface_table(opposite_of(A, A), {"a": np.array([0, 0]), "b": np.array([0, 0])})


def test_hausdorff_is_simpleitks() -> None:
    simpleitk = pytest.importorskip("SimpleITK")
    rng = np.random.default_rng(1)
    for _ in range(10):
        field = ndimage.gaussian_filter(rng.normal(size=(40, 50)), 3)
        masks = [field + 0.05 * ndimage.gaussian_filter(rng.normal(size=field.shape), 1) > 0.03 for _ in range(2)]
        edges = [simpleitk.GetImageFromArray(edges_of(mask).astype(np.uint8)) for mask in masks]
        oracle = simpleitk.HausdorffDistanceImageFilter()
        oracle.Execute(*edges)
        row = one(*masks)
        assert row["hd"] == pytest.approx(oracle.GetHausdorffDistance(), rel=1e-5)
        means = row["sum_a"] / row["edge_a"], row["sum_b"] / row["edge_b"]
        assert sum(means) / 2 == pytest.approx(oracle.GetAverageHausdorffDistance(), rel=1e-5)
