"""The JSON report of a review; `schemas/rework.schema.json` is made from these types."""

from dataclasses import asdict
from typing import Any, Literal

import msgspec

from segdata.agreement.rework import ReworkSummary
from segdata.report.agreement_types import Count, Score, Share, Tolerances, tolerances
from segdata.report.json_format import format_json, replace_nan

VERSION: Literal[1] = 1


class Rework(msgspec.Struct, frozen=True, kw_only=True):
    """What was corrected in one annotator's work (null: everybody's), of one category (null: of all).

    `images`: annotations that have something of it, before or after. Of the `segments` before the review some were
    deleted, recategorised, or their boundary moved; `added` come on top. `rework`: the share that all four are;
    `pixels`: of the pixels that changed; `passed`: of the annotations in which nothing of this was done.
    """

    annotator: str | None
    category: str | None
    images: Count
    segments: Count
    deleted: Count
    added: Count
    recategorised: Count
    moved: Count
    rework: Score
    pixels: Score
    passed: Score


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """What a review changed in `images` annotations, in so many clusters; `unreviewed` have no counterpart.

    `rows`: everybody's together first, then by annotator; of each all categories together first. `tolerance`: what
    was moved by less was not corrected.
    """

    images: Count
    clusters: Count
    unreviewed: Count
    rows: tuple[Rework, ...]
    confidence: Share
    tolerance: Tolerances


class Report(Reviewed, frozen=True, kw_only=True):
    """The report of `segdata rework`."""

    version: Literal[1]


def reviewed(found: ReworkSummary) -> dict[str, Any]:  # Any: JSON
    """A review as JSON has it; what is undefined is null."""
    return {**replace_nan(asdict(found)), "tolerance": msgspec.to_builtins(tolerances(found.tolerance))}


def to_json(found: ReworkSummary) -> str:
    """All rows; the same input gives the same text."""
    report: dict[str, Any] = msgspec.to_builtins(msgspec.convert({"version": VERSION, **reviewed(found)}, Report))
    return format_json(report)


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(Report)
