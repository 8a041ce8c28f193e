"""Reads and writes Cellpose's files, which are pickled NumPy dictionaries, without executing the pickle.

A pickle is a program. This reader interprets it with stand-ins: arrays keep their shape, type and place in the file,
every other class becomes an empty object, and nothing is imported or called. Bytes of arrays are not read until you ask
for them.

Source: Python, Lib/pickle.py (the opcodes); numpy/numpy numpy/lib/_format_impl.py (the file) and ndarray.__reduce__.
"""

import io
import pickle
import re
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import with_folder
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints
from segdata.formats.masks.cellpose import LOSSES
from segdata.formats.shared import writing
from segdata.formats.shared.image_index import Cell, has_index, pair_by_index, write_index
from segdata.formats.shared.image_names import images_folder
from segdata.formats.shared.images import MAX_PIXELS
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.pairing import pair_label_files
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names

MAX_ARRAY_BYTES = 1 << 32  # of one array; a larger claim is an attack on memory
_MIN_MAPPED_BYTES = 1 << 16  # larger byte strings stay in the file; pickle does not frame them
_NUMERIC_TYPE = re.compile(r"[?b]1?|[biuf][1248]")
_BINBYTES: Mapping[int, tuple[int, str]] = {pickle.BINBYTES[0]: (4, "<I"), pickle.BINBYTES8[0]: (8, "<Q")}
# Raised for damaged pickles. Nesting and indices are unlimited, but need no more memory than the file has bytes.
_DECODER_ERRORS = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError,
    RecursionError, MemoryError, struct.error, TokenError, AssertionError, SyntaxError, UnicodeError,
)  # fmt: skip


class UnreadablePickleError(Exception):
    """A file is no pickled dictionary, or an array in it cannot be decoded."""


@dataclass(frozen=True, slots=True)
class _Span:
    """A range of bytes that stays in the file."""

    start: int
    size: int


class _Inert:
    """Stand-in for any class of a pickle: accepts every call and does nothing."""

    def __new__(cls, *_: object, **__: object) -> "_Inert":
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def _ignore(self, *_: object) -> None:
        pass

    __setstate__ = append = extend = add = __setitem__ = _ignore


class _Type:
    """Stand-in for numpy.dtype."""

    def __init__(self, code: object = None, *_: object) -> None:
        self.code = code
        self.order: Literal["<", ">", "="] = "="

    def __setstate__(self, state: Any) -> None:  # Any: of a foreign file
        self.order = state[1] if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">") else "="

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The dtype; None if it is not numeric."""
        plain = isinstance(self.code, str) and _NUMERIC_TYPE.fullmatch(self.code)
        return np.dtype(str(self.code)).newbyteorder(self.order) if plain else None


class PickledArray:
    """Stand-in for an array: its shape, its type, and the place of its bytes."""

    def __init__(self, *_: object) -> None:
        self.shape: tuple[int, ...] = ()
        self.dtype: np.dtype[Any] | None = None  # None: objects
        self.is_fortran = False
        self.data: object = None  # bytes, a span of the file, or the list of an array of objects

    def __setstate__(self, state: Any) -> None:  # Any: of a foreign file
        _, shape, kind, self.is_fortran, self.data = state
        if not (isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)):
            raise ValueError(f"the shape {shape!r:.40} is not one of an array")
        self.shape = shape
        self.dtype = kind.dtype if isinstance(kind, _Type) else None

    def decode(self, path: Path) -> NDArray[Any]:  # Any: numbers of any type
        """Decode the array; raises UnreadablePickleError if it is not numeric, or its bytes do not fit its shape."""
        if self.dtype is None:
            raise UnreadablePickleError("is an array of objects, not of numbers")
        n_bytes = int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        held = self.data
        size = held.size if isinstance(held, _Span) else len(held) if isinstance(held, (bytes, bytearray)) else -1
        if n_bytes != size:
            raise UnreadablePickleError(f"has the shape {self.shape} and {size:,} bytes instead of {n_bytes:,}")
        if n_bytes > MAX_ARRAY_BYTES:
            raise UnreadablePickleError(f"claims {n_bytes:,} bytes; at most {MAX_ARRAY_BYTES:,} are read")
        if isinstance(held, _Span):
            values = np.fromfile(path, self.dtype, offset=held.start, count=n_bytes // self.dtype.itemsize)
        else:
            values = np.frombuffer(held if isinstance(held, (bytes, bytearray)) else b"", self.dtype)
        return values.reshape(self.shape, order="F" if self.is_fortran else "C")


def _latin_1(text: str = "", *_: object) -> bytes:
    """Decode bytes, which protocol 2 stores as Latin-1 text."""
    return text.encode("latin-1")


class _SpanFile:
    """A file for the unpickler; while `skips` is set, it returns spans instead of long byte strings."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self.file, self.size, self.skips = file, size, False
        self.readline = file.readline

    def read(self, n: int) -> Any:  # Any: bytes, or a span
        start = self.file.tell()
        if n > self.size - start:
            raise EOFError(f"the file ends {start + n - self.size:,} bytes early")
        if not self.skips or n < _MIN_MAPPED_BYTES:
            return self.file.read(n)
        self.file.seek(n, io.SEEK_CUR)
        return _Span(start, n)


class _ArrayUnpickler(pickle._Unpickler):  # the Python implementation, whose loading of bytes can be overridden
    read: Callable[[int], Any]  # Any: bytes, or a span
    append: Callable[[object], None]

    def __init__(self, file: _SpanFile) -> None:
        super().__init__(file, encoding="latin1")
        self._spans = file

    def find_class(self, module: str, name: str) -> Any:  # Any: a stand-in for any class or function
        """The stand-in for a class; nothing is imported."""
        if module.partition(".")[0] == "numpy":
            return {"_reconstruct": PickledArray, "ndarray": PickledArray, "dtype": _Type}.get(name, _Inert)
        return _latin_1 if f"{module}.{name}" in ("_codecs.encode", "__builtin__.bytes") else _Inert

    def persistent_load(self, pid: object) -> Any:  # Any: a stand-in
        """An object stored outside the pickle is not loaded."""
        return _Inert()

    def _load_bytes(self, n_bytes: int, layout: str) -> None:
        (size,) = struct.unpack(layout, self.read(n_bytes))
        self._spans.skips = True
        try:
            self.append(self.read(size))
        finally:
            self._spans.skips = False


def _loader(n_bytes: int, layout: str) -> Any:  # Any: typeshed names no unpickler in Python
    return lambda unpickler: unpickler._load_bytes(n_bytes, layout)


_ArrayUnpickler.dispatch = _ArrayUnpickler.dispatch | {code: _loader(*layout) for code, layout in _BINBYTES.items()}


def read_pickled_dictionary(path: Path) -> dict[str, Any]:  # Any: plain values, `PickledArray`, stand-ins
    """The dictionary that `numpy.save` wrote at `path`; raises UnreadablePickleError if it holds something else."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            version = npy.read_magic(file)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read_header(file)
            if dtype.kind != "O" or shape:
                raise UnreadablePickleError(f"holds an array {dtype} {shape}, not a dictionary")
            outer = _ArrayUnpickler(_SpanFile(file, size)).load()
    except OSError as error:
        raise UnreadablePickleError(f"cannot be read: {error.strerror or error}") from error
    except _DECODER_ERRORS as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UnreadablePickleError(f"is no NumPy file, or cut off: {reason}") from error
    content = outer.data if isinstance(outer, PickledArray) else None
    if not (isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict)):
        raise UnreadablePickleError("holds no dictionary")
    return content[0]


SUFFIX = "_seg.npy"
MASKS, DETAILS, BY_HAND = "masks", "segdata", "ismanual"
_DETAIL_COLUMNS = 4  # value, segment id, category id, crowd
_CATEGORY = "cell"
_OUTPUTS = ("_cp_masks", "_masks", "_flows", "_cp_output", "_outlines", "_dP", "_cellprob")  # pictures beside images


@dataclass(frozen=True, slots=True)
class _SegFile:
    """The content of a _seg.npy file, with undecoded arrays."""

    masks: PickledArray
    details: PickledArray | None
    by_hand: PickledArray | None
    image: str | None  # the name of the image


def open_cellpose(request: ReadRequest) -> PerImageSource:
    """Open the files; raises UnreadableError if there is none, or if several categories may be meant."""
    root = request.root
    if root.is_dir() and has_index(root):
        entries, defects = pair_by_index(root, images_folder(request))
    else:
        entries, defects = _without_outputs(*pair_label_files(root, SUFFIX, images_folder(request), _stated_image))
    if not any(entry.files for entry in entries) and not (root.is_dir() and has_index(root)):
        raise UnreadableError(f"{root}: no file called <image>{SUFFIX}")
    files = {entry.files[0]: _open_file(entry.files[0]) for entry in entries if entry.files}
    names = _names(request, files)
    category = next(iter(names.to.values()), None)
    planes = [
        plane for entry in entries for plane in _planes(entry, files.get(entry.files[0]) if entry.files else None)
    ]
    profile = names.profile("cellpose", root, "instance", "sparse", "forbid")
    read = partial(read_image, root, category)
    return PerImageSource(root, profile, planes, tuple(defects), read, request.annotator)


def _without_outputs(entries: list[ImageEntry], defects: list[Defect]) -> tuple[list[ImageEntry], list[Defect]]:
    """The images and defects without Cellpose's output pictures beside its files."""
    outputs = {
        entry.image_id for entry in entries if not entry.files and PurePosixPath(entry.image_id).stem.endswith(_OUTPUTS)
    }
    kept = [entry for entry in entries if entry.image_id not in outputs]
    return kept, [defect for defect in defects if defect.image not in outputs]


def _stated_image(path: Path) -> str | None:
    """The image name in a file, if the file is named after it, as Cellpose matches by file name."""
    opened = _open_file(path)
    name = opened.image if isinstance(opened, _SegFile) else None
    return name if name is not None and PurePosixPath(name).stem + SUFFIX == path.name else None


def _open_file(path: Path) -> _SegFile | str:
    """The content of a file, or why it cannot be read."""
    try:
        content = read_pickled_dictionary(path)
    except UnreadablePickleError as error:
        return str(error)
    masks, image = content.get(MASKS), content.get("filename")
    if not isinstance(masks, PickledArray):
        return f"has no array 'masks'; it has {', '.join(sorted(map(str, content)))[:80] or 'nothing'}"
    if len(masks.shape) not in (2, 3):
        return f"masks has the shape {masks.shape}; two axes are an image, three a volume"
    details, by_hand = (
        value if isinstance(value := content.get(key), PickledArray) else None for key in (DETAILS, BY_HAND)
    )
    return _SegFile(masks, details, by_hand, PureWindowsPath(image).name if isinstance(image, str) and image else None)


def _names(request: ReadRequest, files: dict[Path, _SegFile | str]) -> CategoryNames:
    """The categories; a single category is the default for segments without one."""
    taxonomy, option = request.taxonomy, request.options.get("category")
    if option is not None:
        return resolve_names([str(option)], taxonomy)
    if taxonomy is None:
        return resolve_names([_CATEGORY], None)
    named = [category.name for category in taxonomy.categories if category.kind != "void"]
    if len(named) == 1:
        return resolve_names(named, taxonomy)
    if all(isinstance(file, _SegFile) and file.details is not None for file in files.values()):
        return resolve_names([], taxonomy)
    raise UnreadableError(
        f"{request.root}: Cellpose has one category, the taxonomy {len(named)} ({', '.join(named[:5])}); "
        f"give --read-option category={named[0] if named else 'NAME'}"
    )


def _planes(entry: ImageEntry, file: _SegFile | str | None) -> list[ImageEntry]:
    """The images of a file: one, or each plane of a volume."""
    entry = replace(entry, record=file)
    if not isinstance(file, _SegFile) or len(file.masks.shape) == 2:
        return [entry]
    volume = entry.image_id
    return [
        replace(entry, image_id=f"{volume}/{plane:04d}", page=plane, sequence=volume, frame=plane)
        for plane in range(file.masks.shape[0])
    ]


def read_image(root: Path, category: int | None, entry: ImageEntry) -> list[ImageAnnotation]:
    """Read the segments of one image or plane; `category` is the default for segments without one.

    Raises BrokenLabelsError if the file cannot be read or its masks do not fit the image.
    """
    path, opened = entry.files[0], entry.record
    file = relative_path(root, path)
    if not isinstance(opened, _SegFile):
        raise BrokenLabelsError(Defect("SEG001", str(opened), file))
    shape = opened.masks.shape[-2:]
    if 0 in shape or shape[0] * shape[1] > MAX_PIXELS:
        raise BrokenLabelsError(Defect("SEG004", f"masks has the shape {opened.masks.shape}, which no image has", file))
    try:
        masks = opened.masks.decode(path)
        details = None if opened.details is None else opened.details.decode(path)
        by_hand = None if opened.by_hand is None else opened.by_hand.decode(path)
    except (UnreadablePickleError, OSError) as error:
        raise BrokenLabelsError(Defect("SEG001", f"masks {error}", file)) from error
    if masks.dtype.kind not in "uib" or masks.min(initial=0) < 0 or masks.max(initial=0) > 2**32 - 1:
        message = f"masks is {masks.dtype} from {masks.min()} to {masks.max()}; it holds whole numbers from 0"
        raise BrokenLabelsError(Defect("SEG004", message, file))
    plane = masks if entry.page is None else masks[entry.page]
    runs = ValueRuns.of(np.ascontiguousarray(plane, np.uint32))
    is_segment = runs.value > 0
    values = runs.value[is_segment].astype(np.int64)
    ids, categories, crowds, defects = _meanings(values, details, category, runs, is_segment)
    columns: dict[str, Any] = {
        "file": [file] * len(values),
        "place": [f"value {value}" for value in values.tolist()],
        "iscrowd": crowds,
    }
    if details is None and by_hand is not None and by_hand.shape == (int(masks.max(initial=0)),):
        columns["source"] = ["human" if by_hand[value - 1] else "model" for value in values.tolist()]
    if entry.page is not None:
        columns["track_id"] = ids.tolist()
    pixels = runs.select(np.flatnonzero(is_segment))
    return [ImageAnnotation((runs.height, runs.width), ids, categories, pixels, columns, defects=defects)]


def _meanings(
    values: Ints, details: NDArray[Any] | None, category: int | None, runs: ValueRuns, is_segment: Flags
) -> tuple[Ints, Ints, list[bool], list[Defect]]:
    """The ids, categories and crowd flags of the segments with these values, and defects of values without a row."""
    if details is None:
        ids = np.full(len(values), -1 if category is None else category, np.int64)
        return values, ids, [False] * len(values), []
    if details.ndim != 2 or details.shape[1] != _DETAIL_COLUMNS or details.dtype.kind not in "iu":
        message = f"the array {DETAILS!r} has the shape {details.shape}; {_DETAIL_COLUMNS} columns are expected"
        raise BrokenLabelsError(Defect("SEG004", message))
    rows = {int(value): row for row, value in enumerate(details[:, 0].tolist())}
    table = [details[rows[value]].tolist() if value in rows else [value, value, -1, 0] for value in values.tolist()]
    known = np.array([row[2] >= 0 or row[0] in rows for row in table], bool)
    area = runs.area[is_segment]
    defects = [
        Defect("SEG009", f"value {value} has no row in the array {DETAILS!r}", pixels=int(n))
        for value, n in zip(values[~known].tolist(), area[~known].tolist(), strict=True)
    ]
    columns = np.array(table, np.int64).reshape(-1, _DETAIL_COLUMNS)
    return columns[:, 1], columns[:, 2], (columns[:, 3] != 0).tolist(), defects


def write_cellpose(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write `<image>_seg.npy` files, `images.csv` and `taxonomy.yaml` below `target`."""
    writing.start_folder(target, profile, losses)
    counted = writing.count_losses_of_batches(batches, losses, LOSSES)
    write_index(target, _write_files(counted, target, profile.taxonomy.by_id().keys(), losses))


def _write_files(
    batches: Iterable[Batch], target: Path, categories: Collection[int], losses: LossCounter
) -> Iterator[tuple[Cell, ...]]:
    """Write the files; yields the rows of the index."""
    paths = writing.MaskPaths()
    for batch in batches:
        columns = [
            batch.segments[name].cast(pa.int64()).fill_null(0).to_numpy()
            for name in ("segment_id", "category_id", "iscrowd")
        ]
        for image, numbered in writing.number_segments(batch, categories, losses):
            name = None
            if numbered is not None:
                details = np.stack([numbered.values, *(column[numbered.rows] for column in columns)], axis=1)
                name = paths.name(image.image_id, SUFFIX).removeprefix("masks/")
                _save(target / name, image, numbered.pixels, details)
            yield image.index_row(name)


def _save(path: Path, image: writing.ImageSegments, pixels: NDArray[Any], details: Ints) -> None:
    """Save one file with the keys that Cellpose's program expects."""
    content = {
        "outlines": pixels * _inner_boundary(pixels),
        MASKS: pixels,
        "chan_choose": [0, 0],
        BY_HAND: np.ones(int(pixels.max(initial=0)), bool),
        "filename": PurePosixPath(image.image_id).name,
        "flows": [],
        "diameter": float("nan"),
        DETAILS: details,
    }
    with with_folder(path).open("wb") as file:
        np.save(file, np.array(content, object), allow_pickle=True)


def _inner_boundary(pixels: NDArray[Any]) -> Flags:
    """(height, width) the pixels that have a neighbour of another value above, below, left or right, or the border."""
    padded = np.pad(pixels, 1)
    centre = padded[1:-1, 1:-1]
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    differs: Flags = np.logical_or.reduce([side != centre for side in neighbours])
    return differs
