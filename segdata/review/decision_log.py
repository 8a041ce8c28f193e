"""Decision log: reviewers' decisions in a file that only grows, and the files that decisions come from.

The log has one JSON object a line. `append_lines` writes whole lines or none, under a lock, whatever happens to the
program that writes. Exports of the HTML report hold the same decisions, and can be read into a log.
"""

import datetime
import os
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Literal

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Decision

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_DECODER = msgspec.json.Decoder(Decision)


class DecisionLog(msgspec.Struct, frozen=True):
    """The decisions in the order in which they were written; `torn`: an unfinished last line was left out."""

    decisions: tuple[Decision, ...]
    torn: bool = False


def append_decisions(path: Path, decisions: Iterable[Decision]) -> int:
    """Append decisions to a log, all or none, and flush them to disk; returns how many.

    Programs that write at the same time wait for each other. An unfinished last line of a killed program is cut off.
    Raises SegdataError if `read_decisions` would refuse a decision, or the file cannot be written; the log is then
    unchanged.
    """
    listed = list(decisions)
    written = [msgspec.json.encode(decision) for decision in listed]
    for line, decision in zip(written, listed, strict=True):
        _decode_decision(line, f"the decision of {decision.reviewer or 'nobody'} on {decision.image}")
    append_lines(path, written)
    return len(written)


def read_decisions(path: Path) -> list[Decision]:
    """The decisions of a log in the order in which they were written; none if there is no file.

    Raises SegdataError with file and line for a line that is not a decision. An unfinished last line is left out;
    `load_log` reports it.
    """
    return list(load_log(path).decisions)


def load_log(path: Path) -> DecisionLog:
    """Like `read_decisions`, and whether an unfinished last line was left out."""
    lines, torn = read_lines(path)
    return DecisionLog(tuple(_decode_decision(line, f"{path}:{number}") for number, line in lines), torn)


def check_decision(decision: Decision, where: str) -> Decision:
    """The decision; raises SegdataError, beginning with `where`, if the reviewer or the time is missing."""
    if not decision.reviewer.strip():
        raise SegdataError(f"{where}: is not a decision: it has no reviewer; add the name of the reviewer")
    if not _is_time(decision.time):
        remedy = "a time like 2026-01-31T12:30:59Z is expected"
        raise SegdataError(f"{where}: is not a decision: time is {decision.time!r}; {remedy}")
    return decision


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _decode_decision(line: bytes, where: str) -> Decision:
    try:
        decision = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SegdataError(f"{where}: is not a decision: {error}; correct the line, or delete it") from error
    return check_decision(decision, where)


try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # no file locks


def append_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Append lines of JSON to a file, all or none, and flush them to disk.

    Programs that write at the same time wait for each other. An unfinished last line of a killed program is cut off.
    Raises SegdataError if the file cannot be written; it is then unchanged.
    """
    if not lines:
        return
    try:
        with _locked(path) as file:
            end, start = _end_of_whole_lines(file.read())
            file.seek(end)
            file.truncate()
            try:
                _write(file, start + b"".join(line + b"\n" for line in lines))
            except BaseException:
                file.truncate(end)
                raise
    except OSError as error:
        raise SegdataError(f"{path}: cannot be written: {error.strerror}; the file is unchanged, try again") from error


def read_lines(path: Path) -> tuple[list[tuple[int, bytes]], bool]:
    """The numbered lines of a file without blank ones, and whether an unfinished last line was left out.

    A missing file has no lines; raises SegdataError if the file cannot be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return [], False
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}") from error
    end, _ = _end_of_whole_lines(text)
    lines = enumerate(text[:end].split(b"\n"), 1)
    return [(number, line) for number, line in lines if line.strip()], bool(text[end:].strip())


def _end_of_whole_lines(text: bytes) -> tuple[int, bytes]:
    """The end of the complete lines in bytes, and the missing line end, which some editors omit."""
    last = text.rfind(b"\n") + 1
    return (len(text), b"\n") if _is_json(text[last:]) else (last, b"")


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _write(file: FileIO, text: bytes) -> None:
    while text:
        text = text[file.write(text) :]
    os.fsync(file.fileno())


@contextmanager
def _locked(path: Path) -> Iterator[FileIO]:
    """The file opened for reading and writing, locked against other programs; the lock ends with the process."""
    path.touch()
    with path.open("r+b", buffering=0) as file:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield file


EXPORT_KIND = "segdata decisions"


class DecisionExport(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions of one reviewer, as the HTML report exports them.

    `dataset` is the subject of the report; each finding is as in the report, with the hash of its labels.
    """

    version: Literal[1]
    kind: Literal["segdata decisions"]
    dataset: str
    decisions: tuple[Decision, ...]


def is_export(path: Path) -> bool:
    """Whether a file is such an export, or a log, by its name and first bytes."""
    if path.suffix == ".jsonl":
        return True
    try:
        with path.open("rb") as file:
            return EXPORT_KIND.encode() in file.read(400)
    except OSError:
        return False


def read_export(path: Path) -> list[Decision]:
    """The decisions in an export or a log; raises SegdataError for any other file."""
    if path.suffix == ".jsonl":
        if not path.is_file():
            raise SegdataError(f"{path}: no such file")
        return read_decisions(path)
    try:
        export = msgspec.json.decode(path.read_bytes().removeprefix(BOM_UTF8), type=DecisionExport)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        remedy = "export it from the HTML report again"
        raise SegdataError(f"{path}: is not an export of decisions: {error}; {remedy}") from error
    for number, decision in enumerate(export.decisions):
        check_decision(decision, f"{path}: decision {number + 1}")
    return list(export.decisions)


class PullResult(msgspec.Struct, frozen=True, rename={"origin": "source", "n_decisions": "decisions", "n_new": "new"}):
    """One source of decisions: how many it has, how many are new to the log, and notes, one line each."""

    origin: str
    n_decisions: int
    n_new: int
    notes: tuple[str, ...]
