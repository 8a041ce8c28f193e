"""Damaged files: each becomes a finding that names it, the other images are checked, and `convert` writes a whole."""

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segdata import read
from tests.bad_input.sound_datasets import FORMATS, Make, Said, left_behind, picture, segdata, validated
from tests.bad_input.written_datasets import write_dataset

Damage = Callable[[Path], object]
MASKS = {
    "coco-panoptic": "panoptic/b.png",
    "colour-masks": "masks/b.png",
    "instance-ids": "masks/b.png",
    "layers": "layers/b_car.png",
}
# What a reader calls an image file: by its image_id, or below the dataset's root.
IMAGE_FILES = {format: "b.png" if format.startswith("coco") else "images/b.png" for format in FORMATS}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def junk(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(300))


def bomb(path: Path) -> None:
    """A header that claims 100 000 x 100 000 pixels."""
    data = path.read_bytes()
    header = struct.pack(">II", 100_000, 100_000) + data[24:29]
    path.write_bytes(data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:])


def circle(path: Path) -> None:
    """A link to itself."""
    path.unlink()
    path.symlink_to(path.name)


def nowhere(path: Path) -> None:
    """A link to nothing."""
    path.unlink()
    path.symlink_to("nothing")


UNREADABLE = [cut, emptied, junk, bomb, circle]


def other_size(path: Path) -> None:
    picture(path, np.zeros((7, 5, 3), np.uint8))


def converts(root: Path) -> Said:
    """What `convert` says; a target that it writes can be validated, and nothing else lies beside it."""
    folder = root.parent / "out"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    said = segdata("convert", root, folder / "new", "--jobs", "1")
    assert left_behind(folder) == (["new"] if said.code < 2 else [])
    if said.code < 2:
        assert validated(folder / "new").code in (0, 1)
    return said


@pytest.mark.parametrize("damage", UNREADABLE, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("format", FORMATS)
def test_an_image_that_cannot_be_read(make: Make, format: str, damage: Damage) -> None:
    root = make(format)
    damage(root / "images" / "b.png")
    said = validated(root)
    assert (said.code, said.images) == (1, 3)
    assert [(each["code"], each["file"], each["image"]) for each in said.findings] == [
        ("SEG001", IMAGE_FILES[format], "b.png")
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_an_image_of_another_size(make: Make, format: str) -> None:
    root = make(format)
    other_size(root / "images" / "b.png")
    said = validated(root)
    assert (said.code, said.images) == (1, 3)
    assert [(each["code"], each["image"]) for each in said.findings] == [("SEG003", "b.png")]
    assert "5x7" in said.findings[0]["message"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_missing_image(make: Make, format: str) -> None:
    """Where only the folder tells which images there should be, a mask stays alone: a warning."""
    root = make(format)
    (root / "images" / "b.png").unlink()
    said = validated(root)
    if format in ("canonical", "coco-instances", "coco-panoptic"):
        assert (said.code, said.images) == (1, 3)
        assert [(each["code"], each["image"]) for each in said.findings] == [("SEG002", "b.png")]
    else:
        assert {each["code"] for each in said.findings} == {"SEG011"}
        assert all("b" in each["file"] for each in said.findings)


@pytest.mark.parametrize("format", ["canonical", "coco-instances", "coco-panoptic"])
def test_no_image_at_all_is_one_information(make: Make, format: str) -> None:
    root = make(format)
    shutil.rmtree(root / "images")
    said = validated(root)
    assert [(each["code"], each["severity"]) for each in said.findings] == [("SEG002", "info")]


def test_the_images_of_a_canonical_dataset_may_be_elsewhere(make: Make) -> None:
    root = make("canonical")
    shutil.move(root / "images", root.parent / "moved")
    cut(root.parent / "moved" / "b.png")
    said = validated(root, "--images", root.parent / "moved")
    assert [(each["code"], each["image"]) for each in said.findings] == [("SEG001", "b.png")]


@pytest.mark.parametrize("damage", UNREADABLE, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("format", MASKS)
def test_a_mask_that_cannot_be_read(make: Make, format: str, damage: Damage) -> None:
    root = make(format)
    damage(root / MASKS[format])
    said = validated(root)
    assert (said.code, said.images) == (1, 3)
    assert [(each["code"], each["file"], each["image"]) for each in said.findings] == [
        ("SEG001", MASKS[format], "b.png")
    ]
    assert str(root) not in said.findings[0]["message"]
    converted = converts(root)
    assert (converted.code, "SEG001" in converted.out) == (1, True)


@pytest.mark.parametrize("format", MASKS)
def test_a_mask_of_another_size(make: Make, format: str) -> None:
    root = make(format)
    other_size(root / MASKS[format])
    said = validated(root)
    assert (said.code, said.images) == (1, 3)
    assert said.has("SEG003", MASKS[format], "b.png", words="5x7")
    assert converts(root).code < 2


@pytest.mark.parametrize("damage", [cut, emptied, junk, nowhere], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("table", ["images", "annotations", "segments/part-00000"])
def test_a_damaged_table_is_one_finding(make: Make, table: str, damage: Damage) -> None:
    """And not one more for every row that refers to it."""
    root = make("canonical")
    file = f"r0001/{table}.parquet"
    damage(root / file)
    said = validated(root)
    code = "SEG002" if damage is nowhere else "SEG001"
    assert said.code == 1
    assert [(each["code"], each["file"]) for each in said.findings] == [(code, file)]
    assert str(root) not in said.findings[0]["message"]
    assert converts(root).code == (2 if table == "images" else 1)


def test_a_lost_part_file_is_missed(make: Make) -> None:
    root = make("canonical")
    (root / "r0001/segments/part-00000.parquet").unlink()
    said = validated(root)
    assert (said.code, said.images) == (1, 3)
    assert said.has("SEG002", "r0001/segments/part-00000.parquet", None)


def test_a_damaged_number_of_part_files_is_said_once(make: Make) -> None:
    manifest = make("canonical") / "dataset.yaml"
    manifest.write_text(manifest.read_text().replace("parts: 1", f"parts: {10**12}"))
    said = validated(manifest.parent)
    assert said.has("SEG002", "r0001/segments", None, words="1,000,000,000,000 part files, 1 are there")
    assert len(said.findings) == 1


@pytest.mark.parametrize("name", ["ade20k", "pascal-voc"])
def test_a_lost_column_of_label_files_doubles_no_image(tmp_path: Path, name: str) -> None:
    write_dataset(name, tmp_path / "data")
    index = next(tmp_path.rglob("images.csv"))
    index.write_text(index.read_text().replace(",mask,", ",~,", 1))
    ids = list(read(index.parent, format=name).source.image_ids)
    assert ids == sorted(set(ids)) != []


@pytest.mark.parametrize("file", ["dataset.yaml", "taxonomy.yaml"])
def test_a_canonical_dataset_without_one_of_its_yaml_files_is_still_known(make: Make, file: str) -> None:
    root = make("canonical")
    (root / file).unlink()
    said = validated(root)
    assert (said.code, f"{file}: cannot be read: No such file" in said.err) == (2, True)


@pytest.mark.parametrize("damage", [cut, emptied, junk], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("format", ["coco-instances", "coco-panoptic"])
def test_a_damaged_document(make: Make, format: str, damage: Damage) -> None:
    root = make(format)
    (path,) = root.glob("*.json")
    damage(path)
    for data in (root, path):
        said = validated(data)
        assert (said.code, said.images) == (1, 0)
        assert [(each["code"], each["file"]) for each in said.findings if each["severity"] == "error"] == [
            ("SEG001", path.name)
        ]
        assert converts(data).code == 2


@pytest.mark.parametrize("name", ["segdata.yaml", "taxonomy.yaml"])
@pytest.mark.parametrize("damage", [cut, junk, circle, nowhere], ids=lambda damage: damage.__name__)
def test_a_damaged_configuration_is_misuse(make: Make, name: str, damage: Damage) -> None:
    root = make("instance-ids")
    damage(root / name)
    for words in (("validate", root), ("info", root), ("convert", root, root.parent / "new")):
        said = segdata(*words)
        assert (said.code, said.out) == (2, "")
        assert str(root / name) in said.err
    assert not (root.parent / "new").exists()
