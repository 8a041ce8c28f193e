import numpy as np
import pytest

from segdata.api.arrays import from_arrays
from segdata.core.label_maps import LabelMaps
from segdata.noise.networks.detail import breadth, scale_for


def maps_of(*images: np.ndarray) -> LabelMaps:
    return from_arrays({f"{at:02d}.png": image for at, image in enumerate(images)}, ["a", "b"], images=None).maps()


@pytest.mark.parametrize("side", [3, 10, 24])
def test_a_square_is_as_wide_as_its_side_and_a_line_counts_twice(side: int) -> None:
    square, line = np.zeros((2, 64, 64), np.uint8)
    square[5 : 5 + side, 7 : 7 + side] = 1
    line[2:62, 20:23] = 2
    assert breadth(maps_of(square), np.arange(1)) == pytest.approx(side)
    assert breadth(maps_of(line), np.arange(1)) == pytest.approx(2 * 3, rel=0.05)


def test_what_touches_is_as_wide_as_each_and_the_frame_is_no_outline() -> None:
    halves = np.ones((32, 32), np.uint8)
    halves[:, 16:] = 2
    assert breadth(maps_of(halves), np.arange(1)) == pytest.approx(4 * 32 * 32 / 64)
    assert np.isnan(breadth(maps_of(np.ones((4, 4), np.uint8)), np.arange(1)))  # no outline at all
    assert np.isnan(breadth(maps_of(np.zeros((4, 4), np.uint8)), np.arange(1)))


def test_of_many_images_some_are_looked_at_and_none_of_the_others() -> None:
    fine, coarse = np.zeros((2, 32, 32), np.uint8)
    fine[::2], coarse[4:28, 4:28] = 1, 1
    maps = maps_of(*[coarse, fine] * 41)
    assert breadth(maps, np.arange(82)) < 24
    assert breadth(maps_of(coarse, 2 * fine), np.arange(2)) == pytest.approx((24 * 2 * 32 / 31) ** 0.5, rel=0.1)
    assert breadth(maps, np.arange(0, 82, 2)) == pytest.approx(24)


def test_the_wider_what_is_labelled_the_smaller_the_image_within_bounds() -> None:
    found = [scale_for(width, instances=False) for width in (0.5, 11, 12, 40, 70, 1e6)]
    assert found == [1, 1, 0.5, 0.25, 0.125, 0.125]
    assert scale_for(40, instances=True) > scale_for(40, instances=False)
    assert scale_for(float("nan"), instances=True) == 1
