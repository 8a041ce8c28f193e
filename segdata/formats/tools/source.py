"""Source: a dataset of an annotation tool, whose shapes become pixels when a batch asks for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.columns import BATCH_SEGMENTS, table
from segdata.core.defect import Defect
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs
from segdata.formats.images import Header, size_defects
from segdata.formats.perimage.entry import Entry, below
from segdata.formats.perimage.found import BrokenLabelsError
from segdata.formats.perimage.headers import header_of
from segdata.formats.perimage.tables import annotation_table, image_table
from segdata.formats.shapes.raster import rasterise
from segdata.formats.shapes.rings import ring_lists
from segdata.formats.tools.mark import Drawing, Joined, joined


@dataclass(frozen=True)
class ToolSource:
    """An opened dataset of an annotation tool.

    Attributes
    ----------
    root : where paths in messages start
    profile : of the dataset; its raster rule is the tool's
    entries : its images
    defects : met while opening
    to : a category's name in the files -> its id
    look : what is drawn on an image, given the header of its file if there is one; None: nobody annotated it. It is
        called from any thread, and raises BrokenLabelsError
    annotator : whose work it is where the files name nobody
    per_chunk : how many images are good to load at once
    """

    root: Path
    profile: Profile
    entries: Sequence[Entry]
    defects: tuple[Defect, ...]
    to: Mapping[str, int] = field(repr=False)
    look: Callable[[Entry, Header | None], Drawing | None] = field(repr=False)
    annotator: str | None = None
    per_chunk: int = 64

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [entry.image_id for entry in self.entries]

    def chunks(self) -> list[Ints]:
        """Rows in portions of a few images."""
        rows = np.arange(len(self.entries), dtype=np.int64)
        return [rows[first : first + self.per_chunk] for first in range(0, len(rows), self.per_chunk)]

    def load(self, rows: Ints) -> Batch:
        """The images at these rows; all their shapes are rasterised at once."""
        entries = [self.entries[row] for row in rows]
        defects: list[Defect] = []
        headers = [header_of(self.root, entry, defects) for entry in entries]
        drawings = [self._drawing(entry, head, defects) for entry, head in zip(entries, headers, strict=True)]
        sizes = [
            drawing.size if drawing else (head.height, head.width) if head else entry.size
            for entry, head, drawing in zip(entries, headers, drawings, strict=True)
        ]
        entries = [
            replace(entry, metadata={**entry.metadata, **drawing.metadata}) if drawing and drawing.metadata else entry
            for entry, drawing in zip(entries, drawings, strict=True)
        ]
        there = [(row, drawing) for row, drawing in enumerate(drawings) if drawing is not None]
        segments = []
        for row, drawing in there:
            segments.append(joined(drawing.marks))
            defects += [self._in(entries[row], drawing, each) for each in segments[-1].defects]
        drawn, image = [drawing for _, drawing in there], np.array([row for row, _ in there], np.int32)
        return Batch(
            image_table(entries, sizes),
            annotation_table(drawn, image, self.annotator),
            *self._segments(segments, [each.size for each in drawn], [self._file(entries[row]) for row, _ in there]),
            tuple(defects),
        )

    def _file(self, entry: Entry) -> str | None:
        return below(self.root, entry.files[0]) if entry.files else None

    def _in(self, entry: Entry, drawing: Drawing | None, defect: Defect) -> Defect:
        """A defect with its file, image and annotator."""
        whose = (drawing.annotator if drawing else None) or self.annotator
        file = defect.file or self._file(entry)
        return replace(defect, file=file, image=defect.image or entry.image_id, annotator=whose)

    def _drawing(self, entry: Entry, head: Header | None, defects: list[Defect]) -> Drawing | None:
        """What is drawn on an image; None where nobody annotated it, or that cannot be read."""
        if not entry.is_annotated:
            return None
        try:
            drawing = self.look(entry, head)
        except BrokenLabelsError as broken:
            defects += [self._in(entry, None, each) for each in broken.defects]
            return None
        if drawing is not None:
            height, width = drawing.size
            file = self._file(entry)
            defects += size_defects(entry.image_id, head, width, height, "declared size", file, None)
            defects += [self._in(entry, drawing, each) for each in drawing.defects]
        return drawing

    def _segments(
        self, drawn: Sequence[Joined], sizes: Sequence[tuple[int, int]], files: Sequence[str | None]
    ) -> tuple[pa.Table, Runs]:
        """The rows of `segments`, and all runs."""
        counts = [len(each.parts) for each in drawn]
        parts = [part for each in drawn for part in each.parts]
        firsts = [part[0] for part in parts]
        shapes = [[mark.shape for mark in part] for part in parts]
        size = np.repeat(np.array(sizes, np.int64).reshape(-1, 2), counts, axis=0)
        named = dict.fromkeys(name for mark in firsts for name in mark.columns)
        columns: dict[str, object] = {name: [mark.columns.get(name) for mark in firsts] for name in named}
        columns["iscrowd"] = [bool(mark.columns.get("iscrowd")) for mark in firsts]
        segments = table(
            BATCH_SEGMENTS,
            len(parts),
            annotation=np.repeat(np.arange(len(drawn), dtype=np.int32), counts),
            segment_id=[id_ for each in drawn for id_ in each.ids],
            category_id=[self.to[mark.name] for mark in firsts],
            attributes=[said or None for each in drawn for said in each.attributes],
            rings=ring_lists(shapes),
            file=np.repeat(np.array(files, object), counts).tolist(),
            place=[mark.place for mark in firsts],
            **columns,
        )
        return segments, rasterise(shapes, self.profile.raster_rule, size[:, 0], size[:, 1])
