"""Areas on the ground: of the whole earth, of cells whose size is known, and of segments pixel by pixel."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import segdata
from segdata.core.batch import replace_column
from segdata.core.errors import SegdataError
from segdata.formats.geo.georeference import Georeference, row_areas_m2, segment_areas_m2

pytest.importorskip("rasterio")
DEGREES = Georeference("EPSG:4326", (1.0, 0.0, -180.0, 0.0, -1.0, 90.0))


def test_all_cells_are_the_earth() -> None:
    """WGS 84 has a surface of 510 065 621.724 km². Source: NIMA TR8350.2, third edition, table 3.5 (its radius R2)."""
    radius = 6371007.1809  # of the sphere of equal surface
    assert row_areas_m2(DEGREES, 180).sum() * 360 == pytest.approx(4 * math.pi * radius**2, rel=1e-9)


def test_a_cell_at_the_equator_is_its_sides() -> None:
    """One degree of longitude there is 111.319 491 km, one of latitude 110.574 km to either side."""
    small = Georeference("EPSG:4326", (1e-3, 0.0, 7.0, 0.0, -1e-3, 5e-4))
    assert row_areas_m2(small, 1)[0] == pytest.approx(111.319491 * 110.574276, rel=1e-6)


@pytest.mark.parametrize(
    ("crs", "transform", "area"),
    [
        ("EPSG:32633", (10.0, 0.0, 4e5, 0.0, -10.0, 5e6), 100.0),
        ("EPSG:32633", (3.0, -4.0, 0.0, 4.0, 3.0, 0.0), 25.0),  # turned
        ("EPSG:2263", (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), (1200 / 3937) ** 2),  # US survey feet
    ],
)
def test_projected_pixels_are_parallelograms(crs: str, transform: tuple[float, ...], area: float) -> None:
    assert row_areas_m2(Georeference(crs, transform), 3) == pytest.approx([area] * 3)  # type: ignore[arg-type]


def test_southern_rows_mirror_northern_ones() -> None:
    rows = row_areas_m2(DEGREES, 180)
    np.testing.assert_allclose(rows, rows[::-1])
    assert (np.diff(rows[:90]) > 0).all()


def test_a_sphere_is_a_sphere() -> None:
    """Without flattening: Archimedes' hat box."""
    wkt = 'GEOGCS["s",DATUM["s",SPHEROID["s",1000,0]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]'
    half = Georeference(wkt, (360.0, 0.0, -180.0, 0.0, -90.0, 90.0))
    assert row_areas_m2(half, 2) == pytest.approx([2 * math.pi * 1e6] * 2)


def test_what_has_no_areas() -> None:
    assert np.isnan(row_areas_m2(Georeference(), 3)).all()
    with pytest.raises(SegdataError, match="rotated against north"):
        row_areas_m2(Georeference("EPSG:4326", (1.0, 0.1, 0.0, 0.1, -1.0, 0.0)), 1)
    with pytest.raises(SegdataError, match="not a coordinate system"):
        row_areas_m2(Georeference("EPSG:1", (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)), 1)


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)))
def test_segments_are_the_sum_of_their_pixels(ids: np.ndarray) -> None:
    """In degrees, where each row counts differently, beside an image that lies nowhere."""
    batch = next(iter(segdata.from_arrays({"a.png": ids, "b.png": ids}, ["a", "b"])))
    images = replace_column(batch.images, "metadata", [list(DEGREES.metadata.items()), None])
    found = segment_areas_m2(type(batch)(images, batch.annotations, batch.segments, batch.runs))
    each = np.broadcast_to(row_areas_m2(DEGREES, ids.shape[0])[:, None], ids.shape)
    there = np.unique(ids[ids > 0])
    np.testing.assert_allclose(found[: len(there)], [each[ids == value].sum() for value in there])
    assert np.isnan(found[len(there) :]).all()
