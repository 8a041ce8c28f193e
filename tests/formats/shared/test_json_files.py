"""JSON files that nobody vouches for."""

import json
from pathlib import Path

import pytest

import segdata
from segdata.core.finding import Defect
from segdata.formats.coco.document import read_document
from segdata.formats.shared.json_files import parse_json, read_json
from segdata.formats.shared.per_image import BrokenLabelsError


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"images": [1]}\n{"images": [2]}\n', "a JSON document in each line: join them"),
        ('{"images":\n [1]}{"images": [2]}', "a second JSON document begins in line 2: was it appended"),
        ('{"images": [1]}]', "unexpected ']' at line 1, column 16"),
    ],
)
def test_several_documents_in_one_file(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    document = read_document(path, "a.json")
    assert [words in defect.message for defect in document.defects] == [True], document.defects
    if "unexpected" not in words:
        with pytest.raises(BrokenLabelsError, match=words):
            read_json(path, "a.json", [])


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
