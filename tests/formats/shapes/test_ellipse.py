import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from segdata.formats.shapes.shape import Ellipse
from tests.formats.shapes.drawings import drawn, sizes

numbers = st.floats(-20, 70) | st.integers(-20, 70).map(float)
radii = st.floats(0, 40) | st.integers(0, 40).map(float)
degrees = st.floats(-400, 400) | st.sampled_from([0.0, 90.0, 45.0])


@given(numbers, numbers, radii, sizes)
def test_pillow_draws_circles(x: float, y: float, radius: float, size: tuple[int, int]) -> None:
    image = Image.new("L", size[::-1])
    ImageDraw.Draw(image).ellipse(((x - radius, y - radius), (x + radius, y + radius)), outline=1, fill=1)
    np.testing.assert_array_equal(drawn([[Ellipse(x, y, radius, radius)]], "pil", *size)[0], np.array(image) > 0)


@given(numbers, numbers, radii, radii, degrees, sizes)
def test_opencv_draws_ellipses(
    x: float, y: float, radius_x: float, radius_y: float, turn: float, size: tuple[int, int]
) -> None:
    canvas = np.zeros(size, np.uint8)
    axes = (round(radius_x), round(radius_y))
    cv2.ellipse(canvas, (round(x), round(y)), axes, turn, 0, 360, 255, thickness=-1)
    ellipse = Ellipse(x, y, radius_x, radius_y, turn)
    for mask in (*drawn([[ellipse]], "cv2", *size), *drawn([[ellipse]], "coco", *size)):
        np.testing.assert_array_equal(mask, canvas > 0)


@given(numbers, numbers, radii, radii, degrees, sizes)
def test_else_centres_decide(
    x: float, y: float, radius_x: float, radius_y: float, turn: float, size: tuple[int, int]
) -> None:
    """A point is inside when its distances from the two foci sum up to less than the long axis."""
    (mask,) = drawn([[Ellipse(x, y, radius_x, radius_y, turn)]], "centre-evenodd", *size)
    focal = np.sqrt(abs(radius_x**2 - radius_y**2))
    way = np.deg2rad(turn + (0 if radius_x >= radius_y else 90))
    column, row = np.meshgrid(np.arange(size[1]) + 0.5 - x, np.arange(size[0]) + 0.5 - y)
    across, down = focal * np.cos(way), focal * np.sin(way)
    total = np.hypot(column - across, row - down) + np.hypot(column + across, row + down)
    long = 2 * max(radius_x, radius_y)
    clear = np.abs(total - long) > 1e-6
    flat = min(radius_x, radius_y) < 1e-6  # a line has no inside
    np.testing.assert_array_equal(mask[clear], (total < long)[clear] & (not flat))


def test_an_ellipse_that_is_turned_has_no_rule_of_pillow() -> None:
    ellipse = Ellipse(20, 20, 15, 5, degrees=30)
    np.testing.assert_array_equal(drawn([[ellipse]], "pil", 40, 40), drawn([[ellipse]], "centre-evenodd", 40, 40))
