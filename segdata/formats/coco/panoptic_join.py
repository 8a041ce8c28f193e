"""What a mask's ids mean: the pixels of one image joined to its `segments_info`."""

from dataclasses import dataclass, field

import msgspec
import numpy as np

from segdata.core.defect import Defect
from segdata.core.runs import Ints, Runs
from segdata.formats.coco.annotations import SAID, Said
from segdata.formats.coco.categories import Categories
from segdata.formats.coco.items import Items, Raw, decode_each
from segdata.formats.coco.panoptic_mask import Mask


class InfoItem(Said, gc=False, kw_only=True):
    """An entry of `segments_info`."""


class StrictInfoItem(InfoItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An entry of `segments_info` without further keys."""


@dataclass(slots=True)
class Joined:
    """The segments of one image that are in its mask and in `segments_info`.

    Attributes
    ----------
    items : (n,) what the document says of each
    places : (n,) where it says that, as JSON pointers
    extras : (n,) its further keys
    runs : the pixels; `runs.owner` is the position in `items`
    defects : where the two disagree
    """

    items: list[InfoItem] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    extras: list[dict[str, str]] = field(default_factory=list)
    runs: Runs = field(default_factory=Runs.empty)
    defects: list[Defect] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Where:
    """Where an image's labels come from: its image_id, the document, the pointer to its entry, and the mask file."""

    image: str
    document: str
    place: str
    mask: str


def join(mask: Mask, raw: Raw, categories: Categories, where: Where) -> Joined:
    """The segments of an image: those ids that the mask and `segments_info` both have; the rest are defects."""
    joined = Joined()
    info = _decode(raw, joined, where)
    kept = _unique(info, joined, where)
    declared = np.array([_as_id(info.items[i]) for i in kept], np.int64)
    ids = _trusted_ids(mask, declared, joined, where)
    at = {int(id_): k for k, id_ in enumerate(ids)}
    owners, taken = [], []
    for i in kept:
        item = info.items[i]
        owner = at.get(_as_id(item))
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
    joined.extras = info.extras(taken, SAID)
    joined.runs = mask.runs.take(np.array(owners, np.int64), len(ids))
    return joined


def _decode(raw: Raw, joined: Joined, where: Where) -> Items[InfoItem]:
    """The entries of `segments_info`; broken ones are SEG004."""
    place = f"{where.place}/segments_info"
    try:
        strict = msgspec.json.decode(raw, type=list[StrictInfoItem])
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


def _unique(info: Items[InfoItem], joined: Joined, where: Where) -> list[int]:
    """Positions of the first entry of each id; a second one cannot have pixels of its own: SEG008."""
    first: dict[int | str, int] = {}
    for i, item in enumerate(info.items):
        if first.setdefault(item.id, i) == i:
            continue
        one = info.items[first[item.id]]
        message = (
            f"segment id {item.id} is here twice, with the categories {one.category_id} and {item.category_id}; "
            "the pixels go to the first"
        )
        place = f"{where.place}/segments_info/{info.rows[i]}/id"
        joined.defects.append(Defect("SEG008", message, where.document, place, image=where.image, segments=(item.id,)))
    return list(first.values())


def _as_id(item: InfoItem) -> int:
    """The value of the mask's pixels; -1 where the id cannot be one."""
    return item.id if isinstance(item.id, int) and 0 < item.id < 2**24 else -1


def _trusted_ids(mask: Mask, declared: Ints, joined: Joined, where: Where) -> Ints:
    """(n,) the mask's ids, with red and blue exchanged where only so they are all of those declared."""
    if len(declared) == 0 or np.array_equal(mask.ids, np.sort(declared)):
        return mask.ids
    swapped = mask.swapped_ids
    if not np.array_equal(np.sort(swapped), np.sort(declared)):
        return mask.ids
    message = "the ids fit only as B + 256 G + 65536 R: the mask was saved with red and blue exchanged; read so"
    pixels = int(mask.runs.length.sum())
    joined.defects.append(Defect("SEG014", message, where.mask, image=where.image, pixels=pixels))
    return swapped


def _report_unlisted(mask: Mask, ids: Ints, declared: Ints, joined: Joined, where: Where) -> None:
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
    code: str, message: str, where: Where, place: str, item: InfoItem, categories: Categories, pixels: int | None = None
) -> Defect:
    known = categories.taxonomy.by_id().get(categories.to.get(item.category_id, -1))
    name = known.name if known else None
    return Defect(
        code, message, where.document, place, image=where.image, segments=(item.id,), category=name, pixels=pixels
    )
