"""TIFF files: tags of the first directory without decoding anything, and GeoTIFFs through rasterio."""

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from segdata.core.errors import import_extra

WIDTH, HEIGHT, BITS, ORIENTATION, CHANNELS, SAMPLE_FORMAT = 256, 257, 258, 274, 277, 339
# ModelPixelScale, ModelTiepoint, ModelTransformation, GeoKeyDirectory. Source: OGC GeoTIFF 1.1, section 7.
GEOGRAPHIC = frozenset({33550, 33922, 34264, 34735})
_MAX_ENTRIES = 4096  # of a directory; real ones have some twenty
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # field types


def is_tiff(path: Path) -> bool:
    """Whether a file has a suffix of TIFF and begins with its signature."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return False
    with path.open("rb") as file:
        return file.read(4) in _SIGNATURES


def tiff_tags(path: Path) -> dict[int, int]:
    """The tags of the first image in a TIFF file, each with its first value (0 if that is no whole number).

    Raises OSError if the file is no TIFF, or its directory is cut off.
    """
    with path.open("rb") as file:
        try:
            return _read_directory(file)
        except struct.error as error:
            raise OSError("damaged TIFF: its directory is cut off") from error


def _read_directory(file: BinaryIO) -> dict[int, int]:
    head = file.read(8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    version = struct.unpack(f"{order}H", head[2:4])[0] if order and len(head) == 8 else 0
    if version not in (42, 43):
        raise OSError("is no TIFF")
    is_big = version == 43
    offset, count, cell = ("Q", "Q", 8) if is_big else ("I", "H", 4)
    start = file.read(8) if is_big else head[4:]
    _seek(file, struct.unpack(f"{order}{offset}", start)[0])
    (n_entries,) = struct.unpack(f"{order}{count}", file.read(struct.calcsize(f"{order}{count}")))
    if n_entries > _MAX_ENTRIES:
        raise OSError(f"damaged TIFF: its directory has {n_entries:,} entries")
    size = 4 + 2 * cell
    entries = file.read(n_entries * size)
    tags = {}
    for row in range(n_entries):
        entry = entries[row * size : (row + 1) * size]
        tag, kind = struct.unpack(f"{order}HH", entry[:4])
        (n_values,) = struct.unpack(f"{order}{offset}", entry[4 : 4 + cell])
        tags[tag] = _first_value(
            file, f"{order}{_INTEGERS.get(kind, '')}", n_values, entry[4 + cell :], f"{order}{offset}"
        )
    return tags


def _first_value(file: BinaryIO, code: str, n_values: int, cell: bytes, offset: str) -> int:
    """The first value of a tag: in its cell if all fit there, else at the offset in the cell."""
    size = struct.calcsize(code)
    if size == 0 or n_values == 0:
        return 0
    if size * n_values > len(cell):
        _seek(file, struct.unpack(offset, cell)[0])
        cell = file.read(size)
    return int(struct.unpack(code, cell[:size])[0])


def _seek(file: BinaryIO, offset: int) -> None:
    """Seek to an offset, or to the end of the file: systems refuse offsets that no file can have."""
    file.seek(min(offset, file.seek(0, 2)))


_WARNINGS_LOCK = threading.Lock()  # warning filters belong to the process, not to the thread


def import_rasterio() -> Any:  # Any: rasterio has no types
    """Import rasterio; raises SegdataError with the command that installs it."""
    return import_extra("rasterio", "geo")


@contextmanager
def open_raster(path: Path) -> Iterator[Any]:  # Any: rasterio has no types
    """Open a GeoTIFF for reading while the block runs; raises OSError with the reason if it is none.

    No other format of GDAL is tried, since some are text files that make GDAL read the files that they name.
    """
    package = import_rasterio()
    if not path.is_file():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    with _ignore_georeference_warnings(package):
        raster = package.open(path, driver="GTiff")
    with raster:
        yield raster


@contextmanager
def create_raster(path: Path, **profile: object) -> Iterator[Any]:  # Any: rasterio has no types
    """Create a GeoTIFF and open it for writing while the block runs; `profile` is rasterio's."""
    package = import_rasterio()
    with _ignore_georeference_warnings(package):
        raster = package.open(path, "w", driver="GTiff", **profile)
    with raster:
        yield raster


@contextmanager
def _ignore_georeference_warnings(package: Any) -> Iterator[None]:  # Any: rasterio has no types
    """Ignore rasterio's warning about rasters without georeference."""
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", package.errors.NotGeoreferencedWarning)
        yield
