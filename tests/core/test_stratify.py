"""Stratify: parts of the wanted sizes, balanced far better than by chance, whatever the quantities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.stratify import Amounts, Floats, stratified


def amounts_of(table: Floats) -> Amounts:
    """The amounts in a dense table (n_units, n_quantities)."""
    unit, quantity = np.nonzero(table)
    return Amounts.of(unit, quantity, table[unit, quantity], *table.shape)


def cost(table: Floats, part: np.ndarray[tuple[int], np.dtype[np.int64]], shares: Floats) -> float:
    """The sum of squared deviations over the shares, counted one by one."""
    total = 0.0
    for column in table.T:
        for at, share in enumerate(shares):
            total += (column[part == at].sum() / column.sum() - share) ** 2 / share
    return total


@st.composite
def tables(draw: st.DrawFn) -> Floats:
    n, k = draw(st.integers(1, 12)), draw(st.integers(0, 4))
    rows = draw(st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=n, max_size=n))
    return np.array(rows, np.float64).reshape(n, k)


@given(tables(), st.sampled_from([(0.5, 0.5), (0.7, 0.2, 0.1)]), st.data())
def test_every_unit_has_one_part_and_some_stay_in_theirs(
    table: Floats, shares: tuple[float, ...], data: st.DataObject
) -> None:
    kept = np.array([data.draw(st.integers(-1, len(shares) - 1)) for _ in table], np.int64)
    part = stratified(amounts_of(table), np.ones(len(table)), np.array(shares), kept)
    assert part.shape == (len(table),)
    assert set(part.tolist()) <= set(range(len(shares)))
    np.testing.assert_array_equal(part[kept >= 0], kept[kept >= 0])


def test_better_than_any_of_a_hundred_random_divisions() -> None:
    rng = np.random.default_rng(3)
    table = rng.poisson(0.4, (120, 8)) * rng.lognormal(0, 1, (120, 1))
    shares = np.array([0.7, 0.15, 0.15])
    part = stratified(amounts_of(table), np.ones(120), shares)
    assert np.bincount(part).tolist() == [84, 18, 18]
    drawn = [rng.permutation(np.repeat([0, 1, 2], [84, 18, 18])) for _ in range(100)]
    assert cost(table, part, shares) < min(cost(table, each, shares) for each in drawn) / 10


@pytest.mark.parametrize("n_rare", [1, 2, 3])
def test_the_rare_are_dealt_before_the_frequent(n_rare: int) -> None:
    """Half of the units to each part: of a category in n units no part has more than one above its half."""
    table = np.zeros((20, 2))
    table[:, 0] = 1
    table[:n_rare, 1] = 1
    part = stratified(amounts_of(table), np.ones(20), np.array([0.5, 0.5]))
    assert np.bincount(part).tolist() == [10, 10]
    assert abs(int((part[:n_rare] == 0).sum()) - int((part[:n_rare] == 1).sum())) <= n_rare % 2


@pytest.mark.parametrize("n_units", [1, 2, 3, 4])
def test_no_part_is_empty_while_there_are_units(n_units: int) -> None:
    part = stratified(amounts_of(np.ones((n_units, 1))), np.arange(1.0, n_units + 1), np.array([0.8, 0.1, 0.1]))
    assert len(set(part.tolist())) == min(n_units, 3)


def test_amounts_of_one_unit_are_added_and_shares_sum_to_one() -> None:
    found = Amounts.of(np.array([1, 0, 1]), np.array([1, 0, 1]), np.array([2.0, 5.0, 6.0]), 3, 2)
    assert (found.first.tolist(), found.quantity.tolist(), found.share.tolist()) == ([0, 1, 2, 2], [0, 1], [1.0, 1.0])
