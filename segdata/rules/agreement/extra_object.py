"""SEG402 extra-object: an annotator has a segment where the others have nothing."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import disputes_of_kind


@rule("SEG402", "extra-object", severity="warning", needs=("agreement",))
def extra_object(tables: Tables, *, min_pixels: int = 16, min_share: float = 0.5) -> Findings:
    """An annotator drew a segment that most of the others did not draw.

    Example:
        anna     ben      carl
        .....    .aaa.    .....
        .....    .aaa.    .....

        ben has an a of 6 px where 0 of 2 others have one

    Segments match if their IoU is above 0.5, or if they only end elsewhere (see SEG406). Fewer than half of the others
    who annotated the image have the segment. A reference (gold) decides alone. Two annotators alone cannot show which
    is right: see SEG401. For stuff, and in semantic data, the finding is a region to which most of the others give no
    category.

    Not flagged: segments within void or a crowd of the others, and categories that the others were not asked for.

    Why: your model learns something that is not there as a segment.

    Remedy: look at the image; delete the segment, or clarify what your guideline wants.

    Options: `min_pixels`: the smallest segment that is flagged. `min_share`: for a region, the least share that no
    other annotator has.
    Defaults: as in SEG401.
    """
    for dispute in disputes_of_kind(tables, "extra", min_pixels, min_share):
        share = f"{dispute.share:.0%} of " if dispute.share == dispute.share else ""
        some = f"{dispute.support} of {dispute.others} others have one"
        elsewhere = some if dispute.support > 0 else "the others have nothing"
        yield dispute.finding(f"{share}{dispute.category} ({dispute.area:,} px) where {elsewhere}")
