"""Intraclass correlation against its textbook form, and the rate at which chance is taken for more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.statistics.clustering import chance_of_clusters, intraclass_correlation


@given(st.integers(2, 6), st.integers(2, 6), st.randoms(use_true_random=False))
def test_groups_of_one_size_give_the_textbook_value(k: int, n: int, random: object) -> None:
    rng = np.random.default_rng(hash(str(random)) % 2**32)
    table = rng.normal(size=(k, n)) + 2 * rng.normal(size=(k, 1))
    between, within = n * table.mean(axis=1).var(ddof=1), table.var(axis=1, ddof=1).mean()
    expected = (between - within) / (between + (n - 1) * within)
    order = rng.permutation(k * n)
    found = intraclass_correlation(table.ravel()[order], np.repeat(np.arange(k), n)[order])
    assert found == pytest.approx(expected)


def test_where_there_is_nothing_to_compare_it_is_undefined() -> None:
    assert np.isnan(intraclass_correlation(np.ones(4), np.array([0, 0, 1, 1])))
    assert np.isnan(intraclass_correlation(np.arange(4.0), np.zeros(4, np.int64)))
    assert np.isnan(intraclass_correlation(np.arange(4.0), np.arange(4)))


def test_clusters_are_found_and_do_not_depend_on_the_order() -> None:
    values, group = np.repeat([1.0, 0.0], 20), np.repeat(np.arange(8), 5)
    stratum = np.tile([0, 1, 1, 0, 0], 8)
    p = chance_of_clusters(values, group, stratum, np.random.default_rng(0), 499)
    order = np.random.default_rng(1).permutation(40)
    again = chance_of_clusters(values[order], group[order], stratum[order], np.random.default_rng(0), 499)
    assert p == again == 1 / 500


def test_what_the_strata_explain_is_no_cluster() -> None:
    """Each group is of one stratum, and the strata differ: nothing is left that groups could explain."""
    values, group = np.repeat([1.0, 0.0], 20), np.repeat(np.arange(8), 5)
    assert chance_of_clusters(values, group, (group >= 4).astype(np.int64), np.random.default_rng(0), 99) == 1.0


def test_chance_is_taken_for_more_as_often_as_stated() -> None:
    rng = np.random.default_rng(3)
    group, stratum = np.repeat(np.arange(10), 4), np.tile(np.arange(2), 20)
    p = [chance_of_clusters((rng.random(40) < 0.4).astype(float), group, stratum, rng, 99) for _ in range(300)]
    assert np.mean(np.array(p) <= 0.05) <= 0.08
    assert np.mean(np.array(p) <= 0.5) <= 0.58
