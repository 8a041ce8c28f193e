"""Colours: what segments look like in the images, as mean colours."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.cielab import rgb_to_cielab
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.image_files import ChannelArray, read_channels
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
_MOST = 300  # images that are looked at, evenly spread over the dataset


def mean_colours(dataset: OpenDataset, jobs: int = 0) -> Floats:
    """(n_segments, 3) the mean colour of each segment in CIELAB, in the order in which a dataset is measured.

    NaN where the image file is not there or cannot be read, and for images beyond 300, evenly spread. Images of one
    channel are grey; of more than three the first three count.
    """
    every = max(1, -(-len(dataset) // _MOST))
    portions = dataset.chunks()
    first = np.concatenate([[0], np.cumsum([len(portion) for portion in portions])])

    def one(at: int) -> Floats:
        chosen = np.arange(first[at], first[at + 1]) % every == 0
        return _of_batch(dataset.source.load(portions[at]), chosen)

    found = list(run_ordered(one, range(len(portions)), jobs))
    return np.concatenate([np.empty((0, 3)), *found])


def _of_batch(batch: Batch, chosen: NDArray[np.bool_]) -> Floats:
    sums = np.full((batch.n_segments, 3), np.nan)
    image = batch.segment_image[batch.runs.owner]
    ends = np.searchsorted(image, np.arange(batch.images.num_rows + 1))
    uris = batch.images["uri"].to_pylist()
    height, width = batch.image_size
    for row in np.flatnonzero(chosen).tolist():
        runs = slice(int(ends[row]), int(ends[row + 1]))
        pixels = _pixels(uris[row], (int(height[row]), int(width[row]))) if ends[row] < ends[row + 1] else None
        if pixels is None:
            continue
        start, length = batch.runs.start[runs], batch.runs.length[runs]
        owner, which = np.unique(batch.runs.owner[runs], return_inverse=True)
        area = np.bincount(which, weights=length)
        sums[owner] = np.column_stack([_summed(channel, start, length, which) / area for channel in pixels])
    return rgb_to_cielab(sums)


def _summed(channel: Floats, start: Ints, length: Ints, which: Ints) -> Floats:
    """The sums of a channel (pixels in the order of runs) over the runs of each segment."""
    total = np.concatenate([[0.0], np.cumsum(channel)])
    return np.bincount(which, weights=total[start + length] - total[start]).astype(np.float64)


def _pixels(uri: str | None, size: tuple[int, int]) -> Floats | None:
    """(3, n_pixels) of an image, 0 to 255, in the order of runs; None where it cannot be read, or has another size."""
    if uri is None:
        return None
    try:
        found = read_channels(uri, size, most=3)
    except (OSError, SegdataError):
        return None
    if found.shape[1:] != size:
        return None
    return _as_rgb(found).transpose(0, 2, 1).reshape(3, -1)


def _as_rgb(found: ChannelArray) -> Floats:
    """Three channels from 0 to 255; what has more than 8 bits is stretched to that."""
    channels = found[[0, 1, 2] if len(found) >= 3 else [0, 0, 0]].astype(np.float64)
    if found.dtype == np.uint8:
        return channels
    low, high = float(channels.min()), float(channels.max())
    scaled: Floats = (channels - low) * (255 / max(high - low, 1e-12))
    return scaled
