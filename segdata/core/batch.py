"""Batch: many images with their annotations, segments and pixels, and operations on batches."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core import kernels
from segdata.core.finding import Defect
from segdata.core.overlay import SweepRuns, complement
from segdata.core.polygons import SourceRings
from segdata.core.runs import Flags, Ints, NumberLine, Rows, Runs, positions_in
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, RLE_ERRORS, rle_to_runs


@dataclass(frozen=True)  # no slots: what follows from the tables is kept
class Batch:
    """Images with their annotations and segments, and the runs of all segments.

    Attributes
    ----------
    images : rows of `schema.BATCH_IMAGES`
    annotations : rows of `schema.BATCH_ANNOTATIONS`, in the order of their images; `image` is a row of `images`
    segments : rows of `schema.BATCH_SEGMENTS`, in the order of their annotations; `annotation` is a row of those
    runs : the pixels; `runs.owner` is a row of `segments`
    defects : the defects that the reader found in these images' files
    """

    images: pa.Table
    annotations: pa.Table
    segments: pa.Table
    runs: Runs
    defects: tuple[Defect, ...] = field(default=())

    @staticmethod
    def empty() -> "Batch":
        """No images."""
        return Batch(
            BATCH_IMAGES.empty_table(), BATCH_ANNOTATIONS.empty_table(), BATCH_SEGMENTS.empty_table(), Runs.empty()
        )

    @property
    def n_segments(self) -> int:
        """The number of segments."""
        return int(self.segments.num_rows)

    @cached_property
    def image_size(self) -> tuple[Ints, Ints]:
        """Height and width (n_images,) in pixels; 0 where the size is unknown."""
        return integer_column(self.images["height"]), integer_column(self.images["width"])

    @cached_property
    def annotation_image(self) -> Rows:
        """(n_annotations,) the image row of each annotation."""
        return self.annotations["image"].to_numpy()  # type: ignore[no-any-return]  # pyarrow has no types

    @property
    def is_first_annotation(self) -> Flags:
        """(n_annotations,) whether each annotation is the first one of its image."""
        first = np.ones(len(self.annotation_image), bool)
        first[1:] = self.annotation_image[1:] != self.annotation_image[:-1]
        return first

    @property
    def annotator_number(self) -> Ints:
        """(n_annotations,) the number of the annotator of each annotation, from 0: no name, then in order of names."""
        names = self.annotations["annotator"].to_pylist()
        ordered = sorted(set(names), key=lambda name: (name is not None, name))
        number = {name: place for place, name in enumerate(ordered)}
        return np.array([number[name] for name in names], np.int64)

    @cached_property
    def segment_annotation(self) -> Rows:
        """(n_segments,) the annotation row of each segment."""
        return self.segments["annotation"].to_numpy()  # type: ignore[no-any-return]  # pyarrow has no types

    @cached_property
    def segment_image(self) -> Rows:
        """(n_segments,) the image row of each segment."""
        return self.annotation_image[self.segment_annotation]

    @cached_property
    def segment_category(self) -> Ints:
        """(n_segments,) the category's id of each segment."""
        ids = integer_column(self.segments["category_id"])
        ids.flags.writeable = False  # cached, so callers must copy it to change it
        return ids

    @cached_property
    def segment_is_crowd(self) -> Flags:
        """(n_segments,) whether each segment is a crowd."""
        return np.asarray(pc.fill_null(self.segments["iscrowd"], False).to_numpy(), bool)

    @cached_property
    def segment_size(self) -> tuple[Ints, Ints]:
        """Height and width (n_segments,) in pixels of each segment's image."""
        height, width = self.image_size
        return height[self.segment_image], width[self.segment_image]

    @cached_property
    def rings(self) -> SourceRings:
        """The polygon rings of the segments that have any, as their source has them."""
        return SourceRings.from_column(self.segments["rings"])

    @cached_property
    def annotation_line(self) -> NumberLine:
        """The number line in which each annotation is a frame of its own, so that annotators never overlap."""
        height, width = self.image_size
        return NumberLine.from_sizes(height[self.annotation_image], width[self.annotation_image])

    def take_segments(self, rows: Ints, runs: Runs | None = None) -> "Batch":
        """The same images and annotations with only the segments `rows` (m,), which ascend.

        `runs` are those segments' runs when the caller has them already.
        """
        kept = self.runs.take(rows, self.n_segments) if runs is None else runs
        return Batch(self.images, self.annotations, self.segments.take(pa.array(rows)), kept, self.defects)

    def take_images(self, rows: Ints) -> "Batch":
        """Only the images `rows` (n,), which ascend, with their annotations, segments and defects."""
        kept_annotations = np.flatnonzero(np.isin(self.annotation_image, rows))
        kept_segments = np.flatnonzero(np.isin(self.segment_annotation, kept_annotations))
        image = np.searchsorted(rows, self.annotation_image[kept_annotations]).astype(np.int32)
        annotation = np.searchsorted(kept_annotations, self.segment_annotation[kept_segments]).astype(np.int32)
        names = set(self.images["image_id"].take(pa.array(rows)).to_pylist())
        return Batch(
            self.images.take(pa.array(rows)),
            replace_column(self.annotations.take(pa.array(kept_annotations)), "image", image),
            replace_column(self.segments.take(pa.array(kept_segments)), "annotation", annotation),
            self.runs.take(kept_segments, self.n_segments),
            tuple(defect for defect in self.defects if defect.image in names),
        )


def concatenate_batches(batches: list[Batch]) -> Batch:
    """Join batches into one, in order."""
    if not batches:
        return Batch.empty()
    n_images = np.cumsum([0] + [batch.images.num_rows for batch in batches])
    n_annotations = np.cumsum([0] + [batch.annotations.num_rows for batch in batches])
    return Batch(
        pa.concat_tables([batch.images for batch in batches]).combine_chunks(),
        pa.concat_tables(
            [
                replace_column(batch.annotations, "image", batch.annotation_image + np.int32(before))
                for batch, before in zip(batches, n_images, strict=False)
            ]
        ).combine_chunks(),
        pa.concat_tables(
            [
                replace_column(batch.segments, "annotation", batch.segment_annotation + np.int32(before))
                for batch, before in zip(batches, n_annotations, strict=False)
            ]
        ).combine_chunks(),
        Runs.concatenate([batch.runs for batch in batches], [batch.n_segments for batch in batches]),
        tuple(defect for batch in batches for defect in batch.defects),
    )


def replace_column(table: pa.Table, name: str, values: object) -> pa.Table:
    """`table` with other values in one column, of the same type."""
    index = table.schema.get_field_index(name)
    return table.set_column(index, table.schema.field(index), pa.array(values, type=table.schema.field(index).type))


def integer_column(column: pa.ChunkedArray) -> Ints:
    """An integer column as (n,) int64, null as 0."""
    return column.fill_null(0).to_numpy().astype(np.int64)  # type: ignore[no-any-return]  # pyarrow has no types


def merge_images(batch: Batch, image: Ints) -> tuple[Batch, Ints]:
    """Merge images: `image` (n_images,) is the new row of each image, counted from 0 without a gap.

    A merged image has the columns of the first of its rows. Annotations of an image keep their order.
    Returns the batch, and for each of its annotations the former row.
    """
    _, first = np.unique(image, return_index=True)
    of_annotation = image[batch.annotation_image]
    order = np.argsort(of_annotation, kind="stable")
    rank = positions_in(order, len(order))
    of_segment = rank[batch.segment_annotation]
    segment_order = np.argsort(of_segment, kind="stable")
    segment_rank = np.empty(len(segment_order), np.int32)
    segment_rank[segment_order] = np.arange(len(segment_order), dtype=np.int32)
    owner = segment_rank[batch.runs.owner]
    by_owner = kernels.order_by(owner, batch.n_segments)
    joined = Batch(
        batch.images.take(pa.array(first)),
        replace_column(batch.annotations.take(pa.array(order)), "image", of_annotation[order].astype(np.int32)),
        replace_column(
            batch.segments.take(pa.array(segment_order)), "annotation", of_segment[segment_order].astype(np.int32)
        ),
        Runs(batch.runs.start[by_owner], batch.runs.length[by_owner], owner[by_owner]),
        batch.defects,
    )
    return joined, order


def replace_runs(batch: Batch, rows: Ints, new_runs: Runs) -> Batch:
    """The batch with other pixels for some segments, whose polygons are removed.

    `new_runs` has the owners 0, 1, … for `rows` (m,), which ascend.
    """
    others = np.setdiff1d(np.arange(batch.n_segments), rows)
    place = np.argsort(np.concatenate([rows, others]), kind="stable")
    both = Runs.concatenate([new_runs, batch.runs.take(others, batch.n_segments)], [len(rows), len(others)]).take(
        place, batch.n_segments
    )
    return replace(batch, runs=both, segments=clear_declared(batch.segments, rows, "rings"))


def clear_declared(segments: pa.Table, rows: Ints, *more: str) -> pa.Table:
    """Clear the area and box that the file declares, and the columns `more`, of the segments `rows` (m,)."""
    gone = np.isin(np.arange(segments.num_rows), rows)
    for name in ("declared_area", "declared_bbox", *more):
        column = segments[name].combine_chunks()
        segments = replace_column(segments, name, pc.if_else(pa.array(gone), pa.scalar(None, column.type), column))
    return segments


def clip_to_roi(batch: Batch) -> tuple[Batch, Runs | None]:
    """Clip a batch to its images' regions of interest; returns it with the region of each annotation.

    The regions are None if no image has one. Segments that lose all their pixels are left out; those that lose
    some also lose their rings and declared values, which describe the whole. A region that is not a valid RLE of its
    image's size is ignored and becomes a defect (SEG005).
    """
    column = batch.images["roi"].combine_chunks()
    if column.null_count == len(column):
        return batch, None
    regions, defects = _image_regions(batch, column)
    limits = regions.take(batch.annotation_image, batch.images.num_rows)
    line = batch.annotation_line
    runs = clip_runs(batch.runs, batch.segment_annotation, limits, line, batch.n_segments)
    before, after = batch.runs.areas(batch.n_segments), runs.areas(batch.n_segments)
    segments = clear_declared(batch.segments, np.flatnonzero(before != after), "rings")
    whole = replace(batch, segments=segments, runs=runs, defects=(*batch.defects, *defects))
    return whole.take_segments(np.flatnonzero((after > 0) | (before == 0))), limits


def clip_runs(runs: Runs, frame: Rows | Ints, limits: Runs, line: NumberLine, n_owners: int) -> Runs:
    """Clip `runs` to `limits`, which are owned by frames of `line`; `frame` (n_owners,) is the frame of each owner."""
    a = SweepRuns.from_runs(runs, line, frame)
    b = SweepRuns.from_runs(limits, line, np.arange(len(line.base), dtype=np.int64))
    owner, _, start, length = a.strips_with(b)
    frames, x, y = line.lower(start)
    return Runs(x * line.height[frames] + y, length, owner).sorted_by_owner(n_owners)


def _image_regions(batch: Batch, column: pa.Array) -> tuple[Runs, list[Defect]]:
    """The region of each image as runs (owner: image row), the whole image where it has none of its own."""
    height, width = batch.image_size
    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    regions, error = rle_to_runs(column.take(pa.array(rows)), height[rows], width[rows])
    names = batch.images["image_id"].take(pa.array(rows)).to_pylist()
    defects = [
        Defect("SEG005", f"region of interest: {RLE_ERRORS[int(code)]}; it is ignored", image=name)
        for name, code in zip(names, error, strict=True)
        if code
    ]
    others = np.setdiff1d(np.arange(len(height)), rows[error == 0])
    whole = complement(Runs.empty(), height[others], width[others])
    start = np.concatenate([regions.start, whole.start])
    length = np.concatenate([regions.length, whole.length])
    owner = np.concatenate([rows[regions.owner], others[whole.owner]]).astype(np.int32)
    order = kernels.order_by(owner, len(height))
    return Runs(start[order], length[order], owner[order]), defects
