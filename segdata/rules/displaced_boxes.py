"""SEG030 displaced-boxes: the boxes of a file fit its segments only when all are moved, scaled, mirrored or turned."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NamedTuple

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather, name_keys, sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.table import Column, Table

_SIDES = ("x", "y", "width", "height")
_MIN_SCALE_CHANGE = 0.02  # of a scale; smaller changes do not count
_FILLING = -1.0  # the points by which outlines are brought to one length
_EXACT = 0.01  # pixels by which boxes may differ that are exactly one pixel wider and higher
_COARSE = 0.1  # how far the box of every second point of an outline is from that of all, in sides of the box


@rule("SEG030", "displaced-boxes", severity="warning", needs=("outlines",), whole=True, by_part=True)
def displaced_boxes(
    tables: Tables, *, min_segments: int = 10, min_share: float = 0.8, max_error: float = 1.0, min_shift: float = 0.75
) -> Findings:
    """The boxes of a file fit its segments only when all are moved, scaled, mirrored or turned.

    Example:
        2,147 of 2,152 declared boxes fit their segments only when they are mirrored top to bottom

    Declared boxes and the boxes of polygons (or of pixels) tell the same twice. The rule compares them by annotator and
    file. If few fit as they are, and most fit after one and the same change, you get one finding that names it: shifted
    by so many pixels, also by a single one; scaled; mirrored; x and y exchanged; corners instead of sizes; shares of
    the image instead of pixels; or outlines that were written as all x before all y, or filled up with points at
    (-1, -1) to one length. If most fit, but many do not, those that do not are judged alone, as a part of the file.

    Boxes that are exactly one pixel wider and higher than the outlines, on the right and below, are an info: OpenCV's
    contours go through the centres of the outermost pixels, and cut off half a pixel all around. Boxes that are one
    pixel smaller are fine, since some count to the last pixel. Boxes with decimals are an info, if all sides of the
    outlines are their whole parts: points were cut, not rounded, and lie half a pixel aside.

    Why: one of the two is wrong in the same way throughout: a script mistook the origin, counted pixels from 1, or
    resized images and only half of the labels. Everything that trains on boxes learns other places than what trains on
    masks.

    Remedy: look at a picture to see which of the two lies on the objects. Then convert: `segdata convert` computes
    boxes from the pixels.

    Options: `min_segments`: fewer boxes are not judged. `min_share`: the least share of them that must fit after the
    change, and not before. `max_error`: pixels by which each side of a box may be off. `min_shift`: the least shift.
    Defaults: COCO, TACO of December 2019, GBM40 and LabelMe's export have none; in both releases of TACO of June 2019
    2,147 of 2,152 boxes have the origin at the bottom, which their authors corrected later.
    """
    rows = _usable_rows(tables)
    far = np.zeros(len(rows), bool)
    counts: dict[str, Column] = {"n": np.ones(len(rows), np.int64), "far": far}
    counts |= {f"{name}_{axis}": np.zeros(len(rows), np.int8) for name in ("above", "below") for axis in (0, 1)}
    counts["cut"] = is_cut = _has_ring(tables)[rows]
    counts["grown"] = is_grown = np.ones(len(rows), bool)
    has_decimals = np.zeros(len(rows), bool)
    for k in range(4):  # one side at a time, for datasets have millions of boxes
        side, actual = _declared_side(tables, k)[rows], _actual_side(tables, k)[rows]
        away = side - actual
        is_grown &= np.abs(away - (k > 1)) <= _EXACT
        is_cut &= actual == np.floor(side)
        has_decimals |= away > 0
        far |= np.abs(away) > 2 * max_error
        counts[f"above_{k % 2}"] += away >= min_shift
        counts[f"below_{k % 2}"] += away <= -min_shift
    is_cut &= has_decimals
    del side, actual, away, has_decimals
    annotation = tables.segments["annotation"][rows]
    annotators = name_keys(tables.annotations.texts("annotator"))
    keys = {"file": name_keys(tables.segments.texts("file"))[rows], "annotator": annotators[annotation]}
    sums = sum_by(tables, keys, counts)
    # A median of 2 n numbers can only be as large as min_shift if n of them are.
    may_move = np.max([sums[f"{name}_{axis}"] for name in ("above", "below") for axis in (0, 1)], axis=0) >= sums["n"]
    sums = sums.beside(moves=(sums["n"] >= min_segments) & may_move)
    odd = sums.take(sums["moves"] | (sums["far"] >= min_segments))
    moving = odd.take(odd["moves"])
    # In files whose boxes are not moved, the boxes that do not fit suffice.
    is_displaced = _is_in(keys, moving) | far & _is_in(keys, odd)
    columns: dict[str, Column] = {name: column[is_displaced] for name, column in keys.items()}
    columns["annotation"] = annotation[is_displaced]
    rows = rows[is_displaced]
    for k, name in enumerate(_SIDES):
        columns |= {f"declared_{k}": _declared(tables, name)[rows], f"box_{k}": _actual_side(tables, k)[rows]}
    image = tables.segments["image"][rows]
    columns |= {f"frame_{k}": tables.images[name][image] for k, name in enumerate(_SIDES[2:])}
    whole, table = gather(tables, columns, {"annotation": "annotations"})
    told = sums.take((sums["n"] >= min_segments) & (np.maximum(sums["cut"], sums["grown"]) >= min_share * sums["n"]))
    yield from _exact_differences(whole, told)
    moves_of = {(file, who): (n, moves) for file, who, n, moves in odd.lines("file", "annotator", "n", "moves")}
    for members in table.take(~_is_in(table, told)).groups("file", "annotator"):
        own = table.take(members)
        n, moves = moves_of.get((own.cell("file", 0), own.cell("annotator", 0)), (0, False))
        if n:
            yield from _judge(whole, own, n, min_segments, min_share, max_error, min_shift if moves else np.inf)


def _exact_differences(tables: Tables, groups: Table) -> Findings:
    """An info for each file and annotator whose boxes differ from all outlines by one pixel, or by their decimals."""
    names = tables.annotations.texts("annotator")
    key = name_keys(names)
    for who, n, n_cut, n_grown in groups.lines("annotator", "n", "cut", "grown"):
        if n_grown >= n_cut:
            what = "are one pixel wider and higher than their segments, on the right and below"
            message = f"{what}: were outlines drawn through the pixels' centres?"
        else:
            what = "have decimals, and their segments end on the whole pixels left of and above them"
            message = f"{what}: were points cut to whole numbers?"
        message = f"{max(n_cut, n_grown):,} of {count_noun(n, 'declared box', 'declared boxes')} {message}"
        annotator = names[int(np.flatnonzero(key == who)[0])].as_py()
        yield RowFinding(message, annotator=annotator, severity="info")


def _is_in(keys: Mapping[str, Column] | Table, groups: Table) -> Flags:
    """(n,) whether the file and the annotator are those of one of some groups; of two of them perhaps."""
    return np.isin(keys["file"], groups["file"]) & np.isin(keys["annotator"], groups["annotator"])


def _usable_rows(tables: Tables) -> Ints:
    """The segments with pixels, no crowds, in images of known size, with a declared box."""
    segments, images = tables.segments, tables.images
    has_size = (images["width"] > 0) & (images["height"] > 0)
    usable = (segments["area"] > 0) & ~segments["iscrowd"] & has_size[segments["image"]]
    for name in _SIDES:
        usable &= ~np.isnan(_declared(tables, name))
    return np.flatnonzero(usable)


def _declared(tables: Tables, name: str) -> Floats:
    """(n_segments,) x, y, width or height of the declared boxes."""
    column: Floats = tables.segments[f"declared_{name}"].astype(np.float64, copy=False)
    return column


def _declared_side(tables: Tables, k: int) -> Floats:
    """(n_segments,) left (0), top (1), right (2) or bottom (3) of the declared boxes."""
    side = _declared(tables, _SIDES[k % 2])
    return side if k < 2 else side + _declared(tables, _SIDES[k])


def _actual_side(tables: Tables, k: int) -> Floats:
    """(n_segments,) the same of the polygons, or of the pixels where there are none."""
    segments, outlines = tables.segments, tables.outlines
    side: Floats = segments[_SIDES[k % 2]].astype(np.float64)
    if k > 1:
        side += segments[_SIDES[k]]
    of_ring = outlines[("left", "top", "right", "bottom")[k]]
    has_ring = ~np.isnan(of_ring)
    side[outlines["segment"][has_ring]] = of_ring[has_ring]
    return side


def _has_ring(tables: Tables) -> Flags:
    """(n_segments,) which segments are polygons; the boxes of pixels are whole numbers anyway."""
    has_ring = np.zeros(len(tables.segments), bool)
    has_ring[tables.outlines["segment"][~np.isnan(tables.outlines["left"])]] = True
    return has_ring


def _judge(
    tables: Tables, judged: Table, n: int, min_segments: int, min_share: float, max_error: float, min_shift: float
) -> Findings:
    """The finding about n boxes of one file and annotator, if there is one; `judged` may lack those that fit."""
    declared, box = (np.stack([judged[f"{name}_{k}"] for k in range(4)]) for name in ("declared", "box"))
    corners, annotation = _corners(declared), int(judged["annotation"][0])
    as_is, shift = _error(corners, box), _shift(corners, box)
    if n >= min_segments and np.abs(shift).max() >= min_shift:
        moved = _error(corners - np.tile(shift, 2)[:, None], box)
        fits = moved <= min(max_error, np.abs(shift).max() / 2)
        if fits.mean() >= min_share:
            yield _finding(tables, annotation, int(fits.sum()), n, _shift_words(shift))
            return
    off = np.flatnonzero(as_is > 2 * max_error)
    if len(off) < min_segments:
        return
    frames = np.stack([judged[f"frame_{k}"][off] for k in range(2)], dtype=np.float64)
    declared, box = declared[:, off], box[:, off]
    changes = chain(_box_changes(declared, frames), _outline_changes(declared), _fitted_changes(declared, box))
    fitting = [
        (int((_error(change.corners, box) <= max_error * change.slack).sum()), change.words) for change in changes
    ]
    hits, words = max(fitting, key=lambda pair: pair[0])
    if hits >= min_share * len(off):
        yield _finding(tables, annotation, hits, n, words)


def _finding(tables: Tables, annotation: int, hits: int, n: int, words: str) -> RowFinding:
    message = f"{hits:,} of {count_noun(n, 'declared box', 'declared boxes')} fit their segments only when {words}"
    return RowFinding(message, annotator=tables.annotations.cell("annotator", annotation))


def _corners(declared: Floats) -> Floats:
    """(4, n) left, top, right, bottom of boxes (4, n) x, y, width, height."""
    return np.concatenate([declared[:2], declared[:2] + declared[2:]])


def _error(corners: Floats, box: Floats) -> Floats:
    """(n,) by how many pixels the worst side is off."""
    worst: Floats = np.abs(corners - box).max(axis=0)
    return worst


def _shift(corners: Floats, box: Floats) -> Floats:
    """(2,) the median shift across and down; each side counts."""
    away = corners - box
    return np.array([np.median(away[axis::2]) for axis in (0, 1)])


def _shift_words(shift: Floats) -> str:
    across, down = (0.0 - shift).tolist()
    return f"they are shifted by {across:+.4g} px across and {down:+.4g} px down"


class _Change(NamedTuple):
    """A change that may have been made to all boxes."""

    words: str
    corners: Floats  # (4, n) the declared boxes when it is undone
    slack: Floats | float = 1.0  # (n,) or for all: by what the allowed error is multiplied


def _box_changes(declared: Floats, frame: Floats) -> Iterator[_Change]:
    """Changes of the declared boxes (4, n) x, y, width, height; `frame` (2, n) is the images' width and height."""
    x, y, width, height = declared
    frame_width, frame_height = frame
    left, right = frame_width - x - width, frame_width - x
    top, bottom = frame_height - y - height, frame_height - y
    yield _Change("they are mirrored left to right", np.stack([left, y, right, y + height]))
    yield _Change("they are mirrored top to bottom", np.stack([x, top, x + width, bottom]))
    yield _Change("they are turned by 180 degrees", np.stack([left, top, right, bottom]))
    yield _Change("they are read as y, x, height, width", np.stack([y, x, y + height, x + width]))
    yield _Change("they are read as x, y, height, width", np.stack([x, y, x + height, y + width]))
    yield _Change("they are read as two corners", declared)
    centred = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    yield _Change("they are read as centre and size", centred)
    yield _Change("they are multiplied by the image's size", _corners(declared) * np.tile(frame, (2, 1)))


def _outline_changes(declared: Floats) -> Iterator[_Change]:
    """Changes of the outlines, as the boxes of changed outlines; `declared` (4, n) is x, y, width, height."""
    corners = _corners(declared)
    filled = np.concatenate([np.full_like(corners[:2], _FILLING), corners[2:]])
    yield _Change("points at (-1, -1) are left out", filled)
    # In an outline x0 x1 … y0 y1 …, taken for pairs, each of x and y is about as far to the left as to the top.
    low, high = corners[:2].min(axis=0), corners[2:].max(axis=0)
    coarse = np.maximum(1.0, _COARSE * (high - low))
    yield _Change("the outlines are read as all x before all y", np.stack([low, low, high, high]), coarse)


def _fitted_changes(declared: Floats, box: Floats) -> Iterator[_Change]:
    """The shift and the scale that bring the declared boxes (4, n) nearest to the actual ones, as corners (4, n)."""
    corners = _corners(declared)
    shift = _shift(corners, box)
    yield _Change(_shift_words(shift), corners - np.tile(shift, 2)[:, None])
    sizes = box[2:] - box[:2]
    some = (declared[2:] > 0) & (sizes > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(some, sizes / declared[2:], np.nan)
    if some.any(axis=1).all():
        scale = np.nanmedian(ratios, axis=1)
        if np.abs(scale - 1).max() > _MIN_SCALE_CHANGE:
            # Boxes that were rounded at another scale are as much less exact.
            words = f"they are scaled by {scale[0]:.4g} and {scale[1]:.4g}"
            yield _Change(words, corners * np.tile(scale, 2)[:, None], max(1.0, float(scale.max())))
