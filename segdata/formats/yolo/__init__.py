"""YOLO segmentation labels of Ultralytics: a text file for each image, a line `class x1 y1 x2 y2 …` for each segment.

Specification: https://docs.ultralytics.com/datasets/segment/, and of ultralytics/ultralytics on GitHub
ultralytics/data/utils.py (img2label_paths, verify_image_label, polygon2mask) and ultralytics/data/base.py.

Read: `images/train/a.jpg` with `labels/train/a.txt`, `train/images` with `train/labels` (Roboflow), and labels beside
the images; classes and splits of data.yaml (names as list or mapping, splits as folders or lists of images), or
classes.txt. The numbers are shares of the image's width and height, so you need the image files; a JPEG is as large as
its EXIF orientation shows it, as for Ultralytics. Pixels are those of OpenCV's fillPoly on coordinates that were made
pixels in single precision and truncated, as polygon2mask has them at the image's own size. A ring that joins parts or
holes by ways there and back stands for these, without the pixels of the bridges. Lines of boxes, boxes with a
confidence and poses are reported and left out, line by line; an oriented box looks like a polygon of 4 points, and is
read as one.

An empty file is an image on which nothing was found. An image without file is not annotated, though Ultralytics trains
it as background; you choose with the option `missing`. Pictures without file that lie in none of data.yaml's splits are
left out. A data.yaml below the folder is read if it is the only one and all labels lie beside it. Ultralytics keeps one
of several lines of one class with the same bounding box; segdata reads all of them. supervision rounds where
Ultralytics truncates, which moves polygons by up to a pixel, and writes five digits, of which truncation can make the
pixel before; it writes parts as segments of their own.

Written: labels/<image>.txt, 9 digits and more, one ring a segment: the source's if it draws exactly the segment's
pixels, else one through border pixels, before their middles, so that rounding finds the same ones. A hole costs
nothing. Between parts Ultralytics draws a bridge one pixel wide, which is counted as "part", and which you do not get
back when segdata reads the file. Crowds are written as ordinary segments, and counted. data.yaml names lists of the
annotated images of each split; taxonomy.yaml and images.csv keep ids, sizes and where the images are. Ultralytics looks
for the images in images/, where you get them with `--copy-images`.
"""

from segdata.core.format import FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import MASK_LOSSES

ALIASES = (
    "yolo",
    "ultralytics",
    *(f"yolo{v}{n}" for n in (5, 7, 8, 9, 11, 12, 26) for v in ("", "v")),
    "yolov8-seg",
    "yolo11-seg",
)
LOSSES: frozenset[LossKind] = (MASK_LOSSES - {"overlap"}) | {"crowd", "part", "spatial"}
CHECKED = (
    "the published rule of Ultralytics' polygon2mask, with OpenCV",
    "Datumaro 1.13's fixture of YOLOv8 segmentation",
    "supervision 0.31 (reads what is written, and what it writes is read)",
)
READ_OPTIONS = {"missing": "what an image without label file is: unannotated (default) or background"}
_POINTS, _END = rb"([ \t]+-?[\d.]+([eE][+-]?\d+)?){6,}", rb"[ \t]*(\r|#|$)"  # what follows # is reported
_TRACK = rb"(?![^\n]* -1 -1 -1\b)"  # the end of a line that a tracker wrote: MOT's frame, track and box
_POLYGON = rb"(?m)^" + _TRACK + rb"\d+(\.0*(e[+-]?\d+)?)?" + _POINTS + _END
_NAMED_POLYGON = rb"(?m)^(?!-?[\d.]+([eE][+-]?\d+)?\s)\S[^\n\t]*?" + _POINTS + _END  # which is reported
_COMMA_POLYGON = rb"(?m)^\d+([ \t]+-?\d+,\d+){6,}" + _END  # decimal commas, which are reported
_IMAGE = r"\.(jpe?g|png|bmp|tiff?|webp)$"
_LABELS = r"(^|/)labels/(.*/)?[^/]*\.txt$"


def detect(probe: FileProbe) -> FormatMatch | None:
    """Text files of a class and at least three points a line."""
    if probe.root.is_file():
        has_names = probe.root.suffix.lower() in (".yaml", ".yml") and probe.heads(".", rb"(?m)^names\s*:")
        has_splits = has_names and probe.heads(".", rb"(?m)^(train|val|test)\s*:")
        return FormatMatch(0.95, f"{probe.root.name} has names and train or val") if has_splits else None
    names = probe.heads(_LABELS, _POLYGON, most=64)
    documents = probe.matching(r"^[^/]*\.ya?ml$")
    if names:
        return FormatMatch(1.0 if documents else 0.95, f"{names[0]} has lines of a class and a polygon")
    misspelt = probe.heads(_LABELS, _NAMED_POLYGON, most=64) if documents else []
    if misspelt:
        return FormatMatch(0.9, f"{misspelt[0]} has lines of a name and a polygon")
    commas = probe.heads(_LABELS, _COMMA_POLYGON, most=64)
    if commas:
        return FormatMatch(0.9, f"{commas[0]} has lines of a class and a polygon, with decimal commas")
    empty = probe.matching(_LABELS) if documents and not probe.heads(_LABELS, rb"\S", most=64) else []
    described = probe.heads(r"^[^/]*\.ya?ml$", rb"(?m)^names\s*:") if empty else []
    if described:
        return FormatMatch(0.9, f"{described[0]} has names, and {empty[0]} is empty")
    first_line = _POLYGON.replace(b"^", rb"\A", 1)
    beside = probe.heads(r"\.txt$", first_line, most=64) if probe.matching(_IMAGE) else []
    return FormatMatch(0.9, f"{beside[0]} has lines of a class and a polygon") if beside else None


read = ImportedOnCall("segdata.formats.yolo.dataset:open_yolo")


write = ImportedOnCall("segdata.formats.yolo.dataset:write_yolo")
