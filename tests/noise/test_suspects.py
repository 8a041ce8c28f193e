"""Suspects: which types of error make sense for what is annotated and what is seen."""

import numpy as np
import pytest

from segdata.noise.mistakes.evaluation import Ranked
from segdata.noise.scoring.scores import Suspicions
from segdata.noise.suspects import likely_types
from segdata.noise.types import TYPES, Type


def suspicion(category: int, seen: int, is_region: bool, likeliest: Type) -> Suspicions:
    """One candidate, of which one type is likeliest and all others are as likely as each other."""
    one = np.ones(1)
    row = np.zeros(1, np.int64)
    nothing = Ranked(np.zeros(0), row[:0], row[:0], (), row[:0], 1)
    return Suspicions(
        image=row,
        row=row - is_region,
        at=row,
        category=row + category,
        seen=row + seen,
        odds=one,
        probability=one / 2,
        type=np.array([[0.5 if each == likeliest else 0.5 / (len(TYPES) - 1) for each in TYPES]]),
        doubt=one,
        worst=one,
        softmin=one,
        held_out=nothing,
        held_category=row[:0],
        iou=np.ones(3),
        found=(),
        believed=row + seen,
    )


@pytest.mark.parametrize(
    ("category", "seen", "is_region", "likeliest", "told"),
    [
        (1, 2, True, "boundary", "category"),  # part of a tree is a car: not the tree's outline
        (0, 2, True, "boundary", "boundary"),
        (0, 2, True, "extra", "missing"),
        (1, 0, True, "category", "extra"),
        (1, 2, False, "boundary", "boundary"),
        (1, 2, False, "merge", "extra"),  # the first of those that are left, which are alike
    ],
)
def test_the_type_makes_sense(category: int, seen: int, is_region: bool, likeliest: Type, told: Type) -> None:
    found = likely_types(suspicion(category, seen, is_region, likeliest), np.zeros(3, bool))
    assert TYPES[found[0]] == told
