"""Listing: a row for everything that was drawn, as a table and as CSV."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import segdata
from segdata.core.errors import SegdataError
from segdata.core.tiff_files import create_raster

SAMPLE = Path(__file__).parents[2] / "sample_data" / "panoptic"


def test_rows_are_the_segments_with_pixels(tmp_path: Path) -> None:
    rows, segments = segdata.objects(SAMPLE), segdata.read(SAMPLE).segments
    drawn = segments[segments["area"] > 0]
    assert rows["area_px"].sum() == drawn["area"].sum()
    assert sorted(zip(rows["image_id"], rows["segment_id"], strict=True)) == sorted(
        zip(drawn["image_id"], drawn["segment_id"].astype(str), strict=True)
    )
    assert (rows["feret_px"] <= rows["perimeter_px"]).all()
    assert segdata.write_objects(SAMPLE, tmp_path / "new" / "o.csv", jobs=2) == len(rows)
    read = pd.read_csv(tmp_path / "new" / "o.csv", dtype={"segment_id": str})
    assert list(read.columns) == list(rows.columns)
    pd.testing.assert_series_equal(read["length_px"], rows["length_px"])
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "o.csv"]


def test_a_target_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SegdataError, match="cannot be written"):
        segdata.write_objects(SAMPLE, tmp_path / "file" / "o.csv")


rasterio = pytest.importorskip("rasterio")


def test_areas_go_with_the_segments(tmp_path: Path) -> None:
    at = rasterio.Affine(0.5, 0.0, 4e5, 0.0, -0.5, 5.8e6)
    (tmp_path / "masks").mkdir()
    for name, crs in (("a.tif", "EPSG:32633"), ("b.tif", None)):
        said = {"width": 3, "height": 2, "count": 1, "dtype": "uint8", "crs": crs, "transform": at}
        with create_raster(tmp_path / "masks" / name, **said) as raster:
            raster.write(np.array([[[1, 1, 2], [2, 2, 2]]], np.uint8))
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}, {id: 2, name: b}]\n")
    segdata.convert(tmp_path, tmp_path / "canonical")
    for place in (tmp_path, tmp_path / "canonical"):
        areas = segdata.areas_m2(place, format="geotiff" if place == tmp_path else None)
        np.testing.assert_array_equal(areas, [0.5, 1.0, np.nan, np.nan])
        assert len(areas) == len(segdata.read(place, format="geotiff" if place == tmp_path else None).segments)


def test_without_segments_there_are_none() -> None:
    assert segdata.areas_m2(segdata.from_arrays({"a.png": np.zeros((2, 2), np.uint8)}, ["a"])).tolist() == []
