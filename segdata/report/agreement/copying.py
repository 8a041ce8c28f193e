"""Copying: conclusions on identical segments of annotators, common drafts, and the table of pairs."""

from collections.abc import Iterator

import numpy as np

from segdata.agreement.copying import COMMON_DRAFT, IdenticalWork
from segdata.agreement.summary import Agreement
from segdata.core.errors import count_noun
from segdata.report.agreement.wording import Conclusion, format_percent, join_words, score_with_interval

COPIED_CODE = "SEG414"
_MIN_SHARE_LISTED = 0.05  # of identical segments


def copied_pairs(result: Agreement) -> list[IdenticalWork]:
    """The pairs of persons whose work counts as one annotator's, the most similar first."""
    copied = [work for work in result.identical if work.stands and not work.model]
    return sorted(copied, key=lambda work: -work.alike.value)


def unranked_pairs(result: Agreement) -> set[tuple[str, str]]:
    """The pairs that are left out of rankings, because copies raise their agreement."""
    return {(work.a, work.b) for work in copied_pairs(result)} if len(result.pairs) > 1 else set()


def copying_conclusions(result: Agreement) -> Iterator[Conclusion]:
    """Conclusions on pairs with identical segments, or on all annotators if all share them."""
    copies = copied_pairs(result)
    for work in copies:
        yield _copy_conclusion(work, result)
    persons = [work for work in result.identical if not work.model]
    if len(persons) > 1 and not copies and all(work.usual >= COMMON_DRAFT for work in persons):
        middle = float(np.median([work.alike.value for work in persons]))
        head = f"All annotators share their segments: {format_percent(middle)} are the same in a typical pair"
        details = "Annotators who draw independently do not: they began with the same labels, or a tool snaps alike."
        act = "Compare these labels as one more annotator, with --model: the report then leaves out what is theirs. "
        act += "Until then high agreement says little."
        yield Conclusion("model", "warning", head, details, act)


def _copy_conclusion(work: IdenticalWork, result: Agreement) -> Conclusion:
    share = score_with_interval("missed", work.identical)
    head = f"{work.a} and {work.b}: {share} of their segments are identical, pixel for pixel"
    nearly = ""
    if work.alike.value - work.identical.value >= 0.005:
        nearly = f"{score_with_interval('missed', work.alike)} are alike but for single pixels. "
    alone = sum(not other.model for other in result.identical) == 1
    usual = "Two annotators who draw independently seldom reach" if alone else "Other pairs of this campaign reach"
    details = f"{nearly}{usual} {format_percent(work.usual)}. "
    if len(result.annotators) == 2:
        details += "One is a copy or a correction of the other, or both kept the same draft, so their agreement does "
        details += "not show what two independent annotators would reach."
    else:
        details += f"In {count_noun(work.one_voice, 'image')} of {work.images:,} the two count as one annotator, in "
        details += "majorities and in the agreement of all: it is not known who has the other's work."
    if len(result.annotators) == 3:
        details += " One other annotator is left there, so nobody can be tested."
    act = f"Ask {work.a} and {work.b} how these images were made. If both kept a draft, compare it with --model; "
    act += "otherwise have some of the images drawn again."
    return Conclusion("repair", "warning", head, details, act, (COPIED_CODE,))


def identical_rows(result: Agreement) -> list[tuple[str, ...]]:
    """The rows of the table of identical segments, the largest shares first; empty if all shares are small."""
    if not any(work.stands or (work.usual >= COMMON_DRAFT and not work.model) for work in result.identical):
        return []
    shown = [work for work in result.identical if work.stands or work.alike.value >= _MIN_SHARE_LISTED]
    return [
        (
            work.a,
            work.b,
            f"{work.images:,}",
            score_with_interval("missed", work.identical),
            score_with_interval("missed", work.alike),
            format_percent(work.usual),
            f"{work.one_voice:,}" if work.stands else "",
        )
        for work in sorted(shown, key=lambda work: (not work.stands, -work.alike.value))
    ]


def names_of_copies(result: Agreement) -> str:
    """The copied pairs in words; empty if there are none."""
    return join_words(f"{a} and {b}" for a, b in sorted(unranked_pairs(result)))
