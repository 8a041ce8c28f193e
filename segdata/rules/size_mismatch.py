"""SEG003 size-mismatch: image, mask and declared size disagree."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG003", "size-mismatch", severity="error", needs=(), habit="image", per_image=True)
def size_mismatch(tables: Tables) -> Findings:
    """An image, its mask and its declared width and height disagree.

    Example:
        the mask is 640x480, the image file is 480x640 (width and height are swapped)

    It is a warning if one picture lies beside a volume of masks: a preview, or pages that are classes.

    Not flagged: sizes that agree once the EXIF orientation is applied, which is SEG012.

    Why: your loader resizes or crops a mask of another size, and every label lies beside its object.

    Remedy: export the mask again at the size of its image, or correct the declared size.
    """
    yield from reader_findings(tables, "SEG003")
