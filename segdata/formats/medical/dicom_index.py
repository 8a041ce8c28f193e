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
    """A DICOM object below the root, who drew what is in it, and what its segments are.

    `algorithm` is AUTOMATIC or MANUAL, for a structure set without regions, which cannot say it.
    """

    file: str
    annotator: str | None = None
    segments: tuple[DicomIndexSegment, ...] = ()
    algorithm: str | None = None


class DicomIndex(msgspec.Struct, frozen=True):
    """The whole file; `format` says what its objects are, where there is none to look at."""

    images: tuple[DicomIndexImage, ...]
    files: tuple[DicomIndexFile, ...]
    version: int = 1
    format: str | None = None


def write_dicom_index(
    target: Path, format: str, images: Sequence[DicomIndexImage], files: Sequence[DicomIndexFile]
) -> None:
    """Write `dicom.json` below `target`, one image a line."""
    below = (msgspec.structs.replace(each, uri=relative_uri(each.uri, target) or "") for each in images)
    lines = ",\n".join(msgspec.json.encode(each).decode() for each in below)
    said = msgspec.json.encode(files).decode()
    text = f'{{"version": 1, "format": "{format}", "files": {said}, "images": [\n{lines}\n]}}\n'
    (target / DICOM_INDEX).write_text(text, encoding="utf-8")


def read_dicom_index(root: Path, defects: list[Defect]) -> tuple[list[Series], dict[str, DicomIndexFile]]:
    """The images in `dicom.json` as series, and its objects by name; raises UnreadableError where it is no index."""
    try:
        index = msgspec.json.decode((root / DICOM_INDEX).read_bytes(), type=DicomIndex)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{root / DICOM_INDEX}: cannot be read: {error}") from error
    sequences: dict[tuple[bool, str], list[tuple[DicomIndexImage, DicomImage]]] = {}
    seen: set[str] = set()
    for row, each in enumerate(index.images):
        place = f"/images/{row}"
        if not each.image or is_unsafe_path(each.image):
            message = f"path {each.image!r} leaves the dataset's root; name files below it"
            defects.append(Defect("SEG015", message, DICOM_INDEX, place))
        elif each.image in seen:
            defects.append(Defect("SEG008", "the same image twice", DICOM_INDEX, place, image=each.image))
        elif min(each.width, each.height) < 1:
            defects.append(Defect("SEG004", "the size is not positive", DICOM_INDEX, place, image=each.image))
        else:
            seen.add(each.image)
            key = (each.sequence is not None, each.sequence or each.image)
            sequences.setdefault(key, []).append((each, _image(each, root, defects, place)))
    return [_series(each) for each in sequences.values()], {each.file: each for each in index.files}


def indexed_segments(
    indexed: Mapping[str, DicomIndexFile], naming: CategoryNames, defects: list[Defect]
) -> dict[tuple[str, int], DicomIndexSegment]:
    """What an index says of segments, by object and number, where their categories are known."""
    found = {(name, each.number): each for name, file in indexed.items() for each in file.segments}
    known = naming.taxonomy.by_id()
    for (name, number), each in [*found.items()] if naming.declared else []:
        if each.category not in known:
            message = f"category {each.category} of segment {number} is not in the taxonomy; its label is taken"
            defects.append(Defect("SEG009", message, DICOM_INDEX, f"/files/{name}", segments=(number,)))
            del found[name, number]
    return found


def _image(said: DicomIndexImage, root: Path, defects: list[Defect], place: str) -> DicomImage:
    """The image, with what its file says about its place where that is here."""
    path = local_file(absolute_uri(said.uri, root)) or Path(said.uri)
    known = DicomImage(path, said.image, said.uid, "", "", "", (said.height, said.width), None, said.group)
    if not said.uid:  # nobody worked on it, and it need not be DICOM
        return known
    try:
        found = read_image_header(path, root)
    except FileNotFoundError:
        defects.append(Defect("SEG002", "image file does not exist", DICOM_INDEX, place, image=said.image))
        return known
    except OSError as error:
        message = f"image cannot be read: {error.strerror or error}"
        defects.append(Defect("SEG001", message, DICOM_INDEX, place, image=said.image))
        return known
    if found is None or found.uid != said.uid:
        message = f"{said.uri!r} is not the image with the UID {said.uid}"
        defects.append(Defect("SEG007", message, DICOM_INDEX, place, image=said.image))
        return known
    return replace(found, name=said.image, patient=said.group)


def _series(pairs: list[tuple[DicomIndexImage, DicomImage]]) -> Series:
    """A sequence in the order of the slices' places."""
    frame = {image.name: said.frame for said, image in pairs}
    images = sort_slices([image for _, image in pairs])
    return Series(pairs[0][0].sequence, images, [frame[image.name] for image in images])
