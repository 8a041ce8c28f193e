"""Per-image source: a dataset whose labels are looked into image by image, when a batch asks for them."""

from collections.abc import Callable, Sequence
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
from segdata.formats.perimage.found import BrokenLabelsError, Found
from segdata.formats.perimage.headers import header_of
from segdata.formats.perimage.tables import annotation_table, image_table


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

    def chunks(self) -> list[Ints]:
        """Rows in portions of a few images."""
        rows = np.arange(len(self.entries), dtype=np.int64)
        return [rows[first : first + self.per_chunk] for first in range(0, len(rows), self.per_chunk)]

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, their labels decoded."""
        entries = [self.entries[row] for row in rows]
        defects: list[Defect] = []
        headers = [header_of(self.root, entry, defects) for entry in entries]
        found = [self._found(entry, head, defects) for entry, head in zip(entries, headers, strict=True)]
        drawn = [each for of_image in found for each in of_image]
        image = np.repeat(np.arange(len(entries), dtype=np.int32), [len(of_image) for of_image in found])
        encoding = [each.encoding for each in drawn]
        annotations = annotation_table(drawn, image, self.annotator, encoding=encoding)
        return Batch(_images(entries, headers, found), annotations, *_segments(drawn), tuple(defects))

    def _found(self, entry: Entry, head: Header | None, defects: list[Defect]) -> Sequence[Found]:
        """What is drawn on an image; nothing where that cannot be read."""
        if not entry.is_annotated:
            return ()
        try:
            found = self.look(entry)
        except BrokenLabelsError as broken:
            defects += [replace(each, image=entry.image_id, annotator=self.annotator) for each in broken.defects]
            return ()
        file = below(self.root, entry.files[0]) if entry.files else None
        for size in dict.fromkeys(each.size for each in found):
            height, width = size
            if 0 not in entry.size and entry.size != size:
                message = f"the {self.what} is {width}x{height}, declared are {entry.size[1]}x{entry.size[0]}"
                defects.append(Defect("SEG003", message, file, image=entry.image_id))
            defects += size_defects(entry.image_id, head, width, height, self.what, file, None)
        for one in found:
            whose = one.annotator or self.annotator
            defects += [
                replace(each, file=each.file or file, image=each.image or entry.image_id, annotator=whose)
                for each in one.defects
            ]
        return found


def _images(entries: list[Entry], headers: list[Header | None], found: list[Sequence[Found]]) -> pa.Table:
    """The rows of `images`. The size that was drawn on goes before the image's: the runs must fit into it."""
    sizes = [
        of_image[0].size if of_image else (head.height, head.width) if head else entry.size
        for entry, head, of_image in zip(entries, headers, found, strict=True)
    ]
    return image_table(entries, sizes)


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
