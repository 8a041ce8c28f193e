"""Writes ADE20K: the masks of each level, the JSON file of each image, and the masks of single objects."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs, expand_ranges
from segdata.core.taxonomy import Taxonomy
from segdata.formats.ade.documents import COLUMNS, MOST_CLASSES, MOST_LEVELS, OWN_KEYS, write_attribute
from segdata.formats.ade.reader import SEG
from segdata.formats.ade.regions import HIDDEN, VISIBLE, Size, decode_rle, encode_rle
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.painting import (
    ImageSegments,
    MaskPaths,
    count_hidden_segments,
    count_losses,
    count_segment_mask_losses,
    count_spatial_losses,
    paint,
    segment_examples,
    segments_by_image,
)
from segdata.formats.shared.pairing import Cell, write_index
from segdata.formats.shared.taxonomies import write_sidecars

Keys = dict[str, msgspec.Raw]
MOST_OBJECTS = 255  # instances of one level, in the blue of a pixel
_HELD_COLUMNS = frozenset(
    {f"images.{name}" for name in ("split", "sequence", "frame", "metadata")}
    | {f"segments.{name}" for name in ("attributes", "score", "source", "track_id", "iscrowd")}
)


@dataclass(frozen=True, slots=True)
class _SegmentKeys:
    """Of the n segments of a batch.

    Attributes
    ----------
    level : (n,) 0 for objects, 1 for their parts …
    part_of : (n,) the segment id of the segment that each is a part of; None: of no known segment
    amodal : (n,) visible and hidden pixels, as an attribute has them
    keys : (n,) the other keys
    lost : rows of segments with an attribute that has no place
    """

    level: Ints
    part_of: list[int | None]
    amodal: list[str | None]
    keys: list[Keys]
    lost: list[int]

    @staticmethod
    def of(batch: Batch) -> "_SegmentKeys":
        """The keys of a batch's segments."""
        words = _SegmentKeys(np.zeros(batch.n_segments, np.int64), [], [], [], [])
        for row, pairs in enumerate(batch.segments["attributes"].to_pylist()):
            attributes = dict(pairs or ())
            level = _as_integer(attributes.get("part_level"))
            if level is not None and 1 <= level <= MOST_LEVELS:
                words.level[row] = level
                del attributes["part_level"]
            whole_id = _as_integer(attributes.get("part_of")) if words.level[row] else None
            if whole_id is not None:
                del attributes["part_of"]
            words.part_of.append(whole_id)
            words.amodal.append(attributes.pop("amodal", None))
            keys = {name: write_attribute(name, json) for name, json in attributes.items()}
            words.keys.append({name: msgspec.Raw(json.encode()) for name, json in keys.items() if json is not None})
            if None in keys.values():
                words.lost.append(row)
        _add_columns(batch, words.keys)
        return words


def _add_columns(batch: Batch, keys: list[Keys]) -> None:
    """Add the columns that are keys in ADE20K. A segment without a source takes that of its annotation."""
    made_by = batch.annotations["source"].take(batch.segments["annotation"]).to_pylist()
    for name in COLUMNS:
        for segment_keys, own, inherited in zip(keys, batch.segments[name].to_pylist(), made_by, strict=True):
            value = own or inherited if name == "source" else own
            if value is not None and value is not False and value == value:  # NaN is nothing, too
                segment_keys[name] = msgspec.Raw(msgspec.json.encode(value))


def _as_integer(json: str | None) -> int | None:
    """A JSON text as an integer; None for other values."""
    try:
        return None if json is None else msgspec.json.decode(json, type=int)
    except msgspec.DecodeError:
        return None


def _with_defaults(name: str, keys: Mapping[str, msgspec.Raw]) -> Keys:
    """The keys of an object of the category `name`, with empty values for keys that other programs expect."""
    empty = {"raw_name": name, "attributes": [], "occluded": [], "crop": [], "polygon": {"x": [], "y": []}}
    return {key: msgspec.Raw(msgspec.json.encode(value)) for key, value in empty.items()} | dict(keys)


def _paint_level(batch: Batch, sheet: ImageSegments, path: Path, losses: LossCounter) -> Runs:
    """Write the mask of one level; returns the visible pixels of each of its n segments.

    Raises SegdataError if there are more segments than blue values.
    """
    n = len(sheet.segments)
    if n > MOST_OBJECTS:
        raise SegdataError(
            f"image {sheet.image_id!r} has {n} objects on one level, ADE20K's masks hold {MOST_OBJECTS}; write "
            "instance-ids or coco-instances, or leave some out"
        )
    category = integer_column(batch.segments["category_id"])[sheet.segments]
    blue = np.floor(255 * np.arange(1, n + 1) / max(n, 1) + 0.5).astype(np.int64)  # spread, as ADE20K has it
    values = category // 256 * 10 | category % 256 << 8 | blue << 16
    pixels = paint(sheet, values, 0, np.uint32)
    channels = pixels.view(np.uint8).reshape(*pixels.shape, 4)[:, :, :3]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(channels)).save(path)
    count_hidden_segments(batch, sheet, values, pixels, losses)
    runs = ValueRuns.of(pixels)
    owner = {value: segment for segment, value in enumerate(values.tolist())}
    return runs.assign_owners(np.array([owner.get(value, -1) for value in runs.value.tolist()], np.int32), n)


def _paint_object(visible: Runs, amodal: str | None, size: Size, path: Path) -> bool:
    """Write the mask of one object with its visible and hidden pixels.

    `visible` has the one owner 0, `amodal` is an attribute. Returns whether reading gives `amodal` back.
    """
    height, width = size
    canvas = np.zeros(height * width, np.uint8)
    amodal_runs = None if amodal is None else decode_rle(amodal, size)
    if amodal_runs is not None:
        canvas[expand_ranges(amodal_runs.start, amodal_runs.length)] = HIDDEN
    canvas[expand_ranges(visible.start, visible.length)] = VISIBLE
    pixels = np.ascontiguousarray(canvas.reshape(width, height).T)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    if amodal is None:
        return True
    runs = ValueRuns.of(pixels)
    if HIDDEN not in runs.value:
        return False
    return encode_rle(runs.assign_owners(np.where(runs.value > 0, 0, -1).astype(np.int32), 1), size) == amodal


def write_ade(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, lost: frozenset[LossKind]
) -> None:
    """Write the dataset below `target`; `lost` are the kinds that the format declares."""
    for category in profile.taxonomy.categories:
        if not 1 <= category.id <= MOST_CLASSES:
            raise SegdataError(
                f"category {category.name!r} has id {category.id}, ADE20K's masks hold classes 1 to {MOST_CLASSES}; "
                "renumber it"
            )
    target.mkdir(parents=True)
    count_spatial_losses(profile, losses)
    writer = _Writer(profile.taxonomy, target, losses, lost)
    write_index(target, writer.rows(batches), videos=True)
    write_sidecars(target, profile, profile.taxonomy)


@dataclass
class _Writer:
    """Writes images one at a time.

    Attributes
    ----------
    taxonomy : of the dataset
    target : the folder
    losses, lost : as in `write_ade`
    """

    taxonomy: Taxonomy
    target: Path
    losses: LossCounter
    lost: frozenset[LossKind]
    _names: MaskPaths = field(default_factory=MaskPaths)

    def rows(self, batches: Iterable[Batch]) -> Iterator[tuple[Cell, ...]]:
        """Write the files of each image, and yield the rows of images.csv."""
        category_ids = np.array(list(self.taxonomy.by_id()), np.int64)
        for batch in batches:
            kept = np.isin(integer_column(batch.segments["category_id"]), category_ids)
            words = _SegmentKeys.of(batch)
            self._count(batch, kept, words)
            image_rows = batch.images.select(["sequence", "frame", "split", "metadata"]).to_pylist()
            for sheet, image_row in zip(segments_by_image(batch), image_rows, strict=True):
                metadata, mask = dict(image_row.pop("metadata") or ()), None
                if sheet.annotated:
                    stem = self._names.name(sheet.image_id, "").removeprefix("masks/")
                    mask = f"{stem}{SEG}"
                    rows = np.flatnonzero(kept[sheet.segments] & (sheet.runs.areas(len(sheet.segments)) > 0))
                    self._write(batch, sheet.only(rows), words, stem, metadata)
                self._count_metadata(sheet, metadata)
                yield sheet.image_id, mask, sheet.width, sheet.height, sheet.uri, *image_row.values()

    def _count(self, batch: Batch, kept: NDArray[np.bool_], words: _SegmentKeys) -> None:
        """Count the losses of a batch; segments of different levels may overlap."""
        count_losses(batch, self.losses, self.lost, _HELD_COLUMNS)
        for level in np.unique(words.level).tolist():
            rows = np.flatnonzero(words.level == level)
            count_segment_mask_losses(batch.take_segments(rows), kept[rows], self.losses)
        rows = np.array(words.lost, np.int64)
        self.losses.add("attributes", "segments", len(rows), examples=segment_examples(batch, rows))

    def _count_metadata(self, sheet: ImageSegments, metadata: dict[str, str]) -> None:
        """Count an image with metadata that its JSON file cannot hold, or without a JSON file."""
        if metadata and (not sheet.annotated or OWN_KEYS & metadata.keys()):
            self.losses.add("image-details", "images", 1, examples=[sheet.image_id])

    def _write(
        self, batch: Batch, sheet: ImageSegments, words: _SegmentKeys, stem: str, metadata: dict[str, str]
    ) -> None:
        """Write the files of one image."""
        n = len(sheet.segments)
        level = words.level[sheet.segments]
        level_runs = [Runs.empty()]
        for depth in range(int(level.max(initial=0)) + 1):
            rows = np.flatnonzero(level == depth)
            path = self.target / (f"{stem}_parts_{depth}.png" if depth else f"{stem}{SEG}")
            runs = _paint_level(batch, sheet.only(rows), path, self.losses)
            level_runs.append(Runs(runs.start, runs.length, rows[runs.owner].astype(np.int32)))
        visible = Runs.concatenate(level_runs, [0] * len(level_runs)).sorted_by_owner(n)
        shown = np.flatnonzero(visible.areas(n) > 0)
        masks = []
        for number, row in enumerate(shown.tolist()):
            name = f"{PurePosixPath(stem).name}/instance_{number:03d}_{PurePosixPath(stem).name}.png"
            path, amodal = (self.target / stem).parent / name, words.amodal[sheet.segments[row]]
            if not _paint_object(visible.take(np.array([row]), n), amodal, (sheet.height, sheet.width), path):
                self._lose("attributes", batch, sheet.segments[row : row + 1])
            masks.append(name)
        document = self._document(batch, sheet.only(shown), words, masks)
        document |= {name: msgspec.Raw(json.encode()) for name, json in metadata.items() if name not in OWN_KEYS}
        encoded = msgspec.json.encode({"annotation": document})
        (self.target / f"{stem}.json").write_bytes(encoded)

    def _document(self, batch: Batch, sheet: ImageSegments, words: _SegmentKeys, masks: list[str]) -> dict[str, object]:
        """The JSON document of an image and its visible segments."""
        segment_ids = integer_column(batch.segments["segment_id"])[sheet.segments]
        ids = (
            segment_ids
            if len(np.unique(segment_ids)) == len(segment_ids)
            else np.arange(len(segment_ids), dtype=np.int64)
        )
        self._lose("segment-id", batch, sheet.segments[ids != segment_ids])
        id_of = dict(zip(segment_ids[::-1].tolist(), ids[::-1].tolist(), strict=True))
        part_of = [words.part_of[row] for row in sheet.segments.tolist()]
        lost = [row for row, whole in enumerate(part_of) if whole is not None and whole not in id_of]
        self._lose("attributes", batch, sheet.segments[lost])
        wholes = [None if whole_id is None else id_of.get(whole_id) for whole_id in part_of]
        parts: dict[int | None, list[int]] = {}
        for id_, whole in zip(ids.tolist(), wholes, strict=True):
            parts.setdefault(whole, []).append(id_)
        categories, named = (
            integer_column(batch.segments["category_id"])[sheet.segments].tolist(),
            self.taxonomy.name_of,
        )
        objects = [
            {
                "id": id_,
                "name": named(category),
                "name_ndx": category,
                "hypernym": [],
                **_with_defaults(named(category), words.keys[row]),
                "parts": {
                    "hasparts": parts.get(id_, []),
                    "ispartof": [] if whole is None else whole,
                    "part_level": int(words.level[row]),
                },
                "instance_mask": mask,
            }
            for id_, category, row, whole, mask in zip(
                ids.tolist(), categories, sheet.segments.tolist(), wholes, masks, strict=True
            )
        ]
        path = PurePosixPath(sheet.image_id)
        folder = "" if path.parent == PurePosixPath() else path.parent.as_posix()
        size = [sheet.height, sheet.width, 3]
        return {"filename": path.name, "folder": folder, "imsize": size, "object": objects}

    def _lose(self, kind: LossKind, batch: Batch, rows: Ints) -> None:
        self.losses.add(kind, "segments", len(rows), examples=segment_examples(batch, rows))
