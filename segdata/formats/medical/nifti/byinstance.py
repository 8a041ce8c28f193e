"""By instance: segments painted with a value of their own, the same on every slice of a volume, and the table of these.

Tracks are instances; what has no track is one by its id. The value is the track or id itself where that is possible.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.format import LossCounter, LossKind
from segdata.core.runs import Ints
from segdata.formats.medical.nifti.stack import Picture, picture_rows
from segdata.formats.shared.count_losses import count_hidden_segments, count_segment_mask_losses
from segdata.formats.shared.instance_id_rules import ID_TABLE_COLUMNS
from segdata.formats.shared.painting import ImageSegments, paint, segment_examples, segments_by_image

TABLE = "instances.csv"
_MOST = 2**31 - 1  # a value
_MAX_ID = 2**62  # in the table
_SAID = ("segment_id", "source_id", "category_id", "track_id", "iscrowd")
Key = tuple[bool, int, int]  # whether it is a track, its number, the category
Flags = NDArray[np.bool_]


@dataclass
class _Volume:
    """The values given so far in one volume."""

    values: dict[Key, int] = field(default_factory=dict)
    meaning: dict[int, tuple[int, int, bool]] = field(default_factory=dict)  # value -> category, segment id, crowd
    spare: int = 1

    def value(self, key: Key, crowd: bool) -> int:
        """The value of an instance, a new one where it has none yet."""
        found = self.values.get(key)
        if found is not None:
            return found
        _, number, category = key
        wanted = number
        if not 0 < wanted <= _MOST or wanted in self.meaning:
            while self.spare in self.meaning:
                self.spare += 1
            wanted = self.spare
        self.values[key] = wanted
        self.meaning[wanted] = (category, number if abs(number) <= _MAX_ID else wanted, crowd)
        return wanted


class InstancePainter:
    """Paints the images of batches; `write_table` says afterwards what the values are."""

    def __init__(self, names: Mapping[int, str], losses: LossCounter) -> None:
        self._names, self._losses = names, losses
        self._volumes: dict[str, _Volume] = {}

    def pictures(self, batches: Iterable[Batch]) -> Iterator[Picture]:
        """The images of the batches, while what one value a pixel cannot hold is counted."""
        for batch in batches:
            known = np.isin(batch.segments["category_id"].to_numpy(), np.array(list(self._names), np.int64))
            count_segment_mask_losses(batch, known, self._losses)
            for row, sheet in zip(picture_rows(batch), segments_by_image(batch), strict=True):
                layers = []
                if sheet.annotated:
                    values = self._values(batch, sheet, known, row["sequence"], row["image_id"])
                    pixels = paint(sheet, values, 0, np.uint32)
                    count_hidden_segments(batch, sheet, values, pixels, self._losses)
                    layers.append(pixels)
                yield Picture(**row, height=sheet.height, width=sheet.width, annotated=sheet.annotated, layers=layers)

    def write_table(self, path: Path) -> None:
        """Write what each value is, volume by volume."""
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(ID_TABLE_COLUMNS)
            for name, volume in self._volumes.items():
                for value, (category, segment, crowd) in sorted(volume.meaning.items()):
                    identity = "" if value == segment else segment
                    table.writerow((name, value, self._names[category], identity, int(crowd)))

    def _values(self, batch: Batch, sheet: ImageSegments, known: Flags, sequence: str | None, image_id: str) -> Ints:
        """(n,) the value of each segment of an image, -1: it is not painted; counts what the values do not tell."""
        volume = self._volumes.setdefault(sequence or image_id, _Volume())
        values = np.full(len(sheet.segments), -1, np.int64)
        there = np.flatnonzero(known[sheet.segments] & (sheet.runs.areas(len(values)) > 0))
        rows = sheet.segments[there]
        wrong: dict[LossKind, list[int]] = {"segment-id": [], "track": [], "crowd": [], "instance": []}
        seen: set[int] = set()
        said = batch.segments.select(list(_SAID)).take(rows).to_pylist()
        for at, row, segment in zip(there.tolist(), rows.tolist(), said, strict=True):
            track, number = segment["track_id"], segment["segment_id"] or 0
            tracked = sequence is not None and track is not None
            crowd = bool(segment["iscrowd"])
            value = volume.value((tracked, track if tracked else number, segment["category_id"]), crowd)
            _, told, told_crowd = volume.meaning[value]
            differences: tuple[tuple[LossKind, bool], ...] = (
                ("segment-id", told != segment["segment_id"] and segment["source_id"] is None),
                ("track", track != (None if sequence is None else told)),
                ("crowd", told_crowd != crowd),
                ("instance", value in seen),
            )
            for kind, differs in differences:
                wrong[kind] += [row] if differs else []
            seen.add(value)
            values[at] = value
        for kind, lost in wrong.items():
            self._losses.add(kind, "segments", len(lost), 0, segment_examples(batch, np.array(lost, np.int64)))
        return values
