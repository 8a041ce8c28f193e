"""Possible: the bound holds, and is near where mistakes stand out."""

import numpy as np
import pytest

from segdata.noise.mistakes.injection import LESSON
from segdata.noise.scoring.possible import possible, shares


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_the_share_of_mistakes_is_found_again(share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    given = np.append(rng.normal(size=round(6000 * (1 - share))), rng.normal(3, 1, round(6000 * share)))
    made = rng.normal(3, 1, 600)
    found = possible(np.append(given, made), np.arange(len(given) + 600) >= len(given))
    assert share - 0.01 < found < 1.3 * share + 0.03


def test_scores_that_tell_nothing_bound_nothing() -> None:
    rng = np.random.default_rng(0)
    assert possible(rng.normal(size=2000), rng.random(2000) < 0.2) > 0.8


@pytest.mark.parametrize("wrong", [np.zeros(9, bool), np.ones(9, bool)])
def test_without_mistakes_or_anything_else_nothing_is_known(wrong: np.ndarray) -> None:
    assert possible(np.arange(9.0), wrong) == 1


def test_a_kind_that_is_not_there_may_be_less_common_than_one_that_is() -> None:
    """Mistakes of two kinds are made; of what was given one in ten looks like the first."""
    rng = np.random.default_rng(0)
    kind = np.repeat([-1, 3, 8], [6000, 300, 300])
    held = rng.normal(size=(6600, 2))
    held[:600, 0] += 5
    held[kind == 3, 0] += 5
    held[kind == 8, 1] += 5
    there, absent = shares(held, kind)
    assert absent < 0.01 < there == LESSON


def test_without_kinds_there_are_no_shares() -> None:
    assert shares(np.zeros((9, 0)), np.full(9, -1)).tolist() == []
