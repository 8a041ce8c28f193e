"""Per-image datasets: labels in a file or record for each image, decoded when a batch is loaded."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.format import Detached
from segdata.core.paths import dataset_folder
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Rows, Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.formats.shared.images import ImageHeader, read_header, size_defects

# Raised by decoders for damaged files.
_DECODER_ERRORS = (OSError, ValueError, IndexError, KeyError, ArithmeticError, EOFError, SyntaxError, RecursionError)


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """An image and its label files.

    Attributes
    ----------
    image_id : path below the images root, POSIX, with extension; that of the label file if no image is known
    image : the image file; None if there is none
    files : the label files
    record : the image's labels in a form that the reader chooses; without files and record, it is not annotated
    size : height and width in pixels as a file declares them; (0, 0) if unknown
    page : of the label file; None if the file has only one
    uri : path or URI of the image if `image` is None
    source_id : the image's id in the source
    sequence, frame : the video or volume of the image, and its position there
    split : train, val, test …
    group : patient, scene, drive
    channels : the image's files if it has several, as in `schema.IMAGES`
    metadata : name -> JSON text
    """

    image_id: str
    image: Path | None = None
    files: tuple[Path, ...] = ()
    record: Any = field(default=None, repr=False)  # Any: each reader chooses a type
    size: tuple[int, int] = (0, 0)
    page: int | None = None
    uri: str | None = None
    source_id: str | None = None
    sequence: str | None = None
    frame: int | None = None
    split: str | None = None
    group: str | None = None
    channels: tuple[Mapping[str, str | None], ...] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_annotated(self) -> bool:
        """Whether the image is annotated."""
        return bool(self.files) or self.record is not None


def relative_path(root: Path, path: Path) -> str:
    """`path` relative to the dataset's root, POSIX; the path itself if it lies elsewhere."""
    text, ahead = str(path), f"{root}{os.sep}"
    if text.startswith(ahead):  # ten times as fast as comparing parts, or as asking for the root's type
        return text[len(ahead) :].replace(os.sep, "/")
    start = dataset_folder(root)
    return path.relative_to(start).as_posix() if path.is_relative_to(start) else path.as_posix()


@dataclass(frozen=True, slots=True)
class ImageAnnotation:
    """One annotation of an image: n segments with their runs, and defects.

    Attributes
    ----------
    size : height and width in pixels of the annotated image
    segment_id, category_id : (n,) int64
    runs : pixels; `runs.owner` is the position of the segment
    columns : further columns of `schema.BATCH_SEGMENTS`, (n,) each: iscrowd, track_id, rings, attributes, file …
    encoding : storage of a mask's values; None for labels other than masks
    annotator : name; None: the name that the user gives
    annotation : further columns of `schema.BATCH_ANNOTATIONS`, a value each: source, stage, created, attributes …
    defects : of the labels; the caller fills in a missing `file` or `image`
    metadata : of the image, as the labels state it: name -> JSON text
    file : the label file; None: the entry's first file
    """

    size: tuple[int, int]
    segment_id: Ints
    category_id: Ints
    runs: Runs
    columns: Mapping[str, Sequence[object]] = field(default_factory=dict)
    encoding: str | None = None
    annotator: str | None = None
    annotation: Mapping[str, object] = field(default_factory=dict)
    defects: Sequence[Defect] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None


class BrokenLabelsError(Exception):
    """The labels of an image cannot be read; `defects` says why."""

    def __init__(self, *defects: Defect) -> None:
        super().__init__("; ".join(defect.message for defect in defects))
        self.defects = defects


class _ReadAnnotation(Protocol):
    """The attributes of `ImageAnnotation`, as a protocol for what readers return."""

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def annotator(self) -> str | None: ...

    @property
    def annotation(self) -> Mapping[str, object]: ...

    @property
    def metadata(self) -> Mapping[str, str]: ...

    @property
    def file(self) -> str | None: ...

    @property
    def defects(self) -> Sequence[Defect]: ...


def image_table(entries: Sequence[ImageEntry], sizes: Sequence[tuple[int, int]]) -> pa.Table:
    """Rows of `schema.BATCH_IMAGES`; `sizes` (n,) are heights and widths in pixels, 0 where unknown."""
    return make_table(
        BATCH_IMAGES,
        len(entries),
        image_id=[entry.image_id for entry in entries],
        source_id=[entry.source_id for entry in entries],
        uri=[entry.image.as_posix() if entry.image else entry.uri for entry in entries],
        channels=[None if entry.channels is None else list(entry.channels) for entry in entries],
        height=[height or None for height, _ in sizes],
        width=[width or None for _, width in sizes],
        sequence=[entry.sequence for entry in entries],
        frame=[entry.frame for entry in entries],
        split=[entry.split for entry in entries],
        group=[entry.group for entry in entries],
        metadata=[list(entry.metadata.items()) or None for entry in entries],
    )


def annotation_table(
    annotations: Sequence[_ReadAnnotation], image: Rows, annotator: str | None, **columns: object
) -> pa.Table:
    """Rows of `schema.BATCH_ANNOTATIONS`; `image` (n,) are rows of images, `annotator` the default."""
    named = dict.fromkeys(name for annotation in annotations for name in annotation.annotation)
    columns |= {name: [annotation.annotation.get(name) for annotation in annotations] for name in named}
    names = [annotation.annotator or annotator for annotation in annotations]
    return make_table(BATCH_ANNOTATIONS, len(annotations), image=image, annotator=names, **columns)


def entry_header(root: Path, entry: ImageEntry, defects: list[Defect]) -> ImageHeader | None:
    """Read the header of an entry's image; None if there is no readable file.

    Adds unreadable files and channels of a different size to `defects`.
    """
    if entry.image is None:
        return None
    header = _read_header(root, entry, entry.image, defects)
    for channel in entry.channels or ():
        uri = channel["uri"]
        if uri is None or "://" in uri or Path(uri) == entry.image:
            continue
        other = _read_header(root, entry, Path(uri), defects)
        if header is not None and other is not None and (other.width, other.height) != (header.width, header.height):
            sizes = f"{other.width}x{other.height}, the first one is {header.width}x{header.height}"
            message = f"the channel {channel['name']} is {sizes}"
            defects.append(Defect("SEG003", message, relative_path(root, Path(uri)), image=entry.image_id))
    return header


def _read_header(root: Path, entry: ImageEntry, path: Path, defects: list[Defect]) -> ImageHeader | None:
    try:
        return read_header(path)
    except OSError as error:
        message = f"image cannot be read: {error.strerror or error}"
        defects.append(Defect("SEG001", message, relative_path(root, path), image=entry.image_id))
        return None


SomeAnnotation = TypeVar("SomeAnnotation", bound=_ReadAnnotation)


class ReadImages(msgspec.Struct, Generic[SomeAnnotation], frozen=True):
    """Images with their annotations, as read."""

    images: pa.Table  # rows of `schema.BATCH_IMAGES`
    annotations: list[SomeAnnotation]  # (n,)
    image: Rows  # (n,) the row of the image of each annotation
    file: list[str | None]  # (n,) the label file of each annotation, as defects name it
    defects: list[Defect]  # found so far
    image_ids: Sequence[str]
    annotator: str | None

    def report(self, row: int, defects: Sequence[Defect]) -> None:
        """Add the defects of the annotation at this row, with its file, image and annotator."""
        if defects:
            image_id, file = self.image_ids[self.image[row]], self.file[row]
            self.defects.extend(_locate(file, image_id, self.annotations[row].annotator or self.annotator, defects))


def read_images(
    root: Path,
    entries: Sequence[ImageEntry],
    look: Callable[[ImageEntry, ImageHeader | None], Sequence[SomeAnnotation]],
    annotator: str | None,
    what: str,
) -> ReadImages[SomeAnnotation]:
    """Read the annotations of entries with `look`, which takes the entry and the header of its image.

    `annotator` is for annotations without one; `what` names the labels in messages about their size.
    """
    defects: list[Defect] = []
    annotations: list[SomeAnnotation] = []
    image: list[int] = []
    files: list[str | None] = []
    sizes: list[tuple[int, int]] = []
    described = list(entries)
    for row, entry in enumerate(entries):
        head = entry_header(root, entry, defects)
        file = relative_path(root, entry.files[0]) if entry.files else None
        image_annotations = _read_image(entry, head, look, annotator, defects, file)
        for size in dict.fromkeys(annotation.size for annotation in image_annotations):
            defects += _size_defects(entry, head, size, what, file)
        for annotation in image_annotations:
            name = annotation.annotator or annotator
            defects += _locate(annotation.file or file, entry.image_id, name, annotation.defects)
            annotations.append(annotation)
            image.append(row)
            files.append(annotation.file or file)
            if annotation.metadata:
                described[row] = replace(entry, metadata={**described[row].metadata, **annotation.metadata})
        # The size of the labels takes precedence over the image's, since the runs must fit into it.
        sizes.append(
            image_annotations[0].size if image_annotations else (head.height, head.width) if head else entry.size
        )
    ids = [entry.image_id for entry in entries]
    images = image_table(described, sizes)
    return ReadImages(
        images=images,
        annotations=annotations,
        image=np.array(image, np.int32),
        file=files,
        defects=defects,
        image_ids=ids,
        annotator=annotator,
    )


def _read_image(
    entry: ImageEntry,
    head: ImageHeader | None,
    look: Callable[[ImageEntry, ImageHeader | None], Sequence[SomeAnnotation]],
    annotator: str | None,
    defects: list[Defect],
    file: str | None,
) -> Sequence[SomeAnnotation]:
    """Read the annotations of an image; none if it is not annotated, or if its labels cannot be read."""
    if not entry.is_annotated:
        return ()
    try:
        return look(entry, head)
    except BrokenLabelsError as broken:
        defects += _locate(file, entry.image_id, annotator, broken.defects)
        return ()
    except _DECODER_ERRORS as error:  # a file that changes while it is read, or damage that its reader does not handle
        reason = f"{type(error).__name__}: {error!s:.200}".splitlines()[0]
        broken_file = Defect("SEG001", f"cannot be read: {reason}; restore the file from its source", file)
        defects += _locate(file, entry.image_id, annotator, [broken_file])
        return ()
    except Exception as error:
        error.add_note(f"while reading {file or entry.image_id}")
        raise


def _size_defects(
    entry: ImageEntry, head: ImageHeader | None, size: tuple[int, int], what: str, file: str | None
) -> list[Defect]:
    """The defects of labels whose size differs from the declared size or the image file's."""
    height, width = size
    defects = []
    if 0 not in entry.size and entry.size != size:
        message = f"the {what} is {width}x{height}, declared are {entry.size[1]}x{entry.size[0]}"
        defects.append(Defect("SEG003", message, file, image=entry.image_id))
    return defects + size_defects(entry.image_id, head, width, height, what, file, None)


def _locate(file: str | None, image_id: str, annotator: str | None, defects: Sequence[Defect]) -> list[Defect]:
    """The defects with annotator, file and image filled in."""
    return [
        replace(defect, file=defect.file or file, image=defect.image or image_id, annotator=annotator)
        for defect in defects
    ]


@dataclass(frozen=True)
class PerImageSource:
    """An opened dataset whose labels are separate for each image.

    Attributes
    ----------
    root : base of the paths in messages
    profile : the dataset's profile
    entries : the images
    defects : met while opening
    read_image : returns the annotations of one image, one for each annotator, or none if it is not annotated. Called
        from any thread; may raise BrokenLabelsError
    annotator : for annotations without one
    per_chunk : number of images to load at once; None: by their number and the size of the first, see `chunks`
    labels_name : name of the labels in messages about sizes
    """

    root: Path
    profile: Profile
    entries: Sequence[ImageEntry]
    defects: tuple[Defect, ...]
    read_image: Callable[[ImageEntry], Sequence[ImageAnnotation]] = field(repr=False)
    annotator: str | None = None
    per_chunk: int | None = None
    labels_name: str = "mask"

    @cached_property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [entry.image_id for entry in self.entries]

    def files(self, row: int) -> Sequence[Path]:
        """The files that belong only to the image at a row."""
        entry = self.entries[row]
        return entry.files if entry.image is None else (*entry.files, entry.image)

    def chunks(self) -> list[Ints]:
        """The rows of all images in portions of 16, or of up to 64 if they are many and small.

        Each portion has a fixed cost, as much as that of a few small masks.
        """
        return chunk_rows(len(self.entries), self.per_chunk or _images_per_chunk(self.entries))

    def detached(self) -> Detached | None:
        """See `detach_entries`."""
        return detach_entries(self)

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, their labels decoded."""
        entries = [self.entries[row] for row in rows]
        read = read_images(
            self.root, entries, lambda entry, head: self.read_image(entry), self.annotator, self.labels_name
        )
        encoding = [annotation.encoding for annotation in read.annotations]
        annotations = annotation_table(read.annotations, read.image, self.annotator, encoding=encoding, file=read.file)
        return Batch(read.images, annotations, *_segment_table(read.annotations), tuple(read.defects))


def detach_entries(source: Any) -> Detached | None:  # Any: a frozen dataclass with `root`, `entries` and `load`
    """A reader without the entries, and a function that cuts entries out, so that other processes list no folders.

    None if the files are temporary copies on this machine.
    """
    from segdata.core.storage import original_url  # needed on clusters only

    if original_url(str(source.root)) != str(source.root):
        return None
    return Detached(
        _EntriesReader(replace(source, entries=())), lambda rows: [source.entries[row] for row in rows.tolist()]
    )


class _EntriesReader(msgspec.Struct, frozen=True):
    """Loads images given their entries."""

    source: Any  # Any: as for `detach_entries`

    def load(self, entries: list[ImageEntry]) -> Batch:
        """Load the images and decode their labels; raises SegdataError if none of their label files exists."""
        files = [path for entry in entries for path in entry.files]
        if files and not any(path.exists() for path in files):
            raise SegdataError(f"{files[0]} does not exist")
        batch: Batch = replace(self.source, entries=entries).load(np.arange(len(entries)))
        return batch


_MIN_PER_CHUNK, _MAX_PER_CHUNK = 8_192, 32_768  # images and segments
_MIN_CHUNKS = 40  # of a large dataset: enough for the threads of most machines
_MANY_CHUNKS = 8  # with this many, the last chunks are smaller
_LEAST_IMAGES, _MOST_IMAGES, _PIXELS_PER_CHUNK = 16, 64, 1 << 26  # of a chunk of masks
_ROWS_PER_CHUNK = 1 << 24  # pixel rows over all segments, each counted as tall as its image


def _images_per_chunk(entries: Sequence[ImageEntry]) -> int:
    """The number of images to load at once; without the size of the first one, the least."""
    most = int(np.clip(len(entries) // _MIN_CHUNKS, _LEAST_IMAGES, _MOST_IMAGES))
    if most == _LEAST_IMAGES:
        return most
    paths = [path for path in (entries[0].image, *entries[0].files) if path is not None]
    try:
        header = read_header(paths[0])
    except (OSError, IndexError):
        return _LEAST_IMAGES
    return int(np.clip(_PIXELS_PER_CHUNK // max(header.width * header.height, 1), _LEAST_IMAGES, most))


def chunk_rows(n_images: int, per_chunk: int) -> list[Ints]:
    """Split the rows of n images into chunks (k,) with k at most `per_chunk`."""
    rows = np.arange(n_images, dtype=np.int64)
    return [rows[first : first + per_chunk] for first in range(0, n_images, per_chunk)]


def segments_per_chunk(n_segments: int, height: Ints, least: int = _MIN_PER_CHUNK) -> int:
    """The number of images and segments to load at once; `height` (n_images,) is that of the images in pixels.

    Each chunk has a fixed cost, and threads block each other less with long arrays. So chunks of a large dataset are
    up to four times as large, unless its images are tall: a segment has about as many runs as its image has rows.
    `least`: the lower bound, smaller for sources that already are in portions.

    >>> segments_per_chunk(980_000, np.array([480, 640])), segments_per_chunk(980_000, np.array([2048]))
    (24500, 8192)
    """
    most = _ROWS_PER_CHUNK // max(int(height.mean()) if len(height) else 0, 1)
    return int(np.clip(min(n_segments // _MIN_CHUNKS, most), least, _MAX_PER_CHUNK))


def chunk_segments(offset: Ints, per_chunk: int) -> list[Ints]:
    """Split the rows of n images into chunks of about `per_chunk` segments; image i has offset[i] to offset[i + 1].

    >>> [len(rows) for rows in chunk_segments(np.zeros(105, np.int64), 10)]
    [10, 10, 10, 10, 10, 10, 10, 10, 10, 3, 3, 3, 3, 2]
    """
    rows = np.arange(len(offset) - 1, dtype=np.int64)
    portion = number_chunks(offset[:-1] + rows, int(offset[-1]) + len(rows), per_chunk)
    return np.split(rows, np.flatnonzero(np.diff(portion)) + 1) if len(rows) else []


def number_chunks(begin: Ints, end: int, per_chunk: int) -> Ints:
    """(n,) the ascending chunk number of each item that begins at position `begin` of `end`.

    If there are many chunks, the last are a quarter as large, so that all threads finish at about the same time.
    """
    first = (end // per_chunk - 1) * per_chunk  # size of the last chunks
    if first < _MANY_CHUNKS * per_chunk:
        return begin // per_chunk
    smaller = -(-(end - first) // round(4 * (end - first) / per_chunk))
    return np.where(begin < first, begin // per_chunk, first + (begin - first) // smaller)


def _segment_table(annotations: list[ImageAnnotation]) -> tuple[pa.Table, Runs]:
    counts = [len(annotation.segment_id) for annotation in annotations]
    named = dict.fromkeys(name for annotation in annotations for name in annotation.columns)
    columns: dict[str, list[object]] = {name: [] for name in named}
    for annotation, count in zip(annotations, counts, strict=True):
        for name, values in columns.items():
            values += annotation.columns.get(name) or [None] * count
    columns["iscrowd"] = [bool(value) for value in columns.get("iscrowd", [False] * sum(counts))]
    segments = make_table(
        BATCH_SEGMENTS,
        sum(counts),
        annotation=np.repeat(np.arange(len(annotations), dtype=np.int32), counts),
        segment_id=np.concatenate([np.empty(0, np.int64), *(annotation.segment_id for annotation in annotations)]),
        category_id=np.concatenate([np.empty(0, np.int64), *(annotation.category_id for annotation in annotations)]),
        **columns,
    )
    return segments, Runs.concatenate([annotation.runs for annotation in annotations], counts)
