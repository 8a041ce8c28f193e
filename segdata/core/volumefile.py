"""Volume files: a slice of a NIfTI volume and a DICOM image as arrays, through nibabel and pydicom."""

import warnings
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import missing_extra

_MOST = 1 << 30  # pixels of a slice
_DICOM = b"DICM"  # behind 128 bytes
_DAMAGE = (AttributeError, EOFError, KeyError, NotImplementedError, TypeError, ValueError, zlib.error)
Planes = NDArray[np.generic]


def is_dicom(head: bytes) -> bool:
    """Whether these are the first bytes of a DICOM file."""
    return head[128:132] == _DICOM


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


def dicom_image(path: Path) -> Planes:
    """(channels, rows, columns) of a DICOM image of one frame, in its units where it says them (CT: Hounsfield).

    Raises OSError with the reason where it is damaged, has several frames, or its coding is not known here.
    """
    pydicom, pixels_of = _package("pydicom"), _package("pydicom.pixels")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = pydicom.dcmread(path)
            if int(said.get("NumberOfFrames") or 1) > 1 or int(said.Rows) * int(said.Columns) > _MOST:
                raise OSError(f"has {said.get('NumberOfFrames', 1)} frames of {said.Columns}x{said.Rows} pixels")
            stored = said.pixel_array
            pixels: NDArray[Any] = pixels_of.apply_rescale(stored, said) if stored.ndim == 2 else stored
    except (*_DAMAGE, RuntimeError, pydicom.errors.InvalidDicomError) as error:
        raise OSError(f"damaged: {error}") from error
    return np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1))


def _package(name: str) -> Any:  # Any: packages without types
    """The package; raises SegdataError that says how to get it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise missing_extra(name, "medical", error) from error
