"""Misplaced labels: annotators whose labels fit those of others only mirrored, turned, moved or scaled."""

from collections import Counter
from collections.abc import Iterator
from itertools import product

import numpy as np

from segdata.agreement.paired_segments import AnnotatorPair, PanelBatch, annotator_names, pair_annotators
from segdata.agreement.panel import Panel
from segdata.core import kernels
from segdata.core.annotator_pairs import AnnotatorPairs, MisplacedAnnotator
from segdata.core.batch import Batch, clip_to_roi
from segdata.core.errors import count_noun
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, NumberLine, expand_ranges
from segdata.measure import placements

MISPLACED_CODE = "SEG413"
_POOR, _GOOD = 0.3, 0.5  # the IoU of what is labelled at all: as it is, and mirrored
_AXES = ("left to right", "top to bottom", "first to last slice")
_MAX_COMPARED_IMAGES, _MIN_COMPARED_IMAGES = 12, 3  # of two annotators, whose outlines are compared
_USUAL_NEAR = 0.8  # share of boundaries near the other's from which nothing is misplaced
# After a change: the score, its ratio to the score before, and the share of images. SEG314 has the same for pictures.
_MIN_SCORE, _MIN_SHIFT_RATIO, _MIN_RATIO, _MIN_FITTING = 8.0, 1.3, 1.5, 0.8


def find_misplaced(panel: Panel, comparison: AnnotatorPairs) -> tuple[MisplacedAnnotator, ...]:
    """Find pairs of annotators whose labels fit only when one side is mirrored, turned, moved or scaled.

    Mirroring is tried for pairs with an IoU of all labelled pixels below 0.3, in the portion of images that holds the
    pair's first one. It counts if the IoU becomes 0.5 or more, and twice that of any other way; slices of volumes may
    be reversed too. The other changes are tried for pairs with less than 0.8 of the boundaries within the tolerance,
    in up to 12 images that both labelled: the outlines of one are placed on those of the other, as SEG314 does with the
    edges of pictures.

    The annotator of the two who is misplaced against more others is named; of equal ones, the second.
    """
    names, pairs = comparison.annotators, comparison.pairs
    if not len(comparison.overlaps):
        return ()
    mirrored: dict[tuple[int, int], str] = {}
    for a, b in _poor_pairs(comparison):
        image = int(comparison.cases["image"][pairs["case"][(pairs["a"] == a) & (pairs["b"] == b)]].min())
        for message in _mirrored_messages(panel, image, names[a], names[b]):
            mirrored[a, b] = message
    images = {pair: _common_images(comparison, *pair) for pair in _distant_pairs(comparison) if pair not in mirrored}
    moved = {
        pair: batch
        for pair, rows in images.items()
        if _message_of_change(batch := panel.load(rows), names[pair[0]], names[pair[1]])
    }
    # A misplaced annotator differs from all others.
    often = Counter(annotator for pair in (*mirrored, *moved) for annotator in pair)
    result = []
    for a, b in sorted((*mirrored, *moved)):
        annotator, other = (a, b) if often[a] > often[b] else (b, a)
        # The change of one side is not the other's: a shift goes the other way.
        how = mirrored.get((a, b)) or _message_of_change(moved[a, b], names[annotator], names[other])
        if how:
            result.append(MisplacedAnnotator(annotator, other, f"{names[annotator]} agrees with {names[other]} {how}"))
    return tuple(result)


def _poor_pairs(comparison: AnnotatorPairs) -> list[tuple[int, int]]:
    """The pairs of annotators whose labels hardly overlap."""
    pairs, overlaps = comparison.pairs, comparison.overlaps
    n = len(comparison.annotators)
    key = (pairs["a"] * n + pairs["b"])[overlaps["pair"]]
    both, either = (
        np.bincount(key, weights, n * n)
        for weights in (overlaps["both"], overlaps["area_a"] + overlaps["area_b"] - overlaps["both"])
    )
    return [divmod(code, n) for code in np.flatnonzero((either > 0) & (both < _POOR * either)).tolist()]


def _distant_pairs(comparison: AnnotatorPairs) -> list[tuple[int, int]]:
    """The pairs of annotators whose boundaries often lie beyond the tolerance."""
    pairs, n = comparison.pairs, len(comparison.annotators)
    surfaces = comparison.surfaces.take(comparison.surfaces["match"] < 0)
    key = (pairs["a"] * n + pairs["b"])[surfaces["pair"]]
    near, edge = (np.bincount(key, surfaces[f"{name}_a"] + surfaces[f"{name}_b"], n * n) for name in ("near", "edge"))
    return [divmod(code, n) for code in np.flatnonzero((edge > 0) & (near < _USUAL_NEAR * edge)).tolist()]


def _common_images(comparison: AnnotatorPairs, a: int, b: int) -> Ints:
    """Up to `_MAX_COMPARED_IMAGES` images, or slices, of cases that both annotated, spread over all of them."""
    pairs, cases = comparison.pairs, comparison.cases
    own = pairs["case"][(pairs["a"] == a) & (pairs["b"] == b)]
    rows = expand_ranges(cases["image"][own], cases["frames"][own])
    return rows[np.unique(np.linspace(0, len(rows) - 1, _MAX_COMPARED_IMAGES).astype(np.int64))]


def _message_of_change(batch: Batch, annotator: str, other: str) -> str:
    """The message about the change after which the outlines of one fit those of the other; empty if they do already."""
    planes = list(_outline_planes(batch, annotator, other))
    if len(planes) < _MIN_COMPARED_IMAGES:
        return ""
    place, fitting = placements.common_change(planes, np.inf)
    ratio = _MIN_SHIFT_RATIO if place.change == placements.SHIFTED else _MIN_RATIO
    if place.score < max(_MIN_SCORE, ratio * place.own) or fitting < _MIN_FITTING * len(planes):
        return ""
    return (
        f"in {fitting:,} of {count_noun(len(planes), 'image')} only when the labels are "
        f"{placements.change_words(place.change, place.x, place.y)}: outlines lie on each other {place.score:.0f} "
        f"instead of {place.own:.0f} standard deviations above chance"
    )


def _outline_planes(batch: Batch, annotator: str, other: str) -> Iterator[placements.OutlinePlanes]:
    """The outlines of two annotators, for each image that both annotated."""
    annotators = batch.annotations["annotator"].to_pylist()
    row = {(image, name): k for k, (image, name) in enumerate(zip(batch.annotation_image, annotators, strict=True))}
    for image, (height, width) in enumerate(np.stack(batch.image_size, axis=1).tolist()):
        own, others = row.get((image, annotator)), row.get((image, other))
        if own is None or others is None or min(height, width) < 2:
            continue
        size = placements.reduced_size(height, width)
        outlines, lines = (placements.reduce_outlines(batch, k, (height, width), size)[0] for k in (own, others))
        if min(np.count_nonzero(outlines), np.count_nonzero(lines)) >= placements.MIN_OUTLINE_PIXELS:
            yield placements.OutlinePlanes.from_outline(own, outlines, lines, (height, width))


def _mirrored_messages(panel: Panel, image: int, a: str, b: str) -> Iterator[str]:
    """Messages with the IoU of two annotators' labels in place and mirrored, if mirroring improves it much."""
    rows = next(chunk for chunk in panel.chunks() if image in chunk)
    batch, _ = clip_to_roi(panel.load(rows))
    names = annotator_names(batch)
    images = PanelBatch(batch, names, panel.profile.taxonomy.categories, volumes=panel.volumes)
    for pair in pair_annotators(images):
        if pair.annotators != (names.index(a), names.index(b)):
            continue
        ways = _iou_by_flip(pair)
        best = max(ways, key=lambda way: ways[way])
        others = [value for way, value in ways.items() if way != best]
        if any(best) and ways[best] >= _GOOD and ways[best] >= 2 * max(others):
            how = " and ".join(axis for axis, turned in zip(_AXES, best, strict=True) if turned)
            plain = ways[False, False, False]
            yield f"at IoU {plain:.2f}, mirrored {how} at {ways[best]:.2f}"


def _iou_by_flip(pair: AnnotatorPair) -> dict[tuple[bool, bool, bool], float]:
    """The IoU of all labelled pixels, for each way to mirror B's frames and to reverse their order."""
    line = pair.line
    alike = len(set(zip(line.height.tolist(), line.width.tolist(), strict=True))) == 1
    a, b = (_labelled_runs(segments.side) for segments in (pair.a, pair.b))
    result = {}
    for x, y, z in product((False, True), repeat=3):
        if z and (pair.is_flat or not alike):
            continue
        start, end = _flip_runs(*b, line, x, y, z)
        _, _, _, length = kernels.strips(a[0], a[1], _zeros(a[0]), start, end, _zeros(start))
        both = int(length.sum())
        either = int((a[1] - a[0]).sum() + (end - start).sum()) - both
        result[x, y, z] = both / either if either else 0.0
    return result


def _labelled_runs(side: SweepRuns) -> tuple[Ints, Ints]:
    start, length, _ = kernels.cover(side.start, side.end)
    return start, start + length


def _flip_runs(start: Ints, end: Ints, line: NumberLine, x: bool, y: bool, z: bool) -> tuple[Ints, Ints]:
    """Mirror strips within their frames, and reverse the order of frames, which then have one size."""
    frame, column, row = line.lower(start)
    length = end - start
    column = line.width[frame] - 1 - column if x else column
    row = line.height[frame] - row - length if y else row
    frame = len(line.base) - 1 - frame if z else frame
    moved = line.place(frame, column, row)
    order = np.argsort(moved)
    return moved[order], (moved + length)[order]


def _zeros(like: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.zeros(len(like), np.int32)
