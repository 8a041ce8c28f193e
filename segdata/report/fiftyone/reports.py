"""Reports: the findings of a JSON report of any command that finds something."""

from codecs import BOM_UTF8
from pathlib import Path

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.report.json import Row


class _Flag(msgspec.Struct, frozen=True):
    """What a report of `flag` tells of how it was made."""

    predictions: str | None = None


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON reports have in common."""

    findings: tuple[Row, ...]
    known: tuple[Row, ...] = ()
    flag: _Flag = _Flag()


def predictions_of(path: Path) -> Path | None:
    """The folder of predictions that a report of `flag` was made with; None where it tells none, or that is gone.

    A name that is not found from where we are is one beside the report.
    """
    report = _read(path)
    folder = None if isinstance(report, list) else report.flag.predictions
    places = () if folder is None else (Path(folder), path.parent / folder)
    return next((place for place in places if place.is_dir()), None)


def findings_of(path: Path) -> list[Finding]:
    """The findings that a report lists, those that its baseline has included.

    Takes the JSON and JSON-lines reports of `validate`, and the JSON reports of `agreement` and `flag`. Raises
    SegdataError where the file is none.
    """
    report = _read(path)
    rows = report if isinstance(report, list) else [*report.findings, *report.known]
    return [row.finding() for row in rows]


def _read(path: Path) -> _Report | list[Row]:
    """A report, or the rows of one with a finding a line."""
    remedy = "make one with --format json"
    try:
        text = path.read_bytes().removeprefix(BOM_UTF8)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    try:
        if text.lstrip().startswith(b'{"code"'):
            return msgspec.json.Decoder(Row).decode_lines(text)
        return msgspec.json.decode(text, type=_Report)
    except msgspec.DecodeError as error:
        raise SegdataError(f"{path}: is no report of findings: {error}; {remedy}") from error
