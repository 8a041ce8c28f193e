"""Carried: what the decisions on one annotation make of it, and which of them cannot be carried out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from segdata.core.batch import Batch
from segdata.core.finding import Decision, Finding
from segdata.core.finding_location import Annotation, locate_finding
from segdata.core.profile import Profile
from segdata.review.change import change_of, drawn_anew, rows_of
from segdata.review.sheet import Refused, Sheet

# An annotation with some of its findings mended, and how many pixels each of those that could be concerned.
Mend = Callable[[Annotation, Sequence[Finding]], tuple[Batch, Mapping[Finding, int]]]


@dataclass(frozen=True, slots=True)
class Done:
    """A decision that is carried out, and how many pixels have another label by it."""

    decision: Decision
    pixels: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A decision that is not carried out, and why, in a few words."""

    decision: Decision
    why: str


@dataclass(slots=True)
class Carried:
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
    done: list[Done] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    by_hand: list[Decision] = field(default_factory=list)
    already: int = 0
    free_id: int = 0


def carried(
    annotation: Annotation, decisions: Sequence[Decision], profile: Profile, mend: Mend, free_id: int
) -> Carried:
    """Carry out decisions that were made on these labels, the earlier first.

    Where two touch the same segment of a thing, or the same pixels, the earlier one is carried out; segments that are
    all drawn anew may take each other's places, so that an image's labels can be moved as one. Findings that a
    fix can mend, and no correction says more of, are mended by `mend` when all else is drawn.
    """
    sheet, found = Sheet(annotation, profile, free_id), Carried(None)
    sheet.leaving = {row for each in decisions if (row := drawn_anew(each, sheet)) is not None}
    mendable: list[tuple[Decision, Finding]] = []
    for each in sorted(decisions, key=lambda each: each.time):
        try:
            change = change_of(each, sheet)
            if change is not None:
                found.done.append(Done(each, sheet.write(change)))
            elif _is_mendable(each):
                mendable.append((each, _untouched(each, sheet)))
            elif each.verdict == "fix" or (each.verdict == "accept" and each.finding is not None):
                found.by_hand.append(each)
        except Refused as why:
            found.conflicts.append(Conflict(each, str(why)))
    gone = {drawn_anew(each.decision, sheet) for each in found.done}
    sheet.stay(sheet.leaving - gone)
    after = sheet.after
    if mendable:
        after, pixels = mend(Annotation(after), [finding for _, finding in mendable])
        found.done += [Done(each, pixels[finding]) for each, finding in mendable if finding in pixels]
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


def _untouched(decision: Decision, sheet: Sheet) -> Finding:
    """The finding that is to be mended; raises Refused where an earlier decision changed what it speaks of."""
    assert decision.finding is not None
    if sheet.touches(locate_finding(sheet.before, decision.finding).runs, rows_of(decision, sheet).tolist()):
        raise Refused("an earlier decision changes the same labels; look again when that is done")
    return decision.finding
