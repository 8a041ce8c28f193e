"""NIfTI voxels: those that are no labels are found, and counted as lost."""

from pathlib import Path

import numpy as np
import pytest

from segdata import Dataset, convert, read
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from tests.generators.nifti_files import write_nifti

pytest.importorskip("nibabel")
PLACED = np.array([[-1.5, 0, 0, 10], [0, 1, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])


def whole(dataset: Dataset) -> Batch:
    batch = concatenate_batches(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


def met(dataset: Dataset) -> list[Defect]:
    return [*dataset.source.defects, *whole(dataset).defects]


@pytest.mark.parametrize(
    ("values", "broken", "rounded"),
    [([1, 2.5, 0, 0], 1, 0), ([1, np.nan, np.inf, 0], 2, 0), ([1, 1.9995, 0, 0], 0, 1), ([1, 1e12, 0, 0], 1, 0)],
)
def test_voxels_that_are_no_labels(tmp_path: Path, values: list[float], broken: int, rounded: int) -> None:
    voxels = np.array(values, np.float64).reshape(2, 2, 1)
    dataset = read(write_nifti(tmp_path / "a.nii", voxels, sform=PLACED))
    found = [each for each in met(dataset) if each.code == "SEG017"]
    assert [each.pixels for each in found if each.severity is None] == [broken] * bool(broken)
    assert sum(each.severity == "info" for each in found) == rounded
    if broken:
        assert found[0].place is not None
        assert found[0].file == "a.nii"


def test_voxels_that_are_left_out_are_a_loss(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", np.array([[[1], [2.5]], [[0], [1.9999]]]), sform=PLACED)
    done = convert(path, tmp_path / "out", to="canonical")
    assert [(loss.kind, loss.count) for loss in done.losses if loss.kind == "unreadable"] == [("unreadable", 1)]
    with pytest.raises(SegdataError, match="unreadable"):
        convert(path, tmp_path / "strict", to="canonical", on_loss="error")
