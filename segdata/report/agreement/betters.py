"""Betters: who agrees better with the reference than who, or which two with each other, in words."""

import math
from collections.abc import Iterator

from segdata.agreement.summary.agreed import Agreement, Contrasted
from segdata.core.errors import count_noun
from segdata.report.agreement.numbers import listed, shown, with_interval
from segdata.report.agreement.points import Conclusion
from segdata.report.agreement.sheets import better, whose

_SCORE = "iou"  # by which it is told; the table has the others
_SHOWN = 4


def betters(found: Agreement, gold: str | None) -> Iterator[Conclusion]:
    """What the contrasts that were asked for come to."""
    some = [better(each) for each in found.contrasts if each.score == _SCORE]
    if not some:
        return
    if not any(math.isfinite(each.p) for each in some):
        said = "They have fewer than 8 sequences, patients or single images in common."
        yield Conclusion(
            "contrast", "info", "Who agrees better cannot be said", said, "Let them label more of the same."
        )
        return
    standing = sorted((each for each in some if each.stands), key=lambda each: -each.difference.value)
    rest = [each for each in some if not each.stands]
    open_ones = [f"{_who(each, gold)} ({with_interval(_SCORE, each.difference)})" for each in rest]
    open_said = f"Not told apart: {listed(open_ones, _SHOWN)}." if open_ones else ""
    tested = f"{count_noun(len(some), 'contrast')} tested together."
    if not standing:
        head = "Nobody agrees better than another" if gold is None else f"Nobody agrees better with {gold} than another"
        yield Conclusion("contrast", "info", f"{head} by more than chance", f"{open_said} {tested}".strip())
        return
    first, *others = [_told(each, gold) for each in standing]
    said = f"Also {listed(others, _SHOWN)}. " if others else ""
    yield Conclusion("contrast", "info", first, f"{said}{open_said} {tested}".strip())


def _told(each: Contrasted, gold: str | None) -> str:
    """Who is better, by how much."""
    reach = f"IoU {shown(_SCORE, each.values[0])} against {shown(_SCORE, each.values[1])}, p {each.p:.2g}"
    if gold is None:
        return f"{each.first[0]} and {each.first[1]} agree better than {each.second[0]} and {each.second[1]}: {reach}"
    return f"{whose(each.first, gold)} agrees better with {gold} than {whose(each.second, gold)}: {reach}"


def _who(each: Contrasted, gold: str | None) -> str:
    """Two annotators, or two pairs of them."""
    if gold is None:
        return f"{' and '.join(each.first)} from {' and '.join(each.second)}"
    return f"{whose(each.first, gold)} from {whose(each.second, gold)}"
