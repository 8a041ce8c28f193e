"""DICOM images: the DICOM files of a folder, where their slices lie in the patient, and the series they make up.

Source: DICOM PS3.10 (the file's preamble and meta information), PS3.3 C.7.6.2 (Image Plane Module).
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.medical_files import collect_dicom_warnings, is_dicom
from segdata.core.paths import check_path_name
from segdata.core.profile import ImageSequence
from segdata.formats.medical.dicom_kinds import SEGMENTATIONS, STRUCTURE_SET, sop_class
from segdata.formats.medical.volume_files import axis_codes, import_package
from segdata.formats.shared.images import MAX_PIXELS
from segdata.formats.shared.per_image import relative_path

Floats = NDArray[np.float64]
_HEAD = 512  # bytes that tell what a file is
_SUFFIXES = (".dcm", ".dicom", ".ima")
_LONGEST = 200  # letters of a remark
_META = 128 + 4 + 12  # bytes: the preamble, DICM, and how long the rest of the meta information is
_DEFLATED = "1.2.840.10008.1.2.1.99"
_UNDEFINED = 0xFFFFFFFF  # a length: a delimiter tells the end
_MOST_FILES = 100_000  # that are looked at in search of images
_TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "PatientID",
    "Modality",
    "InstanceNumber",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SliceThickness",
)


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Where the pixels of a slice lie: the centre of the first one, the directions of rows and columns, and spacing.

    Attributes
    ----------
    position : (3,) millimetres (left, posterior, superior)
    row, column : (3,) unit vectors along a row (x grows) and along a column (y grows)
    spacing : (2,) millimetres from one column to the next, and from one row to the next
    """

    position: Floats
    row: Floats
    column: Floats
    spacing: Floats

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
    """An image of one frame.

    Attributes
    ----------
    path : the file
    name : below the folder of images, POSIX
    uid, series, study, reference : its own UID, and those of its series, study and frame of reference
    size : height and width
    plane : where it lies; None where that is not said
    patient : id of the patient
    number : in the series
    kind : UID of its SOP class
    """

    path: Path
    name: str
    uid: str
    series: str
    study: str
    reference: str
    size: tuple[int, int]
    plane: Plane | None
    patient: str | None = None
    number: int = 0
    kind: str = ""


@dataclass
class DicomFolder:
    """The DICOM files of a dataset.

    Attributes
    ----------
    root : where names in messages start
    images : by their UID
    objects : the files that hold objects of the kinds that were asked for
    defects : met in looking at them
    remarks : what pydicom said of images, each with their files
    """

    root: Path
    images: dict[str, DicomImage] = field(default_factory=dict)
    objects: list[Path] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    remarks: dict[str, list[str]] = field(default_factory=dict)


def read_dataset(path: Path, tags: Sequence[str] | None = None) -> Any:  # Any: pydicom's dataset has every attribute
    """What a file says beside pixels; raises OSError with the reason where it is damaged."""
    if path.stat().st_size == 0:
        raise OSError("the file is empty (0 bytes)")
    with raise_os_errors():
        wanted = None if tags is None else list(tags)
        return import_package("pydicom").dcmread(path, stop_before_pixels=True, specific_tags=wanted)


def is_complete(path: Path, said: Any) -> bool:  # Any: pydicom's dataset has every attribute
    """Whether a file ends where its last element does; pydicom takes what is there of one that was cut off.

    `said`: what it says.
    """
    length = said.file_meta.get("FileMetaInformationGroupLength")
    if length is None or str(said.file_meta.TransferSyntaxUID) == _DEFLATED:  # zlib tells by itself
        return True
    with path.open("rb") as file:
        end = file.seek(_META + int(length))
        for each in import_package("pydicom.filereader").data_element_generator(file, *said.original_encoding):
            end = file.tell()
            if isinstance(each.value, bytes) and len(each.value) < each.length < _UNDEFINED:
                return False
        return end == path.stat().st_size


@contextmanager
def raise_os_errors(what: str = "damaged") -> Iterator[list[str]]:
    """What pydicom remarks while the block runs (`core.dicomfile.listening`).

    Turns whatever it may meet in a damaged file, now or when a value is first used, into OSError.
    """
    try:
        with collect_dicom_warnings() as heard:
            yield heard
    except (OSError, SegdataError):
        raise
    except Exception as error:
        raise OSError(f"{what}: {error or type(error).__name__}") from error


def scan_folder(root: Path, kinds: Sequence[str], images: Path | None = None) -> DicomFolder:
    """The objects of these kinds below a folder, or the one file, and all images below it or in `images`."""
    found = DicomFolder(root if root.is_dir() else root.parent)
    if root.is_file():
        found.objects.append(root)
    for place in dict.fromkeys([found.root, *([images] if images is not None else [])]):
        start = images if images is not None and place == images else found.root
        for path in _files(place):
            with path.open("rb") as file:
                head = file.read(_HEAD)
            kind = sop_class(head)
            if kind in kinds:
                if root.is_dir() and place == found.root:
                    found.objects.append(path)
            elif kind is not None and kind not in (*SEGMENTATIONS, STRUCTURE_SET):
                _add_image(found, path, start)
            elif kind is None and path != root and (wrong := _why_unreadable(path, head)) is not None:
                found.defects.append(Defect("SEG001", wrong, relative_path(found.root, path)))
    found.defects += remark_defects(found.remarks)
    return found


def _why_unreadable(path: Path, head: bytes) -> str | None:
    """Why a file that is called as one of DICOM, or begins as one, cannot be read; None for files of others."""
    if is_dicom(head):
        return "is cut off: it ends within its head" if len(head) < _HEAD else None
    if path.suffix.lower() not in _SUFFIXES:
        return None
    return "is no DICOM file: it does not begin as one" if head else "is empty (0 bytes)"


def remark_defects(heard: Mapping[str, Sequence[str]]) -> list[Defect]:
    """What pydicom remarked, and of which files: an information each."""
    found = []
    for remark, files in heard.items():
        more = f", and of {len(files) - 1:,} more files" if len(files) > 1 else ""
        said = " ".join(remark.split())[:_LONGEST]
        found.append(Defect("SEG004", f"pydicom remarks{more}: {said}", files[0], severity="info"))
    return found


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder, in the order of names."""
    count = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > _MOST_FILES:
                return
            path = Path(place, name)
            if path.is_file():
                check_path_name(path)
                yield path


def _add_image(found: DicomFolder, path: Path, start: Path) -> None:
    try:
        with raise_os_errors() as heard:
            image = read_image_header(path, start)
        for remark in heard:
            found.remarks.setdefault(remark, []).append(relative_path(found.root, path))
    except OSError as error:
        message = f"image cannot be read: {error.strerror or error}"
        found.defects.append(Defect("SEG001", message, relative_path(found.root, path)))
        return
    if image is None:
        return
    first = found.images.setdefault(image.uid, image)
    if first.path != path and not path.samefile(first.path):
        message = f"a second image with the UID of {first.name!r}; the first one is taken"
        found.defects.append(Defect("SEG008", message, relative_path(found.root, path)))


def read_image_header(path: Path, start: Path) -> DicomImage | None:
    """The image in a file, named below `start`; None for one of several frames, or none. Raises OSError."""
    said = read_dataset(path, _TAGS)
    name = path.relative_to(start).as_posix() if path.is_relative_to(start) else path.name
    with raise_os_errors():
        return _parse_image(said, path, name)


def _parse_image(said: Any, path: Path, name: str) -> DicomImage | None:  # Any: pydicom's dataset has every attribute
    size = int(said.get("Rows") or 0), int(said.get("Columns") or 0)
    if 0 in size or int(said.get("NumberOfFrames") or 1) > 1 or not said.get("SOPInstanceUID"):
        return None
    if size[0] * size[1] > MAX_PIXELS:
        raise OSError(f"claims {size[1]}x{size[0]} pixels")
    return DicomImage(
        path,
        name,
        str(said.SOPInstanceUID),
        str(said.get("SeriesInstanceUID", "")),
        str(said.get("StudyInstanceUID", "")),
        str(said.get("FrameOfReferenceUID", "")),
        size,
        parse_plane(said.get("ImagePositionPatient"), said.get("ImageOrientationPatient"), said.get("PixelSpacing")),
        str(said.get("PatientID") or "") or None,
        int(said.get("InstanceNumber") or 0),
        str(said.get("SOPClassUID", "")),
    )


def parse_plane(position: Any, orientation: Any, spacing: Any) -> Plane | None:  # Any: values of a foreign file
    """The plane that three attributes describe; None where one is missing or makes no sense."""
    try:
        place = np.array([float(each) for each in position], np.float64)
        turn = np.array([float(each) for each in orientation], np.float64)
        between_rows, between_columns = (float(each) for each in spacing)
    except (TypeError, ValueError):
        return None
    if place.shape != (3,) or turn.shape != (6,) or not np.isfinite([*place, *turn, between_rows]).all():
        return None
    row, column = turn[:3], turn[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(between_rows, between_columns) <= 0 or not np.allclose(lengths, 1, atol=1e-2) or abs(row @ column) > 1e-2:
        return None
    return Plane(place, row / lengths[0], column / lengths[1], np.array([between_columns, between_rows]))


_TOLERANCE_MM = 1e-2  # DICOM writes positions as decimal text, often of a float of 32 bits


@dataclass(frozen=True, eq=False)
class Series:
    """The slices of a series, in order.

    Attributes
    ----------
    name : the folder that holds it and nothing else, else the UID of the series; None: an image by itself
    images : from one end to the other
    numbers : of each its frame
    """

    name: str | None
    images: Sequence[DicomImage]
    numbers: Sequence[int | None]

    @property
    def sequence(self) -> ImageSequence:
        """What is known about the volume."""
        planes = [each.plane for each in self.images if each.plane is not None]
        return make_volume(self.name or "", planes if len(planes) == len(self.images) else [])

    def at(self, plane: Plane, size: tuple[int, int]) -> DicomImage | None:
        """The slice that has its pixels just there; None where none has."""
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
        return np.array([nowhere if each.plane is None else each.plane.position for each in self.images])


def sort_slices(images: Sequence[DicomImage]) -> list[DicomImage]:
    """The slices of one series from one end to the other, by place where that is known, else by number."""
    if images and all(each.plane is not None for each in images):
        normal = images[0].plane.normal if images[0].plane else np.zeros(3)
        return sorted(images, key=lambda each: (float(normal @ each.plane.position), each.number, each.name))  # type: ignore[union-attr]  # all have one
    return sorted(images, key=lambda each: (each.number, each.name))


def group_series(images: Mapping[str, DicomImage]) -> list[Series]:
    """The images by series."""
    by_uid: dict[str, list[DicomImage]] = {}
    for image in images.values():
        by_uid.setdefault(image.series, []).append(image)
    found = {uid: sort_slices(each) for uid, each in by_uid.items()}
    folders: dict[str, set[str]] = {}
    for uid, each in found.items():
        for image in each:
            folders.setdefault(image.name.rpartition("/")[0], set()).add(uid)
    named = []
    for uid, each in found.items():
        homes = {image.name.rpartition("/")[0] for image in each}
        home = next(iter(homes))
        alone = len(homes) == 1 and home != "" and len(folders[home]) == 1
        name = home if alone else re.sub(r"[^\w.-]", "_", uid) or "series"
        named.append(Series(name, each, range(len(each))))
    return named


def is_same_place(a: Plane, b: Plane) -> bool:
    """Whether two slices have their pixels at the same places."""
    return bool(
        np.abs(a.position - b.position).max() <= _TOLERANCE_MM
        and np.abs(a.row - b.row).max() <= 1e-3
        and np.abs(a.column - b.column).max() <= 1e-3
        and np.abs(a.spacing / b.spacing - 1).max() <= 1e-3
    )


def make_volume(name: str, planes: Sequence[Plane]) -> ImageSequence:
    """A volume of these slices, in order; its affine is not known where they are not evenly spaced, or not parallel.

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
