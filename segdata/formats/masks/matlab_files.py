"""Reads label matrices from the variables in files of MATLAB 5 to 7.2 (`save -v6` and `-v7`).

Source: MathWorks, "MAT-File Format", level 5. `scipy.io.loadmat` is the oracle of the tests. It does not read the files
itself, because damage ends its process (a segmentation fault): here every size is compared with what is there.
"""

import math
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import UnreadableError
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import split_from_path
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.masks.mask_values import MAX_CATEGORIES, MaskValues, ValueCounts
from segdata.formats.masks.provisional import propose_taxonomy
from segdata.formats.shared.colour_tables import load_preset
from segdata.formats.shared.image_names import images_folder, no_images_defect
from segdata.formats.shared.images import MAX_PIXELS, ImageFolder
from segdata.formats.shared.mask_files import (
    MaskFile,
    ValueMeanings,
    ValueRuns,
    category_annotation,
    index_legend,
    unknown_value_defects,
    value_place,
)
from segdata.formats.shared.pairing import find_label_files
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names

Variable = NDArray[Any]

_HEADER_BYTES = 128  # text, version and byte order before the first element
_ARRAY, _COMPRESSED = 14, 15  # types of elements
_NUMBER_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ENCODINGS = {1: "utf-8", 2: "utf-8", 16: "utf-8", 4: "utf-16", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR, _OPAQUE = 1, 2, 4, 17  # classes of arrays
_NUMERIC_CLASSES = range(6, 16)
_MAX_COLUMNS = 4  # of a table
_COMPLEX_FLAG = 0x0800  # a flag beside the class
_TAG_BYTES = 8  # the minimum size of an element
_MAX_AXES, _MAX_ELEMENTS = 32, 1 << 40
_CHUNK_BYTES = 1 << 20
_MAX_BYTES = 1 << 30  # of a decompressed file: 30 annotators of 34 megapixels each
_FIELD = "Segmentation"
_ENCODING = "MATLAB matrix"
_LABEL_WORDS = ("label", "truth", "gt", "seg", "mask", "annot", "inst", "cls", "class")  # in names of matrices
_BACKGROUND_NAMES = frozenset({"null", "background", "unlabeled", "unlabelled", "none", "void"})
_Kind = Literal["regions", "instances", "voc", "values"]


class DamagedMatError(ValueError):
    """A file contradicts itself; the message says how."""


class TooLargeMatError(ValueError):
    """A file decompresses to more bytes than allowed."""


def read_variables(path: Path, most_bytes: int) -> dict[str, Variable]:
    """Read the variables of a file by name, as `scipy.io.loadmat` returns them.

    Numbers have the type that they are stored in, cell arrays are arrays of objects, struct arrays have a field of
    objects for each of theirs, and texts are arrays of str, one element a row. Complex and sparse arrays, functions
    and objects are left out; in a cell they are None.

    Raises DamagedMatError, TooLargeMatError if the file decompresses to more than `most_bytes`, and OSError.
    """
    data = memoryview(path.read_bytes())
    order = {b"IM": "<", b"MI": ">"}.get(bytes(data[126:_HEADER_BYTES]))
    if order is None:
        raise DamagedMatError("it does not begin as files of MATLAB 5 to 7.2 do")
    variables: dict[str, Variable] = {}
    elements = _Elements(data[_HEADER_BYTES:], order)
    budget = most_bytes
    try:
        while elements.data:
            kind, content = elements.next()
            if kind == _COMPRESSED:
                inflated = _inflate(content, budget)
                kind, content = _Elements(memoryview(inflated), order).next()
            budget -= len(content)
            if budget < 0:
                raise TooLargeMatError(f"holds more than {most_bytes:,} bytes")
            if kind == _ARRAY:
                name, array = _read_array(content, order)
                if array is not None and name:
                    variables[name] = array
    except RecursionError:
        raise DamagedMatError("its cells are nested too deeply") from None
    return variables


def _inflate(data: memoryview, most: int) -> bytes:
    """Decompress a complete zlib stream."""
    inflate, parts, size = zlib.decompressobj(), [], 0
    rest: bytes | memoryview = data
    try:
        while rest and size <= most:
            parts.append(inflate.decompress(rest, _CHUNK_BYTES))
            size += len(parts[-1])
            rest = inflate.unconsumed_tail
    except zlib.error as error:
        raise DamagedMatError(f"its compressed data are damaged ({error})") from None
    if size > most:
        raise TooLargeMatError(f"holds more than {most:,} bytes")
    if not inflate.eof:
        raise DamagedMatError("its compressed data end early")
    return b"".join(parts)


class _Elements:
    """Reads the elements of a file or an array in sequence; an element is a tag (type and size) and its content."""

    def __init__(self, data: memoryview, order: str) -> None:
        self.data = data  # the unread bytes
        self.order = order

    def next(self) -> tuple[int, memoryview]:
        """The type of the next element, and its content."""
        first = self._number(4)
        if first >> 16:  # a small element: size and type share four bytes, and four of content follow
            kind, size, padding = first & 0xFFFF, first >> 16, 4 - (first >> 16)
            if padding < 0:
                raise DamagedMatError(f"a small element has {size} bytes")
        else:
            kind, size = first, self._number(4)
            padding = 0 if kind == _COMPRESSED else -size % _TAG_BYTES
        content = self._take(size)
        self.data = self.data[padding:]
        return kind, content

    def numbers(self) -> Variable:
        """The next element as numbers (n,), in the stored type."""
        kind, content = self.next()
        if kind not in _NUMBER_TYPES:
            raise DamagedMatError(f"numbers of type {kind}")
        dtype = np.dtype(self.order + _NUMBER_TYPES[kind])
        if len(content) % dtype.itemsize:
            raise DamagedMatError(f"{len(content)} bytes are no whole number of {dtype.itemsize}")
        return np.frombuffer(content, dtype)

    def array(self) -> Variable | None:
        """The next element as an array."""
        kind, content = self.next()
        if kind != _ARRAY:
            raise DamagedMatError(f"an element of type {kind} where an array is expected")
        return _read_array(content, self.order)[1]

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little" if self.order == "<" else "big")

    def _take(self, size: int) -> memoryview:
        if size > len(self.data):
            raise DamagedMatError(f"an element of {size:,} bytes where {len(self.data):,} are left")
        taken, self.data = self.data[:size], self.data[size:]
        return taken


def _read_array(content: memoryview, order: str) -> tuple[str, Variable | None]:
    """The name of an array and its values; None for unsupported classes."""
    if not content:
        return "", np.empty((0, 0))
    elements = _Elements(content, order)
    flags = elements.numbers()
    kind = int(flags[0]) & 0xFF if len(flags) else _OPAQUE
    if kind == _OPAQUE:  # which has neither size nor name
        return "", None
    shape = tuple(int(length) for length in elements.numbers())
    sides = [max(length, 1) for length in shape]  # numpy refuses a large side even beside a 0
    if not 2 <= len(shape) <= _MAX_AXES or min(shape) < 0 or math.prod(sides) > _MAX_ELEMENTS:
        raise DamagedMatError(f"an array of shape {shape}"[:100])
    name = elements.next()[1].tobytes().decode("latin-1")
    if kind == _CELL:
        return name, _objects((elements.array() for _ in _counted(shape, elements)), shape)
    if kind == _STRUCT:
        return name, _read_structs(elements, shape)
    if kind == _CHAR:
        return name, _read_texts(elements, shape)
    if kind in _NUMERIC_CLASSES and not int(flags[0]) & _COMPLEX_FLAG:
        values = elements.numbers()
        if len(values) != math.prod(shape):
            raise DamagedMatError(f"{len(values):,} numbers for an array of shape {shape}"[:100])
        return name, values.reshape(shape, order="F")
    return name, None


def _read_structs(elements: _Elements, shape: tuple[int, ...]) -> Variable:
    """A struct array: names of fixed length, then one array for each element and field."""
    length = elements.numbers()
    names_text = elements.next()[1].tobytes()
    width = int(length[0]) if len(length) == 1 else 0
    if width <= 0 or len(names_text) % width:
        raise DamagedMatError("the names of a struct's fields have no whole number of bytes")
    names = [
        names_text[at : at + width].partition(b"\0")[0].decode("latin-1") for at in range(0, len(names_text), width)
    ]
    if not names:
        return np.empty((0, 0), object)
    if len(set(names)) < len(names) or "" in names:
        raise DamagedMatError("two fields of a struct have one name, or one has none")
    structs = [tuple(elements.array() for _ in names) for _ in _counted(shape, elements, len(names))]
    array = np.empty(shape, [(name, object) for name in names], order="F")
    for column, name in enumerate(names):
        array[name] = _objects((struct[column] for struct in structs), shape)
    return array


def _read_texts(elements: _Elements, shape: tuple[int, ...]) -> Variable:
    """The rows of an array of characters as texts; spaces fill the shorter ones."""
    kind, content = elements.next()
    if kind not in _ENCODINGS:
        raise DamagedMatError(f"characters of type {kind}")
    byte_order = "" if kind in (1, 2, 16) else "-le" if elements.order == "<" else "-be"
    text = content.tobytes().decode(_ENCODINGS[kind] + byte_order, "replace")
    rows = shape[0]
    if rows == 1 or not text:
        return np.array([text] if text else [], np.str_)
    if len(text) != math.prod(shape):
        raise DamagedMatError(f"{len(text):,} characters for an array of shape {shape}"[:100])
    return np.array([text[row::rows] for row in range(rows)], np.str_)


def _counted(shape: tuple[int, ...], elements: _Elements, each: int = 1) -> range:
    """The number of elements of an array, each made of `each` arrays; raises if the bytes cannot suffice."""
    n_elements = math.prod(shape)
    if n_elements * each * _TAG_BYTES > len(elements.data):
        raise DamagedMatError(f"an array of {n_elements:,} where {len(elements.data):,} bytes are left")
    return range(n_elements)


def _objects(values: Any, shape: tuple[int, ...]) -> Variable:
    """An array of objects, its first axis the fastest; an object may be an array."""
    array = np.empty(math.prod(shape), object)
    for place, value in enumerate(values):
        array[place] = value
    return array.reshape(shape, order="F")


class UnreadableMatError(Exception):
    """A file holds no label matrix; the message says why."""


@dataclass(frozen=True, slots=True)
class LabelMatrices:
    """The labels in a file: one matrix (height, width) for each annotator, and the kind of its values.

    `categories` has the category of instance 1, 2 and so on, if the values are instances.
    """

    kind: _Kind
    matrices: tuple[Variable, ...]
    categories: tuple[int, ...] = ()


def open_matlab(request: ReadRequest) -> PerImageSource:
    """Open the files at or below a path; raises UnreadableError if none holds a label matrix."""
    root = request.root
    variable = request.options.get("variable")
    read = partial(read_matrices, variable=None if variable is None else str(variable))
    paths = find_label_files(root, ".mat")
    counted = dict(zip(paths, run_ordered(partial(_count, read), paths.values()), strict=True))
    lists = {name for name, kinds in counted.items() if isinstance(kinds, tuple)}
    labels = {name: paths[name] for name in paths if name not in lists}
    kinds = [kind for kind in counted.values() if isinstance(kind, _Counted)]
    if not kinds:
        reason = next((f": {kind}" for kind in counted.values() if isinstance(kind, str)), "")
        raise UnreadableError(f"{root}: no .mat file holds a label matrix{reason}")
    entries, defects = _pair(root, labels, images_folder(request))
    names = next((kind for kind in counted.values() if isinstance(kind, tuple)), ())
    profile, doubts = _profile(request, kinds, names)
    source = partial(_read_image, root, read, profile.taxonomy)
    return PerImageSource(root, profile, entries, (*defects, *doubts), source, request.annotator, labels_name="matrix")


@dataclass(frozen=True, slots=True)
class _Counted:
    """The content of a file that is read when the dataset is opened."""

    kind: _Kind
    values: tuple[MaskValues, ...]


def _count(read: Any, path: Path) -> "_Counted | tuple[str, ...] | str":
    """The values of a file; or its names, if it holds a list of names; else why it holds neither."""
    try:
        labels: LabelMatrices = read(path)
    except UnreadableMatError as error:
        return _names_in(path) or str(error)
    values = []
    for matrix in labels.matrices:
        runs = ValueRuns.of(matrix)
        n_runs = np.bincount(runs.row, minlength=len(runs.value)).astype(np.int64)
        values.append(
            MaskValues(
                path=path,
                value=runs.value,
                area=runs.area,
                n_runs=n_runs,
                size=matrix.size,
                coloured=False,
                palette=None,
            )
        )
    return _Counted(labels.kind, tuple(values))


def read_matrices(path: Path, variable: str | None = None) -> LabelMatrices:
    """Read the labels in a file, as uint32; raises UnreadableMatError that says why there are none."""
    variables = _load(path)
    if variable is not None and variable not in variables:
        raise UnreadableMatError(f"has no variable {variable!r}; it has {', '.join(variables) or 'none'}")
    selected = variables if variable is None else {variable: variables[variable]}
    if (in_structs := _matrices_in_structs(selected)) is not None:
        return in_structs
    plain = {name: matrix for name, value in selected.items() if (matrix := _label_matrix(value)) is not None}
    if variable is None:
        plain = {name: matrix for name, matrix in plain.items() if not _is_table(matrix.shape)}
    if len(plain) > 1:
        named = {name: plain[name] for name in plain if any(word in name.lower() for word in _LABEL_WORDS)}
        plain = named if len(named) == 1 else plain
    if len(plain) != 1:
        held = ", ".join(f"{name} {value.dtype.name} {value.shape}" for name, value in variables.items())
        which = "has several matrices; choose with --read-option variable=NAME" if plain else "has no label matrix"
        raise UnreadableMatError(f"{which}: {held[:200] or 'no variable'}")
    return LabelMatrices("values", tuple(plain.values()))


def _matrices_in_structs(variables: Mapping[str, Any]) -> LabelMatrices | None:  # Any: as SciPy gives them
    """The labels in the first variable whose structs have any; None if there is none."""
    for name, value in variables.items():
        structs = [item for item in _elements(value) if _is_struct(item)]
        matrices = tuple(matrix for item in structs if (matrix := _label_matrix(item[_FIELD])) is not None)
        if not matrices:
            continue
        if value.dtype == object and len(matrices) > 1:
            return LabelMatrices("regions", matrices)
        if name != "GTinst":
            return LabelMatrices("voc" if name == "GTcls" else "values", matrices[:1])
        classes = structs[0]["Categories"] if "Categories" in (structs[0].dtype.names or ()) else np.zeros(0)
        numbers = np.ravel(classes.item() if classes.dtype == object and classes.size == 1 else classes)
        return LabelMatrices("instances", matrices[:1], tuple(int(number) for number in numbers))
    return None


def _load(path: Path) -> dict[str, Variable]:
    """The variables of a file; raises UnreadableMatError if it is damaged, of another version, or too large."""
    try:
        with path.open("rb") as file:
            if file.read(10) == b"MATLAB 7.3":
                raise UnreadableMatError("is a file of MATLAB 7.3, which is HDF5: save it with -v7")
        return read_variables(path, _MAX_BYTES)
    except OSError as error:
        raise UnreadableMatError(f"cannot be read: {error.strerror or error}") from error
    except TooLargeMatError as error:
        raise UnreadableMatError(str(error)) from error
    except DamagedMatError as error:
        raise UnreadableMatError(f"is damaged, or no file that MATLAB saved with -v7: {error}") from error


def _elements(value: Variable) -> Iterable[Any]:
    """The elements of a cell or struct array, unwrapped from arrays of one element."""
    for item in value.flat if value.dtype == object or value.dtype.names else ():
        while isinstance(item, np.ndarray) and item.shape and item.size == 1:
            item = item.flat[0]
        yield item


def _is_struct(item: Any) -> bool:
    names = getattr(getattr(item, "dtype", None), "names", None)
    return names is not None and _FIELD in names


def _label_matrix(value: Any) -> NDArray[np.uint32] | None:
    """An array as a matrix of integers from 0; None if it is no such matrix."""
    while isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.flat[0]
    if not isinstance(value, np.ndarray) or value.ndim != 2 or min(value.shape) < 2 or value.size > MAX_PIXELS:
        return None
    if value.dtype.kind not in "uibf":
        return None
    if value.dtype.kind == "f" and not (np.isfinite(value).all() and (value == np.round(value)).all()):
        return None
    if value.min() < 0 or value.max() > 2**32 - 1:
        return None
    return np.ascontiguousarray(value, np.uint32)


def _is_table(shape: tuple[int, ...]) -> bool:
    """Whether a matrix is as narrow as a table of colours, points or boxes: (150, 3) of ADE20K's colours."""
    return min(shape) <= _MAX_COLUMNS and max(shape) > _MAX_COLUMNS**2


def _names_in(path: Path) -> tuple[str, ...]:
    """The names in a file whose only cell array holds texts; none if it has another content."""
    try:
        cells = [value for value in _load(path).values() if value.dtype == object]
    except UnreadableMatError:
        return ()
    if len(cells) != 1:
        return ()
    names = [str(item) for item in _elements(cells[0]) if isinstance(item, str)]
    return tuple(names) if len(names) == cells[0].size else ()


def _pair(root: Path, labels: Mapping[str, Path], images: Path | None) -> tuple[list[ImageEntry], list[Defect]]:
    """Pair label files with images by stem; of several images, the one that shares the most folders.

    Files without image have their own name as the image's.
    """
    pictures = ImageFolder.near(root, images).paths
    by_stem: dict[str, list[str]] = defaultdict(list)
    for name in pictures:
        by_stem[PurePosixPath(name).stem].append(name)
    entries: dict[str, ImageEntry] = {}
    defects: list[Defect] = []
    for name, path in labels.items():
        image_id = _nearest(name, by_stem.get(path.stem, ()))
        if image_id is not None and image_id in entries:
            message = f"a second label file for image {image_id!r}; the first one is read"
            defects.append(Defect("SEG008", message, relative_path(root, path), image=image_id))
            continue
        if image_id is None and by_stem:
            defects.append(Defect("SEG002", "the image file does not exist", relative_path(root, path), image=name))
        key = image_id or name
        entries[key] = ImageEntry(key, pictures.get(key), (path,), split=split_from_path(key))
    if not by_stem:
        defects.append(no_images_defect(len(entries), root, images))
    for name in sorted(pictures.keys() - entries.keys()) if root.is_dir() else ():
        entries[name] = ImageEntry(name, pictures[name], split=split_from_path(name))
        defects.append(Defect("SEG011", "an image without labels", name, image=name))
    return sorted(entries.values(), key=lambda entry: entry.image_id), defects


def _nearest(name: str, images: Sequence[str]) -> str | None:
    """The image that shares the most folders with a label file; None if there is none, or a tie."""
    if len(images) < 2:
        return images[0] if images else None
    folders = set(PurePosixPath(name).parts[:-1])
    common = [len(folders.intersection(PurePosixPath(image).parts[:-1])) for image in images]
    best = max(common)
    return images[common.index(best)] if common.count(best) == 1 else None


def _profile(
    request: ReadRequest, counted: Sequence[_Counted], names: Sequence[str]
) -> tuple[Profile, tuple[Defect, ...]]:
    """The profile, and a defect that states how the values are read."""
    root, taxonomy = request.root, request.taxonomy
    kinds = {file.kind for file in counted}
    if kinds == {"regions"}:
        named = resolve_names(["region"], taxonomy).with_stand_in("region")
        message = (
            "the annotators' values are read as regions without a class, segments of the category region; if they are "
            "classes, save one matrix an image and give taxonomy.yaml"
        )
        profile = named.profile("matlab", root, "instance", "exhaustive", "forbid")
        return replace(profile, provisional=message), (Defect("SEG219", message, severity="info"),)
    if kinds <= {"instances", "voc"}:
        named = CategoryNames(taxonomy or load_preset("voc"), taxonomy is not None, {})
        task: Literal["instance", "semantic"] = "instance" if "instances" in kinds else "semantic"
        return named.profile("matlab", root, task, "sparse", "forbid"), ()
    doubts: tuple[Defect, ...] = ()
    reading = None
    if taxonomy is None and names:
        taxonomy = _taxonomy_of_names(names)
    elif taxonomy is None:
        counts = ValueCounts.count(values for file in counted for values in file.values)
        if len(counts.value) > MAX_CATEGORIES:
            raise UnreadableError(f"{root}: {len(counts.value):,} values are no categories; give taxonomy.yaml")
        proposed = propose_taxonomy(counts)
        taxonomy = proposed.taxonomy
        reading = f"no taxonomy: {proposed.reading}; write taxonomy.yaml if they are others"
        doubts = (*proposed.defects, Defect("SEG219", reading, severity="info"))
    named = CategoryNames(taxonomy, request.taxonomy is not None, {})
    return replace(named.profile("matlab", root, "semantic", "sparse", "forbid"), provisional=reading), doubts


def _taxonomy_of_names(names: Sequence[str]) -> Taxonomy:
    """The taxonomy of a list of names, numbered from 0 if the first means background, else from 1."""
    first = 0 if names[0].strip().lower() in _BACKGROUND_NAMES else 1
    categories = tuple(
        Category(id=number, name=name, kind="stuff") for number, name in enumerate(names, first) if number > 0
    )
    return Taxonomy(categories=categories, unlabelled=0)


def _read_image(root: Path, read: Any, taxonomy: Taxonomy, entry: ImageEntry) -> list[ImageAnnotation]:
    """The annotations of an image, one for each annotator; raises BrokenLabelsError."""
    path = entry.files[0]
    file = relative_path(root, path)
    try:
        labels: LabelMatrices = read(path)
    except UnreadableMatError as error:
        raise BrokenLabelsError(Defect("SEG001", str(error), file)) from error
    several = len(labels.matrices) > 1
    return [
        replace(_annotation(labels, matrix, taxonomy, file), annotator=str(number) if several else None)
        for number, matrix in enumerate(labels.matrices, 1)
    ]


def _annotation(labels: LabelMatrices, matrix: NDArray[np.uint32], taxonomy: Taxonomy, file: str) -> ImageAnnotation:
    """The segments of one matrix."""
    runs = ValueRuns.of(matrix)
    if labels.kind in ("regions", "instances"):
        category, is_known = _instance_categories(labels, runs.value, taxonomy)
        unknown = [
            Defect("SEG009", f"instance {value} has no category in Categories", file, pixels=int(area))
            for value, area, known in zip(runs.value.tolist(), runs.area.tolist(), is_known.tolist(), strict=True)
            if value > 0 and not known
        ]
        meanings = ValueMeanings(is_known, runs.value, category, np.zeros_like(is_known), None, unknown)
        return meanings.annotation(runs, file, _ENCODING)
    meaning = index_legend(taxonomy, None).read(runs.value)
    mask = MaskFile(matrix, False, _ENCODING)
    defects = unknown_value_defects(mask, runs, meaning, taxonomy)
    return category_annotation(runs, meaning, file, _ENCODING, defects, partial(value_place, coloured=False))


def _instance_categories(labels: LabelMatrices, values: Ints, taxonomy: Taxonomy) -> tuple[Ints, Flags]:
    """The category (k,) of each value, and whether it has one; 0 is background."""
    if labels.kind == "regions":
        return np.full(len(values), taxonomy.categories[0].id, np.int64), values > 0
    table = np.array((-1, *labels.categories), np.int64)
    is_known = (values > 0) & (values < len(table))
    return np.where(is_known, table[np.minimum(values, len(table) - 1)], -1), is_known
