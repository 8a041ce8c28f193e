"""Mirrored labels: annotators whose labels fit those of others only when mirrored, which is a wrong orientation."""

from collections import Counter
from collections.abc import Iterator
from itertools import product

import numpy as np

from segdata.agreement.annotator_pairs import AnnotatorPair, pair_annotators
from segdata.agreement.panel import Panel
from segdata.core import kernels
from segdata.core.annotator_pairs import AnnotatorPairs, MirroredAnnotator
from segdata.core.batch import clip_to_roi
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, NumberLine

MIRRORED_CODE = "SEG413"
_POOR, _GOOD = 0.3, 0.5  # the IoU of what is labelled at all: as it is, and mirrored
_AXES = ("left to right", "top to bottom", "first to last slice")


def find_mirrored(panel: Panel, opposed: AnnotatorPairs) -> tuple[MirroredAnnotator, ...]:
    """Each two annotators whose labels hardly meet, and meet well once one side is mirrored.

    Only pairs with an IoU of all that is labelled below 0.3 are looked at, in the portion of images that begins with
    the first one of theirs. Mirrored it must be 0.5 or more, and twice as much as any other way. It is told of the one
    of the two who is mirrored against more others, of equals of the second.
    """
    pairs, overlaps = opposed.pairs, opposed.overlaps
    if not len(overlaps):
        return ()
    n = len(opposed.annotators)
    key = (pairs["a"] * n + pairs["b"])[overlaps["pair"]]
    both, any_ = (
        np.bincount(key, weights, n * n)
        for weights in (overlaps["both"], overlaps["area_a"] + overlaps["area_b"] - overlaps["both"])
    )
    poor = [divmod(each, n) for each in np.flatnonzero((any_ > 0) & (both < _POOR * any_)).tolist()]
    found: list[tuple[int, int, str]] = []
    for a, b in poor:
        image = int(opposed.cases["image"][pairs["case"][(pairs["a"] == a) & (pairs["b"] == b)]].min())
        found += [
            (a, b, each) for each in _mirrored_messages(panel, image, opposed.annotators[a], opposed.annotators[b])
        ]
    often = Counter(who for a, b, _ in found for who in (a, b))  # who is turned over is so against everybody
    sides = [((a, b) if often[a] > often[b] else (b, a), how) for a, b, how in found]
    names = opposed.annotators
    return tuple(
        MirroredAnnotator(who, other, f"{names[who]} agrees with {names[other]} {how}") for (who, other), how in sides
    )


def _mirrored_messages(panel: Panel, image: int, a: str, b: str) -> Iterator[str]:
    """How well the labels of two annotators fit as they are, and mirrored, where that is to be told."""
    rows = next(chunk for chunk in panel.chunks() if image in chunk)
    batch, _ = clip_to_roi(panel.load(rows))
    names = sorted(set(batch.annotations["annotator"].to_pylist()))
    volumes = frozenset(each.name for each in panel.profile.sequences if each.kind == "volume")
    for opposite in pair_annotators(batch, names, panel.profile.taxonomy.categories, volumes=volumes):
        if opposite.annotators != (names.index(a), names.index(b)):
            continue
        ways = _iou_by_flip(opposite)
        best = max(ways, key=lambda way: ways[way])
        others = [value for way, value in ways.items() if way != best]
        if any(best) and ways[best] >= _GOOD and ways[best] >= 2 * max(others):
            how = " and ".join(axis for axis, turned in zip(_AXES, best, strict=True) if turned)
            plain = ways[False, False, False]
            yield f"at IoU {plain:.2f}, mirrored {how} at {ways[best]:.2f}"


def _iou_by_flip(opposite: AnnotatorPair) -> dict[tuple[bool, bool, bool], float]:
    """The IoU of what both label, for each way to mirror B's frames and their order."""
    line = opposite.line
    alike = len(set(zip(line.height.tolist(), line.width.tolist(), strict=True))) == 1
    a, b = (_labelled_runs(drawn.side) for drawn in (opposite.a, opposite.b))
    found = {}
    for x, y, z in product((False, True), repeat=3):
        if z and (opposite.is_flat or not alike):
            continue
        start, end = _flip_runs(*b, line, x, y, z)
        _, _, _, length = kernels.strips(a[0], a[1], _zeros(a[0]), start, end, _zeros(start))
        both = int(length.sum())
        either = int((a[1] - a[0]).sum() + (end - start).sum()) - both
        found[x, y, z] = both / either if either else 0.0
    return found


def _labelled_runs(side: SweepRuns) -> tuple[Ints, Ints]:
    start, length, _ = kernels.cover(side.start, side.end)
    return start, start + length


def _flip_runs(start: Ints, end: Ints, line: NumberLine, x: bool, y: bool, z: bool) -> tuple[Ints, Ints]:
    """Strips of a line, mirrored within their frames, and these in reverse order; all frames have one size for that."""
    frame, column, row = line.lower(start)
    length = end - start
    column = line.width[frame] - 1 - column if x else column
    row = line.height[frame] - row - length if y else row
    frame = len(line.base) - 1 - frame if z else frame
    moved = line.base[frame] + column * (line.height[frame] + 1) + row
    order = np.argsort(moved)
    return moved[order], (moved + length)[order]


def _zeros(like: Ints) -> "np.ndarray[tuple[int, ...], np.dtype[np.int32]]":
    return np.zeros(len(like), np.int32)
