"""Reports: the findings of a JSON report of any command that finds something."""

from codecs import BOM_UTF8
from pathlib import Path

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.report.json import Row


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON reports have in common."""

    findings: tuple[Row, ...]
    known: tuple[Row, ...] = ()


def findings_of(path: Path) -> list[Finding]:
    """The findings that a report lists, those that its baseline has included.

    Takes the JSON and JSON-lines reports of `validate`, and the JSON reports of `agreement` and `flag`. Raises
    SegdataError where the file is none.
    """
    remedy = "make one with --format json"
    try:
        text = path.read_bytes().removeprefix(BOM_UTF8)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    try:
        rows = _rows(text)
    except msgspec.DecodeError as error:
        raise SegdataError(f"{path}: is no report of findings: {error}; {remedy}") from error
    names = Finding.__dataclass_fields__
    return [Finding(**{name: getattr(row, name) for name in names}) for row in rows]


def _rows(text: bytes) -> list[Row]:
    if text.lstrip().startswith(b'{"code"'):  # a finding a line
        return msgspec.json.Decoder(Row).decode_lines(text)
    report = msgspec.json.decode(text, type=_Report)
    return [*report.findings, *report.known]
