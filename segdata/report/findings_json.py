"""Findings as JSON: the report of a validation, and reading the findings of any JSON report back.

`schemas/findings.schema.json` is made from these types.
"""

import json
import math
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from segdata.core.errors import SegdataError, count_noun
from segdata.core.finding import Correction, Finding, Severity
from segdata.core.validation import Validation

VERSION = 1
Count = Annotated[int, msgspec.Meta(ge=0)]


class FindingRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding: what a rule found, where, and how much.

    `image` is null for a finding about the dataset, `annotator` if there is only one, `segments` are the ids of the
    source, `bbox` is [x, y, width, height] in pixels, `place` a JSON pointer, an XPath or a pixel. `correction` is
    the proposal of a model, if there is one; its `counts` are COCO compressed RLE strings. `kind` is present if a rule
    distinguishes several kinds: missed, extra, confused or offset of SEG406.
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
        """The row as a finding."""
        return Finding(**{name: getattr(self, name) for name in Finding.__dataclass_fields__})


class FindingCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much was checked and found, whatever is listed; `suppressed` findings are not included.

    Nor are the `decided` ones of reviewers; the field is present if there are any. With a baseline, `known` counts the
    findings that the baseline has as well, which are not included either, and `fixed` those that are gone.
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


class FindingsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of one run, worst first, then by code, image and place; `omitted` counts those not listed.

    With a baseline these are the new ones; `known` are in both, `fixed` only in the baseline.
    """

    version: Literal[1]
    dataset: str
    summary: FindingCounts
    findings: tuple[FindingRow, ...]
    omitted: Count = 0
    known: tuple[FindingRow, ...] = ()
    fixed: tuple[FindingRow, ...] = ()


def to_json(
    validation: Validation,
    max_findings: int | None = None,
    more: Mapping[str, Any] | None = None,  # Any: JSON
) -> str:
    """The report as JSON, a line per finding; the same input gives the same text.

    `max_findings`: the most findings to list; the summary counts all. `more`: further keys, before the findings.
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
    """The findings as JSON, one per line and nothing else, for programs that read line by line."""
    return "".join(f"{_text(_plain(finding))}\n" for finding in validation.findings[:max_findings])


def baseline_json(validation: Validation) -> str:
    """The report to compare later runs with: all findings, including those of an earlier baseline."""
    return to_json(replace(validation, findings=validation.every, baseline=None))


def read_baseline(path: Path) -> tuple[Finding, ...]:
    """All findings of a report, new or known; raises SegdataError if the file is not a complete report."""
    remedy = "create one with --write-baseline or --format json"
    try:
        if path.is_char_device() or path.is_block_device():
            raise SegdataError(f"{path}: is a device, not a file; {remedy}")
        report = msgspec.json.decode(path.read_bytes().removeprefix(BOM_UTF8), type=FindingsReport)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    except msgspec.DecodeError as error:
        raise SegdataError(f"{path}: is not a report of findings: {error}; {remedy}") from error
    if report.omitted:
        raise SegdataError(
            f"{path}: leaves out {count_noun(report.omitted, 'finding')}; create it without --max-findings"
        )
    return tuple(row.finding() for row in report.findings + report.known)


def findings_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(FindingsReport)


def _summary(validation: Validation) -> dict[str, Any]:  # Any: JSON
    baseline = validation.baseline
    counts = FindingCounts(
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


def _row(finding: Finding) -> FindingRow:
    values = {name: getattr(finding, name) for name in FindingRow.__struct_fields__}
    if finding.score is not None and not math.isfinite(finding.score):
        values["score"] = None
    return FindingRow(**values)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


class _FlagPart(msgspec.Struct, frozen=True):
    """The part of a `flag` report about its predictions."""

    predictions: str | None = None


class _AnyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON reports have in common."""

    findings: tuple[FindingRow, ...]
    known: tuple[FindingRow, ...] = ()
    flag: _FlagPart = _FlagPart()


def find_predictions(path: Path) -> Path | None:
    """The folder of predictions that a report of `flag` names; None if it names none, or the folder is gone.

    A relative name is looked up from the working directory, then from the folder of the report.
    """
    report = _read_report(path)
    folder = None if isinstance(report, list) else report.flag.predictions
    places = () if folder is None else (Path(folder), path.parent / folder)
    return next((place for place in places if place.is_dir()), None)


def load_findings(path: Path) -> list[Finding]:
    """The findings that a report lists, including those of its baseline.

    Reads the JSON and JSON-lines reports of `validate`, and the JSON reports of `agreement` and `flag`. Raises
    SegdataError for any other file.
    """
    report = _read_report(path)
    rows = report if isinstance(report, list) else [*report.findings, *report.known]
    return [row.finding() for row in rows]


def _read_report(path: Path) -> _AnyReport | list[FindingRow]:
    """A report, or the rows of a JSON-lines report."""
    remedy = "create one with --format json"
    try:
        text = path.read_bytes().removeprefix(BOM_UTF8)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    try:
        if text.lstrip().startswith(b'{"code"'):
            return msgspec.json.Decoder(FindingRow).decode_lines(text)
        return msgspec.json.decode(text, type=_AnyReport)
    except msgspec.DecodeError as error:
        raise SegdataError(f"{path}: is not a report of findings: {error}; {remedy}") from error
