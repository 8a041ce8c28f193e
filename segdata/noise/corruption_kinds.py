"""Corruption kinds beyond the plain ones: what annotation tools and tired people leave behind.

Specks and slivers of pixels, copies, cores drawn beside their rings, holes, what is cut off, boxes, outlines of another
thing, images almost without labels, and one annotator's habit. Sizes are drawn from wide ranges. Each function takes a
draft, the rows to corrupt, and the categories that they may get, and changes the draft.
"""

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints, bounding_boxes
from segdata.noise.corruption_draft import CorruptionDraft
from segdata.noise.segments import UNLABELLED, Flags, Floats, grow, translate

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
    """(p,) the pixels of an ellipse of about that area, turned at random, inside the image."""
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
    """(width * height,) where a further segment may lie: where nothing is, or anywhere if all is labelled."""
    free: Flags = draft.given.categories() == UNLABELLED
    return free if free.mean() > 0.1 else np.ones_like(free)


def _rim_pixels(draft: CorruptionDraft, rows: Ints, by: NDArray[np.int64]) -> list[Ints]:
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
    """Leave out what lies on one side of a line through each row."""
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
    """Draw all outlines of an image as much too far out, or in, as one annotator does; `rows` are all segments."""
    if not len(rows):
        return
    given = draft.given
    usual: Floats = given.radius[rows]
    by = max(round(_uniform(draft, _HABIT) * draft.severity * float(np.median(usual))), 1)
    sign = 1 if draft.rng.random() < 0.5 else -1
    new = grow(draft.runs(rows), *draft.size(rows), np.full(len(rows), sign * by))
    draft.redraw("habit", rows, new, float(by))
