"""Masks and images of videos belong together by sequence and name, and what stays alone is said once a sequence."""

from pathlib import Path

import pytest
from PIL import Image

from segdata.formats.video.frame_masks import FrameFolder, frame_numbers, pair_frames


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (1, 1)).save(root / name)


@pytest.mark.parametrize(
    ("stems", "numbers"),
    [
        (["00000", "00010"], [0, 10]),
        (["frame_7", "x9"], [7, 9]),
        (["a1", "b1"], [0, 1]),
        (["a", "b2"], [0, 1]),
        ([], []),
        (["9" * 40, "1"], [int("9" * 18), 1]),
    ],
)
def test_frame_numbers(stems: list[str], numbers: list[int]) -> None:
    assert frame_numbers(stems) == numbers


def test_frames_of_all_splits(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "m/train/a/10.png",
        "m/train/a/9.png",
        "m/val/a/0.png",
        "i/train/a/9.jpg",
        "i/train/a/10.jpg",
        "i/val/a/0.jpg",
    )
    folders = [
        FrameFolder(tmp_path / "m" / split, tmp_path / "i" / split, split, f"{split}/") for split in ("train", "val")
    ]
    found = pair_frames(tmp_path, folders)
    assert found.defects == ()
    assert [(each.image_id, each.sequence, each.frame, each.split) for each in found.entries] == [
        ("train/a/9.jpg", "train/a", 9, "train"),
        ("train/a/10.jpg", "train/a", 10, "train"),
        ("val/a/0.jpg", "val/a", 0, "val"),
    ], "a name that two splits have is told apart"


def test_what_stays_alone(tmp_path: Path) -> None:
    touch(
        tmp_path, "m/a/0.png", "m/a/1.png", "i/a/0.jpg", "i/a/2.jpg", "i/a/3.jpg", "m/b/0.png", "m/b/1.png", "i/c/0.jpg"
    )
    found = pair_frames(tmp_path, [FrameFolder(tmp_path / "m", tmp_path / "i")])
    assert [(each.file, each.image, each.message) for each in found.defects] == [
        ("m/a/1.png", "a/1.png", "a mask without image"),
        ("i/a", None, "2 of 4 frames have no mask: nobody annotated them"),
        ("m/b", None, "there are no images for these 2 masks"),
        ("i/c", None, "1 of 1 frames have no mask: nobody annotated them"),
    ]
    assert {each.code for each in found.defects} == {"SEG011"}
    assert sum(each.is_annotated for each in found.entries) == 4
    sparse = pair_frames(tmp_path, [FrameFolder(tmp_path / "m", tmp_path / "i")], sparse=True)
    assert [each.severity for each in sparse.defects] == [None, "info", None, "info"]


def test_a_second_file_of_a_frame(tmp_path: Path) -> None:
    touch(tmp_path, "m/a/0.png", "m/a/0.tif")
    found = pair_frames(tmp_path, [FrameFolder(tmp_path / "m")])
    assert [(each.code, each.file) for each in found.defects if each.severity is None] == [("SEG008", "m/a/0.tif")]
    assert len(found.entries) == 1
