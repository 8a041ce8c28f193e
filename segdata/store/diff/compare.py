"""Compare: two datasets of any formats, streamed over pairs of images, so that memory is bounded by a portion."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from segdata.core.batch import Batch
from segdata.core.dataset import OpenDataset
from segdata.core.errors import check_choice
from segdata.core.executor import run_ordered
from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.store.diff.changes import (
    add_annotations,
    add_images,
    add_moved,
    add_segments,
    shared_names,
    taxonomy_changes,
)
from segdata.store.diff.difference import (
    DIFFERENCE_KINDS,
    QUIET_KINDS,
    DatasetChange,
    DatasetSide,
    Difference,
    DifferenceCounter,
    DifferenceKind,
)
from segdata.store.diff.matching import MIN_IOU, SegmentMatches, match_segments, recategorised_pixels
from segdata.store.diff.pairing import DiffPortion, LoadedSide, pair_images


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
    """What A and B do not have in common.

    Images are paired by id, annotations by image and annotator, segments by their pixels: equal ones first, then those
    that share most. What is drawn is compared pixel by pixel, and only where both images have one size.

    Parameters
    ----------
    ignore : kinds of `kinds.KINDS` that are not looked at
    only : image ids; the others are left out
    strict : segment ids and polygon vertices count as differences too
    limit : how many differences of each kind to keep; all are counted. None: all
    least : the IoU that two segments of one category must have to be the same one; of two categories it is `MIN_IOU`
    by_id : of segments that could be the same one those with the same id are
    jobs : threads; 0: one per core
    progress : is called with the number of images done since the last call

    Raises SegdataError for an unknown kind or image.
    """
    ignored = frozenset[DifferenceKind](kind_name for kind_name in DIFFERENCE_KINDS if kind_name in set(ignore))
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
    halves = []
    for side, dataset in enumerate((a, b)):
        defects = total.defects[side]
        defects.update(kind_name.code for kind_name in dataset.source.defects if kind_name.severity != "info")
        profile = dataset.profile
        # Of two revisions of one dataset the folder alone does not tell which is which.
        past = profile.revision is not None and a.profile.files == b.profile.files
        name = f"{profile.files}@{profile.revision}" if past else profile.files
        halves.append(DatasetSide(name, profile.format, total.n_images[side], total.n_segments[side], defects))
    counts = {kind: total.counts[kind] for kind in DIFFERENCE_KINDS if kind in total.counts}
    return Difference(
        a=halves[0],
        b=halves[1],
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
        image = np.full(len(side_rows), -1, np.int64)
        image[present] = np.arange(len(present))
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
    """What differs in where volumes lie in the world."""
    places = [
        {sequence.name: (sequence.affine, sequence.axes, sequence.spacing) for sequence in profile.sequences}
        for profile in (a, b)
    ]
    for name in sorted(places[0].keys() | places[1].keys()):
        place_a, place_b = (place.get(name, (None, None, None)) for place in places)
        if place_a != place_b:
            parts = [
                f"{what} {x if x is not None else 'unknown'} in A, {y if y is not None else 'unknown'} in B"
                for what, x, y in zip(("affine", "axes", "spacing"), place_a, place_b, strict=True)
                if x != y
            ]
            yield DatasetChange(kind="spatial", message=f"{name}: {'; '.join(parts)}")


def _sort_moves(moves: dict[tuple[str | None, str | None], int]) -> dict[tuple[str | None, str | None], int]:
    """Most pixels first, then by name."""
    order = sorted(moves.items(), key=lambda move: (-move[1], move[0][0] or "", move[0][1] or ""))
    return dict(order)
