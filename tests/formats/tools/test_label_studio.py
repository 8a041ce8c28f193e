"""Label Studio tasks, against what its SDK packs and what its COCO export hands to pycocotools."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco

import segdata
from segdata.core.errors import UnreadableError
from segdata.core.format import detect, find_format
from segdata.formats.tools.label_studio_regions import decode_strokes, encode_strokes
from segdata.testing.pictures import Mask, masks_of_runs
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

HEIGHT, WIDTH = 40, 50


def region(kind: str, value: dict[str, Any], id_: str | None = "r1", **more: Any) -> dict[str, Any]:
    """A result about a cat."""
    return {
        **({} if id_ is None else {"id": id_}),
        "type": kind,
        "from_name": "tag",
        "to_name": "image",
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "value": value | {kind: ["cat"]},
    } | more


def tasks(folder: Path, *annotations: dict[str, Any], predictions: Any = (), image: str = "a.png", **more: Any) -> Path:
    """A file of one task."""
    path = folder / "tasks.json"
    task = {"id": 5, "data": {"image": image, "weather": "rain"}, "annotations": list(annotations), **more}
    path.write_text(json.dumps([task | {"predictions": list(predictions)}]), encoding="utf-8")
    return path


def masks(opened: segdata.Dataset) -> list[Mask]:
    return [mask for batch in opened for mask in masks_of_runs(batch.runs, *batch.segment_size)]


def by_coco(ring: np.ndarray) -> Mask:
    rles = coco.frPyObjects([ring.ravel().tolist()], HEIGHT, WIDTH)
    return coco.decode(coco.merge(rles)) > 0  # type: ignore[no-any-return]  # pycocotools has no types


@settings(deadline=None)
@given(datasets(Details()))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, made: tuple[object, object]) -> None:
    assert_round_trip(find_format("label-studio"), *made, tmp_path_factory.mktemp("l"))  # type: ignore[arg-type]


@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_strokes_are_the_mask_again(mask: Mask) -> None:
    assert (decode_strokes(encode_strokes(mask), *mask.shape) == mask * 255).all()


def test_long_strokes_are_several_records() -> None:
    mask = np.ones((300, 300), bool)
    assert decode_strokes(encode_strokes(mask), 300, 300).all()


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=3, max_size=6))
def test_polygons_are_those_of_the_coco_export(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[float, float]]
) -> None:
    path = tasks(
        tmp_path_factory.mktemp("l"), {"result": [region("polygonlabels", {"points": list(map(list, points))})]}
    )
    pixels = np.array([(x / 100 * WIDTH, y / 100 * HEIGHT) for x, y in points])
    assert (masks(segdata.read(path))[0] == by_coco(pixels)).all()


def test_rectangles_turn_about_their_corner_and_ellipses_about_their_centre(tmp_path: Path) -> None:
    upright = {"x": 20, "y": 25, "width": 40, "height": 10, "rotation": 0}
    path = tasks(
        tmp_path,
        {
            "result": [
                region("rectanglelabels", upright, "a"),
                region("rectanglelabels", upright | {"rotation": 90}, "b"),
                region("ellipselabels", {"x": 50, "y": 50, "radiusX": 20, "radiusY": 5, "rotation": 90}, "c"),
            ]
        },
    )
    first, turned, ellipse = masks(segdata.read(path))
    assert (first == by_coco(np.array([(10, 10), (30, 10), (30, 14), (10, 14)]))).all()
    assert (turned == by_coco(np.array([(10, 10), (10, 30), (6, 30), (6, 10)]))).all()
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    assert (ellipse == (((x - 25) / 2) ** 2 + ((y - 20) / 10) ** 2 < 1)).all()


def test_who_drew_what(tmp_path: Path) -> None:
    box = region("rectanglelabels", {"x": 0, "y": 0, "width": 50, "height": 50})
    person = {"completed_by": {"id": 3, "email": "ann@x.org"}, "lead_time": 4.5, "created_at": "2024", "result": [box]}
    review = {"accepted": True, "created_by": {"email": "bob@x.org"}}
    path = tasks(
        tmp_path,
        person | {"ground_truth": True},
        {"completed_by": 8, "result": [], "reviews": [review]},
        {"completed_by": 9, "was_cancelled": True, "result": [box]},
        predictions=[{"model_version": "v1", "score": 0.25, "result": [box, box | {"id": "r2", "score": 0.75}]}],
    )
    (batch,) = segdata.read(path)
    names = ("annotator", "source", "stage", "reviewer", "created", "seconds")
    assert [tuple(each[name] for name in names) for each in batch.annotations.to_pylist()] == [
        ("ann@x.org", None, "accepted", None, "2024", 4.5),
        ("8", None, "reviewed", "bob@x.org", None, None),
        ("v1", "model", None, None, None, None),
    ]
    assert batch.segments["score"].to_pylist() == [None, 0.25, 0.75]
    assert batch.segments["source_id"].to_pylist() == ["r1", "r1", "r2"]
    assert [(each.code, each.severity) for each in batch.defects] == [("SEG004", "info")]
    assert batch.images["metadata"].to_pylist() == [[("weather", '"rain"')]]


def test_a_second_annotation_of_the_same_person_has_a_name_of_its_own(tmp_path: Path) -> None:
    path = tasks(tmp_path, {"completed_by": 8, "result": []}, {"completed_by": 8, "result": []})
    (batch,) = segdata.read(path)
    assert batch.annotations["annotator"].to_pylist() == ["8", "8 (2)"]
    assert [(each.code, each.severity) for each in batch.defects] == [("SEG008", "warning")]


def test_a_task_that_was_only_cancelled_is_not_annotated(tmp_path: Path) -> None:
    opened = segdata.read(tasks(tmp_path, {"completed_by": 8, "was_cancelled": True, "result": []}))
    assert len(opened.annotations) == 0
    (batch,) = opened
    assert [each.severity for each in batch.defects] == ["info"]


def test_tasks_with_predictions_alone_are_counted(tmp_path: Path) -> None:
    """Where others have annotations; else it is a file of predictions."""
    box = region("rectanglelabels", {"x": 10, "y": 10, "width": 20, "height": 20})
    path = tasks(tmp_path, predictions=[{"model_version": "v1", "result": [box]}])
    assert [one.code for one in segdata.read(tmp_path).source.defects] == ["SEG002"], "the image is not there"
    done = {"id": 6, "data": {"image": "b.png"}, "annotations": [{"completed_by": 1, "result": [box]}]}
    path.write_text(json.dumps([*json.loads(path.read_text()), done]))
    (defect,) = (one for one in segdata.read(tmp_path).source.defects if one.code == "SEG004")
    assert (defect.code, defect.severity, defect.place) == ("SEG004", "warning", "/0")
    assert defect.message == "1 of 2 tasks has a model's predictions and no annotation"


def test_regions_elsewhere_under_one_id(tmp_path: Path) -> None:
    """Results that repeat a region's place are about it; others are regions of their own."""
    first, second = ({"x": x, "y": 0, "width": 20, "height": 50} for x in (0, 40))
    results = [region("rectanglelabels", first), region("labels", first), region("rectanglelabels", second)]
    (batch,) = segdata.read(tasks(tmp_path, {"result": results}))
    assert len(batch.segments) == 2
    ((code, place),) = ((each.code, each.place) for each in batch.defects)
    assert code == "SEG008"
    assert place is not None
    assert place.endswith("/result/2/id")


def test_results_about_a_region_and_about_the_image(tmp_path: Path) -> None:
    box = region("rectanglelabels", {"x": 0, "y": 0, "width": 50, "height": 50})
    box["value"]["rectanglelabels"] = ["cat", "tabby"]
    box["meta"] = {"text": ["old"]}
    about = region("choices", {}) | {"from_name": "pose", "value": {"choices": ["sits"], "x": 0, "y": 0}}
    words = region("textarea", {}) | {"from_name": "note", "value": {"text": ["a", "b"]}}
    whole = region("rating", {}, None) | {"from_name": "quality", "value": {"rating": 4}}
    keypoint = region("keypointlabels", {"x": 1, "y": 1, "width": 1}, "k")
    (batch,) = segdata.read(tasks(tmp_path, {"result": [box, about, words, whole, keypoint]}))
    (segment,) = batch.segments.to_pylist()
    assert dict(segment["attributes"]) == {"pose": '"sits"', "note": '["a","b"]', "meta": '{"text":["old"]}'}
    assert len(segment["also"]) == 1
    assert batch.annotations["attributes"].to_pylist() == [[("quality", "4")]]
    assert [each.severity for each in batch.defects] == ["info"]


@pytest.mark.parametrize(
    ("image", "image_id"),
    [
        ("/data/upload/7/0a1b2c3d-cat%20b.jpg", "0a1b2c3d-cat b.jpg"),
        ("/data/local-files/?d=cats%2Fa.jpg", "cats/a.jpg"),
        ("s3://bucket/cats/a.jpg", "cats/a.jpg"),
        ("https://x.org/cats/a.jpg?size=3#top", "cats/a.jpg"),
        ("cats/a.jpg", "cats/a.jpg"),
        ("../../secret/a.jpg", "a.jpg"),
        ("C:\\cats\\a.jpg", "a.jpg"),
    ],
)
def test_references_to_images(tmp_path: Path, image: str, image_id: str) -> None:
    opened = segdata.read(tasks(tmp_path, {"result": []}, image=image))
    assert list(opened.source.image_ids) == [image_id]
    unsafe = image.startswith(("..", "C:"))
    assert ("SEG015" in {each.code for each in opened.source.defects}) == unsafe


def test_uploads_are_found_without_their_prefix(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(tmp_path / "images/cat.png")
    opened = segdata.read(tasks(tmp_path, {"result": []}, image="/data/upload/7/0a1b2c3d-cat.png"))
    assert not opened.source.defects
    assert opened.images["width"].tolist() == [WIDTH]


def test_the_configuration_gives_order_and_colours(tmp_path: Path) -> None:
    config = (
        '<View><Image name="i" value="$picture"/><PolygonLabels name="l" toName="i">'
        '<Label value="dog" background="rgba(218, 1, 238, 1)"/><Label value="cat" background="green"/>'
        "</PolygonLabels></View>"
    )
    (tmp_path / "label_config.xml").write_text(config)
    box = region("rectanglelabels", {"x": 0, "y": 0, "width": 50, "height": 50})
    path = tasks(tmp_path, {"result": [box]})
    path.write_text(path.read_text().replace('"image": "a.png"', '"image": "x.png", "picture": "a.png"'))
    opened = segdata.read(tmp_path)
    assert [(each.id, each.name, each.rgb) for each in opened.profile.taxonomy.categories] == [
        (1, "dog", (218, 1, 238)),
        (2, "cat", (0, 128, 0)),
    ]
    assert list(opened.source.image_ids) == ["a.png"]


def test_json_min_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "min.json"
    path.write_text('[{"image": "a.png", "id": 1, "annotator": 1, "annotation_id": 4, "label": []}]')
    with pytest.raises(UnreadableError, match=r"a JSON-MIN export of Label Studio, .* choose Export, then JSON"):
        segdata.read(path, format="label-studio")


def test_the_prefix_of_written_images(tmp_path: Path) -> None:
    data = segdata.from_arrays({"a b/c.png": [(np.ones((3, 4), bool), "cat")]}, ["cat"])
    options = {"prefix": "/data/local-files/?d="}
    segdata.convert(data, tmp_path / "t.json", to="label-studio", write_options=options)
    (task,) = json.loads((tmp_path / "t.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=a%20b/c.png"
    assert list(segdata.read(tmp_path / "t.json").source.image_ids) == ["a b/c.png"]


def test_strokes_packed_by_the_sdk(real_data: Path) -> None:
    """Decoded they are the masks that were packed, and packed again they are the same bytes."""
    folder = real_data / "label_studio_brush"
    assert detect(folder) == "label-studio"
    for task in json.loads((folder / "tasks_brush_rle.json").read_text()):
        (result,) = task["predictions"][0]["result"]
        packed = result["value"]["rle"]
        opacity = decode_strokes(packed, result["original_height"], result["original_width"])
        with Image.open(real_data / task["mask_source"]) as image:
            assert ((opacity > 0) == (np.asarray(image.convert("L")) > 0)).all()
        assert encode_strokes(opacity > 0) == packed
    opened = segdata.read(folder)
    assert sorted(opened.segments["area"]) == [77508, 125696, 156005]


def test_exports_in_the_repository_of_the_sdk(real_data: Path) -> None:
    folder = real_data / "peer_fixtures/label_studio"
    exported = segdata.read(folder / "test_export_coco")
    assert exported.segments["area"].tolist() == [992, 265]
    boxes = segdata.read(folder / "test_export_yolo/data.json")
    assert boxes.annotations["annotator"].tolist() == ["2", "1", "1"]
    turned = segdata.read(folder / "test_export_yolo/data_obb.json")
    assert len(turned.segments) == 25


def test_tasks_in_folders_below_are_read_if_they_are_the_only_ones(tmp_path: Path) -> None:
    shape = region("polygonlabels", {"points": [[0, 0], [50, 0], [50, 50]], "polygonlabels": ["a"]})
    for folder in ("export", "older"):
        (tmp_path / folder).mkdir()
        tasks(tmp_path / folder, shape)
        if folder == "export":
            assert len(segdata.read(tmp_path).image_ids) == 1
    with pytest.raises(UnreadableError, match=r"below it: export/\w+\.json, .*; give one as DATA: ") as refused:
        segdata.read(tmp_path)
    assert len(segdata.read(str(refused.value).partition("as DATA: ")[2].partition(";")[0]).image_ids) == 1


def test_a_folder_called_like_a_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "labels.json").mkdir()
    with pytest.raises(UnreadableError, match="no export of Label Studio in it"):
        segdata.read(tmp_path, format="label-studio")


def test_labels_that_are_not_utf8(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    box = region("rectanglelabels", {"x": 10, "y": 10, "width": 20, "height": 20})
    path = tasks(tmp_path, {"result": [box]})
    path.write_bytes(path.read_bytes().replace(b'"rectanglelabels": ["', b'"rectanglelabels": ["\xc4'))
    assert b"\xc4" in path.read_bytes()
    (finding,) = segdata.validate(tmp_path, select=["SEG001", "SEG004"]).findings
    assert "utf-8" in finding.message


def test_a_polygon_that_was_not_closed_is_a_finding(tmp_path: Path) -> None:
    """Its segment is read all the same."""
    value = {"points": [[0, 0], [50, 0], [50, 50]], "polygonlabels": ["a"]}
    shapes = [region("polygonlabels", value | {"closed": closed}, f"r{closed}") for closed in (True, False)]
    dataset = segdata.read(tasks(tmp_path, {"result": shapes}))
    assert len(dataset.segments) == 2
    (finding,) = [one for one in dataset.validate().findings if "not closed" in one.message]
    assert (finding.code, finding.severity) == ("SEG004", "info")
