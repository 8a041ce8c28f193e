"""Files of CVAT: their labels and images, and which image files these are."""

import os
import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from segdata.core.errors import UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name, is_unsafe_path
from segdata.core.profile import ImageSequence
from segdata.formats.shared.images import ImageFolder, similar_name_hint
from segdata.formats.shared.pairing import images_folder, no_images_defect
from segdata.formats.shared.per_image import ImageEntry, relative_path
from segdata.formats.shared.safe_parsers import XmlError, read_xml
from segdata.formats.shared.taxonomies import resolve_names
from segdata.formats.tools.cvat_labels import Labels
from segdata.formats.tools.cvat_shapes import AREAS, NO_AREA, Drawn, Record, look, mended
from segdata.formats.tools.cvat_tracks import Video, videos
from segdata.formats.tools.heads import CVAT, head_of
from segdata.formats.tools.pictures import first_picture, near, picture_folders, unlisted
from segdata.formats.tools.source import ToolSource
from segdata.formats.tools.written import Notation

NOTATION = Notation(mend=mended)
_ANSWERS = ("yes", "no", "true", "false")


@dataclass(slots=True)
class _Opened:
    """The images of all files by image_id, and what is wrong with them."""

    root: Path
    folders: Sequence[ImageFolder]
    labels: Labels = field(default_factory=Labels)
    names: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    entries: dict[str, ImageEntry] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)
    sequences: list[ImageSequence] = field(default_factory=list)


def open_cvat(request: ReadRequest) -> ToolSource:
    """Open the files at or below a path; raises UnreadableError where none is CVAT's."""
    root = request.root
    answer = str(request.options.get("interpolate", "no")).lower()
    check_choice("interpolate", answer, _ANSWERS)
    here = root if root.is_dir() else root.parent
    images = images_folder(request)
    paths = _documents(root)
    opened = _Opened(root, picture_folders(here, images))
    for path in paths:
        _add(opened, path, interpolate=answer in ("yes", "true"))
    if opened.others:
        said = ", ".join(f"{count:,} {tag}" for tag, count in sorted(opened.others.items()))
        opened.defects.append(Defect("SEG004", f"shapes without area are left out: {said}", severity="info"))
    _look_for_images(opened, here, images)
    own = opened.labels.taxonomy()
    named = resolve_names(opened.names | opened.labels.categories.keys(), request.taxonomy, own)
    name = root.name if root.is_dir() else root.stem
    profile = named.profile(
        "cvat", root, "instance", "sparse", "allow", name=name, raster_rule="coco", sequences=tuple(opened.sequences)
    )
    entries = sorted(opened.entries.values(), key=lambda entry: entry.image_id)
    see = partial(look, opened.labels.types)
    return ToolSource(root, profile, entries, tuple(opened.defects), named.to, see, request.annotator, NOTATION)


def _documents(root: Path) -> list[Path]:
    """CVAT's files at or below a path."""
    if not root.exists():
        raise UnreadableError(f"{root}: does not exist")
    if root.is_file():
        if zipfile.is_zipfile(root):
            raise UnreadableError(f"{root}: is a zip archive; unzip it and give the folder")
        return [root]
    found, packed = [], None
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            packed = path if path.suffix.lower() == ".zip" else packed
            if path.suffix.lower() == ".xml" and re.search(CVAT, head_of(path)):
                check_path_name(path)
                found.append(path)
    if not found:
        hint = f"; unzip {packed.name}" if packed else ""
        raise UnreadableError(f"{root}: no CVAT file, which is XML that begins with annotations{hint}")
    return found


def _add(opened: _Opened, path: Path, *, interpolate: bool) -> None:
    """Add the images of a file."""
    file = relative_path(opened.root, path)
    try:
        document = read_xml(path)
    except (XmlError, OSError) as error:
        line = error.line if isinstance(error, XmlError) else None
        opened.defects.append(Defect("SEG001", f"the XML {error}", file, line=line))
        return
    if document.tag != "annotations":
        message = f"the XML is of {document.tag!r:.40}; CVAT's is of 'annotations'"
        opened.defects.append(Defect("SEG004", message, file))
        return
    opened.labels.add(document)
    for row, image in enumerate(document.iterfind("image"), 1):
        _add_image(opened, path, image, f"/annotations/image[{row}]")
    wrong: list[tuple[str, str]] = []
    for shape in (shape for track in document.iterfind("track") for shape in track):
        opened.others.update([shape.tag] if shape.tag in NO_AREA else [])
    for video in videos(document, wrong, interpolate=interpolate):
        _add_video(opened, path, video)
    opened.defects += [Defect("SEG004", message, file, place) for message, place in wrong]


def _add_image(opened: _Opened, path: Path, image: Element, place: str) -> None:
    file = relative_path(opened.root, path)
    name = image.get("name", "").replace("\\", "/")
    if not name:
        opened.defects.append(Defect("SEG004", "an image without name; left out", file, place))
        return
    if is_unsafe_path(name):
        message = f"path {name!r} leaves the dataset's root; its last part is taken for the name"
        opened.defects.append(Defect("SEG015", message, file, place))
        name = PurePosixPath(name).name or "image"
    split = image.get("subset") or None
    folder = posixpath.dirname(file) if path.is_relative_to(opened.root) else ""
    image_id = posixpath.join(folder, name)
    if image_id in opened.entries and split:
        image_id = posixpath.join(folder, split, name)
    if image_id in opened.entries:
        message = f"image {image_id!r} is listed twice; the first one is read"
        opened.defects.append(Defect("SEG008", message, file, place, image=image_id))
        return
    shapes = tuple(_shapes(opened, image, place))
    opened.names.update(each.label for each in shapes if each.label)
    size = _side(image.get("height")), _side(image.get("width"))
    hit = first_picture(opened.folders, [image_id, name, *([f"{split}/{name}"] if split else [])])
    record = Record(shapes, tuple(image.iterfind("tag")))
    opened.entries[image_id] = ImageEntry(
        image_id, hit, (path,), record, size=size, source_id=image.get("id"), split=split, metadata={}
    )


def _shapes(opened: _Opened, image: Element, place: str) -> Iterator[Drawn]:
    """The shapes with an area, each with its place."""
    count = Counter[str]()
    for shape in image:
        count[shape.tag] += 1
        if shape.tag in AREAS:
            there = f"{place}/{shape.tag}[{count[shape.tag]}]"
            yield Drawn(shape, there, shape.get("label", ""), shape.get("group_id"), shape.get("source"))
        elif shape.tag in NO_AREA:
            opened.others[shape.tag] += 1
        elif shape.tag != "tag":
            message = f"CVAT has no shape {shape.tag!r:.40}; left out"
            opened.defects.append(Defect("SEG004", message, place=f"{place}/{shape.tag}"))


def _side(text: str | None) -> int:
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else 0


def _add_video(opened: _Opened, path: Path, video: Video) -> None:
    """Add the frames of a video, `frame_000000.png` and so on as CVAT calls them."""
    file = relative_path(opened.root, path)
    folder = posixpath.dirname(file) if path.is_relative_to(opened.root) else ""
    bare = video.name.replace("\\", "/").rpartition("/")[2]
    name = bare if bare not in ("", ".", "..") else path.stem
    sequence = posixpath.join(folder, name)
    while any(each.name == sequence for each in opened.sequences):
        sequence += "_"
    alone = posixpath.join(folder, "frame_")
    several = any(image_id.startswith(alone) for image_id in opened.entries)
    prefix = f"{sequence}/frame_" if several else alone
    opened.sequences.append(ImageSequence(sequence))
    annotated = video.annotated
    for frame in sorted(video.frames):
        image_id = f"{prefix}{frame:06d}.png"
        stems = [f"{prefix}{frame:06d}.png", f"frame_{frame:06d}.png"]
        alike = [other for stem in stems for each in opened.folders if (other := each.near(stem))]
        hit = first_picture(opened.folders, alike)
        image_id = image_id.removesuffix(".png") + (hit.suffix if hit else ".png")
        shapes = tuple(video.shapes.get(frame, ()))
        opened.names.update(each.label for each in shapes if each.label)
        record = Record(shapes) if frame in annotated else None
        files = (path,) if record else ()
        opened.entries[image_id] = ImageEntry(
            image_id,
            hit,
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
            f"tracks have {video.unknown:,} frames between keyframes of which nothing is known (not annotated at all: "
            f"{n_frames:,} frames); --read-option interpolate=yes puts shapes in between"
        )
        opened.defects.append(Defect("SEG004", message, file, "/annotations/track", severity="warning"))


def _look_for_images(opened: _Opened, here: Path, images: Path | None) -> None:
    """Say which image files are missing, and which nobody lists."""
    gone = [entry for entry in opened.entries.values() if entry.image is None]
    if gone and len(gone) == len(opened.entries):
        opened.defects.append(no_images_defect(len(gone), here, images))
        return
    for entry in gone:
        hint = similar_name_hint(near(opened.folders, entry.image_id))
        message = f"image file {entry.image_id!r} does not exist{hint}"
        file = relative_path(opened.root, entry.files[0]) if entry.files else None
        opened.defects.append(Defect("SEG002", message, file, image=entry.image_id))
    if opened.root.is_dir():
        opened.defects += unlisted(opened.folders, opened.entries.values(), "CVAT")
