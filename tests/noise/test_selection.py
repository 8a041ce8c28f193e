"""Suspects: which types of error make sense for what is annotated and what is seen."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from segdata.noise.error_types import TYPES, ErrorType
from segdata.noise.evaluation import EvaluatedRanking
from segdata.noise.flag_result import misalignment_notes
from segdata.noise.ranking import RankedCandidates
from segdata.noise.selection import likely_types


def suspicion(category: int, seen: int, is_region: bool, likeliest: ErrorType) -> RankedCandidates:
    """One candidate, of which one type is likeliest and all others are as likely as each other."""
    one = np.ones(1)
    row = np.zeros(1, np.int64)
    nothing = EvaluatedRanking(np.zeros(0), row[:0], row[:0], (), row[:0], 1)
    return RankedCandidates(
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
        move=np.zeros((1, 2), np.int64),
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
def test_the_type_makes_sense(category: int, seen: int, is_region: bool, likeliest: ErrorType, told: ErrorType) -> None:
    found = likely_types(suspicion(category, seen, is_region, likeliest), np.zeros(3, bool))
    assert TYPES[found[0]] == told


def test_images_whose_labels_lie_elsewhere_are_named() -> None:
    maps: Any = SimpleNamespace(image_ids=np.array([f"{at}.png" for at in range(9)], object))
    case: Any = SimpleNamespace(given=SimpleNamespace(maps=maps), images=np.arange(1, 9))
    none = suspicion(1, 1, False, "shift")
    assert misalignment_notes(case, none) == ()
    (note,) = misalignment_notes(case, replace(none, move=np.array([[0, 0], [5, -3], [0, 4]])))
    assert "2 images" in note
    assert "2.png (5 px to the right and 3 px up), 3.png (4 px down);" in note
    (note,) = misalignment_notes(case, replace(none, move=np.full((8, 2), -7)))
    assert "(7 px to the left and 7 px up) and 3 more;" in note
