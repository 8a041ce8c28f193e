"""Broken Label Studio tasks: every region, task and file by itself."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdata
from segdata.core.errors import UnreadableError

POINTS = [[0, 0], [50, 0], [50, 50]]
SOUND = {
    "id": "a",
    "type": "polygonlabels",
    "original_width": 6,
    "original_height": 4,
    "image_rotation": 0,
    "value": {"points": POINTS, "polygonlabels": ["cat"]},
}


def task(*result: object, **said: Any) -> dict[str, Any]:
    annotation = {"completed_by": 1, "was_cancelled": False, "result": list(result)}
    return {"id": 1, "data": {"image": "a.png"}, "annotations": [annotation]} | said


def read(folder: Path, content: object) -> tuple[int, list[str]]:
    """How many segments there are, and the codes of the defects but those of the missing image."""
    path = folder / "tasks.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    opened = segdata.read(path, format="label-studio")
    batches = list(opened)
    defects = [*opened.source.defects, *(each for batch in batches for each in batch.defects)]
    return sum(batch.n_segments for batch in batches), sorted(each.code for each in defects if each.code != "SEG002")


def brush(packed: object, **more: Any) -> dict[str, Any]:
    return {"type": "brushlabels", "value": {"format": "rle", "rle": packed, "brushlabels": ["cat"]}} | more


def rectangle(**value: Any) -> dict[str, Any]:
    sides = {"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["cat"]}
    return {"type": "rectanglelabels", "value": sides | value}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"type": None}, "SEG004"),
        ({"value": None}, "SEG004"),
        ({"value": {"points": POINTS}}, "SEG004"),
        ({"value": {"points": POINTS, "polygonlabels": [5]}}, "SEG004"),
        ({"original_width": None}, "SEG004"),
        ({"original_width": 7}, "SEG004"),
        ({"original_height": 10**12}, "SEG004"),
        ({"image_rotation": 90}, "SEG004"),
        ({"value": {"points": POINTS[:2], "polygonlabels": ["cat"]}}, "SEG006"),
        ({"value": {"points": [[0, 0], [1, "x"], [3, 3]], "polygonlabels": ["cat"]}}, "SEG006"),
        ({"value": {"points": [[0, 0], [1, 1], [1e300, 3]], "polygonlabels": ["cat"]}}, "SEG006"),
        ({"value": {"polygonlabels": ["cat"]}}, "SEG006"),
        (brush(None), "SEG005"),
        (brush([]), "SEG005"),
        (brush([0, 0, 0, 96, 57, 27, 254]), "SEG005"),
        (brush([0, 0, 0, 95, 57, 27, 254, 27, 0]), "SEG005"),
        (brush([255] * 40), "SEG005"),
        (brush([0, 0, 0, 96, 255, 27, 254, 27, 0]), "SEG005"),
        (brush([256, -1]), "SEG005"),
        (brush([0.5] * 30), "SEG005"),
        (brush("AAAA"), "SEG005"),
        (brush([], value={"format": "png", "rle": [], "brushlabels": ["cat"]}), "SEG005"),
        (rectangle(x=None), "SEG004"),
        (rectangle(width="5"), "SEG004"),
        (rectangle(width=-5), "SEG006"),
        (rectangle(x=1e300), "SEG006"),
        (rectangle(rotation=[]), "SEG004"),
        (rectangle(rotation="9"), "SEG004"),
    ],
)
def test_a_broken_region_is_left_out(tmp_path: Path, changed: dict[str, Any], code: str) -> None:
    assert read(tmp_path, [task(SOUND | {"id": "s"}, SOUND | changed)]) == (1, [code])


@pytest.mark.parametrize(
    ("said", "n_segments", "codes"),
    [
        ({"annotations": {}}, 0, ["SEG004"]),
        ({"annotations": [5, None]}, 0, ["SEG004", "SEG004"]),
        ({"annotations": [{"result": 5}]}, 0, ["SEG004"]),
        ({"annotations": None}, 0, []),
        ({"data": {}}, 0, ["SEG004"]),
        ({"data": {"text": "hello"}}, 0, ["SEG004"]),
        ({"data": None}, 0, ["SEG004"]),
        ({"data": {"image": "/etc/../../passwd.png"}}, 1, ["SEG015"]),
        ({"data": {"image": "a.png", "width": 60, "height": 40}}, 1, ["SEG003"]),
        ({"id": {}}, 0, ["SEG004"]),
    ],
)
def test_a_broken_task(tmp_path: Path, said: dict[str, Any], n_segments: int, codes: list[str]) -> None:
    assert read(tmp_path, [task(SOUND) | said]) == (n_segments, codes)


@pytest.mark.parametrize("text", ["", "[", "5", '"x"', "[" * 100_000, "[5]"])
def test_files_that_are_no_tasks(tmp_path: Path, text: str) -> None:
    n_segments, codes = read(tmp_path, text)
    assert n_segments == 0
    assert codes in (["SEG001"], ["SEG004"])


def test_nan_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    text = json.dumps([task(SOUND, SOUND | {"id": "b", "value": {"points": "NAN", "polygonlabels": ["cat"]}})])
    assert read(tmp_path, text.replace('"NAN"', "[[NaN, 0], [1, 1], [2, 2]]")) == (1, ["SEG006"])


def test_entities_of_the_configuration_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><View><Header value="&b;"/></View>'
    (tmp_path / "label_config.xml").write_text(bomb)
    assert read(tmp_path, [task(SOUND)]) == (1, ["SEG001"])


KEYS = [
    "id",
    "type",
    "value",
    "points",
    "rle",
    "x",
    "width",
    "polygonlabels",
    "original_width",
    "meta",
    "score",
    "from_name",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["cat", "brush", "choices"]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(KEYS), each, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3)
)
def test_no_region_makes_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, changed: dict[str, Any], value: dict[str, Any]
) -> None:
    strange = SOUND | {"id": "b", "value": SOUND["value"] | value} | changed  # type: ignore[operator]  # a dict
    n_segments, _ = read(tmp_path_factory.mktemp("l"), [task(SOUND, strange)])
    assert n_segments >= 0


def test_misuse_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no export of Label Studio in it"):
        segdata.read(tmp_path, format="label-studio")
