"""Broken datasets of nnU-Net: findings or a refusal with the place, never a traceback."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segdata import read
from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect

pytest.importorskip("nibabel")
SOUND: dict[str, Any] = {
    "channel_names": {"0": "grey"},
    "labels": {"background": 0, "road": 1},
    "numTraining": 1,
    "file_ending": ".png",
}


def dataset(folder: Path, **changed: Any) -> Path:
    for name in ("imagesTr/a_0000.png", "labelsTr/a.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.ones((3, 4), np.uint8)).save(folder / name)
    (folder / "dataset.json").write_text(json.dumps({**SOUND, **changed}))
    return folder


def met(root: Path) -> list[Defect]:
    opened = read(root, format="nnunet")
    return [*opened.source.defects, *(defect for batch in opened for defect in batch.defects)]


def test_the_sound_one_is_sound(tmp_path: Path) -> None:
    assert met(dataset(tmp_path)) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"labels": []}', '{"labels": ' + "[" * 5000, "\xff"])
def test_what_is_no_dataset_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UnreadableError, match=r"dataset\.json"):
        read(tmp_path, format="nnunet")


@pytest.mark.parametrize(
    ("changed", "code", "place"),
    [
        ({"labels": {"background": 0, "road": 1, "x": "many"}}, "SEG004", "/labels/x"),
        ({"labels": {"background": 0, "road": 1, "x": -1}}, "SEG004", "/labels/x"),
        ({"labels": {"background": 0, "road": 1, "x": 2**40}}, "SEG004", "/labels/x"),
        ({"labels": {"background": 0, "road": 1, "x": [2, "3"]}}, "SEG004", "/labels/x"),
        ({"labels": {"background": 0, "road": 1, "x": True}}, "SEG004", "/labels/x"),
        ({"labels": {"background": 0, "road": 1, "x": []}}, "SEG004", "/labels/x"),
        ({"labels": {"background": 0, "road": [1, 2], "x": 2}}, "SEG004", "/regions_class_order"),
        ({"labels": {"background": 0, "road": 2}}, "SEG004", "/labels"),
        ({"numTraining": 2}, "SEG004", "/numTraining"),
        ({"file_ending": "png"}, "SEG004", "/file_ending"),
        ({"file_ending": 3}, "SEG004", "/file_ending"),
        ({"dataset": {"a": {"images": "imagesTr/a_0000.png"}}}, "SEG004", "/dataset/a"),
        ({"dataset": {"a": {"images": [], "label": "../../etc/passwd"}}}, "SEG015", "/dataset/a"),
        ({"dataset": {"a": {"images": [], "label": "/etc/passwd"}}}, "SEG015", "/dataset/a"),
        ({"dataset": {"a": {"images": ["../x.png"], "label": "labelsTr/a.png"}}}, "SEG015", "/dataset/a"),
        ({"dataset": {"../a": {"images": [], "label": "labelsTr/a.png"}}}, "SEG015", "/dataset/../a"),
        ({"dataset": {"a": {"images": [], "label": "labelsTr/b.png"}}}, "SEG002", "/dataset/a"),
        ({"dataset": {"a": {"images": ["x.png"], "label": "labelsTr/a.png"}}}, "SEG002", "/dataset"),
        (
            {"dataset": {"a": {"images": ["imagesTr/a_0000.png", "x"], "label": "labelsTr/a.png"}}},
            "SEG002",
            "/dataset/a",
        ),
    ],
)
def test_a_broken_key_is_found_at_its_place(tmp_path: Path, changed: dict[str, Any], code: str, place: str) -> None:
    found = met(dataset(tmp_path, **changed))
    assert (code, "dataset.json", place) in {(each.code, each.file, each.place) for each in found}, found


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "SEG001"), (b"\x89PNG\r\n\x1a\n broken", "SEG001")],
)
def test_broken_labels(tmp_path: Path, content: bytes, code: str) -> None:
    (dataset(tmp_path) / "labelsTr/a.png").write_bytes(content)
    assert [(each.code, each.file) for each in met(tmp_path)] == [(code, "labelsTr/a.png")]


def test_labels_in_colour_and_of_another_size(tmp_path: Path) -> None:
    path = dataset(tmp_path) / "labelsTr/a.png"
    Image.fromarray(np.ones((3, 4, 3), np.uint8)).save(path)
    assert [each.code for each in met(tmp_path)] == ["SEG004"]
    Image.fromarray(np.ones((4, 4), np.uint8)).save(path)
    assert [each.code for each in met(tmp_path)] == ["SEG003"]
    Image.fromarray(np.full((3, 4), 7, np.uint8)).save(path)
    assert [(each.code, each.pixels) for each in met(tmp_path)] == [("SEG009", 12)]
