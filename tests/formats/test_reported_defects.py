"""What people reported in public threads is named with its cause; `benchmarks/defects/reported.py` has all of it."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata

SIZE = 40
RING = [5.0, 5.0, 25.0, 5.0, 25.0, 20.0, 5.0, 20.0]


def messages(path: Path, **opening: Any) -> dict[str, str]:
    """The codes of the findings, and the message of the last of each."""
    found = segdata.validate(path, jobs=1, **opening).findings
    return {one.code: one.message for one in found}


def coco(folder: Path, n: int = 1, **keys: Any) -> Path:
    """A COCO file of one image and n annotations; None as a value leaves a key out."""
    entry = {"image_id": 1, "category_id": 1, "segmentation": [RING], "bbox": [5, 5, 20, 15], "area": 300, "iscrowd": 0}
    annotations = [
        {"id": k + 1} | {key: value for key, value in (entry | keys).items() if value is not None} for k in range(n)
    ]
    image = {"id": 1, "file_name": "a.png", "width": SIZE, "height": SIZE}
    path = folder / "some.json"
    content = {"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "crab"}]}
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("code", "words", "keys"),
    [
        ("SEG004", "boxes only: 1 annotation with a box and without an outline", {"segmentation": []}),
        ("SEG105", "or its rings cancel, as one that goes around twice does", {"segmentation": [RING * 2]}),
        ("SEG006", "ring of 4 numbers, which pycocotools takes for a box", {"segmentation": [RING, [1, 1, 9, 9]]}),
        ("SEG006", "nested once too deep", {"segmentation": [[RING]]}),
        ("SEG013", "has a negative width and height", {"bbox": [25, 20, -20, -15]}),
        ("SEG005", "Label Studio's brush", {"segmentation": {"counts": [0, 0, 25, 0, 58], "size": [SIZE, SIZE]}}),
        ("SEG004", "no annotation has area and iscrowd", {"area": None, "iscrowd": None, "n": 20}),
    ],
)
def test_causes_in_coco(tmp_path: Path, code: str, words: str, keys: dict[str, Any]) -> None:
    """The message names what the writer of the file did, not only what came of it."""
    assert words in messages(coco(tmp_path, **keys))[code]


def test_one_missing_outline_among_others(tmp_path: Path) -> None:
    path = coco(tmp_path, n=2)
    content = json.loads(path.read_text())
    content["annotations"][0]["segmentation"] = []
    path.write_text(json.dumps(content))
    assert "no pixels, but a box of 20 x 15 px: the outline is missing" in messages(path)["SEG105"]


@pytest.mark.parametrize(("n_boxes", "is_habit"), [(5, True), (4, False), (40, True)])
def test_boxes_beside_outlines_are_one_warning(tmp_path: Path, n_boxes: int, is_habit: bool) -> None:
    """Many boxes are labels of detection; a few are forgotten outlines, each an error."""
    path = coco(tmp_path, n=45)
    content = json.loads(path.read_text())
    for annotation in content["annotations"][:n_boxes]:
        annotation["segmentation"] = []
    path.write_text(json.dumps(content))
    told = segdata.validate(path, select=["SEG105"]).findings
    assert [one.severity for one in told] == (["warning"] if is_habit else ["error"] * n_boxes)
    assert told[0].message.startswith(f"{n_boxes} of 45 segments have a box and no outline") == is_habit


def test_category_of_boxes_alone_is_not_told_as_rare(tmp_path: Path) -> None:
    """Its segments have no pixels, as SEG105 says."""
    path = coco(tmp_path, n=12)
    content = json.loads(path.read_text())
    content["categories"].append({"id": 2, "name": "lobster"})
    for annotation in content["annotations"][:6]:
        annotation |= {"segmentation": [], "category_id": 2}
    path.write_text(json.dumps(content))
    assert {one.code for one in segdata.validate(path, select=["SEG105", "SEG204", "SEG302"]).findings} == {"SEG105"}


def test_segment_that_misses_every_pixel_is_no_lost_outline(tmp_path: Path) -> None:
    """Its box is as small as it is, or outside the image."""
    speck = [3.1, 3.1, 3.3, 3.1, 3.3, 3.3, 3.1, 3.3]
    assert "inside the frame" in messages(coco(tmp_path, segmentation=[speck], bbox=[3.1, 3.1, 0.2, 0.2]))["SEG105"]
    outside = [value + 50 for value in RING]
    assert "inside the frame" in messages(coco(tmp_path, segmentation=[outside], bbox=[55, 55, 20, 15]))["SEG105"]


def test_panoptic_masks_whose_ids_nobody_lists(tmp_path: Path) -> None:
    """One finding says it, and masks are found in a folder beside the file."""
    (tmp_path / "masks").mkdir()
    ids = np.zeros((SIZE, SIZE, 3), np.uint8)
    for k in range(3):
        ids[:20, :, 0] = k + 1
        Image.fromarray(ids).save(tmp_path / f"masks/{k}.png")
    images = [{"id": k, "file_name": f"{k}.jpg", "width": SIZE, "height": SIZE} for k in range(3)]
    annotations = [{"image_id": k, "file_name": f"{k}.png", "segments_info": []} for k in range(3)]
    path = tmp_path / "train.json"
    path.write_text(json.dumps({
        "images": images, "annotations": annotations, "categories": [{"id": 1, "name": "crab", "isthing": 1}]
    }))  # fmt: skip
    assert "segments_info is empty in all 3 entries" in messages(path)["SEG014"]


def labelme(folder: Path, shapes: list[tuple[str, list[list[float]]]], **more: object) -> Path:
    """A LabelMe file of polygons, with its image."""
    Image.fromarray(np.full((SIZE, SIZE), 90, np.uint8)).save(folder / "a.png")
    drawn = [{"label": label, "points": points, "shape_type": "polygon"} for label, points in shapes]
    content = {"shapes": drawn, "imagePath": "a.png", "imageData": None, "imageHeight": SIZE, "imageWidth": SIZE}
    (folder / "a.json").write_text(json.dumps(content | more))
    return folder


def test_background_is_a_hole_in_what_was_drawn_before(tmp_path: Path) -> None:
    """LabelMe's converters paint it over; what is drawn later stays."""

    def square(low: float, high: float) -> list[list[float]]:
        return [[low, low], [high, low], [high, high], [low, high]]

    shapes = [("crab", square(2, 22)), ("_background_", square(8, 12)), ("shell", square(8, 12))]
    assert sorted(segdata.read(labelme(tmp_path, shapes)).segments["area"]) == [5 * 5, 21 * 21 - 5 * 5]


def test_picture_in_the_file_of_another_size(tmp_path: Path) -> None:
    """LabelMe opens that one. One of the same size is none of our business, nor is what is no picture."""

    def data(width: int, height: int) -> str:
        buffer = io.BytesIO()
        Image.new("L", (width, height)).save(buffer, "PNG")
        return base64.b64encode(buffer.getvalue()).decode()

    shapes = [("crab", [[2.0, 2.0], [20.0, 2.0], [20.0, 20.0]])]
    assert "is a picture of 80 x 60" in messages(labelme(tmp_path, shapes, imageData=data(80, 60)))["SEG003"]
    for sound in (data(SIZE, SIZE), "?", 7):
        assert "SEG003" not in messages(labelme(tmp_path, shapes, imageData=sound))


def mask_folder(folder: Path, values: list[int]) -> Path:
    """Four images with masks of vertical stripes."""
    for k in range(4):
        stripes = np.repeat(np.array(values, np.uint8), SIZE // len(values))[None].repeat(SIZE, axis=0)
        for name, pixels in (("images", stripes * 20 + k), ("masks", stripes)):
            (folder / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / name / f"{k}.png")
    return folder


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels_info.json", '[{"id": 0, "name": "beach"}, {"id": 1, "name": "crab"}, {"id": 2, "name": "shell"}]'),
        ("id2label.json", '{"0": "beach", "1": "crab", "2": "shell"}'),
        ("labels.json", '["beach", "crab", "shell"]'),
        ("label_map.json", '{"crab": 1, "beach": 0, "shell": 2}'),
        ("classes.json", '{"n": 9, "label_to_id": {"crab": 1, "beach": 0, "shell": 2}, "samples": [{"id": 4}]}'),
        ("data.yaml", "masks:\n  train: masks\nnames:\n  0: beach\n  1: crab\n  2: shell\n"),
    ],
)
def test_names_beside_masks(tmp_path: Path, name: str, content: str) -> None:
    """A list of names is used, and a value beyond it is reported with the likely reason."""
    (tmp_path / name).write_text(content)
    taxonomy = segdata.read(mask_folder(tmp_path, [0, 1, 2])).profile.taxonomy
    assert [category.name for category in taxonomy.categories][:3] == ["beach", "crab", "shell"]
    assert "SEG219" not in messages(tmp_path)
    assert "do the values begin at 1" in messages(mask_folder(tmp_path, [1, 2, 3, 1]))["SEG009"]


def test_other_json_beside_masks_is_no_list_of_names(tmp_path: Path) -> None:
    """FiftyOne writes labels.json, too."""
    (tmp_path / "labels.json").write_text('{"classes": [], "labels": {"0": [1]}}')
    assert "SEG219" in messages(mask_folder(tmp_path, [0, 1, 2]))


def test_classes_of_yolo_that_are_no_numbers_of_names(tmp_path: Path) -> None:
    """The number beyond the names says what may be wrong with all others."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    Image.new("L", (SIZE, SIZE)).save(tmp_path / "images/a.png")
    (tmp_path / "labels/a.txt").write_text("2 0.1 0.1 0.6 0.1 0.6 0.6\n")
    (tmp_path / "data.yaml").write_text("names: [crab, shell]\n")
    assert "names are 0 to 1: if the classes of the files begin at 1" in messages(tmp_path)["SEG007"]
    (tmp_path / "labels/a.txt").write_text("CRAB 4 4 30 4 30 30\n")
    assert "the class is a name, 'CRAB', where YOLO has its number, and 4 is in pixels" in messages(tmp_path)["SEG004"]


def test_what_is_refused_says_why(tmp_path: Path) -> None:
    """Exports that are known, and COCO files that are one dataset only together."""
    (tmp_path / "export.json").write_text('[{"ID": "a", "DataRow ID": "b", "Label": {"objects": []}}]')
    with pytest.raises(segdata.SegdataError, match="an export of Labelbox"):
        segdata.read(tmp_path)
    (tmp_path / "export.json").unlink()
    (tmp_path / "Annotations").mkdir()
    for name in ("a.json", "b.json"):
        coco(tmp_path).rename(tmp_path / "Annotations" / name)
    with pytest.raises(segdata.SegdataError, match=r"segdata merge .*/Annotations/\*.json OUT --images"):
        segdata.read(tmp_path)


def test_cells_that_were_not_numbered(tmp_path: Path) -> None:
    """Masks that are called as cellpose's, but hold one value; those of other names are binary masks as people draw."""
    pixels = np.zeros((SIZE, SIZE), np.uint8)
    pixels[5:15, 5:15] = pixels[20:30, 20:30] = 255
    for suffix, warned in (("_masks", True), ("_mask", False)):
        folder = tmp_path / suffix
        folder.mkdir()
        for k in range(3):
            Image.fromarray(pixels // 2 + k).save(folder / f"{k}.png")
            Image.fromarray(pixels).save(folder / f"{k}{suffix}.png")
        severities = {one.severity for one in segdata.validate(folder, jobs=1).findings if one.code == "SEG219"}
        assert ("warning" in severities) == warned
