"""SEG009 unknown-value: a mask value that the taxonomy does not map."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG009", "unknown-value", severity="error", needs=())
def unknown_value(tables: Tables) -> Iterator[RowFinding]:
    """A colour or id in a mask that the taxonomy does not map to a category.

    Example:
        masks/a.png: colour (128, 64, 129) on 12 px, first at x=3, y=9; nearest is road (128, 64, 128)

    Left alone: the value that the taxonomy calls `unlabelled`. Such pixels are unlabelled from here on, and no
    further finding (SEG101) is made of them.

    Why: training code maps an unknown value to background, to the ignore label, or beyond the last class.

    Remedy: add the value to the taxonomy, or correct the mask; many values in one image point to a lossy mask
    (SEG010).
    """
    yield from reader_findings(tables, "SEG009")
