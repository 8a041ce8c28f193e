"""Place: where a raster lies in the world, kept in an image's metadata as JSON texts.

``crs`` is an EPSG code (``"EPSG:32633"``) or WKT; ``transform`` the six numbers a, b, c, d, e, f with which the corner
of the pixel in column x and row y lies at (a x + b y + c, d x + e y + f), as rasterio has them.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from segdata.core.errors import SegdataError
from segdata.core.tiff_files import import_rasterio

NOWHERE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
Six = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """A coordinate system, and the way from pixels to it.

    Attributes
    ----------
    crs : EPSG code or WKT; None: not known
    transform : a to f; None: not known
    """

    crs: str | None = None
    transform: Six | None = None

    @staticmethod
    def of_raster(raster: Any) -> "Place":  # Any: rasterio has no types
        """Where an open raster lies."""
        numbers = tuple(map(float, tuple(raster.transform)[:6]))
        a, b, c, d, e, f = numbers
        return Place(_text(raster.crs), None if numbers == NOWHERE else (a, b, c, d, e, f))

    @staticmethod
    def of(metadata: Mapping[str, str]) -> "Place":
        """Where an image lies by its metadata; what is no crs or no transform is not known."""
        said = _parsed(metadata.get("transform"))
        six = isinstance(said, list) and len(said) == 6 and all(isinstance(each, (int, float)) for each in said)
        a, b, c, d, e, f = map(float, said) if six and said is not None else NOWHERE
        sound = six and all(map(math.isfinite, (a, b, c, d, e, f))) and a * e != b * d
        crs = _parsed(metadata.get("crs"))
        return Place(crs if isinstance(crs, str) and crs else None, (a, b, c, d, e, f) if sound else None)

    @property
    def metadata(self) -> dict[str, str]:
        """As an image's metadata has it."""
        said = {"crs": self.crs, "transform": None if self.transform is None else list(self.transform)}
        return {key: json.dumps(value) for key, value in said.items() if value is not None}

    def shifted(self, x: float, y: float) -> "Place":
        """Where the part of the raster lies that begins at column x and row y."""
        if self.transform is None:
            return self
        a, b, c, d, e, f = self.transform
        return replace(self, transform=(a, b, a * x + b * y + c, d, e, d * x + e * y + f))


def parsed_crs(text: str) -> Any:  # Any: rasterio has no types
    """The coordinate system of a text; raises SegdataError where it is none."""
    package = import_rasterio()
    try:
        return package.crs.CRS.from_user_input(text)
    except package.errors.CRSError as error:
        raise SegdataError(f"{text[:60]!r} is no coordinate system that PROJ knows: {error}") from error


def _text(crs: Any) -> str | None:  # Any: rasterio has no types
    """The EPSG code where it says all, else WKT."""
    if not crs:
        return None
    code = crs.to_epsg()
    if code is not None and type(crs).from_epsg(code) == crs:
        return f"EPSG:{code}"
    return str(crs.to_wkt())


def _parsed(text: str | None) -> Any:  # Any: JSON
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None
