"""Altered copies: images that are mirrored or cropped from an image of another split, or show a part of the same.

Difference hashes of thumbnails (N. Krawetz 2013, see `duplicates`), of the mirrored image and of windows in it, find
candidates; those of windows that overlap are found by correlating at all shifts. The correlation of details confirms
them: grey levels minus their surroundings, which similar light and lenses do not make similar.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.executor import n_threads
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.table import Table
from segdata.measure.registry import measure_dataset
from segdata.measure.sequences import ColumnArrays, DatasetView
from segdata.measure.tables.duplicates import (
    MAX_DIFFERING_BITS,
    MIN_CORRELATION,
    MIN_SIDE,
    decode_thumbnail,
    details,
    single_image_rows,
)

MAX_ALTERED_IMAGES = 500  # images; with more, comparing all windows takes longer than everything else
MIRRORED, CROPPED, OVERLAPPING = 1, 2, 3  # in the column `how`
_HEIGHT, _WIDTH = 128, 136  # of thumbnails: 8 times the cells of a hash
_ROWS, _COLUMNS = 16, 17
_DETAIL_CELL = 4  # pixels of a thumbnail that make one pixel of its details
_MIN_CROP_CORRELATION = 0.85  # the best of many windows: leaves on white paper reach 0.77 and are no copies
_MAX_CROP_SHARE = 0.95  # of the whole image; more is one view, such as a camera's rim
_MAX_SHARED_VARIANCE = 0.25  # of details, explained by the mean of all images: a camera's rim
_MIN_OWN_SHARE = 0.25  # of the pixels that must remain to compare
_MIN_FIRST_CORRELATION = 0.3  # after the first steps; below it no others help
_WINDOW_SIDES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)  # as shares of the image's
_MAX_MIRROR_BITS = 40  # by which a mirrored candidate may differ
_MAX_WINDOW_BITS = 76  # by which the nearest window may differ from a crop: its edges are up to a cell off
_MAX_CANDIDATES = 3  # images that are searched for a crop
_MAX_FITS = 100  # pairs whose window is fitted, nearest hashes first; 20 ms each
_EDGE_STEPS = (0.04, 0.02, 0.01, 0.005)  # of the edges of a window
_MIN_OVERLAP, _MIN_STEP = 0.25, 0.05  # shares: of an image that another shows, and of a side between the two
_MIN_FIRST_OVERLAP_CORRELATION = 0.3  # of coarse details at whole cells, times the root of the overlap
_MIN_FIRST_FIT = 0.7  # after the first steps; 356 pairs of windows that overlap have 0.84 or more, other pairs 0.78
_MAX_FINE = 16  # images that look likeliest at half the resolution, which costs a quarter, are compared at the whole
_MAX_SECOND_PEAK = 0.8  # of the best shift's correlation: a picture that repeats itself has several such shifts
_MIN_OVERLAP_CORRELATION = 0.9  # overlapping windows reach 0.95, others 0.59
_SHIFT_STEPS = (0.015, 0.0075, 0.00375, 0.0019)  # of the shift between two windows
Floats32 = NDArray[np.float32]
Window = tuple[float, float, float, float]  # left, right, top, bottom, as shares of the image


@measure_dataset("altered", tables={"altered": ("image", "of", "how", "share", "correlation")})
def measure_altered_images(view: DatasetView) -> dict[str, list[ColumnArrays]]:
    """The table `altered`; see `altered_images`."""
    return {"altered": [altered_images(view.tables["images"], view.jobs)]}


def altered_images(images: Table, jobs: int) -> ColumnArrays:
    """Find pairs of images of two splits, one of which is the other one mirrored, or cropped from it, or overlaps it.

    image and of (rows; of a crop the larger image is `of`, else the earlier one), how (`MIRRORED`, `CROPPED` or
    `OVERLAPPING`), share (of `of` that the image shows), correlation (of their details, in [0.75, 1]). Images overlap
    as tiles of one picture do, at one scale and of one size. Empty where there are fewer than two splits, or more than
    `MAX_ALTERED_IMAGES` images.
    """
    splits = set(images["part"].tolist()) - {None}
    pairs_found: dict[tuple[int, int], tuple[int, float, float]] = {}
    if len(splits) > 1 and len(images) <= MAX_ALTERED_IMAGES:
        rows, thumbs = _thumbnails(images, jobs)
        if len(rows) < 2:
            return _columns(pairs_found)
        _, part = np.unique(images["part"].astype(str), return_inverse=True)
        signs = _hash_signs(_cells(thumbs))
        apart = part[rows][:, None] != part[rows][None, :]
        apart &= signs @ signs.T < 256 - 2 * MAX_DIFFERING_BITS  # those that look the same are in `alike`
        pairs_found |= {(int(rows[a]), int(rows[b])): how for a, b, how in _mirrored_pairs(thumbs, signs, apart)}
        for a, b, how in _cropped_pairs(thumbs, signs, apart, jobs):
            pairs_found.setdefault((int(rows[a]), int(rows[b])), how)
        size = images["width"][rows] * 2**20 + images["height"][rows]
        for a, b, how in _overlapping_pairs(thumbs, apart & (size[:, None] == size[None, :]), jobs):
            if (int(rows[b]), int(rows[a])) not in pairs_found:
                pairs_found.setdefault((int(rows[a]), int(rows[b])), how)
    return _columns(pairs_found)


def _columns(found: Mapping[tuple[int, int], tuple[int, float, float]]) -> ColumnArrays:
    """The table of pairs."""
    pairs = sorted(found)
    return {
        "image": np.array([a for a, _ in pairs], np.int64),
        "of": np.array([b for _, b in pairs], np.int64),
        "how": np.array([found[pair][0] for pair in pairs], np.int64),
        "share": np.array([found[pair][1] for pair in pairs], np.float64),
        "correlation": np.array([found[pair][2] for pair in pairs], np.float64),
    }


def _thumbnails(images: Table, jobs: int) -> tuple[Ints, Floats32]:
    """The rows of images that can be decoded and have gradients, and their thumbnails (n, 128, 136) in grey."""
    rows, uris = single_image_rows(images), images["uri"].tolist()
    with ThreadPoolExecutor(n_threads(jobs)) as pool:
        thumbs = list(pool.map(lambda row: decode_thumbnail(uris[row], (_WIDTH, _HEIGHT), MIN_SIDE), rows))
    kept = [(row, thumb) for row, thumb in zip(rows, thumbs, strict=True) if thumb is not None]
    stack = np.array([thumb for _, thumb in kept], np.float32).reshape(-1, _HEIGHT, _WIDTH)
    return np.array([row for row, _ in kept], np.int64), stack


def _cells(thumbs: Floats32) -> Floats32:
    """(n, 16, 17) means of the cells of hashes."""
    cells: Floats32 = thumbs.reshape(-1, _ROWS, _HEIGHT // _ROWS, _COLUMNS, _WIDTH // _COLUMNS).mean(axis=(2, 4))
    return cells


def _hash_signs(cells: Floats32) -> Floats32:
    """(n, 256) difference hashes, bits as -1 and 1."""
    signs: Floats32 = np.where(cells[:, :, 1:] > cells[:, :, :-1], np.float32(1), np.float32(-1)).reshape(
        len(cells), 256
    )
    return signs


Altered = tuple[int, int, tuple[int, float, float]]


def _mirrored_pairs(thumbs: Floats32, signs: Floats32, apart: Flags) -> Iterator[Altered]:
    """Yield the later and earlier image of each mirrored pair: left to right, top to bottom, or both."""
    detail = details(_shrunk(thumbs))
    own = _is_own(detail)
    for axes in ((2,), (1,), (1, 2)):
        flipped = np.flip(thumbs, axes)
        bits = (256 - signs @ _hash_signs(_cells(flipped)).T) / 2
        flipped_detail = np.flip(detail, axes)
        counts = own & np.flip(own[None], axes)[0]
        if counts.mean() < _MIN_OWN_SHARE:
            continue
        for later, earlier in zip(*np.nonzero(np.tril((bits <= _MAX_MIRROR_BITS) & apart, -1)), strict=True):
            pair = detail[later][counts], flipped_detail[earlier][counts]
            correlation = float((pair[0] * pair[1]).sum() / max(np.prod([np.linalg.norm(side) for side in pair]), 1e-6))
            if correlation >= MIN_CORRELATION:
                yield int(later), int(earlier), (MIRRORED, 1.0, correlation)


def _is_own(detail: Floats32) -> Flags:
    """(32, 34) whether details differ between images; the rim of a microscope's field is the same in all."""
    shared: Flags = detail.mean(axis=0) ** 2 > _MAX_SHARED_VARIANCE * np.maximum((detail**2).mean(axis=0), 1e-12)
    return ~shared


def _cropped_pairs(thumbs: Floats32, signs: Floats32, apart: Flags, jobs: int) -> Iterator[Altered]:
    """Yield the crop and the whole image of each pair in which a window of one is the other."""
    n = len(thumbs)
    agreement = np.full((n, n), -np.inf, np.float32)  # of each image, and the nearest window in each other
    window = np.zeros((n, n), np.int16)
    windows, small = _windows(), _shrunk(thumbs)
    for number, window_of in enumerate(windows):
        inside = _hash_signs(_resample(small, [window_of], _ROWS, _COLUMNS))
        product = signs @ inside.T
        nearer = product > agreement
        np.copyto(agreement, product, where=nearer)
        np.copyto(window, np.int16(number), where=nearer)
    bits = ((256 - agreement) / 2).astype(np.int16)
    bits[~apart] = 255
    crops = np.flatnonzero((bits <= _MAX_WINDOW_BITS).any(axis=1))
    nearest = np.argsort(bits[crops], axis=1, kind="stable")[:, :_MAX_CANDIDATES]
    pairs = [
        (int(a), int(b))
        for a, others in zip(crops, nearest, strict=True)
        for b in others
        if bits[a, b] <= _MAX_WINDOW_BITS
    ]
    pairs = sorted(pairs, key=lambda pair: int(bits[pair]))[:_MAX_FITS]
    detail = details(small)
    with ThreadPoolExecutor(n_threads(jobs)) as pool:
        fits = list(pool.map(lambda pair: _fit(detail[pair[0]], thumbs[pair[1]], windows[window[pair]]), pairs))
    for (a, b), fit in zip(pairs, fits, strict=True):
        if fit.correlation >= _MIN_CROP_CORRELATION and fit.share <= _MAX_CROP_SHARE:
            yield a, b, (CROPPED, fit.share, fit.correlation)


class _Fit(msgspec.Struct, frozen=True):
    """The window of an image that is most similar to another image, or to a window of it."""

    correlation: float
    share: float


def _overlapping_pairs(thumbs: Floats32, apart: Flags, jobs: int) -> Iterator[Altered]:
    """Yield the later and earlier image of each pair of windows that overlap in the picture they were cut from."""
    small = _shrunk(thumbs)
    coarse, fine = _Surfaces.of_details(_halved(details(small))), _Surfaces.of_details(details(small))

    def candidates(later: int) -> list[tuple[float, int, int, int]]:
        earlier = np.flatnonzero(apart[later, :later])
        if not len(earlier):
            return []
        if len(earlier) > _MAX_FINE:
            likely = np.argsort(-coarse.between(later, earlier).max(axis=1), kind="stable")[:_MAX_FINE]
            earlier = np.sort(earlier[likely])
        surface = fine.between(later, earlier)
        best = surface.max(axis=1)
        nearest = np.argsort(-best, kind="stable")[:_MAX_CANDIDATES]
        return [
            (float(best[k]), later, int(earlier[k]), int(surface[k].argmax()))
            for k in nearest.tolist()
            if best[k] >= _MIN_FIRST_OVERLAP_CORRELATION and not fine.repeats(surface[k])
        ]

    def fit(candidate: tuple[float, int, int, int]) -> _Fit:
        _, later, earlier, place = candidate
        return _fit_shift(thumbs[later], thumbs[earlier], float(fine.shift_x[place]), float(fine.shift_y[place]))

    with ThreadPoolExecutor(n_threads(jobs)) as pool:
        likely = sorted((one for some in pool.map(candidates, range(len(thumbs))) for one in some), reverse=True)
        likely = likely[:_MAX_FITS]
        fits = list(pool.map(fit, likely))
    for (_, later, earlier, _), found in zip(likely, fits, strict=True):
        if found.correlation >= _MIN_OVERLAP_CORRELATION:
            yield later, earlier, (OVERLAPPING, found.share, found.correlation)


class _Surfaces(msgspec.Struct, frozen=True):
    """The correlations of details at all shifts of two images, times the root of their overlap."""

    spectrum: NDArray[np.complex64]  # (n, rows, columns) of the padded details
    padded: tuple[int, int]
    shift_y: Floats  # (n_shifts,) shares of a side
    shift_x: Floats
    weight: Floats32  # (n_shifts,); 0 where too little overlaps, or nothing is shifted

    @staticmethod
    def of_details(detail: Floats32) -> "_Surfaces":
        """The surfaces of details (n, rows, columns)."""
        rows, columns = detail.shape[1:]
        padded = (3 * rows // 2, 3 * columns // 2)
        steps = [np.fft.fftfreq(n, 1 / n) / side for n, side in zip(padded, (rows, columns), strict=True)]
        shift_y, shift_x = (grid.reshape(-1) for grid in np.meshgrid(*steps, indexing="ij"))
        overlap = np.clip(1 - np.abs(shift_y), 0, 1) * np.clip(1 - np.abs(shift_x), 0, 1)
        allowed = (overlap >= _MIN_OVERLAP) & (np.maximum(np.abs(shift_y), np.abs(shift_x)) >= _MIN_STEP)
        weight = np.where(allowed, 1 / np.sqrt(np.maximum(overlap, _MIN_OVERLAP)), 0).astype(np.float32)
        return _Surfaces(np.fft.rfft2(detail, padded).astype(np.complex64), padded, shift_y, shift_x, weight)

    def between(self, one: int, others: Ints) -> Floats32:
        """(n, n_shifts) correlations of an image with others."""
        product = self.spectrum[one] * np.conj(self.spectrum[others])
        surface = np.fft.irfft2(product, self.padded).reshape(len(others), -1)
        return np.asarray(surface * self.weight, np.float32)

    def repeats(self, surface: Floats32) -> bool:
        """Whether two images fit at another shift nearly as well as at the best: they show a pattern that repeats."""
        best = int(surface.argmax())
        far = np.maximum(np.abs(self.shift_y - self.shift_y[best]), np.abs(self.shift_x - self.shift_x[best]))
        return bool(surface[far > 2 * _MIN_STEP].max() > _MAX_SECOND_PEAK * surface[best])


def _fit_shift(one: Floats32, other: Floats32, x: float, y: float) -> _Fit:
    """Fit the shift (shares of the sides) of `one`'s upper left corner in `other`: the correlation where both are."""
    pair = np.stack([one, other])

    def correlations(shifts: list[tuple[float, float]]) -> list[float]:
        windows = [
            (max(sign * x, 0), min(1, 1 + sign * x), max(sign * y, 0), min(1, 1 + sign * y))
            for x, y in shifts
            for sign in (1, -1)
        ]
        shown = _details_in(np.concatenate([pair] * len(shifts)), windows)
        values = (shown[::2] * shown[1::2]).sum(axis=(1, 2)).tolist()
        return [
            -1.0 if (1 - abs(x)) * (1 - abs(y)) < _MIN_OVERLAP / 2 or max(abs(x), abs(y)) < _MIN_STEP / 2 else value
            for (x, y), value in zip(shifts, values, strict=True)
        ]

    best = correlations([(x, y)])[0]
    for step in _SHIFT_STEPS:
        for _ in range(4):
            moved = [(x + i * step, y + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
            values = correlations(moved)
            if max(values) <= best:
                break
            best, (x, y) = max(values), moved[int(np.argmax(values))]
        if best < _MIN_FIRST_FIT:
            break
    return _Fit(best, (1 - abs(x)) * (1 - abs(y)))


@cache
def _windows() -> tuple[Window, ...]:
    """The windows to search, in steps of a cell; width and height differ by at most one step of `_WINDOW_SIDES`."""
    along = {side: np.linspace(0, 1 - side, 1 + round((1 - side) * _ROWS)) for side in _WINDOW_SIDES}
    return tuple(
        (float(left), float(left + width), float(top), float(top + height))
        for i, width in enumerate(_WINDOW_SIDES)
        for j, height in enumerate(_WINDOW_SIDES)
        if abs(i - j) <= 1 and i + j > 0
        for left in along[width]
        for top in along[height]
    )


def _fit(crop: Floats32, whole: Floats32, window: Window) -> _Fit:
    """Fit a window: move its edges as long as that increases the correlation of its details with the crop's."""

    def correlations(candidates: list[Window]) -> list[float]:
        values = (_details_in(whole[None], candidates) * crop).sum(axis=(1, 2)).tolist()
        return [
            -1.0 if min(left, top) < 0 or max(right, bottom) > 1 or min(right - left, bottom - top) < 0.4 else value
            for (left, right, top, bottom), value in zip(candidates, values, strict=True)
        ]

    best = correlations([window])[0]
    for step in _EDGE_STEPS:
        for _ in range(4):
            moved = [_move_window(window, move, step) for move in _MOVES]
            values = correlations(moved)
            if max(values) <= best:
                break
            best, window = max(values), moved[int(np.argmax(values))]
        if best < _MIN_FIRST_CORRELATION:
            break
    left, right, top, bottom = window
    return _Fit(best, (right - left) * (bottom - top))


# Each edge in and out, and all of the window to each side: of left, right, top, bottom.
_MOVES = (
    *((sign, 0, 0, 0) for sign in (-1, 1)), *((0, sign, 0, 0) for sign in (-1, 1)),
    *((0, 0, sign, 0) for sign in (-1, 1)), *((0, 0, 0, sign) for sign in (-1, 1)),
    *((sign, sign, 0, 0) for sign in (-1, 1)), *((0, 0, sign, sign) for sign in (-1, 1)),
    *((sign, -sign, sign, -sign) for sign in (-1, 1)),
)  # fmt: skip


def _move_window(window: Window, move: tuple[int, int, int, int], step: float) -> Window:
    left, right, top, bottom = (edge + step * sign for edge, sign in zip(window, move, strict=True))
    return left, right, top, bottom


def _shrunk(thumbs: Floats32) -> Floats32:
    """(n, 32, 34) thumbnails, reduced to compare details."""
    n, height, width = thumbs.shape
    small: Floats32 = thumbs.reshape(n, height // _DETAIL_CELL, _DETAIL_CELL, width // _DETAIL_CELL, _DETAIL_CELL).mean(
        axis=(2, 4)
    )
    return small


def _halved(detail: Floats32) -> Floats32:
    """(n, rows / 2, columns / 2) details of half the resolution."""
    n, rows, columns = detail.shape
    half: Floats32 = detail.reshape(n, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4))
    return half


def _details_in(thumbs: Floats32, windows: Sequence[Window]) -> Floats32:
    """(n, 32, 34) details of windows, one of each thumbnail or several of one."""
    return details(_resample(thumbs, windows, _HEIGHT // _DETAIL_CELL, _WIDTH // _DETAIL_CELL))


def _resample(thumbs: Floats32, windows: Sequence[Window], n_rows: int, n_columns: int) -> Floats32:
    """(n, n_rows, n_columns) means of equal cells of n windows, or of one window in each of n thumbnails."""
    left, right, top, bottom = np.array(windows).T
    _, height, width = thumbs.shape
    across = _overlaps(left, right, width, n_columns).transpose(0, 2, 1)
    shown = _overlaps(top, bottom, height, n_rows) @ thumbs @ across
    return np.asarray(shown, np.float32)


def _overlaps(begin: Floats, end: Floats, n_pixels: int, n_cells: int) -> Floats32:
    """(n, n_cells, n_pixels) the share of each pixel in each of the equal cells from `begin` to `end` of a side."""
    cell = (end - begin)[:, None] * n_pixels / n_cells
    edges = begin[:, None] * n_pixels + cell * np.arange(n_cells + 1)
    pixel = np.arange(n_pixels)
    low = np.maximum(edges[:, :-1, None], pixel)
    high = np.minimum(edges[:, 1:, None], pixel + 1)
    return np.asarray(np.maximum(high - low, 0) / cell[:, :, None], np.float32)
