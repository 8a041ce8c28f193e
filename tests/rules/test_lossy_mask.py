"""SEG010: masks that were resized as if their numbers were brightness, which leaves numbers between two numbers."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import segdata
from segdata.core.finding import Finding

Values = NDArray[np.uint8]


def regions(seed: int, n_values: int = 7) -> Values:
    """(120, 160) the nearest of thirty places, which have numbers from 0 on: regions in no order."""
    random = np.random.default_rng(seed)
    places = random.uniform(0, [120, 160], (30, 2))
    numbers = random.permutation(np.arange(30) % n_values)
    y, x = np.mgrid[:120, :160]
    distance = (y[..., None] - places[:, 0]) ** 2 + (x[..., None] - places[:, 1]) ** 2
    return np.asarray(numbers[distance.argmin(axis=2)], np.uint8)


def smoothed(values: Values) -> Values:
    """Enlarged twice with linear interpolation, and rounded."""
    return np.asarray(ndimage.zoom(values.astype(float), 2, order=1).round(), np.uint8)


def blurred(folder: Path, masks: list[Values]) -> list[Finding]:
    (folder / "masks").mkdir()
    for number, values in enumerate(masks):
        Image.fromarray(values).save(folder / f"masks/{number}.png")
    listed = "".join(f"  - {{id: {k}, name: c{k}}}\n" for k in range(1, 9))
    (folder / "taxonomy.yaml").write_text(f"categories:\n  - {{id: 0, name: background}}\n{listed}")
    return [one for one in segdata.validate(folder, select="SEG010").findings if "brightness" in one.message]


@pytest.mark.parametrize("n_values", [4, 7])
def test_masks_that_were_resized_as_brightness_are_named(tmp_path: Path, n_values: int) -> None:
    masks = [regions(seed, n_values) for seed in range(3)]
    found = blurred(tmp_path, [masks[0], smoothed(masks[1]), masks[2]])
    assert [(one.image, one.severity) for one in found] == [("1.png", "warning")]


def test_masks_resized_by_the_nearest_pixel_are_fine(tmp_path: Path) -> None:
    small = [regions(seed)[::3, ::3].copy() for seed in range(3)]
    assert blurred(tmp_path, [small[0], np.kron(small[1], np.ones((2, 2), np.uint8)), small[2]]) == []


def test_thin_layers_in_the_order_of_their_numbers_are_fine(tmp_path: Path) -> None:
    """Layers of the retina: each is a pixel or two between the one above and the one below, in any image."""
    y, x = np.mgrid[:60, :200]
    wave = (y - 20 - 8 * np.sin(x / 20)) / 1.6
    layers = np.clip(wave, 0, 8).astype(np.uint8)
    assert blurred(tmp_path, [layers, layers[:, ::-1].copy()]) == []


def test_a_rim_with_the_number_between_is_fine(tmp_path: Path) -> None:
    """Cells of 2 with a rim of 1 on 0."""
    y, x = np.mgrid[:120, :160]
    away = np.hypot(y % 30 - 15, x % 40 - 20)
    cells = np.select([away < 8, away < 9.5], [2, 1], 0).astype(np.uint8)
    assert blurred(tmp_path, [cells, cells[::-1].copy()]) == []
