"""Annotator pairs: the segments of two annotators on the images that both annotated, on one number line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch, integer_column
from segdata.core.overlay import Overlaps, SweepRuns, find_overlaps
from segdata.core.runs import Ints, NumberLine
from segdata.core.taxonomy import Category

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class AnnotatorSegments:
    """One annotator's n segments on some cases. In a volume, segments of one track are one segment with all slices.

    Attributes
    ----------
    segment : (n,) row of the batch's segments; of a volume's, the first
    case : (n,) which case it belongs to
    category : (n,) position in the list of categories
    is_void, is_crowd, is_thing : (n,)
    area : (n,) pixels, voxels in a volume
    side : the pixels; `side.owner` is the row here
    """

    segment: Ints
    case: Ints
    category: Ints
    is_void: Flags
    is_crowd: Flags
    is_thing: Flags
    area: Ints
    side: SweepRuns

    def __len__(self) -> int:
        return len(self.segment)

    def with_void(self, chosen: Flags) -> "AnnotatorSegments":
        """The same with some more segments (n,) as void."""
        if not np.any(chosen & ~self.is_void):
            return self
        return replace(self, is_void=self.is_void | chosen)

    def runs_of(self, chosen: Flags, owner: Ints) -> SweepRuns:
        """The runs of some segments (n,), each under another owner (n,)."""
        of = self.side.owner
        kept = chosen[of]
        return SweepRuns(self.side.start[kept], self.side.end[kept], owner[of[kept]].astype(np.int32))


@dataclass(frozen=True)
class AnnotatorPair:
    """What two annotators drew on the cases that both annotated. A case is an image, or a volume with all its slices.

    Attributes
    ----------
    batch : holds the images, annotations and segments
    annotators : the two, as positions in the panel's list, ascending
    categories : the panel's, void ones too
    case : (n_cases,) row of `batch.images`; of a volume's, the first
    case_of_frame : (n_frames,) an image is one frame, each slice of a volume is one
    image_of_frame : (n_frames,) row of `batch.images`
    line : of the frames
    a, b : what each drew
    """

    batch: Batch
    annotators: tuple[int, int]
    categories: Sequence[Category]
    case: Ints
    case_of_frame: Ints
    image_of_frame: Ints
    line: NumberLine
    a: AnnotatorSegments
    b: AnnotatorSegments

    @property
    def swapped(self) -> "AnnotatorPair":
        """The same with the annotators the other way round."""
        return replace(self, annotators=self.annotators[::-1], a=self.b, b=self.a)

    @property
    def n_cases(self) -> int:
        """How many cases there are."""
        return len(self.case)

    @cached_property
    def is_flat(self) -> bool:
        """Every case is one image."""
        return len(self.case) == len(self.case_of_frame)

    @cached_property
    def pixels(self) -> Ints:
        """(n_cases,) of the images, void or not."""
        size = self.line.height * self.line.width
        return np.bincount(self.case_of_frame, weights=size, minlength=self.n_cases).astype(np.int64)

    @cached_property
    def void(self) -> SweepRuns:
        """The pixels that either annotator calls void; `owner` is the frame."""
        sides = [drawn.runs_of(drawn.is_void, np.arange(len(drawn))) for drawn in (self.a, self.b)]
        start = np.concatenate([side.start for side in sides])
        order = np.argsort(start, kind="stable")
        end = np.concatenate([side.end for side in sides])[order]
        begin, length, _ = kernels.cover(start[order], end)
        return SweepRuns(begin, begin + length, self.line.frame_of(begin).astype(np.int32))

    @cached_property
    def void_pixels(self) -> Ints:
        """(n_cases,) pixels that either annotator calls void."""
        length = self.void.end - self.void.start
        return np.bincount(self.case_of_frame[self.void.owner], weights=length, minlength=self.n_cases).astype(np.int64)

    @cached_property
    def met(self) -> Overlaps:
        """Which segments of A and B share how many pixels, void ones too; see `segdata.core.overlay.find_overlaps`."""
        return find_overlaps(self.a.side, self.b.side)

    @cached_property
    def clear(self) -> tuple[SweepRuns, SweepRuns]:
        """A's and B's runs without the pixels that either calls void: void segments have none left."""
        if len(self.void.start) == 0:
            return self.a.side, self.b.side
        return uncovered_runs(self.a.side, self.void), uncovered_runs(self.b.side, self.void)

    @cached_property
    def met_clear(self) -> Overlaps:
        """As `met`, of the pixels that neither calls void."""
        return self.met if len(self.void.start) == 0 else find_overlaps(*self.clear)


def uncovered_runs(side: SweepRuns, by: SweepRuns) -> SweepRuns:
    """The pixels of `side` that `by`, whose runs do not overlap, does not cover; owners stay."""
    start = np.concatenate([[np.iinfo(np.int64).min], by.end])
    end = np.concatenate([by.start, [np.iinfo(np.int64).max]])
    free = np.zeros(len(start), np.int32)
    owner, _, place, length = kernels.strips(side.start, side.end, side.owner, start, end, free)
    return SweepRuns(place, place + length, owner)


def pair_annotators(
    batch: Batch,
    annotators: Sequence[str],
    categories: Sequence[Category],
    *,
    asked: Flags | None = None,
    volumes: frozenset[str] = frozenset(),
    is_semantic: bool = False,
) -> Iterator[AnnotatorPair]:
    """Every two annotators that annotated images of the batch in common, in the order of the panel.

    Parameters
    ----------
    batch : annotations by these annotators, at most one by each on an image
    annotators : their names
    categories : position i is what `Drawn.category` calls i; every category id of the batch is among them
    asked : (n_annotations, n_categories) whether an annotation was to show a category: what the other side drew of one
        that it was not is taken for void; None: each all of them
    volumes : the sequences that are volumes; all slices of each must be in the batch
    is_semantic : in volumes a category is one segment, tracks or not
    """
    at = {name: k for k, name in enumerate(annotators)}
    who = np.array([at[name] for name in batch.annotations["annotator"].to_pylist()], np.int64)
    annotation = np.full((len(annotators), batch.images.num_rows), -1, np.int64)
    annotation[who, batch.annotation_image] = np.arange(len(who))
    height, width = batch.image_size
    volume = case_numbers(batch, volumes)
    known: dict[int, AnnotatorSegments] = {}
    for one, other in combinations(sorted(set(who.tolist())), 2):
        image = np.flatnonzero((annotation[one] >= 0) & (annotation[other] >= 0))
        if len(image) == 0:
            continue
        _, first, case = np.unique(volume[image], return_index=True, return_inverse=True)
        line = NumberLine.of(height[image], width[image])
        drawn = []
        for each in (one, other):
            found = known.get(each) if len(image) == batch.images.num_rows else None
            if found is None:
                rows = annotation[each, image]
                found = collect_segments(batch, rows, line, case, categories, (volume >= 0)[image], is_semantic)
            if len(image) == batch.images.num_rows:  # the same in all pairs that have all images
                known[each] = found
            drawn.append(found)
        a, b = drawn
        if asked is not None:
            unasked = [~asked[annotation[each, image[first]]] for each in (one, other)]
            a, b = a.with_void(unasked[1][a.case, a.category]), b.with_void(unasked[0][b.case, b.category])
        yield AnnotatorPair(batch, (one, other), categories, image[first], case, image, line, a, b)


def case_numbers(batch: Batch, volumes: frozenset[str]) -> Ints:
    """(n_images,) what case each image belongs to: a number below 0 for a volume's slices, its row for another."""
    case = np.arange(batch.images.num_rows)
    if volumes:
        number = {name: -1 - k for k, name in enumerate(sorted(volumes))}
        sequence = batch.images["sequence"].to_pylist()
        case = np.array([number.get(name, row) for row, name in enumerate(sequence)], np.int64)
    return case


def collect_segments(
    batch: Batch,
    annotation: Ints,
    line: NumberLine,
    case: Ints,
    categories: Sequence[Category],
    is_flat: Flags,
    is_semantic: bool,
) -> AnnotatorSegments:
    """What one annotator drew on some frames.

    `annotation` (n_frames,) are the rows, -1: not annotated; `case` and `is_flat` likewise.
    """
    frame_of_annotation = np.full(batch.annotations.num_rows, -1, np.int64)
    there = np.flatnonzero(annotation >= 0)
    frame_of_annotation[annotation[there]] = there
    frame_of_segment = frame_of_annotation[batch.segment_annotation]
    segment = np.flatnonzero(frame_of_segment >= 0)
    frame = frame_of_segment[segment]
    rows = batch.segments.take(segment)
    code = category_positions(integer_column(rows["category_id"]), categories)
    first, owner = _group_tracks(rows["track_id"], case[frame], code, is_flat[frame], is_semantic)
    runs = batch.runs.take(segment, batch.n_segments)
    laid = SweepRuns.of(runs, line, frame)
    kind = np.array([each.kind for each in categories] or ["void"])[code[first]]
    crowd = rows["iscrowd"].fill_null(False).to_numpy(zero_copy_only=False).astype(bool)[first]
    area = np.bincount(owner, weights=runs.areas(len(segment)), minlength=len(first)).astype(np.int64)
    return AnnotatorSegments(
        segment[first],
        case[frame[first]],
        code[first],
        kind == "void",
        crowd,
        kind == "thing",
        area,
        SweepRuns(laid.start, laid.end, owner[laid.owner].astype(np.int32)),
    )


def category_positions(ids: Ints, categories: Sequence[Category]) -> Ints:
    """(n,) category ids as positions in the list; the first of those with one id."""
    known = np.array([each.id for each in categories], np.int64)
    order = np.argsort(known, kind="stable")
    return order[np.searchsorted(known[order], ids)].astype(np.int64)


def _group_tracks(
    track: pa.ChunkedArray, case: Ints, code: Ints, is_flat: Flags, is_semantic: bool
) -> tuple[Ints, Ints]:
    """Which segments are one: in a volume those of a case, category and track.

    Returns the first row of each, ascending, and (n,) which of them each row is part of.
    """
    every = np.arange(len(case))
    tracked = track.is_valid().to_numpy() & ~is_flat
    alone = is_flat | ~(tracked | is_semantic)
    if alone.all():
        return every, every
    number = np.zeros(len(case), np.int64) if is_semantic else np.where(tracked, track.fill_null(0).to_numpy(), 0)
    key = np.stack([case, np.where(alone, every, -1), np.where(alone, 0, code), np.where(alone, 0, number)], axis=1)
    _, first, owner = np.unique(key, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[owner.reshape(-1)]
