"""SEG030 displaced-boxes: the boxes of a file fit its segments only when all are moved, scaled, mirrored or turned."""

from collections.abc import Iterator

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats
from segdata.core.strata import joint_codes, number_names
from segdata.core.table import Table

_SIDES = ("x", "y", "width", "height")
_LEAST_SCALE = 0.02  # scales nearer to 1 are no other scale


@rule("SEG030", "displaced-boxes", severity="warning", needs=("outlines",), whole=True)
def displaced_boxes(
    tables: Tables, *, min_segments: int = 10, min_share: float = 0.8, max_error: float = 1.0, min_shift: float = 0.75
) -> Findings:
    """The boxes of a file fit its segments only when all are moved, scaled, mirrored or turned.

    Example:
        2,147 of 2,152 declared boxes fit their segments only when they are mirrored top to bottom

    Declared boxes and the boxes of polygons (or of pixels) tell the same twice. The rule compares them by annotator and
    file. If few fit as they are, and most fit after one and the same change, you get one finding that names it: shifted
    by so many pixels, also by a single one; scaled; mirrored; x and y exchanged; corners instead of sizes; shares of
    the image instead of pixels. If most fit, but many do not, those that do not are judged alone, as a part of the
    file.

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
    segments, outlines = tables.segments, tables.outlines
    declared = np.stack([segments[f"declared_{name}"] for name in _SIDES], dtype=np.float64, casting="unsafe")
    frame = [tables.images[name][segments["image"]] for name in ("width", "height")]
    usable = (segments["area"] > 0) & ~segments["iscrowd"] & (frame[0] > 0) & (frame[1] > 0)
    for side in declared:
        usable &= ~np.isnan(side)
    rows = np.flatnonzero(usable)
    if len(rows) == 0:
        return
    declared, box = declared[:, rows], _actual_boxes(segments, outlines)[:, rows]
    files = number_names(segments.texts("file"))[1]
    annotators = number_names(tables.annotations.texts("annotator"))[1][segments["annotation"]]
    group, first = joint_codes(files[rows], annotators[rows])
    for number in range(len(first)):
        mine = slice(None) if len(first) == 1 else np.flatnonzero(group == number)
        own_rows, own, own_box = rows[mine], declared[:, mine], box[:, mine]
        corners = _corners(own)
        as_is, shift = _error(corners, own_box), _shift(corners, own_box)
        if len(own_rows) >= min_segments and np.abs(shift).max() >= min_shift:
            moved = _error(corners - np.tile(shift, 2)[:, None], own_box)
            fits = moved <= min(max_error, np.abs(shift).max() / 2)
            if fits.mean() >= min_share:
                yield _finding(tables, int(own_rows[0]), int(fits.sum()), len(own_rows), _shift_words(shift))
                continue
        off = np.flatnonzero(as_is > 2 * max_error)
        if len(off) < min_segments:
            continue
        frames = np.stack([side[own_rows[off]] for side in frame], dtype=np.float64)
        fitting = [
            (int((_error(changed, own_box[:, off]) <= max_error * slack).sum()), words)
            for changed, slack, words in _changes(own[:, off], own_box[:, off], frames)
        ]
        hits, words = max(fitting, key=lambda pair: pair[0])
        if hits >= min_share * len(off):
            yield _finding(tables, int(own_rows[off[0]]), hits, len(own_rows), words)


def _actual_boxes(segments: Table, outlines: Table) -> Floats:
    """(4, n_segments) left, top, right, bottom of the polygons, or of the pixels where there are none."""
    x, y = segments["x"], segments["y"]
    box: Floats = np.stack([x, y, x + segments["width"], y + segments["height"]], dtype=np.float64)
    owner = outlines["segment"]
    for side, name in zip(box, ("left", "top", "right", "bottom"), strict=True):
        of_ring = outlines[name]
        has_ring = ~np.isnan(of_ring)
        side[owner[has_ring]] = of_ring[has_ring]
    return box


def _finding(tables: Tables, row: int, hits: int, n: int, words: str) -> RowFinding:
    message = (
        f"{hits:,} of {count_noun(n, 'declared box', 'declared boxes')} fit their segments only when they are {words}"
    )
    return RowFinding(message, annotator=tables.annotations["annotator"][tables.segments["annotation"][row]])


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
    return f"shifted by {across:+.4g} px across and {down:+.4g} px down"


def _changes(declared: Floats, box: Floats, frame: Floats) -> Iterator[tuple[Floats, float, str]]:
    """Changed boxes as corners (4, n), by what the allowed error is multiplied, and the change in words."""
    x, y, width, height = declared
    wide, high = frame
    left = np.stack([wide - x - width, y, wide - x, y + height])
    top = np.stack([x, high - y - height, x + width, high - y])
    both = np.stack([left[0], top[1], left[2], top[3]])
    yield left, 1.0, "mirrored left to right"
    yield top, 1.0, "mirrored top to bottom"
    yield both, 1.0, "turned by 180 degrees"
    yield np.stack([y, x, y + height, x + width]), 1.0, "read as y, x, height, width"
    yield np.stack([x, y, x + height, y + width]), 1.0, "read as x, y, height, width"
    yield np.stack([x, y, width, height]), 1.0, "read as two corners"
    yield np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2]), 1.0, "read as centre and size"
    yield _corners(declared) * np.tile(frame, (2, 1)), 1.0, "multiplied by the image's size"
    corners = _corners(declared)
    shift = _shift(corners, box)
    yield corners - np.tile(shift, 2)[:, None], 1.0, _shift_words(shift)
    sizes = box[2:] - box[:2]
    some = (declared[2:] > 0) & (sizes > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(some, sizes / declared[2:], np.nan)
    if some.any(axis=1).all():
        scale = np.nanmedian(ratios, axis=1)
        if np.abs(scale - 1).max() > _LEAST_SCALE:
            # Boxes that were rounded at another scale are as much less exact.
            yield (
                corners * np.tile(scale, 2)[:, None],
                max(1.0, float(scale.max())),
                f"scaled by {scale[0]:.4g} and {scale[1]:.4g}",
            )
