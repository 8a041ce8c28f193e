"""Cohen's kappa: laws, scikit-learn, values that are known, and where it is undefined."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.cohen_kappa import category_kappa, cohen_kappa

labels = st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=30).map(
    lambda rows: np.array(rows).T
)


def table(pair: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cells (D,) of two rows of labels."""
    found, count = np.unique(pair, axis=1, return_counts=True)
    return found[0], found[1], count


def kappa(pair: np.ndarray) -> float:
    return float(cohen_kappa(*table(pair)))


@given(labels, st.permutations(range(5)))
def test_symmetric_and_the_same_by_any_name(pair: np.ndarray, names: list[int]) -> None:
    value = kappa(pair)
    assert np.isnan(value) == (len(np.unique(pair)) == 1)
    assert np.isnan(value) or -1 <= value <= 1
    np.testing.assert_allclose(kappa(pair[::-1]), value, atol=1e-12)
    np.testing.assert_allclose(kappa(np.array(names)[pair + 1]), value, atol=1e-12)


@given(labels)
def test_as_scikit_learn(pair: np.ndarray) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it divides by 0 where kappa is undefined
        np.testing.assert_allclose(kappa(pair), metrics.cohen_kappa_score(*pair), atol=1e-12)
        for code in range(-1, 4):
            a, b = pair == code
            mine = category_kappa((a & b).sum(), a.sum(), b.sum(), len(a))
            np.testing.assert_allclose(mine, metrics.cohen_kappa_score(a, b), atol=1e-12)


@given(labels)
def test_identical_annotators_have_kappa_1(pair: np.ndarray) -> None:
    same = np.stack([pair[0], pair[0]])
    np.testing.assert_allclose(kappa(same), 1.0 if len(np.unique(pair[0])) > 1 else np.nan)


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ("0000111222", "0001112222", 0.7014925373134329),
        ("00000", "00000", np.nan),
        ("00000", "00001", 0.0),
    ],
)
def test_known_values(a: str, b: str, wanted: float) -> None:
    np.testing.assert_allclose(kappa(np.array([list(a), list(b)], int)), wanted, atol=1e-15)


def test_a_square_that_is_moved() -> None:
    np.testing.assert_allclose(cohen_kappa([0, 0, 1, 1], [0, 1, 0, 1], [44, 4, 4, 12]), 2 / 3)
    np.testing.assert_allclose(category_kappa(12, 16, 16, 64), 2 / 3)


def test_resampled_tables_at_once() -> None:
    """(B, D) pixels give (B,) kappas; without pixels there is none."""
    rng = np.random.default_rng(0)
    a, b, n = np.repeat(np.arange(4), 4), np.tile(np.arange(4), 4), rng.integers(0, 9, (5, 16))
    n[3] = 0
    wanted = [float(cohen_kappa(a, b, row)) for row in n]
    np.testing.assert_allclose(cohen_kappa(a, b, n), wanted)
    assert np.isnan(wanted[3])
    assert np.isnan(cohen_kappa([], [], []))


def test_sixty_thousand_categories_need_no_table() -> None:
    """Each category of its own, half of them confused."""
    a = np.arange(60_000)
    b = np.where(a % 2, a, (a + 2) % 60_000)
    np.testing.assert_allclose(cohen_kappa(a, b, np.ones(60_000)), 0.5, atol=1e-4)
