"""MOTS: every value, and every line, is the track that the specification says it is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from segdata import convert, read, validate
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.format import detect
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.pictures import masks_of_runs

FRAMES = {
    "0002/000000": [[0, 1000, 1000], [2007, 10000, 0]],
    "0002/000001": [[1000, 1000, 0], [0, 0, 2007]],
    "0003/000005": [[1999, 0, 0], [0, 0, 2000]],
}


def png(path: Path, values: object, dtype: type = np.uint16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype)).save(path)


def write_png(root: Path) -> None:
    for name, values in FRAMES.items():
        png(root / f"instances/{name}.png", values)


def line(frame: int, id_: int, mask: object) -> str:
    """A line of the TXT layout, the RLE by pycocotools."""
    rle = coco.encode(np.asfortranarray(np.array(mask, np.uint8)))
    height, width = rle["size"]
    return f"{frame} {id_} {id_ // 1000} {height} {width} {rle['counts'].decode()}\n"


def write_txt(root: Path, folder: str = "instances_txt") -> None:
    for name, values in FRAMES.items():
        sequence, frame = name.split("/")
        path = root / folder / f"{sequence}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.array(values)
        with path.open("a") as file:
            for id_ in np.unique(pixels[pixels > 0]).tolist():
                file.write(line(int(frame), id_, pixels == id_))


def whole(dataset: OpenDataset) -> Batch:
    batch = concatenate_batches(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


def told(dataset: OpenDataset) -> set[tuple[object, ...]]:
    """Image, sequence, frame, id, category, track and pixels of each segment."""
    batch = whole(dataset)
    images = batch.images.to_pylist()
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    return {
        (
            images[batch.segment_image[row]]["image_id"],
            images[batch.segment_image[row]]["sequence"],
            images[batch.segment_image[row]]["frame"],
            segment["segment_id"],
            dataset.profile.name_of(segment["category_id"]),
            segment["track_id"],
            masks[row].tobytes(),
        )
        for row, segment in enumerate(batch.segments.to_pylist())
    }


def expected() -> set[tuple[object, ...]]:
    """The same by the specification: class is the value over 1000, the value is the track, 10000 is ignored."""
    found = set()
    for name, values in FRAMES.items():
        pixels = np.array(values)
        for value in set(pixels[pixels > 0].tolist()):
            category = {1: "car", 2: "pedestrian", 10: "ignored"}[value // 1000]
            track = None if value == 10000 else value
            sequence, frame = name.split("/")
            found.add((f"{name}.png", sequence, int(frame), value, category, track, (pixels == value).tobytes()))
    return found


@pytest.mark.parametrize("write", [write_png, write_txt])
def test_both_layouts_say_the_same(tmp_path: Path, write: object) -> None:
    write(tmp_path)  # type: ignore[operator]
    dataset = read(tmp_path)
    assert (dataset.profile.format, dataset.profile.task) == ("mots", "instance")
    assert told(dataset) == expected()
    assert [each.name for each in dataset.profile.sequences] == ["0002", "0003"]
    assert [(each.code, each.severity) for each in dataset.source.defects] == [("SEG002", "info")]
    assert {each.kind for each in dataset.taxonomy.categories if each.name == "ignored"} == {"void"}


def test_a_choice_of_layouts_and_one_file(tmp_path: Path) -> None:
    write_png(tmp_path)
    write_txt(tmp_path)
    assert told(read(tmp_path)) == told(read(tmp_path, options={"layout": "txt"})) == expected()
    one = read(tmp_path / "instances_txt/0002.txt")
    assert told(one) == {each for each in expected() if each[1] == "0002"}
    write_txt(tmp_path / "results", "")
    assert told(read(tmp_path / "results", format="mots")) == expected()
    with pytest.raises(SegdataError, match="layout is 'gif'"):
        read(tmp_path, options={"layout": "gif"})


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["0 2001 7 2 2 04"], "class 7 is unknown (1 line); left out"),
        (["0 2001 7 2 2 04", "0 2002 7 2 2 04"], "class 7 is unknown (2 lines); left out"),
        (["0 2001 1 2 2 04"], "id 2001 is of class 2, but the line says 1"),
        (["0 2001 1 2 2 04", "0 2002 1 2 2 04"], "id 2001 is of class 2, but the line says 1; 1 more line like this"),
    ],
)
def test_one_line_and_several(lines: list[str], told: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"{line}\n" for line in lines))
    messages = [each.message for each in read(tmp_path, format="mots").source.defects]
    assert told in messages


def test_images_of_kitti(tmp_path: Path) -> None:
    """In TXT a frame without a line is annotated, and empty; in PNG a frame without a mask is not annotated."""
    write_png(tmp_path)
    write_txt(tmp_path)
    for frame in range(3):
        png(tmp_path / f"training/image_02/0002/{frame:06d}.png", np.zeros((2, 3, 3)), np.uint8)
    lines = whole(read(tmp_path, options={"layout": "txt"}))
    assert lines.images["image_id"].to_pylist() == [*(f"0002/{k:06d}.png" for k in range(3)), "0003/000005.png"]
    assert len(set(lines.annotation_image.tolist())) == 4
    dataset = read(tmp_path)
    masks = whole(dataset)
    assert masks.images["image_id"].to_pylist() == lines.images["image_id"].to_pylist()
    assert masks.annotation_image.tolist() == [0, 1, 3]
    assert sorted(each.message for each in dataset.source.defects) == [
        "1 of 3 frames has no mask: nobody annotated them",
        "there is no image for this mask",
    ]


def test_motchallenge_layout(tmp_path: Path) -> None:
    """`<sequence>/gt/gt.txt` beside `img1`, whose frames are counted from 1."""
    for frame in (1, 2):
        png(tmp_path / f"MOTS20-02/img1/{frame:06d}.jpg", np.zeros((2, 3, 3)), np.uint8)
    gt = tmp_path / "MOTS20-02/gt/gt.txt"
    gt.parent.mkdir()
    # Small images: only names of folders tell numbers from other numbers.
    gt.write_text(line(2, 2001, [[0, 1, 0], [0, 0, 0]]) + line(7, 2001, [[1, 0, 0], [0, 0, 0]]))
    dataset = read(tmp_path, format="mots")
    assert {each[:6] for each in told(dataset)} == {
        ("MOTS20-02/img1/000002.jpg", "MOTS20-02", 2, 2001, "pedestrian", 2001)
    }
    assert [(each.code, each.line) for each in dataset.source.defects] == [("SEG007", 2)]


@pytest.mark.parametrize(("first", "hint"), [(1, True), (0, False), (-1, False)])
def test_labels_that_count_from_another_frame(tmp_path: Path, first: int, hint: bool) -> None:
    for frame in range(3):
        png(tmp_path / f"training/image_02/0002/{frame:06d}.png", np.zeros((2, 3, 3)), np.uint8)
    rows = [line(frame, 2001, [[0, 1, 0], [0, 0, 0]]) for frame in range(max(first, 0), max(first, 0) + 3)]
    if first < 0:
        rows.append(line(7, 2001, [[1, 0, 0], [0, 0, 0]]))
    (tmp_path / "instances_txt").mkdir()
    (tmp_path / "instances_txt/0002.txt").write_text("".join(rows))
    found = [each.message for each in read(tmp_path, options={"layout": "txt"}).source.defects if each.code == "SEG007"]
    assert len(found) == (first != 0)
    assert all(("which begins with 0: are labels counted from 1?" in message) == hint for message in found)


def test_a_sequence_without_lines_and_images(tmp_path: Path) -> None:
    (tmp_path / "instances_txt").mkdir()
    (tmp_path / "instances_txt/0002.txt").write_text("")
    assert len(read(tmp_path, options={"layout": "txt"}, format="mots").images) == 0


def test_splits_and_labels_of_datumaro(tmp_path: Path) -> None:
    png(tmp_path / "val/instances/a/frame_3.png", [[0, 1002, 2005, 10000]])
    (tmp_path / "val/instances/labels.txt").write_text("cat\n\ndog\n")
    png(tmp_path / "val/images/a/frame_3.jpg", np.zeros((1, 4, 3)), np.uint8)
    dataset = read(tmp_path)
    assert {each[:6] for each in told(dataset)} == {
        ("val/a/frame_3.jpg", "a", 3, 1002, "cat", 1002),
        ("val/a/frame_3.jpg", "a", 3, 2005, "dog", 2005),
        ("val/a/frame_3.jpg", "a", 3, 10000, "ignored", None),
    }
    assert whole(dataset).images["split"].to_pylist() == ["val"]
    assert dataset.source.defects == (), "names of frames are free where labels.txt is"


def test_the_users_taxonomy_wins(tmp_path: Path) -> None:
    write_png(tmp_path)
    given = Taxonomy(
        categories=(
            Category(id=26, name="automobile", aliases=("car",)),
            Category(id=24, name="pedestrian"),
            Category(id=3, name="out of roi", kind="void"),
        )
    )
    ids = {each["category_id"] for each in whole(read(tmp_path, taxonomy=given)).segments.to_pylist()}
    assert ids == {26, 24, 3}


def test_names_that_mots_tools_does_not_read_are_said(tmp_path: Path) -> None:
    png(tmp_path / "instances/0001/7.png", [[0, 1000]])
    found = [each for each in read(tmp_path, format="mots").source.defects if each.code == "SEG004"]
    assert [(each.severity, each.file) for each in found] == [("info", "instances/0001")]


def test_overlapping_lines_are_found(tmp_path: Path) -> None:
    """The official reader stops at them."""
    (tmp_path / "0001.txt").write_text(line(0, 1001, np.ones((20, 10))) + line(0, 2001, np.eye(20, 10)))
    result = validate(tmp_path)
    assert {finding.code for finding in result.findings} >= {"SEG102"}


def test_what_is_written(tmp_path: Path) -> None:
    write_png(tmp_path / "in")
    result = convert(tmp_path / "in", tmp_path / "png", to="mots")
    assert result.losses == ()
    for name in FRAMES:
        before, after = (Image.open(tmp_path / root / f"instances/{name}.png") for root in ("in", "png"))
        assert after.mode == before.mode
        np.testing.assert_array_equal(np.asarray(after), np.asarray(before))
    convert(tmp_path / "in", tmp_path / "txt", to="mots", write_options={"layout": "txt"})
    rows = [row.split(" ") for row in (tmp_path / "txt/instances_txt/0002.txt").read_text().splitlines()]
    assert [row[:5] for row in rows] == [
        ["0", "1000", "1", "2", "3"],
        ["0", "2007", "2", "2", "3"],
        ["0", "10000", "10", "2", "3"],
        ["1", "1000", "1", "2", "3"],
        ["1", "2007", "2", "2", "3"],
    ]
    for row in rows:
        mask = coco.decode({"size": [2, 3], "counts": row[5].encode()})
        np.testing.assert_array_equal(mask, np.array(FRAMES[f"0002/{int(row[0]):06d}"]) == int(row[1]))
    assert detect(tmp_path / "txt") == detect(tmp_path / "png") == "mots"


def test_other_categories_are_written_as_datumaro_reads_them(tmp_path: Path) -> None:
    """Line k of labels.txt is class k; the tenth line is what is ignored."""
    labels = Taxonomy(
        categories=(*(Category(id=70 + k, name=f"n{k}") for k in range(1, 12)), Category(id=5, name="v", kind="void"))
    )
    png(tmp_path / "in/instances/s/000000.png", [[1001, 9001, 11002, 12003, 10000]])
    (tmp_path / "in/instances/labels.txt").write_text("".join(f"n{k}\n" for k in range(1, 10)) + "ignored\nn10\nn11\n")
    convert(tmp_path / "in", tmp_path / "out", to="mots", taxonomy=labels)
    assert (tmp_path / "out/instances/labels.txt").read_text() == (tmp_path / "in/instances/labels.txt").read_text()
    with Image.open(tmp_path / "out/instances/s/000000.png") as image:
        assert np.asarray(image).tolist() == [[1001, 9001, 11002, 12003, 10000]]
    assert told(read(tmp_path / "out")) == told(read(tmp_path / "in", taxonomy=labels))


def test_more_than_the_encoder_holds_is_refused(tmp_path: Path) -> None:
    png(tmp_path / "d/Annotations/480p/s/00000.png", np.zeros((1, 1)), np.uint8)
    many = Taxonomy(categories=tuple(Category(id=k, name=f"n{k}") for k in range(64)))
    with pytest.raises(SegdataError, match="MOTS holds 63 categories besides the ignored one; the taxonomy has 64"):
        convert(tmp_path / "d", tmp_path / "o", to="mots", taxonomy=many)
    wide = tmp_path / "w"
    png(wide / "masks/a.png", np.arange(1, 1002)[None])
    (wide / "segdata.yaml").write_text("instance_ids: {category: car}\n")
    with pytest.raises(SegdataError, match=r"an image has 1,001 tracks or more; MOTS holds 1,000 of a category"):
        convert(wide, tmp_path / "o", to="mots")
    assert not (tmp_path / "o").exists()


def test_datumaro_fixture(real_data: Path) -> None:
    """The values that the README's fixture holds, by its labels a, b, c and d."""
    dataset = read(real_data / "peer_fixtures/datumaro/mots_dataset")
    assert {each[:6] for each in told(dataset)} == {
        ("train/1.jpg", "train", 1, 3002, "c", 3002),
        ("train/1.jpg", "train", 1, 4001, "d", 4001),
        ("train/1.jpg", "train", 1, 4003, "d", 4003),
        ("train/2.jpg", "train", 2, 4002, "d", 4002),
    }
