"""Broken files of LabelMe, VIA and CVAT: each defect is named with its file and place, and the rest is read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segdata import Dataset, read, validate
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect

RING = [[1, 1], [4, 1], [4, 4]]
CAR = {"label": "car", "points": RING, "shape_type": "polygon"}
HUGE = 10**30


def loaded(dataset: Dataset) -> Batch:
    return concatenate_batches(list(dataset))


def met(folder: Path, format: str) -> tuple[list[Defect], int]:
    """What is wrong, and how many segments were read nevertheless; `validate` tells the same."""
    dataset = read(folder, format=format)
    batch = loaded(dataset)
    found = [each for each in (*dataset.source.defects, *batch.defects) if each.severity != "info"]
    told = {(each.code, each.place) for each in validate(dataset).findings}
    assert {(each.code, each.place) for each in found} <= told
    return found, batch.n_segments


def labelme(folder: Path, *shapes: object, **more: object) -> Path:
    document = {"shapes": [CAR, *shapes], "imagePath": "a.png", "imageHeight": 9, "imageWidth": 9, **more}
    (folder / "a.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("shape", "code", "within"),
    [
        ([], "SEG004", ""),
        ({"points": RING}, "SEG004", "/label"),
        ({**CAR, "label": 5}, "SEG004", "/label"),
        ({**CAR, "label": ""}, "SEG004", "/label"),
        ({**CAR, "shape_type": "cloud"}, "SEG004", "/shape_type"),
        ({**CAR, "shape_type": ["polygon"]}, "SEG004", "/shape_type"),
        ({**CAR, "points": None}, "SEG006", "/points"),
        ({**CAR, "points": [[1, 1], [4, 1]]}, "SEG006", "/points"),
        ({**CAR, "points": [[1, 1], [4, 1], [4]]}, "SEG006", "/points"),
        ({**CAR, "points": [[1, 1], [4, 1], ["4", 4]]}, "SEG006", "/points"),
        ({**CAR, "points": [[1, 1], [4, 1], [float("nan"), 4]]}, "SEG006", "/points"),
        ({**CAR, "points": [[1, 1], [4, 1], [1e12, 4]]}, "SEG006", "/points"),
        ({**CAR, "points": [[1, 1], [4, 1], [HUGE, 4]]}, "SEG006", "/points"),
        ({**CAR, "group_id": "x"}, "SEG004", "/group_id"),
        ({**CAR, "group_id": HUGE}, "SEG004", "/group_id"),
        ({**CAR, "id": True}, "SEG004", "/id"),
        ({**CAR, "flags": [1]}, "SEG004", "/flags"),
        ({**CAR, "score": "high"}, "SEG004", "/score"),
        ({**CAR, "shape_type": "circle"}, "SEG004", "/points"),
        ({**CAR, "shape_type": "circle", "points": [[1, 1], [float("inf"), 1]]}, "SEG004", "/points"),
        ({**CAR, "shape_type": "rectangle", "points": [[1, 1], [1e20, 4]]}, "SEG006", "/points"),
        ({**CAR, "shape_type": "mask", "points": [[1, 1], [2, 2]]}, "SEG004", "/mask"),
        ({**CAR, "shape_type": "mask", "points": [[1, 1], [2, 2]], "mask": "no base64!"}, "SEG001", "/mask"),
        ({**CAR, "shape_type": "mask", "points": [[1, 1], [2, 2]], "mask": "aGVsbG8="}, "SEG001", "/mask"),
    ],
)
def test_shapes_of_labelme(tmp_path: Path, shape: object, code: str, within: str) -> None:
    (defect,), n_segments = met(labelme(tmp_path, shape), "labelme")
    assert (defect.code, defect.file, defect.place, n_segments) == (code, "a.json", f"/shapes/1{within}", 1)


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"shapes": {}}, "/shapes"),
        ({"imageHeight": "9"}, "/imageHeight"),
        ({"imageHeight": None}, "/imageHeight"),
        ({"imageHeight": True}, "/imageHeight"),
        ({"imageHeight": -3}, "/imageHeight"),
        ({"imageWidth": HUGE}, "/imageWidth"),
        ({"imageWidth": 200_000, "imageHeight": 200_000}, "/imageHeight"),
    ],
)
def test_files_of_labelme(tmp_path: Path, more: dict[str, Any], place: str) -> None:
    (defect,), n_segments = met(labelme(tmp_path, **more), "labelme")
    assert (defect.code, defect.file, defect.place, n_segments) == ("SEG004", "a.json", place, 0)


@pytest.mark.parametrize("text", [b"", b'{"shapes": [', b'{"a":' * 100_000])
def test_files_that_are_no_json(tmp_path: Path, text: bytes) -> None:
    """Beside a sound one, which is read."""
    labelme(tmp_path)
    (tmp_path / "b.json").write_bytes(text)
    (defect,), n_segments = met(tmp_path, "labelme")
    assert (defect.code, defect.file, n_segments) == ("SEG001", "b.json", 1)
    (tmp_path / "a.json").write_bytes(b"[]")
    (tmp_path / "b.json").write_bytes(b"[" * 100_000)
    with pytest.raises(UnreadableError, match="no LabelMe JSON file"):
        read(tmp_path, format="labelme")


def test_two_files_of_one_image_and_ids_used_twice(tmp_path: Path) -> None:
    labelme(tmp_path, {**CAR, "id": 3}, {**CAR, "id": 3})
    (tmp_path / "b.json").write_text((tmp_path / "a.json").read_text())
    defects, n_segments = met(tmp_path, "labelme")
    assert [(each.code, each.file, each.place) for each in defects] == [
        ("SEG008", "b.json", None),
        ("SEG008", "a.json", "/shapes/1"),
    ]
    assert n_segments == 3


POLYGON = {"name": "polygon", "all_points_x": [1, 4, 4], "all_points_y": [1, 1, 4]}
REGION = {"shape_attributes": POLYGON, "region_attributes": {"c": "car"}}


def via(folder: Path, *regions: object, **more: object) -> Path:
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "a.png")
    image = {"filename": "a.png", "size": 5, "regions": [REGION, *regions], "file_attributes": {}, **more}
    (folder / "via.json").write_text(json.dumps({"a": image}), encoding="utf-8")
    return folder


def drawn(**shape: object) -> dict[str, object]:
    return {**REGION, "shape_attributes": shape}


@pytest.mark.parametrize(
    ("region", "code", "within"),
    [
        (7, "SEG004", ""),
        ({}, "SEG004", ""),
        (drawn(name="cloud"), "SEG004", "/shape_attributes/name"),
        (drawn(name=["rect"]), "SEG004", "/shape_attributes/name"),
        (drawn(name="polygon", all_points_x=[1, 2, 3], all_points_y=[1, 2]), "SEG006", "/shape_attributes"),
        (drawn(name="polygon", all_points_x=[1, 2], all_points_y=[1, 2]), "SEG006", "/shape_attributes"),
        (drawn(name="polygon", all_points_x=[1, 2, "3"], all_points_y=[1, 2, 5]), "SEG006", "/shape_attributes"),
        (drawn(name="polygon", all_points_x=[1, 2, 1e9], all_points_y=[1, 2, 5]), "SEG006", "/shape_attributes"),
        (drawn(name="rect", x=1, y=1, width=2), "SEG004", "/shape_attributes/height"),
        (drawn(name="rect", x=1, y=1, width=2, height="3"), "SEG004", "/shape_attributes/height"),
        (drawn(name="rect", x=1, y=1, width=-2, height=3), "SEG006", "/shape_attributes"),
        (drawn(name="circle", cx=1, cy=1, r=1e300), "SEG006", "/shape_attributes"),
        (drawn(name="ellipse", cx=1, cy=1, rx=1, ry=1, theta=None), "SEG004", "/shape_attributes/theta"),
        ({**REGION, "region_attributes": "car"}, "SEG004", "/region_attributes"),
    ],
)
def test_regions_of_via(tmp_path: Path, region: object, code: str, within: str) -> None:
    defects, n_segments = met(via(tmp_path, region), "via")
    found = [each for each in defects if each.severity is None]
    assert [(each.code, each.file, each.place) for each in found] == [(code, "via.json", f"/a/regions/1{within}")]
    assert n_segments == 1


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ('{"shape_attributes":', "SEG001", None),
        ('{"a": {"filename": 5, "shape_attributes": 1}}', "SEG004", "/a/filename"),
        ('{"a": {"shape_attributes": 1}}', "SEG004", "/a"),
        ('{"_via_img_metadata": [], "shape_attributes": 1}', "SEG004", "/_via_img_metadata"),
        ('{"a": {"filename": "a.png", "regions": 7}}', "SEG004", "/a/regions"),
    ],
)
def test_documents_of_via(tmp_path: Path, text: str, code: str, place: str | None) -> None:
    via(tmp_path)
    (tmp_path / "via.json").write_text(text)
    dataset = read(tmp_path / "via.json", format="via")
    (defect,) = (*dataset.source.defects, *loaded(dataset).defects)
    assert (defect.code, defect.file, defect.place) == (code, "via.json", place)


def test_paths_and_lines_of_via(tmp_path: Path) -> None:
    via(tmp_path, filename="../../a.png")
    (defect,), _ = met(tmp_path, "via")
    assert (defect.code, defect.place) == ("SEG015", "/a/filename")
    (tmp_path / "via.json").unlink()
    header = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    sound = 'a.png,5,{},2,0,"{""name"":""rect"",""x"":1,""y"":1,""width"":2,""height"":3}","{""c"":""car""}"'
    (tmp_path / "via.csv").write_text(f"{header}\n{sound}\na.png,5\na.png,5,{{}},2,1,{{,{{}}\n")
    defects, n_segments = met(tmp_path, "via")
    assert [(each.code, each.line) for each in defects] == [("SEG004", 3), ("SEG004", 4)]
    assert n_segments == 1


def cvat(folder: Path, *shapes: str, image: str = 'name="a.png" width="9" height="9"') -> Path:
    sound = '<polygon label="car" points="1,1;4,1;4,4"/>'
    text = f"<annotations><meta/><image {image}>{sound}{''.join(shapes)}</image></annotations>"
    (folder / "annotations.xml").write_text(text, encoding="utf-8")
    return folder


MASK = '<mask label="car" rle="{}" left="1" top="1" width="{}" height="2"/>'


@pytest.mark.parametrize(
    ("shape", "code", "tag"),
    [
        ('<polygon points="1,1;4,1;4,4"/>', "SEG004", "polygon[2]"),
        ('<polygon label="car"/>', "SEG006", "polygon[2]"),
        ('<polygon label="car" points="1,1;4,1"/>', "SEG006", "polygon[2]"),
        ('<polygon label="car" points="1,1;4,1;4"/>', "SEG006", "polygon[2]"),
        ('<polygon label="car" points="1,1;4,1;4,x"/>', "SEG006", "polygon[2]"),
        ('<polygon label="car" points="1,1;4,1;4,nan"/>', "SEG006", "polygon[2]"),
        ('<polygon label="car" points="1,1;4,1;4,1e99"/>', "SEG006", "polygon[2]"),
        ('<polygon label="car" points="1,1;4,1;4,4" group_id="x"/>', "SEG004", "polygon[2]"),
        ('<polygon label="car" points="1,1;4,1;4,4" z_order="1e9"/>', "SEG004", "polygon[2]"),
        ('<box label="car" xtl="1" ytl="1" xbr="3"/>', "SEG004", "box[1]"),
        ('<box label="car" xtl="1" ytl="1" xbr="3" ybr="inf"/>', "SEG006", "box[1]"),
        ('<ellipse label="car" cx="1" cy="1" rx="-1" ry="1"/>', "SEG006", "ellipse[1]"),
        (MASK.format("0, 3", 2), "SEG005", "mask[1]"),
        (MASK.format("0, 5", 2), "SEG005", "mask[1]"),
        (MASK.format("5, -1", 2), "SEG005", "mask[1]"),
        (MASK.format("0, x", 2), "SEG005", "mask[1]"),
        (MASK.format(f"{HUGE}", 2), "SEG005", "mask[1]"),
        (MASK.format("0, 4", 99999999), "SEG005", "mask[1]"),
        (MASK.format("0, 4", HUGE), "SEG004", "mask[1]"),
        ('<mask label="car" rle="0, 4"/>', "SEG004", "mask[1]"),
        ('<cloud label="car"/>', "SEG004", "cloud"),
    ],
)
def test_shapes_of_cvat(tmp_path: Path, shape: str, code: str, tag: str) -> None:
    (defect,), n_segments = met(cvat(tmp_path, shape), "cvat")
    assert (defect.code, defect.place, n_segments) == (code, f"/annotations/image[1]/{tag}", 1)


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ('width="9" height="9"', "SEG004"),
        ('name="a.png"', "SEG004"),
        ('name="a.png" width="0" height="9"', "SEG004"),
        ('name="a.png" width="999999999" height="999999999"', "SEG004"),
        ('name="a.png" width="x" height="9"', "SEG004"),
        ('name="../../a.png" width="9" height="9"', "SEG015"),
    ],
)
def test_images_of_cvat(tmp_path: Path, image: str, code: str) -> None:
    dataset = read(cvat(tmp_path, image=image), format="cvat")
    found = [each for each in (*dataset.source.defects, *loaded(dataset).defects) if each.severity is None]
    assert [(each.code, each.file) for each in found] == [(code, "annotations.xml")]


BOMB = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><annotations><meta>&y;</meta></annotations>'


@pytest.mark.parametrize(
    ("text", "line"),
    [("", 1), ("<annotations><meta>", 1), ("<annotations>\n<meta></annotations>", 2), (BOMB, 1), ("<a>" * 5000, 1)],
    ids=["empty", "cut", "crossed", "bomb", "deep"],
)
def test_xml_that_is_not_read(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "annotations.xml"
    path.write_text(text)
    dataset = read(path, format="cvat")
    (defect,) = dataset.source.defects
    assert (defect.code, defect.file, defect.line, len(dataset)) == ("SEG001", "annotations.xml", line, 0)


def test_tracks_of_cvat(tmp_path: Path) -> None:
    shapes = "".join(
        f'<box frame="{frame}" outside="0" xtl="1" ytl="1" xbr="3" ybr="3"/>' for frame in ("0", "x", "0", "999999999")
    )
    meta = "<meta><task><size>2</size><original_size><width>9</width><height>9</height></original_size></task></meta>"
    (tmp_path / "a.xml").write_text(f'<annotations>{meta}<track id="0" label="car">{shapes}</track></annotations>')
    defects, n_segments = met(tmp_path, "cvat")
    assert [(each.code, each.place) for each in defects] == [
        ("SEG004", "/annotations/track[1]/box[2]"),
        ("SEG004", "/annotations/track[1]/box[3]"),
    ]
    assert n_segments == 2


@pytest.mark.parametrize("format", ["labelme", "via", "cvat"])
def test_nothing_there(tmp_path: Path, format: str) -> None:
    (tmp_path / "readme.txt").write_text("x")
    with pytest.raises(UnreadableError, match="no "):
        read(tmp_path, format=format)
    with pytest.raises(SegdataError):
        read(tmp_path / "missing", format=format)
