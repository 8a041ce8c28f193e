"""SEG210 too-much-void: more is void than the taxonomy allows."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.guideline import quote_guideline
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats, Ints


@rule(
    "SEG210",
    "too-much-void",
    severity="warning",
    needs=("coverage",),
    when=lambda profile: bool(profile.taxonomy.void_ids),
    habit="image",
)
def too_much_void(tables: Tables, *, usual_share: float = 0.25) -> Findings:
    """More of an image, or of all images, is void than the taxonomy allows (`max_void`).

    Flagged:
        aavv
        aavv

        v: unclear (void)
        max_void: 0.25

    Fine:
        aaav
        aaav

        v: unclear (void)
        max_void: 0.25

    Fine, nothing is declared and void is rare:
        aaav
        aaav

        v: unclear (void)

    You get one finding for each annotation above `max_void: {image: …}`, and one for the dataset above `max_void:
    {dataset: …}`. If the taxonomy declares no limit per image, you get one info for the dataset about images above
    usual_share. Shares are of the pixels within the region of interest.

    Why: void is where annotators give up. It counts for no score, so you never measure the hardest parts of your
    images.

    Remedy: label what can be recognised, and state in the guideline what void is for.

    Options: `usual_share`: the share of an image that may be void if nothing is declared.
    Defaults: of the 66 masks of CamVid (40), CamSeq01 (16) and DAVIS (10) none has more than 10.2 %, 2.6 % and 0.05 %
    void; all of CamVid together has 3.2 %. A quarter is well above that; only you can say what is right for your
    project (`max_void`).
    """
    annotations, taxonomy = tables.annotations, tables.profile.taxonomy
    allowed = taxonomy.max_void
    frame = annotations["labelled"] + annotations["unlabelled"]  # all pixels in which labels are expected
    void = np.minimum(annotations["void"], frame)
    share = void / np.maximum(frame, 1)
    quote = quote_guideline(taxonomy, taxonomy.void_ids[0], "definition") if len(taxonomy.void_ids) == 1 else ""
    if allowed is not None and allowed.image is not None:
        for row in np.flatnonzero(share > allowed.image).tolist():
            message = f"{share[row]:.1%} of the image is void; the limit is {allowed.image:.1%}{quote}"
            yield RowFinding(message, annotation=row, pixels=int(void[row]))
    else:
        yield from _unusual(share, void, usual_share)
    overall = void.sum() / max(frame.sum(), 1)
    if allowed is not None and allowed.dataset is not None and overall > allowed.dataset:
        message = f"{overall:.1%} of all pixels are void; the limit is {allowed.dataset:.1%}{quote}"
        yield RowFinding(message, pixels=int(void.sum()))


def _unusual(share: Floats, void: Ints, usual_share: float) -> Findings:
    rows = np.flatnonzero(share > usual_share)
    if len(rows):
        have = "has" if len(rows) == 1 else "have"
        message = (
            f"{count_noun(len(rows), 'annotation')} of {len(share):,} {have} more than {usual_share:.0%} void, up to "
            f"{share.max():.1%}; declare a limit in the taxonomy: `max_void: {{image: 0.1}}`"
        )
        yield RowFinding(message, pixels=int(void[rows].sum()), severity="info")
