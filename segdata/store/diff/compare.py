"""Compare two datasets of any formats, and verify that a conversion lost only what it counted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replace_column
from segdata.core.dataset import OpenDataset
from segdata.core.errors import check_choice, count_noun
from segdata.core.executor import no_progress, run_ordered
from segdata.core.format import Source
from segdata.core.losses import Loss
from segdata.core.losses import LossKind as LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints, positions_in
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.images import image_limits
from segdata.store.diff.changes import (
    DIFFERENCE_KINDS,
    QUIET_KINDS,
    DatasetChange,
    DatasetSide,
    Difference,
    DifferenceCounter,
    DifferenceKind,
    add_annotations,
    add_images,
    add_moved,
    add_segments,
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
    progress: Callable[[int], None] = no_progress,
) -> Difference:
    """Compare datasets A and B: taxonomies, images, annotations and segments.

    Images are paired by id, annotations by image and annotator, segments by their pixels: equal ones first, then by
    IoU. Pixels are compared only if both images have the same size.

    Parameters
    ----------
    ignore : kinds of `DIFFERENCE_KINDS` to leave out
    only : image ids; other images are left out
    strict : count different segment ids and polygon vertices, too
    limit : number of differences of each kind to keep (all are counted); None: all
    least : minimum IoU of matched segments of one category; for different categories, it is `MIN_IOU`
    by_id : prefer matches with equal ids
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
        # The folder alone does not distinguish two revisions of a dataset.
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
    """Load the images of some pairs."""
    sides, images = [], []
    for source, side_rows, name_of in zip(sources, rows, names, strict=True):
        present = np.flatnonzero(side_rows >= 0)
        batch = source.load(side_rows[present]) if len(present) else Batch.empty()
        image = positions_in(present, len(side_rows))
        sides.append(LoadedSide(batch, present, name_of))
        images.append(image)
    return DiffPortion(sides[0], sides[1], images[0], images[1])


def _compare_portion(portion: DiffPortion, matches: SegmentMatches, ledger: DifferenceCounter) -> DifferenceCounter:
    """Count the differences in a portion in `ledger`."""
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
    """The changes of volumes whose position in the world differs."""
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
    """Sort moves by pixels, most first, then by name."""
    order = sorted(moves.items(), key=lambda move: (-move[1], move[0][0] or "", move[0][1] or ""))
    return dict(order)


_MISSING: frozenset[DifferenceKind] = frozenset({"segment-missing"})
_CUT: frozenset[DifferenceKind] = frozenset({"segment-missing", "pixels", "category-pixels"})
_MERGED: frozenset[DifferenceKind] = frozenset({"segment-missing", "segment-added", "pixels"})
# Two segments that overlap in the source, and lose pixels and ids, may be mistaken for each other.
_MISMATCHED: frozenset[DifferenceKind] = frozenset(
    {"segment-id", "crowd", "track", "score", "source", "attributes", "secondary-categories", "rings", "rings-missing"}
)
_CATEGORIES: frozenset[DifferenceKind] = frozenset(
    {"category-missing", "category-added", "category-renamed", "category-details"}
)
# The kinds of difference that each kind of loss may cause; by default, the one of the same name.
EXPLAINS: dict[LossKind, frozenset[DifferenceKind]] = {
    "annotator": frozenset({"annotator"}),
    "category": _CUT | _CATEGORIES | {"category", "segment-added"},
    "category-details": frozenset({"category-details"}),
    "empty-annotation": frozenset({"empty-annotation"}),
    "empty-segment": _MISSING,
    "hole": frozenset({"pixels", "category-pixels"}),
    "image-name": frozenset(),  # these images are not compared
    "instance": _MERGED,
    "mapped": frozenset(),  # the mapped dataset is compared
    "undecided": frozenset(),  # no conversion decides
    "overlap": _CUT,
    "part": _MERGED,
    "rings": frozenset({"rings", "rings-missing"}),
    "source": frozenset({"source", "annotation-attributes"}),
    "track-id": frozenset({"track"}),
    "unlabelled": _CUT | {"segment-added"},  # they become void if a format cannot hold them
    "unreadable": frozenset(),  # unreadable data are not compared
    "void": _CUT | _CATEGORIES | {"category"},
}
# Losses of pixels that another segment may gain, so that its pixels change as well.
_TRANSFERRED: frozenset[LossKind] = frozenset({"category", "unlabelled", "void"})
# Segments are merged or divided, so that only the pixels of categories can be compared.
_REGROUPING: frozenset[LossKind] = frozenset({"instance", "part"})
_NOT_COMPARED: frozenset[LossKind] = frozenset({"image-name", "mapped", "unreadable"})
_TAXONOMY_UNITS = frozenset({"categories", "taxonomies"})
_SEGMENT_KINDS: tuple[DifferenceKind, ...] = ("segment-missing", "segment-added", "pixels")
# The source has none, so nothing is lost: they are just another encoding of the pixels.
_GAINED: frozenset[DifferenceKind] = frozenset({"rings-added"})


@dataclass(frozen=True, slots=True)
class ConversionProof:
    """The result of reading a conversion back.

    Attributes
    ----------
    difference : between the source (A) and the conversion read back (B)
    unexplained : a line for each difference beyond the counted losses; empty if there is none
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
    """Check a difference against the counted losses.

    `difference` must be strict, with segments matched at any IoU. A kind of difference is explained if losses that may
    cause it were counted at least as often, changed pixels if losses were counted with at least as many pixels. If
    segments were merged or divided, the pixels of categories are checked instead of those of segments.
    """
    lines: dict[DifferenceKind, str] = {}
    for kind, count in difference.counts.items():
        if kind not in _GAINED:
            room, in_images = _allowed_count(kind, losses)
            # For losses counted in images, compare numbers of images.
            n, allowed = (count.images, room + in_images) if in_images else (count.n, room)
            if n > allowed:
                amount = count_noun(n, "image" if in_images else kind_unit(kind))
                lines[kind] = f"{kind}: {amount} {'differs' if n == 1 else 'differ'}, {_allowed_text(allowed)}"
    pixels = sum(loss.pixels for loss in losses if loss.kind not in _REGROUPING | _NOT_COMPARED)
    moved = difference.counts["category-pixels"].pixels if "category-pixels" in difference.counts else 0
    if moved > pixels:
        lines["category-pixels"] = f"category-pixels: {moved:,} px differ, {_allowed_pixels_text(pixels, losses)}"
    segment_pixels = sum(difference.counts[kind].pixels for kind in _SEGMENT_KINDS if kind in difference.counts)
    twice = pixels + sum(loss.pixels for loss in losses if loss.kind in _TRANSFERRED)
    if _loses_ids(losses):  # the rest of one segment is compared with another, which then counts as missing
        twice += 2 * sum(loss.pixels for loss in losses if loss.kind == "overlap")
    if segment_pixels > twice and not any(loss.kind in _REGROUPING for loss in losses):
        lines["pixels"] = f"pixels: {segment_pixels:,} px of segments differ, {_allowed_pixels_text(twice, losses)}"
    concerned = {*lines, *(_SEGMENT_KINDS if "pixels" in lines else ())}
    changes = tuple(change for change in difference.changes if change.kind in concerned)
    return ConversionProof(difference, tuple(lines.values()), changes)


def _loses_ids(losses: Sequence[Loss]) -> bool:
    """Whether segments may be mismatched because their ids were lost."""
    return any(loss.kind == "segment-id" for loss in losses)


def _allowed_count(kind: DifferenceKind, losses: Sequence[Loss]) -> tuple[int, int]:
    """The number of losses that may have caused a kind of difference: in units of the loss, and in images."""
    of_taxonomy = kind in _CATEGORIES
    mistaken = _loses_ids(losses) and kind in _MISMATCHED
    causes = [
        loss
        for loss in losses
        if kind in EXPLAINS.get(loss.kind, frozenset({loss.kind})) or (mistaken and loss.kind == "overlap")
        if (loss.of in _TAXONOMY_UNITS) == of_taxonomy
    ]
    # A lost annotation concerns one image, but any number of segments.
    wide = {"images", "annotations"} if kind_unit(kind) == "segment" else {"images"}
    in_images = sum(loss.count for loss in causes if loss.of in wide)
    return sum(loss.count for loss in causes) - in_images, in_images


def _allowed_text(number: int) -> str:
    return f"and losses of {number:,} were counted" if number else "and no such loss was counted"


def _allowed_pixels_text(pixels: int, losses: Sequence[Loss]) -> str:
    without = [loss.kind for loss in losses if "category-pixels" in EXPLAINS.get(loss.kind, ()) and not loss.pixels]
    if pixels or not without:
        return _allowed_text(pixels)
    return f"and the losses of kind {', '.join(without)} were counted without their pixels"


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
    """The batch with the first annotation of each image, as in formats that hold only one."""
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
