"""Label files and their images are paired by name; what stays alone on either side is told."""

from pathlib import Path

import pytest

from segdata.formats.shared.label_files import pair_label_files


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize("images", ["data", "data/images", "images"])
def test_images_are_found_beside_below_and_next_to_the_labels(tmp_path: Path, images: str) -> None:
    touch(tmp_path, "data/a.json", "data/sub/b.json", f"{images}/a.png", f"{images}/sub/b.jpg")
    entries, defects = pair_label_files(tmp_path / "data", ".json", None)
    assert defects == []
    assert [(each.image_id, each.image) for each in entries] == [
        ("a.png", tmp_path / images / "a.png"),
        ("sub/b.jpg", tmp_path / images / "sub/b.jpg"),
    ]


def test_what_stays_alone_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "l/a.json", "l/b.json", "i/a.png", "i/c.png")
    entries, defects = pair_label_files(tmp_path / "l", ".json", tmp_path / "i")
    assert [(each.image_id, bool(each.files)) for each in entries] == [
        ("a.png", True),
        ("b.json", True),
        ("c.png", False),
    ]
    assert [(each.code, each.image) for each in defects] == [("SEG002", "b.json"), ("SEG011", "c.png")]


def test_without_any_image_that_is_one_information(tmp_path: Path) -> None:
    touch(tmp_path, "a.json", "b.json")
    entries, defects = pair_label_files(tmp_path, ".json", None)
    assert [each.image_id for each in entries] == ["a.json", "b.json"]
    assert [(each.code, each.severity) for each in defects] == [("SEG002", "info")]


def test_a_label_file_may_name_its_image(tmp_path: Path) -> None:
    """A name that leaves the folder is not followed."""
    touch(tmp_path, "x.json", "y.json", "z.json", "a.png", "y.png", "z.png")
    stated = {"x.json": "a.png", "y.json": "../y.png"}
    entries, defects = pair_label_files(tmp_path, ".json", None, lambda path: stated.get(path.name))
    assert [(each.image_id, each.files[0].name) for each in entries] == [
        ("a.png", "x.json"),
        ("y.png", "y.json"),
        ("z.png", "z.json"),
    ]
    assert defects == []


def test_a_second_file_of_an_image_is_a_duplicate(tmp_path: Path) -> None:
    touch(tmp_path, "x.json", "y.json", "a.png")
    entries, defects = pair_label_files(tmp_path, ".json", None, lambda path: "a.png")
    assert [each.files[0].name for each in entries] == ["x.json"]
    assert [(each.code, each.file) for each in defects] == [("SEG008", "y.json")]


def test_of_one_file_only_its_own_folder_is_looked_at(tmp_path: Path) -> None:
    """Nothing tells how much else lies below it, nor that other images lack labels."""
    touch(tmp_path, "a.json", "a.png", "b.png", "deep/c.png", ".hidden.json")
    entries, defects = pair_label_files(tmp_path / "a.json", ".json", None)
    assert [each.image_id for each in entries] == ["a.png"]
    assert defects == []
