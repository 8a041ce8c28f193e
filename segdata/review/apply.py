"""Apply: apply the decisions of a log to a dataset, and match findings with earlier decisions."""

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from segdata.core.batch import Batch
from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.finding_location import Annotation, locate_finding
from segdata.core.label_hash import hash_finding_labels, hash_segments
from segdata.core.profile import Profile
from segdata.core.validation import finding_keys, match_keys
from segdata.review.decision_log import ReviewState
from segdata.review.label_edits import (
    AnnotationEditor,
    ChangeRefused,
    redrawn_row,
    requested_change,
    rows_of_decision,
    rows_with_id,
)
from segdata.store import manifest as manifests
from segdata.store.revisions import CHANGES_FILE, ancestors

# Fixes findings of an annotation; returns it with the number of changed pixels of each finding that could be fixed.
FixAnnotation = Callable[[Annotation, Sequence[Finding]], tuple[Batch, Mapping[Finding, int]]]


@dataclass(frozen=True, slots=True)
class AppliedDecision:
    """A decision that was applied, and how many pixels it changed."""

    decision: Decision
    pixels: int


@dataclass(frozen=True, slots=True)
class DecisionConflict:
    """A decision that was not applied, and why, in a few words."""

    decision: Decision
    why: str


@dataclass(slots=True)
class AnnotationResult:
    """The result of applying decisions to one annotation."""

    after: Batch | None  # the new annotation; None: unchanged
    done: list[AppliedDecision] = field(default_factory=list)
    conflicts: list[DecisionConflict] = field(default_factory=list)  # those that were not, with the reason
    by_hand: list[Decision] = field(default_factory=list)  # decisions that need drawing by hand
    already: int = 0  # how many decisions were already in place
    free_id: int = 0  # the next unused id


def apply_to_annotation(
    annotation: Annotation, decisions: Sequence[Decision], profile: Profile, fix_annotation: FixAnnotation, free_id: int
) -> AnnotationResult:
    """Apply decisions that were made on these labels, the earliest first.

    If two decisions touch the same segment of a thing, or the same pixels, the earlier one is applied. Redrawn segments
    may take each other's place, so that all labels of an image can be moved at once. Findings with a fix and without a
    correction are fixed by `fix_annotation` at the end.
    """
    editor, result = AnnotationEditor(annotation, profile, free_id), AnnotationResult(None)
    editor.leaving = {row for decision in decisions if (row := redrawn_row(decision, editor)) is not None}
    fixable: list[tuple[Decision, Finding]] = []
    for decision in sorted(decisions, key=lambda decision: decision.time):
        try:
            change = requested_change(decision, editor)
            if change is not None:
                result.done.append(AppliedDecision(decision, editor.write(change)))
            elif _has_fix(decision):
                fixable.append((decision, _finding_to_fix(decision, editor)))
            elif decision.verdict == "fix" or (decision.verdict == "accept" and decision.finding is not None):
                result.by_hand.append(decision)
        except ChangeRefused as why:
            result.conflicts.append(DecisionConflict(decision, str(why)))
    redrawn = {redrawn_row(decision.decision, editor) for decision in result.done}
    editor.stay(editor.leaving - redrawn)
    after = editor.after
    if fixable:
        after, pixels = fix_annotation(Annotation(after), [finding for _, finding in fixable])
        result.done += [
            AppliedDecision(decision, pixels[finding]) for decision, finding in fixable if finding in pixels
        ]
        result.by_hand += [decision for decision, finding in fixable if finding not in pixels]
    result.free_id = editor.free_id
    if not _is_same(annotation.batch, after):
        result.after = after
    else:
        result.already, result.done = len(result.done), []
    return result


def _is_same(first: Batch, second: Batch) -> bool:
    """Whether two annotations have the same segments with the same pixels."""
    runs = ((getattr(first.runs, name), getattr(second.runs, name)) for name in ("start", "length", "owner"))
    return bool(first.segments.equals(second.segments)) and all(np.array_equal(*pair) for pair in runs)


def _has_fix(decision: Decision) -> bool:
    finding = decision.finding
    return decision.verdict == "accept" and finding is not None and not finding.correction and finding.fix is not None


def _finding_to_fix(decision: Decision, editor: AnnotationEditor) -> Finding:
    """The finding to fix; raises ChangeRefused if an earlier decision changed its labels."""
    assert decision.finding is not None
    if editor.touches(
        locate_finding(editor.before, decision.finding).runs, rows_of_decision(decision, editor).tolist()
    ):
        raise ChangeRefused("an earlier decision changes the same labels; look again when that is done")
    return decision.finding


class _Line(msgspec.Struct):
    """The part of a line of changes.jsonl that is used here."""

    decision: Decision | None = None


def changes_entry(decision: Decision, pixels: int) -> dict[str, Any]:  # Any: JSON
    """The line of changes.jsonl for an applied decision."""
    return {"decision": msgspec.to_builtins(decision), "changed_pixels": pixels}


class AppliedHistory:
    """The decisions that were applied in the revisions that still exist.

    `here`: the decisions in the current revision; after restoring an earlier one, they can be applied again
    """

    def __init__(self, root: Path) -> None:
        manifest = manifests.load(root)
        by_revision = {item.name: _read_changes(root / item.name / CHANGES_FILE) for item in manifest.revisions}
        self._done = {decision for decisions in by_revision.values() for decision in decisions}
        self.here = {item for name in ancestors(root, manifest.revision) for item in by_revision.get(name, ())}
        pruned = [
            item.created for item in manifest.revisions if item.parent is not None and item.parent not in by_revision
        ]
        self._since = max(pruned, default=None)

    def contains(self, decision: Decision) -> bool:
        """Whether a decision whose labels have changed since was applied.

        A decision from before the oldest kept revision counts as applied, since the log of that change is deleted.
        """
        return decision in self._done or (
            self._since is not None and datetime.datetime.fromisoformat(decision.time) <= self._since
        )


def _read_changes(path: Path) -> list[Decision]:
    """The decisions in a log of changes; damaged lines are skipped."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    decisions = []
    for line in lines:
        try:
            change = msgspec.json.decode(line, type=_Line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if change.decision is not None:
            decisions.append(change.decision)
    return decisions


STAGES = ("drafted", "annotated", "reviewed", "adjudicated", "accepted")
AnnotationKey = tuple[str, str | None]  # image_id and annotator


class ApplyResult(msgspec.Struct, kw_only=True):
    """The result of applying the decisions of a log; `revision` is null if nothing changed, or for a dry run.

    `by_hand` are decisions that need drawing by hand, `disputed` the last decisions of reviewers who disagree, for each
    subject; `unsure` counts what all reviewers are unsure about; `kept` decisions leave the labels unchanged, `already`
    ones were in place, `past` ones were applied earlier, or their labels no longer exist; `images` counts changed
    images, and `reviewed` annotations that became reviewed.
    """

    version: Literal[1] = 1
    dataset: str
    revision: str | None = None
    images: int = 0
    reviewed: int = 0
    kept: int = 0
    already: int = 0
    unsure: int = 0
    past: int = 0
    done: list[AppliedDecision] = []
    conflicts: list[DecisionConflict] = []
    by_hand: list[Decision] = []
    disputed: list[tuple[Decision, ...]] = []


@dataclass(slots=True)
class ImageResult:
    """One image: its annotations after the decisions, whether any changed, and their review stages.

    `stages`: image_id and annotator -> stage and reviewer.
    """

    pieces: list[Batch]
    changed: bool = False
    stages: dict[AnnotationKey, tuple[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class _AnnotationDecisions:
    """The decisions about one annotation, to be applied or applied before; `is_open`: not all are settled."""

    to_apply: list[Decision] = field(default_factory=list)
    applied_before: list[Decision] = field(default_factory=list)
    is_open: bool = False


class DecisionApplier:
    """Applies decisions image by image, and counts the results."""

    def __init__(self, profile: Profile, past: AppliedHistory, fix_annotation: FixAnnotation, free_id: int) -> None:
        self.result = ApplyResult(dataset=profile.files)
        self._profile, self._past, self._fix_annotation, self._free_id = profile, past, fix_annotation, free_id

    def image(self, batch: Batch, review_states: Iterable[ReviewState]) -> ImageResult:
        """Apply the decisions about one image."""
        annotations = Annotation.split_batch(batch)
        result = ImageResult([item.batch for item in annotations])
        decisions_by_annotation = [_AnnotationDecisions() for _ in annotations]
        for state in review_states:
            row = self._annotation_row(state, annotations)
            if row is not None:
                self._sort_decision(state, annotations[row], decisions_by_annotation[row])
        for row, (annotation, own_decisions) in enumerate(zip(annotations, decisions_by_annotation, strict=True)):
            if own_decisions.to_apply:
                applied = apply_to_annotation(
                    annotation, own_decisions.to_apply, self._profile, self._fix_annotation, self._free_id
                )
                self._count(applied, own_decisions)
                if applied.after is not None:
                    result.pieces[row], result.changed = applied.after, True
            if not own_decisions.is_open:
                self._review(result, annotation, own_decisions.applied_before + own_decisions.to_apply)
        self.result.images += result.changed
        return result

    def elsewhere(self, review_states: Iterable[ReviewState]) -> None:
        """Count decisions about the whole dataset, and about images that do not exist."""
        for state in review_states:
            decision = state.decision
            if decision is None:
                self._count_open(state)
            elif decision.image is not None:
                self.result.conflicts.append(DecisionConflict(decision, "the image is not in the dataset"))
            elif decision.verdict == "reject":
                self.result.kept += 1
            else:
                self.result.by_hand.append(decision)

    def _annotation_row(self, state: ReviewState, annotations: list[Annotation]) -> int | None:
        """The row of the annotation that a state is about; a conflict if that is ambiguous."""
        last = state.latest[-1]
        name = last.annotator or (last.finding.annotator if last.finding else None)
        rows = [row for row, annotation in enumerate(annotations) if name in (None, annotation.annotator)]
        if not rows and last.finding and last.finding.annotator == name:  # a name that the command gave
            unnamed = [row for row, annotation in enumerate(annotations) if annotation.annotator is None]
            rows = [row for row in unnamed if last.imprint == current_label_hash(last, annotations[row], self._profile)]
        if len(rows) == 1:
            return rows[0]
        reason = "nobody annotated the image" if name is None else f"{name} did not annotate the image"
        why = f"it does not say whose of {len(rows)} annotations" if rows else reason
        self.result.conflicts.append(DecisionConflict(last, why))
        return None

    def _sort_decision(self, state: ReviewState, annotation: Annotation, own_decisions: _AnnotationDecisions) -> None:
        """Sort the valid decision: to be applied, applied before, in conflict, or open."""
        decision, last = state.decision, state.latest[-1]
        is_current = last.imprint != "" and last.imprint == current_label_hash(last, annotation, self._profile)
        if decision is None and is_current:
            own_decisions.is_open = True
            self._count_open(state)
        elif decision is None:
            self.result.past += 1
        elif is_current and decision not in self._past.here:
            own_decisions.to_apply.append(decision)
        elif self._past.contains(decision):
            self.result.past += 1
            own_decisions.applied_before.append(decision)
        elif changes_labels(decision):
            own_decisions.is_open = True
            self.result.conflicts.append(DecisionConflict(decision, "the labels have changed since"))
        else:
            self.result.past += 1

    def _count(self, applied: AnnotationResult, own_decisions: _AnnotationDecisions) -> None:
        result = self.result
        result.done += applied.done
        result.conflicts += applied.conflicts
        result.by_hand += applied.by_hand
        result.already += applied.already
        result.kept += (
            len(own_decisions.to_apply)
            - len(applied.done)
            - len(applied.conflicts)
            - len(applied.by_hand)
            - applied.already
        )
        own_decisions.is_open |= bool(applied.by_hand or applied.conflicts)
        self._free_id = applied.free_id

    def _count_open(self, state: ReviewState) -> None:
        if state.is_disputed:
            self.result.disputed.append(state.latest)
        else:
            self.result.unsure += 1

    def _review(self, result: ImageResult, annotation: Annotation, decisions: list[Decision]) -> None:
        """Record the reviewer of an annotation, unless it already has that stage."""
        if not decisions:
            return
        last = max(decisions, key=lambda decision: decision.time)
        stage = "adjudicated" if any(decision.adjudicates for decision in decisions) else "reviewed"
        if is_below_stage(annotation, stage):
            name = annotation.batch.images["image_id"][0].as_py()
            result.stages[name, annotation.annotator] = (stage, last.reviewer)
            self.result.reviewed += 1


def is_below_stage(annotation: Annotation, stage: str) -> bool:
    """Whether an annotation is below a stage; stages are never lowered."""
    current = annotation.batch.annotations["stage"][0].as_py()
    return current not in STAGES or STAGES.index(current) < STAGES.index(stage)


def current_label_hash(decision: Decision, annotation: Annotation, profile: Profile) -> str:
    """The current hash of the labels that a decision is about; empty if they no longer exist."""
    if decision.finding is not None:
        return hash_finding_labels(decision.finding, [annotation], profile)
    if decision.segment is None:
        return hash_segments(annotation, profile, np.empty(0, np.int64))
    rows = rows_with_id(decision.segment, annotation.batch)
    return hash_segments(annotation, profile, rows) if len(rows) == 1 else ""


def changes_labels(decision: Decision) -> bool:
    """Whether a decision asks for a change that `apply` makes."""
    finding = decision.finding
    if finding is None:
        return decision.verdict in ("reject", "void")
    mends = decision.verdict == "accept" and (finding.correction is not None or finding.fix is not None)
    return decision.verdict == "void" or mends


HashFindings = Callable[[Sequence[Finding]], Mapping[Finding, str]]


def verdicts_on_findings(
    findings: Sequence[Finding], review_states: Iterable[ReviewState], hash_findings: HashFindings
) -> dict[Finding, Verdict]:
    """The verdict on each decided finding, for the current labels; findings are matched as in `states_of_findings`."""
    decided = [state for state in review_states if state.decision is not None]
    states = states_of_findings(findings, decided, hash_findings).items()
    return {finding: state.decision.verdict for finding, state in states if state.decision is not None}


def states_of_findings(
    findings: Sequence[Finding], review_states: Iterable[ReviewState], hash_findings: HashFindings
) -> dict[Finding, ReviewState]:
    """The review state of each finding with decisions, for the current labels.

    A finding is identified by its content, as in a baseline, and by the hash of its labels. `hash_findings` is called
    only for findings whose content matches a decision. Each state belongs to one finding.
    """
    on_findings = [
        (state.latest[-1].finding, state.latest[-1].imprint, state)
        for state in reversed([*review_states])
        if state.latest[-1].finding
    ]
    keys = [finding_keys(finding) for finding, _, _ in on_findings]
    contents = {key for pair in keys for key in pair}
    candidates = [finding for finding in findings if not contents.isdisjoint(finding_keys(finding))] if contents else []
    current_hash = hash_findings(candidates) if candidates else {}
    partner = match_keys(
        [tuple((key, current_hash[finding]) for key in finding_keys(finding)) for finding in candidates],
        [tuple((key, label_hash) for key in pair) for pair, (_, label_hash, _) in zip(keys, on_findings, strict=True)],
    )
    return {candidates[row]: on_findings[match][2] for row, match in partner.items()}


def completed_verdicts(
    findings: Sequence[Finding], review_states: Iterable[ReviewState], is_done: Callable[[Decision], bool]
) -> dict[Finding, Verdict]:
    """The verdict on each completed finding of an earlier report, even if its labels have changed since.

    Findings are identified by content alone. `is_done` says whether a decision was applied; a decision without a change
    for `apply` is complete anyway. A decision whose change was not made leaves the finding open.
    """
    complete = [
        (finding_keys(decision.finding), decision.verdict)
        for decision in reversed([state.decision for state in review_states])
        if decision is not None and decision.finding is not None and (not changes_labels(decision) or is_done(decision))
    ]
    partner = match_keys([*map(finding_keys, findings)], [keys for keys, _ in complete])
    return {findings[row]: complete[match][1] for row, match in partner.items()}
