"""Raster files: GeoTIFFs opened through rasterio, by which bands, windows and places in the world are read."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from segdata.core.errors import missing_extra

_OPENING = threading.Lock()  # filters of warnings belong to the process, not to the thread


def rasterio() -> Any:  # Any: rasterio has no types
    """The package; raises SegdataError that says how to get it."""
    try:
        return import_module("rasterio")
    except ModuleNotFoundError as error:
        raise missing_extra("rasterio", "geo", error) from error


@contextmanager
def open_raster(path: Path) -> Iterator[Any]:  # Any: rasterio has no types
    """A GeoTIFF, open for reading as long as the block runs; raises OSError with the reason where it is none.

    No other format of GDAL is tried: some of them are texts that name other files, and these would be read.
    """
    package = rasterio()
    if not path.is_file():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    with _quietly(package):
        raster = package.open(path, driver="GTiff")
    with raster:
        yield raster


@contextmanager
def create_raster(path: Path, **profile: object) -> Iterator[Any]:  # Any: rasterio has no types
    """A new GeoTIFF, open for writing as long as the block runs; `profile` as rasterio has it."""
    package = rasterio()
    with _quietly(package):
        raster = package.open(path, "w", driver="GTiff", **profile)
    with raster:
        yield raster


@contextmanager
def _quietly(package: Any) -> Iterator[None]:  # Any: rasterio has no types
    """A raster that lies nowhere in the world is nothing to warn of."""
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore", package.errors.NotGeoreferencedWarning)
        yield
