import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.noise.scoring.once import once

ABOUT = st.lists(st.integers(-1, 6), max_size=30).map(lambda values: np.array(values, np.int64))


@given(ABOUT, ABOUT)
def test_each_mistake_counts_once_and_all_else_as_it_is(drawn: np.ndarray, regions: np.ndarray) -> None:
    weights = np.concatenate(once([drawn, regions]))
    about = np.concatenate([drawn, regions])
    assert (weights[about < 0] == 1).all()
    for mistake in np.unique(about[about >= 0]):
        mine = weights[about == mistake]
        assert len(set(mine.tolist())) == 1
        np.testing.assert_allclose(mine.sum(), 1)
