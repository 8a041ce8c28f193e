"""Source: a dataset of an annotation tool, whose shapes become pixels when a batch asks for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.formats.coco.segmentations import Polygons
from segdata.formats.coco.segmentations import flat_rings as on_lines
from segdata.formats.shapes.flat import sums
from segdata.formats.shared.images import ImageHeader
from segdata.formats.shared.per_image import ImageEntry, ReadImages, annotation_table, chunk_rows, read_images
from segdata.formats.tools.drawn import drawn
from segdata.formats.tools.mark import Drawing, Joined, Mark, joined
from segdata.formats.tools.written import Notation, Sketch, sketched


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
    look : what is drawn on an image, an item for each annotator, given the header of its file if there is one; none:
        nobody annotated it. It is called from any thread, and raises BrokenLabelsError
    annotator : whose work it is where the files name nobody
    notation : how the tool writes polygons
    per_chunk : how many images are good to load at once
    what : how messages call the size in the files
    """

    root: Path
    profile: Profile
    entries: Sequence[ImageEntry]
    defects: tuple[Defect, ...]
    to: Mapping[str, int] = field(repr=False)
    look: Callable[[ImageEntry, ImageHeader | None], Sequence[Drawing]] = field(repr=False)
    annotator: str | None = None
    notation: Notation = field(default=Notation(), repr=False)
    per_chunk: int = 64
    what: str = "declared size"

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [entry.image_id for entry in self.entries]

    def chunks(self) -> list[Ints]:
        """Rows in portions of a few images."""
        return chunk_rows(len(self.entries), self.per_chunk)

    def load(self, rows: Ints) -> Batch:
        """The images at these rows; all their shapes are parsed and rasterised at once."""
        looked = read_images(self.root, [self.entries[row] for row in rows], self.look, self.annotator, self.what)
        marks = [mark for each in looked.drawn for mark in each.marks]
        offset = sums(np.array([len(each.marks) for each in looked.drawn], np.int64))
        size = np.array([each.size for each in looked.drawn], np.int64).reshape(-1, 2).repeat(np.diff(offset), axis=0)
        sketch = sketched(marks, size, self.notation)
        if self.profile.raster_rule == "coco":  # by other rules edges are pixels, and such a ring is a line of them
            _report_lines(looked, marks, offset, sketch)
        segments = _joined(looked, marks, offset.tolist(), sketch.broken)
        parts = [part for each in segments for part in each.parts]
        runs, rings = drawn(marks, size, sketch, parts, self.notation, self.profile.raster_rule)
        annotation = np.repeat(np.arange(len(segments), dtype=np.int32), [len(each.parts) for each in segments])
        firsts = [marks[part[0]] for part in parts]
        columns = _columns(firsts)
        table_of_segments = make_table(
            BATCH_SEGMENTS,
            len(parts),
            annotation=annotation,
            segment_id=[id_ for each in segments for id_ in each.ids],
            category_id=[self.to[mark.name] for mark in firsts],
            attributes=[pairs or None for each in segments for pairs in each.attributes],
            rings=rings,
            file=pa.array(looked.file, pa.string()).take(pa.array(annotation)),
            place=[mark.place for mark in firsts],
            **columns,
        )
        annotations = annotation_table(looked.drawn, looked.image, self.annotator, file=looked.file)
        return Batch(looked.images, annotations, table_of_segments, runs, tuple(looked.defects))


def _report_lines(looked: ReadImages[Drawing], marks: Sequence[Mark], offset: Ints, sketch: Sketch) -> None:
    """Report the rings whose points are on one line."""
    drawn = sketch.drawn
    on_line = on_lines(Polygons(drawn.points.ravel(), 2 * drawn.ring, drawn.polygon))
    for row in np.unique(sketch.mark[drawn.polygon_of_ring[on_line]]).tolist():
        said = "has a ring of zero area: its points are on one line; kept, with the pixels that COCO's rule gives it"
        looked.report(int(np.searchsorted(offset, row, side="right")) - 1, [marks[row].doubt(said)])


def _columns(marks: Sequence[Mark]) -> dict[str, list[object] | None]:
    """The further columns of segments, which their first marks tell; None where all values are null."""
    said = {id(mark.columns): mark.columns for mark in marks}  # many marks share what they say
    named = dict.fromkeys(name for each in said.values() for name in each)
    columns: dict[str, list[object] | None] = {}
    if len(said) == 1:
        (only,) = said.values()
        columns |= {name: None if only[name] is None else [only[name]] * len(marks) for name in named}
    else:
        columns |= {name: [mark.columns.get(name) for mark in marks] for name in named}
    columns["iscrowd"] = [bool(each) for each in columns.get("iscrowd") or [False] * len(marks)]
    return columns


def _joined(
    looked: ReadImages[Drawing], marks: Sequence[Mark], offset: Sequence[int], broken: Mapping[int, Defect]
) -> list[Joined]:
    """The segments of each annotation, of the marks that are not broken; those are reported."""
    found = []
    for row, (begin, end) in enumerate(pairwise(offset)):
        if broken:
            looked.report(row, [broken[mark] for mark in range(begin, end) if mark in broken])
        found.append(joined(marks, [mark for mark in range(begin, end) if mark not in broken]))
        looked.report(row, found[-1].defects)
    return found
