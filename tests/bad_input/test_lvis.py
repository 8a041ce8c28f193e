"""Broken LVIS documents: each defect has its code and place, and the rest is read."""

from pathlib import Path
from typing import Any

import pytest

from segdata.core.format import ReadRequest
from segdata.formats.coco import lvis
from tests.generators.coco_documents import annotation, document, load_all, write_document

IMAGE = {"id": 1, "width": 6, "height": 5, "coco_url": "http://a/b/c.jpg"}
LISTS = {"neg_category_ids": [], "not_exhaustive_category_ids": []}

BROKEN: list[tuple[dict[str, Any], str, str]] = [
    ({"neg_category_ids": "none"}, "SEG004", "/images/0/neg_category_ids"),
    ({"neg_category_ids": [1.5]}, "SEG004", "/images/0/neg_category_ids"),
    ({"neg_category_ids": ["2"]}, "SEG004", "/images/0/neg_category_ids"),
    ({"neg_category_ids": {"2": 1}}, "SEG004", "/images/0/neg_category_ids"),
    ({"not_exhaustive_category_ids": None}, "SEG004", "/images/0/not_exhaustive_category_ids"),
    ({"neg_category_ids": [2, 99, 10**30]}, "SEG007", "/images/0/neg_category_ids"),
    ({"neg_category_ids": [1]}, "SEG004", "/images/0/neg_category_ids"),
    ({"coco_url": 5}, "SEG004", "/images/0"),
    ({"coco_url": ""}, "SEG004", "/images/0"),
    ({"coco_url": "http://a/../../etc/passwd"}, "", ""),
    ({"coco_url": "http://a/../passwd"}, "SEG015", "/images/0/file_name"),
    ({"width": 2**40}, "SEG004", "/images/0"),
]


@pytest.mark.parametrize(("keys", "code", "place"), BROKEN)
def test_a_broken_image_is_named_and_the_rest_is_read(
    tmp_path: Path, keys: dict[str, Any], code: str, place: str
) -> None:
    other = IMAGE | LISTS | {"id": 2, "coco_url": "d.jpg"}
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    drawn = [annotation(), annotation(id=2, image_id=2)]
    content = document(images=[IMAGE | LISTS | keys, other], annotations=drawn, categories=categories)
    batch, defects = load_all(lvis.read(ReadRequest(write_document(tmp_path, content))))
    told = [(each.code, each.place) for each in defects if each.code != "SEG007" or code == "SEG007"]
    assert told == ([(code, place)] if code else [])
    assert "d.jpg" in batch.images["image_id"].to_pylist()
    row = batch.images["image_id"].to_pylist().index("d.jpg")
    assert batch.annotations["coverage"].to_pylist()[row] == '{"cat":"exhaustive"}'


def test_a_category_that_is_absent_and_drawn_is_told_by_name(tmp_path: Path) -> None:
    content = document(images=[IMAGE | LISTS | {"neg_category_ids": [1]}])
    _, defects = load_all(lvis.read(ReadRequest(write_document(tmp_path, content))))
    assert [each.message for each in defects] == ["category 'cat' is in neg_category_ids and has segments in the image"]
