"""Probabilities reader: arrays in .npz files, checked before decoding and never unpickled, and their segments.

Source: numpy/numpy numpy/lib/_format_impl.py (the format of .npy, versions 1 to 3).
"""

import threading
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest, Source
from segdata.core.paths import dataset_folder, without_extension
from segdata.core.pixel_limit import TooManyPixelsError, check_numbers
from segdata.core.runs import Ints, Runs, mask_to_runs
from segdata.core.safe_text import whole_number
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.nnunet_reader import BACKGROUND, DATASET_JSON, IGNORE, DatasetJson, read_dataset_json
from segdata.formats.shared.derived_sources import RenamedSource
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.pairing import pair_label_files
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames, kind_from_name, resolve_names

MAX_ARRAY_BYTES = 1 << 32  # of one array; a larger claim is an attack on memory
_ARRAY_KEYS = ("probabilities", "softmax", "probs", "scores")  # the likeliest names of the array
# NumPy parses array headers as Python, so damage raises the tokenizer's errors.
_DECODER_ERRORS = (zipfile.BadZipFile, zlib.error, TokenError, EOFError, ValueError, KeyError, RuntimeError)


class UnreadableArrayError(Exception):
    """An array that cannot be read."""


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """The header of an array."""

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


def read_headers(path: Path) -> dict[str, ArrayHeader]:
    """The headers of the arrays in a file; raises UnreadableArrayError if it is no archive."""
    headers = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.endswith(".npy"):
                    with archive.open(info) as file:
                        head = _read_header(info.filename.removesuffix(".npy"), file)
                    n_bytes = int(np.prod(head.shape, dtype=object)) * head.dtype.itemsize
                    if n_bytes >= info.file_size and head.dtype != object and n_bytes > 0:
                        raise UnreadableArrayError(f"{head.key} claims {n_bytes:,} bytes and has {info.file_size:,}")
                    headers[head.key] = head
    except OSError as error:
        raise UnreadableArrayError(error.strerror or str(error)) from error
    except _DECODER_ERRORS as error:
        raise UnreadableArrayError(f"is no NumPy archive: {str(error).partition(chr(10))[0]}") from error
    return headers


def _read_header(key: str, file: IO[bytes]) -> ArrayHeader:
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(file)
    else:
        shape, _, dtype = npy.read_array_header_2_0(file)
    return ArrayHeader(key, shape, dtype)


def choose_array(headers: dict[str, ArrayHeader], name: str | None) -> ArrayHeader:
    """The array of probabilities: that of the given name, else one with a usual name, else the only array of floats.

    Raises UnreadableArrayError if there is none, or several.
    """
    if name is not None:
        if name not in headers:
            raise UnreadableArrayError(f"has no array {name!r}; it has {', '.join(headers) or 'none'}")
        return headers[name]
    fitting = [head for head in headers.values() if head.dtype.kind == "f" and 2 <= len(head.shape) <= 4]
    named = [head for key in _ARRAY_KEYS for head in fitting if head.key == key]
    if named:
        return named[0]
    if len(fitting) != 1:
        has = ", ".join(f"{head.key} {head.dtype} {head.shape}" for head in headers.values()) or "no arrays"
        which = "no array of probabilities" if not fitting else "several that may be probabilities"
        raise UnreadableArrayError(f"has {which} ({has}); give --read-option key=NAME")
    return fitting[0]


def decode_array(path: Path, head: ArrayHeader) -> NDArray[np.floating]:
    """The array, of the shape in its header; raises UnreadableArrayError if it cannot be decoded or is too large."""
    n_numbers = int(np.prod(head.shape, dtype=object))
    n_bytes = n_numbers * head.dtype.itemsize
    if n_bytes > MAX_ARRAY_BYTES:
        raise UnreadableArrayError(f"{head.key} claims {n_bytes:,} bytes; at most {MAX_ARRAY_BYTES:,} are read")
    if min(head.shape) < 1:
        raise UnreadableArrayError(f"{head.key} has the shape {head.shape}: no pixels")
    if head.dtype.kind != "f":
        raise UnreadableArrayError(f"{head.key} is {head.dtype}; probabilities are numbers with a point")
    try:
        check_numbers(n_numbers, path.stat().st_size)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            array: NDArray[np.floating] = archive[head.key]
    except TooManyPixelsError as error:
        raise UnreadableArrayError(f"{head.key} {error}") from error
    except OSError as error:
        raise UnreadableArrayError(error.strerror or str(error)) from error
    except (*_DECODER_ERRORS, MemoryError) as error:
        raise UnreadableArrayError(f"{head.key} cannot be decoded: {error}") from error
    return array


def read_names(path: Path, headers: dict[str, ArrayHeader], keys: tuple[str, ...]) -> list[str] | None:
    """The first array under one of `keys` that is a list of texts; None if there is none."""
    for key in keys:
        if key in headers and headers[key].dtype.kind in "US" and len(headers[key].shape) == 1:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return [str(name) for name in archive[key].astype(str).tolist()]
    return None


_UNLABELLED_CLASS = -1  # instead of a category id


@dataclass(frozen=True, slots=True)
class _ProbabilityClasses:
    """The classes along an axis."""

    naming: CategoryNames  # the names in the taxonomy
    category: tuple[int, ...]  # (n_classes,) the category id of each; `_UNLABELLED_CLASS` for the unlabelled one
    regions: bool = False  # whether the classes are regions, which may overlap and need a threshold


def _name_classes(request: ReadRequest, names: Sequence[str] | None, n_classes: int) -> _ProbabilityClasses:
    """The names of the classes: from the files, else from a dataset.json beside them, else by the taxonomy's ids.

    Raises UnreadableError if their number differs.
    """
    dataset_json = _dataset_json(request.root) if names is None else None
    if dataset_json is not None and dataset_json.has_regions:
        regions = [name for name in dataset_json.labels if name != IGNORE]
        return _classes_named(request, _as_many(regions, n_classes, DATASET_JSON), None, regions=True)
    if dataset_json is not None:
        by_value = {values[0]: name for name, values in dataset_json.labels.items() if name != IGNORE}
        listed = [by_value.get(value, str(value) if value else BACKGROUND) for value in range(max([0, *by_value]) + 1)]
        return _classes_named(request, _as_many(listed, n_classes, DATASET_JSON), 0)
    if names is not None:
        return _classes_named(request, _as_many(list(names), n_classes, "the list of classes"), None)
    taxonomy = request.taxonomy
    if taxonomy is not None:
        by_id = taxonomy.by_id()
        listed = [by_id[value].name if value in by_id else str(value) for value in range(n_classes)]
        return _classes_named(request, listed, taxonomy.unlabelled_id)
    return _classes_named(request, [str(value) for value in range(n_classes)], None)


def _dataset_json(root: Path) -> DatasetJson | None:
    """nnU-Net's dataset.json, beside the files or in the folder above; None if there is none."""
    folder = dataset_folder(root)
    paths = (parent / DATASET_JSON for parent in (folder, folder.parent))
    return next((read_dataset_json(path) for path in paths if path.is_file()), None)


def _as_many(names: list[str], n_classes: int, what: str) -> list[str]:
    if len(names) != n_classes:
        raise UnreadableError(
            f"the arrays have {n_classes} classes and {what} has {len(names)}: {', '.join(names[:5])}"
        )
    return names


def _classes_named(
    request: ReadRequest, names: list[str], unlabelled: int | None, regions: bool = False
) -> _ProbabilityClasses:
    """The classes with these names; `unlabelled` is the position of the unlabelled class."""
    option = request.options.get("unlabelled")
    if option is not None:
        unlabelled = whole_number(str(option))
        if unlabelled is None or not 0 <= unlabelled < len(names):
            raise UnreadableError(f"unlabelled is {option!r}; the classes are 0 to {len(names) - 1}")
    named = [name for position, name in enumerate(names) if position != unlabelled]
    own = [Category(id=k, name=name, kind=kind_from_name(name)) for k, name in enumerate(names) if k != unlabelled]
    meaning = resolve_names(named, request.taxonomy, Taxonomy(categories=tuple(own)))
    category = [_UNLABELLED_CLASS if k == unlabelled else meaning.to[name] for k, name in enumerate(names)]
    return _ProbabilityClasses(meaning, tuple(category), regions)


Probabilities = NDArray[np.floating]
_TOLERANCE = 0.01  # float16 has three digits


def _likeliest_segments(p: Probabilities, category: Sequence[int]) -> tuple[Ints, Runs, list[float]]:
    """Segments of the likeliest class of each pixel, the first among equals; unlabelled pixels have no segment.

    `p` is (n_classes, height, width). Returns the categories (n,) of the segments, their runs and their scores (n,).
    """
    best, label = p[0].copy(), np.zeros(p.shape[1:], np.uint16)
    for number in range(1, len(p)):  # a third of the time of argmax, which strides across memory
        np.putmask(label, p[number] > best, number)
        np.maximum(best, p[number], out=best)
    count = np.bincount(label.ravel(), minlength=len(p))
    total = np.bincount(label.ravel(), weights=best.ravel().astype(np.float64), minlength=len(p))
    runs = ValueRuns.of(label)
    # Classes that share a category are one segment.
    of_class = np.array(category, np.int64)
    present = runs.value[of_class[runs.value] != _UNLABELLED_CLASS]
    ids = np.unique(of_class[present])
    owner = np.where(of_class[runs.value] == _UNLABELLED_CLASS, -1, np.searchsorted(ids, of_class[runs.value]))
    mean = [float(total[of_class == id_].sum() / count[of_class == id_].sum()) for id_ in ids.tolist()]
    return ids, runs.assign_owners(owner.astype(np.int32), len(ids)), mean


def _segments_above(p: Probabilities, category: Sequence[int], threshold: float) -> tuple[Ints, Runs, list[float]]:
    """For each class the pixels whose probability is above a threshold; segments of different classes may overlap.

    `p` is (n_classes, height, width). Returns the categories (n,) of the segments, their runs and their scores (n,).
    """
    ids, pieces, scores = [], [], []
    for of_class, id_ in zip(p, category, strict=True):
        mask = of_class > threshold
        if id_ != _UNLABELLED_CLASS and mask.any():
            pieces.append(mask_to_runs(mask))
            scores.append(float(of_class[mask].mean(dtype=np.float64)))
            ids.append(id_)
    return np.array(ids, np.int64), Runs.concatenate(pieces, [1] * len(pieces)), scores


def _why_unsound(p: Probabilities) -> str | None:
    """Why these numbers cannot be probabilities; None if they can."""
    low, high = float(p.min()), float(p.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return "holds values that are not finite"
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        return f"holds values from {low:.3g} to {high:.3g}: no probabilities; logits need a softmax first"
    return None


_NO_AXIS = 9  # instead of an axis: there is only one class


class _ArrayImages:
    """Loads probabilities (n_classes, height, width) from any thread; keeps the last array in memory.

    `axis` is that of the classes: 0, -1, or `_NO_AXIS`.
    """

    def __init__(self, axis: int) -> None:
        self._axis = axis
        self._lock = threading.Lock()
        self._kept: tuple[Path, Probabilities] | None = None

    def image(self, path: Path, head: ArrayHeader, k: int | None) -> Probabilities:
        """The probabilities of the only image of an archive (`k` is None), or of slice `k` of a volume.

        Raises UnreadableArrayError where it cannot be decoded or has other axes.
        """
        if len(head.shape) != (2 if self._axis == _NO_AXIS else 3 if k is None else 4):
            raise UnreadableArrayError(f"{head.key} has the shape {head.shape}, unlike that of other files")
        if k is None:
            return _as_float32(self._classes_first(decode_array(path, head)))
        with self._lock:
            if self._kept is None or self._kept[0] != path:
                self._kept = path, self._classes_first(decode_array(path, head))
            return _as_float32(self._kept[1][:, k])

    def _classes_first(self, p: Probabilities) -> Probabilities:
        return p[None] if self._axis == _NO_AXIS else np.moveaxis(p, self._axis, 0)


def _as_float32(p: Probabilities) -> Probabilities:
    """float16 numbers as float32, with which processors compute faster; other types unchanged."""
    return p.astype(np.float32) if p.dtype == np.float16 else p


_NAME_KEYS = ("class_names", "classes", "names", "labels")
_REGION_THRESHOLD = 0.5  # nnU-Net's threshold for regions
_AXES = {"first": 0, "last": -1}


def open_archives(request: ReadRequest) -> PerImageSource:
    """Open the archives; raises UnreadableError if the array or the axis of classes is ambiguous."""
    root = request.root
    entries, defects = pair_label_files(root, ".npz", request.images)
    layouts = {entry.files[0]: _array_header(request, entry.files[0]) for entry in entries if entry.files}
    sound = {path: head for path, head in layouts.items() if isinstance(head, ArrayHeader)}
    if not sound:
        raise UnreadableError(next(iter(map(str, layouts.values())), f"{root}: no .npz files in it"))
    path, head = next(iter(sound.items()))
    axis, resolved = _axis_and_classes(request, path, head)
    threshold = _threshold(request, resolved, head)
    sparse = threshold is not None or _UNLABELLED_CLASS in resolved.category
    profile = resolved.naming.profile(
        "npz", root, "semantic", "sparse" if sparse else "exhaustive", "forbid" if threshold is None else "allow"
    )
    slices = [entry_slice for entry in entries for entry_slice in _slice_entries(entry, layouts, axis)]
    volumes = _ArrayImages(axis)
    read_image = partial(_read_image, root, volumes, resolved.category, threshold)
    return ProbabilitySource(
        root=root,
        profile=profile,
        entries=slices,
        defects=tuple(defects),
        read_image=read_image,
        annotator=request.annotator,
        per_chunk=4,
        volumes=volumes,
        category=resolved.category,
    )


@dataclass(frozen=True)
class ProbabilitySource(PerImageSource):
    """An opened dataset of archives, which also gives the probabilities themselves."""

    volumes: _ArrayImages = field(default_factory=lambda: _ArrayImages(0), repr=False)
    # (n_classes,) the category id of each class; `_UNLABELLED_CLASS` for the unlabelled one
    category: tuple[int, ...] = ()

    def probabilities(self, row: int) -> tuple[Probabilities, tuple[int, ...]]:
        """(n_classes, height, width) of the image at a row, and `category`; raises SegdataError if unreadable."""
        entry = self.entries[row]
        try:
            return _probabilities(self.root, self.volumes, self.category, entry), self.category
        except BrokenLabelsError as error:
            raise SegdataError(f"{entry.files[0]}: {error}") from error


def _array_header(request: ReadRequest, path: Path) -> ArrayHeader | str:
    """The header of the array of probabilities, or the reason for its absence."""
    try:
        key = request.options.get("key")
        return choose_array(read_headers(path), None if key is None else str(key))
    except UnreadableArrayError as error:
        return f"{path.name}: {error}"


def _axis_and_classes(request: ReadRequest, path: Path, head: ArrayHeader) -> tuple[int, _ProbabilityClasses]:
    """The axis of the classes, `_NO_AXIS` if there is only one class, and the classes."""
    try:
        names = read_names(path, read_headers(path), _NAME_KEYS)
        if len(head.shape) == 2:
            return _NO_AXIS, _name_classes(request, names, 1)
        option = request.options.get("classes")
        if option is not None and option not in _AXES:
            raise UnreadableError(f"classes is {option!r}; first or last is expected")
        fits = [option] if option is not None else _fitting(path, head, names)
    except UnreadableArrayError as error:
        raise UnreadableError(f"{path}: {error}") from error
    if len(fits) != 1:
        raise UnreadableError(
            f"{path}: either axis of {head.key} {head.shape} may be the classes; give --read-option "
            "classes=first (or last)"
        )
    axis = _AXES[str(fits[0])]
    return axis, _name_classes(request, names, head.shape[axis])


def _fitting(path: Path, head: ArrayHeader, names: list[str] | None) -> list[str]:
    """The axes along which the classes may lie."""
    if names is not None and len(by_count := [name for name, k in _AXES.items() if head.shape[k] == len(names)]) == 1:
        return by_count
    p = decode_array(path, head)
    fits = []
    for name, axis in _AXES.items():  # exclusive classes have probabilities that add up to 1 everywhere
        difference = np.abs(p.sum(axis=axis, dtype=np.float64) - 1).max(initial=0)
        if p.shape[axis] > 1 and difference < _TOLERANCE * p.shape[axis]:
            fits.append(name)
    return fits


def _threshold(request: ReadRequest, classes: _ProbabilityClasses, head: ArrayHeader) -> float | None:
    """The probability above which a pixel belongs to a class; None: each pixel belongs to the likeliest class."""
    option = request.options.get("threshold")
    if option is None:
        if len(classes.category) == 1:
            raise UnreadableError(f"{head.key} has a single class; give --read-option threshold=0.5")
        return _REGION_THRESHOLD if classes.regions else None
    try:
        return float(option)
    except ValueError as error:
        raise UnreadableError(f"threshold is {option!r}; a number is expected") from error


def _slice_entries(entry: ImageEntry, layouts: dict[Path, ArrayHeader | str], axis: int) -> list[ImageEntry]:
    """The images of an archive: one, or each slice of a volume."""
    head = layouts[entry.files[0]] if entry.files else None
    if not isinstance(head, ArrayHeader) or len(head.shape) < 4:
        return [replace(entry, record=(head, None))] if entry.files else [entry]
    depth = head.shape[1 if axis == 0 else 0]
    if depth == 1:
        return [replace(entry, record=(head, 0))]
    volume = without_extension(entry.image_id)
    return [
        replace(entry, image_id=f"{volume}/{k:04d}", image=None, record=(head, k), sequence=volume, frame=k)
        for k in range(depth)
    ]


def _read_image(
    root: Path, volumes: _ArrayImages, category: tuple[int, ...], threshold: float | None, entry: ImageEntry
) -> list[ImageAnnotation]:
    file, p = relative_path(root, entry.files[0]), _probabilities(root, volumes, category, entry)
    if threshold is None:
        ids, runs, scores = _likeliest_segments(p, category)
    else:
        ids, runs, scores = _segments_above(p, category, threshold)
    places = [f"class {category.index(id_)}" for id_ in ids.tolist()]
    columns: dict[str, Sequence[object]] = {"score": scores, "file": [file] * len(ids), "place": places}
    return [ImageAnnotation((p.shape[1], p.shape[2]), ids, ids, runs, columns, annotation={"source": "model"})]


def _probabilities(root: Path, volumes: _ArrayImages, category: tuple[int, ...], entry: ImageEntry) -> Probabilities:
    """The probabilities of one image; raises BrokenLabelsError if the values are no probabilities."""
    head, k = entry.record
    file = relative_path(root, entry.files[0])
    if not isinstance(head, ArrayHeader):
        raise BrokenLabelsError(Defect("SEG001", str(head).partition(": ")[2], file))
    try:
        p = volumes.image(entry.files[0], head, k)
    except UnreadableArrayError as error:
        raise BrokenLabelsError(Defect("SEG001", str(error), file)) from error
    if len(p) != len(category):
        message = f"{head.key} has {len(p)} classes, other files have {len(category)}"
        raise BrokenLabelsError(Defect("SEG004", message, file))
    if (why := _why_unsound(p)) is not None:
        raise BrokenLabelsError(Defect("SEG004", f"{head.key} {why}", file))
    return p


ReadProbabilities = Callable[[int], tuple[Probabilities, tuple[int, ...]]]


def probabilities_of(source: Source) -> ReadProbabilities | None:
    """The probabilities (n_classes, height, width) of the image at a row, and the category id of each class.

    -1 stands for the class that is unlabelled. None: the source is of another format.
    """
    opened = source.source if isinstance(source, RenamedSource) else source
    return opened.probabilities if isinstance(opened, ProbabilitySource) else None
