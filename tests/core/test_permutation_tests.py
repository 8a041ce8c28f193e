"""Comparisons by permutation: laws, every permutation of small cases, and how often chance counts as a difference."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segdata.core.resampling import StratifiedGroups, cluster_p_value, compare_mixes, intraclass_correlation

ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(-5, 5).map(float)), min_size=2, max_size=14)


def columns(rows: list[tuple[int, int, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    group, stratum, values = (np.array(column) for column in zip(*rows, strict=True))
    return group, stratum, values


@given(ROWS)
def test_what_is_alone_in_its_stratum_does_not_count(rows: list[tuple[int, int, float]]) -> None:
    group, stratum, _ = columns(rows)
    blocks = StratifiedGroups.from_strata(group, stratum, 3)
    expected = [i for i in range(len(rows)) if len(set(group[stratum == stratum[i]])) > 1]
    assert sorted(blocks.rows.tolist()) == expected


@given(ROWS, st.lists(st.floats(-50, 50), min_size=4, max_size=4), st.randoms(use_true_random=False))
def test_strata_may_shift_and_rows_change_places(
    rows: list[tuple[int, int, float]], shifts: list[float], random: "np.random.Generator"
) -> None:
    group, stratum, values = columns(rows)
    before = StratifiedGroups.from_strata(group, stratum, 3).compare(values)
    shifted = StratifiedGroups.from_strata(group, stratum, 3).compare(values + np.array(shifts)[stratum])
    np.testing.assert_allclose(shifted.z, before.z, atol=1e-6)
    np.testing.assert_allclose(shifted.difference, before.difference, atol=1e-9)
    order = list(range(len(rows)))
    random.shuffle(order)
    moved = StratifiedGroups.from_strata(group[order], stratum[order], 3).compare(values[order])
    np.testing.assert_allclose(moved.z, before.z, atol=1e-9)
    np.testing.assert_array_equal(moved.n, before.n)


def test_equal_values_do_not_differ_by_rounding() -> None:
    """0.3 thrice has a mean that is not 0.3."""
    assert StratifiedGroups.from_strata(np.array([0, 0, 1]), np.zeros(3, int), 2).compare(
        np.full(3, -0.7)
    ).z.tolist() == [0, 0]


@settings(max_examples=40)
@given(ROWS)
def test_z_has_mean_0_and_deviation_1_over_all_permutations(rows: list[tuple[int, int, float]]) -> None:
    """Every way to hand values out anew within the strata, of which none has more than three values."""
    group, stratum, values = columns(rows)
    blocks = StratifiedGroups.from_strata(group, stratum, 3)
    strata = [np.flatnonzero(stratum == each) for each in np.unique(stratum[blocks.rows])]
    assume(len(blocks.rows) > 0 and all(len(each) <= 3 for each in strata) and len(strata) <= 3)
    drawn = []
    for chosen in product(*(permutations(each) for each in strata)):
        exchanged = values.copy()
        for each, order in zip(strata, chosen, strict=True):
            exchanged[each] = values[list(order)]
        drawn.append(blocks.compare(exchanged).z)
    z = np.array(drawn)
    told = ~np.isnan(z[0]) & (np.abs(z).max(axis=0) > 0)
    np.testing.assert_allclose(z[:, told].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(z[:, told].std(axis=0), 1, atol=1e-9)


def test_paired_differences_are_those_of_the_means() -> None:
    values = np.array([1.0, 2.0, 6.0, 3.0, 4.0, 8.0])
    compared = StratifiedGroups.from_strata(np.array([0, 1, 2, 0, 1, 2]), np.array([0, 0, 0, 1, 1, 1]), 3).compare(
        values
    )
    assert compared.mean.tolist() == [2, 3, 7]
    np.testing.assert_allclose(compared.difference, [-3, -1.5, 4.5])


def test_p_is_the_share_of_permutations_as_extreme() -> None:
    """Two annotators of eight images, one always higher: 2 of 2^8 exchanges are as extreme."""
    values = np.tile([0.0, 1.0], 8)
    blocks = StratifiedGroups.from_strata(np.tile([0, 1], 8), np.repeat(np.arange(8), 2), 2)
    p, critical = blocks.permutation_test(values, np.random.default_rng(0), 20_000)
    assert p == pytest.approx(2 / 256, abs=0.002)
    assert critical < blocks.compare(values).largest


@pytest.mark.parametrize("per_stratum", [3, 12])
def test_chance_is_found_in_one_of_twenty(per_stratum: int) -> None:
    rng = np.random.default_rng(3)
    stratum = np.repeat(np.arange(8), per_stratum)
    blocks = StratifiedGroups.from_strata(np.tile([0, 1, 2], 8 * per_stratum // 3), stratum, 3)
    p = [blocks.permutation_test(rng.exponential(size=len(stratum)), rng, 199)[0] for _ in range(300)]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.1)


def test_the_normal_limit_says_what_permutations_say() -> None:
    rng = np.random.default_rng(4)
    group, stratum = np.tile([0, 1], 3000), np.repeat(np.arange(1500), 4)
    blocks = StratifiedGroups.from_strata(group, stratum, 2)
    values = rng.normal(size=6000) + 0.05 * group
    z = blocks.compare(values).largest
    p, critical = blocks.permutation_test(values, rng, 10)
    exchanged = [blocks.compare(rng.permuted(values.reshape(1500, 4), axis=1).ravel()).largest for _ in range(300)]
    assert np.mean(np.array(exchanged) >= z) <= p + 0.05
    assert np.quantile(exchanged, 0.95) <= critical + 0.3


def test_a_mix_like_the_others_is_not_apart_and_a_swapped_one_is() -> None:
    rng = np.random.default_rng(5)
    amounts = rng.multinomial(10, [0.5, 0.3, 0.2], size=60).astype(float)
    inside = np.arange(60) < 20
    assert compare_mixes(amounts, inside, rng, least=0.1) is None
    amounts[inside] = amounts[inside][:, ::-1]
    seen = compare_mixes(amounts, inside, rng, least=0.1)
    assert seen is not None
    mine, others = amounts[inside].sum(axis=0), amounts[~inside].sum(axis=0)
    assert seen.distance == pytest.approx(np.abs(mine / mine.sum() - others / others.sum()).sum() / 2)
    assert (seen.p, seen.by_chance < 0.1) == (0.001, True)


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
    p = cluster_p_value(values, group, stratum, np.random.default_rng(0), 499)
    order = np.random.default_rng(1).permutation(40)
    again = cluster_p_value(values[order], group[order], stratum[order], np.random.default_rng(0), 499)
    assert p == again == 1 / 500


def test_what_the_strata_explain_is_no_cluster() -> None:
    """Each group is of one stratum, and the strata differ: nothing is left that groups could explain."""
    values, group = np.repeat([1.0, 0.0], 20), np.repeat(np.arange(8), 5)
    assert cluster_p_value(values, group, (group >= 4).astype(np.int64), np.random.default_rng(0), 99) == 1.0


def test_chance_is_taken_for_more_as_often_as_stated() -> None:
    rng = np.random.default_rng(3)
    group, stratum = np.repeat(np.arange(10), 4), np.tile(np.arange(2), 20)
    p = [cluster_p_value((rng.random(40) < 0.4).astype(float), group, stratum, rng, 99) for _ in range(300)]
    assert np.mean(np.array(p) <= 0.05) <= 0.08
    assert np.mean(np.array(p) <= 0.5) <= 0.58
