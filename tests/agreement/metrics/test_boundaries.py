"""Metrics of boundaries: bounds, symmetry, percentiles as numpy has them, and what is undefined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import directed_hausdorff as oracle

from segdata.agreement.metrics.boundaries import (
    boundary_iou,
    boundary_offset,
    directed_hausdorff,
    hausdorff,
    offset_spread,
    surface_dice,
    symmetric_surface_distance,
)

bands = arrays(bool, (2, 20))
sides = st.integers(0, 20).flatmap(lambda edge: st.tuples(st.integers(0, edge), st.just(edge)))
distances = st.lists(st.floats(0, 100), max_size=20)
boundaries = st.lists(st.lists(st.floats(0, 100, allow_subnormal=False), max_size=30), max_size=4)
signed = st.lists(st.floats(-50, 50), min_size=1, max_size=20)


@given(bands)
def test_it_is_the_iou_of_the_bands(band: np.ndarray) -> None:
    a, b = (set(np.flatnonzero(each).tolist()) for each in band)
    found = boundary_iou(np.array(len(a & b)), np.array(len(a | b)))
    if a | b:
        assert found == len(a & b) / len(a | b)
        assert 0 <= found <= 1
    else:
        assert np.isnan(found)


@given(st.integers(1, 9))
def test_the_same_band_is_one(pixels: int) -> None:
    assert boundary_iou(np.array(pixels), np.array(pixels)) == 1


def test_the_square_that_moved_by_two() -> None:
    assert boundary_iou(np.array([456, 0]), np.array([912, 1440])).tolist() == [0.5, 0.0]


def test_sums_of_a_bootstrap_for_boundary_iou() -> None:
    both, either = np.array([[1, 0], [2, 0]]), np.array([[2, 0], [8, 4]])
    np.testing.assert_array_equal(boundary_iou(both, either), [[0.5, np.nan], [0.25, 0]])


def surface_dice_of(a: tuple[int, int], b: tuple[int, int]) -> float:
    return float(surface_dice(np.array(a[0]), np.array(b[0]), np.array(a[1]), np.array(b[1])))


@given(a=sides, b=sides)
def test_symmetric_and_within_bounds(a: tuple[int, int], b: tuple[int, int]) -> None:
    np.testing.assert_equal(surface_dice_of(a, b), surface_dice_of(b, a))
    assert np.isnan(surface_dice_of(a, b)) == (a[1] + b[1] == 0)
    if a[1] + b[1]:
        assert surface_dice_of(a, b) == (a[0] + b[0]) / (a[1] + b[1])


@given(st.integers(1, 50))
def test_all_near_is_one_and_an_empty_side_none(edge: int) -> None:
    assert surface_dice_of((edge, edge), (edge, edge)) == 1
    assert surface_dice_of((0, edge), (0, 0)) == 0


def test_the_square_that_is_larger_by_three() -> None:
    """All 236 pixels, and those 252 of 260 that are not around its corners, are within 3 of the other's boundary."""
    assert round(surface_dice_of((236, 236), (252, 260)), 6) == 0.983871


def test_sums_of_a_bootstrap_for_surface_dice() -> None:
    near, edge = np.array([[1.0, 0.0]]), np.array([[4.0, 0.0]])
    np.testing.assert_array_equal(surface_dice(near, near, edge, edge), [[0.25, np.nan]])


def distances_of(a: list[float], b: list[float]) -> float:
    known = a and b
    sums = [np.array(sum(each) if known else np.nan) for each in (a, b)]
    return float(symmetric_surface_distance(*sums, np.array(len(a)), np.array(len(b))))


@given(a=distances, b=distances)
def test_it_is_the_mean_of_all_distances_of_both(a: list[float], b: list[float]) -> None:
    np.testing.assert_allclose(distances_of(a, b), np.mean(a + b) if a and b else np.nan, rtol=1e-9)
    np.testing.assert_equal(distances_of(a, b), distances_of(b, a))


def test_distances_of_the_square_that_is_larger_by_three() -> None:
    found = symmetric_surface_distance(np.array(708.0), np.array(791.113194233536), np.array(236), np.array(260))
    assert round(float(found), 7) == 3.0224056


def test_sums_of_a_bootstrap() -> None:
    total, edge = np.array([[6.0, np.nan], [0.0, 0.0]]), np.array([[2, 3], [5, 0]])
    np.testing.assert_array_equal(symmetric_surface_distance(total, total, edge, edge), [[3, np.nan], [0, np.nan]])
    for one, other in (([0.0], [8.0]), ([8.0], [0.0])):  # one side has no boundary
        assert np.isnan(
            symmetric_surface_distance(*map(np.array, (one, other)), *(np.array(x, int) for x in (one, other)))
        )


@given(boundaries=boundaries, percent=st.sampled_from([50.0, 95.0, 100.0]))
def test_percentiles_are_numpys(boundaries: list[list[float]], percent: float) -> None:
    offset = np.concatenate([[0], np.cumsum([len(each) for each in boundaries])]).astype(np.int64)
    found = directed_hausdorff(np.array([value for each in boundaries for value in each]), offset, percent)
    wanted = [np.percentile(each, percent) if each else np.nan for each in boundaries]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@given(st.integers(0, 2**32))
def test_the_farthest_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 50, (7, 2)), rng.integers(0, 50, (9, 2))
    apart = np.sqrt(((a[:, None] - b) ** 2).sum(axis=2))
    there = directed_hausdorff(apart.min(axis=1), np.array([0, 7]))
    back = directed_hausdorff(apart.min(axis=0), np.array([0, 9]))
    assert there == pytest.approx(oracle(a, b)[0])
    assert hausdorff(there, back) == pytest.approx(max(oracle(a, b)[0], oracle(b, a)[0]))
    assert hausdorff(there, back) == hausdorff(back, there)


def test_a_boundary_with_nothing_to_be_near_to_is_undefined() -> None:
    found = directed_hausdorff(np.array([np.inf, np.inf, 1.0]), np.array([0, 2, 2, 3]), 95)
    np.testing.assert_array_equal(found, [np.nan, np.nan, 1])
    np.testing.assert_array_equal(hausdorff(found, np.array([1.0, 1.0, 2.0])), [np.nan, np.nan, 2])


def test_the_larger_of_both_percentiles_is_not_that_of_all() -> None:
    near, far = np.zeros(100), np.full(4, 9.0)
    both = [directed_hausdorff(each, np.array([0, len(each)]), 95) for each in (near, far)]
    assert hausdorff(*both).tolist() == [9.0]
    assert np.percentile(np.concatenate([near, far]), 95) == 0


def moments(values: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(np.mean(values)), np.array(np.mean(np.square(values)))


@given(a=signed, b=signed)
def test_antisymmetric_with_a_symmetric_spread(a: list[float], b: list[float]) -> None:
    (mean_a, square_a), (mean_b, square_b) = moments(a), moments(b)
    assert boundary_offset(mean_a, mean_b) == -boundary_offset(mean_b, mean_a)
    spread = offset_spread(mean_a, square_a, mean_b, square_b)
    assert spread == pytest.approx(float(offset_spread(mean_b, square_b, mean_a, square_a)), abs=1e-6)
    offset = float(boundary_offset(mean_a, mean_b))
    deviations = [np.mean([(-value - offset) ** 2 for value in a]), np.mean([(value - offset) ** 2 for value in b])]
    assert spread == pytest.approx(np.sqrt(np.mean(deviations)), abs=1e-5)


def test_offset_of_the_square_that_is_larger_by_three() -> None:
    assert boundary_offset(np.array(-3.0), np.array(3.0427431)) == pytest.approx(3.0213715, abs=1e-7)


def test_a_mere_shift_is_no_offset() -> None:
    """As far outside on one side as inside on the other."""
    mean, square = moments([-2.0, 2.0, 0.0, 0.0])
    assert boundary_offset(mean, mean) == 0
    assert offset_spread(mean, square, mean, square) == pytest.approx(np.sqrt(2))


def test_undefined_where_a_side_is() -> None:
    nan, one = np.array([np.nan]), np.array([1.0])
    assert np.isnan(boundary_offset(nan, one)).all()
    assert np.isnan(offset_spread(one, one, nan, nan)).all()
