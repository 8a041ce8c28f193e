"""NIfTI header: what the header of a .nii or .nii.gz file says, checked before any voxel is read, and where it lies.

Voxel (i, j, k) is column i and row j of slice k; i runs fastest in the file. The affine takes voxel centres to
millimetres (right, anterior, superior): the sform where its code is not 0, else the qform, else spacing alone.
Source: https://nifti.nimh.nih.gov/nifti-1 (nifti1.h) and nifti-2 (nifti2.h).
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Annotated, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.profile import ImageSequence
from segdata.formats.medical.volume_files import axis_codes, import_package, voxel_spacing
from segdata.formats.shared.images import MAX_PIXELS

SUFFIXES = (".nii", ".nii.gz")
Floats = NDArray[np.float64]
_SIZES = {348: b"n+1", 540: b"n+2"}  # bytes of a header, and how the magic text of a single file begins
_MAX_HEAD = 1 << 24  # bytes before the voxels: extensions may be long, but not everything
_MAX_SLICES = 2**15 - 1  # NIfTI-1 holds no more
_DENSEST = 1100  # deflate packs 1032 bytes in one at most


@dataclass(frozen=True, slots=True)
class NiftiHeader:
    """The header of a volume.

    Attributes
    ----------
    shape : columns, rows and slices
    dtype : of the values in the file, with their byte order
    slope, inter : a voxel is the stored value * slope + inter
    offset : byte of the first value
    affine : (4, 4) voxel indices to millimetres
    codes : of qform and sform; 0: it is not set
    apart : millimetres by which qform and sform place a corner of the volume apart; 0 if one of them is not set
    raw : the bytes before the voxels
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    slope: float
    inter: float
    offset: int
    affine: Floats = field(repr=False)
    codes: tuple[int, int]
    apart: float
    raw: bytes = field(repr=False)

    @property
    def is_placed(self) -> bool:
        """Whether the header says where the volume lies; else left and right are unknown."""
        return any(self.codes)


def is_nifti_name(name: str) -> bool:
    """Whether a file has the name of a NIfTI file."""
    return name.lower().endswith(SUFFIXES)


def nifti_stem(name: str) -> str:
    """A path without the suffix of NIfTI files.

    >>> nifti_stem("a/b.1.nii.gz")
    'a/b.1'
    """
    suffix = next((candidate for candidate in reversed(SUFFIXES) if name.lower().endswith(candidate)), "")
    return name[: len(name) - len(suffix)]


def open_nifti_file(path: Path) -> IO[bytes]:
    """The bytes of a file, decompressed on the way; what it is is seen from its first bytes, not from its name."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path)) if packed else path.open("rb")


def read_header(path: Path, is_image: bool = False) -> NiftiHeader:
    """The header of a file; raises OSError with the reason if there is no valid one.

    Only the first three dimensions of an image count: others are time, or channels.
    """
    if path.stat().st_size == 0:
        raise OSError("the file is empty (0 bytes)")
    try:
        with open_nifti_file(path) as file:
            first = file.read(max(_SIZES))
            head = parse_header(first, is_image)
            if head.offset > len(first):
                first += file.read(head.offset - len(first))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OSError(f"damaged: {error}") from error
    if len(first) < head.offset:
        raise OSError(f"the voxels should begin at byte {head.offset:,}, but the file ends at {len(first):,}")
    _check_length(path, head)
    return NiftiHeader(
        head.shape,
        head.dtype,
        head.slope,
        head.inter,
        head.offset,
        head.affine,
        head.codes,
        head.apart,
        first[: head.offset],
    )


def parse_header(raw: bytes, is_image: bool = False) -> NiftiHeader:
    """The header in the first bytes of a file, of an image or of labels; raises OSError with the reason."""
    nibabel = import_package("nibabel")
    sizes = [int.from_bytes(raw[:4], order) for order in ("little", "big")]
    size = next((candidate for candidate in sizes if candidate in _SIZES), None)
    if size is None or len(raw) < size:
        raise OSError("is not a NIfTI file: it does not begin with a header of 348 or 540 bytes")
    header = (nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header)(raw[:size], check=False)
    magic = bytes(header["magic"])
    if not magic.startswith(_SIZES[size]):
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
    if not size <= start <= _MAX_HEAD or start != int(start):
        raise OSError(f"damaged header: the voxels should begin at byte {start:g}")
    return NiftiHeader(
        shape,
        dtype,
        1.0 if slope is None else float(slope),
        0.0 if inter is None else float(inter),
        int(start),
        np.asarray(affine, np.float64),
        (int(header["qform_code"]), int(header["sform_code"])),
        apart,
        raw[:size],
    )


def _corner_distance(a: Floats, b: Floats, shape: tuple[int, int, int]) -> float:
    """The largest distance, in millimetres, between where two affines put a corner of a volume."""
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
    if min(sides) < 1 or sides[0] * sides[1] > MAX_PIXELS or sides[2] > _MAX_SLICES:
        raise ValueError(f"{written} is not a valid size of a label volume")
    return sides[0], sides[1], sides[2]


def _check_length(path: Path, head: NiftiHeader) -> None:
    """Raise OSError where the file cannot hold the voxels that its header claims."""
    needed = head.offset + int(np.prod(head.shape, dtype=object)) * head.dtype.itemsize
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if needed > (n_bytes * _DENSEST + 1024 if packed else n_bytes):
        shape = "x".join(map(str, head.shape))
        raise OSError(f"the file is cut off: {shape} voxels need {needed:,} bytes, the file has {n_bytes:,}")


TOLERANCE_MM = 1e-3


class VolumePlace(msgspec.Struct, frozen=True, omit_defaults=True):
    """The place of a volume, as in `ImageSequence`: headers round it, and cannot say that it is unknown."""

    affine: Annotated[tuple[float, ...], msgspec.Meta(min_length=16, max_length=16)] | None = None
    axes: str | None = None
    spacing: tuple[float, float, float] | None = None

    @staticmethod
    def of(sequence: ImageSequence) -> "VolumePlace":
        """The place of a sequence, as far as it is known."""
        return VolumePlace(sequence.affine, sequence.axes, sequence.spacing)

    def fits(self, head: NiftiHeader | None) -> bool:
        """Whether a header gives the same place, except for rounding; True without a header."""
        if head is None:
            return True
        if self.affine is None:
            return not head.is_placed
        return head.is_placed and np.allclose(head.affine.reshape(-1), self.affine, rtol=1e-5, atol=TOLERANCE_MM)

    def apply_to(self, sequence: ImageSequence) -> ImageSequence:
        """The sequence at this place."""
        return replace(sequence, affine=self.affine, axes=self.axes, spacing=self.spacing)


def volume_sequence(name: str, head: NiftiHeader) -> ImageSequence:
    """The volume of a header; a place that the header does not set is unknown."""
    return ImageSequence(
        name,
        "volume",
        tuple(head.affine.reshape(-1).tolist()) if head.is_placed else None,
        axis_codes(head.affine) if head.is_placed else None,
        voxel_spacing(head.affine),
        head.dtype.str,
        head.raw,
    )


def describe_differences(label: NiftiHeader, image: NiftiHeader, what: str = "image") -> str | None:
    """How the place of a label volume differs from that of its image, as a sentence; None if it does not."""
    apart = _corner_distance(label.affine, image.affine, label.shape)
    if apart <= TOLERANCE_MM:
        return None
    details = "; ".join(_differing_parts(label.affine, image.affine, what))
    return f"labels and the {what} lie up to {apart:.4g} mm apart: {details}"


def _differing_parts(a: Floats, b: Floats, what: str) -> Iterator[str]:
    """The parts of two affines that differ."""
    spacing_a, spacing_b = np.array(voxel_spacing(a)), np.array(voxel_spacing(b))
    if np.abs(spacing_a - spacing_b).max() > TOLERANCE_MM:
        yield f"spacing {_numbers(spacing_a)} mm, of the {what} {_numbers(spacing_b)} mm"
    axes_of_a, axes_of_b = a[:3, :3] / spacing_a, b[:3, :3] / spacing_b
    if np.abs(axes_of_a - axes_of_b).max() > TOLERANCE_MM:
        degrees = np.degrees(np.arccos(np.clip((axes_of_a * axes_of_b).sum(axis=0), -1, 1))).max()
        yield f"directions {axis_codes(a)}, of the {what} {axis_codes(b)} (up to {degrees:.3g}° apart)"
    if np.abs(a[:3, 3] - b[:3, 3]).max() > TOLERANCE_MM:
        yield f"origin ({_numbers(a[:3, 3], ', ')}) mm, of the {what} ({_numbers(b[:3, 3], ', ')}) mm"


def _numbers(values: Floats, mark: str = "x") -> str:
    return mark.join(f"{value:.6g}" for value in values.tolist())
