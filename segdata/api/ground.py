"""Ground: what segments cover on the ground, where images know where they lie."""

from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from segdata.api.opening import Data, ReadOptions, read
from segdata.formats.geo.ground import segment_areas_m2


def areas_m2(data: Data, **opening: Unpack[ReadOptions]) -> NDArray[np.float64]:
    """(n_segments,) the square metres that each segment covers, in the order of `Dataset.segments`.

    NaN where the image does not say where it lies; its metadata `crs` and `transform` do, which GeoTIFF files have and
    conversions keep. How areas are computed stands in `segdata.formats.geo.ground`. Raises SegdataError where a
    coordinate system has no areas, and where rasterio is not installed.
    """
    found = [segment_areas_m2(batch) for batch in read(data, **opening)]
    return np.concatenate([np.empty(0), *found])
