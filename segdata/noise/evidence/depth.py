"""Depth: how far each pixel of a segment is from where the segment ends, and what lies around it."""

from dataclasses import dataclass

import numpy as np

from segdata.core.meet import meet_within
from segdata.core.runs import Ints, Runs
from segdata.noise.evidence.drawn import Drawn, Flags, Floats, Pixels

NEAR, FURTHER = 2, 4  # pixels around a segment


@dataclass(frozen=True, slots=True)
class Deep:
    """The pixels of segments, and their surroundings.

    Attributes
    ----------
    pixels : of the segments themselves
    depth : (p,) of each: 1 where the segment ends, then further by the distance from there, in pixels. The image's
        frame ends no segment
    near, further : the runs of the segments with all pixels at most 2 px, and 4 px, around them
    """

    pixels: Pixels
    depth: Floats
    near: Runs
    further: Runs

    @staticmethod
    def of(drawn: Drawn) -> "Deep":
        """The pixels of all segments."""
        pixels = Pixels.of_runs(drawn.runs, len(drawn))
        return Deep(pixels, _depth(drawn, pixels), drawn.grown(NEAR), drawn.grown(FURTHER))

    def within(self, more_than: float | Floats) -> Pixels:
        """The pixels deeper than so much: of all, or (n,) for each segment."""
        limit = np.broadcast_to(np.asarray(more_than), (self.pixels.n,))
        return self.pixels.where(self.depth > limit[self.pixels.of])

    @property
    def rim(self) -> Flags:
        """(p,) the pixels that end a segment."""
        return self.depth <= 1


def _depth(drawn: Drawn, pixels: Pixels) -> Floats:
    """(p,) from one distance transform for all segments, or one for each layer of those that overlap.

    Within a segment the nearest rim of any is its own: others lie beyond it.
    """
    import cv2

    depth = np.empty(len(pixels.at))
    layer = _layers(drawn)
    shape = (drawn.width, drawn.height)
    for each in range(int(layer.max(initial=-1)) + 1):
        mine = layer[pixels.of] == each
        label = np.full(drawn.width * drawn.height, -1, np.int32)
        label[pixels.at[mine]] = pixels.of[mine]
        rim = _rims(label.reshape(shape))
        if rim.any():
            away = cv2.distanceTransform((~rim).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        else:
            away = np.full(shape, np.hypot(*shape), np.float32)
        depth[mine] = away.ravel()[pixels.at[mine]] + 1.0
    return depth


def _rims(label: np.ndarray[tuple[int, int], np.dtype[np.int32]]) -> Flags:
    """(width, height) the pixels beside one of another segment, or of none."""
    rim = np.zeros(label.shape, bool)
    for axis in (0, 1):
        one, other = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        differs = label[one] != label[other]
        rim[one] |= differs
        rim[other] |= differs
    return rim


def _layers(drawn: Drawn) -> Ints:
    """(n,) layers, so that no two segments of one layer share pixels: a loop over those that do."""
    layer = np.zeros(len(drawn), np.int64)
    met = meet_within(drawn.side())
    below: dict[int, list[int]] = {}
    for a, b in zip(met.a.tolist(), met.b.tolist(), strict=True):
        below.setdefault(b, []).append(a)
    for b in sorted(below):
        taken = {int(layer[a]) for a in below[b]}
        layer[b] = next(at for at in range(len(taken) + 1) if at not in taken)
    return layer
