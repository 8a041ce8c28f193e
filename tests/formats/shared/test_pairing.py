"""Pairing of masks and images, by names and by images.csv."""

import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.file_names import match_names
from segdata.formats.shared.image_names import find_images
from segdata.formats.shared.mask_layouts import find_layouts
from segdata.formats.shared.pairing import find_label_files, pair_label_files, pair_masks


def touch(root: Path, *names: str) -> None:
    """Small image files at these paths."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 3), np.uint8)).save(path)


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        ("a.png", "a.jpg"),
        ("a_mask.png", "a.jpg"),
        ("0016E5_07959_L.png", "0016E5_07959.png"),
        ("mask2d.tif", "img2d.tif"),
        ("01_manual1.gif", "01_test.tif"),
        ("city/a_gtFine_labelIds.png", "city/a_gtFine.png"),
        ("label_7.png", "image_7.png"),
    ],
)
def test_names_that_belong_together(mask: str, image: str) -> None:
    assert match_names([mask], [image, "b.jpg"])[0] == {mask: image}


@pytest.mark.parametrize(
    ("mask", "image"), [("labels00000000.png", "00.tif"), ("x/a.png", "y/a.png"), ("a_mask.png", "a2.png")]
)
def test_names_that_do_not(mask: str, image: str) -> None:
    assert match_names([mask], [image])[0] == {}


def test_an_exact_name_goes_before_a_similar_one() -> None:
    assert match_names(["a.png", "a_mask.png"], ["a.jpg", "a_mask.jpg"])[0] == {
        "a.png": "a.jpg",
        "a_mask.png": "a_mask.jpg",
    }


def test_a_second_mask_of_an_image_is_a_duplicate(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "masks/a.png", "masks/a_mask.png")
    pairing = pair_masks(tmp_path)
    assert [pair.image_id for pair in pairing.entries] == ["a.png"]
    assert [(each.code, each.file) for each in pairing.defects] == [("SEG008", "masks/a_mask.png")]


def test_both_sides_may_be_alone(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/b.png", "masks/a.png", "masks/c.png")
    pairing = pair_masks(tmp_path)
    assert [(pair.image_id, pair.image is None, len(pair.files)) for pair in pairing.entries] == [
        ("a.png", False, 1),
        ("b.png", False, 0),
        ("c.png", True, 1),
    ]
    assert sorted((each.code, each.file) for each in pairing.defects) == [
        ("SEG011", "images/b.png"),
        ("SEG011", "masks/c.png"),
    ]


def test_no_image_at_all_is_one_finding(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    (defect,) = pair_masks(tmp_path).defects
    assert (defect.code, defect.severity, defect.image) == ("SEG002", "info", None)
    assert "none of the 2 image files" in defect.message


def test_names_that_never_match_are_one_finding(tmp_path: Path) -> None:
    touch(tmp_path, "masks/labels00.png", "masks/labels01.png", "raw/x.png", "raw/y.png")
    pairing = pair_masks(tmp_path)
    (defect,) = pairing.defects
    assert (defect.code, defect.file, defect.severity) == ("SEG011", "masks", None)
    assert "none of 2 masks has the name of one of 2 images" in defect.message
    assert [pair.image_id for pair in pairing.entries] == ["labels00.png", "labels01.png"]


def test_a_split_without_images_is_one_finding(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.png", "trainannot/a.png", "valannot/b.png", "valannot/c.png")
    (defect,) = pair_masks(tmp_path).defects
    assert (defect.code, defect.file) == ("SEG011", "valannot")


def test_twin_folders_are_one_dataset_with_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.png", "trainannot/a.png", "val/b.png", "valannot/b.png", "palette.png")
    pairing = pair_masks(tmp_path)
    assert [(pair.image_id, pair.split) for pair in pairing.entries] == [("train/a.png", "train"), ("val/b.png", "val")]
    assert pairing.defects == ()
    assert pairing.places == {
        "masks": f"{tmp_path}/trainannot, {tmp_path}/valannot",
        "images": f"{tmp_path}/train, {tmp_path}/val",
    }


def test_images_given_by_the_user(tmp_path: Path) -> None:
    touch(tmp_path, "m/a.png", "elsewhere/a.jpg")
    (pair,) = pair_masks(tmp_path / "m", tmp_path / "elsewhere").entries
    assert (pair.image_id, pair.image) == ("a.jpg", tmp_path / "elsewhere/a.jpg")
    (pair,) = pair_masks(tmp_path / "m/a.png", tmp_path / "elsewhere/a.jpg").entries
    assert (pair.image_id, pair.files) == ("a.jpg", (tmp_path / "m/a.png",))


def test_masks_and_images_in_one_folder(tmp_path: Path) -> None:
    touch(tmp_path, "img1.png", "mask1.png")
    assert [(pair.image_id, pair.files[0].name) for pair in pair_masks(tmp_path).entries] == [("img1.png", "mask1.png")]


def test_pages_become_images(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.zeros((2, 3), np.uint16))] * 3
    pages[0].save(tmp_path / "v.tif", save_all=True, append_images=pages[1:])
    assert [(pair.image_id, pair.page) for pair in pair_masks(tmp_path).entries] == [
        ("v.tif/0000", 0),
        ("v.tif/0001", 1),
        ("v.tif/0002", 2),
    ]


def test_the_losses_of_a_conversion_are_no_labels(tmp_path: Path) -> None:
    """They lie beside what was written; deeper, or named by the user, a file of this name is one like others."""
    for name in ("a.json", "losses.json", "part/losses.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(find_label_files(tmp_path, ".json")) == ["a.json", "part/losses.json"]
    assert list(find_label_files(tmp_path / "losses.json", ".json")) == ["losses.json"]


def test_index_file_decides(tmp_path: Path) -> None:
    touch(tmp_path, "masks/1.png", "images/a.png")
    (tmp_path / "images.csv").write_text(
        "image,mask,width,height,uri\na.png,masks/1.png,3,2,\nb.jpg,,9,8,\na.png,,3,2,\n../x.png,,1,1,\nc.png,,wide,1,\n"
    )
    pairing = pair_masks(tmp_path)
    assert [(pair.image_id, len(pair.files), pair.size) for pair in pairing.entries] == [
        ("a.png", 1, (2, 3)),
        ("b.jpg", 0, (8, 9)),
    ]
    assert sorted((each.code, each.line) for each in pairing.defects if each.line) == [
        ("SEG004", 6),
        ("SEG008", 4),
        ("SEG015", 5),
    ]
    assert [each.image for each in pairing.defects if each.code == "SEG002"] == ["b.jpg"]


def test_folders_without_images_are_no_layout(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    assert find_layouts(tmp_path) == []


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (("masks/a.png", "labels/a.png", "images/a.jpg"), "labels/, masks/"),
        (("labels_1/a.png", "labels_2/a.png", "images/a.jpg"), "labels_1/, labels_2/"),
        (("mask/1_mask.png", "1st/1_manual1.png", "2nd/1_manual2.png", "images/1.tif"), "1st/, 2nd/, mask/"),
    ],
)
def test_of_several_folders_that_fit_none_is_taken(tmp_path: Path, names: tuple[str, ...], listed: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(UnreadableError, match=f"each of {listed} may be the masks; .* --images {tmp_path}/images"):
        pair_masks(tmp_path)


def test_a_folder_of_something_else_is_no_rival(tmp_path: Path) -> None:
    """Other names, other storage (pictures of the masks), regions of interest, and VOC's numbers of objects."""
    touch(
        tmp_path, "SegmentationClass/a.png", "SegmentationObject/a.png", "JPEGImages/a.jpg", "other/b.png", "roi/a.png"
    )
    (tmp_path / "shown").mkdir()
    Image.new("RGB", (3, 2)).save(tmp_path / "shown" / "a.png")
    (pair,) = pair_masks(tmp_path).entries
    assert pair.files == (tmp_path / "SegmentationClass/a.png",)


def test_a_folder_with_more_in_its_name_is_one_of_masks(tmp_path: Path) -> None:
    touch(tmp_path, "labels_v2/a.png", "images/a.jpg")
    (pair,) = pair_masks(tmp_path).entries
    assert (pair.image_id, pair.files) == ("a.jpg", (tmp_path / "labels_v2/a.png",))


TAXONOMY = Taxonomy(categories=(Category(id=1, name="road", kind="stuff", color=(9, 9, 9)),), unlabelled=0)
FORMATS = ("colour-masks", "instance-ids", "cityscapes", "pascal-voc", "yolo-seg", "davis")


def written(folder: Path, format: str) -> Path:
    data = segdata.from_arrays({"a.png": np.eye(4, dtype=np.uint8)}, TAXONOMY)
    if format == "cityscapes":
        data = segdata.from_arrays({"a.png": np.eye(4, dtype=np.uint8)}, ["road"])
    segdata.convert(data, folder / "out", to=format)
    assert (folder / "out" / "images.csv").is_file()
    return folder / "out"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is empty; it has image, mask"), ("name;path\na;b\n", "has the columns name;path, not image, mask")],
)
def test_an_index_without_its_columns(tmp_path: Path, format: str, text: str, words: str) -> None:
    root = written(tmp_path, format)
    (root / "images.csv").write_text(text)
    found = segdata.validate(segdata.read(root, format=format), select=["SEG001"]).findings
    assert [(each.file, each.image) for each in found] == [("images.csv", None)]
    assert words in found[0].message


@pytest.mark.parametrize("format", FORMATS)
def test_an_index_that_is_a_link_to_itself(tmp_path: Path, format: str) -> None:
    root = written(tmp_path, format)
    (root / "images.csv").unlink()
    (root / "images.csv").symlink_to("images.csv")
    with pytest.raises(SegdataError, match=r"images\.csv: cannot be read"):
        segdata.read(root, format=format)


def test_an_index_that_names_itself_as_a_mask(tmp_path: Path) -> None:
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "images.csv").write_text("image,mask\na.png,images.csv\n")
    data = segdata.read(tmp_path, format="colour-masks", taxonomy=TAXONOMY)
    assert [each.file for each in segdata.validate(data, select=["SEG001"]).findings] == ["images.csv"]


def touch_files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize("images", ["data", "data/images", "images"])
def test_images_are_found_beside_below_and_next_to_the_labels(tmp_path: Path, images: str) -> None:
    touch_files(tmp_path, "data/a.json", "data/sub/b.json", f"{images}/a.png", f"{images}/sub/b.jpg")
    entries, defects = pair_label_files(tmp_path / "data", ".json", None)
    assert defects == []
    assert [(each.image_id, each.image) for each in entries] == [
        ("a.png", tmp_path / images / "a.png"),
        ("sub/b.jpg", tmp_path / images / "sub/b.jpg"),
    ]


def test_what_stays_alone_is_told(tmp_path: Path) -> None:
    touch_files(tmp_path, "l/a.json", "l/b.json", "i/a.png", "i/c.png")
    entries, defects = pair_label_files(tmp_path / "l", ".json", tmp_path / "i")
    assert [(each.image_id, bool(each.files)) for each in entries] == [
        ("a.png", True),
        ("b.json", True),
        ("c.png", False),
    ]
    assert [(each.code, each.image) for each in defects] == [("SEG002", "b.json"), ("SEG011", "c.png")]


def test_without_any_image_that_is_one_information(tmp_path: Path) -> None:
    touch_files(tmp_path, "a.json", "b.json")
    entries, defects = pair_label_files(tmp_path, ".json", None)
    assert [each.image_id for each in entries] == ["a.json", "b.json"]
    assert [(each.code, each.severity) for each in defects] == [("SEG002", "info")]


def test_a_label_file_may_name_its_image(tmp_path: Path) -> None:
    """A name that leaves the folder is not followed."""
    touch_files(tmp_path, "x.json", "y.json", "z.json", "a.png", "y.png", "z.png")
    stated = {"x.json": "a.png", "y.json": "../y.png"}
    entries, defects = pair_label_files(tmp_path, ".json", None, lambda path: stated.get(path.name))
    assert [(each.image_id, each.files[0].name) for each in entries] == [
        ("a.png", "x.json"),
        ("y.png", "y.json"),
        ("z.png", "z.json"),
    ]
    assert defects == []


def test_a_second_file_of_an_image_is_a_duplicate(tmp_path: Path) -> None:
    touch_files(tmp_path, "x.json", "y.json", "a.png")
    entries, defects = pair_label_files(tmp_path, ".json", None, lambda path: "a.png")
    assert [each.files[0].name for each in entries] == ["x.json"]
    assert [(each.code, each.file) for each in defects] == [("SEG008", "y.json")]


def test_of_one_file_only_its_own_folder_is_looked_at(tmp_path: Path) -> None:
    """Nothing tells how much else lies below it, nor that other images lack labels."""
    touch_files(tmp_path, "a.json", "a.png", "b.png", "deep/c.png", ".hidden.json")
    entries, defects = pair_label_files(tmp_path / "a.json", ".json", None)
    assert [each.image_id for each in entries] == ["a.png"]
    assert defects == []


def test_images_whose_names_differ_in_case_alone(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg")
    (tmp_path / "instances.json").write_text(
        '{"images": [{"id": 1, "file_name": "a.JPG", "width": 3, "height": 2}], "annotations": [{"id": 1,'
        ' "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2]]}],'
        ' "categories": [{"id": 1, "name": "x"}]}'
    )
    (finding,) = segdata.validate(tmp_path, select="SEG002").findings
    assert finding.severity == "error"
    assert finding.message == "images are named 'a.JPG', the file is 'a.jpg': give the names the case of the files"


@pytest.mark.parametrize(
    ("name", "file", "remedy"),
    [
        ("Caf\u00e9.jpg", "Cafe\u0301.jpg", "give names and files the same Unicode form (NFC)"),
        ("my%20image.jpg", "my image.jpg", "give the names the spelling of the files"),
    ],
)
def test_images_whose_names_differ_in_the_encoding_of_letters(
    tmp_path: Path, name: str, file: str, remedy: str
) -> None:
    touch(tmp_path, f"images/{file}")
    _, (defect,) = find_images(tmp_path / "all.json", "all.json", [name], None)
    assert (defect.code, defect.severity) == ("SEG002", None)
    assert ascii(file) in defect.message
    assert defect.message.endswith(remedy)


@pytest.mark.parametrize(
    ("names", "files", "message"),
    [
        (["391895.png"], ["000000391895.png"], "images are named '391895.png', the file is '000000391895.png': give"),
        (
            ["1.png", "2.png"],
            ["a/1.png", "a/2.png", "b/2.png"],
            "'2.png', the file is 'a/2.png' or 'b/2.png': give the",
        ),
        (["img/0a1b2c3d-a.png"], ["a.png"], "'img/0a1b2c3d-a.png', the file is 'a.png': give the names the spelling"),
        (["a.png", "b.png"], ["ffffffff-a.png"], "'a.png', the file is 'ffffffff-a.png': give the names the spelling"),
        (
            ["img/a.png\r"],
            ["a.png"],
            "'img/a.png\\r', the file is 'a.png': give the names the spelling of the files: they",
        ),
        (["holidays-a.png", "0a1b2c3d-.png"], ["a.png"], None),
        (["1.png", "2.png", "3.png"], ["001.png", "x.png"], None),
        (["7.png"], ["07.png"], "images are named '7.png', the file is '07.png': give the names the spelling"),
        (["1.png"], ["001.jpg"], None),
    ],
)
def test_images_whose_names_lack_zeros_or_folders(
    tmp_path: Path, names: list[str], files: list[str], message: str | None
) -> None:
    """Masks may be called as the images that are missing."""
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)
    for pixels in (noise, np.zeros((40, 40), np.uint8)):
        for file in files:
            (tmp_path / "images" / file).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "images" / file)
        _, (defect,) = find_images(tmp_path / "all.json", "all.json", names, None)
        told = pixels is noise and message is not None
        assert defect.severity == (None if told else "info")
        assert not told or str(message) in defect.message


def test_images_are_those_of_the_folder_that_has_most(tmp_path: Path) -> None:
    """`annotations/instances_val.json` beside `val/images`, of which a folder of tests has some."""
    names = ["a.png", "b.png", "c.png"]
    for file in ("test/a.png", *(f"val/images/{name}" for name in names)):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2)).save(tmp_path / file)
    document = tmp_path / "annotations/instances_val.json"
    document.parent.mkdir()
    folder, defects = find_images(document, "instances_val.json", names, None)
    assert (folder.root, sorted(folder.paths), defects) == (tmp_path / "val/images", names, [])
    (tmp_path / "val/images").rename(tmp_path / "pictures")
    folder, defects = find_images(document, "instances_val.json", names, None)
    assert (folder.root, defects) == (tmp_path / "pictures", [])


@pytest.mark.parametrize("name", ["labels/a.txt", "a.json"])
def test_a_pointer_of_git_lfs_in_place_of_labels(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "images/a.png", "images/b.png")
    labelme = '{"imagePath": "images/b.png", "imageHeight": 2, "imageWidth": 3, "shapes": []}'
    other, text = ("labels/b.txt", "0 .1 .1 .9 .1 .9 .9\n") if name.endswith("txt") else ("b.json", labelme)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n"
    for path, content in ((name, pointer), (other, text)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content)
    (finding,) = segdata.validate(tmp_path, select="SEG001").findings
    assert finding.message == "is a pointer of Git LFS, not the labels; run `git lfs pull`"


def test_masks_that_are_all_pointers_of_git_lfs_are_refused_with_the_reason(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/b.png")
    (tmp_path / "masks").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "masks" / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n")
    with pytest.raises(SegdataError, match=r"none of 2 masks can be read; masks/a.png: .*; run `git lfs pull`"):
        segdata.read(tmp_path)


def test_given_images_may_lie_in_several_folders_where_that_is_clear(tmp_path: Path) -> None:
    touch(tmp_path, "1/a.png", "2/b.png", "3/c.png", "4/c.png")
    folder, defects = find_images(tmp_path / "all.json", "all.json", ["a.png", "b.png", "c.png"], tmp_path)
    assert (folder.paths["a.png"], folder.paths["b.png"]) == (tmp_path / "1/a.png", tmp_path / "2/b.png")
    assert "c.png" not in folder.paths, "two folders have one"
    assert defects == []


def test_images_in_a_folder_and_in_the_one_inside_it(tmp_path: Path) -> None:
    """An export where some images were moved into a folder: all are found, those of another split are not."""
    touch(tmp_path, "valid/a.png", "valid/images/b.png", "train/c.png")
    document = tmp_path / "valid" / "_annotations.coco.json"
    folder, defects = find_images(document, document.name, ["a.png", "b.png", "c.png"], None)
    assert folder.paths["a.png"] == tmp_path / "valid/a.png"
    assert folder.paths["b.png"] == tmp_path / "valid/images/b.png"
    assert "c.png" not in folder.paths
    assert defects == []


_COCO = {"images": [{"id": 1, "file_name": "a.png", "width": 4, "height": 4}], "categories": [{"id": 1, "name": "x"}],
         "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 4, "iscrowd": 0,
                          "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]}]}  # fmt: skip
_PANOPTIC = {"images": _COCO["images"], "categories": [{"id": 1, "name": "x", "isthing": 1}], "annotations": [
    {"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 1, "category_id": 1, "area": 4}]}]}  # fmt: skip
_VIA = {"a.png9": {"filename": "a.png", "size": 9, "file_attributes": {}, "regions": [
    {"shape_attributes": {"name": "polygon", "all_points_x": [0, 2, 2, 0], "all_points_y": [0, 0, 2, 2]},
     "region_attributes": {"class": "x"}}]}}  # fmt: skip
_STUDIO = [{"id": 1, "data": {"image": "/data/upload/a.png"}, "annotations": [{"id": 1, "result": [
    {"id": "r", "type": "polygonlabels", "from_name": "l", "to_name": "i", "original_width": 4, "original_height": 4,
     "value": {"points": [[0, 0], [50, 0], [50, 50], [0, 50]], "polygonlabels": ["x"]}}]}]}]  # fmt: skip
_DOCUMENTS = {
    "coco.json": json.dumps(_COCO),
    "panoptic.json": json.dumps(_PANOPTIC),
    "via.json": json.dumps(_VIA),
    "studio.json": json.dumps(_STUDIO),
    "cvat.xml": '<annotations><version>1.1</version><image id="0" name="a.png" width="4" height="4"><polygon label="x" '
    'points="0,0;2,0;2,2" occluded="0" z_order="0"></polygon></image></annotations>',
    "rle.csv": "ImageId,ClassId,EncodedPixels,Height,Width\na.png,1,1 2,4,4\n",
}


@pytest.mark.parametrize("with_image", [True, False])
@pytest.mark.parametrize("name", _DOCUMENTS)
def test_a_document_in_a_large_tree_is_read_without_a_walk_through_it(
    name: str, with_image: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("images", "image_names"):
        monkeypatch.setattr(f"segdata.formats.shared.{module}._MAX_ENTRIES", 50, raising=False)
    for number in range(300):
        (tmp_path / f"job{number % 10}" / f"part{number}" / "log").mkdir(parents=True)
    (tmp_path / name).write_text(_DOCUMENTS[name])
    if with_image:
        touch(tmp_path, "a.png")
    listed: list[str] = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path=".": (listed.append(str(path)), scan(path))[1])
    with suppress(UnreadableError):  # VIA needs the sizes of its images
        assert segdata.validate(tmp_path / name).n_images == 1
    assert len({path for path in listed if path.startswith(str(tmp_path))}) < 120  # of 611


def test_names_are_explained_by_the_nearest_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "pictures/day/007.png", tmp_path / "z/deep/er/007.png"):
        path.parent.mkdir(parents=True)
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)).save(path)
    folder, defects = find_images(tmp_path / "coco.json", "coco.json", ["7.png"], None)
    assert (folder.root, defects[0].severity) == (None, None)
    assert "'pictures/day/007.png'" in defects[0].message
    monkeypatch.setattr("segdata.formats.shared.image_names._MAX_ENTRIES", 0)
    assert find_images(tmp_path / "coco.json", "coco.json", ["7.png"], None)[1][0].severity == "info"


def test_images_in_a_linked_folder_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "disk/a.png", "disk/b.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/images").symlink_to(tmp_path / "disk")
    names = ["images/a.png", "images/b.png"]
    folder, defects = find_images(tmp_path / "data/coco.json", "coco.json", names, None)
    assert (list(folder.paths), defects) == (names, [])
