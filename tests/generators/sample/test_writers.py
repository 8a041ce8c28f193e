"""The five formats of the clean data tell one story: each is decoded here by other means than wrote it."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

from tests.generators.sample.dataset import Truth

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools

FORMATS = ("semantic", "instances", "panoptic", "instance_ids", "layers")


def categories_of(folder: Path) -> list[dict[str, object]]:
    return list(yaml.safe_load((folder / "taxonomy.yaml").read_text())["categories"])


def panoptic(folder: Path) -> list[tuple[str, np.ndarray, dict[int, dict[str, int]]]]:
    """For each annotation: stem, ids (h, w), and segments_info by id."""
    document = json.loads((folder / "panoptic.json").read_text())
    pages = []
    for annotation in document["annotations"]:
        rgb = np.array(Image.open(folder / "panoptic" / annotation["file_name"])).astype(int)
        ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
        infos = {info["id"]: info for info in annotation["segments_info"]}
        assert len(infos) == len(annotation["segments_info"])
        pages.append((annotation["file_name"].removesuffix(".png"), ids, infos))
    return pages


def categories_in(ids: np.ndarray, infos: dict[int, dict[str, int]]) -> np.ndarray:
    return np.vectorize(lambda number: infos[number]["category_id"])(ids)


def test_every_dataset_has_its_images(clean: Truth) -> None:
    for name in FORMATS:
        for shot in clean.shots:
            with Image.open(clean.folder / "clean" / name / "images" / f"{shot.name}.jpg") as image:
                assert image.size == shot.picture.image.shape[1::-1]
                off = np.abs(np.array(image).astype(int) - shot.picture.image)
                assert off.mean() < 6, "JPEG stays close to the picture"


def test_panoptic_is_complete_and_measured(clean: Truth) -> None:
    for _, ids, infos in panoptic(clean.folder / "clean" / "panoptic"):
        assert set(np.unique(ids)) == set(infos)
        for number, info in infos.items():
            rows, columns = np.nonzero(ids == number)
            assert info["area"] == rows.size
            assert info["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]


def test_semantic_is_the_panoptic_categories(clean: Truth) -> None:
    folder = clean.folder / "clean"
    colours = {entry["id"]: entry["color"] for entry in categories_of(folder / "semantic")}
    for stem, ids, infos in panoptic(folder / "panoptic"):
        mask = np.array(Image.open(folder / "semantic" / "masks" / f"{stem}.png"))
        expected = np.array([colours[number] for number in categories_in(ids, infos).ravel()]).reshape(mask.shape)
        np.testing.assert_array_equal(mask, expected)


def test_instance_ids_are_the_panoptic_segments(clean: Truth) -> None:
    folder = clean.folder / "clean"
    for stem, ids, infos in panoptic(folder / "panoptic"):
        with Image.open(folder / "instance_ids" / "masks" / f"{stem}.png") as image:
            assert image.mode == "I;16"
            values = np.array(image).astype(int)
        pairs = np.unique(np.stack([values.ravel(), ids.ravel()]), axis=1)
        assert pairs.shape[1] == len(infos), "one value for one segment"
        for value, number in pairs.T:
            category = infos[number]["category_id"]
            assert (value == 255) if category == 255 else (value // 1000 == category)


def test_layers_are_the_panoptic_categories(clean: Truth) -> None:
    folder = clean.folder / "clean"
    names = {entry["name"]: entry["id"] for entry in categories_of(folder / "layers")}
    for stem, ids, infos in panoptic(folder / "panoptic"):
        covered = np.zeros(ids.shape, int)
        for path in sorted((folder / "layers" / "masks").glob(f"{stem}_*.png")):
            layer = np.array(Image.open(path))
            assert set(np.unique(layer)) <= {0, 255}
            np.testing.assert_array_equal(layer > 0, categories_in(ids, infos) == names[path.stem.partition("_")[2]])
            covered += layer > 0
        assert (covered == 1).all()


def test_coco_instances_are_the_panoptic_things(clean: Truth, capsys: pytest.CaptureFixture[str]) -> None:
    folder = clean.folder / "clean"
    data = COCO(str(folder / "instances" / "instances.json"))
    capsys.readouterr()
    kinds = set()
    for image_id, (stem, ids, infos) in enumerate(panoptic(folder / "panoptic"), start=1):
        assert data.loadImgs(image_id)[0]["file_name"] == f"{stem}.jpg"
        things = {number: info for number, info in infos.items() if info["category_id"] in data.cats}
        annotations = data.loadAnns(data.getAnnIds(imgIds=image_id))
        assert len(annotations) == len(things)
        for annotation in annotations:
            mask = data.annToMask(annotation).astype(bool)
            (number,) = np.unique(ids[mask])
            np.testing.assert_array_equal(mask, ids == number)
            assert (annotation["area"], annotation["bbox"]) == (things[number]["area"], things[number]["bbox"])
            assert annotation["category_id"] == things[number]["category_id"]
            assert annotation["iscrowd"] == things[number]["iscrowd"]
            kinds.add(type(annotation["segmentation"]))
    assert kinds == {list, dict}, "polygons and RLE"
