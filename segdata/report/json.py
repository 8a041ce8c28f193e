"""The JSON report of a validation; `schemas/findings.schema.json` is made from these types."""

import json
import math
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Correction, Finding, Severity
from segdata.core.validation import Validation

VERSION = 1
Count = Annotated[int, msgspec.Meta(ge=0)]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding: what a rule found, where, and how much.

    `image` is null for a finding about the dataset, `annotator` where there is only one, `segments` are the source's
    own ids, `bbox` is [x, y, width, height] in pixels, `place` a JSON pointer, an XPath or a pixel. `correction` is
    what a model proposes instead, and only there where one does; its `counts` are COCO compressed RLE strings. `kind`
    is there where a rule tells several things apart: missed, extra, confused or offset of SEG406.
    """

    code: str
    rule: str
    severity: Severity
    image: str | None
    annotator: str | None
    segments: tuple[int | str, ...]
    category: str | None
    message: str
    bbox: Annotated[tuple[int, ...], msgspec.Meta(min_length=4, max_length=4)] | None
    pixels: int | None
    score: float | None
    file: str | None
    line: int | None
    place: str | None
    fix: Literal["safe", "unsafe"] | None
    correction: Correction | None = None
    kind: str | None = None

    def finding(self) -> Finding:
        """The finding that the row is of."""
        return Finding(**{name: getattr(self, name) for name in Finding.__dataclass_fields__})


class Counts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much was checked, and how much was found, whatever is listed; `suppressed` comes on top of it.

    So does `decided`, what reviewers have decided, which is there where there is any. With a baseline `known` counts
    the findings that it has, too, which come on top, and `fixed` those that are gone.
    """

    images: Count
    segments: Count
    errors: Count
    warnings: Count
    infos: Count
    by_code: dict[str, Count]
    suppressed: Count
    decided: Count = 0
    known: Count | None = None
    fixed: Count | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of one run, worst first, then by code, image and place; `omitted` counts those not listed.

    With a baseline these are the new ones; `known` are those that it has, too, `fixed` those that are not there now.
    """

    version: Literal[1]
    dataset: str
    summary: Counts
    findings: tuple[Row, ...]
    omitted: Count = 0
    known: tuple[Row, ...] = ()
    fixed: tuple[Row, ...] = ()


def to_json(
    validation: Validation,
    max_findings: int | None = None,
    more: Mapping[str, Any] | None = None,  # Any: JSON
) -> str:
    """The report as JSON, a line per finding; the same input gives the same text.

    `max_findings`: list at most so many; the summary counts all. `more`: further keys, before the findings.
    """
    listed, baseline = validation.findings[:max_findings], validation.baseline
    head: dict[str, Any] = {  # Any: JSON
        "version": VERSION,
        "dataset": validation.dataset,
        "summary": _summary(validation),
        **(more or {}),
    }
    lines = [f'  "{name}": {_text(value)},' for name, value in head.items()]
    lines.append(_listed("findings", listed))
    if baseline is not None:
        lines += [_listed("known", baseline.known[:max_findings]), _listed("fixed", baseline.fixed[:max_findings])]
    lines.append(f'  "omitted": {len(validation.findings) - len(listed)}')
    return "\n".join(["{", *lines, "}", ""])


def to_jsonl(validation: Validation, max_findings: int | None = None) -> str:
    """The findings as JSON, one a line and nothing else, for programs that read line by line."""
    return "".join(f"{_text(_plain(finding))}\n" for finding in validation.findings[:max_findings])


def baseline_json(validation: Validation) -> str:
    """The report to hold later runs against: all findings, those that an earlier baseline has included."""
    return to_json(replace(validation, findings=validation.every, baseline=None))


def read_findings(path: Path) -> tuple[Finding, ...]:
    """All findings of a report, new or known; raises SegdataError where the file is no whole report."""
    remedy = "make one with --write-baseline, or --format json"
    try:
        if path.is_char_device() or path.is_block_device():
            raise SegdataError(f"{path}: is a device, and no file; {remedy}")
        report = msgspec.json.decode(path.read_bytes().removeprefix(BOM_UTF8), type=Report)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    except msgspec.DecodeError as error:
        raise SegdataError(f"{path}: is no report of findings: {error}; {remedy}") from error
    if report.omitted:
        raise SegdataError(f"{path}: leaves out {report.omitted:,} findings; make it without --max-findings")
    return tuple(row.finding() for row in report.findings + report.known)


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(Report)


def _summary(validation: Validation) -> dict[str, Any]:  # Any: JSON
    baseline = validation.baseline
    counts = Counts(
        images=validation.n_images,
        segments=validation.n_segments,
        errors=validation.count("error"),
        warnings=validation.count("warning"),
        infos=validation.count("info"),
        by_code=validation.by_code,
        suppressed=validation.suppressed,
        decided=validation.decided,
        known=None if baseline is None else len(baseline.known),
        fixed=None if baseline is None else len(baseline.fixed),
    )
    return msgspec.to_builtins(counts)  # type: ignore[no-any-return]  # a struct becomes a dict


def _listed(name: str, findings: Sequence[Finding]) -> str:
    rows = ",\n".join(f"    {_text(_plain(finding))}" for finding in findings)
    return f'  "{name}": [\n{rows}\n  ],' if rows else f'  "{name}": [],'


def _plain(finding: Finding) -> dict[str, Any]:  # Any: JSON
    return msgspec.to_builtins(_row(finding))  # type: ignore[no-any-return]  # a struct becomes a dict


def _row(finding: Finding) -> Row:
    values = {name: getattr(finding, name) for name in Row.__struct_fields__}
    if finding.score is not None and not math.isfinite(finding.score):
        values["score"] = None
    return Row(**values)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
