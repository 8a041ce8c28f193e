"""SEG505 suspected-merge: the model predicts an edge through a segment."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.flag.shared import flagged_candidates


@rule("SEG505", "suspected-merge", severity="warning", needs=("noise",))
def suspected_merge(tables: Tables, *, min_probability: float = 0.0) -> Findings:
    """The model predicts an edge through a segment: probably two or more things are drawn as one.

    Example:
        labels         prediction
        .aaaaaaa..     .aaabbbb..
        .aaaaaaa..     .aaabbbb..

        a is probably two segments

    Why: things drawn as one count as one, and your model learns to join them.

    Remedy: look at the image; accept the pieces, or draw the edge where it is.

    Options: `min_probability`: the least probability of an error that is reported.
    Defaults: 0, because each category already has its own threshold, which comes from injected errors.
    """
    for candidate in flagged_candidates(tables, "merge", min_probability):
        n = len(candidate.correction.counts)
        number = "several" if n < 2 else "two" if n == 2 else str(n)
        seam = f"the model predicts an edge of {candidate.seam:,} px through it"
        why = seam if candidate.seam else f"the model gives it {candidate.believed:.2f}"
        yield candidate.finding(f"{candidate.verb_be} {number} segments", why)
