"""Ballots: how many annotators said what of a pixel, or of a segment, and how often in each case."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from segdata.agreement.sums import Matrix
from segdata.agreement.tallies import votes_of
from segdata.core.opposed import Opposed
from segdata.core.runs import Ints

_ABSENT = -2


@dataclass(frozen=True, slots=True)
class Ballots:
    """The different ballots that were cast.

    Attributes
    ----------
    counts : (n_ballots, n_categories + 1) how many annotators said what; first that there is nothing
    times : (n_cases, n_ballots) for how many pixels, or segments
    """

    counts: Ints
    times: Matrix

    def grouped(self, unit: Ints, n: int) -> "Ballots":
        """The sums of the cases with the same number (n_cases,) in 0..n - 1."""
        gather = csr_array((np.ones(len(unit)), (unit, np.arange(len(unit)))), shape=(n, len(unit)))
        return Ballots(self.counts, gather @ self.times)


def of_pixels(opposed: Opposed) -> Ballots:
    """What annotators said of pixels; void of any of them left out, unlabelled is something said."""
    case = opposed.patterns["case"] if len(opposed.patterns) else np.zeros(0, np.int64)
    pixels = opposed.patterns["pixels"] if len(opposed.patterns) else np.zeros(0, np.int64)
    return _counted(opposed, case, votes_of(opposed), pixels)


def of_segments(opposed: Opposed) -> Ballots:
    """What annotators said of things: the category of their segment there, or nothing."""
    members = opposed.members
    if not len(members):
        return _counted(opposed, np.zeros(0, np.int64), np.zeros((0, 1), np.int64), np.zeros(0, np.int64))
    things, which = np.unique(np.stack([members["case"], members["cluster"]]), axis=1, return_inverse=True)
    said = np.full((things.shape[1], len(opposed.annotators)), _ABSENT, np.int64)
    said[which.reshape(-1), members["annotator"]] = members["category"]
    counted = (said < 0) | opposed.countable[np.maximum(said, 0)]
    kept = counted.all(axis=1)
    return _counted(opposed, things[0][kept], said[kept], np.ones(int(kept.sum()), np.int64))


def _counted(opposed: Opposed, case: Ints, said: Ints, times: Ints) -> Ballots:
    """Who said it does not matter: units (n,) with what each annotator said (n, R), -1: nothing, -2: absent."""
    different, which = np.unique(np.sort(said, axis=1), axis=0, return_inverse=True)
    shape = len(different), len(opposed.categories) + 1
    row, voter = np.nonzero(different > _ABSENT)
    counts = np.bincount(row * shape[1] + different[row, voter] + 1, minlength=shape[0] * shape[1]).reshape(shape)
    return Ballots(
        counts.astype(np.int64),
        csr_array((times.astype(np.float64), (case, which.reshape(-1))), shape=(len(opposed.cases), shape[0])),
    )
