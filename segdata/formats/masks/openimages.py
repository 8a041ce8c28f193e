"""Open Images: a CSV file of segments, and a binary PNG mask for each of them.

Specification: storage.googleapis.com/openimages/web/download.html (instance segmentation masks) and factsfigures.html.

Read: ``<split>-annotations-object-segmentation.csv``, one or several, with the masks in any folders below. Pixels that
are not zero belong to the segment. Class names come from ``class-descriptions….csv`` beside it (``/m/0k4j,Car``), else
a category is called as its LabelName. A mask that is smaller or larger than the image is scaled to it, to the nearest
pixel: the published masks are not of the images' size. BoxID is the segment's id in the source, PredictedIoU an
attribute; boxes and clicks are not read. The split is the first word of the file's name. Not written.
"""

from segdata.core.errors import list_names
from segdata.core.format import FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind

LOSSES: frozenset[LossKind] = frozenset()
CHECKED = ("Pillow and NumPy (each mask's pixels)", "the published files' columns")


def detect(files: FileProbe) -> FormatMatch | None:
    """A CSV file whose header has MaskPath, ImageID and LabelName."""
    names = files.heads(r"\.csv$", rb"\A(?=[^\n]*\bMaskPath\b)(?=[^\n]*\bImageID\b)[^\n]*\bLabelName\b")
    return FormatMatch(1.0, f"MaskPath and LabelName in {list_names(names)}") if names else None


read = ImportedOnCall("segdata.formats.masks.openimages_files:open_openimages")
