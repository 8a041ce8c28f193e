"""Panoptic reader: PNG masks whose pixels are ids, R + 256 G + 65536 B, joined to images and `segments_info`."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
from PIL import Image

from segdata.core.batch import Batch, replace_column
from segdata.core.errors import count_noun
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest, Source
from segdata.core.paths import is_unsafe_path
from segdata.core.runs import Ints, Runs
from segdata.core.safe_text import whole_number
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_SEGMENTS, make_table
from segdata.formats.coco import choose_document
from segdata.formats.coco.columns import ItemBlock
from segdata.formats.coco.document import (
    Document,
    DocumentKind,
    Id,
    Items,
    Raw,
    decode_each,
    decode_items,
    read_document,
)
from segdata.formats.coco.images import (
    Categories,
    CocoSource,
    ImageList,
    document_profile,
    find_document_images,
    find_truth,
    read_categories,
    read_image_list,
    truth_categories,
)
from segdata.formats.coco.segments import SEGMENT_KEYS, SegmentItem, segment_columns
from segdata.formats.shared.derived_sources import with_origin
from segdata.formats.shared.images import ImageFolder, open_image, similar_name_hint
from segdata.formats.shared.mask_files import ValueRuns, Values, decoded_pixels, read_png
from segdata.formats.shared.per_image import chunk_rows
from segdata.formats.shared.png_files import COLOUR, COLOUR_ALPHA

UNLABELLED = 0
_EMPTY = Raw(b"[]")
_EVALUATED = ("area", "iscrowd")  # keys of segments that panopticapi's evaluation reads
MAX_MASK_ID = 2**24 - 1
_LOSSY_FORMATS = frozenset({"JPEG", "WEBP", "MPO", "JPEG2000"})
_BIT_DEPTH_OFFSET = 24  # in a PNG file


class RefusedMaskError(Exception):
    """A mask cannot be read; has the code of the defect."""

    def __init__(self, code: Literal["SEG001", "SEG010", "SEG014"], message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class PanopticMask:
    """A decoded mask."""

    width: int
    height: int
    encoding: str  # storage of the values
    ids: Ints  # (n,) int64, ascending, without 0
    first: Ints  # (n,) int64, the first pixel of each id, column-major
    runs: Runs  # the pixels; `runs.owner` is the position in `ids`

    @property
    def areas(self) -> Ints:
        """(n,) pixels of each id."""
        return self.runs.areas(len(self.ids))

    def pixel(self, i: int) -> str:
        """The first pixel of an id, for messages."""
        x, y = divmod(int(self.first[i]), self.height)
        return f"x={x}, y={y}"

    @property
    def swapped_ids(self) -> Ints:
        """(n,) the ids with red and blue swapped."""
        return (self.ids & 255) << 16 | self.ids & 0xFF00 | self.ids >> 16


def read_mask(path: Path) -> PanopticMask:
    """Decode a mask; raises RefusedMaskError if its ids cannot be trusted."""
    try:
        plain = read_png(path)
        if plain is not None and plain.colour in (COLOUR, COLOUR_ALPHA):
            pixels, transparent = plain.values, plain.colour == COLOUR_ALPHA
            encoding = f"{'RGBA' if transparent else 'RGB'} 8 bit"
        else:
            with open_image(path) as image:
                encoding = _encoding(image, path)
                pixels, transparent = decoded_pixels(image), image.mode == "RGBA"
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:  # IndexError: a damaged chunk of a PNG
        reason = getattr(error, "strerror", None) or error
        raise RefusedMaskError("SEG001", f"mask cannot be decoded: {reason}") from error
    if transparent and pixels[:, :, 3].min(initial=255) < 255:
        raise RefusedMaskError("SEG014", "mask has transparent pixels: their ids are not to be trusted")
    height, width = pixels.shape[:2]
    return PanopticMask(width, height, encoding, *read_regions(np.ascontiguousarray(pixels)))


def read_regions(picture: Values) -> tuple[Ints, Ints, Runs]:
    """The ids (n,) in a picture, ascending and without 0, their first pixels (n,), and their runs.

    The picture holds ids (height, width), or their colours (height, width, 3 or 4).
    """
    values = ValueRuns.of(picture)
    n_blank = int((values.value[:1] == UNLABELLED).sum())
    owner = np.arange(len(values.value), dtype=np.int32) - n_blank  # -1, no owner, for unlabelled pixels
    runs = values.assign_owners(owner, len(owner) - n_blank)
    return values.value[n_blank:], values.start[values.first[n_blank:]], runs


def _encoding(image: Image.Image, path: Path) -> str:
    """The storage of a mask's ids; raises RefusedMaskError if it changes them."""
    if image.format in _LOSSY_FORMATS:
        message = f"mask is a {image.format}, which changes ids: save it as an 8 bit RGB PNG"
        raise RefusedMaskError("SEG010", message)
    depth = 8
    if image.format == "PNG":
        with path.open("rb") as file:
            depth = file.read(_BIT_DEPTH_OFFSET + 1)[-1]
    if image.mode not in ("RGB", "RGBA") or depth != 8:
        mode = {"P": "palette", "L": "grey", "LA": "grey with alpha", "1": "black and white"}.get(
            image.mode, image.mode
        )
        message = f"mask is {mode} with {depth} bits; ids are R + 256 G + 65536 B of an 8 bit RGB PNG"
        raise RefusedMaskError("SEG014", message)
    return f"{image.mode} {depth} bit"


def find_masks(document: Document, names: Sequence[str]) -> ImageFolder:
    """Find the folder of the masks: named as the document (COCO's), the document's folder, or others in that.

    If no mask is found, that is one defect, not one for each mask. A name that leaves the folder is SEG015.
    """
    for i, name in enumerate(names):
        if is_unsafe_path(name):
            message = f"path {name!r} leaves the dataset's root; name masks below it"
            document.report("SEG015", message, f"/annotations/{i}/file_name")
    own = document.path.with_suffix("")
    first = ImageFolder.below(own)
    for place in _mask_folders(own):
        masks = first if place == own else ImageFolder.of_names(place, names)
        if not masks.paths.keys().isdisjoint(names):
            # files that are called like the masks but for the extension are these: others are the images
            return first if any(map(first.similar_name, names)) else masks
    if names:
        none = "its only mask was not" if len(names) == 1 else f"none of the {len(names):,} masks was"
        message = f"{none} found in {own.as_posix()} or {own.parent.as_posix()}"
        document.report("SEG002", message)
    return ImageFolder(None)


def _mask_folders(own: Path) -> Iterator[Path]:
    """The folders that may hold masks, the likeliest first; lists others only if the first two have no mask."""
    yield own
    yield own.parent
    yield from sorted(place for place in own.parent.iterdir() if place.is_dir() and place != own)


def orphan_masks(document: Document, masks: ImageFolder, names: Sequence[str]) -> list[Defect]:
    """SEG011 for every mask file without an entry, if the folder belongs to the document alone."""
    if masks.root is None or masks.root != document.path.with_suffix(""):
        return []
    message = f"mask that {document.name} does not name"
    return [Defect("SEG011", message, f"{masks.root.name}/{name}") for name in sorted(masks.paths.keys() - set(names))]


class _StrictInfoItem(SegmentItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An entry of `segments_info` without further keys."""


@dataclass(frozen=True, slots=True)
class MaskPlace:
    """The origin of an image's labels: image_id, document, JSON pointer of the entry, and mask file."""

    image: str
    document: str
    place: str
    mask: str


@dataclass(slots=True)
class JoinedMask:
    """The segments of one image that are in its mask and in `segments_info`."""

    where: MaskPlace
    items: list[SegmentItem] = field(default_factory=list)  # (n,) entries of the document
    places: list[str] = field(default_factory=list)  # (n,) their JSON pointers
    extras: list[dict[str, str]] = field(default_factory=list)  # (n,) their further keys
    runs: Runs = field(default_factory=Runs.empty)  # the pixels; `runs.owner` is the position in `items`
    defects: list[Defect] = field(default_factory=list)  # disagreements of mask and document

    def report(self, code: str, message: str, place: str | None = None, **details: Any) -> None:  # Any: as in Defect
        """Add a defect of the document, or of another `file`."""
        file = details.pop("file", self.where.document)
        self.defects.append(Defect(code, message, file, place, image=self.where.image, **details))


def join_mask(
    mask: PanopticMask, raw: Raw, categories: Categories, where: MaskPlace, nothing_listed: bool = False
) -> JoinedMask:
    """Join a mask with `segments_info`: ids in both are segments, others are defects.

    `nothing_listed`: all lists of the document are empty, which has been reported.
    """
    joined = JoinedMask(where)
    if raw == _EMPTY and nothing_listed:
        return joined
    info = _decode_segments_info(raw, joined)
    kept = _first_of_each_id(info, joined)
    declared = np.array([_mask_id(info.items[i]) for i in kept], np.int64)
    ids = _trusted_ids(mask, declared, joined)
    position_of = {int(id_): k for k, id_ in enumerate(ids)}
    by_id = categories.taxonomy.by_id()
    owners, taken = [], []
    for i in kept:
        item = info.items[i]
        owner = position_of.get(_mask_id(item))
        place = f"{where.place}/segments_info/{info.rows[i]}"
        if owner is None:
            area = f" (area {bytes(item.area).decode()})" if len(item.area) else ""
            message = f"segment {item.id} of segments_info{area} has no pixel in {where.mask}; left out"
            category = by_id.get(categories.to.get(item.category_id, -1))
            name = category.name if category else None
            joined.report("SEG014", message, place, segments=(item.id,), category=name)
        elif item.category_id not in categories.to:
            pixels, place = int(mask.areas[owner]), f"{place}/category_id"
            message = f"category_id {item.category_id} is not among the categories; left out"
            joined.report("SEG007", message, place, segments=(item.id,), pixels=pixels)
        else:
            owners.append(owner)
            taken.append(i)
            joined.places.append(place)
    texts = [info.items[i].id for i in taken if isinstance(info.items[i].id, str)]
    if texts:
        message = f"{count_noun(len(texts), 'id')} of segments_info ({texts[0]!r} …) are texts; read as numbers"
        place = f"{where.place}/segments_info"
        joined.report("SEG004", message, place, severity="warning", lost=False)
    _report_unlisted(mask, ids, declared, joined)
    joined.items = [info.items[i] for i in taken]
    joined.extras = info.extras(taken, SEGMENT_KEYS)
    joined.runs = mask.runs.take(np.array(owners, np.int64), len(ids))
    return joined


def _decode_segments_info(raw: Raw, joined: JoinedMask) -> Items[SegmentItem]:
    """The entries of `segments_info`; broken ones are SEG004."""
    place = f"{joined.where.place}/segments_info"
    try:
        strict = msgspec.json.decode(raw, type=list[_StrictInfoItem])
        return Items(list[SegmentItem](strict), range(len(strict)))
    except msgspec.ValidationError:
        pass
    try:
        raws = msgspec.json.decode(raw, type=list[Raw])
    except msgspec.ValidationError:
        joined.report("SEG004", "segments_info is not a list", place)
        return Items()
    items, broken = decode_each(raws, SegmentItem)
    for row, why in broken.items():
        message = f"{why.message}; left out"
        joined.report("SEG004", message, f"{place}/{row}{why.place}")
    rows = [row for row in range(len(raws)) if row not in broken]
    return Items([item for item in items if item is not None], rows, raws)


def _first_of_each_id(info: Items[SegmentItem], joined: JoinedMask) -> list[int]:
    """Positions of the first entry of each id; a second one cannot have pixels of its own: SEG008."""
    first: dict[int | str, int] = {}
    for i, item in enumerate(info.items):
        if first.setdefault(item.id, i) == i:
            continue
        first_item = info.items[first[item.id]]
        message = (
            f"segment id {item.id} occurs twice, with the categories {first_item.category_id} and {item.category_id}; "
            "the pixels go to the first"
        )
        place = f"{joined.where.place}/segments_info/{info.rows[i]}/id"
        joined.report("SEG008", message, place, segments=(item.id,))
    return list(first.values())


def _mask_id(item: SegmentItem) -> int:
    """The value of the segment's pixels in the mask; -1 if the id cannot be one."""
    id_ = item.id if isinstance(item.id, int) else whole_number(item.id)
    return id_ if id_ is not None and 0 < id_ < 2**24 else -1


def _trusted_ids(mask: PanopticMask, declared: Ints, joined: JoinedMask) -> Ints:
    """(n,) the mask's ids, with red and blue swapped if only that gives exactly the declared ids."""
    if len(declared) == 0 or np.array_equal(mask.ids, np.sort(declared)):
        return mask.ids
    swapped = mask.swapped_ids
    if not np.array_equal(np.sort(swapped), np.sort(declared)):
        return mask.ids
    message = "the ids fit only as B + 256 G + 65536 R: the mask was saved with red and blue swapped and is read so"
    pixels = int(mask.runs.length.sum())
    joined.report("SEG014", message, file=joined.where.mask, pixels=pixels)
    return swapped


def _report_unlisted(mask: PanopticMask, ids: Ints, declared: Ints, joined: JoinedMask) -> None:
    areas = mask.areas
    for k in np.flatnonzero(~np.isin(ids, declared)).tolist():
        id_, area = int(ids[k]), int(areas[k])
        message = f"id {id_} has {area:,} px in the mask and is not in segments_info of {joined.where.document}"
        joined.report("SEG014", message, mask.pixel(k), file=joined.where.mask, segments=(id_,), pixels=area)


_PANOPTIC_DOCUMENT = DocumentKind(
    "a COCO document",
    "an object with images, annotations and categories",
    remedy="; for predictions give --read-option truth=FILE.json",
)
_MASKS_PER_CHUNK = 16
_KNOWN_KEYS = frozenset({"id", "image_id", "file_name", "segments_info"})


class _EntryItem(msgspec.Struct, gc=False):
    """An entry of `annotations` of a panoptic file: the mask of an image and the meanings of its ids."""

    image_id: Id
    file_name: str
    segments_info: Raw


class _StrictEntryItem(_EntryItem, gc=False, forbid_unknown_fields=True):
    """An entry of `annotations` without further keys."""


@dataclass(frozen=True, slots=True)
class PanopticSource(CocoSource):
    """An opened document in which each annotation is a mask."""

    entries: Items[_EntryItem]  # its annotations, `segments_info` undecoded
    entry: dict[int, int]  # image row -> position in `entries`
    masks: ImageFolder  # the mask files
    nothing_listed: bool  # whether `segments_info` is empty in all entries

    def chunks(self) -> list[Ints]:
        """Rows of images, a few masks at a time."""
        return chunk_rows(len(self.image_ids), _MASKS_PER_CHUNK)

    def load(self, rows: Ints) -> Batch:
        """Load the images at these rows, and decode their masks; an image with an unreadable mask is not annotated."""
        images, defects = self.listing.table(rows, self.folder)
        width, height = images["width"].to_pylist(), images["height"].to_pylist()
        annotated, encodings, files, joined, attributes = [], [], [], [], []
        for k, row in enumerate(rows.tolist()):
            i = self.entry.get(row)
            if i is None:
                continue
            name = self.entries.items[i].file_name
            mask_file = f"{self.masks.root.name}/{name}" if self.masks.root is not None else name
            place = f"/annotations/{self.entries.rows[i]}"
            where = MaskPlace(self.image_ids[row], self.document.name, place, mask_file)
            mask, mask_defects = self._mask(where, name)
            if mask is not None and (width[k], height[k]) in ((0, 0), (mask.width, mask.height)):
                width[k], height[k] = mask.width, mask.height
                annotated.append(k)
                encodings.append(mask.encoding)
                files.append(where.mask)
                raw = self.entries.items[i].segments_info
                joined.append(join_mask(mask, raw, self.categories, where, self.nothing_listed))
                attributes.append(list(self.entries.extras([i], _KNOWN_KEYS)[0].items()) or None)
                mask_defects = joined[-1].defects
            elif mask is not None:
                mask_defects = [_size_defect(mask, width[k], height[k], where)]
            defects += mask_defects
        annotations = make_table(
            BATCH_ANNOTATIONS,
            len(annotated),
            image=annotated,
            annotator=[self.annotator] * len(annotated),
            encoding=encodings,
            file=files,
            attributes=attributes,
        )
        segments, faults = self._segments(joined, [self.image_ids[rows[k]] for k in annotated])
        images = replace_column(replace_column(images, "width", width), "height", height)
        runs = Runs.concatenate([masks.runs for masks in joined], [len(masks.items) for masks in joined])
        return Batch(images, annotations, segments, runs, tuple(defects + faults))

    def _mask(self, where: MaskPlace, name: str) -> tuple[PanopticMask | None, list[Defect]]:
        """The mask of an entry, or the defect that explains its absence."""
        if self.masks.root is None:
            return None, []  # reported once for all masks
        path = self.masks.paths.get(name)
        if path is None:
            message = f"mask {where.mask!r} does not exist{similar_name_hint(self.masks.similar_name(name))}"
            return None, [Defect("SEG002", message, where.document, f"{where.place}/file_name", image=where.image)]
        try:
            return read_mask(path), []
        except RefusedMaskError as error:
            return None, [Defect(error.code, str(error), where.mask, image=where.image)]

    def _segments(self, masks: list[JoinedMask], image: list[str]) -> tuple[pa.Table, list[Defect]]:
        """The segments of the masks, and the defects of their entries."""
        items = [item for mask in masks for item in mask.items]
        places = [place for mask in masks for place in mask.places]
        owner = np.repeat(np.arange(len(masks)), [len(mask.items) for mask in masks])
        columns, faults = segment_columns(
            ItemBlock.from_items(items), [extra for mask in masks for extra in mask.extras], self.categories.to
        )
        segments = make_table(
            BATCH_SEGMENTS,
            len(items),
            annotation=owner,
            category_id=[self.categories.to[item.category_id] for item in items],
            file=pa.repeat(self.document.name, len(items)),
            place=places,
            **columns,
        )
        defects = []
        for fault in faults:
            place, name, ids = places[fault.row] + fault.place, image[owner[fault.row]], (items[fault.row].id,)
            defects.append(Defect(fault.code, fault.message, self.document.name, place, image=name, segments=ids))
        return segments, defects


def _lists_nothing(entries: Items[_EntryItem], masks: ImageFolder) -> bool:
    """Whether `segments_info` is empty in all entries although one of the first masks has ids."""
    if not entries.items or any(item.segments_info != _EMPTY for item in entries.items):
        return False
    for item in entries.items[:3]:
        with suppress(KeyError, RefusedMaskError):
            if len(read_mask(masks.paths[item.file_name]).ids):
                return True
    return False


def _size_defect(mask: PanopticMask, width: int, height: int, where: MaskPlace) -> Defect:
    swapped = " (width and height are swapped)" if (mask.height, mask.width) == (width, height) else ""
    message = f"the mask is {mask.width}x{mask.height}, the image is {width}x{height}{swapped}; the mask is left out"
    return Defect("SEG003", message, where.mask, image=where.image, lost=True)


def open_panoptic(request: ReadRequest) -> Source:
    """Open a document, without decoding a mask; raises UnreadableError if there is none, or several."""
    path, name = choose_document(request.root, "panoptic")
    document = read_document(path, name, _PANOPTIC_DOCUMENT)
    # Predictions take images and categories from the ground truth.
    lists_images = "images" in (document.parts or {}) and "truth" not in request.options
    truth = document if lists_images else find_truth(request, document.path) or document
    listing = read_image_list(truth)
    read_truth_categories = read_categories if truth is document else truth_categories
    categories = read_truth_categories(truth, request.taxonomy)
    entries = decode_items(document, "annotations", _StrictEntryItem, _EntryItem)
    entry = _join_entries(document, listing, entries)
    masks = find_masks(document, [item.file_name for item in entries.items])
    folder = find_document_images(request, truth, listing, () if masks.root is None else (masks.root,))
    if truth is not document:
        document.defects.extend(truth.defects)
    document.defects.extend(orphan_masks(document, masks, [item.file_name for item in entries.items]))
    nothing_listed = _lists_nothing(entries, masks)
    if nothing_listed:
        message = (
            f"segments_info is empty in all {len(entries.items):,} entries, so that the pixels of the masks have no "
            "category; list id and category_id of each id in a mask"
        )
        document.report("SEG014", message, "/annotations/0/segments_info")
    if truth is document and (lacking := _lacking_keys(entries.items)):
        message = (
            f"no segment has {' and '.join(lacking)}: panopticapi stops there when it evaluates "
            f"(KeyError: '{lacking[0]}'); `segdata convert` writes both"
        )
        document.report("SEG004", message, severity="warning", lost=False)
    if truth is document and categories.to and b'"isthing"' not in bytes((document.parts or {})["categories"]):
        message = "no category has isthing, which evaluation needs; all are read as things"
        place = document.pointer("categories")
        document.report("SEG004", message, place, severity="info", lost=False)
    profile = document_profile(request, document, categories, "coco-panoptic")
    source = PanopticSource(
        profile=profile,
        document=document,
        listing=listing,
        categories=categories,
        folder=folder,
        annotator=request.annotator,
        entries=entries,
        entry=entry,
        masks=masks,
        nothing_listed=nothing_listed,
    )
    return with_origin(source, "model") if "truth" in request.options else source


def _lacking_keys(items: Sequence[_EntryItem]) -> list[str]:
    """The keys of `_EVALUATED` that no segment has; none if no segment is described, as in predictions."""
    lacking, is_described = list(_EVALUATED), False
    for item in items:
        raw = bytes(item.segments_info)
        if raw[1:].lstrip().startswith(b"{"):
            is_described = True
            lacking = [key for key in lacking if f'"{key}"'.encode() not in raw]
        if not lacking:
            break
    return lacking if is_described else []


def _join_entries(document: Document, listing: ImageList, entries: Items[_EntryItem]) -> dict[int, int]:
    """Image row -> its entry; entries of unknown images, second entries, and images without one become defects."""
    entry: dict[int, int] = {}
    for i, item in enumerate(entries.items):
        place = f"/annotations/{entries.rows[i]}/image_id"
        row = listing.row_of.get(item.image_id)
        if row is None and "images" in (listing.document.parts or {}):
            message = f"image_id {item.image_id!r} is not among the images; left out"
            document.report("SEG007", message, place)
        elif row is not None and row >= 0 and entry.setdefault(row, i) != i:
            image = listing.image_ids[row]
            message = f"image_id {item.image_id!r} has two entries; the second ({item.file_name}) is left out"
            document.report("SEG008", message, place, image=image)
    for row, image in enumerate(listing.image_ids):
        if row not in entry and document.parts is not None:
            message = "image without an entry in annotations"
            place = listing.place(row)
            document.defects.append(Defect("SEG011", message, listing.document.name, place, image=image))
    return entry
