"""COCO documents with every kind of wrong value: each is a finding with its JSON pointer, and the rest is read."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata.api.convert import convert
from tests.bad_input.sound_datasets import CATEGORIES, Make, Said, segdata, validated

DOCUMENTS = {"coco-instances": "coco.json", "coco-panoptic": "panoptic.json"}
NAN = float("nan")
VALUES: list[Any] = [..., None, NAN, "x", "", -1, 1.5, 10**30, [], {}, True, [[]], {"a": [{}]}, 1e308]
PLACES: list[tuple[str, list[str | int]]] = [
    ("coco-instances", ["images"]),
    ("coco-instances", ["images", 1]),
    ("coco-instances", ["images", 1, "id"]),
    ("coco-instances", ["images", 1, "file_name"]),
    ("coco-instances", ["images", 1, "width"]),
    ("coco-instances", ["annotations"]),
    ("coco-instances", ["annotations", 2]),
    ("coco-instances", ["annotations", 2, "image_id"]),
    ("coco-instances", ["annotations", 2, "segmentation"]),
    ("coco-instances", ["annotations", 2, "segmentation", 0]),
    ("coco-instances", ["annotations", 2, "segmentation", 0, 1]),
    ("coco-instances", ["categories"]),
    ("coco-instances", ["categories", 0]),
    ("coco-instances", ["categories", 0, "id"]),
    ("coco-panoptic", ["annotations"]),
    ("coco-panoptic", ["annotations", 1, "image_id"]),
    ("coco-panoptic", ["annotations", 1, "file_name"]),
    ("coco-panoptic", ["annotations", 1, "segments_info"]),
    ("coco-panoptic", ["annotations", 1, "segments_info", 0]),
    ("coco-panoptic", ["annotations", 1, "segments_info", 0, "id"]),
    ("coco-panoptic", ["annotations", 1, "segments_info", 0, "category_id"]),
]


def put(document: Any, steps: list[str | int], value: Any) -> None:
    """Set a value in a document; `...` takes it out."""
    for step in steps[:-1]:
        document = document[step]
    if value is ...:
        del document[steps[-1]]
    else:
        document[steps[-1]] = value


@pytest.mark.parametrize(("format", "steps"), PLACES, ids=lambda each: each if isinstance(each, str) else str(each[-1]))
def test_any_value_anywhere(make: Make, tmp_path: Path, format: str, steps: list[str | int]) -> None:
    """The file is named, what does not depend on the value is read, and what is converted can be read again."""
    path = make(format) / DOCUMENTS[format]
    sound = path.read_text()
    for number, value in enumerate(VALUES):
        document = json.loads(sound)
        put(document, steps, value)
        path.write_text(json.dumps(document))
        said = validated(path, "--from", format)
        assert said.code in (0, 1)
        assert said.images >= (2 if steps != ["images"] else 0)
        found = [each for each in said.findings if each["severity"] == "error"]
        if (format, steps, value) == ("coco-instances", ["annotations"], []):  # no file is wrong: the dataset is empty
            assert [(each["code"], each["file"]) for each in found] == [("SEG020", None)]
        else:
            assert {each["file"] for each in found} <= {path.name, "panoptic/b.png", "b.png"}, value
        if (number + len(steps)) % 5:
            continue
        target = tmp_path / f"new{number}"
        converted = segdata("convert", path, target, "--from", format, "--jobs", "1")
        assert target.exists() == (said.images > 0) == (converted.code < 2)
        assert not said.images or validated(target).code in (0, 1)


def test_a_dataset_without_categories_can_be_converted_and_read(make: Make, tmp_path: Path) -> None:
    path = make("coco-instances") / "coco.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "categories": []}))
    assert segdata("convert", path, tmp_path / "new").code == 1
    said = validated(tmp_path / "new")
    assert said.images == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not a COCO document"),
        ("null", "not a COCO document"),
        ("[" * 100_000, "not a COCO document"),
        ('{"images":' + "[" * 100_000, "nested too deeply"),
        ("{}{}", "is not JSON"),
        ('{"images": [],\n "annotations": [}', "line 2, column 18"),
        ("\0" * 100, "is not JSON"),
        ("images: []\n", "unexpected 'i' at line 1, column 1"),
    ],
)
def test_what_is_no_document(make: Make, text: str, words: str) -> None:
    path = make("coco-instances") / "coco.json"
    path.write_text(text)
    said = validated(path, "--from", "coco-instances")
    assert said.code == 1
    assert said.findings[0]["code"] == "SEG001"
    assert words in said.findings[0]["message"]


def test_keys_that_are_there_twice_do_no_harm(make: Make) -> None:
    """JSON lets the last one count; that there are two is said once."""
    path = make("coco-instances") / "coco.json"
    path.write_text(path.read_text().rstrip("}\n") + ', "categories": [{"id": 1, "name": "road"}]}')
    said = validated(path)
    assert (said.code, said.images) == (1, 3)
    assert [(each["code"], each["place"]) for each in said.findings] == [
        ("SEG004", "/"),
        *(("SEG007", f"/annotations/{row}/category_id") for row in (1, 3, 5)),
    ]
    assert "'categories' occurs twice" in said.findings[0]["message"]


def document(width: object, height: object, segmentation: object, n: int = 1, **image: object) -> dict[str, Any]:
    annotation = {"image_id": 1, "category_id": 1, "segmentation": segmentation, "iscrowd": 0}
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": width, "height": height, **image}],
        "annotations": [{**annotation, "id": number} for number in range(1, n + 1)],
        "categories": CATEGORIES,
    }


def of(folder: Path, content: dict[str, Any], *words: str) -> Said:
    path = folder / "c.json"
    path.write_text(json.dumps(content))
    return segdata("validate", path, "--format", "json", "--jobs", "1", *words)


TRIANGLE = [[5, 5, 20, 5, 20, 20]]
CIRCLE = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
ROUND = [np.stack([2000 + 1500 * np.cos(CIRCLE), 1500 + 1200 * np.sin(CIRCLE)], 1).ravel().round(3).tolist()]


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (document(100_000, 100_000, TRIANGLE), set()),
        (document(100_000, 100_000, {"size": [100_000] * 2, "counts": [10**10 - 5, 5]}), set()),
        (document(10**6, 10**6, {"size": [10**6] * 2, "counts": [10**12 - 5, 5]}), set()),
        (document(40, 30, {"size": [30, 40], "counts": [10**12]}), {"SEG005"}),
        (document(40, 30, {"size": [30, 40], "counts": [0, 10**12, 1200 - 10**12]}), {"SEG005"}),
        (document(40, 30, {"size": [30, 40], "counts": [2**62, 2**62]}), {"SEG005"}),
        (document(4000, 3000, ROUND), set()),
        (document(40, 30, [[-9e6, -9e6, 9e6, -9e6, 9e6, 9e6]]), {"SEG115"}),
        (document(1, 1, [[0, 0, 1, 0, 1, 1, 0, 1]]), set()),
        (document(0, 30, TRIANGLE), {"SEG004"}),
        (document(-40, 30, TRIANGLE), {"SEG004"}),
        (document("40", "30", TRIANGLE), {"SEG004", "SEG007"}),
        (document(40, 30, TRIANGLE, id="1"), {"SEG004", "SEG007"}),
        (document(40, 30, TRIANGLE, n=0), {"SEG312"}),
    ],
)
def test_extreme_sizes_and_shapes_cost_little(tmp_path: Path, content: dict[str, Any], codes: set[str]) -> None:
    tracemalloc.start()
    said = of(tmp_path, content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert codes <= {each["code"] for each in said.findings}
    assert {each["code"] for each in said.findings if each["code"] < "SEG013"} <= codes | {"SEG002"}
    assert peak < 300e6


def test_coordinates_in_wrong_units_cost_little(tmp_path: Path) -> None:
    """A whole dataset may be out of scale; the pixels beyond the frame are those of the polygons' areas."""
    square = [[-100_000, -100_000, 100_000, -100_000, 100_000, 100_000, -100_000, 100_000]]
    tracemalloc.start()
    said = of(tmp_path, document(40, 30, square, n=500), "--select", "SEG115")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    found = [each for each in said.findings if each["code"] == "SEG115"]
    assert len(found) == 500
    assert {each["pixels"] for each in found} == {200_000**2 - 40 * 30}
    assert peak < 300e6


BREAK: dict[str, Callable[[dict[str, Any]], object]] = {
    "/image_id": lambda item: item.pop("image_id"),
    "/segmentation/0/3": lambda item: item["segmentation"][0].__setitem__(3, NAN),
    "/category_id": lambda item: item.update(category_id=[]),
}


@pytest.mark.parametrize("place", BREAK)
def test_one_broken_annotation_among_many(tmp_path: Path, place: str) -> None:
    items = document(400, 300, TRIANGLE, n=10_000)
    items["annotations"] = [{**item, "segmentation": [list(TRIANGLE[0])]} for item in items["annotations"]]
    BREAK[place](items["annotations"][7_654])
    path = tmp_path / "c.json"
    path.write_text(json.dumps(items))
    said = validated(path)
    pointer = "/annotations/7654" + ("" if place == "/image_id" else place)
    assert [each["place"] for each in said.findings if each["severity"] == "error"] == [pointer]
    assert convert(path, tmp_path / "new").n_segments == 9_999
