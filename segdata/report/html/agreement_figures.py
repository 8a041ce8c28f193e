"""Figures of an agreement's page: heat maps, distributions and intervals, as numbers that the template draws."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from segdata.agreement.results import Agreement, Score
from segdata.report.agreement.annotators import ReportedBias
from segdata.report.agreement.confusion import Confusion
from segdata.report.agreement.tables import ImageAgreement
from segdata.report.agreement.wording import format_interval, format_percent, format_score, score_with_interval
from segdata.report.pictures.colours import annotator_color, css_color

_BINS = 20
_ROUND = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # ends of the axis of boundary offsets
_CLIPPED = 0.9  # the share of the intervals that the axis holds


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A cell of a heat map: what it says, how dark it is in %, and whether it is about agreement."""

    text: str
    far: int
    title: str
    agrees: bool = False


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A heat map: heads of the columns, and rows of (name, cells); None: there is nothing to say."""

    heads: tuple[str, ...]
    rows: list[tuple[str, list[HeatCell | None]]]


@dataclass(frozen=True, slots=True)
class HistogramBar:
    """A bar of a histogram in % of the width and height."""

    x: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """How the scores of images are distributed; `middle` in % of the axis from 0 to 1."""

    name: str
    color: str
    bars: tuple[HistogramBar, ...]
    middle: float
    median: str
    worst: str
    n: int


@dataclass(frozen=True, slots=True)
class Whisker:
    """An interval on an axis: ends and value in % of its width, what it says, and whether it stands."""

    annotator: str
    category: str
    color: str
    low: float | None
    mid: float
    high: float | None
    text: str
    stands: bool
    is_beyond: bool


@dataclass(frozen=True, slots=True)
class ForestPlot:
    """Intervals on one axis from `-end` to `end`; `n_more` are not shown."""

    end: float
    rows: list[Whisker]
    n_more: int


def pairs_heat(found: Agreement) -> HeatMap:
    """Annotator by annotator: IoU, the darker the less agreement."""
    pairs = {frozenset((each.a, each.b)): each for each in found.pairs}
    values = [each.iou.value for each in found.pairs if math.isfinite(each.iou.value)]
    least = math.floor(10 * min(values, default=0.0)) / 10
    rows = []
    for one in found.annotators:
        cells: list[HeatCell | None] = []
        for other in found.annotators:
            pair = pairs.get(frozenset((one, other))) if one != other else None
            cells.append(None if pair is None else _pair_cell(pair.iou, least, f"{one} and {other}"))
        rows.append((one, cells))
    return HeatMap(found.annotators, rows)


def _pair_cell(iou: Score, least: float, who: str) -> HeatCell:
    far = (1 - iou.value) / (1 - least) if math.isfinite(iou.value) and least < 1 else 0.0
    return HeatCell(format_score("iou", iou.value), round(100 * far), f"{who}: IoU {score_with_interval('iou', iou)}")


def confusion_heat(confusion: Confusion) -> HeatMap:
    """Category by category: of the pixels of a row's category what share the other calls the column's."""
    rows = []
    for k, (name, shares) in enumerate(zip(confusion.names, confusion.shares.tolist(), strict=True)):
        cells: list[HeatCell | None] = []
        for j, share in enumerate(shares):
            title = f"of the pixels that one calls {name} the other calls {format_percent(share)} {confusion.names[j]}"
            text = format_percent(share) if share >= 0.005 else "·" if share > 0 else ""
            cells.append(HeatCell(text, round(100 * share), title, agrees=j == k))
        rows.append((name, cells))
    return HeatMap(confusion.names, rows)


def image_histograms(images: ImageAgreement, annotators: Sequence[str]) -> list[Histogram]:
    """The IoU of every image, of all and of each annotator with the others; none where there is one image."""
    _, every = images.of_cases
    if len(every) < 2:
        return []
    own = [images.of_annotator(k) for k in range(len(annotators))]
    rows = [_histogram("all", "", every)]
    if len(annotators) > 2:
        rows += [
            _histogram(name, css_color(annotator_color(k)), values)
            for k, (name, values) in enumerate(zip(annotators, own, strict=True))
            if len(values)
        ]
    return rows


def _histogram(name: str, color: str, values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> Histogram:
    count = np.histogram(values, _BINS, (0, 1))[0]
    step = 100 / _BINS
    bars = tuple(
        HistogramBar(k * step, step, 100 * n / count.max(), f"{n} from {k / _BINS:.2f} to {(k + 1) / _BINS:.2f}")
        for k, n in enumerate(count.tolist())
        if n
    )
    median, low = np.percentile(values, (50, 10)).tolist()
    return Histogram(
        name, color, bars, 100 * median, format_score("iou", median), format_score("iou", low), len(values)
    )


def forest_plot(habits: Iterable[ReportedBias], annotators: Sequence[str], most: int) -> ForestPlot | None:
    """The boundary offsets, the largest of those that stand first; None where there is none."""
    offsets = [each for each in habits if each.kind == "offset"]
    if not offsets:
        return None
    ends = [abs(end) for each in offsets for end in (each.value.low, each.value.high) if math.isfinite(end)]
    wanted = float(np.quantile(ends or [abs(each.value.value) for each in offsets], _CLIPPED))
    wanted = max([wanted, *(abs(each.value.value) for each in offsets if each.stands)])
    end = next((each for each in _ROUND if each >= wanted), wanted)
    shown_first = sorted(offsets, key=lambda each: (not each.stands, -abs(each.value.value)))[:most]
    order = {name: k for k, name in enumerate(annotators)}
    ranked = sorted(shown_first, key=lambda each: (order[each.annotator], -each.value.value))
    return ForestPlot(end, [_whisker(each, end, order[each.annotator]) for each in ranked], len(offsets) - len(ranked))


def _whisker(habit: ReportedBias, end: float, number: int) -> Whisker:
    value = habit.value
    low, mid, high = (50 + 50 * each / end for each in (value.low, value.value, value.high))
    text = f"{format_score('offset', value.value, signed=True)} {format_interval('offset', value, signed=True)}".strip()
    return Whisker(
        habit.annotator,
        habit.category,
        css_color(annotator_color(number)),
        _clip_to_axis(low),
        _clip_to_axis(mid) or 0.0,
        _clip_to_axis(high),
        text,
        habit.stands,
        not 0 <= mid <= 100,
    )


def _clip_to_axis(place: float) -> float | None:
    """A place on the axis, at its end where it is beyond; None where there is none."""
    return min(max(place, 0.0), 100.0) if math.isfinite(place) else None
