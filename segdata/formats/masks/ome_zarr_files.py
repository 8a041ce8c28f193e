"""Reads the label images of OME-Zarr."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.pixel_limit import TooManyPixelsError, check_numbers, check_pixels
from segdata.core.runs import Runs
from segdata.formats.masks.ome_zarr import label_groups
from segdata.formats.shared.file_names import is_zarr_folder
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import resolve_names

_CLASS_KEYS = ("class", "category", "label", "name")
# Raised by zarr; the last comes from a codec whose header states a negative size.
_DECODER_ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, IndexError, SystemError)


@dataclass(frozen=True)
class _LabelImage:
    """A label image: its folder, name, array of full resolution, and categories of single values."""

    path: Path
    name: str
    array: Any  # zarr.Array, which is untyped in some versions
    classes: Mapping[int, str]

    def category(self, value: int) -> str:
        """The name of the category of a value."""
        return self.classes.get(value, self.name)


def open_ome_zarr(request: ReadRequest) -> PerImageSource:
    """Open the label images of a Zarr folder, or of all below a folder; raises UnreadableError if there is none."""
    root = request.root
    groups = label_groups(root)
    if not groups:
        raise UnreadableError(f"{root}: no Zarr folder with label images (labels/.zattrs or labels/zarr.json) in it")
    defects: list[Defect] = []
    entries: list[ImageEntry] = []
    category_names: set[str] = set()
    for group in groups:
        labels = _read_labels(root, group, defects)
        category_names |= {name for label in labels for name in {label.name, *label.classes.values()}}
        entries += _entries(root, group, labels, defects)
    names = resolve_names(category_names, request.taxonomy)
    profile = names.profile("ome-zarr", root, "instance", "sparse", "allow")
    read = partial(_read_planes, root, names.to)
    return PerImageSource(root, profile, entries, tuple(defects), read, request.annotator)


def _read_labels(root: Path, group: Path, defects: list[Defect]) -> list[_LabelImage]:
    """Read the label images of an image; unreadable ones become defects."""
    if group.parent.name == "labels" and is_zarr_folder(group):
        folders = [group]
    else:
        folders = [group / "labels" / name for name in _label_names(root, group / "labels", defects)]
    labels = []
    for folder in folders:
        try:
            labels.append(_open_label(folder))
        except _DECODER_ERRORS as error:
            message = f"is no label image that can be read: {type(error).__name__}: {error!s:.160}".splitlines()[0]
            defects.append(Defect("SEG001", message, relative_path(root, folder)))
    return labels


def _label_names(root: Path, folder: Path, defects: list[Defect]) -> list[str]:
    """The names listed in the group ``labels``, then unlisted label folders, which are defects."""
    try:
        listed = _attributes(_zarr().open_group(str(folder), mode="r")).get("labels")
    except _DECODER_ERRORS:
        listed = None
    there = sorted(path.name for path in folder.iterdir() if path.is_dir() and is_zarr_folder(path))
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    for name in sorted(set(names) - set(there)):
        defects.append(
            Defect("SEG002", f"the label image {name!r} is listed, and not there", relative_path(root, folder / name))
        )
    for name in sorted(set(there) - set(names)):
        message = f"the label image {name!r} is not in the list `labels` of its group; it is read all the same"
        defects.append(Defect("SEG004", message, relative_path(root, folder / name), severity="warning"))
    return there


def _open_label(folder: Path) -> _LabelImage:
    group = _zarr().open_group(str(folder), mode="r")
    attributes = _attributes(group)
    path = attributes["multiscales"][0]["datasets"][0]["path"]  # the first is the largest, by the specification
    array = group[path]
    if len(array.shape) < 2 or array.dtype.kind not in "iub":
        raise ValueError(f"the array {path!r} has the shape {array.shape} and type {array.dtype}")
    return _LabelImage(folder, folder.name, array, _classes(attributes.get("image-label")))


def _attributes(group: Any) -> dict[str, Any]:  # Any: JSON
    """The metadata of OME-Zarr, which version 0.5 moved below the key ``ome``."""
    attributes = dict(group.attrs.asdict())
    nested = attributes.get("ome")
    return dict(nested) if isinstance(nested, dict) else attributes


def _classes(image_label: object) -> dict[int, str]:
    """Value -> class, if a property is a class: a text that several values share."""
    properties = image_label.get("properties") if isinstance(image_label, dict) else None
    rows = [row for row in properties if isinstance(row, dict)] if isinstance(properties, list) else []
    for key in _CLASS_KEYS:
        classes = {row["label-value"]: row[key] for row in rows if isinstance(row.get(key), str) and row[key].strip()}
        classes = {value: name for value, name in classes.items() if isinstance(value, int)}
        if classes and (len(classes) == 1 or max(Counter(classes.values()).values()) > 1):
            return classes
    return {}


def _entries(root: Path, group: Path, labels: list[_LabelImage], defects: list[Defect]) -> Iterator[ImageEntry]:
    """The images of a Zarr folder: one, or each plane."""
    if not labels:
        return
    shape = labels[0].array.shape
    kept = [label for label in labels if label.array.shape == shape]
    for label in labels:
        if label.array.shape != shape:
            message = f"has the shape {label.array.shape}, {labels[0].name} of the same image {shape}; left out"
            defects.append(Defect("SEG003", message, relative_path(root, label.path)))
    is_label = group.parent.name == "labels"
    name = relative_path(root, group.parent.parent if is_label else group) if group != root else group.name
    leading = shape[:-2]
    for index in product(*(range(size) for size in leading)):
        counted = [number for number, size in zip(index, leading, strict=True) if size > 1]
        image_id = "/".join([name, *(f"{number:04d}" for number in counted)])
        sequence = "/".join([name, *(f"{number:04d}" for number in counted[:-1])]) if counted else None
        frame = counted[-1] if counted else None
        files = tuple(label.path for label in kept)
        yield ImageEntry(
            image_id, files=files, record=(kept, index), size=tuple(shape[-2:]), sequence=sequence, frame=frame
        )


def _read_planes(root: Path, categories: Mapping[str, int], entry: ImageEntry) -> list[ImageAnnotation]:
    """The segments of one plane of all label images."""
    labels, index = entry.record
    height, width = entry.size
    pieces: list[Runs] = []
    counts: list[int] = []
    columns: dict[str, list[Any]] = {"file": [], "place": [], "track_id": []}
    values: list[int] = []
    ids: list[int] = []
    defects: list[Defect] = []
    for label in labels:
        file = relative_path(root, label.path)
        try:
            runs = _plane_runs(label, index)
        except _DECODER_ERRORS as error:
            reason = str(error) if isinstance(error, TooManyPixelsError) else f"cannot be read: {error!s:.160}"
            defects.append(Defect("SEG001", reason.splitlines()[0], file))
            continue
        kept = np.flatnonzero(runs.value != 0)
        numbers = runs.value[kept].tolist()
        pieces.append(runs.select(kept))
        counts.append(len(kept))
        values += numbers
        ids += [categories[label.category(value)] for value in numbers]
        columns["file"] += [file] * len(numbers)
        columns["place"] += [f"value {value}" for value in numbers]
    if defects and not pieces:
        raise BrokenLabelsError(*defects)
    # If two label images share numbers, segments are renumbered.
    segment_ids = values if len(pieces) == 1 else list(range(1, len(values) + 1))
    columns["track_id"] = segment_ids if entry.sequence is not None and len(pieces) == 1 else [None] * len(values)
    pixels = Runs.concatenate(pieces, counts)
    return [
        ImageAnnotation(
            (height, width), np.array(segment_ids, np.int64), np.array(ids, np.int64), pixels, columns, defects=defects
        )
    ]


def _plane_runs(label: _LabelImage, index: tuple[int, ...]) -> ValueRuns:
    """The runs of one plane (height, width) of a label image. Raises what zarr raises, and TooManyPixelsError."""
    height, width = label.array.shape[-2:]
    check_pixels(width, height)
    check_numbers(math.prod(label.array.chunks), 0)  # a chunk is decoded whole
    _check_blosc_chunks(label, index)
    plane = np.asarray(label.array[index])
    if plane.dtype.kind == "i" and plane.min(initial=0) < 0:
        raise ValueError(f"it has the value {plane.min()}; labels are whole numbers from 0")
    if plane.max(initial=0) > 2**32 - 1:
        raise ValueError(f"it has the value {plane.max()}; the largest that is read is {2**32 - 1}")
    return ValueRuns.of(np.ascontiguousarray(plane, np.uint32))


def _check_blosc_chunks(label: _LabelImage, index: tuple[int, ...]) -> None:
    """Raise ValueError if the header of a chunk of this plane claims more bytes than its file has.

    Blosc trusts the header and may read beyond the buffer, which crashes the process. The header has 16 bytes, the last
    four are the length: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
    """
    array = label.array
    if array.shards or not any("blosc" in type(codec).__module__ for codec in array.compressors):
        return
    grid = [range(place // size, place // size + 1) for place, size in zip(index, array.chunks, strict=False)]
    grid += [range(-(-n // size)) for n, size in zip(array.shape[-2:], array.chunks[-2:], strict=True)]
    for place in product(*grid):
        path = label.path / array.path / array.metadata.encode_chunk_key(place)
        if not path.is_file():  # chunks of zeros may be missing
            continue
        with path.open("rb") as file:
            header = file.read(16)
        if int.from_bytes(header[12:16], "little") > path.stat().st_size:
            chunk = path.relative_to(label.path).as_posix()
            raise ValueError(f"the chunk {chunk} is shorter than its header says")


def _zarr() -> Any:  # Any: zarr may not be installed
    try:
        return import_module("zarr")
    except ImportError as error:
        raise SegdataError("zarr is not installed; pip install 'segdata[zarr]'") from error
