"""KITTI-STEP: red is the class, green and blue are the track."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata import convert, read
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.format import detect
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.video.kitti_step_maps import BENCHMARKS

ROAD, SKY, PERSON, CAR, VOID = 0, 10, 11, 13, 255


def png(path: Path, pixels: list[list[tuple[int, int]]]) -> None:
    """Save (class, track) pixels as the specification says: R, track // 256, track % 256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = [[(kind, track // 256, track % 256) for kind, track in row] for row in pixels]
    Image.fromarray(np.array(rgb, np.uint8)).save(path)


def whole(dataset: OpenDataset) -> Batch:
    batch = concatenate_batches(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


def told(dataset: OpenDataset) -> set[tuple[object, ...]]:
    """Image, category, track, crowd and area of each segment."""
    batch = whole(dataset)
    images = batch.images["image_id"].to_pylist()
    areas = batch.runs.areas(batch.n_segments).tolist()
    return {
        (
            images[batch.segment_image[row]],
            dataset.profile.name_of(segment["category_id"]),
            segment["track_id"],
            segment["iscrowd"],
            areas[row],
        )
        for row, segment in enumerate(batch.segments.to_pylist())
    }


def sample(root: Path) -> Path:
    png(
        root / "panoptic_maps/train/0000/000000.png",
        [[(ROAD, 0), (CAR, 1), (CAR, 300)], [(SKY, 0), (CAR, 0), (VOID, 0)]],
    )
    png(
        root / "panoptic_maps/train/0000/000001.png",
        [[(ROAD, 0), (CAR, 300), (CAR, 300)], [(SKY, 0), (PERSON, 1), (VOID, 0)]],
    )
    png(root / "panoptic_maps/val/0002/000003.png", [[(PERSON, 1)]])
    for name in ("train/0000/000000", "train/0000/000001", "val/0002/000003"):
        size = (2, 3, 3) if name.startswith("train") else (1, 1, 3)
        path = root / f"images/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros(size, np.uint8)).save(path)
    return root


def test_every_pixel_has_a_class_and_a_track(tmp_path: Path) -> None:
    dataset = read(sample(tmp_path))
    assert (dataset.profile.format, dataset.profile.task, dataset.source.defects) == ("kitti-step", "panoptic", ())
    car, person = CAR << 16, PERSON << 16
    assert told(dataset) == {
        ("train/0000/000000.png", "car", car + 1, False, 1),
        ("train/0000/000000.png", "car", car + 300, False, 1),
        ("train/0000/000000.png", "car", None, True, 1),
        ("train/0000/000000.png", "road", None, False, 1),
        ("train/0000/000000.png", "sky", None, False, 1),
        ("train/0000/000000.png", "void", None, False, 1),
        ("train/0000/000001.png", "car", car + 300, False, 2),
        ("train/0000/000001.png", "person", person + 1, False, 1),
        ("train/0000/000001.png", "road", None, False, 1),
        ("train/0000/000001.png", "sky", None, False, 1),
        ("train/0000/000001.png", "void", None, False, 1),
        ("val/0002/000003.png", "person", person + 1, False, 1),
    }
    images = whole(dataset).images.to_pylist()
    assert [(each["sequence"], each["frame"], each["split"]) for each in images] == [
        ("0000", 0, "train"),
        ("0000", 1, "train"),
        ("0002", 3, "val"),
    ]
    assert whole(dataset).segments["place"].to_pylist()[-1] == "class 11, track 1"


def test_it_comes_back_pixel_for_pixel(tmp_path: Path) -> None:
    result = convert(sample(tmp_path / "in"), tmp_path / "out", to="kitti-step", verify=True)
    assert result.losses == ()
    assert result.proof is not None
    assert result.proof.holds
    for path in sorted((tmp_path / "in/panoptic_maps").rglob("*.png")):
        written = tmp_path / "out" / path.relative_to(tmp_path / "in")
        with Image.open(path) as before, Image.open(written) as after:
            np.testing.assert_array_equal(np.asarray(after), np.asarray(before))
    assert detect(tmp_path / "out") == "kitti-step"


def test_whose_classes_these_are(tmp_path: Path) -> None:
    """Seven classes may be either benchmark's; a taxonomy that knows no name of theirs has its own."""
    png(tmp_path / "panoptic_maps/0001/000000.png", [[(0, 0), (4, 7), (6, 0)]])
    with pytest.raises(
        SegdataError, match=r"classes \[0, 4, 6\] may be KITTI-STEP's or MOTChallenge-STEP's.*labels=kitti"
    ):
        read(tmp_path)
    assert {each[1:3] for each in told(read(tmp_path, options={"labels": "motchallenge"}))} == {
        ("bicycle", None),
        ("person", (4 << 16) + 7),
        ("sidewalk", None),
    }
    assert {each[1] for each in told(read(tmp_path, options={"labels": "kitti"}))} == {"road", "fence", "traffic light"}
    own = Taxonomy(categories=tuple(Category(id=k, name=f"n{k}", kind="stuff") for k in range(7)))
    assert {each[1] for each in told(read(tmp_path, taxonomy=own))} == {"n0", "n4", "n6"}
    with pytest.raises(SegdataError, match="labels=taxonomy needs a taxonomy"):
        read(tmp_path, options={"labels": "taxonomy"})
    with pytest.raises(SegdataError, match="labels is 'coco'"):
        read(tmp_path, options={"labels": "coco"})


def test_label_tables() -> None:
    """As deeplab2's kitti_step.md and motchallenge_step.md list them."""
    kitti = (
        "road sidewalk building wall fence pole traffic-light traffic-sign vegetation terrain sky person rider car "
        "truck bus train motorcycle bicycle"
    )
    merged = "sidewalk building vegetation sky person rider bicycle"
    for name, listed in (("kitti", kitti), ("motchallenge", merged)):
        *classes, void = BENCHMARKS[name].categories
        assert [(each.id, each.name.replace(" ", "-")) for each in classes] == list(enumerate(listed.split()))
        assert (void.id, void.kind) == (255, "void")
        things = {each.name for each in classes if each.kind == "thing"}
        assert things == {"person", "car"} & {each.name for each in classes}


def test_mots_becomes_step(tmp_path: Path) -> None:
    """A pedestrian is STEP's person; tracks of MOTS get numbers that deeplab2 can pack."""
    path = tmp_path / "in/instances/0001/000000.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(np.array([[1005, 2005, 10000, 0]], np.uint16)).save(path)
    result = convert(tmp_path / "in", tmp_path / "out", to="kitti-step", verify=True)
    assert {loss.kind for loss in result.losses} == {"segment-id", "track-id", "unlabelled"}
    assert result.proof is not None
    assert result.proof.holds
    with Image.open(tmp_path / "out/panoptic_maps/train/0001/000000.png") as image:
        assert np.asarray(image).tolist() == [[[CAR, 0, 1], [PERSON, 0, 1], [VOID, 0, 0], [VOID, 0, 0]]]
    assert {each[1] for each in told(read(tmp_path / "out"))} == {"car", "pedestrian", "ignored"}


def test_losses_of_stuff_and_crowds(tmp_path: Path) -> None:
    """Without a category of void 255 is unlabelled; a crowd has no track."""
    path = tmp_path / "coco.json"
    drawn = [(3, 1, [0, 1, 3], {"track_id": 9}), (4, 0, [1, 1, 2], {}), (4, 1, [2, 1, 1], {})]
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": category,
            "iscrowd": crowd,
            "segmentation": {"size": [1, 4], "counts": counts},
            **more,
        }
        for number, (category, crowd, counts, more) in enumerate(drawn, 1)
    ]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 4, "height": 1}],
        "categories": [{"id": 3, "name": "herd"}, {"id": 4, "name": "grass", "isthing": 0}],
        "annotations": annotations,
    }
    path.write_text(json.dumps(document))
    result = convert(path, tmp_path / "out", to="kitti-step", verify=True)
    assert {(loss.kind, loss.count) for loss in result.losses} >= {("track", 1), ("crowd", 1), ("instance", 2)}
    assert result.proof is not None
    assert result.proof.holds
    with Image.open(tmp_path / "out/panoptic_maps/train/a/000000.png") as image:
        assert np.asarray(image).tolist() == [[[3, 0, 0], [4, 0, 0], [4, 0, 0], [VOID, 0, 0]]]
    assert told(read(tmp_path / "out")) == {("a.png", "grass", None, False, 2), ("a.png", "herd", None, True, 1)}


def test_classes_and_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    sample(tmp_path / "in")
    with pytest.raises(SegdataError, match="'road' has no class of its own"):
        convert(tmp_path / "in", tmp_path / "out", to="kitti-step", write_options={"labels": "motchallenge"})
    png(tmp_path / "b/panoptic_maps/0001/000000.png", [[(1, 1)]])
    big = Taxonomy(categories=(Category(id=1, name="a"), Category(id=300, name="b")))
    with pytest.raises(SegdataError, match=r"category id 300 does not fit the 8 bits of STEP \(0 to 254\)"):
        convert(tmp_path / "b", tmp_path / "out", to="kitti-step", taxonomy=big)
    assert not (tmp_path / "out").exists()
