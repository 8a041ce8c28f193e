"""Contrasts: tests of differences in agreement between strata of the images, and between pairs of annotators."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import msgspec
import numpy as np

from segdata.agreement.estimates import (
    DEFAULT_RESAMPLING,
    PairAmounts,
    PooledPairs,
    Resampling,
    between_persons,
    overall_scores,
)
from segdata.agreement.inference import (
    FALSE_DISCOVERY_RATE,
    MIN_CLUSTERS,
    PERMUTATIONS,
    exchange_test,
    permutation_blocks,
    strata_differences,
)
from segdata.agreement.scores import (
    Count,
    Number,
    PooledScoresWithAccuracy,
    Score,
    UndefinedShare,
    WeightedSums,
    pair_value,
)
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import benjamini_hochberg
from segdata.core.strata import ANNOTATION_COLUMNS, StratumNames, annotation_strata

STRATUM_TEST_SCORES = ("iou", "boundary_iou", "nsd", "offset_size", "count_gap", "pq", "kappa")
CONTRAST_TEST_SCORES = ("iou", "nsd", "pq", "kappa")
MAX_CONTRASTS = 120  # each of them takes seconds
CONTRAST_SCORES = ("iou", "dice", "boundary_iou", "nsd", "pq", "f1", "kappa", "accuracy")
_MAX_STRATA = 50  # with more, a column identifies images and not kinds of images


class Stratum(PooledScoresWithAccuracy, frozen=True):
    """A stratum of the images, its number of pairs of annotations, and its scores over all of them."""

    name: str
    images: Count
    pairs: Count


class StratumDifference(msgspec.Struct, frozen=True):
    """The test of a difference of a score between strata, with `values` in their order; `category` null: over all.

    `p`: the probability of values as far apart if strata were assigned at random; null where it cannot be computed.
    `stands`: the difference is significant when all categories are tested together.
    """

    score: str
    category: str | None
    values: tuple[Number, ...]
    p: UndefinedShare
    stands: bool


class StratifiedAgreement(msgspec.Struct, frozen=True):
    """The agreement by a column of the images or annotations; `unknown` counts pairs of annotations without a value."""

    column: str
    strata: tuple[Stratum, ...]
    differences: tuple[StratumDifference, ...]
    unknown: Count


class PairContrast(msgspec.Struct, frozen=True):
    """The contrast of the agreement of two pairs of annotators, on the images that all of them annotated.

    With a reference both are pairs of an annotator and the reference. `values`: the scores of `first` and `second`;
    `difference`: the second minus the first, whose `n` counts images. `p`: the probability of as large a difference
    if both agreed equally; null: not tested, since there are too few clusters. `stands`: the difference is significant
    when all contrasts of a score are tested together.
    """

    first: tuple[str, str]
    second: tuple[str, str]
    score: str
    values: tuple[Number, Number]
    difference: Score
    p: UndefinedShare
    stands: bool


def stratify_by_column(
    tables: Tables, comparison: AnnotatorPairs, column: str, resampling: Resampling = DEFAULT_RESAMPLING
) -> StratifiedAgreement:
    """The agreement by strata of the images, or of the annotations, see `segdata.core.strata.annotation_strata`.

    Two annotations with different values form a stratum of both, as in ``expert + novice``. With months they are in no
    stratum, since changes of an annotator over time are a drift (`segdata.agreement.drift`). Raises SegdataError
    if no image has a value, or if there are more than 50 different ones.
    """
    names = annotation_strata(tables, column)
    pairs = comparison.pairs
    if len(pairs) == 0:
        return StratifiedAgreement(column, (), (), 0)
    names_a, names_b = names[pairs["annotation_a"]].tolist(), names[pairs["annotation_b"]].tolist()
    pair_names = np.empty(len(pairs), object)
    pair_names[:] = [
        a if a == b else None if None in (a, b) or column == "month" else " + ".join(sorted((a, b)))
        for a, b in zip(names_a, names_b, strict=True)
    ]
    return stratify_by_names(comparison, column, pair_names, resampling, is_of_images=column not in ANNOTATION_COLUMNS)


def stratify_by_names(
    comparison: AnnotatorPairs,
    column: str,
    names: StratumNames,
    resampling: Resampling = DEFAULT_RESAMPLING,
    *,
    is_of_images: bool = True,
) -> StratifiedAgreement:
    """The agreement by the name of each pair of annotations (n_pairs,); None: in no stratum.

    Raises SegdataError if there are more names than can be compared.

    Differences are tested only if strata are `is_of_images`: strata of annotations also differ by annotator, and pairs
    of an image share annotators, so that permutations would differ less than the same people do anyway.
    Benjamini and Hochberg's false discovery rate is 5 % over all scores, and over all categories and scores.
    """
    amounts = PairAmounts.from_pairs(comparison)
    rows = between_persons(amounts)
    rows = rows[[names[row] is not None for row in rows.tolist()]] if len(rows) else rows
    strata, stratum = np.unique(names[rows].astype(str), return_inverse=True)
    if len(strata) > _MAX_STRATA:
        raise SegdataError(
            f"by {column!r}: {len(strata)} different values; at most {_MAX_STRATA} strata can be compared"
        )
    n_images = comparison.cases["frames"]
    scored_strata = tuple(
        Stratum(
            name=str(name),
            images=int(n_images[np.unique(amounts.case[stratum_rows])].sum()),
            pairs=len(stratum_rows),
            **overall_scores(amounts, stratum_rows, resampling),
        )
        for name, stratum_rows in ((name, rows[stratum == number]) for number, name in enumerate(strata))
    )
    tested = _test_differences(amounts, rows, stratum, resampling.seed) if is_of_images and len(strata) > 1 else ()
    return StratifiedAgreement(column, scored_strata, tested, len(between_persons(amounts)) - len(rows))


def _test_differences(amounts: PairAmounts, rows: Ints, stratum: Ints, seed: int) -> tuple[StratumDifference, ...]:
    """The differences of `STRATUM_TEST_SCORES` scores, over all and of each category."""
    pooled, strata, block = permutation_units(amounts, rows, stratum)
    width = pooled.width(STRATUM_TEST_SCORES)
    values, p = strata_differences(pooled.statistic(STRATUM_TEST_SCORES), strata, block, seed, width=width)
    stands = _stand_together(p)
    differences = [
        StratumDifference(score, None, tuple(values[:, k].tolist()), float(p[k]), bool(stands[k]))
        for k, score in enumerate(STRATUM_TEST_SCORES)
    ]
    values, p = strata_differences(pooled.category_statistic(STRATUM_TEST_SCORES), strata, block, seed, width=width)
    stands = _stand_together(p)
    for k, category in zip(*np.nonzero(np.isfinite(p)), strict=True):
        reached, chance, stand = tuple(values[:, k, category].tolist()), float(p[k, category]), stands[k, category]
        name = amounts.comparison.categories[category].name
        differences.append(StratumDifference(STRATUM_TEST_SCORES[k], name, reached, chance, bool(stand)))
    return tuple(difference for difference in differences if np.isfinite(difference.values).any())


def _stand_together(p: Floats) -> Flags:
    """(...) whether p-values are significant together; NaN is not."""
    stands = np.zeros(p.shape, bool)
    tested = np.isfinite(p)
    stands[tested] = benjamini_hochberg(p[tested], FALSE_DISCOVERY_RATE)
    return stands


def permutation_units(amounts: PairAmounts, rows: Ints, stratum: Ints) -> tuple[PooledPairs, Ints, Ints]:
    """The units among which strata are permuted, their strata, and the blocks of the permutation.

    Units are images within their clusters, or else clusters; each stratum of a cluster with several is a unit.
    """
    cluster = amounts.cluster[rows]
    block = permutation_blocks(stratum, cluster)
    number = cluster if block is None else amounts.case[rows]
    units, inverse = np.unique(np.stack([number, stratum]), axis=1, return_inverse=True)
    first = np.unique(inverse, return_index=True)[1]
    pooled = PooledPairs.by_unit(amounts, rows, inverse)
    return pooled, units[1], np.zeros(len(first), np.int64) if block is None else block[first]


def contrast_pairs(
    comparison: AnnotatorPairs,
    first: tuple[str, str],
    second: tuple[str, str],
    resampling: Resampling = DEFAULT_RESAMPLING,
    *,
    scores: Sequence[str] = CONTRAST_SCORES,
    n_permutations: int = PERMUTATIONS,
    least_clusters: int = 0,
) -> Mapping[str, PairContrast]:
    """Contrast two pairs of annotators on the cases that both pairs annotated, score by score; `stands` is not set.

    To compare two annotators, contrast their pairs with the same third one: a gold standard, or a model. Intervals are
    from resamples of clusters, each with both pairs, p-values from exchanging the pairs within clusters; with fewer
    than `least_clusters` nothing is tested. Empty if no case has both pairs.
    """
    amounts = PairAmounts.from_pairs(comparison)
    rows = [_pair_rows(amounts, *pair) for pair in (first, second)]
    shared = np.intersect1d(amounts.case[rows[0]], amounts.case[rows[1]])
    if len(shared) == 0:
        return {}
    rows = [pair_rows[np.isin(amounts.case[pair_rows], shared)] for pair_rows in rows]
    (first_unit, n), (second_unit, _) = (amounts.units(pair_rows) for pair_rows in rows)
    first_sums, second_sums = amounts.sums.group(first_unit, n), amounts.sums.group(second_unit, n)

    def statistic(weights: Floats) -> Floats:
        sums = first_sums.weigh(weights[:, :n]), second_sums.weigh(weights[:, n:])
        weighed = WeightedSums(
            {name: sums[0][name] + sums[1][name] for name in sums[0]}, first_sums.cells, comparison.countable
        )
        return np.stack([pair_value(name, weighed) for name in scores], axis=1)

    def difference(weights: Floats) -> Floats:
        zeros = np.zeros(weights.shape)
        return statistic(np.concatenate([zeros, weights], axis=1)) - statistic(np.concatenate([weights, zeros], axis=1))

    interval = resampling.interval(difference, n, 2 * first_sums.width)
    p = np.full(len(scores), np.nan)
    if n >= least_clusters:
        p = exchange_test(statistic, n, resampling.seed, n_draws=n_permutations, width=2 * first_sums.width)[1]
    images = int(comparison.cases["frames"][shared].sum())
    reached = statistic(np.repeat(np.eye(2), n, axis=1))
    numbers = np.stack([interval.value, interval.low, interval.high, p, *reached], axis=1).tolist()
    return {
        name: PairContrast(first, second, name, (score_1, score_2), Score(value, low, high, images, 0), chance, False)
        for name, (value, low, high, chance, score_1, score_2) in zip(scores, numbers, strict=True)
    }


def contrast_annotators(
    comparison: AnnotatorPairs, reference: int | None = None, resampling: Resampling = DEFAULT_RESAMPLING
) -> tuple[PairContrast, ...]:
    """Contrast every two annotators by their agreement with the reference, or without one every two pairs.

    Further passes of a person are left out. Over the contrasts of one score Benjamini and Hochberg's false discovery
    rate is 5 %; with fewer than 8 clusters nothing is tested. Raises SegdataError if there is no contrast,
    or more than `MAX_CONTRASTS`.
    """
    names, first = comparison.annotators, comparison.is_first_pass.tolist()
    persons = [k for k in range(len(names)) if first[k]]
    if reference is None:
        pairs = [(a, b) for a, b in combinations(persons, 2) if not _is_copy(comparison, a, b)]
    else:
        gold = comparison.persons[reference]
        pairs = [(k, reference) for k in persons if comparison.persons[k] != gold]
    if len(pairs) < 2:
        needed = "three annotators" if reference is None else "two annotators beside the reference"
        raise SegdataError(f"contrasts: they take {needed}, there are: {', '.join(names)}")
    combined = list(combinations(pairs, 2))
    if len(combined) > MAX_CONTRASTS:
        raise SegdataError(
            f"contrasts: {len(pairs)} pairs of annotators make {len(combined):,}, at most {MAX_CONTRASTS} are tested; "
            "name a reference with --gold, or give fewer annotators"
        )
    contrasts = [
        contrast_pairs(
            comparison,
            (names[a], names[b]),
            (names[c], names[d]),
            resampling,
            scores=CONTRAST_TEST_SCORES,
            least_clusters=MIN_CLUSTERS,
        )
        for (a, b), (c, d) in combined
    ]
    return tuple(tested for score in CONTRAST_TEST_SCORES for tested in _test_together(contrasts, score))


def _is_copy(comparison: AnnotatorPairs, a: int, b: int) -> bool:
    """Whether one of two annotators only has copies on their common images, so that their agreement means nothing."""
    pairs = comparison.pairs
    is_pair = (pairs["a"] == a) & (pairs["b"] == b)
    return bool(is_pair.any()) and not bool(comparison.is_independent[is_pair].any())


def _test_together(contrasts: Sequence[Mapping[str, PairContrast]], score: str) -> Iterator[PairContrast]:
    """The defined contrasts of one score, with `stands` from a common test."""
    defined = [
        by_score[score] for by_score in contrasts if score in by_score and np.isfinite(by_score[score].difference.value)
    ]
    stands = _stand_together(np.array([contrast.p for contrast in defined]))
    for contrast, stand in zip(defined, stands.tolist(), strict=True):
        yield msgspec.structs.replace(contrast, stands=stand)


def _pair_rows(amounts: PairAmounts, one: str, other: str) -> Ints:
    names = amounts.comparison.annotators
    a, b = sorted((names.index(one), names.index(other)))
    return np.flatnonzero((amounts.a == a) & (amounts.b == b))
