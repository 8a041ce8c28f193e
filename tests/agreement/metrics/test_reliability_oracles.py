"""Alpha and kappas against the packages that compute them from tables of all votes: krippendorff and statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.agreement.metrics.cohen_kappa import cohen_kappa
from segdata.agreement.metrics.fleiss_kappa import fleiss_kappa
from segdata.agreement.metrics.krippendorff_alpha import Coincidences, coincidences, krippendorff_alpha

K = 4
Votes = NDArray[np.int64]  # (annotators, units) categories; -1: no vote


@st.composite
def tables(draw: st.DrawFn, least: int = -1) -> Votes:
    shape = draw(st.integers(2, 4)), draw(st.integers(2, 12))
    cells = st.lists(st.integers(least, K - 1), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    return np.array(draw(cells), np.int64).reshape(shape)


def summed(votes: Votes) -> Coincidences:
    """What annotators said of single pixels, each a pattern of its own."""
    unit, annotator = np.nonzero(votes.T >= 0)
    n = votes.shape[1]
    found = coincidences(unit, votes[annotator, unit], np.ones(n), np.zeros(n), 1, K)
    return Coincidences(found.agreeing[0], found.votes[0])


@settings(max_examples=60)
@given(tables())
def test_alpha_with_missing_votes_is_krippendorffs(votes: Votes) -> None:
    """Its own words for what we call undefined: there is nothing to compare, or one value only."""
    package = pytest.importorskip("krippendorff")
    found = summed(votes)
    mine = krippendorff_alpha(found.agreeing, found.votes)
    if np.isnan(mine):
        assert (found.votes > 0).sum() < 2
        return
    seen = np.where(votes < 0, np.nan, votes)
    domain = list(range(K))
    wanted = package.alpha(reliability_data=seen, value_domain=domain, level_of_measurement="nominal")
    np.testing.assert_allclose(mine, wanted, atol=1e-12)


@settings(max_examples=60)
@given(tables(least=0))
def test_fleiss_kappa_is_statsmodels(votes: Votes) -> None:
    package = pytest.importorskip("statsmodels.stats.inter_rater")
    found = summed(votes)
    mine = fleiss_kappa(found.agreeing, found.votes, len(votes))
    if np.isnan(mine):
        assert len(np.unique(votes)) == 1
        return
    counts = np.stack([(votes == code).sum(axis=0) for code in range(K)], axis=1)
    np.testing.assert_allclose(mine, package.fleiss_kappa(counts), atol=1e-12)


@settings(max_examples=60)
@given(tables(least=0))
def test_cohens_kappa_is_statsmodels(votes: Votes) -> None:
    package = pytest.importorskip("statsmodels.stats.inter_rater")
    table = np.zeros((K, K))
    np.add.at(table, (votes[0], votes[1]), 1)
    a, b = np.nonzero(table)
    mine = cohen_kappa(a, b, table[a, b])
    if np.isnan(mine):
        assert len(np.unique(votes[:2])) == 1
        return
    np.testing.assert_allclose(mine, package.cohens_kappa(table, return_results=False), atol=1e-12)
