"""COCO instances: pixels as pycocotools makes them, and everything that is said beside them."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from segdata.core.batch import concatenate_batches
from segdata.core.format import FileProbe, FormatMatch, ReadRequest
from segdata.core.losses import LossCounter
from segdata.formats.coco import instances, panoptic
from segdata.testing.pictures import masks_of_runs
from tests.generators.coco_documents import SQUARE, annotation, document, load_all, write_document

SIDES = (7, 9)  # height, width


def official(segmentation: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The mask as pycocotools' annToRLE makes it."""
    if isinstance(segmentation, list):
        coded = coco_mask.merge(coco_mask.frPyObjects(segmentation, *SIDES))
    elif isinstance(segmentation["counts"], list):
        coded = coco_mask.frPyObjects(segmentation, *SIDES)
    else:
        coded = segmentation
    return np.asarray(coco_mask.decode(coded), bool)


def on(segmentation: Any, **keys: Any) -> dict[str, Any]:
    """A document with one annotation on an image of 9 x 7 pixels."""
    images = [{"id": 1, "file_name": "a.png", "height": SIDES[0], "width": SIDES[1]}]
    return document(images=images, annotations=[annotation(segmentation=segmentation, **keys)])


numbers = st.floats(-3, 12, width=16) | st.integers(-2, 11)
rings = st.lists(numbers, min_size=6, max_size=12).map(lambda each: each[: len(each) // 2 * 2])
flat = st.lists(st.booleans(), min_size=63, max_size=63)


@settings(max_examples=50)
@given(segmentations=st.lists(st.lists(rings, min_size=1, max_size=3), min_size=1, max_size=4))
def test_polygons_have_the_official_pixels(tmp_path_factory: pytest.TempPathFactory, segmentations: Any) -> None:
    """Rings that are left out hold no pixels anyway."""
    annotations = [annotation(id=i, segmentation=each) for i, each in enumerate(segmentations)]
    path = write_document(tmp_path_factory.mktemp("coco"), on([]) | {"annotations": annotations})
    batch, _ = load_all(instances.read(ReadRequest(path)))
    masks = dict(
        zip(batch.segments["segment_id"].to_pylist(), masks_of_runs(batch.runs, *batch.segment_size), strict=True)
    )
    for i, each in enumerate(segmentations):
        np.testing.assert_array_equal(masks.get(i, np.zeros(SIDES, bool)), official(each))


@settings(max_examples=50)
@given(pixels=flat, compressed=st.booleans())
def test_rle_has_the_official_pixels(
    tmp_path_factory: pytest.TempPathFactory, pixels: list[bool], compressed: bool
) -> None:
    mask = np.array(pixels, np.uint8).reshape(SIDES)
    coded = coco_mask.encode(np.asfortranarray(mask))
    if compressed:
        segmentation = {"size": coded["size"], "counts": coded["counts"].decode()}
    else:
        changes = np.flatnonzero(np.diff(mask.T.ravel(), prepend=0)).tolist()
        segmentation = {"size": list(SIDES), "counts": np.diff([0, *changes, mask.size]).tolist()}
    path = write_document(tmp_path_factory.mktemp("coco"), on(segmentation))
    batch, defects = load_all(instances.read(ReadRequest(path)))
    assert defects == []
    np.testing.assert_array_equal(masks_of_runs(batch.runs, *batch.segment_size)[0], mask.astype(bool))
    batch.runs.checked(*batch.segment_size)


def test_inner_ring_is_filled_as_coco_does(tmp_path: Path) -> None:
    """COCO unites the rings of an annotation; whether a hole was meant is for a rule to ask."""
    hole = [[0, 0, 6, 0, 6, 6, 0, 6], [2, 2, 4, 2, 4, 4, 2, 4]]
    batch, defects = load_all(instances.read(ReadRequest(write_document(tmp_path, on(hole)))))
    assert (batch.runs.areas(1).tolist(), defects) == ([36], [])


def test_ids_as_decimals_are_whole_numbers(tmp_path: Path) -> None:
    """Tables with gaps have all numbers of a column as decimals; pycocotools finds 3.0 equal to 3."""
    path = write_document(tmp_path, on([SQUARE]))
    content = json.loads(path.read_text())
    for one in [*content["images"], *content["annotations"]]:
        one |= {key: float(one[key]) for key in ("id", "image_id", "category_id") if key in one}
    path.write_text(json.dumps(content))
    batch, defects = load_all(instances.read(ReadRequest(path)))
    assert (batch.n_segments, defects) == (1, [])
    content["annotations"][0]["image_id"] = 1.5
    path.write_text(json.dumps(content))
    _, defects = load_all(instances.read(ReadRequest(path)))
    assert [defect.code for defect in defects] == ["SEG004"]


@pytest.mark.parametrize("crowd", [0, 1])
@pytest.mark.parametrize("segmentation", [[SQUARE], {"size": [7, 9], "counts": [8, 2, 53]}])
def test_crowd_and_encoding_are_independent(tmp_path: Path, crowd: int, segmentation: Any) -> None:
    path = write_document(tmp_path, on(segmentation, iscrowd=crowd))
    source = instances.read(ReadRequest(path))
    batch, _ = load_all(source)
    assert batch.segments["iscrowd"].to_pylist() == [crowd == 1]
    instances.write(source.profile, [batch], tmp_path / "out.json", LossCounter())
    again = json.loads((tmp_path / "out.json").read_bytes())["annotations"][0]
    assert again["iscrowd"] == crowd
    assert isinstance(again["segmentation"], type(segmentation))


def test_everything_that_is_said_is_read(tmp_path: Path) -> None:
    said = {
        "area": 3.5,
        "bbox": [1, 1, 2, 2.5],
        "score": 0.25,
        "track_id": 7,
        "keypoints": [1, 2],
        "attributes": {"a": "ä"},
    }
    source = instances.read(ReadRequest(write_document(tmp_path, on([SQUARE], **said)), annotator="ann"))
    batch, defects = load_all(source)
    assert defects == []
    row = batch.segments.to_pylist()[0]
    assert (row["declared_area"], row["declared_bbox"]) == (3.5, [1, 1, 2, 2.5])
    assert (row["score"], row["track_id"]) == (0.25, 7)
    assert row["attributes"] == [("keypoints", "[1, 2]"), ("a", '"\\u00e4"')]
    assert (row["file"], row["place"]) == ("some.json", "/annotations/0")
    assert row["rings"] == [SQUARE]
    assert batch.annotations["annotator"].to_pylist() == ["ann"]
    profile = source.profile
    assert (profile.task, profile.coverage.value, profile.overlap.value) == ("instance", "sparse", "allow")
    assert not profile.coverage.declared
    assert not profile.overlap.declared


def test_other_types_of_widely_used_keys_are_attributes(tmp_path: Path) -> None:
    """They are no keys of COCO's own, so nobody can say that they are wrong."""
    said = {"score": "high", "track_id": "a7", "attributes": ["x"], "iscrowd": True}
    batch, defects = load_all(instances.read(ReadRequest(write_document(tmp_path, on([SQUARE], **said)))))
    assert defects == []
    row = batch.segments.to_pylist()[0]
    assert (row["score"], row["track_id"], row["iscrowd"]) == (None, None, True)
    assert row["attributes"] == [("score", '"high"'), ("track_id", '"a7"'), ("attributes", '["x"]')]


def test_image_without_annotation_is_annotated_and_empty(tmp_path: Path) -> None:
    source = instances.read(ReadRequest(write_document(tmp_path, document(annotations=[]))))
    batch, defects = load_all(source)
    assert (batch.annotations["image"].to_pylist(), batch.n_segments, defects) == ([0], 0, [])


def test_load_in_any_order_and_from_any_thread(tmp_path: Path) -> None:
    """The chunks hold every image once; other orders and threads give the same images."""
    images = [{"id": i, "file_name": f"{i}.png", "width": 6, "height": 5} for i in range(50)]
    annotations = [annotation(id=i, image_id=i * 7 % 50) for i in range(20_000)]
    source = instances.read(ReadRequest(write_document(tmp_path, document(images=images, annotations=annotations))))
    chunks = source.chunks()
    assert len(chunks) > 1
    assert np.concatenate(chunks).tolist() == list(range(50))
    alone = [source.load(rows) for rows in chunks]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(source.load, chunks), strict=True):
            assert one.segments.equals(other.segments)
            np.testing.assert_array_equal(one.runs.start, other.runs.start)
    rows = np.array([3, 0, 49])
    picked = source.load(rows)
    assert picked.images["image_id"].to_pylist() == ["3.png", "0.png", "49.png"]
    whole = concatenate_batches(alone)
    for k, row in enumerate(rows):
        ids = whole.segments["segment_id"].to_numpy()[whole.segment_image == row]
        assert picked.segments["segment_id"].to_numpy()[picked.segment_image == k].tolist() == ids.tolist()


def test_source_rings_are_written_number_for_number(tmp_path: Path) -> None:
    ring = [0.1, 0.30000000000000004, 5.999999999999999, 0.5, 6.25, 6.7]
    source = instances.read(ReadRequest(write_document(tmp_path, on([ring]))))
    losses = LossCounter()
    instances.write(source.profile, [load_all(source)[0]], tmp_path / "out", losses)
    (again,) = json.loads((tmp_path / "out" / "annotations.json").read_bytes())["annotations"]
    assert again["segmentation"] == [ring]
    mask = official([ring])
    assert again["area"] == mask.sum()
    assert again["bbox"] == coco_mask.toBbox(coco_mask.encode(np.asfortranarray(mask, np.uint8))).tolist()
    assert losses.listed() == []


def test_hole_is_written_as_rle(tmp_path: Path) -> None:
    """Rings that would fill it are not written."""
    mask = np.zeros(SIDES, np.uint8)
    mask[1:6, 1:6], mask[3, 3] = 1, 0
    coded = coco_mask.encode(np.asfortranarray(mask))
    source = instances.read(
        ReadRequest(write_document(tmp_path, on({"size": coded["size"], "counts": coded["counts"].decode()})))
    )
    instances.write(source.profile, [load_all(source)[0]], tmp_path / "out.json", LossCounter())
    (again,) = json.loads((tmp_path / "out.json").read_bytes())["annotations"]
    assert again["segmentation"] == {"size": list(SIDES), "counts": coded["counts"].decode()}


def test_written_file_loads_in_pycocotools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO

    annotations = [annotation(id=0), annotation(id=5, iscrowd=1), annotation(id=5)]
    source = instances.read(ReadRequest(write_document(tmp_path, document(annotations=annotations))))
    losses = LossCounter()
    instances.write(source.profile, [load_all(source)[0]], tmp_path / "out.json", losses)
    official_reader = COCO(str(tmp_path / "out.json"))
    capsys.readouterr()
    assert sorted(official_reader.anns) == [5, 6, 7]
    assert [official_reader.annToMask(each).sum() for each in official_reader.anns.values()] == [4, 4, 4]
    assert [(loss.kind, loss.count) for loss in losses.listed()] == [("segment-id", 2)]


@pytest.mark.parametrize("first_id", [0, 1])
def test_object_with_id_0_is_told_as_pycocotools_misses_it(tmp_path: Path, first_id: int) -> None:
    """The oracle is pycocotools: the labels evaluated against themselves, once with an annotation whose id is 0."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    n = 20
    annotations = [annotation(id=first_id + k, image_id=1 + k, area=4, bbox=[1, 1, 2, 2]) for k in range(n)]
    images = [{"id": 1 + k, "file_name": f"{k}.png", "width": 6, "height": 5} for k in range(n)]
    path = write_document(tmp_path, document(annotations=annotations, images=images))
    truth = COCO(str(path))
    results = [{key: own[key] for key in ("image_id", "category_id", "bbox")} | {"score": 1.0} for own in annotations]
    evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
    evaluation.evaluate()
    missed = sum(
        int((one["dtMatches"][0] == 0).sum()) for one in evaluation.evalImgs if one and one["aRng"] == [0, 1e10]
    )

    defects = [defect for defect in instances.read(ReadRequest(path)).defects if "not matched" in defect.message]
    assert missed == len(defects) == (1 if first_id == 0 else 0)
    assert [(one.code, one.place, one.severity) for one in defects] == [("SEG004", "/annotations/0/id", "warning")][
        :missed
    ]


def test_info_and_licenses_survive(tmp_path: Path) -> None:
    about = {"info": {"year": 2020, "x": "ä"}, "licenses": [{"id": 1}]}
    source = instances.read(ReadRequest(write_document(tmp_path, document(**about))))
    instances.write(source.profile, [], tmp_path / "out.json", LossCounter())
    again = json.loads((tmp_path / "out.json").read_bytes())
    assert {key: again[key] for key in about} == about
    assert again["images"] == again["annotations"] == []


@pytest.mark.parametrize(
    ("content", "sort"),
    [
        (document(), "instances"),
        (document(annotations=[]), "instances"),
        (document(annotations=[{"image_id": 1, "file_name": "a.png", "segments_info": []}]), "panoptic"),
        (document(videos=[]), None),
        ({"info": {}, "images": [], "licenses": []}, None),
        ({"shapes": []}, None),
        ([document()], None),
    ],
)
def test_detection_looks_at_keys(tmp_path: Path, content: Any, sort: str | None) -> None:
    path = write_document(tmp_path, content)
    for name, format_ in (("instances", instances), ("panoptic", panoptic)):
        for root in (path, tmp_path):
            assert isinstance(format_.detect(FileProbe(root)), FormatMatch) == (name == sort)


def test_detection_of_a_large_file_looks_at_samples(tmp_path: Path) -> None:
    """The keys lie apart by more than what is looked at at either end."""
    images = [{"id": i, "file_name": f"{i:0100}.png", "width": 6, "height": 5} for i in range(10_000)]
    entries = [{"image_id": i, "file_name": "x.png", "segments_info": []} for i in range(10_000)]
    categories = [{"id": i, "name": "x" * 1000} for i in range(300)]
    path = write_document(tmp_path, {"images": images, "annotations": entries, "categories": categories})
    assert panoptic.detect(FileProbe(path)) is not None
    assert instances.detect(FileProbe(path)) is None
