"""Areas on the ground, in the order of the segments, through conversions."""

from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata.core.rasterfile import create_raster

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
