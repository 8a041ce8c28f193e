"""What is broken in a document is named with its place, and the rest is read."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.formats.coco import instances
from tests.generators.coco_documents import SQUARE, annotation, document, load_all, write_document

Read = Callable[[dict[str, Any]], tuple[Batch, list[Defect]]]
NAN = float("nan")

# What is wrong, the code, the place below /annotations/0, words of the message, and how many segments are read.
BROKEN: list[tuple[dict[str, Any], str, str, str, int]] = [
    ({"segmentation": [[1, 1, 3, 3]]}, "SEG006", "/segmentation/0", "box", 0),
    ({"segmentation": [SQUARE, [1, 1, 3, 3]]}, "SEG006", "/segmentation/1", "box", 1),
    ({"segmentation": [[1, 1, 3, 1, 3, 3, 9]]}, "SEG006", "/segmentation/0", "pairs", 0),
    ({"segmentation": [[1, 1]]}, "SEG006", "/segmentation/0", "1 points", 0),
    ({"segmentation": [[]]}, "SEG006", "/segmentation/0", "0 points", 0),
    ({"segmentation": [[1, 1, 5, 1, 3, 1]]}, "SEG006", "/segmentation/0", "zero area", 0),
    ({"segmentation": [[1, 1, NAN, 1, 3, 3]]}, "SEG006", "/segmentation/0/2", "NaN", 0),
    ({"segmentation": [[1, 1, float("-inf"), 1, 3, 3]]}, "SEG006", "/segmentation/0/2", "-Infinity", 0),
    ({"segmentation": [[1, 1, 1e8, 1, 3, 3]]}, "SEG006", "/segmentation/0", "1e+08", 0),
    ({"segmentation": [[1, 1, "2", 1, 3, 3]]}, "SEG006", "/segmentation/0/2", '"2"', 0),
    ({"segmentation": [[1, 1, True, 1, 3, 3]]}, "SEG006", "/segmentation/0/2", "true", 0),
    ({"segmentation": [1, 1, 3, 1, 3, 3]}, "SEG006", "/segmentation", "flat list", 0),
    ({"segmentation": [[[1, 1], [3, 1], [3, 3]]]}, "SEG006", "/segmentation/0", "a ring of [x, y] pairs", 0),
    ({"segmentation": [[{"x": 1, "y": 1}, {"x": 3, "y": 1}]]}, "SEG006", "/segmentation/0/0", "by turns", 0),
    ({"segmentation": [{"size": [5, 6]}]}, "SEG006", "/segmentation/0", "not a list", 0),
    ({"segmentation": ...}, "SEG004", "", "missing", 0),
    ({"segmentation": None}, "SEG004", "/segmentation", "null", 0),
    ({"segmentation": "ab"}, "SEG004", "/segmentation", "neither", 0),
    ({"segmentation": {"size": [5, 6], "counts": [3.5, 26.5]}}, "SEG005", "/segmentation/counts/0", "float", 0),
    ({"segmentation": {"size": [5, 6], "counts": ["3", 27]}}, "SEG005", "/segmentation/counts/0", "is the text", 0),
    ({"segmentation": {"size": [6, 5], "counts": [30]}}, "SEG005", "/segmentation/size", "swapped", 0),
    ({"segmentation": {"size": [5, 7], "counts": [35]}}, "SEG005", "/segmentation/size", "[5, 7]", 0),
    ({"segmentation": {"size": [5, 6], "counts": [3, 4]}}, "SEG005", "/segmentation/counts", "sum to 7", 0),
    ({"segmentation": {"size": [5, 6], "counts": [3, 40]}}, "SEG005", "/segmentation/counts", "sum to 43", 0),
    ({"segmentation": {"size": [5, 6], "counts": [3, -4, 31]}}, "SEG005", "/segmentation/counts", "negative", 0),
    ({"segmentation": {"size": [5, 6], "counts": [3, 0.5]}}, "SEG005", "/segmentation/counts/1", "float", 0),
    ({"segmentation": {"size": [5, 6], "counts": ""}}, "SEG005", "/segmentation/counts", "sum to 0", 0),
    ({"segmentation": {"size": [5, 6], "counts": "34"}}, "SEG005", "/segmentation/counts", "sum to 7", 0),
    ({"segmentation": {"size": [5, 6], "counts": "ä~"}}, "SEG005", "/segmentation/counts", "letter", 0),
    ({"segmentation": {"size": [5, 6], "counts": "b'34'"}}, "SEG005", "/segmentation/counts", "counts.decode()", 0),
    ({"segmentation": {"size": [5, 6], "counts": "oooooooooo"}}, "SEG005", "/segmentation/counts", "number", 0),
    ({"segmentation": {"size": [5, 6]}}, "SEG005", "/segmentation", "'counts' is missing", 0),
    ({"segmentation": {"size": [5], "counts": [30]}}, "SEG005", "/segmentation/size", "length", 0),
    ({"image_id": 9}, "SEG007", "/image_id", "9", 0),
    ({"image_id": "1"}, "SEG007", "/image_id", "there is 1", 0),
    ({"category_id": 9}, "SEG007", "/category_id", "9", 0),
    ({"category_id": "1"}, "SEG004", "/category_id", "the text '1', expected int", 0),
    ({"category_id": "cat"}, "SEG004", "/category_id", "looks like a name, not an id", 0),
    ({"category_id": ...}, "SEG004", "", "'category_id' is missing", 0),
    ({"id": ...}, "SEG004", "", "'id' is missing", 0),
    ({"id": None}, "SEG004", "/id", "null", 0),
    ({"bbox": [1, 1, 2]}, "SEG004", "/bbox", "length", 1),
    ({"bbox": [1, 1, 2, NAN]}, "SEG004", "/bbox/3", "expected float", 1),
    ({"area": "4"}, "SEG004", "/area", "expected float", 1),
    ({"area": NAN}, "SEG004", "/area", "expected float", 1),
    ({"iscrowd": 7}, "SEG004", "/iscrowd", "7", 1),
    ({"iscrowd": "no"}, "SEG004", "/iscrowd", "the text 'no', expected bool | int", 1),
]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a document and reads it as COCO instances."""
    return lambda content: load_all(instances.read(ReadRequest(write_document(tmp_path, content))))


@pytest.mark.parametrize(("keys", "code", "place", "words", "n_segments"), BROKEN)
def test_broken_annotation_is_named_and_the_rest_is_read(
    read: Read, keys: dict[str, Any], code: str, place: str, words: str, n_segments: int
) -> None:
    """One defect, one code, one place; the sound annotation beside it keeps its pixels."""
    batch, defects = read(document(annotations=[annotation(**keys), annotation(id=2)]))
    assert [(each.code, each.place, each.file) for each in defects] == [(code, f"/annotations/0{place}", "some.json")]
    assert words in defects[0].message
    assert batch.segments["segment_id"].to_pylist() == [*[1][:n_segments], 2]
    assert batch.runs.areas(batch.n_segments).tolist() == [4] * (n_segments + 1)


def test_sound_annotation_has_no_defect(read: Read) -> None:
    batch, defects = read(document(annotations=[annotation(area=4, bbox=[1, 1, 2, 2])]))
    assert (batch.n_segments, defects) == (1, [])


@pytest.mark.parametrize(
    "segmentation", [[], [[0.2, 0.2, 0.3, 0.2, 0.3, 0.3]], {"size": [5, 6], "counts": [30]}, [[50, 50, 60, 50, 60, 60]]]
)
def test_segment_without_pixels_is_kept(read: Read, segmentation: Any) -> None:
    """That it is empty is a matter of the pixels, not of the file."""
    batch, defects = read(document(annotations=[annotation(segmentation=segmentation)]))
    assert (batch.n_segments, len(batch.runs), defects) == (1, 0, [])


@pytest.mark.parametrize(
    ("ring", "pixels"),
    [([1, 1, 2, 2, 4, 4], 0), ([1, 1, 1, 1, 2.1, 3.2, 3.2, 5.4, 1, 1], 0), ([-2, 7, 9, -4, 1, 4], 5)],
)
def test_ring_on_a_slanted_line_is_kept(read: Read, ring: list[float], pixels: int) -> None:
    """COCO's rule gives some of them pixels, and these are not lost."""
    batch, defects = read(document(annotations=[annotation(segmentation=[SQUARE, ring]), annotation(id=2)]))
    (defect,) = defects
    assert (defect.code, defect.segments, defect.place) == ("SEG006", (1,), "/annotations/0/segmentation/1")
    assert "zero area: its points are on one line; kept" in defect.message
    alone, _ = read(document(annotations=[annotation(segmentation=[ring])]))
    assert (int(alone.runs.areas(1)[0]), batch.segments["rings"][0].as_py()[1]) == (pixels, [float(n) for n in ring])


def test_ring_beside_a_broken_one_keeps_its_vertices(read: Read) -> None:
    batch, _ = read(document(annotations=[annotation(segmentation=[[1, 1, 3, 3], SQUARE])]))
    assert batch.segments["rings"].to_pylist() == [[[float(each) for each in SQUARE]]]


def test_annotation_id_used_twice_is_reported_once_and_both_are_read(read: Read) -> None:
    batch, defects = read(document(annotations=[annotation(), annotation(id=2), annotation()]))
    assert [(each.code, each.place, each.segments) for each in defects] == [("SEG008", "/annotations/2/id", (1,))]
    assert "/annotations/0, /annotations/2" in defects[0].message
    assert batch.segments["segment_id"].to_pylist() == [1, 2, 1]


def test_text_ids_are_kept_and_numbered(read: Read) -> None:
    """The number of a text id depends on the text alone."""
    batch, defects = read(document(annotations=[annotation(id="x7"), annotation(id="y"), annotation(id=3)]))
    again, _ = read(document(annotations=[annotation(id="x7")]))
    assert defects == []
    assert batch.segments["source_id"].to_pylist() == ["x7", "y", None]
    numbers = batch.segments["segment_id"].to_pylist()
    assert numbers[2] == 3
    assert len(set(numbers)) == 3
    assert again.segments["segment_id"].to_pylist() == numbers[:1]


def test_huge_ids_and_hostile_sizes_do_no_harm(read: Read) -> None:
    image = {"id": 10**30, "file_name": "a.png", "width": 2**31, "height": 2**31}
    batch, defects = read(document(images=[image], annotations=[annotation(id=10**40, image_id=10**30)]))
    assert [each.code for each in defects] == ["SEG004"] * 3
    assert "2147483648" in defects[0].message
    assert all("beyond 64 bits" in each.message for each in defects[1:])
    assert (batch.images.num_rows, batch.n_segments) == (1, 0)


def test_one_broken_item_among_many_is_found(read: Read) -> None:
    """Also where the document as a whole could not be decoded in one step."""
    items = [annotation(id=i + 1, area=1, iscrowd=0) for i in range(20_000)]
    items[12_345] = annotation(id=12_346, area={"a": [1]}, category_id=1.5, iscrowd=0)
    batch, defects = read(document(annotations=items))
    assert [(each.code, each.place) for each in defects] == [("SEG004", "/annotations/12345/category_id")]
    assert batch.n_segments == 19_999
    assert batch.segments["segment_id"].to_pylist()[12_344:12_346] == [12_345, 12_347]


@pytest.mark.parametrize("outline", [..., [], [[]], None])
def test_boxes_without_outlines_are_said_once(tmp_path: Path, outline: Any) -> None:
    """A detection dataset, as Roboflow exports it with `segmentation: []`: one sentence, not one for each box."""
    boxes = [annotation(id=k, segmentation=outline, bbox=[1, 1, 2, 3]) for k in range(1, 31)]
    batch, defects = load_all(instances.read(ReadRequest(write_document(tmp_path, document(annotations=boxes)))))
    assert [defect.code for defect in defects if "boxes only: 30 annotations with a box" in defect.message] == [
        "SEG004"
    ]
    assert (batch.n_segments, len(defects)) == (0, 2)  # the other: they lack `area`


def test_a_few_boxes_without_extent_do_not_hide_that_there_are_boxes_only(tmp_path: Path) -> None:
    """A set of 13,192 boxes of cherries had three of no extent, and each was told as an empty segment."""
    boxes = [annotation(id=k, segmentation=[], bbox=[1, 1, 2, 3 * (k > 1)]) for k in range(1, 31)]
    batch, defects = load_all(instances.read(ReadRequest(write_document(tmp_path, document(annotations=boxes)))))
    assert batch.n_segments == 0
    assert [defect.code for defect in defects if "boxes only: 30 annotations" in defect.message] == ["SEG004"]


def test_one_outline_makes_boxes_without_outlines_missing_ones(tmp_path: Path) -> None:
    boxes = [annotation(id=k, segmentation=[], bbox=[1, 1, 2, 3]) for k in range(1, 31)]
    outlined = [*boxes, annotation(id=31, bbox=[1, 1, 2, 2])]
    batch, defects = load_all(instances.read(ReadRequest(write_document(tmp_path, document(annotations=outlined)))))
    assert batch.n_segments == 31
    assert not any("boxes only" in defect.message for defect in defects)


def test_whole_numbers_as_decimals_are_the_counts_of_an_rle(tmp_path: Path) -> None:
    """As numpy writes them where an array of floats was saved."""
    rles = [{"size": [5.0, 6.0], "counts": [6.0, 2.0, 22.0]}, {"size": [5, 6], "counts": [6, 2, 22]}]
    annotations = [annotation(id=k, segmentation=rle) for k, rle in enumerate(rles, 1)]
    batch, defects = load_all(instances.read(ReadRequest(write_document(tmp_path, document(annotations=annotations)))))
    assert not defects
    assert batch.runs.owner.tolist() == [0, 1]
    assert batch.runs.start.tolist() == [6, 6]


@pytest.mark.parametrize(("n_boxless", "is_told"), [(0, False), (1, True), (24, False)])
def test_a_box_that_some_annotations_lack(tmp_path: Path, n_boxless: int, is_told: bool) -> None:
    """Where none has one, a program that needs boxes says so at once."""
    content = document(annotations=[annotation(id=k, bbox=[1, 1, 2, 2], area=4) for k in range(1, 25)])
    for one in content["annotations"][:n_boxless]:
        del one["bbox"]
    _, defects = load_all(instances.read(ReadRequest(write_document(tmp_path, content))))
    told = [defect.message.partition(",")[0] for defect in defects if "bbox" in defect.message]
    assert told == [f"{n_boxless} of 24 annotations does not have bbox"] * is_told


def test_annotations_within_their_images_are_named(tmp_path: Path) -> None:
    content = document(annotations=[])
    content["images"][0]["annotations"] = [annotation()]
    _, defects = load_all(instances.read(ReadRequest(write_document(tmp_path, content))))
    assert [defect.code for defect in defects if "within their images" in defect.message] == ["SEG004"]


def test_words_as_ids_of_many_annotations_are_told(read: Read) -> None:
    """COCOeval keeps matched ids in an array of numbers: could not convert string to float."""
    drawn = [annotation(id=f"{n:08x}-5f1c") for n in range(20)]
    _, defects = read(document(annotations=drawn))
    (defect,) = [each for each in defects if "annotation ids" in each.message]
    assert (defect.code, defect.severity) == ("SEG004", "warning")
    assert defect.message.startswith("20 annotation ids are texts, as '00000000-5f1c'")


def test_counts_in_base64_are_told_with_the_remedy(read: Read) -> None:
    counts = base64.b64encode(b"PPYo0").decode()
    _, defects = read(document(annotations=[annotation(segmentation={"size": [5, 6], "counts": counts})]))
    assert [each.code for each in defects] == ["SEG005"]
    assert "write base64.b64decode(counts).decode()" in defects[0].message
