"""Overlap of regions, IoU and Dice; and of partitions: covering, adjusted Rand index, variation of information."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from segdata.agreement.plugin import metric
from segdata.core.runs import Floats

_ROUNDING = 1e-12  # of all pairs of pixels: what is less is rounding


@metric(
    "iou_micro",
    takes=("both", "area_a", "area_b"),
    higher_is_better=True,
    source="Jaccard (1912), New Phytologist 11(2), 37-50",
)
def iou(both: ArrayLike, area_a: ArrayLike, area_b: ArrayLike) -> Floats:
    """Intersection over union, in [0, 1], of two annotators' pixels of a category or a segment.

    Takes the pixels that both, A and B have (...), of one image or summed over many. Swapping A and B changes nothing.
    NaN where neither has a pixel: two who rightly see nothing do not agree more than those who see something.

    >>> iou([2, 0, 0], [3, 4, 0], [3, 0, 0]).tolist()
    [0.5, 0.0, nan]
    """
    shared, a, b = (np.asarray(amount, float) for amount in (both, area_a, area_b))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(shared / (a + b - shared))


@metric(
    "dice_micro",
    takes=("both", "area_a", "area_b"),
    higher_is_better=True,
    source="Dice (1945), Ecology 26(3), 297-302",
)
def dice(both: ArrayLike, area_a: ArrayLike, area_b: ArrayLike) -> Floats:
    """The Dice coefficient, in [0, 1], of two annotators' pixels of a category or a segment.

    Takes the pixels that both, A and B have (...), of one image or summed over many. It is 2 IoU / (1 + IoU), and the
    chance that B gives a pixel the category if A does, averaged with the reverse. Swapping A and B changes nothing.
    NaN where neither has a pixel.

    >>> dice([3, 0, 0], [4, 4, 0], [4, 0, 0]).tolist()
    [0.75, 0.0, nan]
    """
    shared, a, b = (np.asarray(amount, float) for amount in (both, area_a, area_b))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * shared / (a + b))


def segmentation_covering(covered_a: ArrayLike, area_a: ArrayLike, covered_b: ArrayLike, area_b: ArrayLike) -> Floats:
    """The mean of both directions (...) of the covering of one annotator's segments by the other's, in [0, 1].

    The covering of A by B is the mean, over A's segments R weighted by their pixels, of the largest IoU of R with a
    segment of B. Takes sum |R| max IoU and sum |R| of either annotator, (...) each; pixels that no segment has are no
    segment. Swapping A and B changes nothing. 0 where one of the two has no segment, NaN where neither has one.
    Source: Arbelaez, Maire, Fowlkes, Malik (2011), Contour Detection and Hierarchical Image Segmentation, IEEE TPAMI
    33(5), section 3.1.2, which has one direction.

    >>> segmentation_covering([3.0, 0.0, 0.0], [4, 5, 0], [2.0, 0.0, 0.0], [4, 0, 0]).tolist()
    [0.625, 0.0, nan]
    """
    a, b = (
        np.asarray(covered, float) / np.maximum(area, 1) for covered, area in ((covered_a, area_a), (covered_b, area_b))
    )
    defined = np.asarray(area_a, float) + np.asarray(area_b, float) > 0
    return np.where(defined, (a + b) / 2, np.nan)


def adjusted_rand(squares_both: ArrayLike, squares_a: ArrayLike, squares_b: ArrayLike, pixels: ArrayLike) -> Floats:
    """The adjusted Rand index (...) of two partitions of the same pixels, at most 1; 0 is what chance gives.

    Takes the sums of the squares of the pixels that a segment of A and one of B share, of A's segments and of B's
    segments, and how many pixels there are, (...) each. What no segment has is one more segment of that annotator.
    Swapping A and B, and numbering segments anew, changes nothing. NaN where both have all pixels in one segment, or
    each pixel in its own: there is nothing to tell.
    Source: Hubert and Arabie (1985), Comparing partitions, Journal of Classification 2, 193-218.

    >>> adjusted_rand([4 + 1 + 1], [4 + 4], [9 + 1], [4]).round(6).tolist()
    [0.0]
    >>> adjusted_rand([8, 16, 4], [8, 16, 8], [8, 16, 4], [4, 4, 4]).tolist()
    [1.0, nan, 0.0]
    """
    both, a, b, n = (np.asarray(amount, float) for amount in (squares_both, squares_a, squares_b, pixels))
    together, of_a, of_b, total = ((amount - n) / 2 for amount in (both, a, b, n * n))
    with np.errstate(divide="ignore", invalid="ignore"):
        by_chance = of_a * of_b / total
        most = (of_a + of_b) / 2
        return np.where(most - by_chance > _ROUNDING * total, (together - by_chance) / (most - by_chance), np.nan)


class VariationOfInformation(NamedTuple):
    """Bits (...): `split`, of B's segment where A's is known; `merge`, of A's where B's is known; `total`, both."""

    split: Floats
    merge: Floats
    total: Floats


def variation_of_information(
    logs_both: ArrayLike, logs_a: ArrayLike, logs_b: ArrayLike, pixels: ArrayLike
) -> VariationOfInformation:
    """The conditional entropies of two partitions of the same pixels, and their sum; 0 where they are the same.

    Takes the sums of n log2 n, of the pixels n that a segment of A and one of B share, of A's segments and of B's
    segments, and how many pixels there are, (...) each. What no segment has is one more segment of that annotator.
    Swapping A and B swaps split and merge. NaN without pixels.
    Source: Meila (2007), Comparing clusterings: an information based distance, Journal of Multivariate Analysis 98(5),
    873-895; split and merge as in Nunez-Iglesias et al. (2013), PLOS ONE 8(8), e71715.

    >>> [float(bits) for bits in variation_of_information(0.0, 2.0, 0.0, 2)]
    [1.0, 0.0, 1.0]
    """
    both, a, b, n = (np.asarray(amount, float) for amount in (logs_both, logs_a, logs_b, pixels))
    with np.errstate(divide="ignore", invalid="ignore"):
        split, merge = ((np.maximum(marginal - both, 0)) / n for marginal in (a, b))
    return VariationOfInformation(split, merge, split + merge)
