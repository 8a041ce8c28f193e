from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segdata.api.in_memory import from_arrays
from segdata.core.dataset import OpenDataset
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise.networks.plan import DataFacts, Settings, TrainingPlan, plan_for

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


def written(folder: Path, n: int, *, labels: dict[str, list[tuple[Mask, str]]] | None = None) -> OpenDataset:
    """A dataset of n scenes whose images are PNG files in the folder; `labels` instead of an image's own."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for seed in range(n):
        name = f"{seed:02d}.png"
        picture, drawn[name] = scene(seed)
        Image.fromarray(picture).save(folder / name)
    return from_arrays(drawn | (labels or {}), TAXONOMY, images=folder)


def semantic(folder: Path, n: int) -> OpenDataset:
    """The same with an array of category ids for each image."""
    known = written(folder, n).maps()
    ids = np.array([*known.classes, 0])
    return from_arrays(
        {name: ids[known.semantic(row, -1)] for row, name in enumerate(known.image_ids)}, TAXONOMY, images=folder
    )


@pytest.fixture(scope="session")
def shapes() -> Callable[[Path, int], OpenDataset]:
    """Writes discs and squares on a grey ground, with their segments: what a network learns in seconds."""
    return written


@pytest.fixture(scope="session")
def areas() -> Callable[[Path, int], OpenDataset]:
    """The same with category ids for pixels."""
    return semantic


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small networks are no faster with several, and other tests run beside them."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny() -> TrainingPlan:
    """A plan for the shapes that is worked off in seconds."""
    asked = Settings(crop=64, width=8, depth=3, batch=4, steps=24, flips=0, learning_rate=0.02)
    return plan_for(DataFacts(8, 8, SIDE, SIDE, (SIDE, SIDE), 3, 2, True, None, 20, "cpu", 2**32), asked, 2**28)
