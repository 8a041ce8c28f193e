"""Broken structure sets: findings or a refusal with the place, never a traceback."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from segdata import read, validate
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from tests.bad_input.scribble import Scribble, scribbled, scribbles
from tests.generators.dicom_files import CtSeries, contour, item, write_ct, write_structures

pydicom = pytest.importorskip("pydicom")
SIZE = (5, 6)
SQUARE = [(1, 1), (4, 1), (4, 4), (1, 4)]
Said = Any  # pydicom's dataset has every attribute


def met(root: Path) -> list[Defect]:
    dataset = read(root, format="rt-struct")
    found = [*dataset.source.defects, *(defect for batch in dataset for defect in batch.defects)]
    return [each for each in found if each.severity != "info"]


def sound(folder: Path, number: int = 1, name: str = "a") -> CtSeries:
    series = write_ct(folder / f"ct-{name}", 2, SIZE, number=number)
    regions = [(1, "liver", [contour(series, 0, SQUARE), contour(series, 1, SQUARE)]), (2, "spleen", [])]
    write_structures(folder / f"{name}.dcm", series, regions)
    return series


def changed(path: Path, change: Callable[[Said], object]) -> None:
    said = pydicom.dcmread(path)
    change(said)
    said.save_as(path)


@pytest.mark.parametrize("kept", [0, 100, 140, 400, 900, -4, -60])
def test_a_file_that_is_cut_off(tmp_path: Path, kept: int) -> None:
    sound(tmp_path)
    sound(tmp_path, 2, "b")
    path = tmp_path / "b.dcm"
    data = path.read_bytes()
    path.write_bytes(data[:kept] if kept >= 0 else data[: len(data) + kept])
    found = met(tmp_path)
    assert {each.file for each in found} <= {"b.dcm"}
    assert len(read(tmp_path).segments) >= 2
    with suppress(SegdataError):
        met(path)


@pytest.mark.parametrize("delimited", [False, True])
def test_wherever_it_is_cut_off_it_is_told(tmp_path: Path, delimited: bool) -> None:
    """Some programs write the lengths of sequences, and others where they end."""
    sound(tmp_path)
    path = tmp_path / "a.dcm"

    def change(said: Said) -> None:
        said.RTROIObservationsSequence = [item(ObservationNumber=1, ReferencedROINumber=1, ROIInterpreter="Ann")]
        for sequence in (said["ROIContourSequence"], said["RTROIObservationsSequence"]):
            sequence.is_undefined_length = delimited

    changed(path, change)
    assert met(path) == []
    data = path.read_bytes()
    last = data.rindex(b"\x06\x30\x80\x00")  # RTROIObservationsSequence: a file may end before it
    for kept in {*range(len(data) - 140, len(data), 3), len(data) - 2, len(data) - 1} - {last}:
        path.write_bytes(data[:kept])
        assert [each.file for each in met(path)] == ["a.dcm"], kept


@settings(max_examples=25)
@given(change=scribbles)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, change: Scribble) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    sound(folder)
    scribbled(folder / "a.dcm", change)
    with suppress(SegdataError):
        validate(read(folder, format="rt-struct"))


def _raw(text: bytes) -> Any:  # Any: pydicom's element
    tag = pydicom.tag.Tag(0x30060050)
    return pydicom.dataelem.RawDataElement(tag, "DS", len(text), text, 0, True, True, True)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\\\\\\\\\\\\\\\\",
        b"a\\b\\c\\d\\e\\f\\g\\h\\i ",
        b"nan\\0\\0\\1\\1\\0\\2\\2\\0 ",
        b"inf\\0\\0\\1\\1\\0\\2\\2\\0 ",
        b"0\\0\\40\\1\\1\\40\\1 ",
        b"1e300\\0\\40\\1\\1\\40\\2\\2\\40 ",
        b"-1e9\\0\\40\\1\\1\\40\\2\\2\\40",
        b"\xff\xfe\\0\\40\\1\\1\\40\\2\\2\\40",
    ],
)
def test_coordinates_that_are_none(tmp_path: Path, text: bytes) -> None:
    sound(tmp_path)

    def change(said: Said) -> None:
        said.ROIContourSequence[0].ContourSequence[0][0x30060050] = _raw(text)

    changed(tmp_path / "a.dcm", change)
    (found,) = [each for each in met(tmp_path) if each.code != "SEG004"]
    assert (found.code, found.file, found.place) == ("SEG006", "a.dcm", "ROIContourSequence[0].ContourSequence[0]")
    assert len(read(tmp_path).segments) == 1


def _twice(said: Said) -> None:
    said.ROIContourSequence.append(said.ROIContourSequence[0])


def _named_twice(said: Said) -> None:
    said.StructureSetROISequence.append(item(ROINumber=1, ROIName="again"))


def _undescribed(said: Said) -> None:
    said.ROIContourSequence[0].ReferencedROINumber = 99


def _miscounted(said: Said) -> None:
    said.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 7


@pytest.mark.parametrize(
    ("change", "code", "left"),
    [(_twice, "SEG008", 2), (_named_twice, "SEG008", 2), (_undescribed, "SEG007", 0), (_miscounted, "SEG004", 2)],
)
def test_regions_that_contradict_each_other(
    tmp_path: Path, change: Callable[[Said], None], code: str, left: int
) -> None:
    sound(tmp_path)
    changed(tmp_path / "a.dcm", change)
    assert [each.code for each in met(tmp_path)] == [code]
    assert len(read(tmp_path).segments) == left


@pytest.mark.parametrize("keyword", ["StructureSetROISequence", "ROIContourSequence", "ROINumber", "ROIName"])
def test_what_is_missing(tmp_path: Path, keyword: str) -> None:
    sound(tmp_path)

    def change(said: Said) -> None:
        delattr(said.StructureSetROISequence[0] if keyword in ("ROINumber", "ROIName") else said, keyword)

    changed(tmp_path / "a.dcm", change)
    codes = {
        "StructureSetROISequence": ["SEG001", "SEG007", "SEG007"],
        "ROIContourSequence": ["SEG001"],
        "ROINumber": ["SEG001"],
    }
    assert sorted(each.code for each in met(tmp_path)) == codes.get(keyword, [])
    if keyword == "ROIName":
        assert "region 1" in read(tmp_path).taxonomy.by_name()


def test_a_contour_far_from_its_image(tmp_path: Path) -> None:
    """Beyond the frame there are no pixels, and the rule about vertices out there says so."""
    series = write_ct(tmp_path / "ct", 1, SIZE)
    ring = [(1e5, 1e5), (2e5, 1e5), (2e5, 2e5)]
    write_structures(tmp_path / "a.dcm", series, [(1, "liver", [contour(series, 0, ring)])])
    assert met(tmp_path) == []
    report = validate(read(tmp_path))
    assert "SEG105" in {each.code for each in report.findings}


def test_images_without_a_place(tmp_path: Path) -> None:
    series = sound(tmp_path)
    for path in series.paths:
        changed(path, lambda said: delattr(said, "ImagePositionPatient"))
    assert [each.code for each in met(tmp_path)] == ["SEG002"]
    assert len(read(tmp_path).segments) == 0


def test_an_index_of_nothing(tmp_path: Path) -> None:
    sound(tmp_path)
    (tmp_path / "dicom.json").write_text("{")
    with pytest.raises(UnreadableError, match=r"dicom\.json"):
        read(tmp_path)
    (tmp_path / "dicom.json").write_text(json.dumps({"version": 1, "files": [], "images": []}))
    assert [each.code for each in met(tmp_path)] == ["SEG002"]


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="does not exist"):
        read(tmp_path / "a.dcm", format="rt-struct")
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 500)
    assert {each.code for each in met(tmp_path / "a.dcm")} == {"SEG001"}
