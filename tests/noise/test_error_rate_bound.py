"""Possible: the bound holds, and is near where mistakes stand out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.noise.calibration import UNKNOWN_KIND_ODDS, error_rate_bound, kind_shares, unknown_kind_odds
from segdata.noise.corruptions import INJECTED_SHARE


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_the_share_of_mistakes_is_found_again(share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    given = np.append(rng.normal(size=round(6000 * (1 - share))), rng.normal(3, 1, round(6000 * share)))
    made = rng.normal(3, 1, 600)
    found = error_rate_bound(np.append(given, made), np.arange(len(given) + 600) >= len(given))
    assert share - 0.01 < found < 1.3 * share + 0.03


def test_scores_that_tell_nothing_bound_nothing() -> None:
    rng = np.random.default_rng(0)
    assert error_rate_bound(rng.normal(size=2000), rng.random(2000) < 0.2) > 0.8


@pytest.mark.parametrize("wrong", [np.zeros(9, bool), np.ones(9, bool)])
def test_without_mistakes_or_anything_else_nothing_is_known(wrong: np.ndarray) -> None:
    assert error_rate_bound(np.arange(9.0), wrong) == 1


def test_a_kind_that_is_not_there_may_be_less_common_than_one_that_is() -> None:
    """Mistakes of two kinds are made; of what was given one in ten looks like the first."""
    rng = np.random.default_rng(0)
    kind = np.repeat([-1, 3, 8], [6000, 300, 300])
    held = rng.normal(size=(6600, 2))
    held[:600, 0] += 5
    held[kind == 3, 0] += 5
    held[kind == 8, 1] += 5
    there, absent = kind_shares(held, kind)
    assert absent < 0.01 < there == INJECTED_SHARE


def test_without_kinds_there_are_no_shares() -> None:
    assert kind_shares(np.zeros((9, 0)), np.full(9, -1)).tolist() == []


def test_what_is_rare_is_suspected() -> None:
    usual = np.random.default_rng(0).normal(size=999)
    odds = unknown_kind_odds(np.sort(usual), usual)
    assert (np.diff(odds) >= 0).all()
    np.testing.assert_allclose(odds[[0, -1]], [UNKNOWN_KIND_ODDS, UNKNOWN_KIND_ODDS + np.log(500)])


@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_how_sure_the_model_is_does_not_count(scale: float, offset: float) -> None:
    usual = np.random.default_rng(1).normal(size=200)
    seen = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(
        unknown_kind_odds(scale * seen + offset, scale * usual + offset), unknown_kind_odds(seen, usual), atol=0.02
    )


def test_where_nothing_was_left_as_it_was_nothing_is_rare() -> None:
    assert unknown_kind_odds(np.array([3.0]), np.empty(0)).tolist() == [UNKNOWN_KIND_ODDS]
