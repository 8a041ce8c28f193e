"""DICOM-SEG: frames where they belong, whatever their order; what is written comes back, and highdicom reads it."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydicom
import pytest

from segdata import convert, diff, read
from segdata.core.errors import SegdataError
from segdata.core.format import detect
from segdata.testing.pictures import masks_of_runs
from tests.formats.medical.datasets import box as box_of
from tests.formats.medical.datasets import by_id, lists, met, whole
from tests.generators.dicom_files import CtSeries, item, segment, write_ct, write_seg

pytest.importorskip("highdicom")
SIZE = (5, 6)
box = partial(box_of, SIZE)
Mask = np.ndarray[Any, Any]


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
def test_frames_are_placed_by_position(tmp_path: Path, kind: str) -> None:
    series = write_ct(tmp_path / "ct", 4, SIZE)
    full = 2 if kind == "LABELMAP" else 255
    frames = [(None if kind == "LABELMAP" else 2, k, box(0, 0, k + 1, 2) * full) for k in (3, 0, 2)]
    both = [segment(1, "spleen"), segment(2, "liver")]
    write_seg(tmp_path / "seg.dcm", series, both, frames, kind=kind)
    dataset = read(tmp_path)
    assert detect(tmp_path) == detect(tmp_path / "seg.dcm") == "dicom-seg"
    assert met(dataset) == []
    assert lists(by_id(dataset)) == {(f"ct/{k + 1:03d}.dcm", 2): box(0, 0, k + 1, 2).tolist() for k in (0, 2, 3)}
    batch = whole(dataset)
    assert batch.annotation_image.tolist() == [0, 1, 2, 3], "a slice without a frame is annotated, and empty"
    assert batch.images["frame"].to_pylist() == [0, 1, 2, 3]
    assert set(batch.segments["track_id"].to_pylist()) == {2}
    assert set(batch.images["group"].to_pylist()) == {"patient-1"}
    assert batch.segments["place"].to_pylist() == ["frame 2", "frame 3", "frame 1"]


def test_a_fractional_segmentation_is_cut_where_the_option_says(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 1, SIZE)
    values = np.zeros(SIZE, np.uint8)
    values[0] = [0, 1, 127, 128, 254, 255]
    write_seg(tmp_path / "seg.dcm", series, [segment(1, "liver")], [(1, 0, values)], kind="FRACTIONAL")
    for threshold, pixels in ((None, 3), ("0.5", 3), ("1", 1), ("0.001", 5)):
        dataset = read(tmp_path, options={} if threshold is None else {"threshold": threshold})
        assert whole(dataset).runs.areas(1).tolist() == [pixels]
        (soft,) = met(dataset)
        assert (soft.code, soft.severity, soft.pixels) == ("SEG010", "info", 4)
    for wrong in ("0", "1.5", "half", "nan"):
        with pytest.raises(SegdataError, match="threshold"):
            read(tmp_path, options={"threshold": wrong})


def test_who_drew(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 1, SIZE)
    model = segment(1, "liver", SegmentAlgorithmType="AUTOMATIC", SegmentAlgorithmName="net 3")
    write_seg(tmp_path / "a.dcm", series, [model], [(1, 0, box(0, 0, 2, 2))])
    write_seg(
        tmp_path / "b.dcm", series, [segment(1, "liver")], [(1, 0, box(0, 0, 3, 2))], ContentCreatorName="Doe^Ann"
    )
    both = [segment(1, "liver", SegmentAlgorithmType="SEMIAUTOMATIC", SegmentAlgorithmName="grow"), segment(2, "liver")]
    write_seg(tmp_path / "c.dcm", series, both, [(1, 0, box(0, 0, 4, 2)), (2, 0, box(5, 0, 6, 1))])
    write_seg(tmp_path / "d.dcm", series, [segment(1, "liver")], [(1, 0, box(0, 0, 1, 1))])
    batch = whole(read(tmp_path))
    said = zip(*(batch.annotations[name].to_pylist() for name in ("annotator", "source")), strict=True)
    assert list(said) == [("net 3", "model"), ("Doe Ann", "human"), ("c", None), ("d", "human")]
    assert batch.segments["source"].to_pylist() == [None, None, None, "human", None]
    attributes = [dict(each) for each in batch.segments["attributes"].to_pylist()]
    assert attributes[2] == {"algorithm_type": '"SEMIAUTOMATIC"', "algorithm_name": '"grow"'}


def test_codes_and_tracking_are_attributes(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 1, SIZE)
    code = item(CodeValue="10200004", CodingSchemeDesignator="SCT", CodeMeaning="Liver")
    one = segment(1, "left", SegmentedPropertyTypeCodeSequence=[code], TrackingID="12", TrackingUID="1.2")
    other = segment(2, "right", TrackingID="lesion A", TrackingUID="1.3")
    write_seg(tmp_path / "a.dcm", series, [one, other], [(1, 0, box(0, 0, 2, 2)), (2, 0, box(3, 0, 4, 2))])
    dataset = read(tmp_path)
    assert dataset.taxonomy.by_name()["left"].definition == "Liver"
    rows = whole(dataset).segments.select(["track_id", "attributes"]).to_pylist()
    assert rows[0]["track_id"] == 12
    assert dict(rows[0]["attributes"])["property_type"] == '{"value": "10200004", "scheme": "SCT", "meaning": "Liver"}'
    assert (rows[1]["track_id"], dict(rows[1]["attributes"])["tracking_id"]) == (None, '"lesion A"')


def test_a_segment_without_a_label_is_told(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 1, SIZE)
    both = [segment(1, ""), segment(2, "right")]
    write_seg(tmp_path / "a.dcm", series, both, [(1, 0, box(0, 0, 2, 2)), (2, 0, box(3, 0, 4, 2))])
    dataset = read(tmp_path)
    (defect,) = [one for one in dataset.source.defects if one.code == "SEG004"]
    assert defect.message == "segment 1 has no SegmentLabel, which DICOM requires; read as 'segment 1'"
    assert {"segment 1", "right"} <= set(dataset.taxonomy.by_name())


@pytest.mark.parametrize(("numbers", "told"), [((7,), "7"), ((1, 3), "1, 3"), ((2, 1), None)])
def test_numbers_of_segments_follow_each_other(tmp_path: Path, numbers: tuple[int, ...], told: str | None) -> None:
    series = write_ct(tmp_path / "ct", 1, SIZE)
    frames = [(number, 0, box(k, 0, k + 1, 2)) for k, number in enumerate(numbers)]
    write_seg(tmp_path / "a.dcm", series, [segment(number, f"organ {number}") for number in numbers], frames)
    messages = [one.message for one in read(tmp_path).source.defects]
    assert messages == [
        f"segment numbers are {told}: DICOM asks for 1, 2, 3 … without a gap, and programs that count them take one "
        "for another"
    ] * (told is not None)


@pytest.mark.parametrize(("slices", "between", "is_told"), [((0, 1), 5.0, True), ((0, 1), None, False),
                                                           ((0, 2), 1.0, False), ((0, 2), 4.0, True)])  # fmt: skip
def test_a_distance_of_slices_that_frames_do_not_have(
    tmp_path: Path, slices: tuple[int, int], between: float | None, is_told: bool
) -> None:
    """Slices without the segment have no frame, so that the nearest two may lie a multiple of the distance apart."""
    series = write_ct(tmp_path / "ct", 3, SIZE)
    step = float(np.linalg.norm(np.subtract(series.position(1), series.position(0))))
    path = write_seg(tmp_path / "a.dcm", series, [segment(1, "liver")], [(1, k, box(0, 0, 2, 2)) for k in slices])
    if between is not None:
        data = pydicom.dcmread(path)
        measures = data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        measures.SpacingBetweenSlices = between * step
        data.save_as(path)
    messages = [one.message for one in read(tmp_path).source.defects]
    apart = step * (slices[1] - slices[0])
    assert [message.partition(":")[0] for message in messages] == [
        f"SpacingBetweenSlices is {(between or 0) * step:g} mm, and the nearest two frames lie {apart:g} mm apart"
    ] * is_told


def test_segments_numbered_from_zero_are_a_finding(tmp_path: Path) -> None:
    """They are read as their file numbers them."""
    series = write_ct(tmp_path / "ct", 1, SIZE)
    write_seg(tmp_path / "a.dcm", series, [segment(0, "liver")], [(0, 0, box(0, 0, 2, 2))])
    dataset = read(tmp_path)
    (defect,) = [one for one in dataset.source.defects if one.code == "SEG004"]
    assert defect.message == "segment 0: DICOM counts segments from 1, and programs take 0 for the background"
    assert dataset.segments["area"].tolist() == [int(np.sum(box(0, 0, 2, 2)))]


def test_without_the_images_it_has_slices_of_its_own(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 3, SIZE)
    write_seg(tmp_path / "seg/a.dcm", series, [segment(1, "liver")], [(1, k, box(0, 0, 1 + k, 1)) for k in (2, 0)])
    dataset = read(tmp_path / "seg")
    assert [(each.code, each.severity) for each in met(dataset)] == [("SEG002", "info")]
    assert lists(by_id(dataset)) == {
        ("a.dcm/0000", 1): box(0, 0, 1, 1).tolist(),
        ("a.dcm/0001", 1): box(0, 0, 3, 1).tolist(),
    }
    assert whole(dataset).images["source_id"].to_pylist() == [series.uids[0], series.uids[2]]
    there = read(tmp_path / "seg", images=tmp_path / "ct")
    assert sorted(by_id(there)) == [("001.dcm", 1), ("003.dcm", 1)]
    assert len(there) == 3


def test_a_grid_of_its_own_is_not_put_on_the_images(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 2, SIZE)
    finer = CtSeries([], series.uids, (10, 12), series.origin, (0.25, 0.25, 2.0))
    write_seg(tmp_path / "a.dcm", finer, [segment(1, "liver")], [(1, 0, np.ones((10, 12), bool))])
    dataset = read(tmp_path)
    assert list(by_id(dataset)) == [("a.dcm", 1)]
    assert met(dataset) == []


def test_a_place_that_contradicts_the_images_it_refers_to(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "ct", 2, SIZE)
    wider = CtSeries([], series.uids, SIZE, series.origin, (2.0, 2.0, 2.0))
    write_seg(tmp_path / "a.dcm", wider, [segment(1, "liver")], [(1, k, np.ones(SIZE, bool)) for k in range(2)])
    (defect,) = met(read(tmp_path))
    assert defect.code == "SEG017"
    assert "its pixels are 2 x 2 mm apart, those of the image" in defect.message
    frames = [(1, 0, np.ones(SIZE, bool))]
    write_seg(tmp_path / "a.dcm", series, [segment(1, "liver")], frames, FrameOfReferenceUID="1.2.3")
    (defect,) = met(read(tmp_path))
    assert (defect.code, "frame of reference" in defect.message) == ("SEG017", True)


def test_an_orientation_that_contradicts_the_images_it_refers_to(tmp_path: Path) -> None:
    """Labels whose rows run along the columns of the scan lie on it, but programs show them mirrored."""
    series = write_ct(tmp_path / "ct", 2, (8, 8))
    write_seg(tmp_path / "a.dcm", series, [segment(1, "liver")], [(1, k, np.ones((8, 8), bool)) for k in range(2)])
    data = pydicom.dcmread(tmp_path / "a.dcm")
    data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 1, 0, 0]
    data.save_as(tmp_path / "a.dcm")
    (defect,) = met(read(tmp_path))
    assert (defect.code, defect.severity) == ("SEG017", "warning")
    assert defect.message.startswith("its rows and columns run another way than those of the image")


def test_dcmqis_liver_is_that_of_its_nrrd_file(real_data: Path, tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    folder = real_data / "peer_fixtures/dicom_seg/dcmqi"
    dataset = read(folder)
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "liver_seg.nrrd"))) > 0
    batch = whole(dataset)
    frames = batch.images["frame"].to_pylist()
    for mask, image in zip(masks_of_runs(batch.runs, *batch.segment_size), batch.segment_image, strict=True):
        np.testing.assert_array_equal(mask, truth[frames[image]])
    assert batch.runs.areas(3).sum() == 107098
    assert met(dataset) == []
    convert(dataset, tmp_path / "nifti", to="nifti")
    written = sitk.ReadImage(str(next((tmp_path / "nifti").rglob("*.nii.gz"))))
    reference = sitk.ReadImage(str(folder / "liver_seg.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written) > 0, truth)
    np.testing.assert_allclose(written.GetOrigin(), reference.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(written.GetDirection(), reference.GetDirection(), atol=1e-6)
    convert(folder, tmp_path / "seg", to="dicom-seg", on_loss="error")
    assert diff(dataset, read(tmp_path / "seg")).same


def test_highdicoms_own_files(real_data: Path) -> None:
    areas = read(real_data / "peer_fixtures/dicom_seg/highdicom").segments.groupby("file")["area"].sum().to_dict()
    assert areas == {
        "seg_image_ct_binary.dcm": 638,
        "seg_image_ct_binary_overlap.dcm": 80,
        "seg_image_ct_binary_single_frame.dcm": 1832,
    }


@pytest.mark.parametrize(
    ("label", "code", "names"),
    [("Background", "1", ["liver"]), ("nothing", "125040", ["liver"]), ("air", "1", ["air", "liver"])],
)
def test_segment_0_of_a_label_map_may_be_the_background(
    tmp_path: Path, label: str, code: str, names: list[str]
) -> None:
    """By its label or its code it is what is not labelled; any other segment 0 is a segment."""
    series = write_ct(tmp_path / "ct", 1, SIZE)
    kind = [item(CodeValue=code, CodingSchemeDesignator="DCM", CodeMeaning="of no matter")]
    segments = [segment(0, label, SegmentedPropertyTypeCodeSequence=kind), segment(1, "liver")]
    write_seg(tmp_path / "seg.dcm", series, segments, [(None, 0, box(0, 0, 2, 2))], kind="LABELMAP")
    dataset = read(tmp_path)
    assert sorted(category.name for category in dataset.taxonomy.categories) == names
    assert sorted(whole(dataset).runs.areas(len(names)).tolist()) == [4, 26][: len(names)]


@pytest.mark.parametrize("n_placeless", [0, 1, 2])
def test_frames_without_a_place_are_told_if_none_has_one(tmp_path: Path, n_placeless: int) -> None:
    pydicom = pytest.importorskip("pydicom")
    series = write_ct(tmp_path / "ct", 2, SIZE)
    frames = [(1, k, np.ones(SIZE, bool)) for k in range(2)]
    write_seg(tmp_path / "a.dcm", series, [segment(1, "liver")], frames)
    data = pydicom.dcmread(tmp_path / "a.dcm")
    for frame in data.PerFrameFunctionalGroupsSequence[:n_placeless]:
        del frame.PlanePositionSequence
    data.save_as(tmp_path / "a.dcm")
    told = [defect.severity for defect in met(read(tmp_path)) if "no frame has a place" in defect.message]
    assert told == ["warning"] * (n_placeless == 2)


@pytest.mark.parametrize("order", ["little", "big"])
def test_bits_in_the_other_order_are_told(tmp_path: Path, order: Literal["little", "big"]) -> None:
    pydicom = pytest.importorskip("pydicom")
    side = 64
    rows, columns = np.ogrid[:side, :side]
    disc = (rows - 30) ** 2 + (columns - 29) ** 2 < 500
    series = write_ct(tmp_path / "ct", 5, (side, side))
    write_seg(tmp_path / "a.dcm", series, [segment(1, "liver")], [(1, k, disc) for k in range(5)])
    data = pydicom.dcmread(tmp_path / "a.dcm")
    bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")
    data.PixelData = np.packbits(bits, bitorder=order).tobytes()
    data.save_as(tmp_path / "a.dcm")
    told = [defect.severity for defect in met(read(tmp_path)) if "bits of each byte" in defect.message]
    assert told == ["warning"] * (order == "big")
