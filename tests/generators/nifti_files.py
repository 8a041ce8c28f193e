"""NIfTI files written byte by byte from the specification, without any library that reads them."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}
Voxels = NDArray[Any]  # of any type


def nifti_bytes(
    voxels: Voxels,
    *,
    sform: NDArray[np.float64] | None = None,
    qform: tuple[float, float, float] | None = None,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    scale: tuple[float, float] = (0.0, 0.0),
    extension: bytes = b"",
) -> bytes:
    """A NIfTI-1 file with these voxels (i, j, k, …), in their own type and byte order.

    Parameters
    ----------
    sform : (4, 4) voxel indices to millimetres; None: the header says nothing
    qform : where voxel (0, 0, 0) lies, axes pointing right, anterior and superior; None: the header says nothing
    scale : slope and intercept; a slope of 0 means neither
    extension : the content of a header extension; its length is a multiple of 16, less 8
    """
    order = ">" if voxels.dtype.byteorder == ">" else "<"
    head = bytearray(348)
    sides = list(voxels.shape) + [1] * (7 - voxels.ndim)
    more = struct.pack(f"{order}ii", len(extension) + 8, 6) + extension if extension else b""
    for offset, form, values in (
        (0, "i", [348]),
        (40, "8h", [voxels.ndim, *sides]),
        (70, "hh", [CODES[voxels.dtype.str[1:]], 8 * voxels.dtype.itemsize]),
        (76, "8f", [1.0, *spacing, 0, 0, 0, 0]),
        (108, "3f", [352 + len(more), *scale]),
        (123, "b", [2]),  # millimetres
        (252, "hh", [0 if qform is None else 1, 0 if sform is None else 1]),
        (268, "3f", qform or (0, 0, 0)),
        (280, "12f", [0.0] * 12 if sform is None else sform[:3].ravel().tolist()),
    ):
        struct.pack_into(order + form, head, offset, *values)
    head[344:348] = b"n+1\0"
    return bytes(head) + bytes([1 if more else 0, 0, 0, 0]) + more + voxels.tobytes(order="F")


def write_nifti(path: Path, voxels: Voxels, **header: Any) -> Path:  # Any: of `nifti_bytes`
    """Write a NIfTI file, compressed where its name ends in .gz; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = nifti_bytes(voxels, **header)
    path.write_bytes(gzip.compress(data, mtime=0) if path.name.endswith(".gz") else data)
    return path
