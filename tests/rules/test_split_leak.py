"""One image in two splits is told; copies within a split, and files that only have the same size, are not."""

from pathlib import Path

import numpy as np
from PIL import Image

import segdata
from segdata.core.dataset import Dataset


def dataset(folder: Path, pictures: dict[str, int]) -> Dataset:
    """Masks in folders that are splits; `pictures`: image -> the seed of its pixels."""
    for name, seed in pictures.items():
        image, mask = folder / "images" / name, folder / "masks" / name
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (4, 4), np.uint8)).save(image, compress_level=0)
        Image.fromarray(np.ones((4, 4), np.uint8)).save(mask)
    (folder / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}]\n")
    return segdata.read(folder, format="colour-masks")


def leaks(data: Dataset) -> list[tuple[str | None, str]]:
    found = segdata.validate(data, select=["SEG304"]).findings
    return [(each.image, each.message) for each in found]


def test_a_copy_in_another_split_is_told(tmp_path: Path) -> None:
    data = dataset(tmp_path, {"train/a.png": 1, "train/b.png": 2, "val/c.png": 1})
    assert leaks(data) == [("val/c.png", "the same file as train/a.png, byte by byte: one is in train, this in val")]


def test_copies_in_a_split_and_files_of_one_size_are_fine(tmp_path: Path) -> None:
    assert leaks(dataset(tmp_path, {"train/a.png": 1, "train/b.png": 1, "val/c.png": 2})) == []


def test_without_splits_nothing_is_read(tmp_path: Path) -> None:
    assert leaks(dataset(tmp_path, {"a.png": 1, "b.png": 1})) == []
