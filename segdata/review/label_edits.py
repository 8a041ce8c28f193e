"""Label edits: the change that a decision asks for, and one annotation onto which changes are written."""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch, replace_column, replace_runs
from segdata.core.finding import Correction, Decision, Finding
from segdata.core.finding_location import Annotation, ImageRegions, locate_finding, named_segments
from segdata.core.guideline import Relation, is_related_either_way
from segdata.core.overlay import count_pixels, crop_to_box, difference, intersection, union
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Rows, Runs
from segdata.core.schema import BATCH_SEGMENTS, RLE_ERRORS, make_table, rle_to_runs

_SHARING: tuple[Relation, ...] = ("part_of", "may_overlap")


class ChangeRefused(Exception):  # noqa: N818 - a change that is not made
    """The reason why a decision is not applied."""


@dataclass(slots=True)
class LabelChange:
    """The change that one decision makes to an annotation."""

    taken: dict[int, Runs] = field(default_factory=dict)  # row of a segment -> pixels that it loses
    given: dict[int, Runs] = field(default_factory=dict)  # -> pixels that it gains
    recalled: dict[int, int] = field(default_factory=dict)  # row of a segment -> the id of its new category
    deleted: set[int] = field(default_factory=set)  # rows of deleted segments
    # (category id, pixels, source) of new segments; `given` takes their pixels from the others first
    added: list[tuple[int, Runs, str]] = field(default_factory=list)
    # (category id, pixels) of a segment that is redrawn as a whole; None: no segment
    anew: tuple[int, Runs] | None = None


class AnnotationEditor:
    """An annotation before and after changes.

    Redrawn segments make room for each other, so that all labels of an image can be moved at once.
    """

    def __init__(self, annotation: Annotation, profile: Profile, free_id: int) -> None:
        self.before, self.profile = annotation, profile
        self.batch = annotation.batch
        self.leaving: set[int] = set()  # rows to be redrawn, which do not block each other
        self._free_id, self._deleted = free_id, set[int]()
        self._touched, self._fixed = Runs.empty(), Runs.empty()  # by all changes, and by all but redrawn segments
        self._anew: dict[int, Runs] = {}  # category -> redrawn pixels
        self._rows: set[int] = set()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.before.size

    @property
    def after(self) -> Batch:
        """The annotation with all changes; segments that lost all their pixels are removed."""
        n_before = self.before.batch.n_segments
        was_visible = np.pad(self.before.batch.runs.areas(n_before), (0, self.batch.n_segments - n_before)) > 0
        gone = was_visible & (self.batch.runs.areas(self.batch.n_segments) == 0)
        gone[sorted(self._deleted)] = True
        return self.batch.take_segments(np.flatnonzero(~gone)) if gone.any() else self.batch

    def pixels(self, row: int) -> Runs:
        """The pixels of a segment before the changes."""
        return self.before.batch.runs.take(np.array([row]), self.before.batch.n_segments)

    def category(self, row: int) -> int:
        """The category id of a segment before the changes."""
        return int(self.before.batch.segment_category[row])

    def of_category(self, category: int) -> int | None:
        """The current segment of a category; None if there is none."""
        ids = self.batch.segment_category.tolist()
        return next((row for row, id_ in enumerate(ids) if id_ == category and row not in self._deleted), None)

    def write(self, change: LabelChange) -> int:
        """Make a change, and return how many pixels it changes.

        Raises ChangeRefused if an earlier change touched the same segments of things, or the same pixels; for two
        redrawn segments only the pixels that they gain count, not those that they leave.
        """
        pixels = self._concerned_pixels(change)
        rows = {row for row in (*change.taken, *change.given, *change.recalled, *change.deleted) if self._is_thing(row)}
        before = self._touched if change.anew is None else self._fixed
        if rows & self._rows or len(intersection(pixels, before, self.size)) or self._taken_anew(change.anew):
            raise ChangeRefused("an earlier decision changes the same labels; look again after that change")
        self._rows |= rows
        self._touched = union([self._touched, pixels], self.size)
        if change.anew is None:
            self._fixed = union([self._fixed, pixels], self.size)
        else:
            category, new_pixels = change.anew
            self._anew[category] = union([self._anew.get(category, Runs.empty()), new_pixels], self.size)
        self._draw(change)
        self._deleted |= change.deleted
        return count_pixels(pixels)

    def _taken_anew(self, anew: tuple[int, Runs] | None) -> bool:
        """Whether a redrawn segment would take pixels of an earlier one, and may not share them."""
        return anew is not None and any(
            not self._may_share(category, anew[0]) and len(intersection(pixels, anew[1], self.size)) > 0
            for category, pixels in self._anew.items()
        )

    def stay(self, rows: set[int]) -> None:
        """Keep segments that were to be redrawn and are not: they lose the pixels that others gained."""
        for row in sorted(rows & self.leaving):
            category_id = self.category(row)
            others = [pixels for category, pixels in self._anew.items() if not self._may_share(category_id, category)]
            left = difference(self._current_pixels(row), union([Runs.empty(), *others], self.size), self.size)
            if count_pixels(left) < count_pixels(self._current_pixels(row)):
                self._redraw(row, left)

    def touches(self, runs: Runs, rows: list[int]) -> bool:
        """Whether a change touched these pixels, or one of these segments of things."""
        return bool(self._rows & set(rows)) or len(intersection(runs, self._touched, self.size)) > 0

    def make_room(self, change: LabelChange, pixels: Runs, category: int, keep: tuple[int, ...] = ()) -> None:
        """Take pixels of a segment of this category from other segments that may not share them; crowds may."""
        crowd = self.before.batch.segments["iscrowd"]
        for row in np.setdiff1d(self._segments_at(pixels), keep).tolist():
            shares = bool(crowd[row].as_py()) and category not in self.profile.taxonomy.void_ids
            if not shares and not self._may_share(self.category(row), category):
                lost = intersection(self.pixels(row), pixels, self.size)
                change.taken[row] = union([change.taken.get(row, Runs.empty()), lost], self.size)

    def _segments_at(self, pixels: Runs) -> Rows:
        """The segments with any of these pixels before the changes."""
        side, line = self.before.side, self.before.line
        start = line.lift(pixels, np.zeros(1, np.int64))
        owner, *_ = kernels.strips(side.start, side.end, side.owner, start, start + pixels.length, pixels.owner)
        return np.unique(owner)

    def _may_share(self, first: int, second: int) -> bool:
        """Whether segments of two categories may share pixels; void shares none."""
        policy, taxonomy = self.profile.overlap.value, self.profile.taxonomy
        if second in taxonomy.void_ids:
            return False
        if policy == "allow" or (policy == "same-category-forbid" and first != second):
            return True
        pair = np.array([first]), np.array([second])
        return any(bool(is_related_either_way(taxonomy, relation, *pair)[0]) for relation in _SHARING)

    def _is_thing(self, row: int) -> bool:
        """Whether a segment is one thing, drawn as a whole."""
        category = self.profile.taxonomy.by_id().get(self.category(row))
        return self.profile.task != "semantic" and (category is None or category.kind == "thing")

    def _concerned_pixels(self, change: LabelChange) -> Runs:
        pixel_sets = [*change.taken.values(), *change.given.values(), *(pixels for _, pixels, _ in change.added)]
        return union([*pixel_sets, *(self.pixels(row) for row in (*change.recalled, *change.deleted))], self.size)

    def _draw(self, change: LabelChange) -> None:
        for category, pixels, source in change.added:
            self._add(category, pixels, source)
        for row in sorted({*change.taken, *change.given}):
            left = difference(self._current_pixels(row), change.taken.get(row, Runs.empty()), self.size)
            self._redraw(row, union([left, change.given.get(row, Runs.empty())], self.size))
        if change.recalled:
            ids = self.batch.segment_category.copy()
            ids[list(change.recalled)] = list(change.recalled.values())
            self.batch = replace(self.batch, segments=replace_column(self.batch.segments, "category_id", ids))

    def _current_pixels(self, row: int) -> Runs:
        return self.batch.runs.take(np.array([row]), self.batch.n_segments)

    def _redraw(self, row: int, pixels: Runs) -> None:
        self.batch = replace_runs(self.batch, np.array([row], np.int64), pixels)

    def _add(self, category: int, pixels: Runs, source: str) -> None:
        """Add a segment; in a semantic dataset it joins the existing segment of its category."""
        is_map = self.profile.task == "semantic"
        row = self.of_category(category) if is_map else None
        if row is not None:
            self._redraw(row, union([self._current_pixels(row), pixels], self.size))
            return
        new = {"annotation": [0], "segment_id": [category if is_map else self._free_id], "category_id": [category]}
        self._free_id += not is_map
        new_segment = make_table(BATCH_SEGMENTS, 1, **new, source=[source])
        self.batch = replace(
            self.batch,
            segments=pa.concat_tables([self.batch.segments, new_segment]).combine_chunks(),
            runs=Runs.concatenate([self.batch.runs, pixels], [self.batch.n_segments, 1]),
        )

    @property
    def free_id(self) -> int:
        """The next unused id."""
        return self._free_id


_AGREEMENT_PREFIX = "SEG4"  # codes of `segdata agreement`, whose segments may be another annotator's


def requested_change(decision: Decision, editor: AnnotationEditor) -> LabelChange | None:
    """The change that a decision asks for; None if it leaves the labels unchanged, or needs drawing by hand.

    Raises ChangeRefused with the reason if the change is impossible.
    """
    finding = decision.finding
    if decision.verdict == "void":
        return _make_void(decision, editor)
    if finding is None:
        return _delete_rows(rows_of_decision(decision, editor)) if decision.verdict == "reject" else None
    if decision.verdict == "accept" and finding.correction is not None:
        return _apply_correction(finding, finding.correction, editor)
    return None


def rows_of_decision(decision: Decision, editor: AnnotationEditor) -> Ints:
    """The rows (m,) of segments that a decision names; raises ChangeRefused if one is missing or ambiguous."""
    if decision.finding is not None:
        ids = decision.finding.segments
    else:
        ids = () if decision.segment is None else (decision.segment,)
    return np.array([_row_with_id(id_, editor) for id_ in ids], np.int64)


def redrawn_row(decision: Decision, editor: AnnotationEditor) -> int | None:
    """The segment that a decision wants to redraw as a whole; None for other decisions."""
    finding = decision.finding
    if decision.verdict != "accept" or finding is None or finding.correction is None or not finding.segments:
        return None
    if finding.correction.action != "redraw" or editor.profile.task == "semantic":
        return None
    rows = rows_with_id(finding.segments[0], editor.before.batch)
    return int(rows[0]) if len(rows) == 1 else None


def rows_with_id(id_: int | str, batch: Batch) -> Ints:
    """The rows (m,) of segments of an annotation with an id of the source."""
    return named_segments(batch, Finding(code="", rule="", severity="info", message="", segments=(id_,)))


def _row_with_id(id_: int | str, editor: AnnotationEditor) -> int:
    rows = rows_with_id(id_, editor.before.batch)
    if len(rows) != 1:
        raise ChangeRefused(f"segment {id_} {'exists more than once' if len(rows) else 'does not exist'}")
    return int(rows[0])


def _apply_correction(finding: Finding, correction: Correction, editor: AnnotationEditor) -> LabelChange:
    if correction.size != editor.size:
        height, width = editor.size
        raise ChangeRefused(
            f"the correction is of {correction.size[1]} x {correction.size[0]} px, the image of {width} x {height}"
        )
    pieces = _correction_pieces(correction)
    if correction.action == "add":
        return _add_pixels(_union_of_pieces(pieces, editor), _category_id(correction, editor), editor)
    if not finding.segments:
        raise ChangeRefused(f"{correction.action}: the finding names no segment")
    row = _row_with_id(finding.segments[0], editor)
    if editor.profile.task == "semantic":
        return _correct_map(row, finding, correction, pieces, editor)
    if correction.action == "delete":
        return _delete_rows(np.array([row]))
    if correction.action == "rename":
        return LabelChange(recalled={row: _category_id(correction, editor)})
    if correction.action == "redraw":
        pixels, category = _union_of_pieces(pieces, editor), _category_id(correction, editor)
        change = _redraw_row(row, pixels, category, editor, tuple(editor.leaving))
        change.anew = category, pixels
        return change
    if correction.action == "split":
        return _split_row(row, pieces, editor)
    return _join_rows(row, correction, pieces, editor)


def _correct_map(
    row: int, finding: Finding, correction: Correction, pieces: list[Runs], editor: AnnotationEditor
) -> LabelChange:
    """The change of a correction in semantic data: only the part in the box of the finding changes."""
    if correction.action in ("split", "join"):
        raise ChangeRefused(f"{correction.action}: a map of categories has no instances")
    old = _shown_part(row, finding, editor)
    if correction.action == "delete":
        return LabelChange(taken={row: old})
    new, category = (_union_of_pieces(pieces, editor) if pieces else old), _category_id(correction, editor)
    change = _add_pixels(new, category, editor)
    lost = difference(old, new, editor.size)
    change.taken[row] = union([change.taken.get(row, Runs.empty()), lost], editor.size)
    return change


def _shown_part(row: int, finding: Finding, editor: AnnotationEditor) -> Runs:
    """The parts of a segment within the finding's box; if none lies within it, its pixels in the box."""
    if finding.bbox is None:
        return editor.pixels(row)
    x, y, wide, high = finding.bbox
    parts = ImageRegions.from_runs(editor.pixels(row), editor.size[0])
    run_x, top = np.divmod(parts.runs.start, editor.size[0])
    out = (run_x < x) | (run_x >= x + wide) | (top < y) | (top + parts.runs.length > y + high)
    inside = np.setdiff1d(np.arange(len(parts.area)), parts.label[out])
    return parts.only(inside) if len(inside) else crop_to_box(editor.pixels(row), finding.bbox, editor.size)


def _add_pixels(pixels: Runs, category: int, editor: AnnotationEditor, source: str = "model") -> LabelChange:
    change = LabelChange(added=[(category, pixels, source)])
    keep = editor.of_category(category) if editor.profile.task == "semantic" else None
    editor.make_room(change, pixels, category, () if keep is None else (keep,))
    return change


def _delete_rows(rows: Ints) -> LabelChange:
    if not len(rows):
        raise ChangeRefused("it names no segment")
    return LabelChange(deleted=set(rows.tolist()))


def _redraw_row(
    row: int, pixels: Runs, category: int, editor: AnnotationEditor, keep: tuple[int, ...] = ()
) -> LabelChange:
    old = editor.pixels(row)
    change = LabelChange(
        taken={row: difference(old, pixels, editor.size)}, given={row: difference(pixels, old, editor.size)}
    )
    if category != editor.category(row):
        change.recalled[row] = category
    editor.make_room(change, pixels, category, (row, *keep))
    return change


def _split_row(row: int, pieces: list[Runs], editor: AnnotationEditor) -> LabelChange:
    if len(pieces) < 2:
        raise ChangeRefused("split: the correction has fewer than two pieces")
    order = np.argsort([-count_pixels(piece) for piece in pieces], kind="stable")  # the largest keeps the id
    category = editor.category(row)
    change = _redraw_row(row, pieces[order[0]], category, editor)
    for number in order[1:].tolist():
        change.added.append((category, pieces[number], "model"))
        editor.make_room(change, pieces[number], category, (row,))
    return change


def _join_rows(row: int, correction: Correction, pieces: list[Runs], editor: AnnotationEditor) -> LabelChange:
    if correction.joins is None:
        raise ChangeRefused("join: the correction names no other segment")
    other = _row_with_id(correction.joins, editor)
    old = editor.pixels(row)
    pixels = _union_of_pieces(pieces, editor) if pieces else union([old, editor.pixels(other)], editor.size)
    change = LabelChange(
        taken={row: difference(old, pixels, editor.size)}, given={row: difference(pixels, old, editor.size)}
    )
    change.deleted.add(other)
    editor.make_room(change, pixels, editor.category(row), (row, other))
    return change


def _make_void(decision: Decision, editor: AnnotationEditor) -> LabelChange:
    """Make void of the pixels of the finding, or else of its segments, or of the segment."""
    void = editor.profile.taxonomy.void_ids
    if not void:
        ids = {category.id for category in editor.profile.taxonomy.categories}
        free = 255 if 255 not in ids else max(ids) + 1
        raise ChangeRefused(
            "the taxonomy has no category of kind void; add to the categories in taxonomy.yaml: "
            f"- {{id: {free}, name: void, kind: void}}"
        )
    finding = decision.finding
    if finding is not None and finding.code.startswith(_AGREEMENT_PREFIX):
        if finding.correction is None:
            raise ChangeRefused("the finding is about several annotators; decide on the segment itself, or redraw it")
        finding = replace(finding, segments=finding.segments[:1] if finding.correction.action != "add" else ())
        decision = replace(decision, finding=finding)
    rows, pixels = rows_of_decision(decision, editor), Runs.empty()
    if finding is not None:
        if finding.correction is not None and finding.correction.action == "add":
            pixels = _union_of_pieces(_correction_pieces(finding.correction), editor)
        else:
            pixels = locate_finding(editor.before, finding).runs
    if not len(pixels) and editor.profile.task == "semantic" and finding is not None and len(rows):
        pixels = _shown_part(int(rows[0]), finding, editor)
    if not len(pixels):
        pixels = editor.before.pixels_of(rows)
    if not len(pixels):
        raise ChangeRefused("it has no pixels that could become void")
    return _add_pixels(pixels, void[0], editor, "human")


def _category_id(correction: Correction, editor: AnnotationEditor) -> int:
    name, profile = correction.category, editor.profile
    category = profile.taxonomy.by_name().get(name or "")
    id_ = (
        category.id if category else next((i for i, unknown in profile.unknown_names.items() if unknown == name), None)
    )
    if id_ is None:
        raise ChangeRefused(f"the taxonomy has no category {name!r}")
    return id_


def _correction_pieces(correction: Correction) -> list[Runs]:
    n = len(correction.counts)
    height, width = (np.full(n, side, np.int64) for side in correction.size)
    counts = pa.array([text.encode("utf-8", "replace") for text in correction.counts], pa.binary())
    runs, error = rle_to_runs(counts, height, width)
    if error.any():
        raise ChangeRefused(f"the pixels of the correction are damaged: {RLE_ERRORS[int(error[error > 0][0])]}")
    return [runs.take(np.array([k]), n) for k in range(n)]


def _union_of_pieces(pieces: list[Runs], editor: AnnotationEditor) -> Runs:
    if not any(map(len, pieces)):
        raise ChangeRefused("the correction has no pixels")
    return union(pieces, editor.size)
