"""Reads CVAT's XML: its labels with the types of their attributes, and the image files."""

import os
import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

import msgspec

from segdata.core.errors import SegdataError, UnreadableError, check_choice, count_noun
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name, is_unsafe_path
from segdata.core.profile import ImageSequence
from segdata.core.taxonomy import Attribute, Category, Taxonomy, as_rgb
from segdata.formats.shared.images import ImageFolder, similar_name_hint
from segdata.formats.shared.pairing import images_folder, no_images_defect
from segdata.formats.shared.per_image import ImageEntry, relative_path
from segdata.formats.shared.safe_parsers import XmlError, read_xml
from segdata.formats.shared.taxonomies import kind_from_name, resolve_names
from segdata.formats.tools.cvat_shapes import (
    AREAS,
    NO_AREA,
    CvatElement,
    CvatImage,
    CvatVideo,
    parse_points_leniently,
    read_image,
    read_videos,
)
from segdata.formats.tools.polygons import PolygonNotation
from segdata.formats.tools.source import (
    ToolSource,
    first_image,
    image_folders,
    nearest_name,
    read_head,
    unlisted_images,
)

# Labels of other types have shapes without area, or none.
_WITH_AREA = frozenset({"", "any", "polygon", "mask", "rectangle", "ellipse"})
NOTATION = PolygonNotation(mend=parse_points_leniently)
_ANSWERS = ("yes", "no", "true", "false")


@dataclass(slots=True)
class _CvatLabels:
    """The labels of some files.

    Attributes
    ----------
    categories : those that segments may have, in order, without ids
    types : (label, attribute) -> input_type
    """

    categories: dict[str, Category] = field(default_factory=dict)
    types: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, root: Element) -> None:
        """Add the labels of a file."""
        for label in root.iterfind("./meta/*/labels/label"):
            name = label.findtext("name") or ""
            attributes = list(label.iterfind("./attributes/attribute"))
            for attribute in attributes:
                self.types[name, attribute.findtext("name") or ""] = attribute.findtext("input_type") or "text"
            if (label.findtext("type") or "") in _WITH_AREA and label.find("parent") is None and name:
                self.categories.setdefault(name, _category(name, label, attributes))

    def taxonomy(self) -> Taxonomy:
        """The categories with ids from 1, in the order of the labels."""
        return Taxonomy(
            categories=tuple(
                msgspec.structs.replace(category, id=id_) for id_, category in enumerate(self.categories.values(), 1)
            )
        )


def _category(name: str, label: Element, attributes: Iterable[Element]) -> Category:
    """A label as a category, its attributes with the values to choose from."""
    declared = tuple(
        Attribute(name=attribute.findtext("name") or "", values=_choices(attribute))
        for attribute in attributes
        if attribute.findtext("name")
    )
    return Category(
        id=0, name=name, kind=kind_from_name(name), color=_color(label.findtext("color")), attributes=declared
    )


def _choices(attribute: Element) -> tuple[str, ...]:
    """The values of an attribute that has a list of them; they are on lines of their own."""
    has_choices = attribute.findtext("input_type") in ("select", "radio")
    return tuple((attribute.findtext("values") or "").split("\n")) if has_choices else ()


def _color(text: str | None) -> str | None:
    try:
        return text if text and as_rgb(text) else None
    except SegdataError:
        return None


@dataclass(slots=True)
class _Dataset:
    """The images of all files by image_id, and the defects."""

    root: Path
    folders: Sequence[ImageFolder]
    labels: _CvatLabels = field(default_factory=_CvatLabels)
    names: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    entries: dict[str, ImageEntry] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)
    sequences: list[ImageSequence] = field(default_factory=list)


def open_cvat(request: ReadRequest, head: bytes) -> ToolSource:
    """Open the files at or below a path, which begin with `head` (a regex); raises UnreadableError if there is none."""
    root = request.root
    answer = str(request.options.get("interpolate", "no")).lower()
    check_choice("interpolate", answer, _ANSWERS)
    folder = root if root.is_dir() else root.parent
    images = images_folder(request)
    paths = _find_documents(root, head)
    dataset = _Dataset(root, image_folders(folder, images))
    for path in paths:
        _add_file(dataset, path, interpolate=answer in ("yes", "true"))
    if dataset.others:
        counts = ", ".join(f"{count:,} {tag}" for tag, count in sorted(dataset.others.items()))
        dataset.defects.append(Defect("SEG004", f"shapes without area are left out: {counts}", severity="info"))
    _check_images(dataset, folder, images)
    own_taxonomy = dataset.labels.taxonomy()
    categories = resolve_names(dataset.names | dataset.labels.categories.keys(), request.taxonomy, own_taxonomy)
    name = root.name if root.is_dir() else root.stem
    profile = categories.profile(
        "cvat", root, "instance", "sparse", "allow", name=name, raster_rule="coco", sequences=tuple(dataset.sequences)
    )
    entries = sorted(dataset.entries.values(), key=lambda entry: entry.image_id)
    read = partial(read_image, dataset.labels.types)
    return ToolSource(root, profile, entries, tuple(dataset.defects), categories.to, read, request.annotator, NOTATION)


def _find_documents(root: Path, head: bytes) -> list[Path]:
    """CVAT's files at or below a path."""
    if not root.exists():
        raise UnreadableError(f"{root}: does not exist")
    if root.is_file():
        if zipfile.is_zipfile(root):
            raise UnreadableError(f"{root}: is a zip archive; unzip it and give the folder")
        return [root]
    documents, archive = [], None
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            archive = path if path.suffix.lower() == ".zip" else archive
            if path.suffix.lower() == ".xml" and re.search(head, read_head(path)):
                check_path_name(path)
                documents.append(path)
    if not documents:
        hint = f"; unzip {archive.name}" if archive else ""
        raise UnreadableError(f"{root}: no CVAT file, which is XML that begins with annotations{hint}")
    return documents


def _add_file(dataset: _Dataset, path: Path, *, interpolate: bool) -> None:
    """Add the images of a file."""
    file = relative_path(dataset.root, path)
    try:
        document = read_xml(path)
    except (XmlError, OSError) as error:
        line = error.line if isinstance(error, XmlError) else None
        dataset.defects.append(Defect("SEG001", f"the XML {error}", file, line=line))
        return
    if document.tag != "annotations":
        message = f"the root element is {document.tag!r:.40}, CVAT's is 'annotations'"
        dataset.defects.append(Defect("SEG004", message, file))
        return
    dataset.labels.add(document)
    for row, image in enumerate(document.iterfind("image"), 1):
        _add_image(dataset, path, image, f"/annotations/image[{row}]")
    problems: list[tuple[str, str]] = []
    for shape in (shape for track in document.iterfind("track") for shape in track):
        dataset.others.update([shape.tag] if shape.tag in NO_AREA else [])
    for video in read_videos(document, problems, interpolate=interpolate):
        _add_video(dataset, path, video)
    dataset.defects += [Defect("SEG004", message, file, place) for message, place in problems]


def _add_image(dataset: _Dataset, path: Path, image: Element, place: str) -> None:
    file = relative_path(dataset.root, path)
    name = image.get("name", "").replace("\\", "/")
    if not name:
        dataset.defects.append(Defect("SEG004", "an image without name; left out", file, place))
        return
    if is_unsafe_path(name):
        message = f"path {name!r} leaves the dataset's root; its last part is used as the name"
        dataset.defects.append(Defect("SEG015", message, file, place))
        name = PurePosixPath(name).name or "image"
    split = image.get("subset") or None
    folder = posixpath.dirname(file) if path.is_relative_to(dataset.root) else ""
    image_id = posixpath.join(folder, name)
    if image_id in dataset.entries and split:
        image_id = posixpath.join(folder, split, name)
    if image_id in dataset.entries:
        message = f"image {image_id!r} is listed twice; the first one is read"
        dataset.defects.append(Defect("SEG008", message, file, place, image=image_id))
        return
    shapes = tuple(_shapes(dataset, image, place))
    dataset.names.update(shape.label for shape in shapes if shape.label)
    size = _parse_side(image.get("height")), _parse_side(image.get("width"))
    image_file = first_image(dataset.folders, [image_id, name, *([f"{split}/{name}"] if split else [])])
    record = CvatImage(shapes, tuple(image.iterfind("tag")))
    dataset.entries[image_id] = ImageEntry(
        image_id, image_file, (path,), record, size=size, source_id=image.get("id"), split=split, metadata={}
    )


def _shapes(dataset: _Dataset, image: Element, place: str) -> Iterator[CvatElement]:
    """The shapes with an area, each with its place."""
    count = Counter[str]()
    for shape in image:
        count[shape.tag] += 1
        if shape.tag in AREAS:
            shape_place = f"{place}/{shape.tag}[{count[shape.tag]}]"
            yield CvatElement(shape, shape_place, shape.get("label", ""), shape.get("group_id"), shape.get("source"))
        elif shape.tag in NO_AREA:
            dataset.others[shape.tag] += 1
        elif shape.tag != "tag":
            message = f"CVAT has no shape {shape.tag!r:.40}; left out"
            dataset.defects.append(Defect("SEG004", message, place=f"{place}/{shape.tag}"))


def _parse_side(text: str | None) -> int:
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else 0


def _add_video(dataset: _Dataset, path: Path, video: CvatVideo) -> None:
    """Add the frames of a video, `frame_000000.png` and so on as CVAT calls them."""
    file = relative_path(dataset.root, path)
    folder = posixpath.dirname(file) if path.is_relative_to(dataset.root) else ""
    bare = video.name.replace("\\", "/").rpartition("/")[2]
    name = bare if bare not in ("", ".", "..") else path.stem
    sequence = posixpath.join(folder, name)
    while any(other.name == sequence for other in dataset.sequences):
        sequence += "_"
    alone = posixpath.join(folder, "frame_")
    share_names = any(image_id.startswith(alone) for image_id in dataset.entries)
    prefix = f"{sequence}/frame_" if share_names else alone
    dataset.sequences.append(ImageSequence(sequence))
    annotated = video.annotated
    for frame in sorted(video.frames):
        image_id = f"{prefix}{frame:06d}.png"
        stems = [f"{prefix}{frame:06d}.png", f"frame_{frame:06d}.png"]
        names = [near for stem in stems for pictures in dataset.folders if (near := pictures.similar_name(stem))]
        image_file = first_image(dataset.folders, names)
        image_id = image_id.removesuffix(".png") + (image_file.suffix if image_file else ".png")
        shapes = tuple(video.shapes.get(frame, ()))
        dataset.names.update(shape.label for shape in shapes if shape.label)
        record = CvatImage(shapes) if frame in annotated else None
        files = (path,) if record else ()
        dataset.entries[image_id] = ImageEntry(
            image_id,
            image_file,
            files,
            record,
            size=video.size,
            source_id=str(frame),
            sequence=sequence,
            frame=frame,
            split=video.split,
        )
    if video.unknown:
        n_frames = len(video.frames - annotated)
        message = (
            f"tracks have {count_noun(video.unknown, 'frame')} between keyframes without a shape "
            f"({count_noun(n_frames, 'frame')} without any annotation); "
            "--read-option interpolate=yes interpolates the shapes"
        )
        dataset.defects.append(Defect("SEG004", message, file, "/annotations/track", severity="warning"))


def _check_images(dataset: _Dataset, folder: Path, images: Path | None) -> None:
    """Report missing image files, and image files that no file lists."""
    missing = [entry for entry in dataset.entries.values() if entry.image is None]
    if missing and len(missing) == len(dataset.entries):
        dataset.defects.append(no_images_defect(len(missing), folder, images))
        return
    for entry in missing:
        hint = similar_name_hint(nearest_name(dataset.folders, entry.image_id))
        message = f"image file {entry.image_id!r} does not exist{hint}"
        file = relative_path(dataset.root, entry.files[0]) if entry.files else None
        dataset.defects.append(Defect("SEG002", message, file, image=entry.image_id))
    if dataset.root.is_dir():
        dataset.defects += unlisted_images(dataset.folders, dataset.entries.values(), "CVAT")
