"""Real COCO files: pixels equal to pycocotools', and what their README measured."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from segdata.core.batch import Batch, concatenate_batches
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest, Source, detect
from segdata.core.losses import LossCounter
from segdata.formats.coco import instances, panoptic
from segdata.formats.coco.segments import write_rles

FILES = (
    "coco_tiny/annotations/instances_train2017.json",
    "taco/annotations.json",
    "taco/annotations_2019-06-24_a35e944.json",
    "gbm40_nuclei/instances.json",
    "peer_fixtures/sahi_terrain/terrain_all_coco.json",
    "labelme/instance_segmentation/data_dataset_coco/annotations.json",
    "coco_panoptic_sample/panoptic_coco_detection_format.json",
    "peer_fixtures/datumaro/coco_dataset/coco_instances/annotations/instances_val.json",
)


def everything(source: Source) -> tuple[Batch, list[Defect]]:
    """All images, and all defects."""
    batch = concatenate_batches([source.load(rows) for rows in source.chunks()])
    return batch, [*source.defects, *batch.defects]


def codes(defects: list[Defect]) -> dict[str, int]:
    return dict(Counter(each.code for each in defects))


@pytest.mark.parametrize("name", FILES)
def test_every_annotation_has_the_official_pixels(real_data: Path, name: str) -> None:
    """All annotations of the file are there, in COCO's own code."""
    batch, _ = everything(instances.read(ReadRequest(real_data / name)))
    content = json.loads((real_data / name).read_bytes())
    size = {each["id"]: (each["height"], each["width"]) for each in content["images"]}
    by_place = {int(place.rsplit("/")[-1]): row for row, place in enumerate(batch.segments["place"].to_pylist())}
    rows = np.array([by_place[row] for row in range(len(content["annotations"]))])
    ours = write_rles(batch.runs, rows, *batch.segment_size)
    for annotation, coded in zip(content["annotations"], ours, strict=True):
        official = _official(annotation["segmentation"], *size[annotation["image_id"]])
        if official["counts"] != str(coded["counts"]).encode():
            # The same mask has several codes, with counts of 0 in between.
            np.testing.assert_array_equal(coco_mask.decode(official), coco_mask.decode(coded))


def _official(segmentation: Any, height: int, width: int) -> Any:
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return {"size": segmentation["size"], "counts": segmentation["counts"].encode()}


def test_coco_tiny(real_data: Path) -> None:
    assert detect(real_data / "coco_tiny") == "coco-instances"
    source = instances.read(ReadRequest(real_data / "coco_tiny"))
    batch, defects = everything(source)
    assert defects == []
    assert (batch.images.num_rows, batch.n_segments, len(source.profile.taxonomy.categories)) == (50, 470, 80)
    assert int(np.sum(batch.segments["iscrowd"].to_numpy())) == 5
    assert batch.images["uri"].null_count == 0
    assert sum(len(rings) > 1 for rings in batch.segments["rings"].drop_null().to_pylist()) == 38
    assert len(set(range(50)) - set(batch.segment_image.tolist())) == 1
    per_category = Counter(batch.segments["category_id"].to_pylist())
    assert (80 - len(per_category), sum(count == 1 for count in per_category.values()), per_category[1]) == (31, 13, 99)


def test_taco(real_data: Path) -> None:
    source = instances.read(ReadRequest(real_data / "taco" / "annotations.json"))
    batch, defects = everything(source)
    assert codes(defects) == {"SEG008": 2, "SEG002": 1}
    assert sorted(each.segments for each in defects if each.code == "SEG008") == [(309,), (4040,)]
    assert [each.severity for each in defects if each.code == "SEG002"] == ["info"]
    assert (batch.images.num_rows, batch.n_segments, len(source.profile.taxonomy.categories)) == (1500, 4784, 60)
    width, height = (batch.images[side].to_numpy()[batch.segment_image] for side in ("width", "height"))
    outside = {
        batch.segments["segment_id"][row].as_py()
        for row, rings in enumerate(batch.segments["rings"].to_pylist())
        for ring in rings
        if min(ring) < 0 or max(ring[0::2]) > width[row] or max(ring[1::2]) > height[row]
    }
    assert outside == {371, 387, 707, 859, 1621, 1777}


@pytest.mark.parametrize("name", ["annotations_2019-06-24_a35e944.json", "annotations_2019-06-26_1e4d24a.json"])
def test_taco_boxes_from_the_bottom(real_data: Path, name: str) -> None:
    batch, defects = everything(instances.read(ReadRequest(real_data / "taco" / name)))
    assert (batch.images.num_rows, batch.n_segments) == (715, 2152)
    assert {each.code for each in defects} == {"SEG002"}
    off = 0
    for rings, (x, y, width, height) in zip(
        batch.segments["rings"].to_pylist(), batch.segments["declared_bbox"].to_pylist(), strict=True
    ):
        points = np.concatenate(rings).reshape(-1, 2)
        corners = np.concatenate([points.min(axis=0), points.max(axis=0)])
        off += bool((np.abs(corners - [x, y, x + width, y + height]) > 2).any())
    assert off == 2147


def test_gbm40_nuclei(real_data: Path) -> None:
    source = instances.read(ReadRequest(real_data / "gbm40_nuclei"))
    batch, defects = everything(source)
    assert defects == []
    assert (batch.images.num_rows, batch.n_segments) == (40, 4976)
    assert batch.runs.areas(batch.n_segments).min() >= 10


def test_sahi_terrain(real_data: Path) -> None:
    """The stored areas are wrong; the third image is not there."""
    folder = real_data / "peer_fixtures" / "sahi_terrain"
    batch, defects = everything(instances.read(ReadRequest(folder / "terrain_all_coco.json")))
    assert [(each.code, each.image) for each in defects] == [("SEG002", "terrain3.png")]
    areas, declared = batch.runs.areas(batch.n_segments), batch.segments["declared_area"].to_numpy()
    assert (np.abs(areas - declared) > 0.05 * areas).all()
    assert batch.n_segments == 22


def test_panoptic_sample(real_data: Path) -> None:
    source = panoptic.read(ReadRequest(real_data / "coco_panoptic_sample"))
    batch, defects = everything(source)
    assert defects == []
    assert batch.images["uri"].null_count == 0
    assert np.bincount(batch.segment_image).tolist() == [18, 32]
    np.testing.assert_array_equal(batch.runs.areas(50), batch.segments["declared_area"].to_numpy())
    height, width = batch.image_size
    labelled = np.bincount(batch.segment_image, weights=batch.runs.areas(50))
    assert (height * width - labelled).tolist() == [2712, 7189]
    crowds = np.bincount(batch.segment_image, weights=batch.segments["iscrowd"].to_numpy().astype(int))
    assert crowds.tolist() == [1, 2]


def test_panoptic_sample_is_the_same_as_rle(real_data: Path) -> None:
    """The same truth in another encoding, made by others; crowds included."""
    folder = real_data / "coco_panoptic_sample"
    masks, _ = everything(panoptic.read(ReadRequest(folder)))
    coded, _ = everything(instances.read(ReadRequest(folder / "panoptic_coco_detection_format.json")))
    for name in ("start", "length", "owner"):
        np.testing.assert_array_equal(getattr(masks.runs, name), getattr(coded.runs, name))
    assert masks.segments["category_id"].equals(coded.segments["category_id"])


def test_two_channel_masks_are_no_panoptic_masks(real_data: Path, tmp_path: Path) -> None:
    """Class and instance in red and green: every id is unlisted and every listed one is missing."""
    sample = real_data / "coco_panoptic_sample"
    (tmp_path / "some.json").write_bytes((sample / "panoptic_examples.json").read_bytes())
    (tmp_path / "some").symlink_to(sample / "panoptic_examples_2ch_format")
    batch, defects = everything(panoptic.read(ReadRequest(tmp_path / "some.json")))
    assert set(codes(defects)) == {"SEG014", "SEG002"}
    assert batch.n_segments == 0


def test_datumaro_fixture_has_a_mask_of_another_size(real_data: Path) -> None:
    """Its masks are 5 wide, its images 10."""
    folder = real_data / "peer_fixtures" / "datumaro" / "coco_dataset" / "coco_panoptic" / "annotations"
    _, defects = everything(panoptic.read(ReadRequest(folder / "panoptic_train.json")))
    assert codes(defects) == {"SEG003": 1}


@pytest.mark.parametrize("name", ["coco_tiny", "gbm40_nuclei", "taco/annotations.json"])
def test_real_instances_survive_unchanged(real_data: Path, tmp_path: Path, name: str) -> None:
    """Pixels, rings and all that is said, apart from ids that occur twice."""
    source = instances.read(ReadRequest(real_data / name))
    batch, _ = everything(source)
    losses = LossCounter()
    instances.write(source.profile, [batch], tmp_path / "out.json", losses)
    again = instances.read(ReadRequest(tmp_path / "out.json"))
    back, _ = everything(again)
    for column in ("start", "length", "owner"):
        np.testing.assert_array_equal(getattr(back.runs, column), getattr(batch.runs, column))
    for column in ("category_id", "iscrowd", "rings", "attributes"):
        assert back.segments[column].equals(batch.segments[column])
    assert back.images["metadata"].equals(batch.images["metadata"])
    assert again.profile.taxonomy == source.profile.taxonomy
    assert [(loss.kind, loss.count) for loss in losses.listed()] == ([("segment-id", 2)] if "taco" in name else [])


def test_real_panoptic_survives_unchanged(real_data: Path, tmp_path: Path) -> None:
    """To the byte of every pixel."""
    source = panoptic.read(ReadRequest(real_data / "coco_panoptic_sample"))
    batch, _ = everything(source)
    losses = LossCounter()
    panoptic.write(source.profile, [batch], tmp_path / "out", losses)
    assert losses.listed() == []
    back, _ = everything(panoptic.read(ReadRequest(tmp_path / "out")))
    np.testing.assert_array_equal(back.runs.start, batch.runs.start)
    assert back.segments.drop_columns(["file", "place"]).equals(batch.segments.drop_columns(["file", "place"]))
    assert back.images["metadata"].equals(batch.images["metadata"])
