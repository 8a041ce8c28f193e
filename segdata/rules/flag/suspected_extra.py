"""SEG502 suspected-extra: the model predicts nothing where a segment, or a part of it, is."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.flag.shared import flagged_candidates

_SEEN = 0.5  # the probability from which the model sees the category in the segment


@rule("SEG502", "suspected-extra", severity="warning", needs=("noise",))
def suspected_extra(tables: Tables, *, min_probability: float = 0.0) -> Findings:
    """The model predicts nothing of this category where a segment, or a part of one, is.

    Example:
        labels         prediction
        ..........     ..........
        .aaa..aaa.     .aaa......
        .aaa..aaa.     .aaa......

        the a on the right is probably extra

    Why: segments on the background teach your model to find things that are not there.

    Remedy: look at the image; delete the segment, or reject the finding.

    Options: `min_probability`: the least probability of an error that is reported.
    Defaults: 0, because each category already has its own threshold, which comes from injected errors.
    """
    for candidate in flagged_candidates(tables, "extra", min_probability):
        why = f"the model gives it {candidate.believed:.2f}"
        if candidate.believed >= _SEEN:
            why = f"it is unlike other segments of its category, although {why}"
        yield candidate.finding(f"{candidate.verb_be} extra", why)
