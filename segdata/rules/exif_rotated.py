"""SEG012 exif-rotated: an image that viewers turn and its mask does not follow."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG012", "exif-rotated", severity="warning", needs=())
def exif_rotated(tables: Tables) -> Iterator[RowFinding]:
    """An image whose EXIF orientation viewers apply but the mask does not, or the reverse.

    Example:
        EXIF orientation 6: viewers turn the image, the mask 640x480 is not turned

    Left alone: images without orientation, or with orientation 1.

    Why: annotation tools and training loaders disagree on whether to turn it, so the labels lie on their side for
    one of them.

    Remedy: rotate the pixels, write orientation 1, and compare the mask with the picture by eye (`segdata show`).
    """
    yield from reader_findings(tables, "SEG012")
