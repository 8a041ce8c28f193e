"""Broken Supervisely projects: every object, and every file, by itself."""

import base64
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import segdata
from segdata.core.errors import UnreadableError
from segdata.formats.tools.supervisely_bitmaps import encode_mask

SOUND = {
    "classTitle": "cat",
    "tags": [],
    "geometryType": "bitmap",
    "bitmap": {"data": encode_mask(np.ones((2, 2), bool)), "origin": [1, 1]},
}


def project(folder: Path, annotation: object, meta: object = None) -> Path:
    (folder / "ds/ann").mkdir(parents=True)
    (folder / "ds/img").mkdir()
    text = annotation if isinstance(annotation, str) else json.dumps(annotation)
    (folder / "ds/ann/a.png.json").write_text(text, encoding="utf-8")
    classes = {"classes": [{"title": "cat", "shape": "any", "color": "#FF0000"}]}
    (folder / "meta.json").write_text(json.dumps(classes if meta is None else meta), encoding="utf-8")
    Image.fromarray(np.zeros((6, 9), np.uint8)).save(folder / "ds/img/a.png")
    return folder


def annotation(*objects: object, **said: Any) -> dict[str, Any]:
    return {"size": {"height": 6, "width": 9}, "tags": [], "objects": list(objects)} | said


def read(folder: Path) -> tuple[int, list[str]]:
    """How many segments there are, and the codes of the defects."""
    opened = segdata.read(folder, format="supervisely")
    batches = list(opened)
    defects = [*opened.source.defects, *(each for batch in batches for each in batch.defects)]
    return sum(batch.n_segments for batch in batches), sorted(each.code for each in defects)


def png(width: int, height: int) -> bytes:
    """The head of a PNG that claims to be so large."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def packed(data: bytes) -> dict[str, Any]:
    return {"data": base64.b64encode(data).decode(), "origin": [0, 0]}


def points(exterior: object, interior: object = ()) -> dict[str, Any]:
    return {"geometryType": "polygon", "points": {"exterior": exterior, "interior": interior}}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"classTitle": "dog"}, "SEG007"),
        ({"classTitle": None}, "SEG004"),
        ({"geometryType": "blob"}, "SEG004"),
        ({"geometryType": ["bitmap"]}, "SEG004"),
        ({"bitmap": None}, "SEG004"),
        ({"bitmap": {"data": 5, "origin": [0, 0]}}, "SEG004"),
        ({"bitmap": SOUND["bitmap"] | {"origin": [0]}}, "SEG004"),  # type: ignore[operator]  # a dict
        ({"bitmap": SOUND["bitmap"] | {"origin": ["1", "1"]}}, "SEG004"),  # type: ignore[operator]  # a dict
        ({"bitmap": SOUND["bitmap"] | {"origin": [-1, 0]}}, "SEG004"),  # type: ignore[operator]  # a dict
        ({"bitmap": SOUND["bitmap"] | {"origin": [10**30, 0]}}, "SEG004"),  # type: ignore[operator]  # a dict
        ({"bitmap": {"data": "no base64 at äll", "origin": [0, 0]}}, "SEG001"),
        ({"bitmap": packed(b"")}, "SEG001"),
        ({"bitmap": packed(zlib.compress(b"no PNG"))}, "SEG001"),
        ({"bitmap": packed(zlib.compress(png(2, 2)))}, "SEG001"),
        ({"bitmap": packed(zlib.compress(png(2**31 - 1, 2**31 - 1)))}, "SEG001"),
        ({"bitmap": packed(zlib.compress(b"\0" * 50_000_000))}, "SEG001"),
        (points([[1, 1], [3, 1]]), "SEG006"),
        (points([[1, 1], [3, 1], [3, "x"]]), "SEG006"),
        (points([[1, 1], [3, 1], [3]]), "SEG006"),
        (points([[1, 1], [3, 1], [1e12, 3]]), "SEG006"),
        (points([[1, 1], [3, 1], [3, 3]], [[[1, 1]]]), "SEG006"),
        (points([[1, 1], [3, 1], [3, 3]], 5), "SEG006"),
        (points(None), "SEG004"),
        (points([[1, 1]]) | {"geometryType": "rectangle"}, "SEG006"),
        (points([[1, 1], [True, 2]]) | {"geometryType": "rectangle"}, "SEG006"),
    ],
)
def test_a_broken_object_is_left_out(tmp_path: Path, changed: dict[str, Any], code: str) -> None:
    assert read(project(tmp_path, annotation(SOUND | changed, SOUND))) == (1, [code])


@pytest.mark.parametrize(
    ("said", "n_segments", "codes"),
    [
        ({"tags": "ripe"}, 1, ["SEG004"]),
        ({"objects": {}}, 0, ["SEG004"]),
        ({"objects": [None, 5]}, 0, ["SEG004", "SEG004"]),
        ({"size": None}, 0, ["SEG004"]),
        ({"size": {"height": "6", "width": 9}}, 0, ["SEG004"]),
        ({"size": {"height": 10**9, "width": 10**9}}, 0, ["SEG004"]),
        ({"size": {"height": 9, "width": 6}}, 1, ["SEG003"]),
        ({"frames": []}, 0, ["SEG004"]),
        ({"objects": [SOUND | {"id": 4}, SOUND | {"id": 4}]}, 2, ["SEG008"]),
        ({"objects": [SOUND | {"tags": [{"name": 5}]}]}, 1, ["SEG004"]),
    ],
)
def test_what_is_wrong_with_an_annotation(
    tmp_path: Path, said: dict[str, Any], n_segments: int, codes: list[str]
) -> None:
    assert read(project(tmp_path, annotation(SOUND) | said)) == (n_segments, codes)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"size": NaN}'])
def test_files_that_are_no_annotations(tmp_path: Path, text: str) -> None:
    n_segments, codes = read(project(tmp_path, text))
    assert n_segments == 0
    assert codes in (["SEG001"], ["SEG004"])


@pytest.mark.parametrize(
    ("meta", "codes"),
    [
        ([], ["SEG004", "SEG007"]),
        ({"classes": [5, {"title": "cat"}]}, ["SEG004"]),
        ({"classes": [{"title": "cat", "color": "red"}]}, ["SEG004"]),
        ({"classes": [{"title": "cat"}, {"title": "cat"}]}, ["SEG008"]),
        ({"classes": [{"title": "cat", "id": 1}, {"title": "dog", "id": 1}]}, ["SEG008"]),
    ],
)
def test_what_is_wrong_with_the_classes(tmp_path: Path, meta: object, codes: list[str]) -> None:
    assert read(project(tmp_path, annotation(SOUND), meta))[1] == codes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.sampled_from([*SOUND, "points", "id"]), each, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from([*SOUND, "points", "id", "labelerLogin", "createdAt"]), JSON, max_size=4))
def test_no_object_makes_a_traceback(tmp_path_factory: pytest.TempPathFactory, changed: dict[str, Any]) -> None:
    n_segments, _ = read(project(tmp_path_factory.mktemp("s"), annotation(SOUND | changed, SOUND)))
    assert n_segments >= 1


def test_misuse_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"meta\.json is missing"):
        segdata.read(tmp_path, format="supervisely")
    (tmp_path / "meta.json").write_text('{"classes": []}')
    with pytest.raises(UnreadableError, match="no annotation files"):
        segdata.read(tmp_path, format="supervisely")
