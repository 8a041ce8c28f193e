"""Repeated: how far apart the boundaries are that annotators drew twice, beside the tolerance, in words."""

import math
from collections.abc import Iterator

from segdata.agreement.boundaries.surfaces import Tolerance
from segdata.agreement.summary.agreed import Agreement
from segdata.agreement.summary.proposed import ProposedTolerance
from segdata.core.errors import count_noun
from segdata.report.agreement.numbers import listed
from segdata.report.agreement.points import Conclusion

_ROUNDING = 1e-6  # hundredths by which a value may be above one for rounding alone


def repeated(found: Agreement) -> Iterator[Conclusion]:
    """The tolerance that repeated images propose, and how to set it; nothing where nobody annotated an image twice."""
    for each in found.proposed_tolerance:
        used, proposed = _used(found.tolerance, each), _upwards(each.value)
        head = f"Boundaries drawn twice lie {proposed:g} {each.unit} apart; the tolerance is {used}"
        who = f"{listed(each.annotators)} annotated {count_noun(each.images, 'image')} twice"
        of = "the median of the 95th percentiles of the distances between both drawings"
        said = f"{who}: {of} of {count_noun(each.boundaries, 'boundary', 'boundaries')}."
        act = "" if f"{proposed:g} {each.unit}" == used or not proposed else _act(proposed, each.unit)
        yield Conclusion("tolerance", "info", head, said, act)


def _act(proposed: float, unit: str) -> str:
    option = "--tolerance" if unit == "px" else "--tolerance-mm"
    setting = f"gold: {{tolerance_{unit}: {proposed:g}}}"
    return (
        f"Compare with {option} {proposed:g}, or set it in segdata.yaml, {setting}: "
        "what the same hand does not do twice is no disagreement."
    )


def _used(near: Tolerance, each: ProposedTolerance) -> str:
    """The tolerance of what has no own, in the unit of the proposed one."""
    if each.unit == "px":
        return f"{near.pixels:g} px"
    return f"{near.mm:g} mm" if near.mm is not None else f"what {near.pixels:g} px are in mm"


def _upwards(value: float) -> float:
    """Hundredths, rounded up, so that what is set allows for the value.

    >>> _upwards(2.2360679), _upwards(1.41), _upwards(0.0)
    (2.24, 1.41, 0.0)
    """
    return math.ceil(100 * value - _ROUNDING) / 100
