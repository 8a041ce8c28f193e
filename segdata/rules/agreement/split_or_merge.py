"""SEG405 split-or-merge: an annotator has one segment where others have several, or the reverse."""

from segdata.core.errors import count_noun
from segdata.core.guideline import quote_guideline
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import Dispute, disputes_of_kind


@rule("SEG405", "split-or-merge", severity="warning", needs=("agreement",), tasks=("instance", "panoptic"))
def split_or_merge(tables: Tables, *, min_pixels: int = 16) -> Findings:
    """An annotator has one segment where most of the others have several, or several where most have one.

    Example:
        anna       ben
        .aaaa.     .aabb.
        .aaaa.     .aabb.

        anna has 1 a where ben has 2

    Another annotator's segment is a piece of this one if more than half of its own area lies within. Two pieces or more
    are needed, by more than half of the others. A reference (gold) decides alone.

    It also happens that most others have a thing for which this annotator has no segment. If more than half of its
    pixels lie in segments of the same category that this annotator has, the thing is joined with its neighbours, a
    finding of this rule; if not, it is missed (SEG401). In the same way, a segment that most others lack is divided
    from its neighbours if it lies in segments of theirs; if not, it is extra (SEG402).

    Why: counts are wrong, and your model learns to join, or to cut, things that touch.

    Remedy: divide the segment, or join the pieces, as your guideline says.

    Options: `min_pixels`: the smallest segment that is flagged.
    Defaults: as in SEG401.
    """
    for kind in ("merge", "split"):
        for dispute in disputes_of_kind(tables, kind, min_pixels):
            others_have = "the other has" if dispute.others == 1 else "most others have"
            if kind == "merge":
                message = f"1 {dispute.category} where {others_have} {dispute.n}"
            else:
                message = f"{count_noun(dispute.n, 'segment')} where {others_have} 1 {dispute.category}"
            yield dispute.finding(message + _quote(tables, dispute))
    for dispute in disputes_of_kind(tables, "joined", min_pixels):
        have = "has" if dispute.others == 1 else "have"
        message = f"no {dispute.category} of its own where {dispute.backing} {have} one ({dispute.area:,} px)"
        yield dispute.finding(f"{message}: it is joined with its neighbours{_quote(tables, dispute)}")
    for dispute in disputes_of_kind(tables, "parted", min_pixels):
        message = f"{dispute.category} ({dispute.area:,} px) that most others join with its neighbours"
        yield dispute.finding(message + _quote(tables, dispute))


def _quote(tables: Tables, dispute: Dispute) -> str:
    return quote_guideline(tables.profile.taxonomy, dispute.category, "occlusion_rule")
