"""Matching: pair the images, annotations and segments of two datasets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch, integer_column
from segdata.core.config import did_you_mean
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.overlay import SweepRuns, find_overlaps, union_by_frame
from segdata.core.paths import NAME_KEYS, PairByName, PairingKey, pairing_keys
from segdata.core.runs import Flags, Ints, NumberLine, Runs, bounding_boxes
from segdata.core.schema import runs_to_rle


def join_rows(a: list[Ints], b: list[Ints]) -> tuple[Ints, Ints]:
    """Join rows of A and of B by key: the matched rows (n,) of each, each row at most once.

    `a` and `b` are columns, the same number on both sides. Several rows with one key are paired in order.

    >>> [rows.tolist() for rows in join_rows([np.array([5, 7, 7])], [np.array([7, 7, 7, 5])])]
    [[0, 1, 2], [3, 0, 1]]
    """
    columns = [np.concatenate(pair) for pair in zip(a, b, strict=True)]
    n_a, n = len(a[0]), len(columns[0])
    order = np.lexsort(columns[::-1])  # stable, so that rows of A come first within a key
    new = np.zeros(n, bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[order][1:] != column[order][:-1]
    group = np.cumsum(new) - 1
    of_a = order < n_a
    n_groups = int(new.sum())
    in_a, in_b = (np.bincount(group[side], minlength=n_groups) for side in (of_a, ~of_a))
    rank = np.arange(n) - np.flatnonzero(new)[group]
    rank[~of_a] -= in_a[group[~of_a]]
    paired = rank < np.minimum(in_a, in_b)[group]
    return order[paired & of_a], order[paired & ~of_a] - n_a


@dataclass(frozen=True, slots=True)
class ImagePairs:
    """Pairs of images, in ascending order of their common key."""

    a: Ints  # (n,) rows of A's `image_ids`; -1 where A lacks the image
    b: Ints  # (n,) likewise of B's
    by: PairByName  # what they have in common

    def portions(self, n: int) -> list[tuple[Ints, Ints]]:
        """The pairs, rows of both sides (m,) each, in up to `n` portions of about the same size."""
        cuts = np.array_split(np.arange(len(self.a)), max(n, 1))
        return [(self.a[rows], self.b[rows]) for rows in cuts if len(rows)]


def pair_images(a: OpenDataset, b: OpenDataset, only: Iterable[str] | None = None) -> ImagePairs:
    """Pair the images of A and B; `only`: just the pairs with one of these ids on either side.

    If no id occurs in both, they are paired by stem or name; ambiguous names pair nothing. Raises SegdataError for an
    id that neither has.
    """
    ids_a, ids_b = a.image_ids, b.image_ids
    for by in NAME_KEYS:
        pairs = _pair_by_key(pairing_keys(ids_a, by), pairing_keys(ids_b, by), by)
        if bool(((pairs.a >= 0) & (pairs.b >= 0)).any()):
            break
    else:
        pairs = _pair_by_key(pairing_keys(ids_a, "id"), pairing_keys(ids_b, "id"), "id")
    if only is not None:
        pairs = _select_images(pairs, ids_a, ids_b, set(only))
    return ImagePairs(_source_rows(a, pairs.a), _source_rows(b, pairs.b), pairs.by)


def _pair_by_key(a: list[PairingKey], b: list[PairingKey], by: PairByName) -> ImagePairs:
    at_a = {key: row for row, key in enumerate(a)}
    at_b = {key: row for row, key in enumerate(b)}
    keys = sorted(at_a.keys() | at_b.keys(), key=lambda key: (key[0], str(key[1])))
    rows = [np.array([row_of.get(key, -1) for key in keys], np.int64) for row_of in (at_a, at_b)]
    return ImagePairs(rows[0], rows[1], by)


def _select_images(pairs: ImagePairs, ids_a: list[str], ids_b: list[str], image_ids: set[str]) -> ImagePairs:
    for name in sorted(image_ids - {*ids_a, *ids_b}):
        raise SegdataError(f"no image {name!r} in either dataset{did_you_mean(name, [*ids_a, *ids_b])}")
    sides = zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)
    kept = np.array([(a >= 0 and ids_a[a] in image_ids) or (b >= 0 and ids_b[b] in image_ids) for a, b in sides], bool)
    return ImagePairs(pairs.a[kept], pairs.b[kept], pairs.by)


def _source_rows(dataset: OpenDataset, rows: Ints) -> Ints:
    """Convert rows of a dataset to rows of its source."""
    return rows if dataset.rows is None else np.where(rows < 0, -1, np.append(dataset.rows, -1)[rows])


@dataclass(frozen=True)
class LoadedSide:
    """One dataset's images of a portion."""

    batch: Batch
    pair: Ints  # (n_images,) the pair that each image belongs to
    name_of: Callable[[int], str]  # category id -> name shared by both datasets

    @cached_property
    def annotation_pair(self) -> Ints:
        """(n_annotations,) the pair of images that each belongs to."""
        return self.pair[self.batch.annotation_image]

    @cached_property
    def areas(self) -> Ints:
        """(n_segments,) pixels."""
        return self.batch.runs.areas(self.batch.n_segments)

    @cached_property
    def image_ids(self) -> list[str]:
        """(n_images,)."""
        return self.batch.images["image_id"].to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types

    @cached_property
    def per_annotation(self) -> Ints:
        """(n_annotations,) how many segments each has."""
        return np.bincount(self.batch.segment_annotation, minlength=self.batch.annotations.num_rows)

    @cached_property
    def per_image(self) -> Ints:
        """(n_images,) how many segments each has."""
        return np.bincount(self.batch.segment_image, minlength=self.batch.images.num_rows)

    def annotator(self, annotation: int) -> str | None:
        """The annotator of an annotation row."""
        return self.batch.annotations["annotator"][annotation].as_py()  # type: ignore[no-any-return]

    def segment(self, row: int) -> int | str | None:
        """The id of a segment in its source."""
        own = self.batch.segments["source_id"][row].as_py()
        return own if own is not None else self.batch.segments["segment_id"][row].as_py()  # type: ignore[no-any-return]

    def category(self, row: int) -> str:
        """The name of a segment's category."""
        return self.name_of(int(self.batch.segment_category[row]))


@dataclass(frozen=True)
class DiffPortion:
    """Some pairs of images."""

    a: LoadedSide  # the loaded images of A
    b: LoadedSide  # the loaded images of B
    image_a: Ints  # (n,) for each pair the row of the image in A's batch; -1 where A lacks it
    image_b: Ints  # (n,) likewise in B's

    @cached_property
    def complete_pairs(self) -> Ints:
        """The rows (m,) of pairs that have two images."""
        return np.flatnonzero((self.image_a >= 0) & (self.image_b >= 0))

    @cached_property
    def alike(self) -> Flags:
        """(n,) whether a pair has two images of equal size, so that pixels can be compared."""
        result = np.zeros(len(self.image_a), bool)
        sizes = [
            np.stack(side.batch.image_size)[:, image[self.complete_pairs]]
            for side, image in ((self.a, self.image_a), (self.b, self.image_b))
        ]
        result[self.complete_pairs] = (sizes[0] == sizes[1]).all(axis=0)
        return result

    @cached_property
    def annotations(self) -> "AnnotationPairs":
        """The annotations in pairs."""
        return _pair_annotations(self)

    @cached_property
    def categories(self) -> tuple[Ints, Ints, list[str]]:
        """The category of each segment of A and of B (n_segments,), as rows of the third value, the names."""
        rows: dict[str, int] = {}
        codes = []
        for side in (self.a, self.b):
            ids, inverse = np.unique(side.batch.segment_category, return_inverse=True)
            code = [rows.setdefault(side.name_of(id_), len(rows)) for id_ in ids.tolist()]
            codes.append(np.array(code, np.int64)[inverse])
        return codes[0], codes[1], list(rows)

    def image_of(self, pair: int) -> str:
        """The id of a pair of images: A's, else B's."""
        row = int(self.image_a[pair])
        return self.a.image_ids[row] if row >= 0 else self.b.image_ids[int(self.image_b[pair])]


@dataclass(frozen=True, slots=True)
class AnnotationPairs:
    """Pairs of annotations, and annotations without a partner on images that have one."""

    a: Ints  # (n,) rows of A's annotations
    b: Ints  # (n,) rows of B's annotations
    pair: Ints  # (n,) the pair of images
    alone_a: Ints  # rows
    alone_b: Ints  # rows
    # frame_a, frame_b: (n_segments,) of each side: the pair of annotations that a segment belongs to, -1 where it is
    # not compared, since its annotation or image has no partner or one of another size
    frame_a: Ints
    frame_b: Ints


def _pair_annotations(portion: DiffPortion) -> AnnotationPairs:
    """Pair the annotations of one image by annotator, then unambiguous remaining ones."""
    a, b = portion.a, portion.b
    who_a, who_b, nobody = _annotator_codes(a.batch, b.batch)
    rows_a, rows_b = join_rows([a.annotation_pair, who_a], [b.annotation_pair, who_b])
    rest_a, rest_b = (
        np.setdiff1d(np.flatnonzero(np.isin(side.annotation_pair, portion.complete_pairs)), rows)
        for side, rows in ((a, rows_a), (b, rows_b))
    )
    more_a, more_b = _pair_leftovers(
        (a.annotation_pair[rest_a], who_a[rest_a] == nobody), (b.annotation_pair[rest_b], who_b[rest_b] == nobody)
    )
    rows_a, rows_b = np.append(rows_a, rest_a[more_a]), np.append(rows_b, rest_b[more_b])
    order = np.argsort(rows_a)
    rows_a, rows_b = rows_a[order], rows_b[order]
    pair = a.annotation_pair[rows_a]
    return AnnotationPairs(
        a=rows_a,
        b=rows_b,
        pair=pair,
        alone_a=np.delete(rest_a, more_a),
        alone_b=np.delete(rest_b, more_b),
        frame_a=_frames(a, rows_a, portion.alike[pair]),
        frame_b=_frames(b, rows_b, portion.alike[pair]),
    )


def _annotator_codes(a: Batch, b: Batch) -> tuple[Ints, Ints, int]:
    """(n_annotations,) for each side: the annotator's number, and the number of unnamed annotators."""
    names = pa.concat_arrays([batch.annotations["annotator"].combine_chunks() for batch in (a, b)])
    coded = names.fill_null("").dictionary_encode()
    code = np.where(names.is_null().to_numpy(zero_copy_only=False), -1, coded.indices.to_numpy()).astype(np.int64)
    return code[: a.annotations.num_rows], code[a.annotations.num_rows :], -1


def _pair_leftovers(a: tuple[Ints, Flags], b: tuple[Ints, Flags]) -> tuple[Ints, Ints]:
    """Pair remaining annotations whose annotators differ.

    Takes for each side the pairs of images (n,), ascending, and whether annotations are unnamed. If each side has one
    left, they match; a single unnamed one matches the other side's first, which is what a format with one unnamed
    annotation per image keeps.
    """
    (pair_a, first_a, count_a), (pair_b, first_b, count_b) = (
        np.unique(pair, return_index=True, return_counts=True) for pair, _ in (a, b)
    )
    _, at_a, at_b = np.intersect1d(pair_a, pair_b, assume_unique=True, return_indices=True)
    first_a, first_b, one_a, one_b = first_a[at_a], first_b[at_b], count_a[at_a] == 1, count_b[at_b] == 1
    clear = (one_a & one_b) | (one_a & a[1][first_a]) | (one_b & b[1][first_b])
    return first_a[clear], first_b[clear]


def _frames(side: LoadedSide, annotations: Ints, alike: Flags) -> Ints:
    frame = np.full(side.batch.annotations.num_rows, -1, np.int64)
    frame[annotations[alike]] = np.flatnonzero(alike)
    return frame[side.batch.segment_annotation]


MIN_IOU = 0.5  # of matched segments


@dataclass(frozen=True, slots=True)
class SegmentMatches:
    """Pairs of segments, in the order of A's, and segments without a partner."""

    a: Ints  # (n,) rows of A's segments
    b: Ints  # (n,) rows of B's segments
    shared: Ints  # (n,) pixels that both have
    exact: Flags  # (n,) whether both have exactly the same pixels, or both none
    alone_a: Ints  # rows of the segments of A without partner, of those that were compared
    alone_b: Ints  # likewise of B


def match_segments(portion: DiffPortion, least: float, by_id: bool) -> SegmentMatches:
    """Match the segments of paired annotations, each segment at most once.

    Equal pixels come first; ties are decided by category and id, then category, then order. The rest is matched by
    IoU, the largest first: segments of one category with at least `least`, then any with at least `MIN_IOU`. With
    `by_id`, equal ids take precedence over larger IoU.

    A `least` below `MIN_IOU` is for a dataset and its conversion, in which overlaps may have cut a segment to the
    pixels of another, hidden one: equal pixels in different categories then come last and, with `by_id`, those with
    different ids come after segments with equal ids.
    """
    frames = portion.annotations
    rest_a, rest_b = np.flatnonzero(frames.frame_a >= 0), np.flatnonzero(frames.frame_b >= 0)
    keys_a, keys_b = _match_keys(portion)
    found_a, found_b, shared = [], [], []
    for n_keys in (4, 3, 2, 0) if least >= MIN_IOU else (4, 0, 3, 2) if by_id else (3, 0, 2):
        if n_keys:
            at_a, at_b = join_rows([key[rest_a] for key in keys_a[:n_keys]], [key[rest_b] for key in keys_b[:n_keys]])
            a, b = rest_a[at_a], rest_b[at_b]
            both = portion.a.areas[a]
        else:
            a, b, both = _match_by_iou(portion, rest_a, rest_b, least, by_id)
        found_a.append(a)
        found_b.append(b)
        shared.append(both)
        rest_a, rest_b = np.setdiff1d(rest_a, a), np.setdiff1d(rest_b, b)
    a, b, both = np.concatenate(found_a), np.concatenate(found_b), np.concatenate(shared)
    order = np.argsort(a)
    a, b, both = a[order], b[order], both[order]
    exact = (both == portion.a.areas[a]) & (both == portion.b.areas[b])
    return SegmentMatches(a, b, both, exact, rest_a, rest_b)


def _match_keys(portion: DiffPortion) -> tuple[list[Ints], list[Ints]]:
    """For each side (n_segments,): the frame, a number for the pixels, the category and the id."""
    category_a, category_b, _ = portion.categories
    pixels = pa.concat_arrays([_counts(portion.a), _counts(portion.b)]).dictionary_encode().indices.to_numpy()
    n_a = portion.a.batch.n_segments
    frames = portion.annotations
    return (
        [frames.frame_a, pixels[:n_a], category_a, _segment_ids(portion.a)],
        [frames.frame_b, pixels[n_a:], category_b, _segment_ids(portion.b)],
    )


def _segment_ids(side: LoadedSide) -> Ints:
    return integer_column(side.batch.segments["segment_id"])


def _counts(side: LoadedSide) -> pa.Array:
    height, width = side.batch.segment_size
    return runs_to_rle(side.batch.runs, height, width)


def place_segments(side: LoadedSide, rows: Ints, frame: Ints, line: NumberLine) -> SweepRuns:
    """The runs of some segments, placed on a line by `frame` (n,); owners count from 0."""
    return SweepRuns.from_runs(side.batch.runs.take(rows, side.batch.n_segments), line, frame)


def frame_line(portion: DiffPortion, pairs: Ints) -> NumberLine:
    """A line with a frame for each of these pairs of annotations (n,)."""
    height, width = portion.a.batch.image_size
    image = portion.a.batch.annotation_image[portion.annotations.a[pairs]]
    return NumberLine.from_sizes(height[image], width[image])


def _match_by_iou(
    portion: DiffPortion, rest_a: Ints, rest_b: Ints, least: float, by_id: bool
) -> tuple[Ints, Ints, Ints]:
    """Match remaining segments by IoU: rows of A and of B, and shared pixels."""
    frames = portion.annotations
    frame_a, frame_b = frames.frame_a[rest_a], frames.frame_b[rest_b]
    some = np.intersect1d(frame_a, frame_b)
    keep_a, keep_b = np.isin(frame_a, some), np.isin(frame_b, some)
    rest_a, rest_b = rest_a[keep_a], rest_b[keep_b]
    line = frame_line(portion, some)
    frame_a, frame_b = np.searchsorted(some, frame_a[keep_a]), np.searchsorted(some, frame_b[keep_b])
    overlaps = find_overlaps(
        place_segments(portion.a, rest_a, frame_a, line), place_segments(portion.b, rest_b, frame_b, line)
    )
    both = (overlaps.a >= 0) & (overlaps.b >= 0)
    place_a = overlaps.a[both].astype(np.int64)
    place_b = overlaps.b[both].astype(np.int64)
    shared = overlaps.pixels[both]
    a, b = rest_a[place_a], rest_b[place_b]
    iou = shared / (portion.a.areas[a] + portion.b.areas[b] - shared)
    other = portion.categories[0][a] != portion.categories[1][b]
    stranger = _segment_ids(portion.a)[a] != _segment_ids(portion.b)[b]
    enough = np.flatnonzero(iou >= np.where(other, MIN_IOU, least))
    # The order of ties must not depend on which dataset is A.
    rank_a, rank_b = place_a[enough], place_b[enough]
    ranks = (np.abs(rank_a - rank_b), rank_a + rank_b)
    alike = (stranger[enough], -shared[enough], -iou[enough])  # at equal IoU, prefer the larger overlap
    order = enough[np.lexsort((*ranks, *alike, (stranger & by_id)[enough], other[enough]))]
    matched = order[_greedy(a[order], b[order])]
    return a[matched], b[matched], shared[matched]


def _greedy(a: Ints, b: Ints) -> Ints:
    """Choose pairs greedily, best first, such that each row of `a` and of `b` occurs at most once.

    Every round chooses the pairs that are first for both sides, which equals choosing one by one.
    """
    rest = np.arange(len(a))
    matched = [rest[:0]]
    while len(rest):
        first_a, first_b = (np.unique(side[rest], return_index=True)[1] for side in (a, b))
        best = rest[np.intersect1d(first_a, first_b, assume_unique=True)]
        matched.append(best)
        rest = rest[~np.isin(a[rest], a[best]) & ~np.isin(b[rest], b[best])]
    return np.concatenate(matched)


@dataclass(frozen=True, slots=True)
class DifferingStrips:
    """Strips of a line that only one side has, in order."""

    start: Ints  # (n,) places
    end: Ints  # (n,) the places after the last ones
    of_a: Flags  # (n,) A has it and B has not; else the reverse


def differing_strips(a: SweepRuns, b: SweepRuns) -> DifferingStrips:
    """The strips that only A or only B covers; a strip stays within its column and frame.

    Coverage changes only where the line enters or leaves one of the unions.
    """
    (start_a, length_a, _), (start_b, length_b, _) = (kernels.cover(side.start, side.end) for side in (a, b))
    bounds = np.sort(np.concatenate([start_a, start_a + length_a, start_b, start_b + length_b])).reshape(-1, 2)
    start, end = bounds[bounds[:, 0] < bounds[:, 1]].T
    position = np.searchsorted(start_a, start, side="right") - 1
    of_a = np.zeros(len(start), bool)
    covered_a = position >= 0
    of_a[covered_a] = start[covered_a] < start_a[position[covered_a]] + length_a[position[covered_a]]
    return DifferingStrips(start, end, of_a)


def difference_boxes(portion: DiffPortion, matches: SegmentMatches, rows: Ints) -> tuple[Ints, ...]:
    """X, y, width and height (n,) of the box around the different pixels of each match at `rows`."""
    frames = portion.annotations.frame_a[matches.a[rows]]
    line = frame_line(portion, frames)
    own = np.arange(len(rows))
    strips = differing_strips(
        place_segments(portion.a, matches.a[rows], own, line), place_segments(portion.b, matches.b[rows], own, line)
    )
    return bounding_boxes(_runs(strips.start, strips.end, line), line.height, len(rows))


def _runs(start: Ints, end: Ints, line: NumberLine) -> Runs:
    """Strips of a line as runs; the owners are its frames."""
    frame, x, y = line.lower(start)
    return Runs(x * line.height[frame] + y, end - start, frame.astype(np.int32))


@dataclass(frozen=True, slots=True)
class RecategorisedPixels:
    """Pixels whose categories differ."""

    frame: Ints  # (n,) pairs of annotations with such pixels
    pixels: Ints  # (n,) how many
    box: tuple[Ints, Ints, Ints, Ints]  # x, y, width and height (n,) around them
    # frame, category in A and category in B (-1: none) with the number of pixels, most first
    moves: list[tuple[int, int, int, int]]


def recategorised_pixels(portion: DiffPortion, matches: SegmentMatches) -> RecategorisedPixels:
    """The pixels whose categories differ between A and B, whatever their segments.

    Examines only categories with a segment that lacks an exact match of the same category, since the others have the
    same pixels on both sides.
    """
    category_a, category_b, names = portion.categories
    frames = portion.annotations
    n = max(len(names), 1)
    key_a, key_b = (
        np.where(frame < 0, -1, frame * n + category)
        for frame, category in ((frames.frame_a, category_a), (frames.frame_b, category_b))
    )
    settled = matches.exact & (category_a[matches.a] == category_b[matches.b])
    open_a, open_b = (np.ones(len(key), bool) for key in (key_a, key_b))
    open_a[matches.a[settled]], open_b[matches.b[settled]] = False, False
    keys = np.union1d(key_a[open_a & (key_a >= 0)], key_b[open_b & (key_b >= 0)])
    frame, inverse = np.unique(keys // n, return_inverse=True)
    by_category = frame_line(portion, keys // n)
    sides = []
    for side, key in ((portion.a, key_a), (portion.b, key_b)):
        rows = np.flatnonzero(np.isin(key, keys))
        sides.append(place_segments(side, rows, np.searchsorted(keys, key[rows]), by_category))
    strips = differing_strips(*sides)
    return _unite_frames(strips, keys % n, frame, inverse, by_category, frame_line(portion, frame))


def _unite_frames(
    differing: DifferingStrips, category: Ints, frame: Ints, which: Ints, by_category: NumberLine, line: NumberLine
) -> RecategorisedPixels:
    """Overlay the differences of all categories by frame."""
    group, x, y = by_category.lower(differing.start)
    start = line.place(which[group], x, y)
    order = np.argsort(start, kind="stable")
    strips = SweepRuns(start[order], (start + differing.end - differing.start)[order], group[order].astype(np.int32))
    covered = union_by_frame(strips, line)
    overlaps = find_overlaps(*(strips.take(side) for side in (differing.of_a[order], ~differing.of_a[order])))
    labelled = np.flatnonzero(covered.labelled)
    box = bounding_boxes(covered.runs, line.height, len(frame))
    shown = np.lexsort((overlaps.b, overlaps.a, -overlaps.pixels))
    moves = [
        (int(frame[which[max(a, b)]]), -1 if a < 0 else int(category[a]), -1 if b < 0 else int(category[b]), pixels)
        for a, b, pixels in zip(
            overlaps.a[shown].tolist(), overlaps.b[shown].tolist(), overlaps.pixels[shown].tolist(), strict=True
        )
    ]
    return RecategorisedPixels(
        frame[labelled],
        covered.labelled[labelled],
        (box[0][labelled], box[1][labelled], box[2][labelled], box[3][labelled]),
        moves,
    )
