"""Sums: what pairs of annotations have in common, as amounts that add up, so that they can be weighted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from segdata.agreement.metrics.boundary_iou import boundary_iou
from segdata.agreement.metrics.dice import dice
from segdata.agreement.metrics.iou import iou
from segdata.agreement.metrics.surface_dice import surface_dice
from segdata.agreement.metrics.surface_distance import symmetric_surface_distance
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.bootstrap import Floats
from segdata.core.runs import Ints
from segdata.core.table import Column, Table

Matrix = Any  # Any: csr_array, scipy has no types; or NDArray where that is faster
Flags = NDArray[np.bool_]
_MATCHED = 0.5  # IoU above which two segments of one category are one, as panopticapi has it
_DENSE = 0.02  # the share of cells with an amount from which a plain array is faster


@dataclass(frozen=True)
class Sums:
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

    def grouped(self, unit: Ints, n: int) -> "Sums":
        """The sums of the units with the same number (n_units,) in 0..n - 1; those below 0 are left out."""
        kept = np.flatnonzero(unit >= 0)
        gather = csr_array((np.ones(len(kept)), (unit[kept], kept)), shape=(n, self.n))
        return Sums(n, {name: _fast(gather @ each) for name, each in self.amounts.items()}, self.cells)

    def weighed(self, weights: Floats) -> dict[str, Floats]:
        """(B, k) every amount summed over the units with weights (B, n)."""
        turned = np.ascontiguousarray(weights.T)  # once: scipy would copy the weights for every product
        return {
            name: weights @ each if isinstance(each, np.ndarray) else np.ascontiguousarray((each.T @ turned).T)
            for name, each in self.amounts.items()
        }


def sums_of_pairs(opposed: AnnotatorPairs) -> Sums:
    """The amounts of each row of `opposed.pairs`.

    Of what is a mean over images, ``iou`` has the values of single images, and ``n_iou`` 1 where there is one; so for
    dice, boundary_iou, nsd, hd95, assd, offset, offset_size, count_difference and count_gap. Others are what ratios
    are made of: both, area_a, area_b, cells (pixels), tp, fp, fn, iou_sum (segments), n_segments (1: some).
    """
    shape = len(opposed.pairs), len(opposed.categories)
    lay = _Layer(*shape)
    amounts = {"images": csr_array(np.ones((shape[0], 1)))}
    amounts |= _of_pixels(opposed.overlaps, lay) | _of_segments(opposed, lay) | _of_surfaces(opposed, lay)
    code = (column(opposed.cells, "category_a") + 1) * (shape[1] + 1) + column(opposed.cells, "category_b") + 1
    found, which = np.unique(code, return_inverse=True)
    pixels = column(opposed.cells, "pixels").astype(np.float64)
    amounts["cells"] = csr_array(
        (pixels, (column(opposed.cells, "pair"), which.reshape(-1))), shape=(shape[0], len(found))
    )
    cells = np.stack([found // (shape[1] + 1) - 1, found % (shape[1] + 1) - 1]).astype(np.int64)
    return Sums(shape[0], amounts, cells)


def column(table: Table, name: str) -> Column:
    """A column of a table, which has none at all where nobody could be compared."""
    return table[name] if name in table.names else np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class _Layer:
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


def _of_pixels(overlaps: Table, lay: _Layer) -> dict[str, Matrix]:
    """IoU and Dice of each image, and their pixels."""
    row, category = column(overlaps, "pair"), column(overlaps, "category")
    both, area_a, area_b = (column(overlaps, name).astype(np.float64) for name in ("both", "area_a", "area_b"))
    found = lay.mean("iou", row, category, iou(both, area_a, area_b))
    found |= lay.mean("dice", row, category, dice(both, area_a, area_b))
    pixels = {"both": both, "area_a": area_a, "area_b": area_b}
    return found | {name: lay.total(row, category, each) for name, each in pixels.items()}


def _of_segments(opposed: AnnotatorPairs, lay: _Layer) -> dict[str, Matrix]:
    """Matched and unmatched segments, and how many each has."""
    matches = opposed.matches
    row, fit = column(matches, "pair"), column(matches, "iou").astype(np.float64)
    of_a, of_b = column(matches, "category_a"), column(matches, "category_b")
    both = (of_a == of_b) & (np.nan_to_num(fit) > _MATCHED)
    alone = ~both & ~column(matches, "ignored").astype(bool)
    only_a, only_b = alone & (of_a >= 0), alone & (of_b >= 0)
    rows = {"tp": (both, of_a), "fn": (only_a, of_a), "fp": (only_b, of_b)}
    found = {name: lay.total(row[some], of[some], np.ones(int(some.sum()))) for name, (some, of) in rows.items()}
    found["iou_sum"] = lay.total(row[both], of_a[both], fit[both])
    found["n_segments"] = ((found["tp"] + found["fn"] + found["fp"]) > 0).astype(np.float64)
    return found | _of_counts(row, (both | only_a, of_a), (both | only_b, of_b), opposed.countable, lay)


def _of_counts(
    row: Ints, of_a: tuple[Flags, Ints], of_b: tuple[Flags, Ints], countable: Flags, lay: _Layer
) -> dict[str, Matrix]:
    """By how many B counts more things of a category than A, where either has one."""
    chosen = np.append(countable, False)  # -1 is no category
    codes = [(row * lay.k + category)[some & chosen[category]] for some, category in (of_a, of_b)]
    cell, which = np.unique(np.concatenate(codes), return_inverse=True)
    signed = np.repeat([-1.0, 1.0], [len(each) for each in codes])
    difference: Floats = np.bincount(which.reshape(-1), signed, len(cell)).astype(np.float64)
    at = np.divmod(cell, max(lay.k, 1))
    return lay.mean("count_difference", *at, difference) | lay.mean("count_gap", *at, np.abs(difference))


def _of_surfaces(opposed: AnnotatorPairs, lay: _Layer) -> dict[str, Matrix]:
    """How near boundaries are.

    Distances are of matched segments where these are counted one by one, so that a segment that is missed does not put
    boundaries far apart; else of all of the category.
    """
    surfaces = opposed.surfaces
    row, category, match = (column(surfaces, name) for name in ("pair", "category", "match"))
    numbers = ("edge_a", "edge_b", "near_a", "near_b", "band_both", "band_any", "sum_a", "sum_b", "hd95", "offset")
    of = {name: column(surfaces, name).astype(np.float64) for name in numbers}
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


def _fast(matrix: Matrix) -> Matrix:
    """As a plain array where few cells are empty."""
    cells = matrix.shape[0] * matrix.shape[1]
    return matrix.toarray() if cells and matrix.nnz >= _DENSE * cells else matrix
