"""Scorecard: the amount, quality and speed of each annotator's work, its trend, and the worst examples.

A month of easy images looks like progress. So the score of others on the same image and category is subtracted from
each score, if others have annotated at least half of the annotator's images (the rest is then left out), and then the
annotator's own mean on images of the same camera, size and split, and the same category. The residuals are compared
within images of one type only. The test permutes the months of clusters of images (sequences, patients, scenes, or
single images) within each type, which removes a trend and nothing else.

An annotator whose quality is constant seems to become worse beside one who improves. So a trend must also hold, in the
same direction, with each of the others left out. This loses trends on images that only one other annotator had.
Source: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapter 3 (permutation within blocks);
Berger (1982), Technometrics 24(4), 295-300 (the largest p-value of several tests that must all stand).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from segdata.agreement.estimates import DEFAULT_RESAMPLING, PairAmounts, Resampling, category_values, pair_scores
from segdata.agreement.gold_standard import rows_against
from segdata.agreement.inference import (
    FALSE_DISCOVERY_RATE,
    MIN_CLUSTERS,
    PERMUTATIONS,
    shuffle_within_blocks,
    wilson_interval,
)
from segdata.agreement.rework import ReworkSummary
from segdata.agreement.scores import Count, Number, Score, Share, UndefinedShare, column_of
from segdata.agreement.surface_distances import Tolerance
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.guideline import Chapter, chapter_text
from segdata.core.resampling import least_clusters
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import benjamini_hochberg
from segdata.core.strata import annotation_strata_if_any
from segdata.core.taxonomy import Taxonomy

_ROUNDING = 1e-9
_MAX_P = 0.05  # of a trend, whatever the other trends are


class MonthScore(msgspec.Struct, frozen=True):
    """A month of an annotator's work, ``2026-03``: the number of images, and their mean score.

    `beyond`: by how much the scores exceed the annotator's mean, adjusted for the mix of images; null if unknown.
    """

    month: str
    images: Count
    score: Number
    beyond: Number


class ScoreTrend(msgspec.Struct, frozen=True):
    """The change of an annotator's scores per month, adjusted for the mix of images.

    `slope`, `low`, `high`: null if the work is not known to be from two months. `p`: the probability of as steep a
    slope by chance; null: not tested, since there are fewer than 8 clusters. `same_images`: the scores are compared
    with others' scores on the same images.
    """

    months: tuple[MonthScore, ...]
    slope: Number
    low: Number
    high: Number
    p: UndefinedShare
    same_images: bool


@dataclass(frozen=True, slots=True)
class ImageScores:
    """n scores of pairs of annotations by category, with the annotators and the image of each."""

    value: Floats  # (n,) from 0 to 1
    annotators: Ints  # (2, n) whose the pair is
    case: Ints  # (n,)
    category: Ints  # (n,)
    cluster: Ints  # (n,) of the image
    sort: Ints  # (n,) of the image; images of one sort have one number

    def take(self, kept: Flags) -> "ImageScores":
        """The scores with the flag `kept` (n,)."""
        columns = (self.case, self.category, self.cluster, self.sort)
        return ImageScores(self.value[kept], self.annotators[:, kept], *(column[kept] for column in columns))


def score_trend(
    scored: ImageScores, annotator: int, month: Ints, resampling: Resampling, reference: int | None = None
) -> ScoreTrend:
    """The trend of an annotator, from scores (n,) of work in these months (n,), -1: unknown.

    The p-value is the largest of those with each other annotator left out, since all others seem to change beside one
    who does; the `reference` is not left out. With two annotators and no reference it is unknown who changes: it is
    NaN.
    """
    mine = (scored.annotators == annotator).any(axis=0)
    residuals = _Residuals.from_scores(scored, mine, month)
    dated = mine & (month >= 0)
    months = tuple(
        _month_score(scored, residuals, dated & (month == number), number)
        for number in np.unique(month[dated]).tolist()
    )
    if len(residuals.x) == 0:
        return ScoreTrend(months, np.nan, np.nan, np.nan, np.nan, residuals.same_images)
    slope, low, high = residuals.slope_interval(resampling.confidence)
    p = residuals.p_value(resampling.seed)
    cases = np.isin(scored.case, scored.case[dated])
    others = np.setdiff1d(scored.annotators[:, cases], [annotator, -1 if reference is None else reference])
    for other in others.tolist() if p <= _MAX_P else ():
        kept = ~(scored.annotators == other).any(axis=0)
        rest = _Residuals.from_scores(scored.take(kept), mine[kept], month[kept])
        same_way = len(rest.x) > 0 and float(rest.x @ rest.y) * float(residuals.x @ residuals.y) > 0
        p = float(np.maximum(p, rest.p_value(resampling.seed) if same_way or not len(rest.x) else 1.0))
    return ScoreTrend(months, slope, low, high, p, residuals.same_images)


@dataclass(frozen=True, slots=True)
class _Residuals:
    """The scores of an annotator, adjusted for the images, by cluster of images."""

    beyond: Floats  # (n,) of each score; NaN where nothing is comparable
    # x, y: (n_clusters,) month, and what is left, less their means over images of the sort; none where there are no two
    # months
    x: Floats
    y: Floats
    sort: Ints  # (n_clusters,)
    same_images: bool  # others had at least half of the same images

    @staticmethod
    def from_scores(scored: ImageScores, mine: Flags, month: Ints) -> "_Residuals":
        beyond, same_images = _residuals(scored, mine)
        rows = np.flatnonzero(mine & (month >= 0) & np.isfinite(beyond))
        if len(np.unique(month[rows])) < 2:
            return _Residuals(beyond, np.empty(0), np.empty(0), np.empty(0, np.int64), same_images)
        _, first, unit = np.unique(scored.cluster[rows], return_index=True, return_inverse=True)
        n_of = np.bincount(unit)
        x, y = (np.bincount(unit, weights=values[rows]) / n_of for values in (month.astype(float), beyond))
        sort = scored.sort[rows][first]
        return _Residuals(beyond, _centre(x, sort), _centre(y, sort), sort, same_images)

    def slope_interval(self, confidence: float) -> tuple[float, float, float]:
        """The slope and the ends of its interval, which are NaN where `least_clusters` says so.

        From the residuals of the line, each divided by 1 minus its leverage (HC3), and Student's t. A line that a
        single cluster decides has no interval.
        Source: Long and Ervin (2000), The American Statistician 54(3), 217-224.
        """
        from scipy.special import stdtrit

        several = np.bincount(self.sort)[self.sort] > 1  # others are their sort's mean, and say nothing of a slope
        x, y, sort = self.x[several], self.y[several], self.sort[several]
        square, free = float(x @ x), len(x) - len(np.unique(sort)) - 1
        if square <= 0:
            return float("nan"), float("nan"), float("nan")
        slope = float(x @ y) / square
        left = 1 - 1 / np.bincount(sort)[sort] - x * x / square
        if len(x) < least_clusters(confidence) or free < 1 or left.min() < _ROUNDING:
            return slope, float("nan"), float("nan")
        away = x * (y - slope * x) / left
        half = float(stdtrit(free, (1 + confidence) / 2) * np.sqrt(away @ away)) / square
        return slope, slope - half, slope + half

    def p_value(self, seed: int) -> float:
        """The share of permutations of the months in which the slope is as steep, either way; NaN: too few clusters."""
        if len(self.x) < MIN_CLUSTERS or not (self.x != 0).any():
            return float("nan")
        beyond = n = 0
        least = abs(float(self.x @ self.y)) * (1 - 1e-9) - 1e-15
        for shuffled in shuffle_within_blocks(np.arange(len(self.x)), self.sort, seed, PERMUTATIONS):
            beyond += int((np.abs(self.x[shuffled] @ self.y) >= least).sum())
            n += len(shuffled)
        return beyond / n


def _residuals(scored: ImageScores, mine: Flags) -> tuple[Floats, bool]:
    """(n,) the annotator's scores minus the effect of image and category; and whether others had the same images."""
    n_categories = int(scored.category.max(initial=0)) + 1
    less_others = scored.value - _group_mean(scored.value, scored.case * n_categories + scored.category, ~mine)
    same_images = bool(mine.any() and 2 * np.isfinite(less_others[mine]).sum() >= mine.sum())
    left = less_others if same_images else scored.value
    defined = mine & np.isfinite(left)
    own = _group_mean(np.where(defined, left, 0.0), scored.sort * n_categories + scored.category, defined)
    return np.where(defined, left - own, np.nan), same_images


def _group_mean(value: Floats, group: Ints, among: Flags) -> Floats:
    """(n,) the mean of each value's group over the values `among`; NaN if there are none."""
    _, inverse = np.unique(group, return_inverse=True)
    n = np.bincount(inverse, among)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.bincount(inverse, np.where(among, value, 0.0)) / n)[inverse])


def _centre(values: Floats, sort: Ints) -> Floats:
    """(n,) the values minus the mean of their type; rounding errors become 0."""
    centred = values - _group_mean(values, sort, np.ones(len(values), bool))
    centred[np.abs(centred) < 1e-12 * np.maximum(np.abs(values), 1)] = 0.0
    return centred


def _month_score(scored: ImageScores, left: _Residuals, rows: Flags, number: int) -> MonthScore:
    year, month = divmod(number, 12)
    defined = left.beyond[rows & np.isfinite(left.beyond)]
    mean = float(defined.mean()) if len(defined) else float("nan")
    images = len(np.unique(scored.case[rows]))
    return MonthScore(f"{year:04d}-{month + 1:02d}", images, float(scored.value[rows].mean()), mean)


Cause = Literal["missed", "extra", "confused", "boundary"]
MIN_PIXELS = 64  # of an example: smaller segments can be missed by a pixel
_GUIDELINE_CHAPTERS: Mapping[Cause, tuple[Chapter, ...]] = {
    "missed": ("definition", "boundary_rule"),
    "extra": ("definition", "boundary_rule"),
    "confused": ("definition", "boundary_rule"),
    "boundary": ("boundary_rule", "definition"),
}


class WorstExample(msgspec.Struct, frozen=True):
    """An example of an annotator's worst work: the score against `other`, and the cause of the difference.

    `pixels`: the number of pixels of the category that only one of the two has; `cause`: the cause of most of these.
    `guideline`: the text of the taxonomy about it; null: none.
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
    comparison: AnnotatorPairs,
    scored: ImageScores,
    pair: Ints,
    mine: Flags,
    annotator: int,
    n: int,
    reference: int | None = None,
) -> Iterator[WorstExample]:
    """The `n` worst examples of an annotator's own work, of categories of some size, one an image.

    An example is the annotator's own if more than half of the others agree better with the median annotator among them
    than the annotator does, and fewer agree better with the annotator: if one of the others differs from all, or two
    halves from each other, it is no example of this annotator. It is shown against that median annotator. With a
    `reference` every difference from it is the annotator's own. `scored` are all scores, `pair` (n,) the pair of
    annotations of each, `mine` (n,) whether they are the annotator's.
    """
    n_categories = len(comparison.categories)
    overlaps = comparison.overlaps
    key = column_of(overlaps, "pair") * n_categories + column_of(overlaps, "category")
    both, area = column_of(overlaps, "both"), column_of(overlaps, "area_a") + column_of(overlaps, "area_b")
    order = np.argsort(key)
    overlap = (
        order[np.searchsorted(key[order], pair * n_categories + scored.category)] if len(key) else np.empty(0, np.int64)
    )
    apart = (area - 2 * both)[overlap]
    rows = np.flatnonzero(mine & (apart > 0) & ((area - both)[overlap] >= MIN_PIXELS))
    rows = rows[np.lexsort((-apart[rows], scored.value[rows]))]
    present = _others_present(comparison, annotator) if reference is None else None
    for row in _own_examples(comparison, scored, rows, annotator, n, present):
        side = int(scored.annotators[1, row] == annotator)
        cause = _main_cause(comparison, int(pair[row]), int(scored.category[row]), side)
        category = comparison.categories[scored.category[row]].name
        yield WorstExample(
            str(comparison.cases.cell("name", int(scored.case[row]))),
            category,
            comparison.annotators[int(scored.annotators[1 - side, row])],
            float(scored.value[row]),
            int(apart[row]),
            cause,
            _guideline_text(tables.profile.taxonomy, category, cause),
        )


def _own_examples(
    comparison: AnnotatorPairs,
    scored: ImageScores,
    rows: Ints,
    annotator: int,
    n: int,
    present: Mapping[int, tuple[int, ...]] | None,
) -> list[int]:
    """The rows of the `n` lowest scores against a majority, one a case; `rows` are the annotator's, lowest first.

    `present`: the others who annotated each case; None: scores are against a reference alone.
    """
    n_categories = len(comparison.categories)
    place = scored.case * n_categories + scored.category
    order = np.argsort(place, kind="stable")
    begins = np.searchsorted(place[order], place[rows]), np.searchsorted(place[order], place[rows], side="right")
    shown: set[int] = set()
    examples: list[tuple[float, int]] = []
    example: tuple[float, int] | None
    for row, begin, end in zip(rows.tolist(), *(limits.tolist() for limits in begins), strict=True):
        if n == 0 or (len(examples) >= n and scored.value[row] > examples[n - 1][0]):
            break
        case = int(scored.case[row])
        if int(place[row]) in shown:
            continue
        shown.add(int(place[row]))
        example = (float(scored.value[row]), row)
        if present is not None:
            example = _against_majority(scored, order[begin:end], annotator, present.get(case, ()))
        if example is not None and not any(case == scored.case[other] for _, other in examples):
            examples = sorted([*examples, example])
    return [row for _, row in examples[:n]]


def _others_present(comparison: AnnotatorPairs, annotator: int) -> dict[int, tuple[int, ...]]:
    """The other persons who annotated each case that the annotator did, further passes left out."""
    first, person = comparison.is_first_pass, np.array(comparison.persons, np.int64)
    cases = column_of(comparison.pairs, "case")
    present: dict[int, list[int]] = {}
    for mine, other in (("a", "b"), ("b", "a")):
        annotators, others = column_of(comparison.pairs, mine), column_of(comparison.pairs, other)
        kept = (annotators == annotator) & first[others] & (person[others] != person[annotator])
        for case, other_annotator in zip(cases[kept].tolist(), others[kept].tolist(), strict=True):
            present.setdefault(case, []).append(other_annotator)
    return {case: tuple(others) for case, others in present.items()}


def _against_majority(
    scored: ImageScores, rows: Ints, annotator: int, others: tuple[int, ...]
) -> tuple[float, int] | None:
    """The score against the median annotator, and its row; None if no majority agrees better with that one.

    The median annotator is the one of the others with whom the rest agree best. `rows` are all scores of the image and
    category; annotators who both have nothing there agree.
    """
    cached: dict[frozenset[int], int] = {}
    for row in rows.tolist():
        cached[frozenset(scored.annotators[:, row].tolist())] = row

    def value(annotator: int, other: int) -> float:
        row = cached.get(frozenset((annotator, other)))
        return 1.0 if row is None else float(scored.value[row])

    if not others:
        return None
    agreeing = {name: sum(value(name, other) for other in others if other != name) for name in others}
    middle = max(others, key=lambda name: (agreeing[name], value(annotator, name), -name))
    reached = value(annotator, middle)
    behind = sum(other == middle or value(middle, other) > reached for other in others)
    pair = cached.get(frozenset((annotator, middle)))
    beside = 1 + sum(value(annotator, other) > reached for other in others)
    is_outvoted = 2 * behind > len(others) and (behind > beside or len(others) == 1)  # of two nobody knows who is wrong
    return (reached, pair) if is_outvoted and pair is not None else None


def _main_cause(comparison: AnnotatorPairs, pair: int, category: int, side: int) -> Cause:
    """The cause of most pixels that only one of two annotators gives the category; `side`: the annotator's side."""
    causes = comparison.causes
    rows = np.flatnonzero((column_of(causes, "pair") == pair) & (column_of(causes, "category") == category))
    own = column_of(causes, "side")[rows] == side
    unmatched, confused, boundary = (column_of(causes, name)[rows] for name in ("unmatched", "confused", "boundary"))
    pixels: Mapping[Cause, int] = {
        "missed": unmatched[~own].sum(),
        "extra": unmatched[own].sum(),
        "confused": confused.sum(),
        "boundary": boundary.sum(),
    }
    return max(pixels, key=lambda cause: pixels[cause])


def _guideline_text(taxonomy: Taxonomy, category: str, cause: Cause) -> str | None:
    """The guideline's text about a cause; for boundaries, the boundary rule first."""
    entry = taxonomy.by_name().get(category)
    texts = (chapter_text(entry, chapter) for chapter in _GUIDELINE_CHAPTERS[cause] if entry)
    return next(filter(None, texts), None)


_SORTS = ("camera", "size", "split")
_OVER = ("reviewed", "adjudicated", "accepted")  # stages of work that somebody else has looked at


class AnnotatorCard(msgspec.Struct, frozen=True, kw_only=True):
    """The card of one annotator.

    `images`, `segments`: annotated images and the segments drawn in them. `timed`: images with a known time, with the
    `seconds` of all these together, and the medians per image and segment. `passed`: the share of reviewed
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
    """The cards of all annotators but the reference `gold` (null: each annotator is compared with the others).

    Scores are of `metric` (a plugin's has its own name), with this `tolerance`. `review`: the changes that a review
    made to their work; null: the work before it was not given.
    """

    version: Literal[1] = 1
    cards: tuple[AnnotatorCard, ...]
    gold: str | None
    metric: str
    confidence: Share
    tolerance: Tolerance
    review: ReworkSummary | None


def build_scorecard(
    tables: Tables,
    *,
    reference: int | None = None,
    metric: str = "iou",
    review: ReworkSummary | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
    n_worst: int = 3,
    tolerance: Tolerance | None = None,
) -> Scorecard:
    """Build a card for each annotator of a panel, from the `tables` of `segdata.agreement.comparison.compare_panel`.

    Work has passed if `review`, which compares it before and after a review, has no changes. Without `review` the
    stages decide: of work that was reviewed, adjudicated or accepted, the share that is accepted has passed. Further
    passes of one person count as work, but not as agreement with others. `tolerance`: that of the comparison; None: the
    default. Raises ValueError if the tables were measured without what annotators have in common.
    """
    comparison = tables.annotator_pairs
    if comparison is None:
        raise ValueError("tables without what annotators have in common")
    amounts = PairAmounts.from_pairs(comparison)
    scored, pair = _score_images(amounts, tables, metric, reference)
    months = _annotation_months(tables)
    cards = []
    for k, name in enumerate(comparison.annotators):
        if reference is not None and comparison.persons[k] == comparison.persons[reference]:
            continue
        mine = (scored.annotators == k).any(axis=0)
        side = np.where(scored.annotators[0] == k, 0, 1)
        annotation = np.where(
            side == 0,
            column_of(comparison.pairs, "annotation_a")[pair],
            column_of(comparison.pairs, "annotation_b")[pair],
        )
        month = np.where(mine, months[annotation], -1) if len(pair) else np.empty(0, np.int64)
        cards.append(
            AnnotatorCard(
                annotator=name,
                **_workload(comparison, tables, name),
                passed=_pass_rate(tables, name, review, resampling),
                score=pair_scores(amounts, _compared_rows(amounts, k, reference), resampling, (metric,))[metric],
                trend=score_trend(scored, k, month, resampling, reference),
                stands=False,
                worst=tuple(worst_examples(tables, comparison, scored, pair, mine, k, n_worst, reference)),
            )
        )
    tested = [k for k, card in enumerate(cards) if np.isfinite(card.trend.p)]
    stands = benjamini_hochberg(np.array([cards[k].trend.p for k in tested]), FALSE_DISCOVERY_RATE)
    for k, stand in zip(tested, stands.tolist(), strict=True):
        cards[k] = msgspec.structs.replace(cards[k], stands=stand)
    gold = None if reference is None else comparison.annotators[reference]
    return Scorecard(
        cards=tuple(cards),
        gold=gold,
        metric=metric,
        confidence=resampling.confidence,
        tolerance=tolerance or Tolerance(),
        review=review,
    )


def _compared_rows(amounts: PairAmounts, annotator: int, reference: int | None) -> Ints:
    """The pairs of annotations of an annotator with the reference, or without one with all others."""
    if reference is not None:
        return rows_against(amounts, reference).get(annotator, np.empty(0, np.int64))
    person = np.array(amounts.comparison.persons, np.int64)
    own = (amounts.a == annotator) | (amounts.b == annotator)
    return np.flatnonzero(own & (person[amounts.a] != person[amounts.b]))


def _score_images(amounts: PairAmounts, tables: Tables, metric: str, reference: int | None) -> tuple[ImageScores, Ints]:
    """Every defined score of an image and category, and the pair of annotations (n,) it is of."""
    comparison = amounts.comparison
    rows = np.unique(np.concatenate([_compared_rows(amounts, k, reference) for k in range(len(comparison.annotators))]))
    values = category_values(amounts, rows, metric)
    place, category = np.nonzero(np.isfinite(values))
    pair = rows[place]
    case = amounts.case[pair]
    sort = _image_groups(tables)[column_of(comparison.cases, "image")[case]] if len(pair) else np.empty(0, np.int64)
    return ImageScores(
        values[place, category],
        np.stack([amounts.a[pair], amounts.b[pair]]),
        case,
        category,
        amounts.cluster[pair],
        sort,
    ), pair


def _image_groups(tables: Tables) -> Ints:
    """(n_images,) the same number for images of one camera, size and split."""
    image = tables.annotations["image"]
    groups = np.zeros(len(tables.images), np.int64)
    for name in _SORTS:
        texts = annotation_strata_if_any(tables, name)
        codes = np.zeros(len(groups), np.int64)
        codes[image] = np.unique([text or "" for text in texts.tolist()], return_inverse=True)[1]
        groups = groups * (int(codes.max(initial=0)) + 1) + codes
    return groups


def _annotation_months(tables: Tables) -> Ints:
    """(n_annotations,) the month in which each annotation was made, counted from the year 0; -1: unknown."""
    months = []
    for created in tables.annotations["created"].tolist():
        year, _, month = (created or "")[:7].partition("-")
        is_date = year.isdecimal() and month.isdecimal() and 1 <= int(month) <= 12
        months.append(int(year) * 12 + int(month) - 1 if is_date else -1)
    return np.array(months, np.int64)


def _workload(comparison: AnnotatorPairs, tables: Tables, name: str) -> dict[str, Any]:  # Any: numbers of a card
    """The amount and speed of an annotator's work; void segments do not count."""
    annotations = tables.annotations
    own = np.array([drew == name for drew in annotations["annotator"].tolist()], bool)
    void = [category.id for category in comparison.categories if category.kind == "void"]
    annotation = tables.segments["annotation"][~np.isin(tables.segments["category_id"], void)]
    segments = np.bincount(annotation, minlength=len(annotations))[own]
    seconds = np.array(
        [np.nan if spent is None else spent for spent in annotations["seconds"][own].tolist()], np.float64
    )
    timed = np.isfinite(seconds)
    counted = timed & (segments > 0)
    return {
        "images": int(own.sum()),
        "segments": int(segments.sum()),
        "timed": int(timed.sum()),
        "seconds": float(seconds[timed].sum()) if timed.any() else np.nan,
        "seconds_per_image": float(np.median(seconds[timed])) if timed.any() else np.nan,
        "seconds_per_segment": float(np.median(seconds[counted] / segments[counted])) if counted.any() else np.nan,
    }


def _pass_rate(tables: Tables, name: str, review: ReworkSummary | None, resampling: Resampling) -> Score:
    """The share of reviewed work that was accepted unchanged."""
    if review is not None:
        alone = (
            len(set(tables.annotations["annotator"].tolist()))
            == 1
            == len({row.annotator for row in review.rows} - {None})
        )
        row = review.find(None if alone else name)  # a single annotator may have no name, or another one
        return Score.undefined() if row is None else msgspec.structs.replace(row.passed, n=row.images)
    columns = (tables.annotations[column].tolist() for column in ("annotator", "stage"))
    stages = [stage for annotator, stage in zip(*columns, strict=True) if annotator == name and stage in _OVER]
    n, accepted = len(stages), stages.count("accepted")
    low, high = (float(end) for end in wilson_interval(np.array(accepted), np.array(n), resampling.confidence))
    return Score(accepted / n if n else np.nan, low, high, n, 0)
