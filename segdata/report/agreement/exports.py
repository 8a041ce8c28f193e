"""Exports of an agreement: JSON for programs, and CSV with one row per score for spreadsheets to pivot."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from segdata.agreement.results import Agreement, Score
from segdata.agreement.surface_distances import CategoryTolerance
from segdata.report.findings_json import FindingRow
from segdata.report.json_format import encode_result, format_json, result_schema

HEAD = (
    "scope",
    "annotator_a",
    "annotator_b",
    "category",
    "portion",
    "score",
    "value",
    "low",
    "high",
    "n",
    "n_undefined",
    "p",
    "stands",
)
_KINDS = ("missed", "extra", "confused", "boundary_offset")
Row = dict[str, str | int]


class AgreementReport(Agreement, frozen=True, kw_only=True):
    """The JSON report: an agreement whose findings are rows, as in every JSON report."""

    findings: tuple[FindingRow, ...]  # type: ignore[assignment]  # a row has the fields of a finding


def to_json(found: Agreement) -> str:
    """The report as JSON, a line per pair, category, annotator and finding; the same input gives the same text."""
    rows = [
        FindingRow(**{name: getattr(each, name) for name in FindingRow.__struct_fields__}) for each in found.findings
    ]
    plain = encode_result(msgspec.structs.replace(found, findings=()), rounded=True)
    return format_json({**plain, "findings": msgspec.to_builtins(rows)})


def agreement_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return result_schema(AgreementReport)


def to_csv(found: Agreement) -> str:
    """Rows of these scopes; a cell is empty where it says nothing, or the value is undefined.

    overall, pair, category: the scores of the JSON report. annotator: what `annotator_a` does with a category, with p
    and whether it stands. portion: scores of a portion of --by. difference: whether a score differs by portions; its
    value is that of `portion`. plan: how many images an interval takes, low and high are empty. disagreement: what the
    pixels in dispute of two annotators and a category are due to. volume: their sizes. contrast: by how much the pair
    `annotator_b` agrees more than the pair `annotator_a`. unchanged: how much of `annotator_a`'s work is the model
    `annotator_b`'s. tolerance: of boundaries, in px and mm. proposed tolerance: what annotators need against
    themselves, from n boundaries that they drew twice.
    """
    text = io.StringIO()
    rows = csv.DictWriter(text, HEAD, restval="", lineterminator="\n")
    rows.writeheader()
    rows.writerows(_rows(found))
    return text.getvalue()


def _rows(found: Agreement) -> Iterator[Row]:
    yield from _scores({"scope": "overall"}, found.overall.scores)
    for pair in found.pairs:
        two: Row = {"scope": "pair", "annotator_a": pair.a, "annotator_b": pair.b}
        yield from _scores(two, pair.scores)
        yield from _scores(two, pair.metrics if isinstance(pair.metrics, dict) else {})
    for category in found.categories:
        yield from _scores({"scope": "category", "category": category.category}, category.scores)
    for bias in found.annotator_bias:
        whose: Row = {"scope": "annotator", "annotator_a": bias.annotator, "category": bias.category}
        for name in _KINDS:
            kind = name.removeprefix("boundary_")
            tested: Row = {"p": _number(bias.p.get(kind, math.nan)), "stands": _flag(kind in bias.found)}
            yield whose | _score(name, getattr(bias, name)) | (tested if kind in bias.p else {})
    if found.by is not None:
        for portion in found.by.strata:
            yield from _scores({"scope": "portion", "portion": portion.name}, portion.scores)
        for each in found.by.differences:
            for portion, value in zip(found.by.strata, each.values, strict=True):
                yield {
                    "scope": "difference",
                    "category": each.category or "",
                    "portion": portion.name,
                    "score": each.score,
                    "value": _number(value),
                    "p": _number(each.p),
                    "stands": _flag(each.stands),
                }
    for need in found.plan:
        score = f"images for {need.score} ± {need.half_width:g}"
        wanted = "" if need.images is None else need.images
        yield {"scope": "plan", "category": need.category or "", "score": score, "value": wanted}
    yield from _compared(found)
    yield from _tolerance(found.tolerance)
    for name, own in found.tolerance.categories.items():
        yield from _tolerance(own, name)
    yield from _proposed(found)


def _compared(found: Agreement) -> Iterator[Row]:
    """Disagreements, volumes, contrasts, and what is a model's."""
    for due in found.disagreement:
        whose: Row = {"scope": "disagreement", "annotator_a": due.a, "annotator_b": due.b, "category": due.category}
        yield whose | {"score": "pixels", "value": due.pixels}
        for name in ("missed", "extra", "confused", "boundary"):
            yield whose | {"score": name, "value": _number(getattr(due, name))}
    for of in found.volumes:
        category: Row = {"scope": "volume", "category": of.category}
        yield from _scores(category, {"icc": of.icc, "icc_consistency": of.icc_consistency})
        for two in of.pairs:
            whose = category | {"annotator_a": two.a, "annotator_b": two.b}
            for name in ("size_a", "size_b", "difference"):
                yield whose | {"score": name, "value": _number(getattr(two, name)), "n": two.volumes}
            yield from _scores(whose, {"bias": two.bias, "lower": two.lower, "upper": two.upper})
    for each in found.contrasts:
        pairs: Row = {"annotator_a": ", ".join(each.first), "annotator_b": ", ".join(each.second)}
        tested: Row = {"p": _number(each.p), "stands": _flag(each.stands)}
        yield {"scope": "contrast"} | pairs | _score(each.score, each.difference) | tested
    for one in found.unchanged:
        whose = {"scope": "unchanged", "annotator_a": one.annotator, "annotator_b": one.model}
        yield from _scores(whose, {"share": one.share, "persons": one.persons})


def _proposed(found: Agreement) -> Iterator[Row]:
    for each in found.proposed_tolerance:
        yield {
            "scope": "proposed tolerance",
            "score": each.unit,
            "value": _number(each.value),
            "n": each.boundaries,
        }


def _tolerance(near: CategoryTolerance, category: str = "") -> Iterator[Row]:
    for name, value in (("px", near.pixels), ("mm", near.mm)):
        if value is not None:
            yield {"scope": "tolerance", "category": category, "score": name, "value": _number(value)}


def _scores(of: Row, scores: Mapping[str, Score]) -> Iterator[Row]:
    return (of | _score(name, value) for name, value in scores.items())


def _score(name: str, value: Score) -> Row:
    ends = {"value": _number(value.value), "low": _number(value.low), "high": _number(value.high)}
    return {"score": name, **ends, "n": value.n, "n_undefined": value.n_undefined}


def _number(value: float) -> str:
    """Six digits that count; what is not finite is empty."""
    return f"{value + 0.0:.6g}" if math.isfinite(value) else ""


def _flag(value: bool) -> str:
    return "yes" if value else "no"
