"""Masks as training programs lay them out: Ultralytics' semantic datasets, and MMSegmentation's."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata import convert, read
from segdata.core.batch import concatenate_batches
from segdata.core.errors import SegdataError
from segdata.testing.pictures import masks_of_runs

CLASSES = {0: "road", 1: "car", 2: "sky"}


def save(root: Path, images: str, masks: str, splits: tuple[str, str]) -> dict[str, np.ndarray]:
    """Two images a split; returns the pixels of each mask by the id of its image."""
    rng = np.random.default_rng(0)
    made = {}
    for split in splits:
        for name in ("a", "b"):
            pixels = np.kron(rng.choice([0, 1, 2, 255], (4, 5)), np.ones((5, 6))).astype(np.uint8)
            picture = rng.integers(0, 255, pixels.shape).astype(np.uint8)
            for folder, array, suffix in ((images, picture, ".jpg"), (masks, pixels, ".png")):
                path = root / folder / split / f"{name}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
            made[f"{split}/{name}.jpg"] = pixels
    return made


def assert_pixels(root: Path, made: dict[str, np.ndarray]) -> None:
    """Every value of every mask is a segment with exactly its pixels, as Pillow and numpy see them."""
    dataset = read(root)
    assert sorted(dataset.image_ids) == sorted(made)
    batch = concatenate_batches([dataset.source.load(rows) for rows in dataset.chunks()])
    names = batch.images["image_id"].to_pylist()
    seen = masks_of_runs(batch.runs, *batch.segment_size)
    found = {
        (names[image], category): mask
        for image, category, mask in zip(
            batch.segment_image.tolist(), batch.segments["category_id"].to_pylist(), seen, strict=True
        )
    }
    expected = {(name, int(value)): pixels == value for name, pixels in made.items() for value in np.unique(pixels)}
    assert found.keys() == expected.keys()
    assert all((found[key] == expected[key]).all() for key in expected)


@pytest.mark.parametrize("folder", ["masks", "seg_maps"])
@pytest.mark.parametrize("names", ["{0: road, 1: car, 2: sky}", "[road, car, sky]"])
def test_semantic_datasets_of_ultralytics(tmp_path: Path, folder: str, names: str) -> None:
    made = save(tmp_path, "images", folder, ("train", "val"))
    text = f"path: .\ntrain: images/train\nval: images/val\nmasks_dir: {folder}  # beside images\nnames: {names}\n"
    (tmp_path / "data.yaml").write_text(text)
    kinds = {category.id: (category.name, category.kind) for category in read(tmp_path).taxonomy.categories}
    assert kinds == {number: (name, "stuff") for number, name in CLASSES.items()} | {255: ("ignore", "void")}
    assert_pixels(tmp_path, made)


@pytest.mark.parametrize(
    ("names", "problem"), [("{300: road}", "300 'road' is no class"), ("{0: [1]}", "data.yaml"), ("5", "data.yaml")]
)
def test_broken_names_are_refused(tmp_path: Path, names: str, problem: str) -> None:
    save(tmp_path, "images", "masks", ("train", "val"))
    (tmp_path / "data.yaml").write_text(f"masks_dir: masks\nnames: {names}\n")
    with pytest.raises(SegdataError, match=problem):
        read(tmp_path)


def test_masks_outside_are_not_read(tmp_path: Path) -> None:
    save(tmp_path / "set", "images", "masks", ("train", "val"))
    save(tmp_path / "other", "images", "masks", ("train", "val"))
    (tmp_path / "set/data.yaml").write_text("masks_dir: ../other/masks\nnames: [road, car, sky]\n")
    assert read(tmp_path / "set").profile.places["masks"] == str(tmp_path / "set/masks")
    (tmp_path / "set/data.yaml").write_text(f"masks_dir: {'9' * 300}\nnames: [road, car, sky]\n")  # no folder's name
    assert read(tmp_path / "set").profile.places["masks"] == str(tmp_path / "set/masks")


@pytest.mark.parametrize(
    ("layout", "images", "masks"), [("ultralytics", "images", "semantic"), ("mmsegmentation", "img_dir", "ann_dir")]
)
def test_what_is_written_has_the_pixels_splits_and_images(tmp_path: Path, layout: str, images: str, masks: str) -> None:
    made = save(tmp_path / "a", "images", "masks", ("train", "val"))
    ids = {30: "sky", 7: "road", 9: "car", 5: "edge"}  # in this order; edge is void
    kinds = {30: "stuff", 7: "stuff", 9: "thing", 5: "void"}
    categories = [f"{{id: {number}, name: {name}, kind: {kinds[number]}}}" for number, name in ids.items()]
    (tmp_path / "a/taxonomy.yaml").write_text(f"categories: [{', '.join(categories)}]\n")
    (tmp_path / "a/segdata.yaml").write_text("coverage: sparse\n")
    index = {0: 30, 1: 7, 2: 9, 255: 0}  # 0 is unlabelled here
    for path in (tmp_path / "a/masks").rglob("*.png"):
        pixels = np.array(Image.open(path))
        pixels[:2] = 5
        Image.fromarray(np.vectorize(lambda value: index.get(value, value))(pixels).astype(np.uint8)).save(path)
    convert(read(tmp_path / "a"), tmp_path / "b", to="masks", write_options={"layout": layout}, copy_images=True)
    for name, pixels in made.items():
        stem = name.removesuffix(".jpg")
        expected = pixels.copy()  # values are the classes in the order of the taxonomy already
        expected[:2] = 255
        assert (np.array(Image.open(tmp_path / f"b/{masks}/{stem}.png")) == expected).all()
        assert (tmp_path / f"b/{images}/{name}").read_bytes() == (tmp_path / f"a/images/{name}").read_bytes()
    (tmp_path / "b/images.csv").unlink()  # as others' tools see it
    (tmp_path / "b/taxonomy.yaml").rename(tmp_path / "c.yaml")
    again = read(tmp_path / "b", taxonomy=None if layout == "ultralytics" else tmp_path / "c.yaml")
    names = {category.id: category.name for category in again.taxonomy.categories}
    assert {names[number] for number in (0, 1, 2)} == {"sky", "road", "car"}
    assert list(again.images["split"]) == ["train", "train", "val", "val"]


def test_more_classes_than_bytes_and_unknown_layouts_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a", "images", "masks", ("train", "val"))
    rows = ", ".join(f"{{id: {number}, name: c{number}}}" for number in range(256))
    (tmp_path / "a/taxonomy.yaml").write_text(f"categories: [{rows}]\n")
    for layout, problem in (("ultralytics", "256 classes do not fit"), ("yolo", "none of flat, mmsegmentation")):
        with pytest.raises(SegdataError, match=problem):
            convert(read(tmp_path / "a"), tmp_path / "b", to="masks", write_options={"layout": layout})
        assert not (tmp_path / "b").exists()


def test_mmsegmentation(tmp_path: Path) -> None:
    made = save(tmp_path, "img_dir", "ann_dir", ("training", "validation"))
    categories = [f"{{id: {number}, name: {name}, kind: stuff}}" for number, name in CLASSES.items()]
    categories.append("{id: 255, name: ignore, kind: void}")
    (tmp_path / "taxonomy.yaml").write_text(f"categories: [{', '.join(categories)}]\n")
    assert_pixels(tmp_path, made)
    assert set(read(tmp_path).images["split"].dropna()) <= {"training", "validation", "train", "val"}
