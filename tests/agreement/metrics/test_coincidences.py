"""Fleiss' kappa and Krippendorff's alpha from coincidences: laws, pairs counted one by one, values that are known."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.cohen_kappa import cohen_kappa
from segdata.agreement.metrics.fleiss_kappa import fleiss_kappa
from segdata.agreement.metrics.krippendorff_alpha import coincidences, krippendorff_alpha, votes_a_pixel

FLEISS = """0 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2|6 5 2 1 0|0 2 2 3 7"""

units = st.lists(st.lists(st.integers(-1, 2), min_size=1, max_size=4), min_size=1, max_size=12)


def summed(votes: list[list[int]], weight: list[int] | None = None) -> tuple[float, np.ndarray]:
    pattern = np.repeat(np.arange(len(votes)), [len(each) for each in votes])
    pixels = np.ones(len(votes)) if weight is None else np.array(weight)
    found = coincidences(pattern, np.concatenate(votes), pixels, np.zeros(len(votes)), 1, 5)
    return float(found.agreeing[0]), found.votes[0]


def alpha(votes: list[list[int]]) -> float:
    return float(krippendorff_alpha(*summed(votes)))


def of_counts(rows: list[list[int]]) -> list[list[int]]:
    """Votes from how often each category was voted for."""
    return [np.repeat(np.arange(len(row)), row).tolist() for row in rows]


def counted_alpha(votes: list[list[int]]) -> float:
    """From the definition: ordered pairs of values within units, and among all values."""
    kept = [each for each in votes if len(each) > 1]
    every = [value for each in kept for value in each]
    n = len(every)
    differ = sum(sum(a != b for a, b in permutations(each, 2)) / (len(each) - 1) for each in kept)
    by_chance = sum(a != b for a, b in permutations(every, 2))
    return 1 - (differ / n) / (by_chance / (n * (n - 1))) if by_chance else np.nan


@given(units)
def test_alpha_is_what_counting_pairs_gives(votes: list[list[int]]) -> None:
    np.testing.assert_allclose(alpha(votes), counted_alpha(votes), atol=1e-9)


@given(units, st.permutations([-1, 0, 1, 2]))
def test_order_and_names_do_not_matter(votes: list[list[int]], names: list[int]) -> None:
    renamed = [[names[value + 1] for value in reversed(each)] for each in reversed(votes)]
    np.testing.assert_allclose(alpha(renamed), alpha(votes), atol=1e-9)
    assert not alpha(votes) > 1 + 1e-12


@given(units, st.data())
def test_pixels_are_repeated_units(votes: list[list[int]], data: st.DataObject) -> None:
    weight = data.draw(st.lists(st.integers(0, 4), min_size=len(votes), max_size=len(votes)))
    repeated = [each for each, n in zip(votes, weight, strict=True) for _ in range(n)]
    mine = summed(votes, weight)
    if repeated:
        for one, other in zip(mine, summed(repeated), strict=True):
            np.testing.assert_allclose(one, other)
    else:
        assert np.isnan(krippendorff_alpha(*mine))


@given(units, st.integers(0, 12))
def test_cases_add_up(votes: list[list[int]], cut: int) -> None:
    pattern = np.repeat(np.arange(len(votes)), [len(each) for each in votes])
    case = (np.arange(len(votes)) >= cut).astype(int)
    found = coincidences(pattern, np.concatenate(votes), np.ones(len(votes)), case, 2, 5)
    agreeing, together = summed(votes)
    np.testing.assert_allclose(found.agreeing.sum(), agreeing)
    np.testing.assert_allclose(found.votes.sum(axis=0), together)
    several = krippendorff_alpha(found.agreeing, found.votes)
    for k, part in enumerate((votes[:cut], votes[cut:])):
        np.testing.assert_allclose(several[k], alpha(part) if part else np.nan, atol=1e-9)


@given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=1, max_size=12))
def test_fleiss_is_what_its_definition_gives(votes: list[list[int]]) -> None:
    count = np.array([[each.count(code) for code in range(3)] for each in votes])
    same = ((count**2).sum(axis=1) - 3) / 6
    share = count.sum(axis=0) / count.sum()
    by_chance = (share**2).sum()
    wanted = (same.mean() - by_chance) / (1 - by_chance) if by_chance < 1 else np.nan
    np.testing.assert_allclose(fleiss_kappa(*summed(votes), 3), wanted, atol=1e-9)


@pytest.mark.parametrize(
    ("counts", "votes", "wanted"),
    [
        ([[int(n) for n in row.split()] for row in FLEISS.split("|")], 14, 0.20993070442195522),
        ([[3, 0], [2, 1], [0, 3], [1, 2]], 3, 1 / 3),
        ([[3, 0], [3, 0]], 3, np.nan),
    ],
)
def test_known_values_of_fleiss(counts: list[list[int]], votes: int, wanted: float) -> None:
    np.testing.assert_allclose(fleiss_kappa(*summed(of_counts(counts)), votes), wanted, atol=1e-12)


def test_fleiss_needs_as_many_votes_everywhere() -> None:
    assert votes_a_pixel([0, 0, 1, 1], [5, 6]) == 2
    assert votes_a_pixel([0, 0, 1], [5, 6]) is None
    assert votes_a_pixel([0, 0, 1], [5, 0]) == 2
    assert votes_a_pixel([], []) is None
    assert np.isnan(fleiss_kappa(*summed([[0, 0], [0, 1, 1]]), None))
    assert np.isnan(fleiss_kappa(*summed([[0], [1]]), 1))


def annotators(*rows: str) -> list[list[int]]:
    """Votes of annotators in rows; * for none."""
    return [[int(value) for value in column if value != "*"] for column in zip(*rows, strict=True)]


@pytest.mark.parametrize(
    ("votes", "wanted"),
    [
        (annotators("0000111222", "0001112222"), 0.7142857142857143),
        (annotators("*****34121133*3", "1*213343*******", "**21344*21133*4"), 0.691358024691358),
        (of_counts([[3, 0], [2, 1], [0, 3], [1, 2], [2, 0], [1, 0]]), 0.4583333333333334),
        (annotators("0" * 16 + "1" * 48, "1" * 4 + "0" * 16 + "1" * 44), 0.6692708333333334),
        (annotators("00000", "00000"), np.nan),
        (annotators("0*", "*1"), np.nan),
    ],
)
def test_known_values_of_alpha(votes: list[list[int]], wanted: float) -> None:
    np.testing.assert_allclose(alpha(votes), wanted, atol=1e-12)


def test_with_two_annotators_and_many_pixels_alpha_is_near_kappa() -> None:
    """They differ where the two use categories unlike often."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3, 40_000)
    b = np.where(rng.random(40_000) < 0.7, a, rng.integers(0, 3, 40_000))
    found, count = np.unique(np.stack([a, b]), axis=1, return_counts=True)
    pattern = np.repeat(np.arange(found.shape[1]), 2)
    sums = coincidences(pattern, found.T.ravel(), count, np.zeros(len(count)), 1, 3)
    value = krippendorff_alpha(sums.agreeing[0], sums.votes[0])
    np.testing.assert_allclose(value, cohen_kappa(*found, count), atol=1e-3)


def test_what_rounding_leaves_of_one_category_is_undefined() -> None:
    """Votes that all agree, but for the last bit of a sum."""
    almost = np.nextafter(6.0, 0)
    assert np.isnan(fleiss_kappa(almost, [6, 0], 3))
    assert np.isnan(krippendorff_alpha(almost, [6, 0]))
    for seed in range(10):
        pixels = np.random.default_rng(seed).random(1000)
        assert np.isnan(cohen_kappa(np.zeros(1000), np.zeros(1000), pixels))
