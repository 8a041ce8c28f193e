"""Datumaro: what it writes is read, what is written it reads, pixel for pixel."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from segdata import convert, read
from segdata.core.batch import concatenate_batches
from segdata.core.errors import UnreadableError
from segdata.core.format import detect
from segdata.testing.pictures import masks_of_runs
from tests.generators.coco_documents import annotation, document, write_document
from tests.generators.traps.coco_instances import ring
from tests.generators.traps.coco_rle import rle

PYTHON = Path(__file__).parents[2] / "build" / "peers" / "bin" / "python"
CONVERT = """
import sys
from datumaro import Dataset
data = Dataset.import_from(sys.argv[1], sys.argv[2])
data.export(sys.argv[3], sys.argv[4], save_media=len(sys.argv) > 5)
"""
MASKS = """
import json, sys
import pycocotools.mask as m
from datumaro import Dataset
found = []
for item in Dataset.import_from(sys.argv[1], "datumaro"):
    height, width = item.media.size
    for one in item.annotations:
        flat = one.type.name == "polygon"
        rle = m.frPyObjects([one.points], height, width)[0] if flat else one.rle
        found.append([item.id, one.id, one.label, one.group, one.attributes, m.decode(rle).tolist()])
print(json.dumps(found))
"""


def datumaro(code: str, *words: object) -> str:
    """What a program says under the Python that has Datumaro."""
    if not PYTHON.exists():
        pytest.skip("Datumaro is not here: make build/peers/.installed")
    done = subprocess.run([PYTHON, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def drawn(type_: str = "polygon", **keys: Any) -> dict[str, Any]:
    """A sound annotation of 4 pixels, as Datumaro writes it; a key that is `...` is left out."""
    sound = {"id": 1, "type": type_, "attributes": {}, "group": 0, "label_id": 0, "z_order": 0}
    sound |= {"points": [float(each) for each in ring(1, 1, 3, 3)]} if type_ == "polygon" else {}
    return {key: value for key, value in (sound | keys).items() if value is not ...}


def content(*annotations: dict[str, Any], **item: Any) -> dict[str, Any]:
    """A document of one image of 6 x 5 pixels (width x height)."""
    labels = [{"name": name, "parent": "", "attributes": []} for name in ("cat", "dog")]
    one = {"id": "a", "annotations": list(annotations), "image": {"path": "a.png", "size": [5, 6]}} | item
    return {
        "dm_format_version": "1.0",
        "media_type": 2,
        "infos": {},
        "categories": {"label": {"labels": labels, "label_groups": [], "attributes": []}},
        "items": [one],
    }


def save(folder: Path, *annotations: dict[str, Any], subset: str = "default", **item: Any) -> Path:
    return write_document(folder, content(*annotations, **item), f"annotations/{subset}.json")


def test_fields_and_attributes_that_stand_for_them(tmp_path: Path) -> None:
    said = {"occluded": True, "is_crowd": True, "score": 0.5, "pose": {"a": [1]}}
    tracked = drawn("mask", rle=rle(np.eye(5, 6, dtype=bool)), object_id=7, label_id=1, id=2)
    save(tmp_path, drawn(attributes=said, z_order=3), tracked, attr={"frame": 4, "annotator": "ann", "source": "human"})
    data = read(tmp_path)
    segments = data.segments
    assert segments[["segment_id", "category", "iscrowd", "area"]].values.tolist() == [
        [1, "cat", True, 4],
        [2, "dog", False, 5],
    ]
    assert segments["score"].tolist()[0] == 0.5
    assert segments["track_id"].tolist()[1] == 7
    assert {key: json.loads(value) for key, value in segments["attributes"][0]} == {
        "occluded": True,
        "pose": {"a": [1]},
        "z_order": 3,
    }
    assert segments["attributes"][1] is None
    assert [dict(each) for each in data.images["metadata"]] == [{"frame": "4"}]
    assert data.annotations[["annotator", "source"]].values.tolist() == [["ann", "human"]]


def test_polygons_of_one_group_and_label_are_one_segment(tmp_path: Path) -> None:
    """Those of another label, and masks, keep the number of the group."""
    left, right = ({"points": ring(x, 0, x + 2, 2), "group": 9} for x in (0, 4))
    save(tmp_path, drawn(**left), drawn(**right), drawn(**right, label_id=1, id=2), drawn(id=3))
    segments = read(tmp_path).segments
    assert segments[["segment_id", "area"]].values.tolist() == [[1, 8], [2, 4], [3, 4]]
    assert [each and dict(each) for each in segments["attributes"]] == [{"group": "9"}, {"group": "9"}, None]
    assert [len(each) for each in segments["rings"]] == [2, 1, 1]


def test_an_ellipse_is_the_polygon_that_datumaro_makes_of_it(tmp_path: Path) -> None:
    save(tmp_path, drawn("ellipse", points=[0.0, 0.0, 6.0, 5.0]))
    (segment,) = read(tmp_path).segments.itertuples()
    y, x = np.mgrid[:5, :6] + 0.5
    assert segment.area == int((((x - 3) / 3) ** 2 + ((y - 2.5) / 2.5) ** 2 < 1).sum())
    assert len(segment.rings[0]) == 2 * 720


def test_what_is_no_segmentation_is_counted(tmp_path: Path) -> None:
    box, tag = drawn("bbox", bbox=[0, 0, 1, 1]), drawn("label")
    save(tmp_path, drawn(), box, box, tag)
    data = read(tmp_path)
    assert len(data.segments) == 1
    assert [(each.severity, each.message) for each in data.source.defects if each.code == "SEG004"] == [
        ("info", "annotations that are not segmentations are left out: 2 bbox, 1 label")
    ]


def test_subsets_are_splits_and_images_lie_below_them(tmp_path: Path) -> None:
    save(tmp_path, drawn(), subset="train")
    save(tmp_path, drawn(label_id=1), subset="val")
    for name in ("train/a.png", "val/a.png", "other.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 5)).save(tmp_path / "images" / name)
    data = read(tmp_path)
    assert data.images[["image_id", "split"]].values.tolist() == [["train/a.png", "train"], ["val/a.png", "val"]]
    assert [Path(uri).parent.name for uri in data.images["uri"]] == ["train", "val"]
    assert data.segments["category"].tolist() == ["cat", "dog"]
    assert [(each.code, each.file) for each in data.source.defects] == [("SEG011", "other.png")]


def test_labels_that_differ_between_subsets_go_by_name(tmp_path: Path) -> None:
    """The second document has its labels in another order, and one more."""
    save(tmp_path, drawn(), subset="train")
    other = content(drawn(label_id=2), id="b", image={"path": "b.png", "size": [5, 6]})
    other["categories"]["label"]["labels"] = [{"name": name} for name in ("dog", "owl", "cat")]
    write_document(tmp_path, other, "annotations/val.json")
    data = read(tmp_path)
    assert [each.name for each in data.taxonomy.categories] == ["cat", "dog", "owl"]
    assert data.segments["category"].tolist() == ["cat", "cat"]
    assert [(each.code, each.file) for each in data.source.defects if each.severity == "warning"] == [
        ("SEG202", "annotations/val.json")
    ]


def test_sizes_that_are_not_told_are_looked_up(tmp_path: Path) -> None:
    """A mask tells it, or the image file."""
    one = drawn("mask", rle=rle(np.eye(5, 6, dtype=bool)))
    save(tmp_path, one, image={"path": "a.png"}, subset="x")
    save(tmp_path, drawn(), id="b", image={"path": "b.png"}, subset="y")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (6, 5)).save(tmp_path / "images" / "b.png")
    assert read(tmp_path).segments["area"].tolist() == [5, 4]


def test_it_is_told_from_other_json(tmp_path: Path) -> None:
    """By its version; or, as it was written at first, by labels and items."""
    path = save(tmp_path / "new", drawn())
    legacy = content(drawn())
    del legacy["dm_format_version"], legacy["media_type"]
    write_document(tmp_path / "old", legacy, "annotations/train.json")
    assert [detect(each) for each in (tmp_path / "new", path, tmp_path / "old")] == ["datumaro"] * 3
    with pytest.raises(UnreadableError, match="no Datumaro JSON"):
        read(tmp_path, format="datumaro")


def test_what_is_written_names_the_same_things(tmp_path: Path) -> None:
    """Labels by position, groups of rings, masks where there are no exact rings."""
    rings = [ring(0, 0, 2, 2), ring(4, 0, 6, 2)]
    hole = np.ones((5, 6), bool)
    hole[2, 2] = False
    segments = [annotation(segmentation=rings), annotation(id=2, segmentation=rle(hole), category_id=5, iscrowd=1)]
    source = write_document(
        tmp_path, document(annotations=segments, categories=[{"id": 5, "name": "dog"}, {"id": 1, "name": "cat"}])
    )
    convert(source, tmp_path / "out", to="datumaro", on_loss="error")
    made = json.loads((tmp_path / "out" / "annotations" / "default.json").read_bytes())
    assert [each["name"] for each in made["categories"]["label"]["labels"]] == ["dog", "cat"]
    (item,) = made["items"]
    assert (item["id"], item["image"]) == ("a", {"path": "a.png", "size": [5, 6]})
    first, second, third = item["annotations"]
    assert [each["points"] for each in (first, second)] == rings
    assert first["group"] == second["group"] != 0
    assert (third["type"], third["label_id"], third["attributes"]) == ("mask", 0, {"is_crowd": True})
    assert read(tmp_path / "out").segments["category_id"].tolist() == [1, 5], "taxonomy.yaml keeps the ids"


def test_groups_survive(tmp_path: Path) -> None:
    """Segments of one group and label must not become one, so that they are masks."""
    one = {"group": 9, "points": [float(each) for each in ring(0, 0, 2, 2)]}
    two = drawn("mask", rle=rle(np.eye(5, 6, dtype=bool)), id=2, group=9)
    save(tmp_path, drawn(**one), two, drawn(id=3, group=9, label_id=1))
    convert(tmp_path, tmp_path / "out", to="datumaro")
    again = read(tmp_path / "out").segments
    assert again["segment_id"].tolist() == [1, 2, 3]
    assert again["area"].tolist() == [4, 5, 4]
    assert [dict(each) for each in again["attributes"]] == [{"group": "9"}] * 3


def test_two_images_that_differ_in_extension_alone(tmp_path: Path) -> None:
    images = [{"id": k, "file_name": name, "width": 6, "height": 5} for k, name in enumerate(("a.jpg", "a.png"), 1)]
    convert(write_document(tmp_path, document(images=images)), tmp_path / "out", to="datumaro")
    assert read(tmp_path / "out").image_ids == ["a.jpg", "a.png"]


def test_datumaro_reads_what_is_written(tmp_path: Path) -> None:
    """The same pixels, from polygons and masks."""
    rings = [ring(0, 0, 2, 2), ring(4, 0, 6, 2)]
    segments = [annotation(id=7, segmentation=rings), annotation(id=8, segmentation=rle(np.eye(5, 6, dtype=bool)))]
    convert(write_document(tmp_path, document(annotations=segments)), tmp_path / "out", to="datumaro")
    found = json.loads(datumaro(MASKS, tmp_path / "out"))
    assert [(name, id_, label) for name, id_, label, *_ in found] == [("a", 7, 0), ("a", 7, 0), ("a", 8, 0)]
    first, second, third = (np.array(each[5], bool) for each in found)
    assert (first | second).sum() == 8
    assert (third == np.eye(5, 6, dtype=bool)).all()


@settings(max_examples=40)
@given(
    points=st.lists(
        st.tuples(st.floats(0, 40, allow_subnormal=False), st.floats(0, 30, allow_subnormal=False)),
        min_size=3,
        max_size=9,
    ),
    shift=st.sampled_from([0, 1000, 9000]),
)
def test_an_outline_is_written_only_if_it_survives_single_precision(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[float, float]], shift: int
) -> None:
    """Datumaro rounds points to two digits in single precision: what it draws then are the segment's own pixels."""
    folder = tmp_path_factory.mktemp("law")
    outline = [value for x, y in points for value in (x + shift, y)]
    images = [{"id": 1, "file_name": "a.png", "width": 48 + shift, "height": 32}]
    path = write_document(folder, document(images=images, annotations=[annotation(id=7, segmentation=[outline])]))
    pixels = _masks_of(path)
    if not pixels:
        return  # no area: a defect, and no segment
    before = pixels[0]
    convert(path, folder / "out", to="datumaro")
    (item,) = json.loads((folder / "out/annotations/default.json").read_bytes())["items"]
    for part in item["annotations"]:
        if part["type"] == "polygon":
            seen = np.array(part["points"], np.float32).round(2).tolist()
            drawn_by_it = coco_mask.decode(coco_mask.frPyObjects([seen], 32, 48 + shift)[0])
            assert (drawn_by_it.astype(bool) == before).all()
    quarters = [round(value * 4) / 4 for value in outline]
    path = write_document(folder, document(images=images, annotations=[annotation(id=7, segmentation=[quarters])]))
    convert(path, folder / "again", to="datumaro")
    (item,) = json.loads((folder / "again/annotations/default.json").read_bytes())["items"]
    pixels = _masks_of(path)
    assert not len(pixels) or not pixels[0].any() or item["annotations"][0]["type"] == "polygon"


def _masks_of(path: Path) -> list[Any]:
    """The pixels of each segment of a dataset."""
    dataset = read(path)
    batch = concatenate_batches([dataset.source.load(rows) for rows in dataset.chunks()])
    return masks_of_runs(batch.runs, *batch.segment_size)


def test_what_datumaro_writes_is_read(tmp_path: Path, real_data: Path) -> None:
    """A COCO dataset that Datumaro converts to its own format: pixels as pycocotools makes them of what it wrote."""
    source = real_data / "coco_tiny" / "annotations" / "instances_train2017.json"
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    (tmp_path / "coco" / "images" / "train2017").mkdir(parents=True)
    (tmp_path / "coco" / "annotations" / source.name).write_bytes(source.read_bytes())
    datumaro(CONVERT, tmp_path / "coco", "coco_instances", tmp_path / "dm", "datumaro")
    ours, theirs = read(source), read(tmp_path / "dm")
    assert (len(theirs.segments), len(theirs)) == (470, 50)
    before = {row.segment_id: (row.category, row.iscrowd) for row in ours.segments.itertuples()}
    assert {row.segment_id: (row.category, row.iscrowd) for row in theirs.segments.itertuples()} == before
    # Datumaro keeps coordinates with 24 bits, which moves vertices by a fifth of a pixel, so what it wrote counts.
    areas = _areas(json.loads((tmp_path / "dm" / "annotations" / "train2017.json").read_bytes()))
    assert dict(zip(theirs.segments["segment_id"], theirs.segments["area"], strict=True)) == areas
    assert sorted(ours.images["source_id"]) == sorted(dict(each)["id"] for each in theirs.images["metadata"])
    assert [each.code for each in theirs.source.defects if each.severity != "info"] == ["SEG015"], "no media were saved"


def _areas(content: dict[str, Any]) -> dict[int, int]:
    """The pixels of each segment by its id, polygons of one id united."""
    shapes: dict[int, list[Any]] = {}
    for item in content["items"]:
        for each in item["annotations"]:
            if each["type"] == "polygon":
                shapes.setdefault(each["id"], []).extend(
                    coco_mask.frPyObjects([each["points"]], *item["image"]["size"])
                )
            elif each["type"] == "mask":
                shapes.setdefault(each["id"], []).append(each["rle"] | {"counts": each["rle"]["counts"].encode()})
    return {id_: int(coco_mask.area(coco_mask.merge(parts))) for id_, parts in shapes.items()}


def test_real_segments_come_back_exactly(real_data: Path, tmp_path: Path) -> None:
    result = convert(real_data / "gbm40_nuclei", tmp_path / "out", to="datumaro", verify=True)
    assert result.verified == result.n_segments
    batch = concatenate_batches(list(read(tmp_path / "out")))
    assert len(masks_of_runs(batch.runs, *batch.segment_size)) == result.n_segments


@pytest.mark.parametrize(("folders", "n"), [(("train",), 1), (("train", "val"), 0), ((), 0)])
def test_items_of_one_subset_in_another(tmp_path: Path, folders: tuple[str, ...], n: int) -> None:
    """An item whose picture is in another subset alone is one of that subset."""
    for subset in ("train", "val"):
        save(tmp_path, drawn(), subset=subset)
    for folder in folders:
        (tmp_path / "images" / folder).mkdir(parents=True)
        Image.new("L", (6, 5)).save(tmp_path / "images" / folder / "a.png")
    leaks = [one for one in read(tmp_path).source.defects if one.code == "SEG304"]
    assert [one.message for one in leaks] == ["1 image of 'val' is also in 'train', which has the files"] * n
