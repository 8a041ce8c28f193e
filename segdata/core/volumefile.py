"""Volume files: a slice of a NIfTI volume as an array, through nibabel."""

import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import missing_extra

_MOST = 1 << 30  # pixels of a slice
_DAMAGE = (AttributeError, EOFError, KeyError, NotImplementedError, TypeError, ValueError, zlib.error)
Planes = NDArray[np.generic]


def volume_slice(path: Path, k: int) -> Planes:
    """(channels, rows, columns) of slice k of a NIfTI volume, whose first two axes are columns and rows.

    Steps in time are channels. Raises OSError with the reason where the file has no such slice or is damaged.
    """
    nibabel = _package("nibabel")
    if not path.is_file():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    try:
        image = nibabel.load(path)
        columns, rows, n_slices = (*image.shape, 1, 1)[:3]
        if not 0 <= k < n_slices:
            raise OSError(f"has {n_slices:,} slices, and none at {k}")
        if int(np.prod((columns, rows, *image.shape[3:]), dtype=object)) > _MOST:
            raise OSError(f"claims {columns}x{rows} pixels a slice")
        pixels = np.asarray(image.dataobj[:, :, k] if image.ndim > 2 else image.dataobj)
    except (*_DAMAGE, nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError) as error:
        raise OSError(f"damaged: {error}") from error
    if pixels.dtype.kind not in "iufb":
        raise OSError(f"voxels of type {pixels.dtype} are no numbers")
    layers = pixels.reshape(columns, rows, -1).transpose(2, 1, 0)
    return np.ascontiguousarray(layers.astype(layers.dtype.newbyteorder("="), copy=False))


def _package(name: str) -> Any:  # Any: packages without types
    """The package; raises SegdataError that says how to get it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise missing_extra(name, "medical", error) from error
