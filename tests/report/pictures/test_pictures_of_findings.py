"""Which images are drawn, and what they are called."""

from dataclasses import replace
from pathlib import Path

import pytest

from segdata.core.batch import Batch, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.report.pictures import overlays
from segdata.testing.pictures import draw_picture


def dataset(n_images: int) -> OpenDataset:
    drawing = draw_picture("\n\n".join(["aa\naa"] * n_images))
    return OpenDataset(drawing, drawing.profile, Config())


def finding(image: str | None) -> Finding:
    return Finding(code="SEG106", rule="speck", severity="warning", message="m", image=image, bbox=(0, 0, 1, 1))


def test_each_image_with_findings_is_drawn_once(tmp_path: Path) -> None:
    found = [finding("2.png"), finding("2.png"), finding(None), finding("gone.png")]
    assert overlays.draw_findings(dataset(3), found, tmp_path) == f"1 picture in {tmp_path}"
    assert [path.name for path in tmp_path.iterdir()] == ["2.png.png"]


def test_every_image_has_a_file_of_its_own(tmp_path: Path) -> None:
    drawing = draw_picture("aa\naa\n\nbb\nbb\n\ncc\ncc")
    names = {"1.png": "a/b.png", "2.png": "a__b.png", "3.png": "../c.png"}

    class Renamed:
        profile = drawing.profile
        image_ids = tuple(names.values())

        def load(self, rows: object) -> Batch:
            batch = drawing.load(rows)
            return replace(
                batch, images=replace_column(batch.images, "image_id", [names[batch.images["image_id"][0].as_py()]])
            )

    data = OpenDataset(Renamed(), drawing.profile, Config())
    files = [path for name in names.values() for path in overlays.draw_image(data, name, (), tmp_path / "seen")]
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == {
        "seen/a/b.png.png", "seen/a__b.png.png", "seen/..%2Fc.png.png",
    }  # fmt: skip
    assert len(files) == 3


def test_no_more_than_fifty_are_drawn_and_it_is_said(tmp_path: Path) -> None:
    data = dataset(53)
    said = overlays.draw_findings(data, [finding(name) for name in data.image_ids], tmp_path)
    assert len(list(tmp_path.iterdir())) == overlays.MOST == 50
    assert said.endswith("; 3 more images with findings not drawn")


def test_images_are_found_by_id_or_end() -> None:
    data = dataset(2)
    assert overlays.find_image(data, "1.png") == "1.png"
    assert overlays.find_image(data, "2") == "2.png"
    assert overlays.find_image(data, "images/2.png") == "2.png"
    with pytest.raises(SegdataError, match="no image '7'"):
        overlays.find_image(data, "7")
