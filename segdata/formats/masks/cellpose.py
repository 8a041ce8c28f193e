"""Cellpose: files _seg.npy beside the images, as its program and cellpose.io.masks_flows_to_seg save them.

Specification: cellpose/io.py and cellpose/gui/io.py of MouseLand/cellpose.

Read: the array ``masks`` of ``<image>_seg.npy``: 0 is unlabelled, every other number is a segment. All segments are of
one category: the only one of your taxonomy, or the name that you give with the option `category`, else ``cell``. A
volume (three axes) has an image for each plane, ``<image>/<0000>``, and its numbers are tracks. ``ismanual`` is the
source of segments: human or model. Outlines, flows and images in these files are not read, nor are the files
``_cp_masks``, ``_flows`` and ``_outlines`` beside them. A _seg.npy file is a pickle, which can run programs when other
software opens it; segdata takes the numbers out and runs nothing.

Written: a file for each image, which `cellpose --train --mask_filter _seg.npy` and the program of Cellpose open.
Cellpose has one category. A further array, ``segdata``, which Cellpose ignores, has the category, id and crowd flag of
each segment, so that they come back; ``images.csv`` lists the images.
"""

from segdata.core.errors import list_names
from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import MASK_LOSSES

NAMES = NameLimits(r"\r", hidden=False)
LOSSES: frozenset[LossKind] = MASK_LOSSES | {"spatial"}
CHECKED = ("cellpose.io 4 (reads what is written, and writes what is read)", "NumPy (each number's pixels)")
READ_OPTIONS = {"category": "name of the category of all segments; default: the only one of the taxonomy, or cell"}


def detect(files: FileProbe) -> FormatMatch | None:
    """NumPy files of one pickled object whose names end in _seg.npy."""
    names = files.heads(r"_seg\.npy$", rb"\A\x93NUMPY[^\n]*'descr': '\|O'")
    return FormatMatch(1.0, list_names(names)) if names else None


read = ImportedOnCall("segdata.formats.masks.cellpose_files:open_cellpose")


write = ImportedOnCall("segdata.formats.masks.cellpose_files:write_cellpose")


def image_of(mask: str) -> str:
    """Cellpose looks for the image beside its file: the path without ``_seg.npy``."""
    return mask.removesuffix("_seg.npy")
