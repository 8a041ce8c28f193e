"""The tolerance that repeats propose is reported beside the current one, with the option to type."""

from types import SimpleNamespace
from typing import Literal, cast

import pytest

from segdata.agreement.results import Agreement, ProposedTolerance
from segdata.agreement.surface_distances import Tolerance
from segdata.report.agreement.conclusions import repeatability_conclusions


def agreement(near: Tolerance, *proposed: ProposedTolerance) -> Agreement:
    """An agreement of which only the tolerances are read."""
    return cast(Agreement, SimpleNamespace(tolerance=near, proposed_tolerance=proposed))


def of(unit: Literal["px", "mm"], value: float) -> ProposedTolerance:
    return ProposedTolerance(unit, value, ("anna", "ben"), 12, 40)


@pytest.mark.parametrize(
    ("near", "proposed", "head", "typed"),
    [
        (Tolerance(2), of("px", 5**0.5), "lie 2.24 px apart; the tolerance is 2 px", "--tolerance 2.24,"),
        (Tolerance(2), of("px", 1.0), "lie 1 px apart; the tolerance is 2 px", "gold: {tolerance_px: 1}"),
        (Tolerance(2, mm=0.5), of("mm", 0.8), "lie 0.8 mm apart; the tolerance is 0.5 mm", "--tolerance-mm 0.8,"),
        (Tolerance(2), of("mm", 0.8), "the tolerance is what 2 px are in mm", "gold: {tolerance_mm: 0.8}"),
    ],
)
def test_what_repeats_need_and_how_to_set_it(
    near: Tolerance, proposed: ProposedTolerance, head: str, typed: str
) -> None:
    (told,) = repeatability_conclusions(agreement(near, proposed))
    assert head in told.head
    assert typed in told.act
    assert "anna and ben annotated 12 images twice" in told.said
    assert "40 boundaries" in told.said


@pytest.mark.parametrize("value", [2.0, 0.0])
def test_nothing_to_do_where_it_is_the_same_or_all_is_equal(value: float) -> None:
    (told,) = repeatability_conclusions(agreement(Tolerance(2), of("px", value)))
    assert told.act == ""


def test_nothing_without_repeats() -> None:
    assert list(repeatability_conclusions(agreement(Tolerance(2)))) == []
