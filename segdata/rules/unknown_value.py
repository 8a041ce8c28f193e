"""SEG009 unknown-value: the taxonomy does not map a mask value."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG009", "unknown-value", severity="error", needs=(), habit="image", per_image=True)
def unknown_value(tables: Tables) -> Findings:
    """The taxonomy does not map a colour or id in a mask to a category.

    Example:
        masks/a.png: colour (128, 64, 129) on 12 px, first at x=3, y=9; nearest is road (128, 64, 128)

    Not flagged: the value that the taxonomy names in `unlabelled`. Other such pixels are unlabelled from here on, and
    SEG101 does not report them again.

    Why: your training code maps an unknown value to background, to the ignore label, or beyond the last class.

    Remedy: add the value to the taxonomy, or correct the mask. If you get many values in one image, the mask is
    probably lossy (SEG010).
    """
    yield from reader_findings(tables, "SEG009")
