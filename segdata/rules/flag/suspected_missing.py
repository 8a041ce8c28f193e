"""SEG501 suspected-missing: the model predicts a segment that nobody annotated."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.flag.shared import flagged_candidates


@rule("SEG501", "suspected-missing", severity="warning", needs=("noise",))
def suspected_missing(tables: Tables, *, min_probability: float = 0.0) -> Findings:
    """The model predicts a thing, or a part of a category, that the labels lack.

    Example:
        labels         prediction
        ..........     ..........
        .aaa......     .aaa..aaa.
        .aaa......     .aaa..aaa.

        an a is probably missing on the right

    The model was trained on other images and has not seen this one. Errors injected into these labels taught it which
    predictions show an error.

    Why: your model learns what is not drawn as background.

    Remedy: look at the image; accept the proposed segment, or draw it.

    Options: `min_probability`: the least probability of an error that is reported.
    Defaults: 0, because each category already has its own threshold, which comes from injected errors.
    """
    for candidate in flagged_candidates(tables, "missing", min_probability):
        why = f"the model predicts {candidate.pixels:,} px (probability {candidate.believed_seen:.2f})"
        yield candidate.finding(f"{candidate.verb_be} missing", why)
