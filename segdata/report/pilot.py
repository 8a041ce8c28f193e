"""Pilot: the projection of a campaign, and whether to begin it, as text and JSON.

`schemas/pilot.schema.json` is made from these types.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, get_args

import msgspec

from segdata.agreement.scores import Count
from segdata.campaign.confusable_categories import ConfusablePair
from segdata.campaign.projection import (
    CategoryOutlook,
    Outlook,
    ProjectedRange,
    percent_in_words,
    range_in_words,
    round_up,
    share_range_in_words,
)
from segdata.campaign.readiness import PilotAgreement, PilotResult, ReadinessReason, ReasonKind
from segdata.core.errors import count_noun
from segdata.report.agreement.wording import format_score, join_words
from segdata.report.console import Console, shorten, table
from segdata.report.encoding import encode_result, format_json

FIRST = 3  # reasons of each kind that are shown
_HEADINGS: dict[ReasonKind, str] = {
    "small-pilot": "the pilot is too small",
    "unknown-category": "categories that the taxonomy lacks",
    "unused-category": "categories that no image has",
    "too-few": "categories with too few instances",
    "drawn-twice": "things drawn as two categories",
    "look-alike": "categories that are easily confused",
    "unclear-category": "categories on which annotators do not agree",
    "confused": "categories that annotators take for each other",
    "void": "too much void",
    "unlabelled": "too much unlabelled",
    "no-definition": "categories without a definition",
    "no-boundary-rule": "categories without a boundary rule",
}
assert set(_HEADINGS) == set(get_args(ReasonKind))


def pilot_text(result: PilotResult, console: Console) -> str:
    """The projection of the campaign, a line per category, and last the verdict with its reasons."""
    lines = [
        console.paint(f"segdata pilot {shorten(result.dataset, console.width - 14)}", "bold"),
        *_campaign_lines(result, console),
    ]
    lines += ["", *_categories(result, console)]
    if result.agreement is not None:
        lines += ["", *_agreement_lines(result.agreement, console)]
    for blocks, heading in ((True, "before the campaign"), (False, "advice")):
        reasons = [reason for reason in result.reasons if reason.blocks is blocks]
        if reasons:
            lines += ["", console.paint(heading, "bold"), *_reasons(reasons, "error" if blocks else "info", console)]
    return "\n".join([*lines, "", *_verdict(result, console)]) + "\n"


def _campaign_lines(result: PilotResult, console: Console) -> Iterator[str]:
    outlook, plan = result.outlook, result.plan
    alone = outlook.n_units == outlook.n_images
    from_ = "" if alone else f" of {count_noun(outlook.n_units, 'sequence or group', 'sequences or groups')}"
    facts = {
        "pilot": f"{count_noun(outlook.n_images, 'annotated image')}{from_}",
        "campaign": f"{plan.n_images:,} images" + ("" if plan.campaign else ", since --campaign does not say how many"),
        "wanted": f"{count_noun(plan.min_instances, 'instance')} of each category",
        "instances": range_in_words(outlook.segments),
        "void": f"{share_range_in_words(outlook.void)} of the pixels" if outlook.void.high else "none",
        "work": _work(outlook),
        "cost": None if outlook.cost is None else _range_text(outlook.cost),
    }
    for name, fact in facts.items():
        if fact is not None:
            yield from console.wrap(fact, f"{name:<11}", " " * 11)


def _work(outlook: Outlook) -> str:
    hours = outlook.hours
    if hours is None:
        return f"{outlook.timed_by}: give --minutes-per-image or --minutes-per-segment"
    return f"{_range_text(hours)} hours with one annotation an image, by {outlook.timed_by}"


def _range_text(result: ProjectedRange) -> str:
    """Format a range of hours or money; one number if both ends are equal."""
    digits = 1 if result.low < 10 else 0
    low, high = f"{result.low:,.{digits}f}", f"{result.high:,.{digits}f}"
    return low if low == high else f"{low} to {high}"


_MAX_ABSENT = 8  # categories without an image that the table lists


def _categories(result: PilotResult, console: Console) -> Iterator[str]:
    plan = result.plan
    heads = ("category", "pilot", "of images", f"in {plan.n_images:,}", f"for {plan.min_instances:,}")
    absent = [category for category in result.outlook.categories if not category.n_images]
    is_folded = len(absent) > _MAX_ABSENT
    listed = [category for category in result.outlook.categories if category.n_images or not is_folded]
    head, *lines = table(heads, [_row(category) for category in listed], width=console.width)
    yield console.paint(head, "bold")
    for category, line in zip(listed, lines, strict=True):
        yield console.paint(line, None if category.n_images else "dim")
    if is_folded:
        text = f"and {len(absent):,} categories that no image of the pilot has (--format json lists them)"
        yield from console.wrap(text, style="dim")
    explanation = (
        f"pilot: images that have it; of images: how many of 100 have it; in {plan.n_images:,}: instances in so many "
        f"images; for {plan.min_instances:,}: images that surely have so many instances. Ranges are right in 19 of 20 "
        "campaigns."
    )
    yield from console.wrap(explanation, style="dim")


def _agreement_lines(result: PilotAgreement, console: Console) -> Iterator[str]:
    among = f"{count_noun(result.images, 'image')} of {join_words(result.annotators, 3)}"
    yield from console.pieces(("agreement", "bold"), (f"on {among}", None))
    rows = []
    for category in result.categories:
        low, high = category.value.low, category.value.high
        rows.append(
            [
                shorten(category.category, 30),
                "F1" if category.score == "f1" else "Dice",
                format_score(category.score, category.value.value),
                f"{format_score(category.score, low)} to {format_score(category.score, high)}" if low == low else "-",
                f"{format_score(category.score, category.best)} ({category.without})" if category.without else "-",
            ]
        )
    head, *lines = table(("category", "score", "value", "19 of 20 times", "without"), rows, left=(0, 1))
    yield head
    yield from lines
    explanation = "F1 of segments for things, Dice for all else; without: the one who lowers it most"
    yield from console.wrap(f"{explanation}.", style="dim")


def _row(category: CategoryOutlook) -> list[str]:
    share, needed = category.share, category.images_needed
    return [
        category.name,
        f"{category.n_images:,}",
        f"{percent_in_words(share.low)} to {percent_in_words(share.high)}",
        f"{category.segments.low:,.0f} to {category.segments.high:,.0f}",
        "-" if needed is None else round_up(needed),
    ]


def _reasons(reasons: Sequence[ReadinessReason], style: str, console: Console) -> Iterator[str]:
    for kind, group in groupby(sorted(reasons, key=_place), key=lambda reason: reason.kind):
        listed = list(group)
        number = f" ({len(listed):,})" if len(listed) > 1 else ""
        yield from console.pieces((f"{kind}:", style), (_HEADINGS[kind] + number, None))
        for reason in listed[:FIRST]:
            yield from console.wrap(reason.message, "  - ", "    ")
        rest = [" and ".join(reason.categories) for reason in listed[FIRST:]]
        if rest:
            more = "" if len(rest) <= 2 * FIRST else f", and {len(rest) - 2 * FIRST:,} more"
            yield from console.wrap(f"so too: {', '.join(rest[: 2 * FIRST])}{more}", "  - ", "    ", "dim")


def _place(reason: ReadinessReason) -> int:
    return list(_HEADINGS).index(reason.kind)


def _verdict(result: PilotResult, console: Console) -> Iterator[str]:
    blocking = [reason for reason in result.reasons if reason.blocks]
    kinds = list(dict.fromkeys(reason.kind for reason in sorted(blocking, key=_place)))
    ignored = f" (ignored: {', '.join(result.ignored)})" if result.ignored else ""
    if result.ready:
        yield from console.pieces(("ready:", "good"), (f"nothing speaks against the campaign{ignored}", None))
    else:
        reasons = f"{count_noun(len(blocking), 'reason')}: {', '.join(kinds)}{ignored}"
        yield from console.pieces(("not ready:", "error"), (reasons, None))


class Campaign(msgspec.Struct, frozen=True, kw_only=True, rename={"campaign": "images", "n_images": "totals_for"}):
    """The plan of the campaign; `images` is null if the user gave none, and totals are then for `totals_for` images."""

    campaign: int | None
    n_images: Count
    min_instances: Count
    rate: float | None


class PilotSize(msgspec.Struct, frozen=True, kw_only=True, rename={"n_images": "images", "n_units": "units"}):
    """The size of the pilot: annotated images, and the sequences, groups and single images that they come from."""

    n_images: Count
    n_units: Count


class Totals(msgspec.Struct, frozen=True, kw_only=True, rename={"segments": "instances"}):
    """Totals of the campaign; `void` and `unlabelled` are shares of the pixels, `timed_by` is the source of hours."""

    segments: ProjectedRange
    void: ProjectedRange
    unlabelled: ProjectedRange
    hours: ProjectedRange | None
    cost: ProjectedRange | None
    timed_by: str


class PilotReport(msgspec.Struct, frozen=True, kw_only=True):
    """The readiness of a taxonomy for a full campaign, and the projection of the campaign."""

    version: Literal[1] = 1
    dataset: str
    ready: bool
    campaign: Campaign
    pilot: PilotSize
    totals: Totals
    categories: tuple[CategoryOutlook, ...]
    confusable: tuple[ConfusablePair, ...]
    reasons: tuple[ReadinessReason, ...]
    ignored: tuple[ReasonKind, ...]
    agreement: PilotAgreement | None


def pilot_json(result: PilotResult) -> str:
    """The report as JSON, a line per category, pair and reason; the same input gives the same text."""
    report = PilotReport(
        dataset=result.dataset,
        ready=result.ready,
        campaign=msgspec.convert(result.plan, Campaign, from_attributes=True),
        pilot=msgspec.convert(result.outlook, PilotSize, from_attributes=True),
        totals=msgspec.convert(result.outlook, Totals, from_attributes=True),
        categories=result.outlook.categories,
        confusable=result.confusable,
        reasons=result.reasons,
        ignored=result.ignored,
        agreement=result.agreement,
    )
    return format_json(encode_result(report, rounded=True))
