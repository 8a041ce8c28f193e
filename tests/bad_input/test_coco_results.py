"""Broken lists of results: each defect has its code and place, and the rest is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from segdata import convert, read
from segdata.core.errors import SegdataError
from segdata.core.format import ReadRequest
from segdata.formats.coco import results
from tests.generators.coco_documents import SQUARE, document, load_all, write_document

SOUND = {"image_id": 1, "category_id": 1, "segmentation": [SQUARE], "score": 0.5}

BROKEN: list[tuple[Any, str, str, int]] = [
    (7, "SEG004", "/0", 0),
    ([], "SEG004", "/0", 0),
    ({"image_id": 1}, "SEG004", "/0", 0),
    (SOUND | {"image_id": 9}, "SEG007", "/0/image_id", 0),
    (SOUND | {"image_id": [1]}, "SEG004", "/0/image_id", 0),
    (SOUND | {"category_id": 9}, "SEG007", "/0/category_id", 0),
    (SOUND | {"category_id": "1"}, "SEG004", "/0/category_id", 0),
    (SOUND | {"segmentation": None}, "SEG004", "/0/segmentation", 0),
    (SOUND | {"segmentation": {"size": [5, 6], "counts": [4, 5]}}, "SEG005", "/0/segmentation/counts", 0),
    (SOUND | {"segmentation": {"size": [6, 5], "counts": [30]}}, "SEG005", "/0/segmentation/size", 0),
    (SOUND | {"segmentation": [[1, 1, float("nan"), 1, 3, 3]]}, "SEG006", "/0/segmentation/0/2", 0),
    ({key: SOUND[key] for key in ("image_id", "category_id", "segmentation")}, "SEG004", "/0/score", 1),
    (SOUND | {"score": None}, "SEG004", "/0/score", 1),
]


@pytest.mark.parametrize(("item", "code", "place", "n_kept"), BROKEN)
def test_a_broken_result_is_named_and_the_rest_is_read(
    tmp_path: Path, item: Any, code: str, place: str, n_kept: int
) -> None:
    truth = write_document(tmp_path, document(), "gt.json")
    path = write_document(tmp_path, json.dumps([item, SOUND]).encode(), "results.json")
    batch, defects = load_all(results.read(ReadRequest(path, options={"truth": str(truth)})))
    assert [(each.code, each.place, each.file) for each in defects] == [(code, place, "results.json")]
    assert batch.n_segments == 1 + n_kept


@pytest.mark.parametrize(
    "content", [b"", b"[", b'[{"image_id": 1, "category_id": 1,', b"[}", b"null", b"3", b"[" * 9999]
)
def test_what_is_no_list_is_one_defect(tmp_path: Path, content: bytes) -> None:
    truth = write_document(tmp_path, document(), "gt.json")
    path = write_document(tmp_path, content, "results.json")
    _, defects = load_all(results.read(ReadRequest(path, options={"truth": str(truth)})))
    assert [(each.code, each.file) for each in defects] == [("SEG001", "results.json")]


def test_the_defects_of_the_truth_are_told_as_its_own(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.png", "width": 6, "height": 5}, {"id": 1, "file_name": "b.png"}]
    truth = write_document(tmp_path, document(images=images), "gt.json")
    path = write_document(tmp_path, json.dumps([SOUND]).encode(), "results.json")
    defects = read(path, options={"truth": str(truth)}).source.defects
    assert [(each.code, each.file, each.place) for each in defects if each.severity != "info"] == [
        ("SEG008", "gt.json", "/images/1/id")
    ]


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    path = write_document(tmp_path, document(), "gt.json")
    with pytest.raises(SegdataError, match="coco-results has no write option 'scores'; did you mean 'score'"):
        convert(path, tmp_path / "out", to="coco-results", write_options={"scores": 1})
