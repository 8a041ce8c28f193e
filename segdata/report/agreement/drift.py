"""Drift: changes of annotators over time, in words, as a table of months, and as charts."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from segdata.agreement.drift import AnnotatorDrift, DriftPeriod
from segdata.agreement.summary import Agreement
from segdata.core.rule import Tables
from segdata.report.agreement.wording import (
    Conclusion,
    distance_unit,
    findings_of_code,
    format_score,
    join_words,
    rule_remedy,
)
from segdata.report.pictures.colors import annotator_color, css_color

DRIFT_CODE = "SEG415"
_NAMES = {
    "missed": "share missed",
    "extra": "share added",
    "confused": "share labelled as another category",
    "offset": "offset of outlines",
}
_BARS = "▁▂▃▄▅▆▇█"
_MAX_TICKS = 4  # lines of an axis


def drift_conclusions(result: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """The conclusion on drift for each finding, with its months."""
    for finding in findings_of_code(result.findings, DRIFT_CODE):
        details, act = "", rule_remedy(DRIFT_CODE)
        for drift in result.drift:
            same = (drift.annotator, drift.category, drift.kind) == (finding.annotator, finding.category, finding.kind)
            if same and drift.periods:
                details = f"{_periods_in_words(drift, _unit(tables))}."
            if same and drift.examples:
                act += f" Look first at {join_words(drift.examples)}."
        yield Conclusion(
            "person",
            finding.severity,
            _head(finding.message),
            details,
            act,
            (DRIFT_CODE,),
            finding.annotator,
        )


def _head(message: str) -> str:
    """The message up to its quotation."""
    return message.split("; ", 1)[0]


def _unit(tables: Tables) -> str:
    return "px" if tables.annotator_pairs is None else distance_unit(tables.annotator_pairs)


def _periods_in_words(drift: AnnotatorDrift, unit: str) -> str:
    """A line of bars, and the first and the last month."""
    first, last = drift.periods[0], drift.periods[-1]
    beside = drift.kind != "offset"
    ends = [
        f"{period.period} {_value(drift.kind, period.value, unit)}"
        + (f" (others {_value(drift.kind, period.others, unit)})" if beside else "")
        for period in (first, last)
    ]
    return f"{sparkline([period.value for period in drift.periods])} {ends[0]} to {ends[1]}"


def _value(kind: str, value: float, unit: str) -> str:
    text = format_score(kind, value, signed=kind == "offset")
    return f"{text} {unit}" if kind == "offset" and math.isfinite(value) else text


def sparkline(values: Sequence[float]) -> str:
    """Draw values as bars of eight heights.

    >>> sparkline([0.0, 0.5, 1.0])
    '▁▅█'
    """
    low, high = min(values), max(values)
    room = high - low or 1.0
    return "".join(_BARS[min(int((value - low) / room * len(_BARS)), len(_BARS) - 1)] for value in values)


def drift_rows(result: Agreement) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads and rows of the table of months; none without a significant drift, unless the user requested months.

    A row is an annotator and a month; columns are the kinds, of all categories together.
    """
    by_month = result.by is not None and result.by.column == "month"
    drifts = [drift for drift in result.drift if drift.periods and _is_whole(drift, result)]
    if not drifts or not (by_month or any(drift.stands for drift in result.drift)):
        return (), []
    kinds = [kind for kind in _NAMES if any(drift.kind == kind for drift in drifts)]
    standing = {drift.annotator for drift in result.drift if drift.stands}
    rows = []
    for name in [annotator for annotator in result.annotators if by_month or annotator in standing]:
        mine: dict[str, dict[str, DriftPeriod]] = {
            drift.kind: {period.period: period for period in drift.periods}
            for drift in drifts
            if drift.annotator == name
        }
        for label in sorted({label for periods in mine.values() for label in periods}):
            images = max((periods[label].images for periods in mine.values() if label in periods), default=0)
            cells = [_cell(kind, mine[kind].get(label) if kind in mine else None) for kind in kinds]
            rows.append((name, label, f"{images:,}", *cells))
    heads = {"missed": "misses", "extra": "adds", "confused": "confuses", "offset": "offset"}
    return ("annotator", "month", "images", *(heads[kind] for kind in kinds)), rows


def _is_whole(drift: AnnotatorDrift, result: Agreement) -> bool:
    """Whether the drift is over all categories together, or over the only one."""
    several = {other.annotator for other in result.drift if other.kind == drift.kind and other.category is None}
    return drift.category is None or drift.annotator not in several


def _cell(kind: str, period: object) -> str:
    value = getattr(period, "value", math.nan)
    return format_score(kind, value, signed=kind == "offset")


@dataclass(frozen=True, slots=True)
class DriftChart:
    """A chart of one drift: title, images to look at, and positions in % of its width and height."""

    title: str
    beside: str
    examples: str
    color: str
    ticks: tuple[tuple[float, str], ...]
    labels: tuple[tuple[float, str], ...]
    points: tuple[tuple[float, float, str], ...]
    others: tuple[tuple[float, float], ...]


def drift_charts(result: Agreement, tables: Tables) -> list[DriftChart]:
    """The charts of drifts that are findings, in their order; other drifts are in the CSV report."""
    drifts: dict[tuple[str | None, str | None, str | None], AnnotatorDrift] = {
        (drift.annotator, drift.category, drift.kind): drift for drift in result.drift
    }
    findings = findings_of_code(result.findings, DRIFT_CODE)
    reported = [drifts.get((finding.annotator, finding.category, finding.kind)) for finding in findings]
    shown = [drift for drift in reported if drift is not None and len(drift.periods) > 1]
    return [_chart(drift, result.annotators.index(drift.annotator), _unit(tables)) for drift in shown]


def _chart(drift: AnnotatorDrift, number: int, unit: str) -> DriftChart:
    values = [period.value for period in drift.periods]
    others = [period.others for period in drift.periods]
    step, low, high = _axis([*values, *others, 0.0])
    room = high - low

    def place(value: float) -> float:
        return 100 * (high - value) / room

    n = len(values) - 1
    across = [100 * k / n for k in range(n + 1)]
    scope = "everything" if drift.category is None else drift.category
    ticks = [low + k * step for k in range(round(room / step) + 1)]
    shown = {0, n} | ({n // 2} if n > 3 else set())
    return DriftChart(
        f"{drift.annotator}, {scope}: {_NAMES[drift.kind]}" + (f", {unit}" if drift.kind == "offset" else ""),
        f"{drift.change.n:,} images, p\u00a0{drift.p:.2g}",
        join_words(drift.examples),
        css_color(annotator_color(number)),
        tuple((place(tick), _value(drift.kind, tick, "").strip() if tick else "0") for tick in ticks),
        tuple((across[k], drift.periods[k].period) for k in sorted(shown)),
        tuple(
            (x, place(value), f"{period.period}: {_value(drift.kind, value, unit)} in {period.images} images")
            for x, value, period in zip(across, values, drift.periods, strict=True)
        ),
        tuple((x, place(value)) for x, value in zip(across, others, strict=True)),
    )


def _axis(values: Sequence[float]) -> tuple[float, float, float]:
    """The step, low end and high end of an axis that includes the values.

    >>> _axis([0.0, 2.4, -0.1])
    (1.0, -1.0, 3.0)
    """
    low, high = min(values), max(values)
    rough = (high - low or 1.0) / _MAX_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough)
    return step, step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
