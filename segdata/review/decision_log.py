"""Decisions: the log of reviewers' decisions, what they combine to for each finding or segment, and the progress.

The log is a file that only grows, with one JSON object a line. `append_lines` writes whole lines or none, under a
lock, whatever happens to the program that writes. Exports of the HTML report hold the same decisions, and can be read
into a log.
"""

import datetime
import os
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.safe_text import reading_json
from segdata.core.validation import finding_key

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
        with _open_locked(path) as file:
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
def _open_locked(path: Path) -> Iterator[FileIO]:
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
    with reading_json(path, "an export of decisions", "export it from the HTML report again"):
        export = msgspec.json.decode(path.read_bytes().removeprefix(BOM_UTF8), type=DecisionExport)
    for number, decision in enumerate(export.decisions):
        check_decision(decision, f"{path}: decision {number + 1}")
    return list(export.decisions)


class PullResult(msgspec.Struct, frozen=True, rename={"origin": "source", "n_decisions": "decisions", "n_new": "new"}):
    """One source of decisions: how many it has, how many are new to the log, and notes, one line each."""

    origin: str
    n_decisions: int
    n_new: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReviewState:
    """The decisions on one finding or segment, with the labels that it had then."""

    latest: tuple[Decision, ...]  # the last decision of each reviewer, earliest first
    history: tuple[Decision, ...]  # all decisions in the order of the log

    @property
    def decision(self) -> Decision | None:
        """The valid decision: the last adjudication, else the last decision of reviewers who agree; None without.

        Unsure reviewers leave the decision to others. An unsure adjudicator opens it again.
        """
        final = [decision for decision in self.latest if decision.adjudicates]
        sure = final[-1:] or [decision for decision in self.latest if decision.verdict != "unsure"]
        agreed = len({decision.verdict for decision in sure}) == 1 and sure[-1].verdict != "unsure"
        return sure[-1] if agreed else None

    @property
    def is_disputed(self) -> bool:
        """Whether reviewers disagree and no adjudicator has settled it."""
        final = any(decision.adjudicates for decision in self.latest)
        return not final and len({decision.verdict for decision in self.latest} - {"unsure"}) > 1


def review_states(decisions: Iterable[Decision]) -> list[ReviewState]:
    """The review state of each subject, in the order of the first decisions.

    Two decisions have the same subject if their findings agree in content and segments, or they have none and the same
    segment, and the hashes of their labels are equal.
    """
    by_subject: dict[Hashable, list[Decision]] = {}
    for item in decisions:
        by_subject.setdefault(decision_subject(item), []).append(item)
    states = []
    for subject_decisions in by_subject.values():
        last: dict[str, Decision] = {}
        for decision in sorted(subject_decisions, key=lambda item: item.time):
            last.pop(decision.reviewer, None)  # a later decision goes behind those of others
            last[decision.reviewer] = decision
        states.append(ReviewState(tuple(last.values()), tuple(subject_decisions)))
    return states


def newest_states(states: Iterable[ReviewState]) -> list[ReviewState]:
    """For each subject whose labels changed in between, the state with the last decision."""
    last: dict[Hashable, ReviewState] = {}
    for state in states:
        *subject, _ = decision_subject(state.latest[-1])
        key = tuple(subject)
        if key not in last or last[key].latest[-1].time <= state.latest[-1].time:
            last[key] = state
    return list(last.values())


def decision_subject(decision: Decision) -> tuple[Hashable, ...]:
    """The subject of a decision, with the labels that the reviewer saw."""
    finding = decision.finding
    subject = (finding_key(finding), finding.segments) if finding else (decision.annotator, decision.segment)
    return finding is None, decision.image, subject, decision.imprint


RIGHT_VERDICTS: frozenset[Verdict] = frozenset({"accept", "fix", "void"})  # verdicts that confirm a finding
FLAG_CODES = "SEG5"  # beginning of the codes of `segdata flag`


@dataclass(slots=True)
class RuleProgress:
    """Decided and open findings of a rule, or of several."""

    code: str  # of the rule
    name: str  # of the rule
    # number of findings with each verdict, without disputes
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    unsure: int = 0  # number of unsure findings
    disputed: int = 0  # number of disputed findings
    open: int = 0  # number of current findings without a decision

    @property
    def decided(self) -> int:
        """The number of decided findings."""
        return self.verdicts.total()

    @property
    def right(self) -> int:
        """The number of decided findings that are not false alarms."""
        return sum(self.verdicts[verdict] for verdict in RIGHT_VERDICTS)

    def add(self, other: "RuleProgress") -> None:
        """Add the findings of another rule."""
        self.verdicts += other.verdicts
        self.unsure += other.unsure
        self.disputed += other.disputed
        self.open += other.open


@dataclass(slots=True)
class ReviewerProgress:
    """The decisions of a reviewer."""

    name: str
    # number of decisions with each verdict, including those changed later
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    by_self: int = 0  # decisions that their reviewer changed to another verdict, without unsure ones
    by_others: int = 0  # that others changed
    first: str = ""  # time of the first decision
    last: str = ""  # time of the last decision
    images: int = 0

    @property
    def sure(self) -> int:
        """The number of decisions other than unsure."""
        return self.verdicts.total() - self.verdicts["unsure"]


@dataclass(frozen=True, slots=True)
class ReviewProgress:
    """The progress of a review."""

    rules: tuple[RuleProgress, ...]  # rules with decisions or findings, by code
    flag: RuleProgress  # all rules of `segdata flag` together
    reviewers: tuple[ReviewerProgress, ...]  # reviewers by name
    segments: Counter[Verdict]  # verdicts on segments without a finding
    disputed: tuple[tuple[Decision, ...], ...]  # the last decisions of reviewers who disagree, to be settled
    n_findings: int | None = None  # number of current findings; None: unknown


def measure_progress(
    decisions: Sequence[Decision], findings: Sequence[Finding] | None = None, decided: Mapping[Finding, Verdict] = {}
) -> ReviewProgress:
    """The progress of a review, from its log and the current findings; `decided` are those with a verdict.

    A finding counts once, with its valid verdict. After its labels change, it counts as another finding.
    """
    states = review_states(decisions)
    rules: dict[str, RuleProgress] = {}
    segments: Counter[Verdict] = Counter()
    for state in states:
        finding = state.latest[-1].finding
        if finding is not None:
            _count(rules.setdefault(finding.code, RuleProgress(finding.code, finding.rule)), state)
        elif state.decision is not None:
            segments[state.decision.verdict] += 1
    for finding in findings or ():
        rule = rules.setdefault(finding.code, RuleProgress(finding.code, finding.rule))
        rule.open += finding not in decided
    flag = RuleProgress(FLAG_CODES, "flag")
    for code, rule in rules.items():
        if code.startswith(FLAG_CODES):
            flag.add(rule)
    return ReviewProgress(
        tuple(rules[code] for code in sorted(rules)),
        flag,
        tuple(_reviewers(decisions, states)),
        segments,
        tuple(state.latest for state in states if state.is_disputed),
        None if findings is None else len(findings),
    )


def _count(rule: RuleProgress, state: ReviewState) -> None:
    if state.is_disputed:
        rule.disputed += 1
    elif state.decision is None:
        rule.unsure += 1
    else:
        rule.verdicts[state.decision.verdict] += 1


def _reviewers(decisions: Sequence[Decision], states: Iterable[ReviewState]) -> list[ReviewerProgress]:
    """The reviewers, with their decisions and those that were changed later."""
    by_name: dict[str, ReviewerProgress] = {}
    images: dict[str, set[str | None]] = {}
    for item in decisions:
        reviewer = by_name.setdefault(item.reviewer, ReviewerProgress(item.reviewer, first=item.time, last=item.time))
        reviewer.verdicts[item.verdict] += 1
        reviewer.first, reviewer.last = min(reviewer.first, item.time), max(reviewer.last, item.time)
        images.setdefault(item.reviewer, set()).add(item.image)
    for state in states:
        sure = sorted((item for item in state.history if item.verdict != "unsure"), key=lambda item: item.time)
        for before, after in pairwise(sure):
            if before.verdict != after.verdict:
                reviewer = by_name[before.reviewer]
                reviewer.by_self += before.reviewer == after.reviewer
                reviewer.by_others += before.reviewer != after.reviewer
    for name, reviewer in by_name.items():
        reviewer.images = len(images[name] - {None})
    return [by_name[name] for name in sorted(by_name)]
