"""The images of a COCO document: their names, sizes and free keys, and their files where they are here."""

import re
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.columns import BATCH_IMAGES, table
from segdata.core.defect import Defect
from segdata.core.runs import Ints
from segdata.core.unsafe import is_unsafe
from segdata.formats.coco.document import Document
from segdata.formats.coco.items import Id, Items, decode_items
from segdata.formats.shared.images import ImageFolder, size_defects

MAX_SIDE = 2**20  # pixels; more is a typing error, or an attempt to fill the memory
KNOWN = frozenset({"id", "file_name", "width", "height"})
_PLAIN = re.compile(r"(?:[^\\/:.][^\\/:]*/)*[^\\/:.][^\\/:]*")  # names that are what they look like
SKIPPED = -2  # the row of an image entry that was left out, with a defect that says so


class StrictImageItem(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An entry of `images` without further keys."""

    coco_url: ClassVar[None] = None
    id: Id
    file_name: str
    width: int | float | None = None
    height: int | float | None = None


class ImageItem(msgspec.Struct, gc=False):
    """An entry of `images`. One without a file name, as in LVIS, is called as the last two parts of its URL."""

    id: Id
    file_name: str | None = None
    width: int | float | None = None
    height: int | float | None = None
    coco_url: Any = None  # Any: COCO's own key, of which only LVIS makes use


Listed = StrictImageItem | ImageItem


@dataclass(frozen=True, slots=True)
class Listing:
    """The images of a document that can be read.

    Attributes
    ----------
    document : where they are listed
    items : their entries
    image_ids : (n,) unique
    width, height : (n,) int64, pixels; 0 where the document does not tell
    row_of : the document's image id -> row here, or `SKIPPED`
    at : (n,) where each is in `items`
    """

    document: Document
    items: Items[Listed]
    image_ids: list[str]
    width: Ints
    height: Ints
    row_of: dict[Id, int]
    at: list[int] = field(default_factory=list)

    def place(self, row: int, within: str = "") -> str:
        """Where in the document an image is listed (a JSON pointer)."""
        return self.items.place(self.at[row], within)

    def table(self, rows: Ints, folder: ImageFolder) -> tuple[pa.Table, list[Defect]]:
        """Rows of `columns.BATCH_IMAGES`, and the defects of these images' files.

        Where the document does not tell a size, the image file's is taken, when there is one.
        """
        defects: list[Defect] = []
        width, height = self.width[rows], self.height[rows]
        uris: list[str | None] = []
        for k, row in enumerate(rows.tolist()):
            name, document = self.image_ids[row], self.document.name
            if folder.root is None:
                uris.append(None)
                continue
            path, header, met = folder.look(name, document, self.place(row, "/file_name"))
            defects += met
            declared = int(width[k]), int(height[k])
            defects += size_defects(name, header, *declared, "declared size", document, self.place(row))
            if header is not None and 0 in declared:
                width[k], height[k] = header.width, header.height
            uris.append(None if path is None else path.as_posix())
        at = [self.at[row] for row in rows.tolist()]
        metadata = [list(extra.items()) or None for extra in self.items.extras(at, KNOWN)]
        images = table(
            BATCH_IMAGES,
            len(rows),
            image_id=[self.image_ids[row] for row in rows.tolist()],
            source_id=[str(self.items.items[i].id) for i in at],
            uri=uris,
            width=width,
            height=height,
            metadata=metadata,
        )
        return images, defects


def read_listing(document: Document) -> Listing:
    """The images of a document; duplicates, bad sizes and unsafe names become its defects."""
    items: Items[Listed] = decode_items(document, "images", StrictImageItem, ImageItem)
    return listed(document, items)


def listed(document: Document, items: Items[Listed]) -> Listing:
    """The images of entries that are decoded already."""
    listing = Listing(document, items, [], np.empty(0, np.int64), np.empty(0, np.int64), {})
    sizes: list[tuple[int, int]] = []
    row_of_name: dict[str, int] = {}
    for i, item in enumerate(items.items):
        name = _name(item, document, items.place(i, "/file_name"))
        if name is None:
            listing.row_of.setdefault(item.id, SKIPPED)
            continue
        size = _side(item.width), _side(item.height)
        if item.id in listing.row_of:
            message = f"image id {item.id!r} is here twice; the first counts, {name!r} is left out"
            document.defects.append(Defect("SEG008", message, document.name, items.place(i, "/id"), image=name))
            continue
        if name in row_of_name:
            row = row_of_name[name]
            same = sizes[row] == size
            what = (
                "their annotations are joined" if same else "it has another size and is left out with its annotations"
            )
            message = f"file name {name!r} is here twice, the second time with image id {item.id!r}; {what}"
            document.defects.append(Defect("SEG008", message, document.name, items.place(i, "/file_name"), image=name))
            listing.row_of[item.id] = row if same else SKIPPED
            continue
        if 0 in size:
            message = (
                f"the image's size is {item.width} x {item.height}; sides of 1 to {MAX_SIDE:,} pixels are expected"
            )
            document.defects.append(Defect("SEG004", message, document.name, items.place(i), image=name))
            size = (0, 0)
        listing.row_of[item.id] = row_of_name[name] = len(sizes)
        listing.image_ids.append(name)
        listing.at.append(i)
        sizes.append(size)
    width, height = np.array(sizes, np.int64).reshape(-1, 2).T
    return replace(listing, width=width, height=height)


def _name(item: Listed, document: Document, place: str) -> str | None:
    """The image_id of an entry; None where it tells none."""
    if item.file_name is not None:
        return _image_id(item.file_name, document, place)
    if isinstance(item.coco_url, str) and item.coco_url:
        return _image_id("/".join(item.coco_url.split("/")[-2:]), document, place)
    message = "'file_name' is missing; left out"
    document.defects.append(Defect("SEG004", message, document.name, place.removesuffix("/file_name")))
    return None


def _side(value: float | None) -> int:
    """A side in pixels; 0 when it is none."""
    return int(value) if value is not None and 1 <= value <= MAX_SIDE and value == int(value) else 0


def _image_id(name: str, document: Document, place: str) -> str | None:
    """A file name as an image_id: POSIX, below the images root; None where it names nothing."""
    if _PLAIN.fullmatch(name):
        return name
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.name:
        message = f"file name {name!r} names no file; the image is left out with its annotations"
        document.defects.append(Defect("SEG004", message, document.name, place))
        return None
    if is_unsafe(name):
        kept = [part for part in path.parts if part not in ("..", "/") and not part.endswith(":")]
        path = PurePosixPath(*kept)
        message = f"path {name!r} leaves the dataset's root; it is read as {path.as_posix()!r}"
        document.defects.append(Defect("SEG015", message, document.name, place, image=path.as_posix()))
    return path.as_posix()
