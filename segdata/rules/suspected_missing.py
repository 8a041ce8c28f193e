"""SEG501 suspected-missing: a thing, or a part of a category, that the model sees and nobody annotated."""

from collections.abc import Iterator

from segdata.core.candidates import flagged_candidates
from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule


@rule("SEG501", "suspected-missing", severity="warning", needs=("noise",))
def suspected_missing(tables: Tables, *, min_probability: float = 0.0) -> Iterator[RowFinding]:
    """A thing, or a part of a category, that the model sees and nobody annotated.

    Example:
        labels         what the model sees
        ..........     ..........
        .aaa......     .aaa..aaa.
        .aaa......     .aaa..aaa.

        an a is probably missing on the right

    The model has not seen the image before: it was trained on others. Whether what it sees is an error was learnt from
    errors put into these labels on purpose.

    Why: what is not drawn is learnt as background.
    Remedy: look at the image; accept the proposed segment, or draw it.
    Options: min_probability, the least probability of an error that is told.
    Defaults: 0, since each category has a threshold of its own already, found on errors put in on purpose.
    """
    for each in flagged_candidates(tables, "missing", min_probability):
        yield each.found(
            f"{each.be} missing", f"the model sees {each.pixels:,} px of it ({each.believed_seen:.2f} sure)"
        )
