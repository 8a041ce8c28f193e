"""Superpixels: small regions of like colour, those alike put together; together they cover the image."""

import numpy as np

from segdata.drafting.brightness import Colours
from segdata.drafting.tidy import Labels, without_small


def superpixels(
    colours: Colours, *, pieces: int = 300, compactness: float = 0.1, likeness: float = 0.06, min_pixels: int = 100
) -> Labels:
    """(height, width) regions, numbered from 1.

    SLIC cuts the image into about `pieces`; neighbours whose mean colours are nearer than `likeness` (of a scale from 0
    to 1) become one; regions of fewer than `min_pixels` are left out. Source: Achanta et al. (2012), IEEE TPAMI 34(11),
    2274-2282.
    """
    from skimage.segmentation import slic

    # Distances are sums over channels, and weighed against those in the plane: so the weight is for one channel.
    cut = slic(
        colours,
        n_segments=pieces,
        compactness=compactness * np.sqrt(colours.shape[2]),
        start_label=0,
        channel_axis=2,
        convert2lab=False,
    )
    labels = np.asarray(cut, np.int64)
    return without_small(_merged(labels, colours, likeness)[labels], min_pixels)


def _merged(labels: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]", colours: Colours, likeness: float) -> Labels:
    """(n,) the number, from 1, of what each superpixel becomes a part of."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=n)
    sums = [np.bincount(labels.ravel(), colours[:, :, each].ravel(), n) for each in range(colours.shape[2])]
    mean = np.stack(sums, axis=1) / np.maximum(area, 1)[:, None]
    a = np.concatenate([labels[:, 1:].ravel(), labels[1:].ravel()])
    b = np.concatenate([labels[:, :-1].ravel(), labels[:-1].ravel()])
    a, b = np.unique(np.stack([a, b])[:, a != b], axis=1)
    like = np.sqrt(((mean[a] - mean[b]) ** 2).mean(axis=1)) < likeness
    graph = coo_array((np.ones(int(like.sum()), np.int8), (a[like], b[like])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1] + 1, np.int32)
