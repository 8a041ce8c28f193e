"""Pixels that are taken from segments, and given to those around them."""

from collections.abc import Sequence

import numpy as np

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.core.redraw import Picture, dense, redrawn, runs_of
from segdata.core.runs import Ints, Runs, spread


def picture_of(batch: Batch, row: int, size: tuple[int, ...]) -> Picture:
    """The pixels of one segment, (height, width)."""
    return dense(batch.runs.take(np.array([row]), batch.n_segments), *size)


def redraw(batch: Batch, pictures: dict[int, Picture]) -> Batch:
    """The batch with other pixels, (height, width), for some segments, by row."""
    rows = sorted(pictures)
    pieces = [runs_of(pictures[row]) for row in rows]
    return redrawn(batch, np.array(rows, np.int64), Runs.concatenate(pieces, [1] * len(rows))) if rows else batch


def named(annotation: Annotation, evidence: Sequence[Evidence]) -> dict[int, Picture]:
    """Row of a segment -> the pixels of it that findings of that one segment speak of."""
    found: dict[int, Picture] = {}
    for each in evidence:
        if len(each.segments) == 1 and len(each.runs):
            row, pixels = int(each.segments[0]), dense(each.runs, *annotation.size)
            found[row] = found[row] | pixels if row in found else pixels
    return found


def to_the_nearest(annotation: Annotation, pixels: Picture, profile: Profile) -> Batch:
    """The annotation with its `pixels` given to the segments around them, from their borders inwards.

    A pixel goes to a segment that owns one of its four neighbours, so that nothing falls apart. Void and crowds get
    what no other segment reaches; pixels that nobody reaches stay as they are.
    """
    batch, size = annotation.batch, annotation.size
    solid = _solid(annotation, profile)
    owner = _flooded(_owners(batch, solid, np.full(size, _NOBODY), pixels))
    if (owner == _WAITING).any():
        rest = owner == _WAITING
        owner = _flooded(_owners(batch, np.setdiff1d(np.arange(batch.n_segments), solid), owner, rest))
    rows = np.unique(owner[pixels])
    given = {row: picture_of(batch, row, size) | (pixels & (owner == row)) for row in rows[rows >= 0].tolist()}
    return redraw(batch, given)


_NOBODY, _WAITING = -2, -1


def _owners(batch: Batch, rows: Ints, owner: Ints, waiting: Picture) -> Ints:
    """The owners with these segments among them, and the pixels that wait for one."""
    drawn, runs = owner.copy(), batch.runs.take(rows, batch.n_segments)
    x, y = np.divmod(spread(runs.start, runs.length), owner.shape[0])
    drawn[y, x] = np.repeat(rows[runs.owner], runs.length)
    drawn[waiting] = _WAITING
    return drawn


def _flooded(owner: Ints) -> Ints:
    """Owners (height, width) in which those who wait have been given to a neighbour's, ring by ring."""
    wide = owner.shape[1] + 2
    flat = np.pad(owner, 1, constant_values=_NOBODY).ravel()
    steps = (-1, 1, -wide, wide)
    waiting = np.flatnonzero(flat == _WAITING)
    front = np.unique(np.concatenate([waiting + step for step in steps])) if len(waiting) else waiting
    front = front[flat[front] >= 0]
    while len(front):
        reached = []
        for step in steps:
            to = front + step
            free = flat[to] == _WAITING
            flat[to[free]] = flat[front[free]]
            reached.append(to[free])
        front = np.concatenate(reached)
    return flat.reshape(-1, wide)[1:-1, 1:-1]


def _solid(annotation: Annotation, profile: Profile) -> Ints:
    """The rows of the segments that something can be given to."""
    batch = annotation.batch
    void = np.isin(batch.segments["category_id"].to_numpy(), profile.taxonomy.void_ids)
    crowd = batch.segments["iscrowd"].fill_null(False).to_numpy(zero_copy_only=False)
    return np.flatnonzero(~void & ~crowd)
