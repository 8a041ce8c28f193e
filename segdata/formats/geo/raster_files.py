"""Raster files: what a GeoTIFF of labels says of itself, and its values, window by window."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.tiff_files import open_raster
from segdata.formats.geo.georeference import Georeference
from segdata.formats.geo.raster_windows import Window
from segdata.formats.shared.images import MAX_PIXELS
from segdata.formats.shared.mask_files import Palette, Values

MASKED, BROKEN = -(2**31), -(2**31) + 1  # in place of what is masked out, and of what is no label
_EXACT_TYPES = frozenset({"uint8", "uint16", "uint32", "int32"})  # values that are taken as they are


@dataclass(frozen=True, slots=True)
class RasterHeader:
    """The header of a raster.

    Attributes
    ----------
    path : the file
    width, height : pixels
    n_bands : how many
    dtype : of their values, by numpy's name
    place : where it lies
    nodata : the nodata value; None: there is none
    masked : a mask band or alpha excludes pixels
    palette : (256, 3) the colour of each value; None where there is no colour table
    lossy : why the values cannot be trusted; None if they can
    bands : the name of each; None: it has none
    tags : the file's own, without those that GDAL always adds
    """

    path: Path
    width: int
    height: int
    n_bands: int
    dtype: str
    place: Georeference
    nodata: float | None = None
    masked: bool = False
    palette: Palette | None = None
    lossy: str | None = None
    bands: tuple[str | None, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def coloured(self) -> bool:
        """Pixels are colours, not ids."""
        return self.n_bands in (3, 4) and self.dtype == "uint8"

    @property
    def nodata_value(self) -> int | None:
        """`nodata` as a value of the labels, of colours as a packed one; None where none is that."""
        if self.nodata is None or not float(self.nodata).is_integer():
            return None
        value = int(self.nodata)
        kind = np.dtype(self.dtype)
        if kind.kind in "iu" and not np.iinfo(kind).min <= value <= np.iinfo(kind).max:
            return None
        return value * 0x010101 if self.coloured else value

    @property
    def encoding(self) -> str:
        """How labels are stored, in words."""
        kind = np.dtype(self.dtype)
        name = "RGB" if self.coloured else "float" if kind.kind == "f" else "grey"
        shown = ""
        if self.palette is not None:
            name, shown = "palette", f", palette {zlib.crc32(self.palette.tobytes()) & 0xFFFF:04x}"
        return f"{name} {8 * kind.itemsize} bit{shown}" + (f", {self.lossy}" if self.lossy else "")

    @property
    def metadata(self) -> dict[str, str]:
        """The items that an image's metadata keep."""
        bands = {"bands": json.dumps(list(self.bands), ensure_ascii=False)} if any(self.bands) else {}
        tags = {"tags": json.dumps(dict(self.tags), ensure_ascii=False)} if self.tags else {}
        return {**self.place.metadata, **bands, **tags}


@dataclass(frozen=True, slots=True)
class RasterValues:
    """The values of a raster, or of a window of it.

    Attributes
    ----------
    values : (height, width), ids or packed colours; `MASKED` where a mask excludes them
    broken : (height, width), pixels that are not labels: there `values` are `BROKEN`; None: all are labels
    """

    values: Values
    broken: NDArray[np.bool_] | None = None


def read_raster_header(path: Path) -> RasterHeader:
    """The header of a raster; raises OSError with the reason if the file is not a raster."""
    with open_raster(path) as raster:
        flags = {flag.name for band in raster.mask_flag_enums for flag in band}
        tags = raster.tags()
        if tags.get("AREA_OR_POINT") == "Area":
            del tags["AREA_OR_POINT"]
        return RasterHeader(
            path,
            raster.width,
            raster.height,
            raster.count,
            raster.dtypes[0],
            Georeference.of_raster(raster),
            raster.nodata,
            "per_dataset" in flags or "alpha" in flags,
            _palette(raster),
            _lossy(raster.tags(ns="IMAGE_STRUCTURE")),
            tuple(raster.descriptions),
            tuple(sorted(tags.items())),
        )


def read_raster_values(head: RasterHeader, window: Window | None, band: int | None) -> RasterValues:
    """The labels in a window, or in the whole raster; raises OSError if there are none.

    `band` holds them, from 1; None: the only one, or the first three as colours.
    """
    _check_readable(head, window, band)
    slices = None if window is None else window.slices
    with open_raster(head.path) as raster:
        if head.coloured and band is None:
            pixels = raster.read([1, 2, 3], window=slices)
            values: Any = kernels.pack_rgb(np.ascontiguousarray(pixels.transpose(1, 2, 0)))  # Any: of several types
        else:
            values = raster.read(band or 1, window=slices)
        mask = raster.read_masks(band or 1, window=slices) if head.masked else None
    ids, broken = _to_ids(values, head.nodata)
    if mask is not None and not mask.all():
        if ids.dtype == np.uint32:
            ids, broken = _to_ids(ids.astype(np.int64), None)
        ids = np.where(mask == 0, np.int32(MASKED), ids.astype(np.int32))
        broken = None if broken is None else broken & (mask != 0)
    return RasterValues(ids, broken)


def _check_readable(head: RasterHeader, window: Window | None, band: int | None) -> None:
    """Raise OSError for what holds no labels, or too many."""
    if band is not None and band > head.n_bands:
        raise OSError(f"has {head.n_bands} bands, so there is no band {band}")
    alpha = head.masked and head.n_bands == 2
    if band is None and head.n_bands != 1 and not head.coloured and not alpha:
        raise OSError(
            f"has {head.n_bands} bands of {head.dtype}: labels have one, or three of 8 bits as colours; "
            "choose one with --read-option band=1"
        )
    if np.dtype(head.dtype).kind not in "iuf":
        raise OSError(f"holds {head.dtype} values, which cannot be labels")
    width, height = (head.width, head.height) if window is None else (window.width, window.height)
    if width * height > MAX_PIXELS:
        raise OSError(f"claims {width:,} x {height:,} pixels; read it in windows, with --read-option tile=2048")
    if window is not None and (window.x + width > head.width or window.y + height > head.height):
        raise OSError(f"has {head.width}x{head.height} pixels, too few for a window at x={window.x}, y={window.y}")


def _to_ids(
    values: NDArray[Any],  # Any: of several types
    nodata: float | None,
) -> tuple[Values, NDArray[np.bool_] | None]:
    """The values as ids of at most 32 bits, and which of them had to be replaced because they are not ids."""
    if values.dtype.name in _EXACT_TYPES:
        return np.ascontiguousarray(values), None
    if values.dtype.itemsize < 4 and values.dtype.kind == "i":
        return values.astype(np.int32), None
    sound = (values > BROKEN) & (values < 2**31)
    if values.dtype.kind == "f":
        sound &= values == np.round(values)
    if sound.all():
        return values.astype(np.int32), None
    empty = np.isnan(values) if nodata is not None and np.isnan(nodata) else values == nodata
    ids = np.where(sound, values, 0).astype(np.int32)
    ids[~sound] = np.where(empty[~sound], MASKED, BROKEN)
    return ids, ids == BROKEN


def _lossy(structure: dict[str, str]) -> str | None:
    """Why values cannot be trusted, by the compression that GDAL reports."""
    name = structure.get("COMPRESSION", "")
    changes = "JPEG" in name or structure.get("COMPRESSION_REVERSIBILITY") == "LOSSY"
    return f"{name} compression in TIFF" if changes else None


def _palette(raster: Any) -> Palette | None:  # Any: rasterio has no types
    if raster.count != 1 or raster.dtypes[0] != "uint8":
        return None
    try:
        table = raster.colormap(1)
    except ValueError:  # there is none
        return None
    colors: Palette = np.zeros((256, 3), np.uint8)
    for value, color in table.items():
        colors[value] = color[:3]
    return colors
