"""Datasets of annotation tools: rings of zero area, and the image files that labels name."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import segdata
from segdata.formats.shared.per_image import ImageEntry
from segdata.formats.tools.source import first_image, image_folders, nearest_name, unlisted_images

LINE, CORNER = [[5, 5], [15, 12], [25, 19]], [[5, 5], [20, 5], [20, 20]]
WIDTH, HEIGHT = 60, 40


def via(folder: Path) -> Path:
    regions = [
        {
            "shape_attributes": {
                "name": "polygon",
                "all_points_x": [x for x, _ in ring],
                "all_points_y": [y for _, y in ring],
            },
            "region_attributes": {"class": "car"},
        }
        for ring in (CORNER, LINE)
    ]
    return said(folder / "via.json", {"a.png1": {"filename": "a.png", "size": 1, "regions": regions}})


def label_studio(folder: Path) -> Path:
    results = [
        {
            "id": f"r{row}",
            "type": "polygonlabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": WIDTH,
            "original_height": HEIGHT,
            "value": {
                "points": [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in ring],
                "closed": True,
                "polygonlabels": ["car"],
            },
        }
        for row, ring in enumerate((CORNER, LINE))
    ]
    return said(
        folder / "tasks.json", [{"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "result": results}]}]
    )


def cvat(folder: Path) -> Path:
    shapes = "".join(
        f'<polygon label="car" points="{";".join(f"{x},{y}" for x, y in ring)}"/>' for ring in (CORNER, LINE)
    )
    image = f'<image id="0" name="a.png" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'
    path = folder / "annotations.xml"
    path.write_text(f"<annotations><version>1.1</version>{image}</annotations>")
    return path


def labelme(folder: Path) -> Path:
    shapes = [{"label": "car", "points": ring, "shape_type": "polygon"} for ring in (CORNER, LINE)]
    size = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
    return said(folder / "a.json", {"imagePath": "a.png", "imageData": None, **size, "shapes": shapes})


def said(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


PLACES = {
    via: "/a.png1/regions/1/shape_attributes",
    label_studio: "/0/annotations/0/result/1/value/points",
    cvat: "/annotations/image[1]/polygon[2]",
}


@pytest.mark.parametrize("make", PLACES, ids=lambda make: make.__name__)
def test_a_ring_without_area_is_kept_and_told_once(tmp_path: Path, make: Any) -> None:
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "a.png")
    found = segdata.validate(make(tmp_path), select=["SEG006", "SEG105"]).findings
    assert [(each.code, each.place, each.fix) for each in found] == [("SEG006", PLACES[make], "safe")]
    done = segdata.convert(make(tmp_path), tmp_path / "out")
    assert (done.n_segments, done.losses) == (2, ())


def test_where_edges_are_pixels_a_line_is_a_segment(tmp_path: Path) -> None:
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "a.png")
    assert segdata.validate(labelme(tmp_path), select=["SEG006", "SEG105"]).findings == ()
    assert min(segdata.read(labelme(tmp_path)).segments["area"]) > 10


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_pictures_are_beside_the_files_or_in_a_folder_of_images(tmp_path: Path) -> None:
    inside, next_to = _touch(tmp_path / "here/images/a.png"), _touch(tmp_path / "images/b.png")
    folders = image_folders(tmp_path / "here", None)
    assert first_image(folders, ["none.png", "a.png"]) == inside
    assert first_image(folders, ["b.png"]) == next_to
    assert nearest_name(folders, "A.jpg") == "a.png"
    assert nearest_name(folders, "c.png") is None


def test_where_the_user_says_is_the_only_place(tmp_path: Path) -> None:
    _touch(tmp_path / "a.png")
    other = _touch(tmp_path / "other/b.png")
    folders = image_folders(tmp_path, tmp_path / "other")
    assert first_image(folders, ["a.png"]) is None
    assert first_image(folders, ["b.png"]) == other


def test_only_neighbours_of_listed_pictures_are_missed(tmp_path: Path) -> None:
    """A picture in a folder of which nothing is listed may belong to anything."""
    listed = _touch(tmp_path / "batch/a.png")
    _touch(tmp_path / "batch/b.png")
    _touch(tmp_path / "logos/c.png")
    found = unlisted_images(image_folders(tmp_path, None), [ImageEntry("a.png", listed)], "VIA")
    assert [(each.code, each.image, each.message) for each in found] == [
        ("SEG011", "batch/b.png", "an image that no VIA file lists")
    ]
