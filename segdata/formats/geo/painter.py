"""Painter: the labels of images as values of pixels, by category or with a value for each segment."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy
from segdata.formats.shared.count_losses import (
    count_category_mask_losses,
    count_hidden_segments,
    count_segment_mask_losses,
)
from segdata.formats.shared.instance_id_rules import ID_TABLE_COLUMNS
from segdata.formats.shared.painting import ImageSegments, PixelValue, paint, pixel_values, segments_by_image
from segdata.formats.shared.taxonomies import table_names

MOST = 2**32 - 1
Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]
_NAMES = ("image_id", "uri", "channels", "sequence", "frame", "split", "group", "metadata")


@dataclass(frozen=True, slots=True)
class Painted:
    """An image with the values that its pixels were painted with.

    Attributes
    ----------
    said : what the columns of `schema.IMAGES` that go into the index say
    height, width : pixels; 0 where unknown
    pixels : (height, width); None where nobody worked on the image
    """

    said: Mapping[str, Any]  # Any: cells of all types
    height: int
    width: int
    pixels: Pixels | None

    @property
    def metadata(self) -> dict[str, str]:
        """Of the image."""
        return dict(self.said["metadata"] or ())


class Painter(Protocol):
    """Paints the images of a batch, and counts what one value a pixel cannot hold."""

    def pictures(self, batch: Batch) -> Iterator[Painted]:
        """The images, in order."""


@dataclass
class CategoryPainter:
    """Paints the ids of categories.

    Attributes
    ----------
    taxonomy : whose ids
    losses : that are counted
    blank : what unlabelled pixels have
    used : whether any pixel is unlabelled
    """

    taxonomy: Taxonomy
    losses: LossCounter
    blank: int = field(init=False)
    used: bool = False

    def __post_init__(self) -> None:
        over = [each for each in self.taxonomy.by_id() if not 0 <= each <= MOST]
        if over:
            raise SegdataError(f"category id {over[0]} does not fit a raster of 32 bits (0 to {MOST:,})")
        self.blank = _blank(self.taxonomy)

    @property
    def most(self) -> int:
        """The largest value that may be painted."""
        return max([self.blank, *self.taxonomy.by_id()])

    def pictures(self, batch: Batch) -> Iterator[Painted]:
        """The images, in order."""
        known = self.taxonomy.by_id()
        category = batch.segments["category_id"].to_pylist()
        values = np.array([each if each in known else -1 for each in category], np.int64)
        count_category_mask_losses(batch, values, self.losses, self.blank)
        for said, sheet in _sheets(batch):
            pixels = None
            if sheet.annotated:
                pixels = self._painted(batch, sheet, values[sheet.segments])
                self.used = self.used or bool((pixels == self.blank).any())
            yield Painted(said, sheet.height, sheet.width, pixels)

    def _painted(self, batch: Batch, sheet: ImageSegments, values: Ints) -> Pixels:
        """In as few bits as hold all values: large rasters wait for memory."""
        if self.most < 2**8:
            return self._counted(batch, sheet, values, np.uint8)
        if self.most < 2**16:
            return self._counted(batch, sheet, values, np.uint16)
        return self._counted(batch, sheet, values, np.uint32)

    def _counted(
        self, batch: Batch, sheet: ImageSegments, values: Ints, dtype: type[PixelValue]
    ) -> NDArray[PixelValue]:
        pixels = paint(sheet, values, self.blank, dtype)
        count_hidden_segments(batch, sheet, values, pixels, self.losses)
        return pixels


class SegmentPainter:
    """Paints a number for each segment, its id where that is possible, and writes the table of them."""

    def __init__(self, taxonomy: Taxonomy, losses: LossCounter, table: Path) -> None:
        self._names, self._losses = table_names(taxonomy), losses
        self._file = table.open("w", encoding="utf-8", newline="")
        self._table = csv.writer(self._file, lineterminator="\n")
        self._table.writerow(ID_TABLE_COLUMNS)

    def close(self) -> None:
        """Finish the table."""
        self._file.close()

    def pictures(self, batch: Batch) -> Iterator[Painted]:
        """The images, in order."""
        category = batch.segments["category_id"].to_pylist()
        known = np.array([each in self._names for each in category], bool)
        count_segment_mask_losses(batch, known, self._losses)
        for said, sheet in _sheets(batch):
            pixels = self._painted(batch, sheet, known[sheet.segments]) if sheet.annotated else None
            yield Painted(said, sheet.height, sheet.width, pixels)

    def _painted(self, batch: Batch, sheet: ImageSegments, known: NDArray[np.bool_]) -> Pixels:
        there = known & (sheet.runs.areas(len(sheet.segments)) > 0)
        told = batch.segments.select(["segment_id", "category_id", "iscrowd"]).take(sheet.segments[there]).to_pylist()
        ids = np.array([each["segment_id"] or 0 for each in told], np.int64)
        values: Ints = np.full(len(there), -1, np.int64)
        values[there] = pixel_values(ids, MOST)
        pixels = paint(sheet, values, 0, np.uint32)
        count_hidden_segments(batch, sheet, values, pixels, self._losses)
        seen = np.isin(values[there], np.unique(pixels))
        for value, segment, is_seen in zip(values[there].tolist(), told, seen.tolist(), strict=True):
            if is_seen:
                identity = "" if value == segment["segment_id"] else segment["segment_id"]
                name = self._names[segment["category_id"]]
                self._table.writerow((sheet.image_id, value, name, identity, int(bool(segment["iscrowd"]))))
        return pixels


def _sheets(batch: Batch) -> Iterator[tuple[dict[str, Any], ImageSegments]]:  # Any: cells of all types
    rows: Iterable[dict[str, Any]] = batch.images.select(list(_NAMES)).to_pylist()
    yield from zip(rows, segments_by_image(batch), strict=True)


def _blank(taxonomy: Taxonomy) -> int:
    """The value of unlabelled pixels: the taxonomy's, a grey of its as value, else the lowest that is no category."""
    known = taxonomy.by_id()
    said, color = taxonomy.unlabelled_id, taxonomy.unlabelled_color
    if said is not None and 0 <= said <= MOST:
        return said
    if color is not None and len(set(color)) == 1 and color[0] not in known:
        return color[0]
    return next(each for each in range(len(known) + 1) if each not in known)
