"""Scheme: what value stands for a segment in masks that hold tracks: the base of its category plus its number."""

from dataclasses import dataclass

import numpy as np

from segdata.core.batch import Batch, integer_column
from segdata.core.format import LossCounter
from segdata.core.runs import Ints
from segdata.formats.shared.painting import in_first_annotation, segment_examples
from segdata.formats.video.tracks import Flags, TrackNumbers


@dataclass(frozen=True, slots=True)
class Scheme:
    """How segments become values of pixels.

    Attributes
    ----------
    base : category id -> base; those of kind void have none
    void : the value of void; `voids` are the ids of its categories, of which the first comes back
    numbers : of the tracks
    plain : ids of categories whose segments need no number: stuff
    plain_crowds : crowds have no number either
    """

    base: dict[int, int]
    void: int
    voids: tuple[int, ...]
    numbers: TrackNumbers
    plain: frozenset[int] = frozenset()
    plain_crowds: bool = False

    def values(self, batch: Batch, losses: LossCounter) -> Ints:
        """(n_segments,) the value of each segment, -1 where there is none; what becomes of tracks is counted.

        Raises SegdataError where a sequence has more tracks than there are numbers.
        """
        category, mine = integer_column(batch.segments["category_id"]), in_first_annotation(batch)
        kinds, inverse = np.unique(category, return_inverse=True)
        bases = np.array([self.base.get(each, -1) for each in kinds.tolist()], np.int64)[inverse]
        void = np.isin(category, np.array(self.voids, np.int64))
        thing = ~np.isin(category, np.array(sorted(self.plain), np.int64))
        crowd = np.asarray(batch.segments["iscrowd"].fill_null(False).to_numpy(), bool)
        tracked = np.asarray(batch.segments["track_id"].is_valid().to_numpy(), bool)
        values = np.where(void, self.void, bases)
        numbered = mine & ~void & (bases >= 0) & (thing | tracked) & ~(crowd & thing & self.plain_crowds)
        rows = np.flatnonzero(numbered)
        number, own = self.numbers.of(batch, rows, bases[rows])
        values[rows] += number
        loose = np.flatnonzero(mine & (values >= 0) & ~numbered & tracked)
        losses.add("track", "segments", len(loose), 0, segment_examples(batch, loose))
        _count_tracks(batch, rows, values[rows], own, losses)
        if self.plain_crowds:
            lost = np.flatnonzero(mine & crowd & (void | ~thing))
            losses.add("crowd", "segments", len(lost), 0, segment_examples(batch, lost))
        others = np.flatnonzero(mine & void & (category != (self.voids[0] if self.voids else -1)))
        areas = batch.runs.areas(batch.n_segments)
        losses.add("category", "segments", len(others), int(areas[others].sum()), segment_examples(batch, others))
        return values


def _count_tracks(batch: Batch, rows: Ints, ids: Ints, own: Flags, losses: LossCounter) -> None:
    """Count the segments at `rows` that get a track of their own, and those whose track gets another id: `ids`."""
    new = rows[~own]
    losses.add("track", "segments", len(new), 0, segment_examples(batch, new))
    renamed = rows[own & (integer_column(batch.segments["track_id"])[rows] != ids)]
    losses.add("track-id", "segments", len(renamed), 0, segment_examples(batch, renamed))
