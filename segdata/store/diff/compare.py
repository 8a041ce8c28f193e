"""Compare two datasets of any formats, and prove that a conversion lost only what it counted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replace_column
from segdata.core.dataset import OpenDataset
from segdata.core.errors import check_choice, count_noun
from segdata.core.executor import run_ordered
from segdata.core.format import Loss, Source
from segdata.core.format import LossKind as LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints, positions_in
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.images import image_limits
from segdata.store.diff.changes import (
    add_annotations,
    add_images,
    add_moved,
    add_segments,
)
from segdata.store.diff.difference import (
    DIFFERENCE_KINDS,
    QUIET_KINDS,
    DatasetChange,
    DatasetSide,
    Difference,
    DifferenceCounter,
    DifferenceKind,
    kind_unit,
)
from segdata.store.diff.matching import (
    MIN_IOU,
    DiffPortion,
    LoadedSide,
    SegmentMatches,
    match_segments,
    pair_images,
    recategorised_pixels,
)
from segdata.store.diff.taxonomies import shared_names, taxonomy_changes


def compare_datasets(
    a: OpenDataset,
    b: OpenDataset,
    *,
    ignore: Iterable[str] = (),
    only: Iterable[str] | None = None,
    strict: bool = False,
    limit: int | None = 100,
    least: float = MIN_IOU,
    by_id: bool = False,
    jobs: int = 0,
    progress: Callable[[int], None] = lambda n_images: None,
) -> Difference:
    """Compare datasets A and B: taxonomies, images, annotations and segments.

    Images are paired by id, annotations by image and annotator, segments by their pixels: equal ones first, then those
    that share most. What is drawn is compared pixel by pixel, and only where both images have one size.

    Parameters
    ----------
    ignore : kinds of `DIFFERENCE_KINDS` that are not looked at
    only : image ids; the others are left out
    strict : segment ids and polygon vertices count as differences too
    limit : how many differences of each kind to keep; all are counted. None: all
    least : the IoU that two segments of one category must have to be the same one; of two categories it is `MIN_IOU`
    by_id : of segments that could be the same one those with the same id are
    jobs : threads; 0: one per core
    progress : is called with the number of images done since the last call

    Raises SegdataError for an unknown kind or image.
    """
    ignored = frozenset[DifferenceKind](kind for kind in DIFFERENCE_KINDS if kind in set(ignore))
    for kind in ignore:
        check_choice("ignore", kind, DIFFERENCE_KINDS)
    names = shared_names(a.profile, b.profile)
    pairs = pair_images(a, b, only)
    portions = pairs.portions(max(len(a.chunks()), len(b.chunks())))
    total = DifferenceCounter(limit, ignored)
    for change in (*taxonomy_changes(a.taxonomy, b.taxonomy), *_spatial_changes(a.profile, b.profile)):
        total.put(change)

    def work(rows: tuple[Ints, Ints]) -> DifferenceCounter:
        portion = _load_portion((a.source, b.source), rows, names)
        return _compare_portion(portion, match_segments(portion, least, by_id), DifferenceCounter(limit, ignored))

    for portion_counts in run_ordered(work, portions, jobs):
        total.merge(portion_counts)
        progress(int(max(portion_counts.n_images)))
    dataset_sides = []
    for side, dataset in enumerate((a, b)):
        defects = total.defects[side]
        defects.update(defect.code for defect in dataset.source.defects if defect.severity != "info")
        profile = dataset.profile
        # Of two revisions of one dataset the folder alone does not tell which is which.
        past = profile.revision is not None and a.profile.files == b.profile.files
        name = f"{profile.files}@{profile.revision}" if past else profile.files
        dataset_sides.append(
            DatasetSide(
                name, profile.format, total.n_images[side], total.n_segments[side], dict(sorted(defects.items()))
            )
        )
    counts = {kind: total.counts[kind] for kind in DIFFERENCE_KINDS if kind in total.counts}
    return Difference(
        a=dataset_sides[0],
        b=dataset_sides[1],
        paired_by=pairs.by,
        n_images=int(((pairs.a >= 0) & (pairs.b >= 0)).sum()),
        n_kept=total.n_kept,
        n_same=total.n_same,
        counts=counts,
        changes=tuple(change for kind in counts if strict or kind not in QUIET_KINDS for change in total.changes[kind]),
        moves=_sort_moves(total.moves),
        strict=strict,
    )


def _load_portion(
    sources: tuple[Source, Source], rows: tuple[Ints, Ints], names: tuple[Callable[[int], str], ...]
) -> DiffPortion:
    """The images of some pairs."""
    sides, images = [], []
    for source, side_rows, name_of in zip(sources, rows, names, strict=True):
        present = np.flatnonzero(side_rows >= 0)
        batch = source.load(side_rows[present]) if len(present) else Batch.empty()
        image = positions_in(present, len(side_rows))
        sides.append(LoadedSide(batch, present, name_of))
        images.append(image)
    return DiffPortion(sides[0], sides[1], images[0], images[1])


def _compare_portion(portion: DiffPortion, matches: SegmentMatches, ledger: DifferenceCounter) -> DifferenceCounter:
    """`ledger` with what differs in a portion."""
    for side, loaded in enumerate((portion.a, portion.b)):
        ledger.n_images[side] = loaded.batch.images.num_rows
        ledger.n_segments[side] = loaded.batch.n_segments
        ledger.defects[side].update(defect.code for defect in loaded.batch.defects if defect.severity != "info")
    add_images(ledger, portion)
    add_annotations(ledger, portion)
    add_segments(ledger, portion, matches)
    if "category-pixels" not in ledger.ignored:
        add_moved(ledger, portion, recategorised_pixels(portion, matches))
    return ledger


def _spatial_changes(a: Profile, b: Profile) -> Iterator[DatasetChange]:
    """The volumes whose place in the world differs."""
    places = [
        {sequence.name: (sequence.affine, sequence.axes, sequence.spacing) for sequence in profile.sequences}
        for profile in (a, b)
    ]
    for name in sorted(places[0].keys() | places[1].keys()):
        place_a, place_b = (place.get(name, (None, None, None)) for place in places)
        if place_a != place_b:
            parts = [
                f"{property} {x if x is not None else 'unknown'} in A, {y if y is not None else 'unknown'} in B"
                for property, x, y in zip(("affine", "axes", "spacing"), place_a, place_b, strict=True)
                if x != y
            ]
            yield DatasetChange(kind="spatial", message=f"{name}: {'; '.join(parts)}")


def _sort_moves(moves: dict[tuple[str | None, str | None], int]) -> dict[tuple[str | None, str | None], int]:
    """Most pixels first, then by name."""
    order = sorted(moves.items(), key=lambda move: (-move[1], move[0][0] or "", move[0][1] or ""))
    return dict(order)


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
    "image-name": frozenset(),  # what is compared is without these images
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
_NOT_COMPARED: frozenset[LossKind] = frozenset({"image-name", "mapped", "unreadable"})
_OF_TAXONOMY = frozenset({"categories", "taxonomies"})
_DRAWN: tuple[DifferenceKind, ...] = ("segment-missing", "segment-added", "pixels")
# The source has none, so they cannot be lost: they are another way to write the pixels.
_GAINED: frozenset[DifferenceKind] = frozenset({"rings-added"})


@dataclass(frozen=True, slots=True)
class ConversionProof:
    """The result of reading a conversion back.

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


def check_losses(difference: Difference, losses: Sequence[Loss]) -> ConversionProof:
    """Hold a difference against the losses that were counted.

    `difference` is strict, and its segments were matched however little they share. A kind of difference is explained
    when losses that may cause it were counted at least as often; changed pixels, when losses were counted with at least
    as many. Where segments were merged or taken apart, the pixels of categories are held against the losses instead of
    those of segments.
    """
    lines: dict[DifferenceKind, str] = {}
    for kind, count in difference.counts.items():
        if kind not in _GAINED:
            room, in_images = _allowed_count(kind, losses)
            # Losses counted in images say nothing about how often: then the images must do.
            n, allowed = (count.images, room + in_images) if in_images else (count.n, room)
            if n > allowed:
                amount = count_noun(n, "image" if in_images else kind_unit(kind))
                lines[kind] = f"{kind}: {amount} {'differs' if n == 1 else 'differ'}, {_allowed_text(allowed)}"
    pixels = sum(loss.pixels for loss in losses if loss.kind not in _REGROUPING | _NOT_COMPARED)
    moved = difference.counts["category-pixels"].pixels if "category-pixels" in difference.counts else 0
    if moved > pixels:
        lines["category-pixels"] = f"category-pixels: {moved:,} px differ, {_allowed_text(pixels)}"
    segment_pixels = sum(difference.counts[kind].pixels for kind in _DRAWN if kind in difference.counts)
    twice = pixels + sum(loss.pixels for loss in losses if loss.kind in _HANDED_ON)
    if _loses_ids(losses):  # what is left of one is held against another, and the other counts as missing
        twice += 2 * sum(loss.pixels for loss in losses if loss.kind == "overlap")
    if segment_pixels > twice and not any(loss.kind in _REGROUPING for loss in losses):
        lines["pixels"] = f"pixels: {segment_pixels:,} px of segments differ, {_allowed_text(twice)}"
    concerned = {*lines, *(_DRAWN if "pixels" in lines else ())}
    changes = tuple(change for change in difference.changes if change.kind in concerned)
    return ConversionProof(difference, tuple(lines.values()), changes)


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
    """Compare a dataset with its conversion, read back, given the losses that were counted."""
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
