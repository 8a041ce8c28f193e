"""Proof: what of a difference between a source and its conversion the counted losses do not explain."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replace_column
from segdata.core.dataset import OpenDataset
from segdata.core.errors import count_noun
from segdata.core.format import Loss
from segdata.core.format import LossKind as LossKind
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.images import image_limits
from segdata.store.diff.compare import compare_datasets
from segdata.store.diff.difference import DatasetChange, Difference, DifferenceKind, kind_unit

_GONE: frozenset[DifferenceKind] = frozenset({"segment-missing"})
_CUT: frozenset[DifferenceKind] = frozenset({"segment-missing", "pixels", "category-pixels"})
_MERGED: frozenset[DifferenceKind] = frozenset({"segment-missing", "segment-added", "pixels"})
# Of two that overlap in the source, and lose pixels and ids, one may be taken for the other.
_MISTAKEN: frozenset[DifferenceKind] = frozenset(
    {"segment-id", "crowd", "track", "score", "source", "attributes", "secondary-categories", "rings", "rings-missing"}
)
_CATEGORIES: frozenset[DifferenceKind] = frozenset(
    {"category-missing", "category-added", "category-renamed", "category-details"}
)
# What each kind of loss may change. A kind of loss that is not here explains the difference of its own name.
EXPLAINS: dict[LossKind, frozenset[DifferenceKind]] = {
    "annotator": frozenset({"annotator"}),
    "category": _CUT | _CATEGORIES | {"category", "segment-added"},
    "category-details": frozenset({"category-details"}),
    "empty-annotation": frozenset({"empty-annotation"}),
    "empty-segment": _GONE,
    "hole": frozenset({"pixels", "category-pixels"}),
    "instance": _MERGED,
    "mapped": frozenset(),  # what is compared has been mapped
    "undecided": frozenset(),  # no conversion decides
    "overlap": _CUT,
    "part": _MERGED,
    "rings": frozenset({"rings", "rings-missing"}),
    "source": frozenset({"source", "annotation-attributes"}),
    "track-id": frozenset({"track"}),
    "unlabelled": _CUT | {"segment-added"},  # where a format has no such pixels they become void
    "unreadable": frozenset(),  # what could not be read was never compared
    "void": _CUT | _CATEGORIES | {"category"},
}
# What one segment loses another one may get, whose pixels then change as well.
_HANDED_ON: frozenset[LossKind] = frozenset({"category", "unlabelled", "void"})
# Segments are merged or taken apart, so that their number and pixels say little; those of categories stay the same.
_REGROUPING: frozenset[LossKind] = frozenset({"instance", "part"})
_OF_TAXONOMY = frozenset({"categories", "taxonomies"})
_DRAWN: tuple[DifferenceKind, ...] = ("segment-missing", "segment-added", "pixels")
# The source has none, so they cannot be lost: they are another way to write the pixels.
_GAINED: frozenset[DifferenceKind] = frozenset({"rings-added"})


@dataclass(frozen=True, slots=True)
class ConversionProof:
    """What reading a conversion back has shown.

    Attributes
    ----------
    difference : between the source (A) and what was read back (B)
    unexplained : what no counted loss explains, a line each; empty: nothing but the counted losses changed
    changes : the first differences of the kinds in `unexplained`
    """

    difference: Difference
    unexplained: tuple[str, ...]
    changes: tuple[DatasetChange, ...]

    @property
    def holds(self) -> bool:
        """Whether every difference is a counted loss."""
        return not self.unexplained


def check_losses(found: Difference, losses: Sequence[Loss]) -> ConversionProof:
    """Hold a difference against the losses that were counted.

    `found` is strict, and its segments were matched however little they share. A kind of difference is explained when
    losses that may cause it were counted at least as often; changed pixels, when losses were counted with at least as
    many. Where segments were merged or taken apart, the pixels of categories are held against the losses instead of
    those of segments.
    """
    lines: dict[DifferenceKind, str] = {}
    for kind, count in found.counts.items():
        if kind not in _GAINED:
            room, in_images = _allowed_count(kind, losses)
            # Losses counted in images say nothing about how often: then the images must do.
            n, allowed = (count.images, room + in_images) if in_images else (count.n, room)
            if n > allowed:
                what = count_noun(n, "image" if in_images else kind_unit(kind))
                lines[kind] = f"{kind}: {what} {'differs' if n == 1 else 'differ'}, {_allowed_text(allowed)}"
    pixels = sum(loss.pixels for loss in losses if loss.kind not in _REGROUPING | {"mapped", "unreadable"})
    moved = found.counts["category-pixels"].pixels if "category-pixels" in found.counts else 0
    if moved > pixels:
        lines["category-pixels"] = f"category-pixels: {moved:,} px differ, {_allowed_text(pixels)}"
    segment_pixels = sum(found.counts[kind].pixels for kind in _DRAWN if kind in found.counts)
    twice = pixels + sum(loss.pixels for loss in losses if loss.kind in _HANDED_ON)
    if _loses_ids(losses):  # what is left of one is held against another, and the other counts as missing
        twice += 2 * sum(loss.pixels for loss in losses if loss.kind == "overlap")
    if segment_pixels > twice and not any(loss.kind in _REGROUPING for loss in losses):
        lines["pixels"] = f"pixels: {segment_pixels:,} px of segments differ, {_allowed_text(twice)}"
    concerned = {*lines, *(_DRAWN if "pixels" in lines else ())}
    changes = tuple(change for change in found.changes if change.kind in concerned)
    return ConversionProof(found, tuple(lines.values()), changes)


def _loses_ids(losses: Sequence[Loss]) -> bool:
    """Whether segments may be taken for others, as they lost their ids."""
    return any(loss.kind == "segment-id" for loss in losses)


def _allowed_count(kind: DifferenceKind, losses: Sequence[Loss]) -> tuple[int, int]:
    """How often losses may have caused a kind of difference: counted in whatever it is, and in images."""
    of_taxonomy = kind in _CATEGORIES
    mistaken = _loses_ids(losses) and kind in _MISTAKEN
    causes = [
        loss
        for loss in losses
        if kind in EXPLAINS.get(loss.kind, frozenset({loss.kind})) or (mistaken and loss.kind == "overlap")
        if (loss.of in _OF_TAXONOMY) == of_taxonomy
    ]
    # An annotation is on one image, and says nothing about how many segments it has.
    wide = {"images", "annotations"} if kind_unit(kind) == "segment" else {"images"}
    in_images = sum(loss.count for loss in causes if loss.of in wide)
    return sum(loss.count for loss in causes) - in_images, in_images


def _allowed_text(number: int) -> str:
    return f"and losses of {number:,} were counted" if number else "and no such loss was counted"


def verify_conversion(
    dataset: OpenDataset, written: OpenDataset, losses: Sequence[Loss], jobs: int = 0
) -> ConversionProof:
    """Compare a dataset with what a conversion with these losses made of it, read back."""
    if any(loss.kind == "annotator" and loss.of == "images" for loss in losses):
        dataset = replace(dataset, source=AlteredSource(dataset.source, first_annotations))
    by_id = not any(loss.kind == "segment-id" for loss in losses)
    with image_limits():
        difference = compare_datasets(dataset, written, strict=True, least=0.0, by_id=by_id, jobs=jobs)
    return check_losses(difference, losses)


def first_annotations(batch: Batch) -> Batch:
    """The first annotation of each image: what formats keep that hold one."""
    image = batch.annotation_image
    kept = np.unique(image, return_index=True)[1]
    rows = np.flatnonzero(np.isin(batch.segment_annotation, kept))
    segments = batch.take_segments(rows)
    annotation = np.searchsorted(kept, segments.segment_annotation).astype(np.int32)
    return replace(
        segments,
        annotations=batch.annotations.take(pa.array(kept)),
        segments=replace_column(segments.segments, "annotation", annotation),
    )
