"""Candidates: everything in an image that may be wrong, before its probability is estimated."""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints, Runs
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import (
    UNLABELLED,
    VOID,
    Flags,
    SegmentSet,
    distances_to,
    outline_pixels,
    overlaps,
    segments_of_map,
    split_into_parts,
)

MIN_PART_PIXELS = 16  # pixels below which a part is nothing that anybody would look at
_MIN_LABELLED_SHARE = 0.5  # the share of a predicted segment that must be labelled, for it not to be missing


@dataclass(frozen=True, slots=True)
class ImageCandidates:
    """The candidates for errors in one image."""

    annotated: SegmentSet  # the annotated candidates: things as they are, of stuff each part
    row: Ints  # (n,) the given segment that each is, or is a part of
    regions: SegmentSet  # regions where the prediction differs, with the predicted category (0: nothing)
    label: Ints  # (m,) the category that the region is labelled as; 0: none
    thin: Flags  # (m,) regions nowhere more than two pixels thick, of those that the model sees in a reduced image


def find_candidates(given: SegmentSet, prediction: ImagePrediction, things: Flags) -> ImageCandidates:
    """Every annotated thing or part, every predicted thing that is hardly labelled, every region labelled differently.

    `things` (K,): which categories are countable. A region where the prediction differs from the label counts only if
    it is somewhere more than two pixels thick, since honest outlines differ by one, and if it is not nearly the same as
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
    """Predicted things less than half of which is labelled as a thing or void."""
    predicted = prediction.predicted
    countable = np.flatnonzero(things[predicted.category] & (predicted.areas >= MIN_PART_PIXELS))
    things_seen = predicted.take(countable)
    labelled = given.take(np.flatnonzero((given.category == VOID) | things[np.maximum(given.category, 0)]))
    covered = given.same_image(labelled.runs, len(labelled))
    labelled_area = segments_of_map(covered.categories(), given.height, given.width)
    overlap = overlaps(things_seen, labelled_area)  # of the union, so that overlapping segments count once
    share = np.bincount(overlap.a, overlap.pixels, len(things_seen)) / np.maximum(things_seen.areas, 1)
    return things_seen.take(np.flatnonzero(share < _MIN_LABELLED_SHARE))


def _differing_regions(given: SegmentSet, prediction: ImagePrediction, things: Flags) -> tuple[SegmentSet, Ints, Flags]:
    """Regions where the predicted and the labelled category differ, neither of them a thing; labels, and thin ones."""
    label, best, n = given.categories(), prediction.best, len(prediction.probability)
    differs = (label != best) & (label != VOID) & ~things[best] & ~things[np.maximum(label, 0)]
    code = np.where(differs, label * n + best, -1)
    regions = segments_of_map(code, given.height, given.width, blank=-1)
    inside, outline = regions.pixels(), outline_pixels(code.reshape(-1, given.height)).ravel()
    core = np.bincount(inside.of[~outline[inside.at]], minlength=len(regions))
    kept = np.flatnonzero((core > 0) & (regions.areas >= MIN_PART_PIXELS))
    thin = np.zeros(len(regions), bool)
    if prediction.grain > 1:  # of reduced images an outline is off by as many pixels as the model sees as one
        away = distances_to(outline.reshape(-1, given.height)).ravel()[inside.at]
        thin = np.bincount(inside.of[away >= prediction.grain], minlength=len(regions)) == 0
    regions = regions.take(kept)
    predicted = regions.category % n
    sure = np.where(predicted == UNLABELLED, 1.0, regions.score)
    seen = SegmentSet(regions.runs, predicted, sure, given.height, given.width)
    return seen, regions.category // n, thin[kept]
