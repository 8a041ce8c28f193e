"""SEG403 category-disagreement: an annotator gives a segment another category than the others."""

from segdata.core.guideline import quote_guideline
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import disputes_of_kind


@rule("SEG403", "category-disagreement", severity="warning", needs=("agreement",))
def category_disagreement(tables: Tables, *, min_pixels: int = 16, min_share: float = 0.5) -> Findings:
    """Most of the other annotators give this segment another category.

    Example:
        anna     ben      carl
        .aaa.    .bbb.    .aaa.
        .aaa.    .bbb.    .aaa.

        ben labels b what 2 of 2 others label a

    Segments match if their IoU is above 0.5. More than half of the others who annotated the image give it one other
    category. A reference (gold) decides alone. If two annotators disagree, you get one finding. For stuff, and in
    semantic data, the finding is a region to which most of the others give one category and this annotator another.

    Why: one thing under two names teaches your model neither.

    Remedy: correct the category. If you see this often, the definitions are not clear (SEG408).

    Options: `min_pixels`: the smallest segment that is flagged. `min_share`: for a region, the least share under
    another category.
    Defaults: as in SEG401.
    """
    for dispute in disputes_of_kind(tables, "category", min_pixels, min_share):
        if dispute.share == dispute.share:
            message = f"{dispute.share:.0%} of what most others label {dispute.category} has another category here"
        else:
            backing = dispute.backing.replace(dispute.whose or "", "the other")
            say = "says" if dispute.others == 1 else "say"
            message = f"labelled {dispute.category}; {backing} {say} {dispute.called}"
        quote = quote_guideline(tables.profile.taxonomy, dispute.called or dispute.category, "definition")
        yield dispute.finding(f"{message} ({dispute.area:,} px){quote}")
