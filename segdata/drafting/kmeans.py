"""K-means: regions of like colour, the same ones in all images."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from segdata.drafting.brightness import Colours
from segdata.drafting.tidy import Labels, parts, without_small

_SAMPLE = 4000  # pixels of an image that are learnt from


def kmeans(
    every: Iterable[Colours], *, regions: int = 4, smooth: float = 2.0, min_pixels: int = 100, seed: int = 0
) -> Callable[[Colours], Labels]:
    """What gives each pixel (height, width) the number of its region, 1 the darkest.

    The middles are learnt from some pixels of all images together, so that a region is the same everywhere. `smooth`:
    pixels of Gaussian blur. Patches of fewer than `min_pixels` are left unlabelled.
    Source: Lloyd (1982), IEEE Transactions on Information Theory 28(2), 129-137, begun as by Arthur and Vassilvitskii
    (2007), SODA, 1027-1035.
    """
    from scipy.cluster.vq import kmeans2

    rng = np.random.default_rng(seed)
    samples = [_some(_blurred(each, smooth), rng) for each in every]
    n_channels = max((each.shape[1] for each in samples), default=1)
    fitting = np.concatenate([each for each in samples if each.shape[1] == n_channels])
    regions = min(regions, len(np.unique(fitting, axis=0)))
    middle, _ = kmeans2(fitting.astype(np.float64), regions, iter=30, minit="++", seed=seed)
    middle = middle[np.argsort(middle.sum(axis=1), kind="stable")]

    def draw(colours: Colours) -> Labels:
        soft = _blurred(colours, smooth)
        if soft.shape[2] != n_channels:
            soft = np.repeat(soft.mean(axis=2, keepdims=True), n_channels, axis=2)
        nearest = _nearest(soft.reshape(-1, n_channels), middle).reshape(soft.shape[:2])
        return _without_patches(nearest + 1, min_pixels)

    return draw


def _blurred(colours: Colours, smooth: float) -> Colours:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(colours, (smooth, smooth, 0)), np.float32) if smooth else colours


def _some(colours: Colours, rng: np.random.Generator) -> Colours:
    flat = colours.reshape(-1, colours.shape[2])
    return flat[rng.choice(len(flat), min(_SAMPLE, len(flat)), replace=False)]


def _nearest(values: Colours, middle: NDArray[np.float64]) -> NDArray[np.int32]:
    """(n,) the nearest of the middles (k, channels), for each."""
    best = np.zeros(len(values), np.int32)
    least = np.full(len(values), np.inf, np.float32)
    for number, each in enumerate(middle.astype(np.float32)):
        distance = ((values - each) ** 2).sum(axis=1)
        nearer = distance < least
        best[nearer], least[nearer] = number, distance[nearer]
    return best


def _without_patches(labels: Labels, least: int) -> Labels:
    kept = np.zeros(labels.shape, bool)
    for number in np.unique(labels).tolist():
        kept |= without_small(parts(labels == number), least) > 0
    return np.where(kept, labels, 0).astype(np.int32)
