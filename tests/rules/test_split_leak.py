"""One image in two splits is told, saved again too; copies within a split, and files of the same size, are not."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import segdata
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset


def dataset(folder: Path, pictures: dict[str, int], side: int = 4) -> OpenDataset:
    """Masks in folders that are splits; `pictures`: image -> the seed of its pixels."""
    for name, seed in pictures.items():
        image, mask = folder / "images" / name, folder / "masks" / name
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side), np.uint8)).save(
            image, compress_level=0
        )
        Image.fromarray(np.ones((side, side), np.uint8)).save(mask)
    (folder / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}]\n")
    return segdata.read(folder, format="colour-masks")


def leaks(data: OpenDataset) -> list[tuple[str | None, str]]:
    found = segdata.validate(data, select=["SEG304"]).findings
    return [(each.image, each.message) for each in found]


def test_a_copy_in_another_split_is_told(tmp_path: Path) -> None:
    data = dataset(tmp_path, {"train/a.png": 1, "train/b.png": 2, "val/c.png": 1})
    assert leaks(data) == [("val/c.png", "the same file as train/a.png, byte by byte: one is in train, this in val")]


def test_copies_in_a_split_and_files_of_one_size_are_fine(tmp_path: Path) -> None:
    assert leaks(dataset(tmp_path, {"train/a.png": 1, "train/b.png": 1, "val/c.png": 2})) == []


def saved_again(folder: Path, names: dict[str, int]) -> OpenDataset:
    """Blobs in folders that are splits; `names`: image -> the seed of its blobs. JPEGs are brighter, and noisy."""
    for name, seed in names.items():
        image, mask = folder / "images" / name, folder / "masks" / Path(name).with_suffix(".png")
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        blobs = Image.fromarray(np.random.default_rng(seed).integers(0, 220, (9, 12), np.uint8))
        larger = np.asarray(blobs.resize((96, 72), Image.Resampling.BICUBIC)).astype(int)
        noise = np.random.default_rng(0).integers(0, 40, larger.shape) * name.endswith("jpg")
        Image.fromarray(np.minimum(larger + noise, 255).astype(np.uint8)).save(image)
        Image.fromarray(np.ones((72, 96), np.uint8)).save(mask)
    (folder / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}]\n")
    return segdata.read(folder, format="colour-masks")


def test_a_picture_saved_again_in_another_split_is_a_warning(tmp_path: Path) -> None:
    data = saved_again(tmp_path, {"train/a.png": 1, "train/b.png": 2, "train/c.jpg": 2, "val/d.jpg": 1})
    (found,) = segdata.validate(data, select="SEG304").findings
    assert (found.image, found.severity) == ("val/d.jpg", "warning")
    assert re.fullmatch(
        r"nearly the same as train/a.png \(\d+ of 256 bits .*: one is in train, this in val", found.message
    )


def test_pictures_of_one_smooth_light_are_no_copies(tmp_path: Path) -> None:
    """Skies that grow darker to the right, with a spot of their own and noise; one of them is there twice."""
    spots = {"train/a.png": (30, 90), "train/b.png": (120, 40), "val/c.png": (60, 60), "val/d.jpg": (30, 90)}
    for name, (down, right) in spots.items():
        image, mask = tmp_path / "images" / name, tmp_path / "masks" / Path(name).with_suffix(".png")
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        sky = np.linspace(200, 40, 160) + np.random.default_rng(down).normal(0, 3, (160, 160))
        sky[down : down + 12, right : right + 12] += 50
        Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8)).save(image, quality=95)
        Image.fromarray(np.ones((160, 160), np.uint8)).save(mask)
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}]\n")
    found = segdata.validate(segdata.read(tmp_path, format="colour-masks"), select="SEG304").findings
    assert [(one.image, one.message.split(" (")[0]) for one in found] == [
        ("val/d.jpg", "nearly the same as train/a.png")
    ]


def test_drawings_that_differ_in_a_needle_are_two_images(tmp_path: Path) -> None:
    """Of 145 gauges, drawn by a program, 28 were nearly the same as another one; a copy saved again is one."""
    gauges = {"train/a.png": 201.0, "train/b.png": 60.0, "val/c.png": 203.0, "val/d.jpg": 60.0, "test/e.png": 61.0}
    for name, degrees in gauges.items():
        image, mask = tmp_path / "images" / name, tmp_path / "masks" / Path(name).with_suffix(".png")
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        gauge, tip = Image.new("RGB", (640, 640)), np.deg2rad(degrees)
        draw = ImageDraw.Draw(gauge)
        draw.ellipse((108, 108, 534, 534), outline="white", width=6)
        draw.line((108, 320, 534, 320), fill="white", width=2)
        draw.line((320, 320, 320 + 190 * np.cos(tip), 320 - 190 * np.sin(tip)), fill="red", width=6)
        gauge.save(image, quality=30)
        Image.fromarray(np.ones((640, 640), np.uint8)).save(mask)
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}]\n")
    found = segdata.validate(segdata.read(tmp_path, format="colour-masks"), select="SEG304").findings
    assert [(one.image, one.message.split(" (")[0]) for one in found] == [
        ("val/d.jpg", "nearly the same as train/b.png")
    ]


def test_fewer_bits_may_be_asked_for(tmp_path: Path) -> None:
    data = saved_again(tmp_path, {"train/a.png": 1, "val/d.jpg": 1})
    (told,) = leaks(data)
    bits = int(told[1].partition("(")[2].partition(" ")[0])
    for limit, n in ((bits, 1), (bits - 1, 0)):
        config = Config(rules={"SEG304": {"max_bits": limit}})
        assert len(segdata.validate(replace(data, config=config), select="SEG304").findings) == n


def test_without_splits_nothing_is_read(tmp_path: Path) -> None:
    assert leaks(dataset(tmp_path, {"a.png": 1, "b.png": 1})) == []


def test_a_volume_that_training_and_test_share_is_told_once(tmp_path: Path) -> None:
    """nnU-Net keeps its test images in a folder of their own; a volume is one file, of many images."""
    nibabel = pytest.importorskip("nibabel")
    for name, seed in (("imagesTr/a_0000", 1), ("imagesTr/b_0000", 2), ("imagesTs/c_0000", 2), ("imagesTs/d_0000", 3)):
        values = np.random.default_rng(seed).normal(0, 1, (6, 5, 4)).astype(np.float32)
        path = tmp_path / f"{name}.nii"
        path.parent.mkdir(exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    (tmp_path / "labelsTr").mkdir()
    for case in "ab":
        labels = np.ones((6, 5, 4), np.uint8)
        nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), tmp_path / "labelsTr" / f"{case}.nii")
    (tmp_path / "dataset.json").write_text(
        json.dumps(
            {
                "channel_names": {"0": "MR"},
                "labels": {"background": 0, "organ": 1},
                "numTraining": 2,
                "file_ending": ".nii",
            }
        )
    )
    ((image, message),) = leaks(segdata.read(tmp_path))
    assert str(image).startswith("c.nii/")
    assert message.startswith("the same file as b.nii/")


def test_an_image_without_split_is_no_leak(tmp_path: Path) -> None:
    data = saved_again(tmp_path, {"train/a.png": 1, "val/b.png": 2, "other/c.png": 1})
    for kind in ("images", "masks"):
        path = tmp_path / kind / "other/c.png"
        Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    assert leaks(data) == []


def test_augmented_copies_are_known_by_their_names(tmp_path: Path) -> None:
    """Roboflow calls them a_jpg.rf.<hash>.jpg; copies within a split are what augmentation makes."""
    names = (f"{stem}_png.rf.{digit * 32}.png" for stem, digit in zip("aabbc", "12345", strict=True))
    first, again, *others = names
    pictures = {f"train/{first}": 1, f"val/{again}": 2, f"train/{others[0]}": 3, f"train/{others[1]}": 4}
    found = leaks(dataset(tmp_path, pictures | {f"val/{others[2]}": 5}, side=32))
    how = "by the names that Roboflow gives to copies and tiles of one picture: one is in train, this in val"
    assert found == [(f"val/{again}", f"comes of the same picture as train/{first}, {how}")]


@pytest.mark.parametrize(("stem", "severity"), [("download-3-", "info"), ("n7_JPG", "info"), ("IMG_20231", "warning")])
def test_a_common_name_is_no_proof_of_one_picture(tmp_path: Path, stem: str, severity: str) -> None:
    """Two people who save the third picture of a search have two files of one name."""
    one, other = (f"{stem}_jpg.rf.{digit * 32}.png" for digit in "12")
    data = dataset(tmp_path, {f"train/{one}": 1, f"val/{other}": 2}, side=32)
    assert [found.severity for found in segdata.validate(data, select="SEG304").findings] == [severity]


@pytest.mark.parametrize(("n", "is_one"), [(8, True), (4, False)])
def test_frames_of_one_video_in_two_splits_are_one_finding(tmp_path: Path, n: int, is_one: bool) -> None:
    """The cause is one, however many frames there are; another picture's copy is another finding."""
    frames = {f"train/shot_{2 * k:03d}.png": k for k in range(n)} | {
        f"val/shot_{2 * k + 1:03d}.jpg": k for k in range(n)
    }
    others = {f"train/other {'abcdefghijklmnopqrstuvwxyz'[k]}.png": 100 + k for k in range(26)}
    data = saved_again(tmp_path, frames | others | {"val/copy.jpg": 105})
    told = segdata.validate(data, select="SEG304").findings
    assert [one.count for one in told] == ([n, 1] if is_one else [1] * (n + 1))
    if is_one:
        assert told[0].images == tuple(f"val/shot_{2 * k + 1:03d}.jpg" for k in range(n))
        assert told[0].message.startswith(
            f"{n} images, of the series shot_# and nearly the same as others of it (train and val)"
        )


def test_roboflow_names_say_copies_or_tiles(tmp_path: Path) -> None:
    """A name tells of one picture, not of how the images came of it: tiles have it, too."""
    shifts = {"train": 0, "val": 50}
    names = {f"{split}/{k:05d}_jpg.rf.{k + s:032x}.png": k + s for k in range(9) for split, s in shifts.items()}
    (told,) = segdata.validate(dataset(tmp_path, names, side=64), select="SEG304").findings
    assert (told.count, told.severity) == (9, "warning")
    assert told.message.startswith("9 images, copies or tiles that Roboflow made of pictures in another split")
