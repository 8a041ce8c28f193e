"""Possible: the bound holds, and is near where mistakes stand out."""

import numpy as np
import pytest

from segdata.noise.scoring.possible import possible


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
