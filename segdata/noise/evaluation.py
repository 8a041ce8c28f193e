"""Evaluation: the quality with which a ranking finds known errors, by type of error and budget.

An error without a candidate counts as one with the lowest score, since it was not found.
All figures are functions of weights of images, so that the bootstrap can resample images.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from segdata.core.resampling import bootstrap_interval
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import ratio

Count = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_BUDGETS = (0.01, 0.02, 0.05, 0.1, 0.2)
_UNRANKED = -np.inf


def auroc(score: Floats, wrong: Flags, weight: Floats | None = None) -> Floats:
    """(B,) the probability that a wrong item has a greater score than a right one, with ties counted half.

    `weight` (B, n): how often each counts; once by default. NaN without any of either sort.
    Source: Hanley and McNeil (1982), Radiology 143(1), 29-36.

    >>> auroc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])).tolist()
    [0.875]
    """
    hits, misses = _by_threshold(score, wrong, weight)
    before = np.cumsum(misses, axis=1) - misses
    total = misses.sum(axis=1)
    above = (hits * (total[:, None] - before - misses / 2)).sum(axis=1)
    return ratio(above, total * hits.sum(axis=1))


def average_precision(score: Floats, wrong: Flags, weight: Floats | None = None) -> Floats:
    """(B,) the mean precision at the rank of each wrong item, with ties as one rank; parameters as for `auroc`.

    >>> average_precision(np.array([0.9, 0.5, 0.1]), np.array([True, False, True])).round(3).tolist()
    [0.833]
    """
    hits, misses = _by_threshold(score, wrong, weight)
    n_found = np.cumsum(hits, axis=1)
    n_seen = n_found + np.cumsum(misses, axis=1)
    precision = n_found / np.maximum(n_seen, 1e-300)
    return ratio((hits * precision).sum(axis=1), hits.sum(axis=1))


def precision_at(score: Floats, wrong: Flags, k: int) -> float:
    """The share of wrong items among the k with the greatest scores; ties at the end count in part.

    >>> precision_at(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]), 2)
    0.75
    """
    hits, misses = (np.append(0, np.cumsum(counts[0])) for counts in _by_threshold(score, wrong, None))
    k = min(k, len(score))
    return float(np.interp(k, hits + misses, hits) / max(k, 1))


def _by_threshold(score: Floats, wrong: Flags, weight: Floats | None) -> tuple[Floats, Floats]:
    """(B, t) each: the weight of wrong and of right ones at each distinct score, the greatest first."""
    weight = np.ones((1, len(score))) if weight is None else weight
    distinct, row = np.unique(-score, return_inverse=True)
    order = np.argsort(row, kind="stable")
    first = np.searchsorted(row[order], np.arange(len(distinct)))
    if not len(first):
        return np.zeros((len(weight), 0)), np.zeros((len(weight), 0))
    ordered = weight[:, order]
    hits = np.add.reduceat(ordered * wrong[order], first, axis=1)
    return hits, np.add.reduceat(ordered * ~wrong[order], first, axis=1)


@dataclass(frozen=True, slots=True)
class EvaluatedRanking:
    """Candidates with scores, and the known errors."""

    score: Floats  # (n,) of the candidates
    image: Ints  # (n,) of each candidate
    mistake: Ints  # (n,) the error that each is about; -1: none
    mistake_type: Sequence[str]  # (e,) of all errors, as names
    mistake_image: Ints  # (e,)
    n_images: int

    def of_type(self, name: str | None) -> tuple[Floats, Flags, Ints]:
        """Scores, whether wrong, and images of correct candidates and of those about an error of one type, or of any.

        An error that no candidate is about is one more, with the lowest score.
        """
        is_of_type = np.array([name is None or type_ == name for type_ in self.mistake_type], bool)
        is_wrong = (self.mistake >= 0) & (is_of_type[self.mistake] if len(is_of_type) else False)
        is_used = is_wrong | (self.mistake < 0)
        missed = np.setdiff1d(np.flatnonzero(is_of_type), self.mistake)
        score = np.append(self.score[is_used], np.full(len(missed), _UNRANKED))
        image = np.append(self.image[is_used], self.mistake_image[missed])
        return score, np.append(is_wrong[is_used], np.ones(len(missed), bool)), image

    def found_at(self, share: float) -> Flags:
        """(e,) whether an error is found if you review this share of the candidates, the worst first."""
        n = int(np.ceil(share * len(self.score)))
        top = np.argsort(-self.score, kind="stable")[:n]
        is_found = np.zeros(len(self.mistake_type), bool)
        is_found[self.mistake[top][self.mistake[top] >= 0]] = True
        return is_found


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its 95 % interval; null if there is none."""

    value: float | None
    low: float | None
    high: float | None

    @staticmethod
    def from_numbers(value: object, low: object, high: object) -> "Interval":
        """Numbers, or arrays of one number; NaN becomes null."""
        ends = (finite_or_none(float(number)) for number in (value, low, high))  # type: ignore[arg-type]  # arrays of one number
        return Interval(**dict(zip(("value", "low", "high"), ends, strict=True)))


def finite_or_none(value: float) -> float | None:
    """A number as JSON holds it: null for NaN and infinity."""
    return float(value) if math.isfinite(value) else None


class DetectionQuality(msgspec.Struct, frozen=True, kw_only=True):
    """The quality with which known errors of one type were found.

    `errors` are the known ones, `proposed` those that any candidate is about. `prevalence` is the share of candidates
    that are about an error, which is the average precision of a random order. `precision` is that among the first 10,
    20 and 50 candidates. `recall` is the share of errors found if you review this share of all candidates.
    """

    type: str
    errors: Count
    proposed: Count
    prevalence: float | None
    auroc: Interval
    average_precision: Interval
    precision: dict[str, float]
    recall: dict[str, float | None]


def detection_quality(
    ranked: EvaluatedRanking, name: str | None = None, seed: int = 0, n_draws: int = 1000
) -> DetectionQuality:
    """Measure how well a ranking finds the errors of one type, or of any."""
    score, wrong, image = ranked.of_type(name)
    of_type = np.array([name is None or type_ == name for type_ in ranked.mistake_type], bool)
    figures = [
        bootstrap_interval(
            lambda w, f=f: f(score, wrong, w[:, image]),  # type: ignore[misc]  # mypy cannot infer it with a default
            ranked.n_images,
            seed,
            n_draws=n_draws,
            width=len(score),
        )
        for f in (auroc, average_precision)
    ]
    recall = {share: float(ranked.found_at(share)[of_type].mean()) if of_type.any() else None for share in _BUDGETS}
    return DetectionQuality(
        type=name or "all",
        errors=int(of_type.sum()),
        proposed=int(np.isin(np.flatnonzero(of_type), ranked.mistake).sum()),
        prevalence=float(wrong.mean()) if len(wrong) else None,
        auroc=Interval.from_numbers(figures[0].value, figures[0].low, figures[0].high),
        average_precision=Interval.from_numbers(figures[1].value, figures[1].low, figures[1].high),
        precision={str(k): precision_at(score, wrong, k) for k in (10, 20, 50)},
        recall={f"{share:g}": value for share, value in recall.items()},
    )


def detection_qualities(ranked: EvaluatedRanking, seed: int = 0) -> list[DetectionQuality]:
    """Measure how well a ranking finds errors of any type, and then of each type."""
    names = sorted(set(ranked.mistake_type))
    return [detection_quality(ranked, name, seed) for name in (None, *names)]
