"""Known errors: errors in labels that are known from clean labels or from a list of injected errors."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.runs import Flags, Ints, Runs
from segdata.core.safe_text import reading_json
from segdata.core.schema import rle_to_runs
from segdata.noise.candidates import MIN_PART_PIXELS
from segdata.noise.corruptions import match_corruptions
from segdata.noise.error_types import CorruptionKind, Corruptions
from segdata.noise.evaluation import EvaluatedRanking
from segdata.noise.ranking import RankedCandidates
from segdata.noise.segments import (
    UNLABELLED,
    VOID,
    SegmentSet,
    overlaps,
    runs_of_pixels,
    segments_of_map,
)

_SAME_OUTLINE_IOU = 0.8  # IoU from which two outlines are the same: nobody draws twice the same pixels
_MAX_HONEST_PIXELS = 1  # pixels by which honest outlines differ
_SAME_SEGMENT_IOU = 0.5
_PIECE_SHARE = 0.5  # the share of a segment within another that makes it a piece


class KnownError(msgspec.Struct, frozen=True):
    """One error of a list, as `segdata.testing.noise` writes it; see `segdata.testing.noise.InjectedError`."""

    kind: CorruptionKind
    image: str
    counts: str
    clean_counts: str
    severity: float = 1.0


def read_known_errors(path: Path) -> list[KnownError]:
    """The errors of a list; raises SegdataError if the file is not such a list."""
    with reading_json(path, "a list of errors as segdata.testing.noise writes it"):
        return msgspec.json.decode(path.read_bytes(), type=list[KnownError])


def errors_of_list(known: Sequence[KnownError], given: SegmentSet) -> Corruptions:
    """The errors of one image: a segment is wrong if more than half of it was made by an error."""
    sizes = np.full(len(known), given.height, np.int64), np.full(len(known), given.width, np.int64)
    old, new = (
        rle_to_runs(pa.array([text.encode() for text in texts], pa.binary()), *sizes)[0]
        for texts in ([error.clean_counts for error in known], [error.counts for error in known])
    )
    overlap = overlaps(given, given.same_image(new, len(known)))
    inside = overlap.pixels > _PIECE_SHARE * given.areas[overlap.a]
    after = np.full(len(given), -1, np.int64)
    after[overlap.a[inside]] = overlap.b[inside]
    nothing = np.empty(0, np.int64)
    kinds = tuple(error.kind for error in known)
    return Corruptions(kinds, np.array([error.severity for error in known]), nothing, after, nothing, old, new)


def compare_labels(given: SegmentSet, clean: SegmentSet, things: Flags) -> Corruptions:
    """The errors in given labels, by comparison with clean ones of the same image.

    Two things with an IoU above `_SAME_OUTLINE_IOU` are the same. With the same category and another outline, the
    outline is wrong. A thing that lies more than half within another is a piece of it. In stuff, each part whose pixels
    have another category than the clean labels is an error if it is more than `_MAX_HONEST_PIXELS` px thick.
    """
    comparison = _LabelComparison(given, clean, things)
    comparison.compare_things()
    comparison.compare_parts()
    return comparison.mistakes()


class _LabelComparison:
    """The errors found so far: kind, given segments, pixels before and after."""

    def __init__(self, given: SegmentSet, clean: SegmentSet, things: Flags) -> None:
        self._given, self._clean, self._things = given, clean, things
        self._kinds: list[CorruptionKind] = []
        self._after = np.full(len(given), -1, np.int64)
        self._old: list[Runs] = []
        self._new: list[Runs] = []

    def compare_things(self) -> None:
        """Find things that are missing, extra, of another category or outline, merged and split."""
        given, clean = (self._countable(labels) for labels in (self._given, self._clean))
        given_things, clean_things = self._given.take(given), self._clean.take(clean)
        overlap = overlaps(given_things, clean_things)
        area_a, area_b = given_things.areas[overlap.a], clean_things.areas[overlap.b]
        iou = overlap.pixels / np.maximum(area_a + area_b - overlap.pixels, 1)
        holds_clean, holds_given = overlap.pixels > _PIECE_SHARE * area_b, overlap.pixels > _PIECE_SHARE * area_a
        done_a, done_b = np.zeros(len(given), bool), np.zeros(len(clean), bool)
        is_same = (iou >= _SAME_OUTLINE_IOU) & (given_things.category[overlap.a] == clean_things.category[overlap.b])
        done_a[overlap.a[is_same]] = done_b[overlap.b[is_same]] = True
        open_ = ~done_a[overlap.a] & ~done_b[overlap.b]
        for row in np.flatnonzero(np.bincount(overlap.a[open_ & holds_clean], minlength=len(given)) > 1).tolist():
            pieces = overlap.b[open_ & holds_clean & (overlap.a == row)]
            self._add("merge", given[[row]], clean[pieces])
            done_a[row] = done_b[pieces] = True
        open_ = ~done_a[overlap.a] & ~done_b[overlap.b]
        for row in np.flatnonzero(np.bincount(overlap.b[open_ & holds_given], minlength=len(clean)) > 1).tolist():
            pieces = overlap.a[open_ & holds_given & (overlap.b == row)]
            self._add("split", given[pieces], clean[[row]])
            done_a[pieces] = done_b[row] = True
        for pair in np.argsort(-iou, kind="stable").tolist():
            a, b = int(overlap.a[pair]), int(overlap.b[pair])
            if done_a[a] or done_b[b]:
                continue
            done_a[a] = done_b[b] = True
            self._add(self._kind_of(given[a], clean[b], float(iou[pair])), given[[a]], clean[[b]])
        for row in np.flatnonzero(~done_a).tolist():
            self._add("extra", given[[row]], clean[:0])
        for row in np.flatnonzero(~done_b).tolist():
            self._add("missing", given[:0], clean[[row]])

    def _kind_of(self, a: int, b: int, iou: float) -> CorruptionKind:
        if iou > _SAME_SEGMENT_IOU and self._given.category[a] != self._clean.category[b]:
            return "category"
        larger = self._given.areas[a] > self._clean.areas[b]
        return ("dilate" if larger else "erode") if iou > _SAME_SEGMENT_IOU else "shift"

    def compare_parts(self) -> None:
        """Find parts of stuff that have another category, or none."""
        given_categories, clean_categories = (self._flat(labels) for labels in (self._given, self._clean))
        n = len(self._things)
        differs = (given_categories != VOID) & (clean_categories != VOID) & (given_categories != clean_categories)
        regions = segments_of_map(
            np.where(differs, given_categories * n + clean_categories, -1),
            self._given.height,
            self._given.width,
            blank=-1,
        )
        thick = (regions.grown(-_MAX_HONEST_PIXELS).areas(len(regions)) > 0) & (regions.areas >= MIN_PART_PIXELS)
        for row in np.flatnonzero(thick).tolist():
            was, should = divmod(int(regions.category[row]), n)
            kind: CorruptionKind = "missing" if was == UNLABELLED else "extra" if should == UNLABELLED else "category"
            self._kinds.append(kind)
            self._old.append(Runs.empty())
            self._new.append(regions.row(row).runs)

    def _countable(self, segments: SegmentSet) -> Ints:
        return np.flatnonzero(self._things[np.maximum(segments.category, 0)] & (segments.category != VOID))

    def _flat(self, segments: SegmentSet) -> Ints:
        """(width * height,) categories of stuff; void where things are."""
        value = np.where(self._things[np.maximum(segments.category, 0)], VOID, segments.category)
        return segments.paint(value, UNLABELLED)

    def _add(self, kind: CorruptionKind, given: Ints, clean: Ints) -> None:
        self._after[given] = len(self._kinds)
        self._kinds.append(kind)
        self._new.append(_union_runs(self._given, given))
        self._old.append(_union_runs(self._clean, clean))

    def mistakes(self) -> Corruptions:
        """All errors found."""
        n, nothing = len(self._kinds), np.empty(0, np.int64)
        old, new = (Runs.concatenate(outlines, [1] * n) for outlines in (self._old, self._new))
        return Corruptions(tuple(self._kinds), np.ones(n), nothing, self._after, nothing, old, new)


def _union_runs(segments: SegmentSet, rows: Ints) -> Runs:
    """The pixels of some segments as one."""
    pixels = segments.take(rows).pixels().index
    return runs_of_pixels(pixels, 0, segments.height) if len(pixels) else Runs.empty()


def match_known_errors(
    errors: Sequence[Corruptions], ranking: RankedCandidates, labels_of: Callable[[int], SegmentSet], things: Flags
) -> EvaluatedRanking:
    """The candidates with the errors that they are about; `errors` and `labels_of(i)` are those of the i-th image."""
    first = np.cumsum([0, *map(len, errors)])
    numbers: tuple[list[Ints], list[Ints]] = [], []
    for image, (truth, begin) in enumerate(zip(errors, first.tolist(), strict=False)):
        for sort, mistake in enumerate(match_corruptions(ranking.candidates[image], labels_of(image), truth, things)):
            numbers[sort].append(np.where(mistake >= 0, mistake + begin, -1))
    return EvaluatedRanking(
        ranking.probability,
        ranking.image,
        np.concatenate([np.empty(0, np.int64), *numbers[0], *numbers[1]]),
        [name for truth in errors for name in truth.types],
        np.repeat(np.arange(len(errors)), np.diff(first)),
        len(errors),
    )
