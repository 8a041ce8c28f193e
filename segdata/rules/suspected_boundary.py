"""SEG504 suspected-boundary: a segment, or a part of one, whose outline is elsewhere than the model sees it."""

from collections.abc import Iterator

from segdata.core.candidates import Candidate, flagged_candidates
from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule


@rule("SEG504", "suspected-boundary", severity="warning", needs=("noise",))
def suspected_boundary(tables: Tables, *, min_probability: float = 0.0) -> Iterator[RowFinding]:
    """A segment, or a part of one, whose outline is elsewhere than the model sees it.

    Example:
        labels         what the model sees
        aaaaaaa...     ..........
        aaaaaaa...     ..aaa.....
        aaaaaaa...     ..aaa.....
        aaaaaaa...     ..........

        a is probably drawn too large

    A pixel more or less is no finding: errors that are learnt from are of two pixels or more.

    Why: outlines that are drawn too large, too small or too coarsely are learnt as such.
    Remedy: look at the image; accept the model's outline where it is better, else redraw it.
    Options: min_probability, the least probability of an error that is told.
    Defaults: 0, since each category has a threshold of its own already, found on errors put in on purpose.
    """
    for each in flagged_candidates(tables, "boundary", min_probability):
        yield each.found(f"{each.have} the wrong outline", _why(each))


def _why(each: Candidate) -> str:
    iou = each.correction.iou
    if each.correction.action == "add":
        return f"the model sees {each.pixels:,} px more of it ({each.believed_seen:.2f} sure)"
    if not each.whole or not iou:
        return f"the model believes {each.believed:.2f} in it"
    return f"IoU {iou:.2f} with the one that the model sees"
