"""Broken videos: MOTS, KITTI-STEP, DAVIS and YouTube-VIS. Each defect is found with its place, the rest is read."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segdata import Dataset, read
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.errors import SegdataError

Said = list[tuple[str, str | None, str | None]]
MASKS = {
    "davis": "Annotations/480p/s/{}.png",
    "kitti-step": "panoptic_maps/train/s/{}.png",
    "mots": "instances/s/{}.png",
}
NAMES = {"davis": ("00000", "00001"), "kitti-step": ("000000", "000001"), "mots": ("000000", "000001")}
VALUES = {"davis": (np.uint8, 1), "kitti-step": (np.uint8, 13), "mots": (np.uint16, 1001)}


def sound(format: str, root: Path) -> list[Path]:
    """Two frames with one object."""
    dtype, value = VALUES[format]
    shape = (4, 5, 3) if format == "kitti-step" else (4, 5)
    paths = [root / MASKS[format].format(name) for name in NAMES[format]]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(shape, value, dtype)).save(path)
    return paths


def whole(dataset: Dataset) -> Batch:
    batch = concatenate_batches(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


def met(dataset: Dataset) -> Said:
    """Code, file and place of all defects that are more than information."""
    every = [*dataset.source.defects, *whole(dataset).defects]
    return sorted((each.code, each.file, each.place) for each in every if each.severity != "info")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def bomb(path: Path) -> None:
    """A header that claims 100 000 x 100 000 pixels."""
    data = path.read_bytes()
    header = struct.pack(">II", 100_000, 100_000) + data[24:29]
    path.write_bytes(data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:])


def nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing.png")


def lossy(path: Path) -> None:
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(path, "JPEG")


def other_mode(path: Path) -> None:
    """Colours where numbers are expected, and the reverse."""
    colours = "panoptic_maps" in path.as_posix()
    Image.fromarray(np.ones((4, 5) if colours else (4, 5, 3), np.uint8)).save(path)


def other_value(path: Path) -> None:
    """A class that nobody has; an object's number is never wrong."""
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[0, 2] = 65_000 if pixels.dtype == np.uint16 else 77
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("format", MASKS)
@pytest.mark.parametrize(
    ("damage", "code", "place"),
    [
        (cut, "SEG001", None),
        (emptied, "SEG001", None),
        (bomb, "SEG001", None),
        (nowhere, "SEG002", None),
        (lossy, "SEG010", None),
        (other_mode, "SEG010", None),
        (other_value, "SEG009", "x=2, y=0"),
    ],
)
def test_a_damaged_frame(
    tmp_path: Path, format: str, damage: Callable[[Path], None], code: str, place: str | None
) -> None:
    path = sound(format, tmp_path)[0]
    damage(path)
    dataset = read(tmp_path, format=format)
    if (format, code) == ("davis", "SEG009"):
        assert met(dataset) == []
        return
    assert met(dataset) == [(code, path.relative_to(tmp_path).as_posix(), place)]
    batch = whole(dataset)
    assert batch.images.num_rows == 2
    assert "s/" + NAMES[format][1] in batch.images["image_id"][int(batch.segment_image[-1])].as_py()


@pytest.mark.parametrize("format", [*MASKS, "youtube-vis"])
def test_nothing_to_read_is_said(tmp_path: Path, format: str) -> None:
    (tmp_path / "notes.md").write_text("hello")
    for root in (tmp_path, tmp_path / "gone"):
        with pytest.raises(SegdataError) as raised:
            whole(read(root, format=format))
        assert str(tmp_path) in str(raised.value)
    try:
        said = {each[1] for each in met(read(tmp_path / "notes.md", format=format))}
    except SegdataError as error:
        said = {name for name in ("notes.md",) if name in str(error)}
    assert said == {"notes.md"}


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("0 1001 1 12 10\n", "SEG004", 1),
        ("0 1001 1 12 10 04h3 7\n", "SEG004", 1),
        ("x 1001 1 12 10 04h3\n", "SEG004", 1),
        ("0 -1 1 12 10 04h3\n", "SEG004", 1),
        ("0 1001 1 99999999999999999999 10 04h3\n", "SEG004", 1),
        ("0 1001 1 1000000 1000000 04h3\n", "SEG004", 1),
        ("0 1001 1 0 10 04h3\n", "SEG004", 1),
        ("0 1001 1 2 2 013\n0 1002 1 4 1 013\n", "SEG005", 2),
        ("0 1001 1 12 10 04h\n", "SEG005", 1),
        ("0 1001 1 2 2 014\n", "SEG005", 1),
        ("0 1001 1 12 10 zz\n", "SEG005", 1),
        ("0 1001 1 12 10 0\n", "SEG005", 1),
        ("0 3001 3 12 10 04h3\n", "SEG007", 1),
        ("\n\n0 1001 1 12\n", "SEG004", 3),
        ("0 1001 1 12 10 \xe4\n", "SEG005", 1),
    ],
)
def test_a_broken_line(tmp_path: Path, text: str, code: str, line: int) -> None:
    """In the text of another sequence everything is read."""
    (tmp_path / "a.txt").write_text(text, encoding="latin-1")
    (tmp_path / "b.txt").write_text("3 2001 2 2 2 04\n")
    dataset = read(tmp_path, format="mots")
    every = [*dataset.source.defects, *whole(dataset).defects]
    assert [(each.code, each.file, each.line) for each in every if each.severity != "info"] == [(code, "a.txt", line)]
    assert whole(dataset).segments["segment_id"].to_pylist()[-1] == 2001


def test_an_empty_text_is_a_video_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    assert met(read(tmp_path, format="mots")) == []


def test_labels_that_cannot_be_read(tmp_path: Path) -> None:
    sound("mots", tmp_path)
    labels = tmp_path / "instances/labels.txt"
    labels.write_bytes(b"caf\xe9\n")
    assert met(read(tmp_path)) == [("SEG001", "instances/labels.txt", None)]
    labels.write_text("cat\ncat\n")
    assert met(read(tmp_path)) == [("SEG008", "instances/labels.txt", None)]
    labels.write_text("".join(f"n{k}\n" for k in range(70)))
    assert met(read(tmp_path)) == [("SEG004", "instances/labels.txt", None)]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("../../a.png,instances/s/000000.png,5,4,,s,0,", "SEG015"),
        ("a.png,/etc/passwd,5,4,,s,0,", "SEG015"),
        ("a.png,instances/s/000000.png,x,4,,s,0,", "SEG004"),
        ("a.png,instances/s/000000.png,5,4,,s,one,", "SEG004"),
        (f"a.png,instances/s/000000.png,{10**30},4,,s,0,", "SEG004"),
        ("a.png,instances/s/000000.png,-5,4,,s,0,", "SEG004"),
        (",instances/s/000000.png,5,4,,s,0,", "SEG004"),
    ],
)
def test_a_broken_index(tmp_path: Path, row: str, code: str) -> None:
    sound("mots", tmp_path)
    rows = [row, "b.png,instances/s/000001.png,5,4,,s,1,"]
    (tmp_path / "images.csv").write_text("\n".join(["image,mask,width,height,uri,sequence,frame,split", *rows, ""]))
    dataset = read(tmp_path)
    assert [each[0] for each in met(dataset)] == [code]
    assert dataset.image_ids == ["b.png"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "SEG001"),
        ('{"videos": {"s": {"objects"', "SEG001"),
        ('{"videos": []}', "SEG004"),
        ('{"videos": {"s": {"objects": {"1": {"category": 7}}}}}', "SEG004"),
        ("[" * 100_000, "SEG004"),
    ],
)
def test_a_broken_meta_json(tmp_path: Path, text: str, code: str) -> None:
    """The objects are read without their categories."""
    sound("davis", tmp_path)
    (tmp_path / "meta.json").write_text(text)
    dataset = read(tmp_path, format="davis")
    assert met(dataset) == [(code, "meta.json", None)]
    assert whole(dataset).n_segments == 2


def test_objects_that_meta_json_does_not_know(tmp_path: Path) -> None:
    sound("davis", tmp_path)
    objects = {"2": {"category": "ape"}, "one": {"category": "dog"}}
    (tmp_path / "meta.json").write_text(json.dumps({"videos": {"s": {"objects": objects}}}))
    files = [MASKS["davis"].format(name) for name in NAMES["davis"]]
    assert met(read(tmp_path, format="davis")) == [("SEG009", file, "x=0, y=0") for file in files]


def vis(**more: Any) -> dict[str, Any]:  # Any: a JSON document
    video = {"id": 1, "width": 5, "height": 4, "length": 1, "file_names": ["v/0.png"]}
    segmentation = {"size": [4, 5], "counts": [0, 4, 16]}
    track = {"id": 1, "video_id": 1, "category_id": 1, "segmentations": [segmentation]}
    return {"videos": [video], "annotations": [track], "categories": [{"id": 1, "name": "cat"}]} | more


def video(**more: Any) -> dict[str, Any]:  # Any: a JSON object
    return {"id": 2, "width": 5, "height": 4, "file_names": ["w/0.png"]} | more


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (video(width=0), ("SEG004", "/videos/1")),
        (video(height=10**9), ("SEG004", "/videos/1")),
        (video(width=2.5), ("SEG004", "/videos/1")),
        (video(width="5"), ("SEG004", "/videos/1/width")),
        (video(length=3), ("SEG004", "/videos/1/length")),
        (video(id=1), ("SEG008", "/videos/1/id")),
        (video(file_names="w/0.png"), ("SEG004", "/videos/1/file_names")),
        (video(file_names=["../../etc/passwd"]), ("SEG015", "/videos/1/file_names/0")),
        (video(file_names=["v/0.png"]), ("SEG008", "/videos/1/file_names/0")),
        (video(segdata={"frames": [1, 2]}), ("SEG004", "/videos/1/segdata/frames")),
        (video(segdata={"frames": [10**30]}), ("SEG004", "/videos/1/segdata")),
        (video(segdata={"frames": "x"}), ("SEG004", "/videos/1/segdata")),
        ({"id": 2}, ("SEG004", "/videos/1")),
        (7, ("SEG004", "/videos/1")),
    ],
)
def test_a_broken_video(tmp_path: Path, wrong: object, said: tuple[str, str]) -> None:
    content = vis()
    content["videos"].append(wrong)
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    dataset = read(path, format="youtube-vis")
    assert met(dataset) == [(said[0], "instances.json", said[1])]
    batch = whole(dataset)
    assert batch.images["image_id"][0].as_py() == "v/0.png"
    assert batch.runs.areas(batch.n_segments).tolist() == [4]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "SEG001"),
        (json.dumps(vis())[:-40], "SEG001"),
        ("[" * 100_000, "SEG001"),
        ('"videos"', "SEG001"),
        (json.dumps(vis(videos={})), "SEG004"),
        (json.dumps(vis(annotations={})), "SEG004"),
        (json.dumps({key: value for key, value in vis().items() if key != "categories"}), "SEG004"),
        (json.dumps(vis()).replace("16]", "NaN]"), "SEG005"),
        (json.dumps(vis()).replace("16]", "-16]"), "SEG005"),
        (json.dumps(vis()).replace("16]", str(2**70) + "]"), "SEG005"),
    ],
)
def test_a_broken_document(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "instances.json"
    path.write_text(text)
    assert code in {each[0] for each in met(read(path, format="youtube-vis"))}


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a b/c\n/\n \n", b"/\n"])
def test_lists_of_splits_that_say_nothing(tmp_path: Path, text: bytes) -> None:
    sound("davis", tmp_path)
    sets = tmp_path / "ImageSets/2017"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_bytes(text)
    (sets / "val.txt").symlink_to("nothing")
    dataset = read(tmp_path)
    assert met(dataset) == []
    assert set(whole(dataset).images["split"].to_pylist()) == {None}


def test_numbers_of_objects_that_are_none(tmp_path: Path) -> None:
    sound("davis", tmp_path)
    objects = {number: {"category": "ape"} for number in ("0", "1", "9" * 5000, "-3", "²")}
    (tmp_path / "meta.json").write_text(json.dumps({"videos": {"s": {"objects": objects}}}))
    dataset = read(tmp_path, format="davis")
    assert met(dataset) == []
    assert whole(dataset).segments["segment_id"].to_pylist() == [1, 1]
