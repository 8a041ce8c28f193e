"""Unknown: what is rare is suspected, however sure the model is of itself."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.noise.scoring.unknown import RARE, unknown


def test_what_is_rare_is_suspected() -> None:
    usual = np.random.default_rng(0).normal(size=999)
    odds = unknown(np.sort(usual), usual)
    assert (np.diff(odds) >= 0).all()
    np.testing.assert_allclose(odds[[0, -1]], [RARE, RARE + np.log(500)])


@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_how_sure_the_model_is_does_not_count(scale: float, offset: float) -> None:
    usual = np.random.default_rng(1).normal(size=200)
    seen = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(unknown(scale * seen + offset, scale * usual + offset), unknown(seen, usual), atol=0.02)


def test_where_nothing_was_left_as_it_was_nothing_is_rare() -> None:
    assert unknown(np.array([3.0]), np.empty(0)).tolist() == [RARE]
