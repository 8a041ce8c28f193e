"""SEG401 missed-object: an annotator has nothing where the others have a segment."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import disputes_of_kind


@rule("SEG401", "missed-object", severity="warning", needs=("agreement",))
def missed_object(tables: Tables, *, min_pixels: int = 16, min_share: float = 0.5) -> Findings:
    """Most of the other annotators drew a segment, and this one did not.

    Example:
        anna     ben      carl
        .aaa.    .....    .aaa.
        .aaa.    .....    .aaa.

        ben has no a where 2 of 2 others have one

    Segments match if their IoU is above 0.5, or if they only end elsewhere (see SEG406). More than half of the others
    who annotated the image must have the segment. A reference (gold) decides alone. Two annotators alone cannot show
    which is right: you find a segment that only one of them has here, once. For stuff, and in semantic data, the
    finding is a region to which most of the others give a category and this annotator none.

    Not flagged: segments within void or a crowd of the annotator, and categories that the annotator was not asked for.

    Why: your model learns what is not drawn as background.

    Remedy: look at the image; draw what is there, or clarify what your guideline wants.

    Options: `min_pixels`: the smallest segment that is flagged. `min_share`: for a region, the least share without a
    category.
    Defaults: 16 px is the size of SEG106's largest speck; a share of 0.5 is the IoU from which segments match.
    """
    for dispute in disputes_of_kind(tables, "missed", min_pixels, min_share):
        share = f"{dispute.share:.0%} of " if dispute.share == dispute.share else ""
        have = "has" if dispute.others == 1 else "have"
        yield dispute.finding(f"nothing where {dispute.backing} {have} {share}{dispute.category} ({dispute.area:,} px)")
