"""XML of Aperio ImageScope: layers are classes, regions are polygons at full resolution, negative regions are holes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata


def region(id: int, *points: tuple[float, float], **said: object) -> str:
    attributes = "".join(f' {key}="{value}"' for key, value in {"Id": id, "Type": 0, **said}.items())
    vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in points)
    return f"<Region{attributes}><Attributes/><Vertices>{vertices}</Vertices></Region>"


def layer(id: int, *regions: str, name: str = "", attribute: str = "Description") -> str:
    said = f'<Attributes><Attribute Name="{attribute}" Id="0" Value=""/></Attributes>'
    regions_text = f"<Regions>{''.join(regions)}</Regions>"
    return f'<Annotation Id="{id}" Name="{name}" LineColor="65280">{said}{regions_text}</Annotation>'


def box(x: float, y: float, side: float) -> list[tuple[float, float]]:
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


def save(path: Path, *layers: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<Annotations MicronsPerPixel="0.25">{"".join(layers)}</Annotations>')


@pytest.mark.parametrize("folder", ["", "labels/"])
def test_layers_are_classes_and_negative_regions_are_holes(tmp_path: Path, folder: str) -> None:
    """The images of MoNuSeg lie in another folder than its XML files."""
    images = tmp_path / ("images" if folder else "")
    images.mkdir(exist_ok=True)
    for name in "ab":
        Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(images / f"{name}.tif")
    whole, hole = region(1, *box(2, 3, 10)), region(2, *box(4, 5, 4), NegativeROA=1, InputRegionId=1)
    ruler = region(3, (1, 1), (9, 9), Type=4)
    save(
        tmp_path / f"{folder}a.xml", layer(1, whole, hole, ruler, name="tumour"), layer(2, region(1, *box(20.5, 3, 2)))
    )
    save(tmp_path / f"{folder}b.xml", layer(1, region(1, *box(0, 0, 5)), attribute="Epithelial"))
    data = segdata.read(tmp_path)
    told = sorted(zip(data.segments["category"], data.segments["area"], strict=True))
    assert told == [("Epithelial", 25), ("Unclassified", 4), ("tumour", 84)]
    assert {category.rgb for category in data.taxonomy.categories} == {(0, 255, 0), None}
    messages = [each.message for each in data.validate().findings]
    assert any("LineString" in message for message in messages)
    assert not [message for message in messages if "without labels" in message or "not found" in message]


def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(tmp_path / "a.tif")
    lost = region(2, *box(30, 30, 3), NegativeROA=1, InputRegionId=9)
    ellipse, broken = region(3, (1, 1), (5, 5), Type=2), region(4, *box(1, 1, 3)).replace('X="1"', 'X="one"', 1)
    save(tmp_path / "a.xml", layer(1, region(1, *box(2, 3, 10)), lost, ellipse, broken))
    (tmp_path / "b.xml").write_text("<Annotations><Annotation><Regions>")
    data = segdata.read(tmp_path)
    assert len(data.segments) == 1
    findings = data.validate(select=["SEG001", "SEG004"]).findings
    told = {(each.code, each.place) for each in findings if each.file == "a.xml"}
    assert told == {("SEG004", f"Annotation 1, Region {number}") for number in (2, 3, 4)}
    assert "SEG001" in [each.code for each in findings if each.file == "b.xml"]
