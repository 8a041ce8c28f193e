"""The XML files of VOC: coordinates, attributes, and what is broken in them."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.formats.voc.boxes import json_text, plain_text, read_boxes
from tests.formats.voc.scenes import object_element, write_boxes

SIZE = (10, 20)


def test_the_development_kits_elements(tmp_path: Path) -> None:
    said = (
        "<pose>Unspecified</pose><truncated>1</truncated><occluded>0</occluded><difficult>0</difficult>"
        "<part><name>head</name><bndbox><xmin>5.5</xmin><ymin>6</ymin><xmax>7.5</xmax><ymax>8</ymax></bndbox></part>"
        "<actions><jumping>1</jumping></actions><point><x>3</x><y>4.5</y></point>"
    )
    path = write_boxes(tmp_path, object_element("person", (4, 5, 6, 7), said), size=(20, 10))
    (found,), defects = read_boxes(path, "a.xml", SIZE)
    assert (found.name, found.box, found.place) == ("person", (3, 4, 3, 3), "/annotation/object[1]")
    assert found.attributes == {
        "pose": '"Unspecified"',
        "truncated": "true",
        "occluded": "false",
        "difficult": "false",
        "parts": '[{"name":"head","box":[4.5,5.0,3.0,3.0]}]',
        "jumping": "true",
        "point": "[3.0,4.5]",
    }
    assert defects == []


def test_attributes_that_are_columns(tmp_path: Path) -> None:
    """A score is one only where it is a number."""
    pairs = {"score": "0.5", "is_crowd": "true", "track_id": "7", "source": "model", "color": "True"}
    said = "".join(f"<attribute><name>{k}</name><value>{v}</value></attribute>" for k, v in pairs.items())
    wrong = "<attributes><attribute><name>score</name><value>high</value></attribute></attributes>"
    path = write_boxes(
        tmp_path,
        object_element("car", (1, 1, 2, 2), f"<attributes>{said}</attributes>"),
        object_element("car", (1, 1, 2, 2), wrong),
    )
    (first, second), _ = read_boxes(path, "a.xml", SIZE)
    assert first.columns == {"score": 0.5, "iscrowd": True, "track_id": 7, "source": "model"}
    assert first.attributes == {"color": "true"}
    assert (second.columns, second.attributes) == ({}, {"score": '"high"'})


@pytest.mark.parametrize(
    ("element", "place", "words"),
    [
        ("<object><bndbox/></object>", "/annotation/object[1]", "without name"),
        ("<object><name>a</name></object>", "/annotation/object[1]", "no bndbox"),
        (object_element("a", (1, 1, float("nan"), 2)), "/annotation/object[1]/bndbox/xmax", "xmax is 'nan'"),
        (object_element("a", (1, 1, 1e300, 2)), "/annotation/object[1]/bndbox/xmax", "xmax is '1e+300'"),
        (object_element("a", (5, 1, 2, 2)), "/annotation/object[1]/bndbox", "inverted"),
        (object_element("a", (1, 1, 2, 2), "<difficult>yes</difficult>"), "/annotation/object[1]/difficult", "0 or 1"),
    ],
)
def test_a_broken_object_is_left_out(tmp_path: Path, element: str, place: str, words: str) -> None:
    path = write_boxes(tmp_path, element, object_element("b", (1, 1, 2, 2)))
    found, defects = read_boxes(path, "a.xml", SIZE)
    assert [each.name for each in found] == ["b"]
    assert [(each.code, each.file, each.place) for each in defects] == [("SEG004", "a.xml", place)]
    assert words in defects[0].message


def test_a_size_that_contradicts_the_mask(tmp_path: Path) -> None:
    path = write_boxes(tmp_path, size=(10, 20))
    assert [(each.code, each.place) for each in read_boxes(path, "a.xml", SIZE)[1]] == [("SEG003", "/annotation/size")]


@given(st.text() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.lists(st.integers(-9, 9)))
def test_a_value_as_text_is_read_as_the_same(value: object) -> None:
    json = msgspec.json.encode(value).decode()
    assert json_text(plain_text(json)) == json
