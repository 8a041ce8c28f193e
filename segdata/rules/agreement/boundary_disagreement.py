"""SEG404 boundary-disagreement: the boundary of a segment is elsewhere than the others draw it."""

from segdata.core.guideline import quote_guideline
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import disputes_of_kind


@rule("SEG404", "boundary-disagreement", severity="warning", needs=("agreement",))
def boundary_disagreement(
    tables: Tables, *, max_near: float = 0.5, min_distance: float = 5.0, min_pixels: int = 100
) -> Findings:
    """The others have this segment as well, but with its boundary elsewhere.

    Example:
        anna        ben
        .aaaaaa.    .aaa....
        .aaaaaa.    .aaaaaa.
        .aaaaaa.    .aaa....

    The share of the two boundaries that lies within the tolerance of the other one is below `max_near`, and the 95th
    percentile of the distances between them (HD95) is at least `min_distance`. This must hold against more than half of
    the others. A reference (gold) decides alone.

    Why: half-drawn segments pass an IoU of 0.5, and your model learns to stop short.

    Remedy: look at both outlines, and correct the one that the guideline's boundary rule does not allow.

    Options: `max_near`: the share of both boundaries (0 to 1) below which a segment is flagged. `min_distance`: in px.
    `min_pixels`: the smallest segment that is flagged.
    Defaults: half of the boundary, as half of the area makes two segments one; 5 px is more than twice the tolerance of
    2 px; below 100 px a segment is hardly wider than the tolerance on both sides.
    """
    for dispute in disputes_of_kind(tables, "boundary", min_pixels, apart=(max_near, min_distance)):
        against = f"{dispute.others} others'" if dispute.others > 1 else "the other's"
        message = f"{dispute.near:.0%} of the boundaries lie near {against}, HD95 {dispute.distance:.1f} px"
        quote = quote_guideline(tables.profile.taxonomy, dispute.category, "boundary_rule")
        yield dispute.finding(message + quote)
