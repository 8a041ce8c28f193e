"""Gold standard: scores of each annotator against the reference, and those that are below the bar.

The value decides, not its interval: a bar is agreed on beforehand and must mean the same for every annotator, however
many images there are. If the upper end had to be below the bar, no annotator would fail on a few images; if the lower
end had to be above it, all would. The interval shows the confidence of the verdict: if its better end is below the bar
too, the annotator is certainly below; otherwise more images of the reference may change the verdict.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from segdata.agreement.estimates import PairAmounts, Resampling, category_scores, image_values, pair_scores
from segdata.agreement.plugin import is_less_better
from segdata.agreement.scores import Score, table_of_lines
from segdata.agreement.surface_distances import CategoryTolerance, Tolerance
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.config import Config, Gold, did_you_mean
from segdata.core.errors import SegdataError, SettingError
from segdata.core.rule_settings import CONFIG_FILE, check_metric
from segdata.core.runs import Floats, Ints
from segdata.core.table import Table
from segdata.core.taxonomy import Category

ALL_CATEGORIES = -1  # in place of a category
DEFAULT_TOLERANCE_PX = Tolerance().pixels
_OF_BOUNDARIES = frozenset({"hd95", "assd", "offset_size"})
_OF_THINGS = frozenset({"f1", "covering", "adjusted_rand", "variation_of_information", "count_gap"})
_BELOW_ONE = float(np.nextafter(1, 0))  # share of a bar that is missed by rounding only
_COLUMNS = {
    "annotator": int,
    "category": int,
    "metric": object,
    "value": float,
    "low": float,
    "high": float,
    "bar": float,
    "clusters": int,
}


def boundary_tolerance(gold: Gold | None, pixels: float | None = None, mm: float | None = None) -> Tolerance:
    """The tolerance of boundaries: as given, else as in the gold standard for all categories."""
    if gold is None:
        return Tolerance(DEFAULT_TOLERANCE_PX if pixels is None else pixels, mm)
    pixels = pixels or gold.tolerance_px or DEFAULT_TOLERANCE_PX
    mm = mm or gold.tolerance_mm
    own = {
        name: CategoryTolerance(own_bar.tolerance_px or pixels, own_bar.tolerance_mm)
        for name, own_bar in gold.categories.items()
        if own_bar.tolerance_px or own_bar.tolerance_mm
    }
    return Tolerance(pixels, mm, own)


def gold_section(configs: Iterable[Config]) -> Gold | None:
    """The section `gold` of the first configuration that has one."""
    return next((config.gold for config in configs if config.gold is not None), None)


def check_bars(gold: Gold, comparison: AnnotatorPairs) -> None:
    """Raise SettingError for bars of an unknown category or metric, or of a metric that the panel has no value of."""
    categories, countable = comparison.categories, comparison.countable.tolist()
    names = [category.name for category in categories if category.kind != "void"]
    for name in gold.categories:
        if name not in names:
            message = f"{CONFIG_FILE}: gold: no annotator's work has the category {name!r}{did_you_mean(name, names)}"
            raise SettingError(message, "gold", "categories", name)
    counted = {category.name for category, is_counted in zip(categories, countable, strict=True) if is_counted}
    named: list[tuple[str, set[str], tuple[str, ...]]] = [
        (own.metric, {name} & counted, ("gold", "categories", name, "metric"))
        for name in gold.categories
        if (own := gold.for_category(name)).metric is not None and own.bar is not None
    ]
    if gold.bar is not None or gold.each is not None:
        named.append((gold.metric, counted, ("gold", "metric")))
    for metric, of_things, steps in named:
        try:
            check_metric(metric)
        except SegdataError as error:
            raise SettingError(f"{CONFIG_FILE}: {'.'.join(steps)}: {error}", *steps) from error
        if metric in _OF_THINGS and names and not of_things:
            problem = f"{metric} is of things that are counted one by one, and there are none; choose another metric"
            raise SettingError(f"{CONFIG_FILE}: {'.'.join(steps)}: {problem}", *steps)


def category_bars(gold: Gold, categories: Sequence[Category]) -> dict[int, tuple[str, float]]:
    """Position of a category, or `ALL_CATEGORIES` -> its metric and bar, for those with a bar."""
    bars: dict[int, tuple[str, float]] = {}
    if gold.bar is not None:
        bars[ALL_CATEGORIES] = gold.metric, gold.bar
    for k, category in enumerate(categories):
        own = gold.for_category(category.name)
        if category.kind != "void" and own.bar is not None and own.metric is not None:
            bars[k] = own.metric, own.bar
    return bars


def misses_bar(
    metric: str, value: Floats | float, bar: Floats | float
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """(...) whether values miss the bar, in the direction of the metric; NaN does not."""
    return np.asarray(np.greater(value, bar) if is_less_better(metric) else np.less(value, bar))


def rows_against(amounts: PairAmounts, reference: int) -> dict[int, Ints]:
    """Annotator -> the rows (m,) of their pairs with the reference, without further passes of the reference."""
    person = amounts.comparison.persons
    result = {}
    for a, b, rows in amounts.couples(amounts.all_rows):
        other = b if a == reference else a
        if reference in (a, b) and person[other] != person[reference]:
            result[other] = rows
    return result


def gold_scores(comparison: AnnotatorPairs, reference: int | None, gold: Gold | None, resampling: Resampling) -> Table:
    """The score of every annotator against the reference for every bar, reached or not.

    Columns: as `segdata.core.annotator_pairs.PanelAssessment.below`. A distance is infinite if one of the two has no
    boundary of the category in any image in which the other has it; categories that neither drew have no row. Empty
    without a reference or bars. Raises SettingError as `check_bars` does.
    """
    if reference is None or gold is None:
        return table_of_lines(_COLUMNS, [])
    check_bars(gold, comparison)
    bars = category_bars(gold, comparison.categories)
    amounts = PairAmounts.from_pairs(comparison)
    lines = [
        line
        for annotator, rows in sorted(rows_against(amounts, reference).items())
        for line in _annotator_scores(amounts, annotator, rows, bars, resampling)
    ]
    return table_of_lines(_COLUMNS, lines)


def scores_below_bar(scores: Table, copied: Mapping[int, float] | None = None) -> Table:
    """The rows of `gold_scores` below the bar, and those that a copy of the reference reaches.

    `copied`: annotator -> the share of segments copied from the reference, for annotators who did. The column
    `copied` has this share in rows whose bar is reached by copying; else 0.
    """
    columns = scores["metric"].tolist(), scores["value"].tolist(), scores["bar"].tolist()
    is_below = np.array([bool(misses_bar(*column)) for column in zip(*columns, strict=True)], bool)
    share = np.array([(copied or {}).get(name, 0.0) for name in scores["annotator"].tolist()], float)
    share[is_below] = 0
    return scores.beside(copied=share).take(is_below | (share > 0))


def image_scores(amounts: PairAmounts, rows: Ints, gold: Gold) -> Table:
    """The score of each pair of annotations `rows` (n,) at its most critical bar, of all categories or of one.

    Columns: category (position, or `ALL_CATEGORIES`), metric, value, bar: of the bar that is missed by most, or
    exceeded by least; share: the value relative to the bar, below 1 if it is missed. If neither drew anything there is
    no value (NaN), and no bar is missed.
    """
    bars = category_bars(gold, amounts.comparison.categories)
    values, shares = np.full((2, len(bars) + 1, len(rows)), np.nan)
    for k, (category, (metric, bar)) in enumerate(bars.items()):
        of_categories, of_all = image_values(amounts, rows, ("iou", metric))
        overlap, value = (of_all if category == ALL_CATEGORIES else of_categories[:, :, category]).T
        values[k] = _infinite_where_missing(metric, value, overlap)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = bar / values[k] if is_less_better(metric) else values[k] / bar
        shares[k] = np.where(misses_bar(metric, values[k], bar), np.minimum(share, _BELOW_ONE), np.fmax(share, 1))
        shares[k, np.isnan(values[k])] = np.nan
    worst = np.argmin(np.where(np.isnan(shares), np.inf, shares), axis=0)
    worst[np.isnan(shares).all(axis=0)] = len(bars)
    rows_of = worst, np.arange(len(rows))
    return Table(
        {
            "category": np.array([*bars, ALL_CATEGORIES], np.int64)[worst],
            "metric": np.array([*(metric for metric, _ in bars.values()), ""], object)[worst],
            "value": values[rows_of],
            "bar": np.array([*(bar for _, bar in bars.values()), np.nan], np.float64)[worst],
            "share": shares[rows_of],
        }
    )


def _infinite_where_missing(metric: str, value: Floats, overlap: Floats) -> Floats:
    """Set undefined distances of boundaries to infinite if something was drawn (the IoU is defined)."""
    return np.where(np.isnan(value) & np.isfinite(overlap), np.inf, value) if metric in _OF_BOUNDARIES else value


def _annotator_scores(
    amounts: PairAmounts, annotator: int, rows: Ints, bars: Mapping[int, tuple[str, float]], resampling: Resampling
) -> Iterator[tuple[object, ...]]:
    clusters = amounts.units(rows)[1]
    names = list(dict.fromkeys(["iou", *(metric for metric, _ in bars.values())]))
    of_all = pair_scores(amounts, rows, resampling, names) if ALL_CATEGORIES in bars else {}
    of_categories = category_scores(amounts, rows, resampling, names) if set(bars) - {ALL_CATEGORIES} else []
    for category, (metric, bar) in bars.items():
        scores: Mapping[str, Score] = of_all if category == ALL_CATEGORIES else of_categories[category]
        score = scores[metric]
        value = float(_infinite_where_missing(metric, np.array(score.value), np.array(scores["iou"].value)))
        if not np.isnan(value):
            yield annotator, category, metric, value, score.low, score.high, bar, clusters
