"""Scorecard: how much, how well and how fast each annotator worked, how that changes, and their worst examples."""

from collections.abc import Iterator, Mapping
from typing import Literal, TypedDict

import msgspec
import numpy as np

from segdata.agreement.estimates import DEFAULT_RESAMPLING, PairAmounts, Resampling, image_values, pair_scores
from segdata.agreement.gold_standard import rows_against
from segdata.agreement.rates import wilson_interval
from segdata.agreement.results import Count, Number, Score, Share
from segdata.agreement.rework import ReworkSummary
from segdata.agreement.scores import column_of
from segdata.agreement.surface_distances import Tolerance
from segdata.agreement.trend import Flags, ImageScores, ScoreTrend, score_trend
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.config import Metric
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.statistics import benjamini_hochberg
from segdata.core.strata import annotation_strata_if_any
from segdata.core.taxonomy import Taxonomy

Cause = Literal["missed", "extra", "confused", "boundary"]
LEAST_PIXELS = 64  # of an example: what is smaller can be missed by a hair
_GUIDELINE_CHAPTERS = {
    "missed": ("definition", "boundary_rule"),
    "extra": ("definition", "boundary_rule"),
    "confused": ("definition", "boundary_rule"),
    "boundary": ("boundary_rule", "definition"),
}


class WorstExample(msgspec.Struct, frozen=True):
    """An example of an annotator's worst work: the score against `other`, and why they differ.

    `pixels`: how many pixels of the category only one of the two has; `cause`: the cause of most of these. `guideline`:
    what the taxonomy says about that; null: nothing.
    """

    image: str
    category: str
    other: str
    value: float
    pixels: Count
    cause: Cause
    guideline: str | None


def worst_examples(
    tables: Tables,
    opposed: AnnotatorPairs,
    scored: ImageScores,
    pair: Ints,
    mine: Flags,
    annotator: int,
    n: int,
) -> Iterator[WorstExample]:
    """The `n` lowest scores of an annotator, of categories of some size, one an image.

    `scored` are all scores, `pair` (n,) the pair of annotations of each, `mine` (n,) which of them are the annotator's.
    """
    wide = len(opposed.categories)
    overlaps = opposed.overlaps
    key = column_of(overlaps, "pair") * wide + column_of(overlaps, "category")
    both, area = column_of(overlaps, "both"), column_of(overlaps, "area_a") + column_of(overlaps, "area_b")
    order = np.argsort(key)
    at = order[np.searchsorted(key[order], pair * wide + scored.category)] if len(key) else np.empty(0, np.int64)
    apart = (area - 2 * both)[at]
    rows = np.flatnonzero(mine & (apart > 0) & ((area - both)[at] >= LEAST_PIXELS))
    rows = rows[np.lexsort((-apart[rows], scored.value[rows]))]
    _, first = np.unique(scored.case[rows], return_index=True)
    for row in rows[np.sort(first)[:n]].tolist():
        side = int(scored.annotators[1, row] == annotator)
        cause = _main_cause(opposed, int(pair[row]), int(scored.category[row]), side)
        category = opposed.categories[scored.category[row]].name
        yield WorstExample(
            str(opposed.cases.cell("name", int(scored.case[row]))),
            category,
            opposed.annotators[int(scored.annotators[1 - side, row])],
            float(scored.value[row]),
            int(apart[row]),
            cause,
            _guideline_text(tables.profile.taxonomy, category, cause),
        )


def _main_cause(opposed: AnnotatorPairs, pair: int, category: int, side: int) -> Cause:
    """Why most of the pixels are that only one of both gives the category; `side`: which of both the annotator is."""
    causes = opposed.causes
    rows = np.flatnonzero((column_of(causes, "pair") == pair) & (column_of(causes, "category") == category))
    own = column_of(causes, "side")[rows] == side
    pixels: Mapping[Cause, int] = {
        "missed": int(column_of(causes, "unmatched")[rows][~own].sum()),
        "extra": int(column_of(causes, "unmatched")[rows][own].sum()),
        "confused": int(column_of(causes, "confused")[rows].sum()),
        "boundary": int(column_of(causes, "boundary")[rows].sum()),
    }
    return max(pixels, key=lambda name: pixels[name])


def _guideline_text(taxonomy: Taxonomy, category: str, cause: Cause) -> str | None:
    """What the taxonomy says: of boundaries first where it is about these."""
    entry = taxonomy.by_name().get(category)
    return next((text for chapter in _GUIDELINE_CHAPTERS[cause] if entry and (text := getattr(entry, chapter))), None)


FALSE_DISCOVERY_RATE = 0.05  # of the trends that are told, what share may be chance
_SORTS = ("camera", "size", "split")
_OVER = ("reviewed", "adjudicated", "accepted")  # stages of work that somebody else has looked at


class AnnotatorCard(msgspec.Struct, frozen=True, kw_only=True):
    """One annotator.

    `images`, `segments`: annotated images and the segments drawn in them. `timed`: images of which the time is known,
    `seconds` of all these together, and the medians of an image and of a segment. `passed`: the share of reviewed
    annotations that were accepted unchanged; `n` counts those reviewed. `score`: against the reference, or over all
    pairs with others. `stands`: the trend is significant when those of all annotators are tested together. `worst`: the
    lowest scores, one per image.
    """

    annotator: str
    images: Count
    segments: Count
    timed: Count
    seconds: Number
    seconds_per_image: Number
    seconds_per_segment: Number
    passed: Score
    score: Score
    trend: ScoreTrend
    stands: bool
    worst: tuple[WorstExample, ...]


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """All annotators but the reference `gold` (null: there is none, and each is compared with the others).

    Scores are of `metric`, with this `tolerance`. `review`: what the review of their work changed; null: the work
    before it was not given.
    """

    version: Literal[1] = 1
    cards: tuple[AnnotatorCard, ...]
    gold: str | None
    metric: Metric
    confidence: Share
    tolerance: Tolerance
    review: ReworkSummary | None


def build_scorecard(
    tables: Tables,
    *,
    reference: int | None = None,
    metric: Metric = "iou",
    review: ReworkSummary | None = None,
    how: Resampling = DEFAULT_RESAMPLING,
    n_worst: int = 3,
    tolerance: Tolerance | None = None,
) -> Scorecard:
    """A card for each annotator of a panel, `tables` as `segdata.agreement.comparison.compare_panel` makes them.

    Work has passed where `review`, of the same annotators' work before a review, changed nothing. Without it the stages
    tell as much as they can: of work that was reviewed, adjudicated or accepted, the share that is accepted.
    Further passes of one person count as work, but not as agreement with others. `tolerance`: with which the panel was
    compared; None: the default.
    """
    opposed = tables.annotator_pairs
    if opposed is None:
        raise ValueError("tables without what annotators have in common")
    amounts = PairAmounts.of(opposed)
    scored, pair = _score_images(amounts, tables, metric, reference)
    months = _annotation_months(tables)
    cards = []
    for k, name in enumerate(opposed.annotators):
        if reference is not None and opposed.persons[k] == opposed.persons[reference]:
            continue
        mine = (scored.annotators == k).any(axis=0)
        side = np.where(scored.annotators[0] == k, 0, 1)
        annotation = np.where(
            side == 0, column_of(opposed.pairs, "annotation_a")[pair], column_of(opposed.pairs, "annotation_b")[pair]
        )
        month = np.where(mine, months[annotation], -1) if len(pair) else np.empty(0, np.int64)
        cards.append(
            AnnotatorCard(
                annotator=name,
                **_workload(opposed, tables, name),
                passed=_pass_rate(tables, name, review, how),
                score=pair_scores(amounts, _compared_rows(amounts, k, reference), how, (metric,))[metric],
                trend=score_trend(scored, k, month, how, reference),
                stands=False,
                worst=tuple(worst_examples(tables, opposed, scored, pair, mine, k, n_worst)),
            )
        )
    tested = [k for k, card in enumerate(cards) if np.isfinite(card.trend.p)]
    stands = benjamini_hochberg(np.array([cards[k].trend.p for k in tested]), FALSE_DISCOVERY_RATE)
    for k, stand in zip(tested, stands.tolist(), strict=True):
        cards[k] = msgspec.structs.replace(cards[k], stands=stand)
    gold = None if reference is None else opposed.annotators[reference]
    return Scorecard(
        cards=tuple(cards),
        gold=gold,
        metric=metric,
        confidence=how.confidence,
        tolerance=tolerance or Tolerance(),
        review=review,
    )


def _compared_rows(amounts: PairAmounts, annotator: int, reference: int | None) -> Ints:
    """The pairs of annotations of an annotator and the reference, or everybody else."""
    if reference is not None:
        return rows_against(amounts, reference).get(annotator, np.empty(0, np.int64))
    person = np.array(amounts.opposed.persons, np.int64)
    own = (amounts.a == annotator) | (amounts.b == annotator)
    return np.flatnonzero(own & (person[amounts.a] != person[amounts.b]))


def _score_images(
    amounts: PairAmounts, tables: Tables, metric: Metric, reference: int | None
) -> tuple[ImageScores, Ints]:
    """Every defined score of an image and category, and the pair of annotations (n,) it is of."""
    opposed = amounts.opposed
    rows = np.unique(np.concatenate([_compared_rows(amounts, k, reference) for k in range(len(opposed.annotators))]))
    is_void = np.array([each.kind == "void" for each in opposed.categories], bool)
    values = image_values(amounts, rows, (metric,))[0][:, 0]
    values[:, is_void] = np.nan
    at, category = np.nonzero(np.isfinite(values))
    pair = rows[at]
    case = amounts.case[pair]
    sort = _image_groups(tables)[column_of(opposed.cases, "image")[case]] if len(pair) else np.empty(0, np.int64)
    return ImageScores(
        values[at, category], np.stack([amounts.a[pair], amounts.b[pair]]), case, category, amounts.cluster[pair], sort
    ), pair


def _image_groups(tables: Tables) -> Ints:
    """(n_images,) the same number for images of one camera, size and split."""
    image = tables.annotations["image"]
    found = np.zeros(len(tables.images), np.int64)
    for name in _SORTS:
        texts = annotation_strata_if_any(tables, name)
        codes = np.zeros(len(found), np.int64)
        codes[image] = np.unique([each or "" for each in texts.tolist()], return_inverse=True)[1].reshape(-1)
        found = found * (int(codes.max(initial=0)) + 1) + codes
    return found


def _annotation_months(tables: Tables) -> Ints:
    """(n_annotations,) the month in which each was made, counted from the year 0; -1: unknown."""
    found = []
    for each in tables.annotations["created"].tolist():
        year, _, month = (each or "")[:7].partition("-")
        known = year.isdecimal() and month.isdecimal() and 1 <= int(month) <= 12
        found.append(int(year) * 12 + int(month) - 1 if known else -1)
    return np.array(found, np.int64)


class _Workload(TypedDict):
    images: int
    segments: int
    timed: int
    seconds: float
    seconds_per_image: float
    seconds_per_segment: float


def _workload(opposed: AnnotatorPairs, tables: Tables, name: str) -> _Workload:
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


def _pass_rate(tables: Tables, name: str, review: ReworkSummary | None, how: Resampling) -> Score:
    """The share of reviewed work that was accepted as it was."""
    if review is not None:
        alone = (
            len(set(tables.annotations["annotator"].tolist()))
            == 1
            == len({each.annotator for each in review.rows} - {None})
        )
        row = review.of(None if alone else name)  # who is alone may have no name, or another one
        return Score(np.nan, np.nan, np.nan, 0, 0) if row is None else msgspec.structs.replace(row.passed, n=row.images)
    columns = (tables.annotations[each].tolist() for each in ("annotator", "stage"))
    stages = [stage for who, stage in zip(*columns, strict=True) if who == name and stage in _OVER]
    n, accepted = len(stages), stages.count("accepted")
    low, high = (float(end) for end in wilson_interval(np.array(accepted), np.array(n), how.confidence))
    return Score(accepted / n if n else np.nan, low, high, n, 0)
