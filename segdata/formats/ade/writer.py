"""Writer: the masks of each level, the JSON file of each image, and the masks of single objects."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs
from segdata.core.taxonomy import Taxonomy
from segdata.formats.ade.document import MOST_CLASSES, OWN_KEYS
from segdata.formats.ade.files import SEG
from segdata.formats.ade.painter import paint_level, paint_object
from segdata.formats.ade.words import Words, with_defaults
from segdata.formats.shared.count_losses import count_losses, count_segment_mask_losses, count_spatial_losses
from segdata.formats.shared.painting import ImageSegments, MaskPaths, segment_examples, segments_by_image
from segdata.formats.shared.pairing import Cell, write_index
from segdata.formats.shared.taxonomies import write_sidecars

_HELD = frozenset(
    {f"images.{name}" for name in ("split", "sequence", "frame", "metadata")}
    | {f"segments.{name}" for name in ("attributes", "score", "source", "track_id", "iscrowd")}
)


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
        """Write the files of each image, and tell the rows of images.csv."""
        known = np.array(list(self.taxonomy.by_id()), np.int64)
        for batch in batches:
            kept = np.isin(integer_column(batch.segments["category_id"]), known)
            words = Words.of(batch)
            self._count(batch, kept, words)
            said = batch.images.select(["sequence", "frame", "split", "metadata"]).to_pylist()
            for sheet, each in zip(segments_by_image(batch), said, strict=True):
                metadata, mask = dict(each.pop("metadata") or ()), None
                if sheet.annotated:
                    stem = self._names.name(sheet.image_id, "").removeprefix("masks/")
                    mask = f"{stem}{SEG}"
                    rows = np.flatnonzero(kept[sheet.segments] & (sheet.runs.areas(len(sheet.segments)) > 0))
                    self._write(batch, sheet.only(rows), words, stem, metadata)
                self._count_metadata(sheet, metadata)
                yield sheet.image_id, mask, sheet.width, sheet.height, sheet.uri, *each.values()

    def _count(self, batch: Batch, kept: NDArray[np.bool_], words: Words) -> None:
        """Count what is lost of a batch; segments of different levels may overlap."""
        count_losses(batch, self.losses, self.lost, _HELD)
        for level in np.unique(words.level).tolist():
            rows = np.flatnonzero(words.level == level)
            count_segment_mask_losses(batch.take_segments(rows), kept[rows], self.losses)
        rows = np.array(words.lost, np.int64)
        self.losses.add("attributes", "segments", len(rows), examples=segment_examples(batch, rows))

    def _count_metadata(self, sheet: ImageSegments, metadata: dict[str, str]) -> None:
        """Count an image whose JSON file has no place for what is said of it, or that has none."""
        if metadata and (not sheet.annotated or OWN_KEYS & metadata.keys()):
            self.losses.add("image-details", "images", 1, examples=[sheet.image_id])

    def _write(self, batch: Batch, sheet: ImageSegments, words: Words, stem: str, metadata: dict[str, str]) -> None:
        """Write the files of one image."""
        n = len(sheet.segments)
        level = words.level[sheet.segments]
        seen = [Runs.empty()]
        for each in range(int(level.max(initial=0)) + 1):
            rows = np.flatnonzero(level == each)
            path = self.target / (f"{stem}_parts_{each}.png" if each else f"{stem}{SEG}")
            runs = paint_level(batch, sheet.only(rows), path, self.losses)
            seen.append(Runs(runs.start, runs.length, rows[runs.owner].astype(np.int32)))
        visible = Runs.concatenate(seen, [0] * len(seen)).sorted_by_owner(n)
        shown = np.flatnonzero(visible.areas(n) > 0)
        masks = []
        for number, row in enumerate(shown.tolist()):
            name = f"{PurePosixPath(stem).name}/instance_{number:03d}_{PurePosixPath(stem).name}.png"
            path, amodal = (self.target / stem).parent / name, words.amodal[sheet.segments[row]]
            if not paint_object(visible.take(np.array([row]), n), amodal, (sheet.height, sheet.width), path):
                self._lose("attributes", batch, sheet.segments[row : row + 1])
            masks.append(name)
        document = self._document(batch, sheet.only(shown), words, masks)
        document |= {name: msgspec.Raw(json.encode()) for name, json in metadata.items() if name not in OWN_KEYS}
        encoded = msgspec.json.encode({"annotation": document})
        (self.target / f"{stem}.json").write_bytes(encoded)

    def _document(self, batch: Batch, sheet: ImageSegments, words: Words, masks: list[str]) -> dict[str, object]:
        """What the JSON file says of an image and of the segments that can be seen."""
        given = integer_column(batch.segments["segment_id"])[sheet.segments]
        ids = given if len(np.unique(given)) == len(given) else np.arange(len(given), dtype=np.int64)
        self._lose("segment-id", batch, sheet.segments[ids != given])
        id_of = dict(zip(given[::-1].tolist(), ids[::-1].tolist(), strict=True))
        part_of = [words.part_of[row] for row in sheet.segments.tolist()]
        lost = [row for row, whole_ in enumerate(part_of) if whole_ is not None and whole_ not in id_of]
        self._lose("attributes", batch, sheet.segments[lost])
        wholes = [None if each is None else id_of.get(each) for each in part_of]
        parts: dict[int | None, list[int]] = {}
        for id_, whole_ in zip(ids.tolist(), wholes, strict=True):
            parts.setdefault(whole_, []).append(id_)
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
                **with_defaults(named(category), words.keys[row]),
                "parts": {
                    "hasparts": parts.get(id_, []),
                    "ispartof": [] if whole_ is None else whole_,
                    "part_level": int(words.level[row]),
                },
                "instance_mask": mask,
            }
            for id_, category, row, whole_, mask in zip(
                ids.tolist(), categories, sheet.segments.tolist(), wholes, masks, strict=True
            )
        ]
        path = PurePosixPath(sheet.image_id)
        folder = "" if path.parent == PurePosixPath() else path.parent.as_posix()
        size = [sheet.height, sheet.width, 3]
        return {"filename": path.name, "folder": folder, "imsize": size, "object": objects}

    def _lose(self, kind: LossKind, batch: Batch, rows: Ints) -> None:
        self.losses.add(kind, "segments", len(rows), examples=segment_examples(batch, rows))
