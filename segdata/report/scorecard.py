"""The scorecard of annotators as text and CSV."""

import csv
import io
import math
from collections.abc import Iterator
from typing import Any

from segdata.agreement.results import Score
from segdata.agreement.scorecard import AnnotatorCard, Scorecard, WorstExample
from segdata.core.errors import count_noun
from segdata.report.agreement.wording import tolerance_cells, tolerance_in_words
from segdata.report.console import Console, shorten, table
from segdata.report.json_format import encode_result, format_json, result_schema

COLUMNS = (
    "annotator",
    "images",
    "segments",
    "timed_images",
    "seconds",
    "seconds_per_image",
    "seconds_per_segment",
    "reviewed",
    "passed",
    "passed_low",
    "passed_high",
    "metric",
    "against",
    "score",
    "score_low",
    "score_high",
    "months",
    "trend_per_month",
    "trend_low",
    "trend_high",
    "trend_p",
    "trend_stands",
    "worst",
    "tolerance_px",
    "tolerance_mm",
)

HEADS = ("annotator", "images", "segments", "s/image", "s/segment", "passed", "score", "")


def to_csv(found: Scorecard) -> str:
    """A line for each annotator; the worst examples as ``image: category score``, the first one first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for card in found.cards:
        writer.writerow(_line(card, found))
    return out.getvalue()


def to_text(found: Scorecard, paper: Console) -> str:
    """A table of all, then each annotator's trend and worst examples, with what the guideline says."""
    lines = [paper.paint("segdata scorecard", "bold")]
    whom = "all others" if found.gold is None else found.gold
    lines += paper.wrap(
        f"{found.metric} against {whom}; intervals at {found.confidence:.0%}; "
        f"tolerance of boundaries {tolerance_in_words(found.tolerance)}",
        "  ",
        style="dim",
    )
    lines += ["", *table(HEADS, [row(card) for card in found.cards], left=(0, 7))]
    if all(math.isnan(card.score.value) for card in found.cards):
        lines += paper.wrap(
            "no scores: no other annotator has these images; name a reference with --gold", style="warning"
        )
    for card in found.cards:
        lines += ["", paper.paint(card.annotator, "bold"), *paper.wrap(trend_said(card), "  "), *_examples(card, paper)]
    return "\n".join(lines) + "\n"


def _line(card: AnnotatorCard, found: Scorecard) -> list[object]:
    trend = card.trend
    worst = "; ".join(f"{each.image}: {each.category} {each.value:.2f}" for each in card.worst)
    return [
        card.annotator,
        card.images,
        card.segments,
        card.timed,
        *map(_number, (card.seconds, card.seconds_per_image, card.seconds_per_segment)),
        card.passed.n,
        *_ends(card.passed),
        found.metric,
        "others" if found.gold is None else found.gold,
        *_ends(card.score),
        len(trend.months),
        *map(_number, (trend.slope, trend.low, trend.high, trend.p)),
        "yes" if card.stands else "no",
        worst,
        *tolerance_cells(found.tolerance),
    ]


def _ends(value: Score) -> list[str]:
    return [_number(each) for each in (value.value, value.low, value.high)]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def row(card: AnnotatorCard) -> list[str]:
    """An annotator beside the others, under `HEADS`."""
    score = card.score
    ends = "" if math.isnan(score.low) else f"{score.low:.2f} to {score.high:.2f}"
    return [
        shorten(card.annotator, 20),
        f"{card.images:,}",
        f"{card.segments:,}",
        *("-" if math.isnan(each) else f"{each:.0f}" for each in (card.seconds_per_image, card.seconds_per_segment)),
        "-" if math.isnan(card.passed.value) else f"{card.passed.value:.0%} of {card.passed.n:,}",
        "-" if math.isnan(score.value) else f"{score.value:.2f}",
        ends,
    ]


def trend_said(card: AnnotatorCard) -> str:
    """How an annotator's scores change, and whether that is more than chance."""
    trend = card.trend
    if math.isnan(trend.slope):
        return "no trend: the work is not known to be from two months or more"
    said = f"{trend.slope:+.3f} a month over {count_noun(len(trend.months), 'month')}"
    if not math.isnan(trend.low):
        said += f" ({trend.low:+.3f} to {trend.high:+.3f})"
    told = (
        "more than chance" if card.stands else "not tested: too few images" if math.isnan(trend.p) else "may be chance"
    )
    p = "" if math.isnan(trend.p) else f", p = {trend.p:.2g}"
    return f"trend {said}, mix of images left out of account: {told}{p}"


def _examples(card: AnnotatorCard, paper: Console) -> Iterator[str]:
    for each in card.worst:
        yield from paper.wrap(example_said(each), "  ")
        if each.guideline:
            yield from paper.wrap(f"guideline: {each.guideline}", "    ", style="dim")


def example_said(each: WorstExample) -> str:
    """An example in a line: where, what, how far off, and why."""
    what = {"boundary": "the boundary", "confused": "taken for another category"}.get(each.cause, each.cause)
    return f"{each.image}: {each.category} {each.value:.2f} against {each.other}, {each.pixels:,} px, mostly {what}"


def to_json(found: Scorecard) -> str:
    """Everything as JSON, months and examples too."""
    return format_json(encode_result(found))


def scorecard_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return result_schema(Scorecard)
