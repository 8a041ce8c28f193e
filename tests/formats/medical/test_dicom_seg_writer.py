"""DICOM-SEG written: it comes back, or is counted, and highdicom reads it."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata import convert, diff, read
from segdata.core.losses import LossCounter
from segdata.formats.medical.dicom_seg import write
from tests.formats.medical.datasets import box as box_of
from tests.generators.dicom_files import dicom_dataset, segment, write_ct, write_seg

pytest.importorskip("highdicom")
SIZE = (5, 6)
box = partial(box_of, SIZE)
Mask = np.ndarray[Any, Any]


def test_highdicom_reads_what_is_written(tmp_path: Path) -> None:
    import highdicom

    scene = [[(1, 5, box(0, 0, 3, 3)), (2, None, box(1, 1, 4, 4))], [(1, 5, box(2, 2, 4, 5))], []]
    profile, batch = dicom_dataset(write_ct(tmp_path / "ct", 3, SIZE), scene)
    losses = LossCounter()
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
