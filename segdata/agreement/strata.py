"""Strata: agreement by the values of a column, and whether it differs between them."""

import numpy as np

from segdata.agreement.estimates import (
    DEFAULT_RESAMPLING,
    PairAmounts,
    PooledPairs,
    Resampling,
    between_persons,
    overall_scores,
)
from segdata.agreement.permutation import permutation_blocks, strata_differences
from segdata.agreement.results import StratifiedAgreement, Stratum, StratumDifference
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.statistics import benjamini_hochberg
from segdata.core.strata import ANNOTATION_COLUMNS, StratumNames, annotation_strata

TESTED_SCORES = ("iou", "boundary_iou", "nsd", "offset_size", "count_gap", "pq", "kappa")
RATE = 0.05  # of the differences that stand, what share may be chance
_MOST = 50  # portions; with more, a column tells images apart and not kinds of images


def stratify_by_column(
    tables: Tables, opposed: AnnotatorPairs, column: str, how: Resampling = DEFAULT_RESAMPLING
) -> StratifiedAgreement:
    """The agreement by portions of the images, or of the annotations, see `segdata.core.strata.annotation_strata`.

    Of two annotations with different values the portion is of both, as in ``expert + novice``. Raises SegdataError
    where no image has such a value, or more than 50 different ones occur.
    """
    names = annotation_strata(tables, column)
    pairs = opposed.pairs
    if len(pairs) == 0:
        return StratifiedAgreement(column, (), (), 0)
    of_a, of_b = names[pairs["annotation_a"]].tolist(), names[pairs["annotation_b"]].tolist()
    joined = np.empty(len(pairs), object)
    joined[:] = [
        None if None in (a, b) else a if a == b else " + ".join(sorted((a, b))) for a, b in zip(of_a, of_b, strict=True)
    ]
    return stratify_by_names(opposed, column, joined, how, is_of_images=column not in ANNOTATION_COLUMNS)


def stratify_by_names(
    opposed: AnnotatorPairs,
    column: str,
    names: StratumNames,
    how: Resampling = DEFAULT_RESAMPLING,
    *,
    is_of_images: bool = True,
) -> StratifiedAgreement:
    """The agreement by the name of each pair of annotations (n_pairs,), None: in no portion.

    Differences are tested where they are `is_of_images`. What tells annotations apart tells annotators apart, and the
    pairs of an image have annotators in common: by lot they would differ less than they do by the same people alone.
    Over the categories of one score Benjamini and Hochberg's false discovery rate is 5 %.
    """
    amounts = PairAmounts.of(opposed)
    rows = between_persons(amounts)
    rows = rows[[names[row] is not None for row in rows.tolist()]] if len(rows) else rows
    known, stratum = np.unique(names[rows].astype(str), return_inverse=True)
    if len(known) > _MOST:
        raise SegdataError(f"by {column!r}: {len(known)} different values; at most {_MOST} portions can be compared")
    frames = opposed.cases["frames"]
    portions = tuple(
        Stratum(
            name=str(name),
            images=int(frames[np.unique(amounts.case[own])].sum()),
            pairs=len(own),
            **overall_scores(amounts, own, how),
        )
        for name, own in ((name, rows[stratum == k]) for k, name in enumerate(known))
    )
    tested = _test_differences(amounts, rows, stratum.reshape(-1), how.seed) if is_of_images and len(known) > 1 else ()
    return StratifiedAgreement(column, portions, tested, len(between_persons(amounts)) - len(rows))


def _test_differences(amounts: PairAmounts, rows: Ints, stratum: Ints, seed: int) -> tuple[StratumDifference, ...]:
    """The differences of `TESTED_SCORES` scores, over all and of each category."""
    every, of, block = permutation_units(amounts, rows, stratum)
    width = every.width(TESTED_SCORES)
    values, p = strata_differences(every.statistic(TESTED_SCORES), of, block, seed, width=width)
    found = [
        StratumDifference(score, None, tuple(values[:, k].tolist()), float(p[k]), bool(p[k] <= RATE))
        for k, score in enumerate(TESTED_SCORES)
    ]
    values, p = strata_differences(every.category_statistic(TESTED_SCORES), of, block, seed, width=width)
    for k, score in enumerate(TESTED_SCORES):
        told = np.flatnonzero(np.isfinite(p[k]))
        for category, stands in zip(told.tolist(), benjamini_hochberg(p[k, told], RATE).tolist(), strict=True):
            name = amounts.opposed.categories[category].name
            found.append(
                StratumDifference(score, name, tuple(values[:, k, category].tolist()), float(p[k, category]), stands)
            )
    return tuple(each for each in found if np.isfinite(each.values).any())


def permutation_units(amounts: PairAmounts, rows: Ints, stratum: Ints) -> tuple[PooledPairs, Ints, Ints]:
    """The units that strata are handed out among, their strata, and the blocks within which.

    Units are images within their clusters, or else clusters: of those with several strata, each stratum's part is one.
    """
    cluster = amounts.cluster[rows]
    block = permutation_blocks(stratum, cluster)
    number = cluster if block is None else amounts.case[rows]
    units, which = np.unique(np.stack([number, stratum]), axis=1, return_inverse=True)
    first = np.unique(which.reshape(-1), return_index=True)[1]
    every = PooledPairs.by(amounts, rows, which.reshape(-1))
    return every, units[1], np.zeros(len(first), np.int64) if block is None else block[first]
