"""The JSON report of an evaluation; `schemas/evaluation.schema.json` is made from these types."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import msgspec

from segdata.agreement.evaluation import EVALUATION_SCORES, Evaluation
from segdata.report.agreement_types import Count, scores_of
from segdata.report.json_format import format_json, replace_nan

VERSION: Literal[1] = 1
Scores = scores_of(
    "Scores", EVALUATION_SCORES, [], "A model's figures over all categories, with intervals over clusters of images."
)


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """COCO's twelve numbers: average precision and recall of masks; null: there is nothing to be found."""

    AP: float | None
    AP50: float | None
    AP75: float | None
    AP_small: float | None
    AP_medium: float | None
    AP_large: float | None
    AR1: float | None
    AR10: float | None
    AR100: float | None
    AR_small: float | None
    AR_medium: float | None
    AR_large: float | None


class OfCategory(msgspec.Struct, frozen=True, kw_only=True):
    """One category: IoU and Dice of the pixels of all images, PQ and what it is made of, and COCO's AP."""

    category: str
    id: int
    kind: str
    iou: float | None
    dice: float | None
    pq: float | None
    sq: float | None
    rq: float | None
    tp: Count
    fp: Count
    fn: Count
    ap: float | None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model against the reference `gold`, on the images that both annotated, in so many clusters.

    `left_out` says in words what could not be read or compared.
    """

    gold: str
    model: str
    images: Count
    clusters: Count
    scores: Scores  # type: ignore[valid-type]  # made from the scores
    ap: Precision
    categories: tuple[OfCategory, ...]
    left_out: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Models against a reference, by name; what is undefined is null."""

    version: Literal[1]
    models: tuple[Model, ...]


def to_json(found: Sequence[Evaluation]) -> str:
    """The report as JSON, in full precision; the same input gives the same text."""
    report = msgspec.convert({"version": VERSION, "models": [replace_nan(_told(each)) for each in found]}, Report)
    plainly: dict[str, Any] = msgspec.to_builtins(report)  # Any: JSON
    return format_json(plainly)


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(Report)


def _told(each: Evaluation) -> dict[str, Any]:  # Any: JSON
    """All but the curves."""
    return {
        "gold": each.gold,
        "model": each.model,
        "images": each.images,
        "clusters": each.clusters,
        "scores": {name: asdict(value) for name, value in each.scores.items()},
        "ap": dict(each.ap),
        "categories": [asdict(category) for category in each.categories],
        "left_out": each.left_out,
    }
