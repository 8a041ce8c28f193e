"""What disagreeing pixels are due to."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.decomposition import decomposition

PIXELS = st.lists(st.integers(0, 99), min_size=4, max_size=4)


@given(PIXELS)
def test_shares_are_parts_of_a_whole(pixels: list[int]) -> None:
    found = decomposition(*pixels)
    if sum(pixels) == 0:
        assert np.isnan(found).all()
    else:
        np.testing.assert_allclose(sum(found), 1)
        np.testing.assert_allclose(found, np.array(pixels) / sum(pixels))
    swapped = decomposition(pixels[1], pixels[0], *pixels[2:])
    np.testing.assert_array_equal([swapped.extra, swapped.missed], [found.missed, found.extra])
