"""DICOM objects, segmentations and structure sets alike: they come back, and what is missing beside them is told."""

import json
import logging
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings

from segdata import convert, diff, read, validate
from segdata.core.batch import Batch, replace_column
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect, find_format
from segdata.core.losses import LossCounter
from segdata.testing.round_trip import assert_round_trip
from tests.formats.medical.datasets import box as box_of
from tests.formats.medical.datasets import codes, met
from tests.generators.dicom_files import (
    CtSeries,
    Scene,
    contour,
    dicom_dataset,
    dicom_scenes,
    item,
    segment,
    write_ct,
    write_seg,
    write_structures,
)

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")
SIZE = (5, 6)
box = partial(box_of, SIZE)
NAMES = ("dicom-seg", "rt-struct")
each_format = pytest.mark.parametrize("name", NAMES)


def drawn_on(folder: Path, name: str, series: CtSeries) -> Path:
    """An object with a square on the first slice of a series."""
    if name == "dicom-seg":
        return write_seg(folder / "a.dcm", series, [segment(1, "liver")], [(1, 0, box(1, 1, 4, 4))])
    square = contour(series, 0, [(1, 1), (4, 1), (4, 4), (1, 4)])
    return write_structures(folder / "a.dcm", series, [(1, "liver", [square])])


@each_format
@settings(max_examples=12)
@given(scene=dicom_scenes(3, SIZE))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, name: str, scene: Scene) -> None:
    folder = tmp_path_factory.mktemp("law")
    profile, batch = dicom_dataset(write_ct(folder / "ct", 3, SIZE), scene)
    losses = assert_round_trip(find_format(name), profile, [batch], folder)
    assert {loss.kind for loss in losses.listed()} <= {"empty-segment", "segment-id", "instance"}


@each_format
def test_images_that_nobody_worked_on_come_back(tmp_path: Path, name: str) -> None:
    """Without any object the index is all there is."""
    profile, batch = dicom_dataset(write_ct(tmp_path / "ct", 3, SIZE), [[], [], []])
    bare = Batch(batch.images, batch.annotations.slice(0, 0), batch.segments, batch.runs)
    losses = LossCounter()
    find_format(name).write(profile, [bare], tmp_path / "out", losses)  # type: ignore[misc]  # it is written
    assert losses.listed() == []
    assert detect(tmp_path / "out") == name
    again = read(tmp_path / "out")
    assert (again.image_ids, len(again.annotations)) == (["a/0.dcm", "a/1.dcm", "a/2.dcm"], 0)
    assert met(again) == []


@each_format
def test_slices_that_are_missing_or_empty(tmp_path: Path, name: str) -> None:
    series = write_ct(tmp_path / "ct", 4, SIZE)
    drawn_on(tmp_path, name, series)
    assert codes(read(tmp_path)) == []
    series.paths[3].unlink()
    (missing,) = met(read(tmp_path))
    assert (missing.code, missing.file) == ("SEG002", "a.dcm")
    assert f"1 of the 4 referenced images were not found, for example UID {series.uids[3]}" in missing.message
    series.paths[1].write_bytes(b"")
    series.paths[2].write_bytes(b"<html>not found</html>")
    found = {each.file: (each.code, each.message) for each in met(read(tmp_path))}
    assert found["ct/002.dcm"] == ("SEG001", "is empty (0 bytes)")
    assert found["ct/003.dcm"] == ("SEG001", "is not a DICOM file: it does not begin like one")
    assert "3 of the 4 referenced images" in found["a.dcm"][1]
    (tmp_path / "readme.txt").write_bytes(b"")
    assert len(met(read(tmp_path))) == 3, "files of other sorts are nobody's business"


@each_format
def test_pydicoms_remarks_are_findings_and_stay_off_the_terminal(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    series = write_ct(tmp_path / "ct", 2, SIZE)
    path = drawn_on(tmp_path, name, series)
    for each in (path, *series.paths):
        said = pydicom.dcmread(each)
        said.SpecificCharacterSet = "ISO_IR 100"
        data = _saved(said, each)
        each.write_bytes(data.replace(b"ISO_IR 100", b"ISO_IR 999"))
    dataset = read(tmp_path)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        found = list(validate(dataset, select=["SEG004"]).findings)
    assert {(each.file, each.severity) for each in found} == {("a.dcm", "info"), ("ct/001.dcm", "info")}
    assert all("ISO_IR 999" in each.message for each in found)
    assert "1 more files" in found[1].message
    assert len(read(tmp_path).segments) == 1
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    logging.getLogger("pydicom").warning("to be heard")
    assert [each.getMessage() for each in caplog.records] == ["to be heard"]


def _saved(said: object, path: Path) -> bytes:
    said.save_as(path)  # type: ignore[attr-defined]  # pydicom's dataset
    return path.read_bytes()


@each_format
@pytest.mark.parametrize(
    ("of_all", "own", "lost"),
    [
        ("model", (None, None), []),
        (None, ("human", "model"), []),
        (None, (None, "model"), []),
        (None, ("model", "model"), ["source"]),
        ("human", ("model", None), ["source"]),
        (None, ("consensus", None), ["source"]),
        ("consensus", (None, None), ["source"]),
    ],
)
def test_what_drew_comes_back_or_is_counted(
    tmp_path: Path, name: str, of_all: str | None, own: tuple[str | None, ...], lost: list[str]
) -> None:
    scene = [[(1, 5, box(0, 0, 3, 3)), (2, None, box(3, 3, 5, 4))], [], []]
    profile, batch = dicom_dataset(write_ct(tmp_path / "ct", 3, SIZE), scene)
    given = replace(
        batch,
        annotations=replace_column(batch.annotations, "source", [of_all] * 2),
        segments=replace_column(batch.segments, "source", own),
    )
    losses = assert_round_trip(find_format(name), profile, [given], tmp_path)
    assert list(dict.fromkeys(loss.kind for loss in losses.listed())) == lost


def test_attributes_and_places_come_back(tmp_path: Path) -> None:
    """Or are counted: what is tracked by a name, drawn with an algorithm's help, or lies at decimals of decimals."""
    given = tmp_path / "in"
    series = write_ct(given / "ct", 3, SIZE, origin=(-123.4567, 0.1, 1 / 3), spacing=(0.7, 0.3, 2.1))
    code = item(CodeValue="10200004", CodingSchemeDesignator="SCT", CodeMeaning="Liver")
    segments = [
        segment(1, "liver", TrackingID="lesion A", TrackingUID="1.3", SegmentedPropertyTypeCodeSequence=[code]),
        segment(2, "vessel", SegmentAlgorithmType="SEMIAUTOMATIC"),
        segment(3, "duct", SegmentAlgorithmType="SEMIAUTOMATIC", SegmentAlgorithmName="grow"),
    ]
    frames = [(number, k, box(number, 0, number + 1, 3)) for number in (1, 2, 3) for k in (0, 1, 2)]
    write_seg(given / "a.dcm", series, segments, frames)
    for to in ("dicom-seg", "rt-struct", "nifti", "nnunet"):
        done = convert(given, tmp_path / to, to=to, verify=True)
        assert done.proof is not None
        assert done.proof.holds, to
    assert diff(given, tmp_path / "dicom-seg").same


def test_attributes_of_other_formats_are_counted(tmp_path: Path) -> None:
    """Names that DICOM has a place for, with values that it has none for."""
    values = {
        "property_type": "liver",
        "tracking_id": 5,
        "algorithm_name": "x",
        "description": ["a"],
        "algorithm_type": 1,
    }
    profile, batch = dicom_dataset(write_ct(tmp_path / "ct", 3, SIZE), [[(1, 5, box(0, 0, 3, 3))], [], []])
    said = [[(key, json.dumps(value)) for key, value in sorted(values.items())]]
    given = replace(batch, segments=replace_column(batch.segments, "attributes", said))
    for name in ("dicom-seg", "rt-struct"):
        losses = assert_round_trip(find_format(name), profile, [given], tmp_path / name)
        assert [(loss.kind, loss.count) for loss in losses.listed()] == [("attributes", 1)]


@each_format
def test_without_dicom_images_it_says_what_is_needed(tmp_path: Path, name: str) -> None:
    sample = Path(__file__).parents[3] / "sample_data/panoptic"
    with pytest.raises(SegdataError, match="needs the DICOM file that was annotated"):
        convert(sample, tmp_path / "out", to=name)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnreadableError, match=r"no DICOM (segmentation|structure set)"):
        read(tmp_path, format=name)
