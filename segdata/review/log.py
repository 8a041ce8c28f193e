"""Log: reviewers' decisions in a file that only grows, one JSON object a line."""

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Decision
from segdata.review import lines
from segdata.review.standing import latest

__all__ = ["Log", "append", "check", "latest", "load", "place", "read"]
NAME = "review.jsonl"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_DECODER = msgspec.json.Decoder(Decision)


@dataclass(frozen=True, slots=True)
class Log:
    """The decisions in the order in which they were written; `torn`: a last line was never finished and is left out."""

    decisions: tuple[Decision, ...]
    torn: bool = False


def place(data: str | Path) -> Path:
    """Where the log of a dataset is: ``review.jsonl`` in the folder of a canonical one, whatever its revision is.

    Beside the data of any other, as ``<name>.review.jsonl``.
    """
    path = Path(data).absolute()
    path = path.resolve() if path.name == ".." else path  # that is no name to put anything beside
    return path / NAME if (path / "dataset.yaml").is_file() else path.with_name(f"{path.name}.{NAME}")


def append(path: Path, decisions: Iterable[Decision]) -> int:
    """Write decisions to the end of a log, all or none, and onto the disk; returns how many.

    Programs that write at the same time wait for each other. A last line that was never finished, since its writer was
    killed, is cut off. Raises SegdataError where a decision is none that `read` would take, or the file cannot be
    written; the log is as it was then.
    """
    told = list(decisions)
    written = [msgspec.json.encode(each) for each in told]
    for line, each in zip(written, told, strict=True):
        _decoded(line, f"the decision of {each.reviewer or 'nobody'} on {each.image}")
    lines.append(path, written)
    return len(written)


def read(path: Path) -> list[Decision]:
    """The decisions of a log in the order in which they were written; none where there is no file.

    Raises SegdataError, with file and line, for a line that is no decision. A last line that was never finished is
    left out; `load` tells of it.
    """
    return list(load(path).decisions)


def load(path: Path) -> Log:
    """As `read`, and whether a last line was never finished."""
    found, torn = lines.read(path)
    return Log(tuple(_decoded(line, f"{path}:{number}") for number, line in found), torn)


def check(decision: Decision, where: str) -> Decision:
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


def _decoded(line: bytes, where: str) -> Decision:
    try:
        found = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SegdataError(f"{where}: is no decision: {error}; mend the line, or delete it") from error
    return check(found, where)
