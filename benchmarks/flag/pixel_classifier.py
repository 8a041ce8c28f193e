"""A pixel classifier: boosted trees on what filters of several sizes say of each pixel, trained on a CPU in seconds.

What interactive tools train while somebody draws; the same labels give the same classifier, to the last digit.
Source: Berg et al. (2019), ilastik, Nature Methods 16, 1226-1232, with boosted trees instead of random ones.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier

from segdata.noise.segments import VOID

SIZES = (0.7, 1.5, 3.0, 6.0, 12.0)  # of the filters, standard deviations in pixels
Map = NDArray[np.int64]
Picture = NDArray[np.float32]
Features = NDArray[np.float32]


def reduced(picture: Picture, scale: int) -> Picture:
    """(C, height, width) of pixels that are means of `scale` x `scale` ones; what is left at the far sides is cut."""
    channels, height, width = picture.shape[0], picture.shape[1] // scale, picture.shape[2] // scale
    cut = picture[:, : height * scale, : width * scale]
    return np.asarray(cut.reshape(channels, height, scale, width, scale).mean((2, 4)), np.float32)


def reduced_map(labels: Map, scale: int) -> Map:
    """The labels in the middle of the pixels of `reduced`."""
    height, width = (side // scale for side in labels.shape)
    return labels[scale // 2 :: scale, scale // 2 :: scale][:height, :width]


def filtered(picture: Picture, *, placed: bool) -> Features:
    """(height * width, F): each channel smoothed, its gradient and Laplacian, at all sizes; and where a pixel is."""
    found = []
    for channel in picture:
        for size in SIZES:
            found.append(ndimage.gaussian_filter(channel, size))
            found.append(ndimage.gaussian_gradient_magnitude(channel, size))
            found.append(ndimage.gaussian_laplace(channel, size))
    if placed:
        height, width = picture.shape[1:]
        found += [at / side for at, side in zip(np.mgrid[:height, :width], (height, width), strict=True)]
    return np.stack([each.ravel() for each in found], axis=1).astype(np.float32)


def learned(features: Sequence[Features], labels: Sequence[Map]) -> HistGradientBoostingClassifier:
    """What was learnt of every pixel of some images but void."""
    x, y = np.concatenate(features), np.concatenate([each.ravel() for each in labels])
    model = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.15, early_stopping=False, random_state=0)
    return model.fit(x[y != VOID], y[y != VOID])


def mean_iou(
    model: HistGradientBoostingClassifier, features: Sequence[Features], labels: Sequence[Map], n_categories: int
) -> float:
    """Over the categories that occur in `labels`, unlabelled left out."""
    both = np.zeros((n_categories, n_categories), np.int64)
    for x, label in zip(features, labels, strict=True):
        known = label.ravel() != VOID
        told = label.ravel()[known] * n_categories + model.predict(x)[known]
        both += np.bincount(told, minlength=n_categories**2).reshape(both.shape)
    hit = np.diag(both)
    iou = hit / np.maximum(both.sum(0) + both.sum(1) - hit, 1)
    return float(iou[1:][both.sum(1)[1:] > 0].mean())
