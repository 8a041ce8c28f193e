"""Broken Datumaro documents: each defect has its code and place, and the rest is read."""

from pathlib import Path
from typing import Any

import pytest

from segdata import read
from segdata.core.format import ReadRequest
from segdata.formats import datumaro
from tests.generators.coco_documents import SQUARE, load_all, write_document

SOUND = {"id": 5, "type": "polygon", "label_id": 0, "points": SQUARE, "attributes": {}, "group": 0, "z_order": 0}
LABELS = {"label": {"labels": [{"name": "cat", "parent": "", "attributes": []}]}}
ITEM = {"id": "a", "annotations": [], "image": {"path": "a.png", "size": [5, 6]}}


def content(*annotations: Any, **keys: Any) -> dict[str, Any]:
    """A document of one item, with `keys` instead; a key that is `...` is left out."""
    items = [ITEM | {"annotations": list(annotations)}]
    sound = {"dm_format_version": "1.0", "categories": LABELS, "items": items}
    return {key: value for key, value in (sound | keys).items() if value is not ...}


BROKEN: list[tuple[Any, str, str]] = [
    (7, "SEG004", ""),
    ({"id": 1}, "SEG004", ""),
    (SOUND | {"type": 3}, "SEG004", "/type"),
    (SOUND | {"group": "x"}, "SEG004", "/group"),
    (SOUND | {"label_id": None}, "SEG004", ""),
    (SOUND | {"label_id": -1}, "SEG007", "/label_id"),
    (SOUND | {"label_id": 1}, "SEG007", "/label_id"),
    (SOUND | {"label_id": 10**30}, "SEG007", "/label_id"),
    (SOUND | {"points": [1, 1, 3, 3]}, "SEG006", "/points"),
    (SOUND | {"points": [1, 1, 3, 1, 3, 3, 9]}, "SEG006", "/points"),
    (SOUND | {"points": [1, 1, "x", 1, 3, 3]}, "SEG006", "/points/2"),
    (SOUND | {"points": [1, 1, 1e9, 1, 3, 3]}, "SEG006", "/points"),
    (SOUND | {"points": None}, "SEG006", "/points"),
    ({key: SOUND[key] for key in ("id", "type", "label_id")}, "SEG006", "/points"),
    ({"type": "mask", "label_id": 0}, "SEG004", ""),
    ({"type": "mask", "label_id": 0, "rle": {"size": [6, 5], "counts": [30]}}, "SEG005", "/rle/size"),
    ({"type": "mask", "label_id": 0, "rle": {"size": [5, 6], "counts": "34"}}, "SEG005", "/rle/counts"),
    ({"type": "mask", "label_id": 0, "rle": {"size": [5, 6]}}, "SEG005", "/rle"),
    ({"type": "ellipse", "label_id": 0, "points": [1, 2, 3]}, "SEG004", "/points"),
    ({"type": "ellipse", "label_id": 0}, "SEG004", "/points"),
]


def opened(path: Path) -> tuple[list[int], list[tuple[str, str | None, str | None]]]:
    """The ids of the segments, and code, place and image of each defect."""
    batch, defects = load_all(datumaro.read(ReadRequest(path)))
    return batch.segments["segment_id"].to_pylist(), [(each.code, each.place, each.image) for each in defects]


@pytest.mark.parametrize(("broken", "code", "place"), BROKEN)
def test_a_broken_annotation_is_named_and_the_rest_is_read(tmp_path: Path, broken: Any, code: str, place: str) -> None:
    path = write_document(tmp_path, content(broken, SOUND | {"id": 6}))
    assert opened(path) == ([6], [(code, f"/items/0/annotations/0{place}", "a.png")])


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"items": 5}, [("SEG004", "/items")]),
        ({"items": ...}, [("SEG004", "/")]),
        ({"items": [7, ITEM]}, [("SEG004", "/items/0")]),
        ({"items": [{"annotations": []}, ITEM]}, [("SEG004", "/items/0")]),
        ({"items": [ITEM | {"annotations": "none"}]}, [("SEG004", "/items/0/annotations")]),
        ({"items": [ITEM, ITEM]}, [("SEG008", "/items/1/id")]),
        ({"items": [ITEM | {"image": {"path": "a.png", "size": [0, 6]}}]}, [("SEG004", "/items/0")]),
        ({"items": [ITEM | {"image": {"path": "a.png", "size": [2**31, 2**31]}}]}, [("SEG004", "/items/0")]),
        ({"items": [ITEM | {"image": {"path": "a.png", "size": [5]}}]}, [("SEG004", "/items/0")]),
        ({"items": [ITEM | {"image": {"path": "../../a.png", "size": [5, 6]}}]}, [("SEG015", "/items/0/image/path")]),
        ({"items": [ITEM | {"image": {"path": "/etc/a.png", "size": [5, 6]}}]}, [("SEG015", "/items/0/image/path")]),
        ({"items": [ITEM | {"image": 3}]}, [("SEG004", "/items/0/image")]),
        ({"categories": ...}, [("SEG004", "/")]),
        ({"categories": {"label": {"labels": [{}]}}}, [("SEG004", "/categories/label/labels/0")]),
        ({"categories": {"label": {"labels": "cat"}}}, [("SEG004", "/categories/label/labels")]),
    ],
)
def test_broken_parts_are_named(tmp_path: Path, keys: dict[str, Any], told: list[tuple[str, str]]) -> None:
    path = write_document(tmp_path, content(**keys))
    assert [each[:2] for each in opened(path)[1]] == told


@pytest.mark.parametrize("bytes_", [b"", b'{"dm_format_version": "1.0", "items": [', b"[]", b"null", b'{"a":' * 9999])
def test_what_is_no_document_is_one_defect(tmp_path: Path, bytes_: bytes) -> None:
    path = write_document(tmp_path, bytes_)
    assert [each[0] for each in opened(path)[1]] == ["SEG001"]


def test_ids_that_repeat_are_told_once_an_item(tmp_path: Path) -> None:
    """Not those of the parts of one segment, and not 0, which is none."""
    part = SOUND | {"group": 3}
    path = write_document(
        tmp_path, content(SOUND, SOUND, part | {"id": 6}, part | {"id": 6}, SOUND | {"id": 0}, SOUND | {"id": 0})
    )
    ids, told = opened(path)
    assert ids == [5, 5, 6, 7, 8]
    assert told == [("SEG008", "/items/0/annotations/0/id", "a.png")]


def test_parts_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    first, second = (SOUND | {"group": 3, "attributes": {"pose": pose}} for pose in ("left", "right"))
    path = write_document(tmp_path, content(first, second))
    data = read(path, format="datumaro")
    assert [dict(each) for each in data.segments["attributes"]] == [{"pose": '"left"'}]
    assert [(each.code, each.severity, each.place) for each in data.source.defects if each.severity != "info"] == [
        ("SEG004", "warning", "/items/0/annotations/1/attributes")
    ]


def test_attributes_that_are_none_are_kept_as_they_are(tmp_path: Path) -> None:
    """A score that is a text is no score, and attributes that are a list have no names."""
    path = write_document(
        tmp_path, content(SOUND | {"attributes": {"score": "high"}}, SOUND | {"id": 6, "attributes": [1]})
    )
    segments = read(path, format="datumaro").segments
    assert [dict(each) for each in segments["attributes"]] == [{"score": '"high"'}, {"attributes": "[1]"}]
    assert segments["score"].isna().all()
