"""Ground: how many square metres pixels cover, and segments of them.

Where a coordinate system is projected, every pixel covers the area that its transform spans, in the system's unit; the
distortion of the projection itself is left in (within 0.1 % in UTM, but a factor of 1 / cos² of the latitude in Web
Mercator, EPSG:3857). Where it is geographic, in degrees, a pixel covers its piece of the ellipsoid, which depends on
its row; rasters turned against north have no such rows.
Source: Snyder (1987), Map projections: a working manual, USGS Professional Paper 1395, equation 3-12.
"""

import math
import re

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.formats.geo.place import Place, parsed_crs

Floats = NDArray[np.float64]
_SPHEROID = re.compile(r'SPHEROID\["[^"]*",\s*([0-9.eE+]+),\s*([0-9.eE+]+)')


def row_areas_m2(place: Place, height: int) -> Floats:
    """(height,) square metres that a pixel of each row covers; NaN where the place is not known.

    Raises SegdataError for a coordinate system that is neither projected nor geographic, and for a geographic one with
    rows that run along no parallel.

    >>> row_areas_m2(Place("EPSG:32633", (0.5, 0.0, 4e5, 0.0, -0.5, 5.8e6)), 2).tolist()
    [0.25, 0.25]
    """
    if place.crs is None or place.transform is None:
        return np.full(height, math.nan)
    crs = parsed_crs(place.crs)
    a, b, _, d, e, f = place.transform
    if crs.is_projected:
        metres: float = crs.linear_units_factor[1]
        return np.full(height, abs(a * e - b * d) * metres**2)
    if not crs.is_geographic:
        raise SegdataError(f"{place.crs[:60]}: is neither projected nor geographic, so areas in m² are not known")
    if b or d:
        raise SegdataError(f"the transform {place.transform} is turned against north, so rows have no one area in m²")
    edges = np.radians(np.clip(f + e * np.arange(height + 1), -90.0, 90.0))
    return np.abs(np.diff(_zone(edges, crs.to_wkt()))) * math.radians(abs(a))


def segment_areas_m2(batch: Batch) -> Floats:
    """(n_segments,) square metres that each segment covers, by its image's metadata; NaN where these tell no place.

    Raises SegdataError as `row_areas_m2`.
    """
    height, _ = batch.image_size
    metadata = [dict(each or ()) for each in batch.images["metadata"].to_pylist()]
    known: dict[tuple[Place, int], Floats] = {}
    sums, first = [np.zeros(1)], []
    for said, rows in zip(metadata, height.tolist(), strict=True):
        place = Place.of(said)
        if (place, rows) not in known:
            known[place, rows] = row_areas_m2(place, rows)
        first.append(sum(map(len, sums)))
        sums.append(np.concatenate([[0.0], np.cumsum(known[place, rows])]))
    table, image = np.concatenate(sums), batch.segment_image[batch.runs.owner]
    top = np.array(first, np.int64)[image] + batch.runs.start % np.maximum(height[image], 1)
    areas = np.bincount(batch.runs.owner, table[top + batch.runs.length] - table[top], batch.n_segments)
    unknown = np.array([math.isnan(table[k + 1]) if n else True for k, n in zip(first, height.tolist(), strict=True)])
    return np.where(unknown[batch.segment_image], math.nan, areas)


def _zone(latitude: Floats, wkt: str) -> Floats:
    """Square metres between the equator and each latitude (radians), for each radian of longitude."""
    spheroid = _SPHEROID.search(wkt)
    if spheroid is None:
        raise SegdataError(f"{wkt[:60]}: names no ellipsoid, so areas in m² are not known")
    semi_major, inverse_flattening = float(spheroid[1]), float(spheroid[2])
    flattening = 1 / inverse_flattening if inverse_flattening else 0.0
    squared = flattening * (2 - flattening)
    eccentricity, sine = math.sqrt(squared), np.sin(latitude)
    if eccentricity == 0:
        return semi_major**2 * sine
    q = sine / (1 - squared * sine**2) + np.arctanh(eccentricity * sine) / eccentricity
    result: Floats = semi_major**2 * (1 - squared) / 2 * q
    return result
