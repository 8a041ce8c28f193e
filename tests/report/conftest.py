"""Compared: annotators' masks of small images, with habits that are known, compared for the tests of reports."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segdata.api.agreement import AgreementRun, agree

Mask = NDArray[np.uint8]
Compare = Callable[..., AgreementRun]
TAXONOMY = """\
unlabelled: 0
categories:
  - {id: 1, name: road, kind: stuff}
  - {id: 2, name: car, kind: thing, definition: "Everything on four wheels.", boundary_rule: "Mirrors belong to it."}
  - {id: 3, name: fence, kind: stuff}
"""


def scene(rng: np.random.Generator) -> Mask:
    """A road with cars on it and a fence above, 40 x 60."""
    labels = np.zeros((40, 60), np.uint8)
    labels[16:] = 1
    labels[8:14, 5:55] = 3
    for left in (6, 26, 46):
        top = int(rng.integers(18, 28))
        labels[top : top + 9, left : left + 9] = 2
    return labels


def truth(n: int, seed: int = 0) -> list[Mask]:
    """The true labels of n images."""
    rng = np.random.default_rng(seed)
    return [scene(rng) for _ in range(n)]


def forgets(labels: Mask, rng: np.random.Generator) -> Mask:
    """Without two thirds of the cars."""
    found = labels.copy()
    for left in (6, 26, 46):
        part = found[:, left : left + 9]
        if rng.random() < 0.67:
            part[part == 2] = 1
    return found


def larger(labels: Mask, rng: np.random.Generator) -> Mask:
    """With cars that are two pixels larger on each side."""
    car = labels == 2
    for _ in range(2):
        wide = car.copy()
        wide[1:] |= car[:-1]
        wide[:-1] |= car[1:]
        wide[:, 1:] |= car[:, :-1]
        wide[:, :-1] |= car[:, 1:]
        car = wide
    return np.where(car, 2, labels).astype(np.uint8)


def shaky(labels: Mask, rng: np.random.Generator) -> Mask:
    """Moved by up to a pixel, as nobody draws the same twice."""
    down, right = (int(each) for each in rng.integers(-1, 2, 2))
    return np.roll(labels, (down, right), (0, 1))


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """Compares annotators' masks of the same images."""
    return lambda masks, **more: compared(tmp_path, masks, **more)


@pytest.fixture(scope="session")
def habits(tmp_path_factory: pytest.TempPathFactory) -> AgreementRun:
    """Four annotators of 12 images: carl forgets cars, dora draws them larger, the others are shaky."""
    rng, images = np.random.default_rng(0), truth(12)
    drawn = {who: [shaky(each, rng) for each in images] for who in ("anna", "ben", "carl", "dora")}
    drawn["carl"] = [forgets(each, rng) for each in drawn["carl"]]
    drawn["dora"] = [larger(each, rng) for each in drawn["dora"]]
    return compared(tmp_path_factory.mktemp("habits"), drawn)


def compared(folder: Path, masks: Mapping[str, Sequence[Mask]], **more: object) -> AgreementRun:
    """Annotators' masks, written with images of noise, and compared."""
    rng = np.random.default_rng(1)
    first = next(iter(masks.values()))
    pictures = [rng.integers(0, 255, (*each.shape, 3), np.uint8) for each in first]
    for who, drawn in masks.items():
        for kind, arrays in (("masks", drawn), ("images", pictures)):
            (folder / who / kind).mkdir(parents=True)
            for k, array in enumerate(arrays[: len(drawn)]):
                Image.fromarray(array).save(folder / who / kind / f"{k}.png")
        (folder / who / "taxonomy.yaml").write_text(TAXONOMY)
    settings = {"resamples": 100, "jobs": 1, **more}
    return agree([(who, folder / who) for who in masks], **settings).run  # type: ignore[arg-type]  # any
