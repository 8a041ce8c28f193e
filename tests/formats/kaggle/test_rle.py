"""Kaggle run lengths: pairs that count from 1, down the columns or along the rows."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import segdata
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import detect, find_format
from segdata.formats.kaggle import find_table
from segdata.formats.kaggle.table import KaggleRow, read_image
from segdata.formats.shared.per_image import ImageEntry
from segdata.testing.pictures import masks_of_runs
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets


def pairs_of(mask: np.ndarray, order: str = "column") -> str:
    """The competitions' published encoder, as a formula: where the flat mask changes, from 1."""
    flat = np.concatenate([[0], (mask.T if order == "column" else mask).reshape(-1), [0]])
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges[1::2] -= edges[::2]
    return " ".join(map(str, edges.tolist()))


def table(folder: Path, text: str) -> Path:
    path = folder / "train.csv"
    path.write_text(text, encoding="utf-8")
    return path


def masks(dataset: segdata.Dataset) -> list[np.ndarray]:
    return [mask for batch in dataset for mask in masks_of_runs(batch.runs, *batch.segment_size)]


@given(datasets(Details()))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, made: tuple[object, object]) -> None:
    assert_round_trip(find_format("kaggle-rle"), *made, tmp_path_factory.mktemp("k"))  # type: ignore[arg-type]


@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))), st.sampled_from(["column", "row"]))
def test_pairs_are_the_mask(tmp_path_factory: pytest.TempPathFactory, mask: np.ndarray, order: str) -> None:
    folder = tmp_path_factory.mktemp("k")
    table(folder, f"ImageId,EncodedPixels\na.png,{pairs_of(mask, order)}\n")
    size = f"{mask.shape[0]}x{mask.shape[1]}"
    dataset = segdata.read(folder, format="kaggle-rle", options={"size": size, "order": order})
    assert [each.tolist() for each in masks(dataset)] == ([mask.tolist()] if mask.any() else [])
    assert len(dataset.annotations) == 1


@given(st.lists(st.text("0123456789 -x", min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=4))
def test_rows_are_read_at_once_as_one_by_one(texts: list[str]) -> None:
    """Whatever is wrong with some of the rows of an image, the others are read, and all are told of."""
    defects: list[Defect] = []
    lines = [KaggleRow(row, None, text.strip(), (0, 0)) for row, text in enumerate(texts, 2)]
    (found,) = read_image("a.csv", {None: 1}, None, ImageEntry("a.png", record=lines, size=(5, 8)))
    sound = []
    for row, line in enumerate(lines, 2):
        (alone,) = read_image("a.csv", {None: 1}, None, ImageEntry("a.png", record=[line], size=(5, 8)))
        sound += [(f"line {row}", *alone.runs.start.tolist(), *alone.runs.length.tolist())] if len(alone.runs) else []
        defects += alone.defects
    offset = found.runs.offsets(len(sound)).tolist()
    pieces = [
        (*found.runs.start[begin:end].tolist(), *found.runs.length[begin:end].tolist())
        for begin, end in pairwise(offset)
    ]
    assert [(place, *piece) for place, piece in zip(found.columns["place"], pieces, strict=True)] == sound
    assert list(found.defects) == defects


def test_written_pairs_are_those_of_the_published_encoder(tmp_path: Path) -> None:
    mask = np.zeros((4, 5), bool)
    mask[:, 1:3] = True
    mask[1, 2] = False
    segdata.convert(segdata.from_arrays({"a.png": [(mask, "ship")]}, ["ship"]), tmp_path / "a.csv", to="kaggle-rle")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[1] == f"a.png,{pairs_of(mask)},4,5,ship"


def test_classes_behind_the_name(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("L", (4, 3)).save(tmp_path / "images" / "x_1.jpg")
    table(tmp_path, "Image_Label,EncodedPixels\nx_1.jpg_Fish,1 3\nx_1.jpg_Sugar,\n")
    dataset = segdata.read(tmp_path)
    assert dataset.profile.format == "kaggle-rle"
    assert dataset.image_ids == ["x_1.jpg"]
    assert dataset.segments["category"].tolist() == ["Fish"]
    assert dataset.profile.task == "semantic"
    assert [each.name for each in dataset.taxonomy.categories] == ["Fish", "Sugar"]


def test_the_runs_may_stand_before_the_image(tmp_path: Path) -> None:
    text = "EncodedPixels,ImageId\n1 3 9 2,a.png\n,b.png\n"
    table(tmp_path, text)
    first = masks(segdata.read(tmp_path, options={"size": "4x5"}))
    table(tmp_path, "ImageId,EncodedPixels\na.png,1 3 9 2\nb.png,\n")
    np.testing.assert_array_equal(first, masks(segdata.read(tmp_path, options={"size": "4x5"})))


def test_semicolons_between_columns(tmp_path: Path) -> None:
    text = "ImageId,EncodedPixels,Height,Width\na,1 3 5 1,4,3\nb,,4,3\n"
    commas = masks(segdata.read(table(tmp_path, text)))
    (tmp_path / "other").mkdir()
    path = table(tmp_path / "other", text.replace(",", ";"))
    assert detect(path.parent) == "kaggle-rle"
    np.testing.assert_array_equal(masks(segdata.read(path)), commas)


def test_names_without_extension_find_their_images(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("L", (4, 3)).save(tmp_path / "images" / "abc.png")
    table(tmp_path, "id,rle_mask\nabc,1 2 7 1\nnone,\n")
    dataset = segdata.read(tmp_path)
    assert dataset.image_ids == ["abc.png", "none"]
    assert dataset.segments["area"].tolist() == [3]


def test_names_with_and_without_extension_are_told_and_are_one_image(tmp_path: Path) -> None:
    """Also where no picture is there: `abc` and `abc.png` are one image, as other names have their extension."""
    table(tmp_path, "id,rle_mask\nabc,1 2\nabc.png,7 1\nx,\ny.png,1 1\n")
    for has_picture in (False, True):
        if has_picture:
            (tmp_path / "images").mkdir()
            Image.new("L", (4, 3)).save(tmp_path / "images" / "abc.png")
            Image.new("L", (4, 3)).save(tmp_path / "images" / "x.png")
        dataset = segdata.read(tmp_path, options={"size": "3x4"})
        assert dataset.image_ids == ["abc.png", "x.png" if has_picture else "x", "y.png"]
        assert dataset.segments["area"].tolist() == [2, 1, 1]
        (told,) = [each for each in dataset.source.defects if "extension" in each.message]
        assert (told.code, told.severity) == ("SEG002", "warning")
        assert "2 of 4 names of images are without an extension, as 'abc'" in told.message


def test_rows_read_down_the_columns_are_a_finding(tmp_path: Path) -> None:
    mask = np.zeros((40, 90), bool)
    mask[8:32, 20:60] = True
    table(tmp_path, f"img,rle_mask\na.png,{pairs_of(mask, 'row')}\n")
    wrong = segdata.read(tmp_path, options={"size": "40x90"})
    assert [each.message for each in segdata.validate(wrong).findings if "order=row" in each.message]
    right = segdata.read(tmp_path, options={"size": "40x90", "order": "row"})
    assert not [each for each in segdata.validate(right).findings if each.code == "SEG005"]
    assert masks(right)[0].tolist() == mask.tolist()


@pytest.mark.parametrize("share", [2, 3, 4])
def test_pairs_of_a_preview_are_a_finding(tmp_path: Path, share: int) -> None:
    """A disc in a picture of a part of the sides; the same disc at the left of the image is fine."""
    y, x = np.mgrid[: 120 // share, : 240 // share]
    disc = (y - 60 / share) ** 2 + (x - 70 / share) ** 2 < (40 / share) ** 2
    whole = np.zeros((120, 240), bool)
    whole[: disc.shape[0], : disc.shape[1]] = disc
    table(tmp_path, f"img,rle_mask\na.png,{pairs_of(disc)}\nb.png,{pairs_of(whole)}\n")
    findings = segdata.validate(segdata.read(tmp_path, options={"size": "120x240"})).findings
    (finding,) = [one for one in findings if one.code == "SEG005"]
    assert (finding.image, finding.severity) == ("a.png", "warning")
    assert f"only in an image of {240 // share} x {120 // share}, 1/{share} of this one" in finding.message


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        ("a.png,1 2 3", "SEG005", "3 numbers are no pairs"),
        ("a.png,0 2", "SEG005", "counted from 1"),
        ("a.png,1 0", "SEG005", "not positive"),
        ("a.png,-4 2", "SEG005", "counted from 1"),
        ("a.png,11 3", "SEG005", "beyond the image's 12"),
        ("a.png,1 4 3 2", "SEG005", "pixel 3 occurs twice"),
        ("a.png,3 2 1 3", "SEG005", "pixel 3 occurs twice: does each start count from the end of the run before?"),
        ("a.png,1 x", "SEG005", "'x' is not a whole number"),
        ("a.png,1 99999999999999999999", "SEG005", "is not a whole number"),
        ("a.png,1 2,3", "SEG004", "3 cells"),
        (",1 2", "SEG004", "no image"),
        ("../a.png,1 2", "SEG015", "leaves"),
    ],
)
def test_broken_rows_are_named_and_the_rest_is_read(tmp_path: Path, row: str, code: str, words: str) -> None:
    table(tmp_path, f"ImageId,EncodedPixels\n{row}\nb.png,1 2\n")
    dataset = segdata.read(tmp_path, format="kaggle-rle", options={"size": "3x4"})
    found = [each for each in segdata.validate(dataset).findings if each.code == code]
    assert [(each.line, words in each.message) for each in found] == [(2, True)], found
    assert dataset.segments["image_id"].tolist() == ["b.png"]


def test_minus_one_is_no_mask(tmp_path: Path) -> None:
    """As in SIIM-ACR Pneumothorax."""
    table(tmp_path, "ImageId,EncodedPixels\na.png, -1\nb.png,1 2\n")
    dataset = segdata.read(tmp_path, format="kaggle-rle", options={"size": "3x4"})
    assert [finding.code for finding in segdata.validate(dataset, select="SEG005").findings] == []
    assert (len(dataset.annotations), dataset.segments["image_id"].tolist()) == (2, ["b.png"])


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("a,b\n1,2\n", {}, "ImageId, EncodedPixels"),
        ("", {}, "ImageId, EncodedPixels"),
        ("ImageId,EncodedPixels\na.png,1 2\n", {}, "size=HEIGHTxWIDTH"),
        ("ImageId,EncodedPixels\na.png,1 2\n", {"size": "3"}, "HEIGHTxWIDTH"),
        ("ImageId,EncodedPixels\na.png,1 2\n", {"size": "3x" + "4" * 5000}, "HEIGHTxWIDTH"),
        ("ImageId,EncodedPixels\na.png,1 2\n", {"size": "3x4", "order": "x"}, "column or row"),
        ("ImageId,EncodedPixels\na.png,1 2\n", {"sise": "3x4"}, "did you mean 'size'"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, text: str, options: dict[str, str], words: str) -> None:
    table(tmp_path, text)
    with pytest.raises(SegdataError) as raised:
        segdata.read(tmp_path, format="kaggle-rle", options=options)
    assert words in str(raised.value)


def test_a_size_of_thousands_of_digits_is_no_size(tmp_path: Path) -> None:
    table(tmp_path, f"ImageId,EncodedPixels,height,width\na.png,1 2,{'4' * 5000},3\nb.png,1 2,3,4\n")
    assert "SEG004" in {one.code for one in segdata.validate(tmp_path, format="kaggle-rle").findings}


def test_detection(tmp_path: Path) -> None:
    table(tmp_path, 'ImageId,EncodedPixels\na.png,"1 2 9 3"\n')
    assert detect(tmp_path) == "kaggle-rle"
    assert detect(tmp_path / "train.csv") == "kaggle-rle"


def test_many_masks_of_real_images_survive(real_data: Path, tmp_path: Path) -> None:
    result = segdata.convert(real_data / "coco_tiny", tmp_path / "k", to="kaggle-rle", verify=True)
    assert result.verified == result.n_segments == 470


def test_what_a_spreadsheet_did_to_names_and_cells(tmp_path: Path) -> None:
    """Names rounded to 1.73E+12, and cells that end at its limit of characters."""
    Image.new("L", (40, 30)).save(tmp_path / "1732000007919.png")
    runs = " ".join(f"{start} 1" for start in range(1, 1000, 3))
    rows = [f"1.73E+12,{runs[:length]},30,40" for length in (255, 255, 80)]
    table(tmp_path, "\n".join(["id,annotation,height,width", *rows]))
    codes = {defect.message[:40]: defect.code for defect in segdata.read(tmp_path, format="kaggle-rle").source.defects}
    assert codes["2 cells end after exactly 255 characters"] == "SEG001"
    assert codes["1 name of images such as '1.73E+12' are "] == "SEG002"
    rows[0] = f"1732000007919,{runs[:254]},30,40"
    table(tmp_path, "\n".join(["id,annotation,height,width", rows[0]]))
    assert segdata.read(tmp_path, format="kaggle-rle").source.defects == ()


def test_a_second_head_is_left_out(tmp_path: Path) -> None:
    """Two tables were joined as text."""
    table(tmp_path, "ImageId,EncodedPixels\na.png,1 2\nImageId,EncodedPixels\nb.png,3 2\n")
    dataset = segdata.read(tmp_path, format="kaggle-rle", options={"size": "4x5"})
    assert [mask.sum() for mask in masks(dataset)] == [2, 2]
    (defect,) = (one for one in dataset.source.defects if one.line)
    assert (defect.code, defect.line) == ("SEG004", 3)
    assert "repeats the head" in defect.message


def test_the_sample_of_a_submission_is_no_rival(tmp_path: Path) -> None:
    """Each row of it has the same pair; the other table has masks."""
    (tmp_path / "train.csv").write_text("ImageId,EncodedPixels,ClassId\na.jpg,1 2 5 2,1\nb.jpg,,1\n")
    rows = "".join(f"c{k}.jpg,1 1,0\n" for k in range(9))
    (tmp_path / "sample_submission.csv").write_text(f"ImageId,EncodedPixels,ClassId\n{rows}")
    assert find_table(tmp_path).name == "train.csv"
    (tmp_path / "test.csv").write_text("ImageId,EncodedPixels\na.jpg,1 2 5 2\n")
    with pytest.raises(UnreadableError, match=r"2 tables, name one of them: test\.csv, train\.csv"):
        find_table(tmp_path)


@pytest.mark.parametrize("n_marks", [2, 3])
def test_rows_of_the_first_pixel_alone_are_told(tmp_path: Path, n_marks: int) -> None:
    rows = "".join(f"{n}.png,{'1 1' if n < n_marks else '2 3'}\n" for n in range(5))
    table(tmp_path, f"ImageId,EncodedPixels\n{rows}")
    dataset = segdata.read(tmp_path, format="kaggle-rle", options={"size": "4x4"})
    told = [defect.message for defect in dataset.source.defects if "'1 1'" in defect.message]
    assert len(told) == (n_marks == 3)
