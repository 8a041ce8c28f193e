"""Per image: how much annotators agree on each image, and on which of its categories least."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.summary.estimates import Amounts
from segdata.agreement.summary.summary import between_persons
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WorstImage:
    """An image, or volume, on which annotators agree little.

    Attributes
    ----------
    case : its row
    name : its image_id, or the name of the volume
    value : the mean IoU over its categories and pairs of annotators
    category : the one that lowers it most, by name
    low : the mean IoU of that category
    a, b : the two who agree least on that category: positions of annotators
    between : their IoU
    n_categories : how many categories the image has
    """

    case: int
    name: str
    value: float
    category: str
    low: float
    a: int
    b: int
    between: float
    n_categories: int


@dataclass(frozen=True)
class PerImage:
    """The IoU of every pair of annotations by different persons, category by category.

    Attributes
    ----------
    opposed : what it is of
    case, a, b : (n,) rows of the cases, positions of the annotators
    iou : (n, n_categories) NaN where neither drew it
    """

    opposed: AnnotatorPairs
    case: Ints
    a: Ints
    b: Ints
    iou: Floats

    @staticmethod
    def of(opposed: AnnotatorPairs) -> "PerImage":
        """That of a panel."""
        amounts = Amounts.of(opposed)
        rows = between_persons(amounts)
        total, n = (_plain(amounts.sums.amounts[name])[rows] for name in ("iou", "n_iou"))
        iou = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
        return PerImage(opposed, amounts.case[rows], amounts.a[rows], amounts.b[rows], iou)

    @property
    def of_pairs(self) -> Floats:
        """(n,) the mean over categories; NaN where neither drew anything."""
        return _mean(self.iou)

    def of_annotator(self, annotator: int) -> Floats:
        """The mean IoU of an annotator with the others, one value for each case where it is defined."""
        rows = (self.a == annotator) | (self.b == annotator)
        return _by_case(self.case[rows], self.of_pairs[rows])[1]

    @property
    def of_cases(self) -> tuple[Ints, Floats]:
        """The cases with a value, and the mean over pairs of each."""
        return _by_case(self.case, self.of_pairs)

    def worst(self, most: int) -> list[WorstImage]:
        """The cases with the least agreement, the worst first."""
        cases, values = self.of_cases
        return [
            self._told(int(cases[at]), float(values[at])) for at in np.argsort(values, kind="stable")[:most].tolist()
        ]

    def _told(self, case: int, value: float) -> WorstImage:
        rows = np.flatnonzero(self.case == case)
        of_category = _mean(self.iou[rows].T)
        category = int(np.nanargmin(of_category))
        pair = rows[int(np.nanargmin(self.iou[rows, category]))]
        return WorstImage(
            case,
            str(self.opposed.cases["name"][case]),
            value,
            self.opposed.categories[category].name,
            float(of_category[category]),
            int(self.a[pair]),
            int(self.b[pair]),
            float(self.iou[pair, category]),
            int(np.isfinite(of_category).sum()),
        )


def _by_case(case: Ints, value: Floats) -> tuple[Ints, Floats]:
    known = np.isfinite(value)
    cases, which = np.unique(case[known], return_inverse=True)
    which = which.reshape(-1)
    return cases, np.asarray(np.bincount(which, value[known], len(cases)) / np.bincount(which, minlength=len(cases)))


def _mean(values: Floats) -> Floats:
    """(n,) of (n, k), NaN left out; NaN where nothing is known."""
    known = np.isfinite(values)
    n = known.sum(axis=1)
    total = np.where(known, values, 0).sum(axis=1)
    return np.asarray(np.divide(total, n, out=np.full(len(values), np.nan), where=n > 0))


def _plain(matrix: object) -> Floats:
    """A matrix, sparse or not, as an array."""
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
