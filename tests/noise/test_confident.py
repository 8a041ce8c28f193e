"""Confident: bars are those from which on a model is right as often as asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.noise.confident import BINS, Tally


@given(st.integers(0, 2**31), st.sampled_from([0.5, 0.8, 0.95]))
def test_bars_against_every_bar_there_could_be(seed: int, precision: float) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.integers(0, 20, 200) / 20 + 0.001
    right = rng.random(200) < confidence**0.5
    category = rng.integers(0, 2, 200)
    tally = Tally.of(2, "instances")
    for part in np.array_split(rng.permutation(200), 3):
        tally.add(category[part], confidence[part], right[part])
    for each, bar in enumerate(tally.bars(precision).tolist()):
        mine = category == each
        fits = []
        for tried in np.unique(np.floor(confidence * BINS) / BINS):
            above = mine & (confidence >= tried)
            here = mine & (np.floor(confidence * BINS) / BINS == tried)
            if above.sum() >= 20 and here.any() and right[above].sum() >= precision * above.sum():
                fits.append(tried)
        assert bar == pytest.approx(min(fits, default=np.inf))


def test_of_little_nothing_is_claimed() -> None:
    tally = Tally.of(1, "pixels")
    tally.add(np.zeros(999, np.int64), np.full(999, 0.9), np.ones(999, bool))
    assert np.isinf(tally.bars(0.5)).all()
    tally.add(np.zeros(1, np.int64), np.full(1, 0.9), np.ones(1, bool))
    assert tally.bars(0.5).tolist() == [0.9]
