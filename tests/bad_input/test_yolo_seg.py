"""Broken YOLO datasets: every line, and every file, by itself."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import segdata
from segdata.core.errors import SegdataError, UnreadableError

SOUND = b"0 0.1 0.1 0.9 0.1 0.5 0.8\n"


def dataset(folder: Path, text: bytes, yaml: str = "names: [cat]\n") -> Path:
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(folder / "images/a.png")
    (folder / "labels/a.txt").write_bytes(text)
    (folder / "data.yaml").write_text(yaml, encoding="utf-8")
    return folder


def read(folder: Path) -> tuple[int, list[str]]:
    """How many segments there are, and the codes of the defects."""
    opened = segdata.read(folder, format="yolo-seg")
    batches = list(opened)
    defects = [*opened.source.defects, *(each for batch in batches for each in batch.defects)]
    return sum(batch.n_segments for batch in batches), sorted(each.code for each in defects)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"0 0.1 0.1 0.9 0.1", "SEG004"),
        (b"0 0.1 0.1 0.9", "SEG006"),
        (b"0", "SEG006"),
        (b"0 0.1 0.1 0.9 0.1 0.5 0.8 0.3", "SEG006"),
        (b"0 0.1 0.1 0.9 0.1 0.5 nan", "SEG006"),
        (b"0 0.1 0.1 0.9 0.1 0.5 inf", "SEG006"),
        (b"0 10 10 90 10 50 80", "SEG004"),
        (b"0 -0.2 0.1 0.9 0.1 0.5 0.8", "SEG004"),
        (b"0 1e300 0.1 0.9 0.1 0.5 0.8", "SEG004"),
        (b"1 0.1 0.1 0.9 0.1 0.5 0.8", "SEG007"),
        (b"-1 0.1 0.1 0.9 0.1 0.5 0.8", "SEG004"),
        (b"0.5 0.1 0.1 0.9 0.1 0.5 0.8", "SEG004"),
        (b"99999999999999999999 0.1 0.1 0.9 0.1 0.5 0.8", "SEG004"),
        (b"nan 0.1 0.1 0.9 0.1 0.5 0.8", "SEG004"),
        (b"cat 0.1 0.1 0.9 0.1 0.5 0.8", "SEG004"),
        (b"0,0.1,0.1,0.9,0.1,0.5,0.8", "SEG004"),
        (b"]] 0.1", "SEG004"),
        (b"0 0.1 0.1 0.9 0.1 0.5 0.8]", "SEG004"),
        (b"\x00\xff\xfe", "SEG004"),
    ],
)
def test_a_broken_line_is_left_out(tmp_path: Path, line: bytes, code: str) -> None:
    assert read(dataset(tmp_path, SOUND + line + b"\n" + SOUND)) == (2, [code])


def test_white_space_and_marks_are_no_matter(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf\r\n" + SOUND.replace(b" ", b"\t").replace(b"\n", b" \r\n") + b"\n \n0 .1 .1 .9 .1 .5 1.\n"
    assert read(dataset(tmp_path, text)) == (2, [])


@settings(deadline=None, max_examples=50)
@example(b"<html")
@given(st.binary(max_size=60))
def test_no_bytes_make_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    """The sound line is read, but of a file that is no list of labels at all, as its first bytes say."""
    n_segments, codes = read(dataset(tmp_path_factory.mktemp("y"), text + b"\n" + SOUND))
    assert n_segments >= 1 or codes == ["SEG001"]


@pytest.mark.parametrize(
    ("yaml", "code"),
    [
        ("names: 7\n", "SEG004"),
        ("names: {a: cat}\n", "SEG004"),
        ("names: {99999999999: cat}\n", "SEG004"),
        ("names: [[cat]]\n", "SEG004"),
        ("names: [cat\n", "SEG004"),
        ("- names\n", "SEG004"),
        ("nc: 4\nnames: [cat]\n", "SEG004"),
        ('path: "C:\\Users"\nnames: [cat]\n', "SEG004"),
        ("path: C:\\Users\\x\nnames: [cat]\n", "SEG015"),
        ("path: ../../etc\nnames: [cat]\n", "SEG015"),
    ],
)
def test_a_broken_data_yaml_leaves_the_labels(tmp_path: Path, yaml: str, code: str) -> None:
    n_segments, codes = read(dataset(tmp_path, SOUND, yaml))
    assert n_segments == 1
    assert code in codes


def test_lists_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("./images/a.png\n", encoding="utf-8")
    folder = dataset(tmp_path / "d", SOUND, "train: ../secret.txt\nnames: [cat]\n")
    assert segdata.read(folder).images["split"].isna().all()


def test_files_that_stay_alone_and_damaged_images(tmp_path: Path) -> None:
    folder = dataset(tmp_path, SOUND)
    (folder / "labels/b.txt").write_bytes(SOUND)
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(folder / "images/c.png")
    (folder / "images/a.png").write_bytes(b"")
    assert read(folder) == (0, ["SEG001", "SEG002", "SEG011"])


@pytest.mark.parametrize("size", ["99999999999,99999999999", "-4,-4", "x,3"])
def test_sizes_that_no_image_has(tmp_path: Path, size: str) -> None:
    folder = dataset(tmp_path, SOUND)
    row = f"a.png,labels/a.txt,{size},\n"
    (folder / "images.csv").write_text(f"image,mask,width,height,uri\n{row}", encoding="utf-8")
    n_segments, codes = read(folder)
    assert n_segments == 0
    assert "SEG004" in codes


def test_misuse_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match="does not exist"):
        segdata.read(tmp_path / "no", format="yolo-seg")
    with pytest.raises(UnreadableError, match="no label files"):
        segdata.read(tmp_path, format="yolo-seg")
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("names: [cat]\n", encoding="utf-8")
    with pytest.raises(UnreadableError, match=r"a\.yaml, b\.yaml: more than one may name the classes"):
        segdata.read(tmp_path, format="yolo-seg")
