"""Tracks: the numbers that stand for them in files, the same for a track in all frames of its sequence."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError
from segdata.core.runs import Ints, Rows

Flags = NDArray[np.bool_]


@dataclass(slots=True)
class _Known:
    """The numbers given in one sequence.

    Attributes
    ----------
    number : (category id, track) -> number
    category : track -> the category it was first met with
    taken : base -> its numbers
    """

    number: dict[tuple[int, int], int] = field(default_factory=dict)
    category: dict[int, int] = field(default_factory=dict)
    taken: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))


class TrackNumbers:
    """Hands out numbers from `first` to `last`, to each track of a sequence and base its own.

    A track keeps its own id where that is free: as base + number, or as the number, up to `small`. Else it gets the
    lowest free number. `refusal` ends the message for those beyond the last.
    """

    def __init__(self, first: int, last: int, refusal: str, small: int | None = None) -> None:
        self._first, self._last, self._refusal = first, last, refusal
        self._small = last if small is None else small
        self._known: dict[str, _Known] = {}

    def of(self, batch: Batch, rows: Ints, base: Ints) -> tuple[Ints, Flags]:
        """The numbers (n,) of the segments at these rows, and which of them are a track's.

        A segment that is no track's gets a number of its own: one without track_id, a second one of a track in a frame,
        and one of another category than the track has had in the sequence. Raises SegdataError beyond the last number.
        """
        track = integer_column(batch.segments["track_id"])[rows]
        category = integer_column(batch.segments["category_id"])[rows]
        image = batch.segment_image[rows]
        has = np.asarray(batch.segments["track_id"].is_valid().to_numpy(), bool)[rows]
        has &= _first_of_frame(image, category, track, has)
        number, own = np.zeros(len(rows), np.int64), has.copy()
        for sequence, mine in _by_sequence(batch, image):
            known = _Known() if sequence is None else self._known.setdefault(sequence, _Known())
            tracked = mine[has[mine]]
            number[tracked], own[tracked] = self._tracked(
                known, sequence, track[tracked], category[tracked], base[tracked]
            )
            for each in np.unique(base[mine[~has[mine]]]).tolist():
                loose = mine[~has[mine] & (base[mine] == each)]
                number[loose] = self._free(known.taken[each], sequence, len(loose))
        return number, own

    def _tracked(
        self, known: _Known, sequence: str | None, track: Ints, category: Ints, base: Ints
    ) -> tuple[Ints, Flags]:
        """Numbers of segments with a track, and whether they have the track's category; one step a track."""
        keys = np.stack([category, track, base], axis=1)
        _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        number, own = np.zeros(len(first), np.int64), np.zeros(len(first), bool)
        for place in np.argsort(first).tolist():
            kind, one, start = keys[first[place]].tolist()
            own[place] = known.category.setdefault(one, kind) == kind
            if (kind, one) not in known.number:
                own_ids = ((one - start, self._last), (one, self._small))
                wanted = next((each for each, last in own_ids if self._first <= each <= last), None)
                taken = known.taken[start]
                if wanted is None or wanted in taken:
                    wanted = int(self._free(taken, sequence, 1)[0])
                taken.add(wanted)
                known.number[kind, one] = wanted
            number[place] = known.number[kind, one]
        return number[inverse.reshape(-1)], own[inverse.reshape(-1)]

    def _free(self, taken: set[int], sequence: str | None, count: int) -> Ints:
        """The lowest numbers that nobody has; they are taken then."""
        among = np.arange(self._first, self._first + len(taken) + count, dtype=np.int64)
        free = np.setdiff1d(among, np.fromiter(taken, np.int64, len(taken)))[:count]
        if count and free[-1] > self._last:
            where = "an image" if sequence is None else f"sequence {sequence!r}"
            raise SegdataError(f"{where} has {len(taken) + count:,} tracks or more; {self._refusal}")
        taken.update(free.tolist())
        return free


def _first_of_frame(image: Rows, category: Ints, track: Ints, has: Flags) -> Flags:
    """(n,) whether a segment is the first of its track and category in its image."""
    keys = np.stack([image.astype(np.int64), category, track, has.astype(np.int64)], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    flags = np.zeros(len(image), bool)
    flags[first] = True
    return flags


def _by_sequence(batch: Batch, image: Rows) -> Iterator[tuple[str | None, Ints]]:
    """The positions in `image` for each sequence; an image without one is by itself, as None."""
    names = batch.images["sequence"].to_pylist()
    code: dict[str | int, int] = {}
    of_image = np.array([code.setdefault(row if name is None else name, len(code)) for row, name in enumerate(names)])
    if len(image) == 0:
        return
    of_row = of_image[image]
    order = np.argsort(of_row, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(of_row[order])) + 1):
        yield names[image[mine[0]]], mine
