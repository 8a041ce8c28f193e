"""SAM reader: the masks of each image, from the JSON files of SA-1B or of amg.py."""

import itertools
import re
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import is_unsafe_path
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.coco.columns import ItemBlock
from segdata.formats.coco.document import (
    MISSING,
    Document,
    DocumentKind,
    Id,
    ItemFault,
    Items,
    Raw,
    decode_column,
    decode_items,
    explain_validation_error,
    read_document,
)
from segdata.formats.coco.images import MAX_SIDE
from segdata.formats.coco.segments import SEGMENT_KEYS, SegmentItem, read_segmentations, segment_columns
from segdata.formats.shared.images import read_header
from segdata.formats.shared.pairing import pair_label_files
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames

_SAM_DOCUMENT = DocumentKind(
    "a SAM document", "a list of masks, or an object with image and annotations", "annotations"
)
_HEAD_BYTES = 4096  # within which SA-1B names the image
_FILE_NAME = re.compile(rb'"image"\s*:\s*\{[^{}]*"file_name"\s*:\s*"([^"\\]+)"')


class _SamItem(SegmentItem, gc=False, kw_only=True):
    """A mask; the id is "" for masks of `amg.py`, which have none."""

    id: Id = ""
    category_id: int = 0
    segmentation: Raw = MISSING
    predicted_iou: Raw = MISSING


class _StrictSamItem(_SamItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A mask without further keys."""


class _ImageInfo(msgspec.Struct):
    """The key `image` of a file of SA-1B."""

    width: int | None = None
    height: int | None = None
    file_name: str | None = None


class _SamSize(msgspec.Struct):
    size: tuple[int, int]


_KNOWN_KEYS = SEGMENT_KEYS | {"segmentation", "predicted_iou"}


def open_sam(request: ReadRequest) -> PerImageSource:
    """Open a folder of files, or one file; raises UnreadableError if there is none."""
    entries, defects = pair_label_files(request.root, ".json", request.images, _image_of)
    if not any(entry.files for entry in entries):
        raise UnreadableError(f"{request.root}: no JSON files in it")
    taxonomy, category = _category(request)
    categories = CategoryNames(taxonomy, request.taxonomy is not None, {})
    profile = categories.profile("sam", request.root, "instance", "sparse", "allow")
    read = partial(_read_image, request.root, category)
    return PerImageSource(
        request.root, profile, entries, tuple(defects), read, request.annotator, labels_name="size of the masks"
    )


def _image_of(path: Path) -> str | None:
    """The image name in a file of SA-1B."""
    try:
        with path.open("rb") as file:
            stated = _FILE_NAME.search(file.read(_HEAD_BYTES))
        return None if stated is None else stated[1].decode()
    except (OSError, UnicodeDecodeError):
        return None


def _category(request: ReadRequest) -> tuple[Taxonomy, int]:
    """The taxonomy, and the id of the category of all segments."""
    name = str(request.options.get("category", "object"))
    if request.taxonomy is None:
        return Taxonomy(categories=(Category(id=1, name=name),)), 1
    by_name = request.taxonomy.by_name()
    choices = [category for category in request.taxonomy.categories if category.kind != "void"]
    if name not in by_name and ("category" in request.options or len(choices) != 1):
        names = ", ".join(category.name for category in choices[:5])
        raise UnreadableError(f"category {name!r} is not in the taxonomy; give --read-option category=NAME: {names}")
    return request.taxonomy, (by_name.get(name) or choices[0]).id


def _read_image(root: Path, category: int, entry: ImageEntry) -> list[ImageAnnotation]:
    document = read_document(entry.files[0], relative_path(root, entry.files[0]), _SAM_DOCUMENT)
    if document.parts is None:
        raise BrokenLabelsError(*document.defects)
    masks: Items[_SamItem] = decode_items(document, "annotations", _StrictSamItem, _SamItem)
    n_masks = len(masks.items)
    height, width = _size(document, masks, entry)
    shapes = read_segmentations(
        [item.segmentation for item in masks.items], *(np.full(n_masks, side) for side in (height, width))
    )
    _report_duplicates(document, masks)
    _number_masks(masks)
    columns, faults = segment_columns(ItemBlock.from_items(masks.items), masks.extras(range(n_masks), _KNOWN_KEYS), {})
    scores, unsound = decode_column([item.predicted_iou for item in masks.items], float)
    faults += [ItemFault(row, "SEG004", why.message, f"/predicted_iou{why.place}") for row, why in unsound.items()]
    for fault in sorted([*faults, *shapes.faults], key=lambda fault: fault.row):
        place, id_ = masks.place(fault.row, fault.place), masks.items[fault.row].id
        document.report(fault.code, fault.message, place, segments=(id_,))
    columns |= {"score": scores, "file": [document.name] * n_masks, "place": list(map(masks.place, range(n_masks)))}
    columns = {name: values.tolist() if hasattr(values, "tolist") else values for name, values in columns.items()}
    sound = np.flatnonzero(shapes.sound).tolist()
    return [
        ImageAnnotation(
            size=(height, width),
            segment_id=np.array([columns["segment_id"][i] for i in sound], np.int64),
            category_id=np.full(len(sound), category, np.int64),
            runs=shapes.runs.take(np.array(sound, np.int64), n_masks),
            columns={name: [values[i] for i in sound] for name, values in columns.items() if name != "segment_id"},
            annotation={"source": "model"},
            defects=document.defects,
        )
    ]


def _size(document: Document, masks: Items[_SamItem], entry: ImageEntry) -> tuple[int, int]:
    """Height and width in pixels: from SA-1B's key `image`, else from the first mask or the image file."""
    info = _info(document)
    height, width = info.height, info.width
    if height is None or width is None:
        height, width = next(map(_sides, masks.items), (0, 0))
    if 0 in (height, width) and entry.image is not None:
        with suppress(OSError):  # reported when the image's header is read
            head = read_header(entry.image)
            height, width = head.height, head.width
    if not (0 <= height <= MAX_SIDE and 0 <= width <= MAX_SIDE):
        message = f"the image is {width} x {height}; sides of 1 to {MAX_SIDE:,} pixels are expected"
        raise BrokenLabelsError(*document.defects, Defect("SEG004", message, document.name))
    return height, width


def _info(document: Document) -> _ImageInfo:
    """The key `image` of a document; a malformed value, or a path that leaves the dataset, is a defect."""
    raw = (document.parts or {}).get("image", Raw(b"{}"))
    try:
        info = msgspec.json.decode(raw, type=_ImageInfo)
    except msgspec.ValidationError as error:
        why = explain_validation_error(error)
        document.report("SEG004", why.message, f"/image{why.place}")
        return _ImageInfo()
    if info.file_name is not None and is_unsafe_path(info.file_name):
        message = (
            f"path {info.file_name!r} leaves the dataset's root; segdata looks for an image with the name of this file"
        )
        document.report("SEG015", message, "/image/file_name")
    return info


def _sides(item: _SamItem) -> tuple[int, int]:
    """Height and width of a mask; 0 if it has none."""
    try:
        return msgspec.json.decode(item.segmentation, type=_SamSize).size
    except msgspec.MsgspecError:
        return 0, 0


def _report_duplicates(document: Document, masks: Items[_SamItem]) -> None:
    """SEG008 for each id of several masks, at the last of them; all are read."""
    last = {item.id: row for row, item in enumerate(masks.items)}
    for id_, times in Counter(item.id for item in masks.items if item.id != "").items():
        if times > 1:
            message, place = f"id {id_!r} occurs {times} times; all masks are read", masks.place(last[id_], "/id")
            document.report("SEG008", message, place, segments=(id_,))


def _number_masks(masks: Items[_SamItem]) -> None:
    """Number the masks without an id with the lowest free numbers from 1."""
    taken_ids = {item.id for item in masks.items}
    free = (number for number in itertools.count(1) if number not in taken_ids)
    for item in masks.items:
        if item.id == "":
            item.id = next(free)
