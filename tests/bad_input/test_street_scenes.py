"""Broken datasets of street scenes: each defect is named with its file and place, and the rest is read."""

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata import read, validate
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from tests.formats.street.scenes import VISTAS_CONFIG, load_batch, load_defects, save, save_polygons, segment_rows

SQUARE = [[1, 1], [4, 1], [4, 4], [1, 4]]
# Where the instance mask of an image lies, and a sound value: the road.
MASKS = {
    "cityscapes": ("gtFine/train/x/{}_gtFine_instanceIds.png", 7),
    "kitti": ("training/instance/{}.png", 7 * 256),
    "mapillary-vistas": ("training/v1.2/instances/{}.png", 256),
}
FORMATS = pytest.mark.parametrize("format", MASKS)


def sound(root: Path, format: str) -> Path:
    """Two sound images; the file of the first one is for the tests to break."""
    pattern, value = MASKS[format]
    for name in ("a", "b"):
        save(root / pattern.format(name), [[value] * 3])
    if format == "mapillary-vistas":
        (root / "config_v1.2.json").write_text(json.dumps(VISTAS_CONFIG))
    return root / pattern.format("a")


def met(root: Path, format: str) -> list[Defect]:
    """The defects of files; the other image must have been read."""
    dataset = read(root, format=format)
    assert len(segment_rows(load_batch(dataset), "segment_id")) >= 1
    result = validate(dataset)
    assert {each.code for each in load_defects(dataset)} <= {each.code for each in result.findings}
    return [each for each in load_defects(dataset) if each.severity is None]


def bomb(path: Path) -> None:
    """A header that claims 100 000 x 100 000 pixels."""
    data = path.read_bytes()
    header = struct.pack(">II", 100_000, 100_000) + data[24:29]
    path.write_bytes(data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:])


@FORMATS
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(b"not a picture" * 9),
        bomb,
    ],
    ids=["empty", "cut", "junk", "bomb"],
)
def test_masks_that_cannot_be_decoded(tmp_path: Path, format: str, damage: Callable[[Path], object]) -> None:
    path = sound(tmp_path, format)
    damage(path)
    (said,) = met(tmp_path, format)
    assert (said.code, said.file) == ("SEG001", path.relative_to(tmp_path).as_posix())
    assert "a" in str(said.image)


@FORMATS
def test_labels_that_are_none(tmp_path: Path, format: str) -> None:
    """One finding for each label, with the first pixel; ids past the range are not wrapped into it."""
    path = sound(tmp_path, format)
    save(path, [[MASKS[format][1], 65_535, 65_534]])
    (said,) = met(tmp_path, format)
    assert (said.code, said.pixels, said.place) == ("SEG009", 2, "x=1, y=0")
    assert "65534, 65535" in said.message


@FORMATS
def test_colours_and_lossy_masks(tmp_path: Path, format: str) -> None:
    path = sound(tmp_path, format)
    Image.fromarray(np.full((1, 3, 3), 7, np.uint8)).save(path)
    (said,) = met(tmp_path, format)
    assert (said.code, said.message) == ("SEG009", "RGB 8 bit: colours, where ids are expected")
    Image.fromarray(np.full((1, 3), 7, np.uint8)).save(path, format="JPEG")
    (said,) = met(tmp_path, format)
    assert said.code == "SEG010"


@FORMATS
def test_a_dataset_without_one_label(tmp_path: Path, format: str) -> None:
    (tmp_path / "training").mkdir()
    with pytest.raises(UnreadableError, match="no labels"):
        read(tmp_path, format=format)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "gtFine" / os.fsdecode(b"\xff_gtFine_labelIds.png")
    path.parent.mkdir()
    path.write_bytes(b"x")
    with pytest.raises(UnreadableError, match="the name is not UTF-8"):
        read(tmp_path, format="cityscapes")


DOCUMENTS = [
    (b"", "SEG001", None),
    (b'{"imgHeight": 5', "SEG001", None),
    (b"\xff\xfe\x00", "SEG001", None),
    (b"[" * 200_000, "SEG001", None),
    (b"[1, 2]", "SEG004", "/objects"),
    (b'{"imgHeight": 5, "imgWidth": 5}', "SEG004", "/objects"),
    (b'{"imgHeight": 5, "imgWidth": 5, "objects": {}}', "SEG004", "/objects"),
    (b'{"imgWidth": 5, "objects": []}', "SEG004", "/imgHeight"),
    (b'{"imgHeight": 5, "imgWidth": "5", "objects": []}', "SEG004", "/imgWidth"),
    (b'{"imgHeight": 5, "imgWidth": 0, "objects": []}', "SEG004", "/imgWidth"),
    (b'{"imgHeight": true, "imgWidth": 5, "objects": []}', "SEG004", "/imgHeight"),
    (b'{"imgHeight": 99999999999999999999, "imgWidth": 5, "objects": []}', "SEG004", "/imgHeight"),
    (b'{"imgHeight": 200000, "imgWidth": 200000, "objects": []}', "SEG004", "/imgHeight"),
]


@pytest.mark.parametrize(("content", "code", "place"), DOCUMENTS)
def test_documents_of_polygons_that_are_none(tmp_path: Path, content: bytes, code: str, place: str | None) -> None:
    (tmp_path / "a_gtFine_polygons.json").write_bytes(content)
    save_polygons(tmp_path / "b_gtFine_polygons.json", [{"label": "road", "polygon": SQUARE}])
    (said,) = met(tmp_path, "cityscapes")
    assert (said.code, said.place, said.file) == (code, place, "a_gtFine_polygons.json")


OBJECTS = [
    (7, "SEG004", "/objects/0"),
    ({"polygon": SQUARE}, "SEG004", "/objects/0"),
    ({"label": 7, "polygon": SQUARE}, "SEG004", "/objects/0"),
    ({"label": "kerb", "polygon": SQUARE}, "SEG009", "/objects/0/label"),
    ({"label": "group", "polygon": SQUARE}, "SEG009", "/objects/0/label"),
    ({"label": "road"}, "SEG006", "/objects/0/polygon"),
    ({"label": "road", "polygon": SQUARE[:2]}, "SEG006", "/objects/0/polygon"),
    ({"label": "road", "polygon": [[1, 1], [4], [4, 4]]}, "SEG006", "/objects/0/polygon"),
    ({"label": "road", "polygon": [[1, 1], [4, "x"], [4, 4]]}, "SEG006", "/objects/0/polygon"),
    ({"label": "road", "polygon": [[1, 1], [4, float("nan")], [4, 4]]}, "SEG006", "/objects/0/polygon"),
    ({"label": "road", "polygon": [[1, 1], [4, 1e30], [4, 4]]}, "SEG006", "/objects/0/polygon"),
    ({"label": "road", "polygon": "1 1 4 1 4 4"}, "SEG006", "/objects/0/polygon"),
    ({"label": "road", "polygon": None}, "SEG006", "/objects/0/polygon"),
]


@pytest.mark.parametrize(("item", "code", "place"), OBJECTS)
def test_objects_that_cannot_be_drawn(tmp_path: Path, item: object, code: str, place: str) -> None:
    """They are left out, the others of the file are drawn."""
    path = save_polygons(tmp_path / "a_gtFine_polygons.json", [item, {"label": "sky", "polygon": SQUARE}])  # type: ignore[list-item]  # broken
    assert path.read_text().startswith("{")
    (said,) = met(tmp_path, "cityscapes")
    assert (said.code, said.place) == (code, place)
    assert segment_rows(load_batch(read(tmp_path)), "segment_id") == [(23,)]


def test_polygons_after_a_byte_order_mark(tmp_path: Path) -> None:
    path = save_polygons(tmp_path / "a_gtFine_polygons.json", [{"label": "sky", "polygon": SQUARE}])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert met(tmp_path, "cityscapes") == []


def test_more_instances_in_polygons_than_numbers(tmp_path: Path) -> None:
    save_polygons(tmp_path / "a_gtFine_polygons.json", [{"label": "car", "polygon": SQUARE}] * 1001)
    (said,) = met(tmp_path, "cityscapes")
    assert (said.code, said.place) == ("SEG004", "/objects/1000")


CONFIGS = [
    (b"", "is not a config of Mapillary Vistas"),
    (b"[]", "is not a config of Mapillary Vistas"),
    (b'{"labels": []}', "0 labels; 1 to 256 are expected"),
    (b'{"labels": [{"color": [1, 2, 3]}]}', "missing required field `name`"),
    (b'{"labels": [{"name": "a", "color": [1, 2]}]}', r"length >= 3"),
    (b'{"labels": [{"name": "a", "color": [1, 2, 300]}]}', r"/labels/0/color \[1, 2, 300\] is not three values"),
    (b'{"labels": [{"name": "a", "instances": "yes"}]}', "Expected `bool`"),
    (b'{"labels": ' + b"[" * 100_000, "is not a config of Mapillary Vistas"),
    (json.dumps({"labels": [{"name": str(k)} for k in range(257)]}).encode(), "257 labels; 1 to 256"),
]


@pytest.mark.parametrize(("content", "message"), CONFIGS)
def test_configs_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    sound(tmp_path, "mapillary-vistas")
    (tmp_path / "config_v1.2.json").write_bytes(content)
    with pytest.raises(UnreadableError, match=message) as caught:
        read(tmp_path, format="mapillary-vistas")
    assert "config_v1.2.json" in str(caught.value)


@pytest.mark.parametrize("format", ["cityscapes", "kitti"])
def test_tables_of_labels_that_are_none(tmp_path: Path, format: str) -> None:
    sound(tmp_path, format)
    (tmp_path / "label_colors.txt").write_text("0 0 0 background\n300 0 0 car\n")
    with pytest.raises(SegdataError, match=r"label_colors\.txt:2: colour 300, 0, 0 is not three values"):
        read(tmp_path, format=format)


@FORMATS
def test_paths_of_the_index_that_lead_out(tmp_path: Path, format: str) -> None:
    path = sound(tmp_path, format).relative_to(tmp_path).as_posix()
    rows = ["image,mask,width,height,uri", f"a.png,{path},3,1,", "b.png,../../secret.png,3,1,", f"../c.png,{path},3,1,"]
    (tmp_path / "images.csv").write_text("\n".join(rows) + "\n")
    assert [(each.code, each.line) for each in met(tmp_path, format)] == [("SEG015", 3), ("SEG015", 4)]
