"""SEG010 lossy-mask: storage changed the values of a mask."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG010", "lossy-mask", severity="error", needs=(), habit="image", per_image=True)
def lossy_mask(tables: Tables) -> Findings:
    """Storage changed the values of a mask: JPEG, interpolated colours, or 8-bit ids that wrapped.

    Example:
        masks/a.jpg is JPEG, which changes values
        masks/b.png: 212 values between 0 and 255 in a binary mask (9,120 px; cut at 128)

    In a binary mask, greys between the two values are read as the nearer one. That is a warning as long as they are few
    beside the foreground, as along outlines. In a layer they are few if they are less than a tenth of its border:
    smoothing would grey all of it.

    Not flagged: smooth alpha channels beside a mask in colour, and masks read with a threshold that you set in the
    configuration.

    Why: a value between two ids is the id of a third category, so borders are full of labels that no annotator drew.

    Remedy: export again as PNG without resizing or smoothing. If your masks are binary layers, set `layers: {threshold:
    128}`.
    """
    yield from reader_findings(tables, "SEG010")
