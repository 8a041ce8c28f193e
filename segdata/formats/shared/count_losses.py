"""Counted losses: what a writer drops, counted from the columns of a batch and from what masks merge or hide."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.format import AffectedItems, LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.shared.painting import (
    ImageSegments,
    PixelValue,
    annotation_examples,
    are_visible,
    count_overlap_losses,
    in_first_annotation,
    segment_examples,
)

Flags = NDArray[np.bool_]
# The columns behind each kind of loss. What only pixels can tell is counted by the writers themselves.
_SEGMENT_COLUMNS: dict[LossKind, tuple[str, ...]] = {
    "attributes": ("attributes",),
    "crowd": ("iscrowd",),
    "rings": ("rings",),
    "score": ("score",),
    "secondary-categories": ("also",),
    "source": ("source",),
    "track": ("track_id",),
}
_ANNOTATION_COLUMNS: dict[LossKind, tuple[str, ...]] = {
    "annotation-attributes": ("stage", "reviewer", "created", "seconds", "coverage", "attributes"),
    "annotator": ("annotator",),
    "source": ("source",),
}
_IMAGE_COLUMNS: dict[LossKind, tuple[str, ...]] = {
    "image-details": (
        "channels",
        "sequence",
        "frame",
        "split",
        "group",
        "camera",
        "timestamp",
        "roi",
        "metadata",
    ),
}


def count_losses(
    batch: Batch, losses: LossCounter, lost: frozenset[LossKind], held: frozenset[str] = frozenset()
) -> None:
    """Count the values in the columns of `batch` that a format cannot hold.

    `lost` are the kinds that the format cannot hold; `held` names columns of these kinds that it holds nevertheless
    (``"images.metadata"``, ``"annotations.attributes"``, ``"segments.rings"``). Several annotations of one image are
    counted as "annotator".
    """
    images = batch.images["image_id"].to_pylist()
    of_segment = batch.segment_image
    of_annotation = batch.annotation_image
    for table, kinds, table_name, image_of in (
        ("segments", _SEGMENT_COLUMNS, "segments", of_segment),
        ("annotations", _ANNOTATION_COLUMNS, "annotations", of_annotation),
        ("images", _IMAGE_COLUMNS, "images", np.arange(len(images))),
    ):
        for kind, names in kinds.items():
            if kind in lost:
                columns = [getattr(batch, table)[name] for name in names if f"{table}.{name}" not in held]
                has_value = np.zeros(len(image_of), bool)
                for column in columns:
                    has_value |= _has_value(column)
                rows = np.flatnonzero(has_value)
                losses.add(kind, table_name, len(rows), examples=_affected_rows(batch, table_name, rows))
    if "annotator" in lost:
        per_image = np.bincount(of_annotation, minlength=len(images))
        several = np.flatnonzero(per_image > 1)
        losses.add("annotator", "images", len(several), examples=[images[row] for row in several[:3]])


def _affected_rows(batch: Batch, table_name: str, rows: Ints) -> AffectedItems:
    """Examples of, and the images behind, some rows of a table."""
    if table_name == "images":
        names = batch.images["image_id"].take(pa.array(rows)).to_pylist()
        return AffectedItems(names[:3], names)
    return segment_examples(batch, rows) if table_name == "segments" else annotation_examples(batch, rows)


def _has_value(column: pa.ChunkedArray) -> Flags:
    """(n,) whether a value is present: not null, not false, not empty."""
    if pa.types.is_boolean(column.type):
        return np.asarray(column.fill_null(False).to_numpy(), bool)
    valid = np.asarray(column.is_valid().to_numpy(), bool)
    if not (pa.types.is_map(column.type) or pa.types.is_list(column.type)):
        return valid
    counts = [np.diff(chunk.offsets.to_numpy()) for chunk in column.chunks]
    return valid & (np.concatenate([np.empty(0, np.int64), *counts]) > 0)


def count_losses_of_batches(
    batches: Iterable[Batch], losses: LossCounter, kinds: frozenset[LossKind]
) -> Iterator[Batch]:
    """Yield the batches; count first what the format cannot hold of each one's columns."""
    for batch in batches:
        count_losses(batch, losses, kinds)
        yield batch


def count_unannotated_images(batch: Batch, losses: LossCounter) -> None:
    """Count the images that nobody annotated, for formats in which every image counts as annotated."""
    names = batch.images["image_id"].to_pylist()
    rows = np.setdiff1d(np.arange(len(names)), batch.annotation_image)
    losses.add("empty-annotation", "images", len(rows), examples=[names[row] for row in rows[:3]])


def count_spatial_losses(profile: Profile, losses: LossCounter) -> None:
    """Count the volumes whose position in the world (affine, spacing, header) a format does not hold."""
    placed = [sequence.name for sequence in profile.sequences if sequence.is_placed]
    losses.add("spatial", "sequences", len(placed), examples=placed[:3])


def count_category_mask_losses(
    batch: Batch, values: Ints, losses: LossCounter, blank: int | None = None, ids: Ints | None = None
) -> None:
    """Count the losses of masks that merge the segments of a category.

    Parameters
    ----------
    values : (n_segments,) what the category of each segment is painted with; -1: it cannot be painted
    blank : what unlabelled pixels are painted with
    ids : (n_segments,) which segment id each will have; None: that of its category
    """
    areas = batch.runs.areas(batch.n_segments)
    _count_unpainted(batch, values >= 0, areas, losses)
    merged = in_first_annotation(batch) & (values >= 0) & (areas > 0)
    keys = np.stack([batch.segment_annotation, values], axis=1)[merged]
    _, group, size = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    several = np.flatnonzero(merged)[size[group.reshape(-1)] > 1]
    losses.add("instance", "segments", len(several), int(areas[several].sum()), segment_examples(batch, several))
    new = batch.segments["category_id"].to_numpy() if ids is None else ids
    renamed = np.flatnonzero(merged & ((new != batch.segments["segment_id"].to_numpy()) | _has_text_id(batch)))
    losses.add("segment-id", "segments", len(renamed), 0, segment_examples(batch, renamed))
    unlabelled = np.flatnonzero(merged & (values == (-1 if blank is None else blank)))
    losses.add(
        "unlabelled", "segments", len(unlabelled), int(areas[unlabelled].sum()), segment_examples(batch, unlabelled)
    )
    count_overlap_losses(batch, np.where(in_first_annotation(batch), values, -1), losses)


def count_segment_mask_losses(
    batch: Batch, kept: NDArray[np.bool_], losses: LossCounter, painted_as: Ints | None = None
) -> None:
    """Count the losses of masks that give each segment a value of its own.

    `kept` (n_segments,): it can be painted. `painted_as` (n_segments,): the same number for segments of one annotation
    that share a value, as void does; None: none do.
    """
    areas = batch.runs.areas(batch.n_segments)
    _count_unpainted(batch, kept, areas, losses)
    paintable = in_first_annotation(batch) & kept
    named = np.flatnonzero(paintable & _has_text_id(batch))
    losses.add("segment-id", "segments", len(named), 0, segment_examples(batch, named))
    own = np.arange(batch.n_segments, dtype=np.int64) if painted_as is None else painted_as
    count_overlap_losses(batch, np.where(paintable, own, -1), losses)


def count_hidden_segments(
    batch: Batch, image: ImageSegments, values: Ints, pixels: NDArray[PixelValue], losses: LossCounter
) -> None:
    """Count the segments of one image that later segments cover completely.

    `values` (n,) of the image's segments, -1: not painted; `pixels` is the painted array.
    """
    has_pixels = (image.runs.areas(len(image.segments)) > 0) & (values >= 0)
    hidden = image.segments[has_pixels][~are_visible(values[has_pixels], pixels)]
    losses.add("empty-segment", "segments", len(hidden), 0, segment_examples(batch, hidden))


def _count_unpainted(batch: Batch, kept: NDArray[np.bool_], areas: Ints, losses: LossCounter) -> None:
    """Count the segments whose category the format lacks, and those without pixels."""
    in_first = in_first_annotation(batch)
    unknown = np.flatnonzero(in_first & ~kept)
    losses.add("category", "segments", len(unknown), int(areas[unknown].sum()), segment_examples(batch, unknown))
    empty = np.flatnonzero(in_first & kept & (areas == 0))
    losses.add("empty-segment", "segments", len(empty), 0, segment_examples(batch, empty))


def _has_text_id(batch: Batch) -> NDArray[np.bool_]:
    """(n_segments,) whether the source's id of a segment is a text."""
    named: NDArray[np.bool_] = batch.segments["source_id"].is_valid().to_numpy()
    return named
