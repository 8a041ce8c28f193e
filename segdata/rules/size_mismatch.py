"""SEG003 size-mismatch: image, mask and declared size disagree."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG003", "size-mismatch", severity="error", needs=())
def size_mismatch(tables: Tables) -> Iterator[RowFinding]:
    """An image, its mask and its declared width and height that disagree.

    Example:
        the mask is 640x480, the image file is 480x640 (width and height are swapped)

    Left alone: sizes that agree once the EXIF orientation is applied: that is SEG012.

    Why: a mask of another size is resized or cropped on loading, and every label lies beside its object.

    Remedy: export the mask again at the size of its image; correct a declared size.
    """
    yield from reader_findings(tables, "SEG003")
