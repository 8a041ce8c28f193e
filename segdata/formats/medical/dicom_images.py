"""DICOM images: the DICOM files of a folder, the planes of their slices in the patient, and their series.

Source: DICOM PS3.10 (the file's preamble and meta information), PS3.3 C.7.6.2 (Image Plane Module).
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.medical_files import axis_codes, collect_dicom_warnings, import_package, is_dicom
from segdata.core.paths import absolute_uri, check_path_name, dataset_folder, local_file, relative_uri
from segdata.core.profile import ImageSequence
from segdata.core.runs import Floats
from segdata.formats.medical import DICOM_INDEX, SEGMENTATIONS, STRUCTURE_SET, sop_class
from segdata.formats.shared.images import MAX_PIXELS, index_entry_defect
from segdata.formats.shared.json_files import read_sidecar
from segdata.formats.shared.per_image import relative_path
from segdata.formats.shared.taxonomies import CategoryNames

_HEAD_BYTES = 512  # enough to identify a file
_SUFFIXES = (".dcm", ".dicom", ".ima")
_MAX_REMARK_LENGTH = 200
_META_BYTES = 128 + 4 + 12  # the preamble, DICM, and the length of the remaining meta information
_DEFLATED = "1.2.840.10008.1.2.1.99"
_UNDEFINED_LENGTH = 0xFFFFFFFF  # a delimiter marks the end
_MAX_FILES = 100_000  # examined in search of images
_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID",
    "Modality", "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "ImagePositionPatient",
    "ImageOrientationPatient", "SliceThickness",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The place of a slice: the centre of its first pixel, the directions of rows and columns, and spacing."""

    position: Floats  # (3,) millimetres (left, posterior, superior)
    row: Floats  # (3,) unit vector along a row (x grows)
    column: Floats  # (3,) unit vector along a column (y grows)
    spacing: Floats  # (2,) millimetres from one column to the next, and from one row to the next

    @property
    def normal(self) -> Floats:
        """(3,) the unit vector across the slice."""
        return np.cross(self.row, self.column)

    @property
    def depth(self) -> float:
        """Millimetres along the normal."""
        return float(self.normal @ self.position)


@dataclass(frozen=True, slots=True, eq=False)
class DicomImage:
    """An image of one frame."""

    path: Path  # the file
    name: str  # below the folder of images, POSIX
    uid: str  # its own UID
    series: str  # UID of its series
    study: str  # UID of its study
    reference: str  # UID of its frame of reference
    size: tuple[int, int]  # height and width
    plane: Plane | None  # its plane; None if the file does not state it
    patient: str | None = None  # id of the patient
    number: int = 0  # in the series
    kind: str = ""  # UID of its SOP class


@dataclass
class _DicomFolder:
    """The DICOM files of a dataset."""

    root: Path  # where names in messages start
    images: dict[str, DicomImage] = field(default_factory=dict)  # by their UID
    objects: list[Path] = field(default_factory=list)  # the files with objects of the requested kinds
    defects: list[Defect] = field(default_factory=list)
    # pydicom's warnings about images -> files
    remarks: dict[str, list[str]] = field(default_factory=dict)


def read_dataset(path: Path, tags: Sequence[str] | None = None) -> Any:  # Any: pydicom's dataset has every attribute
    """Read a file's dataset without pixels; raises OSError with the reason if it is damaged."""
    try:
        size = path.stat().st_size
    except ValueError:  # raised for NUL characters
        raise OSError("no file can have this name") from None
    if size == 0:
        raise OSError("the file is empty (0 bytes)")
    with raise_os_errors():
        wanted = None if tags is None else list(tags)
        pydicom = import_package("pydicom")
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=wanted)
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        if syntax is not None and not syntax.is_private and syntax.type != "Transfer Syntax":
            raise OSError(f"its transfer syntax {syntax} is none that pydicom {pydicom.__version__} knows")
        return dataset


def is_complete(path: Path, dataset: Any) -> bool:  # Any: pydicom's dataset has every attribute
    """Whether a file ends with its last element, as pydicom accepts truncated files.

    `dataset` is what `read_dataset` returned.
    """
    length = dataset.file_meta.get("FileMetaInformationGroupLength")
    if length is None or str(dataset.file_meta.TransferSyntaxUID) == _DEFLATED:  # zlib checks it
        return True
    with path.open("rb") as file:
        end = file.seek(_META_BYTES + int(length))
        for element in import_package("pydicom.filereader").data_element_generator(file, *dataset.original_encoding):
            end = file.tell()
            if isinstance(element.value, bytes) and len(element.value) < element.length < _UNDEFINED_LENGTH:
                return False
        return end == path.stat().st_size


@contextmanager
def raise_os_errors(what: str = "damaged") -> Iterator[list[str]]:
    """Collect pydicom's warnings while the block runs.

    Any error about a damaged file, even when a value is first used, becomes OSError.
    """
    try:
        with collect_dicom_warnings() as messages:
            yield messages
    except (OSError, SegdataError):
        raise
    except Exception as error:
        raise OSError(f"{what}: {error or type(error).__name__}") from error


def scan_folder(root: Path, kinds: Sequence[str], images: Path | None = None) -> _DicomFolder:
    """Scan a folder (or a file) for objects of these kinds, and for all images in it or in `images`."""
    folder = _DicomFolder(dataset_folder(root))
    if root.is_file():
        folder.objects.append(root)
    for place in dict.fromkeys([folder.root, *([images] if images is not None else [])]):
        start = images if images is not None and place == images else folder.root
        for path in _files(place):
            with path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
            kind = sop_class(head)
            if kind in kinds:
                if root.is_dir() and place == folder.root:
                    folder.objects.append(path)
            elif kind is not None and kind not in (*SEGMENTATIONS, STRUCTURE_SET):
                _add_image(folder, path, start)
            elif kind is None and path != root and (reason := _why_unreadable(path, head)) is not None:
                folder.defects.append(Defect("SEG001", reason, relative_path(folder.root, path)))
    folder.defects += remark_defects(folder.remarks)
    return folder


def _why_unreadable(path: Path, head: bytes) -> str | None:
    """Why a file with a DICOM name or beginning cannot be read; None for files of other formats."""
    if is_dicom(head):
        return "is cut off within its header" if len(head) < _HEAD_BYTES else None
    if path.suffix.lower() not in _SUFFIXES:
        return None
    return "is not a DICOM file: it does not begin like one" if head else "is empty (0 bytes)"


def remark_defects(remarks: Mapping[str, Sequence[str]]) -> list[Defect]:
    """One defect of severity info for each warning of pydicom, with its files."""
    defects = []
    for remark, files in remarks.items():
        more = f", and of {len(files) - 1:,} more files" if len(files) > 1 else ""
        text = " ".join(remark.split())[:_MAX_REMARK_LENGTH]
        defects.append(Defect("SEG004", f"pydicom remarks{more}: {text}", files[0], severity="info"))
    return defects


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder, in the order of names."""
    count = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > _MAX_FILES:
                return
            path = Path(place, name)
            if path.is_file():
                check_path_name(path)
                yield path


def _add_image(folder: _DicomFolder, path: Path, start: Path) -> None:
    try:
        with raise_os_errors() as messages:
            image = read_image_header(path, start)
        for remark in messages:
            folder.remarks.setdefault(remark, []).append(relative_path(folder.root, path))
    except OSError as error:
        message = f"image cannot be read: {error.strerror or error}"
        folder.defects.append(Defect("SEG001", message, relative_path(folder.root, path)))
        return
    if image is None:
        return
    first = folder.images.setdefault(image.uid, image)
    if first.path != path and not path.samefile(first.path):
        message = f"a second image with the UID of {first.name!r}; the first one is used"
        folder.defects.append(Defect("SEG008", message, relative_path(folder.root, path)))


def read_image_header(path: Path, start: Path) -> DicomImage | None:
    """Read the image header in a file, named relative to `start`; None unless it has one frame. Raises OSError."""
    dataset = read_dataset(path, _TAGS)
    name = path.relative_to(start).as_posix() if path.is_relative_to(start) else path.name
    with raise_os_errors():
        return _parse_image(dataset, path, name)


def _parse_image(
    dataset: Any, path: Path, name: str
) -> DicomImage | None:  # Any: pydicom's dataset has every attribute
    size = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    if 0 in size or int(dataset.get("NumberOfFrames") or 1) > 1 or not dataset.get("SOPInstanceUID"):
        return None
    if size[0] * size[1] > MAX_PIXELS:
        raise OSError(f"claims {size[1]}x{size[0]} pixels")
    return DicomImage(
        path=path,
        name=name,
        uid=str(dataset.SOPInstanceUID),
        series=str(dataset.get("SeriesInstanceUID", "")),
        study=str(dataset.get("StudyInstanceUID", "")),
        reference=str(dataset.get("FrameOfReferenceUID", "")),
        size=size,
        plane=parse_plane(
            dataset.get("ImagePositionPatient"), dataset.get("ImageOrientationPatient"), dataset.get("PixelSpacing")
        ),
        patient=str(dataset.get("PatientID") or "") or None,
        number=int(dataset.get("InstanceNumber") or 0),
        kind=str(dataset.get("SOPClassUID", "")),
    )


def parse_plane(position: Any, orientation: Any, spacing: Any) -> Plane | None:  # Any: values of a foreign file
    """The plane that three attributes describe; None if one is missing or invalid."""
    try:
        origin = np.array([float(number) for number in position], np.float64)
        directions = np.array([float(number) for number in orientation], np.float64)
        between_rows, between_columns = (float(number) for number in spacing)
    except (TypeError, ValueError):
        return None
    if origin.shape != (3,) or directions.shape != (6,) or not np.isfinite([*origin, *directions, between_rows]).all():
        return None
    row, column = directions[:3], directions[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(between_rows, between_columns) <= 0 or not np.allclose(lengths, 1, atol=1e-2) or abs(row @ column) > 1e-2:
        return None
    return Plane(origin, row / lengths[0], column / lengths[1], np.array([between_columns, between_rows]))


_TOLERANCE_MM = 1e-2  # DICOM stores positions as decimal text, often of 32-bit floats


@dataclass(frozen=True, eq=False)
class Series:
    """The slices of a series, in order."""

    name: str | None  # the folder that holds only this series, else its UID; None: a single image
    images: Sequence[DicomImage]  # from one end to the other
    numbers: Sequence[int | None]  # the frame of each image

    @property
    def sequence(self) -> ImageSequence:
        """The volume with its place, if known."""
        planes = [image.plane for image in self.images if image.plane is not None]
        return make_volume(self.name or "", planes if len(planes) == len(self.images) else [])

    def find_slice(self, plane: Plane, size: tuple[int, int]) -> DicomImage | None:
        """The slice with the same plane and size; None if there is none."""
        if len(self.images) == 0:
            return None
        for row in np.flatnonzero(np.abs(self._positions - plane.position).max(axis=1) <= _TOLERANCE_MM).tolist():
            image = self.images[row]
            if image.size == size and image.plane is not None and is_same_place(image.plane, plane):
                return image
        return None

    @cached_property
    def _positions(self) -> Floats:
        """(n, 3) of the slices."""
        nowhere = np.full(3, np.inf)
        return np.array([nowhere if image.plane is None else image.plane.position for image in self.images])


def sort_slices(images: Sequence[DicomImage]) -> list[DicomImage]:
    """Sort the slices of one series by position if known, else by number."""
    if images and all(image.plane is not None for image in images):
        normal = images[0].plane.normal if images[0].plane else np.zeros(3)
        return sorted(images, key=lambda image: (float(normal @ image.plane.position), image.number, image.name))  # type: ignore[union-attr]  # all have one
    return sorted(images, key=lambda image: (image.number, image.name))


def group_series(images: Mapping[str, DicomImage]) -> list[Series]:
    """The images by series."""
    by_uid: dict[str, list[DicomImage]] = {}
    for image in images.values():
        by_uid.setdefault(image.series, []).append(image)
    images_of = {uid: sort_slices(members) for uid, members in by_uid.items()}
    series_of_folder: dict[str, set[str]] = {}
    for uid, slices in images_of.items():
        for image in slices:
            series_of_folder.setdefault(image.name.rpartition("/")[0], set()).add(uid)
    named = []
    for uid, members in images_of.items():
        folders_of = {image.name.rpartition("/")[0] for image in members}
        folder = next(iter(folders_of))
        only_series = len(folders_of) == 1 and folder != "" and len(series_of_folder[folder]) == 1
        name = folder if only_series else re.sub(r"[^\w.-]", "_", uid) or "series"
        named.append(Series(name, members, range(len(members))))
    return named


def is_same_place(a: Plane, b: Plane) -> bool:
    """Whether the pixels of two slices are at the same positions."""
    return bool(
        np.abs(a.position - b.position).max() <= _TOLERANCE_MM
        and np.abs(a.row - b.row).max() <= 1e-3
        and np.abs(a.column - b.column).max() <= 1e-3
        and np.abs(a.spacing / b.spacing - 1).max() <= 1e-3
    )


def make_volume(name: str, planes: Sequence[Plane]) -> ImageSequence:
    """A volume of these slices, in order; its affine is unknown if they are not parallel and evenly spaced.

    DICOM's axes point to the left and to the back of the patient, an affine's to the right and to the front.
    """
    if len(planes) < 2:
        return ImageSequence(name, "volume")
    first, last = planes[0], planes[-1]
    step = (last.position - first.position) / (len(planes) - 1)
    even = all(
        np.abs(plane.position - (first.position + k * step)).max() <= 10 * _TOLERANCE_MM
        and np.abs(plane.row - first.row).max() <= 1e-3
        and np.abs(plane.spacing - first.spacing).max() <= 1e-3
        for k, plane in enumerate(planes)
    )
    if not even or np.linalg.norm(step) == 0:
        return ImageSequence(name, "volume")
    affine = np.eye(4)
    affine[:3, 0] = first.row * first.spacing[0]
    affine[:3, 1] = first.column * first.spacing[1]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    affine[:2] *= -1
    across, down, through = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return ImageSequence(
        name, "volume", tuple(affine.reshape(-1).tolist()), axis_codes(affine), (across, down, through)
    )


class DicomIndexImage(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image: its DICOM UID and the URI of its file; other fields as in the canonical dataset."""

    image: str
    uid: str
    uri: str
    width: int
    height: int
    sequence: str | None = None
    frame: int | None = None
    group: str | None = None


class DicomIndexSegment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A segment or region of interest by its number in the object: category, track and segment id."""

    number: int
    category: int
    track: int | None = None
    segment: int | None = None


class DicomIndexFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A DICOM object below the root, its annotator, and its segments.

    `algorithm` is AUTOMATIC or MANUAL, for a structure set without regions, which cannot hold it.
    """

    file: str
    annotator: str | None = None
    segments: tuple[DicomIndexSegment, ...] = ()
    algorithm: str | None = None


class _DicomIndex(msgspec.Struct, frozen=True):
    """The index file; `format` is that of its objects, even if there are none."""

    images: tuple[DicomIndexImage, ...]
    files: tuple[DicomIndexFile, ...]
    version: int = 1
    format: str | None = None


def write_dicom_index(
    target: Path, format: str, images: Sequence[DicomIndexImage], files: Sequence[DicomIndexFile]
) -> None:
    """Write `dicom.json` below `target`, one image a line."""
    below = (msgspec.structs.replace(image, uri=relative_uri(image.uri, target) or "") for image in images)
    lines = ",\n".join(msgspec.json.encode(image).decode() for image in below)
    files_json = msgspec.json.encode(files).decode()
    text = f'{{"version": 1, "format": "{format}", "files": {files_json}, "images": [\n{lines}\n]}}\n'
    (target / DICOM_INDEX).write_text(text, encoding="utf-8")


def read_dicom_index(root: Path, defects: list[Defect]) -> tuple[list[Series], dict[str, DicomIndexFile]]:
    """The images in `dicom.json` as series, and its objects by name; raises UnreadableError if it is not an index."""
    index = read_sidecar(root / DICOM_INDEX, _DicomIndex)
    sequences: dict[tuple[bool, str], list[tuple[DicomIndexImage, DicomImage]]] = {}
    names: set[str] = set()
    for row, image in enumerate(index.images):
        place = f"/images/{row}"
        invalid = "the size is not positive" if min(image.width, image.height) < 1 else None
        defect = index_entry_defect(DICOM_INDEX, place, image.image, names, (image.image,), invalid)
        if defect is not None:
            defects.append(defect)
        else:
            names.add(image.image)
            key = (image.sequence is not None, image.sequence or image.image)
            sequences.setdefault(key, []).append((image, _image(image, root, defects, place)))
    return [_series(pairs) for pairs in sequences.values()], {file.file: file for file in index.files}


def indexed_segments(
    indexed: Mapping[str, DicomIndexFile], naming: CategoryNames, defects: list[Defect]
) -> dict[tuple[str, int], DicomIndexSegment]:
    """(object, number) -> index entry, for segments of known categories."""
    entries = {(name, entry.number): entry for name, file in indexed.items() for entry in file.segments}
    categories = naming.taxonomy.by_id()
    for (name, number), entry in [*entries.items()] if naming.declared else []:
        if entry.category not in categories:
            message = (
                f"category {entry.category} of segment {number} is not in the taxonomy; the segment's label is used"
            )
            defects.append(Defect("SEG009", message, DICOM_INDEX, f"/files/{name}", segments=(number,)))
            del entries[name, number]
    return entries


def _image(entry: DicomIndexImage, root: Path, defects: list[Defect], place: str) -> DicomImage:
    """The image, with the plane in its file, if the file exists."""
    path = local_file(absolute_uri(entry.uri, root)) or Path(entry.uri)
    declared = DicomImage(
        path=path,
        name=entry.image,
        uid=entry.uid,
        series="",
        study="",
        reference="",
        size=(entry.height, entry.width),
        plane=None,
        patient=entry.group,
    )
    if not entry.uid:  # it is not annotated, and need not be DICOM
        return declared
    try:
        image = read_image_header(path, root)
    except FileNotFoundError:
        defects.append(Defect("SEG002", "image file does not exist", DICOM_INDEX, place, image=entry.image))
        return declared
    except OSError as error:
        message = f"image cannot be read: {error.strerror or error}"
        defects.append(Defect("SEG001", message, DICOM_INDEX, place, image=entry.image))
        return declared
    if image is None or image.uid != entry.uid:
        message = f"{entry.uri!r} is not the image with the UID {entry.uid}"
        defects.append(Defect("SEG007", message, DICOM_INDEX, place, image=entry.image))
        return declared
    return replace(image, name=entry.image, patient=entry.group)


def _series(pairs: list[tuple[DicomIndexImage, DicomImage]]) -> Series:
    frame = {image.name: entry.frame for entry, image in pairs}
    images = sort_slices([image for _, image in pairs])
    return Series(pairs[0][0].sequence, images, [frame[image.name] for image in images])
