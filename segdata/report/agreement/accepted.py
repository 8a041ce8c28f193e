"""Accepted: whose segments are a model's, unchanged, in words."""

import math
from collections.abc import Iterator

from segdata.agreement.summary.agreed import Agreement, Unchanged
from segdata.report.agreement.numbers import listed, percent, with_interval
from segdata.report.agreement.points import Conclusion

_MORE = 0.05  # by how much beyond what two persons have alike it is worth a word


def accepted(found: Agreement) -> Iterator[Conclusion]:
    """Who left more of a model's segments as they were than two persons ever draw alike; of each model one."""
    for model in dict.fromkeys(each.model for each in found.unchanged):
        mine = sorted((each for each in found.unchanged if each.model == model), key=lambda each: -each.share.value)
        told = [each for each in mine if _is_much(each)]
        expected = _expected(mine[0])
        if not told:
            shares = [f"{each.annotator} {with_interval('missed', each.share)}" for each in mine]
            yield Conclusion(
                "model", "info", f"Hardly anything is {model}'s, unchanged", f"{listed(shares)}. {expected}"
            )
            continue
        first, *others = [
            f"{with_interval('missed', each.share)} of {each.annotator}'s segments are {model}'s, unchanged"
            for each in told
        ]
        also = (
            f"Also {listed(others)}: where both left a segment as it was they agree, and nobody looked. "
            if others
            else ""
        )
        act = (
            f"What was left as it was may be right, or not looked at: have some of these images drawn without {model}, "
        )
        act += "and compare. Until then agreement with it says little."
        yield Conclusion("model", "warning", first, f"{also}{expected}", act)


def _is_much(each: Unchanged) -> bool:
    expected = each.persons.value if math.isfinite(each.persons.value) else 0.0
    least = each.share.low if math.isfinite(each.share.low) else each.share.value
    return least > expected + _MORE


def _expected(each: Unchanged) -> str:
    """How often two persons have a segment alike."""
    if not math.isfinite(each.persons.value):
        return "How often two persons draw the same pixels cannot be said: no two of them drew for themselves here."
    return f"Two persons have {percent(each.persons.value)} of their segments alike, pixel for pixel."
