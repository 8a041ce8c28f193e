"""Label maps: the labels of a dataset as arrays, image by image, decoded from runs on access."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError
from segdata.core.runs import Flags, Ints, Runs, expand_ranges, fill_ranges
from segdata.core.schema import rle_to_runs, runs_to_rle
from segdata.core.taxonomy import Taxonomy

Pixel = TypeVar("Pixel", np.int64, np.int32)
IGNORE = 255  # the class that losses of PyTorch and others ignore by convention


@dataclass(frozen=True, slots=True)
class InstanceMap:
    """The segments of one image.

    Attributes
    ----------
    map : (height, width) int32, the number of the segment that each pixel belongs to, from 1; 0: none. Where segments
        overlap the last one wins
    classes : (n,) int64, the class of each segment
    ids : (n,) int64, the segments' ids in the dataset
    crowd : (n,) bool
    runs : the pixels of each, overlaps included
    """

    map: NDArray[np.int32]
    classes: Ints
    ids: Ints
    crowd: Flags
    runs: Runs = field(repr=False)

    def masks(self) -> Flags:
        """(n, height, width) a mask of each segment, overlaps included."""
        height, width = self.map.shape
        masks = np.zeros((len(self.ids), width * height), bool)
        masks[np.repeat(self.runs.owner, self.runs.length), expand_ranges(self.runs.start, self.runs.length)] = True
        return masks.reshape(len(self.ids), width, height).transpose(0, 2, 1)


@dataclass(frozen=True, slots=True)
class SegmentRuns:
    """The segments of one image as runs, void among them.

    Attributes
    ----------
    classes : (n,) int64, the class of each segment; -1: void
    ids : (n,) int64, the segments' ids in the dataset
    crowd : (n,) bool
    runs : the pixels of each
    """

    classes: Ints
    ids: Ints
    crowd: Flags
    runs: Runs = field(repr=False)


@dataclass(frozen=True)
class LabelMaps:
    """All labels of a dataset in memory, as runs: some hundred bytes a segment.

    Each image has one annotation: its first, or that of a given annotator.

    Attributes
    ----------
    image_ids : (n_images,)
    uris : (n_images,) where each image's file is; None: not known
    channels : (n_images,) the URIs of its files where an image has several
    height, width : (n_images,) in pixels
    classes : the category ids that classes 0, 1, … stand for: those of the taxonomy that are not void, in its order
    names : their names
    """

    image_ids: Sequence[str]
    uris: Sequence[str | None]
    channels: Sequence[tuple[str, ...]]
    height: Ints
    width: Ints
    classes: tuple[int, ...]
    names: tuple[str, ...]
    _offset: Ints = field(repr=False)  # (n_images + 1,)
    _counts: pa.Array = field(repr=False)
    _class: Ints = field(repr=False)  # -1: void, or not in the taxonomy
    _id: Ints = field(repr=False)
    _crowd: Flags = field(repr=False)

    @staticmethod
    def from_batches(batches: Iterable[Batch], taxonomy: Taxonomy, annotator: str | None = None) -> "LabelMaps":
        """The labels in some batches, of the first annotation of each image or of `annotator`'s."""
        classes = {category.id: row for row, category in enumerate(c for c in taxonomy.categories if c.kind != "void")}
        images: list[pa.Table] = []
        pieces: list[tuple[pa.Array, Ints, Ints, Flags]] = []
        n_segments = [np.zeros(1, np.int64)]
        for batch in batches:
            rows = np.flatnonzero(_chosen_annotations(batch, annotator)[batch.segment_annotation])
            height, width = batch.segment_size
            counts = runs_to_rle(batch.runs, height, width).take(pa.array(rows))
            category = batch.segment_category[rows].tolist()
            crowd = batch.segment_is_crowd[rows]
            of_segment = np.array([classes.get(id_, -1) for id_ in category], np.int64)
            pieces.append((counts, of_segment, integer_column(batch.segments["segment_id"])[rows], crowd))
            n_segments.append(np.bincount(batch.segment_image[rows], minlength=batch.images.num_rows))
            images.append(batch.images.select(["image_id", "uri", "channels", "height", "width"]))
        every = pa.concat_tables(images or [Batch.empty().images])
        return LabelMaps(
            image_ids=every["image_id"].to_pylist(),
            uris=every["uri"].to_pylist(),
            channels=[
                tuple(channel["uri"] for channel in channels or ()) for channels in every["channels"].to_pylist()
            ],
            height=integer_column(every["height"]),
            width=integer_column(every["width"]),
            classes=tuple(classes),
            names=tuple(taxonomy.name_of(id_) for id_ in classes),
            _offset=np.cumsum(np.concatenate(n_segments)).astype(np.int64),
            _counts=pa.concat_arrays([pa.array([], pa.binary()), *(piece[0] for piece in pieces)]),
            _class=np.concatenate([np.empty(0, np.int64), *(piece[1] for piece in pieces)]),
            _id=np.concatenate([np.empty(0, np.int64), *(piece[2] for piece in pieces)]),
            _crowd=np.concatenate([np.empty(0, bool), *(piece[3] for piece in pieces)]),
        )

    def __len__(self) -> int:
        return len(self.image_ids)

    def row(self, image_id: str) -> int:
        """The row of an image; raises SegdataError for an unknown image_id."""
        try:
            return self.image_ids.index(image_id)
        except ValueError:
            raise SegdataError(f"no image {image_id!r} in the dataset") from None

    def take(self, rows: Ints) -> "LabelMaps":
        """The labels of some images, in the order of `rows`."""
        segments = expand_ranges(self._offset[rows], self._offset[rows + 1] - self._offset[rows])
        return replace(
            self,
            image_ids=[self.image_ids[row] for row in rows.tolist()],
            uris=[self.uris[row] for row in rows.tolist()],
            channels=[self.channels[row] for row in rows.tolist()],
            height=self.height[rows],
            width=self.width[rows],
            _offset=np.cumsum(np.append(0, self._offset[rows + 1] - self._offset[rows])),
            _counts=self._counts.take(pa.array(segments)),
            _class=self._class[segments],
            _id=self._id[segments],
            _crowd=self._crowd[segments],
        )

    def semantic(self, row: int, unlabelled: int = IGNORE, void: int = IGNORE) -> Ints:
        """(height, width) the class of each pixel of an image; where segments overlap, the last one wins."""
        first, last = self._offset[row], self._offset[row + 1]
        values = self._class[first:last]
        return self._paint(row, np.where(values < 0, void, values), unlabelled, np.int64)

    def segments(self, row: int) -> SegmentRuns:
        """The segments of an image as runs, without decoding them."""
        segments = slice(int(self._offset[row]), int(self._offset[row + 1]))
        return SegmentRuns(self._class[segments], self._id[segments], self._crowd[segments], self._runs(row))

    def downscale(self, scale: float) -> "LabelMaps":
        """Downscale the labels by the factor `scale` (at most 1): each pixel takes the label at its centre.

        Thin segments keep their width on average; segments smaller than a pixel may be lost.
        """
        if scale == 1:
            return self
        high, wide = (np.maximum(np.round(side * scale), 1).astype(np.int64) for side in (self.height, self.width))
        counts = [pa.array([], pa.binary())]
        for row in range(len(self)):
            runs, n = self._runs(row), int(self._offset[row + 1] - self._offset[row])
            reduced = _resample_runs(
                runs, (int(self.height[row]), int(self.width[row])), (int(high[row]), int(wide[row]))
            )
            counts.append(runs_to_rle(reduced, *(np.full(n, side[row], np.int64) for side in (high, wide))))
        return replace(self, height=high, width=wide, _counts=pa.concat_arrays(counts))

    def instances(self, row: int) -> InstanceMap:
        """The segments of an image without void."""
        first, last = self._offset[row], self._offset[row + 1]
        kept = np.flatnonzero(self._class[first:last] >= 0)
        number = np.zeros(last - first, np.int64)
        number[kept] = np.arange(1, len(kept) + 1)
        painted = self._paint(row, number, 0, np.int32)
        rows = first + kept
        return InstanceMap(
            painted, self._class[rows], self._id[rows], self._crowd[rows], self._runs(row).take(kept, int(last - first))
        )

    def _paint(self, row: int, values: Ints, blank: int, dtype: type[Pixel]) -> NDArray[Pixel]:
        """(height, width) with `values[i]` at the pixels of segment i of an image, and `blank` elsewhere."""
        runs = self._runs(row)
        canvas: NDArray[Pixel] = np.full(int(self.width[row]) * int(self.height[row]), blank, dtype)
        fill_ranges(canvas, runs.start, runs.length, values[runs.owner])
        return np.ascontiguousarray(canvas.reshape(int(self.width[row]), int(self.height[row])).T)

    def _runs(self, row: int) -> Runs:
        first, last = int(self._offset[row]), int(self._offset[row + 1])
        size = (np.full(last - first, side[row], np.int64) for side in (self.height, self.width))
        runs, _ = rle_to_runs(self._counts.slice(first, last - first), *size)
        return runs


def _resample_runs(runs: Runs, size: tuple[int, int], new_size: tuple[int, int]) -> Runs:
    """Resample runs from an image of `size` (height, width) to the smaller size `new_size`, by nearest neighbour."""
    x, y = np.divmod(runs.start, max(size[0], 1))
    column, beyond = (_first_beyond(place, size[1], new_size[1]) for place in (x, x + 1))
    first, last = (_first_beyond(place, size[0], new_size[0]) for place in (y, y + runs.length))
    kept = (beyond > column) & (last > first)
    return Runs((column * new_size[0] + first)[kept], (last - first)[kept], runs.owner[kept])


def _first_beyond(points: Ints, side: int, n_intervals: int) -> Ints:
    """For each point of a side, the first of `n_intervals` equal intervals of it with its middle at or beyond it."""
    return -((side - 2 * n_intervals * points) // (2 * side))


def _chosen_annotations(batch: Batch, annotator: str | None) -> Flags:
    """(n_annotations,) whether each annotation is the one of its image that the label maps show."""
    if annotator is None:
        return batch.is_first_annotation
    return np.array([name == annotator for name in batch.annotations["annotator"].to_pylist()], bool)
