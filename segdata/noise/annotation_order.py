"""Annotation order: which unannotated images to annotate first."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.executor import run_ordered
from segdata.core.runs import Ints
from segdata.noise.segments import Floats
from segdata.noise.selection import LabelCheck

_GRID_CELLS = 4  # on each side of an image, in which what is seen is averaged


def mean_entropy(probability: NDArray[np.floating]) -> float:
    """The uncertainty of a model about an image, (K, height, width): the mean entropy of its pixels, from 0 to 1.

    >>> mean_entropy(np.full((2, 1, 3), 0.5)), mean_entropy(np.array([[[1.0]], [[0.0]]]))
    (1.0, 0.0)
    """
    p = np.asarray(probability, np.float64)
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=0)
    return abs(float(entropy.mean() / np.log(max(len(p), 2)))) if entropy.size else 0.0


def predicted_layout(probability: NDArray[np.floating], cells: int = _GRID_CELLS) -> Floats:
    """(K * cells * cells,) what a model predicts in an image, (K, height, width), and roughly where.

    These are square roots of the mean probabilities in a grid of cells, so that distances between images are Hellinger
    distances. An image smaller than the grid has cells of one pixel, which repeat.
    """
    height, width = probability.shape[1:]
    sides = [np.linspace(0, side, cells + 1)[:-1].astype(np.int64) for side in (height, width)]
    lengths = [
        np.maximum(np.diff(np.append(first, side)), 1) for first, side in zip(sides, (height, width), strict=True)
    ]
    p = np.asarray(probability, np.float64)
    mean = np.add.reduceat(np.add.reduceat(p, sides[0], axis=1), sides[1], axis=2) / np.outer(*lengths)
    return np.asarray(np.sqrt(np.clip(mean, 0, 1)).ravel() / cells)


def annotation_order(features: Floats, unsure: Floats, n: int | None = None, known: Floats | None = None) -> Ints:
    """(n,) the rows of images in the order in which to annotate them; all by default.

    Parameters
    ----------
    features : (i, F) of each image, see `predicted_layout`
    unsure : (i,) the uncertainty about each, see `mean_entropy`; only the order counts
    known : (m, F) features of images that are annotated already

    The next image is always the one furthest from all annotated or chosen images, times the rank of its uncertainty, so
    that the first ones are difficult and yet unlike each other. Copies come last, the more uncertain first. The same
    images give the same order; of equal ones the first comes first.
    Sources: Gonzalez (1985), Theoretical Computer Science 38, 293-306 (furthest first); Sener and Savarese (2018), ICLR
    (for active learning).
    """
    total = len(features)
    rank = (np.unique(unsure, return_inverse=True)[1].reshape(-1) + 1.0) / max(len(np.unique(unsure)), 1)
    away = np.full(total, np.inf)
    for one_known in np.empty((0, features.shape[1])) if known is None else known:
        away = np.minimum(away, _layout_distance(features, one_known))
    is_left, order = np.ones(total, bool), []
    for _ in range(min(total, total if n is None else n)):
        score = np.where(np.isinf(away), 1.0, away) * rank
        best = np.flatnonzero(is_left)[np.lexsort((-rank[is_left], -score[is_left]))[0]]
        order.append(best)
        is_left[best] = False
        away = np.minimum(away, _layout_distance(features, features[best]))
    return np.array(order, np.int64)


def _layout_distance(features: Floats, image_features: Floats) -> Floats:
    """(i,) distances to one image, rounded so that the last digits of sums decide nothing."""
    return np.asarray(np.round(np.sqrt(((features - image_features) ** 2).sum(axis=1)), 9))


def order_unannotated(case: LabelCheck, threads: int = 1) -> Ints:
    """(u,) the rows of unannotated images that have a prediction, the first to annotate first.

    The judged images are loaded again, since the first images are unlike them. Returns no rows if all images are
    annotated. See `segdata.noise.annotation_order.annotation_order`.
    """
    open_ = np.array(case.predictor.usable, bool)
    open_[case.tables.annotations["image"]] = False
    rows = np.flatnonzero(open_)
    if not len(rows):
        return rows

    def seen(row: int) -> tuple[Floats, float]:
        prediction = case.predictor.predict(row)
        p = prediction.probability.reshape(-1, prediction.width, prediction.height).transpose(0, 2, 1)
        return predicted_layout(p), mean_entropy(p)

    looked = [*run_ordered(seen, [*rows.tolist(), *case.images.tolist()], threads)]
    features = np.array([item for item, _ in looked])
    unsure = np.array([item for _, item in looked[: len(rows)]])
    return rows[annotation_order(features[: len(rows)], unsure, known=features[len(rows) :])]
