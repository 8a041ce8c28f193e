"""Sheet: one annotation of one image, onto which changes are written one after the other."""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch, integer_column, replace_column, replace_runs
from segdata.core.finding_location import Annotation
from segdata.core.guideline import Relation, is_related_either_way
from segdata.core.overlay import count_pixels, difference, intersection, union
from segdata.core.profile import Profile
from segdata.core.runs import Rows, Runs
from segdata.core.schema import BATCH_SEGMENTS, make_table

_SHARING: tuple[Relation, ...] = ("part_of", "may_overlap")


class Refused(Exception):  # noqa: N818 - a change that is not made
    """Why a decision is not carried out."""


@dataclass(slots=True)
class Change:
    """What one decision does to an annotation.

    Attributes
    ----------
    taken, given : row of a segment -> pixels that it loses, and that it gets
    recalled : row of a segment -> the id of its new category
    deleted : rows
    added : (category id, pixels, source) of new segments; `given` first takes its pixels from the others
    anew : (category id, pixels) of a segment that is drawn anew as a whole; None: none is
    """

    taken: dict[int, Runs] = field(default_factory=dict)
    given: dict[int, Runs] = field(default_factory=dict)
    recalled: dict[int, int] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    added: list[tuple[int, Runs, str]] = field(default_factory=list)
    anew: tuple[int, Runs] | None = None


class Sheet:
    """An annotation as it was, and as it becomes.

    Segments that are drawn anew make room for each other: all labels of an image may be moved by as much.
    """

    def __init__(self, annotation: Annotation, profile: Profile, free_id: int) -> None:
        self.before, self.profile = annotation, profile
        self.batch = annotation.batch
        self.leaving: set[int] = set()  # rows that are to be drawn anew, and are not in the way of each other
        self._free_id, self._deleted = free_id, set[int]()
        self._touched, self._fixed = Runs.empty(), Runs.empty()  # by all changes, and by all that draw nothing anew
        self._anew: dict[int, Runs] = {}  # category -> what was drawn anew
        self._rows: set[int] = set()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.before.size

    @property
    def after(self) -> Batch:
        """The annotation with what was written onto it; segments that lost all of their pixels are gone."""
        n_before = self.before.batch.n_segments
        had = np.pad(self.before.batch.runs.areas(n_before), (0, self.batch.n_segments - n_before)) > 0
        gone = had & (self.batch.runs.areas(self.batch.n_segments) == 0)
        gone[sorted(self._deleted)] = True
        return self.batch.take_segments(np.flatnonzero(~gone)) if gone.any() else self.batch

    def pixels(self, row: int) -> Runs:
        """The pixels of a segment, as it was."""
        return self.before.batch.runs.take(np.array([row]), self.before.batch.n_segments)

    def category(self, row: int) -> int:
        """The category's id of a segment, as it was."""
        return int(self.before.batch.segments["category_id"][row].as_py())

    def of_category(self, category: int) -> int | None:
        """The segment of a category, as it is; None where there is none."""
        ids = self.batch.segments["category_id"].to_pylist()
        return next((row for row, each in enumerate(ids) if each == category and row not in self._deleted), None)

    def write(self, change: Change) -> int:
        """Carry out a change, and return how many pixels are other than before.

        Raises Refused where a change before touched the same segments (of things), or the same pixels; of two that draw
        segments anew only what they draw counts, not what they leave.
        """
        pixels = self._concerned(change)
        rows = {row for row in (*change.taken, *change.given, *change.recalled, *change.deleted) if self._is_thing(row)}
        before = self._touched if change.anew is None else self._fixed
        if rows & self._rows or len(intersection(pixels, before, self.size)) or self._taken_anew(change.anew):
            raise Refused("an earlier decision changes the same labels; look again when that is done")
        self._rows |= rows
        self._touched = union([self._touched, pixels], self.size)
        if change.anew is None:
            self._fixed = union([self._fixed, pixels], self.size)
        else:
            category, drawn = change.anew
            self._anew[category] = union([self._anew.get(category, Runs.empty()), drawn], self.size)
        self._draw(change)
        self._deleted |= change.deleted
        return count_pixels(pixels)

    def _taken_anew(self, anew: tuple[int, Runs] | None) -> bool:
        """Whether what is drawn anew would have pixels of what was, and may not share them."""
        return anew is not None and any(
            not self._may_share(category, anew[0]) and len(intersection(pixels, anew[1], self.size)) > 0
            for category, pixels in self._anew.items()
        )

    def stay(self, rows: set[int]) -> None:
        """Segments that were to be drawn anew and are not: they lose what others were given of theirs."""
        for row in sorted(rows & self.leaving):
            mine = self.category(row)
            others = [pixels for category, pixels in self._anew.items() if not self._may_share(mine, category)]
            left = difference(self._now(row), union([Runs.empty(), *others], self.size), self.size)
            if count_pixels(left) < count_pixels(self._now(row)):
                self._redraw(row, left)

    def touches(self, runs: Runs, rows: list[int]) -> bool:
        """Whether a change was made to these pixels, or to one of these segments of things."""
        return bool(self._rows & set(rows)) or len(intersection(runs, self._touched, self.size)) > 0

    def make_room(self, change: Change, pixels: Runs, category: int, keep: tuple[int, ...] = ()) -> None:
        """Take the pixels that one of this category gets from other segments that may not share them; crowds may."""
        crowd = self.before.batch.segments["iscrowd"]
        for row in np.setdiff1d(self._under(pixels), keep).tolist():
            shares = bool(crowd[row].as_py()) and category not in self.profile.taxonomy.void_ids
            if not shares and not self._may_share(self.category(row), category):
                lost = intersection(self.pixels(row), pixels, self.size)
                change.taken[row] = union([change.taken.get(row, Runs.empty()), lost], self.size)

    def _under(self, pixels: Runs) -> Rows:
        """The segments that had some of these pixels."""
        side, line = self.before.side, self.before.line
        start = line.lift(pixels, np.zeros(1, np.int64))
        owner, *_ = kernels.strips(side.start, side.end, side.owner, start, start + pixels.length, pixels.owner)
        return np.unique(owner)

    def _may_share(self, one: int, other: int) -> bool:
        """Whether segments of two categories may have pixels in common; nothing has with void."""
        policy, taxonomy = self.profile.overlap.value, self.profile.taxonomy
        if other in taxonomy.void_ids:
            return False
        if policy == "allow" or (policy == "same-category-forbid" and one != other):
            return True
        pair = np.array([one]), np.array([other])
        return any(bool(is_related_either_way(taxonomy, each, *pair)[0]) for each in _SHARING)

    def _is_thing(self, row: int) -> bool:
        """Whether a segment is one thing, which is drawn as a whole."""
        category = self.profile.taxonomy.by_id().get(self.category(row))
        return self.profile.task != "semantic" and (category is None or category.kind == "thing")

    def _concerned(self, change: Change) -> Runs:
        """Every pixel that a change concerns."""
        drawn = [*change.taken.values(), *change.given.values(), *(pixels for _, pixels, _ in change.added)]
        return union([*drawn, *(self.pixels(row) for row in (*change.recalled, *change.deleted))], self.size)

    def _draw(self, change: Change) -> None:
        for category, pixels, source in change.added:
            self._add(category, pixels, source)
        for row in sorted({*change.taken, *change.given}):
            left = difference(self._now(row), change.taken.get(row, Runs.empty()), self.size)
            self._redraw(row, union([left, change.given.get(row, Runs.empty())], self.size))
        if change.recalled:
            ids = integer_column(self.batch.segments["category_id"])
            ids[list(change.recalled)] = list(change.recalled.values())
            self.batch = replace(self.batch, segments=replace_column(self.batch.segments, "category_id", ids))

    def _now(self, row: int) -> Runs:
        return self.batch.runs.take(np.array([row]), self.batch.n_segments)

    def _redraw(self, row: int, pixels: Runs) -> None:
        self.batch = replace_runs(self.batch, np.array([row], np.int64), pixels)

    def _add(self, category: int, pixels: Runs, source: str) -> None:
        """A new segment; in a semantic dataset it joins what is there of the category."""
        is_map = self.profile.task == "semantic"
        row = self.of_category(category) if is_map else None
        if row is not None:
            self._redraw(row, union([self._now(row), pixels], self.size))
            return
        new = {"annotation": [0], "segment_id": [category if is_map else self._free_id], "category_id": [category]}
        self._free_id += not is_map
        made = make_table(BATCH_SEGMENTS, 1, **new, source=[source])
        self.batch = replace(
            self.batch,
            segments=pa.concat_tables([self.batch.segments, made]).combine_chunks(),
            runs=Runs.concatenate([self.batch.runs, pixels], [self.batch.n_segments, 1]),
        )

    @property
    def free_id(self) -> int:
        """The next id that no segment has."""
        return self._free_id
