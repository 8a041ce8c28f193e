"""The reports of an evaluation: a model's figures against a reference, as text and CSV."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from segdata.agreement.evaluation import EVALUATION_SCORES, CategoryEvaluation, Evaluation, ModelEvaluation
from segdata.core.errors import count_noun
from segdata.report.console import Console, shorten, table
from segdata.report.json_format import encode_result, format_json, result_schema

_LEFT_OUT = 5  # remarks of a text report
_OF_CATEGORIES = ("iou", "dice", "pq", "sq", "rq", "ap")


def to_text(found: Sequence[Evaluation], paper: Console) -> str:
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


def to_csv(found: Sequence[Evaluation]) -> str:
    """A line for each model and category."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = CategoryEvaluation.__struct_fields__
    writer.writerow(["model", *names])
    for each in found:
        for category in each.categories:
            values = (getattr(category, name) for name in names)
            writer.writerow([each.model, *("" if value != value else value for value in values)])
    return out.getvalue()


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


def to_json(found: Sequence[Evaluation]) -> str:
    """The report as JSON, in full precision; the same input gives the same text."""
    return format_json({"version": 1, "models": [encode_result(each, ModelEvaluation) for each in found]})


def evaluation_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return result_schema(EvaluationReport)
