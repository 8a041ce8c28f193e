"""What a format cannot hold of what is said beside the pixels: counted from columns, one way for every writer."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.loss import Affected, Kind, Losses
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.sheets import annotated, examples

Flags = NDArray[np.bool_]
# The columns behind each kind of loss. What only pixels can tell is counted by the writers themselves.
_SEGMENT_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "attributes": ("attributes",),
    "crowd": ("iscrowd",),
    "rings": ("rings",),
    "score": ("score",),
    "secondary-categories": ("also",),
    "source": ("source",),
    "track": ("track_id",),
}
_ANNOTATION_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "annotation-attributes": ("stage", "reviewer", "created", "seconds", "coverage", "attributes"),
    "annotator": ("annotator",),
    "source": ("source",),
}
_IMAGE_COLUMNS: dict[Kind, tuple[str, ...]] = {
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


def count_unheld(batch: Batch, losses: Losses, lost: frozenset[Kind], held: frozenset[str] = frozenset()) -> None:
    """Count what the columns of `batch` say beyond what a format holds.

    `lost` are the kinds that the format cannot hold; of these, `held` names columns that it holds all the same
    (``"images.metadata"``, ``"annotations.attributes"``, ``"segments.rings"``). Several annotations of one image are
    counted as "annotator".
    """
    images = batch.images["image_id"].to_pylist()
    of_segment = batch.segment_image
    of_annotation = batch.annotation_image
    for table, kinds, of, image_of in (
        ("segments", _SEGMENT_COLUMNS, "segments", of_segment),
        ("annotations", _ANNOTATION_COLUMNS, "annotations", of_annotation),
        ("images", _IMAGE_COLUMNS, "images", np.arange(len(images))),
    ):
        for kind, names in kinds.items():
            if kind in lost:
                columns = [getattr(batch, table)[name] for name in names if f"{table}.{name}" not in held]
                said = np.zeros(len(image_of), bool)
                for column in columns:
                    said |= _says(column)
                rows = np.flatnonzero(said)
                losses.add(kind, of, len(rows), examples=_affected(batch, of, rows))
    if "annotator" in lost:
        per_image = np.bincount(of_annotation, minlength=len(images))
        several = np.flatnonzero(per_image > 1)
        losses.add("annotator", "images", len(several), examples=[images[row] for row in several[:3]])


def _affected(batch: Batch, of: str, rows: Ints) -> Affected:
    """What `rows` of a table are."""
    if of == "images":
        names = batch.images["image_id"].take(pa.array(rows)).to_pylist()
        return Affected(names[:3], names)
    return examples(batch, rows) if of == "segments" else annotated(batch, rows)


def _says(column: pa.ChunkedArray) -> Flags:
    """(n,) whether a value says anything: not null, not false, not empty."""
    if pa.types.is_boolean(column.type):
        return np.asarray(column.fill_null(False).to_numpy(), bool)
    valid = np.asarray(column.is_valid().to_numpy(), bool)
    if not (pa.types.is_map(column.type) or pa.types.is_list(column.type)):
        return valid
    counts = [np.diff(chunk.offsets.to_numpy()) for chunk in column.chunks]
    return valid & (np.concatenate([np.empty(0, np.int64), *counts]) > 0)


def counted_unheld(batches: Iterable[Batch], losses: Losses, kinds: frozenset[Kind]) -> Iterator[Batch]:
    """The batches, while what their columns hold and the format cannot is counted."""
    for batch in batches:
        count_unheld(batch, losses, kinds)
        yield batch


def count_not_annotated(batch: Batch, losses: Losses) -> None:
    """Count the images that nobody annotated, for formats whose every image is taken for annotated."""
    names = batch.images["image_id"].to_pylist()
    rows = np.setdiff1d(np.arange(len(names)), batch.annotation_image)
    losses.add("empty-annotation", "images", len(rows), examples=[names[row] for row in rows[:3]])


def count_spatial(profile: Profile, losses: Losses) -> None:
    """Count the volumes whose place in the world (affine, spacing, header) a format does not hold."""
    placed = [each.name for each in profile.sequences if each.is_placed]
    losses.add("spatial", "sequences", len(placed), examples=placed[:3])
