"""Sequences: annotations of successive frames or slices, loaded a second time in windows of neighbours."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch, clip_to_roi, concatenate_batches
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect
from segdata.core.format import Source
from segdata.core.overlay import SweepRuns
from segdata.core.profile import Profile, SequenceKind
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Ints, NumberLine, Runs, expand_ranges
from segdata.core.strata import joint_codes
from segdata.core.table import Table, group_edges

T = TypeVar("T")
_MIN_WINDOW_FRAMES = 8  # that are loaded at once, beside one neighbour on either side

TablesByName = dict[str, Table]
ColumnArrays = dict[str, NDArray[Any]]  # Any: each column has its own type
MAX_RETAINED_BYTES = 256 << 20  # of runs and rows


class FrameSequence(msgspec.Struct, frozen=True):
    """The annotations of one annotator on the frames of one sequence, in the order of the frames.

    Frames that the annotator did not work on are left out, and so are further frames with the same number.
    """

    sequence: str  # its name
    step: int  # the least difference of two numbers among all images of the sequence
    frame: Ints  # (n,) int64, the numbers, ascending
    annotation: Ints  # (n,) int64, rows
    image: Ints  # (n,) int64, rows


def frame_sequences(profile: Profile, images: Table, annotations: Table, kind: SequenceKind) -> list[FrameSequence]:
    """The sequences of the videos or of the volumes, in the order of their first images."""
    if not any(sequence.kind == kind for sequence in profile.sequences):
        return []
    frame, has_number = frame_numbers(images)
    rows = np.flatnonzero(is_frame_of(profile, images, kind)[annotations["image"]] & has_number[annotations["image"]])
    image = annotations["image"][rows].astype(np.int64)
    whose = images["sequence"][image], annotations["annotator"][rows]
    members: dict[tuple[str, str | None], list[int]] = {}
    for place, key in enumerate(zip(*whose, strict=True)):
        members.setdefault(key, []).append(place)
    sequences, steps = [], _steps(images["sequence"], frame, has_number)
    for (sequence, _), places in members.items():
        number, first = np.unique(frame[image[places]], return_index=True)
        start = np.array(places)[first]
        sequences.append(FrameSequence(sequence, steps[sequence], number, rows[start].astype(np.int64), image[start]))
    return sequences


def image_successions(profile: Profile, images: Table, kind: SequenceKind) -> list[Ints]:
    """The images (rows) of each sequence and camera in the order of their frames, without images without a number."""
    number, has_number = frame_numbers(images)
    members: dict[tuple[str, str | None], list[int]] = {}
    rows = np.flatnonzero(is_frame_of(profile, images, kind) & has_number)
    for row, key in zip(rows.tolist(), zip(images["sequence"][rows], images["camera"][rows], strict=True), strict=True):
        members.setdefault(key, []).append(row)
    return [np.array(rows)[np.argsort(number[rows], kind="stable")] for rows in members.values()]


def tracked_segments(tables: Tables, kind: SequenceKind | None = None) -> Table:
    """The segments of sequences (of one kind) that have a track, without crowds and void, by sequence, track and frame.

    Columns: segment (row), sequence (number), place (of the frame among those annotated), frame (number), track.
    """
    segments = tables.segments
    index = SequenceIndex.from_tables(tables)
    annotation = segments["annotation"]
    counts = ~segments.missing("track_id") & ~segments["iscrowd"] & (index.sequence[annotation] >= 0)
    counts &= ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    if kind is not None:
        counts &= is_frame_of(tables.profile, tables.images, kind)[segments["image"]]
    rows = np.flatnonzero(counts)
    track = segments["track_id"][rows].astype(np.int64)
    number, place = index.sequence[annotation[rows]], index.place[annotation[rows]]
    order = np.lexsort((rows, place, track, number))
    columns = {
        "segment": rows,
        "sequence": number,
        "place": place,
        "frame": index.frame[annotation[rows]],
        "track": track,
    }
    return Table({name: values[order] for name, values in columns.items()})


def things_by_frame(tables: Tables, kind: SequenceKind) -> Table:
    """One row for each thing and frame of sequences of a kind, by thing and frame; without crowds and void.

    A thing has one category and track in one sequence. Columns: thing (number), sequence (number), place (of the frame
    among those annotated), segment (row of the first), area; left, top, right, bottom of the box around all of it.
    """
    segments, index = tables.segments, SequenceIndex.from_tables(tables)
    counts = ~segments["iscrowd"] & (segments["area"] > 0) & (index.sequence[segments["annotation"]] >= 0)
    counts &= ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    counts &= is_frame_of(tables.profile, tables.images, kind)[segments["image"]]
    rows = np.flatnonzero(counts)
    track = np.full(len(rows), -1, np.int64)
    has_track = ~segments.missing("track_id")[rows]
    track[has_track] = segments["track_id"][rows[has_track]].astype(np.int64)
    sequence, place = (numbers[segments["annotation"][rows]] for numbers in (index.sequence, index.place))
    thing, _ = joint_codes(sequence, segments["category_id"][rows], track)
    member, first = joint_codes(thing, place)
    columns = {"thing": thing[first], "sequence": sequence[first], "place": place[first], "segment": rows[first]}
    columns["area"] = np.bincount(member, segments["area"][rows], len(first)).astype(np.int64)
    return Table(columns | group_edges(segments.take(rows), member, len(first)))


def between_frames(things: Table, lag: int) -> Ints:
    """(n,) the rows of `things_by_frame` whose thing is also `lag` frames before, `lag` rows, and `lag` behind."""
    row = np.arange(lag, max(len(things) - lag, lag))
    for step in (-lag, lag):
        row = row[things["thing"][row + step] == things["thing"][row]]
        row = row[things["place"][row + step] == things["place"][row] + step]
    return row


def shared_box_area(things: Table, a: Ints, b: Ints) -> Ints:
    """(n,) the pixels that the boxes of `things_by_frame` in the rows `a` and `b`, arrays or single ones, share."""
    across, down = (
        np.minimum(things[high][a], things[high][b]) - np.maximum(things[low][a], things[low][b])
        for low, high in (("left", "right"), ("top", "bottom"))
    )
    return np.asarray(np.maximum(across, 0) * np.maximum(down, 0), np.int64)


def changes_category(tables: Tables, tracked: Table) -> Flags:
    """(n,) whether the track of each row of `tracked_segments` has several categories."""
    category = tables.segments["category_id"][tracked["segment"]]
    start = np.ones(len(tracked), bool)
    start[1:] = (np.diff(tracked["sequence"]) != 0) | (np.diff(tracked["track"]) != 0)
    track = np.cumsum(start) - 1
    other = category != category[start][track]
    return np.asarray(np.bincount(track, weights=other, minlength=1)[track] > 0)


class SequenceIndex(msgspec.Struct, frozen=True):
    """The position of each annotation in its sequence; see `FrameSequence`."""

    sequences: list[FrameSequence]  # those of videos, and after them those of volumes
    sequence: Ints  # (n_annotations,) the number of its sequence; -1: none
    place: Ints  # (n_annotations,) its position there
    frame: Ints  # (n_annotations,) the frame's number

    @staticmethod
    def from_tables(tables: Tables) -> "SequenceIndex":
        """Build from the annotations of a dataset."""
        sequences = [
            sequence
            for kind in get_args(SequenceKind)
            for sequence in frame_sequences(tables.profile, tables.images, tables.annotations, kind)
        ]
        of_sequence, place, frame = (np.full(len(tables.annotations), -1, np.int64) for _ in range(3))
        for number, sequence in enumerate(sequences):
            of_sequence[sequence.annotation] = number
            place[sequence.annotation] = np.arange(len(sequence.annotation))
            frame[sequence.annotation] = sequence.frame
        return SequenceIndex(sequences, of_sequence, place, frame)


def is_frame_of(profile: Profile, images: Table, kind: SequenceKind) -> Flags:
    """(n_images,) whether an image is a frame of a sequence of this kind."""
    names = {sequence.name for sequence in profile.sequences if sequence.kind == kind}
    if not names:  # most datasets: their columns need not even be converted
        return np.zeros(len(images), bool)
    return np.array([name in names for name in images["sequence"].tolist()], bool)


def touches_edge(tables: Tables) -> Flags:
    """(n_segments,) whether a segment's box reaches the edge of its image."""
    segments, image = tables.segments, tables.segments["image"]
    right, bottom = segments["x"] + segments["width"], segments["y"] + segments["height"]
    at_edge = (segments["x"] == 0) | (segments["y"] == 0)
    at_edge |= (right == tables.images["width"][image]) | (bottom == tables.images["height"][image])
    return np.asarray(at_edge)


def outside_volumes(tables: Tables, things: Table) -> Table:
    """The parts or holes of segments outside volumes, and a column `whole`: the area of the segment in pixels."""
    in_volume = is_frame_of(tables.profile, tables.images, "volume")[tables.segments["image"]]
    outside = things.take(~in_volume[things["segment"]])
    return outside.beside(whole=tables.segments["area"][outside["segment"]])


def frame_numbers(images: Table) -> tuple[Ints, Flags]:
    """(n_images,) the frame number of each image (0: none), and whether it has one."""
    has_number = ~images.missing("frame")
    number = np.zeros(len(images), np.int64)
    number[has_number] = images["frame"][has_number].astype(np.int64)
    return number, has_number


def _steps(sequence: NDArray[np.object_], frame: Ints, known: Flags) -> dict[str, int]:
    """Sequence -> the smallest difference of two frame numbers; a huge number for a single frame."""
    numbers: dict[str, set[int]] = {}
    for name, number in zip(sequence[known].tolist(), frame[known].tolist(), strict=True):
        numbers.setdefault(name, set()).add(number)
    return {name: int(np.diff(sorted(several)).min(initial=2**62)) for name, several in numbers.items()}


class FrameWindow(msgspec.Struct, frozen=True):
    """Successive annotations of one sequence, loaded with their neighbours."""

    batch: Batch  # their images, with everything that is drawn there
    frame: Ints  # (m,) the frames' numbers
    annotation: Ints  # (m,) rows of the dataset's annotations
    step: int  # from one of the sequence's images to the next
    place: Ints  # (n_segments,) which of the m frames each segment of the batch is in; -1: another annotator's
    row: Ints  # (n_segments,) rows of the dataset's segments
    own: Flags  # (m,) the frames that this window is about; the others are their neighbours

    @property
    def is_between(self) -> Flags:
        """(m,) whether a frame is an own one in the middle of three of equal size, in equal steps."""
        height, width = self.batch.image_size
        same = (np.diff(height) == 0) & (np.diff(width) == 0)
        step = np.diff(self.frame)
        in_middle = self.own.copy()
        in_middle[:1] = in_middle[-1:] = False
        in_middle[1:-1] &= same[1:] & same[:-1] & (step[1:] == step[:-1])
        return in_middle

    @property
    def follows(self) -> Flags:
        """(m,) whether a frame has the size of the frame before it."""
        height, width = self.batch.image_size
        return np.concatenate([[False], (np.diff(height) == 0) & (np.diff(width) == 0)])

    @property
    def adjoining(self) -> Flags:
        """(m,) whether a frame follows directly on the frame before it, with no image between."""
        direct: Flags = np.diff(self.frame, prepend=self.frame[0]) == self.step
        return self.follows & direct

    def line(self, n_layers: int = 1) -> NumberLine:
        """The number line of the frames, each `n_layers` times: layer k of frame i is frame ``i * n_layers + k``."""
        height, width = self.batch.image_size
        return NumberLine.from_sizes(np.repeat(height, n_layers), np.repeat(width, n_layers))

    def side(
        self,
        line: NumberLine,
        shift: int,
        frames: Flags,
        layer: Ints | None = None,
        n_layers: int = 1,
        runs: Runs | None = None,
        owner_place: Ints | None = None,
    ) -> SweepRuns:
        """The runs of the chosen `frames` (m,), each moved `shift` frames further on the number line.

        `layer` (n_owners,): the layer of each owner, negative for none. `runs`, whose owners are in the frames
        `owner_place`, replace those of the segments.
        """
        runs = self.batch.runs if runs is None else runs
        place = self.place if owner_place is None else owner_place
        moved = np.where(place >= 0, place + shift, -1)
        moved[(moved < 0) | (moved >= len(frames))] = -1
        is_chosen = np.where(moved >= 0, frames[moved], False)
        if layer is not None:
            is_chosen &= layer >= 0
        kept = is_chosen[runs.owner]
        frame = moved if layer is None else moved * n_layers + layer
        return SweepRuns.from_runs(Runs(runs.start[kept], runs.length[kept], runs.owner[kept]), line, frame)


class DatasetView(msgspec.Struct, frozen=True):
    """The argument of a measurement over several images.

    Attributes
    ----------
    source : the opened dataset
    profile : of the dataset
    tables : the tables so far, by name
    chunks : the rows of the source's images in portions, in the order of the table `images`
    jobs : threads; 0: one per core
    """

    source: Source
    profile: Profile
    tables: TablesByName
    chunks: list[Ints]
    jobs: int

    @property
    def source_row(self) -> Ints:
        """(n_images,) the row in the source of each of the dataset's images."""
        return np.concatenate([np.empty(0, np.int64), *self.chunks])

    def sequences(self, kind: SequenceKind) -> list[FrameSequence]:
        """The sequences of videos or of volumes, one for each annotator."""
        return frame_sequences(self.profile, self.tables["images"], self.tables["annotations"], kind)

    def map_windows(self, sequences: list[FrameSequence], work: Callable[[FrameWindow], T]) -> list[T]:
        """The results of `work(window)` for every window of some sequences, in order, from threads.

        A window has about as many frames as the source proposes, with a neighbour on either side; frames that several
        annotators worked on are loaded once for all of them.
        """
        sizes = [len(chunk) for chunk in self.chunks]
        n_frames = max(_MIN_WINDOW_FRAMES, int(np.median(sizes))) if sizes else _MIN_WINDOW_FRAMES
        shared: dict[tuple[str, bytes], list[FrameSequence]] = {}
        for sequence in sequences:
            shared.setdefault((sequence.sequence, sequence.image.tobytes()), []).append(sequence)
        portions = [
            (several, slice(max(first - 1, 0), first + n_frames + 1), first)
            for several in shared.values()
            for first in range(0, len(several[0].frame), n_frames)
        ]
        load = partial(_load_window, self.source, self.tables, self.source_row, n_frames)
        done = run_ordered(lambda portion: [work(window) for window in load(*portion)], portions, self.jobs)
        return list(chain.from_iterable(done))


def _load_window(
    source: Source,
    tables: TablesByName,
    source_row: Ints,
    n_frames: int,
    several: list[FrameSequence],
    part: slice,
    first: int,
) -> Iterator[FrameWindow]:
    """The same window of several sequences of the same images."""
    image = several[0].image[part]
    batch, _ = clip_to_roi(source.load(source_row[image]))
    of_image = tables["annotations"]["image"]
    begin, end = np.searchsorted(of_image, image), np.searchsorted(of_image, image, side="right")
    annotation = expand_ranges(begin.astype(np.int64), (end - begin).astype(np.int64))
    count = tables["annotations"]["n_segments"]
    begins = np.concatenate([[0], np.cumsum(count)])[:-1]
    row = expand_ranges(begins[annotation], count[annotation])
    if len(row) != batch.n_segments or len(annotation) != batch.annotations.num_rows:
        raise SegdataError(f"{source.profile.files}: the dataset changed while it was read; run the command again")
    number = np.arange(len(image)) + part.start
    own = (number >= first) & (number < first + n_frames)
    for sequence in several:
        mine = np.isin(annotation, sequence.annotation[part])
        place = np.where(mine, batch.annotation_image, -1)[batch.segment_annotation].astype(np.int64)
        yield FrameWindow(batch, sequence.frame[part], sequence.annotation[part], sequence.step, place, row, own)


class RetainedSource:
    """A source that keeps the frames of sequences, which are loaded twice: alone, and beside their neighbours."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._place: dict[int, tuple[int, int]] = {}  # row -> which batch, and the image's row there
        self._batches: list[Batch] = []
        self._room = MAX_RETAINED_BYTES

    @property
    def profile(self) -> Profile:
        """The profile of the source."""
        return self._source.profile

    @property
    def image_ids(self) -> Sequence[str]:
        """The image ids of the source."""
        return self._source.image_ids

    @property
    def defects(self) -> Sequence[Defect]:
        """The defects of the source."""
        return self._source.defects

    @property
    def files(self) -> Callable[[int], Sequence[Path]] | None:
        """The method `files` of the source; None if it has none."""
        return cast("Callable[[int], Sequence[Path]] | None", getattr(self._source, "files", None))

    def chunks(self) -> list[Ints]:
        """The portions that the source proposes."""
        return self._source.chunks()

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, from memory if all of them are kept."""
        places = [self._place.get(row) for row in rows.tolist()]
        if len(places) and None not in places:
            return self._again(np.array(places, np.int64))
        batch = self._source.load(rows)
        runs = batch.runs
        size = sum(column.nbytes for column in (batch.images, batch.segments, runs.start, runs.length, runs.owner))
        if batch.images["sequence"].null_count < batch.images.num_rows and size <= self._room:
            self._room -= size
            self._batches.append(batch)
            # Another thread may have appended since, so look for the batch itself.
            number = next(k for k, other in enumerate(self._batches) if other is batch)
            self._place.update({row: (number, place) for place, row in enumerate(rows.tolist())})
        return batch

    def _again(self, places: Ints) -> Batch:
        """The images at some places (n, 2), batch and row; successive ones are taken together."""
        starts = np.flatnonzero(np.diff(places, axis=0, prepend=places[:1] - 2) @ [1 << 32, 1] != 1)
        pieces = np.split(places, starts[1:])
        return concatenate_batches([self._batches[piece[0, 0]].take_images(piece[:, 1]) for piece in pieces])
