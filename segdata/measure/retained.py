"""Retained: a source that keeps what it loaded while that is little, for those who ask a second time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from segdata.core.batch import Batch, concatenate
from segdata.core.defect import Defect
from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.runs import Ints

MOST_BYTES = 256 << 20  # of runs and rows


class Retained:
    """A source whose frames are asked for twice: alone, and beside their neighbours."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._place: dict[int, tuple[int, int]] = {}  # row -> which batch, and the image's row there
        self._batches: list[Batch] = []
        self._room = MOST_BYTES

    @property
    def profile(self) -> Profile:
        """As the source's."""
        return self._source.profile

    @property
    def image_ids(self) -> Sequence[str]:
        """As the source's."""
        return self._source.image_ids

    @property
    def defects(self) -> Sequence[Defect]:
        """As the source's."""
        return self._source.defects

    @property
    def files(self) -> Callable[[int], Sequence[Path]] | None:
        """As the source's, where it has any."""
        return cast("Callable[[int], Sequence[Path]] | None", getattr(self._source, "files", None))

    def chunks(self) -> list[Ints]:
        """As the source's."""
        return self._source.chunks()

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, from before where all of them are kept."""
        places = [self._place.get(row) for row in rows.tolist()]
        if len(places) and None not in places:
            return self._again(np.array(places, np.int64))
        batch = self._source.load(rows)
        runs = batch.runs
        size = sum(each.nbytes for each in (batch.images, batch.segments, runs.start, runs.length, runs.owner))
        if batch.images["sequence"].null_count < batch.images.num_rows and size <= self._room:
            self._room -= size
            self._batches.append(batch)
            # Another thread may have appended since: the batch itself says where it is.
            number = next(k for k, each in enumerate(self._batches) if each is batch)
            self._place.update({row: (number, place) for place, row in enumerate(rows.tolist())})
        return batch

    def _again(self, places: Ints) -> Batch:
        """The images at some places, (n, 2) batch and row; those that follow each other there are taken at once."""
        starts = np.flatnonzero(np.diff(places, axis=0, prepend=places[:1] - 2) @ [1 << 32, 1] != 1)
        pieces = np.split(places, starts[1:])
        return concatenate([self._batches[piece[0, 0]].take_images(piece[:, 1]) for piece in pieces])
