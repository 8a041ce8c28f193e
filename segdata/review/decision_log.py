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
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Literal

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Decision

LOG_NAME = "review.jsonl"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_DECODER = msgspec.json.Decoder(Decision)


@dataclass(frozen=True, slots=True)
class DecisionLog:
    """The decisions in the order in which they were written; `torn`: a last line was never finished and is left out."""

    decisions: tuple[Decision, ...]
    torn: bool = False


def log_path(data: str | Path) -> Path:
    """Where the log of a dataset is: ``review.jsonl`` in the folder of a canonical one, whatever its revision is.

    Beside the data of any other, as ``<name>.review.jsonl``.
    """
    path = Path(data).absolute()
    path = path.resolve() if path.name == ".." else path  # that is no name to put anything beside
    return path / LOG_NAME if (path / "dataset.yaml").is_file() else path.with_name(f"{path.name}.{LOG_NAME}")


def append_decisions(path: Path, decisions: Iterable[Decision]) -> int:
    """Write decisions to the end of a log, all or none, and onto the disk; returns how many.

    Programs that write at the same time wait for each other. A last line that was never finished, since its writer was
    killed, is cut off. Raises SegdataError where `read_decisions` would not take a decision, or the file
    cannot be written; the log is as it was then.
    """
    told = list(decisions)
    written = [msgspec.json.encode(each) for each in told]
    for line, each in zip(written, told, strict=True):
        _decode_decision(line, f"the decision of {each.reviewer or 'nobody'} on {each.image}")
    append_lines(path, written)
    return len(written)


def read_decisions(path: Path) -> list[Decision]:
    """The decisions of a log in the order in which they were written; none where there is no file.

    Raises SegdataError, with file and line, for a line that is no decision. A last line that was never finished is
    left out; `load_log` tells of it.
    """
    return list(load_log(path).decisions)


def load_log(path: Path) -> DecisionLog:
    """As `read_decisions`, and whether a last line was never finished."""
    found, torn = read_lines(path)
    return DecisionLog(tuple(_decode_decision(line, f"{path}:{number}") for number, line in found), torn)


def check_decision(decision: Decision, where: str) -> Decision:
    """The decision; raises SegdataError, which begins with `where`, where it does not say who decided, or when."""
    if not decision.reviewer.strip():
        raise SegdataError(f"{where}: is no decision: it has no reviewer; say who decided it")
    if not _is_time(decision.time):
        remedy = "a time like 2026-01-31T12:30:59Z is expected"
        raise SegdataError(f"{where}: is no decision: time is {decision.time!r}; {remedy}")
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
        found = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SegdataError(f"{where}: is no decision: {error}; mend the line, or delete it") from error
    return check_decision(found, where)


try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # what there is none of


def append_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Write lines of JSON to the end of a file, all or none, and onto the disk.

    Programs that write at the same time wait for each other. A last line that was never finished, since its writer was
    killed, is cut off. Raises SegdataError where the file cannot be written; it is as it was then.
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
        raise SegdataError(f"{path}: cannot be written: {error.strerror}; it is as it was, try again") from error


def read_lines(path: Path) -> tuple[list[tuple[int, bytes]], bool]:
    """The lines of a file with their numbers, without blank ones; and whether a last line was never finished.

    Such a line is left out. A file that does not exist has no lines; raises SegdataError where it cannot be read.
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
    """Where the whole lines end, in bytes, and what is missing there: some editors omit the last end."""
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
    """The file, to be read and written, locked against other programs; the system frees the lock of a killed one."""
    path.touch()
    with path.open("r+b", buffering=0) as file:
        if fcntl is not None:
            with suppress(OSError):  # a disk without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield file


EXPORT_KIND = "segdata decisions"


class DecisionExport(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions of one reviewer, as the HTML report exports them.

    `dataset` is what the report was about; each finding is as in the report, with the imprint of the labels then.
    """

    version: Literal[1]
    kind: Literal["segdata decisions"]
    dataset: str
    decisions: tuple[Decision, ...]


def is_export(path: Path) -> bool:
    """Whether a file is such an export, or a log, by its name and its beginning."""
    if path.suffix == ".jsonl":
        return True
    try:
        with path.open("rb") as file:
            return EXPORT_KIND.encode() in file.read(400)
    except OSError:
        return False


def read_export(path: Path) -> list[Decision]:
    """The decisions in an export, or in a log; raises SegdataError where the file is neither."""
    if path.suffix == ".jsonl":
        if not path.is_file():
            raise SegdataError(f"{path}: no such file")
        return read_decisions(path)
    try:
        found = msgspec.json.decode(path.read_bytes().removeprefix(BOM_UTF8), type=DecisionExport)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        remedy = "export it from the HTML report again"
        raise SegdataError(f"{path}: is no export of decisions: {error}; {remedy}") from error
    for number, each in enumerate(found.decisions):
        check_decision(each, f"{path}: decision {number + 1}")
    return list(found.decisions)


def export_schema() -> dict[str, object]:
    """The JSON Schema of an export."""
    return msgspec.json.schema(DecisionExport)


@dataclass(frozen=True, slots=True)
class PullResult:
    """What an origin of decisions has: how many, how many of these the log did not have, and notes, a line each."""

    origin: str
    n_decisions: int
    n_new: int
    notes: tuple[str, ...] = ()
