"""SEG506 suspected-split: a segment is probably a piece of one thing, together with its neighbour."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.flag.shared import flagged_candidates


@rule("SEG506", "suspected-split", severity="warning", needs=("noise",))
def suspected_split(tables: Tables, *, min_probability: float = 0.0) -> Findings:
    """A segment and its neighbour are probably pieces of one thing.

    Example:
        labels         prediction
        .aaabbbb..     .aaaaaaa..
        .aaabbbb..     .aaaaaaa..

        a is probably a piece of a larger segment, together with b

    Why: pieces of a thing count as things, and your model learns to cut where there is no edge.

    Remedy: look at the image; join the pieces, or reject the finding.

    Options: `min_probability`: the least probability of an error that is reported.
    Defaults: 0, because each category already has its own threshold, which comes from injected errors.
    """
    for candidate in flagged_candidates(tables, "split", min_probability):
        yield candidate.finding(f"{candidate.verb_be} a piece of a larger segment", "the model predicts no edge there")
