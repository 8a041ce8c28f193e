"""Label edits: the change that a decision asks for, and one annotation onto which changes are written."""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch, integer_column, replace_column, replace_runs
from segdata.core.finding import Correction, Decision, Finding
from segdata.core.finding_location import Annotation, ImageRegions, locate_finding, named_segments
from segdata.core.guideline import Relation, is_related_either_way
from segdata.core.overlay import count_pixels, crop_to_box, difference, intersection, union
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Rows, Runs
from segdata.core.schema import BATCH_SEGMENTS, RLE_ERRORS, make_table, rle_to_runs

_SHARING: tuple[Relation, ...] = ("part_of", "may_overlap")


class ChangeRefused(Exception):  # noqa: N818 - a change that is not made
    """Why a decision is not carried out."""


@dataclass(slots=True)
class LabelChange:
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


class AnnotationEditor:
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

    def write(self, change: LabelChange) -> int:
        """Carry out a change, and return how many pixels are other than before.

        Raises Refused where a change before touched the same segments (of things), or the same pixels; of two that draw
        segments anew only what they draw counts, not what they leave.
        """
        pixels = self._concerned(change)
        rows = {row for row in (*change.taken, *change.given, *change.recalled, *change.deleted) if self._is_thing(row)}
        before = self._touched if change.anew is None else self._fixed
        if rows & self._rows or len(intersection(pixels, before, self.size)) or self._taken_anew(change.anew):
            raise ChangeRefused("an earlier decision changes the same labels; look again when that is done")
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

    def make_room(self, change: LabelChange, pixels: Runs, category: int, keep: tuple[int, ...] = ()) -> None:
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

    def _concerned(self, change: LabelChange) -> Runs:
        """Every pixel that a change concerns."""
        drawn = [*change.taken.values(), *change.given.values(), *(pixels for _, pixels, _ in change.added)]
        return union([*drawn, *(self.pixels(row) for row in (*change.recalled, *change.deleted))], self.size)

    def _draw(self, change: LabelChange) -> None:
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


_AGREEMENT = "SEG4"  # codes of `segdata agreement`: the segments that these name may be another annotator's


def requested_change(decision: Decision, sheet: AnnotationEditor) -> LabelChange | None:
    """What a decision asks for; None where it leaves the labels as they are, or asks for something by hand.

    Raises Refused, with the reason, where it cannot be carried out.
    """
    finding = decision.finding
    if decision.verdict == "void":
        return _make_void(decision, sheet)
    if finding is None:
        return _delete_rows(sheet, rows_of_decision(decision, sheet)) if decision.verdict == "reject" else None
    if decision.verdict == "accept" and finding.correction is not None:
        return _apply_correction(finding, finding.correction, sheet)
    return None


def rows_of_decision(decision: Decision, sheet: AnnotationEditor) -> Ints:
    """The segments that a decision names; raises Refused where one is not there, or there twice."""
    if decision.finding is not None:
        ids = decision.finding.segments
    else:
        ids = () if decision.segment is None else (decision.segment,)
    return np.array([_row_with_id(each, sheet) for each in ids], np.int64)


def redrawn_row(decision: Decision, sheet: AnnotationEditor) -> int | None:
    """The segment that a decision wants to be drawn anew as a whole; None where it wants something else."""
    finding = decision.finding
    if decision.verdict != "accept" or finding is None or finding.correction is None or not finding.segments:
        return None
    if finding.correction.action != "redraw" or sheet.profile.task == "semantic":
        return None
    rows = rows_with_id(finding.segments[0], sheet.before.batch)
    return int(rows[0]) if len(rows) == 1 else None


def rows_with_id(id_: int | str, batch: Batch) -> Ints:
    """The segments of an annotation that have an id, as the source gives it."""
    return named_segments(batch, Finding(code="", rule="", severity="info", message="", segments=(id_,)))


def _row_with_id(id_: int | str, sheet: AnnotationEditor) -> int:
    rows = rows_with_id(id_, sheet.before.batch)
    if len(rows) != 1:
        raise ChangeRefused(f"segment {id_} is {'there more than once' if len(rows) else 'not there'}")
    return int(rows[0])


def _apply_correction(finding: Finding, asked: Correction, sheet: AnnotationEditor) -> LabelChange:
    """What a correction asks for."""
    if asked.size != sheet.size:
        height, width = sheet.size
        raise ChangeRefused(
            f"the correction is of {asked.size[1]} x {asked.size[0]} px, the image of {width} x {height}"
        )
    pieces = _correction_pieces(asked)
    if asked.action == "add":
        return _add_pixels(_union_of_pieces(pieces, sheet), _category_id(asked, sheet), sheet)
    if not finding.segments:
        raise ChangeRefused(f"{asked.action}: the finding names no segment")
    row = _row_with_id(finding.segments[0], sheet)
    if sheet.profile.task == "semantic":
        return _correct_map(row, finding, asked, pieces, sheet)
    if asked.action == "delete":
        return _delete_rows(sheet, np.array([row]))
    if asked.action == "rename":
        return LabelChange(recalled={row: _category_id(asked, sheet)})
    if asked.action == "redraw":
        pixels, category = _union_of_pieces(pieces, sheet), _category_id(asked, sheet)
        change = _redraw_row(row, pixels, category, sheet, tuple(sheet.leaving))
        change.anew = category, pixels
        return change
    if asked.action == "split":
        return _split_row(row, pieces, sheet)
    return _join_rows(row, asked, pieces, sheet)


def _correct_map(
    row: int, finding: Finding, asked: Correction, pieces: list[Runs], sheet: AnnotationEditor
) -> LabelChange:
    """The same where a segment is all that an image has of a category: only the part that the finding shows changes."""
    if asked.action in ("split", "join"):
        raise ChangeRefused(f"{asked.action}: a map of categories has no instances")
    old = _shown_part(row, finding, sheet)
    if asked.action == "delete":
        return LabelChange(taken={row: old})
    new, category = (_union_of_pieces(pieces, sheet) if pieces else old), _category_id(asked, sheet)
    change = _add_pixels(new, category, sheet)
    lost = difference(old, new, sheet.size)
    change.taken[row] = union([change.taken.get(row, Runs.empty()), lost], sheet.size)
    return change


def _shown_part(row: int, finding: Finding, sheet: AnnotationEditor) -> Runs:
    """The parts of a segment that lie in the finding's box; what of it is in there where none lies in it whole."""
    if finding.bbox is None:
        return sheet.pixels(row)
    x, y, wide, high = finding.bbox
    parts = ImageRegions.of(sheet.pixels(row), sheet.size[0])
    run_x, top = np.divmod(parts.runs.start, sheet.size[0])
    out = (run_x < x) | (run_x >= x + wide) | (top < y) | (top + parts.runs.length > y + high)
    whole = np.setdiff1d(np.arange(len(parts.area)), parts.label[out])
    return parts.only(whole) if len(whole) else crop_to_box(sheet.pixels(row), finding.bbox, sheet.size)


def _add_pixels(pixels: Runs, category: int, sheet: AnnotationEditor, source: str = "model") -> LabelChange:
    change = LabelChange(added=[(category, pixels, source)])
    keep = sheet.of_category(category) if sheet.profile.task == "semantic" else None
    sheet.make_room(change, pixels, category, () if keep is None else (keep,))
    return change


def _delete_rows(sheet: AnnotationEditor, rows: Ints) -> LabelChange:
    if not len(rows):
        raise ChangeRefused("it names no segment")
    return LabelChange(deleted=set(rows.tolist()))


def _redraw_row(
    row: int, pixels: Runs, category: int, sheet: AnnotationEditor, keep: tuple[int, ...] = ()
) -> LabelChange:
    old = sheet.pixels(row)
    change = LabelChange(
        taken={row: difference(old, pixels, sheet.size)}, given={row: difference(pixels, old, sheet.size)}
    )
    if category != sheet.category(row):
        change.recalled[row] = category
    sheet.make_room(change, pixels, category, (row, *keep))
    return change


def _split_row(row: int, pieces: list[Runs], sheet: AnnotationEditor) -> LabelChange:
    if len(pieces) < 2:
        raise ChangeRefused("split: the correction has no two pieces")
    order = np.argsort([-count_pixels(each) for each in pieces], kind="stable")  # the largest keeps the id
    category = sheet.category(row)
    change = _redraw_row(row, pieces[order[0]], category, sheet)
    for at in order[1:].tolist():
        change.added.append((category, pieces[at], "model"))
        sheet.make_room(change, pieces[at], category, (row,))
    return change


def _join_rows(row: int, asked: Correction, pieces: list[Runs], sheet: AnnotationEditor) -> LabelChange:
    if asked.joins is None:
        raise ChangeRefused("join: the correction does not say with what")
    other = _row_with_id(asked.joins, sheet)
    old = sheet.pixels(row)
    pixels = _union_of_pieces(pieces, sheet) if pieces else union([old, sheet.pixels(other)], sheet.size)
    change = LabelChange(
        taken={row: difference(old, pixels, sheet.size)}, given={row: difference(pixels, old, sheet.size)}
    )
    change.deleted.add(other)
    sheet.make_room(change, pixels, sheet.category(row), (row, other))
    return change


def _make_void(decision: Decision, sheet: AnnotationEditor) -> LabelChange:
    """The pixels that the finding shows, or else its segments, or the segment, are void from now on."""
    void = sheet.profile.taxonomy.void_ids
    if not void:
        ids = {each.id for each in sheet.profile.taxonomy.categories}
        free = 255 if 255 not in ids else max(ids) + 1
        raise ChangeRefused(
            "the taxonomy has no category of kind void; add to the categories in taxonomy.yaml: "
            f"- {{id: {free}, name: void, kind: void}}"
        )
    rows, finding = rows_of_decision(decision, sheet), decision.finding
    if finding is not None and finding.code.startswith(_AGREEMENT):
        raise ChangeRefused("it speaks of the work of several annotators; decide on the segment itself, or draw it")
    pixels = Runs.empty()
    if finding is not None:
        if finding.correction is not None and finding.correction.action == "add":
            pixels = _union_of_pieces(_correction_pieces(finding.correction), sheet)
        else:
            pixels = locate_finding(sheet.before, finding).runs
    if not len(pixels) and sheet.profile.task == "semantic" and finding is not None and len(rows):
        pixels = _shown_part(int(rows[0]), finding, sheet)
    if not len(pixels):
        pixels = sheet.before.of(rows)
    if not len(pixels):
        raise ChangeRefused("it shows no pixels that could be void")
    return _add_pixels(pixels, void[0], sheet, "human")


def _category_id(asked: Correction, sheet: AnnotationEditor) -> int:
    name, profile = asked.category, sheet.profile
    known = profile.taxonomy.by_name().get(name or "")
    id_ = known.id if known else next((i for i, each in profile.unknown_names.items() if each == name), None)
    if id_ is None:
        raise ChangeRefused(f"the taxonomy has no category {name!r}")
    return id_


def _correction_pieces(asked: Correction) -> list[Runs]:
    """The pixels of each piece."""
    n = len(asked.counts)
    height, width = (np.full(n, side, np.int64) for side in asked.size)
    counts = pa.array([each.encode("utf-8", "replace") for each in asked.counts], pa.binary())
    runs, error = rle_to_runs(counts, height, width)
    if error.any():
        raise ChangeRefused(f"the correction's pixels are damaged: {RLE_ERRORS[int(error[error > 0][0])]}")
    return [runs.take(np.array([k]), n) for k in range(n)]


def _union_of_pieces(pieces: list[Runs], sheet: AnnotationEditor) -> Runs:
    if not any(map(len, pieces)):
        raise ChangeRefused("the correction has no pixels")
    return union(pieces, sheet.size)
