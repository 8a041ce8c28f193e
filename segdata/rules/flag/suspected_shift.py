"""SEG507 suspected-shift: the model predicts a segment in another place."""

from segdata.core.rule import Findings, Tables, describe_shift, rule
from segdata.rules.flag.shared import flagged_candidates


@rule("SEG507", "suspected-shift", severity="warning", needs=("noise",))
def suspected_shift(tables: Tables, *, min_probability: float = 0.0) -> Findings:
    """The model predicts a segment in another place.

    Example:
        labels         prediction
        .aaa......     ..........
        .aaa......     ...aaa....
        ..........     ...aaa....

        a is probably misplaced: the model predicts it 2 px to the right and 1 px down

    Why: a segment beside its object teaches your model the background as the object, and the object as background.

    Remedy: look at the image; accept the place that the model predicts. If all segments of an image are off in the same
    direction, `segdata flag` says so in a note and proposes to move them all as one: accept these proposals together,
    and find out what went wrong between your images and labels.

    Options: `min_probability`: the least probability of an error that is reported.
    Defaults: 0, because each category already has its own threshold, which comes from injected errors.
    """
    for candidate in flagged_candidates(tables, "shift", min_probability):
        place = describe_shift(candidate.right, candidate.down) or "elsewhere"
        yield candidate.finding(f"{candidate.verb_be} misplaced", f"the model predicts it {place}")
