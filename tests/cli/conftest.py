"""Small datasets on disk, and the command line run in this process."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from segdata.cli.main import main

TAXONOMY = """\
unlabelled: [0, 0, 0]
categories:
  - {id: 1, name: road, color: [128, 64, 128], kind: stuff}
  - {id: 2, name: car, color: [0, 0, 142], kind: thing}
"""
Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Runs `segdata` with these words."""

    def invoke(*words: str | Path, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words], input=stdin, catch_exceptions=False)

    return invoke


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Two images with colour masks; in a.png four pixels are unlabelled and a speck of car lies on the road."""
    root = tmp_path / "masks set"  # with a space: proposed commands must quote it
    for name in ("a", "b"):
        mask = np.full((24, 32, 3), (128, 64, 128), np.uint8)
        mask[4:20, 8:24] = (0, 0, 142)
        if name == "a":
            mask[0, 0:4] = 0
            mask[22, 30] = (0, 0, 142)
        for folder, pixels in (("images", np.full((24, 32, 3), 90, np.uint8)), ("masks", mask)):
            path = root / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    (root / "taxonomy.yaml").write_text(TAXONOMY)
    (root / "segdata.yaml").write_text("coverage: exhaustive\n")
    return root


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A COCO file of one image with many specks of one category, and a defect."""
    image = {"id": 1, "file_name": "x.png", "width": 400, "height": 300}
    annotations = []
    for number in range(60):
        x, y = 10 + 30 * (number % 12), 10 + 50 * (number // 12)
        rings = [[x, y, x + 12, y, x + 12, y + 12, x, y + 12], [x + 16, y, x + 17, y, x + 17, y + 1, x + 16, y + 1]]
        annotations.append(
            {"id": number + 1, "image_id": 1, "category_id": 1, "segmentation": rings, "area": 145.0,
             "bbox": [x, y, 17, 12], "iscrowd": 0}
        )  # fmt: skip
    annotations.append({**annotations[0], "id": 61, "image_id": 7})
    path = tmp_path / "coco.json"
    path.write_text(
        json.dumps({"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "car"}]})
    )
    return path


@pytest.fixture
def annotators(tmp_path: Path) -> list[str]:
    """``NAME=DATA`` of three annotators' masks of 10 images, up to a pixel apart; the third forgets the cars."""
    rng = np.random.default_rng(0)
    truth = [np.kron(rng.integers(1, 3, (4, 5)), np.ones((8, 8), int)).astype(np.uint8) for _ in range(10)]
    named = []
    for who in ("anna", "ben", "carl"):
        masks = tmp_path / who
        masks.mkdir()
        (masks / "taxonomy.yaml").write_text(
            "unlabelled: 0\ncategories: [{id: 1, name: road, kind: stuff}, {id: 2, name: car, kind: thing}]\n"
        )
        for k, labels in enumerate(truth):
            mine = np.roll(labels, rng.integers(-1, 2), axis=1)
            Image.fromarray(np.where((who == "carl") & (mine == 2), 0, mine).astype(np.uint8)).save(masks / f"{k}.png")
        named.append(f"{who}={masks}")
    return named
