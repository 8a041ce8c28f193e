"""Neighbours: the distance of each pixel from its segment's outline, and the segments beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.overlay import Overlaps, SweepRuns
from segdata.core.runs import (
    Flags,
    Floats,
    Ints,
    Rows,
    Runs,
    SegmentShapes,
    bounding_boxes,
    fill_ranges,
    group_offsets,
    segment_shapes,
)
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import SegmentPixels, SegmentSet, distances_to, outline_pixels, overlaps

NEAR, FURTHER = 2, 4  # pixels around a segment


@dataclass(frozen=True)
class SegmentDepths:
    """The pixels of segments, and their surroundings."""

    segments: SegmentSet
    pixels: SegmentPixels  # of the segments themselves
    # (p,) of each: 1 at the outline, plus the distance from there, in pixels. The image's frame is no outline
    depth: Floats
    near: Runs  # the runs of the segments with all pixels at most 2 px around them

    @staticmethod
    def measure(segments: SegmentSet) -> "SegmentDepths":
        """Measure the depth of the pixels of all segments."""
        return SegmentDepths(segments, segments.pixels(), _pixel_depths(segments), segments.grown(NEAR))

    @cached_property
    def near_pixels(self) -> SegmentPixels:
        """The pixels of `near`."""
        return SegmentPixels.of_runs(self.near, self.pixels.n)

    @cached_property
    def further_pixels(self) -> SegmentPixels:
        """The pixels of the segments and at most 4 px around them."""
        return SegmentPixels.of_runs(self.segments.grown(FURTHER), self.pixels.n)

    @cached_property
    def shapes(self) -> SegmentShapes:
        """Perimeters, parts and holes of the segments."""
        return segment_shapes(self.segments.runs, self.segments.heights, self.pixels.n)

    def deeper_than(self, more_than: float | Floats) -> SegmentPixels:
        """The pixels deeper than a limit: one for all, or (n,) for each segment."""
        limit = np.broadcast_to(np.asarray(more_than), (self.pixels.n,))
        return self.pixels.select(self.depth > limit[self.pixels.owner])

    @property
    def rim(self) -> Flags:
        """(p,) whether a pixel lies on an outline."""
        return self.depth <= 1


def _pixel_depths(segments: SegmentSet) -> Floats:
    """(p,) from a distance transform of each segment in its box and one pixel around it."""
    runs, n = segments.runs, len(segments)
    x, y, wide, high = bounding_boxes(runs, segments.heights, n)
    left, top = np.maximum(x - 1, 0), np.maximum(y - 1, 0)
    wide = np.minimum(x + wide + 1, segments.width) - left
    high = np.minimum(y + high + 1, segments.height) - top
    column, row = np.divmod(runs.start, segments.height)
    start = (column - left[runs.owner]) * high[runs.owner] + row - top[runs.owner]
    depth: list[NDArray[np.floating]] = [np.empty(0)]
    runs_of = group_offsets(np.bincount(runs.owner, minlength=n)).tolist()
    for segment, shape in enumerate(zip(wide.tolist(), high.tolist(), strict=True)):
        own = slice(runs_of[segment], runs_of[segment + 1])
        inside = np.zeros(shape, bool)
        fill_ranges(inside.ravel(), start[own], runs.length[own], True)
        depth.append(distances_to(outline_pixels(inside))[inside] + 1.0)
    return np.concatenate(depth).astype(np.float64, copy=False)


Strips = tuple[Rows, Rows, Ints, Ints]  # two segments, the first pixel and the length of what both claim


def neighbour_pairs(segments: SegmentSet, near: Runs) -> tuple[Overlaps, Strips]:
    """The pairs of neighbouring segments of one category, and the strips that their surroundings (`near`) share."""
    line = segments.line()
    side = SweepRuns.from_runs(near, line, np.zeros(len(segments), np.int64))
    first, second, place, length = kernels.strips_within(side.start, side.end, side.owner)
    alike = segments.category[first] == segments.category[second]
    first, second, place, length = first[alike], second[alike], place[alike], length[alike]
    _, x, y = line.lower(place)
    return Overlaps(*kernels.tally(first, second, length)), (first, second, x * segments.height + y, length)


def contacts(segments: SegmentSet, deep: SegmentDepths, prediction: ImagePrediction) -> Mapping[str, Floats]:
    """The neighbour of the same category with which a segment would best fit one predicted segment.

    `gain`: by how much the IoU of both together with a predicted segment exceeds the better one alone; `contact`: the
    length of their contact over the diameter; `contact_edge`: the probability of an edge there; `same`: both share most
    pixels with the same predicted segment.
    """
    n = len(segments)
    names = ("gain", "contact", "contact_edge", "same", "neighbour", "neighbours")
    pairs, strips = neighbour_pairs(segments, deep.near)
    if not len(pairs.a):
        return dict.fromkeys(names, np.zeros(n))
    edge = _mean_edge(pairs, strips, prediction)
    gain, same = _union_gain(segments, prediction, pairs)
    owner, neighbour = np.append(pairs.a, pairs.b).astype(np.int64), np.append(pairs.b, pairs.a).astype(np.int64)
    row = np.tile(np.arange(len(pairs.a)), 2)
    length = pairs.pixels[row] / (2 * NEAR) / (2 * np.minimum(segments.radius[owner], segments.radius[neighbour]))
    order = np.lexsort((neighbour, length, gain[row], owner))
    best = np.full(n, -1)
    best[owner[order]] = order
    has = best >= 0
    pair = np.maximum(best, 0)
    area = np.maximum(segments.areas, 1)
    values = (
        gain[row][pair], np.minimum(length[pair], 3.0), edge[row][pair], same[row][pair],
        np.log(area[neighbour[pair]] / area[owner[pair]]), np.log1p(np.bincount(owner, minlength=n)),
    )  # fmt: skip
    return {name: np.where(has, value, 0.0) for name, value in zip(names, values, strict=True)}


def _mean_edge(pairs: Overlaps, strips: Strips, prediction: ImagePrediction) -> Floats:
    """(p,) the mean probability of an edge where the surroundings of each pair overlap."""
    first, second, start, length = strips
    before = np.concatenate([[0.0], np.cumsum(prediction.edge, dtype=np.float64)])
    total = before[start + length] - before[start]
    n = int(max(pairs.b.max(), pairs.a.max())) + 1
    pair = np.searchsorted(pairs.a.astype(np.int64) * n + pairs.b, first.astype(np.int64) * n + second)
    return np.asarray(np.bincount(pair, total, len(pairs.a)) / np.maximum(pairs.pixels, 1))


def _union_gain(segments: SegmentSet, prediction: ImagePrediction, pairs: Overlaps) -> tuple[Floats, Floats]:
    """(p,) for each pair: the IoU of both with a predicted one above the best alone; whether they share that one."""
    predicted = prediction.predicted
    overlap, n = overlaps(segments, predicted), len(segments)
    if not len(overlap.a):
        return np.zeros(len(pairs.a)), np.zeros(len(pairs.a))
    area, predicted_area = segments.areas.astype(float), predicted.areas.astype(float)
    iou = overlap.pixels / (area[overlap.a] + predicted_area[overlap.b] - overlap.pixels)
    alone = np.zeros(n)
    np.maximum.at(alone, overlap.a, iou)
    holder = np.full(n, -1)
    order = np.lexsort((overlap.b, overlap.pixels, overlap.a))
    holder[overlap.a[order]], most_pixels = overlap.b[order], np.zeros(n)
    most_pixels[overlap.a[order]] = overlap.pixels[order]
    together = np.zeros(len(pairs.a))
    for x, y in ((pairs.a, pairs.b), (pairs.b, pairs.a)):
        target = holder[x]
        key = overlap.a.astype(np.int64) * len(predicted) + overlap.b
        wanted_key = y.astype(np.int64) * len(predicted) + np.maximum(target, 0)
        place = np.minimum(np.searchsorted(key, wanted_key), len(key) - 1)
        added = np.where(key[place] == wanted_key, overlap.pixels[place], 0)
        joint_pixels = most_pixels[x] + added
        union = area[x] + area[y] + predicted_area[np.maximum(target, 0)] - joint_pixels
        together = np.maximum(together, np.where(target >= 0, joint_pixels / np.maximum(union, 1), 0.0))
    is_same = (holder[pairs.a] == holder[pairs.b]) & (holder[pairs.a] >= 0)
    return together - np.maximum(alone[pairs.a], alone[pairs.b]), is_same.astype(float)


def crowding(regions: SegmentSet, deep: SegmentDepths, given: SegmentSet) -> Mapping[str, Floats]:
    """The labels around a region: a rim of the same category shows that the region belongs to an outline.

    `beside`: the share of the surrounding 2 px labelled as the category predicted in the region; `labelled`: the
    labelled share of the region; `fit`: its best IoU with a given segment.
    """
    n = len(regions)
    label = given.categories()
    inside, around = deep.pixels, deep.near_pixels
    like_inside = inside.sums(label[inside.index] == regions.category[inside.owner])
    like_around = around.sums(label[around.index] == regions.category[around.owner])
    ring = np.maximum(around.areas - inside.areas, 1)
    overlap = overlaps(regions, given)
    fit = np.zeros(n)
    union = regions.areas[overlap.a] + given.areas[overlap.b] - overlap.pixels
    np.maximum.at(fit, overlap.a, overlap.pixels / np.maximum(union, 1))
    labelled = inside.means(label[inside.index] != 0)
    return {"beside": (like_around - like_inside) / ring, "labelled": labelled, "fit": fit}
