"""What no format recognises is described: what it looks like, what it holds, and what in it can be read."""

import json
import re
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.errors import SegdataError, UnreadableError
from segdata.formats.dataset_folders import detect_format

VOTT = {"assets": {}}
DARWIN = {"version": "2.0", "item": {"name": "a.jpg"}, "annotations": [{"name": "cat", "slot_names": ["0"]}]}


def said(root: Path) -> str:
    with pytest.raises(SegdataError) as caught:
        detect_format(root)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("a.json", json.dumps(VOTT), "VoTT JSON"),
        ("a.json", '[{"image": "a.jpg", "annotations": [{"coordinates": {"x": 3}}]}]', "CreateML JSON (boxes only"),
        ("a.json", json.dumps(DARWIN), "V7 Darwin JSON (segdata cannot read it: export COCO"),
        ("a.json", '[{"name": "a.jpg", "labels": [{"poly2d": []}]}]', "Scalabel JSON"),
        ("cls/2008_000.mat", "any", "MATLAB files of version 4, or damaged ones (segdata reads those that -v7 saves"),
        ("masks/a.npy", "", "NumPy arrays (segdata reads no arrays"),
        ("cells.roi", "Iout", "regions of ImageJ (segdata cannot read it: open the images in QuPath"),
        ("RoiSet.zip", "PK\3\4" + "." * 26 + "0141-0091.roi", "regions of ImageJ"),
        ("train.h5", "", "HDF5 (segdata reads no arrays"),
        ("train.tfrecord-00001-of-00010", "", "TFRecord files, which segdata cannot read yet"),
        ("a.txt", "0 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6\n0 0.1 0.1 0.5 0.1 0.5 0.6\n", None),
        ("export.ndjson", '{"data_row": {"id": "c"}, "projects": {}}\n', "an export of Labelbox"),
        ("a.json", '{"metadata": {}, "instances": [{"type": "polygon", "className": "car"}]}', "SuperAnnotate JSON"),
        ("a.json", '[{"label_hash": "x", "data_units": {}}]', "an export of Encord"),
        ("a.json", '{"video_id": "v", "masklet": [[]]}', "masklets of SA-V (segdata cannot read it: save"),
        ("a.json", '{"version": "0.0.1", "captures": [{}]}', "captures of Unity Perception"),
        (
            "a.json",
            '[{"image": "a.jpg", "label": [{"points": [], "original_width": 9}]}]',
            "the JSON-MIN export of Label",
        ),
        ("a.json", '{"project": {"pid": "__VIA_PROJECT_ID__"}, "metadata": {}}', "a project of VIA 3, which"),
        ("a.geojson", '{"type": "FeatureCollection", "features": []}', "GeoJSON in map coordinates"),
        ("labels/a.txt", "0 0.1 0.2 0.3 0.4\n", "YOLO boxes"),
        (
            "labels/a.txt",
            "3 1 508 345 54 38 -1 -1 -1 0 \n3 2 267 356 57 21 -1 -1 -1 0 \n",
            "boxes of tracks, as in MOT",
        ),
        ("Annotations/a.xml", "<annotation><folder/></annotation>", "Pascal VOC XML"),
        (
            "a.xml",
            "<annotation><object>\n<bndbox><xmin>1</xmin></bndbox></object></annotation>",
            "Pascal VOC XML (boxes only",
        ),
        ("a.xml", "<annotation>\n<polygon><x1>3</x1>", "Pascal VOC XML (polygons without SegmentationClass"),
        ("a.xml", "<annotation><object><polygon><pt><x>1</x>", "LabelMe XML, which"),
        ("b/a.txt", "0 0.1 0.2 0.3 0.4\n", "YOLO boxes (boxes only"),
        ("a.dcm", "", "DICOM images"),
        ("gtFine/x/a_gtFine_polygons.txt", "word", None),
    ],
)
def test_known_formats_that_are_not_read_are_named(tmp_path: Path, name: str, text: str, title: str | None) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert (f"looks like {title}" in said(tmp_path)) == (title is not None)
    if title is not None and path.parent == tmp_path:
        assert f"looks like {title}" in said(path)


def test_documents_beside_masks_that_are_not_read_are_named(tmp_path: Path) -> None:
    """As a project of SuperAnnotate, whose pictures of labels are image files beside its JSON."""
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(rng.integers(0, 255, (20, 30, 3)).astype(np.uint8)).save(tmp_path / name)
        Image.fromarray(np.eye(20, 30, dtype=np.uint8)).save(tmp_path / f"{name[0]}.png")
        (tmp_path / f"{name}.json").write_text('{"instances": [{"type": "polygon", "className": "car"}]}')
    told = [each.message for each in segdata.read(tmp_path).validate().findings if each.code == "SEG011"]
    assert told == ["beside the masks lies SuperAnnotate JSON (segdata cannot read it: export COCO from that tool)"]
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 255, (20, 30, 3)).astype(np.uint8)).save(tmp_path / name)
    with pytest.raises(SegdataError, match="it looks like SuperAnnotate JSON"):
        segdata.read(tmp_path)


def test_other_files_are_counted(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.json").write_text('{"a": 1}')
    assert "it holds 7 .json, no JSON file with images and annotations; give a COCO JSON" in said(tmp_path)
    (tmp_path / "0.json").write_text('{"images": [')
    assert "1 of the JSON files empty, cut off or no JSON" in said(tmp_path)


def test_folders_that_can_be_read_are_named(tmp_path: Path) -> None:
    """Not those of images, and not the folders of what is named already."""
    for name in ("a/masks/1.png", "b/masks/1.png", "images/1.png", "raw.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 3), np.uint8)).save(path)
    remedy = f"you can read a (colour-masks), b (colour-masks) in it; give the one that you mean as DATA: {tmp_path}/a"
    assert remedy in said(tmp_path)


def test_a_folder_that_a_refusal_names_can_be_read(tmp_path: Path) -> None:
    """Not pictures of plots, and not a folder of which it is unclear which masks are meant, but each of these."""
    random = np.random.default_rng(0)
    for number in range(3):
        for name in ("plots/loss_", "data/img/", "data/label/", "data/mask/"):
            pixels = random.integers(0, 256, (160, 200, 3), dtype=np.uint8)
            if name in ("data/label/", "data/mask/"):
                pixels = np.zeros((160, 200), np.uint8)
                pixels[5:20, 4 + number : 30] = 255 if name == "data/mask/" else 3
            path = tmp_path / f"{name}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    with pytest.raises(SegdataError) as refused:
        segdata.read(tmp_path)
    named = re.findall(r"(\S+) \(colour-masks\)", str(refused.value))
    assert named == ["data/label", "data/mask"]
    assert [len(segdata.read(tmp_path / name).image_ids) for name in named] == [3, 3]


def test_only_what_is_not_known_at_all_may_be_drafted_from(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UnreadableError):
        detect_format(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(VOTT))
    with pytest.raises(SegdataError) as caught:
        detect_format(tmp_path)
    assert not isinstance(caught.value, UnreadableError)


def test_a_folder_of_datasets_is_no_folder_of_masks(tmp_path: Path) -> None:
    """Two systems' videos, each of which is a dataset; with a folder of plain masks beside it is one of masks again."""
    for system in ("osvos", "rvos"):
        for k in range(3):
            path = tmp_path / system / "dog" / f"{k:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            mask = Image.fromarray(np.tri(20, dtype=np.uint8), "P")
            mask.putpalette([0, 0, 0, 200, 0, 0])
            mask.save(path)
    assert detect_format(tmp_path / "osvos") == "davis"
    assert "holds 2 datasets, osvos (davis), rvos (davis): give one as DATA" in said(tmp_path)
    (tmp_path / "more").mkdir()
    Image.fromarray(np.tri(20, dtype=np.uint8)).save(tmp_path / "more" / "a.png")
    assert detect_format(tmp_path) == "colour-masks"


def _via(folder: Path) -> None:
    folder.mkdir(parents=True)
    ring = {"name": "polygon", "all_points_x": [1, 5, 5], "all_points_y": [1, 1, 5]}
    region = {"shape_attributes": ring, "region_attributes": {"kind": "leaf"}}
    document = {"a.png9": {"filename": "a.png", "size": 9, "regions": [region], "file_attributes": {}}}
    (folder / "via.json").write_text(json.dumps(document))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "a.png")


def _supervisely(folder: Path) -> None:
    (folder / "ds" / "ann").mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"classes": [{"title": "leaf", "shape": "polygon"}], "tags": []}))
    shape = {"classTitle": "leaf", "geometryType": "polygon", "points": {"exterior": [[1, 1], [5, 1], [5, 5]]}}
    document = {"size": {"width": 8, "height": 8}, "objects": [shape]}
    (folder / "ds" / "ann" / "b.png.json").write_text(json.dumps(document))


def test_two_datasets_under_one_parent_are_not_read_as_one_silently(tmp_path: Path) -> None:
    _via(tmp_path / "kudzu")
    _supervisely(tmp_path / "lemons")
    findings = segdata.validate(tmp_path).findings
    (finding,) = (finding for finding in findings if finding.code == "SEG011" and finding.file == "lemons")
    assert "a dataset of its own (supervisely), and is not read" in finding.message
    assert not [finding for finding in segdata.validate(tmp_path / "kudzu").findings if finding.code == "SEG011"]
    found = segdata.validate(tmp_path, format="via").findings
    assert not [finding for finding in found if finding.code == "SEG011"]  # it was asked for


def test_folders_with_splits_of_their_own_are_several_datasets(tmp_path: Path) -> None:
    """An old and a new dataset in one repository; each by itself has its splits, and all are one only if you say so."""
    for place in ("data/train", "data/val", "samples/old/data/train", "samples/old/data/val"):
        _via(tmp_path / place)
    with pytest.raises(SegdataError) as caught:
        segdata.read(tmp_path)
    assert "give one of its folders as DATA: data (via), samples/old/data (via); or --from via" in str(caught.value)
    assert [len(segdata.read(tmp_path / place).images) for place in ("data", "samples/old/data")] == [2, 2]
    assert len(segdata.read(tmp_path, format="via").images) == 4
    _via(tmp_path / "data/train copy")
    with pytest.raises(SegdataError, match=r"as DATA: data \(via\), samples/old/data \(via\)"):
        segdata.read(tmp_path)
    (tmp_path / "samples/old/data/train/via.json").unlink()
    (tmp_path / "samples/old/data/val/via.json").unlink()
    assert len(segdata.read(tmp_path).annotations) == 2  # without the copy


def _coco(path: Path, name: str = "a.png") -> None:
    """A COCO file of one image, which has a size, and one segment."""
    content = {
        "images": [{"id": 1, "file_name": name, "width": 8, "height": 8}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}],
        "categories": [{"id": 1, "name": "leaf"}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_the_only_dataset_in_a_folder_is_read(tmp_path: Path) -> None:
    """A program beside its data; its settings and taxonomy are those of the folder that was given."""
    (tmp_path / "train.py").write_text("pass")
    _coco(tmp_path / "data/annotations/instances_default.json")
    dataset = segdata.read(tmp_path)
    assert (list(dataset.image_ids), len(dataset.annotations)) == (["a.png"], 1)
    assert dataset.profile.files.endswith("data/annotations/instances_default.json")
    (tmp_path / "segdata.yaml").write_text("rules: {SEG302: {min_images: 5}}")
    assert segdata.read(tmp_path).config != dataset.config
    (tmp_path / "vott.json").write_text(json.dumps(VOTT))  # labels that segdata cannot read may be what is meant
    with pytest.raises(SegdataError, match=r"looks like VoTT JSON, .* you can read data \(coco-instances\) in it"):
        segdata.read(tmp_path)


def test_a_folder_with_the_word_of_a_split_hides_no_split(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        _coco(tmp_path / split / "_annotations.coco.json", f"{split}.png")
    (tmp_path / "files_for_test").mkdir()
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / "files_for_test/a.png")
    assert [*segdata.read(tmp_path).images["split"]] == ["train", "val", "test"]


def test_predictions_in_another_format_are_not_offered(tmp_path: Path) -> None:
    label_me = {"shapes": [], "imagePath": "a.png", "imageData": None, "imageHeight": 20, "imageWidth": 20}
    for place, text in (("data/a.json", label_me), ("result/b.json", label_me)):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text(json.dumps(text))
    _via(tmp_path / "words")
    _via(tmp_path / "data2")
    message = said(tmp_path)
    assert "give one of its folders as DATA: " in message
    assert "words (via)" in message
    assert "result" not in message.removeprefix(str(tmp_path))


def test_icons_of_a_program_among_photographs_are_not_offered_as_masks(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 255, (60, 60, 3)).astype(np.uint8)
    for place in ("app/data/first", "app/data/second", "app/icon"):
        (tmp_path / place).mkdir(parents=True)
    for k in range(12):
        Image.fromarray(photograph + k).save(tmp_path / f"app/data/{'first' if k % 2 else 'second'}/{k}.jpg")
    icon = np.zeros((60, 60), np.uint8)
    icon[10:40, 10:40] = 255
    for k in range(4):
        Image.fromarray(icon).save(tmp_path / f"app/icon/logo-{'abcd'[k]}.png")
    (tmp_path / "main.py").write_text("pass")
    assert "app/icon" not in said(tmp_path)
    for k in range(12):
        Image.fromarray(icon).save(tmp_path / f"app/icon/more-{'abcdefghijkl'[k]}.png")
    assert "you can read app/icon (colour-masks) in it" in said(tmp_path)


def test_of_several_documents_a_refusal_names_one(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("pass")
    for name in ("attention", "segmentation-of-cells"):
        _coco(tmp_path / f"data/annotations/{name}.json", f"{name}.png")
    with pytest.raises(SegdataError) as refused:
        segdata.read(tmp_path)
    named = str(refused.value).rpartition("as DATA: ")[2]
    assert named == str(tmp_path / "data/annotations/segmentation-of-cells.json")
    assert len(segdata.read(named).annotations) == 1


def test_a_copy_in_another_format_beside_voc_is_told(tmp_path: Path) -> None:
    """`data/coco` beside `data/segm`, below a program: one is read, the other is not."""
    for folder in ("ImageSets/Segmentation", "JPEGImages", "SegmentationClass"):
        (tmp_path / "data/segm" / folder).mkdir(parents=True)
    values = np.zeros((20, 20), np.uint8)
    values[5:12, 5:12] = 1
    Image.fromarray(values).save(tmp_path / "data/segm/SegmentationClass/a.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3)).astype(np.uint8)).save(
        tmp_path / "data/segm/JPEGImages/a.jpg"
    )
    (tmp_path / "data/segm/ImageSets/Segmentation/train.txt").write_text("a\n")
    assert segdata.read(tmp_path).profile.format == "pascal-voc"
    coco = {"images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 20}], "annotations": [], "categories": []}
    (tmp_path / "data/coco/annotations").mkdir(parents=True)
    (tmp_path / "data/coco/annotations/instances.json").write_text(json.dumps(coco))
    told = [each.file for each in segdata.validate(tmp_path).findings if "dataset of its own" in each.message]
    assert told == ["data/coco"]


def test_labels_beside_their_images_and_other_datasets_with_theirs_are_several(tmp_path: Path) -> None:
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}],
        "categories": [{"id": 1, "name": "leaf"}],
    }
    (tmp_path / "exported/annotations").mkdir(parents=True)
    (tmp_path / "exported/annotations/instances_val.json").write_text(json.dumps(coco))
    shape = {"label": "leaf", "points": [[1, 1], [5, 1], [5, 5]], "shape_type": "polygon"}
    document = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 8, "imageWidth": 8}
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn/a.json").write_text(json.dumps(document))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "drawn/a.png")
    found = segdata.validate(tmp_path).findings
    (told,) = (each.message for each in found if each.code == "SEG011" and each.severity != "info")
    assert told == "the folder is a dataset of its own (coco-instances), and is not read; give it as DATA"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "exported/a.png")
    with pytest.raises(
        SegdataError, match=r"as DATA: drawn \(labelme\), exported \(coco-instances\); or --from labelme"
    ):
        segdata.read(tmp_path)
    assert len(segdata.read(tmp_path, format="labelme").annotations) == 1


def test_a_folder_of_drawn_labels_hides_no_folder_of_masks(tmp_path: Path) -> None:
    """One LabelMe file beside a dataset of masks, in folders of their own."""
    shape = {"label": "leaf", "points": [[1, 1], [5, 1], [5, 5]], "shape_type": "polygon"}
    document = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 8, "imageWidth": 8}
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn/a.json").write_text(json.dumps(document))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "drawn/a.png")
    for number in range(3):
        for folder, shown in (("Images", pixels), ("Labels", np.eye(8, dtype=np.uint8))):
            (tmp_path / "medical" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(shown).save(tmp_path / "medical" / folder / f"{number}.png")
    with pytest.raises(SegdataError, match=r"as DATA: drawn \(labelme\), medical \(masks\); or --from labelme"):
        segdata.read(tmp_path)
    assert len(segdata.read(tmp_path / "medical").annotations) == 3


@pytest.mark.parametrize("litter", [".ipynb_checkpoints", "__MACOSX", ".thumbnails", ".Trash-1000/files", "@eaDir"])
@pytest.mark.parametrize("kind", ["masks", "coco", "yolo", "labelme"])
def test_what_other_programs_leave_is_no_part_of_a_dataset(tmp_path: Path, kind: str, litter: str) -> None:
    """Copies of images and labels in such folders were read as images of their own, or told as orphans."""
    outline = [[1, 1, 6, 1, 6, 6]]
    shape = {"label": "a", "points": [[1, 1], [6, 1], [6, 6]], "shape_type": "polygon"}
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 8, "height": 8} for k in (1, 2, 3)]
    drawn = [{"id": k, "image_id": k, "category_id": 1, "segmentation": outline, "bbox": [1, 1, 5, 5]} for k in (1, 2)]
    coco = {"images": images, "annotations": drawn, "categories": [{"id": 1, "name": "a"}]}
    pictures, labels = {"labelme": ("", "")}.get(kind, ("images", "annotations" if kind == "coco" else "labels"))
    for place, copy in (("", ""), (litter, "-checkpoint")):
        for k in (1, 2, 3):
            folder = tmp_path / pictures / place
            folder.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(k).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(noise).save(folder / f"{k}{copy}.jpg")
            folder = tmp_path / labels / place
            folder.mkdir(parents=True, exist_ok=True)
            if kind == "masks":
                Image.fromarray(np.tri(8, k=-k, dtype=np.uint8) * 255).save(folder / f"{k}{copy}.png")
            elif kind == "yolo":
                (folder / f"{k}{copy}.txt").write_text("0 .1 .1 .8 .1 .8 .8\n")
            elif kind == "labelme":
                document = {"shapes": [shape], "imagePath": f"{k}.jpg", "imageHeight": 8, "imageWidth": 8}
                (folder / f"{k}{copy}.json").write_text(json.dumps(document))
            else:
                (folder / f"instances{copy}.json").write_text(json.dumps(coco))
    data = segdata.read(tmp_path)
    codes = {finding.code for finding in segdata.validate(data).findings}
    assert (len(data.images), codes & {"SEG002", "SEG008", "SEG011", "SEG304"}) == (3, set())


def test_a_warning_of_each_split_is_told_once(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        (tmp_path / split).mkdir()
        images = [{"id": k, "file_name": f"{split}{k}.jpg", "width": 8, "height": 8} for k in range(20)]
        drawn = [
            {"id": k, "image_id": k, "category_id": 1, "segmentation": [[1, 1, 6, 1, 6, 6]], "area": 13,
             "bbox": [1, 1, 5, 5], "iscrowd": 0}
            for k in range(20)
        ]  # fmt: skip
        document = {"images": images, "annotations": drawn, "categories": [{"id": 1, "name": "a"}]}
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(document))
    findings = segdata.validate(segdata.read(tmp_path)).findings
    (told,) = [finding.message for finding in findings if "annotation id is 0" in finding.message]
    assert told.count("_annotations.coco.json") == 2


def test_folders_of_several_formats_are_listed(tmp_path: Path) -> None:
    coco = {"images": [], "annotations": [], "categories": []}
    for name, text in (("a.json", coco), ("b.json", {"version": "5", "shapes": [], "imagePath": "b.png"})):
        (tmp_path / name).write_text(json.dumps(text))
    message = said(tmp_path)
    assert "choose one: --from coco-instances (images, annotations and categories in a.json), --from labelme" in message
    (tmp_path / "a.json").unlink()
    (tmp_path / "b").mkdir()
    (tmp_path / "b.json").rename(tmp_path / "b" / "b.json")
    _via(tmp_path / "kudzu")
    assert "give one of its folders as DATA: kudzu (via), b (labelme); or choose a format" in said(tmp_path)


def test_a_format_that_does_not_fit_names_the_one_that_does(tmp_path: Path) -> None:
    Image.fromarray(np.tri(9, dtype=np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(SegdataError, match="it looks like colour-masks: read it as that, or without --from"):
        segdata.read(tmp_path, format="coco")
    with pytest.raises(SegdataError) as caught:
        segdata.read(tmp_path, format="layers")
    assert "without --from" not in str(caught.value)  # which says what to declare


def test_a_folder_of_archives_offers_the_first(tmp_path: Path) -> None:
    for name in ("task 1.zip", "task 2.zip"):
        (tmp_path / name).write_bytes(b"PK")
    assert f"an archive is read as its folder; give one as DATA: '{tmp_path}/task 1.zip'" in said(tmp_path)


def test_an_archive_of_a_program_is_not_offered(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "a.jpg")
    (tmp_path / "notes.md").write_text("pictures")
    for name, member in (("a tool.zip", "tool/index.html"), ("labels.zip", "labels/a.json")):
        assert "an archive is read as its folder" not in said(tmp_path)
        with ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, "{}")
    assert f"give one as DATA: {tmp_path}/labels.zip" in said(tmp_path)


def test_pictures_of_few_values_beside_boxes_are_no_remedy(tmp_path: Path) -> None:
    """Backgrounds and noise that are pasted into pictures, of which nobody drew masks."""
    for folder in ("train/labels", "train/images", "data/noise", "data/first_masks", "data/other_masks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "train/labels/a.txt").write_text("0 0.1 0.2 0.3 0.4\n")
    photograph = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    Image.fromarray(photograph).save(tmp_path / "train/images/a.jpg")
    values = np.zeros((20, 20), np.uint8)
    values[5:12, 5:12] = 1
    for name in ("1.png", "2.png"):
        Image.fromarray(values).save(tmp_path / "data/noise" / name)
    assert re.search("YOLO boxes(?!.*noise)", said(tmp_path))
    for name in ("1.png", "2.png"):
        for folder in ("first_masks", "other_masks"):
            Image.fromarray(values).save(tmp_path / "data" / folder / name)
    assert re.search(r"YOLO boxes.*you can read data \(colour-masks\)", said(tmp_path))


def test_images_alone_and_no_files(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    assert said(tmp_path).endswith("holds no files")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "a.jpg")
    assert "it holds 1 .jpg; no labels are beside these images" in said(tmp_path)


def test_masks_named_as_layers_are_told_what_to_declare(tmp_path: Path) -> None:
    for name in ("images/1.jpg", "masks/1_car.png", "masks/1_road_side.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((9, 9, 4 if "masks" in name else 3), 255, np.uint8)).save(tmp_path / name)
    declared = "layers: {pattern: 'masks/{stem}_{category}.png'}"
    with pytest.raises(SegdataError, match=re.escape(f"if each is a category: `{declared}`")):
        segdata.validate(tmp_path)
    (tmp_path / "segdata.yaml").write_text(f"{declared}\n")
    assert len(segdata.read(tmp_path).segments) == 2


@pytest.mark.parametrize("folder", ["assets", "drawn_labels"])
def test_screenshots_in_a_folder_of_no_labels_are_no_masks(tmp_path: Path, folder: str) -> None:
    """Two screenshots of a program were read as masks of 8 smoothed colours."""
    for k in range(3):
        smooth = np.zeros((120, 160, 3), np.uint8)
        smooth[20:100, 20:140] = 230
        smooth[90:, :, 0] = 40 * k
        smooth[40:42, 30:] = np.stack(np.meshgrid(np.arange(130), (40, 90), (k,)), -1)[..., 0, :]
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(smooth).save(tmp_path / folder / f"{k}.png")
    (tmp_path / "main.py").touch()
    if folder == "assets":
        with pytest.raises(UnreadableError, match="no known format fits"):
            segdata.read(tmp_path)
    else:
        assert segdata.read(tmp_path).profile.format == "colour-masks"


def test_a_gif_of_a_program_is_no_mask(tmp_path: Path) -> None:
    """An animation of a README was read as a mask, with a warning for each of 253 colours."""
    (tmp_path / "teaser").mkdir()
    shades = np.add.outer(np.arange(120), np.arange(160)) % 250
    Image.fromarray(shades.astype(np.uint8)).convert("P").save(tmp_path / "teaser" / "figure.gif")
    (tmp_path / "main.py").touch()
    with pytest.raises(UnreadableError, match="no known format fits"):
        segdata.read(tmp_path)
