"""Decision: what a reviewer says of a finding, or of a segment."""

from dataclasses import dataclass
from typing import Literal, get_args

from segdata.core.finding import Finding

Verdict = Literal["accept", "reject", "fix", "void", "unsure"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Via = Literal["fiftyone", "html", "cvat", "label-studio", "python"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a reviewer says.

    Of a finding: `accept` (it is right: what it proposes is to be done), `reject` (the label is right, the finding a
    false alarm), `fix` (it is right, and somebody is to draw anew), `void` (what it shows is to be ignored), `unsure`
    (somebody else is to judge). Of a segment without a finding: `accept` (it is right), `reject` (there is nothing: it
    is to be deleted), `fix`, `void`, `unsure`.

    Attributes
    ----------
    verdict : one of these
    reviewer : who says so
    time : when, ISO 8601 in UTC with seconds
    via : where it was said
    image, annotator, segment : image_id, whose work it is (None: the only annotator's), and the source's own id of the
        segment; None where the finding names none
    finding : what it is about; None for a segment without one
    imprint : of the label that the reviewer saw, see `segdata.core.imprint`; a decision holds until it changes
    comment : in the reviewer's words
    adjudicates : it settles what reviewers disagree on, and holds against all that do not
    """

    verdict: Verdict
    reviewer: str
    time: str
    via: Via
    image: str | None
    annotator: str | None = None
    segment: int | str | None = None
    finding: Finding | None = None
    imprint: str = ""
    comment: str = ""
    adjudicates: bool = False
