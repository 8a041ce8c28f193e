"""Kappas and alpha: laws, counts by hand, scikit-learn, krippendorff and statsmodels; what disagreement is due to."""

import warnings
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.agreement.metrics.pixels import (
    Coincidences,
    category_kappa,
    cohen_kappa,
    coincidences,
    decomposition,
    fleiss_kappa,
    krippendorff_alpha,
    votes_a_pixel,
)

labels = st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=30).map(
    lambda rows: np.array(rows).T
)
FLEISS = """0 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2|6 5 2 1 0|0 2 2 3 7"""

units = st.lists(st.lists(st.integers(-1, 2), min_size=1, max_size=4), min_size=1, max_size=12)
K = 4
Votes = NDArray[np.int64]  # (annotators, units) categories; -1: no vote
PIXELS = st.lists(st.integers(0, 99), min_size=4, max_size=4)


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


def summed_coincidences(votes: list[list[int]], weight: list[int] | None = None) -> tuple[float, np.ndarray]:
    pattern = np.repeat(np.arange(len(votes)), [len(each) for each in votes])
    pixels = np.ones(len(votes)) if weight is None else np.array(weight)
    found = coincidences(pattern, np.concatenate(votes), pixels, np.zeros(len(votes)), 1, 5)
    return float(found.agreeing[0]), found.votes[0]


def alpha(votes: list[list[int]]) -> float:
    return float(krippendorff_alpha(*summed_coincidences(votes)))


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
    mine = summed_coincidences(votes, weight)
    if repeated:
        for one, other in zip(mine, summed_coincidences(repeated), strict=True):
            np.testing.assert_allclose(one, other)
    else:
        assert np.isnan(krippendorff_alpha(*mine))


@given(units, st.integers(0, 12))
def test_cases_add_up(votes: list[list[int]], cut: int) -> None:
    pattern = np.repeat(np.arange(len(votes)), [len(each) for each in votes])
    case = (np.arange(len(votes)) >= cut).astype(int)
    found = coincidences(pattern, np.concatenate(votes), np.ones(len(votes)), case, 2, 5)
    agreeing, together = summed_coincidences(votes)
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
    np.testing.assert_allclose(fleiss_kappa(*summed_coincidences(votes), 3), wanted, atol=1e-9)


@pytest.mark.parametrize(
    ("counts", "votes", "wanted"),
    [
        ([[int(n) for n in row.split()] for row in FLEISS.split("|")], 14, 0.20993070442195522),
        ([[3, 0], [2, 1], [0, 3], [1, 2]], 3, 1 / 3),
        ([[3, 0], [3, 0]], 3, np.nan),
    ],
)
def test_known_values_of_fleiss(counts: list[list[int]], votes: int, wanted: float) -> None:
    np.testing.assert_allclose(fleiss_kappa(*summed_coincidences(of_counts(counts)), votes), wanted, atol=1e-12)


def test_fleiss_needs_as_many_votes_everywhere() -> None:
    assert votes_a_pixel([0, 0, 1, 1], [5, 6]) == 2
    assert votes_a_pixel([0, 0, 1], [5, 6]) is None
    assert votes_a_pixel([0, 0, 1], [5, 0]) == 2
    assert votes_a_pixel([], []) is None
    assert np.isnan(fleiss_kappa(*summed_coincidences([[0, 0], [0, 1, 1]]), None))
    assert np.isnan(fleiss_kappa(*summed_coincidences([[0], [1]]), 1))


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


@given(PIXELS)
def test_shares_are_parts_of_a_whole(pixels: list[int]) -> None:
    found = decomposition(*pixels)
    if sum(pixels) == 0:
        assert np.isnan(found).all()
    else:
        np.testing.assert_allclose(sum(found), 1)
        np.testing.assert_allclose(found, np.array(pixels) / sum(pixels))
    swapped = decomposition(pixels[1], pixels[0], *pixels[2:])
    np.testing.assert_array_equal([swapped.extra, swapped.missed], [found.missed, found.extra])
