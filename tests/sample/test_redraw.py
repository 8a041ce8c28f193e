import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.sample.canvas import Segment
from segdata.sample.redraw import Sheet, signed_distance, simplified
from segdata.sample.scene import Picture
from segdata.sample.taxonomy import CAR, ROAD
from segdata.sample.write import Shot


def disc_on_road(radius: float, size: int = 120) -> Picture:
    rows, columns = np.mgrid[:size, :size] - size / 2
    labels = np.where(rows**2 + columns**2 <= radius**2, 2, 1).astype(np.int32)
    return Picture(np.zeros((size, size, 3), np.uint8), labels, (Segment(ROAD, 0), Segment(CAR, 7)))


@given(st.integers(-4, 5), st.integers(14, 30))
def test_growing_moves_the_outline_by_that_many_pixels(pixels: int, radius: int) -> None:
    """The radius of a disc of the same area changes by as much; digital circles are good to half a pixel."""
    sheet = Sheet.of(disc_on_road(radius))
    before = sheet.things[7][1].sum()
    sheet.grow(7, pixels)
    after = sheet.things[7][1].sum()
    assert np.sqrt(after / np.pi) - np.sqrt(before / np.pi) == pytest.approx(pixels, abs=0.45)


def test_distance_is_counted_from_the_edges_of_pixels() -> None:
    assert signed_distance(np.array([[0, 0, 1, 1, 0]], bool))[0].tolist() == [-1.5, -0.5, 0.5, 0.5, -0.5]


def test_a_wavering_outline_has_the_wanted_spread() -> None:
    """On a straight upright border, where a row ends varies with the standard deviation asked for."""
    labels = np.ones((4000, 60), np.int32)
    labels[:, 30:] = 2
    picture = Picture(np.zeros((4000, 60, 3), np.uint8), labels, (Segment(ROAD, 0), Segment(CAR, 7)))
    sheet = Sheet.of(picture)
    sheet.warp(np.random.default_rng(0), 2.0)
    ends = 60 - sheet.things[7][1].sum(axis=1)
    assert ends.std() == pytest.approx(2.0, rel=0.2)
    assert ends.mean() == pytest.approx(30, abs=0.5)


def test_a_coarse_polygon_fills_holes_and_stays_close() -> None:
    mask = disc_on_road(30).mask(2)
    holed = mask.copy()
    holed[55:65, 55:65] = False
    coarse = simplified(holed, 2.0)
    assert coarse[55:65, 55:65].all()
    assert (coarse != mask).sum() < 0.12 * mask.sum()


def test_what_is_untouched_comes_back_as_it_was(shots: list[Shot]) -> None:
    picture = shots[0].picture
    again = Sheet.of(picture).picture()
    keys = [np.array([0, *(s.category.id * 1000 + s.track for s in p.segments)])[p.labels] for p in (picture, again)]
    np.testing.assert_array_equal(*keys)
