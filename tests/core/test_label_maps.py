import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.api.in_memory import from_arrays
from segdata.core.label_maps import LabelMaps

IDS = arrays(np.uint8, st.tuples(st.integers(1, 17), st.integers(1, 17)), elements=st.integers(0, 2))


def maps_of(*images: np.ndarray) -> LabelMaps:
    return from_arrays({f"{at}.png": image for at, image in enumerate(images)}, ["a", "b"], images=None).maps()


@given(IDS, IDS, st.sampled_from([1.0, 0.7, 0.5, 0.3, 0.25, 0.01]))
def test_a_reduced_map_has_at_each_pixel_what_is_at_its_middle(one: np.ndarray, two: np.ndarray, scale: float) -> None:
    whole = maps_of(one, two)
    found = whole.downscale(scale)
    for row in range(2):
        before, after = whole.semantic(row), found.semantic(row)
        assert after.shape == tuple(max(round(side * scale), 1) for side in before.shape)
        y, x = (((2 * np.arange(n) + 1) * m) // (2 * n) for n, m in zip(after.shape, before.shape, strict=True))
        np.testing.assert_array_equal(after, before[y[:, None], x])
        assert len(found.segments(row).ids) == len(whole.segments(row).ids)  # those without pixels, too


@pytest.mark.parametrize("width", [1, 2, 3])
def test_what_is_thin_keeps_its_area_on_average(width: int) -> None:
    lines = [np.tile((np.arange(64) - first) % 8 < width, (64, 1)).astype(np.uint8) for first in range(8)]
    found = maps_of(*lines).downscale(0.25)
    assert np.mean([found.semantic(row) == 0 for row in range(8)]) == pytest.approx(width / 8)


@given(IDS, IDS, IDS, st.lists(st.integers(0, 2), max_size=4))
def test_some_images_have_the_labels_that_they_had(
    one: np.ndarray, two: np.ndarray, three: np.ndarray, rows: list[int]
) -> None:
    whole = maps_of(one, two, three)
    some = whole.take(np.array(rows, np.int64))
    assert some.image_ids == [whole.image_ids[row] for row in rows]
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(some.semantic(place), whole.semantic(row))
        np.testing.assert_array_equal(some.segments(place).ids, whole.segments(row).ids)
