"""Candidates: the labels and regions of an image that may be wrong, before their probability is estimated."""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Flags, Floats, Ints, Runs
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import (
    UNLABELLED,
    VOID,
    SegmentSet,
    distances_to,
    outline_pixels,
    overlaps,
    segments_of_map,
    split_into_parts,
)

MIN_PART_PIXELS = 16  # pixels below which a part is nothing that anybody would look at
_MIN_LABELLED_SHARE = 0.5  # the share of a predicted segment that must be labelled, for it not to be missing
_MIN_NESTED_SHARE = 0.9  # the share of a label that lies in another one of which it is a part


@dataclass(frozen=True, slots=True)
class ImageCandidates:
    """The candidates for errors in one image."""

    annotated: SegmentSet  # the annotated candidates: things as they are, of stuff each part
    row: Ints  # (n,) the given segment that each is, or is a part of
    regions: SegmentSet  # regions where the prediction differs, with the predicted category (0: nothing)
    label: Ints  # (m,) the category that the region is labelled as; 0: none
    thin: Flags  # (m,) whether all of a region is within one pixel of its edge in the reduced image that the model saw


def find_candidates(given: SegmentSet, prediction: ImagePrediction, things: Flags) -> ImageCandidates:
    """Find the candidates: annotated things and parts, predicted things without a label, and differing regions.

    `things` (K,): whether categories are countable. A region where the prediction differs from the label counts only if
    it is more than two pixels thick somewhere, since honest outlines differ by one, and if it is not nearly equal to
    an annotated part, which would be reviewed twice. Void is never a candidate.
    """
    segments, row = _annotated_candidates(given, things)
    missing = _missing_things(given, prediction, things)
    differing, label, thin = _differing_regions(given, prediction, things)
    overlap = overlaps(differing, segments)
    iou = overlap.pixels / (differing.areas[overlap.a] + segments.areas[overlap.b] - overlap.pixels)
    unmatched = np.flatnonzero(np.bincount(overlap.a[iou > _MIN_LABELLED_SHARE], minlength=len(differing)) == 0)
    label = np.append(np.zeros(len(missing), np.int64), label[unmatched])
    thin = np.append(np.zeros(len(missing), bool), thin[unmatched])
    return ImageCandidates(segments, row, missing.join(differing.take(unmatched)), label, thin)


def find_annotated(given: SegmentSet, prediction: ImagePrediction, things: Flags) -> ImageCandidates:
    """The annotated candidates alone, without regions where the prediction differs."""
    segments, row = _annotated_candidates(given, things)
    none = np.empty(0, np.int64)
    return ImageCandidates(segments, row, prediction.predicted.take(none), none, none.astype(bool))


def _annotated_candidates(given: SegmentSet, things: Flags) -> tuple[SegmentSet, Ints]:
    countable = things[np.maximum(given.category, 0)]
    is_labelled = given.category != VOID
    thing_rows = np.flatnonzero(is_labelled & countable & (given.areas > 0))
    stuff = np.flatnonzero(is_labelled & ~countable)
    parts, part_of = split_into_parts(given.runs.take(stuff, len(given)), given.height, len(stuff))
    large = np.flatnonzero(parts.areas(len(part_of)) >= MIN_PART_PIXELS)
    row = np.append(thing_rows, stuff[part_of[large]])
    runs = Runs.concatenate(
        [given.runs.take(thing_rows, len(given)), parts.take(large, len(part_of))], [len(thing_rows), len(large)]
    )
    return SegmentSet(runs, given.category[row], given.score[row], given.height, given.width), row


def _missing_things(given: SegmentSet, prediction: ImagePrediction, things: Flags) -> SegmentSet:
    """Predicted things less than half of which is labelled as a thing or void.

    If labels of one category lie in things of another, as windows lie in a facade, the latter do not count as labels of
    a predicted thing, unless one has nearly the same pixels.
    """
    predicted = prediction.predicted
    countable = np.flatnonzero(things[predicted.category] & (predicted.areas >= MIN_PART_PIXELS))
    things_seen = predicted.take(countable)
    labelled = given.take(np.flatnonzero((given.category == VOID) | things[np.maximum(given.category, 0)]))
    share = _covered_share(things_seen, labelled)
    for category, around in _nested_categories(labelled):
        rows = np.flatnonzero((things_seen.category == category) & (share >= _MIN_LABELLED_SHARE))
        inner = labelled.take(np.flatnonzero(~np.isin(labelled.category, around)))
        alike = np.flatnonzero(_best_iou(things_seen.take(rows), labelled) < _MIN_LABELLED_SHARE)
        share[rows[alike]] = _covered_share(things_seen.take(rows[alike]), inner)
    return things_seen.take(np.flatnonzero(share < _MIN_LABELLED_SHARE))


def _covered_share(segments: SegmentSet, labels: SegmentSet) -> Floats:
    """(n,) the share of each segment that any of the labels covers, pixels of overlapping ones once."""
    pixels = segments.pixels()
    return pixels.means(labels.mask().ravel()[pixels.index])


def _best_iou(segments: SegmentSet, labels: SegmentSet) -> Floats:
    """(n,) the largest IoU of each segment with a label."""
    best, overlap = np.zeros(len(segments)), overlaps(segments, labels)
    union = segments.areas[overlap.a] + labels.areas[overlap.b] - overlap.pixels
    np.maximum.at(best, overlap.a, overlap.pixels / union)
    return best


def _nested_categories(labels: SegmentSet) -> list[tuple[int, Ints]]:
    """The categories of labels that lie in labels of other categories, and which these are."""
    if len(np.unique(labels.category)) < 2:
        return []
    overlap = overlaps(labels, labels)
    inside = overlap.pixels > _MIN_NESTED_SHARE * labels.areas[overlap.a]
    inner, outer = labels.category[overlap.a[inside]], labels.category[overlap.b[inside]]
    nested = (inner != outer) & (inner != VOID) & (outer != VOID)
    return [(int(category), np.unique(outer[nested & (inner == category)])) for category in np.unique(inner[nested])]


def _differing_regions(given: SegmentSet, prediction: ImagePrediction, things: Flags) -> tuple[SegmentSet, Ints, Flags]:
    """Regions of stuff where the predicted and labelled category differ; their labels, and whether they are thin."""
    n, category = len(things), np.arange(len(things))
    differ = (category != category[:, None]) & ~things & ~things[:, None]
    if not differ.any():
        none = np.empty(0, np.int64)
        return given.take(none), none, none.astype(bool)
    code_of = np.where(differ, category[:, None] * n + category, -1)  # of a labelled and a predicted category
    of_void = np.full(n, -1)
    code = np.append(of_void, code_of)[(given.categories() - VOID) * n + prediction.best]
    regions = segments_of_map(code, given.height, given.width, blank=-1)
    inside, outline = regions.pixels(), outline_pixels(code.reshape(-1, given.height)).ravel()
    core = np.bincount(inside.owner[~outline[inside.index]], minlength=len(regions))
    kept = np.flatnonzero((core > 0) & (regions.areas >= MIN_PART_PIXELS))
    thin = np.zeros(len(regions), bool)
    if prediction.grain > 1:  # of reduced images an outline is off by as many pixels as the model sees as one
        away = distances_to(outline.reshape(-1, given.height)).ravel()[inside.index]
        thin = np.bincount(inside.owner[away >= prediction.grain], minlength=len(regions)) == 0
    regions = regions.take(kept)
    predicted = regions.category % n
    sure = np.where(predicted == UNLABELLED, 1.0, regions.score)
    predicted_regions = SegmentSet(regions.runs, predicted, sure, given.height, given.width)
    return predicted_regions, regions.category // n, thin[kept]
