"""Folders that other programs leave inside a dataset hold none of its files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata


@pytest.mark.parametrize("folder", [".ipynb_checkpoints", "__MACOSX", "@eaDir", ".Trash-1000"])
def test_copies_in_the_folders_of_other_programs_are_not_read(tmp_path: Path, folder: str) -> None:
    for place in ("images", "masks", f"images/{folder}", f"masks/{folder}"):
        (tmp_path / place).mkdir()
        for k in range(4):
            image = np.zeros((32, 32), np.uint8)
            image[4 + k : 12 + k, 4:20] = 255
            Image.fromarray(image).save(tmp_path / place / f"{k}.png")
    data = segdata.read(tmp_path)
    assert sorted(data.images["image_id"]) == [f"{k}.png" for k in range(4)]
