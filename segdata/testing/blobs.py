"""Blobs: images of discs, some of them side by side, for tests that need segments without any files."""

import numpy as np

from segdata.noise.evidence.drawn import Drawn, of_map, runs_of_pixels


def blobs(
    rng: np.random.Generator, *, height: int = 160, width: int = 180, n: int = 24, n_categories: int = 2
) -> Drawn:
    """Things of categories 1 to `n_categories` - 1 that share no pixels, each a disc or what others leave of one."""
    y, x = rng.uniform(0, height, n), rng.uniform(0, width, n)
    radius = rng.uniform(5, 11, n)
    rows, columns = np.mgrid[:height, :width]
    away = np.hypot(rows[..., None] - y, columns[..., None] - x) / radius  # (height, width, n)
    owner = np.where(away.min(axis=2) < 1, away.argmin(axis=2), -1).T.ravel()
    at = np.flatnonzero(owner >= 0)
    number, of = np.unique(owner[at], return_inverse=True)
    runs = runs_of_pixels(at, of.reshape(-1).astype(np.int64), height)
    kept = np.flatnonzero(runs.areas(len(number)) >= 40)
    return Drawn.of(runs.take(kept, len(number)), rng.integers(1, n_categories, len(kept)), height, width)


def patches(rng: np.random.Generator, *, height: int = 160, width: int = 180, n_categories: int = 4) -> Drawn:
    """A map of categories 1 to `n_categories` - 1 without any gap, in connected parts: cells around random centres."""
    n = 40
    y, x = rng.uniform(0, height, n), rng.uniform(0, width, n)
    rows, columns = np.mgrid[:height, :width]
    cell = np.hypot(rows[..., None] - y, columns[..., None] - x).argmin(axis=2)
    category = rng.integers(1, n_categories, n)[cell]
    return of_map(category.T.ravel().astype(np.int64), height, width)
