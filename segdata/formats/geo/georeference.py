"""Georeferences: where a raster lies in the world, and how many square metres its pixels and segments cover.

An image's metadata keep it as JSON texts: ``crs`` is an EPSG code (``"EPSG:32633"``) or WKT; ``transform`` the six
numbers a, b, c, d, e, f with which the corner of the pixel in column x and row y lies at (a x + b y + c,
d x + e y + f), as rasterio has them.

In a projected coordinate system every pixel covers the area that its transform spans, in the system's unit; the
distortion of the projection itself is left in (within 0.1 % in UTM, but a factor of 1 / cos² of the latitude in Web
Mercator, EPSG:3857). In a geographic one, in degrees, a pixel covers its piece of the ellipsoid, which depends on
its row; rasters turned against north have no such rows.
Source: Snyder (1987), Map projections: a working manual, USGS Professional Paper 1395, equation 3-12.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.runs import Floats
from segdata.core.safe_text import stored_json
from segdata.core.tiff_files import import_rasterio

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Georeference:
    """A coordinate reference system and the affine transform from pixels to it."""

    crs: str | None = None  # EPSG code or WKT; None: not known
    transform: _Transform | None = None  # a to f; None: not known

    @staticmethod
    def of_raster(raster: Any) -> "Georeference":  # Any: rasterio has no types
        """The georeference of an open raster."""
        numbers = tuple(map(float, tuple(raster.transform)[:6]))
        a, b, c, d, e, f = numbers
        return Georeference(_crs_text(raster.crs), None if numbers == _IDENTITY else (a, b, c, d, e, f))

    @staticmethod
    def from_metadata(metadata: Mapping[str, str]) -> "Georeference":
        """The georeference in an image's metadata; an invalid crs or transform counts as unknown."""
        numbers = stored_json(metadata.get("transform"), list[float]) or ()
        a, b, c, d, e, f = numbers if len(numbers) == 6 else (0,) * 6
        crs = stored_json(metadata.get("crs"), str) or None
        return Georeference(crs, (a, b, c, d, e, f) if a * e != b * d else None)

    @property
    def metadata(self) -> dict[str, str]:
        """The georeference as items of an image's metadata."""
        values = {"crs": self.crs, "transform": None if self.transform is None else list(self.transform)}
        return {key: json.dumps(value) for key, value in values.items() if value is not None}

    def shift(self, x: float, y: float) -> "Georeference":
        """The georeference of the window that begins at column x and row y."""
        if self.transform is None:
            return self
        a, b, c, d, e, f = self.transform
        return replace(self, transform=(a, b, a * x + b * y + c, d, e, d * x + e * y + f))


def parse_crs(text: str) -> Any:  # Any: rasterio has no types
    """Parse a coordinate system; raises SegdataError if PROJ does not know it."""
    package = import_rasterio()
    try:
        return package.crs.CRS.from_user_input(text)
    except package.errors.CRSError as error:
        raise SegdataError(f"{text[:60]!r} is not a coordinate system that PROJ knows: {error}") from error


def _crs_text(crs: Any) -> str | None:  # Any: rasterio has no types
    """The EPSG code if it says everything, else WKT."""
    if not crs:
        return None
    code = crs.to_epsg()
    if code is not None and type(crs).from_epsg(code) == crs:
        return f"EPSG:{code}"
    return str(crs.to_wkt())


_SPHEROID = re.compile(r'SPHEROID\["[^"]*",\s*([0-9.eE+]+),\s*([0-9.eE+]+)')


def row_areas_m2(place: Georeference, height: int) -> Floats:
    """(height,) the area in m² of a pixel in each row; NaN if the georeference is unknown.

    Raises SegdataError for a coordinate system that is neither projected nor geographic, and for a geographic one with
    rows that run along no parallel.

    >>> row_areas_m2(Georeference("EPSG:32633", (0.5, 0.0, 4e5, 0.0, -0.5, 5.8e6)), 2).tolist()
    [0.25, 0.25]
    """
    if place.crs is None or place.transform is None:
        return np.full(height, math.nan)
    crs = parse_crs(place.crs)
    a, b, _, d, e, f = place.transform
    if crs.is_projected:
        metres: float = crs.linear_units_factor[1]
        return np.full(height, abs(a * e - b * d) * metres**2)
    if not crs.is_geographic:
        raise SegdataError(
            f"{place.crs[:60]}: the coordinate system is neither projected nor geographic, so areas in m² are unknown"
        )
    if b or d:
        raise SegdataError(
            f"the transform {place.transform} is rotated against north, so its rows have no single area in m²"
        )
    edges = np.radians(np.clip(f + e * np.arange(height + 1), -90.0, 90.0))
    return np.abs(np.diff(_zone_area(edges, crs.to_wkt()))) * math.radians(abs(a))


def segment_areas_m2(batch: Batch) -> Floats:
    """(n_segments,) the area in m² of each segment, by its image's metadata; NaN if these have no georeference.

    Raises SegdataError as `row_areas_m2`.
    """
    height, _ = batch.image_size
    metadata = [dict(items or ()) for items in batch.images["metadata"].to_pylist()]
    areas_of: dict[tuple[Georeference, int], Floats] = {}
    sums, first = [np.zeros(1)], []
    for image_metadata, rows in zip(metadata, height.tolist(), strict=True):
        place = Georeference.from_metadata(image_metadata)
        if (place, rows) not in areas_of:
            areas_of[place, rows] = row_areas_m2(place, rows)
        first.append(sum(map(len, sums)))
        sums.append(np.concatenate([[0.0], np.cumsum(areas_of[place, rows])]))
    table, image = np.concatenate(sums), batch.segment_image[batch.runs.owner]
    top = np.array(first, np.int64)[image] + batch.runs.start % np.maximum(height[image], 1)
    areas = np.bincount(batch.runs.owner, table[top + batch.runs.length] - table[top], batch.n_segments)
    unknown = np.array([math.isnan(table[k + 1]) if n else True for k, n in zip(first, height.tolist(), strict=True)])
    return np.where(unknown[batch.segment_image], math.nan, areas)


def _zone_area(latitude: Floats, wkt: str) -> Floats:
    """Square metres between the equator and each latitude (radians), for each radian of longitude."""
    spheroid = _SPHEROID.search(wkt)
    if spheroid is None:
        raise SegdataError(f"{wkt[:60]}: names no ellipsoid, so areas in m² are unknown")
    semi_major, inverse_flattening = float(spheroid[1]), float(spheroid[2])
    flattening = 1 / inverse_flattening if inverse_flattening else 0.0
    squared = flattening * (2 - flattening)
    eccentricity, sine = math.sqrt(squared), np.sin(latitude)
    if eccentricity == 0:
        return semi_major**2 * sine
    q = sine / (1 - squared * sine**2) + np.arctanh(eccentricity * sine) / eccentricity
    result: Floats = semi_major**2 * (1 - squared) / 2 * q
    return result
