"""SEG507 suspected-shift: a segment that the model sees some way off."""

from collections.abc import Iterator

from segdata.core.candidates import Candidate, describe_shift, flagged_candidates
from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule


@rule("SEG507", "suspected-shift", severity="warning", needs=("noise",))
def suspected_shift(tables: Tables, *, min_probability: float = 0.0) -> Iterator[RowFinding]:
    """A segment that the model sees some way off.

    Example:
        labels         what the model sees
        .aaa......     ..........
        .aaa......     ...aaa....
        ..........     ...aaa....

        a probably lies 2 px further right and 1 px further down

    Why: a segment beside its thing teaches the background as the thing, and the thing as background.
    Remedy: look at the image; accept the place that the model sees. Where all segments of an image are off the same
    way, which `segdata flag` says in a note, each is proposed where it lies when all are moved as one: accept them
    together, and look for what went wrong between image and labels.
    Options: min_probability, the least probability of an error that is told.
    Defaults: 0, since each category has a threshold of its own already, found on errors put in on purpose.
    """
    for each in flagged_candidates(tables, "shift", min_probability):
        yield each.found(f"{each.be} out of place", _why(each))


def _why(each: Candidate) -> str:
    return f"the model sees it {describe_shift(each.right, each.down) or 'elsewhere'}"
