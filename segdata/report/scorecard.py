"""The scorecard of annotators as text, CSV, JSON and HTML."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import segdata
from segdata.agreement.inference import FALSE_DISCOVERY_RATE
from segdata.agreement.rework import ReworkCounts
from segdata.agreement.scorecard import AnnotatorCard, MonthScore, Scorecard, ScoreTrend, WorstExample
from segdata.agreement.scores import Score
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.dataset import OpenDataset
from segdata.core.errors import count_noun, list_names
from segdata.report.agreement.wording import (
    format_percent,
    format_score,
    score_with_interval,
    tolerance_cells,
    tolerance_in_words,
)
from segdata.report.console import Console, shorten, table
from segdata.report.encoding import csv_number, csv_text, encode_result, format_json
from segdata.report.html import asset, template
from segdata.report.pictures.colors import annotator_color, css_color

COLUMNS = (
    *("annotator", "images", "segments", "timed_images", "seconds", "seconds_per_image", "seconds_per_segment"),
    *("reviewed", "passed", "passed_low", "passed_high", "metric", "against", "score", "score_low", "score_high"),
    *("months", "trend_per_month", "trend_low", "trend_high", "trend_p", "trend_stands"),
    *("worst", "tolerance_px", "tolerance_mm"),
)
_HEADS = ("annotator", "images", "segments", "s/image", "s/segment", "passed", "score", "")


def scorecard_csv(result: Scorecard) -> str:
    """A line for each annotator; the worst examples as ``image: category score``, the first one first."""
    return csv_text(COLUMNS, [_line(card, result) for card in result.cards])


def scorecard_text(result: Scorecard, console: Console) -> str:
    """A table of all annotators, then each one's trend and worst examples, with the guideline."""
    lines = [console.paint("segdata scorecard", "bold")]
    reference = "all others" if result.gold is None else result.gold
    lines += console.wrap(
        f"{_metric(result)} against {reference}; intervals at {result.confidence:.0%}; "
        f"tolerance of boundaries {tolerance_in_words(result.tolerance)}; "
        "trends are adjusted for the mix of images",
        "  ",
        style="dim",
    )
    heads, *rows = scorecard_table(result)
    lines += ["", *table(heads, rows, left=(0, len(heads) - 1))]
    if all(math.isnan(card.score.value) for card in result.cards):
        lines += console.wrap(
            "no scores: no other annotator has these images; name a reference with --gold", style="warning"
        )
    for card in result.cards:
        lines += [
            "",
            console.paint(card.annotator, "bold"),
            *console.wrap(trend_in_words(card.trend, stands=card.stands), "  "),
            *_examples(card, console),
        ]
    return "\n".join(lines) + "\n"


def _line(card: AnnotatorCard, result: Scorecard) -> list[object]:
    trend = card.trend
    worst = "; ".join(f"{example.image}: {example.category} {example.value:.2f}" for example in card.worst)
    return [
        card.annotator,
        card.images,
        card.segments,
        card.timed,
        *map(csv_number, (card.seconds, card.seconds_per_image, card.seconds_per_segment)),
        card.passed.n,
        *_ends(card.passed),
        result.metric,
        "others" if result.gold is None else result.gold,
        *_ends(card.score),
        len(trend.months),
        *map(csv_number, (trend.slope, trend.low, trend.high, trend.p)),
        "yes" if card.stands else "no",
        worst,
        *tolerance_cells(result.tolerance),
    ]


def _ends(value: Score) -> list[str]:
    return [csv_number(end) for end in (value.value, value.low, value.high)]


def scorecard_table(result: Scorecard) -> list[list[str]]:
    """The heads, then a row for each annotator; without a column that all annotators lack."""
    columns = zip(_HEADS, *map(_cells, result.cards), strict=True)
    return [list(row) for row in zip(*(column for column in columns if set(column[1:]) != {"-"}), strict=True)]


def _cells(card: AnnotatorCard) -> list[str]:
    score = card.score
    ends = "" if math.isnan(score.low) else f"{score.low:.2f} to {score.high:.2f}"
    return [
        shorten(card.annotator, 20),
        f"{card.images:,}",
        f"{card.segments:,}",
        *(
            "-" if math.isnan(seconds) else f"{seconds:.0f}"
            for seconds in (card.seconds_per_image, card.seconds_per_segment)
        ),
        "-" if math.isnan(card.passed.value) else f"{card.passed.value:.0%} of {card.passed.n:,}",
        "-" if math.isnan(score.value) else f"{score.value:.2f}",
        ends,
    ]


def trend_in_words(trend: ScoreTrend, *, stands: bool) -> str:
    """An annotator's trend in words, and whether it is significant."""
    if math.isnan(trend.slope):
        return "no trend: it takes dated work from two months or more"
    slope = f"{_signed_text(trend.slope)} a month over {count_noun(len(trend.months), 'month')}"
    if not math.isnan(trend.low):
        slope += f" ({_signed_text(trend.low)} to {_signed_text(trend.high)})"
    if stands:
        adjusted = "more than chance"
    elif math.isnan(trend.p):
        adjusted = "not tested: too few images"
    elif trend.p > FALSE_DISCOVERY_RATE and (trend.low > 0 or trend.high < 0):
        adjusted = "one of the others may be the cause"  # p is the largest with one of them left out
    else:
        adjusted = "may be chance"
    p = "" if math.isnan(trend.p) else f", p = {trend.p:.2g}"
    return f"trend {slope}: {adjusted}{p}"


def _signed_text(change: float) -> str:
    text = f"{change:+.3f}".replace("-", "−")
    return text if float(text[1:]) else text[1:]


def _examples(card: AnnotatorCard, console: Console) -> Iterator[str]:
    for example in card.worst:
        yield from console.wrap(example_in_words(example), "  ")
        if example.guideline:
            yield from console.wrap(f"guideline: {example.guideline}", "    ", style="dim")


def example_in_words(example: WorstExample) -> str:
    """An example in one line: image, category, score and cause."""
    cause = {"boundary": "the boundary", "confused": "taken for another category"}.get(example.cause, example.cause)
    where = f"{example.image}: {example.category} {example.value:.2f} against {example.other}"
    return f"{where}, {example.pixels:,} px, mostly {cause}"


def scorecard_json(result: Scorecard) -> str:
    """The scorecard as JSON, with months and examples."""
    return format_json(encode_result(result))


_MAX_REWORKED_CATEGORIES = 8  # of an annotator


@dataclass(frozen=True, slots=True)
class MonthDot:
    """A month on a time axis: its position in % of both sides, and its text."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class ExamplePicture:
    """An example: its picture as a `data:` URI or None, its text, and a sentence of the guideline."""

    picture: str | None
    caption: str
    guideline: str | None


@dataclass(frozen=True, slots=True)
class AnnotatorSection:
    """The section of one annotator; `facts` are pairs of name and value, `trend` is empty if there is none."""

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
    result: Scorecard, annotators: Sequence[str], pictures: Mapping[tuple[str, WorstExample], str]
) -> list[AnnotatorSection]:
    """A section for each annotator; `pictures`: of examples; colours follow the position among `annotators`."""
    order = {name: k for k, name in enumerate(annotators)}
    return [
        _section(card, result, css_color(annotator_color(order.get(card.annotator, k))), pictures)
        for k, card in enumerate(result.cards)
    ]


def _section(
    card: AnnotatorCard, result: Scorecard, color: str, pictures: Mapping[tuple[str, WorstExample], str]
) -> AnnotatorSection:
    months = [month for month in card.trend.months if math.isfinite(month.score)]
    return AnnotatorSection(
        name=card.annotator,
        color=color,
        facts=tuple(_facts(card, result)),
        dots=_dots(months) if len(months) > 1 else (),
        ends=(months[0].month, months[-1].month) if months else ("", ""),
        trend=trend_in_words(card.trend, stands=card.stands).removeprefix("trend ")
        if math.isfinite(card.trend.slope)
        else "",
        stands=card.stands,
        worst=tuple(
            ExamplePicture(pictures.get((card.annotator, example)), example_in_words(example), example.guideline)
            for example in card.worst
        ),
        reworked=tuple(map(_rework_cells, _rework_rows(card, result))),
    )


def _facts(card: AnnotatorCard, result: Scorecard) -> list[tuple[str, str]]:
    facts = [("work", f"{count_noun(card.segments, 'segment')} in {count_noun(card.images, 'image')}")]
    if card.timed:
        per_segment = card.seconds_per_segment
        per_one = f", {_time(per_segment)} a segment" if math.isfinite(per_segment) else ""
        timed = "" if card.timed == card.images else f" (of {card.timed:,})"
        facts.append(
            ("time", f"{_time(card.seconds)} in all{timed}; median {_time(card.seconds_per_image)} an image{per_one}")
        )
    if math.isfinite(card.passed.value):
        shares = score_with_interval("missed", card.passed)
        facts.append(("passed its review as it was", f"{shares} of {count_noun(card.passed.n, 'annotation')}"))
    partner = "the others" if result.gold is None else result.gold
    facts.append((f"{_metric(result)} against {partner}", score_with_interval("iou", card.score)))
    return facts


_METRICS = {"iou": "IoU", "dice": "Dice", "boundary_iou": "boundary IoU", "nsd": "near", "pq": "PQ", "f1": "F1"}


def _metric(result: Scorecard) -> str:
    return _METRICS.get(result.metric, result.metric)


def _time(seconds: float) -> str:
    """Format seconds in a convenient unit.

    >>> _time(42.0), _time(300.0), _time(9000.0)
    ('42 s', '5.0 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _dots(months: Sequence[MonthScore]) -> tuple[MonthDot, ...]:
    """The dots of months, on an axis of scores from 0 at the bottom to 1 on top."""
    step = 100 / (len(months) - 1)
    return tuple(
        MonthDot(
            k * step,
            100 * (1 - month.score),
            f"{month.month}: {format_score('iou', month.score)} in {count_noun(month.images, 'image')}",
        )
        for k, month in enumerate(months)
    )


def _rework_rows(card: AnnotatorCard, result: Scorecard) -> list[ReworkCounts]:
    if result.review is None:
        return []
    annotators = {row.annotator for row in result.review.rows} - {None}
    own_name = card.annotator if card.annotator in annotators else None if len(result.cards) == 1 else ""
    rows = [row for row in result.review.rows if row.annotator == own_name]
    return [*rows[:1], *sorted(rows[1:], key=lambda row: -row.rework.value)[:_MAX_REWORKED_CATEGORIES]]


def _rework_cells(row: ReworkCounts) -> tuple[str, ...]:
    counts = (row.segments, row.deleted, row.added, row.recategorised, row.moved)
    return (
        row.category or "all",
        *(f"{count:,}" for count in counts),
        score_with_interval("missed", row.rework),
        format_percent(row.pixels.value),
        format_percent(row.passed.value),
    )


def scorecard_html(
    result: Scorecard, data: OpenDataset, comparison: AnnotatorPairs, typed: Sequence[str], jobs: int = 0
) -> str:
    """The report as one HTML file, with pictures of the worst examples; the same input gives the same text.

    `comparison` has all annotators, with the reference; `typed`: the words of the command after `segdata`. The caller
    sets Pillow's limit on image sizes.
    """
    from segdata.report.pictures.annotators import example_pictures

    pictures, annotators = example_pictures(data, comparison, result.cards, jobs), comparison.annotators
    note = f"Brackets are {format_percent(result.confidence)} intervals. Boundaries no further apart than "
    note += (
        f"{tolerance_in_words(result.tolerance)} count as equal. Trends are adjusted for the mix of images; they say "
    )
    note += "where to look, not what to pay."
    heads, *rows = scorecard_table(result)
    names = [card.annotator for card in result.cards]
    return template("scorecard.html").render(
        result=result,
        title=list_names(names, 6),
        metric=_metric(result),
        heads=heads,
        rows=rows,
        cards=annotator_sections(result, annotators, pictures),
        people=[(name, css_color(annotator_color(k))) for k, name in enumerate(annotators)],
        note=note,
        typed=" ".join(["segdata", *typed]),
        version=segdata.__version__,
        style=asset("report.css") + asset("info.css") + asset("agreement.css"),
    )
