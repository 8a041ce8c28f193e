"""Items of Datumaro documents: what they and their annotations are made of, and where in the document that is."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgspec

from segdata.core.finding import Defect
from segdata.core.paths import is_unsafe_path
from segdata.formats.coco.attributes import AnnotationItem
from segdata.formats.coco.document import MISSING, Document, Items, Raw
from segdata.formats.coco.images import AnyImageItem, ImageItem

DEFAULT = "default"  # the subset of what is in none
_DEFAULT_SUFFIX = ".jpg"  # of an image whose file is not named
# Where a COCO annotation has what a Datumaro annotation has elsewhere.
_SPELLING = {
    "/segmentation": "/rle",
    "/category_id": "/label_id",
    "/iscrowd": "/attributes/is_crowd",
    "/score": "/attributes/score",
    "/track_id": "/attributes/track_id",
}


class ImageInfo(msgspec.Struct, gc=False):
    """Where an item's image is; `size` is height and width in pixels."""

    path: str | None = None
    size: list[int | float] | None = None


class DatumItem(msgspec.Struct, gc=False):
    """An entry of `items`."""

    id: str
    annotations: Raw = MISSING
    attr: Raw = MISSING
    image: ImageInfo | None = None


class Drawn(msgspec.Struct, gc=False):
    """An annotation of an item."""

    type: str
    id: int | None = 0
    label_id: int | None = None
    group: int | None = 0
    object_id: int | None = -1
    z_order: int | None = 0
    attributes: Raw = MISSING
    points: Raw = MISSING
    rle: Raw = MISSING


@dataclass(frozen=True, slots=True)
class ImageItems(Items[AnyImageItem]):
    """The items of a document as entries of images.

    Attributes
    ----------
    attributes : (n,) what items say beside, a JSON object each
    """

    attributes: Sequence[Raw] = ()

    def place(self, at: int, within: str = "") -> str:
        """Where in the document the item at a position is, or what is at the pointer `within` its like in COCO."""
        return f"/items/{self.rows[at]}{'/image/path' if within == '/file_name' else within}"

    def extras(self, at: Iterable[int], known: frozenset[str]) -> list[dict[str, str]]:
        """What the items at these positions say beside, each value as JSON text."""
        return [_texts(self.attributes[i]) for i in at]


@dataclass(frozen=True, slots=True)
class ShapeItems(Items[AnnotationItem]):
    """The segments of a document; `rows` are their items.

    Attributes
    ----------
    parts : (n,) the annotations of the item that each is made of
    """

    parts: Sequence[Sequence[int]] = ()

    def place(self, at: int, within: str = "") -> str:
        """Where in the document a segment is, or what is at the pointer `within` its like in a COCO document."""
        annotations = f"/items/{self.rows[at]}/annotations/"
        if not within:
            return f"{annotations}{self.parts[at][0]}"
        if ring := re.fullmatch(r"/segmentation/(\d+)(.*)", within):
            return f"{annotations}{self.parts[at][int(ring[1])]}/points{ring[2]}"
        start = f"{annotations}{self.parts[at][0]}"
        for coco, ours in _SPELLING.items():
            if within.startswith(coco):
                return start + ours + within.removeprefix(coco)
        return start + within


def image_entries(items: Items[DatumItem], document: Document) -> list[ImageItem]:
    """The items as entries of images.

    Paths that leave the images' folder are SEG015, one for the document: whoever exports without media leaves them
    behind. Such images are called by their item's id.
    """
    entries, outside = [], []
    for i, item in enumerate(items.items):
        name = (item.image.path if item.image else None) or item.id + (_DEFAULT_SUFFIX if item.image else "")
        if is_unsafe_path(name):
            outside.append((i, name))
            name = item.id + PurePosixPath(name.replace("\\", "/")).suffix
        size = item.image.size if item.image else None
        height, width = size if size is not None and len(size) == 2 else (None, None)
        entries.append(ImageItem(id=item.id, file_name=name, width=width, height=height))
    if outside:
        i, name = outside[0]
        image = entries[i].file_name
        message = f"{len(outside):,} paths of images leave the folder of images, as {name!r}; it is read as {image!r}"
        place = items.place(i, "/image/path")
        document.defects.append(Defect("SEG015", message, document.name, place, image=image))
    return entries


def _texts(raw: Raw) -> dict[str, str]:
    """The values of a JSON object as JSON texts; nothing for another value."""
    try:
        said = msgspec.json.decode(raw, type=dict[str, Raw]) if len(raw) else {}
    except msgspec.ValidationError:
        return {}
    return {key: str(memoryview(value), "utf-8") for key, value in said.items()}
