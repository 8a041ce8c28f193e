"""Regions of interest from a folder of masks: paired by name, checked, and respected by what is judged."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.config import Config, Layers
from segdata.core.errors import SegdataError


def save(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)


@pytest.fixture
def vessels(tmp_path: Path) -> Path:
    """Two images with a vessel each, and the fields of view of both."""
    inside = np.zeros((6, 8), np.uint8)
    inside[:, :4] = 255
    for name in ("a", "b"):
        save(tmp_path / "d/images" / f"{name}.png", np.zeros((6, 8)))
        vessel = np.zeros((6, 8), np.uint8)
        vessel[2, 1:7] = 255
        save(tmp_path / "d/vessel" / f"{name}.png", vessel)
        save(tmp_path / "fov" / f"{name}_mask.png", inside)
    return tmp_path


def opened(folder: Path) -> segdata.Dataset:
    config = Config(layers=Layers("vessel/{stem}.png", category="vessel"), coverage="exhaustive")
    return segdata.read(folder / "d", config=config, format="layers", roi=folder / "fov")


def test_only_what_lies_inside_is_judged(vessels: Path) -> None:
    findings = segdata.validate(opened(vessels), select=["SEG101"]).findings
    assert [finding.pixels for finding in findings] == [6 * 4 - 3] * 2


def test_regions_survive_in_the_canonical_dataset(vessels: Path) -> None:
    segdata.convert(opened(vessels), vessels / "c")
    assert segdata.read(vessels / "c").images["roi"].notna().all()
    findings = segdata.validate(vessels / "c", select=["SEG101"]).findings
    assert [finding.pixels for finding in findings] == [6 * 4 - 3] * 2


def test_regions_that_do_not_serve_are_findings(vessels: Path) -> None:
    save(vessels / "fov/a_mask.png", np.ones((3, 3)))
    path = vessels / "fov/b_mask.png"
    path.write_bytes(path.read_bytes()[:30])
    findings = segdata.validate(opened(vessels), select=["SEG0"]).findings
    assert [(each.code, each.file, each.image) for each in findings] == [
        ("SEG001", "b_mask.png", "b.png"),
        ("SEG003", "a_mask.png", "a.png"),
    ]


def test_a_folder_without_any_is_misuse(vessels: Path) -> None:
    (vessels / "fov/a_mask.png").rename(vessels / "fov/x.png")
    (vessels / "fov/b_mask.png").rename(vessels / "fov/y.png")
    with pytest.raises(SegdataError, match="no mask there has the name of an image"):
        opened(vessels)
