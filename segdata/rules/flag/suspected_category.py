"""SEG503 suspected-category: the model predicts another category for a segment, or a part of it."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.flag.shared import flagged_candidates


@rule("SEG503", "suspected-category", severity="warning", needs=("noise",))
def suspected_category(tables: Tables, *, min_probability: float = 0.0) -> Findings:
    """The model predicts another category for a segment, or for a part of one.

    Example:
        labels         prediction
        .aaa......     .bbb......
        .aaa......     .bbb......

        a: car
        b: van

        the car is probably a van

    Why: one wrong name teaches your model two categories wrongly.

    Remedy: look at the image and the guideline; accept the other name, or reject the finding. If you get many findings
    for one pair of categories, the guideline must tell them apart.

    Options: `min_probability`: the least probability of an error that is reported.
    Defaults: 0, because each category already has its own threshold, which comes from injected errors.
    """
    for candidate in flagged_candidates(tables, "category", min_probability):
        scores = f"{candidate.believed_seen:.2f} for it and {candidate.believed:.2f} for {candidate.category}"
        yield candidate.finding(f"{candidate.verb_be} {candidate.seen}", f"the model gives {scores}")
