"""Safe parsers: JSON and XML that nobody vouches for."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import pytest
from hypothesis import given
from hypothesis import strategies as st

import segdata
from segdata.core.finding import Defect
from segdata.formats.shared.per_image import BrokenLabelsError
from segdata.formats.shared.safe_parsers import XmlError, _parse_checked, parse_json, read_json, read_xml


def test_halves_of_letters_are_told_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": ["b", "c\\ud800d"], "\\udc00": 1, "whole": "\\ud83d\\ude00", "n": NaN}')
    defects: list[Defect] = []
    value = read_json(path, "a.json", defects)
    assert value["a"] == ["b", "c?d"]
    assert (value["?"], value["whole"]) == (1, "😀")
    assert [(each.code, each.severity, each.file, each.place) for each in defects] == [
        ("SEG004", "warning", "a.json", "/a/1"),
        ("SEG004", "warning", "a.json", "/?"),
    ]


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text in ("", "{", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(BrokenLabelsError, match=r"no JSON|empty"):
            read_json(path, "a.json", [])
    assert parse_json(b"[1.5]") == [1.5]


def test_half_a_letter_in_one_task_of_label_studio(tmp_path: Path) -> None:
    """The task keeps its regions, and the other tasks theirs."""
    value = {"points": [[0, 0], [50, 0], [50, 50]], "polygonlabels": ["car"]}
    region = {"id": "r", "type": "polygonlabels", "original_width": 10, "original_height": 10, "value": value}
    tasks = [
        {"id": k, "data": {"image": f"{name}.png"}, "annotations": [{"id": k, "result": [region]}], "meta": {}}
        for k, name in enumerate("abc")
    ]
    text = (
        json.dumps(tasks)
        .replace("b.png", "b\\ud800.png")
        .replace('"id": 2, "result"', '"id": 2, "lead": "\\udead", "result"')
    )
    (tmp_path / "tasks.json").write_text(text)
    dataset = segdata.read(tmp_path / "tasks.json", format="label-studio")
    assert sorted(dataset.segments["image_id"]) == ["a.png", "b?.png", "c.png"]
    found = segdata.validate(dataset, select=["SEG004"]).findings
    assert [each.place for each in found] == ["/1/data/image", "/2/annotations/0/lead"]


def test_half_a_letter_in_one_file_of_supervisely(tmp_path: Path) -> None:
    (tmp_path / "ds" / "ann").mkdir(parents=True)
    classes = [{"title": "car", "shape": "polygon", "color": "#FF0000"}]
    (tmp_path / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))
    drawn = {"id": 1, "classTitle": "car", "geometryType": "polygon", "labelerLogin": "ann", "tags": []}
    drawn["points"] = {"exterior": [[0, 0], [4, 0], [4, 4]], "interior": []}
    document = {"size": {"height": 9, "width": 9}, "objects": [drawn], "tags": [], "description": "x"}
    text = json.dumps(document).replace('"x"', '"\\ud800"')
    (tmp_path / "ds" / "ann" / "a.png.json").write_text(text)
    dataset = segdata.read(tmp_path, format="supervisely")
    assert len(dataset.segments) == 1
    (found,) = segdata.validate(dataset, select=["SEG004"]).findings
    assert (found.image, found.place) == (dataset.image_ids[0], "/description")


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;">]>\n<a>&c;</a>'
EXTERNAL = '<!DOCTYPE a SYSTEM "file:///etc/passwd">\n<a/>'


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (BOMB.encode(), 1, "document type"),
        (EXTERNAL.encode(), 1, "document type"),
        (BOMB.encode("utf-16"), 1, "document type"),
        (b"", 1, "not well formed"),
        (b"<a>\n<b></a>", 2, "not well formed: mismatched tag"),
        (b"<a>\n&nothing;</a>", 2, "undefined entity"),
        (b"<a>" * 100_000, 1, "deeper than 64"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', 1, "unknown encoding"),
        (b"\x00\x01\x02", 1, "not well formed"),
    ],
)
def test_refused(tmp_path: Path, content: bytes, line: int, words: str) -> None:
    (tmp_path / "a.xml").write_bytes(content)
    with pytest.raises(XmlError, match=words) as raised:
        read_xml(tmp_path / "a.xml")
    assert raised.value.line == line


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_read(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><a b="1"><c>Straße &amp; &#228;</c></a>'
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    root = read_xml(tmp_path / "a.xml")
    assert (root.tag, root.get("b"), root.findtext("c")) == ("a", "1", "Straße & ä")


@pytest.mark.parametrize("deep", [64, 65])
def test_how_deep_is_too_deep(tmp_path: Path, deep: int) -> None:
    (tmp_path / "a.xml").write_text("<a>" * deep + "</a>" * deep)
    if deep > 64:
        with pytest.raises(XmlError, match="deeper than 64"):
            read_xml(tmp_path / "a.xml")
    else:
        assert read_xml(tmp_path / "a.xml").tag == "a"


PIECES = ["<b>", "</b>", "<c d='1'/>", "x > y", "&amp;", "é", "!", "<!-- n -->", "<e:f/>", "<g xmlns='u'/>", "<h/>\n"]


def told(read: Callable[[], Element]) -> bytes:
    """The tree that is read, or why there is none."""
    try:
        return tostring(read())
    except XmlError as error:
        return str(error).encode()


@given(st.lists(st.sampled_from(PIECES), max_size=9))
def test_the_parser_in_c_and_the_parse_checked_one_give_the_same(pieces: list[str]) -> None:
    data = f"<a>{''.join(pieces)}</a>".encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.xml")
        path.write_bytes(data)
        assert told(lambda: read_xml(path)) == told(lambda: _parse_checked(data))
