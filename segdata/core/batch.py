"""Batch: many images at once, with everything that was drawn on them. What readers yield and everybody else takes."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS
from segdata.core.defect import Defect
from segdata.core.line import Line
from segdata.core.runs import Ints, Rows, Runs


@dataclass(frozen=True, slots=True)
class Batch:
    """Images, the annotations on them, their segments, and the runs of all segments.

    Attributes
    ----------
    images : rows of `columns.BATCH_IMAGES`
    annotations : rows of `columns.BATCH_ANNOTATIONS`, in the order of their images; `image` is a row of `images`
    segments : rows of `columns.BATCH_SEGMENTS`, in the order of their annotations; `annotation` is a row of those
    runs : the pixels; `runs.owner` is a row of `segments`
    defects : what the reader met in these images' files
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
        """How many segments there are."""
        return int(self.segments.num_rows)

    @property
    def image_size(self) -> tuple[Ints, Ints]:
        """Height and width (n_images,) in pixels; 0 where the size is unknown."""
        return whole(self.images["height"]), whole(self.images["width"])

    @property
    def annotation_image(self) -> Rows:
        """(n_annotations,) the image row of each annotation."""
        return self.annotations["image"].to_numpy()  # type: ignore[no-any-return]  # pyarrow has no types

    @property
    def segment_annotation(self) -> Rows:
        """(n_segments,) the annotation row of each segment."""
        return self.segments["annotation"].to_numpy()  # type: ignore[no-any-return]  # pyarrow has no types

    @property
    def segment_image(self) -> Rows:
        """(n_segments,) the image row of each segment."""
        return self.annotation_image[self.segment_annotation]

    @property
    def segment_size(self) -> tuple[Ints, Ints]:
        """Height and width (n_segments,) in pixels of each segment's image."""
        height, width = self.image_size
        return height[self.segment_image], width[self.segment_image]

    @property
    def annotation_line(self) -> Line:
        """The number line of the annotations: each has a place of its own, so annotators never meet."""
        height, width = self.image_size
        return Line.of(height[self.annotation_image], width[self.annotation_image])

    def take_segments(self, rows: Ints, runs: Runs | None = None) -> "Batch":
        """The same images and annotations with only some segments (in ascending order).

        `runs` are those segments' runs when the caller has them already.
        """
        kept = self.runs.take(rows, self.n_segments) if runs is None else runs
        return Batch(self.images, self.annotations, self.segments.take(pa.array(rows)), kept, self.defects)

    def take_images(self, rows: Ints) -> "Batch":
        """Only some images (in ascending order), with their annotations, segments and defects."""
        kept_annotations = np.flatnonzero(np.isin(self.annotation_image, rows))
        kept_segments = np.flatnonzero(np.isin(self.segment_annotation, kept_annotations))
        image = np.searchsorted(rows, self.annotation_image[kept_annotations]).astype(np.int32)
        annotation = np.searchsorted(kept_annotations, self.segment_annotation[kept_segments]).astype(np.int32)
        names = set(self.images["image_id"].take(pa.array(rows)).to_pylist())
        return Batch(
            self.images.take(pa.array(rows)),
            replaced(self.annotations.take(pa.array(kept_annotations)), "image", image),
            replaced(self.segments.take(pa.array(kept_segments)), "annotation", annotation),
            self.runs.take(kept_segments, self.n_segments),
            tuple(defect for defect in self.defects if defect.image in names),
        )


def concatenate(batches: list[Batch]) -> Batch:
    """All batches as one, in order."""
    if not batches:
        return Batch.empty()
    n_images = np.cumsum([0] + [batch.images.num_rows for batch in batches])
    n_annotations = np.cumsum([0] + [batch.annotations.num_rows for batch in batches])
    return Batch(
        pa.concat_tables([batch.images for batch in batches]).combine_chunks(),
        pa.concat_tables(
            [
                replaced(batch.annotations, "image", batch.annotation_image + np.int32(before))
                for batch, before in zip(batches, n_images, strict=False)
            ]
        ).combine_chunks(),
        pa.concat_tables(
            [
                replaced(batch.segments, "annotation", batch.segment_annotation + np.int32(before))
                for batch, before in zip(batches, n_annotations, strict=False)
            ]
        ).combine_chunks(),
        Runs.concatenate([batch.runs for batch in batches], [batch.n_segments for batch in batches]),
        tuple(defect for batch in batches for defect in batch.defects),
    )


def replaced(table: pa.Table, name: str, values: object) -> pa.Table:
    """`table` with other values in one column, of the same type."""
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), pa.array(values, type=table.schema.field(at).type))


def whole(column: pa.ChunkedArray) -> Ints:
    """An integer column as (n,) int64, null as 0."""
    return column.fill_null(0).to_numpy().astype(np.int64)  # type: ignore[no-any-return]  # pyarrow has no types
