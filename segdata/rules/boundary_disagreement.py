"""SEG404 boundary-disagreement: the boundary of a segment is elsewhere than the others draw it."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.guideline import quote_guideline
from segdata.core.rule import Tables, rule
from segdata.rules.shared import disputes_of_kind


@rule("SEG404", "boundary-disagreement", severity="warning", needs=("agreement",))
def boundary_disagreement(
    tables: Tables, *, max_near: float = 0.5, min_distance: float = 5.0, min_pixels: int = 100
) -> Iterator[RowFinding]:
    """A segment that the others have too, with its boundary elsewhere.

    Example:
        anna        ben
        .aaaaaa.    .aaa....
        .aaaaaa.    .aaaaaa.
        .aaaaaa.    .aaa....

    Of the two boundaries together less than the share `max_near` lies within the tolerance of the other one, and the
    95th percentile of the distances between them (HD95) is at least `min_distance`. That must be so against more than
    half of the others; with a reference (gold) it decides alone.

    Why: half-drawn segments pass an IoU of 0.5, and a model learns to stop short.
    Remedy: look at both outlines; correct the one that the guideline's boundary rule does not allow.
    Options: max_near, the share of both boundaries (0 to 1) below which it is told. min_distance in px. min_pixels,
    segments this large are told.
    Defaults: half of the boundary, as half of the area is what makes two segments one; 5 px is more than twice the
    tolerance of 2 px; below 100 px a segment is hardly wider than the tolerance on both sides.
    """
    for each in disputes_of_kind(tables, "boundary", min_pixels):
        if not (each.near < max_near and each.distance >= min_distance):
            continue
        against = f"{each.others} others'" if each.others > 1 else "the other's"
        message = f"{each.near:.0%} of the boundaries near {against}, HD95 {each.distance:.1f} px"
        quote = quote_guideline(tables.profile.taxonomy, each.category, "boundary_rule")
        yield RowFinding(
            message + quote,
            segments=each.shown,
            annotation=each.annotation,
            category=each.category,
            pixels=each.area,
        )
