"""JSON that says one thing twice, numbers that are texts, ids that are too large."""

import json
from pathlib import Path
from typing import Any

import pytest

from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.formats.coco.instances_reader import open_instances
from segdata.formats.shared.json_files import repeated_key_defects

DOCUMENT: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.png", "width": 20, "height": 20}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]],
            "bbox": [1, 1, 8, 8],
            "area": 64,
            "iscrowd": 0,
        }
    ],
    "categories": [{"id": 1, "name": "car"}],
}
TEXT = json.dumps(DOCUMENT)


def read(folder: Path, text: str) -> tuple[list[Defect], int]:
    """All defects of a document, and how many segments are read."""
    path = folder / "a.json"
    path.write_text(text, encoding="utf-8")
    source = open_instances(ReadRequest(path))
    batches = [source.load(rows) for rows in source.chunks()]
    defects = [*source.defects, *(defect for batch in batches for defect in batch.defects)]
    return [each for each in defects if each.code != "SEG002"], sum(batch.n_segments for batch in batches)


def test_a_list_that_comes_twice_is_a_defect(tmp_path: Path) -> None:
    """Annotations vanished without a word."""
    defects, n = read(tmp_path, TEXT[:-1] + ', "annotations": []}')
    (defect,) = defects
    assert (n, defect.code, defect.place, defect.severity, defect.lost) == (0, "SEG004", "/", None, True)
    assert "key 'annotations' occurs twice" in defect.message


def test_a_key_twice_within_what_a_repeated_key_drops_is_no_second_defect(tmp_path: Path) -> None:
    twice = TEXT.replace('"iscrowd": 0', '"iscrowd": 0, "iscrowd": 1')
    (defect,) = [each for each in read(tmp_path, twice[:-1] + ', "annotations": []}')[0] if each.code == "SEG004"]
    assert "key 'annotations' occurs twice" in defect.message


def test_a_key_that_comes_twice_in_entries_is_one_defect(tmp_path: Path) -> None:
    entry = json.dumps(DOCUMENT["annotations"][0])
    wrong = [
        entry.replace('"iscrowd": 0', '"iscrowd": 0, "iscrowd": 1').replace('"id": 1', f'"id": {i}') for i in (1, 2)
    ]
    defects, n = read(tmp_path, TEXT.replace(entry, ", ".join([*wrong, entry.replace('"id": 1', '"id": 3')])))
    twice = [each for each in defects if each.code == "SEG004"]
    assert [(each.place, each.severity) for each in twice] == [("/annotations/0", None)]
    assert "here and in 1 other place" in twice[0].message
    assert n == 3


def test_equal_values_lose_nothing(tmp_path: Path) -> None:
    (defect,), n = read(tmp_path, TEXT.replace('"area": 64', '"area": 64, "area": 64'))
    assert (n, defect.severity, defect.lost) == (1, "warning", False)


@pytest.mark.parametrize("start", ["\ufeff", "\n\n  "])
def test_the_place_is_right_behind_a_byte_order_mark(tmp_path: Path, start: str) -> None:
    text = TEXT.replace('"file_name": "a.png"', '"file_name": "b.png", "file_name": "a.png"')
    (defect,), _ = read(tmp_path, start + text)
    assert defect.place == "/images/0"


def test_a_document_with_constants_is_searched_too(tmp_path: Path) -> None:
    defects, _ = read(tmp_path, TEXT.replace('"area": 64', '"area": NaN, "iscrowd": 1'))
    assert sorted(each.message.split(" occurs")[0] for each in defects) == [
        "area: is NaN, expected float; ignored",
        "key 'iscrowd'",
    ]


def test_nested_keys_have_their_pointer() -> None:
    text = b'{"a": [{"b": {"c": 1, "c": 2}}, {"b": {"c": 1, "d": {"c": 2}}}]}'
    (defect,) = repeated_key_defects(text, "a.json")
    assert (defect.place, defect.line) == ("/a/0/b", 1)


@pytest.mark.parametrize(
    ("old", "new", "code", "place", "message"),
    [
        ("[1, 1, 8, 8]", "[Infinity, 1, 8, 8]", "SEG004", "/annotations/0/bbox/0", "is Infinity, expected float"),
        ("[[1, 1, 9", "[[-Infinity, 1, 9", "SEG006", "/annotations/0/segmentation/0/0", "coordinate is -Infinity,"),
        ("[[1, 1, 9", f"[[{'9' * 5000}, null, 9", "SEG006", "/annotations/0/segmentation/0/1", "coordinate is null,"),
        ('"width": 20', '"width": NaN', "SEG004", "/images/0/width", "is NaN, expected int | float"),
        ('"category_id": 1', '"category_id": "1"', "SEG004", "/annotations/0/category_id", "is the text '1', expected"),
        ('"area": 64', '"score": "0.5"', "SEG004", "/annotations/0/score", "score: is the text '0.5', expected float"),
        ('"area": 64', '"area": "64"', "SEG004", "/annotations/0/area", "is the text '64', expected float"),
        ('"name": "car"', '"name": "car", "isthing": "0"', "SEG004", "/categories/0/isthing", "isthing is '0'"),
        ('"id": 1, "name"', f'"id": {2**63}, "name"', "SEG004", "/categories/0/id", f"is {2**63}, expected int"),
    ],
)
def test_values_are_named(tmp_path: Path, old: str, new: str, code: str, place: str, message: str) -> None:
    defects, _ = read(tmp_path, TEXT.replace(old, new))
    assert [each for each in defects if (each.code, each.place) == (code, place) and message in each.message]


def test_ids_beyond_64_bits_and_ids_as_text_are_named_once(tmp_path: Path) -> None:
    ids = json.loads(TEXT)
    ids["images"][0]["id"] = ids["annotations"][0]["image_id"] = "7"
    ids["annotations"][0]["id"] = 2**63
    defects, n = read(tmp_path, json.dumps(ids))
    assert n == 1
    assert [(each.place, each.severity) for each in defects] == [("/images", "warning"), ("/annotations", None)]


def test_crowds_that_are_polygons_are_defects(tmp_path: Path) -> None:
    defects, n = read(tmp_path, TEXT.replace('"iscrowd": 0', '"iscrowd": 1'))
    assert (n, [(each.code, each.lost) for each in defects]) == (1, [("SEG121", False)])
    rle = TEXT.replace("[[1, 1, 9, 1, 9, 9, 1, 9]]", '{"size": [20, 20], "counts": [0, 400]}').replace(
        '"iscrowd": 0', '"iscrowd": 1'
    )
    assert read(tmp_path, rle) == ([], 1)
