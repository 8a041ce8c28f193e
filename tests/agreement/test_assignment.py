"""Matching: the best one-to-one pairs, from cells alone."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.agreement import assignment
from segdata.agreement.assignment import match_greedy, match_optimal
from segdata.core.runs import Ints

Gains = NDArray[np.float64]
Cells = tuple[Ints, Ints, Gains]


@st.composite
def cells(draw: st.DrawFn, most: int = 5) -> Cells:
    """Some of the pairs of up to `most` x `most` segments, in any order, with different gains."""
    pairs = list(itertools.product(range(most), range(most)))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14))
    gains = draw(st.lists(st.integers(1, 999), unique=True, min_size=len(chosen), max_size=len(chosen)))
    a, b = np.array(chosen, np.int64).reshape(-1, 2).T
    return 3 * a, 7 * b + 2, np.array(gains) / 1000


def best_sum(given_cells: Cells) -> float:
    """By trying every subset of A with every order of B."""
    a, b, gain = given_cells
    worth = {(x, y): g for x, y, g in zip(a.tolist(), b.tolist(), gain.tolist(), strict=True)}

    def best(rest: tuple[int, ...], free: frozenset[int]) -> float:
        if not rest:
            return 0.0
        skipped = best(rest[1:], free)
        taken = [worth[rest[0], y] + best(rest[1:], free - {y}) for y in free if (rest[0], y) in worth]
        return max([skipped, *taken])

    return best(tuple(sorted(set(a.tolist()))), frozenset(b.tolist()))


@given(cells())
def test_the_sum_is_the_largest_there_is_and_nobody_is_taken_twice(given_cells: Cells) -> None:
    a, b, gain = given_cells
    for kept in (match_optimal(a, b, gain), match_greedy(a, b, gain)):
        assert len(set(a[kept])) == len(set(b[kept])) == kept.sum()
    assert gain[match_optimal(a, b, gain)].sum() == pytest.approx(best_sum(given_cells))


@given(cells())
def test_it_does_not_matter_who_comes_first_nor_in_what_order_cells_come(given_cells: Cells) -> None:
    a, b, gain = given_cells
    total = gain[match_optimal(a, b, gain)].sum()
    assert gain[match_optimal(b, a, gain)].sum() == pytest.approx(total)
    np.testing.assert_array_equal(match_greedy(b, a, gain), match_greedy(a, b, gain))
    np.testing.assert_array_equal(match_greedy(a[::-1], b[::-1], gain[::-1])[::-1], match_greedy(a, b, gain))


@given(cells())
def test_greedy_takes_one_after_the_other(given_cells: Cells) -> None:
    a, b, gain = given_cells
    used_a: set[int] = set()
    used_b: set[int] = set()
    expected = np.zeros(len(a), bool)
    for k in np.argsort(-gain).tolist():
        if a[k] not in used_a and b[k] not in used_b:
            used_a.add(int(a[k]))
            used_b.add(int(b[k]))
            expected[k] = True
    np.testing.assert_array_equal(match_greedy(a, b, gain), expected)


def test_greedy_can_lose() -> None:
    a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    gain = np.array([0.6, 0.55, 0.58, 0.1])
    assert gain[match_greedy(a, b, gain)].sum() == pytest.approx(0.70)
    assert gain[match_optimal(a, b, gain)].sum() == pytest.approx(1.13)


@given(cells(most=6).filter(lambda each: len(each[0]) > 0))
def test_large_blocks_are_settled_as_small_ones(given_cells: Cells) -> None:
    _, row = np.unique(given_cells[0], return_inverse=True)
    _, column = np.unique(given_cells[1], return_inverse=True)
    gain = given_cells[2]
    total = gain[assignment._match_dense(row, column, gain)].sum()
    assert gain[assignment._match_sparse(row, column, gain)].sum() == pytest.approx(total)


def test_a_chain_of_thousands_needs_no_table() -> None:
    n = 3000  # as a table 9 million cells, more than a block may have
    a = np.repeat(np.arange(n), 2)[1:]
    b = np.repeat(np.arange(n), 2)[:-1]
    gain = np.where(np.arange(len(a)) % 2, 0.9, 0.5)  # 0-0, 1-0, 1-1, 2-1, …: each second one is better
    kept = match_optimal(a, b, gain)
    np.testing.assert_array_equal(kept, gain == 0.9)


def test_nothing_to_match() -> None:
    none = np.empty(0, np.int64)
    assert len(match_optimal(none, none, np.empty(0))) == len(match_greedy(none, none, np.empty(0))) == 0
