"""The JSON report of a validation; `schemas/findings.schema.json` is made from these types."""

import json
import math
from typing import Annotated, Any, Literal

import msgspec

from segdata.core.finding import Finding, Severity
from segdata.core.validation import Validation

VERSION = 1
Count = Annotated[int, msgspec.Meta(ge=0)]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: what a rule found, where, and how much.

    `image` is null for a finding about the dataset, `annotator` where there is only one, `segments` are the source's
    own ids, `bbox` is [x, y, width, height] in pixels, `place` a JSON pointer, an XPath or a pixel.
    """

    code: str
    rule: str
    severity: Severity
    image: str | None
    annotator: str | None
    segments: tuple[int | str, ...]
    category: str | None
    message: str
    bbox: tuple[int, int, int, int] | None
    pixels: int | None
    score: float | None
    file: str | None
    line: int | None
    place: str | None
    fix: Literal["safe", "unsafe"] | None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much was checked, and how much was found, whatever is listed; `suppressed` comes on top of it."""

    images: Count
    segments: Count
    errors: Count
    warnings: Count
    infos: Count
    by_code: dict[str, Count]
    suppressed: Count


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of one run, worst first, then by code, image and place; `omitted` counts those not listed."""

    version: Literal[1]
    dataset: str
    summary: Counts
    findings: tuple[Row, ...]
    omitted: Count = 0


def to_json(validation: Validation, max_findings: int | None = None) -> str:
    """The report as JSON, a line per finding; the same input gives the same text.

    `max_findings`: list at most so many; the summary counts all.
    """
    listed = validation.findings[:max_findings]
    head: dict[str, Any] = {  # Any: JSON
        "version": VERSION,
        "dataset": validation.dataset,
        "summary": _summary(validation),
    }
    lines = [f'  "{name}": {_text(value)},' for name, value in head.items()]
    rows = ",\n".join(f"    {_text(msgspec.to_builtins(_row(finding)))}" for finding in listed)
    lines.append(f'  "findings": [\n{rows}\n  ],' if rows else '  "findings": [],')
    lines.append(f'  "omitted": {len(validation.findings) - len(listed)}')
    return "\n".join(["{", *lines, "}", ""])


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(Report)


def _summary(validation: Validation) -> dict[str, Any]:  # Any: JSON
    counts = Counts(
        images=validation.n_images,
        segments=validation.n_segments,
        errors=validation.count("error"),
        warnings=validation.count("warning"),
        infos=validation.count("info"),
        by_code=validation.by_code,
        suppressed=validation.suppressed,
    )
    return msgspec.to_builtins(counts)  # type: ignore[no-any-return]  # a struct becomes a dict


def _row(finding: Finding) -> Row:
    values = {name: getattr(finding, name) for name in Row.__struct_fields__}
    if finding.score is not None and not math.isfinite(finding.score):
        values["score"] = None
    return Row(**values)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
