"""Scores: the metrics of agreement from weighted sums, of two annotators, of a category, and of all.

IoU, Dice and what is said of boundaries and counts are means over images, then over categories, so that neither a large
image nor a frequent category decides. Panoptic quality is of all images together, as panopticapi has it, then a mean
over categories. Kappa and accuracy are of all pixels together, and there unlabelled is a label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segdata.agreement.metrics.accuracy import accuracy
from segdata.agreement.metrics.cohen_kappa import category_kappa, cohen_kappa
from segdata.agreement.metrics.detection import detection
from segdata.agreement.metrics.dice import dice
from segdata.agreement.metrics.iou import iou
from segdata.agreement.metrics.marginals import marginals
from segdata.agreement.metrics.panoptic_quality import panoptic_quality
from segdata.agreement.metrics.prevalence import prevalence
from segdata.agreement.summary.meanings import MEANS, SIGNED
from segdata.core.bootstrap import Floats
from segdata.core.runs import Ints


@dataclass(frozen=True, slots=True)
class Weighed:
    """The amounts of one group of pairs in B resamples.

    Attributes
    ----------
    amounts : (B, k) each, see `segdata.agreement.summary.sums.Sums`
    cells : (2, n_cells) category of A and of B, -1 for none, of the columns of the amount "cells"
    countable : (n_categories,) whose segments are counted one by one
    """

    amounts: Mapping[str, Floats]
    cells: Ints
    countable: "np.ndarray[tuple[int], np.dtype[np.bool_]]"


def by_category(name: str, weighed: Weighed) -> Floats:
    """(B, n_categories) a score of `OF_CATEGORIES` or `SIGNED`; NaN where undefined."""
    of = weighed.amounts
    if name in MEANS or name in SIGNED:
        n = of[f"n_{name}"]
        return np.asarray(np.divide(of[name], n, out=np.full(n.shape, np.nan), where=n > 0))
    if name == "kappa":
        return _kappas(weighed)
    if name in ("iou_micro", "dice_micro"):
        return (iou if name == "iou_micro" else dice)(of["both"], of["area_a"], of["area_b"])
    if name == "prevalence":
        return prevalence(of["area_a"], of["area_b"], of["cells"].sum(axis=1, keepdims=True))
    if name == "f1":
        return np.where(weighed.countable, detection(of["tp"], of["fp"], of["fn"]).f1, np.nan)
    return np.asarray(getattr(panoptic_quality(of["tp"], of["fp"], of["fn"], of["iou_sum"]), name))


def of_pair(name: str, weighed: Weighed) -> Floats:
    """(B,) a score of `OF_PAIRS`, over all categories; NaN where undefined."""
    of = weighed.amounts
    if name == "kappa":
        return cohen_kappa(weighed.cells[0], weighed.cells[1], of["cells"])
    if name == "accuracy":
        return accuracy(weighed.cells[0], weighed.cells[1], of["cells"])
    if name == "f1":
        return detection(*(of[each][:, weighed.countable].sum(axis=1) for each in ("tp", "fp", "fn"))).f1
    return weighted_mean(by_category(name, weighed))


def of_all(name: str, together: Weighed, pairs: Sequence[Weighed]) -> Floats:
    """(B,) a score of `OF_PAIRS` of all annotators; `together` has the sums of all `pairs`.

    Kappa and accuracy are means over pairs, each of which counts by its images: Light (1971), Psychological Bulletin
    76(5), 365-377. Else the pairs' images are as many images of one pair.
    """
    if name not in ("kappa", "accuracy"):
        return of_pair(name, together)
    return weighted_mean(np.stack([of_pair(name, each) for each in pairs], axis=1), _images(pairs))


def by_category_of_all(name: str, together: Weighed, pairs: Sequence[Weighed]) -> Floats:
    """(B, n_categories) the same by category."""
    if name != "kappa":
        return by_category(name, together)
    values = np.stack([by_category(name, each) for each in pairs], axis=1)
    return weighted_mean(values, _images(pairs)[:, :, None])


def weighted_mean(values: Floats, weights: Floats | float = 1.0) -> Floats:
    """The mean of values (B, k, ...) over k, NaN left out; NaN where nothing has a weight."""
    known = np.isfinite(values)
    some = known * weights
    total = some.sum(axis=1)
    above = (np.where(known, values, 0.0) * some).sum(axis=1)
    return np.asarray(np.divide(above, total, out=np.full(total.shape, np.nan), where=total > 0))


def _images(pairs: Sequence[Weighed]) -> Floats:
    """(B, n_pairs) how many images each pair has."""
    return np.concatenate([each.amounts["images"] for each in pairs], axis=1)


def _kappas(weighed: Weighed) -> Floats:
    """(B, n_categories) each category's kappa against the rest."""
    pixels, (of_a, of_b) = weighed.amounts["cells"], weighed.cells
    every = np.arange(len(weighed.countable))
    same = of_a == of_b
    area_a, area_b, both = (
        marginals(of[some], pixels[:, some], np.arange(-1, len(every)))[:, 1:]
        for of, some in ((of_a, of_a >= -1), (of_b, of_b >= -1), (of_a, same))
    )
    return category_kappa(both, area_a, area_b, pixels.sum(axis=1, keepdims=True))
