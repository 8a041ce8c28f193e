"""Listed: a video dataset whose files list all segments at once; pixels are decoded when a batch asks for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs, expand_ranges
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_SEGMENTS, make_table
from segdata.formats.shared.images import size_defects
from segdata.formats.shared.per_image import ImageEntry, entry_header, image_table, relative_path

_CHUNK = 8_192  # images and segments that are decoded at once


@dataclass(frozen=True, slots=True)
class Drawn:
    """What n listed segments are.

    Attributes
    ----------
    runs : `runs.owner` is the position among the n
    sound : (n,) whether the pixels could be decoded
    columns : of `schema.BATCH_SEGMENTS`, (n,) each
    faults : the position of a segment, and what is wrong with it; its image is filled in
    """

    runs: Runs
    sound: NDArray[np.bool_]
    columns: Mapping[str, object]
    faults: Sequence[tuple[int, Defect]] = ()


@dataclass(frozen=True)
class ListedSource:
    """An opened dataset.

    Attributes
    ----------
    root : where paths in messages start
    profile, defects : of the dataset
    entries : its images, with their sizes; those with a record are annotated
    at, offset : the segments of image row i are ``at[offset[i]:offset[i + 1]]``
    draw : decodes the segments `at` these positions; takes heights and widths (n,) of their images too
    annotator : whose work it is
    source : where the annotations are from, ``model``; None: not known
    """

    root: Path
    profile: Profile
    entries: Sequence[ImageEntry]
    defects: tuple[Defect, ...]
    at: Ints
    offset: Ints
    draw: Callable[[Ints, Ints, Ints], Drawn] = field(repr=False)
    annotator: str | None = None
    source: str | None = None

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [entry.image_id for entry in self.entries]

    def chunks(self) -> list[Ints]:
        """Rows of images in portions of some thousand segments."""
        rows = np.arange(len(self.entries), dtype=np.int64)
        portion = (self.offset[:-1] + rows) // _CHUNK
        return np.split(rows, np.flatnonzero(np.diff(portion)) + 1) if len(rows) else []

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, their segments decoded."""
        entries = [self.entries[row] for row in rows]
        defects: list[Defect] = []
        sizes = [self._size(entry, defects) for entry in entries]
        annotated = np.array([entry.is_annotated for entry in entries], bool)
        size = np.array(sizes, np.int64).reshape(-1, 2)
        # Without the image's size nothing can be drawn; whoever listed it has said so.
        count = np.where(annotated & (size > 0).all(axis=1), np.diff(self.offset)[rows], 0)
        image = np.repeat(np.arange(len(rows)), count)
        drawn = self.draw(self.at[expand_ranges(self.offset[rows], count)], size[image, 0], size[image, 1])
        defects += [replace(fault, image=entries[image[k]].image_id) for k, fault in drawn.faults]
        annotation = np.cumsum(annotated) - 1
        segments = make_table(
            BATCH_SEGMENTS, len(image), annotation=annotation[image].astype(np.int32), **drawn.columns
        ).filter(pa.array(drawn.sound))
        number = np.cumsum(drawn.sound) - 1
        runs = Runs(drawn.runs.start, drawn.runs.length, number[drawn.runs.owner].astype(np.int32))
        shown = np.flatnonzero(annotated)
        n_annotations = len(shown)
        annotations = make_table(
            BATCH_ANNOTATIONS,
            n_annotations,
            image=shown.astype(np.int32),
            annotator=[self.annotator] * n_annotations,
            source=[self.source] * n_annotations,
            file=[relative_path(self.root, entries[row].files[0]) if entries[row].files else None for row in shown],
        )
        return Batch(image_table(entries, sizes), annotations, segments, runs, tuple(defects))

    def _size(self, entry: ImageEntry, defects: list[Defect]) -> tuple[int, int]:
        """Height and width as declared, else as the image file has them."""
        head = entry_header(self.root, entry, defects)
        height, width = entry.size
        file = relative_path(self.root, entry.files[0]) if entry.files else None
        defects += size_defects(entry.image_id, head, width, height, "declared size", file, None)
        return (head.height, head.width) if head is not None and 0 in entry.size else entry.size
