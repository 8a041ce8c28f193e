"""Image agreement: the score of each image, and the images on which annotators agree least."""

from dataclasses import dataclass

import numpy as np

from segdata.agreement.estimates import PairAmounts, between_persons, category_values
from segdata.agreement.scores import Leading, leading_score, weighted_mean
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Floats, Ints


@dataclass(frozen=True, slots=True)
class WorstImage:
    """An image, or volume, on which annotators agree little."""

    case: int  # its row
    name: str  # its image_id, or the name of the volume
    value: float  # the mean score (IoU or PQ) over its categories and pairs of annotators
    category: str  # the one that lowers it most, by name
    low: float  # the mean score of that category
    a: int  # position of an annotator of the two who agree least on that category
    b: int  # position of the other one
    between: float  # their score
    n_categories: int  # how many categories the image has


@dataclass(frozen=True)
class ImageAgreement:
    """The score of every pair of annotations by different persons, category by category.

    `comparison`: of the panel; `score`: IoU, or PQ if nearly all segments are things; `case`, `a`, `b`: (n,)
    rows of the cases, positions of the annotators; `values`: (n, n_categories), NaN for categories that neither drew.
    """

    comparison: AnnotatorPairs
    score: Leading
    case: Ints
    a: Ints
    b: Ints
    values: Floats

    @staticmethod
    def from_pairs(comparison: AnnotatorPairs, gold: int | None = None) -> "ImageAgreement":
        """The image scores of a panel; with a reference (position), only those of its pairs."""
        amounts, score = PairAmounts.from_pairs(comparison), leading_score(comparison)
        rows = between_persons(amounts)
        if gold is not None:
            rows = rows[(amounts.a[rows] == gold) | (amounts.b[rows] == gold)]
        values = category_values(amounts, rows, score)
        return ImageAgreement(comparison, score, amounts.case[rows], amounts.a[rows], amounts.b[rows], values)

    @property
    def of_pairs(self) -> Floats:
        """(n,) the mean over categories; NaN if neither drew anything."""
        return weighted_mean(self.values)

    def of_annotator(self, annotator: int) -> Floats:
        """(m,) the mean score of an annotator with the others, for each case where it is defined."""
        rows = (self.a == annotator) | (self.b == annotator)
        return _by_case(self.case[rows], self.of_pairs[rows])[1]

    @property
    def of_cases(self) -> tuple[Ints, Floats]:
        """The cases with a value, and the mean over the pairs of each."""
        return _by_case(self.case, self.of_pairs)

    def worst(self, most: int) -> list[WorstImage]:
        """The cases with the least agreement, the worst first; none on which all agree in full."""
        cases, values = self.of_cases
        return [
            self._worst_image(int(cases[row]), float(values[row]))
            for row in np.argsort(values, kind="stable")[:most].tolist()
            if values[row] < 1
        ]

    def _worst_image(self, case: int, value: float) -> WorstImage:
        rows = np.flatnonzero(self.case == case)
        of_category = weighted_mean(self.values[rows].T)
        category = int(np.nanargmin(of_category))
        pair = rows[int(np.nanargmin(self.values[rows, category]))]
        return WorstImage(
            case=case,
            name=str(self.comparison.cases["name"][case]),
            value=value,
            category=self.comparison.categories[category].name,
            low=float(of_category[category]),
            a=int(self.a[pair]),
            b=int(self.b[pair]),
            between=float(self.values[pair, category]),
            n_categories=int(np.isfinite(of_category).sum()),
        )


def _by_case(case: Ints, value: Floats) -> tuple[Ints, Floats]:
    is_finite = np.isfinite(value)
    cases, inverse = np.unique(case[is_finite], return_inverse=True)
    return cases, np.asarray(
        np.bincount(inverse, value[is_finite], len(cases)) / np.bincount(inverse, minlength=len(cases))
    )
