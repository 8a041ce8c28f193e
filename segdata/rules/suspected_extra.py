"""SEG502 suspected-extra: a segment, or a part of one, where the model sees nothing of the sort."""

from collections.abc import Iterator

from segdata.core.candidates import flagged_candidates
from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule


@rule("SEG502", "suspected-extra", severity="warning", needs=("noise",))
def suspected_extra(tables: Tables, *, min_probability: float = 0.0) -> Iterator[RowFinding]:
    """A segment, or a part of one, where the model sees nothing of the sort.

    Example:
        labels         what the model sees
        ..........     ..........
        .aaa..aaa.     .aaa......
        .aaa..aaa.     .aaa......

        the a on the right is probably none

    Why: what is drawn on the background teaches a model to find things that are not there.
    Remedy: look at the image; delete it, or reject the finding.
    Options: min_probability, the least probability of an error that is told.
    Defaults: 0, since each category has a threshold of its own already, found on errors put in on purpose.
    """
    for each in flagged_candidates(tables, "extra", min_probability):
        yield each.found(f"{each.be} nothing", f"the model believes {each.believed:.2f} in it")
