"""Kaggle run-length CSV: a row for each mask, `start length` pairs that count pixels from 1 down the columns.

Read: a column of images (ImageId, id, img, image_id …) and one of pairs (EncodedPixels, rle, rle_mask, annotation,
segmentation …), as in Airbus Ship Detection, TGS Salt and the Data Science Bowl 2018; a class in a column of its own
(ClassId, class, label …, as in iMaterialist, with Height and Width) or behind the image's name (`a.jpg_1`,
`a.jpg_Fish`: ImageId_ClassId and Image_Label, as in Severstal and Understanding Clouds). A row without pairs says that
the image was looked at. Competitions number pixels along the rows as well (`order=row`); which way is meant the file
does not say, and rows that make no coherent regions one way, but do the other way, are a finding.
Written: ImageId, EncodedPixels, Height, Width, ClassId (the category's name), a row for each segment.
The encoding is described on the evaluation pages of these competitions, for example
https://www.kaggle.com/competitions/airbus-ship-detection/overview/evaluation; the names of the columns are from memory.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.errors import UnreadableError
from segdata.core.format import FileProbe, FormatMatch, LossCounter, LossKind, ReadRequest
from segdata.core.profile import Profile
from segdata.formats.shared.declared_losses import MASK_LOSSES

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.shared.per_image import PerImageSource


LOSSES: frozenset[LossKind] = (MASK_LOSSES - {"overlap"}) | {
    "category-details",
    "crowd",
    "empty-annotation",
    "spatial",
}
CHECKED = ("pycocotools (the same pairs as uncompressed counts)", "the competitions' published decoder, as a formula")
FILE_SUFFIXES = (".csv",)
READ_OPTIONS = {
    "order": "column (default): pixels are numbered down the columns; row: along the rows",
    "size": "HEIGHTxWIDTH of all images, where neither the table nor the image files tell",
    "category": "the name of the only category, where the table has no classes; default: object",
}
_HEAD = rb"\A\W{0,3}(image_?id|id|img|image|image_label|image_?id_classid|filename|id_code)\W[^\n]*"
_PIXELS = rb"(encoded_?pixels|rle(_mask)?|rle_encoded|predicted|annotation|segmentation)\b"


def detect(seen: FileProbe) -> FormatMatch | None:
    """A CSV file with a column of images and one of run lengths."""
    found = seen.heads(r"^[^/]*\.csv$", rb"(?i)" + _HEAD + _PIXELS + rb'[^\n]*\n[^\n]*,"?(\d+ \d+[ \d]*)?"?(,|\s)')
    return FormatMatch(0.95, f"{found[0]} has run lengths") if found else None


def read(request: ReadRequest) -> "PerImageSource":
    """Open a table; raises UnreadableError where there is none, or where nothing tells the size of the images."""
    from segdata.formats.kaggle.table import open_table

    return open_table(request, _table(request.root))


def write(profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter) -> None:
    """Write the table: `target` itself where it ends in .csv, else labels.csv in that folder, with taxonomy.yaml."""
    from segdata.formats.kaggle.table import write_table

    write_table(profile, batches, target, losses, LOSSES)


def _table(root: Path) -> Path:
    """The table; raises UnreadableError where a folder has none, or several."""
    if root.is_file():
        return root
    seen = FileProbe(root)
    found = seen.heads(r"^[^/]*\.csv$", rb"(?i)" + _HEAD + _PIXELS) or seen.matching(r"^[^/]*\.csv$")
    if len(found) != 1:
        what = "no CSV file in it" if not found else f"{len(found)} tables, name one of them: {', '.join(found)}"
        raise UnreadableError(f"{root}: {what}")
    return root / found[0]
