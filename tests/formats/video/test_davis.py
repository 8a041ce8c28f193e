"""DAVIS and YouTube-VOS: an index is an object, in all frames; 255 is void, but in 2016 the object."""

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
from segdata.testing.pictures import masks_of_runs


def png(path: Path, values: object, colours: bool = True) -> None:
    """A mask; the first colours are those of the official evaluation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.array(values, np.uint8))
    if colours:
        picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [1] * 756)
    picture.save(path)


def jpg(path: Path, height: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)


def whole(dataset: OpenDataset) -> Batch:
    batch = concatenate_batches(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


def told(dataset: OpenDataset) -> set[tuple[object, ...]]:
    """Image, category, segment id, track and pixels."""
    batch = whole(dataset)
    images = batch.images["image_id"].to_pylist()
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    return {
        (
            images[batch.segment_image[row]],
            dataset.profile.name_of(segment["category_id"]),
            segment["segment_id"],
            segment["track_id"],
            tuple(np.flatnonzero(masks[row]).tolist()),
        )
        for row, segment in enumerate(batch.segments.to_pylist())
    }


def davis_2017(root: Path) -> Path:
    png(root / "Annotations/480p/bear/00000.png", [[0, 1, 1, 255]])
    png(root / "Annotations/480p/bear/00001.png", [[2, 0, 1, 0]])
    png(root / "Annotations/480p/tennis/00000.png", [[1]])
    jpg(root / "JPEGImages/480p/bear/00000.jpg", 1, 4)
    jpg(root / "JPEGImages/480p/bear/00001.jpg", 1, 4)
    jpg(root / "JPEGImages/480p/tennis/00000.jpg", 1, 1)
    jpg(root / "JPEGImages/480p/tennis/00001.jpg", 1, 1)
    for year, name, lines in (("2016", "train", ["swan"]), ("2017", "train", ["bear"]), ("2017", "val", ["tennis"])):
        path = root / f"ImageSets/{year}/{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return root


def test_davis_2017(tmp_path: Path) -> None:
    dataset = read(davis_2017(tmp_path))
    assert (dataset.profile.format, dataset.profile.task) == ("davis", "instance")
    assert told(dataset) == {
        ("bear/00000.jpg", "object", 1, 1, (1, 2)),
        ("bear/00000.jpg", "void", 255, None, (3,)),
        ("bear/00001.jpg", "object", 2, 2, (0,)),
        ("bear/00001.jpg", "object", 1, 1, (2,)),
        ("tennis/00000.jpg", "object", 1, 1, (0,)),
    }
    batch = whole(dataset)
    assert [(each["sequence"], each["frame"], each["split"]) for each in batch.images.to_pylist()] == [
        ("bear", 0, "train"),
        ("bear", 1, "train"),
        ("tennis", 0, "val"),
        ("tennis", 1, "val"),
    ]
    assert batch.annotation_image.tolist() == [0, 1, 2], "a frame without a mask is not annotated"
    assert [(each.code, each.severity) for each in dataset.source.defects] == [("SEG011", "info")]


def test_davis_2016(tmp_path: Path) -> None:
    """0 and 255 alone: 255 is the one object. The lists of 2016 name every frame's files."""
    png(tmp_path / "Annotations/480p/bear/00000.png", [[0, 255]], colours=False)
    png(tmp_path / "Annotations/480p/bear/00001.png", [[255, 255]], colours=False)
    sets = tmp_path / "ImageSets/480p/val.txt"
    sets.parent.mkdir(parents=True)
    sets.write_text("/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png \n")
    expected = {("bear/00000.png", "object", 1, 1, (1,)), ("bear/00001.png", "object", 1, 1, (0, 1))}
    dataset = read(tmp_path)
    assert told(dataset) == expected
    assert set(whole(dataset).images["split"].to_pylist()) == {"val"}
    sets.unlink()
    sets.parent.rmdir()
    assert told(read(tmp_path)) == expected, "the values tell it too"
    assert {each[1] for each in told(read(tmp_path, options={"year": "2017"}))} == {"void"}


def test_where_values_contradict_each_other_the_year_is_asked_for(tmp_path: Path) -> None:
    png(tmp_path / "bear/00000.png", [[0, 255]])
    png(tmp_path / "tennis/00000.png", [[0, 1]])
    with pytest.raises(SegdataError, match=r"give the option year=2016 \(255 is the object\) or year=2017"):
        read(tmp_path)
    assert {each[1] for each in told(read(tmp_path, options={"year": 2017}))} == {"object", "void"}
    dataset = read(tmp_path, options={"year": 2016})
    assert told(dataset) == {("bear/00000.png", "object", 1, 1, (1,))}
    assert [each.code for each in whole(dataset).defects] == ["SEG009"]
    with pytest.raises(SegdataError, match="year is '1999'"):
        read(tmp_path, options={"year": 1999})


def test_objects_that_appear_late_are_there(tmp_path: Path) -> None:
    """The official loader counts the objects of the first frame alone."""
    png(tmp_path / "Annotations/480p/a/00000.png", [[0, 0]])
    png(tmp_path / "Annotations/480p/a/00001.png", [[3, 0]])
    assert told(read(tmp_path)) == {("a/00001.png", "object", 3, 3, (0,))}


def test_several_folders_of_masks_are_asked_for(tmp_path: Path) -> None:
    for folder in ("Annotations/480p", "Annotations/Full-Resolution", "Annotations_unsupervised/480p"):
        png(tmp_path / folder / "a/00000.png", [[len(folder)]])
    with pytest.raises(SegdataError, match="option masks=Annotations/480p"):
        read(tmp_path)
    assert {each[2] for each in told(read(tmp_path, options={"masks": "Annotations/Full-Resolution"}))} == {27}
    with pytest.raises(SegdataError, match="no such mask folder"):
        read(tmp_path, options={"masks": "Annotations/4k"})


def youtube_vos(root: Path) -> Path:
    """Every fifth frame, categories by object."""
    for split, video in (("train", "003234408d"), ("valid", "0062f687f1")):
        png(root / f"{split}/Annotations/{video}/00000.png", [[0, 1, 2]])
        png(root / f"{split}/Annotations/{video}/00005.png", [[0, 2, 2]])
        for frame in (0, 5):
            jpg(root / f"{split}/JPEGImages/{video}/{frame:05d}.jpg", 1, 3)
        objects = {
            "1": {"category": "penguin", "frames": ["00000"]},
            "2": {"category": "ape", "frames": ["00000", "00005"]},
        }
        (root / f"{split}/meta.json").write_text(json.dumps({"videos": {video: {"objects": objects}}}))
    return root


def test_youtube_vos(tmp_path: Path) -> None:
    dataset = read(youtube_vos(tmp_path))
    assert {each[:4] for each in told(dataset)} == {
        (f"{split}/{video}/{frame}.jpg", name, number, number)
        for split, video in (("train", "003234408d"), ("valid", "0062f687f1"))
        for frame, name, number in (("00000", "penguin", 1), ("00000", "ape", 2), ("00005", "ape", 2))
    }
    batch = whole(dataset)
    assert batch.images["split"].to_pylist() == ["train"] * 2 + ["valid"] * 2
    assert batch.images["frame"].to_pylist() == [0, 5, 0, 5]
    one = read(tmp_path / "train")
    assert {each[0] for each in told(one)} == {"003234408d/00000.jpg", "003234408d/00005.jpg"}
    assert one.source.defects == ()


def test_categories_survive_in_meta_json(tmp_path: Path) -> None:
    result = convert(youtube_vos(tmp_path / "in"), tmp_path / "out", to="davis", verify=True)
    assert result.losses == ()
    assert result.proof is not None
    assert result.proof.holds
    meta = json.loads((tmp_path / "out/meta.json").read_text())
    assert meta["videos"]["003234408d"]["objects"]["2"] == {"category": "ape", "frames": ["00000", "00005"]}
    assert (tmp_path / "out/ImageSets/2017/train.txt").read_text() == "003234408d\n"


def test_what_is_written_is_what_was_read(tmp_path: Path) -> None:
    result = convert(davis_2017(tmp_path / "in"), tmp_path / "out", to="davis", verify=True)
    assert result.losses == ()
    assert result.proof is not None
    assert result.proof.holds
    for path in sorted((tmp_path / "in/Annotations").rglob("*.png")):
        with Image.open(path) as before, Image.open(tmp_path / "out" / path.relative_to(tmp_path / "in")) as after:
            assert after.mode == "P"
            np.testing.assert_array_equal(np.asarray(after), np.asarray(before))
            assert after.getpalette()[:12] == before.getpalette()[:12]
    assert not (tmp_path / "out/meta.json").exists(), "there are no categories"
    assert detect(tmp_path / "out") == "davis"


def test_one_category_of_the_user_stands_for_all_objects(tmp_path: Path) -> None:
    davis_2017(tmp_path)
    (tmp_path / "taxonomy.yaml").write_text(
        "categories:\n  - {id: 4, name: animal}\n  - {id: 7, name: unclear, kind: void}\n"
    )
    assert {each[1] for each in told(read(tmp_path))} == {"animal", "unclear"}


def test_more_tracks_than_an_index_can_tell_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "in/instances/0001/000000.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(np.arange(1000, 1255, dtype=np.uint16)[None]).save(path)
    with pytest.raises(SegdataError, match=r"sequence '0001' has 255 tracks or more; DAVIS holds 254"):
        convert(tmp_path / "in", tmp_path / "out", to="davis")
    assert not (tmp_path / "out").exists()


def test_davis_interactive(real_data: Path) -> None:
    """The README's facts: tennis holds 1, 2 and 255, blackswan has 6 masks and no image."""
    dataset = read(real_data / "davis_interactive")
    batch = whole(dataset)
    assert batch.images.num_rows == 10
    assert set(zip(*batch.image_size, strict=True)) == {(480, 854)}
    ids: dict[str, set[int]] = {}
    for image, id_ in zip(batch.segment_image.tolist(), batch.segments["segment_id"].to_pylist(), strict=True):
        ids.setdefault(batch.images["sequence"][image].as_py(), set()).add(id_)
    assert ids == {"tennis": {1, 2, 255}, "bear": {1}, "blackswan": {1}}
    assert [(each.code, each.file, each.message) for each in dataset.source.defects] == [
        ("SEG011", "Annotations/480p/blackswan", "there are no images for these 6 masks")
    ]


@pytest.mark.parametrize(
    ("system", "tracks"),
    [("osvos", {"dogs-jump": 3, "drift-chicane": 1}), ("rvos", {"dogs-jump": 20, "drift-chicane": 20})],
)
def test_davis_results(real_data: Path, tmp_path: Path, system: str, tracks: dict[str, int]) -> None:
    """Ids 1 to 3 and 1 of one system, 1 to 20 of the other; against the files, value by value."""
    root = real_data / "davis2017_results" / system
    dataset = read(root, source="model")
    batch = whole(dataset)
    found: dict[str, set[int]] = {}
    areas = batch.runs.areas(batch.n_segments).tolist()
    seen = {}
    for row, track in enumerate(batch.segments["track_id"].to_pylist()):
        image = batch.images.slice(int(batch.segment_image[row]), 1).to_pylist()[0]
        found.setdefault(image["sequence"], set()).add(track)
        seen[image["image_id"], track] = areas[row]
    assert {name: max(ids) for name, ids in found.items()} == tracks
    assert set(batch.annotations["source"].to_pylist()) == {"model"}
    expected = {}
    for path in sorted(root.rglob("*.png")):
        with Image.open(path) as image:
            values, counts = np.unique(np.asarray(image), return_counts=True)
        name = path.relative_to(root).as_posix()
        expected |= {(name, value): n for value, n in zip(values.tolist(), counts.tolist(), strict=True) if value}
    assert seen == expected
