"""Work compared with a reference: evaluation of models, acceptance of deliveries, rework in a review."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np

from segdata.agreement.acceptance import DeliveryQuality, InspectedImage, Inspection, SamplingPlan, operating_curve
from segdata.agreement.evaluation import EVALUATION_SCORES, CategoryEvaluation, Evaluation, ModelEvaluation
from segdata.agreement.results import Score, Share
from segdata.agreement.rework import ReworkCounts, ReworkSummary
from segdata.core.errors import count_noun
from segdata.report.agreement.wording import tolerance_cells, tolerance_in_words
from segdata.report.console import Console, shorten, table
from segdata.report.encoding import csv_number, csv_text, encode_result, format_json

_LEFT_OUT = 5  # remarks of a text report
_OF_CATEGORIES = ("iou", "dice", "pq", "sq", "rq", "ap")


def evaluation_text(found: Sequence[Evaluation], paper: Console) -> str:
    """Each model: its figures with intervals, COCO's twelve numbers, and the categories, the worst ones first."""
    lines = [paper.paint("segdata evaluate", "bold")]
    for each in found:
        lines += ["", paper.paint(f"  {each.model}: {count_noun(each.images, 'image')}", "bold")]
        lines += [line for said in each.left_out[:_LEFT_OUT] for line in paper.wrap(f"left out: {said}", "  ", "    ")]
        if len(each.left_out) > _LEFT_OUT:
            lines.append(f"  left out: {len(each.left_out) - _LEFT_OUT:,} more; --format json has all")
        lines += _scores(each, paper)
        ordered = sorted(each.categories, key=lambda category: (math.isnan(category.iou), category.iou))
        cells = [
            [shorten(one.category, 24), *(_rounded(getattr(one, name)) for name in _OF_CATEGORIES)] for one in ordered
        ]
        lines += ["", *(f"  {line}" for line in table(("category", *_OF_CATEGORIES), cells))]
    return "\n".join(lines) + "\n"


def evaluation_csv(found: Sequence[Evaluation]) -> str:
    """A line for each model and category."""
    names = CategoryEvaluation.__struct_fields__
    rows = [
        [each.model, *(None if value != value else value for value in msgspec.structs.astuple(category))]
        for each in found
        for category in each.categories
    ]
    return csv_text(["model", *names], rows)


def _scores(each: Evaluation, paper: Console) -> Iterator[str]:
    for name, meaning in EVALUATION_SCORES.items():
        value = getattr(each.scores, name)
        ends = "" if math.isnan(value.low) else f" ({value.low:.3f} to {value.high:.3f})"
        yield from paper.wrap(f"{name:<5}{_rounded(value.value)}{ends}  {meaning}", "  ", "       ")
    if not math.isnan(each.ap.AP):
        words = [f"{name} {_rounded(value)}" for name, value in msgspec.structs.asdict(each.ap).items()]
        yield from paper.wrap(words, "  ", "       ")


def _rounded(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


class EvaluationReport(msgspec.Struct, frozen=True, kw_only=True):
    """Models against a reference, by name; undefined numbers are null."""

    version: Literal[1] = 1
    models: tuple[ModelEvaluation, ...]


def evaluation_json(found: Sequence[Evaluation]) -> str:
    """The report as JSON, in full precision; the same input gives the same text."""
    return format_json({"version": 1, "models": [encode_result(each, ModelEvaluation) for each in found]})


_SHOWN = 10  # images of a text report
_STEPS = 11  # of the operating curve


def plan_text(plan: SamplingPlan, quality: DeliveryQuality, paper: Console) -> str:
    """What to inspect, and what becomes of deliveries of any quality."""
    of = "a delivery" if plan.lot is None else f"{plan.lot:,} images"
    lines = [paper.paint("segdata acceptance plan", "bold")]
    said = f"inspect {plan.sample:,} of {of}, drawn at random; accept where at most {plan.accept:,} are defective"
    lines += paper.wrap(said, "  ")
    lines += paper.wrap(_risks(plan, quality), "  ", style="dim")
    return "\n".join([*lines, "", *_curve(plan)]) + "\n"


def inspection_text(found: Inspection, quality: DeliveryQuality, paper: Console) -> str:
    """Accepted or not, why, how sure that is, and the worst images."""
    style = {"accepted": "good", "rejected": "error", "undecided": "warning"}[found.decision]
    lines = [paper.paint("segdata acceptance judge", "bold"), "  " + paper.paint(found.decision, style)]
    for said in _reasons(found, quality):
        lines += paper.wrap(said, "  ")
    lines += paper.wrap(f"tolerance of boundaries: {tolerance_in_words(found.tolerance)}", "  ", style="dim")
    if found.missing:
        names = ", ".join(found.missing[:3]) + (" …" if len(found.missing) > 3 else "")
        lines += paper.wrap(
            f"{count_noun(len(found.missing), 'gold image')} did not come back: {names}", "  ", style="warning"
        )
    lines += ["", *_images(found, paper)]
    if found.plan is not None:
        lines += ["", *_curve(found.plan)]
    return "\n".join(lines) + "\n"


def _reasons(found: Inspection, quality: DeliveryQuality) -> Iterator[str]:
    n = len(found.inspected)
    if not n:
        yield f"no gold image of the {found.lot:,} images delivered came back in its size: nothing was inspected"
        return
    yield (
        f"defective: {found.wrong:,} of {count_noun(n, 'gold image')}, {found.rate:.1%} "
        f"({found.low:.1%} to {found.high:.1%} of the {found.lot:,} delivered, 95 %)"
    )
    if found.plan is None:
        yield (
            f"too few were inspected: even without a defect a delivery with {quality.limit:.1%} defects "
            f"would be accepted more often than in {quality.consumer_risk:.0%} of cases"
        )
    else:
        yield (
            f"at most {found.plan.accept:,} may be, so that a delivery with {quality.limit:.1%} defects is accepted in "
            f"at most {quality.consumer_risk:.0%} of cases; one with {quality.acceptable:.1%} is rejected in "
            f"{found.producer_risk:.0%}"
        )
    if n < found.needed.sample:
        yield f"to keep both risks, hide {found.needed.sample:,} and allow {found.needed.accept:,}"


def _risks(plan: SamplingPlan, quality: DeliveryQuality) -> str:
    good, bad = (float(plan.chance(rate)) for rate in (quality.acceptable, quality.limit))
    return (
        f"a delivery with {quality.acceptable:.2%} defects is rejected in {1 - good:.1%} of cases, one with "
        f"{quality.limit:.2%} is accepted in {bad:.1%}"
    )


def _curve(plan: SamplingPlan) -> list[str]:
    every = operating_curve(plan)
    some = every.take(np.linspace(0, len(every) - 1, _STEPS).astype(np.int64))
    rows = [
        [f"{rate:.2%}", f"{accepted:.1%}", f"{outgoing:.2%}"]
        for rate, accepted, outgoing in some.lines("rate", "accepted", "outgoing")
    ]
    return table(("defective", "accepted", "left after mending"), rows, left=())


def _images(found: Inspection, paper: Console) -> list[str]:
    rows = [_row(each) for each in found.inspected[:_SHOWN]]
    if not rows:
        return []
    lines = table(("image", "annotator", "what", "value", "bar", ""), rows, left=(0, 1, 2, 5))
    more = len(found.inspected) - len(rows)
    return [shorten(line, paper.width) for line in lines] + ([f"… and {more:,} more"] if more else [])


def _row(each: InspectedImage) -> list[str]:
    what = f"{each.metric} of {each.category or 'all'}" if each.metric else "nothing to draw"
    value, bar = (f"{number:.3f}" if number == number else "" for number in (each.value, each.bar))
    verdict = "defective" if each.defective else ""
    return [shorten(each.image, 30), shorten(each.annotator, 16), what, value, bar, verdict]


class OperatingCurve(msgspec.Struct, frozen=True, kw_only=True):
    """The share of deliveries accepted at each `rate` of defective images.

    `outgoing`: the defects that remain if rejected deliveries are corrected.
    """

    rate: tuple[Share, ...]
    accepted: tuple[Share, ...]
    outgoing: tuple[Share, ...]


class PlanReport(SamplingPlan, frozen=True, kw_only=True):
    """How many images to inspect, and what happens to deliveries of any quality."""

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


def inspection_json(found: Inspection) -> str:
    """The inspection of a delivery as JSON."""
    return format_json(encode_result(found, Inspection))


_EXPLAINED = (  # {}: the tolerance
    "reworked: the share of segments that were deleted, added, recategorised (recat), or whose boundary was moved "
    "by more than {}; pixels: the share that changed; passed: the share of annotations in which none of this "
    "was done"
)
_RATES = ("rework", "pixels", "passed")
_COUNTS = ("images", "segments", "deleted", "added", "recategorised", "moved")


def rework_text(found: ReworkSummary, paper: Console) -> str:
    """Everybody's work first, then each annotator's; of each all categories, then the most corrected ones."""
    lines = [paper.paint("segdata rework", "bold")]
    said = f"{count_noun(found.images, 'annotation')} before and after a review"
    if found.unreviewed:
        said += f"; {found.unreviewed:,} more have no counterpart"
    lines += paper.wrap(said, "  ")
    for annotator in dict.fromkeys(each.annotator for each in found.rows):
        rows = [each for each in found.rows if each.annotator == annotator]
        if annotator is not None and len({each.annotator for each in found.rows}) == 2:
            continue  # everybody is one person
        lines += ["", paper.paint(f"  {annotator or 'all annotators'}", "bold"), *_rows(rows, paper)]
    lines += ["", *paper.wrap(_EXPLAINED.format(tolerance_in_words(found.tolerance)), "  ", style="dim")]
    return "\n".join(lines) + "\n"


def rework_csv(found: ReworkSummary) -> str:
    """A line for each annotator and category; an empty name stands for all of them."""
    rows = []
    for each in found.rows:
        rates = [getattr(each, name) for name in _RATES]
        numbers = [csv_number(number) for rate in rates for number in (rate.value, rate.low, rate.high)]
        counts = [getattr(each, name) for name in _COUNTS]
        rows.append([each.annotator, each.category, *counts, *numbers, *tolerance_cells(found.tolerance)])
    ends = [f"{name}{end}" for name in _RATES for end in ("", "_low", "_high")]
    return csv_text(["annotator", "category", *_COUNTS, *ends, "tolerance_px", "tolerance_mm"], rows)


def _rows(rows: Sequence[ReworkCounts], paper: Console) -> list[str]:
    ordered = [rows[0], *sorted(rows[1:], key=lambda each: (-each.rework.value, each.category or ""))]
    cells = [
        [
            shorten(each.category or "all", 16),
            *(f"{getattr(each, name):,}" for name in ("segments", "deleted", "added", "recategorised", "moved")),
            _share(each.rework),
            *("-" if math.isnan(rate.value) else f"{rate.value:.1%}" for rate in (each.pixels, each.passed)),
        ]
        for each in ordered
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


def rework_json(found: ReworkSummary) -> str:
    """All rows as JSON; the same input gives the same text."""
    return format_json({**encode_result(found), "version": 1})
