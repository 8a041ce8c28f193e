"""Files of LabelMe: which image each is about, and which labels occur."""

import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

import msgspec

from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import is_unsafe_path
from segdata.formats.coco.document import DocumentKind, read_document
from segdata.formats.shared.file_names import IMAGE_SUFFIXES
from segdata.formats.shared.images import ImageFolder, similar_name_hint
from segdata.formats.shared.label_files import find_label_files
from segdata.formats.shared.pairing import images_folder, no_images_defect
from segdata.formats.shared.per_image import ImageEntry, relative_path
from segdata.formats.shared.safe_parsers import read_small_file
from segdata.formats.shared.taxonomies import resolve_names
from segdata.formats.tools.bridges import unbridged
from segdata.formats.tools.labelme_shapes import AREAS, NOBODY, look
from segdata.formats.tools.pictures import near
from segdata.formats.tools.source import ToolSource
from segdata.formats.tools.written import Notation

LABELME = DocumentKind("a LabelMe file", "an object with shapes, imagePath, imageHeight and imageWidth")
NOTATION = Notation(unbridge=unbridged)
_OURS = frozenset({"losses.json"})  # beside what we write
_OTHER_SHAPES = frozenset({"point", "points", "line", "linestrip"})


class _ShapeHead(msgspec.Struct, gc=False):
    label: object = None
    shape_type: object = None


class _Head(msgspec.Struct, gc=False):
    """What is needed of a file before any image is asked for; the rest is skipped, not decoded."""

    shapes: list[_ShapeHead] | None = None
    imagePath: object = None  # noqa: N815 - LabelMe's name


@dataclass(slots=True)
class _Seen:
    """What is in the files: the image that each names, labels, and how many shapes have no area, by type."""

    image: dict[str, str | None] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)


def open_labelme(request: ReadRequest) -> ToolSource:
    """Open the files at or below a path; raises UnreadableError where none is LabelMe's."""
    root = request.root
    files = _files(root)
    seen = _seen(files)
    if not seen.image:
        raise UnreadableError(f"{root}: no LabelMe JSON file, which has shapes and imagePath")
    entries, defects = _entries(root, {name: files[name] for name in seen.image}, seen.image, images_folder(request))
    named = resolve_names(seen.labels, request.taxonomy)
    name = root.name if root.is_dir() else root.stem
    profile = named.profile("labelme", root, "instance", "sparse", "allow", name=name, raster_rule="pil")
    defects += _about(seen)
    see = partial(look, root, LABELME)
    return ToolSource(root, profile, entries, tuple(defects), named.to, see, request.annotator, NOTATION)


def _files(root: Path) -> dict[str, Path]:
    """The JSON files by their paths below the dataset's root."""
    if not root.exists():
        raise UnreadableError(f"{root}: does not exist")
    return {name: path for name, path in find_label_files(root, ".json").items() if root.is_file() or name not in _OURS}


def _seen(files: dict[str, Path]) -> _Seen:
    """Look into every file. One that cannot be decoded counts as LabelMe's: what is wrong is told when it is read."""
    seen = _Seen()
    for name, path in files.items():
        head = _head(path)
        if head is None:
            seen.image[name] = None
            continue
        if head.shapes is None:
            seen.strange.append(name)
            continue
        told = head.imagePath
        seen.image[name] = _posix(told) if isinstance(told, str) and told else None
        for shape in head.shapes:
            kind = shape.shape_type if isinstance(shape.shape_type, str) else "polygon"
            if kind in _OTHER_SHAPES:
                seen.others[kind] += 1
            elif isinstance(shape.label, str) and shape.label != NOBODY:
                seen.labels.add(shape.label)
            elif shape.label == NOBODY and kind in AREAS:
                seen.others[NOBODY] += 1
    return seen


def _posix(told: str) -> str:
    """A path as LabelMe has it, on Windows too, in POSIX."""
    return told if _is_bare(told) else PureWindowsPath(told).as_posix()


def _is_bare(told: str) -> bool:
    """Whether a path is a name alone, as most are: which is known faster than paths are parsed."""
    return told[0] not in ". " and not any(mark in told for mark in "/\\:")


def _head(path: Path) -> _Head | None:
    """What a file holds; None where it is no JSON."""
    try:
        return msgspec.json.decode(read_small_file(path).removeprefix(b"\xef\xbb\xbf"), type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if str(error).startswith("Expected `object`") and " - at " not in str(error):
            return _Head()  # sound JSON of another kind
        parts = read_document(path, path.name, LABELME).parts
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return None if parts is None else _slow_head({key: bytes(raw) for key, raw in parts.items()})


def _slow_head(parts: dict[str, bytes]) -> _Head:
    """The same of a file in which something has the wrong type."""
    if "shapes" not in parts:
        return _Head()
    every = msgspec.json.decode(parts["shapes"])
    shapes = [
        _ShapeHead(each.get("label"), each.get("shape_type"))
        for each in (every if isinstance(every, list) else [])
        if isinstance(each, dict)
    ]
    return _Head(shapes, msgspec.json.decode(parts.get("imagePath", b"null")))


def _about(seen: _Seen) -> list[Defect]:
    """What is left out of all files, in one information each."""
    defects = []
    if seen.others:
        said = ", ".join(f"{count:,} {name}" for name, count in sorted(seen.others.items()))
        message = f"shapes without area, or of nobody, are left out: {said}"
        defects.append(Defect("SEG004", message, severity="info"))
    if seen.strange:
        said = ", ".join(seen.strange[:3]) + (", …" if len(seen.strange) > 3 else "")
        message = f"{len(seen.strange):,} JSON files without shapes are not LabelMe's: {said}"
        defects.append(Defect("SEG011", message, seen.strange[0], severity="info"))
    return defects


def _entries(
    root: Path, labels: dict[str, Path], named: dict[str, str | None], images: Path | None
) -> tuple[list[ImageEntry], list[Defect]]:
    """The images of the files, and what is wrong with files on either side."""
    here = root if root.is_dir() else root.parent
    places = [images] if images else [here, *(() if root.is_file() else (here / "images",)), here.parent / "images"]
    folders = [_right_in(place) if root.is_file() else ImageFolder.below(place) for place in places]
    found = {name: _image_of(name, named[name], folders) for name in labels}
    used = {at for at, image_id in found.values() if at is not None}
    defects = [_unsafe(root, labels[name], told) for name, told in named.items() if _leaves(name, told, found[name][0])]
    entries: dict[str, ImageEntry] = {}
    claimed: set[str] = set()
    for name, path in labels.items():
        at, image_id = found[name]
        file = relative_path(root, path)
        if image_id in entries:
            message = f"a second file of labels of image {image_id!r}; the first one is read"
            defects.append(Defect("SEG008", message, file, image=image_id))
            continue
        image = None if at is None else folders[at].paths[image_id]
        entries[image_id] = ImageEntry(image_id, image, (path,))
        if at is None and used:
            alike = near(folders, image_id)
            claimed.add(alike or "")
            message = f"image file {image_id!r} does not exist{similar_name_hint(alike)}"
            defects.append(Defect("SEG002", message, file, "/imagePath", image=image_id))
    if not used:
        return list(entries.values()), [*defects, no_images_defect(len(entries), here, images)]
    for at in sorted(used) if root.is_dir() else ():
        for name in sorted(folders[at].paths.keys() - entries.keys() - claimed):
            entries[name] = ImageEntry(name, folders[at].paths[name])
            defects.append(Defect("SEG011", "an image without labels", name, image=name))
    return sorted(entries.values(), key=lambda entry: entry.image_id), defects


def _right_in(place: Path) -> ImageFolder:
    """The files right in a folder: around a single JSON file there may be anything."""
    there = sorted(place.iterdir()) if place.is_dir() else []
    return ImageFolder(place, {path.name: path for path in there if path.suffix.lower() in IMAGE_SUFFIXES})


def _image_of(name: str, told: str | None, folders: Sequence[ImageFolder]) -> tuple[int | None, str]:
    """The folder that has the image of a file, and its name there; a name without folder where none has it.

    The image lies beside the file in one of the folders, or where imagePath leads to within one of them; where there
    is no imagePath it is called as the file.
    """
    if told is None:
        bare = PurePosixPath(name).with_suffix(".json").as_posix()
        alike = [(at, hit) for at, folder in enumerate(folders) if (hit := folder.near(bare))]
        return alike[0] if alike else (None, name)
    if _is_bare(told):
        beside = name[: name.rfind("/") + 1] + told
        hits = ((at, each) for each in (beside, told) for at, place in enumerate(folders) if each in place.paths)
        return next(hits, (None, beside))
    beside = PurePosixPath(name).with_name(PurePosixPath(told).name or "image").as_posix()
    led = posixpath.normpath(posixpath.join(posixpath.dirname(name), told))
    for candidate in (beside, PurePosixPath(told).name, led):
        for at, folder in enumerate(folders):
            if candidate in folder.paths:
                return at, candidate
    return None, beside


def _leaves(name: str, told: str | None, found: int | None) -> bool:
    """Whether a path leads out of the dataset, and the image is not found by its name either."""
    if told is None or found is not None:
        return False
    return is_unsafe_path(posixpath.normpath(posixpath.join(posixpath.dirname(name), told)))


def _unsafe(root: Path, path: Path, told: str | None) -> Defect:
    message = f"path {told!r} leaves the dataset's root; its last part is taken for the name"
    return Defect("SEG015", message, relative_path(root, path), "/imagePath")
