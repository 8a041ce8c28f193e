"""Per-image source: a dataset whose labels are looked into image by image, when a batch asks for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.columns import BATCH_SEGMENTS, table
from segdata.core.defect import Defect
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs
from segdata.formats.perimage.entry import Entry
from segdata.formats.perimage.found import Found
from segdata.formats.perimage.looking import look_at
from segdata.formats.perimage.tables import annotation_table


@dataclass(frozen=True)
class PerImageSource:
    """An opened dataset with the labels of each image by themselves.

    Attributes
    ----------
    root : where paths in messages start
    profile : of the dataset
    entries : its images
    defects : met while opening
    look : what is drawn on one image, an item for each annotator; none: the image is not annotated. It is called from
        any thread, and raises BrokenLabelsError
    annotator : whose work it is where the labels name nobody
    per_chunk : how many images are good to load at once
    what : how messages call the labels, for their size
    """

    root: Path
    profile: Profile
    entries: Sequence[Entry]
    defects: tuple[Defect, ...]
    look: Callable[[Entry], Sequence[Found]] = field(repr=False)
    annotator: str | None = None
    per_chunk: int = 16
    what: str = "mask"

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [entry.image_id for entry in self.entries]

    def files(self, row: int) -> Sequence[Path]:
        """What is read of the image at a row, and of no other."""
        entry = self.entries[row]
        return entry.files if entry.image is None else (*entry.files, entry.image)

    def chunks(self) -> list[Ints]:
        """Rows in portions of a few images."""
        return portions(len(self.entries), self.per_chunk)

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, their labels decoded."""
        entries = [self.entries[row] for row in rows]
        looked = look_at(self.root, entries, lambda entry, head: self.look(entry), self.annotator, self.what)
        encoding = [each.encoding for each in looked.drawn]
        annotations = annotation_table(looked.drawn, looked.image, self.annotator, encoding=encoding, file=looked.file)
        return Batch(looked.images, annotations, *_segments(looked.drawn), tuple(looked.defects))


def portions(n_images: int, per_chunk: int) -> list[Ints]:
    """Rows of n images in portions of a few."""
    rows = np.arange(n_images, dtype=np.int64)
    return [rows[first : first + per_chunk] for first in range(0, n_images, per_chunk)]


def _segments(drawn: list[Found]) -> tuple[pa.Table, Runs]:
    """The rows of `segments`, and all runs."""
    counts = [len(each.segment_id) for each in drawn]
    named = dict.fromkeys(name for each in drawn for name in each.columns)
    columns: dict[str, list[object]] = {name: [] for name in named}
    for each, count in zip(drawn, counts, strict=True):
        for name, values in columns.items():
            values += each.columns.get(name) or [None] * count
    columns["iscrowd"] = [bool(each) for each in columns.get("iscrowd", [False] * sum(counts))]
    segments = table(
        BATCH_SEGMENTS,
        sum(counts),
        annotation=np.repeat(np.arange(len(drawn), dtype=np.int32), counts),
        segment_id=np.concatenate([np.empty(0, np.int64), *(each.segment_id for each in drawn)]),
        category_id=np.concatenate([np.empty(0, np.int64), *(each.category_id for each in drawn)]),
        **columns,
    )
    return segments, Runs.concatenate([each.runs for each in drawn], counts)
