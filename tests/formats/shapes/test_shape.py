import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from segdata.formats.shapes.shape import Polygon, box
from tests.formats.shapes.drawings import drawn

corners = st.tuples(st.floats(-20, 60), st.floats(-20, 60))


@given(corners, corners)
def test_a_box_is_the_rectangle_that_libraries_draw(a: tuple[float, float], b: tuple[float, float]) -> None:
    (x0, x1), (y0, y1) = sorted((a[0], b[0])), sorted((a[1], b[1]))
    image = Image.new("L", (50, 40))
    ImageDraw.Draw(image).rectangle((x0, y0, x1, y1), outline=1, fill=1)
    np.testing.assert_array_equal(drawn([[box(*a, *b)]], "pil", 40, 50)[0], np.array(image) > 0)
    canvas = np.zeros((40, 50), np.uint8)
    cv2.rectangle(canvas, (int(x0), int(y0)), (int(x1), int(y1)), 1, cv2.FILLED)
    np.testing.assert_array_equal(drawn([[box(*a, *b)]], "cv2", 40, 50)[0], canvas > 0)


@given(st.floats(-720, 720), corners)
def test_turning_keeps_distances_and_turns_back(degrees: float, about: tuple[float, float]) -> None:
    polygon = Polygon(box(1, 2, 30, 9).exterior, (box(3, 3, 5, 5).exterior,))
    turned = polygon.turned(degrees, *about)
    back = turned.turned(-degrees, *about)
    for ring, other, again in zip(polygon.rings, turned.rings, back.rings, strict=True):
        np.testing.assert_allclose(np.hypot(*(ring - about).T), np.hypot(*(other - about).T), atol=1e-9)
        np.testing.assert_allclose(ring, again, atol=1e-9)


def test_turning_is_clockwise_as_one_sees_it() -> None:
    right_of_centre = Polygon(np.array([[10.0, 0], [11, 0], [11, 1]]))
    assert right_of_centre.turned(90, 0, 0).exterior.round(9).tolist() == [[0, 10], [0, 11], [-1, 11]]
