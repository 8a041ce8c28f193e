"""Link: which segments of overlapping tiles are one object, where their ids do not say so."""

import numpy as np

from segdata.core.batch import Batch
from segdata.core.line import Line
from segdata.core.meet import Side, meet_within
from segdata.core.runs import Ints, Runs, columns
from segdata.edit.paste import Places

_LEAST = 0.5  # of the pixels that either has where the two tiles overlap


def by_overlap(batch: Batch, places: Places, annotation: Ints) -> Ints:
    """Segments of one category are one if they share half or more of what either has where their tiles overlap.

    For instances that a model found tile by tile. Source: the stitching of Ronneberger, Fischer and Brox (2015),
    MICCAI, 234-241 (overlapping tiles), with the matching of panoptic segments (IoU above a half) in the overlap.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, tile = batch.n_segments, batch.segment_image
    height, width = batch.segment_size
    x, top = columns(batch.runs, height)
    of = tile[batch.runs.owner]
    across, down = x + places.x[of], top + places.y[of]
    # All tiles of an annotation on one frame; tiles of one image may reach further than the next one's.
    high = int((places.y[tile] + height).max(initial=0))
    wide = int((places.x[tile] + width).max(initial=0))
    n_frames = int(annotation.max(initial=-1)) + 1
    line = Line.of(np.full(n_frames, high), np.full(n_frames, wide))
    whole = Runs(across * high + down, batch.runs.length, batch.runs.owner)
    met = meet_within(Side.of(whole, line, annotation))
    category = batch.segments["category_id"].to_numpy()
    may = (tile[met.a] != tile[met.b]) & (category[met.a] == category[met.b])
    a, b, shared = met.a[may].astype(np.int64), met.b[may].astype(np.int64), met.pixels[may]
    either = _within(batch, places, a, b) + _within(batch, places, b, a) - shared
    one = shared >= _LEAST * either
    links = coo_array((np.ones(int(one.sum())), (a[one], b[one])), shape=(n, n))
    group: Ints = connected_components(links, directed=False)[1].astype(np.int64)
    return group


def _within(batch: Batch, places: Places, a: Ints, b: Ints) -> Ints:
    """(n_pairs,) the pixels of segment a that lie in the tile of segment b."""
    tile, (height, width) = batch.segment_image, batch.image_size
    runs = batch.runs.take(a, batch.n_segments)
    x, top = columns(runs, height[tile[a]])
    own, other = tile[a][runs.owner], tile[b][runs.owner]
    across, down = x + places.x[own], top + places.y[own]
    left, upper = places.x[other], places.y[other]
    inside = (across >= left) & (across < left + width[other])
    pixels = np.minimum(down + runs.length, upper + height[other]) - np.maximum(down, upper)
    counted = np.where(inside, np.maximum(pixels, 0), 0)
    return np.bincount(runs.owner, counted, len(a)).astype(np.int64)
