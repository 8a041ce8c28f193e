"""Sheets: what formats write that keep one annotation of each image, the first where there are several."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.loss import Affected
from segdata.core.runs import Ints, Runs


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

    def only(self, kept: Ints) -> "Sheet":
        """The sheet with some of its segments, by their positions."""
        return replace(self, segments=self.segments[kept], runs=self.runs.take(kept, len(self.segments)))


def sheets(batch: Batch) -> Iterator[Sheet]:
    """The images of a batch, each with what is painted. Raises SegdataError where an annotated one has no size."""
    n_images = batch.images.num_rows
    first = np.searchsorted(batch.annotation_image, np.arange(n_images + 1))
    bounds = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1))
    height, width = batch.image_size
    ids, uris = batch.images["image_id"].to_pylist(), batch.images["uri"].to_pylist()
    offset, every = batch.runs.offsets(batch.n_segments), batch.runs
    for image in range(n_images):
        annotated = bool(first[image] < first[image + 1])
        begin, end = (bounds[first[image]], bounds[first[image] + 1]) if annotated else (0, 0)
        if annotated and 0 in (height[image], width[image]):
            raise SegdataError(f"image {ids[image]!r}: its size is not known, so no mask can be written; give --images")
        segments = np.arange(begin, end, dtype=np.int64)
        here = slice(offset[begin], offset[end])
        runs = Runs(every.start[here], every.length[here], every.owner[here] - np.int32(begin))
        yield Sheet(ids[image], uris[image], int(height[image]), int(width[image]), annotated, segments, runs)


def is_painted(batch: Batch) -> NDArray[np.bool_]:
    """(n_segments,) whether a segment belongs to the first annotation of its image."""
    image = batch.annotation_image
    first = np.ones(len(image), bool)
    first[1:] = image[1:] != image[:-1]
    return first[batch.segment_annotation]


def examples(batch: Batch, rows: NDArray[np.integer]) -> Affected:
    """The segments at `rows`: the first three as "image: id", where the id is the source's own if it has one."""
    if len(rows) == 0:
        return Affected((), ())
    names, of_segment = batch.images["image_id"], batch.segment_image[rows]
    every = names.take(pa.array(np.unique(of_segment))).to_pylist()
    images = names.take(pa.array(of_segment[:3])).to_pylist()
    ids = batch.segments.select(["source_id", "segment_id"]).take(pa.array(rows[:3])).to_pylist()
    few = [f"{image}: {id_['source_id'] or id_['segment_id']}" for image, id_ in zip(images, ids, strict=True)]
    return Affected(few, every)


def annotated(batch: Batch, rows: NDArray[np.integer]) -> Affected:
    """The annotations at `rows`: the images of the first three, and of all."""
    names, of_annotation = batch.images["image_id"], batch.annotation_image[rows]
    every = names.take(pa.array(np.unique(of_annotation))).to_pylist()
    return Affected(names.take(pa.array(of_annotation[:3])).to_pylist(), every)
