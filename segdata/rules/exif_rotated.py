"""SEG012 exif-rotated: viewers turn an image, and its mask does not follow."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG012", "exif-rotated", severity="warning", needs=(), habit="image", per_image=True)
def exif_rotated(tables: Tables) -> Findings:
    """Viewers apply the EXIF orientation of an image but not of its mask, or the reverse.

    Example:
        EXIF orientation 6: viewers turn the image, the mask 640x480 is not turned

    Not flagged: images without orientation, or with orientation 1.

    Why: annotation tools and training loaders disagree on whether to turn the image, so for one of them the labels lie
    on their side.

    Remedy: rotate the pixels, write orientation 1, and compare the mask with the image by eye (`segdata show`).
    """
    yield from reader_findings(tables, "SEG012")
