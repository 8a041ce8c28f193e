"""Fit: how well segments agree with those that the model sees, in extent, place and outline. Families of features."""

from collections.abc import Mapping

import numpy as np

from segdata.core.runs import Ints, Rows, Runs
from segdata.noise.evidence.depth import Deep
from segdata.noise.evidence.drawn import Drawn, Floats, shared
from segdata.noise.evidence.evidence import Evidence

Columns = Mapping[str, Floats]
CORE = 2  # pixels from the edge to the core
FAR = 3.0  # radii: an edge further away than that is somebody else's


def match(drawn: Drawn, evidence: Evidence) -> Columns:
    """The predicted segments that share pixels: how well the best one fits, and how many there are."""
    n, seen = len(drawn), evidence.predicted
    met, area = shared(drawn, seen), drawn.areas.astype(float)
    a, b, pixels = met.a, met.b, met.pixels.astype(float)
    theirs = seen.areas.astype(float)
    iou = pixels / (area[a] + theirs[b] - pixels)
    best = np.full(n, -1)
    order = np.lexsort((b, iou, a))
    best[a[order]] = order  # the last one of each, which fits best
    has = best >= 0
    at = np.where(has, best, 0)

    def pick(values: Floats) -> Floats:
        return np.where(has, values[at] if len(values) else 0.0, 0.0)

    inside = pixels / theirs[b] > 0.5
    share = np.where(inside, pixels, 0.0) / area[a]
    first, second = _two_largest(a, share, n)
    ratio = np.log(np.maximum(pick(theirs[b]), 1) / np.maximum(area, 1))
    other = seen.category[b] != drawn.category[a]
    return {
        "misfit": 1 - pick(iou),
        "covered": pick(pixels / area[a]),
        "covering": pick(pixels / theirs[b]),
        "larger": np.where(has, np.maximum(ratio, 0), 0.0),
        "smaller": np.where(has, np.maximum(-ratio, 0), 0.0),
        "held": np.log(np.maximum(np.bincount(a[inside & (share > 0.05)], minlength=n), 1)),
        "held_second": second,
        "held_even": np.where(first > 0, second / np.maximum(first, 1e-9), 0.0),
        "otherwise": np.bincount(a, np.where(other, pixels, 0.0), n) / np.maximum(area, 1),
        "best_otherwise": pick(np.where(other, iou, 0.0)),
        "sure": pick(seen.score[b]),
        "offset": np.minimum(_offset(drawn, seen, np.where(has, pick(b.astype(float)), -1).astype(int)), FAR),
    }


def _two_largest(owner: Rows, value: Floats, n: int) -> tuple[Floats, Floats]:
    """(n,) each: the greatest and the second greatest value (p,) of each owner (p,); 0 where there is none."""
    order = np.lexsort((value, owner))
    of, ordered = owner[order], value[order]
    last = np.flatnonzero(np.append(of[1:] != of[:-1], True)) if len(of) else np.empty(0, int)
    first, second = np.zeros(n), np.zeros(n)
    first[of[last]] = ordered[last]
    before = last[(last > 0)]
    before = before[of[before - 1] == of[before]]
    second[of[before]] = ordered[before - 1]
    return first, second


def _offset(drawn: Drawn, seen: Drawn, best: Ints) -> Floats:
    """(n,) radii from the centre of a segment to that of the predicted one that fits best; `FAR` without one."""
    here, there = centres(drawn.runs, len(drawn), drawn.height), centres(seen.runs, len(seen), seen.height)
    if not len(seen):
        return np.full(len(drawn), FAR)
    apart = np.hypot(*(here - there[np.maximum(best, 0)]).T)
    return np.where(best >= 0, apart / drawn.radius, FAR)


def centres(runs: Runs, n: int, height: int) -> Floats:
    """(n, 2) x and y of the mean pixel of each segment, in pixels."""
    x, top = np.divmod(runs.start, height)
    area = np.maximum(runs.areas(n), 1)
    across = np.bincount(runs.owner, x * runs.length, n) / area
    down = np.bincount(runs.owner, (top + (runs.length - 1) / 2) * runs.length, n) / area
    return np.column_stack([across, down])


def edges(drawn: Drawn, deep: Deep, evidence: Evidence) -> Columns:
    """How far the drawn edge is from the nearest edge that the model sees, in radii: mean, spread, and signed mean.

    The sign is that of the predicted segment which holds most of the drawn one: below 0 the drawn edge lies within.
    """
    rim = deep.pixels.where(deep.rim)
    held = _holding(drawn, evidence)
    away = np.minimum(evidence.distance[rim.at] / drawn.radius[rim.of], FAR)
    within = evidence.instance[rim.at] == held[rim.of]
    signed = np.where(within, -away, away)
    mean, signed_mean = rim.means(away), rim.means(signed)
    spread = np.sqrt(np.maximum(rim.means(signed**2) - signed_mean**2, 0))
    pixels = evidence.distance[rim.at]
    return {
        "edge_away": mean,
        "edge_inside": np.maximum(-signed_mean, 0),
        "edge_outside": np.maximum(signed_mean, 0),
        "edge_spread": spread,
        "edge_pixels": np.minimum(rim.means(np.minimum(pixels, 10)), 10),
        "edge_off": rim.means(pixels > 2.5),
        "edge_seen": rim.means(evidence.edge[rim.at]),
    }


def _holding(drawn: Drawn, evidence: Evidence) -> Ints:
    """(n,) the predicted segment with which each one shares most pixels; -2: none."""
    met = shared(drawn, evidence.predicted)
    held = np.full(len(drawn), -2)
    order = np.lexsort((met.b, met.pixels, met.a))
    held[met.a[order]] = met.b[order]
    return held


def seams(drawn: Drawn, deep: Deep, evidence: Evidence) -> Columns:
    """Edges that the model sees inside, deeper than 2 px: two things drawn as one have one right across.

    `seam`: the length of predicted borders over the diameter; `seam_edge`: how probable an edge is on them.
    """
    core = deep.within(CORE)
    border = core.where(evidence.border[core.at])
    return {
        "seam": np.minimum(border.sums(np.ones(len(border.at))) / (2 * drawn.radius), FAR),
        "seam_edge": border.means(evidence.edge[border.at]),
        "core_edge": core.means(evidence.edge[core.at]),
    }
