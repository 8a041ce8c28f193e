"""Pilot agreement: how well annotators of a pilot agree on each category, and which categories they confuse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.estimates import (
    DEFAULT_RESAMPLING,
    PairAmounts,
    Resampling,
    between_persons,
    category_scores,
    count_images,
)
from segdata.agreement.scores import column_of
from segdata.agreement.summary import unclear_categories
from segdata.campaign.projection import ProjectedRange
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
_MODERATE = 0.6  # as rule SEG408 has it: Landis and Koch (1977), Biometrics 33(1), 159-174
_LEAST_CLUSTERS = 8  # as there


@dataclass(frozen=True, slots=True)
class CategoryPilotAgreement:
    """How well annotators agree on one category.

    Attributes
    ----------
    category : its name
    score : what of it: ``f1`` of segments for things, ``dice`` of pixels for all else
    value : over all pairs of annotators, with the 95 % interval; NaN ends where there are too few images
    images, clusters : with the category, counted once for each pair of annotators, and how many are independent
    best, without : the value without the annotator who lowers it most, and who that is; NaN and "" of two annotators
    """

    category: str
    score: str
    value: ProjectedRange
    images: int
    clusters: int
    best: float
    without: str

    @property
    def is_low(self) -> bool:
        """Whether it is below 0.6, also without the one who lowers it most."""
        return self.value.value < _MODERATE and not self.best >= _MODERATE

    @property
    def is_surely_low(self) -> bool:
        """Whether its whole interval is, of 8 independent images or more."""
        return self.is_low and self.value.high < _MODERATE and self.clusters >= _LEAST_CLUSTERS


@dataclass(frozen=True, slots=True)
class ConfusedCategories:
    """Two categories that annotators take for each other.

    Attributes
    ----------
    a, b : their names
    segments, of_segments : how often a thing is one for one annotator and the other for another, of how many things
        that both have and one of them calls by the rarer name; 0 of categories without instances
    pixels, of_pixels : that have both names, of those that have the rarer one
    images : in how many
    """

    a: str
    b: str
    segments: int
    of_segments: int
    pixels: int
    of_pixels: int
    images: int

    @property
    def share(self) -> float:
        """Of the things, or where there are none that both have, of the pixels."""
        if self.of_segments:
            return self.segments / self.of_segments
        return self.pixels / max(self.of_pixels, 1)


@dataclass(frozen=True, slots=True)
class PilotAgreement:
    """How well annotators of a pilot agree.

    Attributes
    ----------
    annotators : their names
    images : that two or more of them annotated
    categories : those that somebody drew there, in the order of the taxonomy
    confused : pairs of categories, the most confused first
    """

    annotators: tuple[str, ...]
    images: int
    categories: tuple[CategoryPilotAgreement, ...]
    confused: tuple[ConfusedCategories, ...]


def measure_pilot_agreement(opposed: AnnotatorPairs, how: Resampling = DEFAULT_RESAMPLING) -> PilotAgreement | None:
    """How well annotators agree; None where no image was annotated by two."""
    amounts = PairAmounts.of(opposed)
    rows = between_persons(amounts)
    if not len(rows):
        return None
    frames = opposed.cases["frames"]
    return PilotAgreement(
        opposed.annotators,
        int(frames[np.unique(amounts.case[rows])].sum()),
        _category_agreements(amounts, rows, how),
        _confused_categories(opposed, np.isin(amounts.every, rows)),
    )


def _category_agreements(amounts: PairAmounts, rows: Ints, how: Resampling) -> tuple[CategoryPilotAgreement, ...]:
    opposed = amounts.opposed
    unit, n = amounts.units(rows)
    sums = amounts.sums.grouped(unit, n)
    images = count_images("kappa", sums).tolist()
    clusters = np.asarray((sums.amounts["n_iou"] > 0).sum(axis=0)).reshape(-1).tolist()
    names = ("category", "best", "without")
    others = {
        code: (best, opposed.annotators[who]) for code, best, who in unclear_categories(opposed, how).lines(*names)
    }
    scores = category_scores(amounts, rows, how, ("dice", "f1"))
    found = []
    for k, category in enumerate(opposed.categories):
        score = "f1" if opposed.countable[k] else "dice"
        if images[k] and category.kind != "void":
            value = scores[k][score]
            best, who = others.get(k, (np.nan, ""))
            ends = ProjectedRange(value.value, value.low, value.high)
            found.append(CategoryPilotAgreement(category.name, score, ends, images[k], clusters[k], best, who))
    return tuple(found)


def _confused_categories(opposed: AnnotatorPairs, chosen: NDArray[np.bool_]) -> tuple[ConfusedCategories, ...]:
    """The pairs of categories that anything is called by both."""
    n = len(opposed.categories)
    case = column_of(opposed.pairs, "case")
    pixels, places = _confusion_counts(opposed, "cells", "pixels", chosen)
    segments, _ = _confusion_counts(opposed, "matches", None, chosen)
    both = pixels + pixels.T
    of_pixels, of_segments = (each + each.T - np.diag(np.diag(each)) for each in (pixels, segments))
    of_pixels, of_segments = of_pixels.sum(axis=1), of_segments.sum(axis=1)
    void = np.array([each.kind == "void" for each in opposed.categories], bool)
    found = []
    for a, b in np.argwhere(np.triu((both > 0) & ~void & ~void[:, None], 1)).tolist():
        of_pair = places[0][(places[1] == a * n + b) | (places[1] == b * n + a)]
        rarer_pixels, rarer_segments = (int(min(each[a], each[b])) for each in (of_pixels, of_segments))
        n_segments = int(segments[a, b] + segments[b, a])
        one, other = sorted((opposed.categories[a].name, opposed.categories[b].name))
        n_images = len(np.unique(case[of_pair]))
        found.append(
            ConfusedCategories(one, other, n_segments, rarer_segments, int(both[a, b]), rarer_pixels, n_images)
        )
    return tuple(sorted(found, key=lambda each: (-each.share, each.a, each.b)))


def _confusion_counts(
    opposed: AnnotatorPairs, name: str, weight: str | None, chosen: NDArray[np.bool_]
) -> tuple[Floats, tuple[Ints, Ints]]:
    """(n_categories, n_categories) of what both annotators have, and (pair, a * n + b) of each row that counts.

    Of matches, things with an IoU above 0.5.
    """
    n = len(opposed.categories)
    table = getattr(opposed, name)
    pair, a, b = (column_of(table, each) for each in ("pair", "category_a", "category_b"))
    rows = (a >= 0) & (b >= 0) & (chosen[pair] if len(pair) else np.zeros(0, bool))
    if weight is None:
        rows &= opposed.countable[a] & opposed.countable[b]
    amount = np.ones(len(pair)) if weight is None else column_of(table, weight).astype(np.float64)
    key = (a * n + b)[rows]
    return np.bincount(key, amount[rows], n * n).reshape(n, n).astype(np.float64), (pair[rows], key)
