"""Redrawn: what came back from an annotation tool, held against what was sent and what there is by now."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from segdata.core.batch import Batch
from segdata.core.finding_location import Annotation
from segdata.core.label_hash import hash_segments
from segdata.core.overlay import difference
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.review.change import rows_with
from segdata.review.sent import Segment, Sent
from segdata.review.sheet import Change, Sheet
from segdata.review.task import Returned


@dataclass(slots=True)
class Redrawn:
    """What comes of one annotation, or of several.

    Attributes
    ----------
    after : the annotation; None: nothing changes
    redrawn, deleted, added : ids of segments
    untouched : how many came back as they were sent
    conflicts : what is not taken, and why
    free_id : the next id that no segment has
    """

    after: Batch | None = None
    redrawn: list[int | str] = field(default_factory=list)
    deleted: list[int | str] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    untouched: int = 0
    conflicts: list[str] = field(default_factory=list)
    free_id: int = 0


@dataclass(slots=True)
class Imported:
    """What was taken of a task that came back.

    Attributes
    ----------
    revision : that was made; None: nothing changed
    images : how many images have other labels
    redrawn, deleted, added, untouched : how many segments
    conflicts : what is not taken, and why, a line each
    """

    revision: str | None = None
    images: int = 0
    redrawn: int = 0
    deleted: int = 0
    added: int = 0
    untouched: int = 0
    conflicts: list[str] = field(default_factory=list)


def redrawn(now: Annotation, sent: Sent, back: Returned, profiles: tuple[Profile, Profile], free_id: int) -> Redrawn:
    """Take the segments that were changed, deleted or added in the tool; of all others not a pixel changes.

    `profiles` are those of the dataset and of what came back. A segment that was changed on both sides is a conflict.
    """
    ours, theirs = profiles
    sheet, change, found = Sheet(now, ours, free_id), Change(), Redrawn()
    for each in sent.segments:
        _take(each, sheet, back, theirs, change, found)
    known = {_imprint(now, ours, row) for row in range(now.batch.n_segments)}
    for row in back.new:
        if _imprint(back.annotation, theirs, row) not in known:  # else it was taken before
            _add(row, sheet, back, theirs, change, found)
    if change != Change():
        sheet.write(change)
        found.after = sheet.after
        found.added = list(range(free_id, sheet.free_id))
    found.free_id = sheet.free_id
    return found


def _take(each: Segment, sheet: Sheet, back: Returned, theirs: Profile, change: Change, found: Redrawn) -> None:
    """One segment that was sent."""
    rows = rows_with(each.id, sheet.before.batch)
    row = int(rows[0]) if len(rows) == 1 else None
    is_now = None if row is None else _imprint(sheet.before, sheet.profile, row)
    place = back.keys.get(each.key)
    came = None if place is None else _imprint(back.annotation, theirs, place)
    if came == each.imprint:
        found.untouched += 1
    elif came == is_now:
        return  # it is so already
    elif row is None or is_now != each.imprint:
        found.conflicts.append(f"segment {each.id} has changed here, too, since it was sent")
    elif place is None:
        change.deleted.add(row)
        found.deleted.append(each.id)
    else:
        category = _category(place, back, theirs, sheet, found)
        if category is None:
            return
        if category != sheet.category(row):
            change.recalled[row] = category
        old, new = sheet.pixels(row), _pixels(back.annotation, place)
        change.taken[row], change.given[row] = difference(old, new, sheet.size), difference(new, old, sheet.size)
        found.redrawn.append(each.id)


def _add(row: int, sheet: Sheet, back: Returned, theirs: Profile, change: Change, found: Redrawn) -> None:
    """One segment that was not sent."""
    category = _category(row, back, theirs, sheet, found)
    if category is not None:
        change.added.append((category, _pixels(back.annotation, row), "human"))


def _category(row: int, back: Returned, theirs: Profile, sheet: Sheet, found: Redrawn) -> int | None:
    """The dataset's own id of the category of a segment that came back; None, with a conflict, where it has none."""
    name = theirs.name_of(back.annotation.batch.segments["category_id"][row].as_py())
    own = sheet.profile.taxonomy.by_name().get(name)
    if own is None:
        found.conflicts.append(f"the taxonomy has no category {name!r}")
    return None if own is None else own.id


def _imprint(annotation: Annotation, profile: Profile, row: int) -> str:
    return hash_segments(annotation, profile, np.array([row]))


def _pixels(annotation: Annotation, row: int) -> Runs:
    return annotation.batch.runs.take(np.array([row]), annotation.batch.n_segments)


def of_same(sent: Sequence[Sent], back: Returned) -> Sent | None:
    """What an annotation that came back was sent as: that which shares most keys with it, the last of several."""
    keys = back.keys.keys() | back.answers.keys()
    shared = [(len(each.keys & keys), place) for place, each in enumerate(sent)]
    most, place = max(shared, default=(0, 0))
    return sent[place] if most else None
