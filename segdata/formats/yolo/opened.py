"""Opened: a dataset of YOLO's label files, with the classes of data.yaml."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.images import MAX_PIXELS, ImageHeader
from segdata.formats.shared.pairing import images_folder
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.taxonomies import kind_from_name, resolve_names
from segdata.formats.tools.mark import Drawing
from segdata.formats.tools.source import ToolSource
from segdata.formats.yolo.classes import Classes, read_classes
from segdata.formats.yolo.lines import NOTATION, occurring, read_lines
from segdata.formats.yolo.listing import Listing, Missing, listed


def open_yolo(request: ReadRequest) -> ToolSource:
    """The dataset; raises UnreadableError where there are no labels, or no images."""
    root = request.root if request.root.is_dir() else request.root.parent
    missing = str(request.options.get("missing", "unannotated"))
    if missing not in ("unannotated", "background"):
        raise SegdataError(f"yolo-seg: missing is {missing!r}, it is unannotated or background")
    if not request.root.exists():
        raise UnreadableError(f"{request.root}: does not exist")
    classes = read_classes(root)
    absent: Missing = "background" if missing == "background" else "unannotated"
    listing = listed(root, images_folder(request), classes.split_of(root), absent)
    classes = classes if classes.names else _numbered(classes, listing)
    own = Taxonomy(
        categories=tuple(Category(id=i, name=name, kind=kind_from_name(name)) for i, name in _unique(classes))
    )
    known = resolve_names(classes.names.values(), request.taxonomy, own)
    profile = known.profile("yolo-seg", request.root, "instance", "sparse", "allow", name=root.name, raster_rule="cv2")
    look = partial(_look, root, {b"%d" % number: name for number, name in classes.names.items()}, classes.keypoints)
    defects = (*classes.defects, *listing.defects)
    return ToolSource(root, profile, listing.entries, defects, known.to, look, request.annotator, NOTATION)


def _unique(classes: Classes) -> list[tuple[int, str]]:
    """The classes with their numbers; of several with one name the first."""
    first = {name: number for number, name in sorted(classes.names.items(), reverse=True)}
    return sorted((number, name) for name, number in first.items())


def _numbered(classes: Classes, listing: Listing) -> Classes:
    """Numbers as names, for want of others: those that occur."""
    found: set[int] = set()
    for entry in listing.entries:
        for path in entry.files:
            with suppress(OSError):
                found |= occurring(path.read_bytes())
    said = Defect("SEG004", "neither data.yaml nor classes.txt names the classes: their numbers do", severity="info")
    names = {number: str(number) for number in sorted(found)}
    return replace(classes, names=names, defects=(*classes.defects, *([] if classes.defects else [said])))


def _look(
    root: Path, names: dict[bytes, str], keypoints: int | None, entry: ImageEntry, head: ImageHeader | None
) -> list[Drawing]:
    """The segments of one image."""
    size = _size(entry, head)
    path = entry.files[0] if entry.files else None
    try:
        text = b"" if path is None else path.read_bytes()
    except OSError as error:
        message = f"the labels cannot be read: {error.strerror or error}"
        raise BrokenLabelsError(
            Defect("SEG001", message, None if path is None else relative_path(root, path))
        ) from error
    defects: list[Defect] = []
    return [Drawing(size, read_lines(text, names, keypoints, defects), defects=defects)]


def _size(entry: ImageEntry, head: ImageHeader | None) -> tuple[int, int]:
    """Height and width of an image in pixels, turned as its EXIF orientation says; raises BrokenLabelsError."""
    if 0 not in entry.size:
        if not 0 < entry.size[0] * entry.size[1] <= MAX_PIXELS or min(entry.size) < 0:
            message = f"the image is {entry.size[1]} x {entry.size[0]}; at most {MAX_PIXELS:,} pixels are expected"
            raise BrokenLabelsError(Defect("SEG004", message))
        return entry.size
    if entry.image is None:
        raise BrokenLabelsError(Defect("SEG002", "the image file does not exist, and nothing else tells its size"))
    if head is None:  # why is reported where all image files are
        raise BrokenLabelsError
    return (head.width, head.height) if head.turned else (head.height, head.width)
