"""Masks of COCO panoptic: PNG files whose pixels are ids, R + 256 G + 65536 B, joined to `segments_info`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from PIL import Image

from segdata.core.finding import Defect
from segdata.core.paths import is_unsafe_path
from segdata.core.runs import Ints, Runs
from segdata.formats.coco.attributes import SEGMENT_KEYS, SegmentItem
from segdata.formats.coco.categories import Categories
from segdata.formats.coco.document import Document, Items, Raw, decode_each
from segdata.formats.shared.images import ImageFolder, open_image
from segdata.formats.shared.mask_files import ValueRuns, Values, decoded_pixels

UNLABELLED = 0
MAX_MASK_ID = 2**24 - 1
_LOSSY = frozenset({"JPEG", "WEBP", "MPO", "JPEG2000"})
_BIT_DEPTH = 24  # byte of a PNG file that holds the bits per channel


class RefusedMaskError(Exception):
    """A mask that cannot be read, with the code of the defect."""

    def __init__(self, code: Literal["SEG001", "SEG010", "SEG014"], message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class PanopticMask:
    """A decoded mask.

    Attributes
    ----------
    width, height : pixels
    encoding : how the file stores values
    ids : (n,) int64, ascending, without 0
    first : (n,) int64, the first pixel of each id, column-major
    runs : the pixels; `runs.owner` is the position in `ids`
    """

    width: int
    height: int
    encoding: str
    ids: Ints
    first: Ints
    runs: Runs

    @property
    def areas(self) -> Ints:
        """(n,) pixels of each id."""
        return self.runs.areas(len(self.ids))

    def pixel(self, i: int) -> str:
        """The first pixel of an id, in words."""
        x, y = divmod(int(self.first[i]), self.height)
        return f"x={x}, y={y}"

    @property
    def swapped_ids(self) -> Ints:
        """(n,) the ids with red and blue swapped."""
        return (self.ids & 255) << 16 | self.ids & 0xFF00 | self.ids >> 16


def read_mask(path: Path) -> PanopticMask:
    """Decode a mask; raises RefusedMaskError if its ids cannot be trusted."""
    try:
        with open_image(path) as image:
            encoding = _encoding(image, path)
            pixels, transparent = decoded_pixels(image), image.mode == "RGBA"
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RefusedMaskError("SEG001", f"mask cannot be decoded: {reason}") from error
    if transparent and pixels[:, :, 3].min(initial=255) < 255:
        raise RefusedMaskError("SEG014", "mask has transparent pixels: their ids are not to be trusted")
    height, width = pixels.shape[:2]
    return PanopticMask(width, height, encoding, *read_regions(np.ascontiguousarray(pixels)))


def read_regions(picture: Values) -> tuple[Ints, Ints, Runs]:
    """The ids (n,) of a picture, ascending and without 0, their first pixels (n,), and their runs.

    The picture holds ids (height, width), or their colours (height, width, 3 or 4).
    """
    values = ValueRuns.of(picture)
    n_blank = int((values.value[:1] == UNLABELLED).sum())
    owner = np.arange(len(values.value), dtype=np.int32) - n_blank  # -1, no owner, for unlabelled pixels
    runs = values.assign_owners(owner, len(owner) - n_blank)
    return values.value[n_blank:], values.start[values.first[n_blank:]], runs


def _encoding(image: Image.Image, path: Path) -> str:
    """How the file stores ids; raises RefusedMaskError if that changes them."""
    if image.format in _LOSSY:
        message = f"mask is a {image.format}, which changes ids: save it as an 8 bit RGB PNG"
        raise RefusedMaskError("SEG010", message)
    depth = 8
    if image.format == "PNG":
        with path.open("rb") as file:
            depth = file.read(_BIT_DEPTH + 1)[-1]
    if image.mode not in ("RGB", "RGBA") or depth != 8:
        mode = {"P": "palette", "L": "grey", "LA": "grey with alpha", "1": "black and white"}.get(
            image.mode, image.mode
        )
        message = f"mask is {mode} with {depth} bits; ids are R + 256 G + 65536 B of an 8 bit RGB PNG"
        raise RefusedMaskError("SEG014", message)
    return f"{image.mode} {depth} bit"


def find_masks(document: Document, names: Sequence[str]) -> ImageFolder:
    """The folder with the document's name, as COCO has it, else the document's folder, whichever has any of the masks.

    If no mask is found, that is one defect, not one for each mask. A name that leaves the folder is SEG015.
    """
    for i, name in enumerate(names):
        if is_unsafe_path(name):
            message = f"path {name!r} leaves the dataset's root; name masks below it"
            document.defects.append(Defect("SEG015", message, document.name, f"/annotations/{i}/file_name"))
    own = document.path.with_suffix("")
    for place in (own, document.path.parent):
        masks = ImageFolder.below(place)
        if not masks.paths.keys().isdisjoint(names):
            return masks
    if names:
        message = f"none of the {len(names):,} masks was found in {own.as_posix()} or {own.parent.as_posix()}"
        document.defects.append(Defect("SEG002", message, document.name))
    return ImageFolder(None)


def orphan_masks(document: Document, masks: ImageFolder, names: Sequence[str]) -> list[Defect]:
    """SEG011 for every mask file without an entry, if the folder belongs to the document alone."""
    if masks.root is None or masks.root != document.path.with_suffix(""):
        return []
    message = f"mask that {document.name} does not name"
    return [Defect("SEG011", message, f"{masks.root.name}/{name}") for name in sorted(masks.paths.keys() - set(names))]


class InfoItem(SegmentItem, gc=False, kw_only=True):
    """An entry of `segments_info`."""


class _StrictInfoItem(InfoItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An entry of `segments_info` without further keys."""


@dataclass(slots=True)
class JoinedMask:
    """The segments of one image that are in its mask and in `segments_info`.

    Attributes
    ----------
    items : (n,) the document's entries
    places : (n,) their JSON pointers
    extras : (n,) their further keys
    runs : the pixels; `runs.owner` is the position in `items`
    defects : where the two disagree
    """

    items: list[InfoItem] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    extras: list[dict[str, str]] = field(default_factory=list)
    runs: Runs = field(default_factory=Runs.empty)
    defects: list[Defect] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MaskPlace:
    """The origin of an image's labels: its image_id, the document, the pointer to its entry, and the mask file."""

    image: str
    document: str
    place: str
    mask: str


def join_mask(mask: PanopticMask, raw: Raw, categories: Categories, where: MaskPlace) -> JoinedMask:
    """The segments of an image: the ids that both the mask and `segments_info` have; the rest are defects."""
    joined = JoinedMask()
    info = _decode_segments_info(raw, joined, where)
    kept = _first_of_each_id(info, joined, where)
    declared = np.array([_mask_id(info.items[i]) for i in kept], np.int64)
    ids = _trusted_ids(mask, declared, joined, where)
    position_of = {int(id_): k for k, id_ in enumerate(ids)}
    owners, taken = [], []
    for i in kept:
        item = info.items[i]
        owner = position_of.get(_mask_id(item))
        place = f"{where.place}/segments_info/{info.rows[i]}"
        if owner is None:
            area = f" (area {bytes(item.area).decode()})" if len(item.area) else ""
            message = f"segment {item.id} of segments_info{area} has no pixel in {where.mask}; left out"
            joined.defects.append(_defect("SEG014", message, where, place, item, categories))
        elif item.category_id not in categories.to:
            pixels = int(mask.areas[owner])
            message = f"category_id {item.category_id} is not among the categories; left out"
            joined.defects.append(_defect("SEG007", message, where, f"{place}/category_id", item, categories, pixels))
        else:
            owners.append(owner)
            taken.append(i)
            joined.places.append(place)
    _report_unlisted(mask, ids, declared, joined, where)
    joined.items = [info.items[i] for i in taken]
    joined.extras = info.extras(taken, SEGMENT_KEYS)
    joined.runs = mask.runs.take(np.array(owners, np.int64), len(ids))
    return joined


def _decode_segments_info(raw: Raw, joined: JoinedMask, where: MaskPlace) -> Items[InfoItem]:
    """The entries of `segments_info`; broken ones are SEG004."""
    place = f"{where.place}/segments_info"
    try:
        strict = msgspec.json.decode(raw, type=list[_StrictInfoItem])
        return Items(list[InfoItem](strict), range(len(strict)))
    except msgspec.ValidationError:
        pass
    try:
        raws = msgspec.json.decode(raw, type=list[Raw])
    except msgspec.ValidationError:
        joined.defects.append(Defect("SEG004", "segments_info is not a list", where.document, place, image=where.image))
        return Items()
    items, broken = decode_each(raws, InfoItem)
    for row, why in broken.items():
        message = f"{why.message}; left out"
        joined.defects.append(Defect("SEG004", message, where.document, f"{place}/{row}{why.place}", image=where.image))
    rows = [row for row in range(len(raws)) if row not in broken]
    return Items([item for item in items if item is not None], rows, raws)


def _first_of_each_id(info: Items[InfoItem], joined: JoinedMask, where: MaskPlace) -> list[int]:
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
        place = f"{where.place}/segments_info/{info.rows[i]}/id"
        joined.defects.append(Defect("SEG008", message, where.document, place, image=where.image, segments=(item.id,)))
    return list(first.values())


def _mask_id(item: InfoItem) -> int:
    """The value of the segment's pixels in the mask; -1 if the id cannot be one."""
    return item.id if isinstance(item.id, int) and 0 < item.id < 2**24 else -1


def _trusted_ids(mask: PanopticMask, declared: Ints, joined: JoinedMask, where: MaskPlace) -> Ints:
    """(n,) the mask's ids; with red and blue swapped if only that gives exactly the declared ids."""
    if len(declared) == 0 or np.array_equal(mask.ids, np.sort(declared)):
        return mask.ids
    swapped = mask.swapped_ids
    if not np.array_equal(np.sort(swapped), np.sort(declared)):
        return mask.ids
    message = "the ids fit only as B + 256 G + 65536 R: the mask was saved with red and blue swapped and is read so"
    pixels = int(mask.runs.length.sum())
    joined.defects.append(Defect("SEG014", message, where.mask, image=where.image, pixels=pixels))
    return swapped


def _report_unlisted(mask: PanopticMask, ids: Ints, declared: Ints, joined: JoinedMask, where: MaskPlace) -> None:
    areas = mask.areas
    for k in np.flatnonzero(~np.isin(ids, declared)).tolist():
        message = f"id {ids[k]} has {areas[k]:,} px in the mask and is not in segments_info of {where.document}"
        joined.defects.append(
            Defect(
                "SEG014",
                message,
                where.mask,
                mask.pixel(k),
                image=where.image,
                segments=(int(ids[k]),),
                pixels=int(areas[k]),
            )
        )


def _defect(
    code: str,
    message: str,
    where: MaskPlace,
    place: str,
    item: InfoItem,
    categories: Categories,
    pixels: int | None = None,
) -> Defect:
    category = categories.taxonomy.by_id().get(categories.to.get(item.category_id, -1))
    name = category.name if category else None
    return Defect(
        code, message, where.document, place, image=where.image, segments=(item.id,), category=name, pixels=pixels
    )
