"""Looking: what is drawn on some images, and the rows of tables that say so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from segdata.core.defect import Defect
from segdata.core.runs import Rows
from segdata.formats.images import Header, size_defects
from segdata.formats.perimage.entry import Entry, below
from segdata.formats.perimage.found import BrokenLabelsError
from segdata.formats.perimage.headers import header_of
from segdata.formats.perimage.tables import Signed, image_table


class Seen(Signed, Protocol):
    """What one annotator drew on one image."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the image that was drawn on."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the labels say of the image: name -> JSON text."""

    @property
    def file(self) -> str | None:
        """That the labels are in; None: the entry's first."""

    @property
    def defects(self) -> Sequence[Defect]:
        """Met in the labels; `file` and `image` are filled in where they are None."""


SomeSeen = TypeVar("SomeSeen", bound=Seen)


@dataclass(frozen=True, slots=True)
class Looked(Generic[SomeSeen]):
    """What is drawn on some images.

    Attributes
    ----------
    images : a row of `columns.BATCH_IMAGES` for each
    drawn : n annotations
    image : (n,) the row of the image of each
    file : (n,) that each is in, as defects call it
    defects : met so far
    """

    images: pa.Table
    drawn: list[SomeSeen]
    image: Rows
    file: list[str | None]
    defects: list[Defect]
    image_ids: Sequence[str]
    annotator: str | None

    def report(self, row: int, defects: Sequence[Defect]) -> None:
        """Add the defects of the annotation at this row, with its file, image and annotator."""
        if defects:
            image_id, file = self.image_ids[self.image[row]], self.file[row]
            self.defects.extend(_in(file, image_id, self.drawn[row].annotator or self.annotator, defects))


def look_at(
    root: Path,
    entries: Sequence[Entry],
    look: Callable[[Entry, Header | None], Sequence[SomeSeen]],
    annotator: str | None,
    what: str,
) -> Looked[SomeSeen]:
    """What `look` sees on the images of some entries, given the headers of their files.

    `annotator` is for what nobody signed, `what` is how messages call the labels, for their size.
    """
    defects: list[Defect] = []
    drawn: list[SomeSeen] = []
    image: list[int] = []
    files: list[str | None] = []
    sizes: list[tuple[int, int]] = []
    described = list(entries)
    for row, entry in enumerate(entries):
        head = header_of(root, entry, defects)
        file = below(root, entry.files[0]) if entry.files else None
        found = _seen(entry, head, look, annotator, defects, file)
        for size in dict.fromkeys(each.size for each in found):
            defects += _of_size(entry, head, size, what, file)
        for each in found:
            whose = each.annotator or annotator
            defects += _in(each.file or file, entry.image_id, whose, each.defects)
            drawn.append(each)
            image.append(row)
            files.append(each.file or file)
            if each.metadata:
                described[row] = replace(entry, metadata={**described[row].metadata, **each.metadata})
        # The size that was drawn on goes before the image's: the runs must fit into it.
        sizes.append(found[0].size if found else (head.height, head.width) if head else entry.size)
    ids = [entry.image_id for entry in entries]
    images = image_table(described, sizes)
    return Looked(images, drawn, np.array(image, np.int32), files, defects, ids, annotator)


def _seen(
    entry: Entry,
    head: Header | None,
    look: Callable[[Entry, Header | None], Sequence[SomeSeen]],
    annotator: str | None,
    defects: list[Defect],
    file: str | None,
) -> Sequence[SomeSeen]:
    """What is drawn on an image; nothing where nobody annotated it, or that cannot be read."""
    if not entry.is_annotated:
        return ()
    try:
        return look(entry, head)
    except BrokenLabelsError as broken:
        defects += _in(file, entry.image_id, annotator, broken.defects)
        return ()


def _of_size(entry: Entry, head: Header | None, size: tuple[int, int], what: str, file: str | None) -> list[Defect]:
    """What is wrong with the size that labels have: others are declared, or the image file's."""
    height, width = size
    found = []
    if 0 not in entry.size and entry.size != size:
        message = f"the {what} is {width}x{height}, declared are {entry.size[1]}x{entry.size[0]}"
        found.append(Defect("SEG003", message, file, image=entry.image_id))
    return found + size_defects(entry.image_id, head, width, height, what, file, None)


def _in(file: str | None, image_id: str, annotator: str | None, defects: Sequence[Defect]) -> list[Defect]:
    """Defects with their file and image where they lack one, and their annotator."""
    return [
        replace(each, file=each.file or file, image=each.image or image_id, annotator=annotator) for each in defects
    ]
