"""Scorecard: what each annotator did, how well, how fast, how that changes, and their own worst examples."""

from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from segdata.agreement.boundaries.surfaces import Tolerance
from segdata.agreement.gold.examples import Example, worst_examples
from segdata.agreement.gold.gold import against
from segdata.agreement.gold.review import Review
from segdata.agreement.gold.single import single_scores
from segdata.agreement.gold.trend import Scored, Trend, trend
from segdata.agreement.statistics.rates import wilson
from segdata.agreement.summary.agreed import Value
from segdata.agreement.summary.estimates import DEFAULT, Amounts, Resampling, pair_scores
from segdata.agreement.summary.sums import column
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.config import Metric
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.statistics import benjamini_hochberg
from segdata.core.strata import annotation_strata_if_any

RATE = 0.05  # of the trends that are told, what share may be chance
_SORTS = ("camera", "size", "split")
_OVER = ("reviewed", "adjudicated", "accepted")  # stages of work that somebody else has looked at


@dataclass(frozen=True, slots=True)
class Card:
    """One annotator.

    Attributes
    ----------
    images, segments : annotated images, and what was drawn in them
    timed : of how many images the time is known
    seconds : of all these together; NaN: none is known
    seconds_per_image, seconds_per_segment : the medians over images (those with a segment)
    passed : the share of annotations that were accepted as they were; `n` is how many were reviewed
    score : against the reference, or over all pairs with others
    trend : by months; `stands`: it is one of those that stand when all annotators' are taken together
    worst : the lowest scores, one an image
    """

    annotator: str
    images: int
    segments: int
    timed: int
    seconds: float
    seconds_per_image: float
    seconds_per_segment: float
    passed: Value
    score: Value
    trend: Trend
    stands: bool
    worst: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All annotators but the reference `gold` (None: there is none); scores are of `metric`, with this `tolerance`.

    `review`: what the review of their work changed; None: the work before it was not at hand.
    """

    cards: tuple[Card, ...]
    gold: str | None
    metric: Metric
    confidence: float
    tolerance: Tolerance
    review: Review | None


def scorecard(
    tables: Tables,
    *,
    reference: int | None = None,
    metric: Metric = "iou",
    review: Review | None = None,
    how: Resampling = DEFAULT,
    n_worst: int = 3,
    tolerance: Tolerance | None = None,
) -> Scorecard:
    """A card for each annotator of a panel, `tables` as `segdata.agreement.compare.compare` makes them.

    Work has passed where `review`, of the same annotators' work before a review, changed nothing. Without it the stages
    tell as much as they can: of work that was reviewed, adjudicated or accepted, the share that is accepted.
    Further passes of one person count as work, but not as agreement with others. `tolerance`: with which the panel was
    compared; None: the default.
    """
    opposed = tables.opposed
    if opposed is None:
        raise ValueError("tables without what annotators have in common")
    amounts = Amounts.of(opposed)
    scored, pair = _scored(amounts, tables, metric, reference)
    months = _months(tables)
    cards = []
    for k, name in enumerate(opposed.annotators):
        if reference is not None and opposed.persons[k] == opposed.persons[reference]:
            continue
        mine = (scored.annotators == k).any(axis=0)
        side = np.where(scored.annotators[0] == k, 0, 1)
        annotation = np.where(
            side == 0, column(opposed.pairs, "annotation_a")[pair], column(opposed.pairs, "annotation_b")[pair]
        )
        month = np.where(mine, months[annotation], -1) if len(pair) else np.empty(0, np.int64)
        cards.append(
            Card(
                name,
                **_volume(opposed, tables, name),
                passed=_passed(tables, name, review, how),
                score=pair_scores(amounts, _rows(amounts, k, reference), how, (metric,))[metric],
                trend=trend(scored, k, month, how, reference),
                stands=False,
                worst=tuple(worst_examples(tables, opposed, scored, pair, mine, k, n_worst)),
            )
        )
    tested = [k for k, card in enumerate(cards) if np.isfinite(card.trend.p)]
    stands = benjamini_hochberg(np.array([cards[k].trend.p for k in tested]), RATE)
    for k, stand in zip(tested, stands.tolist(), strict=True):
        cards[k] = replace(cards[k], stands=stand)
    gold = None if reference is None else opposed.annotators[reference]
    return Scorecard(tuple(cards), gold, metric, how.confidence, tolerance or Tolerance(), review)


def _rows(amounts: Amounts, annotator: int, reference: int | None) -> Ints:
    """The pairs of annotations of an annotator and the reference, or everybody else."""
    if reference is not None:
        return against(amounts, reference).get(annotator, np.empty(0, np.int64))
    person = np.array(amounts.opposed.persons, np.int64)
    own = (amounts.a == annotator) | (amounts.b == annotator)
    return np.flatnonzero(own & (person[amounts.a] != person[amounts.b]))


def _scored(amounts: Amounts, tables: Tables, metric: Metric, reference: int | None) -> tuple[Scored, Ints]:
    """Every defined score of an image and category, and the pair of annotations (n,) it is of."""
    opposed = amounts.opposed
    rows = np.unique(np.concatenate([_rows(amounts, k, reference) for k in range(len(opposed.annotators))]))
    is_void = np.array([each.kind == "void" for each in opposed.categories], bool)
    values = single_scores(amounts, rows, (metric,))[0][:, 0]
    values[:, is_void] = np.nan
    at, category = np.nonzero(np.isfinite(values))
    pair = rows[at]
    case = amounts.case[pair]
    sort = _sorts(tables)[column(opposed.cases, "image")[case]] if len(pair) else np.empty(0, np.int64)
    return Scored(
        values[at, category], np.stack([amounts.a[pair], amounts.b[pair]]), case, category, amounts.cluster[pair], sort
    ), pair


def _sorts(tables: Tables) -> Ints:
    """(n_images,) the same number for images of one camera, size and split."""
    image = tables.annotations["image"]
    found = np.zeros(len(tables.images), np.int64)
    for name in _SORTS:
        texts = annotation_strata_if_any(tables, name)
        codes = np.zeros(len(found), np.int64)
        codes[image] = np.unique([each or "" for each in texts.tolist()], return_inverse=True)[1].reshape(-1)
        found = found * (int(codes.max(initial=0)) + 1) + codes
    return found


def _months(tables: Tables) -> Ints:
    """(n_annotations,) the month in which each was made, counted from the year 0; -1: unknown."""
    found = []
    for each in tables.annotations["created"].tolist():
        year, _, month = (each or "")[:7].partition("-")
        known = year.isdecimal() and month.isdecimal() and 1 <= int(month) <= 12
        found.append(int(year) * 12 + int(month) - 1 if known else -1)
    return np.array(found, np.int64)


class _Volume(TypedDict):
    images: int
    segments: int
    timed: int
    seconds: float
    seconds_per_image: float
    seconds_per_segment: float


def _volume(opposed: AnnotatorPairs, tables: Tables, name: str) -> _Volume:
    """How much an annotator did, and how fast; what is void is no segment."""
    annotations = tables.annotations
    own = np.array([each == name for each in annotations["annotator"].tolist()], bool)
    void = [each.id for each in opposed.categories if each.kind == "void"]
    drawn = tables.segments["annotation"][~np.isin(tables.segments["category_id"], void)]
    segments = np.bincount(drawn, minlength=len(annotations))[own]
    seconds = np.array([np.nan if each is None else each for each in annotations["seconds"][own].tolist()], np.float64)
    known = np.isfinite(seconds)
    some = known & (segments > 0)
    return {
        "images": int(own.sum()),
        "segments": int(segments.sum()),
        "timed": int(known.sum()),
        "seconds": float(seconds[known].sum()) if known.any() else np.nan,
        "seconds_per_image": float(np.median(seconds[known])) if known.any() else np.nan,
        "seconds_per_segment": float(np.median(seconds[some] / segments[some])) if some.any() else np.nan,
    }


def _passed(tables: Tables, name: str, review: Review | None, how: Resampling) -> Value:
    """The share of reviewed work that was accepted as it was."""
    if review is not None:
        alone = (
            len(set(tables.annotations["annotator"].tolist()))
            == 1
            == len({each.annotator for each in review.rows} - {None})
        )
        row = review.of(None if alone else name)  # who is alone may have no name, or another one
        return Value(np.nan, np.nan, np.nan, 0, 0) if row is None else replace(row.passed, n=row.images)
    columns = (tables.annotations[each].tolist() for each in ("annotator", "stage"))
    stages = [stage for who, stage in zip(*columns, strict=True) if who == name and stage in _OVER]
    n, accepted = len(stages), stages.count("accepted")
    low, high = (float(end) for end in wilson(np.array(accepted), np.array(n), how.confidence))
    return Value(accepted / n if n else np.nan, low, high, n, 0)
