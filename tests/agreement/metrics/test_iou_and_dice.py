"""IoU, Dice and accuracy: laws, scikit-learn, and the cases where nothing is there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.accuracy import accuracy
from segdata.agreement.metrics.dice import dice
from segdata.agreement.metrics.iou import iou
from segdata.agreement.metrics.prevalence import prevalence

masks = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30).map(lambda rows: np.array(rows).T)


def areas(mask: np.ndarray) -> tuple[int, int, int]:
    a, b = mask
    return int((a & b).sum()), int(a.sum()), int(b.sum())


@given(masks)
def test_symmetric_and_between_0_and_1(mask: np.ndarray) -> None:
    both, a, b = areas(mask)
    for metric in (iou, dice):
        value = metric(both, a, b)
        assert np.isnan(value) == (not mask.any())
        assert np.isnan(value) or 0 <= value <= 1
        np.testing.assert_array_equal(value, metric(both, b, a))
        np.testing.assert_array_equal(metric(a, a, a), 1.0 if a else np.nan)
    np.testing.assert_allclose(dice(both, a, b), 2 * iou(both, a, b) / (1 + iou(both, a, b)))


@given(masks)
def test_as_scikit_learn(mask: np.ndarray) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    both, a, b = areas(mask)
    np.testing.assert_allclose(dice(both, a, b), metrics.f1_score(*mask, zero_division=np.nan))
    cells = np.array([(i, j, np.sum((mask[0] == i) & (mask[1] == j))) for i in (0, 1) for j in (0, 1)])
    np.testing.assert_allclose(accuracy(*cells.T), metrics.accuracy_score(*mask))
    if mask.any():
        np.testing.assert_allclose(iou(both, a, b), metrics.jaccard_score(*mask))


def test_a_square_that_is_moved() -> None:
    """8 x 8 pixels, one of 4 x 4 moved by one row."""
    assert (float(iou(12, 16, 16)), float(dice(12, 16, 16))) == (0.6, 0.75)


def test_only_one_has_something() -> None:
    assert (float(iou(0, 5, 0)), float(dice(0, 5, 0))) == (0, 0)


def test_many_at_once() -> None:
    """Leading axes are kept."""
    table = np.arange(24).reshape(2, 3, 4)
    assert accuracy([0, 0, 1, 1], [0, 1, 0, 1], table).shape == (2, 3)
    np.testing.assert_array_equal(accuracy([0, 1], [0, 2], np.zeros((2, 2))), [np.nan, np.nan])


@given(masks)
def test_prevalence_is_the_share_of_votes(mask: np.ndarray) -> None:
    _, a, b = areas(mask)
    np.testing.assert_allclose(prevalence(a, b, mask.shape[1]), mask.mean())
    assert np.isnan(prevalence(0, 0, 0))
