"""The JSON reports of `segdata review`; `schemas/` has what they look like."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
import numpy as np

from segdata.agreement.statistics.rates import wilson
from segdata.core.finding import Decision, Verdict
from segdata.report.label_errors import ErrorRow, LabelErrors
from segdata.review.applied import Applied
from segdata.review.progress import OfReviewer, OfRule, Progress
from segdata.review.redrawn import Imported
from segdata.review.standing import Standing
from segdata.review.told import Told


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


def applied_json(found: Applied, dataset: str) -> str:
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
            disputed=_words(found.disputed),
        )
    )


def progress_json(found: Progress, dataset: str, errors: LabelErrors | None = None) -> str:
    """How far a review is, and how many labels are wrong by it."""
    return _text(
        ProgressReport(
            dataset=dataset,
            rules=tuple(map(_rule, found.rules)),
            flag=_rule(found.flag),
            reviewers=tuple(map(_reviewer, found.reviewers)),
            segments=dict(found.segments),
            disputed=_words(found.disputed),
            label_errors=None if errors is None else ErrorRow.of_errors(errors),
        )
    )


def pulled_json(found: Iterable[Told], dataset: str) -> str:
    """What was written to the log."""
    rows = (PulledRow(each.origin, each.n_decisions, each.n_new, each.notes) for each in found)
    return _text(PulledReport(dataset=dataset, sources=tuple(rows)))


def exported_json(dataset: str, target: str, tool: str, images: int, segments: int, notes: tuple[str, ...]) -> str:
    """What was written for a tool."""
    return _text(
        ExportedReport(dataset=dataset, target=target, tool=tool, images=images, segments=segments, notes=notes)
    )


def imported_json(found: Imported, dataset: str) -> str:
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


def schemas() -> dict[str, tuple[str, dict[str, Any]]]:  # Any: JSON
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


def _rule(rule: OfRule) -> RuleRow:
    value: float | None = None
    ends: tuple[float | None, float | None] = (None, None)
    if rule.decided:
        value = rule.right / rule.decided
        low, high = wilson(np.array(float(rule.right)), np.array(float(rule.decided)))
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


def _reviewer(one: OfReviewer) -> ReviewerRow:
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


def _words(disputed: Iterable[Standing]) -> tuple[tuple[Decision, ...], ...]:
    return tuple(each.said for each in disputed)


def _text(report: msgspec.Struct) -> str:
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
