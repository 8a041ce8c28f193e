"""Features: numbers that distinguish correct segments from wrong ones, one function per family.

Each family takes the segments of one image and a model's prediction and returns named columns of n values, one per
segment. Lengths are in radii of the segment, so that the same weights judge small and large segments. `softmin`,
`agreement` and `alignment` judge an image as a whole.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Floats, Ints, Rows, Runs, bounding_boxes, segment_shapes
from segdata.noise.appearance import GreyImage
from segdata.noise.candidates import ImageCandidates
from segdata.noise.neighbours import FURTHER, NEAR, SegmentDepths, contacts, crowding
from segdata.noise.novelty import novelty, region_contrast
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import VOID, SegmentPixels, SegmentSet, overlaps, runs_of_ordered_pixels

TEMPERATURE = 0.1  # of softmin
MIN_IOU = 0.5  # with the given labels, from which on the model knows a category
VAGUE_IOU = 0.3  # below which it means nothing that the model sees a category somewhere


def agreement(confusion: Ints) -> tuple[Ints, Ints]:
    """(K,) pixels where a category is labelled and predicted, and (K,) where it is either, of `confusion` (K, K)."""
    shared = np.diag(confusion)
    return shared, confusion.sum(axis=0) + confusion.sum(axis=1) - shared


def softmin(given: SegmentSet, prediction: ImagePrediction) -> float:
    """The mean probability of the given categories over an image, pixels of low probability counting far more.

    Void is left out; NaN where all is void. Source: Lad and Mueller (2023), arXiv 2307.05080.
    """
    label = given.categories()
    labelled = label != VOID
    if not labelled.any():
        return float("nan")
    own = prediction.probability_at(np.maximum(label, 0), np.arange(len(label)))
    p = (own if labelled.all() else own[labelled]).astype(float)
    weight = np.exp((p.min() - p) / TEMPERATURE)
    return float((p * weight).sum() / weight.sum())


_MIN_MEAN = 0.5  # probability over the pixels of a segment, for the model to see a category there


def predicted_category(segments: SegmentSet, prediction: ImagePrediction) -> Ints:
    """(n,) the most probable category over the pixels of each segment.

    A segment keeps its own category if no category has a mean probability of more than a half.
    """
    pixels = segments.pixels()
    predicted, highest = segments.category.copy(), np.full(len(segments), _MIN_MEAN)
    is_best = np.bincount(prediction.best[pixels.index], minlength=1) > 0
    for category in (np.flatnonzero(is_best[1:]) + 1).tolist():  # others have no pixel above a half
        mean = pixels.means(prediction.probability[category, pixels.index])
        predicted[mean > highest] = category
        highest = np.maximum(highest, mean)
    return predicted


Columns = Mapping[str, Floats]
_CORE_DEPTH = 2  # pixels from the edge to the core
_MAX_EDGE_RADII = 3.0  # radii: an edge further away than that is somebody else's


def prediction_fit(segments: SegmentSet, prediction: ImagePrediction) -> Columns:
    """The predicted segments that overlap each segment: how well the best one fits, and how many there are."""
    n, predicted = len(segments), prediction.predicted
    overlap, area = overlaps(segments, predicted), segments.areas.astype(float)
    a, b, pixels = overlap.a, overlap.b, overlap.pixels.astype(float)
    predicted_area = predicted.areas.astype(float)
    iou = pixels / (area[a] + predicted_area[b] - pixels)
    best = np.full(n, -1)
    order = np.lexsort((b, iou, a))
    best[a[order]] = order  # the last one of each, which fits best
    has = best >= 0
    pair = np.where(has, best, 0)

    def pick(values: NDArray[Any]) -> NDArray[Any]:
        return np.where(has, values[pair] if len(values) else 0, 0)

    inside = pixels / predicted_area[b] > 0.5
    share = np.where(inside, pixels, 0.0) / area[a]
    first, second = _two_largest(a, share, n)
    ratio = np.log(np.maximum(pick(predicted_area[b]), 1) / np.maximum(area, 1))
    is_other = predicted.category[b] != segments.category[a]
    return {
        "misfit": 1 - pick(iou),
        "covered": pick(pixels / area[a]),
        "covering": pick(pixels / predicted_area[b]),
        "larger": np.where(has, np.maximum(ratio, 0), 0.0),
        "smaller": np.where(has, np.maximum(-ratio, 0), 0.0),
        "held": np.log(np.maximum(np.bincount(a[inside & (share > 0.05)], minlength=n), 1)),
        "held_second": second,
        "held_even": np.where(first > 0, second / np.maximum(first, 1e-9), 0.0),
        "otherwise": np.bincount(a, np.where(is_other, pixels, 0.0), n) / np.maximum(area, 1),
        "best_otherwise": pick(np.where(is_other, iou, 0.0)),
        "sure": pick(predicted.score[b]),
        "offset": np.minimum(_centre_offsets(segments, predicted, np.where(has, pick(b), -1)), _MAX_EDGE_RADII),
    }


def _two_largest(owner: Rows, value: Floats, n: int) -> tuple[Floats, Floats]:
    """(n,) each: the greatest and the second greatest value (p,) of each owner (p,); 0 where there is none."""
    order = np.lexsort((value, owner))
    sorted_owner, ordered = owner[order], value[order]
    last = np.flatnonzero(np.diff(sorted_owner, append=-1))
    first, second = np.zeros(n), np.zeros(n)
    first[sorted_owner[last]] = ordered[last]
    before = last[last > 0]
    before = before[sorted_owner[before - 1] == sorted_owner[before]]
    second[sorted_owner[before]] = ordered[before - 1]
    return first, second


def _centre_offsets(segments: SegmentSet, predicted: SegmentSet, best: Ints) -> Floats:
    """(n,) radii from the centre of a segment to that of the predicted one that fits best; else `_MAX_EDGE_RADII`."""
    if not len(predicted):
        return np.full(len(segments), _MAX_EDGE_RADII)
    centre, predicted_centre = (centres(side.runs, len(side), side.height) for side in (segments, predicted))
    distance = np.hypot(*(centre - predicted_centre[np.maximum(best, 0)]).T)
    return np.where(best >= 0, distance / segments.radius, _MAX_EDGE_RADII)


def centres(runs: Runs, n: int, height: int) -> Floats:
    """(n, 2) x and y of the mean pixel of each segment, in pixels."""
    x, top = np.divmod(runs.start, height)
    area = np.maximum(runs.areas(n), 1)
    across = np.bincount(runs.owner, x * runs.length, n) / area
    down = np.bincount(runs.owner, (top + (runs.length - 1) / 2) * runs.length, n) / area
    return np.column_stack([across, down])


def edge_distances(segments: SegmentSet, deep: SegmentDepths, prediction: ImagePrediction) -> Columns:
    """The distance of the outline from the nearest predicted edge, in radii: mean, spread, and signed mean.

    The sign refers to the predicted segment that holds most of the segment: below 0 the outline lies within it.
    """
    rim = deep.pixels.select(deep.rim)
    main = _main_prediction(segments, prediction)
    distance = np.minimum(prediction.distance[rim.index] / segments.radius[rim.owner], _MAX_EDGE_RADII)
    within = prediction.instance[rim.index] == main[rim.owner]
    signed = np.where(within, -distance, distance)
    mean, signed_mean = rim.means(distance), rim.means(signed)
    spread = np.sqrt(np.maximum(rim.means(signed**2) - signed_mean**2, 0))
    pixels = prediction.distance[rim.index]
    return {
        "edge_away": mean,
        "edge_inside": np.maximum(-signed_mean, 0),
        "edge_outside": np.maximum(signed_mean, 0),
        "edge_spread": spread,
        "edge_pixels": np.minimum(rim.means(np.minimum(pixels, 10)), 10),
        "edge_off": rim.means(pixels > 2.5),
        "edge_seen": rim.means(prediction.edge[rim.index]),
    }


def _main_prediction(segments: SegmentSet, prediction: ImagePrediction) -> Ints:
    """(n,) the predicted segment with which each one shares most pixels; -2: none."""
    overlap = overlaps(segments, prediction.predicted)
    main = np.full(len(segments), -2)
    order = np.lexsort((overlap.b, overlap.pixels, overlap.a))
    main[overlap.a[order]] = overlap.b[order]
    return main


def inner_edges(segments: SegmentSet, deep: SegmentDepths, prediction: ImagePrediction) -> Columns:
    """Predicted edges inside, deeper than 2 px: two things drawn as one have one right across.

    `seam`: the length of predicted borders over the diameter; `seam_edge`: how probable an edge is on them.
    """
    core = deep.deeper_than(_CORE_DEPTH)
    border = core.select(prediction.border[core.index])
    return {
        "seam": np.minimum(border.sums(np.ones(len(border.index))) / (2 * segments.radius), _MAX_EDGE_RADII),
        "seam_edge": border.means(prediction.edge[border.index]),
        "core_edge": core.means(prediction.edge[core.index]),
    }


MIN_PROBABILITY = 1e-4  # probability, below which differences say nothing
_MIN_MEAN_PROBABILITY = 1e-3  # likewise, of means


def annotated_features(
    candidates: ImageCandidates, given: SegmentSet, prediction: ImagePrediction, grey: GreyImage | None = None
) -> tuple[tuple[str, ...], Floats]:
    """The names (F,) and values (n, F) of the features of annotated candidates; `grey`: the image."""
    segments = candidates.annotated
    deep = SegmentDepths.measure(segments)
    families = (
        size_and_shape(segments, deep), label_probability(segments, deep, prediction),
        edge_profile(segments, deep, given, prediction), prediction_fit(segments, prediction),
        edge_distances(segments, deep, prediction), inner_edges(segments, deep, prediction),
        contacts(segments, deep, prediction), novelty(segments, candidates.row, deep, given, grey),
    )  # fmt: skip
    return _join_families(families, len(segments))


def region_features(
    candidates: ImageCandidates, given: SegmentSet, prediction: ImagePrediction, grey: GreyImage | None = None
) -> tuple[tuple[str, ...], Floats]:
    """The names (F,) and values (m, F) of the features of regions; `grey`: the image."""
    regions = candidates.regions
    deep = SegmentDepths.measure(regions)
    families = (
        size_and_shape(regions, deep), label_probability(regions, deep, prediction),
        predicted_over_given(regions, deep, candidates.label, prediction), crowding(regions, deep, given),
        relative_size(regions, given), region_contrast(regions, candidates.label, deep, given, grey),
    )  # fmt: skip
    return _join_families(families, len(regions))


def _join_families(families: tuple[Columns, ...], n: int) -> tuple[tuple[str, ...], Floats]:
    columns = {name: values for family in families for name, values in family.items()}
    values = np.column_stack(list(columns.values())) if n else np.zeros((0, len(columns)))
    return tuple(columns), np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def size_and_shape(segments: SegmentSet, deep: SegmentDepths) -> Columns:
    """Size and shape of a segment, alone and relative to others of its category in the image.

    `knots`: the number of parts it falls into when eroded by 0.45 radii; `knot`: the share of the second largest of
    them: two things drawn as one have a waist.
    """
    n, area = len(segments), segments.areas.astype(float)
    measures = deep.shapes
    x, y, wide, high = bounding_boxes(segments.runs, segments.heights, n)
    log = np.log(np.maximum(area, 1))
    cut = (x == 0) | (y == 0) | (x + wide == segments.width) | (y + high == segments.height)
    knots, second = _waists(segments, deep)
    return {
        "log_area": log,
        "log_ratio": log - _median_of_like(log, segments.category),
        "compactness": 64 / np.pi * area / np.maximum(measures.perimeter, 4) ** 2,  # 1: a disc, whose edges are 8 radii
        "extent": area / np.maximum(wide * high, 1),
        "slender": np.log(np.maximum(np.maximum(wide, high), 1) / np.maximum(np.minimum(wide, high), 1)),
        "parts": np.log(np.maximum(measures.n_parts, 1)),
        "holes": np.log1p(measures.n_holes),
        "frame": cut.astype(float),
        "knots": knots,
        "knot": second,
    }


def _waists(segments: SegmentSet, deep: SegmentDepths) -> tuple[Floats, Floats]:
    n = len(segments)
    core = deep.deeper_than(np.maximum(0.45 * segments.radius, 1))
    inner = runs_of_ordered_pixels(core.index, core.owner, segments.height)
    parts = segment_shapes(inner, segments.heights, n).parts
    area = parts.area.astype(float)
    first, second = np.zeros(n), np.zeros(n)
    np.maximum.at(first, parts.owner, area)
    area[area == first[parts.owner]] = 0.0
    np.maximum.at(second, parts.owner, area)
    n_large = np.bincount(parts.owner[parts.area >= 4], minlength=n)
    return np.log(np.maximum(n_large, 1)), second / np.maximum(segments.areas, 1) * 4


def _median_of_like(values: Floats, category: Ints) -> Floats:
    """(n,) the median of the values of each segment's category."""
    median = np.zeros(len(values))
    for id_ in np.unique(category):
        median[category == id_] = np.median(values[category == id_])
    return median


def label_probability(segments: SegmentSet, deep: SegmentDepths, prediction: ImagePrediction) -> Columns:
    """The probability of the labelled category: over all pixels, and over the core, deeper than 2 px.

    `wrong` is the mean cube of how much more probable another category is, large only if the model is sure, and `mass`
    the log of its sum. `loss` is the mean of -log p, and `worst` the log odds of 1 - p where that is greatest.
    """
    n, every = len(segments), deep.pixels
    in_core = deep.depth > _CORE_DEPTH
    core = every.select(in_core)
    own_p, other_p = _own_and_other(segments, prediction, every)
    loss = -np.log(np.maximum(own_p, MIN_PROBABILITY))
    doubt = every.means(1 - own_p)
    has_core = core.areas > 0
    nothing = prediction.probability_at(np.zeros(len(every.index), np.int64), every.index)
    sure = np.maximum(other_p - own_p, 0) ** 3
    weight = np.exp((1 - own_p) / TEMPERATURE)
    return {
        "loss": every.means(loss),
        "core_loss": np.where(has_core, core.means(loss[in_core]), 0.0),
        "worst": -_log_odds(every.sums(own_p * weight) / np.maximum(every.sums(weight), 1e-9)),
        "mass": np.log1p(every.sums(sure)),
        "doubt": doubt,
        "doubt_among": doubt - _median_of_like(doubt, segments.category),
        "unsure": every.means(own_p < 0.5),
        "denied": every.means(own_p < 0.1),
        "margin": every.means(own_p - other_p),
        "wrong": every.means(sure),
        "core_doubt": np.where(has_core, core.means(1 - own_p[in_core]), doubt),
        "core_wrong": core.means(sure[in_core]),
        "nothing": every.means(nothing),
        "else": every.means(1 - own_p - nothing) if len(prediction.probability) > 2 else np.zeros(n),
    }


def _log_odds(p: Floats) -> Floats:
    """(n,) log odds of probabilities (n,), clipped."""
    clipped = np.clip(p, _MIN_MEAN_PROBABILITY, 1 - _MIN_MEAN_PROBABILITY)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _own_and_other(segments: SegmentSet, prediction: ImagePrediction, pixels: SegmentPixels) -> tuple[Floats, Floats]:
    """(p,) the probability of a segment's own category, and the greatest of another one."""
    first, second = prediction.best_two
    own_p = prediction.probability_at(segments.category[pixels.owner], pixels.index)
    other_p = np.where(own_p >= first[pixels.index], second[pixels.index], first[pixels.index])
    return own_p.astype(float), other_p.astype(float)


def edge_profile(segments: SegmentSet, deep: SegmentDepths, given: SegmentSet, prediction: ImagePrediction) -> Columns:
    """The probability of the category across the outline, from 4 px inside to 4 px outside.

    `outwards` and `inwards`: by how many pixels the model would move the outline out and in, on average: the
    probability outside, where the category is not labelled, and the missing probability inside, over the length of the
    outline.
    """
    n, every, label = len(segments), deep.pixels, given.categories()
    own_p = prediction.probability_at(segments.category[every.owner], every.index).astype(float)
    in_shell = deep.depth <= NEAR, (deep.depth > NEAR) & (deep.depth <= FURTHER)
    shells, inner = [every.select(inside) for inside in in_shell], [own_p[inside] for inside in in_shell]
    around = [deep.near_pixels, deep.further_pixels]
    sums = [every.sums(own_p * (label[every.index] != segments.category[every.owner]))]
    areas = [every.areas]
    for pixels in around:
        category = segments.category[pixels.owner]
        sums.append(pixels.sums(prediction.probability_at(category, pixels.index) * (label[pixels.index] != category)))
        areas.append(pixels.areas)
    outer, room = np.diff(sums, axis=0), np.maximum(np.diff(areas, axis=0), 1)
    length = np.maximum(deep.shapes.perimeter * np.pi / 4, 4)
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


def predicted_over_given(regions: SegmentSet, deep: SegmentDepths, label: Ints, prediction: ImagePrediction) -> Columns:
    """Columns (m,): how much more probable the predicted category is than the labelled one, and the thickness."""
    every, core = deep.pixels, deep.deeper_than(_CORE_DEPTH)
    area = np.maximum(regions.areas, 1)
    labelled_p = prediction.probability_at(label[every.owner], every.index).astype(float)
    predicted_p = prediction.probability_at(regions.category[every.owner], every.index).astype(float)
    odds = np.log(np.maximum(predicted_p, MIN_PROBABILITY)) - np.log(np.maximum(labelled_p, MIN_PROBABILITY))
    weight = np.exp((1 - labelled_p) / TEMPERATURE)
    return {
        "preferred": every.means(odds),
        "preferred_in_all": np.log1p(every.sums(np.maximum(predicted_p - labelled_p, 0) ** 3)),
        "given_worst": _log_odds(every.sums(labelled_p * weight) / np.maximum(every.sums(weight), 1e-9)),
        "given": every.means(labelled_p),
        "given_denied": every.means(labelled_p < 0.1),
        "unlabelled": (label == 0).astype(float),
        "saying_nothing": (regions.category == 0).astype(float),
        "thick": core.areas / area,
        "score": regions.score,
        "edge": every.means(prediction.edge[every.index]),
    }


def relative_size(regions: SegmentSet, given: SegmentSet) -> Columns:
    """The log of the area relative to the median of the category's labels in the image; 0 without labels."""
    log = np.log(np.maximum(regions.areas, 1))
    usual = log.copy()
    areas = np.log(np.maximum(given.areas, 1))
    for id_ in np.unique(regions.category):
        segments = areas[given.category == id_]
        if len(segments):
            usual[regions.category == id_] = np.median(segments)
    return {"log_usual": log - usual}
