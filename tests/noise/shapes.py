"""Discs and squares on a grey ground, in files, with labels: what a network learns in seconds."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.api import from_arrays
from segdata.core.dataset import Dataset
from segdata.core.taxonomy import Category, Taxonomy

SIDE = 64
TAXONOMY = Taxonomy(categories=(Category(id=3, name="disc", kind="thing"), Category(id=7, name="square", kind="thing")))
Mask = NDArray[np.bool_]


def scene(seed: int, side: int = SIDE) -> tuple[NDArray[np.uint8], list[tuple[Mask, str]]]:
    """(side, side, 3) an image, and its segments: two discs and two squares, one in each quarter."""
    rng = np.random.default_rng(seed)
    picture = rng.normal(90, 8, (side, side, 3))
    y, x = np.mgrid[:side, :side]
    segments = []
    for at, quarter in enumerate(rng.permutation(4).tolist()):
        middle = np.array(divmod(quarter, 2)) * side / 2 + side / 4 + rng.uniform(-3, 3, 2)
        radius = rng.uniform(side / 10, side / 7)
        dy, dx = y - middle[0], x - middle[1]
        mask = dy**2 + dx**2 < radius**2 if at < 2 else np.maximum(abs(dy), abs(dx)) < radius
        picture[mask] += (110, 30, 0) if at < 2 else (0, 30, 110)
        segments.append((mask, "disc" if at < 2 else "square"))
    return picture.clip(0, 255).astype(np.uint8), segments


def written(folder: Path, n: int, *, labels: dict[str, list[tuple[Mask, str]]] | None = None) -> Dataset:
    """A dataset of n scenes whose images are PNG files in the folder; `labels` instead of an image's own."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for seed in range(n):
        name = f"{seed:02d}.png"
        picture, drawn[name] = scene(seed)
        Image.fromarray(picture).save(folder / name)
    return from_arrays(drawn | (labels or {}), TAXONOMY, images=folder)


def semantic(folder: Path, n: int) -> Dataset:
    """The same with an array of category ids for each image."""
    known = written(folder, n).maps()
    ids = np.array([*known.classes, 0])
    return from_arrays(
        {name: ids[known.semantic(row, -1)] for row, name in enumerate(known.image_ids)}, TAXONOMY, images=folder
    )
