"""The JSON report of `segdata report`; `schemas/report.schema.json` is made from these types."""

import math
from typing import Any, Literal

import msgspec

from segdata.campaign.costs import Costs
from segdata.core.finding import Severity
from segdata.report.label_errors import ErrorRow
from segdata.report.whole import Part, Whole, points


class PointRow(msgspec.Struct, frozen=True, kw_only=True):
    """One conclusion: which part it is from, how grave it is, what is so, the figures, and what to do."""

    part: Part
    severity: Severity | Literal["good"]
    head: str
    said: str
    act: str


class CostRow(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of work, the share of quality assurance in them, and what they cost at the rate in `segdata.yaml`.

    `known` is the share of annotations that say how long they took; `assumed` what was taken for the others.
    """

    annotation_hours: float
    double_annotation_hours: float
    review_hours: float
    assurance_share: float | None
    hours_per_error: float | None
    errors: int
    known: float | None
    assumed: str
    rate: float | None
    currency: str


class WholeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a dataset's quality, in words; the reports of the single commands have all figures."""

    version: Literal[1]
    dataset: str
    images: int
    segments: int
    findings: dict[str, int]
    points: tuple[PointRow, ...]
    label_errors: ErrorRow | None
    cost: CostRow | None
    notes: tuple[str, ...]


def whole_json(whole: Whole) -> str:
    """The report as JSON."""
    found = whole.validation
    report = WholeReport(
        version=1,
        dataset=found.dataset,
        images=found.n_images,
        segments=found.n_segments,
        findings=found.by_code,
        points=tuple(
            PointRow(part=each.part, severity=each.severity, head=each.head, said=each.said, act=each.act)
            for each in points(whole)
        ),
        label_errors=None if whole.errors is None else ErrorRow.of_errors(whole.errors),
        cost=None if whole.costs is None else _cost(whole.costs),
        notes=tuple(whole.notes),
    )
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(WholeReport)


def _cost(found: Costs) -> CostRow:
    return CostRow(
        annotation_hours=found.annotation,
        double_annotation_hours=found.again,
        review_hours=found.review,
        assurance_share=_defined(found.share),
        hours_per_error=_defined(found.per_error),
        errors=found.n_errors,
        known=_defined(found.known),
        assumed=found.assumed,
        rate=found.rate,
        currency=found.currency,
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
