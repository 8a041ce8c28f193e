"""Novelty: how a segment differs from the others of its image and category, without any model.

Real errors are seldom of an expected kind: specks, slivers, cores in rings, joined things. Most are unusual in size,
shape, place, overlap, brightness, or in the strength of the image's edges along the outline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from segdata.core.runs import Floats, Ints, bounding_boxes, find_holes
from segdata.core.statistics import MAD_TO_SD
from segdata.core.table import Column
from segdata.noise.appearance import GreyImage
from segdata.noise.calibration import fit_logistic, mean_log_ratio
from segdata.noise.neighbours import FURTHER, SegmentDepths
from segdata.noise.segments import UNLABELLED, SegmentPixels, SegmentSet, overlaps

# The features that need no model: those below, and some of `segdata.noise.features.size_and_shape`.
MODEL_FREE = (
    "log_ratio", "compactness", "extent", "slender", "parts", "holes", "frame", "knots", "knot", "smaller", "larger",
    "ratio", "speck", "odd_compact", "odd_extent", "odd_length", "odd_thick", "thin", "boxy", "holed", "second_part",
    "lies_in", "holds", "doubled", "enclosed", "surrounded", "odd_enclosed", "odd_grey", "odd_spread", "odd_contrast",
    "low_contrast", "odd_edge", "low_edge", "edge_on_outline", "traced", "less_traced", "distinct", "less_distinct",
)  # fmt: skip
# Features that are rarely large in a correct label, whatever the kind of error. Chosen on errors in the sets of
# `benchmarks.flag.drawn_sets` whose names end in "-dev" (docs/results/flag.md).
SURPRISES = ("ratio", "odd_compact", "lies_in", "holed", "knot")
# Unusual features in words; the other features have no direction that can be described.
_IN_WORDS = {
    "smaller": "small", "larger": "large", "speck": "a speck", "odd_compact": "an odd outline",
    "odd_extent": "an odd shape", "odd_length": "an odd length", "odd_thick": "an odd width", "thin": "thin",
    "boxy": "a box", "holed": "holes", "second_part": "several parts", "lies_in": "inside another label",
    "holds": "around another label", "doubled": "labelled twice", "odd_enclosed": "odd neighbours",
    "odd_grey": "odd brightness", "odd_spread": "odd texture", "odd_contrast": "odd contrast",
    "low_contrast": "hardly any contrast", "odd_edge": "odd edges", "low_edge": "hardly an edge",
    "less_traced": "off the edge in the image", "less_distinct": "hardly unlike its surroundings",
}  # fmt: skip
_MIN_SPREAD = {"log": 0.25, "share": 0.05, "grey": 0.03}  # below which no difference is unusual
_MIN_LIKE = 4  # segments of a category in the image, below which nothing is usual
_MAX_DEVIATIONS = 10.0
_RARE = 0.05  # the share of usual labels that reach a value that is rare


def novelty(
    segments: SegmentSet, row: Ints, deep: SegmentDepths, given: SegmentSet, grey: GreyImage | None
) -> Mapping[str, Floats]:
    """Columns (n,) for each segment, by which it differs from others of its category in the image.

    `row` : (n,) the given segment that each is, or is a part of; `given` : all labels of the image; `grey` : (width,
    height) the image, if there is one
    """
    n = len(segments)
    area = np.maximum(segments.areas, 1).astype(float)
    log = np.log(area)
    shapes = deep.shapes
    _, _, wide, high = bounding_boxes(segments.runs, segments.heights, n)
    compact = np.log(64 / np.pi * area / np.maximum(shapes.perimeter, 4) ** 2)
    extent = area / np.maximum(wide * high, 1)
    length = np.log(np.maximum(np.maximum(wide, high), 1) / np.maximum(np.minimum(wide, high), 1))
    thick = np.log(np.maximum(deep.pixels.maxima(deep.depth), 0.5) / segments.radius)
    size = _deviation(log, segments.category, "log")
    columns = {
        "smaller": np.maximum(-size, 0),
        "larger": np.maximum(size, 0),
        "ratio": np.abs(log - _category_median(log, segments.category)),
        "speck": np.maximum(_category_median(log, segments.category) - log - np.log(8), 0),
        "odd_compact": np.abs(_deviation(compact, segments.category, "log")),
        "odd_extent": np.abs(_deviation(extent, segments.category, "share")),
        "odd_length": np.abs(_deviation(length, segments.category, "log")),
        "odd_thick": np.abs(_deviation(thick, segments.category, "log")),
        "thin": np.maximum(-thick, 0),
        "boxy": np.maximum(extent - 0.9, 0) * 10,
        "holed": _hole_share(segments, shapes.n_holes),
        "second_part": _second_part(shapes.parts.owner.astype(np.int64), shapes.parts.area, area),
        **_overlap_columns(segments, row, given, area),
        **_surroundings(segments, deep, given),
    }
    of_image = dict.fromkeys(_GREY_COLUMNS, np.zeros(n)) if grey is None else _brightness(segments, deep, grey)
    return {**columns, **of_image}


def _category_median(values: Floats, category: Ints) -> Floats:
    """(n,) the median of each segment's category, or of all segments if it has few."""
    usual = np.full(len(values), np.median(values) if len(values) else 0.0)
    for id_ in np.unique(category):
        of_category = category == id_
        if of_category.sum() >= _MIN_LIKE or len(values) < _MIN_LIKE:
            usual[of_category] = np.median(values[of_category])
    return usual


def _deviation(values: Floats, category: Ints, scale: str) -> Floats:
    """(n,) the robust z-score of each value in its category; 0 if the category has few segments."""
    away = values - _category_median(values, category)
    spread = np.maximum(MAD_TO_SD * _category_median(np.abs(away), category), _MIN_SPREAD[scale])
    return np.asarray(np.clip(away / spread, -_MAX_DEVIATIONS, _MAX_DEVIATIONS))


def _hole_share(segments: SegmentSet, n_holes: Ints) -> Floats:
    """(n,) the area of the holes over that of the segment."""
    has = n_holes > 0
    if not has.any():
        return np.zeros(len(segments))
    holes = find_holes(segments.runs, segments.heights, has)
    return np.bincount(holes.owner, holes.area, len(segments)) / np.maximum(segments.areas, 1)


def _second_part(owner: Ints, part: Ints, area: Floats) -> Floats:
    """(n,) the share of what does not belong to the largest part."""
    largest = np.zeros(len(area))
    np.maximum.at(largest, owner, part.astype(float))
    return 1 - largest / area


def _overlap_columns(segments: SegmentSet, row: Ints, given: SegmentSet, area: Floats) -> Mapping[str, Floats]:
    """How much of each lies in one other segment, how much of one it holds, and the greatest IoU with one."""
    n = len(segments)
    names = "lies_in", "holds", "doubled"
    met = overlaps(segments, given)
    other = given.areas.astype(float)[met.b]
    pixels = met.pixels.astype(float)
    other_one = (met.b != row[met.a]) & (segments.category[met.a] == given.category[met.b])
    values = pixels / area[met.a], pixels / other, pixels / (area[met.a] + other - pixels)
    columns = {}
    for name, share in zip(names, values, strict=True):
        columns[name] = np.zeros(n)
        np.maximum.at(columns[name], met.a[other_one], share[other_one])
    return columns


def _surroundings(segments: SegmentSet, deep: SegmentDepths, given: SegmentSet) -> Mapping[str, Floats]:
    """How much of the 2 px around each is labelled, and of the same category: cores lie in rings."""
    label = given.categories()
    inside, around = deep.pixels, deep.near_pixels
    same = [label[pixels.index] == segments.category[pixels.owner] for pixels in (around, inside)]
    labelled = [label[pixels.index] > UNLABELLED for pixels in (around, inside)]
    room = np.maximum(around.areas - inside.areas, 1)
    columns = {
        name: np.clip((around.sums(there) - inside.sums(here)) / room, 0, 1)
        for name, (there, here) in (("enclosed", same), ("surrounded", labelled))
    }
    columns["odd_enclosed"] = np.abs(_deviation(columns["enclosed"], segments.category, "share"))
    return columns


_GREY_COLUMNS = (
    "odd_grey", "odd_spread", "odd_contrast", "low_contrast", "odd_edge", "low_edge", "edge_on_outline", "traced",
    "less_traced", "distinct", "less_distinct",
)  # fmt: skip
_MIN_STRENGTH = 1e-6


def _brightness(segments: SegmentSet, deep: SegmentDepths, grey: GreyImage) -> Mapping[str, Floats]:
    """How unusual the grey values inside are, their difference to the 2 px around, and the edges along the outline.

    `traced`: the log of the edges on the outline over those near it, above 0 where somebody followed an edge of the
    image; `distinct`: the difference between the inside and the 4 px around, in spreads of their grey values, with the
    sign that it usually has. Pale things that were drawn with care are as traced as others, and things that are not
    there are not.
    """
    flat, inside, around = grey.values.ravel(), deep.pixels, deep.near_pixels
    value = flat[inside.index].astype(float)
    mean = inside.means(value)
    spread = np.sqrt(np.maximum(inside.means(value**2) - mean**2, 0))
    n_inside, n_around = inside.areas, around.areas
    outside = (around.sums(flat[around.index].astype(float)) - inside.sums(value)) / np.maximum(n_around - n_inside, 1)
    rim = inside.select(deep.rim)
    contrast = rim.means(flat[rim.index].astype(float)) - outside
    strength = grey.edges.ravel()
    usual = max(float(strength.mean()), _MIN_STRENGTH)
    on_rim = rim.means(strength[rim.index].astype(float))
    edge = np.log(np.maximum(on_rim, _MIN_STRENGTH) / usual)
    contrasts, edges = _deviation(contrast, segments.category, "grey"), _deviation(edge, segments.category, "log")
    sign = np.sign(_category_median(contrast, segments.category))
    wide = deep.further_pixels
    band = inside.select(deep.depth <= FURTHER)  # with what is around, a band of 4 px on both sides of the outline
    n_wide, n_band = wide.areas, band.areas
    beside = strength[wide.index].astype(float)
    near = (
        wide.sums(beside)
        - inside.sums(strength[inside.index].astype(float))
        + band.sums(strength[band.index].astype(float))
    )
    near /= np.maximum(n_wide - n_inside + n_band, 1)
    traced = np.log(np.maximum(on_rim, _MIN_STRENGTH) / np.maximum(near, _MIN_STRENGTH))
    ring = flat[wide.index].astype(float)
    n_ring = np.maximum(n_wide - n_inside, 1)
    ring_mean = (wide.sums(ring) - inside.sums(value)) / n_ring
    ring_square = (wide.sums(ring**2) - inside.sums(value**2)) / n_ring
    ring_spread = np.sqrt(np.maximum(ring_square - ring_mean**2, 0))
    distinct = (mean - ring_mean) / np.maximum(np.hypot(spread, ring_spread), _MIN_SPREAD["grey"])
    distinct *= np.where(_category_median(distinct, segments.category) < 0, -1, 1)
    values = (
        np.abs(_deviation(mean, segments.category, "grey")), np.abs(_deviation(spread, segments.category, "grey")),
        np.abs(contrasts), np.maximum(-contrasts * sign, 0), np.abs(edges), np.maximum(-edges, 0), edge,
        traced, np.maximum(-_deviation(traced, segments.category, "share"), 0),
        distinct, np.maximum(-_deviation(distinct, segments.category, "log"), 0),
    )  # fmt: skip
    return dict(zip(_GREY_COLUMNS, values, strict=True))


_REGION_COLUMNS = "new_distinct", "new_edge", "new_traced", "new_free", "unlike_given", "unlike_seen"


def region_contrast(
    regions: SegmentSet, label: Ints, deep: SegmentDepths, given: SegmentSet, grey: GreyImage | None
) -> Mapping[str, Floats]:
    """Columns (n,): whether the image, too, has something else where a model differs from the labels.

    `label` : (n,) the category as labelled; `grey` : (width, height) the image, without which all is 0

    A region is bounded in part by outlines that somebody drew, in part by new ones, across which the label is the same
    (`new_free`: their share). If a label is wrong, the image differs across new outlines (`new_distinct`, in spreads
    of grey values) and has edges there (`new_edge`, `new_traced`: logs of the edges at most 2 px outside over those of
    the image, and over those inside and up to 4 px outside); if a model errs on even ground, it does not.
    `unlike_given` and `unlike_seen`: how far the mean is from that of the two categories in the image, in spreads.
    """
    n = len(regions)
    if grey is None or not n:
        return dict.fromkeys(_REGION_COLUMNS, np.zeros(n))
    value, strength, drawn = grey.values.ravel().astype(float), grey.edges.ravel().astype(float), given.categories()
    inside, band = deep.pixels, deep.pixels.select(deep.depth <= FURTHER)
    near, wide = (_pixels_beside(pixels, regions, label, drawn) for pixels in (deep.near_pixels, deep.further_pixels))
    has = (near.areas > 0) & (wide.areas > 0)
    mean, spread = _mean_and_spread(value, band)
    beyond, spread_beyond = _mean_and_spread(value, wide)
    distinct = np.abs(mean - beyond) / np.maximum(np.hypot(spread, spread_beyond), _MIN_SPREAD["grey"])
    on_new = near.means(strength[near.index])
    around = (wide.means(strength[wide.index]) + inside.means(strength[inside.index])) / 2
    usual = max(float(strength.mean()), _MIN_STRENGTH)
    whole = np.maximum(deep.near_pixels.areas - regions.areas, 1)
    middle, _ = _mean_and_spread(value, inside)
    columns = {
        "new_distinct": np.where(has, distinct, 0),
        "new_edge": np.where(has, np.log(np.maximum(on_new, _MIN_STRENGTH) / usual), 0),
        "new_traced": np.where(has, np.log(np.maximum(on_new, _MIN_STRENGTH) / np.maximum(around, _MIN_STRENGTH)), 0),
        "new_free": near.areas / whole,
    }
    for name, category in (("unlike_given", label), ("unlike_seen", regions.category)):
        columns[name] = _unlike(middle, category, value, drawn)
    return columns


def _pixels_beside(pixels: SegmentPixels, regions: SegmentSet, label: Ints, drawn: Ints) -> SegmentPixels:
    """For grown regions, the pixels outside of them that have the region's label."""
    painted = regions.paint(np.arange(len(regions)), -1)
    return pixels.select((drawn[pixels.index] == label[pixels.owner]) & (painted[pixels.index] != pixels.owner))


def _mean_and_spread(value: Floats, pixels: SegmentPixels) -> tuple[Floats, Floats]:
    """(n,) each: mean and standard deviation of values over the pixels of each segment."""
    mean = pixels.means(value[pixels.index])
    return mean, np.sqrt(np.maximum(pixels.means(value[pixels.index] ** 2) - mean**2, 0))


def _unlike(mean: Floats, category: Ints, value: Floats, drawn: Ints) -> Floats:
    """(n,) how far means are from that of the pixels with a category, in their spreads; 0 where there are none."""
    result = np.zeros(len(mean))
    for id_ in np.unique(category):
        of_category = value[drawn == id_]
        if len(of_category):
            away = np.abs(mean - of_category.mean()) / max(float(of_category.std()), _MIN_SPREAD["grey"])
            result[category == id_] = away[category == id_]
    return np.minimum(result, _MAX_DEVIATIONS)


_SURPRISE_PENALTY = 10.0
_MIN_ODDS_SLOPE = 0.2  # of the odds, beside surprises: a weaker classifier does not make these count for more


def surprise(values: Floats, usual: Floats) -> Floats:
    """(n, S) how rare values at least as large as each are among the `usual` ones (m, S): -log of their share.

    >>> surprise(np.array([[0.0], [9.0]]), np.arange(10.0)[:, None]).round(2).tolist()
    [[0.0], [1.7]]
    """
    order = np.sort(usual, axis=0)
    columns = [
        np.log((len(order) + 1) / (len(order) - np.searchsorted(column, value) + 1))
        for column, value in zip(order.T, values.T, strict=True)
    ]
    return np.column_stack(columns) if columns else np.zeros((len(values), 0))


def unlearnt_odds(held_ratio: Floats, kind: Ints, share: Floats) -> Floats:
    """(h,) the log odds of each as if its own kind of error had not been learnt.

    `held_ratio` (h, K) are the logs of the density ratios, `kind` (h,) is the kind of each, -1: none, which occur in
    the order of the columns; `share` (K,) weights kinds, as in `mean_log_ratio`. Real errors are mostly of kinds that
    nobody injected.

    >>> ratio = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
    >>> unlearnt_odds(ratio, np.array([-1, 0, 1]), np.ones(2)).round(1).tolist()
    [3.3, 0.0, 4.0]
    """
    kinds = np.unique(kind[kind >= 0])
    odds = mean_log_ratio(held_ratio, share)
    if len(kinds) < 2:
        return odds
    for column, name in enumerate(kinds):
        others, rows = np.arange(len(kinds)) != column, kind == name
        odds[rows] = mean_log_ratio(held_ratio[rows][:, others], share[others])
    return odds


def surprise_weights(odds: Floats, rare: Floats, wrong: Ints) -> Floats:
    """(S,) how much each surprise (n, S) adds to the log odds (n,) of an item, at least 0; `wrong` (n,) is 0 or 1.

    `odds` are those of `unlearnt_odds`, so that the weights are those of surprises in kinds of error that were not
    learnt. A column whose weight would be negative is left out, one after the other.
    """
    weight, kept = np.zeros(rare.shape[1]), list(range(rare.shape[1]))
    model = None
    while kept and 0 < wrong.sum() < len(wrong):
        model = fit_logistic(np.column_stack([odds, rare[:, kept]]), wrong, _SURPRISE_PENALTY, model)
        slope = model.weight / model.scale
        lowest = int(slope[1:].argmin())
        if slope[1 + lowest] >= 0:
            weight[kept] = slope[1:] / max(float(slope[0]), _MIN_ODDS_SLOPE)
            break
        del kept[lowest]
        model = replace(model, weight=np.delete(model.weight, 1 + lowest))  # where the search goes on
    return weight


def oddest_of(x: Floats, usual: Floats, names: Sequence[str]) -> Column:
    """(n,) in words, which of the features (n, F), `names` (F,), is rarest in `usual` ones (u, F); "" if none is rare.

    A value that 5 % of them reach is not rare.
    """
    columns = [column for column, name in enumerate(names) if name in _IN_WORDS]
    words = np.array([_IN_WORDS[names[column]] for column in columns], object)
    if not len(usual) or not columns:
        return np.full(len(x), "", object)
    ordered = np.sort(usual[:, columns], axis=0)
    reach = np.column_stack(
        [len(usual) - np.searchsorted(ordered[:, at], x[:, column]) for at, column in enumerate(columns)]
    )
    best = reach.argmin(axis=1)
    return np.where(reach[np.arange(len(x)), best] <= _RARE * len(usual), words[best], "")
