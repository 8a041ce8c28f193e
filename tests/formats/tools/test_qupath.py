"""QuPath's GeoJSON: the pixels whose centres are inside, as GDAL draws them, and what is written comes back.

The keys are those of QuPath's documentation ("Exporting annotations") and of its QuPathTypeAdapters, to 0.3 and since.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

import segdata
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import detect, find_format
from segdata.core.profile import Profile
from segdata.testing.pictures import masks_of_runs
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

SIZE = {"size": "40x60"}
SQUARE = [[2, 3], [12, 3], [12, 9], [2, 9], [2, 3]]


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": "8e0d9a7e-0000-4000-8000-000000000000",
        "geometry": geometry,
        "properties": {"objectType": "annotation", **properties},
    }


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def written(folder: Path, *features: Any, name: str = "a.geojson") -> Path:
    (folder / name).write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder


def masks(dataset: segdata.Dataset) -> list[np.ndarray]:
    return [mask for batch in dataset for mask in masks_of_runs(batch.runs, *batch.segment_size)]


@settings(max_examples=40)
@given(datasets())
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[Profile, list[Batch]]
) -> None:
    assume(any(batch.images.num_rows for batch in made[1]))
    assert_round_trip(find_format("qupath"), *made, tmp_path_factory.mktemp("q"))


@settings(max_examples=30)
@given(datasets(Details(several=False, extras=False)))
def test_of_plain_segments_all_is_held(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[Profile, list[Batch]]
) -> None:
    assume(any(batch.images.num_rows for batch in made[1]))
    losses = assert_round_trip(find_format("qupath"), *made, tmp_path_factory.mktemp("q"))
    assert {loss.kind for loss in losses.listed()} <= {"empty-annotation", "empty-segment", "segment-id", "crowd"}


@settings(max_examples=35)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(3, 7), min_size=1, max_size=3))
def test_the_pixels_are_those_of_gdal(tmp_path_factory: pytest.TempPathFactory, seed: int, counts: list[int]) -> None:
    """Also of rings that cross themselves and holes that leave their exterior, which GDAL fills by parity, too."""
    features = pytest.importorskip("rasterio.features")
    folder, rng = tmp_path_factory.mktemp("q"), np.random.default_rng(seed)
    rings = [[*ring, ring[0]] for ring in ((rng.random((count, 2)) * 66 - 3).tolist() for count in counts)]
    dataset = segdata.read(written(folder, feature(polygon(*rings))), options=SIZE)
    expected = features.rasterize([polygon(*rings)], (40, 60), all_touched=False).astype(bool)
    (mask,) = masks(dataset)
    assert (mask == expected).all()


@pytest.mark.parametrize(("x", "n"), [(4, 0), (7.5, 0), (20, 1)])
def test_a_hole_outside_of_its_outline(tmp_path: Path, x: float, n: int) -> None:
    hole = [[x, 4], [x + 2, 4], [x + 2, 6], [x, 6], [x, 4]]
    other = [[30, 4], [33, 4], [33, 6], [30, 4]]
    written(tmp_path, feature(polygon(SQUARE, hole)), feature(polygon(other)))
    findings = segdata.validate(tmp_path, options={"size": "40x40"}, select="SEG006").findings
    message = "has a hole that goes 10 px beyond its outline: there it is no hole, but filled"
    assert [(one.severity, message in one.message) for one in findings] == [("warning", True)] * n


def test_heights_of_points_are_left_out(tmp_path: Path) -> None:
    written(tmp_path, feature(polygon([[*point, 7] for point in SQUARE])), feature(polygon(SQUARE)))
    first, second = masks(segdata.read(tmp_path, options={"size": "40x40"}))
    np.testing.assert_array_equal(first, second)


def test_points_without_a_list_of_rings_are_the_ring(tmp_path: Path) -> None:
    written(tmp_path, feature({"type": "Polygon", "coordinates": SQUARE}), feature(polygon(SQUARE)))
    first, second = masks(segdata.read(tmp_path, options={"size": "40x40"}))
    np.testing.assert_array_equal(first, second)


def test_parts_holes_classes_and_attributes(tmp_path: Path) -> None:
    hole = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
    far = [[[20, 20], [24, 20], [24, 22], [20, 22], [20, 20]]]
    written(
        tmp_path,
        feature({"type": "MultiPolygon", "coordinates": [[SQUARE, hole], far]}, name="left", isLocked=True,
                classification={"name": "Tumor", "color": [200, 0, 0]}, measurements={"Area px^2": 64.5, "bad": None}),
        feature(polygon(SQUARE), classification={"names": ["Tumor", "Positive"], "colorRGB": -65536},
                metadata={"by": "x"}),
        feature(polygon(SQUARE), objectType="detection"),
        feature(polygon(SQUARE), classification={"name": "Ignore*"}),
        feature({"type": "Point", "coordinates": [3, 4]}),
        feature({**polygon(SQUARE), "plane": {"c": -1, "z": 3, "t": 0}}),
    )  # fmt: skip
    Image.new("L", (60, 40)).save(tmp_path / "a.tif")
    assert detect(tmp_path) == "qupath"
    dataset = segdata.read(tmp_path)
    assert list(dataset.images["image_id"]) == ["a.tif"]
    assert dataset.segments["category"].tolist() == ["Tumor", "Tumor: Positive", "Unclassified", "Ignore*"]
    assert dataset.segments["area"].tolist() == [64, 60, 60, 60]
    by_name = dataset.taxonomy.by_name()
    assert by_name["Tumor"].rgb == (200, 0, 0)
    assert by_name["Tumor: Positive"].rgb == (255, 0, 0)
    assert by_name["Ignore*"].kind == "void"
    attributes = [dict(each or ()) for each in dataset.segments["attributes"]]
    assert attributes[:3] == [
        {"name": '"left"', "Area px^2": "64.5", "bad": "null"},
        {"by": '"x"'},
        {"objectType": '"detection"'},
    ]
    (defect,) = dataset.source.defects
    assert defect.severity == "info"
    assert "1 Point" in defect.message
    assert "1 on other planes" in defect.message


def test_cells_have_two_outlines(tmp_path: Path) -> None:
    nucleus = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
    written(tmp_path, feature(polygon(SQUARE), objectType="cell") | {"nucleusGeometry": polygon(nucleus)})
    assert segdata.read(tmp_path, options=SIZE).segments["area"].tolist() == [60]
    assert segdata.read(tmp_path, options={**SIZE, "geometry": "nucleus"}).segments["area"].tolist() == [4]


@pytest.mark.parametrize("shape", ["list", "feature"])
def test_other_layouts(tmp_path: Path, shape: str) -> None:
    content: Any = feature(polygon(SQUARE))
    (tmp_path / "a.geojson").write_text(json.dumps([content] if shape == "list" else content))
    assert detect(tmp_path) == "qupath"
    assert segdata.read(tmp_path, options=SIZE).segments["area"].tolist() == [60]


def test_geojson_of_maps_is_not_claimed(tmp_path: Path) -> None:
    map_ = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {}, "geometry": polygon(SQUARE)}],
    }
    (tmp_path / "a.geojson").write_text(json.dumps(map_))
    with pytest.raises(SegdataError):
        detect(tmp_path)


@pytest.mark.parametrize(
    ("broken", "code", "words"),
    [
        (feature(polygon([[1, 1], [2, 2]])), "SEG006", "has 2 points"),
        (feature(polygon([[1, 1], [2, "x"], [3, 1], [1, 1]])), "SEG006", "not pairs of numbers"),
        (feature(polygon([[1, 1], [1e9, 2], [3, 1], [1, 1]])), "SEG006", "from the frame"),
        (feature({"type": "Circle"}), "SEG004", "'Circle', a Polygon or MultiPolygon is expected"),
        (feature({"type": "Polygon", "coordinates": []}), "SEG004", "a Polygon or MultiPolygon is expected"),
        (feature({"type": "MultiPolygon", "coordinates": [7]}), "SEG004", "a Polygon or MultiPolygon is expected"),
        (feature(None), "SEG004", "no geometry"),
        (7, "SEG004", "no geometry"),
    ],
)
def test_a_broken_object_is_named_and_the_others_are_read(tmp_path: Path, broken: Any, code: str, words: str) -> None:
    dataset = segdata.read(written(tmp_path, broken, feature(polygon(SQUARE))), options=SIZE)
    defects = [defect for batch in dataset for defect in batch.defects]
    assert [(each.code, each.file) for each in defects] == [(code, "a.geojson")]
    assert defects[0].place is not None
    assert defects[0].place.startswith("/features/0")
    assert words in defects[0].message
    assert dataset.segments["area"].tolist() == [60]


@pytest.mark.parametrize("content", ["", "{", '{"type": "FeatureCollection"}', "7"])
def test_a_broken_file_is_named_and_the_others_are_read(tmp_path: Path, content: str) -> None:
    written(tmp_path, feature(polygon(SQUARE)))
    (tmp_path / "b.geojson").write_text(content)
    dataset = segdata.read(tmp_path, options=SIZE)
    defects = [defect for batch in dataset for defect in batch.defects]
    assert {each.file for each in defects} == {"b.geojson"}
    assert len(dataset.segments) == 1


def test_without_a_size_the_remedy_is_named(tmp_path: Path) -> None:
    dataset = segdata.read(written(tmp_path, feature(polygon(SQUARE))))
    (defect,) = [defect for batch in dataset for defect in batch.defects]
    assert "give --images, or --read-option size=HEIGHTxWIDTH" in defect.message


def test_a_classification_may_be_its_name_alone(tmp_path: Path) -> None:
    written(tmp_path, feature(polygon(SQUARE), classification="Tumor"))
    assert [one.name for one in segdata.read(tmp_path, options=SIZE).taxonomy.categories] == ["Tumor"]
