"""Broken DICOM segmentations and indices: findings or a refusal with the place, never a traceback."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from segdata import read, validate
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from tests.bad_input.scribble import Scribble, scribbled, scribbles
from tests.generators.dicom_files import CtSeries, item, segment, write_ct, write_seg

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")
SIZE = (5, 6)
MASK = np.arange(30).reshape(SIZE) % 3 == 0
Said = Any  # pydicom's dataset has every attribute


def met(root: Path) -> list[Defect]:
    dataset = read(root, format="dicom-seg")
    found = [*dataset.source.defects, *(defect for batch in dataset for defect in batch.defects)]
    return [each for each in found if each.severity != "info"]


def sound(folder: Path, number: int = 1, name: str = "a") -> CtSeries:
    series = write_ct(folder / f"ct-{name}", 2, SIZE, number=number)
    write_seg(folder / f"{name}.dcm", series, [segment(1, "liver")], [(1, 0, MASK), (1, 1, ~MASK)])
    return series


def changed(path: Path, change: Callable[[Said], object]) -> None:
    said = pydicom.dcmread(path)
    change(said)
    said.save_as(path)


def _set(**values: Any) -> Callable[[Said], object]:
    return lambda said: [setattr(said, keyword, value) for keyword, value in values.items()]


BROKEN: dict[str, Callable[[Said], object]] = {
    "an unknown type": _set(SegmentationType="PAINTED"),
    "no type": lambda said: said.__delattr__("SegmentationType"),
    "tiles": _set(TotalPixelMatrixRows=100000, TotalPixelMatrixColumns=100000),
    "no rows": lambda said: said.__delattr__("Rows"),
    "nothing high": _set(Rows=0),
    "a huge size": _set(Rows=65535, Columns=65535),
    "a million frames more": _set(NumberOfFrames=1000000),
    "a negative number of frames": _set(NumberOfFrames=-2),
    "three frames, two descriptions": _set(NumberOfFrames=3),
    "no descriptions of frames": lambda said: said.__delattr__("PerFrameFunctionalGroupsSequence"),
    "larger than its pixels": _set(Rows=500, Columns=600),
    "no pixels": lambda said: said.__delattr__("PixelData"),
    "a segment without a number": lambda said: said.SegmentSequence[0].__delattr__("SegmentNumber"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_object_is_one_finding_and_the_others_are_read(tmp_path: Path, what: str) -> None:
    sound(tmp_path)
    sound(tmp_path, 2, "b")
    changed(tmp_path / "b.dcm", BROKEN[what])
    assert [(each.code, each.file) for each in met(tmp_path)] == [("SEG001", "b.dcm")]
    assert len(read(tmp_path).segments) == 2


@pytest.mark.parametrize("kept", [0, 100, 131, 140, 400, 1500, -4, -40])
def test_a_file_that_is_cut_off(tmp_path: Path, kept: int) -> None:
    sound(tmp_path)
    sound(tmp_path, 2, "b")
    path = tmp_path / "b.dcm"
    data = path.read_bytes()
    path.write_bytes(data[:kept] if kept >= 0 else data[: len(data) + kept])
    found = met(tmp_path)
    assert [(each.code, each.file) for each in found] == [("SEG001", "b.dcm")]
    with suppress(SegdataError):
        met(path)


@settings(max_examples=40)
@given(change=scribbles)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, change: Scribble) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    sound(folder)
    scribbled(folder / "a.dcm", change)
    with suppress(SegdataError):
        validate(read(folder, format="dicom-seg"))


def test_frames_and_segments_that_contradict_each_other(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 3, SIZE)
    segments = [segment(1, "liver"), segment(1, "spleen")]
    frames = [(1, 0, MASK), (7, 1, MASK), (1, 0, ~MASK), (1, 2, MASK)]
    write_seg(tmp_path / "a.dcm", series, segments, frames)
    found = sorted((each.code, each.place, each.image) for each in met(tmp_path))
    assert found == [
        ("SEG007", "frame 2", None),
        ("SEG008", "SegmentSequence[1]", None),
        ("SEG008", "frame 3", "ct/001.dcm"),
    ]
    batch = next(iter(read(tmp_path)))
    assert batch.runs.areas(batch.n_segments).tolist() == [MASK.sum()] * 2, "the first frame of a slice counts"


def test_values_of_a_label_map_that_are_no_segment(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 1, SIZE)
    write_seg(tmp_path / "a.dcm", series, [segment(1, "liver")], [(None, 0, MASK * 9)], kind="LABELMAP")
    (found,) = met(tmp_path)
    assert (found.code, found.pixels, found.image) == ("SEG009", 10, "ct/001.dcm")


@pytest.mark.parametrize("what", ["position", "orientation", "spacing", "letters"])
def test_a_frame_without_a_place_goes_where_it_says(tmp_path: Path, what: str) -> None:
    sound(tmp_path)

    def change(said: Said) -> None:
        shared = said.SharedFunctionalGroupsSequence[0]
        for group in said.PerFrameFunctionalGroupsSequence:
            if what == "position":
                del group.PlanePositionSequence
            elif what == "letters":
                group.PlanePositionSequence[0].ImagePositionPatient = []
        if what == "orientation":
            shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
        if what == "spacing":
            shared.PixelMeasuresSequence[0].PixelSpacing = [0, 1]

    changed(tmp_path / "a.dcm", change)
    (found,) = met(tmp_path)
    assert (found.code, found.severity, found.lost) == ("SEG004", "warning", False)
    assert found.message.startswith("no frame has a place (position, orientation and pixel spacing)")
    assert [each.image_id for each in read(tmp_path).segments.itertuples()] == ["ct-a/001.dcm", "ct-a/002.dcm"]


def test_images_that_are_broken_or_twice(tmp_path: Path) -> None:
    series = sound(tmp_path)
    (tmp_path / "ct-a/009.dcm").write_bytes(series.paths[0].read_bytes())
    (tmp_path / "ct-a/010.dcm").write_bytes(series.paths[0].read_bytes()[:300])
    changed(series.paths[1], _set(Rows=65535, Columns=65535))
    found = {(each.code, each.file) for each in met(tmp_path)}
    assert found >= {("SEG008", "ct-a/009.dcm"), ("SEG001", "ct-a/002.dcm")}


def _image(name: str, series: CtSeries, k: int, **values: Any) -> dict[str, Any]:
    said = {"image": name, "uid": series.uids[k], "uri": series.paths[k].as_uri(), "height": 5, "width": 6}
    return said | {"sequence": "s", "frame": k} | values


def test_broken_indices(tmp_path: Path) -> None:
    series = sound(tmp_path)
    for text in ("{", "[]", '{"images": [{"image": 3}], "files": []}', '{"images": "x", "files": []}', "[" * 100000):
        (tmp_path / "dicom.json").write_text(text)
        with pytest.raises(UnreadableError, match=r"dicom\.json"):
            read(tmp_path)
    cases: list[tuple[dict[str, Any], str]] = [
        (_image("../x.dcm", series, 1), "SEG015"),
        (_image("/etc/x.dcm", series, 1), "SEG015"),
        (_image("", series, 1), "SEG004"),
        (_image("a", series, 0), "SEG008"),
        (_image("b", series, 1, height=0), "SEG004"),
        (_image("b", series, 1, width=-5), "SEG004"),
        (_image("b", series, 1, uri="file:///nowhere/x.dcm"), "SEG002"),
        (_image("b", series, 1, uri=(tmp_path / "dicom.json").as_uri()), "SEG001"),
        (_image("b", series, 1, uid=series.uids[0]), "SEG007"),
        (_image("b", series, 1, uri="http://example.org/x.dcm"), "SEG002"),
        (_image("b", series, 1, uri=""), "SEG001"),
    ]
    for second, code in cases:
        index = {"version": 1, "files": [], "images": [_image("a", series, 0), second]}
        (tmp_path / "dicom.json").write_text(json.dumps(index))
        assert code in {each.code for each in met(tmp_path)}, second


def test_an_index_that_names_other_segments(tmp_path: Path) -> None:
    """Numbers that the object does not have are ignored, categories that nobody knows are a finding."""
    series = sound(tmp_path)
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: liver}]")
    images = [_image("a", series, 0), _image("b", series, 1)]
    segments = [{"number": 1, "category": 77}, {"number": 5, "category": 1}]
    files = [{"file": "a.dcm", "segments": segments}, {"file": "../b.dcm"}]
    (tmp_path / "dicom.json").write_text(json.dumps({"version": 1, "files": files, "images": images}))
    assert [(each.code, each.file) for each in met(tmp_path)] == [("SEG009", "dicom.json")]
    validate(read(tmp_path))
    assert set(read(tmp_path).segments["category_id"]) == {1}


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no DICOM segmentation"):
        read(tmp_path, format="dicom-seg")
    with pytest.raises(UnreadableError, match="does not exist"):
        read(tmp_path / "a.dcm", format="dicom-seg")
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 500)
    assert {each.code for each in met(tmp_path / "a.dcm")} == {"SEG001"}


def test_names_that_no_file_has(tmp_path: Path) -> None:
    """Segments without a label, with one of other scripts, and codes without anything in them."""
    series = write_ct(tmp_path / "ct", 1, SIZE)
    odd = [segment(1, ""), segment(2, "肝臓"), segment(3, "x", SegmentedPropertyTypeCodeSequence=[item()])]
    frames = [(number, 0, MASK) for number in (1, 2, 3)]
    write_seg(tmp_path / "a.dcm", series, odd, frames, SpecificCharacterSet="ISO_IR 192")
    assert [(each.code, each.segments, each.severity) for each in met(tmp_path)] == [("SEG004", (1,), "warning")]
    assert [each.name for each in read(tmp_path).taxonomy.categories] == ["segment 1", "肝臓", "x"]
