"""NIfTI file: slices of values written as a volume, under the header that they came with or under a new one."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import SegdataError
from segdata.core.profile import ImageSequence
from segdata.formats.medical.extra import package
from segdata.formats.medical.nifti.head import Head, parse

Slices = Sequence[NDArray[np.unsignedinteger[Any]]]  # Any: of any width
_LABEL = 1002  # NIFTI_INTENT_LABEL
_NIFTI_1_SIDE = 2**15 - 1
_TYPES = (np.uint8, np.int16, np.int32, np.int64)  # that every reader knows, the smallest first


def head_of(sequence: ImageSequence | None) -> Head | None:
    """The NIfTI header that a volume came with; None where it has none, or one of another format."""
    if sequence is None or sequence.header is None:
        return None
    try:
        head = parse(sequence.header)
    except OSError:
        return None
    return head if len(sequence.header) >= head.offset else None


def write_volume(path: Path, slices: Slices, sequence: ImageSequence | None) -> bool:
    """Write slices (rows, columns) of values, one behind the other, compressed where the name ends in .gz.

    Under the header of `sequence`, byte by byte, where it is one of this shape that can hold the values; its type is
    changed where it cannot. Else under a new header with the affine and spacing of `sequence`. Returns whether the
    place in the world is what `sequence` says.
    """
    rows, columns = slices[0].shape
    shape = columns, rows, len(slices)
    most = max(int(each.max(initial=0)) for each in slices)
    head = head_of(sequence)
    keeps_place = sequence is None or not sequence.is_placed or head is None or head.shape == shape
    if head is not None and head.shape == shape and sequence is not None and sequence.header is not None:
        raw, dtype, slope, inter = sequence.header[: head.offset], head.dtype, head.slope, head.inter
        if not _holds(dtype, slope, inter, slices, most):
            raw, dtype, slope, inter = *_retyped(raw, most), 1.0, 0.0
    else:
        raw, dtype, slope, inter = (
            _new_header(shape, most, sequence if keeps_place else None),
            _type_for(most),
            1.0,
            0.0,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        if path.name.endswith(".gz"):  # without the time, so that the same labels give the same file
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                _fill(packed, raw, slices, dtype, slope, inter)
        else:
            _fill(file, raw, slices, dtype, slope, inter)
    return keeps_place


def _fill(file: Any, raw: bytes, slices: Slices, dtype: np.dtype[Any], slope: float, inter: float) -> None:
    file.write(raw)
    for each in slices:
        file.write(_stored(each, dtype, slope, inter).tobytes())


def _stored(values: NDArray[Any], dtype: np.dtype[Any], slope: float, inter: float) -> NDArray[Any]:
    """The values as the file stores them."""
    if (slope, inter) == (1.0, 0.0):
        return values.astype(dtype)
    stored = (values.astype(np.float64) - inter) / slope
    return stored.astype(dtype) if dtype.kind == "f" else np.rint(stored).astype(dtype)


def _holds(dtype: np.dtype[Any], slope: float, inter: float, slices: Slices, most: int) -> bool:
    """Whether the values, of which `most` is the largest, come back from a file of this type."""
    if dtype.kind not in "iuf":
        return False
    if (slope, inter) == (1.0, 0.0):
        return most <= (np.iinfo(dtype).max if dtype.kind in "iu" else 2 ** (np.finfo(dtype).nmant + 1))
    values = np.unique(np.concatenate([np.unique(each) for each in slices])).astype(np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        back = _stored(values, dtype, slope, inter).astype(np.float64) * slope + inter
    return bool((np.abs(back - values) < 1e-3).all())


def _type_for(most: int) -> np.dtype[Any]:
    """The smallest type that holds 0 to `most`, low byte first; raises SegdataError beyond 63 bits."""
    found = next((each for each in _TYPES if most <= np.iinfo(each).max), None)
    if found is None:
        raise SegdataError(f"value {most} is beyond the 63 bits of a NIfTI volume")
    return np.dtype(found).newbyteorder("<")


def _retyped(raw: bytes, most: int) -> tuple[bytes, np.dtype[Any]]:
    """A header with another type, unscaled, and that type; the byte order stays, for extensions are in it too."""
    header = _header(raw)
    dtype = _type_for(most).newbyteorder(header.endianness)
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    return bytes(header.binaryblock) + raw[int(header["sizeof_hdr"]) :], dtype


def _header(raw: bytes) -> Any:  # Any: nibabel has no types
    nibabel = package("nibabel")
    sizes = {int.from_bytes(raw[:4], order) for order in ("little", "big")}
    kind, size = (nibabel.Nifti1Header, 348) if 348 in sizes else (nibabel.Nifti2Header, 540)
    return kind(raw[:size], check=False)


def _new_header(shape: tuple[int, int, int], most: int, sequence: ImageSequence | None) -> bytes:
    """A header for labels, with the place of `sequence` as far as that is known."""
    nibabel = package("nibabel")
    kind = nibabel.Nifti1Header if max(shape) <= _NIFTI_1_SIDE else nibabel.Nifti2Header
    header = kind(endianness="<")
    header.set_data_shape(shape)
    header.set_data_dtype(_type_for(most))
    header["intent_code"] = _LABEL
    header.set_xyzt_units("mm")
    if sequence is not None and sequence.affine is not None:
        header.set_sform(np.array(sequence.affine).reshape(4, 4), code=1)
    if sequence is not None and sequence.spacing is not None:
        header.set_zooms(sequence.spacing)
    size = int(header["sizeof_hdr"])
    header["vox_offset"] = size + 4
    return bytes(header.binaryblock) + bytes(4)  # no extensions follow
