"""Succession: how much of the labels of a frame or slice is in those one and two steps before, pixel by pixel."""

from functools import partial
from itertools import chain

import numpy as np

from segdata.core.frame_sequences import FrameSequence
from segdata.measure.registry import measure_dataset
from segdata.measure.sequences import ColumnArrays, DatasetView, FrameWindow
from segdata.measure.tables.video import claimed_by_both, claimed_pixels, track_ids


@measure_dataset("succession", tables={"succession": ("annotation", "lag", "shared", "either")}, reloads=True)
def measure_succession(view: DatasetView) -> dict[str, list[ColumnArrays]]:
    """The table `succession`, of videos and volumes.

    One row for two annotations of a sequence whose images have one size. lag 1: annotation (row) is the later of two
    neighbours; lag 2: that between them. shared: pixels that one category and track has in both; either: that it has in
    one or both. Void and crowds do not count, and pixels of several tracks or categories count once for each.
    """
    segments, taxonomy = view.tables["segments"], view.profile.taxonomy
    left_out = segments["iscrowd"] | np.isin(segments["category_id"], taxonomy.void_ids)
    things = np.stack([segments["category_id"], track_ids(segments)])
    layer = np.unique(things, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)
    layer[left_out] = -1

    def measure_window(window: FrameWindow) -> list[ColumnArrays]:
        own = layer[window.row]
        known = np.unique(own[own >= 0])
        own = np.where(own >= 0, np.searchsorted(known, own), -1)
        return [
            _compare(window, own, len(known), 1, (1, 0), window.own & window.follows),
            _compare(window, own, len(known), 2, (1, -1), window.between),
        ]

    sequences: list[FrameSequence] = [*view.sequences("video"), *view.sequences("volume")]
    return {"succession": list(chain.from_iterable(view.map_windows(sequences, measure_window)))}


def _compare(
    window: FrameWindow, layer: np.ndarray, n_known: int, lag: int, shifts: tuple[int, int], frames: np.ndarray
) -> ColumnArrays:
    """What two annotations share, laid on each other by two shifts, at each of some frames (m,)."""
    n_layers = max(n_known, 1)
    line = window.line(n_layers)
    laid = partial(window.side, line, frames=frames, layer=layer, n_layers=n_layers)
    one, other = (laid(shift) for shift in shifts)
    start, end = claimed_by_both(one, other)
    both = np.bincount(line.frame_of(start), weights=end - start, minlength=len(line.base)).astype(np.int64)
    either = claimed_pixels(one, line) + claimed_pixels(other, line) - both
    place = np.flatnonzero(frames)
    return {
        "annotation": window.annotation[place],
        "lag": np.full(len(place), lag, np.int64),
        "shared": both.reshape(-1, n_layers).sum(axis=1)[place],
        "either": either.reshape(-1, n_layers).sum(axis=1)[place],
    }
