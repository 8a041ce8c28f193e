"""Per-image datasets: labels in a file or a record of each image, decoded when a batch asks for them."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

# What decoders raise about damage.
_DAMAGE = (OSError, ValueError, IndexError, KeyError, ArithmeticError, EOFError, SyntaxError, RecursionError)


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """An image and its label files.

    Attributes
    ----------
    image_id : path below the images root, POSIX, with extension; that of the label file if no image is known
    image : the image file; None if there is none
    files : the label files
    record : the image's labels in a form of the reader's own; an image with neither files nor a record is not annotated
    size : height and width in pixels as declared in a file; (0, 0) if unknown
    page : of the label file; None if it has only one
    uri : path or URI of the image if `image` is None
    source_id : the image's id in the source
    sequence, frame : the video or volume of the image, and its number in it
    split : train, val, test …
    group : patient, scene, drive
    channels : the image's files as in `schema.IMAGES`, if it has several
    metadata : name -> JSON text
    """

    image_id: str
    image: Path | None = None
    files: tuple[Path, ...] = ()
    record: Any = field(default=None, repr=False)  # Any: each reader has its own
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
        """Whether somebody annotated the image."""
        return bool(self.files) or self.record is not None


def relative_path(root: Path, path: Path) -> str:
    """`path` relative to the dataset's root, POSIX; unchanged if it lies elsewhere."""
    text, ahead = str(path), f"{root}{os.sep}"
    if text.startswith(ahead):  # ten times as fast as comparing parts, and as asking what the root is
        return text[len(ahead) :].replace(os.sep, "/")
    start = dataset_folder(root)
    return path.relative_to(start).as_posix() if path.is_relative_to(start) else path.as_posix()


@dataclass(frozen=True, slots=True)
class ImageAnnotation:
    """One annotation of an image: n segments, their runs, and the defects.

    Attributes
    ----------
    size : height and width in pixels of the image that was annotated
    segment_id, category_id : (n,) int64
    runs : `runs.owner` is the segment
    columns : further columns of `schema.BATCH_SEGMENTS`, (n,) each: iscrowd, track_id, rings, attributes, file …
    encoding : how a mask stores values; None for labels other than masks
    annotator : name; None: the one that the user gives
    annotation : further columns of `schema.BATCH_ANNOTATIONS`, a value each: source, stage, created, attributes …
    defects : of the labels; a `file` or `image` of None is filled in
    metadata : of the image, from the labels: name -> JSON text
    file : the label file; None: the entry's first
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
    """The labels of an image cannot be read at all; `defects` say why."""

    def __init__(self, *defects: Defect) -> None:
        super().__init__("; ".join(defect.message for defect in defects))
        self.defects = defects


class _ReadAnnotation(Protocol):
    """An annotation as a reader finds it in the labels of an image; the attributes are those of `ImageAnnotation`."""

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
    """Rows of `schema.BATCH_ANNOTATIONS`; `image` (n,) are rows of images, `annotator` is for unsigned annotations."""
    named = dict.fromkeys(name for annotation in annotations for name in annotation.annotation)
    columns |= {name: [annotation.annotation.get(name) for annotation in annotations] for name in named}
    names = [annotation.annotator or annotator for annotation in annotations]
    return make_table(BATCH_ANNOTATIONS, len(annotations), image=image, annotator=names, **columns)


def entry_header(root: Path, entry: ImageEntry, defects: list[Defect]) -> ImageHeader | None:
    """The header of an entry's image; None if there is no file.

    What cannot be read is added to `defects`, as are channels of another size.
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
    """Images with their annotations."""

    images: pa.Table  # rows of `schema.BATCH_IMAGES`
    annotations: list[SomeAnnotation]  # (n,)
    image: Rows  # (n,) the row of each annotation's image
    file: list[str | None]  # (n,) the label file of each, as defects name it
    defects: list[Defect]  # those found so far
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
    """Read the annotations of some entries with `look`, which gets the entry and the header of its image.

    `annotator` is for unsigned annotations; `what` names the labels in messages about their size.
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
        # The size that was drawn on goes before the image's: the runs must fit into it.
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
    """The annotations of an image; none if nobody annotated it, or if its labels cannot be read."""
    if not entry.is_annotated:
        return ()
    try:
        return look(entry, head)
    except BrokenLabelsError as broken:
        defects += _locate(file, entry.image_id, annotator, broken.defects)
        return ()
    except _DAMAGE as error:  # a file that changes while it is read, or damage that its reader does not foresee
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
    """Defects of labels whose size differs from the declared one or from the image file's."""
    height, width = size
    defects = []
    if 0 not in entry.size and entry.size != size:
        message = f"the {what} is {width}x{height}, declared are {entry.size[1]}x{entry.size[0]}"
        defects.append(Defect("SEG003", message, file, image=entry.image_id))
    return defects + size_defects(entry.image_id, head, width, height, what, file, None)


def _locate(file: str | None, image_id: str, annotator: str | None, defects: Sequence[Defect]) -> list[Defect]:
    """The defects with their annotator, and with the file and image if they lack one."""
    return [
        replace(defect, file=defect.file or file, image=defect.image or image_id, annotator=annotator)
        for defect in defects
    ]


@dataclass(frozen=True)
class PerImageSource:
    """An opened dataset with separate labels for each image.

    Attributes
    ----------
    root : where paths in messages start
    profile : of the dataset
    entries : its images
    defects : met while opening
    read_image : the annotations of one image, one for each annotator; none: the image is not annotated. Called from
        any thread, and raises BrokenLabelsError
    annotator : for annotations that name none
    per_chunk : how many images to load at once
    labels_name : how messages about sizes call the labels
    """

    root: Path
    profile: Profile
    entries: Sequence[ImageEntry]
    defects: tuple[Defect, ...]
    read_image: Callable[[ImageEntry], Sequence[ImageAnnotation]] = field(repr=False)
    annotator: str | None = None
    per_chunk: int = 16
    labels_name: str = "mask"

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [entry.image_id for entry in self.entries]

    def files(self, row: int) -> Sequence[Path]:
        """The files that belong to the image at a row alone."""
        entry = self.entries[row]
        return entry.files if entry.image is None else (*entry.files, entry.image)

    def chunks(self) -> list[Ints]:
        """Rows in portions of a few images."""
        return chunk_rows(len(self.entries), self.per_chunk)

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
    """The source without its images, and the entries of some of them, so that other processes list no folders.

    None where the files are copies that only this machine has.
    """
    from segdata.core.storage import original_url  # only clusters need it

    if original_url(str(source.root)) != str(source.root):
        return None
    return Detached(
        _EntriesReader(replace(source, entries=())), lambda rows: [source.entries[row] for row in rows.tolist()]
    )


class _EntriesReader(msgspec.Struct, frozen=True):
    """Loads images by their entries."""

    source: Any  # Any: as for `detach_entries`

    def load(self, entries: list[ImageEntry]) -> Batch:
        """The images, their labels decoded; raises SegdataError where none of their label files is there."""
        files = [path for entry in entries for path in entry.files]
        if files and not any(path.exists() for path in files):
            raise SegdataError(f"{files[0]} is not there")
        batch: Batch = replace(self.source, entries=entries).load(np.arange(len(entries)))
        return batch


_LEAST_PER_CHUNK, _MOST_PER_CHUNK = 8_192, 32_768  # images and segments
_CHUNKS = 40  # enough for the threads of most machines
_MANY_CHUNKS = 8  # from here on the last chunks are smaller
_ROWS_PER_CHUNK = 1 << 24  # of pixels, over all segments, as if each were as tall as its image


def chunk_rows(n_images: int, per_chunk: int) -> list[Ints]:
    """The rows of n images in chunks of `per_chunk`."""
    rows = np.arange(n_images, dtype=np.int64)
    return [rows[first : first + per_chunk] for first in range(0, n_images, per_chunk)]


def segments_per_chunk(n_segments: int, height: Ints, least: int = _LEAST_PER_CHUNK) -> int:
    """How many images and segments are good to load at once, of so many in images of these heights (n_images,).

    Each chunk has its fixed cost, and threads wait for each other less where arrays are long. So chunks of a large
    dataset are up to four times as large, unless its images are tall: a segment has about as many runs as rows.
    `least`: smaller where the source is in portions already, which are joined.

    >>> segments_per_chunk(980_000, np.array([480, 640])), segments_per_chunk(980_000, np.array([2048]))
    (24500, 8192)
    """
    most = _ROWS_PER_CHUNK // max(int(height.mean()) if len(height) else 0, 1)
    return int(np.clip(min(n_segments // _CHUNKS, most), least, _MOST_PER_CHUNK))


def chunk_segments(offset: Ints, per_chunk: int) -> list[Ints]:
    """The rows of n images in chunks of some `per_chunk` segments; image i has offset[i] to offset[i + 1].

    >>> [len(rows) for rows in chunk_segments(np.zeros(105, np.int64), 10)]
    [10, 10, 10, 10, 10, 10, 10, 10, 10, 3, 3, 3, 3, 2]
    """
    rows = np.arange(len(offset) - 1, dtype=np.int64)
    portion = number_chunks(offset[:-1] + rows, int(offset[-1]) + len(rows), per_chunk)
    return np.split(rows, np.flatnonzero(np.diff(portion)) + 1) if len(rows) else []


def number_chunks(begin: Ints, end: int, per_chunk: int) -> Ints:
    """(n,) ascending numbers of the chunks of what begins at these of `end` images and segments.

    The last chunks of many are a quarter as large, so that threads that work on them end at about the same time.
    """
    first = (end // per_chunk - 1) * per_chunk  # of the last chunks
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
    columns["iscrowd"] = [bool(annotation) for annotation in columns.get("iscrowd", [False] * sum(counts))]
    segments = make_table(
        BATCH_SEGMENTS,
        sum(counts),
        annotation=np.repeat(np.arange(len(annotations), dtype=np.int32), counts),
        segment_id=np.concatenate([np.empty(0, np.int64), *(annotation.segment_id for annotation in annotations)]),
        category_id=np.concatenate([np.empty(0, np.int64), *(annotation.category_id for annotation in annotations)]),
        **columns,
    )
    return segments, Runs.concatenate([annotation.runs for annotation in annotations], counts)
