"""Segments: the regions of all levels of one image, with what the text file says of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import Defect
from segdata.core.runs import Ints, Runs
from segdata.formats.ade.drawn import Drawn
from segdata.formats.ade.keys import COLUMNS
from segdata.formats.ade.linking import linked, numbered, wholes
from segdata.formats.ade.note import Note
from segdata.formats.ade.regions import Regions

_LEVEL = 1000  # between the ids of two levels, where objects have numbers only


@dataclass(frozen=True, slots=True)
class Segments:
    """The n regions of all levels.

    Attributes
    ----------
    index, key, level : (n,) class index, blue value and level of each
    row : (n,) the row of `notes` that each is; -1: nothing is said of it
    whole : (n,) the segment that each is a part of, by its place; -1: none
    file : (n,) the mask that each was read from
    runs : owners are the regions
    size : height and width in pixels
    notes : what the text file says
    drawn : where its objects lie; empty where they are numbered
    """

    index: Ints
    key: Ints
    level: Ints
    row: Ints
    whole: Ints
    file: list[str]
    runs: Runs
    size: tuple[int, int]
    notes: Sequence[Note]
    drawn: Sequence[Drawn]

    @staticmethod
    def of(
        levels: Sequence[Regions], notes: Sequence[Note], drawn: Sequence[Drawn], defects: list[Defect]
    ) -> "Segments":
        """The regions of all levels; what the text file says is found by place, else by number."""
        counts = [len(each) for each in levels]
        before = np.concatenate([[0], np.cumsum(counts)])
        row = [_rows(each, notes, drawn, defects) for each in levels]
        whole = [np.full(counts[0], -1, np.int64)]
        for k in range(1, len(levels)):
            found = wholes(levels[k], levels[k - 1])
            whole.append(np.where(found < 0, -1, found + before[k - 1]))
        return Segments(
            np.concatenate([each.category for each in levels]),
            np.concatenate([each.key for each in levels]),
            np.repeat([each.level for each in levels], counts),
            np.concatenate(row),
            np.concatenate(whole),
            [each.file for each in levels for _ in range(len(each))],
            Runs.concatenate([each.runs for each in levels], counts),
            levels[0].size,
            notes,
            drawn,
        )

    def __len__(self) -> int:
        return len(self.index)

    def note(self, segment: int) -> Note | None:
        """What is said of a segment."""
        return self.notes[self.row[segment]] if self.row[segment] >= 0 else None

    def first_pixel(self, segment: int) -> str:
        """Where a segment begins, as a place."""
        x, y = divmod(int(self.runs.start[self.runs.offsets(len(self))[segment]]), max(self.size[0], 1))
        return f"x={x}, y={y}"

    def ids(self) -> Ints:
        """(n,) ids of the text file, else level and number, else free ones."""
        ids = np.full(len(self), -1, np.int64)
        told = np.zeros(len(self), bool)
        for segment in range(len(self)):
            note = self.note(segment)
            if note is not None:
                ids[segment] = note.level * _LEVEL + (note.number or 0) if note.id is None else note.id
                told[segment] = True
        ids[~told] = max(0, int(ids[told].max(initial=0))) + 1 + np.arange(int((~told).sum()))
        return ids

    def columns(self, kept: Ints, ids: Ints) -> dict[str, list[object]]:
        """Further columns of some segments."""
        columns: dict[str, list[object]] = {name: [] for name in ("attributes", "file", "place", *COLUMNS)}
        for segment in kept.tolist():
            note = self.note(segment)
            said: dict[str, object] = dict(note.columns) if note else {}
            if self.key[segment] == 0:
                said["iscrowd"] = True  # the class is known, the instance is not
            columns["attributes"].append(sorted(self._attributes(segment, note, ids).items()) or None)
            columns["file"].append(self.file[segment])
            columns["place"].append(f"class {self.index[segment]}, blue {self.key[segment]}")
            for name in COLUMNS:
                columns[name].append(said.get(name))
        return columns

    def _attributes(self, segment: int, note: Note | None, ids: Ints) -> dict[str, str]:
        """What is said of a segment, with its place in the levels and what is hidden of it."""
        said = dict(note.attributes) if note else {}
        if self.drawn and note is not None:
            amodal = self.drawn[self.row[segment]].amodal
            said |= {"amodal": amodal} if amodal else {}
        if self.level[segment]:
            said["part_level"] = str(self.level[segment])
            by_place = int(ids[self.whole[segment]]) if self.whole[segment] >= 0 else None
            whole = note.part_of if note is not None and note.id is not None else by_place
            said |= {} if whole is None else {"part_of": str(whole)}
        return said

    def disagreements(self, file: str) -> Iterator[Defect]:
        """SEG014 where the masks have regions that the text file does not name, or the reverse; `file` is that file."""
        nameless = np.flatnonzero((self.row < 0) & (self.key > 0))
        if len(nameless):
            area = int(self.runs.areas(len(self))[nameless].sum())
            place = self.first_pixel(int(nameless[0]))
            said = f"no object of {file} is {count_noun(len(nameless), 'region')} of the masks: {area:,} px"
            yield Defect("SEG014", f"{said}, the first at {place}", self.file[nameless[0]], place, pixels=area)
        levels = set(self.level.tolist()) | {0}
        hidden = set(range(len(self.notes))) - set(self.row.tolist())
        lost = [self.notes[row] for row in sorted(hidden) if self.notes[row].level in levels]
        if lost:
            message = f"{count_noun(len(lost), 'object')} without a region in the masks ({lost[0].name!r} …)"
            ids = tuple(note.id for note in lost if note.id is not None)
            yield Defect("SEG014", message, file, lost[0].place, segments=ids, severity="info")


def _rows(regions: Regions, notes: Sequence[Note], drawn: Sequence[Drawn], defects: list[Defect]) -> Ints:
    """(n,) the row of the note that each region is; -1 for none."""
    if drawn:
        return linked(regions, notes, drawn)
    if not notes:
        return np.full(len(regions), -1, np.int64)
    rows = numbered(regions, notes)
    if rows is None:
        mine = sum(note.level == regions.level for note in notes)
        message = (
            f"the mask has {count_noun(len(regions), 'region')}, the "
            f"text file {count_noun(mine, 'object')} on this level"
        )
        defects.append(Defect("SEG014", f"{message}: nothing tells which is which", regions.file))
        return np.full(len(regions), -1, np.int64)
    return rows
