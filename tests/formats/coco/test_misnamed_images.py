"""Images that createPanopticImgs.py misnames are found all the same, and that is said once."""

from pathlib import Path

import pytest

from segdata import read
from tests.generators.traps.street_scenes import names_of_images_that_are_not_there


@pytest.mark.parametrize("given", [None, "leftImg8bit", "leftImg8bit/train"])
def test_images_of_cityscapes_panoptic(tmp_path: Path, given: str | None) -> None:
    truth = names_of_images_that_are_not_there(tmp_path)
    dataset = read(tmp_path / truth.open, images=None if given is None else tmp_path / given)
    (batch,) = dataset
    (uri,) = batch.images["uri"].to_pylist()
    assert Path(uri) == tmp_path / "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"
    assert [(each.code, each.severity) for each in (*dataset.source.defects, *batch.defects)] == [("SEG002", "info")]
    assert "1 image name such as" in dataset.source.defects[0].message


def test_other_names_are_not_touched(tmp_path: Path) -> None:
    truth = names_of_images_that_are_not_there(tmp_path)
    document = tmp_path / truth.open
    document.write_text(document.read_text().replace("_gtFine_leftImg8bit", "_other"))
    dataset = read(document)
    assert ["the image file was not found in" in each.message for each in dataset.source.defects] == [True]
