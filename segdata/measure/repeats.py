"""Repeats: frames of videos that are those before them once more, by their image files or by what is drawn."""

from pathlib import Path

import numpy as np

from segdata.core.profile import Profile
from segdata.core.reels import successions
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.measure.stretch import Columns, Stretch

_PIECE = 1 << 16


def same_masks(stretch: Stretch) -> Columns:
    """Columns annotation and of (rows): what is drawn on a frame that is not empty is what is on the one before."""
    batch, runs = stretch.batch, stretch.batch.runs
    category, at = batch.segments["category_id"].to_numpy(), stretch.own & stretch.follows
    offset, found = runs.offsets(batch.n_segments), []
    segments = [np.flatnonzero(stretch.place == place) for place in range(len(at))]
    for place in np.flatnonzero(at).tolist():
        a, b = segments[place - 1], segments[place]
        if len(a) != len(b) or len(a) == 0 or not np.array_equal(category[a], category[b]):
            continue
        mine, others = (slice(offset[each[0]], offset[each[-1] + 1]) for each in (a, b))
        same = np.array_equal(runs.owner[mine] - a[0], runs.owner[others] - b[0])
        same = same and np.array_equal(runs.start[mine], runs.start[others])
        if same and np.array_equal(runs.length[mine], runs.length[others]) and mine.stop > mine.start:
            found.append(place)
    rows = np.array(found, np.int64)
    return {"annotation": stretch.annotation[rows], "of": stretch.annotation[rows - 1]}


def same_images(profile: Profile, images: Table) -> Columns:
    """Columns image and of (rows): the file of a frame is that of the one before, by its hash or byte by byte."""
    uris, hashes = images["uri"], images["sha256"]
    found: list[tuple[int, int]] = []
    for rows in successions(profile, images, "video"):
        for before, here in zip(rows.tolist(), rows[1:].tolist(), strict=False):
            if hashes[before] is not None and hashes[here] is not None:
                same = hashes[before] == hashes[here]
            else:
                same = _same_bytes(uris[before], uris[here])
            if same:
                found.append((here, before))
    pairs: Ints = np.array(found, np.int64).reshape(-1, 2)
    return {"image": pairs[:, 0], "of": pairs[:, 1]}


def _same_bytes(one: str | None, other: str | None) -> bool:
    """Whether two different files on this machine hold the same; False where either cannot be read."""
    if one is None or other is None or one == other or "://" in one or "://" in other:
        return False
    try:
        if Path(one).stat().st_size != Path(other).stat().st_size:
            return False
        with Path(one).open("rb") as a, Path(other).open("rb") as b:
            while (piece := a.read(_PIECE)) == b.read(_PIECE):
                if not piece:
                    return True
    except OSError:
        return False
    return False
