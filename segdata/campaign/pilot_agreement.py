"""Pilot agreement: how well annotators of a pilot agree on each category, and which categories they confuse."""

import msgspec
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
from segdata.agreement.scores import Count, Number, column_of
from segdata.agreement.summary import unclear_categories
from segdata.campaign.projection import ProjectedRange
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
_MODERATE = 0.6  # as rule SEG408 has it: Landis and Koch (1977), Biometrics 33(1), 159-174
_LEAST_CLUSTERS = 8  # as there


_PUBLISHED = {"clusters": "units", "is_low": "low", "is_surely_low": "surely"}


class CategoryPilotAgreement(msgspec.Struct, frozen=True, kw_only=True, rename=_PUBLISHED):
    """How well annotators agree on a category: `score` f1 of segments, or dice, with its 95 % interval.

    `images` count once for each pair of annotators, `units` are the sequences, groups and single images among them.
    `best` is the value without the annotator who lowers it most, `without` says who; null of two annotators. `low`: it
    is below 0.6, with them or without; `surely`: so is the whole interval, of 8 independent images or more.
    """

    category: str
    score: str
    value: ProjectedRange
    images: Count
    clusters: Count
    best: Number
    without: str | None
    is_low: bool
    is_surely_low: bool


class ConfusedCategories(msgspec.Struct, frozen=True, kw_only=True):
    """Two categories that annotators take for each other.

    `segments` things that both have, of `of_segments` of the rarer category, and `pixels` of `of_pixels`, in `images`
    images. `share` is of the things, or where there are none of the pixels.
    """

    a: str
    b: str
    segments: Count
    of_segments: Count
    pixels: Count
    of_pixels: Count
    images: Count
    share: float


class PilotAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """How well annotators of the same images agree."""

    annotators: tuple[str, ...]
    images: Count
    categories: tuple[CategoryPilotAgreement, ...]
    confused: tuple[ConfusedCategories, ...]


def measure_pilot_agreement(comparison: AnnotatorPairs, how: Resampling = DEFAULT_RESAMPLING) -> PilotAgreement | None:
    """How well annotators agree; None where no image was annotated by two."""
    amounts = PairAmounts.of(comparison)
    rows = between_persons(amounts)
    if not len(rows):
        return None
    frames = comparison.cases["frames"]
    return PilotAgreement(
        annotators=comparison.annotators,
        images=int(frames[np.unique(amounts.case[rows])].sum()),
        categories=_category_agreements(amounts, rows, how),
        confused=_confused_categories(comparison, np.isin(amounts.every, rows)),
    )


def _category_agreements(amounts: PairAmounts, rows: Ints, how: Resampling) -> tuple[CategoryPilotAgreement, ...]:
    comparison = amounts.comparison
    unit, n = amounts.units(rows)
    sums = amounts.sums.grouped(unit, n)
    images = count_images("kappa", sums).tolist()
    clusters = np.asarray((sums.amounts["n_iou"] > 0).sum(axis=0)).reshape(-1).tolist()
    names = ("category", "best", "without")
    others = {
        code: (best, comparison.annotators[who])
        for code, best, who in unclear_categories(comparison, how).lines(*names)
    }
    scores = category_scores(amounts, rows, how, ("dice", "f1"))
    result = []
    for k, category in enumerate(comparison.categories):
        score = "f1" if comparison.countable[k] else "dice"
        if images[k] and category.kind != "void":
            value = scores[k][score]
            best, who = others.get(k, (np.nan, None))
            is_low = value.value < _MODERATE and not best >= _MODERATE
            result.append(
                CategoryPilotAgreement(
                    category=category.name,
                    score=score,
                    value=ProjectedRange(value.value, value.low, value.high),
                    images=images[k],
                    clusters=clusters[k],
                    best=float(best),
                    without=who,
                    is_low=bool(is_low),
                    is_surely_low=bool(is_low and value.high < _MODERATE and clusters[k] >= _LEAST_CLUSTERS),
                )
            )
    return tuple(result)


def _confused_categories(comparison: AnnotatorPairs, chosen: NDArray[np.bool_]) -> tuple[ConfusedCategories, ...]:
    """The pairs of categories that anything is called by both."""
    n = len(comparison.categories)
    case = column_of(comparison.pairs, "case")
    pixels, places = _confusion_counts(comparison, "cells", "pixels", chosen)
    segments, _ = _confusion_counts(comparison, "matches", None, chosen)
    both = pixels + pixels.T
    of_pixels, of_segments = (counts + counts.T - np.diag(np.diag(counts)) for counts in (pixels, segments))
    of_pixels, of_segments = of_pixels.sum(axis=1), of_segments.sum(axis=1)
    void = np.array([category.kind == "void" for category in comparison.categories], bool)
    result = []
    for a, b in np.argwhere(np.triu((both > 0) & ~void & ~void[:, None], 1)).tolist():
        of_pair = places[0][(places[1] == a * n + b) | (places[1] == b * n + a)]
        rarer_pixels, rarer_segments = (int(min(counts[a], counts[b])) for counts in (of_pixels, of_segments))
        n_segments, n_pixels = int(segments[a, b] + segments[b, a]), int(both[a, b])
        one, other = sorted((comparison.categories[a].name, comparison.categories[b].name))
        result.append(
            ConfusedCategories(
                a=one,
                b=other,
                segments=n_segments,
                of_segments=rarer_segments,
                pixels=n_pixels,
                of_pixels=rarer_pixels,
                images=len(np.unique(case[of_pair])),
                share=round(n_segments / rarer_segments if rarer_segments else n_pixels / max(rarer_pixels, 1), 6),
            )
        )
    return tuple(sorted(result, key=lambda columns: (-columns.share, columns.a, columns.b)))


def _confusion_counts(
    comparison: AnnotatorPairs, name: str, weight: str | None, chosen: NDArray[np.bool_]
) -> tuple[Floats, tuple[Ints, Ints]]:
    """(n_categories, n_categories) of what both annotators have, and (pair, a * n + b) of each row that counts.

    Of matches, things with an IoU above 0.5.
    """
    n = len(comparison.categories)
    table = getattr(comparison, name)
    pair, a, b = (column_of(table, column) for column in ("pair", "category_a", "category_b"))
    rows = (a >= 0) & (b >= 0) & (chosen[pair] if len(pair) else np.zeros(0, bool))
    if weight is None:
        rows &= comparison.countable[a] & comparison.countable[b]
    amount = np.ones(len(pair)) if weight is None else column_of(table, weight).astype(np.float64)
    key = (a * n + b)[rows]
    return np.bincount(key, amount[rows], n * n).reshape(n, n).astype(np.float64), (pair[rows], key)
