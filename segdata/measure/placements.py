"""Placements: whether outlines lie on the lines of another plane, or would if they were moved, scaled or turned."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.runs import Flags, Floats, Ints, fill_ranges

_SHARPEN_SIDE = 15  # pixels: what varies more slowly is no line
SIDE = 256  # pixels: the longer side of a reduced plane
_MAX_SHIFT = SIDE // 6  # pixels of a reduced plane
_MIN_LASTING_SIDES = 0.5  # share of the labels' sides that a narrower rim must leave apart
_MAX_RIM = 12  # pixels of a reduced plane that labels may be too narrow or too wide all around
MIN_PART_ANNOTATIONS = 5  # annotations that one change must improve to count as a part of their group
_PART_SCORE, _PART_RATIO = 8.0, 1.5  # the least score after the change, and its least ratio to the score before
_CHANCE_SCORE = 3.0  # standard deviations: relevant changes score higher, random places hardly ever
_SHIFT_RATIO = 1.15  # of the score after a shift to that before, from which scales are tried, too
_WEAK_SCORE_SHARE = 0.8  # of the score of the best fifth, below which scales are tried
_MIN_OUTLINE_VALUE = 0.1  # share of a pixel of the plane, from which it counts as outline
MIN_OUTLINE_PIXELS = 40  # pixels of a reduced plane: shorter outlines are not placed
FITS = 5.0  # score from which labels lie on the edges of their picture
_SCALES = np.unique([*np.arange(0.5, 1.0, 0.01).round(2), *(1 / np.arange(0.5, 1.0, 0.01)), 0.25, 1 / 3, 3.0, 4.0])
_OFFSETS = range(-4, 5)  # pixels of a reduced plane: how much wider labels are tried to be
_SYMMETRIC_GAIN = 0.5  # share of the gain of a change that its opposite has if labels are too narrow or wide
_PREVIEW_SCALES = (0.25, 0.5, 2.0, 4.0)  # of a picture to the one that was labelled
Plane = NDArray[np.float32]
CHANGES: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "mirrored left to right": lambda plane: plane[:, ::-1],
    "mirrored top to bottom": lambda plane: plane[::-1],
    "turned by 180 degrees": lambda plane: plane[::-1, ::-1],
    "with x and y exchanged": lambda plane: _cut_to(plane.T, plane.shape),
    "turned by 90 degrees": lambda plane: np.rot90(plane),
    "turned by 270 degrees": lambda plane: np.rot90(plane, 3),
}
SHIFTED, SCALED, ELSEWHERE, WIDENED = range(len(CHANGES), len(CHANGES) + 4)


class OutlinePlanes(msgspec.Struct):
    """The outlines of all labels of an annotation, and the edges of its picture, both reduced."""

    annotation: int  # row
    outline: Plane
    edges: Plane
    full: tuple[int, int]  # height and width of the image in pixels
    near: Plane  # (2 * reach + 1, 2 * reach + 1) the score of the outlines where they are, in the middle, and around
    blank: float = 0.0  # share of the outlines where the picture has no shade within two pixels
    bare: float = 0.0  # share of the picture's shades within two pixels of the outlines; 0 if it has shades everywhere
    padded: float = 0.0  # share of the padding around the picture that has a label; 0 if there is none
    sides: Plane | None = None  # (2, h, w) across and down, where segments begin (above 0) and where they end (below)
    _changed: dict[int, float] | None = None

    @classmethod
    def from_outline(cls, annotation: int, outline: Plane, edges: Plane, full: tuple[int, int]) -> "OutlinePlanes":
        """Build with `near`, which is computed from the outline and the edges."""
        reach = min(_MAX_SHIFT, min(edges.shape) // 2 - 1)
        surface = _surface(outline, edges.shape, _spectrum(edges, edges.shape))
        return cls(annotation, outline, edges, full, _around(surface, reach))

    @property
    def reach(self) -> int:
        """How far `near` goes in each direction, in pixels of the reduced picture."""
        return len(self.near) // 2

    @property
    def own_score(self) -> float:
        """The score of the outlines in place, or one pixel beside."""
        return float(_middle(self.near).max())

    def scores(self, outlines: Iterable[Plane], reach: int = 1) -> list[float]:
        """The scores of outlines in place, or shifted by up to `reach` pixels: the fit to the edges above chance.

        Scores below `_CHANCE_SCORE` are rough, and need no transform.
        """
        shape, spectrum = self.edges.shape, None
        scores = []
        for outline in outlines:
            score = _best_product(outline, self.edges, reach) / correlation_noise(outline, self.edges)
            if score >= _CHANCE_SCORE:
                spectrum = _spectrum(self.edges, shape) if spectrum is None else spectrum
                score = float(_around(_surface(outline, shape, spectrum), reach).max())
            scores.append(score)
        return scores

    def changed_scores(self) -> dict[int, float]:
        """The score, up to 2 pixels beside, after each of `CHANGES` that keeps the size, by its number."""
        if self._changed is None:
            changed = {number: change(self.outline) for number, change in enumerate(CHANGES.values())}
            fitting = {number: plane for number, plane in changed.items() if plane.shape == self.edges.shape}
            self._changed = dict(zip(fitting, self.scores(fitting.values(), 2), strict=True))
        return self._changed

    @property
    def unit(self) -> float:
        """The side of a pixel of the reduced picture, in pixels of the image."""
        return float(max(self.full) / max(self.edges.shape))

    def shift(self, row: int, column: int) -> tuple[float, float]:
        """Convert a position in `near` to a shift to the right and down, in pixels of the image."""
        return (column - self.reach) * self.unit, (row - self.reach) * self.unit


class Placement(msgspec.Struct):
    """The score of an annotation's labels in place, and the change after which they fit their picture best."""

    annotation: int
    own: float
    change: int = -1
    score: float = 0.0
    x: float = 0.0
    y: float = 0.0
    other: int = -1  # row of the annotation whose picture they fit
    alike: float = 0.0  # the score of the labels on the outlines of that annotation


def change_words(change: int, x: float, y: float) -> str:
    """Describe a change of labels; `x`, `y`: pixels of a shift or of the new rim, or factors of a scale."""
    if change < len(CHANGES):
        return list(CHANGES)[change]
    if change == WIDENED:
        return f"{abs(x):.0f} px {'wider' if x > 0 else 'narrower'} all around"
    if change == SHIFTED:
        return f"shifted by {x:+.0f} px across and {y:+.0f} px down"
    return f"scaled by {x:.3g} across and {y:.3g} down"


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """Width and height of the plane to which an image is reduced."""
    scale = min(SIDE / max(height, width), 1.0)
    return max(round(width * scale), 8), max(round(height * scale), 8)


def reduce_outlines(batch: Batch, annotation: int, full: tuple[int, int], size: tuple[int, int]) -> tuple[Plane, Plane]:
    """The outlines of an annotation's segments, reduced, and their `sides`, without the border of the image."""
    kept = batch.segment_annotation[batch.runs.owner] == annotation
    owner = batch.runs.owner[kept]
    number = owner - (owner[0] if len(owner) else 0) + 1  # runs ascend by owner
    columns = _paint_columns(batch.runs.start[kept], batch.runs.length[kept], number, full)
    inside = (columns > 0).view(np.int8)
    outline = np.zeros(columns.shape, bool)
    sides = []
    for lines, labelled, drawn in ((columns, inside, outline), (columns.T, inside.T, outline.T)):
        differs = lines[1:] != lines[:-1]
        drawn[1:] |= differs
        drawn[:-1] |= differs
        begins = labelled[1:] - labelled[:-1]  # 0 where two segments touch
        side = np.zeros_like(inside)
        across = side if labelled is inside else side.T
        across[1:] += begins
        across[:-1] += begins
        sides.append(side)
    reduced = [_box_means(plane, size).T for plane in (outline.view(np.int8), *sides)]
    return sharpen(np.minimum(reduced[0], 0.5)), np.stack(reduced[1:])


def _paint_columns(start: Ints, length: Ints, number: Ints, full: tuple[int, int]) -> NDArray[np.unsignedinteger]:
    """(width, height) the numbers of segments, from runs (n,); 0 elsewhere, and the later run where several lie."""
    labels = np.zeros(full[0] * full[1], np.min_scalar_type(int(number.max(initial=0))))
    fill_ranges(labels, start, length, number)
    return labels.reshape(full[1], full[0])


def _box_means(plane: NDArray[np.int8], size: tuple[int, int]) -> Plane:
    """(size) the mean of the pixels whose centres lie in each box of a plane that is mostly 0, as Pillow's BOX has it.

    A centre on the edge of two boxes belongs to the first. Where a side grows, a box has the pixel of its own centre.
    """
    for axis, n_boxes in enumerate(size):
        if plane.shape[axis] < n_boxes:
            n_lines = plane.shape[axis]
            plane = plane.take((2 * np.arange(n_boxes) + 1) * n_lines // (2 * n_boxes), axis)
    ends = [np.arange(1, n_boxes + 1) * n_lines / n_boxes for n_boxes, n_lines in zip(size, plane.shape, strict=True)]
    box = [np.searchsorted(side, np.arange(n_lines) + 0.5) for side, n_lines in zip(ends, plane.shape, strict=True)]
    place = np.flatnonzero(plane != 0)  # of flags, which are found faster
    row, column = np.divmod(place, plane.shape[1])
    sums = np.bincount(box[0][row] * size[1] + box[1][column], plane.ravel()[place], size[0] * size[1])
    n_pixels = np.multiply.outer(*(np.bincount(lines) for lines in box))
    return np.asarray(sums.reshape(size) / n_pixels, np.float32)


def _cut_to(plane: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Crop the plane to a shape at its lower right, or fill it up with zeros."""
    high, wide = shape
    return np.pad(plane, ((0, max(high - len(plane), 0)), (0, max(wide - plane.shape[1], 0))))[:high, :wide]


def sharpen(plane: Plane) -> Plane:
    """High-pass filter a plane: each pixel minus the mean of the square around it, mirrored at the border."""
    mean = plane.astype(np.float64)
    for _ in range(2):
        sums = np.cumsum(np.pad(mean, ((_SHARPEN_SIDE // 2 + 1, _SHARPEN_SIDE // 2), (0, 0)), mode="symmetric"), axis=0)
        mean = ((sums[_SHARPEN_SIDE:] - sums[:-_SHARPEN_SIDE]) / _SHARPEN_SIDE).T  # down, and then across
    return np.asarray(plane - mean, np.float32)


def _spectrum(plane: Plane, size: tuple[int, ...]) -> NDArray[np.complex64]:
    """The Fourier transform of a plane padded with zeros, for planes of a size (h, w)."""
    return np.asarray(np.fft.rfft2(plane, _padded(size)), np.complex64)


def _surface(outline: Plane, size: tuple[int, ...], edges: NDArray[np.complex64]) -> Plane:
    """(h, w) the score of outlines shifted by (row, column), negative shifts from the end; `edges` is a `_spectrum`."""
    high, wide = size
    surface = np.fft.irfft2(edges * np.conj(_spectrum(outline, size)), _padded(size))
    rows, columns = (np.concatenate([np.arange(side // 2), np.arange(-side // 2, 0)]) for side in (high, wide))
    surface = surface[rows[:, None], columns]
    return np.asarray(surface / max(float(surface.std()), 1e-12), np.float32)


def _best_product(outline: Plane, edges: Plane, reach: int) -> float:
    """The greatest correlation of edges with outlines that are shifted by up to `reach` pixels."""
    width = edges.shape[1] + 2 * reach
    # In planes padded with zeros, a shift is an offset in the flattened array.
    drawn, lines = (np.pad(plane, reach).ravel() for plane in (outline, edges))
    steps = np.add.outer(np.arange(-reach, reach + 1) * width, np.arange(-reach, reach + 1)).ravel()
    size = len(drawn)
    return max(
        float(np.vdot(drawn[max(-step, 0) : size - max(step, 0)], lines[max(step, 0) : size - max(-step, 0)]))
        for step in steps.tolist()
    )


def _padded(size: tuple[int, ...]) -> list[int]:
    """The lengths of transforms in which no shift by up to half of a side wraps around."""
    return [_fast_length(side + (side + 1) // 2) for side in size]


@lru_cache
def _fast_length(least: int) -> int:
    """The next length with no prime factors but 2, 3 and 5, which transforms fast (scipy.fft takes long to import)."""
    powers: list[int] = [2**i * 3**j * 5**k for i in range(11) for j in range(7) for k in range(5)]
    return int(min(length for length in powers if length >= least))


def _middle(near: Plane) -> Plane:
    """(3, 3) the centre of a square of odd side."""
    side = len(near) // 2
    return near[side - 1 : side + 2, side - 1 : side + 2]


def _around(surface: Plane, reach: int) -> Plane:
    """(2 * reach + 1, 2 * reach + 1) the surface around the shift 0."""
    steps = np.arange(-reach, reach + 1)
    return surface[steps[:, None], steps]


def best_placement(plane: OutlinePlanes) -> Placement:
    """The change after which an annotation's labels fit the edges of their picture best."""
    row, column = np.unravel_index(plane.near.argmax(), plane.near.shape)
    best = Placement(plane.annotation, 0, SHIFTED, float(plane.near.max()), *plane.shift(int(row), int(column)))
    for number, score in plane.changed_scores().items():
        if score > best.score:
            best = Placement(plane.annotation, 0, number, score)
    for rim, score in _rim_scores(plane).items():
        if score > best.score:
            best = Placement(plane.annotation, 0, WIDENED, score, rim * plane.unit)
    previews = [_rescale(plane.outline, factor, factor) for factor in _PREVIEW_SCALES]
    for factor, score in zip(_PREVIEW_SCALES, plane.scores(previews, 2), strict=True):
        if score > best.score:
            best = Placement(plane.annotation, 0, SCALED, score, factor, factor)
    return best


def edge_offset(plane: OutlinePlanes) -> float:
    """How many pixels of the image wider the labels would be if they ended at the edges; below 0: narrower.

    It is where the mean rank of the picture's gradients is highest, over all sides of labels, to a fraction of a pixel
    of the reduced picture. NaN if that is farther away than four of these, or the labels do not lie on edges.
    """
    if plane.sides is None or plane.own_score < FITS:
        return math.nan
    profile = np.empty(len(_OFFSETS))
    for place, rim in enumerate(_OFFSETS):
        outline = _moved_sides(plane.sides, rim)
        profile[place] = np.vdot(outline, plane.edges) / max(float(outline.sum()), 1e-9)
    best = int(profile.argmax())
    if not 0 < best < len(profile) - 1:
        return math.nan
    before, top, after = profile[best - 1 : best + 2].tolist()
    bend = before - 2 * top + after
    return (_OFFSETS[best] + ((before - after) / (2 * bend) if bend else 0.0)) * plane.unit


def _moved_sides(sides: Plane, rim: int) -> Plane:
    """The outline of labels that are wider by a rim, in pixels of the reduced picture, from their `sides`."""
    begins, ends = np.maximum(sides, 0), np.maximum(-sides, 0)
    across, down = (_roll(begins[axis], -rim, 1 - axis) + _roll(ends[axis], rim, 1 - axis) for axis in (0, 1))
    return np.minimum(across + down, 0.5)


def _rim_scores(plane: OutlinePlanes) -> dict[int, float]:
    """The score of labels that are wider by each rim, in pixels of the reduced picture; below 0: narrower.

    Outlines that a rim moves onto other sides of labels do not count: the outer side of a ring fits its inner side.
    """
    if plane.sides is None:
        return {}
    drawn = (plane.outline > _MIN_OUTLINE_VALUE).astype(np.float32)
    free = 1 - np.max([drawn, *(_roll(drawn, step, axis) for step in (-1, 1) for axis in (0, 1))], axis=0)
    begins, ends = np.maximum(plane.sides, 0), np.maximum(-plane.sides, 0)
    rims, outlines = list[int](), list[Plane]()
    for rim, lasting in _lasting_sides(begins, ends).items():
        if rim and lasting >= _MIN_LASTING_SIDES:
            rims.append(rim)
            outlines.append(sharpen(_moved_sides(plane.sides, rim) * free))
    if not rims:
        return {}
    scores = plane.scores(outlines, 0)
    usual = max(float(np.median(scores)), 0.0)  # of places without outlines, whatever the rim
    return {rim: score - usual for rim, score in zip(rims, scores, strict=True)}


def _lasting_sides(begins: Plane, ends: Plane) -> dict[int, float]:
    """The share of the sides where segments begin that do not meet sides where segments end, for each rim."""
    total = max(float(begins.sum()), 1e-12)
    met = np.zeros_like(ends)
    shares = {}
    for step in range(2 * _MAX_RIM + 1):
        met = np.maximum(met, [_roll(ends[axis], -step, 1 - axis) for axis in (0, 1)])
        if step % 2 == 0:
            shares[-step // 2] = float(begins[met < _MIN_OUTLINE_VALUE].sum()) / total
    wider = dict.fromkeys(range(1, _MAX_RIM + 1), shares[0])
    return dict(sorted({**shares, **wider}.items()))


def _roll(plane: Plane, steps: int, axis: int) -> Plane:
    """The plane shifted by some steps along an axis, filled with zeros."""
    moved = np.zeros_like(plane)
    before, after = (moved.T, plane.T) if axis else (moved, plane)
    side = len(after)
    kept = max(side - abs(steps), 0)
    before[max(steps, 0) :][:kept] = after[max(-steps, 0) :][:kept]
    return moved


def correlation_noise(outline: Plane, edges: Plane) -> float:
    """The approximate standard deviation of the correlation of unrelated outlines and edges."""
    return float(np.sqrt(np.vdot(outline, outline) * np.vdot(edges, edges) / edges.size)) or 1.0


def common_change(planes: list[OutlinePlanes], poor: float = 2 * FITS) -> tuple[Placement, int]:
    """The change that improves most labels of a group, the medians of `own` and `score`, and the number it improves.

    Tries shifts; scales, too, if a shift improves the median score much; and `CHANGES` if it is below `poor`.
    """
    own = np.array([plane.own_score for plane in planes])
    changes = [_shift_of_group(planes)]
    middle, moved = float(np.median(own)), float(np.median(changes[0][1]))
    if middle < poor:
        changes += _changes_of_group(planes)
    elif moved >= _SHIFT_RATIO * middle:  # a small scale about a corner is a shift in the middle
        scales = (change for change in _changes_of_group(planes) if change[0].change == SCALED)
        changes += [change for change in scales if np.median(change[1]) >= _PART_RATIO * middle]
    place, scores = max(changes, key=lambda change: float(np.median(change[1])))
    place.annotation, place.own, place.score = planes[0].annotation, float(np.median(own)), float(np.median(scores))
    return place, int((scores > own).sum())


def _changes_of_group(planes: list[OutlinePlanes]) -> Iterator[tuple[Placement, Floats]]:
    """Yield changes of all labels of a group, each with the scores (n,) after it."""
    own = np.array([plane.own_score for plane in planes])
    for number in range(len(CHANGES)):
        if all(number in plane.changed_scores() for plane in planes):
            yield Placement(0, 0, number), np.array([plane.changed_scores()[number] for plane in planes])
    few = planes[:12]
    for axes in ((True, True), (True, False), (False, True)):
        screened = np.sum([_scaled_scores(plane, *axes) for plane in few], axis=0)
        best = int(screened.argmax())
        others = np.flatnonzero(np.log(_SCALES) * np.log(_SCALES[best]) < 0)
        (scale_x, scale_y), other = (
            np.where(axes, _SCALES[place], 1.0).tolist() for place in (best, others[screened[others].argmax()])
        )
        both = ((scale_x, scale_y), other)
        scores, opposite = np.array(
            [plane.scores([_rescale(plane.outline, *scale) for scale in both], 2) for plane in planes]
        ).T
        if not _gain_both(own, scores, opposite):
            yield Placement(0, 0, SCALED, 0, scale_x, scale_y), scores


def _shift_of_group(planes: list[OutlinePlanes]) -> tuple[Placement, Floats]:
    """The shift after which a group's labels fit best, and the scores (n,) after it.

    If the opposite shift improves labels too, they are too narrow or too wide all around, and are not shifted.
    """
    near = _near_scores(planes)
    mean = near.mean(axis=0)
    row, column = _peak(mean)
    place, scores = _best_shift(planes, near, row, column)
    _, opposite = _best_shift(planes, near, *_peak(mean, (row, column)))
    own = np.array([plane.own_score for plane in planes])
    return (place, own) if _gain_both(own, scores, opposite) else (place, scores)


def _peak(surface: NDArray[np.floating], beyond: tuple[int, int] | None = None) -> tuple[int, int]:
    """The position of the greatest value of a square, or of its half on the other side of the centre than `beyond`."""
    if beyond is not None:
        steps = np.arange(len(surface)) - len(surface) // 2
        row, column = steps[list(beyond)].tolist()
        surface = np.where(row * steps[:, None] + column * steps < 0, surface, -np.inf)
    first, second = np.unravel_index(surface.argmax(), surface.shape)
    return int(first), int(second)


def _gain_both(own: Floats, scores: Floats, opposite: Floats) -> bool:
    """Whether labels fit better after a change and after its opposite too: they are too narrow, or too wide."""
    gain, other = (float(np.median(some) - np.median(own)) for some in (scores, opposite))
    return other > _SYMMETRIC_GAIN * gain


def _near_scores(planes: list[OutlinePlanes]) -> Plane:
    """(n, side, side) the scores around the shift 0, within the smallest reach of all planes."""
    reach = min(plane.reach for plane in planes)
    return np.array([_around(np.fft.ifftshift(plane.near), reach) for plane in planes])


def _best_shift(planes: list[OutlinePlanes], near: Plane, row: int, column: int) -> tuple[Placement, Floats]:
    """The shift of a position in `near` (n, side, side), and the scores (n,) after it."""
    reach = near.shape[1] // 2
    shifts = [plane.shift(row - reach + plane.reach, column - reach + plane.reach) for plane in planes]
    x, y = np.median(shifts, axis=0).tolist()
    steps = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
    return Placement(0, 0, SHIFTED, 0, x, y), near[:, *steps].max((1, 2)).astype(np.float64)


def _rescale(outline: Plane, scale_x: float, scale_y: float) -> Plane:
    """Scale the outline from the upper left corner, and crop it to the picture."""
    high, wide = outline.shape
    rows, columns = ((np.arange(side) / scale).astype(np.int64) for side, scale in ((high, scale_y), (wide, scale_x)))
    inside = (rows < high)[:, None] & (columns < wide)
    return np.where(inside, outline[np.minimum(rows, high - 1)[:, None], np.minimum(columns, wide - 1)], 0)


def place_parts(planes: list[OutlinePlanes], groups: Ints) -> Iterator[tuple[Placement, int, list[int]]]:
    """Yield for each group the change that improves a part of its labels, the group, and the positions of the part.

    A part has `MIN_PART_ANNOTATIONS` annotations or more, each with a score of `_PART_SCORE` or more after one and the
    same shift, scale or change of `CHANGES`, and of `_PART_RATIO` times that before.
    """
    for group in np.unique(groups).tolist():
        rows = np.flatnonzero(groups == group)
        if len(rows) < MIN_PART_ANNOTATIONS:
            continue
        some = [planes[row] for row in rows.tolist()]
        own = np.array([plane.own_score for plane in some])
        best: tuple[Placement, Floats, Flags] | None = None
        for place, scores in _changes_of_part(some, own):
            members = _lies_better(scores, own)
            if best is None or members.sum() > best[2].sum():
                best = place, scores, members
        if best is not None and best[2].sum() >= MIN_PART_ANNOTATIONS:
            place, scores, members = best
            place.annotation = some[int(members.argmax())].annotation
            place.own, place.score = float(np.median(own[members])), float(np.median(scores[members]))
            yield place, group, rows[members].tolist()


def _lies_better(scores: NDArray[np.floating], own: Floats) -> Flags:
    return np.asarray(scores >= np.maximum(_PART_SCORE, _PART_RATIO * own))


def _changes_of_part(planes: list[OutlinePlanes], own: Floats) -> Iterator[tuple[Placement, Floats]]:
    """Yield the shift, the scale and the turns that improve most labels, with the scores (n,) after them."""
    near = _near_scores(planes)
    better = _lies_better(near, own[:, None, None])
    gained = np.where(better, near, 0).sum(axis=0)
    row, column = _peak(gained)
    n_better = better.sum(axis=0)
    # Loose outlines lie better after this shift in some images, after the opposite one in others.
    if n_better[_peak(gained, (row, column))] <= _SYMMETRIC_GAIN * n_better[row, column] > 0:
        yield _best_shift(planes, near, row, column)
    weak = np.flatnonzero(own < _WEAK_SCORE_SHARE * np.quantile(own, 0.8))
    if len(weak) < MIN_PART_ANNOTATIONS:
        return
    doubtful = [planes[place] for place in weak.tolist()]
    screened = np.array([_scaled_scores(plane) for plane in doubtful])
    # The pixels give a rough score; scores near the limits are computed in full.
    gained = np.where(screened >= 0.8 * np.maximum(_PART_SCORE, _PART_RATIO * own[weak])[:, None], screened, 0)
    n_gained = (gained > 0).sum(axis=0)
    best = int(gained.sum(axis=0).argmax())
    other_side = np.log(_SCALES) * np.log(_SCALES[best]) < 0
    if n_gained.max() >= MIN_PART_ANNOTATIONS and n_gained[other_side].max() <= _SYMMETRIC_GAIN * n_gained[best]:
        scale = float(_SCALES[best])
        scaled = [plane.scores([_rescale(plane.outline, scale, scale)], 2)[0] for plane in doubtful]
        yield Placement(0, 0, SCALED, 0, scale, scale), _spread(weak, own, scaled)
    lost = np.flatnonzero(own < FITS)
    if len(lost) >= MIN_PART_ANNOTATIONS:
        doubtful = [planes[place] for place in lost.tolist()]
        for number in range(len(CHANGES)):
            if all(number in plane.changed_scores() for plane in doubtful):
                changed = [plane.changed_scores()[number] for plane in doubtful]
                yield Placement(0, 0, number), _spread(lost, own, changed)


def _spread(is_moved: Ints, own: Floats, changed: list[float]) -> Floats:
    """(n,) scores after a change of the chosen labels; the scores of the others stay."""
    scores = own.copy()
    scores[is_moved] = changed
    return scores


def _scaled_scores(plane: OutlinePlanes, across: bool = True, down: bool = True) -> Floats:
    """(n_scales,) the approximate score after each of `_SCALES`, across, down or both, from the outlines' pixels."""
    rows, columns = np.nonzero(plane.outline > _MIN_OUTLINE_VALUE)
    weight = plane.outline[rows, columns]
    places = []
    for position, is_scaled in ((rows, down), (columns, across)):
        scale = _SCALES if is_scaled else np.ones_like(_SCALES)
        places.append(np.rint(scale[:, None] * (position + 0.5) - 0.5).astype(np.int64))
    high, wide = plane.edges.shape
    inside = (places[0] < high) & (places[1] < wide)
    there = plane.edges[np.minimum(places[0], high - 1), np.minimum(places[1], wide - 1)] * inside
    noise = np.sqrt((weight**2 * inside).sum(axis=1) * float(np.square(plane.edges).mean()))
    return np.asarray((there * weight).sum(axis=1) / np.maximum(noise, 1e-12), np.float64)
