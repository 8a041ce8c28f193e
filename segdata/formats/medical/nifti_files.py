"""NIfTI files: headers, checked before any voxel is read, places of volumes, decoding, and writing.

The headers of NRRD and MetaImage volumes become one of the same kind, see `nrrd_files`.

Voxel (i, j, k) is column i and row j of slice k; i runs fastest in the file. The affine takes voxel centres to
millimetres (right, anterior, superior): the sform where its code is not 0, else the qform, else spacing alone.
Source: https://nifti.nimh.nih.gov/nifti-1 (nifti1.h) and nifti-2 (nifti2.h).
"""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Annotated, Any, Literal, cast

import msgspec
import numpy as np
from isal import igzip, isal_zlib
from numpy.typing import NDArray

from segdata.core.errors import SegdataError
from segdata.core.medical_files import (
    TEXT_SUFFIXES,
    TextHeader,
    axis_codes,
    import_package,
    is_text_volume,
    open_voxels,
    read_text_header,
    voxel_spacing,
)
from segdata.core.paths import with_folder
from segdata.core.pixel_limit import max_pixels
from segdata.core.profile import ImageSequence
from segdata.core.runs import Flags, Floats, Ints
from segdata.formats.shared.file_names import stands_in
from segdata.formats.shared.mask_files import ValueRuns, Values

_NIFTI_SUFFIXES = (".nii", ".nii.gz")
SUFFIXES = (*_NIFTI_SUFFIXES, *TEXT_SUFFIXES, ".seg.nrrd")  # if two match, the later is longer
_MAGIC_BY_HEADER_SIZE = {348: b"n+1", 540: b"n+2"}  # the beginning of a single file's magic text
_MAX_HEADER_BYTES = 1 << 24  # before the voxels, with extensions
_MAX_SLICES = 2**15 - 1  # NIfTI-1's limit
# Raised for compressed files; the package's stub calls the class an instance.
_DECODER_ERRORS: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error, isal_zlib.IsalError)  # type: ignore[assignment]
_MAX_DEFLATE_RATIO = 1100  # DEFLATE's maximum is 1032


@dataclass(frozen=True, slots=True)
class NiftiHeader:
    """The header of a volume."""

    shape: tuple[int, int, int]  # columns, rows and slices
    dtype: np.dtype[np.generic]  # of the values in the file, with their byte order
    slope: float  # a voxel is the stored value * slope + inter
    inter: float
    offset: int  # byte of the first value
    affine: Floats = field(repr=False)  # (4, 4) voxel indices to millimetres
    codes: tuple[int, int]  # of qform and sform; 0: it is not set
    apart: float  # distance in mm between a corner placed by qform and by sform; 0 if one of them is not set
    raw: bytes = field(repr=False)  # the bytes before the voxels
    text: TextHeader | None = field(default=None, repr=False)  # of an NRRD or MetaImage file

    @property
    def n_layers(self) -> int:
        """The number of values at each voxel."""
        return 1 if self.text is None else self.text.n_layers

    @property
    def is_placed(self) -> bool:
        """Whether the header states the volume's place; otherwise, left and right are unknown."""
        return any(self.codes)


def is_nifti_name(name: str) -> bool:
    """Whether a file has the name of a NIfTI file."""
    return name.lower().endswith(_NIFTI_SUFFIXES)


def is_volume_name(name: str) -> bool:
    """Whether a file has the name of a volume, of NIfTI, NRRD or MetaImage."""
    return name.lower().endswith(SUFFIXES)


def nifti_stem(name: str) -> str:
    """A path without the suffix of volumes.

    >>> nifti_stem("a/b.1.nii.gz")
    'a/b.1'
    """
    suffix = next((candidate for candidate in reversed(SUFFIXES) if name.lower().endswith(candidate)), "")
    return name[: len(name) - len(suffix)]


def open_nifti_file(path: Path) -> IO[bytes]:
    """Open a file, decompressing it if its first bytes, not its name, show that it is compressed."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        return cast(IO[bytes], igzip.open(path))  # type: ignore[no-untyped-call]
    return path.open("rb")


def read_header(path: Path, is_image: bool = False) -> NiftiHeader:
    """Read the header of a file; raises OSError with the reason if there is no valid one.

    Ignores further dimensions of an image than three: they are time or channels.
    """
    if is_text_volume(path.name):
        return _text_header(path, is_image)
    if path.stat().st_size == 0:
        raise OSError("the file is empty (0 bytes)")
    try:
        with open_nifti_file(path) as file:
            first = file.read(max(_MAGIC_BY_HEADER_SIZE))
            head = parse_header(first, is_image)
            if head.offset > len(first):
                first += file.read(head.offset - len(first))
    except _DECODER_ERRORS as error:
        raise OSError(f"damaged: {error}") from error
    if len(first) < head.offset:
        raise OSError(f"the voxels should begin at byte {head.offset:,}, but the file ends at {len(first):,}")
    _check_length(path, head)
    return replace(head, raw=first[: head.offset])


def _text_header(path: Path, is_image: bool) -> NiftiHeader:
    """The header of an NRRD or MetaImage file."""
    try:
        text = read_text_header(path)
    except OSError as error:
        with path.open("rb") as file:
            reason = stands_in(file.read(64), "the volume")
        raise (error if reason is None else OSError(reason)) from error
    if text.n_layers > 1 and not is_image and not any(key.startswith("segment0_") for key in text.fields):
        raise OSError(f"{text.n_layers} values at each voxel are no labels, but for the layers of 3D Slicer's segments")
    try:
        shape = _shape(text.shape[: 3 if is_image else None])
    except ValueError as error:
        raise OSError(f"damaged header: {error}") from error
    n_bytes = text.data.stat().st_size - text.offset
    if text.packing != "bzip2" and text.n_bytes > (n_bytes * _MAX_DEFLATE_RATIO + 1024 if text.packing else n_bytes):
        raise OSError(f"the file is cut off: its voxels need {text.n_bytes:,} bytes, the file has {n_bytes:,}")
    return NiftiHeader(
        shape=shape,
        dtype=text.dtype,
        slope=1.0,
        inter=0.0,
        offset=text.offset,
        affine=text.affine,
        codes=(1, 1) if text.is_placed else (0, 0),
        apart=0.0,
        raw=text.raw,
        text=text,
    )


def parse_header(raw: bytes, is_image: bool = False) -> NiftiHeader:
    """Parse the header in the first bytes of a file, of an image or of labels; raises OSError with the reason."""
    nibabel = import_package("nibabel")
    sizes = [int.from_bytes(raw[:4], order) for order in ("little", "big")]
    size = next((candidate for candidate in sizes if candidate in _MAGIC_BY_HEADER_SIZE), None)
    if size is None or len(raw) < size:
        reason = stands_in(raw, "the volume")
        raise OSError(reason or "is not a NIfTI file: it does not begin with a header of 348 or 540 bytes")
    header = (nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header)(raw[:size], check=False)
    magic = bytes(header["magic"])
    if not magic.startswith(_MAGIC_BY_HEADER_SIZE[size]):
        raise OSError(f"its magic text is {magic[:4]!r}; only single files, with 'n+1' or 'n+2', can be read")
    try:
        shape, dtype = _shape(header.get_data_shape()[: 3 if is_image else None]), header.get_data_dtype()
        slope, inter = header.get_slope_inter()
        forms = [header.get_qform(coded=True), header.get_sform(coded=True)]
        affine = header.get_best_affine()
    except (nibabel.spatialimages.HeaderDataError, ValueError, KeyError, TypeError, np.linalg.LinAlgError) as error:
        raise OSError(f"damaged header: {error}") from error
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
        raise OSError("damaged header: its affine is singular or not finite")
    placed = [np.asarray(matrix, np.float64) for matrix, code in forms if code]
    apart = _corner_distance(placed[0], placed[1], shape) if len(placed) == 2 else 0.0
    start = float(header["vox_offset"])
    if not size <= start <= _MAX_HEADER_BYTES or start != int(start):
        raise OSError(f"damaged header: the voxels should begin at byte {start:g}")
    return NiftiHeader(
        shape=shape,
        dtype=dtype,
        slope=1.0 if slope is None else float(slope),
        inter=0.0 if inter is None else float(inter),
        offset=int(start),
        affine=np.asarray(affine, np.float64),
        codes=(int(header["qform_code"]), int(header["sform_code"])),
        apart=apart,
        raw=raw[:size],
    )


def _corner_distance(a: Floats, b: Floats, shape: tuple[int, int, int]) -> float:
    """The largest distance in mm between the corners of a volume as placed by two affines."""
    corners = np.array(np.meshgrid(*([0, side - 1] for side in shape), [1], indexing="ij"), np.float64).reshape(4, -1)
    return float(np.linalg.norm(((a - b) @ corners)[:3], axis=0).max())


def _shape(dims: tuple[int, ...]) -> tuple[int, int, int]:
    """Columns, rows and slices; raises ValueError for anything but a volume."""
    sides = [int(side) for side in dims]
    while len(sides) > 3 and sides[-1] == 1:
        sides.pop()
    sides += [1] * (3 - len(sides))
    written = "x".join(map(str, dims))
    if len(sides) > 3:
        raise ValueError(f"{len(sides)} dimensions ({written}): time steps, or layers? Save each as its own volume")
    if sides[0] * sides[1] > max_pixels():
        raise ValueError(f"{written} voxels are more in a slice than the limit of {max_pixels():,} (--max-pixels)")
    if min(sides) < 1 or sides[2] > _MAX_SLICES:
        raise ValueError(f"{written} is not a valid size of a label volume")
    return sides[0], sides[1], sides[2]


def _check_length(path: Path, head: NiftiHeader) -> None:
    """Raise OSError if the file cannot hold the voxels that its header claims."""
    needed = head.offset + int(np.prod(head.shape, dtype=object)) * head.dtype.itemsize
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if needed > (n_bytes * _MAX_DEFLATE_RATIO + 1024 if packed else n_bytes):
        shape = "x".join(map(str, head.shape))
        raise OSError(f"the file is cut off: {shape} voxels need {needed:,} bytes, the file has {n_bytes:,}")


TOLERANCE_MM = 1e-3


class VolumePlace(msgspec.Struct, frozen=True, omit_defaults=True):
    """The exact place of a volume, as in `ImageSequence`: headers round it, and cannot state that it is unknown."""

    affine: Annotated[tuple[float, ...], msgspec.Meta(min_length=16, max_length=16)] | None = None
    axes: str | None = None
    spacing: tuple[float, float, float] | None = None

    @staticmethod
    def from_sequence(sequence: ImageSequence) -> "VolumePlace":
        """The place of a sequence, if known."""
        return VolumePlace(sequence.affine, sequence.axes, sequence.spacing)

    def fits(self, head: NiftiHeader | None) -> bool:
        """Whether a header states the same place, except for rounding; True without a header."""
        if head is None:
            return True
        if self.affine is None:
            return not head.is_placed
        return head.is_placed and np.allclose(head.affine.reshape(-1), self.affine, rtol=1e-5, atol=TOLERANCE_MM)

    def apply_to(self, sequence: ImageSequence) -> ImageSequence:
        """The sequence at this place."""
        return replace(sequence, affine=self.affine, axes=self.axes, spacing=self.spacing)


def volume_sequence(name: str, head: NiftiHeader) -> ImageSequence:
    """The volume of a header, with an unknown place if the header states none."""
    return ImageSequence(
        name=name,
        kind="volume",
        affine=tuple(head.affine.reshape(-1).tolist()) if head.is_placed else None,
        axes=axis_codes(head.affine) if head.is_placed else None,
        spacing=voxel_spacing(head.affine),
        dtype=head.dtype.str,
        header=head.raw,
    )


def describe_differences(label: NiftiHeader, image: NiftiHeader, what: str = "image") -> str | None:
    """A sentence about the difference in place between a label volume and its image; None if there is none."""
    apart = _corner_distance(label.affine, image.affine, label.shape)
    if apart <= TOLERANCE_MM:
        return None
    details = "; ".join(_differing_parts(label.affine, image.affine))
    return f"the labels lie up to {apart:.4g} mm from the {what}: {details}"


def _differing_parts(a: Floats, b: Floats) -> Iterator[str]:
    spacing_a, spacing_b = np.array(voxel_spacing(a)), np.array(voxel_spacing(b))
    if np.abs(spacing_a - spacing_b).max() > TOLERANCE_MM:
        yield f"spacing {_numbers(spacing_a)} mm, there {_numbers(spacing_b)} mm"
    axes_of_a, axes_of_b = a[:3, :3] / spacing_a, b[:3, :3] / spacing_b
    if np.abs(axes_of_a - axes_of_b).max() > TOLERANCE_MM:
        degrees = np.degrees(np.arccos(np.clip((axes_of_a * axes_of_b).sum(axis=0), -1, 1))).max()
        yield f"directions {axis_codes(a)}, there {axis_codes(b)} (up to {degrees:.3g}° apart)"
    if np.abs(a[:3, 3] - b[:3, 3]).max() > TOLERANCE_MM:
        yield f"origin ({_numbers(a[:3, 3], ', ')}) mm, there ({_numbers(b[:3, 3], ', ')}) mm"


def _numbers(values: Floats, mark: str = "x") -> str:
    return mark.join(f"{value:.6g}" for value in values.tolist())


_TOLERANCE = 1e-3  # of a label from an integer
_MAX_LABEL = 2**31 - 1  # larger values come from damage or other data
Stored = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class LabelVolume:
    """A decoded volume."""

    head: NiftiHeader
    slices: tuple[ValueRuns, ...]  # the runs of each slice's values; voxels that are no integers are 0
    above: tuple[tuple[ValueRuns, ...], ...] = ()  # the runs of further layers, whose segments may overlap
    n_broken: int = 0  # number of voxels that are no integers, or too large to be labels
    first_broken: tuple[int, int, int, float] | None = None  # index (i, j, k) and value of the first broken voxel
    n_rounded: int = 0  # number of voxels that were slightly off an integer and were rounded

    @property
    def values(self) -> Ints:
        """(k,) the distinct values, ascending."""
        return np.unique(np.concatenate([slice_.value for slice_ in self.slices]))

    def plane(self, number: int) -> "LabelVolume":
        """The volume of a single layer."""
        return self if number == 0 else LabelVolume(self.head, self.above[number - 1])


def decode_volume(path: Path) -> LabelVolume:
    """Decode the volume in a file; raises OSError with the reason if it is damaged."""
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
    above = tuple(
        tuple(ValueRuns.of(_to_labels(stored, head)[0]) for stored in _stored_slices(path, head, plane))
        for plane in range(1, head.n_layers)
    )
    return LabelVolume(head, tuple(slices), above, n_broken, first, n_rounded)


def _stored_slices(path: Path, head: NiftiHeader, plane: int = 0) -> Iterator[Stored]:
    """Yield the stored slices (rows, columns) of a layer, one in memory at a time."""
    columns, rows, n_slices = head.shape
    layers = head.n_layers
    size = columns * rows * head.dtype.itemsize * layers
    try:
        with open_nifti_file(path) if head.text is None else open_voxels(head.text) as file:
            file.read(head.offset if head.text is None else 0)
            for k in range(n_slices):
                data = file.read(size)
                if len(data) < size:
                    raise OSError(f"the file is cut off: slice {k} of {n_slices} is incomplete")
                yield np.frombuffer(data, head.dtype)[plane::layers].reshape(rows, columns)
    except _DECODER_ERRORS as error:
        raise OSError(f"damaged: {error}") from error


def _scale(stored: Stored, head: NiftiHeader) -> Floats:
    return stored.astype(np.float64) * head.slope + head.inter


def _to_labels(stored: Stored, head: NiftiHeader) -> tuple[Values, Flags | None, int]:
    """The slice in integers, a mask of voxels that are no labels (None: none), and the number of rounded ones."""
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


_LABEL_INTENT = 1002  # NIFTI_INTENT_LABEL
VolumeContent = Literal["labels", "intensities"]
_ENOUGH_VOXELS = 2_000  # nonzero voxels after which no more slices are read
_ENOUGH_SLICES = 4
_MIN_PAIRS = 200  # of neighbouring voxels, needed for a decision
FEW_VALUES = 32  # of distinct values; labels may have more, if neighbours are equal
# The share of nonzero neighbours with equal values: 1.00 in 14 label volumes, 0.00 and 0.02 in an MRI and a CT. In
# 8-bit photos mostly 0.02 to 0.47, but drawings reach 0.85; in label PNGs mostly 0.95 and more, but thin defects go
# down to 0.12.
_EQUAL_IN_IMAGES, _EQUAL_IN_LABELS = 0.5, 0.7


def volume_content(path: Path) -> tuple[VolumeContent | None, int]:
    """The content of a volume, labels or image, by its header and values, and the number of distinct values read.

    Labels are constant over regions, intensities differ from voxel to voxel. The content is None if that cannot be
    decided, as in an empty volume, or one with few voxels or probabilities. Reads the first slices with enough voxels.
    """
    try:
        head = read_header(path, is_image=True)
        if _intent(head) == _LABEL_INTENT:
            return "labels", 0
        if head.dtype.kind not in "iufb":
            return "intensities", 0
        return _content_of_slices(path, head)
    except OSError:
        return None, 0


def _content_of_slices(path: Path, head: NiftiHeader) -> tuple[VolumeContent | None, int]:
    n_pairs = n_equal = n_voxels = n_slices = 0
    values: set[float] = set()
    for stored in _stored_slices(path, head):
        voxels = np.nan_to_num(_scale(stored, head))
        inside = voxels != 0
        if not inside.any() or (voxels == voxels.flat[0]).all():
            continue
        n_slices, n_voxels = n_slices + 1, n_voxels + int(inside.sum())
        for a, b, both in (
            (voxels[1:], voxels[:-1], inside[1:] & inside[:-1]),
            (voxels[:, 1:], voxels[:, :-1], inside[:, 1:] & inside[:, :-1]),
        ):
            n_pairs, n_equal = n_pairs + int(both.sum()), n_equal + int((a == b)[both].sum())
        values |= set(np.unique(voxels[inside]).tolist())
        if n_slices >= _ENOUGH_SLICES and n_voxels > _ENOUGH_VOXELS:
            break
    if n_pairs < _MIN_PAIRS or (min(values) >= 0 and max(values) <= 1 and len(values) > 1):
        return None, len(values)
    equal = n_equal / n_pairs
    if len(values) > FEW_VALUES and equal < _EQUAL_IN_IMAGES:
        return "intensities", len(values)
    return "labels" if equal > _EQUAL_IN_LABELS and min(values) >= 0 else None, len(values)


def _intent(head: NiftiHeader) -> int:
    """The intent code of a header."""
    if head.text is not None:
        return 0
    nibabel = import_package("nibabel")
    size = next(
        size
        for size in _MAGIC_BY_HEADER_SIZE
        if size in (int.from_bytes(head.raw[:4], order) for order in ("little", "big"))
    )
    header = (nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header)(head.raw[:size], check=False)
    return int(header["intent_code"])


Slices = Sequence[NDArray[np.unsignedinteger[Any]]]  # Any: of any width
_NIFTI_1_SIDE = 2**15 - 1
_TYPES = (np.uint8, np.int16, np.int32, np.int64)  # supported by every reader, the smallest first


def source_header(sequence: ImageSequence | None) -> NiftiHeader | None:
    """The NIfTI header with which a volume was read; None if there is none, or one of another format."""
    if sequence is None or sequence.header is None:
        return None
    try:
        head = parse_header(sequence.header)
    except OSError:
        return None
    return head if len(sequence.header) >= head.offset else None


def write_volume(path: Path, slices: Slices, sequence: ImageSequence | None) -> bool:
    """Write consecutive slices (rows, columns) of values, compressed if the name ends in .gz.

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
            raw, dtype, slope, inter = *_change_type(raw, most), 1.0, 0.0
    else:
        raw = _new_header(shape, most, sequence if keeps_place else None)
        dtype = _type_for(most)
        slope, inter = 1.0, 0.0
    with with_folder(path).open("wb") as file:
        if path.name.endswith(".gz"):  # without a time stamp, so that equal labels give equal files
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
    if (slope, inter) == (1.0, 0.0):
        return values.astype(dtype)
    stored = (values.astype(np.float64) - inter) / slope
    return stored.astype(dtype) if dtype.kind == "f" else np.rint(stored).astype(dtype)


def _can_hold(dtype: np.dtype[Any], slope: float, inter: float, slices: Slices, most: int) -> bool:
    """Whether a file of this type preserves the values, of which `most` is the largest."""
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


def _change_type(raw: bytes, most: int) -> tuple[bytes, np.dtype[Any]]:
    """A header with another type, unscaled, and that type; keeps the byte order, which extensions share."""
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
    """A header for labels, with the place of `sequence` if that is known."""
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
    return bytes(header.binaryblock) + bytes(4)  # without extensions
