"""Scores: the metrics of agreement from sums that add up, so that images and clusters can be weighted.

IoU, Dice and the scores of boundaries and counts are means over images, then over categories, so that neither a large
image nor a frequent category decides. Panoptic quality pools all images, as panopticapi does, then takes the mean over
categories. Kappa and accuracy pool all pixels; for these unlabelled is a label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from segdata.agreement.metrics.accuracy import accuracy
from segdata.agreement.metrics.boundary_iou import boundary_iou
from segdata.agreement.metrics.cohen_kappa import category_kappa, cohen_kappa
from segdata.agreement.metrics.detection import detection_scores
from segdata.agreement.metrics.dice import dice
from segdata.agreement.metrics.iou import iou
from segdata.agreement.metrics.marginals import marginals
from segdata.agreement.metrics.panoptic_quality import panoptic_quality
from segdata.agreement.metrics.prevalence import prevalence
from segdata.agreement.metrics.surface_dice import surface_dice
from segdata.agreement.metrics.surface_distance import symmetric_surface_distance
from segdata.agreement.plugin import find_metric
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.resampling import Floats
from segdata.core.runs import Ints
from segdata.core.table import Column, Table

IMAGE_MEANS = {
    "iou": "IoU: shared pixels over pixels of either; mean by image, then category",
    "dice": "Dice: twice the shared pixels over the pixels of both; mean by image, then category",
    "boundary_iou": "IoU of the bands inside the boundaries; mean by image, then category",
    "nsd": "normalised surface Dice: the share of the boundaries within the tolerance; mean by image, then category",
    "hd95": "95th percentile of the distances between boundaries, in px or mm; mean by image, then category",
    "assd": "average symmetric surface distance, in px or mm; mean by image, then category",
    "offset_size": "by how many px one draws larger than the other, whoever; mean by image, then category",
    "count_gap": "by how many segments the counts of things differ; mean by image, then category",
}
SIGNED_MEANS = {  # these say who, and nothing where it is not said who is A
    "offset": "by how many px B draws larger than A; mean by image, then category",
    "count_difference": "by how many segments B counts more things than A; mean by image, then category",
}
POOLED_RATIOS = {
    "iou_micro": "IoU of the pixels of all images; mean by category",
    "dice_micro": "Dice of the pixels of all images; mean by category",
    "pq": "panoptic quality of all images; mean by category",
    "sq": "segmentation quality of all images: the mean IoU of matched segments; mean by category",
    "rq": "recognition quality of all images: F1 of segments; mean by category",
    "f1": "F1 of things matched with an IoU above 0.5, of all images and categories",
    "kappa": "Cohen's kappa of all pixels, unlabelled is a label; of a category: against the rest",
}
PREVALENCE = {
    "prevalence": "the share of all pixels that an annotator gives the category; where it is near 0 or 1, kappa "
    "is low for as many differing pixels",
}
PIXEL_SCORES = {"accuracy": "the share of pixels to which both give the same category, or none"}
RELIABILITY = {
    "fleiss_kappa": "Fleiss' kappa of all annotators' pixels; undefined where their number varies",
    "alpha": "Krippendorff's alpha, nominal, of all annotators' pixels, unlabelled is a label",
    "instance_alpha": "Krippendorff's alpha, nominal, of what annotators call a thing, or that there is none",
}
CATEGORY_SCORES = {**IMAGE_MEANS, **POOLED_RATIOS, **PREVALENCE}
PAIR_SCORES = {**IMAGE_MEANS, **POOLED_RATIOS, **PIXEL_SCORES, **SIGNED_MEANS}
STRATUM_SCORES = {**IMAGE_MEANS, **POOLED_RATIOS, **PIXEL_SCORES}
OVERALL_SCORES = {**IMAGE_MEANS, **POOLED_RATIOS, **PIXEL_SCORES, **RELIABILITY}


Matrix = Any  # Any: csr_array, scipy has no types; or NDArray where that is faster
Flags = NDArray[np.bool_]
_MATCHED = 0.5  # IoU above which two segments of one category are one, as panopticapi has it
_DENSE = 0.02  # the share of cells with an amount from which a plain array is faster


@dataclass(frozen=True)
class AdditiveSums:
    """Amounts of n units: pairs of annotations, or the clusters that their images belong to.

    Attributes
    ----------
    n : how many units
    amounts : (n, k) each; k is the number of categories, of `cells`, or 1
    cells : (2, n_cells) category of A and of B, -1 for none, of the columns of the amount "cells"
    """

    n: int
    amounts: Mapping[str, Matrix]
    cells: Ints

    @property
    def width(self) -> int:
        """How many numbers a weighted sum has."""
        return sum(each.shape[1] for each in self.amounts.values())

    def grouped(self, unit: Ints, n: int) -> "AdditiveSums":
        """The sums of the units with the same number (n_units,) in 0..n - 1; those below 0 are left out."""
        kept = np.flatnonzero(unit >= 0)
        gather = csr_array((np.ones(len(kept)), (unit[kept], kept)), shape=(n, self.n))
        return AdditiveSums(n, {name: _dense_if_full(gather @ each) for name, each in self.amounts.items()}, self.cells)

    def weighed(self, weights: Floats) -> dict[str, Floats]:
        """(B, k) every amount summed over the units with weights (B, n)."""
        turned = np.ascontiguousarray(weights.T)  # once: scipy would copy the weights for every product
        return {
            name: weights @ each if isinstance(each, np.ndarray) else np.ascontiguousarray((each.T @ turned).T)
            for name, each in self.amounts.items()
        }


def sum_pairs(opposed: AnnotatorPairs) -> AdditiveSums:
    """The amounts of each row of `opposed.pairs`.

    Of what is a mean over images, ``iou`` has the values of single images, and ``n_iou`` 1 where there is one; so for
    dice, boundary_iou, nsd, hd95, assd, offset, offset_size, count_difference and count_gap. Others are what ratios
    are made of: both, area_a, area_b, cells (pixels), tp, fp, fn, iou_sum (segments), n_segments (1: some).
    """
    shape = len(opposed.pairs), len(opposed.categories)
    lay = _SumLayout(*shape)
    amounts = {"images": csr_array(np.ones((shape[0], 1)))}
    amounts |= _pixel_sums(opposed.overlaps, lay) | _segment_sums(opposed, lay) | _surface_sums(opposed, lay)
    code = (column_of(opposed.cells, "category_a") + 1) * (shape[1] + 1) + column_of(opposed.cells, "category_b") + 1
    found, which = np.unique(code, return_inverse=True)
    pixels = column_of(opposed.cells, "pixels").astype(np.float64)
    amounts["cells"] = csr_array(
        (pixels, (column_of(opposed.cells, "pair"), which.reshape(-1))), shape=(shape[0], len(found))
    )
    cells = np.stack([found // (shape[1] + 1) - 1, found % (shape[1] + 1) - 1]).astype(np.int64)
    return AdditiveSums(shape[0], amounts, cells)


def column_of(table: Table, name: str) -> Column:
    """A column of a table, which has none at all where nobody could be compared."""
    return table[name] if name in table.names else np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class _SumLayout:
    """Lays columns out as (n_pairs, n_categories)."""

    n: int
    k: int

    def total(self, row: Ints, category: Ints, amount: Column) -> Matrix:
        """The sums of the amounts (m,) of each row and category."""
        return csr_array((np.asarray(amount, np.float64), (row, category)), shape=(self.n, self.k))

    def mean(self, name: str, row: Ints, category: Ints, value: Floats) -> dict[str, Matrix]:
        """The mean of the values (m,) of each row and category, NaN left out, and where there is one."""
        known = np.isfinite(value)
        cell, which = np.unique(row[known] * self.k + category[known], return_inverse=True)
        which = which.reshape(-1)
        mean = np.bincount(which, weights=value[known], minlength=len(cell)) / np.maximum(np.bincount(which), 1)
        at = np.divmod(cell, max(self.k, 1))
        return {name: self.total(*at, mean), f"n_{name}": self.total(*at, np.ones(len(cell)))}


def _pixel_sums(overlaps: Table, lay: _SumLayout) -> dict[str, Matrix]:
    """IoU and Dice of each image, and their pixels."""
    row, category = column_of(overlaps, "pair"), column_of(overlaps, "category")
    both, area_a, area_b = (column_of(overlaps, name).astype(np.float64) for name in ("both", "area_a", "area_b"))
    found = lay.mean("iou", row, category, iou(both, area_a, area_b))
    found |= lay.mean("dice", row, category, dice(both, area_a, area_b))
    pixels = {"both": both, "area_a": area_a, "area_b": area_b}
    return found | {name: lay.total(row, category, each) for name, each in pixels.items()}


def _segment_sums(opposed: AnnotatorPairs, lay: _SumLayout) -> dict[str, Matrix]:
    """Matched and unmatched segments, and how many each has."""
    matches = opposed.matches
    row, fit = column_of(matches, "pair"), column_of(matches, "iou").astype(np.float64)
    of_a, of_b = column_of(matches, "category_a"), column_of(matches, "category_b")
    both = (of_a == of_b) & (np.nan_to_num(fit) > _MATCHED)
    alone = ~both & ~column_of(matches, "ignored").astype(bool)
    only_a, only_b = alone & (of_a >= 0), alone & (of_b >= 0)
    rows = {"tp": (both, of_a), "fn": (only_a, of_a), "fp": (only_b, of_b)}
    found = {name: lay.total(row[some], of[some], np.ones(int(some.sum()))) for name, (some, of) in rows.items()}
    found["iou_sum"] = lay.total(row[both], of_a[both], fit[both])
    found["n_segments"] = ((found["tp"] + found["fn"] + found["fp"]) > 0).astype(np.float64)
    return found | _count_sums(row, (both | only_a, of_a), (both | only_b, of_b), opposed.countable, lay)


def _count_sums(
    row: Ints, of_a: tuple[Flags, Ints], of_b: tuple[Flags, Ints], countable: Flags, lay: _SumLayout
) -> dict[str, Matrix]:
    """By how many B counts more things of a category than A, where either has one."""
    chosen = np.append(countable, False)  # -1 is no category
    codes = [(row * lay.k + category)[some & chosen[category]] for some, category in (of_a, of_b)]
    cell, which = np.unique(np.concatenate(codes), return_inverse=True)
    signed = np.repeat([-1.0, 1.0], [len(each) for each in codes])
    difference: Floats = np.bincount(which.reshape(-1), signed, len(cell)).astype(np.float64)
    at = np.divmod(cell, max(lay.k, 1))
    return lay.mean("count_difference", *at, difference) | lay.mean("count_gap", *at, np.abs(difference))


def _surface_sums(opposed: AnnotatorPairs, lay: _SumLayout) -> dict[str, Matrix]:
    """How near boundaries are.

    Distances are of matched segments where these are counted one by one, so that a segment that is missed does not put
    boundaries far apart; else of all of the category.
    """
    surfaces = opposed.surfaces
    row, category, match = (column_of(surfaces, name) for name in ("pair", "category", "match"))
    numbers = ("edge_a", "edge_b", "near_a", "near_b", "band_both", "band_any", "sum_a", "sum_b", "hd95", "offset")
    of = {name: column_of(surfaces, name).astype(np.float64) for name in numbers}
    whole = match < 0
    single = whole != np.append(opposed.countable, False)[category]
    values = {
        "boundary_iou": (whole, boundary_iou(of["band_both"], of["band_any"])),
        "nsd": (whole, surface_dice(of["near_a"], of["near_b"], of["edge_a"], of["edge_b"])),
        "hd95": (single, of["hd95"]),
        "assd": (single, symmetric_surface_distance(of["sum_a"], of["sum_b"], of["edge_a"], of["edge_b"])),
        "offset": (single, of["offset"]),
    }
    found: dict[str, Matrix] = {}
    for name, (some, value) in values.items():
        found |= lay.mean(name, row[some], category[some], value[some])
    return found | {"offset_size": abs(found["offset"]), "n_offset_size": found["n_offset"]}


def _dense_if_full(matrix: Matrix) -> Matrix:
    """As a plain array where few cells are empty."""
    cells = matrix.shape[0] * matrix.shape[1]
    return matrix.toarray() if cells and matrix.nnz >= _DENSE * cells else matrix


@dataclass(frozen=True, slots=True)
class WeightedSums:
    """The amounts of one group of pairs in B resamples.

    Attributes
    ----------
    amounts : (B, k) each, see `segdata.agreement.scores.AdditiveSums`
    cells : (2, n_cells) category of A and of B, -1 for none, of the columns of the amount "cells"
    countable : (n_categories,) whose segments are counted one by one
    """

    amounts: Mapping[str, Floats]
    cells: Ints
    countable: "np.ndarray[tuple[int], np.dtype[np.bool_]]"


def values_by_category(name: str, weighed: WeightedSums) -> Floats:
    """(B, n_categories) a score of `CATEGORY_SCORES` or `SIGNED_MEANS`, or a plugin's metric; NaN where undefined."""
    of = weighed.amounts
    if name in IMAGE_MEANS or name in SIGNED_MEANS:
        n = of[f"n_{name}"]
        return np.asarray(np.divide(of[name], n, out=np.full(n.shape, np.nan), where=n > 0))
    if name == "kappa":
        return _category_kappas(weighed)
    if name in ("iou_micro", "dice_micro"):
        return (iou if name == "iou_micro" else dice)(of["both"], of["area_a"], of["area_b"])
    if name == "prevalence":
        return prevalence(of["area_a"], of["area_b"], of["cells"].sum(axis=1, keepdims=True))
    if name == "f1":
        return np.where(weighed.countable, detection_scores(of["tp"], of["fp"], of["fn"]).f1, np.nan)
    if name in ("pq", "sq", "rq"):
        return np.asarray(getattr(panoptic_quality(of["tp"], of["fp"], of["fn"], of["iou_sum"]), name))
    return find_metric(name).category_values({**of, "pixels": of["cells"].sum(axis=1, keepdims=True)})


def pair_value(name: str, weighed: WeightedSums) -> Floats:
    """(B,) a score of `PAIR_SCORES`, over all categories; NaN where undefined."""
    of = weighed.amounts
    if name == "kappa":
        return cohen_kappa(weighed.cells[0], weighed.cells[1], of["cells"])
    if name == "accuracy":
        return accuracy(weighed.cells[0], weighed.cells[1], of["cells"])
    if name == "f1":
        return detection_scores(*(of[each][:, weighed.countable].sum(axis=1) for each in ("tp", "fp", "fn"))).f1
    return weighted_mean(values_by_category(name, weighed))


def overall_value(name: str, together: WeightedSums, pairs: Sequence[WeightedSums]) -> Floats:
    """(B,) a score of `PAIR_SCORES` of all annotators; `together` has the sums of all `pairs`.

    Kappa and accuracy are means over pairs, each of which counts by its images: Light (1971), Psychological Bulletin
    76(5), 365-377. Else the pairs' images are as many images of one pair.
    """
    if name not in ("kappa", "accuracy"):
        return pair_value(name, together)
    return weighted_mean(np.stack([pair_value(name, each) for each in pairs], axis=1), _images_of_pairs(pairs))


def overall_category_values(name: str, together: WeightedSums, pairs: Sequence[WeightedSums]) -> Floats:
    """(B, n_categories) the same by category."""
    if name != "kappa":
        return values_by_category(name, together)
    values = np.stack([values_by_category(name, each) for each in pairs], axis=1)
    return weighted_mean(values, _images_of_pairs(pairs)[:, :, None])


def weighted_mean(values: Floats, weights: Floats | float = 1.0) -> Floats:
    """The mean of values (B, k, ...) over k, NaN left out; NaN where nothing has a weight."""
    known = np.isfinite(values)
    some = known * weights
    total = some.sum(axis=1)
    above = (np.where(known, values, 0.0) * some).sum(axis=1)
    return np.asarray(np.divide(above, total, out=np.full(total.shape, np.nan), where=total > 0))


def _images_of_pairs(pairs: Sequence[WeightedSums]) -> Floats:
    """(B, n_pairs) how many images each pair has."""
    return np.concatenate([each.amounts["images"] for each in pairs], axis=1)


def _category_kappas(weighed: WeightedSums) -> Floats:
    """(B, n_categories) each category's kappa against the rest."""
    pixels, (of_a, of_b) = weighed.amounts["cells"], weighed.cells
    every = np.arange(len(weighed.countable))
    same = of_a == of_b
    area_a, area_b, both = (
        marginals(of[some], pixels[:, some], np.arange(-1, len(every)))[:, 1:]
        for of, some in ((of_a, of_a >= -1), (of_b, of_b >= -1), (of_a, same))
    )
    return category_kappa(both, area_a, area_b, pixels.sum(axis=1, keepdims=True))
