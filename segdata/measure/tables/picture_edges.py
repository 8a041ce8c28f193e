"""Picture edges: whether the outlines of labels lie on the edges of their pictures, or would elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.executor import run_ordered
from segdata.core.pixel_limit import open_picture
from segdata.core.runs import Ints, expand_ranges
from segdata.core.strata import joint_codes, number_names
from segdata.measure.registry import measure_dataset
from segdata.measure.sequences import ColumnArrays, DatasetView
from segdata.measure.tables.duplicates import single_image_rows

MOST_PICTURES = 120  # decoded and compared, at random if there are more
_SIDE = 256  # pixels of the longer side of a reduced picture
_COARSE = 15  # pixels: what varies more slowly is no edge
_LEVELS = 1024
_FURTHEST = _SIDE // 6  # pixels that labels may be displaced by
_FITS = 5.0  # labels that lie on the edges of their pictures have such a score or more
_LEAST_OUTLINE = 40  # pixels of the reduced picture
_MOST_EXCHANGED = 60  # labels without a place that are compared with other pictures
_SCALES = np.unique([*np.arange(0.5, 1.0, 0.01).round(2), *(1 / np.arange(0.5, 1.0, 0.01)), 0.25, 1 / 3, 3.0, 4.0])
Plane = NDArray[np.float32]
CHANGES: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "mirrored left to right": lambda plane: plane[:, ::-1],
    "mirrored top to bottom": lambda plane: plane[::-1],
    "turned by 180 degrees": lambda plane: plane[::-1, ::-1],
    "with x and y exchanged": lambda plane: plane.T,
    "turned by 90 degrees": lambda plane: np.rot90(plane),
    "turned by 270 degrees": lambda plane: np.rot90(plane, 3),
}
SHIFTED, SCALED, ELSEWHERE = len(CHANGES), len(CHANGES) + 1, len(CHANGES) + 2
_COLUMNS = ("annotation", "group", "own", "change", "score", "x", "y", "other")


class _Planes(msgspec.Struct):
    """An annotation beside its picture, both reduced: the outlines of all labels, and the edges of the picture."""

    annotation: int  # row
    outline: Plane
    edges: Plane
    full: tuple[int, int]  # height and width of the image in pixels
    near: Plane  # (2 * reach + 1, 2 * reach + 1) the score of the outlines where they are, in the middle, and around

    @property
    def reach(self) -> int:
        """How far `near` goes in each direction, in pixels of the reduced picture."""
        return len(self.near) // 2

    @property
    def own(self) -> float:
        """The score of the outlines where they are, or a pixel beside."""
        return float(_middle(self.near).max())

    def score(self, outline: Plane, reach: int = 1) -> float:
        """How far above chance outlines lie on the edges, where they are or up to `reach` pixels beside."""
        return float(_around(_surface(outline, self.edges), reach).max())

    def shift(self, row: int, column: int) -> tuple[float, float]:
        """A place in `near` as pixels of the image to the right and down."""
        unit = max(self.full) / max(self.edges.shape)
        return (column - self.reach) * unit, (row - self.reach) * unit


class _Placement(msgspec.Struct):
    """How well labels lie where they are, and where they would lie best."""

    annotation: int
    own: float
    change: int = -1
    score: float = 0.0
    x: float = 0.0
    y: float = 0.0
    other: int = -1  # row of the annotation whose picture they fit


@measure_dataset("placements", tables={"placements": _COLUMNS, "group_placements": (*_COLUMNS, "n", "fitting")})
def measure_placements(view: DatasetView) -> dict[str, list[ColumnArrays]]:
    """The tables `placements` and `group_placements`.

    placements: one row for each annotation that was compared. annotation (row), group (a number that annotations of one
    annotator, split and file share), own: how far above chance, in standard deviations over random places, the outlines
    of all its labels lie on the edges of the picture; change: what would make them lie better, a row of `CHANGES`,
    `SHIFTED` by x and y pixels, or `ELSEWHERE`: on the picture of `other` (row of annotations); -1: nothing was tried,
    because they lie well. score: `own` after that change.

    group_placements: one row for each group of three or more: the change that makes its labels lie best, among shifts,
    and where they lie badly all of `CHANGES` and `SCALED` by x and y. own and score are medians; n: how many
    annotations were compared, fitting: how many lie better after the change.

    At most `MOST_PICTURES` pictures are decoded, and reduced to 256 pixels if they are larger. Volumes and files with
    several images are left out.
    """
    chosen = _choose(view)
    portions = [chosen[first : first + 8] for first in range(0, len(chosen), 8)]
    planes = [one for some in run_ordered(partial(_load_planes, view), portions, view.jobs) for one in some]
    own = [one.own for one in planes]
    groups = _groups(view)[[one.annotation for one in planes]] if planes else np.empty(0, np.int64)
    placements = [_Placement(one.annotation, score) for one, score in zip(planes, own, strict=True)]
    lost = [place for place, score in enumerate(own) if score < _FITS]
    for place, better in zip(lost, run_ordered(_best_place, [planes[place] for place in lost], view.jobs), strict=True):
        better.own = own[place]
        placements[place] = better
    _find_pictures(planes, placements, lost)
    rows = [(one, group, ()) for one, group in zip(placements, groups.tolist(), strict=True)]
    return {
        "placements": [_columns(rows, _COLUMNS)],
        "group_placements": [_columns(list(_place_groups(planes, placements, groups)), (*_COLUMNS, "n", "fitting"))],
    }


def _choose(view: DatasetView) -> Ints:
    """The rows of annotations to compare: with segments, and a picture of its own on this machine."""
    images, annotations = view.tables["images"], view.tables["annotations"]
    usable = np.zeros(len(images), bool)
    usable[single_image_rows(images)] = True
    usable &= (images["width"] > 0) & (images["height"] > 0)
    rows = np.flatnonzero(usable[annotations["image"]] & (annotations["n_segments"] > 0))
    if len(rows) <= MOST_PICTURES:
        return rows
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST_PICTURES])


def _groups(view: DatasetView) -> Ints:
    """(n_annotations,) a number that the annotations of one annotator, split and document share."""
    annotations, images = view.tables["annotations"], view.tables["images"]
    codes = [number_names(annotations.texts(name))[1] for name in ("annotator", "encoding")]
    return joint_codes(*codes, number_names(images.texts("split"))[1][annotations["image"]])[0]


def _load_planes(view: DatasetView, rows: Ints) -> list[_Planes]:
    """Annotations beside their pictures; not those whose picture cannot be decoded or has other proportions."""
    of_image = view.tables["annotations"]["image"]
    image, place = np.unique(of_image[rows], return_inverse=True)
    batch = view.source.load(view.source_row[image])
    first = np.searchsorted(of_image, image)
    result = []
    for row, where in zip(rows.tolist(), place.tolist(), strict=True):
        in_batch = np.searchsorted(batch.annotation_image, where) + row - first[where]
        uri = batch.images["uri"][where].as_py()
        high, wide = (int(size[where]) for size in batch.image_size)
        if in_batch >= batch.annotations.num_rows or min(high, wide) < 2:
            continue
        scale = min(_SIDE / max(high, wide), 1.0)
        size = (max(round(wide * scale), 8), max(round(high * scale), 8))
        outline = _outline(batch, int(in_batch), (high, wide), size)
        edges = None if (np.abs(outline) > 0).sum() < _LEAST_OUTLINE else _edges(uri, (high, wide), size)
        if edges is not None:
            reach = min(_FURTHEST, min(edges.shape) // 2 - 1)
            near = _around(_surface(outline, edges), reach)
            result.append(_Planes(row, outline, edges, (high, wide), near))
    return result


def _outline(batch: Batch, annotation: int, full: tuple[int, int], size: tuple[int, int]) -> Plane:
    """The outlines of an annotation's segments, reduced; the border of the image is none."""
    from PIL import Image

    kept = batch.segment_annotation[batch.runs.owner] == annotation
    labels = np.zeros(full[0] * full[1], np.int32)
    pixels = expand_ranges(batch.runs.start[kept], batch.runs.length[kept])
    labels[pixels] = np.repeat(batch.runs.owner[kept] + 1, batch.runs.length[kept])
    plane = labels.reshape(full[1], full[0]).T
    outline = np.zeros(full, np.float32)
    across, down = plane[:, 1:] != plane[:, :-1], plane[1:] != plane[:-1]
    outline[:, 1:][across] = outline[:, :-1][across] = outline[1:][down] = outline[:-1][down] = 1
    return _sharpen(np.minimum(np.asarray(Image.fromarray(outline).resize(size, Image.Resampling.BOX)), 0.5))


def _edges(uri: str, full: tuple[int, int], size: tuple[int, int]) -> Plane | None:
    """The edges of a picture, reduced: the rank of each pixel's gradient; None where there is none to compare."""
    from PIL import Image

    try:
        with open_picture(uri) as file:
            if abs(file.width * full[0] / (file.height * full[1]) - 1) > 0.02:
                return None  # another size is another rule's
            file.draft("RGB", size)
            plain = file.convert("F") if file.mode[0] in "IF" else file.convert("RGB")
            small = np.asarray(plain.resize(size, Image.Resampling.BOX), np.float32)
    except Exception:  # an image that cannot be decoded is reported by another rule
        return None
    layers = np.pad(small.reshape(*small.shape[:2], -1), ((1, 1), (1, 1), (0, 0)), mode="edge")
    across, down = layers[1:-1, 2:] - layers[1:-1, :-2], layers[2:, 1:-1] - layers[:-2, 1:-1]
    steep = np.hypot(across, down).max(axis=2)
    if not np.isfinite(steep).all() or steep.max() <= 0:
        return None
    level = np.minimum(np.sqrt(steep / steep.max()) * _LEVELS, _LEVELS - 1).astype(np.int64)
    rank = np.cumsum(np.bincount(level.reshape(-1), minlength=_LEVELS)) / level.size
    return _sharpen(rank[level].astype(np.float32))


def _sharpen(plane: Plane) -> Plane:
    """A plane without what varies slowly: each pixel less the mean of the square around it, mirrored at the border."""
    mean = plane.astype(np.float64)
    for axis in (0, 1):
        before = [(0, 0), (0, 0)]
        before[axis] = (_COARSE // 2 + 1, _COARSE // 2)
        sums = np.cumsum(np.pad(mean, before, mode="symmetric"), axis=axis)
        side = plane.shape[axis]
        upper, lower = (np.take(sums, np.arange(first, first + side), axis) for first in (_COARSE, 0))
        mean = (upper - lower) / _COARSE
    return np.asarray(plane - mean, np.float32)


def _surface(outline: Plane, edges: Plane) -> Plane:
    """(h, w) the score of outlines moved by (row, column) pixels, negative ones from the end."""
    high, wide = edges.shape
    shape = (_fast_length(2 * high), _fast_length(2 * wide))
    product = np.fft.rfft2(edges, shape) * np.conj(np.fft.rfft2(outline, shape))
    surface = np.fft.irfft2(product, shape)
    rows, columns = (np.concatenate([np.arange(side // 2), np.arange(-side // 2, 0)]) for side in (high, wide))
    surface = surface[rows[:, None], columns]
    return np.asarray(surface / max(float(surface.std()), 1e-12), np.float32)


def _fast_length(least: int) -> int:
    """The next length with no prime factors but 2, 3 and 5, which transforms fast (scipy.fft takes long to import)."""
    powers: list[int] = [2**i * 3**j * 5**k for i in range(11) for j in range(7) for k in range(5)]
    return int(min(length for length in powers if length >= least))


def _middle(near: Plane) -> Plane:
    """(3, 3) the middle of a square of odd side."""
    side = len(near) // 2
    return near[side - 1 : side + 2, side - 1 : side + 2]


def _around(surface: Plane, reach: int) -> Plane:
    """(2 * reach + 1, 2 * reach + 1) the surface around no displacement."""
    steps = np.arange(-reach, reach + 1)
    return surface[steps[:, None], steps]


def _best_place(one: _Planes) -> _Placement:
    """The change of an annotation's labels that makes them lie best on the edges of their picture."""
    row, column = np.unravel_index(one.near.argmax(), one.near.shape)
    best = _Placement(one.annotation, 0, SHIFTED, float(one.near.max()), *one.shift(int(row), int(column)))
    for number, change in enumerate(CHANGES.values()):
        turned = change(one.outline)
        if turned.shape == one.edges.shape:
            score = one.score(turned, 2)
            if score > best.score:
                best = _Placement(one.annotation, 0, number, score)
    return best


def _find_pictures(planes: list[_Planes], placements: list[_Placement], lost: list[int]) -> None:
    """For labels that lie nowhere well in their picture, the picture of another annotation that they fit."""
    lost = lost[:_MOST_EXCHANGED]
    for place in lost:
        one, best = planes[place], placements[place]
        for other in range(len(planes)):
            picture = planes[other]
            if other == place or picture.edges.shape != one.edges.shape:
                continue
            product = float(np.vdot(picture.edges, one.outline))
            if product <= 0:
                continue
            score = product / _noise(one.outline, picture.edges)
            if score > best.score and score >= _FITS:
                score = picture.score(one.outline)
                if score > best.score:
                    best = _Placement(one.annotation, best.own, ELSEWHERE, score, other=picture.annotation)
        placements[place] = best


def _noise(outline: Plane, edges: Plane) -> float:
    """About the standard deviation of the product of outlines and edges that have nothing to do with each other."""
    return float(np.sqrt(np.vdot(outline, outline) * np.vdot(edges, edges) / edges.size)) or 1.0


def _place_groups(
    planes: list[_Planes], placements: list[_Placement], groups: Ints
) -> Iterator[tuple[_Placement, int, tuple[int, int]]]:
    """For each group whose labels mostly lie badly, the change that makes most lie well, and for how many it does."""
    own = np.array([one.own for one in placements])
    for group in np.unique(groups).tolist():
        rows = np.flatnonzero(groups == group).tolist()
        if len(rows) < 3:
            continue
        best: tuple[_Placement, int] | None = None
        some = [planes[row] for row in rows]
        changes = [_shift_of_group(some)]
        if np.median(own[rows]) < 2 * _FITS:
            changes += _changes_of_group(some)
        for place, scores in changes:
            fitting = int((scores > own[rows]).sum())
            place.annotation, place.own = placements[rows[0]].annotation, float(np.median(own[rows]))
            place.score = float(np.median(scores))
            if best is None or (place.score > best[0].score):
                best = place, fitting
        if best is not None:
            yield best[0], group, (len(rows), best[1])


def _changes_of_group(planes: list[_Planes]) -> Iterator[tuple[_Placement, NDArray[np.float64]]]:
    """Changes of all labels of a group, each with the scores (n,) after it."""
    for number, change in enumerate(CHANGES.values()):
        if all(change(one.outline).shape == one.edges.shape for one in planes):
            yield _Placement(0, 0, number), np.array([one.score(change(one.outline), 2) for one in planes])
    few = planes[:12]
    for axes in ((True, True), (True, False), (False, True)):
        sums = [sum(_scaled_score(one, *np.where(axes, scale, 1.0)) for one in few) for scale in _SCALES.tolist()]
        scale_x, scale_y = np.where(axes, _SCALES[int(np.argmax(sums))], 1.0).tolist()
        scores = [one.score(_rescale(one.outline, scale_x, scale_y), 2) for one in planes]
        yield _Placement(0, 0, SCALED, 0, scale_x, scale_y), np.array(scores)


def _shift_of_group(planes: list[_Planes]) -> tuple[_Placement, NDArray[np.float64]]:
    """The shift after which a group's labels lie best, and the scores (n,) after it."""
    reach = min(one.reach for one in planes)
    near = np.array([_around(np.fft.ifftshift(one.near), reach) for one in planes])
    row, column = (int(step) for step in np.unravel_index(near.mean(axis=0).argmax(), near.shape[1:]))
    shifts = [one.shift(row - reach + one.reach, column - reach + one.reach) for one in planes]
    x, y = np.median(shifts, axis=0).tolist()
    steps = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
    return _Placement(0, 0, SHIFTED, 0, x, y), near[:, *steps].max((1, 2)).astype(np.float64)


def _scaled_score(one: _Planes, scale_x: float, scale_y: float) -> float:
    outline = _rescale(one.outline, scale_x, scale_y)
    return float(np.vdot(one.edges, outline)) / _noise(outline, one.edges)


def _rescale(outline: Plane, scale_x: float, scale_y: float) -> Plane:
    """The outline enlarged from the upper left corner, and cut to the picture."""
    high, wide = outline.shape
    rows, columns = ((np.arange(side) / scale).astype(np.int64) for side, scale in ((high, scale_y), (wide, scale_x)))
    inside = (rows < high)[:, None] & (columns < wide)
    return np.where(inside, outline[np.minimum(rows, high - 1)[:, None], np.minimum(columns, wide - 1)], 0)


def _columns(rows: Sequence[tuple[_Placement, int, tuple[int, ...]]], names: tuple[str, ...]) -> ColumnArrays:
    """The rows as columns."""
    lists: dict[str, list[float]] = {name: [] for name in names}
    for one, group, counts in rows:
        values = (one.annotation, group, one.own, one.change, one.score, one.x, one.y, one.other, *counts)
        for name, value in zip(names, values, strict=True):
            lists[name].append(value)
    floats = {"own", "score", "x", "y"}
    return {name: np.array(column, np.float64 if name in floats else np.int64) for name, column in lists.items()}
