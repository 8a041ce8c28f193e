"""Corruptions: errors that are injected into labels, to learn what errors look like to a model.

No clean labels are needed: most labels are assumed to be right, and corrupted ones are known to be wrong. Sizes depend
on the segment and a severity: a segment's radius is that of the disc of the same area.

The first kinds are errors of annotation tools and tired people: specks and slivers of pixels, copies, cores drawn
beside their rings, holes, cut-off parts, boxes, outlines of another thing, images almost without labels, and one
annotator's bias. Each function takes a draft, the rows to corrupt, and the categories that they may get, and changes
the draft.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Flags, Floats, Ints, Runs, bounding_boxes, expand_ranges
from segdata.noise.candidates import MIN_PART_PIXELS, ImageCandidates
from segdata.noise.error_types import (
    IMAGE_KINDS,
    INJECTED_SHARE,
    KINDS,
    MULTI_PART_KINDS,
    CorruptionDraft,
    CorruptionKind,
)
from segdata.noise.error_types import LEARNED_KINDS as LEARNED_KINDS
from segdata.noise.error_types import CorruptionRates as CorruptionRates
from segdata.noise.error_types import Corruptions as Corruptions
from segdata.noise.features import centres
from segdata.noise.neighbours import NEAR, neighbour_pairs
from segdata.noise.segments import (
    UNLABELLED,
    VOID,
    SegmentPixels,
    SegmentSet,
    grow,
    overlaps,
    perturb_outlines,
    runs_of_ordered_pixels,
    runs_of_pixels,
    segments_of_map,
    translate,
)

_SPECK_SHARE = 0.01, 0.15  # of the median area of the image's segments
_MIN_SPECK_PIXELS = 4
_SPECK_REACH = 8  # pixels from a segment to a speck beside it
_SLIVER_WIDTH = 1, 4  # pixels
_COPY_OFFSET = 0.3, 1.6  # radii from a segment to its copy
_CORE_DEPTH = 0.2, 0.6  # radii from the outline of a segment to that of its core
_MIN_CORE_SHARE = 0.12  # of the segment
_HOLE_RADIUS = 0.2, 0.6  # radii of the segment
_CUT_SHARE = 0.15, 0.75  # of a segment that is cut off
_BARE_SHARE = 0.7, 0.97  # of an image's segments that are left out
_HABIT = 0.1, 0.4  # of the median radius, by which all outlines are too far out or in
_MIN_LEFT = 6  # pixels that a corrupted segment must have


def _coordinates(pixels: Ints, height: int) -> tuple[Ints, Ints]:
    return tuple(np.divmod(pixels, height))  # type: ignore[return-value]  # x and y


def _ellipse(draft: CorruptionDraft, x: float, y: float, area: float) -> Ints:
    """(p,) the pixels of an ellipse of about this area, at a random angle, inside the image."""
    given, rng = draft.given, draft.rng
    long = np.sqrt(area / np.pi) * rng.uniform(1, 1.8)
    short = area / np.pi / long
    reach = int(np.ceil(long)) + 1
    across, down = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    turn = rng.uniform(0, np.pi)
    u = across * np.cos(turn) + down * np.sin(turn)
    v = down * np.cos(turn) - across * np.sin(turn)
    inside = (u / max(long, 0.8)) ** 2 + (v / max(short, 0.8)) ** 2 <= 1
    column, row = across[inside] + round(x), down[inside] + round(y)
    kept = (column >= 0) & (column < given.width) & (row >= 0) & (row < given.height)
    return np.asarray(np.sort(column[kept] * given.height + row[kept]), np.int64)


def _side_of_line(pixels: Ints, height: int, share: float, turn: float) -> Flags:
    """(p,) the pixels on one side of a line with this direction, so that about `share` of all are on it."""
    x, y = _coordinates(pixels, height)
    along = x * np.cos(turn) + y * np.sin(turn)
    return np.asarray(along <= np.quantile(along, share))


def _uniform(draft: CorruptionDraft, limits: tuple[float, float]) -> float:
    return float(draft.rng.uniform(*limits))


def _free(draft: CorruptionDraft) -> Flags:
    """(width * height,) whether a new segment may lie here: unlabelled pixels, or all pixels if all are labelled."""
    free: Flags = draft.given.categories() == UNLABELLED
    return free if free.mean() > 0.1 else np.ones_like(free)


def _rim_pixels(draft: CorruptionDraft, rows: Ints, by: Ints) -> list[Ints]:
    """The pixels up to `by` (k,) pixels outside each of some rows."""
    grown = grow(draft.runs(rows), *draft.size(rows), by)
    wider = draft.given.same_image(grown, len(rows))
    return [np.setdiff1d(wider.pixels_of(at), draft.given.pixels_of(row)) for at, row in enumerate(rows.tolist())]


def add_specks(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Add specks of pixels: beside each row, or anywhere."""
    given, rng, free = draft.given, draft.rng, _free(draft)
    usual = float(np.median(given.areas[given.category > UNLABELLED]))
    beside = _rim_pixels(draft, rows, np.full(len(rows), _SPECK_REACH))
    for row, near in zip(rows.tolist(), beside, strict=True):
        near = near[free[near]]
        place = np.flatnonzero(free) if rng.random() < 0.4 or not len(near) else near
        if not len(place):
            continue
        x, y = _coordinates(rng.choice(place), given.height)
        area = max(usual * float(np.exp(rng.uniform(*np.log(_SPECK_SHARE)))), _MIN_SPECK_PIXELS)
        pixels = _ellipse(draft, float(x), float(y), area)
        pixels = pixels[free[pixels]]
        if len(pixels) >= _MIN_SPECK_PIXELS:
            draft.add("speck", pixels, int(given.category[row]))


def add_slivers(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Add thin strips along a part of each row's outline."""
    given, rng, free = draft.given, draft.rng, _free(draft)
    width = rng.integers(_SLIVER_WIDTH[0], _SLIVER_WIDTH[1], len(rows), endpoint=True)
    for row, rim in zip(rows.tolist(), _rim_pixels(draft, rows, width), strict=True):
        rim = rim[free[rim]]
        if len(rim) < _MIN_SPECK_PIXELS:
            continue
        strip = rim[_side_of_line(rim, given.height, rng.uniform(0.1, 0.6), rng.uniform(0, 2 * np.pi))]
        if len(strip) >= _MIN_SPECK_PIXELS:
            draft.add("sliver", strip, int(given.category[row]))


def add_copies(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Add a copy of each row, a little beside it."""
    given = draft.given
    away, turn = draft.rng.uniform(*_COPY_OFFSET, len(rows)) * given.radius[rows], draft.rng.uniform(0, 7, len(rows))
    right, down = (np.round(away * f(turn)).astype(np.int64) for f in (np.cos, np.sin))
    copies = given.same_image(translate(draft.runs(rows), *draft.size(rows), right, down), len(rows))
    for at, row in enumerate(rows.tolist()):
        pixels = copies.pixels_of(at)
        if len(pixels) >= _MIN_LEFT:
            draft.add("copy", pixels, int(given.category[row]))


def draw_core_and_ring(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Draw the core of each row as a segment of its own, and the ring around it, or all, as another."""
    given, rng = draft.given, draft.rng
    depth = np.maximum(1, np.round(rng.uniform(*_CORE_DEPTH, len(rows)) * given.radius[rows])).astype(np.int64)
    cores = given.same_image(grow(draft.runs(rows), *draft.size(rows), -depth), len(rows))
    for at, row in enumerate(rows.tolist()):
        core, whole = cores.pixels_of(at), given.pixels_of(row)
        if len(core) < max(_MIN_LEFT, _MIN_CORE_SHARE * len(whole)) or len(whole) - len(core) < _MIN_LEFT:
            continue
        rest = whole if rng.random() < 0.5 else np.setdiff1d(whole, core)
        number = draft.redraw_pixels("core", {row: rest}, {row: len(core) / len(whole)})
        if len(number):
            runs = given.same_image(grow(draft.runs(rows[[at]]), *draft.size(rows[[at]]), -depth[[at]]), 1).runs
            draft.added.append((runs, given.category[[row]], draft.before[[row]]))


def cut_holes(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Cut one to three holes into each row."""
    given, rng = draft.given, draft.rng
    inner = given.same_image(grow(draft.runs(rows), *draft.size(rows), np.full(len(rows), -2)), len(rows))
    pixels, sizes = dict[int, Ints](), dict[int, float]()
    for at, row in enumerate(rows.tolist()):
        core, whole = inner.pixels_of(at), given.pixels_of(row)
        left = whole
        for _ in range(int(rng.integers(1, 4)) if len(core) else 0):
            x, y = _coordinates(rng.choice(core), given.height)
            radius = _uniform(draft, _HOLE_RADIUS) * float(given.radius[row])
            left = np.setdiff1d(left, np.intersect1d(_ellipse(draft, float(x), float(y), np.pi * radius**2), core))
        if _MIN_LEFT <= len(left) < len(whole):
            pixels[row], sizes[row] = left, 1 - len(left) / len(whole)
    draft.redraw_pixels("hole", pixels, sizes)


def cut_off(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Cut off each row at a line through it."""
    given, rng = draft.given, draft.rng
    pixels, sizes = dict[int, Ints](), dict[int, float]()
    for row in rows.tolist():
        whole, share = given.pixels_of(row), _uniform(draft, _CUT_SHARE)
        left = whole[_side_of_line(whole, given.height, 1 - share, rng.uniform(0, 2 * np.pi))]
        if _MIN_LEFT <= len(left) < len(whole):
            pixels[row], sizes[row] = left, share
    draft.redraw_pixels("bite", pixels, sizes)


def draw_boxes(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Draw the bounding box of each row instead of its outline."""
    given = draft.given
    left, top, wide, high = (side[rows] for side in bounding_boxes(given.runs, given.heights, len(given)))
    pixels, sizes = dict[int, Ints](), dict[int, float]()
    for at, row in enumerate(rows.tolist()):
        column, line = np.mgrid[left[at] : left[at] + wide[at], top[at] : top[at] + high[at]]
        box = (column * given.height + line).ravel().astype(np.int64)
        if len(box) > given.areas[row]:
            pixels[row], sizes[row] = box, len(box) / float(given.areas[row])
    draft.redraw_pixels("box", pixels, sizes)


def draw_stale(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Give each row the outline of another segment, at its own centre: as a mask stays when the image was edited."""
    given, rng = draft.given, draft.rng
    donors = np.flatnonzero((given.category > UNLABELLED) & (given.areas >= _MIN_LEFT))
    x, y, wide, high = bounding_boxes(given.runs, given.heights, len(given))
    pixels, sizes = dict[int, Ints](), dict[int, float]()
    for row in rows.tolist():
        alike = donors[(donors != row) & (given.areas[donors] < 3 * given.areas[row])]
        alike = alike[given.areas[alike] > given.areas[row] / 3]
        if not len(alike):
            continue
        other = int(rng.choice(alike))
        right = round(x[row] + wide[row] / 2 - x[other] - wide[other] / 2 + rng.normal() * 0.2 * given.radius[row])
        down = round(y[row] + high[row] / 2 - y[other] - high[other] / 2 + rng.normal() * 0.2 * given.radius[row])
        size = draft.size(np.array([other]))
        moved = translate(draft.runs(np.array([other])), *size, np.array([right]), np.array([down]))
        there = given.same_image(moved, 1).pixels_of(0)
        shared = len(np.intersect1d(there, given.pixels_of(row)))
        iou = shared / max(len(there) + int(given.areas[row]) - shared, 1)
        if len(there) >= _MIN_LEFT and iou < 0.8:
            pixels[row], sizes[row] = there, 1 - iou
    draft.redraw_pixels("stale", pixels, sizes)


def leave_bare(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Remove nearly all segments of an image; `rows` are all of them."""
    gone = rows[draft.rng.random(len(rows)) < _uniform(draft, _BARE_SHARE)]
    draft.note("bare", gone)
    draft.there[gone] = False


def draw_by_habit(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Draw all outlines of an image too far out, or in, as an annotator with a bias does; `rows` are all segments."""
    if not len(rows):
        return
    given = draft.given
    usual: Floats = given.radius[rows]
    by = max(round(_uniform(draft, _HABIT) * draft.severity * float(np.median(usual))), 1)
    sign = 1 if draft.rng.random() < 0.5 else -1
    new = grow(draft.runs(rows), *draft.size(rows), np.full(len(rows), sign * by))
    draft.redraw("habit", rows, new, float(by))


_PLACEMENT_TRIES = 12  # tries to find room for an extra segment
_FULLY_LABELLED = 0.9  # the share of an image above which there is no room for anything
_MIN_PIECE_SHARE = 0.03  # the share of a piece of what is split
_MAX_CUT_OFFSET = 0.85  # radii from the centre to where something is cut
_CUT_WIDTH = 1.0  # pixels to each side of it that a cut through what is no thing takes away
_MAX_OVERLAP = 0.1  # the share of an extra segment that may lie on others
Corrupt = Callable[[CorruptionDraft, Ints, Ints], None]


def _remove_segments(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    draft.note("missing", rows)
    draft.there[rows] = False


def change_category(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Give segments another category, at random among `others`."""
    if len(others) < 2:
        return
    draft.note("category", rows)
    place = np.searchsorted(others, draft.category[rows])
    step = draft.rng.integers(1, len(others), len(rows))
    is_known = others[np.minimum(place, len(others) - 1)] == draft.category[rows]
    draft.category[rows] = others[np.where(is_known, (place + step) % len(others), step)]


def _dilate_outline(draft: CorruptionDraft, rows: Ints, others: Ints, sign: int = 1) -> None:
    """Draw outlines further out, or, with the sign -1, further in."""
    by = np.maximum(2, np.round(0.3 * draft.severities(rows) * draft.given.radius[rows])).astype(np.int64)
    new = grow(draft.runs(rows), *draft.size(rows), sign * by)
    draft.redraw("dilate" if sign > 0 else "erode", rows, new, by.astype(float))


def _coarsen_outline(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Draw polygons of few corners."""
    given = draft.given
    size = np.array([given.height]), np.array([given.width])
    pieces, changed_rows, sizes = [], [], []
    for row, severity in zip(rows.tolist(), draft.severities(rows).tolist(), strict=True):  # not all segments
        mask = given.row(row).mask()
        tolerance = max(3.0, 0.35 * severity * float(given.radius[row]))
        outlines = _outer_rings(np.ascontiguousarray(mask.T, np.uint8))
        rings = [_simplify_ring(ring, tolerance).astype(np.float64) for ring in outlines]
        ends = np.cumsum([0, *(ring.size for ring in rings)], dtype=np.int64)
        xy = np.concatenate(rings).ravel()
        coarse = given.same_image(Runs(*kernels.draw_opencv(xy, ends, np.array([0, len(rings)]), *size)), 1).mask()
        if coarse.any() and (coarse != mask).any():
            pixels = np.flatnonzero(coarse)
            pieces.append(runs_of_ordered_pixels(pixels, np.zeros(len(pixels), np.int64), given.height))
            changed_rows.append(row)
            sizes.append(tolerance)
    draft.note("coarse", np.array(changed_rows, np.int64), np.array(sizes))
    draft.changed.append((Runs.concatenate(pieces, [1] * len(pieces)), np.array(changed_rows, np.int64)))


def _outer_rings(mask: NDArray[np.uint8]) -> Iterator[Ints]:
    """The border pixels (n, 2), x and y, of each part of a bitmap (height, width) that lies in no hole of another."""
    corners, first, is_hole, parent = kernels.borders(mask)
    for ring in np.flatnonzero(~is_hole & (parent < 0)).tolist():
        corner = corners[first[ring] : first[ring + 1]].astype(np.int64)
        step = np.roll(corner, -1, axis=0) - corner
        length = np.maximum(np.abs(step).max(axis=1), 1)
        number = expand_ranges(np.zeros(len(corner), np.int64), length)
        way = np.repeat(np.sign(step), length, axis=0) * number[:, None]
        yield np.asarray(np.repeat(corner, length, axis=0) + way, np.int64)


def _simplify_ring(ring: Ints, tolerance: float) -> Ints:
    """Some of the points (n, 2) of a ring: no point is further than the tolerance from the line that replaces it.

    As OpenCV's approxPolyDP chooses them. Source: Douglas and Peucker (1973), Cartographica 10(2), 112-122.
    """
    n, start, other = len(ring), 0, 0
    for _ in range(3):  # two points that are about furthest from each other
        start = (start + other) % n
        away = ((np.roll(ring, -start, axis=0) - ring[start]) ** 2).sum(axis=1)
        other = int(away.argmax())
    if away.max() <= tolerance**2:
        return ring[[start]]
    kept, other = [], (start + other) % n
    pieces = [(other, start), (start, other)]
    while pieces:
        begin, end = pieces.pop()
        between = (begin + 1 + np.arange((end - begin - 1) % n)) % n
        line, beside = ring[end] - ring[begin], ring[between] - ring[begin]
        square, along = line @ line, beside @ line
        across = (beside[:, 1] * line[0] - beside[:, 0] * line[1]) ** 2  # times the square of the line, as all here
        before, behind = (beside**2).sum(axis=1) * square, ((beside - line) ** 2).sum(axis=1) * square
        distance = np.where(along < 0, before, np.where(along > square, behind, across))
        if len(between) and distance.max() > tolerance**2 * square:
            middle = int(between[distance.argmax()])
            pieces += [(middle, end), (begin, middle)]
        else:
            kept.append(begin)
    return _drop_straight(ring[kept], tolerance)


def _drop_straight(ring: Ints, tolerance: float) -> Ints:
    """The ring without points that lie nearly on the line from the one before to the one after, neither of them level.

    Points are examined in order; the point after a dropped one is kept.
    """
    points, n = ring.tolist(), len(ring)
    kept: list[list[int]] = []
    n_left, number = n, 0
    before = points[-1]
    while number < n and n_left > 2:
        (x, y), (right, down) = points[number], points[(number + 1) % n]
        if number + 1 == n and kept:
            right, down = kept[0]
        dx, dy = right - before[0], down - before[1]
        across = (x - before[0]) * dy - (y - before[1]) * dx
        ahead = (x - before[0]) * (right - x) + (y - before[1]) * (down - y)
        if across**2 <= 0.5 * tolerance**2 * (dx * dx + dy * dy) and dx and dy and ahead >= 0:
            n_left -= 1
            before = [right, down]
            kept.append(before)
            number += 2
        else:
            before = [x, y]
            kept.append(before)
            number += 1
    return np.array(kept + points[number:], np.int64)[:n_left]


def _wobble_outline(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Draw outlines with a shaky hand."""
    size = np.maximum(2.0, 0.2 * draft.severities(rows) * draft.given.radius[rows])
    draft.redraw("wobble", rows, perturb_outlines(draft.runs(rows), *draft.size(rows), size, draft.rng), size)


def _shift_segments(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Move each segment in a direction of its own."""
    away = np.maximum(2.0, 0.8 * draft.severities(rows) * draft.given.radius[rows])
    turn = draft.rng.uniform(0, 2 * np.pi, len(rows))
    right, down = (np.round(away * f(turn)).astype(np.int64) for f in (np.cos, np.sin))
    draft.redraw("shift", rows, translate(draft.runs(rows), *draft.size(rows), right, down), away)


def _shift_image(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Move all segments of the image by the same shift; `rows` are all that are still unchanged."""
    away = max(3.0, float(draft.rng.uniform(3, 10)) * draft.severity)
    turn = draft.rng.uniform(0, 2 * np.pi)
    right, down = (np.full(len(rows), round(away * f(turn)), np.int64) for f in (np.cos, np.sin))
    remaining = draft.redraw("misaligned", rows, translate(draft.runs(rows), *draft.size(rows), right, down), away)
    draft.there[np.setdiff1d(rows, remaining)] = False


def _split_segments(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Cut segments in two by a line at a random angle, near the centre; parts of stuff lose the line."""
    runs, n, given = draft.runs(rows), len(rows), draft.given
    pixels = SegmentPixels.of_runs(runs, n)
    turn = draft.rng.uniform(0, np.pi, n)
    x, y = np.divmod(pixels.index, given.height)
    offset = draft.rng.uniform(-_MAX_CUT_OFFSET, _MAX_CUT_OFFSET, n) * given.radius[rows]
    centre = centres(runs, n, given.height)
    owner = pixels.owner
    side = (x - centre[owner, 0]) * np.cos(turn)[owner] + (y - centre[owner, 1]) * np.sin(turn)[owner]
    distance = side - offset[owner]
    line = np.where(draft.whole[rows], 0.0, _CUT_WIDTH)[owner]
    halves = distance > line, distance <= -line
    share = np.minimum(*(pixels.means(half) for half in halves))
    cut = np.flatnonzero(share > _MIN_PIECE_SHARE)
    numbers = draft.note("split", rows[cut], share[cut])
    new = [runs_of_pixels(pixels.index[half], pixels.owner[half], given.height).take(cut, n) for half in halves]
    draft.changed.append((new[0], rows[cut]))
    draft.added.append((new[1], draft.category[rows[cut]], numbers))


def _merge_segments(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Join segments with a neighbour of their category, less than 4 px away, and the pixels between them."""
    given = draft.given
    neighbours, _ = neighbour_pairs(given, given.grown(NEAR))
    a, b = np.append(neighbours.a, neighbours.b), np.append(neighbours.b, neighbours.a)
    order = draft.rng.permutation(np.flatnonzero(np.isin(a, rows)))
    free = draft.before < 0
    kept_rows, merged_rows = [], []
    for row, neighbour in zip(a[order].tolist(), b[order].tolist(), strict=True):
        if free[row] and free[neighbour]:
            free[[row, neighbour]] = False
            kept_rows.append(row)
            merged_rows.append(neighbour)
    first, second = np.array(kept_rows, np.int64), np.array(merged_rows, np.int64)
    numbers = draft.note("merge", first)
    draft.before[second] = numbers
    draft.there[second] = False
    sides = [SegmentPixels.of_runs(draft.runs(side), len(side)) for side in (first, second)]
    pixel, owner = np.concatenate([side.index for side in sides]), np.concatenate([side.owner for side in sides])
    union = runs_of_pixels(pixel, owner, given.height)
    size = draft.size(first)
    closed = grow(grow(union, *size, np.full(len(first), 2)), *size, np.full(len(first), -2))
    pixels = SegmentPixels.of_runs(closed, len(first))
    pixel, owner = np.append(pixel, pixels.index), np.append(owner, pixels.owner)
    draft.changed.append((runs_of_pixels(pixel, owner, given.height), first))


def add_segments(draft: CorruptionDraft, rows: Ints, others: Ints) -> None:
    """Add segments where nothing is: a copy of each row's shape, where there is room.

    If nearly all of the image is labelled, a copy may lie on segments of other categories.
    """
    given, rng = draft.given, draft.rng
    label = given.categories()
    full = (label != UNLABELLED).mean() > _FULLY_LABELLED
    x, y, wide, high = (side[rows] for side in bounding_boxes(given.runs, given.heights, len(given)))
    for number, row in enumerate(rows.tolist()):  # only the corrupted segments
        right = rng.integers(0, given.width - wide[number] + 1, _PLACEMENT_TRIES) - x[number]
        down = rng.integers(0, given.height - high[number] + 1, _PLACEMENT_TRIES) - y[number]
        copies = draft.runs(np.full(_PLACEMENT_TRIES, row))
        tried = translate(
            copies, np.full(_PLACEMENT_TRIES, given.height), np.full(_PLACEMENT_TRIES, given.width), right, down
        )
        pixels = SegmentPixels.of_runs(tried, _PLACEMENT_TRIES)
        label_below = label[pixels.index]
        covered = pixels.means(
            (label_below == given.category[row]) | (label_below == VOID) if full else label_below != UNLABELLED
        )
        best = int(covered.argmin())
        if covered[best] <= _MAX_OVERLAP:
            draft.added.append(
                (tried.take(np.array([best]), _PLACEMENT_TRIES), given.category[[row]], draft.mistake("extra"))
            )


_CORRUPT: dict[CorruptionKind, Corrupt] = {
    "missing": _remove_segments,
    "extra": add_segments,
    "category": change_category,
    "merge": _merge_segments,
    "split": _split_segments,
    "dilate": _dilate_outline,
    "erode": partial(_dilate_outline, sign=-1),
    "coarse": _coarsen_outline,
    "wobble": _wobble_outline,
    "shift": _shift_segments,
    "speck": add_specks,
    "sliver": add_slivers,
    "copy": add_copies,
    "core": draw_core_and_ring,
    "hole": cut_holes,
    "bite": cut_off,
    "box": draw_boxes,
    "stale": draw_stale,
    "misaligned": _shift_image,
    "bare": leave_bare,
    "habit": draw_by_habit,
}


_HALF_SHARE = 0.5
_MIN_PARTS = 3  # parts of a category in an image
_LEARNED_SPREAD = 2.0  # the factor by which the severities of errors differ at most from that of their image


def training_rates(kinds: Sequence[CorruptionKind] = LEARNED_KINDS) -> CorruptionRates:
    """The rates to learn from: some errors of each kind in each image, so that the image does not reveal the kind."""
    return CorruptionRates(INJECTED_SHARE, kinds, len(kinds), spread=_LEARNED_SPREAD)


def corrupt_labels(
    given: SegmentSet, things: Flags, rates: CorruptionRates, rng: np.random.Generator
) -> tuple[SegmentSet, Corruptions]:
    """Inject errors into labels; returns the labels and the errors. `things` (K,): whether categories are countable.

    In other categories each connected part is corrupted on its own. Segments share pixels only if some already did; if
    all pixels were labelled, they still are.
    """
    parts_given, rows = _split_stuff(given, things)
    draft = CorruptionDraft(parts_given, rng, rates, things[np.maximum(parts_given.category, 0)])
    others = np.arange(1, len(things))
    possible = [kind for kind in rates.kinds if len(others) > 1 or kind != "category"]
    corruptions = [possible[number] for number in rng.permutation(len(possible))[: rates.per_image]]
    for kind in sorted(corruptions, key=lambda kind: (kind not in IMAGE_KINDS, KINDS.index(kind))):
        victims = _choose_segments(draft, things, kind, rates.share)
        countable = things[np.maximum(parts_given.category[victims], 0)]
        for is_thing in (False, True):  # a thing is never taken for what is none
            if (countable == is_thing).any():
                _CORRUPT[kind](draft, victims[countable == is_thing], others[things[others] == is_thing])
    new, truth = draft.finish(not has_overlaps(given))
    parts_new, source = _split_stuff(new, things)  # parts of one category that lie side by side now are one
    parts = np.full(len(parts_new) - len(source), -1)
    first = len(parts_given) - len(rows)
    origin = truth.origin[source]
    origin = np.where(origin >= first, rows[np.maximum(origin - first, 0)] if len(rows) else -1, -1)
    after = np.append(parts, truth.after[source])
    return parts_new, replace(truth, after=after, origin=np.append(parts, origin), n_parts=len(parts))


def has_overlaps(segments: SegmentSet) -> bool:
    """Whether any two segments share pixels."""
    return int(segments.areas.sum()) > int(segments.mask().sum())


def _split_stuff(given: SegmentSet, things: Flags) -> tuple[SegmentSet, Ints]:
    """The parts of stuff, followed by things and void as they are; and the rows of the latter."""
    is_kept = things[np.maximum(given.category, 0)] | (given.category == VOID)
    stuff = given.take(np.flatnonzero(~is_kept))
    parts = segments_of_map(stuff.categories(), given.height, given.width)
    rows = np.flatnonzero(is_kept)
    return parts.join(given.take(rows)), rows


def _choose_segments(draft: CorruptionDraft, things: Flags, kind: CorruptionKind, share: float) -> Ints:
    """Some unchanged segments, at random: the given share of them, rounded at random."""
    given, rng = draft.given, draft.rng
    fit = (given.category > UNLABELLED) & (draft.before < 0) & (given.areas >= MIN_PART_PIXELS)
    if kind in MULTI_PART_KINDS:
        fit &= draft.whole | _in_separate_parts(given)
    rows = np.flatnonzero(fit)
    if kind == "misaligned":
        return np.flatnonzero(given.category != VOID)
    if kind in IMAGE_KINDS:
        return rows
    n_wanted = int(share * len(rows) + rng.random())
    return np.sort(rng.permutation(rows)[:n_wanted])


def _in_separate_parts(given: SegmentSet) -> Flags:
    """(n,) the parts of categories in separate pieces: three or more, none of them half of all its pixels."""
    large = np.where(given.areas >= MIN_PART_PIXELS, given.areas, 0)
    category = np.maximum(given.category, 0)
    n, total = np.bincount(category, large > 0), np.bincount(category, large)
    largest = np.zeros(len(n))
    np.maximum.at(largest, category, large)
    return np.asarray(((n >= _MIN_PARTS) & (largest < _HALF_SHARE * total))[category])


def match_corruptions(
    candidates: ImageCandidates, new: SegmentSet, truth: Corruptions, things: Flags
) -> tuple[Ints, Ints]:
    """The injected error that each annotated candidate (n,) and each region (m,) is about; -1: none.

    Things match by their rows. A part matches an error if its IoU with what the error left is above one half, or if it
    is most of a piece of a split; a region matches if more than half of its pixels changed.
    """
    row = candidates.row
    of_drawn = np.where(things[np.maximum(new.category[row], 0)], truth.after[row], -1)
    part = ~things[np.maximum(candidates.annotated.category, 0)]
    corrupted = new.same_image(truth.new, len(truth))
    overlap = overlaps(candidates.annotated, corrupted)
    iou = overlap.pixels / (candidates.annotated.areas[overlap.a] + corrupted.areas[overlap.b] - overlap.pixels)
    cut = np.array([kind == "split" for kind in truth.kinds], bool)[overlap.b]
    piece = cut & (overlap.pixels > _HALF_SHARE * candidates.annotated.areas[overlap.a])
    close = ((iou > _HALF_SHARE) | piece) & part[overlap.a]
    of_drawn[overlap.a[close]] = overlap.b[close]
    return of_drawn, _match_regions(candidates.regions, truth, new)


def _match_regions(regions: SegmentSet, truth: Corruptions, new: SegmentSet) -> Ints:
    number = np.full(len(regions), -1, np.int64)
    changed = new.same_image(truth.changed_runs(new.height), len(truth))
    overlap = overlaps(regions, changed)
    covers_region = overlap.pixels > _HALF_SHARE * regions.areas[overlap.a]
    order = np.argsort(overlap.pixels[covers_region], kind="stable")
    number[overlap.a[covers_region][order]] = overlap.b[covers_region][order]
    return number
