"""Average surface distances: the mean of all distances, directed and of both sides."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.surface_distance import symmetric_surface_distance

distances = st.lists(st.floats(0, 100), max_size=20)


def of(a: list[float], b: list[float]) -> float:
    known = a and b
    sums = [np.array(sum(each) if known else np.nan) for each in (a, b)]
    return float(symmetric_surface_distance(*sums, np.array(len(a)), np.array(len(b))))


@given(a=distances, b=distances)
def test_it_is_the_mean_of_all_distances_of_both(a: list[float], b: list[float]) -> None:
    np.testing.assert_allclose(of(a, b), np.mean(a + b) if a and b else np.nan, rtol=1e-9)
    np.testing.assert_equal(of(a, b), of(b, a))


def test_the_square_that_is_larger_by_three() -> None:
    found = symmetric_surface_distance(np.array(708.0), np.array(791.113194233536), np.array(236), np.array(260))
    assert round(float(found), 7) == 3.0224056


def test_sums_of_a_bootstrap() -> None:
    total, edge = np.array([[6.0, np.nan], [0.0, 0.0]]), np.array([[2, 3], [5, 0]])
    np.testing.assert_array_equal(symmetric_surface_distance(total, total, edge, edge), [[3, np.nan], [0, np.nan]])
    for one, other in (([0.0], [8.0]), ([8.0], [0.0])):  # one side has no boundary
        assert np.isnan(
            symmetric_surface_distance(*map(np.array, (one, other)), *(np.array(x, int) for x in (one, other)))
        )
