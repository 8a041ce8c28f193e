"""Measures of a ranking beside their definitions, pair by pair."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.noise.evaluation import (
    EvaluatedRanking,
    auroc,
    average_precision,
    detection_quality,
    precision_at,
)

rankings = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12)


def arrays_of(ranking: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s for s, _ in ranking], float), np.array([w for _, w in ranking], bool)


@given(rankings)
def test_auroc_is_the_share_of_pairs_in_order(ranking: list[tuple[int, bool]]) -> None:
    score, wrong = arrays_of(ranking)
    pairs = [(a > b) + (a == b) / 2 for a in score[wrong] for b in score[~wrong]]
    expected = np.mean(pairs) if pairs else np.nan
    np.testing.assert_allclose(auroc(score, wrong)[0], expected)


@given(rankings)
def test_average_precision_adds_up_over_thresholds(ranking: list[tuple[int, bool]]) -> None:
    score, wrong = arrays_of(ranking)
    total, last = 0.0, 0.0
    for limit in sorted(set(score), reverse=True):
        above = score >= limit
        recall = wrong[above].sum() / max(wrong.sum(), 1)
        total += (recall - last) * wrong[above].mean()
        last = recall
    np.testing.assert_allclose(average_precision(score, wrong)[0], total if wrong.any() else np.nan)


@given(rankings, st.integers(0, 3))
def test_weights_count_as_copies_do(ranking: list[tuple[int, bool]], times: int) -> None:
    score, wrong = arrays_of(ranking)
    weight = np.ones(len(score))
    weight[0] = times
    copied = np.repeat(np.arange(len(score)), weight.astype(int))
    for f in (auroc, average_precision):
        np.testing.assert_allclose(f(score, wrong, weight[None])[0], f(score[copied], wrong[copied])[0])


@given(rankings)
def test_looking_at_all_finds_all(ranking: list[tuple[int, bool]]) -> None:
    score, wrong = arrays_of(ranking)
    np.testing.assert_allclose(precision_at(score, wrong, len(score)), wrong.mean())


def test_what_was_never_proposed_was_not_found() -> None:
    ranked = EvaluatedRanking(
        np.array([0.9, 0.5, 0.1]), np.array([0, 0, 1]), np.array([0, -1, -1]), ["missing", "extra"], np.array([0, 1]), 2
    )
    found = detection_quality(ranked, n_draws=10)
    assert (found.errors, found.proposed) == (2, 1)
    assert found.auroc.value == 0.5
    assert found.recall["0.2"] == 0.5
    assert detection_quality(ranked, "missing", n_draws=10).auroc.value == 1.0
    assert detection_quality(ranked, "extra", n_draws=10).auroc.value == 0.0
