"""SEG010 lossy-mask: storage changed the values of a mask."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings

_MIN_MIXED = 2  # categories that lie between several pairs of others, as those of nested layers do not


@rule("SEG010", "lossy-mask", severity="error", needs=("between",), habit="image", per_image=True)
def lossy_mask(tables: Tables, *, min_runs: int = 40, min_share: float = 0.7) -> Findings:
    """Storage changed the values of a mask: JPEG, interpolated colours, or 8-bit ids that wrapped.

    Example:
        masks/a.jpg is JPEG, which changes values
        masks/b.png: 212 values between 0 and 255 in a binary mask (9,120 px; cut at 128)

    In a binary mask, greys between the two values are read as the nearer one. That is a warning as long as they are few
    beside the foreground, as along outlines. In a layer they are few if they are less than a tenth of its border:
    smoothing would grey all of it.

    If masks were smoothed or resized as if their numbers were brightness, values between two numbers are numbers, too.
    The rule looks at places where a column of pixels has one or two of a category between two others, and gives a
    warning if nearly always, and for several categories beside several others, its number lies between theirs: chance
    gives a third.

    Not flagged: smooth alpha channels beside a mask in colour, and masks read with a threshold that you set in the
    configuration.

    Why: a value between two ids is the id of a third category, so borders are full of labels that no annotator drew.

    Remedy: export again as PNG without resizing or smoothing. If your masks are binary layers, set `layers: {threshold:
    128}`.

    Options: `min_runs`: the least number of such places in an image; `min_share`: the share of them whose number lies
    in between, to which one divided by the root of their number is added.
    Defaults: 26% of such places in CamVid and 61% in a stack of fly tissue lie in between, 78% to 98% of ten times as
    many once masks were halved, or halved and enlarged, with linear interpolation.
    """
    yield from reader_findings(tables, "SEG010")
    between = tables.between
    share = between["between"] / np.maximum(between["n"], 1)
    blurred = (between["n"] >= min_runs) & (share >= min_share + 1 / np.sqrt(np.maximum(between["n"], 1)))
    blurred &= between["mixed"] >= _MIN_MIXED
    for annotation, n, part in between.beside(share=share).take(blurred).lines("annotation", "n", "share"):
        message = (
            f"{part:.0%} of {n:,} strips of one or two pixels between two categories have a number between those of "
            "both; by chance a third would: was the mask smoothed or resized as if its numbers were brightness?"
        )
        yield RowFinding(message, annotation=annotation, severity="warning")
