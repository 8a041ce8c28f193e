"""SEG506 suspected-split: a segment that is probably one thing together with the one beside it."""

from collections.abc import Iterator

from segdata.core.candidates import flagged_candidates
from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule


@rule("SEG506", "suspected-split", severity="warning", needs=("noise",))
def suspected_split(tables: Tables, *, min_probability: float = 0.0) -> Iterator[RowFinding]:
    """A segment that is probably one thing together with the one beside it.

    Example:
        labels         what the model sees
        .aaabbbb..     .aaaaaaa..
        .aaabbbb..     .aaaaaaa..

        a is probably a piece of a larger one, together with b

    Why: pieces of a thing are counted as things, and a model learns to cut where nothing is to be seen.
    Remedy: look at the image; join the pieces, or reject the finding.
    Options: min_probability, the least probability of an error that is told.
    Defaults: 0, since each category has a threshold of its own already, found on errors put in on purpose.
    """
    for each in flagged_candidates(tables, "split", min_probability):
        yield each.found(f"{each.be} a piece of a larger one", "the model sees no edge there")
