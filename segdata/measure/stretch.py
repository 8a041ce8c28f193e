"""Stretch: a few successive frames of a sequence with what one annotator drew on them, decoded again.

What frames share with each other cannot be measured image by image: here images are loaded in the order of their
frames, in portions that overlap by a frame, so that nothing depends on how a source cuts its images.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.format import Source
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.reels import Reel
from segdata.core.roi import limited
from segdata.core.runs import Ints, Runs, spread
from segdata.core.table import Table

T = TypeVar("T")
_LEAST = 8  # frames that are loaded at once, beside one neighbour on either side

Tabled = dict[str, Table]
Columns = dict[str, NDArray[Any]]  # Any: each column has its own type


@dataclass(frozen=True, slots=True)
class Stretch:
    """Successive annotations of one reel.

    Attributes
    ----------
    batch : their images, with everything that is drawn there
    frame : (m,) the frames' numbers
    annotation : (m,) rows of the dataset's annotations
    step : from one of the sequence's images to the next
    place : (n_segments,) which of the m frames each segment of the batch is in; -1: another annotator's
    row : (n_segments,) rows of the dataset's segments
    own : (m,) the frames that this stretch speaks of; the others are their neighbours
    """

    batch: Batch
    frame: Ints
    annotation: Ints
    step: int
    place: Ints
    row: Ints
    own: NDArray[np.bool_]

    @property
    def between(self) -> NDArray[np.bool_]:
        """(m,) own frames in the middle of three that follow each other in equal steps and have one size."""
        height, width = self._sizes()
        same = (np.diff(height) == 0) & (np.diff(width) == 0)
        step = np.diff(self.frame)
        found = self.own.copy()
        found[:1] = found[-1:] = False
        found[1:-1] &= same[1:] & same[:-1] & (step[1:] == step[:-1])
        return found

    @property
    def follows(self) -> NDArray[np.bool_]:
        """(m,) frames that have the size of the one before them."""
        height, width = self._sizes()
        return np.concatenate([[False], (np.diff(height) == 0) & (np.diff(width) == 0)])

    @property
    def adjoining(self) -> NDArray[np.bool_]:
        """(m,) frames that follow directly on the one before them, with no image between."""
        direct: NDArray[np.bool_] = np.diff(self.frame, prepend=self.frame[0]) == self.step
        return self.follows & direct

    def line(self, n_layers: int = 1) -> Line:
        """The number line of the frames, each `n_layers` times: layer k of frame i is frame ``i * n_layers + k``."""
        height, width = self._sizes()
        return Line.of(np.repeat(height, n_layers), np.repeat(width, n_layers))

    def side(
        self,
        line: Line,
        shift: int,
        at: NDArray[np.bool_],
        layer: Ints | None = None,
        n_layers: int = 1,
        runs: Runs | None = None,
        owner_place: Ints | None = None,
    ) -> Side:
        """The runs of each frame laid `shift` frames further, where `at` (m,) has that frame.

        `layer` (n_owners,): which layer each owner lies in, none where negative. `runs`, whose owners are in the frames
        `owner_place`, go instead of the segments'.
        """
        runs = self.batch.runs if runs is None else runs
        place = self.place if owner_place is None else owner_place
        on = np.where(place >= 0, place + shift, -1)
        on[(on < 0) | (on >= len(at))] = -1
        laid = np.where(on >= 0, at[on], False)
        if layer is not None:
            laid &= layer >= 0
        kept = laid[runs.owner]
        frame = on if layer is None else on * n_layers + layer
        return Side.of(Runs(runs.start[kept], runs.length[kept], runs.owner[kept]), line, frame)

    def _sizes(self) -> tuple[Ints, Ints]:
        """Height and width (m,) in pixels."""
        height, width = self.batch.image_size
        return height, width


def stretched(
    source: Source,
    tables: Tabled,
    source_row: Ints,
    found: list[Reel],
    work: Callable[[Stretch], T],
    jobs: int,
    n_frames: int,
) -> Iterator[T]:
    """`work` on every stretch of some reels, in order, in threads.

    `source_row` (n_images,): the row in the source of each of the dataset's images. `n_frames` are loaded at once, with
    a neighbour on either side; what annotators drew on the same frames is loaded once for all of them.
    """
    shared: dict[tuple[str, bytes], list[Reel]] = {}
    for reel in found:
        shared.setdefault((reel.sequence, reel.image.tobytes()), []).append(reel)
    portions = [
        (several, slice(max(first - 1, 0), first + n_frames + 1), first)
        for several in shared.values()
        for first in range(0, len(several[0].frame), n_frames)
    ]
    load = partial(_load, source, tables, source_row, n_frames)
    for one in run_ordered(lambda portion: [work(each) for each in load(*portion)], portions, jobs):
        yield from one


def frames_at_once(chunks: list[Ints]) -> int:
    """How many frames to load at once, by the portions that a source proposes."""
    return max(_LEAST, int(np.median([len(chunk) for chunk in chunks]))) if chunks else _LEAST


def _load(
    source: Source, tables: Tabled, source_row: Ints, n_frames: int, several: list[Reel], part: slice, first: int
) -> Iterator[Stretch]:
    """The same stretch of several reels of the same images."""
    image = several[0].image[part]
    batch, _ = limited(source.load(source_row[image]))
    of_image = tables["annotations"]["image"]
    begin, end = np.searchsorted(of_image, image), np.searchsorted(of_image, image, side="right")
    annotation = spread(begin.astype(np.int64), (end - begin).astype(np.int64))
    count = tables["annotations"]["n_segments"]
    begins = np.concatenate([[0], np.cumsum(count)])[:-1]
    row = spread(begins[annotation], count[annotation])
    if len(row) != batch.n_segments or len(annotation) != batch.annotations.num_rows:
        raise SegdataError(f"{source.profile.files}: it was changed while it was read")
    number = np.arange(len(image)) + part.start
    own = (number >= first) & (number < first + n_frames)
    for reel in several:
        mine = np.isin(annotation, reel.annotation[part])
        place = np.where(mine, batch.annotation_image, -1)[batch.segment_annotation].astype(np.int64)
        yield Stretch(batch, reel.frame[part], reel.annotation[part], reel.step, place, row, own)
