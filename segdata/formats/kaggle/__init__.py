"""Kaggle run-length CSV: a row for each mask, `start length` pairs that count pixels from 1 down the columns.

Read: a column of images (ImageId, id, img, image_id …) and one of pairs (EncodedPixels, rle, rle_mask, annotation,
segmentation …), as in Airbus Ship Detection, TGS Salt and the Data Science Bowl 2018; a class in a column of its own
(ClassId, class, label …, as in iMaterialist, with Height and Width) or after the image's name (`a.jpg_1`, `a.jpg_Fish`:
ImageId_ClassId and Image_Label, as in Severstal and Understanding Clouds). A row without pairs, or with -1 as in
SIIM-ACR, means that the image was annotated and has no mask. Some competitions number pixels along the rows (set
`order=row`), which the file does not show: if rows make no coherent regions one way, but do the other way, you get a
finding.

Written: ImageId, EncodedPixels, Height, Width, ClassId (the category's name), with a row for each segment.

The evaluation pages of these competitions describe the encoding, for example
https://www.kaggle.com/competitions/airbus-ship-detection/overview/evaluation; the names of the columns are from memory.
"""

import re
from pathlib import Path

from segdata.core.errors import UnreadableError
from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import MASK_LOSSES

ALIASES = ("kaggle", "rle", "csv-rle")
NAMES = NameLimits(r"\r|^\s|\s$", files=False)
LOSSES: frozenset[LossKind] = (MASK_LOSSES - {"overlap"}) | {"category-details", "crowd", "empty-annotation", "spatial"}
CHECKED = ("pycocotools (the same pairs as uncompressed counts)", "the competitions' published decoder, as a formula")
FILE_SUFFIXES = (".csv",)
READ_OPTIONS = {
    "order": "column (default): pixels are numbered down the columns; row: along the rows",
    "size": "HEIGHTxWIDTH of all images, if neither the table nor the image files have it",
    "category": "name of the only category, if the table has no classes; default: object",
}
_HEAD = rb"\A\W{0,3}(image_?id|id|img|image|image_label|image_?id_classid|filename|id_code)\W[^\n]*"
_PIXELS = rb"(encoded_?pixels|rle(_mask)?|rle_encoded|predicted|annotation|segmentation)\b"
_RUNS_FIRST = rb"\A\W{0,3}" + _PIXELS + rb"\W+(image_?id|id|img|image|filename|id_code)\b"


def detect(files: FileProbe) -> FormatMatch | None:
    """A CSV file with a column of images and one of run lengths."""
    tables, runs = r"^[^/]*\.csv$", rb'"?(\d+ \d+[ \d]*)?"?([,;]|\s)'
    names = files.heads(tables, rb"(?i)" + _HEAD + _PIXELS + rb"[^\n]*\n[^\n]*[,;]" + runs)
    names = names or files.heads(tables, rb"(?i)" + _RUNS_FIRST + rb"[^\n]*\n(?=[^\n,;]*\d \d)" + runs)
    return FormatMatch(0.95, f"{names[0]} has run lengths") if names else None


read = ImportedOnCall("segdata.formats.kaggle.table:open_table")


write = ImportedOnCall("segdata.formats.kaggle.table:write_table")


def find_table(root: Path) -> Path:
    """The table; raises UnreadableError if a folder has none, or several."""
    if root.is_file():
        return root
    files = FileProbe(root)
    tables = r"^[^/]*\.csv$"
    names = files.heads(tables, rb"(?i)" + _HEAD + _PIXELS) or files.matching(tables)
    if len(names) > 1:
        names = [name for name in names if _has_masks(files.head(name))] or names
    if len(names) != 1:
        what = "no CSV file in it" if not names else f"{len(names)} tables, name one of them: {', '.join(names)}"
        raise UnreadableError(f"{root}: {what}")
    return root / names[0]


def _has_masks(table: bytes) -> bool:
    """Whether the first rows hold runs: the sample of a submission has none, or the same pair in each row."""
    runs = set(re.findall(rb'(?<=[,;"])\d+ \d+(?: \d+)*(?=["\s,;])', table))
    return len(runs) > 1 or any(run.count(b" ") > 1 for run in runs)
