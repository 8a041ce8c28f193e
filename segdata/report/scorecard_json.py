"""The JSON report of a scorecard; `schemas/scorecard.schema.json` is made from these types."""

from dataclasses import asdict
from typing import Any, Literal

import msgspec

from segdata.agreement.scorecard import Scorecard
from segdata.core.config import Metric
from segdata.report.agreement_types import Count, Score, Share, Tolerances, tolerances
from segdata.report.json_format import format_json, replace_nan
from segdata.report.rework_json import Reviewed, reviewed

VERSION: Literal[1] = 1


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """A month, ``2026-03``: images, their mean score, and by how much that is beyond the annotator's own mean."""

    month: str
    images: Count
    score: float | None
    beyond: float | None


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """By how much the scores change a month, mix of images left out of account.

    null: the work is not known to be from two months. `p` null: too few images to test. `same_images`: the scores are
    held against others' on the same images.
    """

    months: tuple[Month, ...]
    slope: float | None
    low: float | None
    high: float | None
    p: Share | None
    same_images: bool


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """Some of an annotator's worst work: the score against `other`, how many pixels only one of both has, and why.

    `guideline`: what the taxonomy says about that; null: nothing.
    """

    image: str
    category: str
    other: str
    value: float
    pixels: Count
    cause: Literal["missed", "extra", "confused", "boundary"]
    guideline: str | None


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One annotator.

    `timed`: images of which the time is known, `seconds` of all these together, and the medians of an image and of a
    segment. `passed`: the share of reviewed annotations that were accepted as they were, `n` of them. `stands`: the
    trend is one of those that stand when all annotators' are taken together.
    """

    annotator: str
    images: Count
    segments: Count
    timed: Count
    seconds: float | None
    seconds_per_image: float | None
    seconds_per_segment: float | None
    passed: Score
    score: Score
    trend: Trend
    stands: bool
    worst: tuple[Example, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All annotators but the reference `gold` (null: there is none, and everybody is held against the others).

    `review`: what the review of their work changed; null: the work before it was not given.
    """

    version: Literal[1]
    cards: tuple[Card, ...]
    gold: str | None
    metric: Metric
    confidence: Share
    tolerance: Tolerances
    review: Reviewed | None


def to_json(found: Scorecard) -> str:
    """Everything, months and examples too; what is undefined is null."""
    near = msgspec.to_builtins(tolerances(found.tolerance))
    review = None if found.review is None else reviewed(found.review)
    told = {"version": VERSION, **replace_nan(asdict(found)), "tolerance": near, "review": review}
    report: dict[str, Any] = msgspec.to_builtins(msgspec.convert(told, Report))  # Any: JSON
    return format_json(report)


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(Report)
