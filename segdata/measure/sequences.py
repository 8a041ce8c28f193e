"""Sequences: successive frames or slices, decoded again in portions that overlap by a frame."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch, clip_to_roi, concatenate_batches
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect
from segdata.core.format import Source
from segdata.core.frame_sequences import FrameSequence, frame_sequences
from segdata.core.overlay import SweepRuns
from segdata.core.profile import Profile, SequenceKind
from segdata.core.runs import Flags, Ints, NumberLine, Runs, expand_ranges
from segdata.core.table import Table

T = TypeVar("T")
_LEAST_FRAMES = 8  # frames that are loaded at once, beside one neighbour on either side

TablesByName = dict[str, Table]
ColumnArrays = dict[str, NDArray[Any]]  # Any: each column has its own type
MOST_RETAINED_BYTES = 256 << 20  # of runs and rows


class FrameWindow(msgspec.Struct, frozen=True):
    """Successive annotations of one sequence.

    Attributes
    ----------
    batch : their images, with everything that is drawn there
    frame : (m,) the frames' numbers
    annotation : (m,) rows of the dataset's annotations
    step : from one of the sequence's images to the next
    place : (n_segments,) which of the m frames each segment of the batch is in; -1: another annotator's
    row : (n_segments,) rows of the dataset's segments
    own : (m,) the frames that this window is about; the others are their neighbours
    """

    batch: Batch
    frame: Ints
    annotation: Ints
    step: int
    place: Ints
    row: Ints
    own: Flags

    @property
    def is_between(self) -> Flags:
        """(m,) own frames in the middle of three that follow each other in equal steps and have one size."""
        height, width = self.batch.image_size
        same = (np.diff(height) == 0) & (np.diff(width) == 0)
        step = np.diff(self.frame)
        in_middle = self.own.copy()
        in_middle[:1] = in_middle[-1:] = False
        in_middle[1:-1] &= same[1:] & same[:-1] & (step[1:] == step[:-1])
        return in_middle

    @property
    def follows(self) -> Flags:
        """(m,) frames that have the size of the one before them."""
        height, width = self.batch.image_size
        return np.concatenate([[False], (np.diff(height) == 0) & (np.diff(width) == 0)])

    @property
    def adjoining(self) -> Flags:
        """(m,) frames that follow directly on the one before them, with no image between."""
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
        """The runs of each frame laid `shift` frames further, where `frames` (m,) has that frame.

        `layer` (n_owners,): which layer each owner lies in, none where negative. `runs`, whose owners are in the frames
        `owner_place`, go instead of the segments'.
        """
        runs = self.batch.runs if runs is None else runs
        place = self.place if owner_place is None else owner_place
        on = np.where(place >= 0, place + shift, -1)
        on[(on < 0) | (on >= len(frames))] = -1
        laid = np.where(on >= 0, frames[on], False)
        if layer is not None:
            laid &= layer >= 0
        kept = laid[runs.owner]
        frame = on if layer is None else on * n_layers + layer
        return SweepRuns.from_runs(Runs(runs.start[kept], runs.length[kept], runs.owner[kept]), line, frame)


class DatasetView(msgspec.Struct, frozen=True):
    """The argument of a measurement over several images.

    Attributes
    ----------
    source : the opened dataset
    profile : what is known of it
    tables : what was measured before, by name
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
        """The videos, or the volumes, one for each annotator who drew on it."""
        return frame_sequences(self.profile, self.tables["images"], self.tables["annotations"], kind)

    def map_windows(self, sequences: list[FrameSequence], work: Callable[[FrameWindow], T]) -> list[T]:
        """`work` on every window of some sequences, in order, in threads.

        About as many frames as the source proposes are loaded at once, with a neighbour on either side; what several
        annotators drew on the same frames is loaded once for all of them.
        """
        sizes = [len(chunk) for chunk in self.chunks]
        n_frames = max(_LEAST_FRAMES, int(np.median(sizes))) if sizes else _LEAST_FRAMES
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
    """A source that keeps its frames, which are loaded twice: alone, and beside their neighbours."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._place: dict[int, tuple[int, int]] = {}  # row -> which batch, and the image's row there
        self._batches: list[Batch] = []
        self._room = MOST_RETAINED_BYTES

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
        """The images at these rows, from before where all of them are kept."""
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
        """The images at some places, (n, 2) batch and row; those that follow each other there are taken at once."""
        starts = np.flatnonzero(np.diff(places, axis=0, prepend=places[:1] - 2) @ [1 << 32, 1] != 1)
        pieces = np.split(places, starts[1:])
        return concatenate_batches([self._batches[piece[0, 0]].take_images(piece[:, 1]) for piece in pieces])
