"""Medical images: a slice of a volume (NIfTI through nibabel, NRRD, MetaImage), and a DICOM image through pydicom.

Beside them a cache of decoded files, and the spacing and axes of an affine.

NRRD (.nrrd, .nhdr) and MetaImage (.mha, .mhd) have a header of text. The first axis runs fastest, as in NIfTI: voxel
(i, j, k) is column i and row j of slice k. An axis of colours, or of layers, lies before these three and is
interleaved. Both formats place voxels by directions to the left, posterior and superior of a patient, if they say so;
the affine here is that of NIfTI, to the right, anterior and superior.
Source: https://teem.sourceforge.net/nrrd/format.html; Kitware/MetaIO doc/MetaIO-Format.md.
"""

import bz2
import gzip
import logging
import re
import warnings
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import IO, Any, Generic, Literal, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import import_extra
from segdata.core.paths import is_unsafe_path
from segdata.core.pixel_limit import check_pixels
from segdata.core.runs import Floats

TEXT_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
_MAX_HEADER_BYTES = 1 << 20  # names of segments take some kilobytes
_NRRD_TYPES = {
    np.int8: ("signed char", "int8", "int8_t"),
    np.uint8: ("uchar", "unsigned char", "uint8", "uint8_t"),
    np.int16: ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    np.uint16: ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    np.int32: ("int", "signed int", "int32", "int32_t"),
    np.uint32: ("uint", "unsigned int", "uint32", "uint32_t"),
    np.int64: ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    np.uint64: ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    np.float32: ("float",),
    np.float64: ("double",),
}
_META_TYPES = {
    "CHAR": np.int8, "UCHAR": np.uint8, "SHORT": np.int16, "USHORT": np.uint16, "INT": np.int32, "UINT": np.uint32,
    "LONG": np.int32, "ULONG": np.uint32, "LONG_LONG": np.int64, "ULONG_LONG": np.uint64, "FLOAT": np.float32,
    "DOUBLE": np.float64,
}  # fmt: skip
_PACKINGS = {"raw": "", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
# World axes of NRRD that have an origin and directions of a patient, as signs towards right, anterior and superior.
_SPACES = {
    "right-anterior-superior": (1, 1, 1), "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1), "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1), "lps": (-1, -1, 1),
}  # fmt: skip
_NIFTI_DAMAGE = (AttributeError, EOFError, KeyError, NotImplementedError, TypeError, ValueError, zlib.error)
ChannelArray = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class TextHeader:
    """The header of an NRRD or MetaImage file."""

    shape: tuple[int, ...]  # of the volume, without the interleaved axis
    n_layers: int  # values that lie interleaved at each voxel
    dtype: np.dtype[np.generic]
    affine: Floats  # (4, 4) voxel indices to millimetres
    is_placed: bool  # whether the affine is a place in a patient; else only its spacing counts
    packing: Literal["", "gzip", "bzip2", "zlib"]
    data: Path  # the file of the voxels
    offset: int  # byte of it where they begin
    fields: dict[str, str]  # the lines, by their names in lower case
    raw: bytes  # the text

    @property
    def n_bytes(self) -> int:
        """The size of the voxels in bytes."""
        return int(np.prod(self.shape, dtype=object)) * self.n_layers * self.dtype.itemsize


def is_text_volume(name: str) -> bool:
    """Whether a file name has a suffix of NRRD or MetaImage."""
    return name.lower().endswith(TEXT_SUFFIXES)


def read_text_header(path: Path) -> TextHeader:
    """Read the header of an NRRD or MetaImage file; raises OSError with the reason if it is invalid."""
    with path.open("rb") as file:
        head = file.read(_MAX_HEADER_BYTES)
    if not head:
        raise OSError("the file is empty (0 bytes)")
    try:
        return (_nrrd_header if head.startswith(b"NRRD") else _meta_header)(path, head)
    except KeyError as error:
        raise OSError(f"damaged header: it has no {error.args[0]!r}") from error
    except (ValueError, IndexError) as error:
        raise OSError(f"damaged header: {error}") from error


def open_voxels(header: TextHeader) -> IO[bytes]:
    """Open the voxels of a volume, decompressed; raises OSError if their file is missing."""
    if not header.data.is_file():
        raise FileNotFoundError(2, "No such file or directory", str(header.data))
    file = header.data.open("rb")
    file.seek(header.offset)
    if not header.packing:
        return file
    with file:
        packed = file.read()
    if header.packing == "gzip":
        return cast(IO[bytes], gzip.GzipFile(fileobj=BytesIO(packed)))
    if header.packing == "bzip2":
        return cast(IO[bytes], bz2.BZ2File(BytesIO(packed)))
    return BytesIO(zlib.decompressobj().decompress(packed, header.n_bytes))


def read_text_slice(path: Path, k: int) -> tuple[TextHeader, bytes]:
    """Read the header, and the bytes of slice k; raises OSError with the reason if there is no such slice."""
    header = read_text_header(path)
    n_slices = (*header.shape, 1, 1)[2]
    if not 0 <= k < n_slices:
        raise OSError(f"has {n_slices:,} slices, there is no slice {k}")
    check_pixels(header.shape[0], header.n_bytes // n_slices // header.dtype.itemsize // header.shape[0])
    size = header.n_bytes // n_slices
    try:
        with open_voxels(header) as file:
            file.seek(k * size + (header.offset if header.packing == "" else 0))
            data = file.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OSError(f"damaged: {error}") from error
    if len(data) < size:
        raise OSError(f"the file is cut off: slice {k} of {n_slices} is incomplete")
    return header, data


def _lines(head: bytes, mark: str) -> dict[str, str]:
    """The lines `name<mark>value`, by name; a damaged header may hold anything."""
    pairs = (line.split(mark, 1) for line in head.decode("utf-8", "replace").splitlines() if mark in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def _nrrd_header(path: Path, head: bytes) -> TextHeader:
    end = re.search(rb"\r?\n\r?\n", head)
    text = head if end is None else head[: end.start()]
    lines = [line for line in text.split(b"\n") if not line.startswith(b"#")]
    keys = _lines(b"\n".join(line for line in lines if b":=" in line), ":=")
    fields = _lines(b"\n".join(line for line in lines if b":=" not in line), ":")
    sizes = tuple(map(int, fields["sizes"].split()))
    if len(sizes) != int(fields["dimension"]) or min(sizes) < 1:
        raise ValueError(f"the sizes {fields['sizes']} are not those of {fields['dimension']} dimensions")
    name = fields["type"].lower()
    type_ = next((dtype for dtype, names in _NRRD_TYPES.items() if name in names), None)
    packing = _PACKINGS.get(fields["encoding"].lower())
    if type_ is None or packing is None:
        what = f"type {name!r}" if type_ is None else f"encoding {fields['encoding']!r}"
        raise OSError(f"{what} cannot be read")
    data, offset = path, 0 if end is None else end.end()
    detached = fields.get("data file", fields.get("datafile"))
    if detached is not None:
        data, offset = _file_beside(path, detached), 0
    skip = int(fields.get("byte skip", fields.get("byteskip", "0")))
    if int(fields.get("line skip", fields.get("lineskip", "0"))) or (skip and packing) or skip < -1:
        raise OSError("voxels behind skipped lines, or skipped bytes of packed voxels, cannot be read")
    first, affine, is_placed = _nrrd_space(fields, len(sizes))
    header = TextHeader(
        shape=sizes[first:],
        n_layers=sizes[0] if first else 1,
        dtype=np.dtype(type_).newbyteorder(">" if fields.get("endian", "little").lower() == "big" else "<"),
        affine=_checked(affine),
        is_placed=is_placed,
        packing=cast(Literal["", "gzip", "bzip2"], packing),
        data=data,
        offset=offset + max(skip, 0),
        fields=fields | keys,
        raw=head[:offset] if detached is None else head,
    )
    return _at_end(header) if skip == -1 else header


def _nrrd_space(fields: dict[str, str], n: int) -> tuple[int, NDArray[np.float64], bool]:
    """The first of the volume's axes among n, its affine (4, 4), and whether that is known of the world.

    Axes before the first are layers. Raises OSError for layers behind it.
    """
    directions = _directions(fields, n)
    first = n - sum(direction is not None for direction in directions) if any(directions) else max(n - 3, 0)
    if first > 1 or any(direction is None for direction in directions[first:] if any(directions)):
        raise OSError(f"an axis between those of the volume, in {n} dimensions, cannot be read")
    affine = np.eye(4)
    for axis, direction in enumerate(directions[first : first + 3]):
        if direction is not None and len(direction) <= 3:
            affine[: len(direction), axis] = direction
    signs = _SPACES.get(fields.get("space", "").lower())
    if signs is None or n - first != 3:
        return first, affine, False
    origin = _vector(fields.get("space origin", "(0,0,0)"))
    affine[:3, 3] = origin if origin is not None else 0.0
    affine[:3] *= np.array(signs)[:, None]
    return first, affine, True


def _directions(fields: dict[str, str], n: int) -> list[tuple[float, ...] | None]:
    """The vector of each axis; None for an axis that is no direction in space."""
    if "space directions" in fields:
        vectors = [_vector(text) for text in re.findall(r"\([^)]*\)|none", fields["space directions"])]
        if len(vectors) != n:
            raise ValueError(f"{len(vectors)} directions for {n} axes")
        return vectors
    spacings = [float(text) for text in fields.get("spacings", "").split()]
    steps = [step if np.isfinite(step) and step else 1.0 for step in spacings]
    return [tuple(step * (row == axis) for row in range(3)) for axis, step in enumerate(steps)] if n == 3 else []


def _vector(text: str) -> tuple[float, ...] | None:
    return tuple(map(float, text.strip("()").split(","))) if text.startswith("(") else None


def _meta_header(path: Path, head: bytes) -> TextHeader:
    end = re.search(rb"^ElementDataFile\s*=\s*(.*?)[ \t]*\r?\n", head, re.MULTILINE)
    if end is None and (end := re.search(rb"^ElementDataFile\s*=\s*(.*?)\s*\Z", head, re.MULTILINE)) is None:
        raise OSError("is not an NRRD or MetaImage file: it has no line 'ElementDataFile'")
    fields = _lines(head[: end.end()], "=")
    sizes = tuple(map(int, fields["dimsize"].split()))
    n = int(fields["ndims"])
    if len(sizes) != n or min(sizes) < 1:
        raise ValueError(f"the sizes {fields['dimsize']} are not those of {n} dimensions")
    dtype = _META_TYPES.get(fields["elementtype"].upper().removeprefix("MET_"))
    if dtype is None or not _is_true(fields.get("binarydata", "True")):
        raise OSError(f"voxels of {fields['elementtype']}, or voxels in text, cannot be read")
    name = end[1].decode("utf-8", "replace")
    local = name.upper() == "LOCAL"
    spacing = [float(text) for text in fields.get("elementspacing", fields.get("elementsize", "")).split()] or [1.0] * n
    matrix = next((fields[key] for key in ("transformmatrix", "rotation", "orientation") if key in fields), "")
    turned = np.array(matrix.split(), np.float64).reshape(n, n).T if matrix else np.eye(n)
    offset = next((fields[key] for key in ("offset", "position", "origin") if key in fields), "")
    sides = min(n, 3)
    affine = np.eye(4)
    affine[:sides, :sides] = turned[:sides, :sides] * np.array(spacing[:sides])
    affine[:sides, 3] = np.array(offset.split(), np.float64)[:sides] if offset else 0.0
    affine[:2] *= -1  # ITK's axes point to the left and to the back
    big = _is_true(fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "False")))
    skip = int(fields.get("headersize", "0"))
    header = TextHeader(
        shape=sizes,
        n_layers=int(fields.get("elementnumberofchannels", "1")),
        dtype=np.dtype(dtype).newbyteorder(">" if big else "<"),
        affine=_checked(affine),
        is_placed=n == 3 and bool(matrix) and bool(offset),
        packing="zlib" if _is_true(fields.get("compresseddata", "False")) else "",
        data=path if local else _file_beside(path, name),
        offset=end.end() if local else max(skip, 0),
        fields=fields,
        raw=head[: end.end()],
    )
    return _at_end(header) if skip == -1 else header


def _is_true(text: str) -> bool:
    return text.lower() in ("true", "1", "t", "y", "yes")


def _checked(affine: Floats) -> Floats:
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
        raise OSError("damaged header: its affine is singular or not finite")
    return affine


def _file_beside(path: Path, name: str) -> Path:
    if is_unsafe_path(name):
        raise OSError(f"its voxels are in {name!r}, outside its folder, which is not read")
    if name.upper().startswith("LIST") or "%" in name:
        raise OSError("voxels in several files cannot be read: save the volume as one file")
    return path.parent / name


def _at_end(header: TextHeader) -> TextHeader:
    """The header with the offset of voxels that are the last bytes of their file."""
    length = header.data.stat().st_size if header.data.is_file() else 0
    return replace(header, offset=max(length - header.n_bytes, 0))


def import_package(module: str) -> Any:  # Any: packages with and without types
    """Import a module of the extra `medical`; raises SegdataError that says how to install it."""
    return import_extra(module, "medical")


def read_volume_slice(path: Path, k: int) -> ChannelArray:
    """Read slice k of a volume, (channels, rows, columns); the first two axes of a volume are columns and rows.

    Time steps are channels. Raises OSError with the reason if the file has no such slice or is damaged.
    """
    if is_text_volume(path.name):
        return _text_slice(path, k)
    nibabel = import_package("nibabel")
    if not path.is_file():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    try:
        image = nibabel.load(path)
        columns, rows, n_slices = (*image.shape, 1, 1)[:3]
        if not 0 <= k < n_slices:
            raise OSError(f"has {n_slices:,} slices, there is no slice {k}")
        check_pixels(columns, rows * int(np.prod(image.shape[3:], dtype=object)))
        pixels = np.asarray(image.dataobj[:, :, k] if image.ndim > 2 else image.dataobj)
    except (*_NIFTI_DAMAGE, nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError) as error:
        raise OSError(f"damaged: {error}") from error
    if pixels.dtype.kind not in "iufb":
        raise OSError(f"has voxels of type {pixels.dtype}, which are not numbers")
    layers = pixels.reshape(columns, rows, -1).transpose(2, 1, 0)
    return np.ascontiguousarray(layers.astype(layers.dtype.newbyteorder("="), copy=False))


def _text_slice(path: Path, k: int) -> ChannelArray:
    header, data = read_text_slice(path, k)
    columns, rows = (*header.shape, 1)[:2]
    layers = np.frombuffer(data, header.dtype).reshape(-1, rows, columns, header.n_layers)[0].transpose(2, 0, 1)
    return np.ascontiguousarray(layers.astype(layers.dtype.newbyteorder("="), copy=False))


_DICOM_MAGIC = b"DICM"  # after a preamble of 128 bytes
_DICOM_DAMAGE = (
    AttributeError,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)
_WARNINGS: ContextVar[list[str] | None] = ContextVar("messages", default=None)


class _Leniency(msgspec.Struct):
    """A count of active readers: pydicom's settings are global, so the last reader restores them."""

    lock: Lock = msgspec.field(default_factory=Lock)
    readers: int = 0
    restored: ExitStack = msgspec.field(default_factory=ExitStack)


_LENIENCY = _Leniency()


class _LogFilter(logging.Filter):
    """Collects log records in blocks that collect warnings, and keeps these records from the terminal."""

    def filter(self, record: logging.LogRecord) -> bool:
        messages = _WARNINGS.get()
        if messages is not None:
            messages.append(record.getMessage())
        return messages is None


def is_dicom(head: bytes) -> bool:
    """Whether these are the first bytes of a DICOM file."""
    return head[128:132] == _DICOM_MAGIC


@contextmanager
def collect_dicom_warnings() -> Iterator[list[str]]:
    """Collect pydicom's warnings in this thread while the block runs, each once, and print none of them.

    Values that break rules of the standard are read if the rules do not matter here. Raises SegdataError, which says
    how to install pydicom, if it is missing.
    """
    outer = _WARNINGS.get()
    if outer is not None:
        yield outer
        return
    messages: list[str] = []
    token = _WARNINGS.set(messages)
    _enter_leniency()
    try:
        yield messages
    finally:
        _leave_leniency()
        _WARNINGS.reset(token)
        messages[:] = dict.fromkeys(messages)


def _enter_leniency() -> None:
    with _LENIENCY.lock:
        if _LENIENCY.readers == 0:
            config, logger, log_filter = import_package("pydicom").config, logging.getLogger("pydicom"), _LogFilter()
            mode = config.settings.reading_validation_mode
            _LENIENCY.restored.callback(setattr, config.settings, "reading_validation_mode", mode)
            _LENIENCY.restored.enter_context(warnings.catch_warnings())
            config.settings.reading_validation_mode = config.IGNORE
            logger.addFilter(log_filter)
            _LENIENCY.restored.callback(logger.removeFilter, log_filter)
            show = warnings.showwarning
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *more, **named: _collect_warning(show, message, *more, **named)
        _LENIENCY.readers += 1


def _leave_leniency() -> None:
    with _LENIENCY.lock:
        _LENIENCY.readers -= 1
        if _LENIENCY.readers == 0:
            _LENIENCY.restored.close()


def _collect_warning(
    show: Any, message: Warning | str, *more: Any, **named: Any
) -> None:  # Any: as the warnings module has it
    messages = _WARNINGS.get()
    if messages is None:
        show(message, *more, **named)
    else:
        messages.append(str(message))


def read_dicom_image(path: Path) -> NDArray[np.generic]:
    """Read a DICOM image of one frame, (channels, rows, columns), in its units if it declares them (CT: Hounsfield).

    Raises OSError with the reason if it is damaged, has several frames, or has an unknown encoding.
    """
    pydicom, pixels_of = import_package("pydicom"), import_package("pydicom.pixels")
    try:
        with collect_dicom_warnings():
            dataset = pydicom.dcmread(path)
            check_pixels(int(dataset.Columns), int(dataset.Rows))
            if int(dataset.get("NumberOfFrames") or 1) > 1:
                raise OSError(
                    f"has {dataset.get('NumberOfFrames', 1)} frames of {dataset.Columns}x{dataset.Rows} pixels"
                )
            stored = dataset.pixel_array
            pixels: NDArray[Any] = pixels_of.apply_rescale(stored, dataset) if stored.ndim == 2 else stored
    except (*_DICOM_DAMAGE, pydicom.errors.InvalidDicomError) as error:
        raise OSError(f"damaged: {error}") from error
    return np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1))


T = TypeVar("T")


class DecodedFiles(Generic[T]):
    """Keeps the decoded content of the last few files.

    A file is decoded once while other threads that need it wait; an error of `decode` is raised in all of them.
    """

    def __init__(self, decode: Callable[[Path], T], most: int = 4) -> None:
        self._decode, self._most = decode, most
        self._lock = Lock()
        self._files: OrderedDict[Path, _DecodedFile[T]] = OrderedDict()

    def get(self, path: Path) -> T:
        """The decoded content of this file."""
        with self._lock:
            decoded = self._files.setdefault(path, _DecodedFile())
            self._files.move_to_end(path)
            while len(self._files) > self._most:
                self._files.popitem(last=False)
        return decoded.read(self._decode, path)


class _DecodedFile(Generic[T]):
    """The decoded content of a file, or the error."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._content: list[T] = []
        self._error: Exception | None = None

    def read(self, decode: Callable[[Path], T], path: Path) -> T:
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._content:
                try:
                    self._content.append(decode(path))
                except Exception as error:
                    self._error = error
                    raise
            return self._content[0]


_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


def voxel_spacing(affine: Floats) -> tuple[float, float, float]:
    """Millimetres between voxel centres along i, j and k."""
    i, j, k = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return i, j, k


def axis_codes(affine: Floats) -> str:
    """Letters of the world axes that i, j and k are nearest to; every world axis is used once.

    >>> axis_codes(np.diag([-1.0, 1.0, 2.0, 1.0]))
    'LAS'
    """
    direction = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    left = np.abs(direction)
    letters = [""] * 3
    for _ in range(3):
        world, voxel = np.unravel_index(int(left.argmax()), left.shape)
        letters[voxel] = _LETTERS[world][int(direction[world, voxel] > 0)]
        left[world, :] = left[:, voxel] = -1
    return "".join(letters)
