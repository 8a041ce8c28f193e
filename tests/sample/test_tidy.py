import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from segdata.sample.tidy import nearest_label, tidy


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_no_small_part_is_left_and_large_parts_stay(seed: int, min_pixels: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(1, 5, (6, 7)), np.ones((5, 5), int)).astype(np.int32)
    labels[rng.random(labels.shape) < 0.1] = 9
    tidied, kept = tidy(labels, min_pixels)
    assert set(np.unique(tidied)) == set(range(1, len(kept) + 1))
    for label in range(1, len(kept) + 1):
        parts, n = ndimage.label(tidied == label)
        assert (np.bincount(parts.ravel())[1:] >= min_pixels).all()
        assert n
    was = np.array([0, *kept])[tidied]
    for value in np.unique(labels):
        parts, n = ndimage.label(labels == value)
        for part in range(1, n + 1):
            if (parts == part).sum() >= min_pixels:
                assert (was[parts == part] == value).all()


def test_a_map_without_any_large_part_is_refused() -> None:
    with pytest.raises(ValueError, match="30 pixels"):
        tidy(np.array([[1, 2], [3, 4]], np.int32), 30)


def test_the_nearest_label_wins() -> None:
    labels = np.array([[1, 0, 0, 0, 2]], np.int32)
    assert nearest_label(labels, labels > 0)[0, [1, 3]].tolist() == [1, 2]
