"""Necks: cut a mask where it is narrow, and measure its solidity, with OpenCV."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 160  # pixels; larger pictures are made smaller
_LEVELS = np.arange(2, 20) / 20  # of the largest inscribed circle's radius
_HALF = 8  # the level of one half
_SPLIT = 0.55  # the radius of a lobe, of that of the largest one
_WIDEST = 0.9  # the widest neck, of the width of the smaller lobe


Mask = NDArray[np.uint8]


class NeckCut(NamedTuple):
    """A segment cut at its necks: the narrowest neck over its smaller lobe's width, and the pieces."""

    neck: float
    pieces: list[Mask]


def shrink_mask(mask: Mask) -> tuple[Mask, float]:
    """The mask, made smaller where it is larger than need be, and by how much."""
    scale = min(1.0, _SIDE / max(mask.shape))
    if scale == 1:
        return mask, 1.0
    small = cv2.resize(mask * np.float32(1), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return (small >= 0.5).astype(np.uint8), scale


def cut_at_necks(mask: Mask) -> NeckCut | None:
    """A segment cut where what is left of it after erosion falls into lobes of similar width; None where it does not.

    The radius of erosion grows from 0.1 to 0.95 of that of the largest inscribed circle, and the first to part lobes
    is taken; a lobe is at least 0.55 as wide as the widest one. Pixels belong to the lobe that is nearest. `mask` is
    (height, width) of 0 and 1.
    """
    room = np.pad(mask, 1)
    rough = np.asarray(cv2.distanceTransform(room, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float64)
    # Its last digit depends on where in memory the picture lies; the square of a distance is a whole number.
    depth = np.sqrt(np.rint(rough * rough))
    radius = float(depth.max())
    least = max(_SPLIT * radius, 1.5)
    levels = _LEVELS * radius
    if _deep_regions(depth, levels[_HALF], least) is None:  # then none smaller parts them: lobes reach deeper than that
        levels = levels[_HALF + 1 :]
    for level in levels:
        parted = _deep_regions(depth, level, least)
        if parted is not None:
            seeds, second = parted
            neck = float(level) / second
            return NeckCut(neck, _nearest_seed_masks(seeds, room)) if neck <= _WIDEST else None
    return None


def solidity(mask: Mask) -> float:
    """The share of its convex hull, of pixels as squares, that a mask covers; `mask` is (height, width) of 0 and 1."""
    rings, _ = cv2.findContours(np.pad(mask, 1), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    middle = np.concatenate(rings)[:, 0, :].astype(np.float32)
    corners = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)], np.float32)
    hull = cv2.contourArea(cv2.convexHull((middle[:, None] + corners).reshape(-1, 2)))
    return float(mask.sum()) / hull


def _deep_regions(depth: NDArray[np.float64], level: float, least: float) -> tuple[NDArray[np.bool_], float] | None:
    """Where the regions deeper than a level are that reach down to `least`, and the second's depth; None: only one."""
    number, labels = cv2.connectedComponents((depth > level).astype(np.uint8), connectivity=8)
    if number < 3:
        return None
    label = np.asarray(labels, np.int64)
    deepest = np.zeros(number)
    inside = label > 0
    np.maximum.at(deepest, label[inside], depth[inside])
    lobes = deepest >= least
    return (lobes[label], float(np.sort(deepest)[-2])) if lobes.sum() > 1 else None


def _nearest_seed_masks(seeds: NDArray[np.bool_], mask: Mask) -> list[Mask]:
    """The pixels of a mask that are nearest to each of the seeds."""
    away = (~seeds).astype(np.uint8)
    _, near = cv2.distanceTransformWithLabels(away, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_CCOMP)
    return [((near == number) & (mask > 0)).astype(np.uint8) for number in np.unique(near[seeds])]
