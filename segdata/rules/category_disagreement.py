"""SEG403 category-disagreement: an annotator calls a segment otherwise than the others."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.guideline import quote_guideline
from segdata.core.rule import Tables, rule
from segdata.rules.shared import disputes_of_kind


@rule("SEG403", "category-disagreement", severity="warning", needs=("agreement",))
def category_disagreement(tables: Tables, *, min_pixels: int = 16, min_share: float = 0.5) -> Iterator[RowFinding]:
    """A segment that most of the other annotators give another category.

    Example:
        anna     ben      carl
        .aaa.    .bbb.    .aaa.
        .aaa.    .bbb.    .aaa.

        ben calls b what 2 of 2 others call a

    Segments belong together where their IoU is above 0.5. More than half of the others who annotated the image call it
    by one other name; with a reference (gold) it decides alone. What two annotators call differently is told once. Of
    stuff, and in semantic data, it is a region that most of the others give one category and this one another.

    Why: the same thing under two names teaches a model neither.
    Remedy: correct the category; where it happens often the definitions are not clear (SEG408).
    Options: min_pixels, segments this large are told. min_share, of a region: the least share under another category.
    Defaults: as those of SEG401.
    """
    for each in disputes_of_kind(tables, "category", min_pixels, min_share):
        if each.share == each.share:
            message = f"{each.share:.0%} of what most others call {each.category} has another category here"
        else:
            said = f"{each.backing.replace(each.whose or '', 'the other')} say{'s' if each.others == 1 else ''}"
            message = f"called {each.category}, {said} {each.called}"
        quote = quote_guideline(tables.profile.taxonomy, each.called or each.category, "definition")
        yield RowFinding(
            f"{message} ({each.area:,} px){quote}",
            segments=each.shown,
            annotation=each.annotation,
            category=each.category,
            pixels=each.area,
        )
