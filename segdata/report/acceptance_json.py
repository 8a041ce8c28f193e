"""The JSON reports of acceptance; the schemas of plans and of judgements are made from these types."""

from dataclasses import asdict
from typing import Any, Literal

import msgspec
import numpy as np

from segdata.agreement.acceptance import AcceptanceDecision, DeliveryQuality, Inspection, SamplingPlan, operating_curve
from segdata.report.agreement_types import Count, Share, Tolerances, tolerances
from segdata.report.json_format import format_json, replace_nan

VERSION: Literal[1] = 1


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a delivery must be like: the share of defective images that is fine, the one that is not, and the risks."""

    acceptable: Share
    limit: Share
    producer_risk: Share
    consumer_risk: Share


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The operating curve: of deliveries with these shares of defective images, how many are accepted.

    `outgoing`: what is left of the defects where rejected deliveries are mended.
    """

    rate: tuple[Share, ...]
    accepted: tuple[Share, ...]
    outgoing: tuple[Share, ...]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Inspect `sample` images, accept where at most `accept` are defective; `lot`: those delivered, null: no end."""

    sample: Count
    accept: Count
    lot: Count | None


class Plan(Sample, frozen=True, kw_only=True):
    """How many images to inspect, and what becomes of deliveries of any quality."""

    version: Literal[1]
    quality: Wanted
    curve: Curve


class Inspected(msgspec.Struct, frozen=True, kw_only=True):
    """One annotation of a gold image: what it reached at the bar that it missed by most, or reached by least.

    `category` null: of all together. `share`: how much of the bar is reached; null: neither drew anything.
    """

    image: str
    annotator: str
    category: str | None
    metric: str
    value: float | None
    bar: float | None
    share: float | None
    defective: bool


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the gold images say about a delivery of `lot` images.

    `decision`: undecided where the gold images are too few for the risks. `wrong` of those inspected are defective:
    `rate`, with the exact interval of the delivery's. `missing`: gold images that did not come back. `plan`: how many
    may be defective; null: too few were inspected. `needed`: the plan that keeps both risks.
    """

    version: Literal[1]
    decision: AcceptanceDecision
    lot: Count
    inspected: tuple[Inspected, ...]
    wrong: Count
    rate: Share | None
    low: Share
    high: Share
    missing: tuple[str, ...]
    plan: Sample | None
    needed: Sample
    producer_risk: Share | None
    quality: Wanted
    tolerance: Tolerances


def plan_json(plan: SamplingPlan, quality: DeliveryQuality) -> str:
    """A plan for programs, with 51 points of the curve."""
    found = operating_curve(plan)
    curve = {name: np.round(found[name], 6).tolist() for name in ("rate", "accepted", "outgoing")}
    report = {"version": VERSION, **asdict(plan), "quality": asdict(quality), "curve": curve}
    return _text(msgspec.convert(report, Plan))


def to_json(found: Inspection, quality: DeliveryQuality) -> str:
    """A judgement for programs; what is undefined is null."""
    rows = [{**asdict(each), "defective": each.defective} for each in found.inspected]
    report = {"version": VERSION, **asdict(found), "inspected": rows, "quality": asdict(quality)}
    report["tolerance"] = msgspec.to_builtins(tolerances(found.tolerance))
    return _text(msgspec.convert(replace_nan(report), Judgement))


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of a judgement."""
    return msgspec.json.schema(Judgement)


def plan_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of a plan."""
    return msgspec.json.schema(Plan)


def _text(report: msgspec.Struct) -> str:
    plainly: dict[str, Any] = msgspec.to_builtins(report)  # Any: JSON
    return format_json(plainly)
