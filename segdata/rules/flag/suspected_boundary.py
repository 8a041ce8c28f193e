"""SEG504 suspected-boundary: the model predicts the outline of a segment, or of a part of it, elsewhere."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.flag.shared import flagged_candidates


@rule("SEG504", "suspected-boundary", severity="warning", needs=("noise",))
def suspected_boundary(tables: Tables, *, min_probability: float = 0.0) -> Findings:
    """The model predicts the outline of a segment, or of a part of one, elsewhere.

    Example:
        labels         prediction
        aaaaaaa...     ..........
        aaaaaaa...     ..aaa.....
        aaaaaaa...     ..aaa.....
        aaaaaaa...     ..........

        a is probably drawn too large

    A pixel more or less is no finding: the errors from which `flag` learns are two pixels or larger.

    Why: your model learns outlines that are too large, too small or too coarse as they are.

    Remedy: look at the image; accept the model's outline if it is better, otherwise redraw it.

    Options: `min_probability`: the least probability of an error that is reported.
    Defaults: 0, because each category already has its own threshold, which comes from injected errors.
    """
    for candidate in flagged_candidates(tables, "boundary", min_probability):
        iou = candidate.correction.iou
        if candidate.correction.action == "add":
            why = f"the model predicts {candidate.pixels:,} px more of it (probability {candidate.believed_seen:.2f})"
        elif not candidate.whole or not iou:
            why = f"the model gives it {candidate.believed:.2f}"
        else:
            why = f"IoU {iou:.2f} with the model's outline"
        yield candidate.finding(f"{candidate.verb_have} the wrong outline", why)
