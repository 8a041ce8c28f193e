"""What a COCO document can list: nothing of an unknown category, and no void; both are counted."""

from pathlib import Path

import pytest

from segdata.api.convert import convert
from segdata.api.read import read
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.testing.pictures import draw_picture


@pytest.mark.parametrize("to", ["coco-instances", "coco-panoptic"])
def test_unknown_categories_and_void_are_left_out_and_counted(tmp_path: Path, to: str) -> None:
    drawing = draw_picture("aabbb\naabbb\nccccd\n\na: car\nb: cra (unknown)\nc: nothing (void)\nd: car")
    source = OpenDataset(drawing, drawing.profile, Config())
    result = convert(source, tmp_path / "out.json", to=to, verify=True)
    listed = {each.kind: (each.count, each.pixels) for each in result.losses if each.of == "segments"}
    assert listed == {"category": (1, 6), "void": (1, 4)}
    assert (result.verified, result.n_segments) == (2, 4)
    again = read(tmp_path / "out.json", format=to)
    assert [each.name for each in again.taxonomy.categories] == ["car"]
    assert {each.code for each in again.source.defects} == {"SEG002"}  # the picture has no image file
