"""DICOM-SEG written: it comes back, or is counted, and highdicom reads it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from segdata import Dataset, convert, diff, read
from segdata.core.batch import Batch, concatenate, replaced
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import format_named
from segdata.core.loss import Losses
from segdata.formats.dicom_seg import write
from segdata.testing.dicom_files import item, segment, write_ct, write_seg
from segdata.testing.dicom_scenes import Scene, dataset_of, scenes
from segdata.testing.round_trip import assert_round_trip

pytest.importorskip("highdicom")
SIZE = (5, 6)
Mask = np.ndarray[Any, Any]


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def whole(dataset: Dataset) -> Batch:
    batch = concatenate(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


@settings(max_examples=12)
@given(scene=scenes(3, SIZE))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, scene: Scene) -> None:
    folder = tmp_path_factory.mktemp("law")
    profile, batch = dataset_of(write_ct(folder / "ct", 3, SIZE), scene)
    losses = assert_round_trip(format_named("dicom-seg"), profile, [batch], folder)
    assert {loss.kind for loss in losses.listed()} <= {"empty-segment", "segment-id", "instance"}


def test_highdicom_reads_what_is_written(tmp_path: Path) -> None:
    import highdicom

    scene = [[(1, 5, box(0, 0, 3, 3)), (2, None, box(1, 1, 4, 4))], [(1, 5, box(2, 2, 4, 5))], []]
    profile, batch = dataset_of(write_ct(tmp_path / "ct", 3, SIZE), scene)
    losses = Losses()
    write(profile, [batch], tmp_path / "out", losses)
    assert losses.listed() == []
    (path,) = (tmp_path / "out/segmentations").iterdir()
    found = highdicom.seg.segread(path)
    assert found.number_of_segments == 2
    assert str(found.ContentCreatorName) == "Ann"
    described = found.get_segment_description(1)
    assert (described.segment_label, described.algorithm_type.value) == ("Lebér / 水", "AUTOMATIC")
    assert (described.algorithm_identification.name, described.tracking_id) == ("Ann", "5")
    sources = [each.ReferencedSOPInstanceUID for each in found.ReferencedSeriesSequence[0].ReferencedInstanceSequence]
    pixels = found.get_pixels_by_source_instance(sources, combine_segments=False)
    assert pixels.shape == (2, *SIZE, 2)
    np.testing.assert_array_equal(pixels[0, :, :, 0] > 0, box(0, 0, 3, 3))
    np.testing.assert_array_equal(pixels[0, :, :, 1] > 0, box(1, 1, 4, 4))
    np.testing.assert_array_equal(pixels[1, :, :, 0] > 0, box(2, 2, 4, 5))


def test_each_annotator_has_an_object_of_their_own(tmp_path: Path) -> None:
    given = tmp_path / "in"
    series = write_ct(given / "ct", 2, SIZE)
    for name, who in (("a", "Ann"), ("b", "Bob")):
        frames = [(1, 0, box(0, 0, 2, 2))]
        write_seg(given / f"{name}.dcm", series, [segment(1, "liver")], frames, ContentCreatorName=who)
    done = convert(given, tmp_path / "out", to="dicom-seg", on_loss="error")
    assert done.n_segments == 2
    assert len(list((tmp_path / "out/segmentations").iterdir())) == 2
    assert diff(read(given), read(tmp_path / "out")).same


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


@pytest.mark.parametrize("name", ["dicom-seg", "rt-struct"])
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
    profile, batch = dataset_of(write_ct(tmp_path / "ct", 3, SIZE), scene)
    given = replace(
        batch,
        annotations=replaced(batch.annotations, "source", [of_all] * 2),
        segments=replaced(batch.segments, "source", own),
    )
    losses = assert_round_trip(format_named(name), profile, [given], tmp_path)
    assert list(dict.fromkeys(loss.kind for loss in losses.listed())) == lost


def test_attributes_of_other_formats_are_counted(tmp_path: Path) -> None:
    """Names that DICOM has a place for, with values that it has none for."""
    values = {
        "property_type": "liver",
        "tracking_id": 5,
        "algorithm_name": "x",
        "description": ["a"],
        "algorithm_type": 1,
    }
    profile, batch = dataset_of(write_ct(tmp_path / "ct", 3, SIZE), [[(1, 5, box(0, 0, 3, 3))], [], []])
    said = [[(key, json.dumps(value)) for key, value in sorted(values.items())]]
    given = replace(batch, segments=replaced(batch.segments, "attributes", said))
    for name in ("dicom-seg", "rt-struct"):
        losses = assert_round_trip(format_named(name), profile, [given], tmp_path / name)
        assert [(loss.kind, loss.count) for loss in losses.listed()] == [("attributes", 1)]


def test_without_dicom_images_it_says_what_is_needed(tmp_path: Path) -> None:
    sample = Path(__file__).parents[3] / "sample_data/panoptic"
    with pytest.raises(SegdataError, match="needs the DICOM file that it was drawn on"):
        convert(sample, tmp_path / "out", to="dicom-seg")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnreadableError, match="no DICOM segmentation"):
        read(tmp_path, format="dicom-seg")
