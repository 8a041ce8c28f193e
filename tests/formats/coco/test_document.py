"""COCO documents and their items."""

import gzip
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segdata
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.formats.coco import _samples, document_sort, instances, panoptic
from segdata.formats.coco.document import Items, decode_boxes, decode_numbers
from tests.generators.coco_documents import annotation, document, load_all, write_document


def read(folder: Path, content: object) -> tuple[Batch, list[Defect]]:
    """A document as COCO instances."""
    return load_all(instances.read(ReadRequest(write_document(folder, content))))  # type: ignore[arg-type]  # some are wrong


WHOLE = json.dumps(document(), indent=1).encode()


@pytest.mark.parametrize("format_", [instances, panoptic])
@pytest.mark.parametrize(
    ("content", "words", "line"),
    [
        (b"", "empty (0 bytes)", None),
        (b" \n", "empty (2 bytes)", None),
        (WHOLE[: len(WHOLE) // 2], "cut off", 15),
        (WHOLE[:-1], "cut off", 36),
        (WHOLE.replace(b'"width": 6,', b'"width": 6'), "line 7, column 4", 7),
        (b"[" * 100_000, "", None),
        (b"{} {}", "second JSON document", 1),
        (b"[]", "an object", None),
        (b"7", "an object", None),
        (b"\x89PNG\r\n\x1a\n", "not JSON", None),
        (gzip.compress(WHOLE), "packed with gzip", None),
        (b"{'images': []}", "with json.dumps(), not with str()", 1),
    ],
)
def test_no_json_is_one_finding(tmp_path: Path, format_: object, content: bytes, words: str, line: int | None) -> None:
    """The dataset is empty then, with the reason; nothing is raised."""
    source = format_.read(ReadRequest(write_document(tmp_path, content)))  # type: ignore[attr-defined]  # a module
    batch, defects = load_all(source)
    assert (batch.images.num_rows, source.chunks()) == (0, [])
    errors = [each for each in defects if each.severity is None]
    assert [each.code for each in errors] == ["SEG001"]
    assert words in errors[0].message
    assert line is None or errors[0].line == line


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
@pytest.mark.parametrize("value", [..., None, {"a": 1}, 7])
def test_missing_list_is_one_finding(tmp_path: Path, key: str, value: object) -> None:
    _, defects = read(tmp_path, document(**{key: value}))
    assert [each.place for each in defects if each.code == "SEG004"] == ["/" if value is ... else f"/{key}"]
    assert repr(key) in defects[0].message
    assert value is not ... or len(defects) == 1


def test_one_category_without_its_brackets_is_read(tmp_path: Path) -> None:
    """519 annotations of a set were said to be of a category that is not there."""
    batch, defects = read(tmp_path, document(categories={"id": 1, "name": "cat"}))
    assert (batch.n_segments, [each.code for each in defects]) == (1, ["SEG004"])
    assert "'categories' is one object, not a list" in defects[0].message


@pytest.mark.parametrize(
    ("key", "what"), [("images", "images without a readable id"), ("categories", "categories that")]
)
def test_annotations_of_a_list_without_ids_are_told_once(tmp_path: Path, key: str, what: str) -> None:
    """5,373 annotations of 245 images that had 'image_id' in place of 'id' were one error each."""
    pictures = [{"image_id": k, "file_name": f"{k}.png", "width": 6, "height": 5} for k in range(9)]
    parts = {"annotations": [annotation(id=k) for k in range(1, 10)], "images": pictures}
    if key == "categories":
        parts = {"annotations": parts["annotations"], "categories": [{"number": 1, "name": "cat"}]}
    _, defects = read(tmp_path, document(**parts))
    (dangling,) = [each for each in defects if each.code == "SEG007"]
    assert dangling.message.startswith(f"9 annotations of {what}")
    assert len(dangling.segments) == 9


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + WHOLE,
        WHOLE.decode().encode("utf-16"),
        b" \n" + WHOLE + b"\n\n",
        WHOLE.replace(b'"cat"', b'"c\tt"'),
        WHOLE.replace(b'"cat"', b'"\\ud800"'),
    ],
    ids=["BOM", "UTF-16", "blanks", "control letter", "half a surrogate"],
)
def test_unusual_json_is_read(tmp_path: Path, content: bytes) -> None:
    batch, defects = read(tmp_path, content)
    assert (batch.n_segments, defects) == (1, [])
    assert batch.segments["iscrowd"].to_pylist() == [False]


def test_other_encodings_are_read_as_latin_1_and_named(tmp_path: Path) -> None:
    batch, defects = read(tmp_path, WHOLE.replace(b'"a.png"', b'"\xe4.png"'))
    assert batch.images["image_id"].to_pylist() == ["ä.png"]
    assert [(each.code, each.severity) for each in defects] == [("SEG001", "warning")]
    assert "UTF-8" in defects[0].message


@pytest.mark.parametrize("name", ["NaN.png", "a, NaN, b", "Infinity]"])
def test_nan_in_names_is_a_name(tmp_path: Path, name: str) -> None:
    """Bare NaN elsewhere is mended without touching texts."""
    images = [{"id": 1, "file_name": name, "width": 6, "height": 5}]
    batch, defects = read(
        tmp_path, document(images=images, annotations=[annotation(area=float("nan")), annotation(id=2)])
    )
    assert batch.images["image_id"].to_pylist() == [name]
    assert [(each.code, each.place) for each in defects] == [("SEG004", "/annotations/0/area")]


def test_misuse_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match=r"none\.json"):
        instances.read(ReadRequest(tmp_path / "none.json"))
    with pytest.raises(UnreadableError, match="no COCO instances JSON"):
        instances.read(ReadRequest(tmp_path))
    write_document(tmp_path, document(), "a.json")
    write_document(tmp_path, document(), "annotations/b.json")
    with pytest.raises(UnreadableError, match=r"name one of them: a\.json, annotations/b\.json"):
        instances.read(ReadRequest(tmp_path))


def test_document_in_a_folder_is_found(tmp_path: Path) -> None:
    write_document(tmp_path, document(), "annotations/instances_train.json")
    write_document(tmp_path, b'{"info": {}, "licenses": []}', "annotations/other.json")
    source = instances.read(ReadRequest(tmp_path))
    assert source.profile.name == tmp_path.name
    assert source.defects[0].file == "annotations/instances_train.json"


finite = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70))


def raws(texts: list[str]) -> list[msgspec.Raw]:
    return [msgspec.Raw(text.encode()) for text in texts]


@given(st.lists(finite, min_size=1))
def test_numbers_are_those_of_python(values: list[float]) -> None:
    found = decode_numbers(
        raws([msgspec.json.encode(value).decode() if isinstance(value, float) else str(value) for value in values])
    )
    assert found is not None
    assert found.tolist() == [float(value) for value in values]


@given(st.lists(st.tuples(finite, finite, finite, finite).map(list), min_size=1))
def test_boxes_are_those_of_python(values: list[list[float]]) -> None:
    found = decode_boxes(raws([str(value) for value in values]))
    assert found is not None
    assert found.to_pylist() == [list(map(float, value)) for value in values]


@pytest.mark.parametrize("odd", ["", "null", "true", '"5"', "[5]", "{}", "1e999"])
def test_what_is_no_number_is_left_to_msgspec(odd: str) -> None:
    assert decode_numbers(raws(["1", odd])) is None
    assert decode_numbers(raws([odd, "1"])) is None


@pytest.mark.parametrize(
    "odd", ["", "null", "5", "[]", "[1,2,3]", "[1,2,3,4,5]", "[1,2,3,null]", "[[1,2,3,4]]", "[1,2,3,1e999]"]
)
def test_what_is_no_box_is_left_to_msgspec(odd: str) -> None:
    assert decode_boxes(raws(["[1, 2, 3, 4]", odd])) is None
    assert decode_boxes(raws([odd, "[1,2,3,4]"])) is None


@pytest.mark.parametrize("rows", [range(12), [0, 3, 4, 7]])
def test_places_of_several_items_are_those_of_each(rows: list[int]) -> None:
    items = Items([None] * len(rows), rows, pointer="/annotations")
    at = np.array([3, 0, 2])
    assert items.places(at).to_pylist() == [items.place(i) for i in at.tolist()]


@pytest.mark.parametrize("n_images", [1, 60_000])
def test_the_text_of_a_python_dictionary_in_a_folder_is_a_broken_document(tmp_path: Path, n_images: int) -> None:
    """However long: of more than a megabyte only pieces are looked at."""
    content = {"images": [{"id": k, "file_name": f"{k}.png"} for k in range(n_images)], "annotations": []}
    (tmp_path / "instances.json").write_text(str(content))
    findings = segdata.validate(tmp_path, select=["SEG001"], jobs=1).findings
    assert ["with json.dumps(), not with str()" in one.message for one in findings] == [True]


def test_a_large_document_of_boxes_is_one_though_its_samples_miss_the_key_of_their_list(tmp_path: Path) -> None:
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 500, "height": 375} for k in range(9_000)]
    boxes = [{"id": k, "image_id": k, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12} for k in range(9_000)]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "dog"}]}
    (tmp_path / "train.json").write_text(json.dumps(content))
    assert b'"annotations"' not in _samples(tmp_path / "train.json")
    assert document_sort(tmp_path / "train.json") == "instances"
