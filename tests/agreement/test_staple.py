"""STAPLE: known values, SimpleITK, and annotators of known skill that are found again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.agreement.staple import StapleResult, staple


def of_masks(*masks: np.ndarray) -> StapleResult:
    says = np.stack([mask.ravel() for mask in masks], axis=1).astype(bool)
    return staple(says, np.ones_like(says), np.ones(len(says)))


def square(top: int) -> np.ndarray:
    mask = np.zeros((8, 8), bool)
    mask[top : top + 4, 1:5] = True
    return mask


def test_known_values() -> None:
    found = of_masks(*(np.array(list(row), int) for row in ("001110", "001100", "011110")))
    np.testing.assert_allclose(found.probability, [0, 0, 1, 1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(found.sensitivity, [[1, 2 / 3, 1]], atol=1e-6)
    np.testing.assert_allclose(found.specificity, [[1, 1, 2 / 3]], atol=1e-6)


def test_a_square_that_one_of_three_moved() -> None:
    found = of_masks(square(1), square(2), square(1))
    np.testing.assert_array_equal((found.probability > 0.5).reshape(8, 8), square(1))
    np.testing.assert_allclose(found.sensitivity, [[1, 0.75, 1]], atol=1e-6)
    np.testing.assert_allclose(found.specificity, [[1, 11 / 12, 1]], atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_as_simple_itk(seed: int) -> None:
    sitk = pytest.importorskip("SimpleITK")
    rng = np.random.default_rng(seed)
    truth = rng.random((20, 20)) < 0.4
    masks = [np.where(rng.random((20, 20)) < 0.1 + 0.05 * k, ~truth, truth) for k in range(4)]
    oracle = sitk.STAPLEImageFilter()
    oracle.SetForegroundValue(1)
    wanted = sitk.GetArrayFromImage(oracle.Execute([sitk.GetImageFromArray(each.astype(np.uint8)) for each in masks]))
    found = of_masks(*masks)
    np.testing.assert_allclose(found.probability, wanted.ravel(), atol=1e-5)
    np.testing.assert_allclose(found.sensitivity[0], oracle.GetSensitivity(), atol=1e-5)
    np.testing.assert_allclose(found.specificity[0], oracle.GetSpecificity(), atol=1e-5)


def test_annotators_of_known_skill_are_found_again() -> None:
    rng = np.random.default_rng(0)
    sensitivity, specificity = np.array([0.95, 0.8, 0.7, 0.9]), np.array([0.9, 0.95, 0.85, 0.99])
    truth = rng.random(40_000) < 0.3
    right = np.where(truth[:, None], sensitivity, specificity)
    says = (rng.random((40_000, 4)) < right) == truth[:, None]
    found = staple(says, np.ones_like(says), np.ones(40_000))
    np.testing.assert_allclose(found.sensitivity[0], sensitivity, atol=0.02)
    np.testing.assert_allclose(found.specificity[0], specificity, atol=0.02)
    votes = (says.sum(axis=1) > 2) == truth
    assert ((found.probability > 0.5) == truth).mean() > votes.mean()


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_patterns_are_repeated_pixels_and_fields_are_apart(seed: int) -> None:
    """Annotators who are mostly right; some did not judge some pixels."""
    rng = np.random.default_rng(seed)
    truth = rng.random(80) < 0.4
    says, there = truth[:, None] ^ (rng.random((80, 4)) < 0.15), rng.random((80, 4)) < 0.9
    each = staple(says, there, np.ones(80))
    rows, which, n = np.unique(np.hstack([says & there, there]), axis=0, return_inverse=True, return_counts=True)
    few = staple(rows[:, :4], rows[:, 4:], n)
    np.testing.assert_allclose(few.probability[which.reshape(-1)], each.probability, atol=1e-5)
    np.testing.assert_allclose(few.sensitivity, each.sensitivity, atol=1e-5)
    two = staple(np.tile(says, (2, 1)), np.tile(there, (2, 1)), np.repeat([1, 3], 80), np.repeat([0, 1], 80))
    other = staple(says, there, np.full(80, 3))
    np.testing.assert_array_equal(two.probability, np.append(each.probability, other.probability))
    np.testing.assert_array_equal(two.specificity, np.vstack([each.specificity, other.specificity]))


patterns = st.lists(st.tuples(*[st.integers(0, 1)] * 3, st.integers(1, 30)), min_size=1, max_size=8)


@given(patterns)
def test_annotators_who_agree_are_believed(rows: list[tuple[int, ...]]) -> None:
    says = np.repeat(np.array(rows)[:, :1] == 1, 3, axis=1)
    found = staple(says, np.ones_like(says), np.array(rows)[:, 3])
    np.testing.assert_allclose(found.probability, says[:, 0], atol=1e-6)
    np.testing.assert_allclose(found.sensitivity[0], 1.0 if says.any() else np.nan)
    np.testing.assert_allclose(found.specificity[0], 1.0 if not says.all() else np.nan)


def test_nothing_to_judge() -> None:
    nobody = np.zeros((0, 2), bool)
    assert staple(nobody, nobody, np.zeros(0)).probability.tolist() == []
    unseen = staple(np.array([[True, False]]), np.array([[True, False]]), [4])
    np.testing.assert_array_equal(unseen.sensitivity, [[1, np.nan]])
