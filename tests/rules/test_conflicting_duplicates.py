"""One image under two names: told where the masks differ, by the same annotator, and only there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.finding import Finding

Json = dict[str, Any]  # Any: JSON
SQUARE = [10, 10, 50, 10, 50, 50, 10, 50]
SMALLER = [15, 15, 45, 15, 45, 45, 15, 45]
SHIFTED = [11, 10, 51, 10, 51, 50, 11, 50]


def write(folder: Path, images: dict[str, tuple[int, list[list[float]]]], brighter: str = "") -> Path:
    """A COCO file; `images`: name -> the seed of its picture, and its polygons, all of one category."""
    document: Json = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "cup"}],
    }
    for number, (name, (seed, polygons)) in enumerate(images.items(), start=1):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        blobs = Image.fromarray(np.random.default_rng(seed).integers(0, 220, (9, 12), np.uint8))
        pixels = np.asarray(blobs.resize((96, 72), Image.Resampling.BICUBIC))
        Image.fromarray(np.minimum(pixels.astype(int) + 15 * (name == brighter), 255).astype(np.uint8)).save(path)
        document["images"].append({"id": number, "file_name": name, "width": 96, "height": 72})
        for polygon in polygons:
            about = {"id": len(document["annotations"]) + 1, "image_id": number, "category_id": 1, "iscrowd": 0}
            document["annotations"].append(about | {"segmentation": [polygon], "area": 1, "bbox": [0, 0, 1, 1]})
    (folder / "a.json").write_text(json.dumps(document))
    return folder / "a.json"


def conflicts(path: Path, jobs: int = 1) -> tuple[Finding, ...]:
    return segdata.validate(path, select="SEG305", jobs=jobs, one_by_one=True).findings


def test_other_masks_on_the_same_file_are_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, {"a.png": (1, [SQUARE]), "b.png": (2, [SQUARE]), "c.png": (1, [SMALLER])})
    (found,) = conflicts(path)
    assert (found.image, found.severity, found.category, found.pixels) == ("c.png", "error", "cat", 40 * 40 - 30 * 30)
    assert found.message.endswith("IoU below 0.8: cat 0.56")
    assert found.message.startswith("the same file as a.png")


@pytest.mark.parametrize("polygons", [[SQUARE], [SHIFTED]])
def test_the_same_masks_and_nearly_the_same_are_fine(tmp_path: Path, polygons: list[list[float]]) -> None:
    assert conflicts(write(tmp_path, {"a.png": (1, [SQUARE]), "b.png": (1, polygons)})) == ()


def test_how_pixels_are_cut_into_instances_does_not_matter(tmp_path: Path) -> None:
    halves: list[list[float]] = [[10, 10, 30, 10, 30, 50, 10, 50], [25, 10, 50, 10, 50, 50, 25, 50]]
    assert conflicts(write(tmp_path, {"a.png": (1, [SQUARE]), "b.png": (1, halves)})) == ()


def test_a_picture_saved_again_is_a_warning_where_there_are_splits(tmp_path: Path) -> None:
    images = {"train/a.png": (1, [SQUARE]), "train/b.jpg": (1, [SMALLER]), "val/c.png": (2, [SQUARE])}
    (found,) = conflicts(write(tmp_path, images, brighter="train/b.jpg"))
    assert (found.image, found.severity) == ("train/b.jpg", "warning")
    unsplit = {name.partition("/")[2]: each for name, each in images.items()}
    assert conflicts(write(tmp_path / "unsplit", unsplit, brighter="b.jpg")) == ()


def series(names: list[str], seeds: list[int]) -> dict[str, tuple[int, list[list[float]]]]:
    """Images whose things move: every second one has other masks."""
    pairs = zip(names, seeds, strict=True)
    return {name: (seed, [SQUARE if place % 2 else SMALLER]) for place, (name, seed) in enumerate(pairs)}


@pytest.mark.parametrize("pattern", ["0016E5_{:05}.png", "cam-1 frame {} left.png", "{:06}.png"])
def test_frames_that_only_their_names_tell_are_no_conflicts(tmp_path: Path, pattern: str) -> None:
    names = [("train/" if number % 3 else "val/") + pattern.format(30 * number) for number in range(9)]
    brighter = names[4]  # the others are not the same file either, as far as the rule is concerned
    images = series(names, [1] * 9)
    path = write(tmp_path, images, brighter=brighter)
    assert [found for found in conflicts(path) if found.severity == "warning"] == []


def test_frames_of_roboflow_are_frames_but_none_may_lack_what_covers_an_eighth(tmp_path: Path) -> None:
    folders = ("val", "train", "train")
    names = [f"{folders[number % 3]}/frame_{number:04}_jpg.rf.{number:032x}.jpg" for number in range(9)]
    images = series(names, [1] * 9)
    assert [found for found in conflicts(write(tmp_path, images, brighter=names[4])) if found.image == names[4]] == []
    path = write(tmp_path, images, brighter=names[4])
    document = json.loads(path.read_text())
    document["annotations"][4]["category_id"] = 2  # what was a cat of 900 of 6,912 px is a cup
    path.write_text(json.dumps(document))
    warnings = [found for found in conflicts(path) if found.severity == "warning"]
    assert warnings
    assert all(names[4] in (found.image, found.message.split(", but")[0].split()[-1]) for found in warnings)


@pytest.mark.parametrize(
    ("first", "copy", "expected"),
    [
        (f"train/a_jpg.rf.{1:032x}.jpg", f"val/a_jpg.rf.{4096:032x}.jpg", 0),
        (f"train/a_jpg.rf.{1:032x}.jpg", f"val/b_jpg.rf.{4096:032x}.jpg", 1),
        ("train/a.jpg", "train/a_aug.jpg", 0),
        ("train/a.jpg", "val/a.jpg", 1),
    ],
)
def test_copies_that_a_program_altered_are_no_conflicts(tmp_path: Path, first: str, copy: str, expected: int) -> None:
    """It turned a little, or had something pasted into it, and its labels as much."""
    pair = {first: (1, [SQUARE]), copy: (1, [SMALLER])}
    assert len(conflicts(write(tmp_path, pair, brighter=copy))) == expected
    same_file = write(tmp_path / "same", pair)
    assert len(conflicts(same_file)) == 1


def test_a_photo_saved_again_far_from_its_number_is_a_conflict(tmp_path: Path) -> None:
    names = [f"train/IMG_{number:04}.png" for number in range(1, 12)] + ["val/IMG_0100.png", "train/IMG_0500.png"]
    path = write(tmp_path, series(names, [*range(1, 12), 77, 2]), brighter="train/IMG_0500.png")
    assert [(found.image, found.severity) for found in conflicts(path)] == [("train/IMG_0500.png", "warning")]
    names[-1] = "train/IMG_0003.5.png"  # no longer of the series
    assert len(conflicts(write(tmp_path / "x", series(names, [*range(1, 12), 77, 2]), brighter=names[-1]))) == 1


def test_neighbours_in_a_series_are_shots_of_things_that_move(tmp_path: Path) -> None:
    names = [f"train/IMG_{number:04}.png" for number in range(1, 12)] + ["val/IMG_0100.png"]
    path = write(tmp_path, series(names, [1, 1, *range(3, 12), 77]), brighter="train/IMG_0002.png")
    assert conflicts(path) == ()


@pytest.mark.parametrize(("step", "expected"), [(30, []), (1, ["train/t00208.png"])])
def test_every_thirtieth_frame_is_one_of_a_film_also_far_apart(tmp_path: Path, step: int, expected: list[str]) -> None:
    """A teacher was at the same place nine frames later, and stood in another way."""
    names = [f"{'train' if k else 'val'}/t{200 + step * k:05}.png" for k in range(11)]
    path = write(tmp_path, series(names, [1, *range(2, 9), 2, 11, 12]), brighter=names[8])
    assert [found.image for found in conflicts(path)] == expected


@pytest.mark.parametrize(("film", "expected"), [("lake_MP4-", 0), ("lake-", 1)])
def test_what_roboflow_cut_from_a_film_is_one_however_far_apart(tmp_path: Path, film: str, expected: int) -> None:
    """A drone stands over a lake, and two people there moved within seven frames."""
    names = [f"{'train' if k else 'val'}/{film}{200 + k:04}_jpg.rf.{k:032x}.png" for k in range(11)]
    path = write(tmp_path, series(names, [1, *range(2, 9), 2, 11, 12]), brighter=names[8])
    assert len(conflicts(path)) == expected


def test_photographs_numbered_by_tens_with_gaps_are_no_film(tmp_path: Path) -> None:
    names = [f"{'train' if k else 'val'}/leaf{1000 + 10 * k * k:05}.png" for k in range(11)]
    path = write(tmp_path, series(names, [1, *range(2, 9), 2, 11, 12]), brighter=names[8])
    assert [found.image for found in conflicts(path)] == [names[8]]


def shots(*again: int) -> tuple[list[str], list[int]]:
    """The names of 40 shots and the seeds of their pictures; `again`: those that look like the one two before."""
    seeds = list(range(100, 140))
    for place in again:
        seeds[place] = seeds[place - 2]
    return [f"train/shot_{number:03}.png" for number in range(39)] + ["val/shot_039.png"], seeds


def test_shots_that_look_alike_near_each_other_are_a_sequence_and_one_far_away_is_a_copy(tmp_path: Path) -> None:
    """Slices of one scan: three look like the one before the last, and one like the first, far away."""

    def found(folder: Path, seeds: list[int]) -> list[str | None]:
        images = {
            name: (seed, [SQUARE if place % 4 < 2 else SMALLER])
            for place, (name, seed) in enumerate(zip(names, seeds, strict=True))
        }
        path = write(folder, images)
        for place, name in enumerate(names):  # no two are the same file
            file = folder / "images" / name
            pixels = np.array(Image.open(file))
            pixels[0, place] ^= 1
            Image.fromarray(pixels).save(file)
        return [finding.image for finding in conflicts(path)]

    names, seeds = shots(5, 15, 25)
    assert found(tmp_path / "scan", seeds) == []
    names, seeds = shots(25)
    assert found(tmp_path / "one pair is no law", seeds) == [names[25]]
    names, seeds = shots(5, 15, 25)
    seeds[34] = seeds[0]
    assert found(tmp_path / "copy", seeds) == [names[34]]


def test_what_is_found_does_not_depend_on_threads(tmp_path: Path) -> None:
    images = {f"{n}.png": (n % 5, [SQUARE if n < 20 else SMALLER]) for n in range(60)}
    path = write(tmp_path, images)
    assert len(conflicts(path)) == 40
    assert conflicts(path, jobs=3) == conflicts(path)


def test_an_image_that_nobody_annotated_contradicts_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, {"a.png": (1, [SQUARE]), "b.png": (1, [])})
    (found,) = conflicts(path)
    assert found.message.endswith("cat 0.00")  # COCO: an image of the file is annotated, with nothing
    segdata.convert(path, tmp_path / "canonical")
    assert len(conflicts(tmp_path / "canonical")) == 1


def test_real_data_have_none(real_data: Path) -> None:
    for name in ("coco_tiny/annotations/instances_train2017.json", "gbm40_nuclei/instances.json", "via_kudzu"):
        assert segdata.validate(real_data / name, select=["SEG304", "SEG305"]).findings == ()


def test_a_scan_twice_is_compared_slice_by_slice(tmp_path: Path) -> None:
    """Also where the first slices have no labels; two scans of different bytes are not compared."""
    nib = pytest.importorskip("nibabel")
    rng = np.random.default_rng(0)
    scans = [rng.integers(0, 900, (20, 24, 3)).astype(np.int16) for _ in range(2)]
    names = {"background": 0, "cat": 1}
    content = {"channel_names": {"0": "CT"}, "labels": names, "numTraining": 3, "file_ending": ".nii"}
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    for number, (scan, side) in enumerate([(0, 12), (1, 6), (0, 8)]):
        labels = np.zeros((20, 24, 3), np.uint8)
        labels[2 : 2 + side, 2 : 2 + side, 1:] = 1
        nib.save(nib.Nifti1Image(scans[scan], np.eye(4)), tmp_path / f"imagesTr/c_{number}_0000.nii")
        nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / f"labelsTr/c_{number}.nii")
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    findings = conflicts(tmp_path)
    assert [one.image for one in findings] == ["c_2.nii/0001", "c_2.nii/0002"]
    assert findings[0].message.startswith("the same file as c_0.nii/0001")
