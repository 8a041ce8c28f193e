"""Small sound datasets of every format that is read, and the command line run on them."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner
from PIL import Image

from segdata.api.convert import convert
from segdata.cli.main import main

WIDTH, HEIGHT = 40, 30
NAMES = ("a.png", "b.png", "c.png")
TAXONOMY = """\
unlabelled: [0, 0, 0]
categories:
  - {id: 1, name: road, color: [128, 64, 128], kind: stuff}
  - {id: 2, name: car, color: [0, 0, 142], kind: thing}
"""
CATEGORIES = [{"id": 1, "name": "road", "isthing": 0}, {"id": 2, "name": "car", "isthing": 1}]
IMAGES = [{"id": k, "file_name": name, "width": WIDTH, "height": HEIGHT} for k, name in enumerate(NAMES, 1)]


@dataclass(frozen=True)
class Said:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The findings of `validate --format json`."""
        found: list[dict[str, Any]] = json.loads(self.out)["findings"]
        return found

    @property
    def images(self) -> int:
        """How many images were checked."""
        return int(json.loads(self.out)["summary"]["images"])

    def has(self, code: str, file: str | None, image: str | None, place: str | None = None, words: str = "") -> bool:
        """Whether some finding has this code, file, image and place, and says these words."""
        wanted = (code, file, image, place)
        return any(
            tuple(each[key] for key in ("code", "file", "image", "place")) == wanted and words in each["message"]
            for each in self.findings
        )


def segdata(*words: str | Path) -> Said:
    """`segdata` with these words, in this process. However it ends, it does so by the contract."""
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    said = Said(result.exit_code, result.stdout, result.stderr)
    assert said.code in (0, 1, 2), said
    assert "unexpected" not in said.err.partition("error: ")[2][:12], said.err
    if said.code == 2:
        assert said.err.count("\n") == 1 or "Usage:" in said.err, said.err
    return said


def validated(root: Path, *words: str | Path) -> Said:
    """`segdata validate --format json` with the rules that look at files."""
    return segdata("validate", root, "--format", "json", "--jobs", "1", "--select", "SEG0", *words)


def picture(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    """Save an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def labels() -> np.ndarray[Any, Any]:
    """(HEIGHT, WIDTH) uint8: a car, 2, on a road, 1; the top row is unlabelled, 0."""
    ids = np.ones((HEIGHT, WIDTH), np.uint8)
    ids[0], ids[8:20, 10:30] = 0, 2
    return ids


def _images(root: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    for name in NAMES:
        picture(root / "images" / name, noise)


def _instances(root: Path) -> None:
    road, car = [0, 1, 40, 1, 40, 30, 0, 30], [10, 8, 30, 8, 30, 20, 10, 20]
    annotations = [
        {"id": 2 * image + category, "image_id": image, "category_id": category, "segmentation": [ring], "iscrowd": 0}
        for image in (1, 2, 3)
        for category, ring in ((1, road), (2, car))
    ]
    (root / "coco.json").write_text(
        json.dumps({"images": IMAGES, "annotations": annotations, "categories": CATEGORIES}, indent=1)
    )


def _panoptic(root: Path) -> None:
    ids = np.stack([labels(), np.zeros_like(labels()), np.zeros_like(labels())], axis=2)
    areas = np.bincount(labels().ravel(), minlength=3).tolist()
    info = [{"id": id_, "category_id": id_, "area": areas[id_], "iscrowd": 0} for id_ in (1, 2)]
    annotations = [{"image_id": k, "file_name": name, "segments_info": info} for k, name in enumerate(NAMES, 1)]
    for name in NAMES:
        picture(root / "panoptic" / name, ids)
    (root / "panoptic.json").write_text(
        json.dumps({"images": IMAGES, "annotations": annotations, "categories": CATEGORIES}, indent=1)
    )


def _colour_masks(root: Path) -> None:
    colors = np.array([[0, 0, 0], [128, 64, 128], [0, 0, 142]], np.uint8)
    for name in NAMES:
        picture(root / "masks" / name, colors[labels()])
    (root / "taxonomy.yaml").write_text(TAXONOMY)


def _instance_ids(root: Path) -> None:
    values = np.array([0, 1, 2001], np.uint16)
    for name in NAMES:
        picture(root / "masks" / name, values[labels()])
    (root / "taxonomy.yaml").write_text(TAXONOMY.replace("[0, 0, 0]", "0"))
    (root / "segdata.yaml").write_text("instance_ids: {divisor: 1000, background: 0}\n")


def _layers(root: Path) -> None:
    for name in NAMES:
        for number, category in ((1, "road"), (2, "car")):
            mask = np.where(labels() == number, 255, 0).astype(np.uint8)
            picture(root / "layers" / f"{Path(name).stem}_{category}.png", mask)
    (root / "taxonomy.yaml").write_text(TAXONOMY)
    (root / "segdata.yaml").write_text('layers: {pattern: "layers/{stem}_{category}.png"}\n')


_MAKERS: dict[str, Callable[[Path], None]] = {
    "coco-instances": _instances,
    "coco-panoptic": _panoptic,
    "colour-masks": _colour_masks,
    "instance-ids": _instance_ids,
    "layers": _layers,
}
FORMATS = ("canonical", *_MAKERS)
Make = Callable[[str], Path]  # a copy of the sound dataset of a format, to be damaged


def write_sound(format: str, root: Path) -> None:
    """Write a sound dataset of three images."""
    if format == "canonical":
        with tempfile.TemporaryDirectory() as folder:
            write_sound("colour-masks", Path(folder) / "masks")
            convert(Path(folder) / "masks", root, copy_images=True, jobs=1)
        return
    _images(root)
    _MAKERS[format](root)


def left_behind(folder: Path) -> list[str]:
    """What lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())
