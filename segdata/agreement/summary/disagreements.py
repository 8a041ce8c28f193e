"""Disagreements: what the pixels on which two annotators disagree about a category are due to."""

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.metrics.decomposition import decomposition
from segdata.agreement.summary.agreed import Disagreement
from segdata.core.annotator_pairs import AnnotatorPairs

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def disagreements(opposed: AnnotatorPairs) -> tuple[Disagreement, ...]:
    """Of every two annotators and category: how many pixels, and which share of them is due to what.

    Shares are of all pixels together. What lies in segments that count for nothing (crowds) is in `pixels` alone.
    """
    causes, pairs = opposed.causes, opposed.pairs
    if not len(causes):
        return ()
    n_annotators, n_categories = len(opposed.annotators), len(opposed.categories)
    key = (pairs["a"] * n_annotators + pairs["b"])[causes["pair"]] * n_categories + causes["category"]
    keys, which = np.unique(key, return_inverse=True)
    of_a = causes["side"] == 0

    def total(name: str, rows: Flags) -> Floats:
        return np.asarray(np.bincount(which[rows], causes[name][rows].astype(float), len(keys)), float)

    every = np.ones(len(causes), bool)
    missed, extra = total("unmatched", of_a), total("unmatched", ~of_a)
    confused, boundary, ignored = (total(name, every) for name in ("confused", "boundary", "ignored"))
    shares = decomposition(missed, extra, confused, boundary)
    couple, category = np.divmod(keys, n_categories)
    return tuple(
        Disagreement(
            a=opposed.annotators[couple[k] // n_annotators],
            b=opposed.annotators[couple[k] % n_annotators],
            category=opposed.categories[category[k]].name,
            pixels=int(missed[k] + extra[k] + confused[k] + boundary[k] + ignored[k]),
            missed=float(shares.missed[k]),
            extra=float(shares.extra[k]),
            confused=float(shares.confused[k]),
            boundary=float(shares.boundary[k]),
        )
        for k in range(len(keys))
    )
