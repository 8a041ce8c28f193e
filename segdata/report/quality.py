"""Reports on work against a reference: models, deliveries, rework, and annotators against a consensus."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np

from segdata.agreement.acceptance import DeliveryQuality, InspectedImage, Inspection, SamplingPlan, operating_curve
from segdata.agreement.consensus import UndecidedRegion, UndecidedReport
from segdata.agreement.consensus_dataset import AgainstOthers, Consensus, ConsensusReport
from segdata.agreement.evaluation import EVALUATION_SCORES, CategoryEvaluation, Evaluation, ModelEvaluation
from segdata.agreement.rework import ReworkCounts, ReworkSummary
from segdata.agreement.scores import Score, Share
from segdata.core.errors import count_noun
from segdata.report.agreement.wording import (
    format_percent,
    format_score,
    join_words,
    score_with_interval,
    tolerance_cells,
    tolerance_in_words,
)
from segdata.report.console import Console, shorten, table
from segdata.report.encoding import csv_number, csv_text, encode_result, format_json
from segdata.report.findings import reading_defects

_MAX_REMARKS = 5  # of a text report
_OF_CATEGORIES = ("iou", "dice", "pq", "sq", "rq", "ap")


def evaluation_text(result: Sequence[Evaluation], console: Console) -> str:
    """The report of each model: figures with intervals, COCO's twelve numbers, and categories, worst first."""
    lines = [console.paint("segdata evaluate", "bold")]
    for model in result:
        lines += ["", console.paint(f"  {model.model}: {count_noun(model.images, 'image')}", "bold")]
        lines += [
            line
            for reason in model.left_out[:_MAX_REMARKS]
            for line in console.wrap(f"left out: {reason}", "  ", "    ")
        ]
        if len(model.left_out) > _MAX_REMARKS:
            lines.append(f"  left out: {len(model.left_out) - _MAX_REMARKS:,} more; --format json has all")
        lines += _scores(model, console)
        ordered = sorted(model.categories, key=lambda category: (math.isnan(category.iou), category.iou))
        cells = [
            [shorten(row.category, 24), *(_round(getattr(row, name)) for name in _OF_CATEGORIES)] for row in ordered
        ]
        lines += ["", *(f"  {line}" for line in table(("category", *_OF_CATEGORIES), cells))]
    return "\n".join(lines) + "\n"


def evaluation_csv(result: Sequence[Evaluation]) -> str:
    """A line for each model and category."""
    names = CategoryEvaluation.__struct_fields__
    rows = [
        [model.model, *(None if value != value else value for value in msgspec.structs.astuple(category))]
        for model in result
        for category in model.categories
    ]
    return csv_text(["model", *names], rows)


def _scores(model: Evaluation, console: Console) -> Iterator[str]:
    for name, meaning in EVALUATION_SCORES.items():
        value = getattr(model.scores, name)
        ends = "" if math.isnan(value.low) else f" ({value.low:.3f} to {value.high:.3f})"
        yield from console.wrap(f"{name:<5}{_round(value.value)}{ends}  {meaning}", "  ", "       ")
    if not math.isnan(model.ap.AP):
        words = [f"{name} {_round(value)}" for name, value in msgspec.structs.asdict(model.ap).items()]
        yield from console.wrap(words, "  ", "       ")


def _round(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


class EvaluationReport(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of models against a reference, by name; undefined numbers are null."""

    version: Literal[1] = 1
    models: tuple[ModelEvaluation, ...]


def evaluation_json(result: Sequence[Evaluation]) -> str:
    """The report as JSON, in full precision; the same input gives the same text."""
    return format_json({"version": 1, "models": [encode_result(model, ModelEvaluation) for model in result]})


_MAX_IMAGES_SHOWN = 10  # in a text report
_CURVE_STEPS = 11  # of the operating curve in a text report


def plan_text(plan: SamplingPlan, quality: DeliveryQuality, console: Console) -> str:
    """The plan of an inspection, and the chance of acceptance of deliveries by their quality."""
    images = "a delivery" if plan.lot is None else f"{plan.lot:,} images"
    lines = [console.paint("segdata acceptance plan", "bold")]
    scope = f"all {images}" if _is_whole(plan) else f"{plan.sample:,} of {images}, drawn at random"
    instruction = f"inspect {scope}; accept if at most {plan.accept:,} {'is' if plan.accept == 1 else 'are'} defective"
    lines += console.wrap(instruction, "  ")
    if _is_whole(plan):
        lines += console.wrap("all images are inspected, so nothing is left to chance", "  ", style="dim")
        return "\n".join(lines) + "\n"
    lines += console.wrap(_risks(plan, quality), "  ", style="dim")
    return "\n".join([*lines, "", *_curve(plan)]) + "\n"


def inspection_text(result: Inspection, quality: DeliveryQuality, console: Console) -> str:
    """The verdict of an inspection, its reasons and confidence, and the worst images."""
    style = {"accepted": "good", "rejected": "error", "undecided": "warning"}[result.decision]
    lines = [console.paint("segdata acceptance judge", "bold"), "  " + console.paint(result.decision, style)]
    for reason in _reasons(result, quality):
        lines += console.wrap(reason, "  ")
    lines += console.wrap(f"tolerance of boundaries: {tolerance_in_words(result.tolerance)}", "  ", style="dim")
    if result.missing:
        names = ", ".join(result.missing[:3]) + (" …" if len(result.missing) > 3 else "")
        lines += console.wrap(
            f"{count_noun(len(result.missing), 'gold image')} did not come back: {names}", "  ", style="warning"
        )
    lines += ["", *_images(result, console)]
    if result.plan is not None and not _is_whole(result.plan):
        lines += ["", *_curve(result.plan)]
    return "\n".join(lines) + "\n"


def _reasons(result: Inspection, quality: DeliveryQuality) -> Iterator[str]:
    n = len(result.inspected)
    if not n:
        yield f"no gold image of the {result.lot:,} images delivered came back in its size: nothing was inspected"
        return
    defective = f"defective: {result.wrong:,} of {count_noun(n, 'gold image')}, {result.rate:.1%}"
    if result.plan is not None and _is_whole(result.plan):
        yield (
            f"{defective}; all images of the delivery were inspected, so nothing is left to chance; fewer than "
            f"{quality.limit:.1%} may be defective, {result.plan.accept:,} at most"
        )
        return
    yield f"{defective} ({result.low:.1%} to {result.high:.1%} of the {result.lot:,} delivered, at 95% confidence)"
    if result.plan is None:
        yield (
            f"too few were inspected: even without a defect a delivery with {quality.limit:.1%} defects "
            f"would be accepted more often than in {quality.consumer_risk:.0%} of cases"
        )
    else:
        yield (
            f"at most {result.plan.accept:,} may be, so that a delivery with {quality.limit:.1%} defects is accepted "
            f"in at most {quality.consumer_risk:.0%} of cases; a delivery with {quality.acceptable:.1%} is rejected in "
            f"{result.producer_risk:.0%} of cases"
        )
    if n < result.needed.sample:
        yield f"to keep both risks, hide {result.needed.sample:,} and allow {result.needed.accept:,}"


def _risks(plan: SamplingPlan, quality: DeliveryQuality) -> str:
    good, bad = (float(plan.acceptance_probability(rate)) for rate in (quality.acceptable, quality.limit))
    return (
        f"a delivery with {quality.acceptable:.2%} defects is rejected in {1 - good:.1%} of cases, one with "
        f"{quality.limit:.2%} is accepted in {bad:.1%}"
    )


def _is_whole(plan: SamplingPlan) -> bool:
    """Whether all images of a delivery are inspected, so that its quality is known without an operating curve."""
    return plan.lot is not None and plan.sample >= plan.lot


def _curve(plan: SamplingPlan) -> list[str]:
    curve = operating_curve(plan)
    points = curve.take(np.linspace(0, len(curve) - 1, _CURVE_STEPS).astype(np.int64))
    rows = [
        [f"{rate:.2%}", f"{accepted:.1%}", f"{outgoing:.2%}"]
        for rate, accepted, outgoing in points.lines("rate", "accepted", "outgoing")
    ]
    return table(("defective", "accepted", "left after correction"), rows, left=())


def _images(result: Inspection, console: Console) -> list[str]:
    rows = [_row(model) for model in result.inspected[:_MAX_IMAGES_SHOWN]]
    if not rows:
        return []
    lines = table(("image", "annotator", "what", "value", "bar", ""), rows, left=(0, 1, 2, 5))
    more = len(result.inspected) - len(rows)
    return [shorten(line, console.width) for line in lines] + ([f"… and {more:,} more"] if more else [])


def _row(image: InspectedImage) -> list[str]:
    measured = f"{image.metric} of {image.category or 'all'}" if image.metric else "nothing to draw"
    value, bar = (f"{number:.3f}" if number == number else "" for number in (image.value, image.bar))
    verdict = "defective" if image.defective else ""
    return [shorten(image.image, 30), shorten(image.annotator, 16), measured, value, bar, verdict]


class OperatingCurve(msgspec.Struct, frozen=True, kw_only=True):
    """The share of deliveries accepted at each `rate` of defective images.

    `outgoing`: the defects that remain if rejected deliveries are corrected.
    """

    rate: tuple[Share, ...]
    accepted: tuple[Share, ...]
    outgoing: tuple[Share, ...]


class PlanReport(SamplingPlan, frozen=True, kw_only=True):
    """The number of images to inspect, and the operating curve of the plan."""

    version: Literal[1] = 1
    quality: DeliveryQuality
    curve: OperatingCurve


def plan_json(plan: SamplingPlan, quality: DeliveryQuality) -> str:
    """A plan as JSON, with 51 points of the operating curve."""
    table = operating_curve(plan)
    rate, accepted, outgoing = (tuple(np.round(table[name], 6).tolist()) for name in ("rate", "accepted", "outgoing"))
    curve = OperatingCurve(rate=rate, accepted=accepted, outgoing=outgoing)
    report = PlanReport(plan.sample, plan.accept, plan.lot, quality=quality, curve=curve)
    return format_json(encode_result(report))


def inspection_json(result: Inspection) -> str:
    """The inspection of a delivery as JSON."""
    return format_json(encode_result(result, Inspection))


_EXPLAINED = (  # {}: the tolerance
    "reworked: the share of segments that were deleted, added, recategorised (recat), or whose boundary was moved "
    "by more than {}; pixels: the share that changed; passed: the share of annotations in which none of this "
    "was done"
)
_RATES = ("rework", "pixels", "passed")
_COUNTS = ("images", "segments", "deleted", "added", "recategorised", "moved")


def rework_text(result: ReworkSummary, console: Console) -> str:
    """The rework of all annotators, then of each one: over all categories, then the most corrected categories."""
    lines = [console.paint("segdata rework", "bold")]
    extent = f"{count_noun(result.images, 'annotation')} before and after a review"
    if result.unreviewed:
        extent += f"; {result.unreviewed:,} more have no counterpart"
    lines += console.wrap(extent, "  ")
    for annotator in dict.fromkeys(model.annotator for model in result.rows):
        rows = [model for model in result.rows if model.annotator == annotator]
        if annotator is not None and len({model.annotator for model in result.rows}) == 2:
            continue  # all annotators are one person
        lines += ["", console.paint(f"  {annotator or 'all annotators'}", "bold"), *_rework_rows(rows)]
    lines += ["", *console.wrap(_EXPLAINED.format(tolerance_in_words(result.tolerance)), "  ", style="dim")]
    return "\n".join(lines) + "\n"


def rework_csv(result: ReworkSummary) -> str:
    """A line for each annotator and category; an empty name stands for all of them."""
    rows = []
    for model in result.rows:
        rates = [getattr(model, name) for name in _RATES]
        numbers = [csv_number(number) for rate in rates for number in (rate.value, rate.low, rate.high)]
        counts = [getattr(model, name) for name in _COUNTS]
        rows.append([model.annotator, model.category, *counts, *numbers, *tolerance_cells(result.tolerance)])
    ends = [f"{name}{end}" for name in _RATES for end in ("", "_low", "_high")]
    return csv_text(["annotator", "category", *_COUNTS, *ends, "tolerance_px", "tolerance_mm"], rows)


def _rework_rows(rows: Sequence[ReworkCounts]) -> list[str]:
    ordered = [rows[0], *sorted(rows[1:], key=lambda counts: (-counts.rework.value, counts.category or ""))]
    cells = [
        [
            shorten(counts.category or "all", 16),
            *(f"{getattr(counts, name):,}" for name in ("segments", "deleted", "added", "recategorised", "moved")),
            _share(counts.rework),
            *("-" if math.isnan(rate.value) else f"{rate.value:.1%}" for rate in (counts.pixels, counts.passed)),
        ]
        for counts in ordered
    ]
    heads = ("category", "segments", "deleted", "added", "recat", "moved", "reworked", "pixels", "passed")
    return [f"  {line}" for line in table(heads, cells)]


def _share(value: Score) -> str:
    if math.isnan(value.value):
        return "-"
    ends = "" if math.isnan(value.low) else f" {value.low:.0%}-{value.high:.0%}"
    return f"{value.value:.0%}{ends}"


class ReworkReport(ReworkSummary, frozen=True, kw_only=True):
    """The report of `segdata rework`."""

    version: Literal[1] = 1


def rework_json(result: ReworkSummary) -> str:
    """All rows as JSON; the same input gives the same text."""
    return format_json({**encode_result(result), "version": 1})


_METHODS = {
    "majority": "majority of each pixel",
    "staple": "STAPLE",
    "instances": "instances, and majority of all other pixels",
}
_MAX_WORST_CATEGORIES = 3  # of each annotator


def consensus_text(result: Consensus, console: Console) -> str:
    """The report of a consensus: the target, undecided pixels, and a line for each annotator against the others."""
    size = f"{result.target}: {count_noun(result.images, 'image')}, {count_noun(result.segments, 'segment')}"
    lines = [f"{console.paint('written', 'good')} {size}"]
    share = "" if result.min_support == 0.5 else f", each with more than {format_percent(result.min_support)} behind it"
    facts = {
        "consensus": f"of {join_words(result.annotators, 6)}, by {_METHODS[result.method]}{share}",
        "drawn": f"{count_noun(result.drawn, 'segment')} by all of them",
        "undecided": _undecided_text(result),
        "left out": _left_out(result),
        "alone": _lone_text(result),
        "one vote": _one_vote(result),
    }
    for name, fact in facts.items():
        if fact:
            lines += console.wrap(fact, f"{name:<11}", " " * 11)
    lines += [line for remark in result.remarks for line in console.wrap(remark)]
    if result.against_others:
        lines += ["", *_against(result, console)]
    if result.defect_list:
        lines += ["", *_defects(result, console)]
    return "\n".join(lines) + "\n"


def _undecided_text(result: Consensus) -> str:
    if not result.without_consensus.regions:
        return "nothing"
    undecided = result.without_consensus
    share = format_percent(undecided.pixels / max(undecided.of_pixels, 1))
    where = f"{count_noun(undecided.pixels, 'pixel')} in {count_noun(undecided.regions, 'region')}, "
    where += f"{share} of all labelled pixels"
    if undecided.category is None:
        files = "undecided.csv and undecided.json list each annotator's categories there"
        return f"{where}; unlabelled in the dataset, whose {files}"
    new = ", a new category: the taxonomy had none that is void" if undecided.is_new else ""
    return f"{where}; {undecided.category!r} in the dataset{new}"


def _left_out(result: Consensus) -> str:
    parts = []
    if result.rejected:
        parts.append(f"{count_noun(result.rejected, 'thing')} that too few drew")
    if result.disputed:
        parts.append(f"{count_noun(result.disputed, 'thing')} in dispute, whose pixels are undecided")
    return join_words(parts)


def _lone_text(result: Consensus) -> str:
    if not result.alone:
        return ""
    images = count_noun(len(result.alone), "image")
    return f"{images} with fewer than two annotators, left unannotated: {join_words(result.alone, 3)}"


def _one_vote(result: Consensus) -> str:
    """A sentence about annotators whose work counts as one vote."""
    pairs = [
        f"{work.a} and {work.b} in {count_noun(work.one_voice, 'image')}, with "
        f"{score_with_interval('missed', work.identical)} of their segments identical"
        for work in result.identical
        if work.stands and work.one_voice
    ]
    return f"{join_words(pairs)}: copies, or one draft that both kept" if pairs else ""


def _defects(result: Consensus, console: Console) -> Iterator[str]:
    errors = f", {count_noun(result.n_errors, 'error')}: what they concern may be missing" if result.n_errors else ""
    style = "error" if result.n_errors else "warning"
    return reading_defects(result.defect_list, console, lambda defect: defect.annotator, style, errors)


def _against(result: Consensus, console: Console) -> Iterator[str]:
    things = any(row.f1.n for row in result.against_others)
    heads = ["annotator", "images", "IoU", "missed", "extra", "larger by"]
    heads[3:3] = ["F1 of things"] if things else []
    yield console.paint("each annotator against the consensus of the others", "bold")
    yield from table(heads, [_consensus_row(row, things) for row in result.against_others])
    explanation = (
        "IoU of the pixels of all images, mean by category, with its interval. missed: the share of the others' pixels "
        "that the annotator lacks and would gain; extra: the share of the annotator's that would be lost; larger by: "
        "where boundaries are, in px, or mm where the spacing is known."
    )
    if len(result.annotators) == 2:
        explanation += " With two annotators each is compared with the other."
    yield from console.wrap(explanation, style="dim")
    for row in result.against_others:
        lowest = sorted(row.categories, key=lambda category: category.value.value)[:_MAX_WORST_CATEGORIES]
        if len(row.categories) > 1:
            scores = (
                f"{lowest_score.category} {score_with_interval(lowest_score.score, lowest_score.value)}"
                for lowest_score in lowest
            )
            yield from console.wrap(f"{row.annotator}, least with the others: {', '.join(scores)}", "", "  ")


def _consensus_row(row: AgainstOthers, things: bool) -> list[str]:
    cells = [
        shorten(row.annotator, 20),
        f"{row.images:,}",
        score_with_interval("iou_micro", row.iou_micro),
        format_score("missed", row.missed.value),
        format_score("extra", row.extra.value),
        format_score("offset", row.boundary_offset.value, signed=True),
    ]
    cells[3:3] = [score_with_interval("f1", row.f1)] if things else []
    return cells


def consensus_json(result: Consensus) -> str:
    """The report as JSON; the same input gives the same text."""
    return format_json(encode_result(result, ConsensusReport, rounded=True))


def undecided_csv(regions: Iterable[UndecidedRegion], annotators: Sequence[str]) -> str:
    """A line for each undecided region, with a column for each annotator: the category, or categories and pixels."""
    rows = [
        [region.image, *region.bbox, region.pixels, *(_region_text(region, name) for name in annotators)]
        for region in regions
    ]
    return csv_text(["image", "x", "y", "width", "height", "pixels", *annotators], rows)


def undecided_json(regions: Iterable[UndecidedRegion]) -> str:
    """The undecided regions as JSON, an `UndecidedReport` with one region per line."""
    return format_json(encode_result(UndecidedReport(version=1, regions=tuple(regions))))


def _region_text(region: UndecidedRegion, name: str) -> str:
    """The categories that one annotator gives a region; empty if the image is not annotated."""
    votes = region.votes.get(name, [])
    return votes[0].category if len(votes) == 1 else ", ".join(f"{vote.category} {vote.pixels} px" for vote in votes)
