"""Which pairs of images are looked at as mirrored or cropped copies, and which stay, against loops over pairs."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from segdata.core.table import Table
from segdata.measure.tables import altered_copies as copies
from segdata.measure.tables.altered_copies import CROPPED, MIRRORED, OVERLAPPING, _Fit
from segdata.measure.tables.duplicates import MIN_CORRELATION

SEEDS = range(25)
AXES = ((2,), (1,), (1, 2))


def random_images(rng: np.random.Generator, n: int) -> np.ndarray:
    """Squares of grey levels about 0, some of them others mirrored, with noise."""
    images = rng.normal(size=(n, 8, 8)).astype(np.float32)
    for one, other in pairwise(rng.permutation(n).tolist()):
        if rng.random() < 0.7:
            axes = AXES[int(rng.integers(3))]
            noise = rng.choice([0.2, 0.6, 0.9, 1.5]) * rng.normal(size=(8, 8))
            images[other] = np.flip(images[one][None], axes)[0] + noise
    return images


def signs_of(cells: np.ndarray) -> np.ndarray:
    """(n, 256) a bit for each pixel, four times."""
    return np.where(np.tile(cells.reshape(len(cells), 64), 4) > 0, np.float32(1), np.float32(-1))


@pytest.mark.parametrize("seed", SEEDS)
def test_mirrored_pairs_correlate_where_images_show_their_own(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    n = 6
    thumbs = random_images(rng, n)
    own = rng.random((8, 8)) < rng.choice([0.3, 0.5, 0.9])
    apart = rng.random((n, n)) < 0.8
    for name in ("_shrunk", "details", "_cells"):
        monkeypatch.setattr(copies, name, lambda values: values)
    monkeypatch.setattr(copies, "_hash_signs", signs_of)
    monkeypatch.setattr(copies, "_is_own", lambda detail: own)
    found = list(copies._mirrored_pairs(thumbs, signs_of(thumbs), apart))
    expected = []
    for axes in AXES:
        flipped = np.flip(thumbs, axes)
        counts = own & np.flip(own[None], axes)[0]
        if counts.sum() < 0.25 * counts.size:
            continue
        for later in range(n):
            for earlier in range(later):
                bits = 4 * ((thumbs[later] > 0) != (flipped[earlier] > 0)).sum()
                a, b = thumbs[later][counts].astype(float), flipped[earlier][counts].astype(float)
                correlation = (a * b).sum() / math.sqrt((a**2).sum() * (b**2).sum())
                if bits <= 40 and apart[later, earlier] and correlation >= MIN_CORRELATION:
                    expected.append((later, earlier, (MIRRORED, 1.0, pytest.approx(correlation, rel=1e-4))))
    assert found == expected


@pytest.mark.parametrize("seed", range(50))
def test_crops_are_fitted_where_a_window_is_near(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest window of each of the three nearest images, those of the nearest hashes first, up to a number."""
    rng = np.random.default_rng(seed)
    n, windows = 6, [(0.0, 0.5, 0.0, 0.5), (0.1, 0.6, 0.0, 0.5), (0.2, 0.7, 0.0, 0.5)]
    apart = rng.random((n, n)) < 0.8
    signs = rng.choice([-1, 1], (n, 256)).astype(np.float32)
    shown = rng.choice([-1, 1], (3, n, 256)).astype(np.float32)  # what each window shows of each image
    for crop, of in np.argwhere(rng.random((n, n)) < 0.6).tolist():
        number, n_bits = int(rng.integers(3)), int(rng.choice([10, 74, 75, 76, 77, 90]))
        shown[number, of] = signs[crop] * np.where(np.arange(256) < n_bits, -1, 1)
    correlation = rng.choice([0.84, 0.85, 0.9], (n, n, 3))
    share = rng.choice([0.5, 0.95, 0.96], (n, n, 3))
    most = int(rng.choice([3, 100]))
    monkeypatch.setattr(copies, "_MAX_FITS", most)
    monkeypatch.setattr(copies, "_windows", lambda: windows)
    monkeypatch.setattr(copies, "_resample", lambda small, chosen, *size: shown[windows.index(chosen[0])])
    monkeypatch.setattr(copies, "_hash_signs", lambda cells: cells)
    for name in ("_shrunk", "details"):
        monkeypatch.setattr(copies, name, lambda values: values)
    fitted = []

    def fit(crop: int, whole: int, window: Any) -> _Fit:  # Any: four shares
        place = int(crop), int(whole), windows.index(window)
        fitted.append(place)
        return _Fit(float(correlation[place]), float(share[place]))

    monkeypatch.setattr(copies, "_fit", fit)
    found = list(copies._cropped_pairs(np.arange(n), signs, apart, 1))
    distance = [[[int((signs[a] != shown[k, b]).sum()) for k in range(3)] for b in range(n)] for a in range(n)]
    pairs = []
    for a in range(n):
        others = sorted((b for b in range(n) if apart[a, b]), key=lambda b: min(distance[a][b]))[:3]
        pairs += [(min(distance[a][b]), a, b) for b in others if min(distance[a][b]) <= 76]
    pairs = sorted(pairs, key=lambda pair: pair[0])[:most]
    places = [(a, b, distance[a][b].index(bits)) for bits, a, b in pairs]
    assert sorted(fitted) == sorted(places)
    assert found == [
        (a, b, (CROPPED, share[a, b, k], correlation[a, b, k]))
        for a, b, k in places if correlation[a, b, k] >= 0.85 and share[a, b, k] <= 0.95
    ]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_are_of_two_splits_and_do_not_look_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    n = 7
    part = [["train", "val", None][int(rng.integers(3))] for _ in range(n)]
    rows = np.sort(rng.permutation(n)[: int(rng.integers(1, n + 1))])
    signs = rng.choice([-1, 1], (len(rows), 256)).astype(np.float32)
    for a, b in pairwise(range(len(rows))):
        if rng.random() < 0.6:
            signs[b] = signs[a] * np.where(np.arange(256) < rng.choice([15, 16, 17, 60]), -1, 1)
    handed = []

    def mirrored(thumbs: Any, own_signs: Any, apart: Any) -> Any:  # Any: arrays
        handed.append(apart)
        return iter([(1, 0, (MIRRORED, 1.0, 0.9))])

    monkeypatch.setattr(copies, "_thumbnails", lambda images, jobs: (rows, None))
    monkeypatch.setattr(copies, "_cells", lambda thumbs: None)
    monkeypatch.setattr(copies, "_hash_signs", lambda cells: signs)
    monkeypatch.setattr(copies, "_mirrored_pairs", mirrored)
    crops = [(1, 0, (CROPPED, 0.5, 0.95)), (0, 1, (CROPPED, 0.25, 0.875))]
    monkeypatch.setattr(copies, "_cropped_pairs", lambda *given: iter(crops))
    monkeypatch.setattr(copies, "_overlapping_pairs", lambda *given: iter([(1, 0, (OVERLAPPING, 0.5, 0.95))]))
    images = {"part": np.array(part, object), "width": np.full(n, 64), "height": np.full(n, 48)}
    found = copies.altered_images(Table(images), 1)
    pairs = list(zip(*(found[name].tolist() for name in ("image", "of", "how", "share", "correlation")), strict=True))
    if len({*part} - {None}) < 2 or len(rows) < 2:
        assert pairs == []
        return
    one, other = rows[:2].tolist()
    assert pairs == [(one, other, CROPPED, 0.25, 0.875), (other, one, MIRRORED, 1.0, 0.9)]
    (apart,) = handed
    for a in range(len(rows)):
        for b in range(len(rows)):
            alike = (signs[a] != signs[b]).sum() <= 16
            assert apart[a, b] == (part[rows[a]] != part[rows[b]] and not alike)
