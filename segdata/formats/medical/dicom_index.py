"""dicom.json: the names of images beside DICOM objects, which know images by UID. Our writers leave one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import absolute_uri, is_unsafe_path, local_file, relative_uri
from segdata.formats.medical.dicom_images import DicomImage, Series, read_image_header, sort_slices
from segdata.formats.medical.dicom_kinds import DICOM_INDEX
from segdata.formats.shared.taxonomies import CategoryNames


class DicomIndexImage(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image: its UID in DICOM, where its file is; the rest as in the canonical dataset."""

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
    """The whole file; `format` is the format of its objects, also if there are none."""

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
    try:
        index = msgspec.json.decode((root / DICOM_INDEX).read_bytes(), type=_DicomIndex)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{root / DICOM_INDEX}: cannot be read: {error}") from error
    sequences: dict[tuple[bool, str], list[tuple[DicomIndexImage, DicomImage]]] = {}
    names: set[str] = set()
    for row, image in enumerate(index.images):
        place = f"/images/{row}"
        if not image.image or is_unsafe_path(image.image):
            message = f"path {image.image!r} leaves the dataset's root; name files below it"
            defects.append(Defect("SEG015", message, DICOM_INDEX, place))
        elif image.image in names:
            defects.append(Defect("SEG008", "the same image twice", DICOM_INDEX, place, image=image.image))
        elif min(image.width, image.height) < 1:
            defects.append(Defect("SEG004", "the size is not positive", DICOM_INDEX, place, image=image.image))
        else:
            names.add(image.image)
            key = (image.sequence is not None, image.sequence or image.image)
            sequences.setdefault(key, []).append((image, _image(image, root, defects, place)))
    return [_series(pairs) for pairs in sequences.values()], {file.file: file for file in index.files}


def indexed_segments(
    indexed: Mapping[str, DicomIndexFile], naming: CategoryNames, defects: list[Defect]
) -> dict[tuple[str, int], DicomIndexSegment]:
    """The index entries of segments by object and number, if their categories are known."""
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
    """The image, with the place that its file gives, if the file exists."""
    path = local_file(absolute_uri(entry.uri, root)) or Path(entry.uri)
    declared = DicomImage(path, entry.image, entry.uid, "", "", "", (entry.height, entry.width), None, entry.group)
    if not entry.uid:  # nobody worked on it, and it need not be DICOM
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
    """A sequence in the order of the slices' places."""
    frame = {image.name: entry.frame for entry, image in pairs}
    images = sort_slices([image for _, image in pairs])
    return Series(pairs[0][0].sequence, images, [frame[image.name] for image in images])
