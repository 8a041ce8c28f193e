"""Slips in sequences: frames and slices that fit their neighbours less than these fit each other."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from segdata.core.reductions import stands_beyond_chance
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import tail_probability
from segdata.core.table import Table
from segdata.measure.sequences import FrameSequence, SequenceIndex, between_frames

_FENCE = 4.0  # quartiles beyond which a value of a sequence is an outlier
_FURTHEST_NEIGHBOUR = 0.5  # of the pixels of either of two frames, that only one has, where their order shows
_MIN_RIM, _MAX_UNEVEN = 2.0, 2.0  # pixels that a rim has, and times the narrowest side that the widest one may have
_TREMBLE, _MIN_RATIO_SPREAD = 0.5, 0.05  # of outlines, in pixels; of the logarithm of areas


class Succession(NamedTuple):
    """How the labels of a sequence's n frames or slices go on, pixel by pixel; see the table `succession`.

    near (n,): the share of the labelled pixels in which a frame differs from the one before; far (n,): in which the one
    before differs from the one after; NaN where they cannot be compared. either, either_far (n,): those pixels.
    """

    number: int
    sequence: FrameSequence
    near: Floats
    far: Floats
    either: Floats
    either_far: Floats

    def exchanges(self, min_gain: float, min_pixels: int, *, in_video: bool = False) -> tuple[Ints, Floats]:
        """Places of frames that are exchanged with the next one, and which share of the way the other order saves.

        Both must fit better into the other's place than the sequence would go on without them, and share half of their
        pixels with their neighbours there: slices that share less tell nothing about order. In a video (`in_video`),
        things that move fast share few.
        """
        k = np.arange(1, max(len(self.near) - 2, 1))
        given, turned = self.near[k] + self.near[k + 2], self.far[k] + self.far[k + 1]
        apart, apart_far = self.near * self.either, self.far * self.either_far
        pixels = apart[k] + apart[k + 2] - apart_far[k] - apart_far[k + 1]
        gain = (given - turned) / np.maximum(given, 1e-12)
        alone = np.concatenate([self.saved_without()[1], [np.nan]])
        fits = in_video | (turned < 2 * _FURTHEST_NEIGHBOUR)
        exchanged = np.flatnonzero(stands_out(gain, min_gain) & (pixels >= min_pixels) & fits)
        exchanged = exchanged[gain[exchanged] >= np.fmax(alone[k[exchanged] - 1], alone[k[exchanged]])]
        return k[exchanged], gain[exchanged]

    def saved_without(self) -> tuple[Ints, Floats, Floats]:
        """Places of frames, how much nearer their neighbours are to each other than to them, and by how many pixels."""
        k = np.arange(1, max(len(self.near) - 1, 1))
        nearest = np.minimum(self.near[k], self.near[k + 1])
        apart = self.near * self.either
        pixels = np.minimum(apart[k], apart[k + 1]) - (self.far * self.either_far)[k]
        return k, (nearest - self.far[k]) / np.maximum(nearest, 1e-12), pixels


def successions(tables: Tables, min_frames: int) -> Iterator[Succession]:
    """The sequences of videos and volumes of at least `min_frames` annotated frames; needs the family `succession`."""
    index, table = SequenceIndex.from_tables(tables), tables.succession
    share = 1 - table["shared"] / np.maximum(table["either"], 1)
    number, place = index.sequence[table["annotation"]], index.place[table["annotation"]]
    for k, sequence in enumerate(index.sequences):
        n = len(sequence.frame)
        if n < min_frames:
            continue
        columns = np.full((4, n), np.nan)
        for lag, row in ((1, 0), (2, 1)):
            mine = np.flatnonzero((number == k) & (table["lag"] == lag))
            columns[row, place[mine]] = share[mine]
            columns[row + 2, place[mine]] = table["either"][mine]
        columns[:2] = np.where(columns[2:] > 0, columns[:2], np.where(columns[2:] == 0, 0.0, np.nan))
        yield Succession(k, sequence, *columns)


def stands_out(values: Floats, least: float) -> Flags:
    """(n,) values of `least` that are further above the median than four times the nearer quartile is from it.

    Unknown values (NaN) do not stand out. None does if the median is positive.
    """
    finite = values[~np.isnan(values)]
    if len(finite) == 0:
        return np.zeros(len(values), bool)
    lower, middle, upper = np.quantile(finite, [0.25, 0.5, 0.75])
    if middle > 0:
        return np.zeros(len(values), bool)
    fence = middle + _FENCE * min(upper - middle, middle - lower)
    return np.asarray(np.nan_to_num(values, nan=-1.0) >= max(least, fence), bool)


class FrameTriples(NamedTuple):
    """Things in three frames of a sequence, `lag` frames apart; (n,) each, rows of the table `things_by_frame`.

    rim: by how many pixels all four sides of the middle one's box lie further out than halfway between the others'
    sides; negative: further in; 0: neither. is_most: no frame within `lag` changes the thing's area as much. ratio: the
    logarithm of its area over that of the other whose area is nearer; 0 if it lies between both.
    """

    before: Ints
    row: Ints
    after: Ints
    rim: Floats
    is_most: Flags
    ratio: Floats

    @staticmethod
    def from_things(things: Table, lag: int = 1) -> "FrameTriples":
        """Every three frames of a thing, `lag` apart."""
        row = between_frames(things, lag)
        sides = np.stack([-things["left"], -things["top"], things["right"], things["bottom"]], axis=1)
        out = sides[row] - (sides[row - lag] + sides[row + lag]) / 2
        rim = np.maximum(out.min(axis=1), 0) + np.minimum(out.max(axis=1), 0)
        area = things["area"].astype(np.float64)
        # A wider outline moves all sides alike, and takes as many pixels as its box is long.
        is_even = np.abs(out).max(axis=1) <= _MAX_UNEVEN * np.abs(rim) + _MIN_RIM
        gain = area[row] - (area[row - lag] + area[row + lag]) / 2
        around = things["right"] - things["left"] + things["bottom"] - things["top"]
        is_even &= np.sign(rim) * gain >= np.abs(rim) * around[row]
        most = np.zeros(len(things))
        most[row] = np.abs(gain)
        nearby = [
            np.where(things["thing"][row + step] == things["thing"][row], most[row + step], 0.0)
            for step in range(-lag, lag + 1)
        ]
        is_most = np.asarray(most[row] >= np.max(nearby, axis=0), bool)
        log = np.log(area)
        steps = log[row] - log[row - lag], log[row] - log[row + lag]
        nearer = np.where(steps[0] * steps[1] > 0, np.sign(steps[0]) * np.minimum(*np.abs(steps)), 0.0)
        return FrameTriples(row - lag, row, row + lag, np.where(is_even, rim, 0.0), is_most, nearer)

    def has_rim(self, tables: Tables, things: Table, rate: float) -> Flags:
        """(n,) which have a rim that others of their sequence do not have.

        The neighbours of a wide one are narrow beside it: the one that changes most is meant.
        """
        chance, _ = tail_probability(self.rim, things["sequence"][self.row], _TREMBLE)
        may_stand = self.is_most & (np.abs(self.rim) >= _MIN_RIM)
        return stands_beyond_chance(tables, np.where(may_stand, chance, 1.0), rate)

    def ratio_chance(self, things: Table) -> Floats:
        """(n,) the chance of each ratio among the frames of its thing."""
        return tail_probability(self.ratio, things["thing"][self.row], _MIN_RATIO_SPREAD)[0]
