"""The text reports of acceptance: of a plan with its operating curve, and of the inspection of a delivery."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import numpy as np

from segdata.agreement.acceptance import DeliveryQuality, InspectedImage, Inspection, SamplingPlan, operating_curve
from segdata.agreement.results import Share
from segdata.core.errors import count_noun
from segdata.report.agreement.wording import tolerance_in_words
from segdata.report.console import Console, shorten, table
from segdata.report.json_format import encode_result, format_json, result_schema

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


def to_text(found: Inspection, quality: DeliveryQuality, paper: Console) -> str:
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
    """The operating curve, in a few steps."""
    every = operating_curve(plan)
    some = every.take(np.linspace(0, len(every) - 1, _STEPS).astype(np.int64))
    rows = [
        [f"{rate:.2%}", f"{accepted:.1%}", f"{outgoing:.2%}"]
        for rate, accepted, outgoing in some.lines("rate", "accepted", "outgoing")
    ]
    return table(("defective", "accepted", "left after mending"), rows, left=())


def _images(found: Inspection, paper: Console) -> list[str]:
    """The worst images."""
    rows = [_row(each) for each in found.inspected[:_SHOWN]]
    if not rows:
        return []
    lines = table(("image", "annotator", "what", "value", "bar", ""), rows, left=(0, 1, 2, 5))
    more = len(found.inspected) - len(rows)
    return [shorten(line, paper.width) for line in lines] + ([f"… and {more:,} more"] if more else [])


def _row(each: InspectedImage) -> list[str]:
    what = f"{each.metric} of {each.category or 'all'}" if each.metric else "nothing to draw"
    value, bar = (f"{number:.3f}" if number == number else "" for number in (each.value, each.bar))
    return [
        shorten(each.image, 30),
        shorten(each.annotator, 16),
        what,
        value,
        bar,
        "defective" if each.defective else "",
    ]


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


def to_json(found: Inspection) -> str:
    """The inspection of a delivery as JSON."""
    return format_json(encode_result(found, Inspection))


def acceptance_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of an inspection."""
    return result_schema(Inspection)


def plan_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of a plan."""
    return result_schema(PlanReport)
