"""YouTube-VIS: a track has a segmentation for every frame; pycocotools decodes the same pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from segdata import convert, read
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.format import detect
from segdata.testing.pictures import masks_of_runs

Json = dict[str, Any]  # Any: a JSON document
BOX = np.zeros((4, 6), np.uint8)
BOX[1:3, 2:5] = 1


def rle(mask: np.ndarray) -> Json:
    """A compressed RLE by pycocotools."""
    found = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": found["size"], "counts": found["counts"].decode()}


def document(**more: Any) -> Json:
    """Two videos, three tracks: polygons, an uncompressed and a compressed RLE, and frames without."""
    video = {"width": 6, "height": 4, "length": 3}
    return {
        "info": {"description": "test"},
        "videos": [
            video | {"id": 7, "file_names": [f"a/{k:05d}.jpg" for k in (0, 5, 10)], "flickr_url": "u"},
            video | {"id": 8, "file_names": ["b/00000.jpg", "b/00005.jpg"], "length": 2},
        ],
        "categories": [{"id": 3, "name": "cat", "supercategory": "animal"}, {"id": 1, "name": "dog"}],
        "annotations": [
            track(11, 7, 3, [rle(BOX), None, [[1, 1, 4, 1, 4, 3, 1, 3]]], areas=[6, None, 6.0]),
            track(12, 7, 1, [[], {"size": [4, 6], "counts": [2, 2, 20]}, None], iscrowd=1),
            track(13, 8, 3, [None, rle(BOX[::-1])], occlusion=["no_occlusion", "severe_occlusion"], id_tag="x"),
        ],
        **more,
    }


def track(id_: int, video: int, category: int, segmentations: list[Any], **more: Any) -> Json:
    return {"id": id_, "video_id": video, "category_id": category, "segmentations": segmentations, "iscrowd": 0} | more


def written(root: Path, content: object, name: str = "instances.json") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(json.dumps(content))
    return root / name


def whole(dataset: OpenDataset) -> Batch:
    batch = concatenate_batches(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


def met(dataset: OpenDataset) -> list[tuple[str, str | None]]:
    """Codes and places of all defects that are more than information."""
    every = [*dataset.source.defects, *whole(dataset).defects]
    return sorted((each.code, each.place) for each in every if each.severity != "info")


def told(dataset: OpenDataset) -> dict[tuple[str, int], Json]:
    """The segments by image and track; pixels as a list of lists."""
    batch = whole(dataset)
    images = batch.images["image_id"].to_pylist()
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    return {
        (images[batch.segment_image[row]], segment["track_id"]): segment
        | {"pixels": masks[row].tolist(), "category": dataset.profile.name_of(segment["category_id"])}
        for row, segment in enumerate(batch.segments.to_pylist())
    }


def test_a_track_is_in_the_frames_that_its_lists_say(tmp_path: Path) -> None:
    dataset = read(written(tmp_path, document()))
    found = told(dataset)
    assert dataset.profile.format == "youtube-vis"
    assert met(dataset) == []
    assert {key: each["category"] for key, each in found.items()} == {
        ("a/00000.jpg", 11): "cat",
        ("a/00005.jpg", 12): "dog",
        ("a/00010.jpg", 11): "cat",
        ("b/00005.jpg", 13): "cat",
    }
    assert found["a/00000.jpg", 11]["pixels"] == BOX.astype(bool).tolist()
    polygon = coco.decode(coco.merge(coco.frPyObjects([[1, 1, 4, 1, 4, 3, 1, 3]], 4, 6)))
    assert found["a/00010.jpg", 11]["pixels"] == polygon.astype(bool).tolist()
    assert found["a/00010.jpg", 11]["rings"] == [[1, 1, 4, 1, 4, 3, 1, 3]]
    assert found["a/00010.jpg", 11]["declared_area"] == 6
    assert found["a/00010.jpg", 11]["place"] == "/annotations/0/segmentations/2"
    assert found["a/00005.jpg", 12]["iscrowd"]
    assert sum(map(sum, found["a/00005.jpg", 12]["pixels"])) == 2
    assert dict(found["b/00005.jpg", 13]["attributes"]) == {"occlusion": '"severe_occlusion"', "id_tag": '"x"'}
    images = whole(dataset).images.to_pylist()
    assert [(each["sequence"], each["frame"]) for each in images] == [("a", 0), ("a", 5), ("a", 10), ("b", 0), ("b", 5)]
    assert images[0]["metadata"] == [("flickr_url", '"u"')]
    assert len(whole(dataset).annotation_image) == 5, "a frame without a track is annotated"
    assert detect(tmp_path) == "youtube-vis"


def test_documents_of_test_sets_have_no_annotations(tmp_path: Path) -> None:
    for more in ({}, {"annotations": None}):
        content = {key: value for key, value in document().items() if key != "annotations"} | more
        dataset = read(written(tmp_path / "valid", content))
        assert met(dataset) == []
        batch = whole(dataset)
        assert (batch.images.num_rows, batch.annotations.num_rows) == (5, 0)
        assert set(batch.images["split"].to_pylist()) == {"val"}


def test_images_are_found_beside(tmp_path: Path) -> None:
    path = written(tmp_path / "train", document())
    for name in ("a/00000.jpg", "a/00001.jpg", "b/00000.jpg"):
        image = tmp_path / "train/JPEGImages" / name
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 6 if name < "b" else 5, 3), np.uint8)).save(image)
    dataset = read(path)
    assert met(dataset) == [
        ("SEG002", "/videos/0/file_names/1"),
        ("SEG002", "/videos/0/file_names/2"),
        ("SEG002", "/videos/1/file_names/1"),
        ("SEG003", "/videos/1/file_names/0"),
    ]
    info = [each.message for each in dataset.source.defects if each.severity == "info"]
    assert info == ["1 image file is not a frame of its videos"]


@pytest.mark.parametrize(
    ("wrong", "code", "place"),
    [
        (track(20, 9, 3, [None, None]), "SEG007", "/annotations/3/video_id"),
        (track(20, 8, 4, [None, None]), "SEG007", "/annotations/3/category_id"),
        (track(20, 8, 3, [rle(BOX)]), "SEG004", "/annotations/3/segmentations"),
        (track(20, 8, 3, [None, rle(BOX.T)]), "SEG005", "/annotations/3/segmentations/1/size"),
        (track(20, 8, 3, [None, [[1, 1, 2, 2]]]), "SEG006", "/annotations/3/segmentations/1/0"),
        (track(20, 8, 3, [rle(BOX), None], areas=[1]), "SEG004", "/annotations/3/areas"),
        (track(20, 8, 3, [rle(BOX), None], bboxes=[[1, 2], None]), "SEG004", "/annotations/3/bboxes/0"),
        (track(13, 8, 3, [rle(BOX), None]), "SEG008", "/annotations/3/id"),
        ({"id": 20}, "SEG004", "/annotations/3"),
    ],
)
def test_a_broken_track_is_a_finding_and_the_others_are_read(
    tmp_path: Path, wrong: Json, code: str, place: str
) -> None:
    content = document()
    content["annotations"].append(wrong)
    dataset = read(written(tmp_path, content))
    assert met(dataset) == [(code, place)]
    assert set(told(dataset)) >= set(told(read(written(tmp_path / "sound", document()))))


@pytest.mark.parametrize(
    ("bboxes", "places"),
    [([[0, 0, 3, 3], None], ["/annotations/3/bboxes/1"]), ([None, None], []), ([[0, 0, 3, 3], [0, 0, 3, 3]], [])],
)
def test_boxes_of_some_frames_alone_are_told(tmp_path: Path, bboxes: list[Any], places: list[str]) -> None:
    content = document()
    wide = {"size": list(BOX.shape), "counts": [0, 1, *[1] * (BOX.size - 1)]}
    content["annotations"].append(track(20, 8, 3, [wide, wide], bboxes=bboxes))
    dataset = read(written(tmp_path, content))
    assert [place for code, place in met(dataset) if code == "SEG004"] == places


def test_results_need_the_videos_of_the_ground_truth(tmp_path: Path) -> None:
    truth = written(tmp_path, document(), "truth.json")
    results = [
        {"video_id": 7, "score": 0.5, "category_id": 3, "segmentations": [None, rle(BOX), None]},
        {"video_id": 8, "score": 0.25, "category_id": 1, "segmentations": [rle(BOX), None]},
        {"video_id": 9, "score": 0.1, "category_id": 1, "segmentations": []},
    ]
    path = written(tmp_path, results, "results.json")
    with pytest.raises(SegdataError, match=r"--read-option truth=FILE.json \(the ground truth\)"):
        read(path)
    dataset = read(path, options={"truth": str(truth)}, annotator="net")
    found = told(dataset)
    assert {key: each["score"] for key, each in found.items()} == {("a/00005.jpg", 1): 0.5, ("b/00000.jpg", 2): 0.25}
    assert found["a/00005.jpg", 1]["place"] == "/0/segmentations/1"
    annotations = whole(dataset).annotations.to_pylist()
    assert {(each["annotator"], each["source"]) for each in annotations} == {("net", "model")}
    assert met(dataset) == [("SEG007", "/2/video_id")]
    with pytest.raises(SegdataError, match="lists no videos, so it cannot be the ground truth"):
        read(path, options={"truth": str(path)})


def test_what_is_written_is_read_by_pycocotools_and_comes_back(tmp_path: Path) -> None:
    path = written(tmp_path / "in", document())
    result = convert(path, tmp_path / "out.json", to="youtube-vis", verify=True)
    assert result.losses == ()
    assert result.proof is not None
    assert result.proof.holds
    again = json.loads((tmp_path / "out.json").read_text())
    before = {each["id"]: each for each in document()["annotations"]}
    assert {each["id"] for each in again["annotations"]} == set(before)
    for each in again["annotations"]:
        one = before[each["id"]]
        assert len(each["segmentations"]) == len(one["segmentations"]) == each["length"]
        assert [not mask for mask in each["segmentations"]] == [not mask for mask in one["segmentations"]]
        for mine, theirs in zip(each["segmentations"], one["segmentations"], strict=True):
            if theirs:
                np.testing.assert_array_equal(decoded(mine), decoded(theirs))
    assert again["annotations"][-1]["occlusion"] == [None, "severe_occlusion"]
    assert again["videos"][0]["flickr_url"] == "u"
    assert "track_id" not in json.dumps(again), "ids are the tracks' own"


def decoded(segmentation: Any) -> np.ndarray:
    """As ytvos.py does."""
    if isinstance(segmentation, list):
        return coco.decode(coco.merge(coco.frPyObjects(segmentation, 4, 6)))
    if isinstance(segmentation["counts"], list):
        return coco.decode(coco.frPyObjects(segmentation, 4, 6))
    return coco.decode(segmentation)


def test_what_is_said_of_single_frames_is_kept(tmp_path: Path) -> None:
    """Scores, attributes, and a track of two categories, in lists and keys that tools leave alone."""
    box = rle(BOX)
    said = {"scores": [0.5, 0.75, None], "attributes": [{"pose": "up"}, None, None], "track_id": 5}
    content = document(
        annotations=[
            track(1, 7, 3, [box, box, None], **said),
            track(2, 7, 1, [None, None, box], track_id=5, score=0.25, attributes={"seen": True}),
            track(3, 8, 1, [box, None], track_id=None),
        ]
    )
    result = convert(written(tmp_path, content), tmp_path / "out.json", to="youtube-vis", verify=True)
    assert result.losses == ()
    assert result.proof is not None
    assert result.proof.holds
    found = told(read(tmp_path / "out.json"))
    assert {key: (each["score"], each["attributes"]) for key, each in found.items()} == {
        ("a/00000.jpg", 5): (0.5, [("pose", '"up"')]),
        ("a/00005.jpg", 5): (0.75, None),
        ("a/00010.jpg", 5): (0.25, [("seen", "true")]),
        ("b/00000.jpg", None): (None, None),
    }


def test_a_video_has_one_size(tmp_path: Path) -> None:
    for frame, size in ((0, (2, 3)), (1, (3, 3))):
        path = tmp_path / f"in/instances/0001/{frame:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(size, 1001, np.uint16)).save(path)
    with pytest.raises(SegdataError, match="images of 3x2 and 3x3 px; YouTube-VIS needs one size per video"):
        convert(tmp_path / "in", tmp_path / "out.json", to="youtube-vis")
    assert not (tmp_path / "out.json").exists()


def test_several_documents_are_asked_for(tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        written(tmp_path, document(), name)
    with pytest.raises(SegdataError, match=r"2 YouTube-VIS documents; name one of them: one\.json, two\.json"):
        read(tmp_path)
    assert len(read(tmp_path / "one.json")) == 5


def test_documents_of_splits_are_one_dataset(tmp_path: Path) -> None:
    """Videos of one name in both stay apart."""
    for name in ("train.json", "valid.json"):
        written(tmp_path, document(), name)
    batch = whole(read(tmp_path))
    assert batch.images["split"].to_pylist() == ["train"] * 5 + ["val"] * 5
    sequences = ["train/a"] * 3 + ["train/b"] * 2 + ["val/a"] * 3 + ["val/b"] * 2
    assert batch.images["sequence"].to_pylist() == sequences
    assert len(read(tmp_path / "train.json")) == 5


def test_an_empty_segment_is_in_its_frame(tmp_path: Path) -> None:
    """An empty list of rings would say that the track is not there."""
    image = {"id": 1, "file_name": "a.jpg", "width": 6, "height": 4}
    empty = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [], "iscrowd": 0}
    categories = [{"id": 1, "name": "cat"}]
    source = written(tmp_path, {"images": [image], "annotations": [empty], "categories": categories}, name="coco.json")
    result = convert(source, tmp_path / "tracks.json", to="youtube-vis", verify=True)
    assert result.proof is not None
    assert result.proof.difference.counts.get("segment-missing") is None
    assert json.loads((tmp_path / "tracks.json").read_text())["annotations"][0]["areas"] == [0]
