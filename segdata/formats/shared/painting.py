"""Painting: the first annotation of each image as one array of pixel values."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import AffectedItems, LossCounter
from segdata.core.overlay import SweepRuns, find_overlaps_within
from segdata.core.paths import is_unsafe_path
from segdata.core.runs import Ints, Runs, expand_ranges


@dataclass(frozen=True, slots=True)
class ImageSegments:
    """An image with the segments of its first annotation.

    Attributes
    ----------
    image_id : of the image
    uri : path or URI of its file
    height, width : pixels; 0 if unknown
    annotated : whether there is an annotation; without one no mask is written
    segments : (n,) rows of the batch's segments
    runs : their pixels; `runs.owner` counts from 0 over `segments`
    """

    image_id: str
    uri: str | None
    height: int
    width: int
    annotated: bool
    segments: Ints
    runs: Runs

    def only(self, positions: Ints) -> "ImageSegments":
        """The image with some of its segments, by position."""
        return replace(self, segments=self.segments[positions], runs=self.runs.take(positions, len(self.segments)))


def segments_by_image(batch: Batch) -> Iterator[ImageSegments]:
    """The images of a batch with the segments of their first annotations.

    Raises SegdataError if an annotated image has no size.
    """
    n_images = batch.images.num_rows
    first = np.searchsorted(batch.annotation_image, np.arange(n_images + 1))
    bounds = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1))
    height, width = batch.image_size
    ids, uris = batch.images["image_id"].to_pylist(), batch.images["uri"].to_pylist()
    offset, all_runs = batch.runs.offsets(batch.n_segments), batch.runs
    for image in range(n_images):
        annotated = bool(first[image] < first[image + 1])
        begin, end = (bounds[first[image]], bounds[first[image] + 1]) if annotated else (0, 0)
        if annotated and 0 in (height[image], width[image]):
            raise SegdataError(f"image {ids[image]!r}: its size is not known, so no mask can be written; give --images")
        segments = np.arange(begin, end, dtype=np.int64)
        in_image = slice(offset[begin], offset[end])
        runs = Runs(all_runs.start[in_image], all_runs.length[in_image], all_runs.owner[in_image] - np.int32(begin))
        yield ImageSegments(ids[image], uris[image], int(height[image]), int(width[image]), annotated, segments, runs)


def in_first_annotation(batch: Batch) -> NDArray[np.bool_]:
    """(n_segments,) whether a segment belongs to the first annotation of its image."""
    image = batch.annotation_image
    first = np.ones(len(image), bool)
    first[1:] = image[1:] != image[:-1]
    return first[batch.segment_annotation]


def segment_examples(batch: Batch, rows: NDArray[np.integer]) -> AffectedItems:
    """The segments at `rows`: the first three as "image: id" (the source's own id if it has one), and all images."""
    if len(rows) == 0:
        return AffectedItems((), ())
    names, of_segment = batch.images["image_id"], batch.segment_image[rows]
    image_ids = names.take(pa.array(np.unique(of_segment))).to_pylist()
    images = names.take(pa.array(of_segment[:3])).to_pylist()
    ids = batch.segments.select(["source_id", "segment_id"]).take(pa.array(rows[:3])).to_pylist()
    labels = [f"{image}: {id_['source_id'] or id_['segment_id']}" for image, id_ in zip(images, ids, strict=True)]
    return AffectedItems(labels, image_ids)


def annotation_examples(batch: Batch, rows: NDArray[np.integer]) -> AffectedItems:
    """The annotations at `rows`: the images of the first three, and of all."""
    names, of_annotation = batch.images["image_id"], batch.annotation_image[rows]
    image_ids = names.take(pa.array(np.unique(of_annotation))).to_pylist()
    return AffectedItems(names.take(pa.array(of_annotation[:3])).to_pylist(), image_ids)


PixelValue = TypeVar("PixelValue", np.uint8, np.uint16, np.uint32, np.int32)


def paint(image: ImageSegments, values: Ints, blank: int, dtype: type[PixelValue]) -> NDArray[PixelValue]:
    """The (height, width) array with `values[i]` in segment i and `blank` elsewhere; negative values are skipped."""
    canvas: NDArray[PixelValue] = np.full(image.width * image.height, blank, dtype)
    runs, value = image.runs, values[image.runs.owner]
    start, length = runs.start, runs.length
    if (value < 0).any():
        start, length, value = start[value >= 0], length[value >= 0], value[value >= 0]
    canvas[expand_ranges(start, length)] = np.repeat(value, length)
    return np.ascontiguousarray(canvas.reshape(image.width, image.height).T)


def are_visible(values: Ints, pixels: NDArray[PixelValue]) -> NDArray[np.bool_]:
    """(n,) whether any pixel of a painted array has each value: later segments may cover earlier ones."""
    present = np.zeros(max(int(pixels.max(initial=0)), int(values.max(initial=0))) + 1, bool)
    present[pixels] = True
    return present[values]


def count_overlap_losses(batch: Batch, painted_as: Ints, losses: LossCounter) -> None:
    """Count the pixels that change their meaning as a later segment covers an earlier one.

    `painted_as` (n_segments,) is the value that each segment is painted with; only segments of different values of
    one annotation count, and -1 stands for a segment that is not painted.
    """
    pairs = find_overlaps_within(SweepRuns.of(batch.runs, batch.annotation_line, batch.segment_annotation))
    lost = (painted_as[pairs.a] >= 0) & (painted_as[pairs.b] >= 0) & (painted_as[pairs.a] != painted_as[pairs.b])
    losses.add(
        "overlap",
        "pairs of segments",
        int(lost.sum()),
        int(pairs.pixels[lost].sum()),
        segment_examples(batch, pairs.a[lost]),
    )


class MaskPaths:
    """Paths of mask files, `masks/<image>.png`, unique for each image."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, image_id: str, suffix: str = ".png") -> str:
        """The path below the target; raises SegdataError if the image id leaves it."""
        if is_unsafe_path(image_id):
            raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so its mask has no place")
        stem = PurePosixPath("masks", image_id).with_suffix("").as_posix()
        if stem.lower() in self._taken:  # a.jpg and a.png, or names that some file systems take for the same
            stem = f"masks/{image_id}.{len(self._taken)}"
        self._taken.add(stem.lower())
        return stem + suffix


def pixel_values(ids: Ints, most: int = 2**16 - 1) -> Ints:
    """(n,) the pixel value of each segment of one image: its id if that is unique and 1 to `most`, else a free number.

    >>> pixel_values(np.array([7, 7, 900100, 2])).tolist()
    [1, 3, 4, 2]
    """
    values, count = np.unique(ids, return_counts=True)
    own = np.isin(ids, values[(count == 1) & (values > 0) & (values <= most)])
    taken = ids[own]
    n_free = int((~own).sum())
    free = np.setdiff1d(np.arange(1, len(ids) + 1, dtype=np.int64), taken)[:n_free]
    result = ids.astype(np.int64)
    result[~own] = free
    return result
