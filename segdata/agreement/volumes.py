"""Volumes: how large annotators draw categories in volumes, where overlap alone misleads."""

import numpy as np

from segdata.agreement.metrics.bland_altman import BoundEstimate, bland_altman
from segdata.agreement.metrics.intraclass_correlation import CorrelationEstimate, absolute_agreement, consistency
from segdata.agreement.metrics.volume_difference import volume_difference
from segdata.agreement.results import Score, VolumeAgreement, VolumePair
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.resampling import Floats


def volume_agreement(opposed: AnnotatorPairs, confidence: float = 0.95) -> tuple[VolumeAgreement, ...]:
    """Of each category that somebody drew in a volume: how its sizes agree over all annotators, and two by two.

    Sizes are mm³ where the spacing of every volume is known, else voxels; further passes of a person are left out.
    """
    cases = opposed.cases
    deep = cases["frames"] > 1 if len(cases) else np.zeros(0, bool)
    if not deep.any():
        return ()
    voxel = np.prod([cases[f"spacing_{axis}"] for axis in "xyz"], axis=0)
    is_known = bool(np.isfinite(voxel[deep]).all())
    sizes = _annotated_sizes(opposed)[np.flatnonzero(deep)] * (voxel[deep, None, None] if is_known else 1.0)
    found = []
    for k, category in enumerate(opposed.categories):
        of_category = sizes[:, :, k]
        if category.kind == "void" or not np.nansum(of_category) > 0:
            continue
        whole = of_category[np.isfinite(of_category).all(axis=1)]
        found.append(
            VolumeAgreement(
                category=category.name,
                unit="mm3" if is_known else "voxels",
                volumes=len(of_category),
                icc=_correlation_score(absolute_agreement(whole, level=confidence), len(whole)),
                icc_consistency=_correlation_score(consistency(whole, level=confidence), len(whole)),
                pairs=tuple(_volume_pairs(opposed, of_category, confidence)),
            )
        )
    return tuple(found)


def _annotated_sizes(opposed: AnnotatorPairs) -> Floats:
    """(n_cases, n_annotators, n_categories) voxels; NaN where an annotator did not annotate. Void of a pair is out."""
    pairs, overlaps = opposed.pairs, opposed.overlaps
    sizes = np.full((len(opposed.cases), len(opposed.annotators), len(opposed.categories)), np.nan)
    for side in ("a", "b"):
        sizes[pairs["case"], pairs[side]] = 0.0
    for side in ("a", "b"):
        at = pairs["case"][overlaps["pair"]], pairs[side][overlaps["pair"]], overlaps["category"]
        # What another annotator calls void is left out of a pair: the pair that leaves least out has the whole.
        np.maximum.at(sizes, at, overlaps[f"area_{side}"].astype(float))
    return sizes[:, opposed.is_first_pass]


def _volume_pairs(opposed: AnnotatorPairs, sizes: Floats, confidence: float) -> "list[VolumePair]":
    names = [name for name, first in zip(opposed.annotators, opposed.is_first_pass, strict=True) if first]
    found = []
    for i, a in enumerate(names):
        for j in range(i + 1, len(names)):
            both = np.isfinite(sizes[:, i]) & np.isfinite(sizes[:, j])
            one, other = sizes[both, i], sizes[both, j]
            limits = bland_altman(one, other, level=confidence)
            difference = volume_difference(one, other)
            known = np.isfinite(difference)
            found.append(
                VolumePair(
                    a=a,
                    b=names[j],
                    volumes=int(both.sum()),
                    size_a=float(one.mean()) if len(one) else float("nan"),
                    size_b=float(other.mean()) if len(other) else float("nan"),
                    difference=float(difference[known].mean()) if known.any() else float("nan"),
                    bias=_limit_score(limits.bias, int(both.sum())),
                    lower=_limit_score(limits.lower, int(both.sum())),
                    upper=_limit_score(limits.upper, int(both.sum())),
                )
            )
    return found


def _correlation_score(found: CorrelationEstimate, n: int) -> Score:
    return Score(float(found.value), float(found.low), float(found.high), n, 0)


def _limit_score(found: BoundEstimate, n: int) -> Score:
    return Score(float(found.value), float(found.low), float(found.high), n, 0)
