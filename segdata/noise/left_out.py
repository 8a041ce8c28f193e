"""Left-out and missing labels: predicted things without a label that look like those with one.

A model also predicts things that are not there, more in some images than in others, and some images have few things.
So the number of predictions without a label is weak evidence: their appearance decides, compared with labelled and
unlabelled predictions in other images. A label is left out if its image has almost none, and missing if the image has
others. A classifier of injected errors learns frequent real errors as correct, since they are among the unchanged
labels. Here no label is assumed to be correct.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.resampling import intraclass_correlation
from segdata.core.runs import Flags, Floats, Ints, segment_shapes
from segdata.noise.appearance import GreyImage
from segdata.noise.calibration import error_rate_bound, fit_calibration, fit_logistic
from segdata.noise.candidates import MIN_PART_PIXELS, ImageCandidates
from segdata.noise.features import TEMPERATURE
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import (
    UNLABELLED,
    VOID,
    SegmentPixels,
    SegmentSet,
    outline_pixels,
    overlaps,
    paint_order,
)

_MIN_LABELLED_SHARE = 0.5  # of its pixels, for a predicted part to have a label
_SURE = 0.9  # probability of a pixel from which on the model is sure
_LEAST = 1e-6
_GROUND_SHARE = 0.5  # of the image, that a labelled part covers on which things lie without being the same thing
_MAX_OWN_SHARE = 0.1  # of a part that may have its own label beside it: more is a label with another outline


@dataclass(frozen=True, slots=True)
class SeenParts:
    """The parts and things that a model predicts in one image, with features that do not depend on the labels."""

    x: Floats  # (p, F) features
    category: Ints  # (p,) as predicted
    area: Ints  # (p,) pixels
    labelled: Flags  # (p,) at least half of the pixels have a label
    confirmed: Flags  # (p,) at least half of them have its own category
    alone: (
        Flags  # (p,) hardly any has it, and at least half have no label or lie on the ground: half of the image or more
    )
    region: Ints  # (m,) for each region of the candidates, the part without a label that it belongs to; -1: none
    place: Ints  # (m,) for each region, the part alone of which it is half or more; -1: none


def describe_seen_parts(
    prediction: ImagePrediction, given: SegmentSet, candidates: ImageCandidates, grey: GreyImage | None
) -> SeenParts:
    """Describe the regions that a model predicts in an image with labels `given`; `grey` (width, height): the image.

    The features are how sure the model is, size, compactness, brightness and how strong the image's edges are. None
    depends on the labels, since an image almost without labels has none to compare with.
    """
    parts = prediction.predicted
    parts = parts.take(np.flatnonzero((parts.areas >= MIN_PART_PIXELS) & (parts.category > UNLABELLED)))
    n, inside, label = len(parts), parts.pixels(), given.categories()
    p = prediction.probability_at(parts.category[inside.owner], inside.index).astype(float)
    weight = np.exp((1 - p) / TEMPERATURE)
    perimeter = segment_shapes(parts.runs, parts.heights, n).perimeter
    columns = [
        inside.means(p),
        inside.sums(p * weight) / np.maximum(inside.sums(weight), _LEAST),
        inside.means(p > _SURE),
        np.log(np.maximum(parts.areas, 1)),
        64 / np.pi * parts.areas / np.maximum(perimeter, 4) ** 2,
        *(_brightness(parts, inside, grey) if grey is not None else np.zeros((5, n))),
    ]
    labelled = inside.means(label[inside.index] != UNLABELLED) >= _MIN_LABELLED_SHARE
    order = paint_order(candidates.annotated.areas, candidates.annotated.category == VOID)
    around = candidates.annotated.take(order).paint(candidates.annotated.areas[order], 0)  # area of what is labelled
    own = label[inside.index] == parts.category[inside.owner]
    confirmed = inside.means(own) >= _MIN_LABELLED_SHARE
    bare = ~own & ((label == UNLABELLED) | (around >= _GROUND_SHARE * len(label)))[inside.index]
    alone = (inside.means(own) < _MAX_OWN_SHARE) & (inside.means(bare) >= _MIN_LABELLED_SHARE)
    region, whole = _parts_of_regions(candidates, parts)
    kept = np.append(~labelled, False)[region] & (candidates.label == UNLABELLED)
    return SeenParts(
        x=np.column_stack(columns),
        category=parts.category,
        area=parts.areas,
        labelled=labelled,
        confirmed=confirmed,
        alone=alone,
        region=np.where(kept, region, -1),
        place=np.where(np.append(alone, False)[region] & whole, region, -1),
    )


def _brightness(parts: SegmentSet, inside: SegmentPixels, grey: GreyImage) -> tuple[Floats, ...]:
    """Each (n,): edges along the outline, mean, difference to where nothing is predicted, spread, and edges inside."""
    value, edges = grey.values.ravel().astype(float), grey.edges.ravel().astype(float)
    usual = max(float(edges.mean()), _LEAST)
    number = parts.paint(np.arange(len(parts)), -1)
    rim = inside.select(outline_pixels(number.reshape(parts.width, parts.height)).ravel()[inside.index])
    elsewhere = number < 0
    mean = inside.means(value[inside.index])
    return (
        np.log(np.maximum(rim.means(edges[rim.index]), _LEAST) / usual),
        mean,
        mean - float((value[elsewhere] if elsewhere.any() else value).mean()),
        np.sqrt(np.maximum(inside.means(value[inside.index] ** 2) - mean**2, 0)),
        np.log(np.maximum(inside.means(edges[inside.index]), _LEAST) / usual),
    )


def _parts_of_regions(candidates: ImageCandidates, parts: SegmentSet) -> tuple[Ints, Flags]:
    """(m,) the part with a region's category in which most of it lies, -1: none; and if it is half of that part."""
    regions = candidates.regions
    result, whole = np.full(len(regions), -1, np.int64), np.zeros(len(regions), bool)
    met = overlaps(regions, parts)
    same = (regions.category[met.a] == parts.category[met.b]) & (2 * met.pixels > regions.areas[met.a])
    result[met.a[same]] = met.b[same]
    whole[met.a[same]] = (2 * met.pixels >= parts.areas[met.b])[same]
    return result, whole


_SHARES = np.linspace(0.0025, 0.9975, 200)  # of the parts without a label that were left out, in one image
_USUAL_SHARES = 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5  # over all images, of which the most probable one is taken
# Of the Beta distribution of an image's share: mostly nearly all or nearly none. Chosen on the "-dev" sets.
_CONCENTRATION = 1.0
_PENALTY = 10.0  # of the logistic regressions
_MIN_LABELLED, _MIN_UNLABELLED = 10, 3  # parts to learn from
_MIN_LEFT_OUT = 3  # expected parts of a category left out of an image, below which it is not almost without labels


def left_out_probability(seen: Sequence[SeenParts], fold: Ints, known: Flags, reliable: Flags) -> list[Floats]:
    """For each image (p,) the probability that each part was left out; 0 where labels are not almost all missing.

    Parameters
    ----------
    seen : of the images
    fold : (i,) images of one fold do not teach how to judge each other
    known : (i,) in which the model knows what it sees; others teach nothing, and lack nothing
    reliable : (K,) the categories in which it does

    A logistic regression tells parts with a label from those without, in other images. The share of left-out parts of a
    category in an image has a Beta prior, whose mean is fitted to all images, and its likelihood is a mixture of both.
    Parts of one image are alike, and say less than as many of different images: their log likelihood is divided by
    the design effect, 1 + (n - 1) times the correlation within images. Labels of a category are almost all missing if
    more parts are expected to be left out than have a label, and more pixels: stuff is one large part with a label and
    many crumbs.
    Sources: Kish (1965), Survey Sampling (design effect); Efron and Morris (1975), Journal of the American Statistical
    Association 70, 311-319 (empirical Bayes).
    """
    nothing = [np.zeros(len(item.category)) for item in seen]
    image = np.repeat(np.arange(len(seen)), [len(item.category) for item in seen])
    if not len(image):
        return nothing
    labelled, category, area = (
        np.concatenate([getattr(item, name) for item in seen]) for name in ("labelled", "category", "area")
    )
    judged = known[image] & reliable[category]
    _, unit = np.unique(image * len(reliable) + category, return_inverse=True)
    n_labelled, n_without, pixels, pixels_without = (
        np.bincount(unit, size * (judged & which)) for size in (1, area) for which in (labelled, ~labelled)
    )
    may_lack = (n_without > n_labelled) & (pixels_without > pixels)
    usual = judged & (labelled | ~may_lack[unit])  # parts that may be left out are not learnt from
    ratio = _label_ratio(np.concatenate([item.x for item in seen]), category, labelled, usual, fold[image])
    without = judged & ~labelled
    correlation = intraclass_correlation(ratio[usual & ~labelled], unit[usual & ~labelled])
    alike = np.clip(np.nan_to_num(correlation), 0, 1)
    rows = np.flatnonzero(without & (ratio != 0))
    if not len(rows):
        return nothing
    gain = np.log(_SHARES * np.exp(ratio[rows])[:, None] + 1 - _SHARES)  # (r, S) of the log likelihood
    units, of = np.unique(unit[rows], return_inverse=True)
    order = np.argsort(of, kind="stable")
    total = np.add.reduceat(gain[order], np.searchsorted(of[order], np.arange(len(units))), axis=0)
    posterior = _posterior(total / (1 + (np.bincount(of) - 1) * alike)[:, None])
    part_probability = (posterior[of] * _SHARES * np.exp(ratio[rows])[:, None] / np.exp(gain)).sum(axis=1)
    expected, expected_pixels = np.bincount(of, part_probability), np.bincount(of, part_probability * area[rows])
    bare = (expected >= _MIN_LEFT_OUT) & (expected > n_labelled[units]) & (expected_pixels > pixels[units])
    probability = np.zeros(len(image))
    probability[rows] = np.where(bare[of], part_probability, 0.0)
    return np.split(probability, np.cumsum([len(item.category) for item in seen])[:-1])


def _label_ratio(x: Floats, category: Ints, labelled: Flags, usual: Flags, fold: Ints) -> Floats:
    """(p,) the log density ratio of each part among parts with a label to parts without.

    Learnt from the usual ones in other folds; 0 where these are too few. Features count relative to the median of the
    labelled parts of their category, and so do their squares.
    """
    away = x.copy()
    for id_ in np.unique(category):
        rows = category == id_
        away[rows] -= np.median(x[rows & labelled & usual], axis=0) if (rows & labelled & usual).any() else 0.0
    away = np.column_stack([away, away**2])
    ratio = np.zeros(len(x))
    for number in np.unique(fold):
        taught, own = usual & (fold != number), fold == number
        n = int(labelled[taught].sum()), int((~labelled[taught]).sum())
        if n[0] >= _MIN_LABELLED and n[1] >= _MIN_UNLABELLED:
            model = fit_logistic(away[taught], labelled[taught].astype(np.int64), _PENALTY)
            ratio[own] = model.margin(away[own]) - np.log(n[0] / n[1])
    return np.clip(ratio, -30, 30)


def _posterior(likelihood: Floats) -> Floats:
    """(u, S) the probability of each share, from its log likelihood (u, S), with the most probable of the priors."""
    best, evidence = likelihood, -np.inf
    for mean in _USUAL_SHARES:
        a, b = mean * _CONCENTRATION, (1 - mean) * _CONCENTRATION
        prior = (a - 1) * np.log(_SHARES) + (b - 1) * np.log1p(-_SHARES)
        joint = likelihood + prior - np.logaddexp.reduce(prior)
        whole = np.logaddexp.reduce(joint, axis=1)
        if whole.sum() > evidence:
            best, evidence = joint - whole[:, None], float(whole.sum())
    return np.exp(best)


_MIN_PARTS = 10  # with and without a label, to learn from
_MIN_SURER = 30  # parts with a label that look as much like one; how likely what looks more so is, nobody knows
_MAX_PROBABILITY = 0.95  # the model may be sure of something that nobody labels


def missing_label_probability(
    seen: Sequence[SeenParts], fold: Ints, known: Flags, reliable: Flags, left_out: Sequence[Floats]
) -> list[Floats]:
    """For each image (p,) the probability that the label of each part is missing; 0 of parts that have one.

    `left_out` is the result of `left_out_probability`, whose parameters the others are. Where an image has no label of
    a category and it says that they were left out, its parts teach nothing: all that looks like a label lacks one
    there, so that looks would seem to tell nothing in the other images either.

    Learning from positive and unlabelled examples: a logistic regression for each category tells parts with a label
    from those without, in other images. If f is the density of looks with a label, g without, and s the share of the
    latter that lack one, then the probability is s f / g. It takes the greatest s that the looks allow, so it is too
    high where the model takes for one what looks just like it; it is too low where labels are missing rather of what
    is hard to see.
    Sources: Elkan and Noto (2008), KDD, 213-220; Blanchard, Lee and Scott (2010), Journal of Machine Learning Research
    11, 2973-3009 (the share).
    """
    image = np.repeat(np.arange(len(seen)), [len(item.category) for item in seen])
    probability = np.zeros(len(image))
    if len(image):
        x = np.concatenate([item.x for item in seen])
        category, with_label, without = (
            np.concatenate([getattr(item, name) for item in seen]) for name in ("category", "confirmed", "alone")
        )
        is_left_out = np.concatenate(left_out) > 0
        judged = known[image] & reliable[category] & (with_label | without)
        for id_ in np.unique(category[judged]):
            rows = np.flatnonzero(judged & (category == id_))
            n_labelled, n_left_out = (np.bincount(image[rows], of[rows]) for of in (with_label, is_left_out))
            teaches = ((n_labelled > 0) | (n_left_out == 0))[image[rows]]
            if with_label[rows].sum() >= _MIN_SURER and (without[rows] & teaches).sum() >= _MIN_PARTS:
                found = _of_category(x[rows], with_label[rows], fold[image[rows]], teaches)
                probability[rows] = np.where(without[rows], found, 0.0)
    return np.split(probability, np.cumsum([len(item.category) for item in seen])[:-1])


def _of_category(x: Floats, with_label: Flags, fold: Ints, teaches: Flags) -> Floats:
    """(p,) the probability that each part without a label lacks one, learnt from those that teach."""
    away = x - np.median(x[with_label], axis=0)
    away = np.column_stack([away, away**2])
    odds, is_labelled = np.zeros(len(x)), with_label.astype(np.int64)
    for number in np.unique(fold):
        taught, own = teaches & (fold != number), fold == number
        n = int(is_labelled[taught].sum())
        if min(n, int(taught.sum()) - n) >= _MIN_PARTS:
            model = fit_logistic(away[taught], is_labelled[taught], _PENALTY)
            odds[own] = model.margin(away[own]) - np.log(n / (taught.sum() - n))
    calibration = fit_calibration(odds[teaches], is_labelled[teaches])
    odds = calibration.odds(odds) - np.log(with_label.sum() / (teaches & ~with_label).sum())
    share = error_rate_bound(odds[teaches], with_label[teaches])
    odds = np.minimum(odds, np.sort(odds[with_label])[-_MIN_SURER])
    return np.asarray(np.minimum(share * np.exp(odds), _MAX_PROBABILITY))
