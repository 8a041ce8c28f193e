"""Regions of ADE20K's masks, matched with the objects of the text file.

A mask has the class in red and green, and the instance in blue. Neither file says which region is which object: the
blue values of regions count neither the ids nor the order of the objects in a JSON file (in three sample images their
ranks have nothing to do with either), so a region is the object that covers it. Source: CSAILVision/ADE20K.

Visible and hidden pixels of an object together are an attribute in COCO's RLE, not a segment: training, counting and
comparing would see every occluded object twice, and rules would call the two duplicates. The attribute goes with the
object into every format that holds attributes, exactly.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.errors import count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.runs import Flags, Floats, Ints, Runs
from segdata.core.safe_text import stored_json
from segdata.core.schema import rle_to_runs, runs_to_rle
from segdata.formats.ade.documents import COLUMNS, AdeObject
from segdata.formats.shapes.geometry import Polygon, check_ring, rasterise
from segdata.formats.shared.mask_files import ValueRuns, decode_mask, undecodable_mask, unpack_color
from segdata.formats.shared.per_image import BrokenLabelsError, relative_path

Size = tuple[int, int]
VISIBLE, HIDDEN = 255, 128
_LEVEL_OFFSET = 1000  # between the ids of consecutive levels, if objects have numbers only


@dataclass(frozen=True, slots=True)
class LevelRegions:
    """The n regions of one level, in the order of their blue values."""

    level: int  # 0 for objects, 1 for their parts …
    category: Ints  # (n,) class indices, R // 10 * 256 + G
    key: Ints  # (n,) blue values; 0: the instance is unknown
    runs: Runs  # owners are the regions
    size: tuple[int, int]  # height and width in pixels
    encoding: str  # storage of the mask's values
    file: str  # name of the mask in defects
    defects: tuple[Defect, ...] = ()  # of the mask

    def __len__(self) -> int:
        return len(self.key)

    def numbers(self, n_known: int) -> Ints | None:
        """(n,) the number of each region's instance within its level, 1 to `n_known`; None if blue does not show it.

        Blue is spread: instance k has 255 k / n_known, rounded up at a half, so that hidden instances are distinguished
        from those that come after them. In files of other programs the ranks of blue values count.
        """
        keys, rank = np.unique(self.key, return_inverse=True)
        number = np.rint(keys * n_known / 255).astype(np.int64)
        if not (np.floor(255 * number / max(n_known, 1) + 0.5) == keys).all():
            if int((keys > 0).sum()) != n_known:
                return None
            number = np.arange(len(keys)) + (keys[:1] > 0).sum()
        result: Ints = number[rank]
        return result


def read_regions(root: Path, path: Path, level: int, expected: Container[int], classes: Container[int]) -> LevelRegions:
    """The regions of a mask.

    Parameters
    ----------
    expected : the classes that the image's text file has on this level: they are read from a red value that is no
        multiple of 10, too
    classes : all classes of the dataset

    Raises BrokenLabelsError, with the defect, if the mask cannot be used at all.
    """
    file = relative_path(root, path)
    try:
        mask = decode_mask(path)
    except OSError as error:
        raise BrokenLabelsError(undecodable_mask(root, path, error)) from error
    if mask.lossy:
        message = f"{mask.lossy} changes values, so classes and instances are lost; save masks as PNG"
        raise BrokenLabelsError(Defect("SEG010", message, file))
    if not mask.coloured:
        message = f"is {mask.encoding}, ADE20K's masks are RGB: class in red and green, instance in blue"
        raise BrokenLabelsError(Defect("SEG004", message, file))
    runs = ValueRuns.of(mask.pixels)
    red, green, blue = (runs.value >> shift & 255 for shift in (0, 8, 16))
    category = red // 10 * 256 + green
    odd = red % 10 != 0
    if odd.any() and _is_swapped(green, blue, classes):
        message = "red and blue are swapped: the file was saved by a program that takes RGB for BGR"
        raise BrokenLabelsError(Defect("SEG010", message, file))
    shown = (category > 0) & ~(odd & ~np.array([class_index in expected for class_index in category.tolist()], bool))
    keys, owner = np.unique(blue[shown] << 16 | category[shown], return_inverse=True)
    owners = np.full(len(runs.value), -1, np.int32)
    owners[shown] = owner
    return LevelRegions(
        level=level,
        category=keys & 0xFFFF,
        key=keys >> 16,
        runs=runs.assign_owners(owners, len(keys)),
        size=(runs.height, runs.width),
        encoding=mask.encoding,
        file=file,
        defects=tuple(_defects(runs, odd, (category == 0) & ~odd & (blue > 0), file)),
    )


def _is_swapped(green: Ints, blue: Ints, expected: Container[int]) -> bool:
    """Whether all values are valid with red and blue swapped."""
    if (blue % 10 != 0).any():
        return False
    classes = np.unique(blue // 10 * 256 + green).tolist()
    return len(classes) > 1 and all(class_index == 0 or class_index in expected for class_index in classes)


def _defects(runs: ValueRuns, odd: Flags, classless: Flags, file: str) -> Iterator[Defect]:
    """One SEG010 for reds that are no multiples of 10, one SEG009 for instances without a class; with first pixels."""
    recoloured = "whose red is not a multiple of 10: the mask was smoothed, resized or recoloured"
    for flag, code, problem in ((odd, "SEG010", recoloured), (classless, "SEG009", "of an instance without class")):
        rows = np.flatnonzero(flag)
        if len(rows):
            area = int(runs.area[rows].sum())
            x, y = runs.first_pixel(int(rows[0]))
            first = unpack_color(int(runs.value[rows[0]]))
            message = f"{count_noun(len(rows), 'colour')} {problem}: {area:,} px, the first, {first}, at x={x}, y={y}"
            yield Defect(code, message, file, f"x={x}, y={y}", pixels=area)


class _RegionRle(msgspec.Struct):
    size: list[int]
    counts: str


def encode_rle(runs: Runs, size: Size) -> str:
    """The runs of owner 0 in an image of this height and width as COCO's RLE, in JSON.

    >>> encode_rle(Runs(np.array([2]), np.array([1]), np.zeros(1, np.int32)), (2, 2))
    '{"size":[2,2],"counts":"211"}'
    """
    height, width = size
    counts = runs_to_rle(runs, np.array([height]), np.array([width]))[0].as_py()
    return msgspec.json.encode({"size": [height, width], "counts": counts.decode()}).decode()


def decode_rle(json: str, size: Size) -> Runs | None:
    """The runs of an RLE; None if it is not an RLE of an image of this height and width."""
    decoded = stored_json(json, _RegionRle)
    if decoded is None or decoded.size != list(size):
        return None
    counts = pa.array([decoded.counts.encode("ascii", "replace")], pa.binary())
    runs, error = rle_to_runs(counts, np.array([size[0]]), np.array([size[1]]))
    return None if error[0] else runs


@dataclass(frozen=True, slots=True)
class ObjectMask:
    """The pixels of an object of the text file."""

    runs: Runs  # owner 0: the visible pixels of its mask, else the inside of its polygon
    amodal: str | None = None  # visible and hidden pixels as COCO's RLE, JSON; None if no pixel is known to be hidden


class _Polygon(msgspec.Struct):
    x: list[float]
    y: list[float]


def locate_object(
    root: Path, note: AdeObject, size: tuple[int, int], with_mask: bool, defects: list[Defect]
) -> ObjectMask:
    """The pixels of a note's object in an image of this size; `with_mask`: read its own mask."""
    if with_mask and note.mask is not None and note.mask.is_file():
        runs = _mask_runs(root, note.mask, size, defects)
        if runs is not None:
            hidden = runs.value == HIDDEN
            visible = runs.assign_owners(np.where(runs.value == VISIBLE, 0, -1).astype(np.int32), 1)
            if len(visible) or hidden.any():
                owner = np.where(hidden | (runs.value == VISIBLE), 0, -1).astype(np.int32)
                return ObjectMask(visible, encode_rle(runs.assign_owners(owner, 1), size) if hidden.any() else None)
    return ObjectMask(_polygon_runs(note, size))


def _mask_runs(root: Path, path: Path, size: tuple[int, int], defects: list[Defect]) -> ValueRuns | None:
    """The values in the mask of an object; None, with a defect, if it cannot be used."""
    file = relative_path(root, path)
    try:
        mask = decode_mask(path)
    except OSError as error:
        defects.append(undecodable_mask(root, path, error))
        return None
    runs = ValueRuns.of(mask.pixels)
    if (runs.height, runs.width) != size:
        message = f"the mask of an object is {runs.width}x{runs.height}, the mask of the image is {size[1]}x{size[0]}"
        defects.append(Defect("SEG003", message, file, lost=True))
        return None
    unknown = np.flatnonzero(~np.isin(runs.value, (0, HIDDEN, VISIBLE)))
    if len(unknown):
        x, y = runs.first_pixel(int(unknown[0]))
        area = int(runs.area[unknown].sum())
        message = (
            f"{count_noun(len(unknown), 'value')} other than {VISIBLE} (visible) and {HIDDEN} (hidden): {area:,} px, "
            f"the first, {runs.value[unknown[0]]}, at x={x}, y={y}"
        )
        defects.append(Defect("SEG009", message, file, f"x={x}, y={y}", pixels=area))
    return runs


def _polygon_runs(note: AdeObject, size: tuple[int, int]) -> Runs:
    """The pixels inside the polygon of a note; none if it has no valid one."""
    polygon = stored_json(note.attributes.get("polygon"), _Polygon)
    if polygon is None or len(polygon.x) != len(polygon.y):
        return Runs.empty()
    points = np.column_stack([polygon.x, polygon.y])
    if check_ring(points) is not None:
        return Runs.empty()
    return rasterise([[Polygon(points)]], "centre-evenodd", *size)


def missing_masks(root: Path, notes: Sequence[AdeObject], file: str) -> Iterator[Defect]:
    """SEG002 for missing masks of objects; of severity info if an image has none of them."""
    named = [note for note in notes if note.mask is not None]
    missing = [note for note in named if note.mask is not None and not note.mask.is_file()]
    if missing and missing[0].mask is not None:
        first = relative_path(root, missing[0].mask)
        do = "does" if len(missing) == 1 else "do"
        message = f"{len(missing)} of {count_noun(len(named), 'mask')} of objects {do} not exist ({first} …)"
        severity: Severity | None = "info" if len(missing) == len(named) else None
        yield Defect("SEG002", message, file, f"{missing[0].place}/instance_mask", severity=severity)


def match_objects(regions: LevelRegions, notes: Sequence[AdeObject], masks: Sequence[ObjectMask]) -> Ints:
    """(n_regions,) the row of the note that matches each region, -1 for none; ignores notes of other levels.

    A region matches the note of its class that shares the most pixels with it, if that is more than half of it. Then
    classes with one note and one region left match these.
    """
    matched = np.full(len(regions), -1, np.int64)
    is_taken = np.array([note.level != regions.level for note in notes], bool)
    classes = np.array([note.category for note in notes], np.int64)
    same = (regions.category[:, None] == classes) & ~is_taken & (regions.key > 0)[:, None]
    iou, covered = _overlap(regions, masks)
    region, note = np.nonzero(same & (covered > 0.5))
    for pair in np.argsort(-iou[region, note], kind="stable").tolist():
        if matched[region[pair]] < 0 and not is_taken[note[pair]]:
            matched[region[pair]] = note[pair]
            is_taken[note[pair]] = True
    free = same & ~is_taken & (matched < 0)[:, None]
    is_only_match = free & (free.sum(axis=1, keepdims=True) == 1) & (free.sum(axis=0, keepdims=True) == 1)
    region, note = np.nonzero(is_only_match)
    matched[region] = note
    return matched


def _overlap(regions: LevelRegions, masks: Sequence[ObjectMask]) -> tuple[Floats, Floats]:
    """(n_regions, n_notes) shared pixels over pixels in either, and over pixels of the region."""
    start, end, owner = _sorted_runs(regions)
    shared = np.zeros((len(regions), len(masks)))
    for column, mask in enumerate(masks):
        region, _, _, length = kernels.strips(
            start, end, owner, mask.runs.start, mask.runs.start + mask.runs.length, mask.runs.owner
        )
        shared[:, column] = np.bincount(region, weights=length, minlength=len(regions))
    area = regions.runs.areas(len(regions))[:, None]
    mask_area = np.array([int(mask.runs.length.sum()) for mask in masks], np.int64)
    return shared / np.maximum(area + mask_area - shared, 1), shared / np.maximum(area, 1)


def match_wholes(parts: LevelRegions, objects: LevelRegions) -> Ints:
    """(n_parts,) the row of the object that shares most pixels with each part; -1 if none does."""
    a, b, _, length = kernels.strips(*_sorted_runs(parts), *_sorted_runs(objects))
    shared = np.zeros((len(parts), len(objects) + 1))
    np.add.at(shared, (a, b + 1), length)  # column 0: none
    whole: Ints = shared.argmax(axis=1).astype(np.int64)
    return whole - 1


def _sorted_runs(regions: LevelRegions) -> tuple[Ints, Ints, NDArray[np.int32]]:
    """Start, end and owner of the runs, sorted by start."""
    order = np.argsort(regions.runs.start, kind="stable")
    start = regions.runs.start[order]
    return start, start + regions.runs.length[order], regions.runs.owner[order]


@dataclass(frozen=True, slots=True)
class AdeSegments:
    """The n regions of all levels."""

    index: Ints  # (n,) class index
    key: Ints  # (n,) blue value
    level: Ints  # (n,)
    row: Ints  # (n,) the row of its note in `notes`; -1: none
    whole: Ints  # (n,) the position of the segment of which each is a part; -1: none
    file: list[str]  # (n,) the mask that each was read from
    runs: Runs  # owners are the regions
    size: tuple[int, int]  # height and width in pixels
    notes: Sequence[AdeObject]  # the objects of the text file
    masks: Sequence[ObjectMask]  # their pixels; empty if objects are numbered

    @staticmethod
    def from_levels(
        levels: Sequence[LevelRegions], notes: Sequence[AdeObject], masks: Sequence[ObjectMask], defects: list[Defect]
    ) -> "AdeSegments":
        """The regions of all levels, matched with the notes of the text file by place, else by number."""
        counts = [len(regions) for regions in levels]
        before = np.concatenate([[0], np.cumsum(counts)])
        row = [_match_rows(regions, notes, masks, defects) for regions in levels]
        whole = [np.full(counts[0], -1, np.int64)]
        for k in range(1, len(levels)):
            parent = match_wholes(levels[k], levels[k - 1])
            whole.append(np.where(parent < 0, -1, parent + before[k - 1]))
        return AdeSegments(
            index=np.concatenate([regions.category for regions in levels]),
            key=np.concatenate([regions.key for regions in levels]),
            level=np.repeat([regions.level for regions in levels], counts),
            row=np.concatenate(row),
            whole=np.concatenate(whole),
            file=[regions.file for regions in levels for _ in range(len(regions))],
            runs=Runs.concatenate([regions.runs for regions in levels], counts),
            size=levels[0].size,
            notes=notes,
            masks=masks,
        )

    def __len__(self) -> int:
        return len(self.index)

    def note(self, segment: int) -> AdeObject | None:
        """The note of a segment; None if it has none."""
        return self.notes[self.row[segment]] if self.row[segment] >= 0 else None

    def first_pixel(self, segment: int) -> str:
        """The first pixel of a segment, as a place."""
        x, y = divmod(int(self.runs.start[self.runs.offsets(len(self))[segment]]), max(self.size[0], 1))
        return f"x={x}, y={y}"

    def ids(self) -> Ints:
        """(n,) ids of the text file, else level and number, else free ones."""
        ids = np.full(len(self), -1, np.int64)
        has_note = np.zeros(len(self), bool)
        for segment in range(len(self)):
            note = self.note(segment)
            if note is not None:
                ids[segment] = note.level * _LEVEL_OFFSET + (note.number or 0) if note.id is None else note.id
                has_note[segment] = True
        ids[~has_note] = max(0, int(ids[has_note].max(initial=0))) + 1 + np.arange(int((~has_note).sum()))
        return ids

    def columns(self, kept: Ints, ids: Ints) -> dict[str, list[object]]:
        """Further columns of some segments."""
        columns: dict[str, list[object]] = {name: [] for name in ("attributes", "file", "place", *COLUMNS)}
        for segment in kept.tolist():
            note = self.note(segment)
            values: dict[str, object] = dict(note.columns) if note else {}
            if self.key[segment] == 0:
                values["iscrowd"] = True  # the instance is unknown
            columns["attributes"].append(sorted(self._attributes(segment, note, ids).items()) or None)
            columns["file"].append(self.file[segment])
            columns["place"].append(f"class {self.index[segment]}, blue {self.key[segment]}")
            for name in COLUMNS:
                columns[name].append(values.get(name))
        return columns

    def _attributes(self, segment: int, note: AdeObject | None, ids: Ints) -> dict[str, str]:
        """The attributes of a segment, with its level, its whole and its hidden pixels."""
        attributes = dict(note.attributes) if note else {}
        if self.masks and note is not None:
            amodal = self.masks[self.row[segment]].amodal
            attributes |= {"amodal": amodal} if amodal else {}
        if self.level[segment]:
            attributes["part_level"] = str(self.level[segment])
            by_place = int(ids[self.whole[segment]]) if self.whole[segment] >= 0 else None
            whole_id = note.part_of if note is not None and note.id is not None else by_place
            attributes |= {} if whole_id is None else {"part_of": str(whole_id)}
        return attributes

    def disagreements(self, file: str) -> Iterator[Defect]:
        """SEG014 for regions that the text file `file` does not name, and for objects without a region."""
        nameless = np.flatnonzero((self.row < 0) & (self.key > 0))
        if len(nameless):
            area = int(self.runs.areas(len(self))[nameless].sum())
            place = self.first_pixel(int(nameless[0]))
            what = f"{count_noun(len(nameless), 'region')} of the masks without an object in {file}: {area:,} px"
            yield Defect("SEG014", f"{what}, the first at {place}", self.file[nameless[0]], place, pixels=area)
        levels = set(self.level.tolist()) | {0}
        hidden = set(range(len(self.notes))) - set(self.row.tolist())
        lost = [self.notes[row] for row in sorted(hidden) if self.notes[row].level in levels]
        if lost:
            message = f"{count_noun(len(lost), 'object')} without a region in the masks ({lost[0].name!r} …)"
            ids = tuple(note.id for note in lost if note.id is not None)
            yield Defect("SEG014", message, file, lost[0].place, segments=ids, severity="info")


def _match_rows(
    regions: LevelRegions, notes: Sequence[AdeObject], masks: Sequence[ObjectMask], defects: list[Defect]
) -> Ints:
    """(n,) the row of the note that each region is; -1 for none."""
    if masks:
        return match_objects(regions, notes, masks)
    if not notes:
        return np.full(len(regions), -1, np.int64)
    rows = {note.number: row for row, note in enumerate(notes) if note.level == regions.level}
    numbers = regions.numbers(len(rows))
    if numbers is None:
        n_objects = sum(note.level == regions.level for note in notes)
        counts = f"{count_noun(len(regions), 'region')}, the text file {count_noun(n_objects, 'object')} on this level"
        defects.append(Defect("SEG014", f"the mask has {counts}: which is which is unknown", regions.file))
        return np.full(len(regions), -1, np.int64)
    return np.array([rows.get(number, -1) for number in numbers.tolist()], np.int64)
