"""The HTML report of a scorecard: all annotators in one table, then a section for each annotator, as one file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import segdata
from segdata.agreement.rework import ReworkCounts
from segdata.agreement.scorecard import AnnotatorCard, Scorecard, WorstExample
from segdata.agreement.trend import MonthScore
from segdata.core.errors import count_noun
from segdata.report.agreement.wording import format_percent, format_score, score_with_interval, tolerance_in_words
from segdata.report.html.templates import asset, template
from segdata.report.pictures.colours import annotator_color, css_color
from segdata.report.scorecard import HEADS, example_said, row, trend_said

_REWORKED = 8  # categories of an annotator


@dataclass(frozen=True, slots=True)
class MonthDot:
    """A month on an axis of time: its place in % of both sides, and what it is."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class ExamplePicture:
    """An example: its picture as a `data:` URI (None: there is none), what it is, and the guideline's sentence."""

    picture: str | None
    said: str
    guideline: str | None


@dataclass(frozen=True, slots=True)
class AnnotatorSection:
    """One annotator: facts as (what, how much), months, the trend in words or none, examples, and what was reworked."""

    name: str
    color: str
    facts: tuple[tuple[str, str], ...]
    dots: tuple[MonthDot, ...]
    ends: tuple[str, str]
    trend: str
    stands: bool
    worst: tuple[ExamplePicture, ...]
    reworked: tuple[tuple[str, ...], ...]


def annotator_sections(
    found: Scorecard, annotators: Sequence[str], drawn: Mapping[tuple[str, WorstExample], str]
) -> list[AnnotatorSection]:
    """A section of each annotator; `drawn`: pictures of examples; colours are by the place among `annotators`."""
    order = {name: k for k, name in enumerate(annotators)}
    return [
        _section(each, found, css_color(annotator_color(order.get(each.annotator, k))), drawn)
        for k, each in enumerate(found.cards)
    ]


def _section(
    card: AnnotatorCard, found: Scorecard, color: str, drawn: Mapping[tuple[str, WorstExample], str]
) -> AnnotatorSection:
    months = [each for each in card.trend.months if math.isfinite(each.score)]
    return AnnotatorSection(
        name=card.annotator,
        color=color,
        facts=tuple(_facts(card, found)),
        dots=_dots(months) if len(months) > 1 else (),
        ends=(months[0].month, months[-1].month) if months else ("", ""),
        trend=trend_said(card).removeprefix("trend ") if math.isfinite(card.trend.slope) else "",
        stands=card.stands,
        worst=tuple(
            ExamplePicture(drawn.get((card.annotator, each)), example_said(each), each.guideline) for each in card.worst
        ),
        reworked=tuple(map(_rework_cells, _rework_rows(card, found))),
    )


def _facts(card: AnnotatorCard, found: Scorecard) -> list[tuple[str, str]]:
    """What is known of an annotator."""
    facts = [("work", f"{count_noun(card.segments, 'segment')} in {count_noun(card.images, 'image')}")]
    if card.timed:
        per_segment = card.seconds_per_segment
        each = f", {_time(per_segment)} a segment" if math.isfinite(per_segment) else ""
        of = "" if card.timed == card.images else f" (of {card.timed:,})"
        facts.append(
            ("time", f"{_time(card.seconds)} in all{of}; median {_time(card.seconds_per_image)} an image{each}")
        )
    if math.isfinite(card.passed.value):
        shares = score_with_interval("missed", card.passed)
        facts.append(("passed its review as it was", f"{shares} of {count_noun(card.passed.n, 'annotation')}"))
    against = "the others" if found.gold is None else found.gold
    facts.append(
        (f"{_METRICS.get(found.metric, found.metric)} against {against}", score_with_interval("iou", card.score))
    )
    return facts


_METRICS = {"iou": "IoU", "dice": "Dice", "boundary_iou": "boundary IoU", "nsd": "near", "pq": "PQ", "f1": "F1"}


def _time(seconds: float) -> str:
    """Seconds in the unit that people say.

    >>> _time(42.0), _time(300.0), _time(9000.0)
    ('42 s', '5.0 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _dots(months: Sequence[MonthScore]) -> tuple[MonthDot, ...]:
    """The scores of months, from 0 below to 1 on top."""
    step = 100 / (len(months) - 1)
    return tuple(
        MonthDot(
            k * step,
            100 * (1 - each.score),
            f"{each.month}: {format_score('iou', each.score)} in {count_noun(each.images, 'image')}",
        )
        for k, each in enumerate(months)
    )


def _rework_rows(card: AnnotatorCard, found: Scorecard) -> list[ReworkCounts]:
    """What was corrected of an annotator's work, all of it first, then by category, the most corrected first."""
    if found.review is None:
        return []
    who = {each.annotator for each in found.review.rows} - {None}
    mine = card.annotator if card.annotator in who else None if len(found.cards) == 1 else ""
    rows = [each for each in found.review.rows if each.annotator == mine]
    return [*rows[:1], *sorted(rows[1:], key=lambda each: -each.rework.value)[:_REWORKED]]


def _rework_cells(each: ReworkCounts) -> tuple[str, ...]:
    counts = (each.segments, each.deleted, each.added, each.recategorised, each.moved)
    return (
        each.category or "all",
        *(f"{count:,}" for count in counts),
        score_with_interval("missed", each.rework),
        format_percent(each.pixels.value),
        format_percent(each.passed.value),
    )


def to_html(
    found: Scorecard, annotators: Sequence[str], drawn: Mapping[tuple[str, WorstExample], str], typed: Sequence[str]
) -> str:
    """The report as one HTML file; the same input gives the same text.

    `annotators`: all of them, in order, with the reference; `drawn`: pictures of examples as `data:` URIs; `typed`:
    what comes after `segdata`, word by word.
    """
    note = f"Brackets are {format_percent(found.confidence)} intervals. Boundaries no further apart than "
    note += f"{tolerance_in_words(found.tolerance)} are one. A trend leaves the mix of images out of account; it says "
    note += "where to look, not what to pay."
    names = [card.annotator for card in found.cards]
    return template("scorecard.html").render(
        found=found,
        title=", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else ""),
        heads=HEADS,
        rows=[row(card) for card in found.cards],
        cards=annotator_sections(found, annotators, drawn),
        people=[(name, css_color(annotator_color(k))) for k, name in enumerate(annotators)],
        note=note,
        typed=" ".join(["segdata", *typed]),
        version=segdata.__version__,
        style=asset("report.css") + asset("info.css") + asset("agreement.css"),
    )
