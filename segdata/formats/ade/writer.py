"""Writes ADE20K: the masks of each level, the JSON file of each image, and the masks of single objects."""

from collections.abc import Iterable, Iterator
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
from segdata.formats.shared.mask_files import ValueRuns, rgb_picture
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
    """Of the n segments of a batch."""

    level: Ints  # (n,) 0 for objects, 1 for their parts …
    part_of: list[int | None]  # (n,) the segment id of the segment that each is a part of; None: of no known segment
    amodal: list[str | None]  # (n,) visible and hidden pixels, as an attribute has them
    keys: list[Keys]  # (n,) the other keys
    lost: list[int]  # rows of segments with an attribute that has no place

    @staticmethod
    def of(batch: Batch) -> "_SegmentKeys":
        """The keys of a batch's segments."""
        written = _SegmentKeys(np.zeros(batch.n_segments, np.int64), [], [], [], [])
        for row, pairs in enumerate(batch.segments["attributes"].to_pylist()):
            attributes = dict(pairs or ())
            level = _as_integer(attributes.get("part_level"))
            if level is not None and 1 <= level <= MOST_LEVELS:
                written.level[row] = level
                del attributes["part_level"]
            whole_id = _as_integer(attributes.get("part_of")) if written.level[row] else None
            if whole_id is not None:
                del attributes["part_of"]
            written.part_of.append(whole_id)
            written.amodal.append(attributes.pop("amodal", None))
            keys = {name: write_attribute(name, json) for name, json in attributes.items()}
            written.keys.append({name: msgspec.Raw(json.encode()) for name, json in keys.items() if json is not None})
            if None in keys.values():
                written.lost.append(row)
        _add_columns(batch, written.keys)
        return written


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


def _paint_level(batch: Batch, image: ImageSegments, path: Path, losses: LossCounter) -> Runs:
    """Write the mask of one level; returns the visible pixels of each of its n segments.

    Raises SegdataError if there are more segments than blue values.
    """
    n = len(image.segments)
    if n > MOST_OBJECTS:
        raise SegdataError(
            f"image {image.image_id!r} has {n} objects on one level, ADE20K's masks hold {MOST_OBJECTS}; write "
            "instance-ids or coco-instances, or leave some out"
        )
    category = integer_column(batch.segments["category_id"])[image.segments]
    blue = np.floor(255 * np.arange(1, n + 1) / max(n, 1) + 0.5).astype(np.int64)  # spread, as ADE20K has it
    values = category // 256 * 10 | category % 256 << 8 | blue << 16
    pixels = paint(image, values, 0, np.uint32)
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb_picture(pixels).save(path)
    count_hidden_segments(batch, image, values, pixels, losses)
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
    """Writes images one at a time."""

    taxonomy: Taxonomy  # of the dataset
    target: Path  # the folder
    losses: LossCounter
    lost: frozenset[LossKind]  # the kinds that the format declares
    _names: MaskPaths = field(default_factory=MaskPaths)

    def rows(self, batches: Iterable[Batch]) -> Iterator[tuple[Cell, ...]]:
        """Write the files of each image, and yield the rows of images.csv."""
        category_ids = np.array(list(self.taxonomy.by_id()), np.int64)
        for batch in batches:
            kept = np.isin(integer_column(batch.segments["category_id"]), category_ids)
            written = _SegmentKeys.of(batch)
            self._count(batch, kept, written)
            image_rows = batch.images.select(["sequence", "frame", "split", "metadata"]).to_pylist()
            for image, image_row in zip(segments_by_image(batch), image_rows, strict=True):
                metadata, mask = dict(image_row.pop("metadata") or ()), None
                if image.annotated:
                    stem = self._names.name(image.image_id, "").removeprefix("masks/")
                    mask = f"{stem}{SEG}"
                    rows = np.flatnonzero(kept[image.segments] & (image.runs.areas(len(image.segments)) > 0))
                    self._write(batch, image.only(rows), written, stem, metadata)
                if metadata and (not image.annotated or OWN_KEYS & metadata.keys()):
                    self.losses.add("image-details", "images", 1, examples=[image.image_id])
                yield image.image_id, mask, image.width, image.height, image.uri, *image_row.values()

    def _count(self, batch: Batch, kept: NDArray[np.bool_], written: _SegmentKeys) -> None:
        """Count the losses of a batch; segments of different levels may overlap."""
        count_losses(batch, self.losses, self.lost, _HELD_COLUMNS)
        for level in np.unique(written.level).tolist():
            rows = np.flatnonzero(written.level == level)
            count_segment_mask_losses(batch.take_segments(rows), kept[rows], self.losses)
        rows = np.array(written.lost, np.int64)
        self.losses.add("attributes", "segments", len(rows), examples=segment_examples(batch, rows))

    def _write(
        self, batch: Batch, image: ImageSegments, written: _SegmentKeys, stem: str, metadata: dict[str, str]
    ) -> None:
        n = len(image.segments)
        level = written.level[image.segments]
        level_runs = [Runs.empty()]
        for depth in range(int(level.max(initial=0)) + 1):
            rows = np.flatnonzero(level == depth)
            path = self.target / (f"{stem}_parts_{depth}.png" if depth else f"{stem}{SEG}")
            runs = _paint_level(batch, image.only(rows), path, self.losses)
            level_runs.append(Runs(runs.start, runs.length, rows[runs.owner].astype(np.int32)))
        visible = Runs.concatenate(level_runs, [0] * len(level_runs)).sorted_by_owner(n)
        shown = np.flatnonzero(visible.areas(n) > 0)
        masks = []
        for number, row in enumerate(shown.tolist()):
            name = f"{PurePosixPath(stem).name}/instance_{number:03d}_{PurePosixPath(stem).name}.png"
            path, amodal = (self.target / stem).parent / name, written.amodal[image.segments[row]]
            if not _paint_object(visible.take(np.array([row]), n), amodal, (image.height, image.width), path):
                self._lose("attributes", batch, image.segments[row : row + 1])
            masks.append(name)
        document = self._document(batch, image.only(shown), written, masks)
        document |= {name: msgspec.Raw(json.encode()) for name, json in metadata.items() if name not in OWN_KEYS}
        (self.target / f"{stem}.json").write_bytes(msgspec.json.encode({"annotation": document}))

    def _document(
        self, batch: Batch, image: ImageSegments, written: _SegmentKeys, masks: list[str]
    ) -> dict[str, object]:
        """The JSON document of an image and its visible segments."""
        segment_ids = integer_column(batch.segments["segment_id"])[image.segments]
        n = len(segment_ids)
        ids = segment_ids if len(np.unique(segment_ids)) == n else np.arange(n, dtype=np.int64)
        self._lose("segment-id", batch, image.segments[ids != segment_ids])
        id_of = dict(zip(segment_ids[::-1].tolist(), ids[::-1].tolist(), strict=True))
        part_of = [written.part_of[row] for row in image.segments.tolist()]
        lost = [row for row, whole in enumerate(part_of) if whole is not None and whole not in id_of]
        self._lose("attributes", batch, image.segments[lost])
        wholes = [None if whole_id is None else id_of.get(whole_id) for whole_id in part_of]
        parts: dict[int | None, list[int]] = {}
        for id_, whole in zip(ids.tolist(), wholes, strict=True):
            parts.setdefault(whole, []).append(id_)
        categories = integer_column(batch.segments["category_id"])[image.segments].tolist()
        # Empty values for keys that other programs expect.
        empty = {"attributes": [], "occluded": [], "crop": [], "polygon": {"x": [], "y": []}}
        objects = [
            {
                "id": id_,
                "name": self.taxonomy.name_of(category),
                "name_ndx": category,
                "hypernym": [],
                "raw_name": self.taxonomy.name_of(category),
                **empty,
                **written.keys[row],
                "parts": {
                    "hasparts": parts.get(id_, []),
                    "ispartof": [] if whole is None else whole,
                    "part_level": int(written.level[row]),
                },
                "instance_mask": mask,
            }
            for id_, category, row, whole, mask in zip(
                ids.tolist(), categories, image.segments.tolist(), wholes, masks, strict=True
            )
        ]
        path = PurePosixPath(image.image_id)
        folder = "" if path.parent == PurePosixPath() else path.parent.as_posix()
        size = [image.height, image.width, 3]
        return {"filename": path.name, "folder": folder, "imsize": size, "object": objects}

    def _lose(self, kind: LossKind, batch: Batch, rows: Ints) -> None:
        self.losses.add(kind, "segments", len(rows), examples=segment_examples(batch, rows))
