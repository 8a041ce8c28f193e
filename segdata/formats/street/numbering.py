"""Numbering: how the values of instance masks are made of a label id and the number of an instance."""

from dataclasses import dataclass

import numpy as np

from segdata.core.errors import SegdataError
from segdata.core.runs import Ints

NO_NUMBER = -1


@dataclass(frozen=True, slots=True)
class Numbering:
    """One way to say which instance of which label a pixel belongs to.

    Attributes
    ----------
    divisor : value = label id * divisor + number
    first : the number of the first instance; lower ones number nothing
    plain : a value below the divisor is a label id, without a number
    what : who counts so, for messages
    """

    divisor: int
    first: int
    plain: bool
    what: str

    def split(self, values: Ints) -> tuple[Ints, Ints]:
        """(n,) the label id and the number of each value; `NO_NUMBER` where it has none."""
        alone = self.plain & (values < self.divisor)
        label, number = np.divmod(values, self.divisor)
        return np.where(alone, values, label), np.where(alone | (number < self.first), NO_NUMBER, number)

    def region(self, labels: Ints) -> Ints:
        """(n,) the value of pixels that have a label and no number."""
        return labels if self.plain else labels * self.divisor

    def values(self, labels: Ints, numbered: Ints, ids: Ints) -> Ints:
        """(n,) the value of each segment of one image.

        Parameters
        ----------
        labels : (n,) label ids
        numbered : (n,) 1: it is an instance, 0: a region, -1: it may be either
        ids : (n,) segment ids; one that is such a value already, and of nobody else, is kept

        Raises SegdataError where there are more instances of a label than numbers.
        """
        label, number = self.split(ids)
        has_number = number != NO_NUMBER
        _, same, count = np.unique(ids, return_inverse=True, return_counts=True)
        own = (label == labels) & (count[same.reshape(-1)] == 1) & (numbered != np.where(has_number, 0, 1))
        own &= has_number | (ids == self.region(labels))
        values = np.where(own, ids, self.region(labels))
        wanting = (numbered == 1) & ~own
        for each in np.unique(labels[wanting]).tolist():
            rows = np.flatnonzero(wanting & (labels == each))
            values[rows] = self._free(each, values[own & has_number & (labels == each)], len(rows))
        return values

    def _free(self, label: int, taken: Ints, count: int) -> Ints:
        """(count,) values of a label that are not taken, the lowest first."""
        every = label * self.divisor + np.arange(self.first, self.divisor, dtype=np.int64)
        free = np.setdiff1d(every, taken)
        if len(free) < count:
            n_wanted = count + len(taken)
            raise SegdataError(
                f"{n_wanted:,} instances of label {label}: {self.what} counts {self.first} to {self.divisor - 1}, "
                f"and the next value would be another label's ({label * self.divisor + self.divisor})"
            )
        return free[:count]


CITYSCAPES = Numbering(1000, first=0, plain=True, what="Cityscapes")
KITTI = Numbering(256, first=1, plain=False, what="KITTI")
VISTAS = Numbering(256, first=0, plain=False, what="Mapillary Vistas")
