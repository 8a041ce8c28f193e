"""Review: the reports of `segdata review` as text and as JSON, each with a schema in `schemas/`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeVar

import msgspec
import numpy as np

from segdata.agreement.inference import wilson_interval
from segdata.core.errors import count_noun
from segdata.core.finding import VERDICTS, Decision, Verdict
from segdata.report.console import Console, display_width, shorten
from segdata.report.encoding import encode_result, indent_json
from segdata.report.findings import command_lines
from segdata.report.flag import ErrorRow, LabelErrors, errors_in_words
from segdata.review.annotation_tasks import ImportResult
from segdata.review.apply import ApplyResult
from segdata.review.decision_log import PullResult, ReviewerProgress, ReviewProgress, RuleProgress

_MAX_LISTED = 10  # conflicts, disputes and other tasks


def applied_text(result: ApplyResult, typed: Sequence[str], dry_run: bool, console: Console) -> str:
    """The outcome of decisions, and the work that is left."""
    applied = f"{count_noun(len(result.done), 'decision')} in {count_noun(result.images, 'image')}"
    pixels = sum(item.pixels for item in result.done)
    if result.revision is not None:
        did = f"applied {applied}, {pixels:,} px" if result.done else "the labels are unchanged"
        head = f"revision {result.revision} is current: {did}"
    elif dry_run and result.done:
        head = f"would apply {applied}, {pixels:,} px; nothing is changed"
    else:
        head = "nothing to apply; the dataset is unchanged"
    lines = [console.paint(line, "good" if result.done else None) for line in console.wrap(head, "", "  ")]
    reviewed = f"{count_noun(result.reviewed, 'annotation')} {'would be' if dry_run else 'now'} reviewed"
    counts = [
        (result.reviewed, reviewed),
        (result.kept, f"{count_noun(result.kept, 'decision')} that the labels are right"),
        (result.already, f"{count_noun(result.already, 'decision')} that are already in place"),
        (result.unsure, f"{count_noun(result.unsure, 'item')} that reviewers are unsure about"),
        (result.past, f"{count_noun(result.past, 'decision')} applied earlier, or about labels that no longer exist"),
    ]
    for n, text in counts:
        lines += console.wrap(text, style="dim") if n else []
    lines += _decision_lines(
        "conflicts; nothing is overwritten", [(item.decision, item.why) for item in result.conflicts], console
    )
    lines += _decision_lines("to be drawn by hand", [(item, item.comment) for item in result.by_hand], console)
    lines += _dispute_lines(result.disputed, console)
    if dry_run and not (result.done or result.reviewed):
        return "\n".join(lines) + "\n"  # without the option, the command would do nothing either
    command = command_lines(["segdata review", "apply" if dry_run else "report", *typed], console)
    return "\n".join([*lines, *console.next_block(command)]) + "\n"


def pulled_text(results: Iterable[PullResult]) -> str:
    """The decisions added to the log, a line for each source."""
    return "".join(
        f"{result.origin}: {count_noun(result.n_decisions, 'decision')}, {result.n_new:,} new\n" for result in results
    )


def imported_text(result: ImportResult, dry_run: bool, console: Console) -> str:
    """The import from a task."""
    names = ("redrawn", "added", "deleted")
    did = ", ".join(f"{n:,} {name}" for name in names if (n := getattr(result, name))) or "nothing"
    where = f"of {count_noun(result.images, 'image')}" if result.images else ""
    if result.revision is not None:
        head = f"revision {result.revision} is current: segments {where}: {did}"
    else:
        head = f"would import segments {where}: {did}" if dry_run and result.images else "nothing new to import"
    lines = console.wrap(head, "", "  ", "good" if result.images else None)
    lines += console.wrap(f"{count_noun(result.untouched, 'segment')} came back unchanged", style="dim")
    if result.conflicts:
        lines += ["", console.paint(f"conflicts; nothing is overwritten: {len(result.conflicts):,}", "bold")]
        lines += [line for conflict in result.conflicts[:_MAX_LISTED] for line in console.wrap(conflict, "  ", "    ")]
        rest = len(result.conflicts) - _MAX_LISTED
        lines += console.wrap(f"… and {rest:,} more", "  ") if rest > 0 else []
    return "\n".join(lines) + "\n"


def progress_text(progress: ReviewProgress, dataset: str, console: Console, errors: LabelErrors | None = None) -> str:
    """Findings by rule, reviewers and their disputes, and the estimate of wrong labels."""
    room = console.width - len("segdata review report ")
    lines = [console.paint(f"segdata review report {shorten(dataset, room)}", "bold")]
    decided, open_ = (sum(getattr(rule, name) for rule in progress.rules) for name in ("decided", "open"))
    lines += console.wrap(f"{count_noun(decided, 'finding')} decided, {open_:,} open", style="dim")
    if errors is not None:
        lines += console.wrap(errors_in_words(errors))
    if progress.segments:
        text = ", ".join(
            f"{progress.segments[verdict]:,} {verdict}" for verdict in VERDICTS if progress.segments[verdict]
        )
        lines += console.wrap(f"segments without a finding: {text}", style="dim")
    if progress.rules:
        lines += ["", *_rules(progress, console)]
    if progress.reviewers:
        lines += ["", *_reviewers(progress, console)]
    else:
        lines += console.wrap("no decisions yet; to decide: segdata browse, or validate --format html")
    return "\n".join([*lines, *_dispute_lines(progress.disputed, console)]) + "\n"


def _rules(progress: ReviewProgress, console: Console) -> Iterator[str]:
    shown = [*progress.rules]
    if sum(rule.code.startswith(progress.flag.code) for rule in shown) > 1:
        shown.append(progress.flag)
    rows = [_rule_cells(rule) for rule in shown]
    heads = ("rule", "open", "decided", "right", "95%", "unsure", "disputed")
    yield from console.table(heads, rows)
    yield from console.wrap(
        "right: share of decided findings with the verdict accept, fix or void, with Wilson's interval. Reviewers see "
        "the worst findings first, so this is not the share of a random sample. Findings are counted one by one, not "
        "folded.",
        style="dim",
    )


def _rule_cells(rule: RuleProgress) -> list[str]:
    precision, share, interval = rule_precision(rule), "", ""
    if precision.value is not None:
        share, interval = f"{precision.value:.0%}", f"{precision.low:.0%} to {precision.high:.0%}"
    name = "all of flag" if rule.name == "flag" else f"{rule.code} {rule.name}"
    numbers = (rule.open, rule.decided, share, interval, rule.unsure, rule.disputed)
    return [shorten(name, 26), *(number if isinstance(number, str) else f"{number:,}" for number in numbers)]


def _reviewers(progress: ReviewProgress, console: Console) -> Iterator[str]:
    rows = []
    for reviewer in progress.reviewers:
        reversed_ = reviewer.by_self + reviewer.by_others
        rate = f"{reversed_ / reviewer.sure:.0%}" if reviewer.sure else ""
        cells = (reviewer.verdicts.total(), reviewer.images, reviewer.by_self, reviewer.by_others)
        rows.append([shorten(reviewer.name, 24), *(f"{cell:,}" for cell in cells), rate, reviewer.last[:10]])
    yield from console.table(("reviewer", "decisions", "images", "changed by self", "by others", "rate", "last"), rows)


def _dispute_lines(disputed: Sequence[tuple[Decision, ...]], console: Console) -> list[str]:
    """Disputes between reviewers, and how to settle them."""
    listed = []
    for latest in disputed:
        text = ", ".join(f"{decision.reviewer}: {decision.verdict}" for decision in latest)
        comments = "; ".join(decision.comment for decision in latest if decision.comment)
        listed.append((latest[-1], f"{text}{f' ({comments})' if comments else ''}"))
    lines = _decision_lines("reviewers disagree", listed, console)
    if lines:
        lines += console.wrap(
            "an adjudicator settles them with: segdata review pull DATA FILE --adjudicate", "  ", style="dim"
        )
    return lines


def _decision_lines(heading: str, things: Sequence[tuple[Decision, str]], console: Console) -> list[str]:
    if not things:
        return []
    lines = ["", console.paint(f"{heading}: {len(things):,}", "bold")]
    for decision, why in things[:_MAX_LISTED]:
        lines += console.wrap(_decision_text(decision, console), "  ", "    ", "where")
        lines += console.wrap(why, "    ") if why else []
    rest = len(things) - _MAX_LISTED
    return lines + (console.wrap(f"… and {rest:,} more; --format json lists all", "  ") if rest > 0 else [])


def _decision_text(decision: Decision, console: Console) -> str:
    finding = decision.finding
    parts = [f"segment {decision.segment}"] if finding is None else [f"{finding.code} {finding.rule}"]
    if finding is not None and finding.segments:
        parts.append(f"of {', '.join(map(str, finding.segments[:4]))}")
    if finding is not None and finding.bbox:
        parts.append("at x {}, y {}".format(*finding.bbox))
    text = f"{decision.verdict} by {decision.reviewer}: {' '.join(parts)}"
    return f"{shorten(decision.image or 'the dataset', max(console.width - display_width(text) - 4, 24))}: {text}"


class PulledReport(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions that `segdata review pull` added to the log of a dataset."""

    version: Literal[1] = 1
    dataset: str
    sources: tuple[PullResult, ...]


class ExportedReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `segdata review export`: a task for a tool; `segments` includes the boxes of findings.

    `notes` say why image files were not copied.
    """

    version: Literal[1] = 1
    dataset: str
    target: str
    tool: str
    images: int
    segments: int
    notes: tuple[str, ...]


class Precision(msgspec.Struct, frozen=True):
    """The share of decided findings that were right, and the ends of its 95 % interval (Wilson); null without any."""

    value: float | None
    low: float | None
    high: float | None


def rule_precision(rule: RuleProgress) -> Precision:
    """The precision of a rule, from its decided findings."""
    if not rule.decided:
        return Precision(None, None, None)
    low, high = wilson_interval(np.array(float(rule.right)), np.array(float(rule.decided)))
    return Precision(rule.right / rule.decided, float(low), float(high))


class ReviewedRule(msgspec.Struct, frozen=True, kw_only=True, rename={"name": "rule"}):
    """Decided and open findings of a rule; SEG5 stands for all rules of `segdata flag`."""

    code: str
    name: str
    open: int
    decided: int
    right: int
    unsure: int
    disputed: int
    verdicts: dict[Verdict, int]
    precision: Precision


class ReviewerRow(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions of a reviewer; `reversed_…` were changed later, `reversal_rate` is their share of sure decisions."""

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
    """The progress of a review."""

    version: Literal[1] = 1
    dataset: str
    rules: tuple[ReviewedRule, ...]
    flag: ReviewedRule
    reviewers: tuple[ReviewerRow, ...]
    segments: dict[Verdict, int]
    disputed: tuple[tuple[Decision, ...], ...]
    label_errors: ErrorRow | None


def applied_json(result: ApplyResult) -> str:
    """The outcome of decisions as JSON."""
    return indent_json(encode_result(result))


def progress_json(progress: ReviewProgress, dataset: str, errors: LabelErrors | None = None) -> str:
    """The progress of a review as JSON, with the estimate of wrong labels."""
    report = ProgressReport(
        dataset=dataset,
        rules=tuple(map(_rule_row, progress.rules)),
        flag=_rule_row(progress.flag),
        reviewers=tuple(map(_reviewer_row, progress.reviewers)),
        segments=dict(progress.segments),
        disputed=progress.disputed,
        label_errors=None if errors is None else ErrorRow.of_errors(errors),
    )
    return indent_json(encode_result(report))


def pulled_json(results: Iterable[PullResult], dataset: str) -> str:
    """The decisions added to the log as JSON."""
    return indent_json(encode_result(PulledReport(dataset=dataset, sources=tuple(results))))


def exported_json(dataset: str, target: str, tool: str, images: int, segments: int, notes: tuple[str, ...]) -> str:
    """The task written for a tool as JSON."""
    report = ExportedReport(dataset=dataset, target=target, tool=tool, images=images, segments=segments, notes=notes)
    return indent_json(encode_result(report))


def imported_json(result: ImportResult) -> str:
    """The import from a task as JSON."""
    return indent_json(encode_result(result))


R = TypeVar("R", bound=msgspec.Struct)


def _fill(kind: type[R], result: object, **more: object) -> R:
    """A report from the attributes of a result that it has fields for, and from `more`."""
    return kind(**{name: getattr(result, name) for name in kind.__struct_fields__ if hasattr(result, name)} | more)


def _rule_row(rule: RuleProgress) -> ReviewedRule:
    return _fill(ReviewedRule, rule, precision=rule_precision(rule))


def _reviewer_row(progress: ReviewerProgress) -> ReviewerRow:
    return _fill(
        ReviewerRow,
        progress,
        reviewer=progress.name,
        decisions=progress.verdicts.total(),
        reversed_by_self=progress.by_self,
        reversed_by_others=progress.by_others,
        reversal_rate=(progress.by_self + progress.by_others) / progress.sure if progress.sure else None,
    )
