"""Geometry: turned polygons, and rings that cannot be drawn."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from segdata.formats.shapes.geometry import Polygon, box, check_numbers, check_ring
from tests.formats.shapes.drawings import draw_masks

corners = st.tuples(st.floats(-20, 60), st.floats(-20, 60))


@given(corners, corners)
def test_a_box_is_the_rectangle_that_libraries_draw(a: tuple[float, float], b: tuple[float, float]) -> None:
    (x0, x1), (y0, y1) = sorted((a[0], b[0])), sorted((a[1], b[1]))
    image = Image.new("L", (50, 40))
    ImageDraw.Draw(image).rectangle((x0, y0, x1, y1), outline=1, fill=1)
    np.testing.assert_array_equal(draw_masks([[box(*a, *b)]], "pil", 40, 50)[0], np.array(image) > 0)
    canvas = np.zeros((40, 50), np.uint8)
    cv2.rectangle(canvas, (int(x0), int(y0)), (int(x1), int(y1)), 1, cv2.FILLED)
    np.testing.assert_array_equal(draw_masks([[box(*a, *b)]], "cv2", 40, 50)[0], canvas > 0)


@given(st.floats(-720, 720), corners)
def test_turning_keeps_distances_and_turns_back(degrees: float, about: tuple[float, float]) -> None:
    polygon = Polygon(box(1, 2, 30, 9).exterior, (box(3, 3, 5, 5).exterior,))
    turned = polygon.rotate(degrees, *about)
    back = turned.rotate(-degrees, *about)
    for ring, other, again in zip(polygon.rings, turned.rings, back.rings, strict=True):
        np.testing.assert_allclose(np.hypot(*(ring - about).T), np.hypot(*(other - about).T), atol=1e-9)
        np.testing.assert_allclose(ring, again, atol=1e-9)


def test_turning_is_clockwise_as_one_sees_it() -> None:
    right_of_centre = Polygon(np.array([[10.0, 0], [11, 0], [11, 1]]))
    assert right_of_centre.rotate(90, 0, 0).exterior.round(9).tolist() == [[0, 10], [0, 11], [-1, 11]]


@pytest.mark.parametrize(
    "points", [[1, 2, 3.5, 4, 5, 6], [[1, 2], [3, 4], [5, 6]], [(0, 0), (0, 0), (0, 0)], [[1e7, -1e7]] * 3]
)
def test_sound_rings(points: object) -> None:
    assert check_ring(points) is None


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([1, 2, 3, 4, 5, 6, 7], "has 7 numbers; x and y come in pairs"),
        ([[1, 2], [3, 4]], "has 2 points; at least 3 are needed"),
        ([], "has 0 points; at least 3 are needed"),
        ([[1, 2], [3, 4], [5, float("nan")]], "has the coordinate nan"),
        ([[1, 2], [3, 4], [5, -float("inf")]], "has the coordinate -inf"),
        ([1, 2, 3, 4, 5, 1e8], "has the coordinate 1e+08, more than 10,000,000 px from the frame"),
        *(
            (strange, "has points that are not pairs of numbers")
            for strange in (
                None,
                "123456",
                {"x": 1},
                [[1, 2], [3], [5, 6]],
                [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
                ["1", "2", "3", "4", "5", "6"],
                [None] * 6,
                [True] * 6,
                [10**400] * 6,
                [[[1, 2]], [[3, 4]], [[5, 6]]],
            )
        ),
    ],
)
def test_what_is_wrong_with_a_ring(points: object, said: str) -> None:
    assert check_ring(points) == said


def test_numbers_of_an_ellipse() -> None:
    assert check_numbers(1, 2.5, -3) is None
    assert check_numbers(1, 2e7) == "has the coordinate 2e+07, more than 10,000,000 px from the frame"
