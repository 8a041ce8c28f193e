"""SEG503 suspected-category: a segment, or a part of one, that the model takes for another category."""

from collections.abc import Iterator

from segdata.core.candidates import flagged_candidates
from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule


@rule("SEG503", "suspected-category", severity="warning", needs=("noise",))
def suspected_category(tables: Tables, *, min_probability: float = 0.0) -> Iterator[RowFinding]:
    """A segment, or a part of one, that the model takes for another category.

    Example:
        labels         what the model sees
        .aaa......     .bbb......
        .aaa......     .bbb......

        a: car
        b: van

        the car is probably a van

    Why: a wrong name teaches two categories wrongly at once.
    Remedy: look at the image and the guideline; accept the other name, or reject the finding. Where many findings are
    about one pair of categories the guideline has to tell them apart.
    Options: min_probability, the least probability of an error that is told.
    Defaults: 0, since each category has a threshold of its own already, found on errors put in on purpose.
    """
    for each in flagged_candidates(tables, "category", min_probability):
        yield each.found(
            f"{each.be} {each.seen}",
            f"the model believes {each.believed_seen:.2f} in it and {each.believed:.2f} in {each.category}",
        )
