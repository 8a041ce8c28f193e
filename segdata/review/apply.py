"""Apply: carry out the decisions of a log on a dataset, and know which findings are decided already."""

import datetime
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from segdata.core.batch import Batch
from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.finding_location import Annotation, locate_finding
from segdata.core.label_hash import hash_finding_labels, hash_segments
from segdata.core.profile import Profile
from segdata.core.validation import finding_key
from segdata.review.label_edits import (
    AnnotationEditor,
    ChangeRefused,
    redrawn_row,
    requested_change,
    rows_of_decision,
    rows_with_id,
)
from segdata.review.states import ReviewState
from segdata.store import manifest as manifests
from segdata.store.revisions import CHANGES_FILE, ancestors

# An annotation with some of its findings mended, and how many pixels each of those that could be concerned.
FixAnnotation = Callable[[Annotation, Sequence[Finding]], tuple[Batch, Mapping[Finding, int]]]


@dataclass(frozen=True, slots=True)
class AppliedDecision:
    """A decision that is carried out, and how many pixels have another label by it."""

    decision: Decision
    pixels: int


@dataclass(frozen=True, slots=True)
class DecisionConflict:
    """A decision that is not carried out, and why, in a few words."""

    decision: Decision
    why: str


@dataclass(slots=True)
class AnnotationResult:
    """What becomes of an annotation.

    Attributes
    ----------
    after : the annotation; None: nothing changes
    done, conflicts : of the decisions
    by_hand : those that ask for something that somebody has to draw
    already : how many ask for what is so already
    free_id : the next id that no segment has
    """

    after: Batch | None
    done: list[AppliedDecision] = field(default_factory=list)
    conflicts: list[DecisionConflict] = field(default_factory=list)
    by_hand: list[Decision] = field(default_factory=list)
    already: int = 0
    free_id: int = 0


def apply_to_annotation(
    annotation: Annotation, decisions: Sequence[Decision], profile: Profile, mend: FixAnnotation, free_id: int
) -> AnnotationResult:
    """Carry out decisions that were made on these labels, the earlier first.

    Where two touch the same segment of a thing, or the same pixels, the earlier one is carried out; segments that are
    all drawn anew may take each other's places, so that an image's labels can be moved as one. Findings that a
    fix can mend, and no correction says more of, are mended by `mend` when all else is drawn.
    """
    sheet, found = AnnotationEditor(annotation, profile, free_id), AnnotationResult(None)
    sheet.leaving = {row for each in decisions if (row := redrawn_row(each, sheet)) is not None}
    mendable: list[tuple[Decision, Finding]] = []
    for each in sorted(decisions, key=lambda each: each.time):
        try:
            change = requested_change(each, sheet)
            if change is not None:
                found.done.append(AppliedDecision(each, sheet.write(change)))
            elif _is_mendable(each):
                mendable.append((each, _untouched(each, sheet)))
            elif each.verdict == "fix" or (each.verdict == "accept" and each.finding is not None):
                found.by_hand.append(each)
        except ChangeRefused as why:
            found.conflicts.append(DecisionConflict(each, str(why)))
    gone = {redrawn_row(each.decision, sheet) for each in found.done}
    sheet.stay(sheet.leaving - gone)
    after = sheet.after
    if mendable:
        after, pixels = mend(Annotation(after), [finding for _, finding in mendable])
        found.done += [AppliedDecision(each, pixels[finding]) for each, finding in mendable if finding in pixels]
        found.by_hand += [each for each, finding in mendable if finding not in pixels]
    found.free_id = sheet.free_id
    if not _same(annotation.batch, after):
        found.after = after
    else:
        found.already, found.done = len(found.done), []
    return found


def _same(one: Batch, other: Batch) -> bool:
    """Whether two annotations have the same segments in every respect."""
    runs = ((getattr(one.runs, name), getattr(other.runs, name)) for name in ("start", "length", "owner"))
    return bool(one.segments.equals(other.segments)) and all(np.array_equal(*each) for each in runs)


def _is_mendable(decision: Decision) -> bool:
    finding = decision.finding
    return decision.verdict == "accept" and finding is not None and not finding.correction and finding.fix is not None


def _untouched(decision: Decision, sheet: AnnotationEditor) -> Finding:
    """The finding that is to be mended; raises Refused where an earlier decision changed what it speaks of."""
    assert decision.finding is not None
    if sheet.touches(locate_finding(sheet.before, decision.finding).runs, rows_of_decision(decision, sheet).tolist()):
        raise ChangeRefused("an earlier decision changes the same labels; look again when that is done")
    return decision.finding


class _Line(msgspec.Struct):
    """A line of changes.jsonl, as far as it is of interest here."""

    decision: Decision | None = None


def changes_entry(decision: Decision, pixels: int) -> dict[str, Any]:  # Any: JSON
    """The line of changes.jsonl that says that a decision was carried out."""
    return {"decision": msgspec.to_builtins(decision), "changed_pixels": pixels}


class AppliedHistory:
    """What was carried out in the revisions that are kept.

    `here`: the decisions that the current revision has in it; restore an earlier one, and they can be carried out again
    """

    def __init__(self, root: Path) -> None:
        manifest = manifests.load(root)
        done = {each.name: _read_changes(root / each.name / CHANGES_FILE) for each in manifest.revisions}
        self._done = {decision for decisions in done.values() for decision in decisions}
        self.here = {each for name in ancestors(root, manifest.revision) for each in done.get(name, ())}
        pruned = [each.created for each in manifest.revisions if each.parent is not None and each.parent not in done]
        self._since = max(pruned, default=None)

    def has(self, decision: Decision) -> bool:
        """Whether a decision whose labels have changed since was carried out.

        One from before the oldest revision that is kept is taken for such: the log of that change is deleted.
        """
        return decision in self._done or (
            self._since is not None and datetime.datetime.fromisoformat(decision.time) <= self._since
        )


def _read_changes(path: Path) -> list[Decision]:
    """The decisions in a log of changes; of a damaged line nothing is known."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            said = msgspec.json.decode(line, type=_Line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if said.decision is not None:
            found.append(said.decision)
    return found


STAGES = ("drafted", "annotated", "reviewed", "adjudicated", "accepted")
AnnotationKey = tuple[str, str | None]  # image_id and annotator


@dataclass(slots=True)
class ApplyResult:
    """What became of decisions.

    Attributes
    ----------
    revision : that was made; None: nothing changed, or it was only tried
    done : decisions that were carried out, and how many pixels have another label by each
    conflicts : decisions that were not, and why
    disputed : what reviewers disagree on: somebody is to settle it
    by_hand : decisions that ask for something that somebody has to draw
    unsure : how many things all reviewers are unsure of
    kept : how many decisions leave the labels as they are
    already : how many decisions ask for what is so already
    past : how many decisions were carried out before, or are of no account, as the labels have changed since
    images : how many images have other labels
    reviewed : how many annotations have been reviewed by now, and were not before
    """

    revision: str | None = None
    done: list[AppliedDecision] = field(default_factory=list)
    conflicts: list[DecisionConflict] = field(default_factory=list)
    disputed: list[ReviewState] = field(default_factory=list)
    by_hand: list[Decision] = field(default_factory=list)
    unsure: int = 0
    kept: int = 0
    already: int = 0
    past: int = 0
    images: int = 0
    reviewed: int = 0


@dataclass(slots=True)
class ImageResult:
    """One image: its annotations with what the decisions make of them, whether any changes, and who has reviewed them.

    `stages`: image_id and annotator -> stage and reviewer.
    """

    pieces: list[Batch]
    changed: bool = False
    stages: dict[AnnotationKey, tuple[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class _AnnotationDecisions:
    """The decisions about one annotation, to be carried out or carried out before; `is_open`: not all is settled."""

    held: list[Decision] = field(default_factory=list)
    before: list[Decision] = field(default_factory=list)
    is_open: bool = False


class DecisionApplier:
    """Carries out the decisions on one image after the other, and keeps count."""

    def __init__(self, profile: Profile, past: AppliedHistory, mend: FixAnnotation, free_id: int) -> None:
        self.found = ApplyResult()
        self._profile, self._past, self._mend, self._free_id = profile, past, mend, free_id

    def image(self, batch: Batch, standings: Iterable[ReviewState]) -> ImageResult:
        """One image with the decisions about it carried out."""
        annotations = Annotation.each(batch)
        made = ImageResult([each.batch for each in annotations])
        piles = [_AnnotationDecisions() for _ in annotations]
        for each in standings:
            at = self._whose(each, annotations)
            if at is not None:
                self._sort(each, annotations[at], piles[at])
        for at, (annotation, pile) in enumerate(zip(annotations, piles, strict=True)):
            if pile.held:
                found = apply_to_annotation(annotation, pile.held, self._profile, self._mend, self._free_id)
                self._count(found, pile)
                if found.after is not None:
                    made.pieces[at], made.changed = found.after, True
            if not pile.is_open:
                self._review(made, annotation, pile.before + pile.held)
        self.found.images += made.changed
        return made

    def elsewhere(self, standings: Iterable[ReviewState]) -> None:
        """Count decisions about the dataset, and about images that it has not."""
        for each in standings:
            decision = each.decision
            if decision is None:
                self._count_open(each)
            elif decision.image is not None:
                self.found.conflicts.append(DecisionConflict(decision, "the image is not in the dataset"))
            elif decision.verdict == "reject":
                self.found.kept += 1
            else:
                self.found.by_hand.append(decision)

    def _whose(self, standing: ReviewState, annotations: list[Annotation]) -> int | None:
        """Which annotation it is about; counted as a conflict where nothing tells."""
        last = standing.said[-1]
        name = last.annotator or (last.finding.annotator if last.finding else None)
        whose = [at for at, each in enumerate(annotations) if name in (None, each.annotator)]
        if len(whose) == 1:
            return whose[0]
        some = "nobody annotated the image" if name is None else f"{name} did not annotate the image"
        why = f"it does not say whose of {len(whose)} annotations" if whose else some
        self.found.conflicts.append(DecisionConflict(last, why))
        return None

    def _sort(self, standing: ReviewState, annotation: Annotation, pile: _AnnotationDecisions) -> None:
        """Put what holds where it belongs: to be carried out, settled before, in conflict, or open."""
        decision, last = standing.decision, standing.said[-1]
        is_current = last.imprint != "" and last.imprint == current_label_hash(last, annotation, self._profile)
        if decision is None and is_current:
            pile.is_open = True
            self._count_open(standing)
        elif decision is None:
            self.found.past += 1
        elif is_current and decision not in self._past.here:
            pile.held.append(decision)
        elif self._past.has(decision):
            self.found.past += 1
            pile.before.append(decision)
        elif changes_labels(decision):
            pile.is_open = True
            self.found.conflicts.append(DecisionConflict(decision, "the labels have changed since"))
        else:
            self.found.past += 1

    def _count(self, made: AnnotationResult, pile: _AnnotationDecisions) -> None:
        found = self.found
        found.done += made.done
        found.conflicts += made.conflicts
        found.by_hand += made.by_hand
        found.already += made.already
        found.kept += len(pile.held) - len(made.done) - len(made.conflicts) - len(made.by_hand) - made.already
        pile.is_open |= bool(made.by_hand or made.conflicts)
        self._free_id = made.free_id

    def _count_open(self, standing: ReviewState) -> None:
        if standing.is_disputed:
            self.found.disputed.append(standing)
        else:
            self.found.unsure += 1

    def _review(self, made: ImageResult, annotation: Annotation, decisions: list[Decision]) -> None:
        """Note who has reviewed an annotation, unless it is as far already."""
        if not decisions:
            return
        last = max(decisions, key=lambda each: each.time)
        stage = "adjudicated" if any(each.adjudicates for each in decisions) else "reviewed"
        if is_below_stage(annotation, stage):
            name = annotation.batch.images["image_id"][0].as_py()
            made.stages[name, annotation.annotator] = (stage, last.reviewer)
            self.found.reviewed += 1


def is_below_stage(annotation: Annotation, stage: str) -> bool:
    """Whether an annotation is not as far as a stage yet: no stage is ever lowered."""
    now = annotation.batch.annotations["stage"][0].as_py()
    return now not in STAGES or STAGES.index(now) < STAGES.index(stage)


def current_label_hash(decision: Decision, annotation: Annotation, profile: Profile) -> str:
    """The imprint of the labels that a decision is about, as they are; empty where they are not there any more."""
    if decision.finding is not None:
        return hash_finding_labels(decision.finding, [annotation], profile)
    if decision.segment is None:
        return hash_segments(annotation, profile, np.empty(0, np.int64))
    rows = rows_with_id(decision.segment, annotation.batch)
    return hash_segments(annotation, profile, rows) if len(rows) == 1 else ""


def changes_labels(decision: Decision) -> bool:
    """Whether it asks for a change that segdata makes; of others nothing is overwritten when labels change."""
    finding = decision.finding
    if finding is None:
        return decision.verdict in ("reject", "void")
    mends = decision.verdict == "accept" and (finding.correction is not None or finding.fix is not None)
    return decision.verdict == "void" or mends


HashFindings = Callable[[Sequence[Finding]], Mapping[Finding, str]]


def verdicts_on_findings(
    findings: Sequence[Finding], standings: Iterable[ReviewState], imprints: HashFindings
) -> dict[Finding, Verdict]:
    """The verdict on each finding that has one, for the labels as they are; known again as by `states_of_findings`."""
    sure = [each for each in standings if each.decision is not None]
    found = states_of_findings(findings, sure, imprints).items()
    return {finding: each.decision.verdict for finding, each in found if each.decision is not None}


def states_of_findings(
    findings: Sequence[Finding], standings: Iterable[ReviewState], imprints: HashFindings
) -> dict[Finding, ReviewState]:
    """Where the decisions on each finding that has any have come to, for the labels as they are.

    A finding is known again by its content, as in a baseline, and by the imprint of its labels: `imprints` is asked for
    those whose content a decision speaks of, and for no others. One standing is that of one finding.
    """
    told: dict[tuple[Hashable, str], list[ReviewState]] = {}
    for standing in standings:
        word = standing.said[-1]
        if word.finding is not None:
            told.setdefault((finding_key(word.finding), word.imprint), []).append(standing)
    contents = {about for about, _ in told}
    asked = [(each, about) for each in findings if (about := finding_key(each)) in contents] if contents else []
    now = imprints([each for each, _ in asked]) if asked else {}
    found: dict[Finding, ReviewState] = {}
    for each, about in asked:
        if mine := told.get((about, now[each])):
            found[each] = mine.pop()
    return found


def completed_verdicts(
    findings: Sequence[Finding], standings: Iterable[ReviewState], is_done: Callable[[Decision], bool]
) -> dict[Finding, Verdict]:
    """The verdict on each finding of an earlier report that is done with, though its labels may have changed since.

    It is known again by its content alone. `is_done` says whether a decision was carried out; one that asks for no
    change that segdata makes is done with when the labels change. What was to be changed, and was not, is open.
    """
    known: dict[Hashable, list[Verdict]] = {}
    for standing in standings:
        holds = standing.decision
        if holds is not None and holds.finding is not None and (not changes_labels(holds) or is_done(holds)):
            known.setdefault(finding_key(holds.finding), []).append(holds.verdict)
    told = ((each, known.get(finding_key(each))) for each in findings)
    return {each: verdicts.pop() for each, verdicts in told if verdicts}
