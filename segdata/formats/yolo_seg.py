"""YOLO segmentation labels of Ultralytics: a text file for each image, a line `class x1 y1 x2 y2 …` for each segment.

Specification: https://docs.ultralytics.com/datasets/segment/, and of ultralytics/ultralytics on GitHub
ultralytics/data/utils.py (img2label_paths, verify_image_label, polygon2mask) and ultralytics/data/base.py.

Read: `images/train/a.jpg` with `labels/train/a.txt`, `train/images` with `train/labels` (Roboflow), and labels beside
the images; classes and splits of data.yaml (names as list or mapping, splits as folders or lists of images), or
classes.txt. The numbers are shares of the image's width and height, so the image files are needed; a JPEG is as large
as its EXIF orientation shows it, as for Ultralytics. Pixels are those of OpenCV's fillPoly on coordinates that were
made pixels in single precision and truncated, as polygon2mask has them at the image's own size. A ring that joins
parts or holes by ways there and back stands for these, without the pixels of the bridges. Lines of boxes, boxes with a
confidence and poses are told as such and left out, line by line; an oriented box cannot be told from a polygon of 4
points, and is read as one. An empty file is an image on which nothing was found; an image without file is not
annotated, though Ultralytics trains it as background (the option `missing`). Of lines of one class with the same
bounding box Ultralytics keeps one; all of them are read.

Written: labels/<image>.txt, 9 digits and more, one ring a segment: the source's where it draws exactly the segment's
pixels, else one along the centres of border pixels. A hole costs nothing; between parts Ultralytics draws a bridge one
pixel wide, which is counted as "part", and which reading leaves out. Crowds are written as ordinary segments, and
counted. data.yaml with lists of the annotated images of each split; taxonomy.yaml and images.csv keep ids, sizes and
where the images are. Ultralytics looks for the images in images/, where `--copy-images` puts them.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from segdata.core.batch import Batch
from segdata.core.defect import Defect
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Policy, Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.images import MAX_PIXELS, header
from segdata.formats.masks.pairing import images_of
from segdata.formats.naming import kind_of, naming
from segdata.formats.perimage.entry import Entry, below
from segdata.formats.perimage.found import BrokenLabelsError, Found
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.shapes.raster import rasterise
from segdata.formats.shapes.scaled import scaled
from segdata.formats.yolo.bridges import in_pixels, shapes_of
from segdata.formats.yolo.classes import Classes, read_classes
from segdata.formats.yolo.lines import read_lines
from segdata.formats.yolo.listing import Listing, Missing, listed
from segdata.formats.yolo.writer import write_labels

LOSSES: frozenset[Kind] = frozenset(
    {
        "annotation-attributes",
        "annotator",
        "attributes",
        "category",
        "crowd",
        "empty-segment",
        "image-details",
        "part",
        "rings",
        "score",
        "secondary-categories",
        "segment-id",
        "source",
        "spatial",
        "track",
    }
)
CHECKED = (
    "the published rule of Ultralytics' polygon2mask, with OpenCV",
    "Datumaro 1.13's fixture of YOLOv8 segmentation",
)
READ_OPTIONS = {"missing": "what an image without label file is: unannotated (default) or background"}
_POLYGON = rb"(?m)^\d+(\.0*)?([ \t]+-?[\d.]+([eE][+-]?\d+)?){6,}[ \t\r]*$"


def detect(seen: Glance) -> Clue | None:
    """Text files of a class and at least three points a line."""
    if seen.root.is_file():
        named = seen.root.suffix.lower() in (".yaml", ".yml") and seen.heads(".", rb"(?m)^names\s*:")
        again = named and seen.heads(".", rb"(?m)^(train|val|test)\s*:")
        return Clue(0.95, f"{seen.root.name} has names and train or val") if again else None
    found = seen.heads(r"(^|/)labels/(.*/)?[^/]*\.txt$", _POLYGON, most=64)
    if found:
        named = seen.matching(r"^[^/]*\.ya?ml$")
        return Clue(1.0 if named else 0.95, f"{found[0]} has lines of a class and a polygon")
    beside = seen.heads(r"\.txt$", rb"\A" + _POLYGON.removeprefix(b"(?m)"), most=64) if seen.matching(_IMAGE) else []
    return Clue(0.9, f"{beside[0]} has lines of a class and a polygon") if beside else None


_IMAGE = r"\.(jpe?g|png|bmp|tiff?|webp)$"


def read(request: Request) -> PerImageSource:
    """Open a dataset, or the data.yaml of one; raises UnreadableError where there are no labels, or no images."""
    root = request.root if request.root.is_dir() else request.root.parent
    missing = str(request.options.get("missing", "unannotated"))
    if missing not in ("unannotated", "background"):
        raise SegdataError(f"yolo-seg: missing is {missing!r}, it is unannotated or background")
    if not request.root.exists():
        raise UnreadableError(f"{request.root}: does not exist")
    classes = read_classes(root)
    absent: Missing = "background" if missing == "background" else "unannotated"
    listing = listed(root, images_of(request), classes.split_of(root), absent)
    classes = classes if classes.names else _numbered(classes, listing)
    own = Taxonomy(categories=tuple(Category(id=i, name=name, kind=kind_of(name)) for i, name in _unique(classes)))
    known = naming(classes.names.values(), request.taxonomy, own)
    profile = Profile(
        name=root.name,
        format="yolo-seg",
        task="instance",
        taxonomy=known.taxonomy,
        taxonomy_declared=known.declared,
        coverage=Policy("sparse"),
        overlap=Policy("allow"),
        raster_rule="cv2",
        files=str(request.root),
        metadata=known.metadata,
    )
    ids = {number: known.to[name] for number, name in classes.names.items()}
    look = partial(_look, root, ids, classes.keypoints)
    defects = (*classes.defects, *listing.defects)
    return PerImageSource(root, profile, listing.entries, defects, look, request.annotator, 64, "declared size")


def _unique(classes: Classes) -> list[tuple[int, str]]:
    """The classes with their numbers; of several with one name the first."""
    first = {name: number for number, name in sorted(classes.names.items(), reverse=True)}
    return sorted((number, name) for name, number in first.items())


def _numbered(classes: Classes, listing: Listing) -> Classes:
    """Numbers as names, for want of others: those that occur."""
    occurring: set[int] = set()
    for entry in listing.entries:
        for path in entry.files:
            with suppress(OSError):
                occurring |= set(read_lines(path.read_bytes()).category.tolist())
    said = Defect("SEG004", "neither data.yaml nor classes.txt names the classes: their numbers do", severity="info")
    names = {number: str(number) for number in sorted(occurring)}
    return replace(classes, names=names, defects=(*classes.defects, *([] if classes.defects else [said])))


def _look(root: Path, ids: dict[int, int], keypoints: int | None, entry: Entry) -> list[Found]:
    """The segments of one image."""
    height, width = _size(entry)
    path = entry.files[0] if entry.files else None
    file = None if path is None else below(root, path)
    try:
        text = b"" if path is None else path.read_bytes()
    except OSError as error:
        message = f"the labels cannot be read: {error.strerror or error}"
        raise BrokenLabelsError(Defect("SEG001", message, file)) from error
    lines = read_lines(text, ids, keypoints)
    n = len(lines.rings)
    cuts = np.cumsum([len(ring) for ring in lines.rings])[:-1]
    points = in_pixels(np.concatenate([np.empty((0, 2)), *lines.rings]), height, width)
    shapes = shapes_of(np.split(points, cuts) if n else [], height, width)
    sides = np.array([width, height], np.float64)
    columns: dict[str, Sequence[object]] = {
        "rings": [[scaled(ring, sides).ravel().tolist()] for ring in lines.rings],
        "file": [file] * n,
        "place": [f"line {number}" for number in lines.number.tolist()],
    }
    return [
        Found(
            size=(height, width),
            segment_id=lines.number,
            category_id=np.array([ids[each] for each in lines.category.tolist()], np.int64),
            runs=rasterise([[shape] for shape in shapes], "cv2", height, width),
            columns=columns,
            defects=lines.defects,
        )
    ]


def _size(entry: Entry) -> tuple[int, int]:
    """Height and width of an image in pixels, turned as its EXIF orientation says; raises BrokenLabelsError."""
    if 0 not in entry.size:
        if not 0 < entry.size[0] * entry.size[1] <= MAX_PIXELS or min(entry.size) < 0:
            message = f"the image is {entry.size[1]} x {entry.size[0]}; at most {MAX_PIXELS:,} pixels are expected"
            raise BrokenLabelsError(Defect("SEG004", message))
        return entry.size
    if entry.image is None:
        raise BrokenLabelsError(Defect("SEG002", "the image file does not exist, and nothing else tells its size"))
    try:
        head = header(entry.image)
    except OSError as error:  # it is reported where all image files are
        raise BrokenLabelsError from error
    return (head.width, head.height) if head.turned else (head.height, head.width)


def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write the folder `target`; raises SegdataError where two images would share a label file."""
    write_labels(profile, batches, target, losses, LOSSES)
