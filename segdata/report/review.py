"""Review: the reports of `segdata review` as text and as JSON; `schemas/` has a schema for each."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from segdata.agreement.rates import wilson_interval
from segdata.core.errors import count_noun
from segdata.core.finding import VERDICTS, Decision, Verdict
from segdata.report.console import Console, display_width, shorten, table
from segdata.report.findings_text import command_lines
from segdata.report.label_errors import ErrorRow, LabelErrors, in_words
from segdata.review.annotation_tasks import ImportResult
from segdata.review.apply import ApplyResult
from segdata.review.decision_log import PullResult
from segdata.review.states import ReviewerProgress, ReviewProgress, ReviewState, RuleProgress

_MOST = 10  # conflicts, disputes and other things to do that are listed


def applied_text(found: ApplyResult, typed: Sequence[str], dry_run: bool, paper: Console) -> str:
    """What became of the decisions, and what is left for people."""
    done = f"{count_noun(len(found.done), 'decision')} in {count_noun(found.images, 'image')}"
    pixels = sum(each.pixels for each in found.done)
    if found.revision is not None:
        did = f"carried out {done}, {pixels:,} px" if found.done else "the labels are as they were"
        head = f"revision {found.revision} is current: {did}"
    elif dry_run and found.done:
        head = f"would carry out {done}, {pixels:,} px; nothing is changed"
    else:
        head = "nothing to carry out; the dataset is as it was"
    lines = [paper.paint(line, "good" if found.done else None) for line in paper.wrap(head, "", "  ")]
    reviewed = f"{count_noun(found.reviewed, 'annotation')} {'would be' if dry_run else 'now'} reviewed"
    counts = [
        (found.reviewed, reviewed),
        (found.kept, f"{count_noun(found.kept, 'decision')} that the labels are right"),
        (found.already, f"{count_noun(found.already, 'decision')} that ask for what is already so"),
        (found.unsure, f"{count_noun(found.unsure, 'thing')} that reviewers are unsure of"),
        (found.past, f"{count_noun(found.past, 'decision')} carried out before, or about labels that are no more"),
    ]
    for n, said in counts:
        lines += paper.wrap(said, style="dim") if n else []
    lines += _decision_lines(
        "conflicts, nothing is overwritten", [(each.decision, each.why) for each in found.conflicts], paper
    )
    lines += _decision_lines("to be drawn by hand", [(each, each.comment) for each in found.by_hand], paper)
    lines += _disputed(found.disputed, paper)
    command = command_lines(["segdata review", "apply" if dry_run else "report", *typed], paper)
    return "\n".join([*lines, "", paper.paint("next", "bold"), *command]) + "\n"


def pulled_text(found: Iterable[PullResult]) -> str:
    """What was written to the log, a line for each source."""
    return "".join(f"{each.origin}: {count_noun(each.n_decisions, 'decision')}, {each.n_new:,} new\n" for each in found)


def imported_text(found: ImportResult, dry_run: bool, paper: Console) -> str:
    """What was taken of a task that came back."""
    names = ("redrawn", "added", "deleted")
    did = ", ".join(f"{n:,} {name}" for name in names if (n := getattr(found, name))) or "nothing"
    where = f"of {count_noun(found.images, 'image')}" if found.images else ""
    if found.revision is not None:
        head = f"revision {found.revision} is current: segments {where}: {did}"
    else:
        head = f"would take segments {where}: {did}" if dry_run and found.images else "nothing new to take"
    lines = paper.wrap(head, "", "  ", "good" if found.images else None)
    lines += paper.wrap(f"{count_noun(found.untouched, 'segment')} came back as sent, and stays so", style="dim")
    if found.conflicts:
        lines += ["", paper.paint(f"conflicts, nothing is overwritten: {len(found.conflicts):,}", "bold")]
        lines += [line for each in found.conflicts[:_MOST] for line in paper.wrap(each, "  ", "    ")]
        rest = len(found.conflicts) - _MOST
        lines += paper.wrap(f"… and {rest:,} more", "  ") if rest > 0 else []
    return "\n".join(lines) + "\n"


def progress_text(found: ReviewProgress, dataset: str, paper: Console, errors: LabelErrors | None = None) -> str:
    """Findings by rule, reviewers, what they disagree on, and how many labels are wrong by it."""
    room = paper.width - len("segdata review report ")
    lines = [paper.paint(f"segdata review report {shorten(dataset, room)}", "bold")]
    decided, open_ = (sum(getattr(rule, name) for rule in found.rules) for name in ("decided", "open"))
    lines += paper.wrap(f"{count_noun(decided, 'finding')} decided, {open_:,} open", style="dim")
    if errors is not None:
        lines += paper.wrap(in_words(errors))
    if found.segments:
        said = ", ".join(f"{found.segments[each]:,} {each}" for each in VERDICTS if found.segments[each])
        lines += paper.wrap(f"segments without a finding: {said}", style="dim")
    if found.rules:
        lines += ["", *_rules(found, paper)]
    if found.reviewers:
        lines += ["", *_reviewers(found, paper)]
    else:
        lines += paper.wrap("nobody has decided anything yet: segdata browse, or validate --format html")
    return "\n".join([*lines, *_disputed(found.disputed, paper)]) + "\n"


def _rules(found: ReviewProgress, paper: Console) -> Iterator[str]:
    shown = [*found.rules]
    if sum(rule.code.startswith(found.flag.code) for rule in shown) > 1:
        shown.append(found.flag)
    rows = [_rule_cells(each) for each in shown]
    heads = ("rule", "open", "decided", "right", "95 %", "unsure", "disputed")
    head, *lines = table(heads, rows)
    yield paper.paint(head, "bold")
    yield from lines
    yield from paper.wrap(
        "right: accept, fix or void, as a share of the decided, with Wilson's interval. It says how often the rule is "
        "right among what was looked at, which is the worst first, and no sample.",
        style="dim",
    )


def _rule_cells(rule: RuleProgress) -> list[str]:
    share, interval = "", ""
    if rule.decided:
        low, high = (float(end) for end in wilson_interval(np.array(float(rule.right)), np.array(float(rule.decided))))
        share, interval = f"{rule.right / rule.decided:.0%}", f"{low:.0%} to {high:.0%}"
    name = "all of flag" if rule.name == "flag" else f"{rule.code} {rule.name}"
    numbers = (rule.open, rule.decided, share, interval, rule.unsure, rule.disputed)
    return [shorten(name, 26), *(each if isinstance(each, str) else f"{each:,}" for each in numbers)]


def _reviewers(found: ReviewProgress, paper: Console) -> Iterator[str]:
    rows = []
    for each in found.reviewers:
        reversed_ = each.by_self + each.by_others
        rate = f"{reversed_ / each.sure:.0%}" if each.sure else ""
        cells = (each.verdicts.total(), each.images, each.by_self, each.by_others)
        rows.append([shorten(each.name, 24), *(f"{cell:,}" for cell in cells), rate, each.last[:10]])
    head, *lines = table(("reviewer", "decisions", "images", "changed by self", "by others", "rate", "last"), rows)
    yield paper.paint(head, "bold")
    yield from lines


def _disputed(disputed: Sequence[ReviewState], paper: Console) -> list[str]:
    """What reviewers disagree on, and how to settle it."""
    listed = []
    for each in disputed:
        said = ", ".join(f"{word.reviewer}: {word.verdict}" for word in each.said)
        comments = "; ".join(word.comment for word in each.said if word.comment)
        listed.append((each.said[-1], f"{said}{f' ({comments})' if comments else ''}"))
    lines = _decision_lines("reviewers disagree", listed, paper)
    if lines:
        lines += paper.wrap(
            "an adjudicator decides again: segdata review pull DATA FILE --adjudicate", "  ", style="dim"
        )
    return lines


def _decision_lines(heading: str, things: Sequence[tuple[Decision, str]], paper: Console) -> list[str]:
    if not things:
        return []
    lines = ["", paper.paint(f"{heading}: {len(things):,}", "bold")]
    for decision, why in things[:_MOST]:
        lines += paper.wrap(_decision_text(decision, paper), "  ", "    ", "where")
        lines += paper.wrap(why, "    ") if why else []
    rest = len(things) - _MOST
    return lines + (paper.wrap(f"… and {rest:,} more: --format json lists all", "  ") if rest > 0 else [])


def _decision_text(decision: Decision, paper: Console) -> str:
    """What a decision is about, and whose it is."""
    finding = decision.finding
    what = [f"segment {decision.segment}"] if finding is None else [f"{finding.code} {finding.rule}"]
    if finding is not None and finding.segments:
        what.append(f"of {', '.join(map(str, finding.segments[:4]))}")
    if finding is not None and finding.bbox:
        what.append("at x {}, y {}".format(*finding.bbox))
    said = f"{decision.verdict} by {decision.reviewer}: {' '.join(what)}"
    return f"{shorten(decision.image or 'the dataset', max(paper.width - display_width(said) - 4, 24))}: {said}"


class DoneRow(msgspec.Struct, frozen=True):
    """A decision that was carried out, and how many pixels have another label by it."""

    decision: Decision
    pixels: int


class ConflictRow(msgspec.Struct, frozen=True):
    """A decision that was not, and why."""

    decision: Decision
    why: str


class AppliedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `segdata review apply` did; `revision` is null where it changed nothing, or was only tried.

    `by_hand` are decisions that ask for something to be drawn, `disputed` the last words of reviewers who disagree, for
    each thing; `kept` decisions leave the labels as they are, `already` ones ask for what is so, `past` ones were
    carried out before, or their labels are no more; `reviewed` counts annotations.
    """

    version: Literal[1] = 1
    dataset: str
    revision: str | None
    images: int
    reviewed: int
    kept: int
    already: int
    unsure: int
    past: int
    done: tuple[DoneRow, ...]
    conflicts: tuple[ConflictRow, ...]
    by_hand: tuple[Decision, ...]
    disputed: tuple[tuple[Decision, ...], ...]


class PulledRow(msgspec.Struct, frozen=True):
    """What one source of decisions has: how many, how many of these the log did not have, and notes, a line each."""

    source: str
    decisions: int
    new: int
    notes: tuple[str, ...]


class PulledReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `segdata review pull` wrote to the log of a dataset."""

    version: Literal[1] = 1
    dataset: str
    sources: tuple[PulledRow, ...]


class ExportedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `segdata review export` wrote: a task for a tool, with so many segments, the boxes of findings included.

    `notes` say why image files were not copied.
    """

    version: Literal[1] = 1
    dataset: str
    target: str
    tool: str
    images: int
    segments: int
    notes: tuple[str, ...]


class ImportedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `segdata review import` took; `revision` is null where it changed nothing, or was only tried.

    `redrawn`, `deleted`, `added` and `untouched` count segments; each of `conflicts` says what was not taken, and why.
    """

    version: Literal[1] = 1
    dataset: str
    revision: str | None
    images: int
    redrawn: int
    deleted: int
    added: int
    untouched: int
    conflicts: tuple[str, ...]


class Precision(msgspec.Struct, frozen=True):
    """The share of decided findings that were right, and the ends of its 95 % interval (Wilson)."""

    value: float | None
    low: float | None
    high: float | None


class RuleRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided of a rule's findings, and how many are open; SEG5 is all of `segdata flag`."""

    code: str
    rule: str
    open: int
    decided: int
    right: int
    unsure: int
    disputed: int
    verdicts: dict[Verdict, int]
    precision: Precision


class ReviewerRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer did; `reversed_…` are decisions that were changed later, `reversal_rate` is of the sure ones."""

    reviewer: str
    decisions: int
    images: int
    first: str
    last: str
    verdicts: dict[Verdict, int]
    reversed_by_self: int
    reversed_by_others: int
    reversal_rate: float | None


class ProgressReport(msgspec.Struct, frozen=True, kw_only=True):
    """How far a review is."""

    version: Literal[1] = 1
    dataset: str
    rules: tuple[RuleRow, ...]
    flag: RuleRow
    reviewers: tuple[ReviewerRow, ...]
    segments: dict[Verdict, int]
    disputed: tuple[tuple[Decision, ...], ...]
    label_errors: ErrorRow | None


def applied_json(found: ApplyResult, dataset: str) -> str:
    """What became of the decisions."""
    return _text(
        AppliedReport(
            dataset=dataset,
            revision=found.revision,
            images=found.images,
            reviewed=found.reviewed,
            kept=found.kept,
            already=found.already,
            unsure=found.unsure,
            past=found.past,
            done=tuple(DoneRow(each.decision, each.pixels) for each in found.done),
            conflicts=tuple(ConflictRow(each.decision, each.why) for each in found.conflicts),
            by_hand=tuple(found.by_hand),
            disputed=_disputed_decisions(found.disputed),
        )
    )


def progress_json(found: ReviewProgress, dataset: str, errors: LabelErrors | None = None) -> str:
    """How far a review is, and how many labels are wrong by it."""
    return _text(
        ProgressReport(
            dataset=dataset,
            rules=tuple(map(_rule_row, found.rules)),
            flag=_rule_row(found.flag),
            reviewers=tuple(map(_reviewer_row, found.reviewers)),
            segments=dict(found.segments),
            disputed=_disputed_decisions(found.disputed),
            label_errors=None if errors is None else ErrorRow.of_errors(errors),
        )
    )


def pulled_json(found: Iterable[PullResult], dataset: str) -> str:
    """What was written to the log."""
    rows = (PulledRow(each.origin, each.n_decisions, each.n_new, each.notes) for each in found)
    return _text(PulledReport(dataset=dataset, sources=tuple(rows)))


def exported_json(dataset: str, target: str, tool: str, images: int, segments: int, notes: tuple[str, ...]) -> str:
    """What was written for a tool."""
    return _text(
        ExportedReport(dataset=dataset, target=target, tool=tool, images=images, segments=segments, notes=notes)
    )


def imported_json(found: ImportResult, dataset: str) -> str:
    """What was taken of a task that came back."""
    return _text(
        ImportedReport(
            dataset=dataset,
            revision=found.revision,
            images=found.images,
            redrawn=found.redrawn,
            deleted=found.deleted,
            added=found.added,
            untouched=found.untouched,
            conflicts=tuple(found.conflicts),
        )
    )


def review_schemas() -> dict[str, tuple[str, dict[str, Any]]]:  # Any: JSON
    """Command -> title and JSON Schema of what it reports."""
    reports = {
        "applied": ("apply", AppliedReport),
        "exported": ("export", ExportedReport),
        "imported": ("import", ImportedReport),
        "progress": ("report", ProgressReport),
        "pulled": ("pull", PulledReport),
    }
    return {
        f"review_{name}": (f"segdata review {command} --format json", msgspec.json.schema(report))
        for name, (command, report) in reports.items()
    }


def _rule_row(rule: RuleProgress) -> RuleRow:
    value: float | None = None
    ends: tuple[float | None, float | None] = (None, None)
    if rule.decided:
        value = rule.right / rule.decided
        low, high = wilson_interval(np.array(float(rule.right)), np.array(float(rule.decided)))
        ends = float(low), float(high)
    return RuleRow(
        code=rule.code,
        rule=rule.name,
        open=rule.open,
        decided=rule.decided,
        right=rule.right,
        unsure=rule.unsure,
        disputed=rule.disputed,
        verdicts=dict(rule.verdicts),
        precision=Precision(value, *ends),
    )


def _reviewer_row(one: ReviewerProgress) -> ReviewerRow:
    return ReviewerRow(
        reviewer=one.name,
        decisions=one.verdicts.total(),
        images=one.images,
        first=one.first,
        last=one.last,
        verdicts=dict(one.verdicts),
        reversed_by_self=one.by_self,
        reversed_by_others=one.by_others,
        reversal_rate=(one.by_self + one.by_others) / one.sure if one.sure else None,
    )


def _disputed_decisions(disputed: Iterable[ReviewState]) -> tuple[tuple[Decision, ...], ...]:
    return tuple(each.said for each in disputed)


def _text(report: msgspec.Struct) -> str:
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
