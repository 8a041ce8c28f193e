"""Applied: what the decisions in a log make of a dataset."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from segdata.core.batch import Batch
from segdata.core.finding import Decision
from segdata.core.finding_location import Annotation
from segdata.core.label_hash import hash_finding_labels, hash_segments
from segdata.core.profile import Profile
from segdata.review.carried import Carried, Conflict, Done, Mend, carried
from segdata.review.change import rows_with
from segdata.review.past import Past
from segdata.review.standing import Standing

STAGES = ("drafted", "annotated", "reviewed", "adjudicated", "accepted")
Whose = tuple[str, str | None]  # image_id and annotator


@dataclass(slots=True)
class Applied:
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
    done: list[Done] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    disputed: list[Standing] = field(default_factory=list)
    by_hand: list[Decision] = field(default_factory=list)
    unsure: int = 0
    kept: int = 0
    already: int = 0
    past: int = 0
    images: int = 0
    reviewed: int = 0


@dataclass(slots=True)
class ImageApplied:
    """One image: its annotations with what the decisions make of them, whether any changes, and who has reviewed them.

    `stages`: image_id and annotator -> stage and reviewer.
    """

    pieces: list[Batch]
    changed: bool = False
    stages: dict[Whose, tuple[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Pile:
    """The decisions about one annotation, to be carried out or carried out before; `is_open`: not all is settled."""

    held: list[Decision] = field(default_factory=list)
    before: list[Decision] = field(default_factory=list)
    is_open: bool = False


class Applying:
    """Carries out the decisions on one image after the other, and keeps count."""

    def __init__(self, profile: Profile, past: Past, mend: Mend, free_id: int) -> None:
        self.found = Applied()
        self._profile, self._past, self._mend, self._free_id = profile, past, mend, free_id

    def image(self, batch: Batch, standings: Iterable[Standing]) -> ImageApplied:
        """One image with the decisions about it carried out."""
        annotations = Annotation.each(batch)
        made = ImageApplied([each.batch for each in annotations])
        piles = [_Pile() for _ in annotations]
        for each in standings:
            at = self._whose(each, annotations)
            if at is not None:
                self._sort(each, annotations[at], piles[at])
        for at, (annotation, pile) in enumerate(zip(annotations, piles, strict=True)):
            if pile.held:
                found = carried(annotation, pile.held, self._profile, self._mend, self._free_id)
                self._count(found, pile)
                if found.after is not None:
                    made.pieces[at], made.changed = found.after, True
            if not pile.is_open:
                self._review(made, annotation, pile.before + pile.held)
        self.found.images += made.changed
        return made

    def elsewhere(self, standings: Iterable[Standing]) -> None:
        """Count decisions about the dataset, and about images that it has not."""
        for each in standings:
            decision = each.decision
            if decision is None:
                self._count_open(each)
            elif decision.image is not None:
                self.found.conflicts.append(Conflict(decision, "the image is not in the dataset"))
            elif decision.verdict == "reject":
                self.found.kept += 1
            else:
                self.found.by_hand.append(decision)

    def _whose(self, standing: Standing, annotations: list[Annotation]) -> int | None:
        """Which annotation it is about; counted as a conflict where nothing tells."""
        last = standing.said[-1]
        name = last.annotator or (last.finding.annotator if last.finding else None)
        whose = [at for at, each in enumerate(annotations) if name in (None, each.annotator)]
        if len(whose) == 1:
            return whose[0]
        some = "nobody annotated the image" if name is None else f"{name} did not annotate the image"
        why = f"it does not say whose of {len(whose)} annotations" if whose else some
        self.found.conflicts.append(Conflict(last, why))
        return None

    def _sort(self, standing: Standing, annotation: Annotation, pile: _Pile) -> None:
        """Put what holds where it belongs: to be carried out, settled before, in conflict, or open."""
        decision, last = standing.decision, standing.said[-1]
        is_current = last.imprint != "" and last.imprint == imprint_now(last, annotation, self._profile)
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
            self.found.conflicts.append(Conflict(decision, "the labels have changed since"))
        else:
            self.found.past += 1

    def _count(self, made: Carried, pile: _Pile) -> None:
        found = self.found
        found.done += made.done
        found.conflicts += made.conflicts
        found.by_hand += made.by_hand
        found.already += made.already
        found.kept += len(pile.held) - len(made.done) - len(made.conflicts) - len(made.by_hand) - made.already
        pile.is_open |= bool(made.by_hand or made.conflicts)
        self._free_id = made.free_id

    def _count_open(self, standing: Standing) -> None:
        if standing.is_disputed:
            self.found.disputed.append(standing)
        else:
            self.found.unsure += 1

    def _review(self, made: ImageApplied, annotation: Annotation, decisions: list[Decision]) -> None:
        """Note who has reviewed an annotation, unless it is as far already."""
        if not decisions:
            return
        last = max(decisions, key=lambda each: each.time)
        stage = "adjudicated" if any(each.adjudicates for each in decisions) else "reviewed"
        if is_below(annotation, stage):
            name = annotation.batch.images["image_id"][0].as_py()
            made.stages[name, annotation.annotator] = (stage, last.reviewer)
            self.found.reviewed += 1


def is_below(annotation: Annotation, stage: str) -> bool:
    """Whether an annotation is not as far as a stage yet: no stage is ever lowered."""
    now = annotation.batch.annotations["stage"][0].as_py()
    return now not in STAGES or STAGES.index(now) < STAGES.index(stage)


def imprint_now(decision: Decision, annotation: Annotation, profile: Profile) -> str:
    """The imprint of the labels that a decision is about, as they are; empty where they are not there any more."""
    if decision.finding is not None:
        return hash_finding_labels(decision.finding, [annotation], profile)
    if decision.segment is None:
        return hash_segments(annotation, profile, np.empty(0, np.int64))
    rows = rows_with(decision.segment, annotation.batch)
    return hash_segments(annotation, profile, rows) if len(rows) == 1 else ""


def changes_labels(decision: Decision) -> bool:
    """Whether it asks for a change that segdata makes; of others nothing is overwritten when labels change."""
    finding = decision.finding
    if finding is None:
        return decision.verdict in ("reject", "void")
    mends = decision.verdict == "accept" and (finding.correction is not None or finding.fix is not None)
    return decision.verdict == "void" or mends
