"""Features: numbers that tell a segment that is drawn well from one that is not, one function a family.

Each family takes the segments of one image and the model's evidence, and gives named columns of (n,) numbers. Lengths
are told in radii of the segment, so that small and large segments can be judged by the same weights.
"""

import numpy as np

from segdata.core.parts import shape as measured
from segdata.core.runs import Ints, boxes
from segdata.noise.evidence.candidates import Candidates
from segdata.noise.evidence.depth import FURTHER, NEAR, Deep
from segdata.noise.evidence.drawn import Drawn, Floats, Pixels, runs_in_order
from segdata.noise.evidence.evidence import Evidence
from segdata.noise.evidence.fit import CORE, Columns, edges, match, seams
from segdata.noise.evidence.neighbours import contacts, crowding
from segdata.noise.evidence.pixelwise import TEMPERATURE

LOWEST = 1e-4  # probability, below which differences say nothing
SURE = 1e-3  # likewise, of means


def drawn_features(found: Candidates, given: Drawn, evidence: Evidence) -> tuple[tuple[str, ...], Floats]:
    """Names (F,) and values (n, F) of the annotated candidates of an image."""
    drawn = found.drawn
    deep = Deep.of(drawn)
    families = (
        form(drawn, deep),
        belief(drawn, deep, evidence),
        profile(drawn, deep, given, evidence),
        match(drawn, evidence),
        edges(drawn, deep, evidence),
        seams(drawn, deep, evidence),
        contacts(drawn, deep, evidence),
    )
    return _joined(families, len(drawn))


def region_features(found: Candidates, given: Drawn, evidence: Evidence) -> tuple[tuple[str, ...], Floats]:
    """Names (F,) and values (m, F) of the candidates that nobody annotated so."""
    regions = found.regions
    deep = Deep.of(regions)
    families = (
        form(regions, deep),
        belief(regions, deep, evidence),
        against(regions, deep, found.label, evidence),
        crowding(regions, deep, given),
        size_among(regions, given),
    )
    return _joined(families, len(regions))


def _joined(families: tuple[Columns, ...], n: int) -> tuple[tuple[str, ...], Floats]:
    named = {name: values for family in families for name, values in family.items()}
    values = np.column_stack(list(named.values())) if n else np.zeros((0, len(named)))
    return tuple(named), np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def form(drawn: Drawn, deep: Deep) -> Columns:
    """Size and shape, of the drawing alone: what the segment looks like beside its like in the image.

    `knots`: into how many more parts it falls when its outline is drawn in by 0.45 radii, and `knot`: the share of
    the second largest of those: two things drawn as one have a waist.
    """
    n, area = len(drawn), drawn.areas.astype(float)
    whole = measured(drawn.runs, drawn.heights, n)
    x, y, wide, high = boxes(drawn.runs, drawn.heights, n)
    log = np.log(np.maximum(area, 1))
    cut = (x == 0) | (y == 0) | (x + wide == drawn.width) | (y + high == drawn.height)
    knots, second = _knots(drawn, deep)
    return {
        "log_area": log,
        "log_ratio": log - _median_of_like(log, drawn.category),
        "compactness": 64 / np.pi * area / np.maximum(whole.perimeter, 4) ** 2,  # 1: a disc, whose edges are 8 radii
        "extent": area / np.maximum(wide * high, 1),
        "slender": np.log(np.maximum(np.maximum(wide, high), 1) / np.maximum(np.minimum(wide, high), 1)),
        "parts": np.log(np.maximum(whole.n_parts, 1)),
        "holes": np.log1p(whole.n_holes),
        "frame": cut.astype(float),
        "knots": knots,
        "knot": second,
    }


def _knots(drawn: Drawn, deep: Deep) -> tuple[Floats, Floats]:
    n = len(drawn)
    left = deep.within(np.maximum(0.45 * drawn.radius, 1))
    inner = runs_in_order(left.at, left.of, drawn.height)
    parts = measured(inner, drawn.heights, n).parts
    area = parts.area.astype(float)
    first, second = np.zeros(n), np.zeros(n)
    np.maximum.at(first, parts.owner, area)
    area[area == first[parts.owner]] = 0.0
    np.maximum.at(second, parts.owner, area)
    many = np.bincount(parts.owner[parts.area >= 4], minlength=n)
    return np.log(np.maximum(many, 1)), second / np.maximum(drawn.areas, 1) * 4


def _median_of_like(values: Floats, category: Ints) -> Floats:
    """(n,) the median of the values of each one's category; a loop over the categories of an image."""
    median = np.zeros(len(values))
    for each in np.unique(category):
        median[category == each] = np.median(values[category == each])
    return median


def belief(drawn: Drawn, deep: Deep, evidence: Evidence) -> Columns:
    """How much the model believes in the category: over all pixels, and over the core, deeper than 2 px.

    `wrong` is the mean cube of how much more another category is believed in, great only where the model is sure, and
    `mass` the log of its sum. `loss` is the mean of -log p, and `worst` the log odds of 1 - p where that is
    greatest.
    """
    n = len(drawn)
    every, core = deep.pixels, deep.within(CORE)
    own, other = _own_and_other(drawn, evidence, every)
    inside, beyond = _own_and_other(drawn, evidence, core)
    doubt = every.means(1 - own)
    cored = np.bincount(core.of, minlength=n) > 0
    nothing = evidence.at(np.zeros(len(every.at), np.int64), every.at)
    sure = np.maximum(other - own, 0) ** 3
    weight = np.exp((1 - own) / TEMPERATURE)
    return {
        "loss": every.means(-np.log(np.maximum(own, LOWEST))),
        "core_loss": np.where(cored, core.means(-np.log(np.maximum(inside, LOWEST))), 0.0),
        "worst": -log_odds(every.sums(own * weight) / np.maximum(every.sums(weight), 1e-9)),
        "mass": np.log1p(every.sums(sure)),
        "doubt": doubt,
        "doubt_among": doubt - _median_of_like(doubt, drawn.category),
        "unsure": every.means(own < 0.5),
        "denied": every.means(own < 0.1),
        "margin": every.means(own - other),
        "wrong": every.means(sure),
        "core_doubt": np.where(cored, core.means(1 - inside), doubt),
        "core_wrong": core.means(np.maximum(beyond - inside, 0) ** 3),
        "nothing": every.means(nothing),
        "else": every.means(1 - own - nothing) if len(evidence.probability) > 2 else np.zeros(n),
    }


def log_odds(p: Floats) -> Floats:
    """(n,) of probabilities (n,), which tell what is nearly sure from what is sure."""
    known = np.clip(p, SURE, 1 - SURE)
    return np.asarray(np.log(known / (1 - known)))


def _own_and_other(drawn: Drawn, evidence: Evidence, pixels: Pixels) -> tuple[Floats, Floats]:
    """(p,) the probability of a segment's own category, and the greatest of another one."""
    first, second = evidence.two
    own = evidence.at(drawn.category[pixels.of], pixels.at)
    other = np.where(own >= first[pixels.at], second[pixels.at], first[pixels.at])
    return own.astype(float), other.astype(float)


def profile(drawn: Drawn, deep: Deep, given: Drawn, evidence: Evidence) -> Columns:
    """Belief in the category across the drawn edge, from 4 px inside to 4 px outside.

    `outwards` and `inwards`: by how many pixels the model would draw the edge further out and in, on average: what
    it believes in outside, where nobody drew the same category, and what it does not believe in inside, over the
    length of the edge.
    """
    n, every, free = len(drawn), deep.pixels, given.categories()
    own = evidence.at(drawn.category[every.of], every.at).astype(float)
    shells = [every.where(inside) for inside in (deep.depth <= NEAR, (deep.depth > NEAR) & (deep.depth <= FURTHER))]
    inner = [evidence.at(drawn.category[shell.of], shell.at).astype(float) for shell in shells]
    around = [Pixels.of_runs(runs, n) for runs in (deep.near, deep.further)]
    sums = [every.sums(own * (free[every.at] != drawn.category[every.of]))]
    areas = [np.bincount(every.of, minlength=n)]
    for pixels in around:
        beyond = evidence.at(drawn.category[pixels.of], pixels.at) * (free[pixels.at] != drawn.category[pixels.of])
        sums.append(pixels.sums(beyond))
        areas.append(np.bincount(pixels.of, minlength=n))
    outer, room = np.diff(sums, axis=0), np.maximum(np.diff(areas, axis=0), 1)
    length = np.maximum(measured(drawn.runs, drawn.heights, n).perimeter * np.pi / 4, 4)
    outwards = outer.sum(axis=0) / length
    inwards = sum((shell.sums(1 - p) for shell, p in zip(shells, inner, strict=True)), np.zeros(n)) / length
    return {
        "inner_far": shells[1].means(inner[1]),
        "inner_near": shells[0].means(inner[0]),
        "outer_near": outer[0] / room[0],
        "outer_far": outer[1] / room[1],
        "outwards": outwards,
        "inwards": inwards,
        "one_sided": np.abs(outwards - inwards),
        "both_sided": np.minimum(outwards, inwards),
    }


def against(regions: Drawn, deep: Deep, label: Ints, evidence: Evidence) -> Columns:
    """How much the model prefers what it sees to what was given, and how thick the region is."""
    n = len(regions)
    every, core = deep.pixels, deep.within(CORE)
    area = np.maximum(regions.areas, 1)
    theirs = evidence.at(label[every.of], every.at).astype(float)
    mine = evidence.at(regions.category[every.of], every.at).astype(float)
    odds = np.log(np.maximum(mine, LOWEST)) - np.log(np.maximum(theirs, LOWEST))
    weight = np.exp((1 - theirs) / TEMPERATURE)
    return {
        "preferred": every.means(odds),
        "preferred_in_all": np.log1p(every.sums(np.maximum(mine - theirs, 0) ** 3)),
        "given_worst": log_odds(every.sums(theirs * weight) / np.maximum(every.sums(weight), 1e-9)),
        "given": every.means(theirs),
        "given_denied": every.means(theirs < 0.1),
        "unlabelled": (label == 0).astype(float),
        "saying_nothing": (regions.category == 0).astype(float),
        "thick": np.bincount(core.of, minlength=n) / area,
        "score": regions.score,
        "edge": every.means(evidence.edge[every.at]),
    }


def size_among(regions: Drawn, given: Drawn) -> Columns:
    """The log of the area beside the median of what was drawn of the category in the image; 0 where nothing was."""
    log = np.log(np.maximum(regions.areas, 1))
    usual = log.copy()
    areas = np.log(np.maximum(given.areas, 1))
    for each in np.unique(regions.category):
        drawn = areas[given.category == each]
        if len(drawn):
            usual[regions.category == each] = np.median(drawn)
    return {"log_usual": log - usual}
