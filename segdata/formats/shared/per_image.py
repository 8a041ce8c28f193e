"""Per-image datasets: labels in a file or a record of each image, decoded when a batch asks for them."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Rows, Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.formats.shared.images import ImageHeader, read_header, size_defects


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """An image, and where its labels are.

    Attributes
    ----------
    image_id : path below the images root, POSIX, with extension; the label file's own where no image is known
    image : the image file; None where there is none
    files : the label files
    record : what the reader keeps of the image's labels, in a form of its own; with neither files nor a record the
        image is not annotated
    size : height and width in pixels that a file tells; (0, 0) where nothing does
    page : of the label file; None where it has only one
    uri : where the image is said to be, when not in `image`
    source_id : the image's id in the source
    sequence, frame : where the image belongs in a video or volume
    split : train, val, test …
    group : patient, scene, drive
    channels : the image's files as rows of `schema.IMAGES`, where it has several
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
        """Whether there is anything to look into."""
        return bool(self.files) or self.record is not None


def relative_path(root: Path, path: Path) -> str:
    """`path` below the dataset's root, POSIX; as it is where it lies elsewhere."""
    whole, ahead = str(path), f"{root}{os.sep}"
    if whole.startswith(ahead):  # ten times as fast as comparing parts, and as asking what the root is
        return whole[len(ahead) :].replace(os.sep, "/")
    start = root if root.is_dir() else root.parent
    return path.relative_to(start).as_posix() if path.is_relative_to(start) else path.as_posix()


@dataclass(frozen=True, slots=True)
class ImageAnnotation:
    """One annotation: n segments, their runs, and what is wrong.

    Attributes
    ----------
    size : height and width in pixels of the image that was drawn on
    segment_id, category_id : (n,) int64
    runs : `runs.owner` is the segment
    columns : further columns of `schema.BATCH_SEGMENTS`, (n,) each: iscrowd, track_id, rings, attributes, file …
    encoding : how a mask stores values; None for labels that are no masks
    annotator : who drew; None: as the user says
    annotation : further columns of `schema.BATCH_ANNOTATIONS`, a value each: source, stage, created, attributes …
    defects : met in the labels; `file` and `image` are filled in where they are None
    metadata : what the labels say of the image: name -> JSON text
    file : that the labels are in; None: the entry's first
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


class SignedAnnotation(Protocol):
    """What one annotator drew on one image."""

    @property
    def annotator(self) -> str | None:
        """Who drew; None: as the user says."""

    @property
    def annotation(self) -> Mapping[str, object]:
        """Further columns of `schema.BATCH_ANNOTATIONS`, a value each."""


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
    drawn: Sequence[SignedAnnotation], image: Rows, annotator: str | None, **columns: object
) -> pa.Table:
    """Rows of `schema.BATCH_ANNOTATIONS`; `image` (n,) are rows of images, `annotator` is for what nobody signed."""
    named = dict.fromkeys(name for each in drawn for name in each.annotation)
    columns |= {name: [each.annotation.get(name) for each in drawn] for name in named}
    whose = [each.annotator or annotator for each in drawn]
    return make_table(BATCH_ANNOTATIONS, len(drawn), image=image, annotator=whose, **columns)


def entry_header(root: Path, entry: ImageEntry, defects: list[Defect]) -> ImageHeader | None:
    """The header of an image; None where there is no file.

    What cannot be read is added to `defects`, as are channels of another size.
    """
    if entry.image is None:
        return None
    found = _read_header(root, entry, entry.image, defects)
    for channel in entry.channels or ():
        uri = channel["uri"]
        if uri is None or "://" in uri or Path(uri) == entry.image:
            continue
        other = _read_header(root, entry, Path(uri), defects)
        if found is not None and other is not None and (other.width, other.height) != (found.width, found.height):
            sizes = f"{other.width}x{other.height}, the first one is {found.width}x{found.height}"
            message = f"the channel {channel['name']} is {sizes}"
            defects.append(Defect("SEG003", message, relative_path(root, Path(uri)), image=entry.image_id))
    return found


def _read_header(root: Path, entry: ImageEntry, path: Path, defects: list[Defect]) -> ImageHeader | None:
    try:
        return read_header(path)
    except OSError as error:
        message = f"image cannot be read: {error.strerror or error}"
        defects.append(Defect("SEG001", message, relative_path(root, path), image=entry.image_id))
        return None


class ReadAnnotation(SignedAnnotation, Protocol):
    """What one annotator drew on one image."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the image that was drawn on."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the labels say of the image: name -> JSON text."""

    @property
    def file(self) -> str | None:
        """That the labels are in; None: the entry's first."""

    @property
    def defects(self) -> Sequence[Defect]:
        """Met in the labels; `file` and `image` are filled in where they are None."""


SomeAnnotation = TypeVar("SomeAnnotation", bound=ReadAnnotation)


@dataclass(frozen=True, slots=True)
class ReadImages(Generic[SomeAnnotation]):
    """What is drawn on some images.

    Attributes
    ----------
    images : a row of `schema.BATCH_IMAGES` for each
    annotations : n of them
    image : (n,) the row of the image of each
    file : (n,) that each is in, as defects call it
    defects : met so far
    """

    images: pa.Table
    annotations: list[SomeAnnotation]
    image: Rows
    file: list[str | None]
    defects: list[Defect]
    image_ids: Sequence[str]
    annotator: str | None

    def report(self, row: int, defects: Sequence[Defect]) -> None:
        """Add the defects of the annotation at this row, with its file, image and annotator."""
        if defects:
            image_id, file = self.image_ids[self.image[row]], self.file[row]
            self.defects.extend(_located(file, image_id, self.annotations[row].annotator or self.annotator, defects))


def read_images(
    root: Path,
    entries: Sequence[ImageEntry],
    look: Callable[[ImageEntry, ImageHeader | None], Sequence[SomeAnnotation]],
    annotator: str | None,
    what: str,
) -> ReadImages[SomeAnnotation]:
    """What `look` sees on the images of some entries, given the headers of their files.

    `annotator` is for what nobody signed, `what` is how messages call the labels, for their size.
    """
    defects: list[Defect] = []
    drawn: list[SomeAnnotation] = []
    image: list[int] = []
    files: list[str | None] = []
    sizes: list[tuple[int, int]] = []
    described = list(entries)
    for row, entry in enumerate(entries):
        head = entry_header(root, entry, defects)
        file = relative_path(root, entry.files[0]) if entry.files else None
        found = _read_image(entry, head, look, annotator, defects, file)
        for size in dict.fromkeys(each.size for each in found):
            defects += _size_defects(entry, head, size, what, file)
        for each in found:
            whose = each.annotator or annotator
            defects += _located(each.file or file, entry.image_id, whose, each.defects)
            drawn.append(each)
            image.append(row)
            files.append(each.file or file)
            if each.metadata:
                described[row] = replace(entry, metadata={**described[row].metadata, **each.metadata})
        # The size that was drawn on goes before the image's: the runs must fit into it.
        sizes.append(found[0].size if found else (head.height, head.width) if head else entry.size)
    ids = [entry.image_id for entry in entries]
    images = image_table(described, sizes)
    return ReadImages(images, drawn, np.array(image, np.int32), files, defects, ids, annotator)


def _read_image(
    entry: ImageEntry,
    head: ImageHeader | None,
    look: Callable[[ImageEntry, ImageHeader | None], Sequence[SomeAnnotation]],
    annotator: str | None,
    defects: list[Defect],
    file: str | None,
) -> Sequence[SomeAnnotation]:
    """What is drawn on an image; nothing where nobody annotated it, or that cannot be read."""
    if not entry.is_annotated:
        return ()
    try:
        return look(entry, head)
    except BrokenLabelsError as broken:
        defects += _located(file, entry.image_id, annotator, broken.defects)
        return ()


def _size_defects(
    entry: ImageEntry, head: ImageHeader | None, size: tuple[int, int], what: str, file: str | None
) -> list[Defect]:
    """What is wrong with the size that labels have: others are declared, or the image file's."""
    height, width = size
    found = []
    if 0 not in entry.size and entry.size != size:
        message = f"the {what} is {width}x{height}, declared are {entry.size[1]}x{entry.size[0]}"
        found.append(Defect("SEG003", message, file, image=entry.image_id))
    return found + size_defects(entry.image_id, head, width, height, what, file, None)


def _located(file: str | None, image_id: str, annotator: str | None, defects: Sequence[Defect]) -> list[Defect]:
    """Defects with their file and image where they lack one, and their annotator."""
    return [
        replace(each, file=each.file or file, image=each.image or image_id, annotator=annotator) for each in defects
    ]


@dataclass(frozen=True)
class PerImageSource:
    """An opened dataset with the labels of each image by themselves.

    Attributes
    ----------
    root : where paths in messages start
    profile : of the dataset
    entries : its images
    defects : met while opening
    read_image : the annotations of one image, one for each annotator; none: the image is not annotated. Called from
        any thread, and raises BrokenLabelsError
    annotator : whose work it is where the labels name nobody
    per_chunk : how many images are good to load at once
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
        """What is read of the image at a row, and of no other."""
        entry = self.entries[row]
        return entry.files if entry.image is None else (*entry.files, entry.image)

    def chunks(self) -> list[Ints]:
        """Rows in portions of a few images."""
        return chunk_rows(len(self.entries), self.per_chunk)

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, their labels decoded."""
        entries = [self.entries[row] for row in rows]
        looked = read_images(
            self.root, entries, lambda entry, head: self.read_image(entry), self.annotator, self.labels_name
        )
        encoding = [each.encoding for each in looked.annotations]
        annotations = annotation_table(
            looked.annotations, looked.image, self.annotator, encoding=encoding, file=looked.file
        )
        return Batch(looked.images, annotations, *_segment_table(looked.annotations), tuple(looked.defects))


def chunk_rows(n_images: int, per_chunk: int) -> list[Ints]:
    """Rows of n images in portions of a few."""
    rows = np.arange(n_images, dtype=np.int64)
    return [rows[first : first + per_chunk] for first in range(0, n_images, per_chunk)]


def _segment_table(drawn: list[ImageAnnotation]) -> tuple[pa.Table, Runs]:
    """The rows of `segments`, and all runs."""
    counts = [len(each.segment_id) for each in drawn]
    named = dict.fromkeys(name for each in drawn for name in each.columns)
    columns: dict[str, list[object]] = {name: [] for name in named}
    for each, count in zip(drawn, counts, strict=True):
        for name, values in columns.items():
            values += each.columns.get(name) or [None] * count
    columns["iscrowd"] = [bool(each) for each in columns.get("iscrowd", [False] * sum(counts))]
    segments = make_table(
        BATCH_SEGMENTS,
        sum(counts),
        annotation=np.repeat(np.arange(len(drawn), dtype=np.int32), counts),
        segment_id=np.concatenate([np.empty(0, np.int64), *(each.segment_id for each in drawn)]),
        category_id=np.concatenate([np.empty(0, np.int64), *(each.category_id for each in drawn)]),
        **columns,
    )
    return segments, Runs.concatenate([each.runs for each in drawn], counts)
