"""NIfTI voxels: volumes of labels read as runs slice by slice, never as a whole array, and written from slices."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import SegdataError
from segdata.core.profile import ImageSequence
from segdata.core.runs import Ints
from segdata.formats.medical.nifti_header import NiftiHeader, open_nifti_file, parse_header, read_header
from segdata.formats.medical.volume_files import import_package
from segdata.formats.shared.mask_files import ValueRuns, Values

_TOLERANCE = 1e-3  # how far from a whole number a label may be
_MAX_LABEL = 2**31 - 1  # values beyond this come from damage or from another kind of data
Stored = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class LabelVolume:
    """A decoded volume.

    Attributes
    ----------
    head : its header
    slices : the runs of each slice's values; voxels that are not whole numbers are 0 in them
    n_broken : voxels that are not whole numbers, or too large to be labels
    first_broken : index (i, j, k) and value of the first of them
    n_rounded : voxels that were rounded, because they are a little off
    """

    head: NiftiHeader
    slices: tuple[ValueRuns, ...]
    n_broken: int = 0
    first_broken: tuple[int, int, int, float] | None = None
    n_rounded: int = 0

    @property
    def values(self) -> Ints:
        """(k,) the distinct values, ascending."""
        return np.unique(np.concatenate([slice_.value for slice_ in self.slices]))


def decode_volume(path: Path) -> LabelVolume:
    """The volume in a file; raises OSError with the reason if it is damaged."""
    head = read_header(path)
    if head.dtype.kind not in "iufb":
        raise OSError(f"voxels of type {head.dtype} cannot be labels")
    slices: list[ValueRuns] = []
    n_broken = n_rounded = 0
    first: tuple[int, int, int, float] | None = None
    for k, stored in enumerate(_stored_slices(path, head)):
        labels, broken, rounded = _to_labels(stored, head)
        if broken is not None:
            n_broken += int(broken.sum())
            if first is None:
                j, i = np.unravel_index(int(broken.argmax()), broken.shape)
                first = int(i), int(j), k, float(_scale(stored, head)[j, i])
        n_rounded += rounded
        slices.append(ValueRuns.of(labels))
    return LabelVolume(head, tuple(slices), n_broken, first, n_rounded)


def _stored_slices(path: Path, head: NiftiHeader) -> Iterator[Stored]:
    """The slices (rows, columns) as the file stores them, one in memory at a time."""
    columns, rows, n_slices = head.shape
    size = columns * rows * head.dtype.itemsize
    try:
        with open_nifti_file(path) as file:
            file.read(head.offset)
            for k in range(n_slices):
                data = file.read(size)
                if len(data) < size:
                    raise OSError(f"the file is cut off: slice {k} of {n_slices} is incomplete")
                yield np.frombuffer(data, head.dtype).reshape(rows, columns)
    except (EOFError, zlib.error) as error:
        raise OSError(f"damaged: {error}") from error


def _scale(stored: Stored, head: NiftiHeader) -> NDArray[np.float64]:
    return stored.astype(np.float64) * head.slope + head.inter


def _to_labels(stored: Stored, head: NiftiHeader) -> tuple[Values, NDArray[np.bool_] | None, int]:
    """The slice in whole numbers, the voxels that are not labels (None: none), and the number of rounded ones."""
    scaled = (head.slope, head.inter) != (1.0, 0.0)
    if stored.dtype.kind in "iu" and stored.dtype.itemsize < 8 and not scaled:
        native: Values = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        return native, None, 0
    values = _scale(stored, head) if scaled or stored.dtype.kind != "f" else stored.astype(head.dtype.newbyteorder("="))
    with np.errstate(invalid="ignore"):
        labels = np.rint(values)
        distance = np.abs(values - labels)
        broken = ~((distance <= _TOLERANCE) & (np.abs(labels) <= _MAX_LABEL))
    labels[broken] = 0
    return labels.astype(np.int32), broken if broken.any() else None, int(((distance > 0) & ~broken).sum())


Slices = Sequence[NDArray[np.unsignedinteger[Any]]]  # Any: of any width
_LABEL_INTENT = 1002  # NIFTI_INTENT_LABEL
_NIFTI_1_SIDE = 2**15 - 1
_TYPES = (np.uint8, np.int16, np.int32, np.int64)  # that every reader knows, the smallest first


def source_header(sequence: ImageSequence | None) -> NiftiHeader | None:
    """The NIfTI header that a volume was read with; None if it has none, or one of another format."""
    if sequence is None or sequence.header is None:
        return None
    try:
        head = parse_header(sequence.header)
    except OSError:
        return None
    return head if len(sequence.header) >= head.offset else None


def write_volume(path: Path, slices: Slices, sequence: ImageSequence | None) -> bool:
    """Write slices (rows, columns) of values, one behind the other, compressed where the name ends in .gz.

    The header is that of `sequence`, byte by byte, if it has this shape; its type is changed if it cannot hold the
    values. Else it is a new header with the affine and spacing of `sequence`. Returns whether the
    place in the world is what `sequence` says.
    """
    rows, columns = slices[0].shape
    shape = columns, rows, len(slices)
    most = max(int(slice_.max(initial=0)) for slice_ in slices)
    head = source_header(sequence)
    keeps_place = sequence is None or not sequence.is_placed or head is None or head.shape == shape
    if head is not None and head.shape == shape and sequence is not None and sequence.header is not None:
        raw, dtype, slope, inter = sequence.header[: head.offset], head.dtype, head.slope, head.inter
        if not _can_hold(dtype, slope, inter, slices, most):
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
    for values in slices:
        file.write(_to_stored(values, dtype, slope, inter).tobytes())


def _to_stored(values: NDArray[Any], dtype: np.dtype[Any], slope: float, inter: float) -> NDArray[Any]:
    """The values as the file stores them."""
    if (slope, inter) == (1.0, 0.0):
        return values.astype(dtype)
    stored = (values.astype(np.float64) - inter) / slope
    return stored.astype(dtype) if dtype.kind == "f" else np.rint(stored).astype(dtype)


def _can_hold(dtype: np.dtype[Any], slope: float, inter: float, slices: Slices, most: int) -> bool:
    """Whether the values, of which `most` is the largest, come back from a file of this type."""
    if dtype.kind not in "iuf":
        return False
    if (slope, inter) == (1.0, 0.0):
        return most <= (np.iinfo(dtype).max if dtype.kind in "iu" else 2 ** (np.finfo(dtype).nmant + 1))
    values = np.unique(np.concatenate([np.unique(slice_) for slice_ in slices])).astype(np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        back = _to_stored(values, dtype, slope, inter).astype(np.float64) * slope + inter
    return bool((np.abs(back - values) < 1e-3).all())


def _type_for(most: int) -> np.dtype[Any]:
    """The smallest type that holds 0 to `most`, low byte first; raises SegdataError beyond 63 bits."""
    dtype = next((candidate for candidate in _TYPES if most <= np.iinfo(candidate).max), None)
    if dtype is None:
        raise SegdataError(f"value {most} is beyond the 63 bits of a NIfTI volume")
    return np.dtype(dtype).newbyteorder("<")


def _retyped(raw: bytes, most: int) -> tuple[bytes, np.dtype[Any]]:
    """A header with another type, unscaled, and that type; the byte order stays, for extensions are in it too."""
    header = _header(raw)
    dtype = _type_for(most).newbyteorder(header.endianness)
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    return bytes(header.binaryblock) + raw[int(header["sizeof_hdr"]) :], dtype


def _header(raw: bytes) -> Any:  # Any: nibabel has no types
    nibabel = import_package("nibabel")
    sizes = {int.from_bytes(raw[:4], order) for order in ("little", "big")}
    kind, size = (nibabel.Nifti1Header, 348) if 348 in sizes else (nibabel.Nifti2Header, 540)
    return kind(raw[:size], check=False)


def _new_header(shape: tuple[int, int, int], most: int, sequence: ImageSequence | None) -> bytes:
    """A header for labels, with the place of `sequence` as far as that is known."""
    nibabel = import_package("nibabel")
    kind = nibabel.Nifti1Header if max(shape) <= _NIFTI_1_SIDE else nibabel.Nifti2Header
    header = kind(endianness="<")
    header.set_data_shape(shape)
    header.set_data_dtype(_type_for(most))
    header["intent_code"] = _LABEL_INTENT
    header.set_xyzt_units("mm")
    if sequence is not None and sequence.affine is not None:
        header.set_sform(np.array(sequence.affine).reshape(4, 4), code=1)
    if sequence is not None and sequence.spacing is not None:
        header.set_zooms(sequence.spacing)
    size = int(header["sizeof_hdr"])
    header["vox_offset"] = size + 4
    return bytes(header.binaryblock) + bytes(4)  # no extensions follow
