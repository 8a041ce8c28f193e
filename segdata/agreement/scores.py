"""Scores: the metrics of agreement from sums that add up, so that images and clusters can be weighted.

IoU, Dice and the scores of boundaries and counts are means over images, then over categories, so that neither a large
image nor a frequent category decides. Panoptic quality pools all images, as panopticapi does, then takes the mean over
categories. Kappa and accuracy pool all pixels; for these unlabelled is a label.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from scipy.sparse import csr_array

from segdata.agreement.metrics.accuracy import accuracy
from segdata.agreement.metrics.adjusted_rand import adjusted_rand
from segdata.agreement.metrics.boundary_iou import boundary_iou
from segdata.agreement.metrics.cohen_kappa import category_kappa, cohen_kappa
from segdata.agreement.metrics.detection import detection_scores
from segdata.agreement.metrics.dice import dice
from segdata.agreement.metrics.iou import iou
from segdata.agreement.metrics.segmentation_covering import segmentation_covering
from segdata.agreement.metrics.surface_dice import surface_dice
from segdata.agreement.metrics.surface_distance import symmetric_surface_distance
from segdata.agreement.metrics.variation_of_information import variation_of_information
from segdata.agreement.plugin import find_metric
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import ratio
from segdata.core.table import Column, Table

IMAGE_MEANS = {
    "iou": "IoU: shared pixels over pixels of either; mean by image, then category",
    "dice": "Dice: twice the shared pixels over the pixels of both; mean by image, then category",
    "boundary_iou": "IoU of the bands inside the boundaries; mean by image, then category",
    "nsd": "normalised surface Dice: the share of the boundaries within the tolerance; mean by image, then category",
    "segment_nsd": "the share of the boundaries within the tolerance: of matched segments where these are counted one "
    "by one, else of all of the category; mean by image, then category",
    "hd95": "95th percentile of the distances between boundaries, in px or mm; mean by image, then category; a few "
    "images may decide it, so it has no interval",
    "assd": "average symmetric surface distance, in px or mm; mean by image, then category; a few images may decide "
    "it, so it has no interval",
    "offset_size": "by how many px either annotator draws larger; mean by image, then category",
    "count_gap": "by how many segments the counts of things differ; mean by image, then category",
    "covering": "segmentation covering: the IoU of each thing with the one of the other that fits it best, by pixels, "
    "both ways; mean by image, then category",
    "adjusted_rand": "adjusted Rand index of the division of pixels into things, with unlabelled pixels as one more; "
    "mean by image, then category",
    "variation_of_information": "variation of information of the division of pixels into things, in bits, with "
    "unlabelled pixels as one more; mean by image, then category",
}
SIGNED_MEANS = {  # their sign depends on the order of A and B
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
    "prevalence": "the share of all pixels that an annotator gives the category; near 0 or 1, few differing pixels "
    "make kappa low"
}
PIXEL_SCORES = {"accuracy": "the share of pixels to which both give the same category, or none"}
RELIABILITY = {
    "fleiss_kappa": "Fleiss' kappa of all annotators' pixels; undefined where their number varies",
    "alpha": "Krippendorff's alpha, nominal, of all annotators' pixels, unlabelled is a label",
    "instance_alpha": "Krippendorff's alpha, nominal, of what annotators call a thing, or that there is none",
}
CATEGORY_SCORES = {**IMAGE_MEANS, **POOLED_RATIOS, **PREVALENCE}
PAIR_SCORES = {**IMAGE_MEANS, **POOLED_RATIOS, **PIXEL_SCORES, **SIGNED_MEANS}
OVERALL_SCORES = {**IMAGE_MEANS, **POOLED_RATIOS, **PIXEL_SCORES, **RELIABILITY}

Leading = Literal["iou", "pq"]

_NULL: dict[str, Any] = {"nullable": True}  # Any: JSON; the schemas allow null for it
Count = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Number = Annotated[float, msgspec.Meta(extra_json_schema=_NULL)]
"""A number that may be undefined: NaN here, null in JSON."""
UndefinedShare = Annotated[float, msgspec.Meta(ge=0, le=1, extra_json_schema=_NULL)]


class Score(msgspec.Struct, frozen=True):
    """A score and the ends of its interval, null where undefined.

    The score is computed from `n` values, and `n_undefined` further ones are undefined: images for the score of a
    category, categories for other scores. For scores of all pixels (kappa, accuracy, alpha) or all things (F1) they are
    images. Images count once for each pair of annotators, if there are pairs.
    """

    value: Number
    low: Number
    high: Number
    n: Count
    n_undefined: Count

    @staticmethod
    def undefined(n: int = 0) -> "Score":
        """An undefined score of `n` values."""
        return Score(np.nan, np.nan, np.nan, n, 0)


def score_meaning(name: str) -> msgspec.Meta:
    """The description of a score in the JSON schema."""
    return msgspec.Meta(description=(OVERALL_SCORES | PAIR_SCORES | CATEGORY_SCORES)[name])


class PooledScores(msgspec.Struct, frozen=True, kw_only=True):
    """The scores that pairs, strata, categories and all annotators have.

    Results add their own fields as positional ones, which JSON has before the scores.
    """

    iou: Annotated[Score, score_meaning("iou")]
    dice: Annotated[Score, score_meaning("dice")]
    boundary_iou: Annotated[Score, score_meaning("boundary_iou")]
    nsd: Annotated[Score, score_meaning("nsd")]
    segment_nsd: Annotated[Score, score_meaning("segment_nsd")]
    hd95: Annotated[Score, score_meaning("hd95")]
    assd: Annotated[Score, score_meaning("assd")]
    offset_size: Annotated[Score, score_meaning("offset_size")]
    count_gap: Annotated[Score, score_meaning("count_gap")]
    covering: Annotated[Score, score_meaning("covering")]
    adjusted_rand: Annotated[Score, score_meaning("adjusted_rand")]
    variation_of_information: Annotated[Score, score_meaning("variation_of_information")]
    iou_micro: Annotated[Score, score_meaning("iou_micro")]
    dice_micro: Annotated[Score, score_meaning("dice_micro")]
    pq: Annotated[Score, score_meaning("pq")]
    sq: Annotated[Score, score_meaning("sq")]
    rq: Annotated[Score, score_meaning("rq")]
    f1: Annotated[Score, score_meaning("f1")]
    kappa: Annotated[Score, score_meaning("kappa")]

    @property
    def scores(self) -> Mapping[str, Score]:
        """The scores by name, in the order of JSON."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if isinstance(value, Score)}


class PooledScoresWithAccuracy(PooledScores, frozen=True, kw_only=True):
    """The pooled scores with the accuracy, which single categories do not have."""

    accuracy: Annotated[Score, score_meaning("accuracy")]


_PARTITION_COLUMNS = (
    *("pair", "category", "pixels", "squares_both", "squares_a", "squares_b"),
    *("logs_both", "logs_a", "logs_b", "covered_a", "covered_b", "area_a", "area_b"),
)
Matrix = Any  # Any: csr_array, scipy has no types; or NDArray where that is faster
_MATCH_IOU = 0.5  # above which two segments of one category match, as in panopticapi
_MIN_DENSE_SHARE = 0.02  # of cells with an amount, from which a dense array is faster


@dataclass(frozen=True)
class AdditiveSums:
    """Amounts of n units: pairs of annotations, or the clusters that their images belong to."""

    n: int  # how many units
    amounts: Mapping[str, Matrix]  # (n, k) each; k is the number of categories, of `cells`, or 1
    cells: Ints  # (2, n_cells) category of A and of B, -1 for none, of the columns of the amount "cells"

    @property
    def width(self) -> int:
        """The number of values in a weighted sum."""
        return sum(amount.shape[1] for amount in self.amounts.values())

    def group(self, unit: Ints, n: int) -> "AdditiveSums":
        """The sums of the units with the same number (n_units,) in 0..n - 1; those below 0 are left out."""
        kept = np.flatnonzero(unit >= 0)
        gather = csr_array((np.ones(len(kept)), (unit[kept], kept)), shape=(n, self.n))
        return AdditiveSums(
            n, {name: _dense_if_full(gather @ amount) for name, amount in self.amounts.items()}, self.cells
        )

    def only(self, names: Collection[str]) -> "AdditiveSums":
        """The sums with only some amounts."""
        return AdditiveSums(self.n, {name: self.amounts[name] for name in names}, self.cells)

    def weigh(self, weights: Floats) -> dict[str, Floats]:
        """(B, k) every amount summed over the units with weights (B, n)."""
        turned = np.ascontiguousarray(weights.T)  # once: scipy would copy the weights for every product
        return {
            name: weights @ amount if isinstance(amount, np.ndarray) else np.ascontiguousarray((amount.T @ turned).T)
            for name, amount in self.amounts.items()
        }


def sum_pairs(comparison: AnnotatorPairs) -> AdditiveSums:
    """The amounts of each row of `comparison.pairs`.

    For means over images (`IMAGE_MEANS`, `SIGNED_MEANS`), such as ``iou``, the amounts are the values of single images,
    and ``n_iou``, which is 1 for a defined value. The other amounts are terms of ratios: pixels (that count, of any
    category or none), both, area_a, area_b, cells (pixels), tp, fp, fn, iou_sum (segments), n_segments (1: some).
    """
    shape = len(comparison.pairs), len(comparison.categories)
    lay = _SumLayout(*shape)
    counted = column_of(comparison.pairs, "pixels") - column_of(comparison.pairs, "void")
    amounts = {"images": csr_array(np.ones((shape[0], 1))), "pixels": csr_array(counted[:, None].astype(np.float64))}
    amounts |= _pixel_sums(comparison.overlaps, lay) | _segment_sums(comparison, lay) | _surface_sums(comparison, lay)
    amounts |= _partition_sums(comparison.partitions, lay)
    code = (
        (column_of(comparison.cells, "category_a") + 1) * (shape[1] + 1) + column_of(comparison.cells, "category_b") + 1
    )
    codes, inverse = np.unique(code, return_inverse=True)
    pixels = column_of(comparison.cells, "pixels").astype(np.float64)
    amounts["cells"] = csr_array((pixels, (column_of(comparison.cells, "pair"), inverse)), shape=(shape[0], len(codes)))
    cells = np.stack([codes // (shape[1] + 1) - 1, codes % (shape[1] + 1) - 1]).astype(np.int64)
    return AdditiveSums(shape[0], amounts, cells)


def leading_score(comparison: AnnotatorPairs) -> Leading:
    """The leading score of a panel: ``pq`` if nearly all segments are things, else ``iou``.

    If all drawn categories but one at most (a background) are counted one by one, the map of categories does not show
    where one thing ends and the next one begins: two partitions of an image have an IoU of 1 whatever their segments.
    """
    drawn = np.zeros(len(comparison.categories) + 1, bool)
    for side in ("category_a", "category_b"):
        drawn[column_of(comparison.matches, side)] = True
    is_void = np.array([category.kind == "void" for category in comparison.categories], bool)
    compared = drawn[:-1] & ~is_void
    counted = compared & comparison.countable
    return "pq" if counted.any() and (compared & ~counted).sum() <= 1 else "iou"


def column_of(table: Table, name: str) -> Column:
    """A column of a table; empty if no annotators were compared, so that the table has no columns."""
    return table[name] if name in table.names else np.zeros(0, np.int64)


def table_of_lines(types: Mapping[str, type], lines: Sequence[tuple[object, ...]]) -> Table:
    """Convert lines, with values in the order of `types`, to columns of these types."""
    columns = zip(*lines, strict=True) if lines else [()] * len(types)
    return Table({name: np.array(column, types[name]) for name, column in zip(types, columns, strict=True)})


@dataclass(frozen=True, slots=True)
class _SumLayout:
    """Lays columns out as (n_pairs, n_categories)."""

    n: int
    k: int

    def total(self, row: Ints, category: Ints, amount: Column) -> Matrix:
        """The sums of the amounts (m,) of each row and category."""
        return csr_array((np.asarray(amount, np.float64), (row, category)), shape=(self.n, self.k))

    def mean(self, name: str, row: Ints, category: Ints, value: Floats) -> dict[str, Matrix]:
        """The mean of the values (m,) of each row and category, without NaN, and whether there is one."""
        defined = np.isfinite(value)
        cell, inverse = np.unique(row[defined] * self.k + category[defined], return_inverse=True)
        mean = np.bincount(inverse, weights=value[defined], minlength=len(cell)) / np.maximum(np.bincount(inverse), 1)
        position = np.divmod(cell, max(self.k, 1))
        return {name: self.total(*position, mean), f"n_{name}": self.total(*position, np.ones(len(cell)))}


def _pixel_sums(overlaps: Table, lay: _SumLayout) -> dict[str, Matrix]:
    """The amounts of IoU and Dice: their values for each image, and pixels."""
    row, category = column_of(overlaps, "pair"), column_of(overlaps, "category")
    both, area_a, area_b = (column_of(overlaps, name).astype(np.float64) for name in ("both", "area_a", "area_b"))
    sums = lay.mean("iou", row, category, iou(both, area_a, area_b))
    sums |= lay.mean("dice", row, category, dice(both, area_a, area_b))
    pixels = {"both": both, "area_a": area_a, "area_b": area_b}
    return sums | {name: lay.total(row, category, amount) for name, amount in pixels.items()}


def _segment_sums(comparison: AnnotatorPairs, lay: _SumLayout) -> dict[str, Matrix]:
    """The amounts of matched and unmatched segments, and of their counts."""
    matches = comparison.matches
    row, fit = column_of(matches, "pair"), column_of(matches, "iou").astype(np.float64)
    of_a, of_b = column_of(matches, "category_a"), column_of(matches, "category_b")
    both = (of_a == of_b) & (np.nan_to_num(fit) > _MATCH_IOU)
    alone = ~both & ~column_of(matches, "ignored").astype(bool)
    only_a, only_b = alone & (of_a >= 0), alone & (of_b >= 0)
    rows = {"tp": (both, of_a), "fn": (only_a, of_a), "fp": (only_b, of_b)}
    sums = {
        name: lay.total(row[rows_of], category[rows_of], np.ones(int(rows_of.sum())))
        for name, (rows_of, category) in rows.items()
    }
    sums["iou_sum"] = lay.total(row[both], of_a[both], fit[both])
    sums["n_segments"] = ((sums["tp"] + sums["fn"] + sums["fp"]) > 0).astype(np.float64)
    return sums | _count_sums(row, (both | only_a, of_a), (both | only_b, of_b), comparison.countable, lay)


def _count_sums(
    row: Ints, of_a: tuple[Flags, Ints], of_b: tuple[Flags, Ints], countable: Flags, lay: _SumLayout
) -> dict[str, Matrix]:
    """The amounts of the difference in counts of things, B minus A, if either has one."""
    is_countable = np.append(countable, False)  # -1 is no category
    codes = [(row * lay.k + category)[chosen_rows & is_countable[category]] for chosen_rows, category in (of_a, of_b)]
    cell, inverse = np.unique(np.concatenate(codes), return_inverse=True)
    signed = np.repeat([-1.0, 1.0], [len(side_codes) for side_codes in codes])
    difference: Floats = np.bincount(inverse, signed, len(cell)).astype(np.float64)
    position = np.divmod(cell, max(lay.k, 1))
    return lay.mean("count_difference", *position, difference) | lay.mean("count_gap", *position, np.abs(difference))


def _surface_sums(comparison: AnnotatorPairs, lay: _SumLayout) -> dict[str, Matrix]:
    """The amounts of distances between boundaries.

    Distances are of matched segments for things, so that a missed segment does not count as a distant boundary; else of
    all of the category.
    """
    surfaces = comparison.surfaces
    row, category, match = (column_of(surfaces, name) for name in ("pair", "category", "match"))
    numbers = ("edge_a", "edge_b", "near_a", "near_b", "band_both", "band_any", "sum_a", "sum_b", "hd95", "offset")
    columns = {name: column_of(surfaces, name).astype(np.float64) for name in numbers}
    is_category = match < 0
    single = is_category != np.append(comparison.countable, False)[category]
    fit = np.append(column_of(comparison.matches, "iou").astype(np.float64), 1.0)  # the last is that of a category
    matched = single & (np.nan_to_num(fit)[match] > _MATCH_IOU)  # as for PQ; offsets are also of what ends elsewhere
    near = surface_dice(columns["near_a"], columns["near_b"], columns["edge_a"], columns["edge_b"])
    values = {
        "boundary_iou": (is_category, boundary_iou(columns["band_both"], columns["band_any"])),
        "nsd": (is_category, near),
        "segment_nsd": (matched, near),
        "hd95": (matched, columns["hd95"]),
        "assd": (
            matched,
            symmetric_surface_distance(columns["sum_a"], columns["sum_b"], columns["edge_a"], columns["edge_b"]),
        ),
        "offset": (single, columns["offset"]),
    }
    sums: dict[str, Matrix] = {}
    for name, (kept, value) in values.items():
        sums |= lay.mean(name, row[kept], category[kept], value[kept])
    return sums | {"offset_size": abs(sums["offset"]), "n_offset_size": sums["n_offset"]}


def _partition_sums(partitions: Table, lay: _SumLayout) -> dict[str, Matrix]:
    """The amounts of the partition scores: covering, adjusted Rand index and variation of information."""
    columns = {name: column_of(partitions, name) for name in _PARTITION_COLUMNS}
    row, category, pixels = columns["pair"], columns["category"], columns["pixels"]
    values = {
        "covering": segmentation_covering(
            columns["covered_a"], columns["area_a"], columns["covered_b"], columns["area_b"]
        ),
        "adjusted_rand": adjusted_rand(columns["squares_both"], columns["squares_a"], columns["squares_b"], pixels),
        "variation_of_information": variation_of_information(
            columns["logs_both"], columns["logs_a"], columns["logs_b"], pixels
        ).total,
    }
    sums: dict[str, Matrix] = {}
    for name, value in values.items():
        sums |= lay.mean(name, row, category, value)
    return sums


def _dense_if_full(matrix: Matrix) -> Matrix:
    """Convert a sparse matrix to a dense array if few of its cells are empty."""
    cells = matrix.shape[0] * matrix.shape[1]
    return matrix.toarray() if cells and matrix.nnz >= _MIN_DENSE_SHARE * cells else matrix


POOLED_AMOUNTS = ("images", "cells", "pixels", "both", "area_a", "area_b")  # the terms of kappa and accuracy


@dataclass(frozen=True, slots=True)
class WeightedSums:
    """The amounts of one group of pairs in B resamples."""

    amounts: Mapping[str, Floats]  # (B, k) each, see `segdata.agreement.scores.AdditiveSums`
    cells: Ints  # (2, n_cells) category of A and of B, -1 for none, of the columns of the amount "cells"
    countable: "np.ndarray[tuple[int], np.dtype[np.bool_]]"  # (n_categories,) whose segments are counted one by one


def values_by_category(name: str, weighed: WeightedSums) -> Floats:
    """(B, n_categories) a score of `CATEGORY_SCORES` or `SIGNED_MEANS`, or a plugin's metric; NaN where undefined."""
    amounts = weighed.amounts
    if name in IMAGE_MEANS or name in SIGNED_MEANS:
        return ratio(amounts[name], amounts[f"n_{name}"])
    if name == "kappa":
        return category_kappa(*(amounts[amount] for amount in ("both", "area_a", "area_b", "pixels")))
    metric = find_metric(name)
    values = metric.category_values(amounts)
    return np.where(weighed.countable, values, np.nan) if name == "f1" else values


def pair_value(name: str, weighed: WeightedSums) -> Floats:
    """(B,) a score of `PAIR_SCORES`, over all categories; NaN where undefined."""
    sums = weighed.amounts
    if name == "kappa":
        return cohen_kappa(weighed.cells[0], weighed.cells[1], sums["cells"])
    if name == "accuracy":
        return accuracy(weighed.cells[0], weighed.cells[1], sums["cells"])
    if name == "f1":
        return detection_scores(*(sums[column][:, weighed.countable].sum(axis=1) for column in ("tp", "fp", "fn"))).f1
    return weighted_mean(values_by_category(name, weighed))


def overall_value(name: str, together: WeightedSums, pairs: Sequence[WeightedSums]) -> Floats:
    """(B,) a score of `PAIR_SCORES` of all annotators; `together` has the sums of all `pairs`.

    Kappa and accuracy are means over pairs, each of which counts by its images: Light (1971), Psychological Bulletin
    76(5), 365-377. Else the pairs' images are as many images of one pair.
    """
    if name not in ("kappa", "accuracy"):
        return pair_value(name, together)
    return weighted_mean(np.stack([pair_value(name, pair) for pair in pairs], axis=1), _images_of_pairs(pairs))


def overall_category_values(name: str, together: WeightedSums, pairs: Sequence[WeightedSums]) -> Floats:
    """(B, n_categories) a score of `CATEGORY_SCORES` of all annotators; see `overall_value`."""
    if name != "kappa":
        return values_by_category(name, together)
    values = np.stack([values_by_category(name, pair) for pair in pairs], axis=1)
    return weighted_mean(values, _images_of_pairs(pairs)[:, :, None])


def weighted_mean(values: Floats, weights: Floats | float = 1.0) -> Floats:
    """The mean of values (B, k, ...) over k, without NaN; NaN if all weights are 0."""
    defined = np.isfinite(values)
    weight = defined * weights
    return ratio((np.where(defined, values, 0.0) * weight).sum(axis=1), weight.sum(axis=1))


def _images_of_pairs(pairs: Sequence[WeightedSums]) -> Floats:
    """(B, n_pairs) the number of images of each pair."""
    return np.concatenate([pair.amounts["images"] for pair in pairs], axis=1)
