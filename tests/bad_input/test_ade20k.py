"""Broken datasets of ADE20K: each defect is named with its file and place, and the rest is read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segdata import read, validate
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from tests.bad_input.test_pascal_voc import DAMAGE
from tests.formats.ade.scenes import (
    CAR,
    PERSON,
    WHEEL,
    encode_colours,
    make_object,
    open_dataset,
    save,
    write_document,
    write_object_mask,
    write_scene,
)

STEM = "ADE_train_00000001"
SEG, PARTS, TEXT = f"{STEM}_seg.png", f"{STEM}_parts_1.png", f"{STEM}.json"
OWN = f"{STEM}/instance_001_{STEM}.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sound images; the files of the first are to be broken."""
    for stem in (STEM, "ADE_train_00000002"):
        own = write_object_mask(tmp_path, 1, [[255, 0, 0]], stem)
        objects = [
            make_object(1, CAR, instance_mask=own),
            make_object(2, PERSON),
            make_object(3, WHEEL, parts={"part_level": 1, "ispartof": 1}),
        ]
        parts = ([[WHEEL, 0, 0]], [[255, 0, 0]])
        write_scene(tmp_path, [[CAR, PERSON, 0]], [[128, 255, 0]], *objects, stem=stem, parts_1=parts)
    return tmp_path


def met(root: Path) -> list[Defect]:
    """The defects beside informations; the second image is read whatever they are, and validation says the same."""
    _, batch, defects = open_dataset(root)
    second = batch.images["image_id"].to_pylist().index("ADE_train_00000002.jpg")
    assert int((batch.segment_image == second).sum()) == 3
    assert {each.code for each in defects} <= {each.code for each in validate(root).findings}
    return defects


def n_segments(root: Path) -> int:
    """How many of the first image's are read."""
    return sum(batch.n_segments for batch in read(root)) - 3


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("name", "left"), [(SEG, 0), (PARTS, 2), (OWN, 3)])
def test_a_mask_that_cannot_be_decoded(root: Path, name: str, left: int, damage: str) -> None:
    DAMAGE[damage](root / name)
    assert [(each.code, each.file) for each in met(root)] == [("SEG001", name)]
    assert n_segments(root) == left


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "SEG001", None),
        ('{"annotation": {"object": [', "SEG001", None),
        ("[1, 2]", "SEG004", ""),
        ("{}", "SEG004", "/annotation"),
        ('{"annotation": 3}', "SEG004", "/annotation"),
        ('{"annotation": {}}', "SEG004", "/annotation/object"),
        ('{"annotation": {"object": {}}}', "SEG004", "/annotation/object"),
        ('{"annotation": {"object": [NaN]}}', "SEG001", None),
        ("[" * 100_000, "SEG004", ""),
    ],
)
def test_a_json_file_that_cannot_be_read(root: Path, text: str, code: str, place: str | None) -> None:
    """Its regions are kept, by the classes that other files name."""
    (root / TEXT).write_text(text)
    defects = met(root)
    assert [(each.code, each.file) for each in defects if each.code != "SEG014"] == [(code, TEXT)]
    assert place is None or defects[0].place == place
    assert n_segments(root) == 3


@pytest.mark.parametrize(
    ("keys", "code", "place"),
    [
        ({"id": "2"}, "SEG004", "/annotation/object/1"),
        ({"id": 2**70}, "SEG004", "/annotation/object/1/id"),
        ({"name": None}, "SEG004", "/annotation/object/1"),
        ({"name_ndx": 0}, "SEG004", "/annotation/object/1/name_ndx"),
        ({"name_ndx": 10**9}, "SEG004", "/annotation/object/1/name_ndx"),
        ({"parts": {"part_level": -1}}, "SEG004", "/annotation/object/1/parts/part_level"),
        ({"parts": {"part_level": 10**6}}, "SEG004", "/annotation/object/1/parts/part_level"),
        ({"parts": [1]}, "SEG004", "/annotation/object/1"),
        ({"id": 1}, "SEG008", "/annotation/object/1/id"),
        ({"parts": {"ispartof": 99}}, "SEG007", "/annotation/object/1/parts/ispartof"),
        ({"instance_mask": "../../secret.png"}, "SEG015", "/annotation/object/1/instance_mask"),
        ({"instance_mask": "/etc/passwd"}, "SEG015", "/annotation/object/1/instance_mask"),
    ],
)
def test_an_object_that_is_broken(root: Path, keys: dict[str, Any], code: str, place: str) -> None:
    document_ = json.loads((root / TEXT).read_text())
    document_["annotation"]["object"][1] |= keys
    (root / TEXT).write_text(json.dumps(document_))
    defects = [each for each in met(root) if each.code != "SEG014"]
    assert [(each.code, each.file, each.place) for each in defects] == [(code, TEXT, place)]
    assert n_segments(root) == 3


@pytest.mark.parametrize(
    "polygon", [3, {"x": [1]}, {"x": [1, 2, "a"], "y": [1, 2, 3]}, {"x": [1e300] * 3, "y": [0] * 3}]
)
def test_a_polygon_that_cannot_be_drawn_is_no_place(root: Path, polygon: object) -> None:
    """The only car is found all the same."""
    write_document(
        root,
        make_object(1, CAR, polygon=polygon),
        make_object(2, PERSON),
        make_object(3, WHEEL, parts={"part_level": 1}),
    )
    assert met(root) == []
    assert n_segments(root) == 3


def test_latin_1(root: Path) -> None:
    text = (root / TEXT).read_text().replace('"raw_name": "car, auto"', '"raw_name": "café"')
    (root / TEXT).write_bytes(text.encode("latin-1"))
    assert met(root) == []


def test_masks_that_are_not_coded(root: Path) -> None:
    save(root / SEG, [[1, 2, 3]])
    assert [(each.code, each.file) for each in met(root)] == [("SEG004", SEG)]
    Image.fromarray(encode_colours([[CAR, PERSON, 0]], [[128, 255, 0]])).save(root / SEG, format="JPEG")
    assert [(each.code, each.file) for each in met(root)] == [("SEG010", SEG)]


def test_instances_without_class(root: Path) -> None:
    save(root / SEG, encode_colours([[CAR, PERSON, 0]], [[128, 255, 9]]))
    assert [(each.code, each.place, each.pixels) for each in met(root)] == [("SEG009", "x=2, y=0", 1)]


@pytest.mark.parametrize("name", [PARTS, OWN])
def test_masks_of_other_sizes(root: Path, name: str) -> None:
    save(root / name, np.zeros((2, 2, 3)))
    assert [(each.code, each.file) for each in met(root)] == [("SEG003", name)]


def test_missing_masks(root: Path) -> None:
    (root / PARTS).unlink()
    assert [(each.code, each.file) for each in met(root)] == [("SEG002", SEG)]
    assert n_segments(root) == 2


@pytest.mark.parametrize(
    "line", ["car", '1 # 0 # 2 # car # car # ""', '1 # 99 # 0 # car # car # ""', '1 # 0 # 0 #  #  # ""']
)
def test_lines_of_text_files_that_are_broken(tmp_path: Path, line: str) -> None:
    save(tmp_path / "a_seg.png", encode_colours([[7]], [[255]]))
    (tmp_path / "a_atr.txt").write_text(f'1 # 0 # 0 # tree # tree # ""\n{line}\n')
    _, batch, defects = open_dataset(tmp_path, format="ade20k")
    assert batch.n_segments == 1
    assert [(each.code, each.file, each.line) for each in defects] == [("SEG004", "a_atr.txt", 2)]


def test_more_regions_than_numbers(tmp_path: Path) -> None:
    save(tmp_path / "a_seg.png", encode_colours([[7, 7]], [[3, 200]]))
    (tmp_path / "a_atr.txt").write_text('1 # 0 # 0 # tree # tree # ""\n1 # 0 # 0 # tree # tree # ""\n')
    _, batch, defects = open_dataset(tmp_path, format="ade20k")
    assert batch.n_segments == 0
    assert {each.code for each in defects} == {"SEG008", "SEG009", "SEG014"}


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(SegdataError, match="no masks of ADE20K"):
        read(tmp_path, format="ade20k")
