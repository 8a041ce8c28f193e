"""Painting: one annotation's segments in one array, for formats with one value a pixel. Later segments win."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.loss import Kind, Losses
from segdata.core.meet import Side, meet_within
from segdata.core.runs import Ints, Runs, spread
from segdata.core.unsafe import is_unsafe
from segdata.formats.unheld import count_unheld

# What masks of one value a pixel cannot hold, whatever the value means.
BESIDE_PIXELS: frozenset[Kind] = frozenset(
    {
        "annotator",
        "attributes",
        "annotation-attributes",
        "category",
        "empty-segment",
        "image-details",
        "overlap",
        "rings",
        "score",
        "secondary-categories",
        "segment-id",
        "source",
        "track",
    }
)
V = TypeVar("V", np.uint8, np.uint16, np.uint32, np.int32)


@dataclass(frozen=True, slots=True)
class Sheet:
    """An image with the annotation that is painted: the first where it has several.

    Attributes
    ----------
    image_id : of the image
    uri : where its file is said to be
    height, width : pixels; 0 where unknown
    annotated : False: there is no annotation, so that no mask is written
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


def counted_unheld(batches: Iterable[Batch], losses: Losses, kinds: frozenset[Kind]) -> Iterator[Batch]:
    """The batches, while what their columns hold and the format cannot is counted."""
    for batch in batches:
        count_unheld(batch, losses, kinds)
        yield batch


def sheets(batch: Batch) -> Iterator[Sheet]:
    """The images of a batch, each with what is painted. Raises SegdataError where an annotated one has no size."""
    n_images = batch.images.num_rows
    first = np.searchsorted(batch.annotation_image, np.arange(n_images + 1))
    bounds = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1))
    height, width = batch.image_size
    ids, uris = batch.images["image_id"].to_pylist(), batch.images["uri"].to_pylist()
    for image in range(n_images):
        annotated = bool(first[image] < first[image + 1])
        begin, end = (bounds[first[image]], bounds[first[image] + 1]) if annotated else (0, 0)
        if annotated and 0 in (height[image], width[image]):
            raise SegdataError(f"image {ids[image]!r}: its size is not known, so no mask can be written; give --images")
        segments = np.arange(begin, end, dtype=np.int64)
        runs = batch.runs.take(segments, batch.n_segments)
        yield Sheet(ids[image], uris[image], int(height[image]), int(width[image]), annotated, segments, runs)


def painted(sheet: Sheet, values: Ints, blank: int, dtype: type[V]) -> NDArray[V]:
    """The (height, width) array in which segment i has `values[i]` and the rest `blank`."""
    canvas: NDArray[V] = np.full(sheet.width * sheet.height, blank, dtype)
    canvas[spread(sheet.runs.start, sheet.runs.length)] = np.repeat(values[sheet.runs.owner], sheet.runs.length)
    return np.ascontiguousarray(canvas.reshape(sheet.width, sheet.height).T)


def occurs(values: Ints, pixels: NDArray[V]) -> NDArray[np.bool_]:
    """(n,) whether any pixel of a painted array has each value: a segment may be covered by later ones."""
    present = np.zeros(max(int(pixels.max(initial=0)), int(values.max(initial=0))) + 1, bool)
    present[pixels] = True
    return present[values]


def count_overlaps(batch: Batch, painted_as: Ints, losses: Losses) -> None:
    """Count the pixels that change their meaning because a later segment covers an earlier one.

    `painted_as` (n_segments,) is the value that each segment is painted with; only segments of different values of
    one annotation count, and -1 stands for a segment that is not painted.
    """
    met = meet_within(Side.of(batch.runs, batch.annotation_line, batch.segment_annotation))
    lost = (painted_as[met.a] >= 0) & (painted_as[met.b] >= 0) & (painted_as[met.a] != painted_as[met.b])
    losses.add(
        "overlap", "pairs of segments", int(lost.sum()), int(met.pixels[lost].sum()), examples(batch, met.a[lost])
    )


def examples(batch: Batch, rows: NDArray[np.integer]) -> list[str]:
    """The first three segments of `rows`, as "image: segment id"."""
    names, ids = batch.images["image_id"], batch.segments["segment_id"]
    return [f"{names[int(batch.segment_image[row])]}: {ids[int(row)]}" for row in rows[:3]]


def is_painted(batch: Batch) -> NDArray[np.bool_]:
    """(n_segments,) whether a segment belongs to the first annotation of its image."""
    image = batch.annotation_image
    first = np.ones(len(image), bool)
    first[1:] = image[1:] != image[:-1]
    return first[batch.segment_annotation]


class MaskNames:
    """Gives each image a mask file of its own, `masks/<image>.png`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, image_id: str, suffix: str = ".png") -> str:
        """The path below the target; raises SegdataError for an id that leaves it."""
        if is_unsafe(image_id):
            raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so its mask has no place")
        stem = PurePosixPath("masks", image_id).with_suffix("").as_posix()
        if stem.lower() in self._taken:  # a.jpg and a.png, or names that some file systems take for the same
            stem = f"masks/{image_id}.{len(self._taken)}"
        self._taken.add(stem.lower())
        return stem + suffix
