"""Where a volume lies in the world is kept or counted, by every format."""

from pathlib import Path

import numpy as np
import pytest

from segdata import convert
from segdata.core.errors import SegdataError
from segdata.core.format import Format, formats
from segdata.core.taxonomy import Category, Taxonomy
from tests.generators.nifti_files import write_nifti

pytest.importorskip("nibabel")
PLACED = np.array([[-1.5, 0, 0, 10], [0, 1, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])
LIVER = Taxonomy(categories=(Category(id=1, name="liver"),))
WRITTEN = [each for each in formats().values() if each.write is not None]


@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
def test_the_place_of_a_volume_is_kept_or_counted(each: Format, tmp_path: Path) -> None:
    voxels = np.zeros((6, 5, 2), np.uint8)
    voxels[1:4, 1:3] = 1
    volume = write_nifti(tmp_path / "liver.nii.gz", voxels, sform=PLACED)
    target = tmp_path / f"written{each.file_suffixes[0] if each.file_suffixes else ''}"
    try:
        result = convert(volume, target, to=each.name, taxonomy=LIVER, verify=True)
    except SegdataError as error:
        pytest.skip(f"{each.name} refuses a volume of livers: {error}")
    assert result.proof is not None
    assert result.proof.unexplained == ()
    assert {loss.kind for loss in result.losses} <= each.losses
