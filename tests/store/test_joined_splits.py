"""Splits in files or folders of their own are one dataset: what each part holds, with its split and one taxonomy."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.paths import split_of_name

Square = tuple[int, int, int]  # left, top, side


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    blobs = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (9, 12), np.uint8))
    blobs.resize((96, 72), Image.Resampling.BICUBIC).save(path)


def coco(
    path: Path,
    images: Mapping[str, Sequence[tuple[str, Square]]],
    names: Mapping[str, int],
    parents: Mapping[str, str] | None = None,
) -> None:
    """A document; `images`: file name -> category and square of each segment; `names`: category -> id."""
    annotations: list[dict[str, Any]] = []
    for number, squares in enumerate(images.values(), 1):
        for name, (x, y, side) in squares:
            ring = [x, y, x + side, y, x + side, y + side, x, y + side]
            identity = {"id": len(annotations) + 1, "image_id": number, "category_id": names[name]}
            box = {"area": side * side, "bbox": [x, y, side, side], "iscrowd": 0}
            annotations.append({**identity, **box, "segmentation": [ring]})
    entries = [{"id": n, "file_name": name, "width": 96, "height": 72} for n, name in enumerate(images, 1)]
    categories = [
        {"id": id_, "name": name, "supercategory": (parents or {}).get(name, name)} for name, id_ in names.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": entries, "annotations": annotations, "categories": categories}))


def rows(data: OpenDataset) -> list[tuple[str, str | None, str, int]]:
    """Image, split, category and area of each segment."""
    images = data.images.set_index("image_id")
    return sorted(
        (image, images["split"][image], data.taxonomy.name_of(int(category)), int(area))
        for image, category, area in zip(
            data.segments["image_id"], data.segments["category_id"], data.segments["area"], strict=True
        )
    )


def mappings(data: OpenDataset) -> list[Finding]:
    return list(segdata.validate(data, select=["SEG202"]).findings)


TRAIN = {"a.png": [("car", (2, 2, 10)), ("bus", (20, 20, 20))], "b.png": [("car", (5, 5, 6))]}
VAL = {"c.png": [("bus", (1, 1, 30))]}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_train2017", "train"),
        ("instances_val2017", "val"),
        ("Valid", "val"),
        ("validation", "val"),
        ("lvis_v1_train", "train"),
        ("image_info_test-dev2017", "test-dev"),
        ("training", "train"),
        ("train.coco", "train"),
        ("annotations", None),
        ("trainannot", None),
        ("contest", None),
        ("train_val", None),
        ("train2017b", None),
    ],
)
def test_splits_are_told_by_words(name: str, split: str | None) -> None:
    assert split_of_name(name) == split


def test_documents_of_splits_are_one_dataset(tmp_path: Path) -> None:
    coco(tmp_path / "annotations" / "instances_train2017.json", TRAIN, {"car": 1, "bus": 2})
    coco(tmp_path / "annotations" / "instances_val2017.json", VAL, {"car": 1, "bus": 2})
    for seed, name in enumerate(("train2017/a.png", "train2017/b.png", "val2017/c.png")):
        picture(tmp_path / name, seed)
    data = segdata.read(tmp_path)
    assert rows(data) == [
        ("a.png", "train", "bus", 400),
        ("a.png", "train", "car", 100),
        ("b.png", "train", "car", 36),
        ("c.png", "val", "bus", 900),
    ]
    assert (data.profile.format, data.profile.name) == ("coco-instances", tmp_path.name)
    assert [Path(uri).parent.name for uri in data.images["uri"]] == ["train2017", "train2017", "val2017"]
    assert segdata.validate(data, select=["SEG0", "SEG2"]).findings == ()


def test_captions_and_keypoints_beside_instances_are_left_out_and_named(tmp_path: Path) -> None:
    for kind in ("instances", "captions", "person_keypoints"):
        coco(tmp_path / "annotations" / f"{kind}_train2017.json", TRAIN, {"car": 1, "bus": 2})
        coco(tmp_path / "annotations" / f"{kind}_val2017.json", VAL, {"car": 1, "bus": 2})
    data = segdata.read(tmp_path)
    assert len(data) == 3
    unread = [defect.file for defect in data.source.defects if defect.code == "SEG011"]
    assert sorted(filter(None, unread))[:2] == [
        "annotations/captions_train2017.json",
        "annotations/captions_val2017.json",
    ]
    assert len(unread) == 4


def test_a_document_of_all_beside_those_of_splits_is_named_and_not_read(tmp_path: Path) -> None:
    coco(tmp_path / "train_annotations.json", TRAIN, {"car": 1, "bus": 2})
    coco(tmp_path / "test_annotations.json", VAL, {"car": 1, "bus": 2})
    coco(tmp_path / "project_coco.json", {**TRAIN, **VAL}, {"car": 1, "bus": 2})
    data = segdata.read(tmp_path)
    assert [split for _, split, *_ in rows(data)] == ["train", "train", "train", "test"]
    assert [defect.file for defect in data.source.defects if defect.code == "SEG011"] == ["project_coco.json"]


@pytest.mark.parametrize("names", [("a", "b"), ("train", "train_old"), ("old_train", "new_val"), ("v1", "v2", "v3")])
def test_documents_that_are_no_splits_are_not_joined(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        coco(tmp_path / f"{name}.json", TRAIN, {"car": 1, "bus": 2})
    with pytest.raises(SegdataError, match="name one of them"):
        segdata.read(tmp_path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_folders_of_splits_are_one_dataset(tmp_path: Path, suffix: str) -> None:
    """Roboflow's layout: images with the suffix of masks change nothing."""
    for folder, images in (("train", TRAIN), ("valid", VAL), ("test", VAL)):
        named = {name.replace(".png", suffix): squares for name, squares in images.items()}
        coco(tmp_path / folder / "_annotations.coco.json", named, {"car": 1, "bus": 2})
        for seed, name in enumerate(named):
            picture(tmp_path / folder / name, seed + 7 * len(folder))
    data = segdata.read(tmp_path)
    splits = dict(zip(data.images["image_id"], data.images["split"], strict=True))
    assert splits == {
        f"train/a{suffix}": "train",
        f"train/b{suffix}": "train",
        f"valid/c{suffix}": "val",
        f"test/c{suffix}": "test",
    }
    assert set(data.segments["file"]) == {f"{name}/_annotations.coco.json" for name in ("train", "valid", "test")}


def test_images_of_one_name_in_two_splits_stay_two(tmp_path: Path) -> None:
    coco(tmp_path / "train.json", TRAIN, {"car": 1, "bus": 2})
    coco(tmp_path / "val.json", {"a.png": [("bus", (3, 3, 5))]}, {"car": 1, "bus": 2})
    assert rows(segdata.read(tmp_path)) == [
        ("b.png", "train", "car", 36),
        ("train/a.png", "train", "bus", 400),
        ("train/a.png", "train", "car", 100),
        ("val/a.png", "val", "bus", 25),
    ]


def test_images_are_found_below_the_folder_that_is_given(tmp_path: Path) -> None:
    coco(tmp_path / "labels" / "instances_train2017.json", TRAIN, {"car": 1, "bus": 2})
    coco(tmp_path / "labels" / "instances_val2017.json", VAL, {"car": 1, "bus": 2})
    for seed, name in enumerate(("train2017/a.png", "train2017/b.png", "val2017/c.png")):
        picture(tmp_path / "pictures" / name, seed)
    for data in (tmp_path / "labels", tmp_path / "labels" / "instances_val2017.json"):
        opened = segdata.read(data, images=tmp_path / "pictures")
        assert all(Path(uri).is_file() for uri in opened.images["uri"])
        assert segdata.validate(opened, select=["SEG002"]).findings == ()


def test_ids_that_are_exchanged_are_found_and_names_decide(tmp_path: Path) -> None:
    coco(tmp_path / "train.json", TRAIN, {"car": 1, "bus": 2, "dog": 3})
    coco(tmp_path / "val.json", VAL, {"car": 2, "bus": 1, "dog": 3})
    data = segdata.read(tmp_path)
    assert ("c.png", "val", "bus", 900) in rows(data)
    (found,) = mappings(data)
    assert (found.severity, found.file) == ("error", "val.json")
    assert "'bus' and 'car' have exchanged their ids: 1 and 2 here, 2 and 1 in train.json" in found.message


@pytest.mark.parametrize(
    ("there", "parents", "severity", "words"),
    [
        ({"car": 1, "van": 2}, {}, "error", "2 is 'van' here and 'bus' in train.json"),
        ({"car": 1, "bus": 5}, {}, "warning", "'bus' is 5 here and 2 in train.json"),
        ({"car": 1, "Bus ": 2}, {}, "warning", "'Bus ' here and 'bus' in train.json differ only in case or spaces"),
        ({"car": 1, "bus": 2}, {"bus": "animal"}, "warning", "'bus' is of 'animal' here, of None there"),
        ({"car": 1, "bus": 2, "dog": 3}, {}, None, ""),
        ({"car": 1}, {}, None, ""),
    ],
)
def test_what_two_files_mean_by_a_category(
    tmp_path: Path, there: Mapping[str, int], parents: Mapping[str, str], severity: str | None, words: str
) -> None:
    coco(tmp_path / "train.json", TRAIN, {"car": 1, "bus": 2})
    coco(tmp_path / "val.json", {"c.png": [("car", (1, 1, 30))]}, there, parents)
    data = segdata.read(tmp_path)
    assert ("c.png", "val", "car", 900) in rows(data)
    found = mappings(data)
    assert [each.severity for each in found] == ([severity] if severity else [])
    assert all(words in each.message and each.file == "val.json" for each in found)


def test_a_users_taxonomy_decides_for_all(tmp_path: Path) -> None:
    coco(tmp_path / "train.json", TRAIN, {"car": 1, "bus": 2})
    coco(tmp_path / "val.json", {"c.png": [("bus", (1, 1, 30)), ("yak", (40, 1, 4))]}, {"bus": 1, "yak": 2})
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 7, name: car}, {id: 8, name: bus}]\n")
    data = segdata.read(tmp_path)
    areas = {(data.profile.name_of(int(id_)), int(area)) for id_, area in data.segments[["category_id", "area"]].values}
    assert areas == {("car", 100), ("car", 36), ("bus", 400), ("bus", 900), ("yak", 16)}
    assert [category.id for category in data.taxonomy.categories] == [7, 8]


def masks(folder: Path, seeds: Mapping[str, int]) -> None:
    """Images and masks in a folder, and what the values mean."""
    for name, seed in seeds.items():
        picture(folder / "images" / name, seed)
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(np.full((72, 96), 1, np.uint8)).save(folder / "masks" / name)
    (folder / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}]\n")


def test_masks_in_folders_of_splits_and_a_leak_between_them(tmp_path: Path) -> None:
    masks(tmp_path / "train", {"a.png": 1, "b.png": 2})
    masks(tmp_path / "val", {"a.png": 3, "c.png": 1})
    data = segdata.read(tmp_path)
    assert list(data.images["image_id"]) == ["train/a.png", "train/b.png", "val/a.png", "val/c.png"]
    (leak,) = segdata.validate(data, select=["SEG304"]).findings
    assert (leak.image, leak.severity) == ("val/c.png", "error")
    assert segdata.validate(data, select=["SEG0"]).findings == ()


def test_a_category_that_splits_mean_as_two_kinds_is_one_and_told(tmp_path: Path) -> None:
    masks(tmp_path / "train", {"a.png": 1})
    masks(tmp_path / "val", {"b.png": 2})
    (tmp_path / "val" / "taxonomy.yaml").write_text("categories: [{id: 1, name: a, kind: stuff}]\n")
    data = segdata.read(tmp_path)
    assert [(category.name, category.kind) for category in data.taxonomy.categories] == [("a", "thing")]
    (found,) = mappings(data)
    assert found.message.startswith("'a' is stuff here, thing in train")


@pytest.mark.parametrize("drawn", [False, True])
def test_two_datasets_in_a_folder_are_not_one(tmp_path: Path, drawn: bool) -> None:
    """Drawings look like masks, photographs do not: both are refused, and the datasets are named."""
    masks(tmp_path / "street", {"a.png": 1, "b.png": 2})
    masks(tmp_path / "field", {"a.png": 3, "c.png": 1})
    for path in tmp_path.rglob("images/*.png") if drawn else ():
        Image.fromarray(np.tri(72, 96, dtype=np.uint8)).save(path)
    with pytest.raises(SegdataError, match=r"field \(colour-masks\), street \(colour-masks\)"):
        segdata.read(tmp_path)


def test_a_converted_dataset_keeps_its_splits(tmp_path: Path) -> None:
    coco(tmp_path / "in" / "train.json", TRAIN, {"car": 1, "bus": 2})
    coco(tmp_path / "in" / "val.json", VAL, {"car": 1, "bus": 2})
    segdata.convert(tmp_path / "in", tmp_path / "out", to="canonical")
    assert rows(segdata.read(tmp_path / "out")) == rows(segdata.read(tmp_path / "in"))


def test_only_a_changed_image_is_read_again(tmp_path: Path) -> None:
    """What a validation remembers is the same as what it measures."""
    masks(tmp_path / "train", {"a.png": 1, "b.png": 2})
    masks(tmp_path / "val", {"a.png": 3, "c.png": 4})
    for seed in (4, 1):
        picture(tmp_path / "val" / "images" / "c.png", seed)
        cached = segdata.read(tmp_path, cache=tmp_path.parent / f"cache-{tmp_path.name}")
        fresh = segdata.read(tmp_path)
        assert segdata.validate(cached).findings == segdata.validate(fresh).findings


def test_merged_files_of_splits_keep_their_splits_and_no_annotators(tmp_path: Path) -> None:
    """Names of files are splits, not annotators; images of two splits are two, whatever they are called."""
    coco(tmp_path / "instances_train2017.json", TRAIN, {"car": 1, "bus": 2})
    coco(tmp_path / "instances_val2017.json", {"a.png": [("bus", (3, 3, 5))]}, {"car": 2, "bus": 1})
    result = segdata.merge(
        [tmp_path / "instances_train2017.json", tmp_path / "instances_val2017.json"], tmp_path / "both"
    )
    both = segdata.read(tmp_path / "both")
    assert rows(both) == [
        ("a.png", "train", "bus", 400),
        ("a.png", "train", "car", 100),
        ("b.png", "train", "car", 36),
        ("val/a.png", "val", "bus", 25),
    ]
    assert both.annotations["annotator"].isna().all()
    assert result.n_shared == 0
    assert "image 'a.png' of instances_val2017 is in another split: it is 'val/a.png'" in result.remarks
    assert any("have exchanged their ids" in remark for remark in result.remarks)


def test_merged_files_of_one_split_are_annotators(tmp_path: Path) -> None:
    coco(tmp_path / "anna" / "val.json", {"a.png": [("bus", (3, 3, 9))]}, {"car": 1, "bus": 2})
    coco(tmp_path / "bob" / "val.json", {"a.png": [("bus", (3, 3, 5))]}, {"car": 1, "bus": 2})
    result = segdata.merge([tmp_path / "anna" / "val.json", tmp_path / "bob" / "val.json"], tmp_path / "both")
    both = segdata.read(tmp_path / "both")
    assert rows(both) == [("a.png", "val", "bus", 25), ("a.png", "val", "bus", 81)]
    assert result.n_shared == 1


def test_a_split_that_images_have_goes_before_the_name_of_their_folder(tmp_path: Path) -> None:
    coco(tmp_path / "train.json", {"a.png": [("bus", (3, 3, 5))]}, {"car": 1, "bus": 2})
    coco(tmp_path / "val.json", {"b.png": [("bus", (3, 3, 9))]}, {"car": 1, "bus": 2})
    segdata.merge([tmp_path / "train.json", tmp_path / "val.json"], tmp_path / "test")
    coco(tmp_path / "more.json", {"a.png": [("bus", (3, 3, 5))], "c.png": []}, {"car": 1, "bus": 2})
    segdata.merge([tmp_path / "test", tmp_path / "more.json"], tmp_path / "all")
    images = segdata.read(tmp_path / "all").images
    splits = [None if split != split else split for split in images["split"]]
    assert dict(zip(images["image_id"], splits, strict=True)) == {"a.png": "train", "b.png": "val", "c.png": None}


def test_documents_of_splits_go_before_a_folder_called_masks(tmp_path: Path) -> None:
    """As published: three COCO files with their images, and ten pictures of masks without images."""
    for number, split in enumerate(("train", "valid")):
        coco(tmp_path / split / "_annotations.coco.json", {f"{split}.png": [("car", (8, 8, 20))]}, {"car": 1})
        picture(tmp_path / split / f"{split}.png", number)
    (tmp_path / "masks" / "test").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (96, 72), (255, 0, 40 * number)).save(tmp_path / "masks" / "test" / f"mask_{number}.png")
    data = segdata.read(tmp_path)
    assert data.profile.format == "coco-instances"
    assert rows(data) == [("train/train.png", "train", "car", 400), ("valid/valid.png", "val", "car", 400)]
    assert [defect.file for defect in data.source.defects if defect.code == "SEG011"] == ["masks"]


@pytest.mark.parametrize("is_copy", [True, False])
def test_a_document_beside_the_folders_of_splits_hides_none_of_them(tmp_path: Path, is_copy: bool) -> None:
    for number, split in enumerate(("train", "valid")):
        coco(tmp_path / split / "_annotations.coco.json", {f"{split}.png": [("car", (8, 8, 20))]}, {"car": 1})
        picture(tmp_path / split / f"{split}.png", number)
    if is_copy:
        shutil.copy(tmp_path / "train/_annotations.coco.json", tmp_path)
    else:
        coco(tmp_path / "_annotations.coco.json", {"other.png": [("car", (8, 8, 20))]}, {"car": 1})
    data = segdata.read(tmp_path)
    unread = data.validate(select="SEG011").findings
    if is_copy:
        assert rows(data) == [("train/train.png", "train", "car", 400), ("valid/valid.png", "val", "car", 400)]
        assert [finding.file for finding in unread] == ["_annotations.coco.json"]
    else:
        assert list(data.image_ids) == ["other.png"]
        assert "labels in train/ and valid/ are not read" in unread[0].message


def test_labels_of_another_format_beside_those_that_are_read_are_named(tmp_path: Path) -> None:
    for split in ("train", "val"):
        picture(tmp_path / split / "images" / "a.png", 1)
        (tmp_path / split / "labels").mkdir()
        (tmp_path / split / "labels" / "a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.6\n")
    (tmp_path / "data.yaml").write_text("names: [car]\ntrain: train/images\nval: val/images\n")
    assert segdata.validate(tmp_path, select="SEG011").findings == ()
    coco(tmp_path / "test" / "_annotations.coco.json", {"b.png": [("car", (8, 8, 20))]}, {"car": 1})
    (finding,) = segdata.validate(tmp_path, select="SEG011").findings
    assert finding.message == "labels in test/ are not read; give test as DATA to read them"


def test_a_guess_that_all_splits_share_is_said_once(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number in range(3):
            picture(tmp_path / split / "img" / f"{number}.png", number + 3 * len(split))
            (tmp_path / split / "gt").mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.eye(72, 96, dtype=np.uint8) * 255).save(tmp_path / split / "gt" / f"{number}_gt.png")
    (finding,) = segdata.validate(tmp_path, select="SEG219").findings
    assert f"`segdata init {tmp_path}` writes" in finding.message
    assert f"`segdata init {tmp_path}` writes" in str(segdata.read(tmp_path).profile.provisional)


def test_an_image_that_no_document_of_the_splits_names_is_told_once(tmp_path: Path) -> None:
    for split, image in (("train", "a.png"), ("val", "b.png")):
        coco(tmp_path / "annotations" / f"instances_{split}.json", {image: [("car", (8, 8, 20))]}, {"car": 1})
    for name in ("a.png", "b.png", "c.png"):
        picture(tmp_path / "images" / name, 1)
    (finding,) = segdata.validate(tmp_path, select="SEG011").findings
    assert finding.message == "image file that no document names (instances_train.json, instances_val.json)"
