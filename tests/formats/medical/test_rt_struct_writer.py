"""RT-STRUCT written: contours that were read are kept, others follow the edges of pixels; all comes back."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata import convert, diff, read
from segdata.core.batch import Batch
from segdata.core.losses import LossCounter
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.formats.medical.rt_struct import write
from tests.formats.medical.datasets import box as box_of
from tests.formats.medical.datasets import whole
from tests.generators.dicom_files import contour, dicom_dataset, write_ct, write_structures

pytest.importorskip("pydicom")
SIZE = (7, 9)
box = partial(box_of, SIZE)
Mask = np.ndarray[Any, Any]


def test_contours_that_were_read_are_written_again(tmp_path: Path) -> None:
    series = write_ct(tmp_path / "in/ct", 1, SIZE)
    ring = [(0.4, 0.7), (7.25, 1.125), (4.5, 5.375)]
    write_structures(tmp_path / "in/rt.dcm", series, [(1, "a", [contour(series, 0, ring)])])
    done = convert(tmp_path / "in", tmp_path / "out", to="rt-struct", on_loss="error")
    assert done.n_segments == 1
    before, after = (whole(read(tmp_path / each)).segments["rings"].to_pylist() for each in ("in", "out"))
    assert before == after == [[[value for point in ring for value in point]]]
    assert diff(read(tmp_path / "in"), read(tmp_path / "out")).same


def test_rings_that_do_not_give_the_pixels_are_counted(tmp_path: Path) -> None:
    profile, batch = dicom_dataset(write_ct(tmp_path / "ct", 1, SIZE), [[(1, None, box(0, 0, 3, 3))]])
    for ring, lost in (([0.0, 0, 3, 0, 3, 3, 0, 3], 0), ([0.0, 0, 4, 0, 4, 4], 1), ([0.0, 0, float("nan"), 1], 1)):
        segments = batch.segments.drop_columns(["rings"]).append_column(
            "rings",
            make_table(
                BATCH_SEGMENTS, 1, annotation=[0], category_id=[1], segment_id=[1], iscrowd=[False], rings=[[ring]]
            )["rings"],
        )
        given = Batch(batch.images, batch.annotations, segments.select(batch.segments.column_names), batch.runs)
        losses = LossCounter()
        write(profile, [given], tmp_path / f"out{lost}{len(ring)}", losses)
        assert {loss.kind: loss.count for loss in losses.listed()}.get("rings", 0) == lost


def test_other_programs_find_a_whole_structure_set(tmp_path: Path) -> None:
    """What readers need: numbers that agree, references to every image, points on their slice, holes as keyholes."""
    pydicom = pytest.importorskip("pydicom")
    scene = [[(1, 5, box(0, 0, 5, 5) & ~box(1, 1, 3, 3)), (2, None, box(6, 1, 8, 2))], [(1, 5, box(2, 2, 4, 5))]]
    series = write_ct(tmp_path / "ct", 2, SIZE)
    profile, batch = dicom_dataset(series, scene)
    write(profile, [batch], tmp_path / "out", LossCounter())
    (path,) = (tmp_path / "out/structures").iterdir()
    said = pydicom.dcmread(path)
    assert str(said.PatientName) == "Doe^Jane"
    assert [str(each.ROIName) for each in said.StructureSetROISequence] == ["Lebér / 水", "b"]
    liver, other = said.ROIContourSequence
    assert list(other.ROIDisplayColor) == [1, 2, 250]
    assert [each.ContourGeometricType for each in liver.ContourSequence] == ["CLOSED_PLANAR"] * 2
    first = liver.ContourSequence[0]
    assert first.ContourImageSequence[0].ReferencedSOPInstanceUID == series.uids[0]
    assert int(first.NumberOfContourPoints) * 3 == len(first.ContourData)
    assert {float(each) for each in first.ContourData[2::3]} == {40.0}
    assert str(said.RTROIObservationsSequence[0].ROIInterpreter) == "Ann"


def test_a_liver_goes_through_a_structure_set(real_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    folder = real_data / "peer_fixtures/dicom_seg/dcmqi"
    convert(folder, tmp_path / "rt", to="rt-struct")
    convert(tmp_path / "rt", tmp_path / "seg", to="dicom-seg")
    for there in ("rt", "seg"):
        again = read(tmp_path / there)
        assert whole(again).runs.areas(len(again.segments)).sum() == 107098
        assert not diff(read(folder), again).counts.keys() - {"rings-added", "attributes"}
