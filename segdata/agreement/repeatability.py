"""Repeatability: the agreement of annotators with their own earlier work, and the tolerance that follows from it."""

from dataclasses import replace
from typing import Literal

import msgspec
import numpy as np

from segdata.agreement.annotator_bias import counts_once
from segdata.agreement.estimates import PairAmounts, Resampling, pair_scores
from segdata.agreement.inference import ACCUSATION_RATE
from segdata.agreement.scores import Count, table_of_lines, values_by_category, weighted_mean
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Floats, Ints
from segdata.core.table import Table

_COLUMNS = {
    "annotator": int,
    "value": float,
    "low": float,
    "high": float,
    "others": float,
    "behind": float,
    "behind_low": float,
    "clusters": int,
}


class ProposedTolerance(msgspec.Struct, frozen=True):
    """The tolerance of boundaries that annotators need against themselves, from images that they annotated twice.

    `value`: the median over all `boundaries` of the 95th percentile of the distances between both drawings, in mm if
    the spacing is known, else in px. A boundary is that of a segment of a thing, or of a category of stuff in an image.
    `images`: the number that the `annotators` annotated twice; each slice of a volume counts, and an image counts
    once for each annotator.
    """

    unit: Literal["px", "mm"]
    value: float
    annotators: tuple[str, ...]
    images: Count
    boundaries: Count


def repeat_agreement(comparison: AnnotatorPairs, resampling: Resampling) -> Table:
    """The Dice of each annotator with themselves on images that they annotated twice.

    Columns: annotator (position of the first pass), value, low, high, others (the Dice of different annotators on the
    same images; NaN if there is none), behind (by how much different annotators agree better than the annotator with
    themselves, on average over the categories that both have), behind_low (a lower bound of that, above 0 for any
    annotator in at most `ACCUSATION_RATE` of panels in which all are equally steady), clusters.
    """
    amounts = PairAmounts.from_pairs(comparison)
    person = np.array(comparison.persons, np.int64)
    own = person[amounts.a] == person[amounts.b]
    twice = np.unique(person[amounts.a[own]]).tolist()
    strict = replace(resampling, confidence=1 - ACCUSATION_RATE / max(len(twice), 1))
    lines = []
    for annotator in twice:
        rows = np.flatnonzero(own & (person[amounts.a] == annotator))
        in_their_images = np.isin(amounts.case, amounts.case[rows])
        between = np.flatnonzero(in_their_images & ~own)
        value = pair_scores(amounts, rows, resampling, ("dice",))["dice"]
        others, behind, low = _gap_to_others(amounts, rows, between, strict)
        clusters = amounts.units(rows)[1]
        lines.append((int(amounts.a[rows].min()), value.value, value.low, value.high, others, behind, low, clusters))
    return table_of_lines(_COLUMNS, lines)


def _gap_to_others(
    amounts: PairAmounts, own: Ints, between: Ints, resampling: Resampling
) -> tuple[float, float, float]:
    """The Dice of the pairs `between`, its excess over that of the pairs `own`, and the lower bound of the excess.

    Both are on the same images, which resamples draw together.
    """
    if len(between) == 0:
        return np.nan, np.nan, np.nan
    names, unit = np.unique(amounts.cluster[np.append(own, between)], return_inverse=True)
    sums = []
    for rows, number in ((own, unit[: len(own)]), (between, unit[len(own) :])):
        number_of = np.full(amounts.sums.n, -1, np.int64)
        number_of[rows] = number
        sums.append(amounts.sums.group(number_of, len(names)))

    def statistic(weights: Floats) -> Floats:
        mine, theirs = (values_by_category("dice", amounts.weigh(side, weights)) for side in sums)
        return np.stack([weighted_mean(theirs), weighted_mean(theirs - mine)], axis=1)

    interval = resampling.interval(statistic, len(names), 2 * sums[0].width)
    return float(interval.value[0]), float(interval.value[1]), float(interval.low[1])


def proposed_tolerance(comparison: AnnotatorPairs) -> tuple[ProposedTolerance, ...]:
    """The tolerance of boundaries that annotators need against themselves, in px and in mm; empty without repeats.

    It is the median, over boundaries that an annotator drew twice, of the 95th percentile of the distances between both
    drawings: deviations that the same person does not reproduce are no disagreement. Boundaries are those of matched
    segments for things, so that a missed segment does not count as a distant one, and of whole categories for all else.
    Source: Nikolov and others (2021), Journal of Medical Internet Research 23(7), e26151, who take the tolerance of the
    surface Dice from the variation between experts.
    """
    person = np.array(comparison.persons, np.int64)
    pairs, surfaces = comparison.pairs, comparison.surfaces
    if not len(surfaces):
        return ()
    pair, far = surfaces["pair"], surfaces["hd95"]
    own = (person[pairs["a"]] == person[pairs["b"]])[pair]
    rows = np.flatnonzero(own & counts_once(comparison) & np.isfinite(far))
    is_mm = np.isfinite(comparison.cases["spacing_x"])[pairs["case"][pair[rows]]]
    result = []
    of_units: tuple[tuple[Literal["px", "mm"], Ints], ...] = (("px", rows[~is_mm]), ("mm", rows[is_mm]))
    for unit, boundaries in of_units:
        if len(boundaries):
            pairs_of = np.unique(pair[boundaries])
            first_of_person = np.unique(person[pairs["a"][pairs_of]], return_index=True)[1]
            names = tuple(comparison.annotators[k] for k in np.sort(pairs["a"][pairs_of][first_of_person]).tolist())
            frames = int(comparison.cases["frames"][pairs["case"][pairs_of]].sum())
            result.append(ProposedTolerance(unit, float(np.median(far[boundaries])), names, frames, len(boundaries)))
    return tuple(result)
