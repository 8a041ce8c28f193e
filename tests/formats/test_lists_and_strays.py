"""An image in the lists of two splits is a leak, and a counterpart in another split or folder is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.finding import Finding
from segdata.formats.shared.file_names import misnamed_images
from tests.generators.coco_documents import annotation, document, write_document


def findings(folder: Path, *codes: str) -> list[Finding]:
    return list(segdata.validate(folder, select=list(codes)).findings)


def picture(path: Path, value: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30), value, np.uint8)).save(path)


def voc(root: Path, lists: dict[str, str]) -> Path:
    for name in "abcd":
        picture(root / "JPEGImages" / f"{name}.jpg", ord(name))
        picture(root / "SegmentationClass" / f"{name}.png", 1)
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for name, stems in lists.items():
        (root / "ImageSets" / "Segmentation" / f"{name}.txt").write_text("\n".join(stems) + "\n")
    return root


def test_a_stem_in_two_lists_of_voc_is_a_leak(tmp_path: Path) -> None:
    root = voc(tmp_path, {"train": "abc", "val": "cd", "trainval": "abcd"})
    (leak,) = findings(root, "SEG304", "SEG008")
    assert (leak.code, leak.severity, leak.image) == ("SEG304", "error", "c.jpg")
    assert (leak.file, leak.line) == ("ImageSets/Segmentation/val.txt", 1)
    assert leak.message == "it is in train.txt (line 3) and in val.txt: in two splits"


def test_a_stem_twice_in_one_list_is_a_duplicate(tmp_path: Path) -> None:
    (found,) = findings(voc(tmp_path, {"train": "abca", "val": "d"}), "SEG304", "SEG008")
    assert (found.code, found.image) == ("SEG008", "a.jpg")


def yolo(root: Path, labels: dict[str, str], images: list[str], yaml: str) -> Path:
    for name, text in labels.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in images:
        picture(root / name, 60 + ord(Path(name).stem))
    (root / "data.yaml").write_text(f"{yaml}\nnames: [crop]\n")
    return root


TRIANGLE = "0 0.1 0.1 0.6 0.1 0.6 0.8\n"


def test_an_image_in_two_lists_of_yolo_is_a_leak(tmp_path: Path) -> None:
    images = [f"images/{name}.jpg" for name in "abc"]
    labels = {f"labels/{name}.txt": TRIANGLE for name in "abc"}
    lists = "train: train.txt\nval: val.txt"
    root = yolo(tmp_path, {**labels, "train.txt": "./images/a.jpg\nimages/b.jpg\n"}, images, lists)
    (root / "val.txt").write_text("./images/b.jpg\n/somewhere/images/c.jpg\n")
    (leak,) = findings(root, "SEG304")
    assert (leak.image, leak.file, leak.line, leak.severity) == ("b.jpg", "val.txt", 1, "error")
    images_read = segdata.read(root).images
    assert dict(zip(images_read["image_id"], images_read["split"], strict=True)) == {
        "a.jpg": "train",
        "b.jpg": "train",
        "c.jpg": "val",
    }


def test_a_yolo_label_in_another_split_is_named(tmp_path: Path) -> None:
    labels = {"train/labels/a.txt": TRIANGLE, "val/labels/b.txt": TRIANGLE, "val/labels/c.txt": TRIANGLE}
    images = ["train/images/a.jpg", "train/images/b.jpg", "val/images/c.jpg"]
    missing, orphan = sorted(findings(yolo(tmp_path, labels, images, ""), "SEG002", "SEG011"), key=lambda one: one.code)
    assert missing.message.endswith("; an image without labels of that name is in train/images")
    assert orphan.message.endswith("; a label file of that name is in val/labels")


@pytest.mark.parametrize("program", ["coco", "via", "labelme"])
@pytest.mark.parametrize(
    ("there", "is_meant"),
    [
        ("Street 01.png", True),  # case and a blank
        ("street_1.png", True),
        ("stret_01.png", True),
        ("streets_01.png", True),
        ("street_02.png", False),
        ("street_011.png", False),
        ("st_01.png", False),
        ("street_01_L.png", False),
    ],
)
def test_an_image_without_labels_is_probably_the_missing_one(
    tmp_path: Path, program: str, there: str, is_meant: bool
) -> None:
    names, triangle = ["street_01.png", "b.png"], [[1, 1], [9, 1], [9, 9]]
    for name in ("b.png", there):
        picture(tmp_path / "images" / name)
    folder = tmp_path if program == "coco" else tmp_path / "images"
    if program == "coco":
        annotations = [annotation(id=row, image_id=row, segmentation=[[1, 1, 9, 1, 9, 9]]) for row in (0, 1)]
        listed = [{"id": row, "file_name": name, "width": 24, "height": 24} for row, name in enumerate(names)]
        write_document(folder, document(images=listed, annotations=annotations))
    if program == "via":
        x, y = zip(*triangle, strict=True)
        shape = {"name": "polygon", "all_points_x": x, "all_points_y": y}
        regions = [{"shape_attributes": shape, "region_attributes": {"kind": "car"}}]
        files = {name: {"filename": name, "size": -1, "regions": regions, "file_attributes": {}} for name in names}
        (folder / "via.json").write_text(json.dumps(files))
    if program == "labelme":
        shapes = [{"label": "car", "points": triangle, "shape_type": "polygon", "flags": {}, "group_id": None}]
        for name in names:
            about = {"imagePath": name, "imageData": None, "imageHeight": 24, "imageWidth": 24}
            text = json.dumps({"version": "5.0", "flags": {}, "shapes": shapes} | about)
            (folder / name).with_suffix(".json").write_text(text)
    (missing,) = findings(folder, "SEG002")
    assert missing.image == "street_01.png"
    (orphan,) = findings(folder, "SEG011")
    assert orphan.image == there
    hint = "; 'street_01.png', which is missing, is probably this file: rename one of them"
    assert orphan.message.endswith(hint) == is_meant


@pytest.mark.parametrize(
    ("missing", "unlisted", "meant"),
    [
        (["scan_L.png"], ["scan_R.png"], {}),  # two sides
        (["scan_L.png"], ["scan-l.png"], {"scan-l.png": "scan_L.png"}),
        (["scan.png"], ["scam.png", "scans.png"], {}),  # one of two
        (["scan.png", "scans.png"], ["scam.png"], {"scam.png": "scan.png"}),
        (["scan.png", "scat.png"], ["scam.png"], {}),
        (["1_2.png"], ["12.png"], {}),
        (["a/scan.png"], ["b/scan.png"], {}),
        (["!.png"], ["?.png"], {}),
        (["road.png"], ["rode.png"], {}),
        ([f"scan{k}.png" for k in range(21)], ["scan_1.png"], {}),
    ],
)
def test_only_one_missing_image_may_be_meant(missing: list[str], unlisted: list[str], meant: dict[str, str]) -> None:
    assert misnamed_images(missing, unlisted) == meant


def test_a_mask_whose_image_is_in_another_split_is_named(tmp_path: Path) -> None:
    for split, names in (("train", "ab"), ("val", "cd")):
        for name in names:
            picture(tmp_path / split / f"{name}.png", ord(name))
            picture(tmp_path / f"{split}annot" / f"{name}.png", 1)
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}]\n")
    (tmp_path / "val" / "c.png").rename(tmp_path / "train" / "c.png")
    messages = {one.image: one.message for one in findings(tmp_path, "SEG011")}
    assert messages == {
        "train/c.png": "an image without mask; a mask of that name is in valannot",
        "val/c.png": "a mask without image; an image of that name is in train",
    }


def test_files_of_other_kinds_beside_masks_are_mentioned(tmp_path: Path) -> None:
    """A drawing beside its export is an info, what has no counterpart a warning; nothing is lost."""
    for name in "ab":
        picture(tmp_path / "images" / f"{name}.jpg", ord(name))
        picture(tmp_path / "masks" / f"{name}.png", 1)
    for file in ("masks/a.psd", "masks/c.psd", "images/d.CR2", "images/e.heic", "images/.f.psd"):
        (tmp_path / file).write_bytes(b"8BPS" + bytes(50))
    other, copy = findings(tmp_path, "SEG021", "SEG001", "SEG011")
    assert (other.severity, copy.severity) == ("warning", "info")
    assert (
        "3 files of a kind that segdata does not read (.cr2, .heic, .psd): images/d.CR2, images/e.heic" in other.message
    )
    assert "1 file of a kind that segdata does not read (.psd): masks/a.psd; each has the name" in copy.message
    result = segdata.convert(tmp_path, tmp_path.with_name("out"))
    assert "unreadable" not in {loss.kind for loss in result.losses}


def test_names_that_are_one_name_on_other_computers_are_told(tmp_path: Path) -> None:
    """Case, and how an accent is composed; names that differ in more are left alone."""
    names = ["a.png", "A.png", "caf\u00e9.png", "cafe\u0301.png", "cafe.png", "b.png"]
    for number, name in enumerate(names):
        picture(tmp_path / "images" / name, number)
        picture(tmp_path / "masks" / name, 1)
    (found,) = findings(tmp_path, "SEG008")
    assert (found.severity, found.image) == ("warning", "a.png")
    assert found.message.startswith(
        "4 images have names that differ in case or accents alone, such as 'A.png' and 'a.png'"
    )
    for name in ("A.png", names[3]):
        (tmp_path / "images" / name).unlink()
        (tmp_path / "masks" / name).unlink()
    assert findings(tmp_path, "SEG008") == []
