"""Volumes: the agreement of annotators on the sizes of categories in volumes."""

from collections.abc import Iterator
from itertools import combinations
from typing import Literal

import msgspec
import numpy as np

from segdata.agreement.inference import median_interval, share_within_range
from segdata.agreement.metrics.bland_altman import bland_altman
from segdata.agreement.metrics.intraclass_correlation import absolute_agreement, consistency
from segdata.agreement.metrics.volume_difference import volume_difference
from segdata.agreement.scores import Count, Number, Score, UndefinedShare
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Floats

NOTHING = Score.undefined()


class VolumePair(msgspec.Struct, frozen=True):
    """Two annotators' sizes of a category in the volumes that both annotated.

    `size_a`, `size_b`: the mean size of A and B in a volume. `difference`: (B - A) / their mean, on average; null
    if both are always empty. `bias`: by how much B is larger on average. `lower`, `upper`: the Bland-Altman limits,
    between which 95 % of the differences lie if they are normal. These three have no interval, since a few volumes may
    decide them. `median`: the median of how much B is larger, with an interval that is valid for any distribution.
    `smallest`, `largest`: the range of the differences; `within`: the least share of all volumes with a difference in
    this range, at this confidence.
    """

    a: str
    b: str
    volumes: Count
    size_a: Number
    size_b: Number
    difference: Number
    bias: Score
    lower: Score
    upper: Score
    median: Score = NOTHING
    smallest: Number = np.nan
    largest: Number = np.nan
    within: UndefinedShare = np.nan


class VolumeAgreement(msgspec.Struct, frozen=True):
    """The sizes of a category in volumes: `icc` is ICC(2,1), `icc_consistency` ICC(3,1), of all annotators.

    ICC(2,1) is absolute agreement; for ICC(3,1) a constant difference between annotators does not matter. Neither has
    an interval, since a few volumes that are much larger than the rest may decide it. `unit`: mm3, or voxels if a
    spacing is unknown.
    """

    category: str
    unit: Literal["mm3", "voxels"]
    volumes: Count
    icc: Score
    icc_consistency: Score
    pairs: tuple[VolumePair, ...]


def volume_agreement(comparison: AnnotatorPairs, confidence: float = 0.95) -> tuple[VolumeAgreement, ...]:
    """The agreement of sizes of each category drawn in a volume, over all annotators and between every two.

    Sizes are in mm³ if the spacing of every volume is known, else in voxels; further passes of a person are left out.
    """
    cases = comparison.cases
    deep = cases["frames"] > 1 if len(cases) else np.zeros(0, bool)
    if not deep.any():
        return ()
    voxel = np.prod([cases[f"spacing_{axis}"] for axis in "xyz"], axis=0)
    is_known = bool(np.isfinite(voxel[deep]).all())
    sizes = _annotated_sizes(comparison)[np.flatnonzero(deep)] * (voxel[deep, None, None] if is_known else 1.0)
    result = []
    for k, category in enumerate(comparison.categories):
        of_category = sizes[:, :, k]
        if category.kind == "void" or not np.nansum(of_category) > 0:
            continue
        complete = of_category[np.isfinite(of_category).all(axis=1)]
        result.append(
            VolumeAgreement(
                category=category.name,
                unit="mm3" if is_known else "voxels",
                volumes=len(of_category),
                icc=_value(float(absolute_agreement(complete).value), len(complete)),
                icc_consistency=_value(float(consistency(complete).value), len(complete)),
                pairs=tuple(_volume_pairs(comparison, of_category, confidence)),
            )
        )
    return tuple(result)


def _annotated_sizes(comparison: AnnotatorPairs) -> Floats:
    """(n_cases, n_annotators, n_categories) voxels; NaN if an annotator did not annotate, or judge the category.

    Void of a pair does not count. An annotator with no voxels who is compared with none who has any did not judge it.
    """
    pairs, overlaps = comparison.pairs, comparison.overlaps
    sizes = np.full((len(comparison.cases), len(comparison.annotators), len(comparison.categories)), np.nan)
    for side in ("a", "b"):
        sizes[pairs["case"], pairs[side]] = 0.0
    for side in ("a", "b"):
        cell = pairs["case"][overlaps["pair"]], pairs[side][overlaps["pair"]], overlaps["category"]
        # A pair excludes voxels that the other annotator labels void: the pair that excludes least has the full size.
        np.maximum.at(sizes, cell, overlaps[f"area_{side}"].astype(float))
    compared = np.zeros((len(pairs), sizes.shape[2]), bool)
    compared[overlaps["pair"], overlaps["category"]] = True
    of_a, of_b = (sizes[pairs["case"], pairs[side]] for side in ("a", "b"))
    for side, own, other in (("a", of_a, of_b), ("b", of_b, of_a)):
        row, category = np.nonzero((own == 0) & (other > 0) & ~compared)
        sizes[pairs["case"][row], pairs[side][row], category] = np.nan
    return sizes[:, comparison.is_first_pass]


def _volume_pairs(comparison: AnnotatorPairs, sizes: Floats, confidence: float) -> Iterator[VolumePair]:
    names = [name for name, first in zip(comparison.annotators, comparison.is_first_pass, strict=True) if first]
    for (i, a), (j, b) in combinations(enumerate(names), 2):
        both = np.isfinite(sizes[:, i]) & np.isfinite(sizes[:, j])
        if not np.nansum(sizes[both][:, [i, j]]) > 0:
            continue
        one, other = sizes[both, i], sizes[both, j]
        difference = volume_difference(one, other)
        size_a, size_b, mean = (_mean(values) for values in (one, other, difference[np.isfinite(difference)]))
        limits, n, larger = bland_altman(one, other), len(one), other - one
        yield VolumePair(
            a=a,
            b=b,
            volumes=n,
            size_a=size_a,
            size_b=size_b,
            difference=mean,
            bias=_value(float(limits.bias), n),
            lower=_value(float(limits.lower), n),
            upper=_value(float(limits.upper), n),
            median=Score(float(np.median(larger)), *median_interval(larger, confidence), n, 0),
            smallest=float(larger.min()),
            largest=float(larger.max()),
            within=share_within_range(n, confidence),
        )


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _value(value: float, n: int) -> Score:
    """A score without an interval."""
    return Score(value, np.nan, np.nan, n, 0)
