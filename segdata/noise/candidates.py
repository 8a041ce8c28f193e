"""Candidates: everything in an image that may be wrong, before its probability is estimated."""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints, Runs
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import (
    UNLABELLED,
    VOID,
    Flags,
    SegmentPixels,
    SegmentSet,
    overlaps,
    segments_of_map,
    split_into_parts,
)

MIN_PART_PIXELS = 16  # pixels below which a part is nothing that anybody would look at
_MIN_LABELLED_SHARE = 0.5  # the share of a predicted segment that must be labelled, for it not to be missing


@dataclass(frozen=True, slots=True)
class ImageCandidates:
    """The candidates for errors in one image.

    Attributes
    ----------
    annotated : the annotated candidates: things as they are, of stuff each part
    row : (n,) the given segment that each is, or is a part of
    regions : regions where the prediction differs, with the predicted category (0: nothing)
    label : (m,) the category that the region is labelled as; 0: none
    """

    annotated: SegmentSet
    row: Ints
    regions: SegmentSet
    label: Ints


def find_candidates(given: SegmentSet, prediction: ImagePrediction, things: Flags) -> ImageCandidates:
    """Every annotated thing or part, every predicted thing that is hardly labelled, every region labelled differently.

    `things` (K,): which categories are countable. A region where the prediction differs from the label counts only if
    it is somewhere more than two pixels thick, since honest outlines differ by one, and if it is not nearly the same as
    an annotated part, which would be reviewed twice. Void is never a candidate.
    """
    segments, row = _annotated_candidates(given, things)
    missing = _missing_things(given, prediction, things)
    apart, label = _differing_regions(given, prediction, things)
    other = np.flatnonzero(~_match_annotated(apart, segments))
    apart, label = apart.take(other), label[other]
    regions = SegmentSet(
        Runs.concatenate([missing.runs, apart.runs], [len(missing), len(apart)]),
        np.append(missing.category, apart.category),
        np.append(missing.score, apart.score),
        given.height,
        given.width,
    )
    return ImageCandidates(segments, row, regions, np.append(np.zeros(len(missing), np.int64), label))


def _annotated_candidates(given: SegmentSet, things: Flags) -> tuple[SegmentSet, Ints]:
    countable = things[np.maximum(given.category, 0)]
    seen = given.category != VOID
    whole = np.flatnonzero(seen & countable & (given.areas > 0))
    rest = np.flatnonzero(seen & ~countable)
    parts, of = split_into_parts(given.runs.take(rest, len(given)), given.height, len(rest))
    large = np.flatnonzero(parts.areas(len(of)) >= MIN_PART_PIXELS)
    row = np.append(whole, rest[of[large]])
    runs = Runs.concatenate([given.runs.take(whole, len(given)), parts.take(large, len(of))], [len(whole), len(large)])
    return SegmentSet(runs, given.category[row], given.score[row], given.height, given.width), row


def _missing_things(given: SegmentSet, prediction: ImagePrediction, things: Flags) -> SegmentSet:
    """Predicted things of which less than half is labelled as any thing, or void."""
    seen = prediction.predicted
    countable = np.flatnonzero(things[seen.category] & (seen.areas >= MIN_PART_PIXELS))
    found = seen.take(countable)
    labelled = given.take(np.flatnonzero((given.category == VOID) | things[np.maximum(given.category, 0)]))
    covered = SegmentSet.of(labelled.runs, np.ones(len(labelled), np.int64), given.height, given.width)
    taken = segments_of_map(covered.categories(), given.height, given.width)
    met = overlaps(found, taken)  # of the union, so that overlapping segments count once
    share = np.bincount(met.a, met.pixels, len(found)) / np.maximum(found.areas, 1)
    return found.take(np.flatnonzero(share < _MIN_LABELLED_SHARE))


def _differing_regions(given: SegmentSet, prediction: ImagePrediction, things: Flags) -> tuple[SegmentSet, Ints]:
    """Regions where the predicted and the labelled category differ, neither of them a thing."""
    label, best, n = given.categories(), prediction.best, len(prediction.probability)
    differs = (label != best) & (label != VOID) & ~things[best] & ~things[np.maximum(label, 0)]
    code = np.where(differs, label * n + best, -1)
    found = segments_of_map(code, given.height, given.width, blank=-1)
    inside = SegmentPixels.of_runs(found.runs, len(found))
    core = np.bincount(inside.of[_interior_pixels(code, given.height)[inside.at]], minlength=len(found))
    found = found.take(np.flatnonzero((core > 0) & (found.areas >= MIN_PART_PIXELS)))
    seen = found.category % n
    sure = np.where(seen == UNLABELLED, 1.0, found.score)
    return SegmentSet(found.runs, seen, sure, given.height, given.width), found.category // n


def _match_annotated(regions: SegmentSet, segments: SegmentSet) -> Flags:
    """(m,) whether a region has an IoU above one half with an annotated candidate."""
    met = overlaps(regions, segments)
    iou = met.pixels / (regions.areas[met.a] + segments.areas[met.b] - met.pixels)
    return np.bincount(met.a[iou > _MIN_LABELLED_SHARE], minlength=len(regions)) > 0


def _interior_pixels(code: Ints, height: int) -> Flags:
    """(width * height,) the pixels whose four neighbours are of the same value; the frame ends nothing."""
    field = code.reshape(-1, height)
    inner = np.ones(field.shape, bool)
    for axis in (0, 1):
        same = np.diff(field, axis=axis) == 0
        one, other = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        inner[one] &= same
        inner[other] &= same
    return inner.ravel()
