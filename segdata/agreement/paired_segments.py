"""Paired segments: those of two annotators on the images that both annotated, on one number line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch, integer_column, replace_column
from segdata.core.overlay import Overlaps, SweepRuns, find_overlaps
from segdata.core.runs import Flags, Ints, NumberLine, number_groups
from segdata.core.taxonomy import Category


@dataclass(frozen=True)
class PanelBatch:
    """Images with the annotations of several annotators, at most one of each annotator on an image.

    A case is an image, or a volume with all its slices.
    """

    batch: Batch
    annotators: Sequence[str]
    categories: Sequence[Category]  # the panel's, void ones too; named by their positions here
    asked: Flags | None = None  # (n_annotations, n_categories) whether an annotation was to show a category; None: all
    volumes: frozenset[str] = frozenset()  # the sequences that are volumes; all slices of each are in the batch
    is_semantic: bool = False  # in volumes a category is one segment, tracks or not
    cases: Ints | None = None  # (n_images,) the case of each image, from 0; None: volumes first

    @cached_property
    def annotator(self) -> Ints:
        """(n_annotations,) the position of each annotation's annotator."""
        position = {name: k for k, name in enumerate(self.annotators)}
        return np.array([position[name] for name in self.batch.annotations["annotator"].to_pylist()], np.int64)

    @cached_property
    def annotation(self) -> Ints:
        """(n_annotators, n_images) each annotator's annotation of each image; -1: none."""
        rows = np.full((len(self.annotators), self.batch.images.num_rows), -1, np.int64)
        rows[self.annotator, self.batch.annotation_image] = np.arange(len(self.annotator))
        return rows

    @cached_property
    def image_or_volume(self) -> Ints:
        """(n_images,) a number below 0 for the slices of each volume, its row for another image."""
        if not self.volumes:
            return np.arange(self.batch.images.num_rows)
        number = {name: -1 - k for k, name in enumerate(sorted(self.volumes))}
        sequence = self.batch.images["sequence"].to_pylist()
        return np.array([number.get(name, row) for row, name in enumerate(sequence)], np.int64)

    @cached_property
    def case(self) -> Ints:
        """(n_images,) the case of each image, from 0."""
        if self.cases is not None:
            return self.cases
        return np.unique(self.image_or_volume, return_inverse=True)[1]

    @property
    def is_slice(self) -> Flags:
        """(n_images,) whether an image is a slice of a volume."""
        return np.asarray(self.image_or_volume < 0)

    def with_category(self, name: str) -> "PanelBatch":
        """The panel with a further void category, which every annotator was asked for."""
        asked = None if self.asked is None else np.append(self.asked, np.ones((len(self.asked), 1), bool), axis=1)
        return replace(self, categories=(*self.categories, void_category(self.categories, name)), asked=asked)

    def select(self, is_kept: Flags) -> "PanelBatch":
        """The same images with those annotations that are kept, `is_kept` (n_annotations,), and their annotators."""
        kept, batch = np.flatnonzero(is_kept), self.batch
        rows = np.flatnonzero(is_kept[batch.segment_annotation])
        annotation = np.searchsorted(kept, batch.segment_annotation[rows]).astype(np.int32)
        selected = Batch(
            batch.images,
            batch.annotations.take(pa.array(kept)).combine_chunks(),
            replace_column(batch.segments.take(pa.array(rows)).combine_chunks(), "annotation", annotation),
            batch.runs.take(rows, batch.n_segments),
            batch.defects,
        )
        asked = None if self.asked is None else self.asked[is_kept]
        return replace(self, batch=selected, annotators=annotator_names(selected), asked=asked)


def void_category(categories: Sequence[Category], name: str) -> Category:
    """A void category with an id that no other category has."""
    return Category(id=max((category.id for category in categories), default=0) + 1, name=name, kind="void")


def annotator_names(batch: Batch) -> list[str]:
    """The annotators of a batch."""
    return sorted(set(batch.annotations["annotator"].to_pylist()))


@dataclass(frozen=True)
class AnnotatorSegments:
    """One annotator's n segments on some cases. In a volume, segments of one track are one segment with all slices."""

    segment: Ints  # (n,) row of the batch's segments; of a volume's, the first
    case: Ints  # (n,) which case it belongs to
    category: Ints  # (n,) position in the list of categories
    is_void: Flags  # (n,)
    is_crowd: Flags  # (n,)
    is_thing: Flags  # (n,)
    area: Ints  # (n,) pixels, voxels in a volume
    side: SweepRuns  # the pixels; `side.owner` is the row here

    def __len__(self) -> int:
        return len(self.segment)

    def with_void(self, is_void: Flags) -> "AnnotatorSegments":
        """The segments with the `is_void` ones (n,) as void too."""
        if not np.any(is_void & ~self.is_void):
            return self
        return replace(self, is_void=self.is_void | is_void)

    def runs_of(self, is_included: Flags, owner: Ints) -> SweepRuns:
        """The runs of some segments (n,), each under another owner (n,)."""
        segment = self.side.owner
        kept = is_included[segment]
        return SweepRuns(self.side.start[kept], self.side.end[kept], owner[segment[kept]].astype(np.int32))


@dataclass(frozen=True)
class AnnotatorPair:
    """The segments of two annotators on the cases that both annotated: images, or volumes with all their slices."""

    batch: Batch  # holds the images, annotations and segments
    annotators: tuple[int, int]  # the two, as positions in the panel's list, ascending
    categories: Sequence[Category]  # the panel's, void ones too
    case: Ints  # (n_cases,) row of `batch.images`; of a volume's, the first
    case_of_frame: Ints  # (n_frames,) an image is one frame, each slice of a volume is one
    line: NumberLine  # of the frames
    a: AnnotatorSegments  # what A drew
    b: AnnotatorSegments  # what B drew

    @property
    def swap(self) -> "AnnotatorPair":
        """The same pair with A and B exchanged."""
        return replace(self, annotators=self.annotators[::-1], a=self.b, b=self.a)

    @property
    def n_cases(self) -> int:
        """The number of cases."""
        return len(self.case)

    @cached_property
    def is_flat(self) -> bool:
        """Whether every case is one image."""
        return len(self.case) == len(self.case_of_frame)

    @cached_property
    def pixels(self) -> Ints:
        """(n_cases,) the number of pixels of each case, with void."""
        size = self.line.height * self.line.width
        return np.bincount(self.case_of_frame, weights=size, minlength=self.n_cases).astype(np.int64)

    @cached_property
    def void(self) -> SweepRuns:
        """The runs of pixels that either annotator labels void; `owner` is the frame."""
        sides = [segments.runs_of(segments.is_void, np.arange(len(segments))) for segments in (self.a, self.b)]
        start = np.concatenate([side.start for side in sides])
        order = np.argsort(start, kind="stable")
        end = np.concatenate([side.end for side in sides])[order]
        begin, length, _ = kernels.cover(start[order], end)
        return SweepRuns(begin, begin + length, self.line.frame_of(begin).astype(np.int32))

    @cached_property
    def void_pixels(self) -> Ints:
        """(n_cases,) the number of pixels that either annotator labels void."""
        length = self.void.end - self.void.start
        return np.bincount(self.case_of_frame[self.void.owner], weights=length, minlength=self.n_cases).astype(np.int64)

    @cached_property
    def overlaps(self) -> Overlaps:
        """The overlaps of segments of A and B, with void segments; see `segdata.core.overlay.find_overlaps`."""
        return find_overlaps(self.a.side, self.b.side)

    @cached_property
    def clear(self) -> tuple[SweepRuns, SweepRuns]:
        """A's and B's runs without the pixels that either labels void, so that void segments are empty."""
        if len(self.void.start) == 0:
            return self.a.side, self.b.side
        return uncovered_runs(self.a.side, self.void), uncovered_runs(self.b.side, self.void)

    @cached_property
    def met_clear(self) -> Overlaps:
        """The overlaps of pixels that neither labels void."""
        return self.overlaps if len(self.void.start) == 0 else find_overlaps(*self.clear)


def uncovered_runs(side: SweepRuns, by: SweepRuns) -> SweepRuns:
    """The pixels of `side` that `by`, whose runs do not overlap, does not cover; owners stay."""
    start = np.concatenate([[np.iinfo(np.int64).min], by.end])
    end = np.concatenate([by.start, [np.iinfo(np.int64).max]])
    free = np.zeros(len(start), np.int32)
    owner, _, place, length = kernels.strips(side.start, side.end, side.owner, start, end, free)
    return SweepRuns(place, place + length, owner)


def pair_annotators(images: PanelBatch) -> Iterator[AnnotatorPair]:
    """Every pair of annotators with images in common, in the order of the panel.

    Segments of a category that the other annotator was not asked for count as void.
    """
    batch, annotation, volume = images.batch, images.annotation, images.image_or_volume
    height, width = batch.image_size
    whole_batch: dict[int, AnnotatorSegments] = {}  # of who has all images: the same in all pairs that have all images
    for couple in combinations(np.unique(images.annotator).tolist(), 2):
        image = np.flatnonzero((annotation[list(couple)] >= 0).all(axis=0))
        if len(image) == 0:
            continue
        _, first, case = np.unique(volume[image], return_index=True, return_inverse=True)
        line = NumberLine.from_sizes(height[image], width[image])
        sides = []
        for annotator in couple:
            segments = whole_batch.get(annotator) if len(image) == batch.images.num_rows else None
            if segments is None:
                segments = collect_segments(images, annotation[annotator, image], line, case, images.is_slice[image])
            if len(image) == batch.images.num_rows:
                whole_batch[annotator] = segments
            sides.append(segments)
        a, b = sides
        if images.asked is not None:
            unasked_a, unasked_b = (~images.asked[annotation[annotator, image[first]]] for annotator in couple)
            a, b = a.with_void(unasked_b[a.case, a.category]), b.with_void(unasked_a[b.case, b.category])
        yield AnnotatorPair(batch, couple, images.categories, image[first], case, line, a, b)


def collect_segments(
    images: PanelBatch, annotation: Ints, line: NumberLine, case: Ints, is_slice: Flags
) -> AnnotatorSegments:
    """The segments of one annotator on some frames; `annotation` (n_frames,) are rows, -1: not annotated."""
    batch, categories = images.batch, images.categories
    frame_of_annotation = np.full(batch.annotations.num_rows, -1, np.int64)
    drawn = np.flatnonzero(annotation >= 0)
    frame_of_annotation[annotation[drawn]] = drawn
    frame_of_segment = frame_of_annotation[batch.segment_annotation]
    segment = np.flatnonzero(frame_of_segment >= 0)
    frame = frame_of_segment[segment]
    rows = batch.segments.take(segment)
    code = category_positions(integer_column(rows["category_id"]), categories)
    first, owner = _group_tracks(rows["track_id"], case[frame], code, ~is_slice[frame], images.is_semantic)
    runs = batch.runs.take(segment, batch.n_segments)
    laid = SweepRuns.from_runs(runs, line, frame)
    kind = np.array([category.kind for category in categories] or ["void"])[code[first]]
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
    """(n,) the position of each category id in the list; the first of several with the same id."""
    listed = np.array([category.id for category in categories], np.int64)
    order = np.argsort(listed, kind="stable")
    return order[np.searchsorted(listed[order], ids)].astype(np.int64)


def _group_tracks(
    track: pa.ChunkedArray, case: Ints, code: Ints, is_flat: Flags, is_semantic: bool
) -> tuple[Ints, Ints]:
    """Group segments that are one thing: in a volume, segments of one case, category and track.

    Returns the first row of each group, ascending, and (n,) the group of each row.
    """
    every = np.arange(len(case))
    tracked = track.is_valid().to_numpy() & ~is_flat
    alone = is_flat | ~(tracked | is_semantic)
    if alone.all():
        return every, every
    number = np.zeros(len(case), np.int64) if is_semantic else np.where(tracked, track.fill_null(0).to_numpy(), 0)
    key = np.stack([case, np.where(alone, every, -1), np.where(alone, 0, code), np.where(alone, 0, number)], axis=1)
    return number_groups(key)
