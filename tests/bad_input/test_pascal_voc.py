"""Broken datasets in VOC's layout: each defect is named with its file and place, and the rest is read."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata import read, validate
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from tests.formats.voc.scenes import object_element, open_dataset, write_boxes, write_scene

CLASSES, OBJECTS, BOXES = (
    "SegmentationClass/2007_000001.png",
    "SegmentationObject/2007_000001.png",
    "Annotations/2007_000001.xml",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sound images; the files of the first are to be broken."""
    for stem in ("2007_000001", "2007_000002"):
        write_scene(tmp_path, [[7, 7, 15]], [[1, 1, 2]], stem)
    write_boxes(tmp_path, object_element("car", (1, 1, 2, 1)), object_element("person", (3, 1, 3, 1)))
    return tmp_path


def met(root: Path) -> list[Defect]:
    """The defects beside informations; the second image is read whatever they are, and validation says the same."""
    _, batch, defects = open_dataset(root)
    second = batch.images["image_id"].to_pylist().index("2007_000002.jpg")
    assert int((batch.segment_image == second).sum()) >= 1
    assert {each.code for each in defects} <= {each.code for each in validate(root).findings}
    return defects


def bomb(path: Path) -> None:
    """A header that claims 100 000 x 100 000 pixels."""
    data = path.read_bytes()
    header = struct.pack(">II", 100_000, 100_000) + data[24:29]
    path.write_bytes(data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:])


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "rubbish": lambda path: path.write_bytes(b"\x00" * 100),
    "bomb": bomb,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [CLASSES, OBJECTS])
def test_a_mask_that_cannot_be_decoded(root: Path, name: str, damage: str) -> None:
    DAMAGE[damage](root / name)
    assert [(each.code, each.file, each.image) for each in met(root)] == [("SEG001", name, "2007_000001.jpg")]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ('<!DOCTYPE a [<!ENTITY b "x">]><annotation>&b;</annotation>', "SEG001", 1),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "SEG001", 1),
        ("<annotation>\n<object>", "SEG001", 2),
        ("", "SEG001", 1),
        ("<annotations/>", "SEG004", None),
        ("<a>" * 100, "SEG001", 1),
    ],
)
def test_an_xml_file_that_cannot_be_read(root: Path, text: str, code: str, line: int | None) -> None:
    """The masks are read all the same."""
    (root / BOXES).write_text(text)
    assert [(each.code, each.file, each.line) for each in met(root)] == [(code, BOXES, line)]
    assert sum(batch.n_segments for batch in read(root)) == 4


def test_values_that_are_no_classes(root: Path) -> None:
    write_scene(root, [[7, 77, 21]], [[1, 1, 2]])
    assert [(each.code, each.place, each.pixels, each.segments) for each in met(root)] == [
        ("SEG009", "x=2, y=0", 1, ()),
        ("SEG009", "x=1, y=0", 1, ()),
    ]


def test_colours_that_are_no_classes_or_objects(root: Path) -> None:
    for name in (CLASSES, OBJECTS):
        Image.fromarray(np.array([[(1, 2, 3)] * 3], np.uint8)).save(root / name)
    assert sorted((each.code, each.file) for each in met(root)) == [("SEG009", CLASSES), ("SEG009", OBJECTS)]


def test_smoothed_and_compressed_masks_of_objects(root: Path) -> None:
    ramp = np.arange(120, dtype=np.uint8).reshape(1, 40, 3)
    write_scene(root, [[7] * 40], [[1] * 40])
    Image.fromarray(ramp).save(root / OBJECTS)
    assert ("SEG010", OBJECTS) in [(each.code, each.file) for each in met(root)]
    (root / OBJECTS).unlink()
    Image.fromarray(ramp).save((root / OBJECTS).with_suffix(".jpg"))
    assert [(each.code, each.file) for each in met(root)] == [("SEG010", OBJECTS.replace(".png", ".jpg"))]


def test_masks_of_different_sizes(root: Path) -> None:
    write_scene(root, [[7, 7], [7, 7]])
    codes = [(each.code, each.file) for each in met(root)]
    assert ("SEG003", OBJECTS) in codes


def test_a_mask_of_objects_alone(root: Path) -> None:
    (root / CLASSES).unlink()
    assert [(each.code, each.file) for each in met(root)] == [("SEG002", OBJECTS)]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("2007_000001\n2007_000002\n/etc/passwd\n", "SEG015", 3),
        ("2007_000002\nC:\\a\n2007_000001\n", "SEG015", 2),
        ("2007_000001\n2007_000002\n2007_000001\n", "SEG008", 3),
        ("2007_000001\n2007_000002\nnowhere\n", "SEG002", 3),
    ],
)
def test_a_list_with_a_line_that_names_nothing(root: Path, text: str, code: str, line: int) -> None:
    path = root / "ImageSets/Segmentation/train.txt"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert [(each.code, each.file, each.line) for each in met(root)] == [
        (code, "ImageSets/Segmentation/train.txt", line)
    ]


def test_a_list_that_is_no_text(root: Path) -> None:
    path = root / "ImageSets/Segmentation/train.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"2007_000001\n\xff\xfe")
    assert [(each.code, each.file) for each in met(root)] == [("SEG001", "ImageSets/Segmentation/train.txt")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\n", "labelmap.txt:1"),
        ("a:1,2::\n", "labelmap.txt:1: colour '1,2'"),
        ("a:1,2,256::\n", "not three values from 0 to 255"),
        ("a:1,2,3::\nb:::\n", "'b' has no colour"),
    ],
)
def test_a_label_map_that_cannot_be_read_is_refused(root: Path, text: str, words: str) -> None:
    (root / "labelmap.txt").write_text(text)
    with pytest.raises(SegdataError) as raised:
        read(root)
    assert words in str(raised.value)


def test_a_label_map_that_is_no_text_is_refused(root: Path) -> None:
    (root / "labelmap.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SegdataError, match="is not UTF-8"):
        read(root)


def test_links_to_nowhere(root: Path) -> None:
    (root / OBJECTS).unlink()
    (root / OBJECTS).symlink_to(root / "gone.png")
    assert [(each.code, each.file) for each in met(root)] == [("SEG002", OBJECTS)]
