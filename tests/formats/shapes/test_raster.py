import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segdata.core.profile import RasterRule
from segdata.core.runs import Runs
from segdata.formats.shapes.raster import rasterise
from segdata.formats.shapes.shape import Bitmap, Ellipse, Polygon, box
from segdata.testing.pictures import masks_of_runs
from tests.formats.shapes.drawings import RULES, drawn, full_canvas, polygons, rings, sizes

LIBRARIES: tuple[RasterRule, ...] = ("coco", "pil", "cv2")


def ring(*points: tuple[float, float]) -> Polygon:
    return Polygon(np.array(points, np.float64))


# Pillow draws this one differently when it lies elsewhere: single precision rounds other halves.
SIDEWAYS = np.array([[2678.0, 28], [2688, 6], [2689, 59], [2679, 54], [2678, 52], [2691, 8]])


@pytest.mark.parametrize("rule", LIBRARIES)
@settings(max_examples=40)
@given(st.lists(polygons(), max_size=3), sizes)
@example([Polygon(SIDEWAYS)], (64, 2741))
def test_a_polygon_is_what_its_library_draws_on_a_whole_canvas(
    rule: RasterRule, shapes: list[Polygon], size: tuple[int, int]
) -> None:
    for polygon, mask in zip(shapes, drawn([[shape] for shape in shapes], rule, *size), strict=True):
        np.testing.assert_array_equal(mask, full_canvas(polygon, rule, *size))


@pytest.mark.parametrize("rule", LIBRARIES)
@settings(max_examples=40)
@given(st.lists(polygons(), max_size=4), sizes)
def test_a_segment_is_the_union_of_its_shapes(rule: RasterRule, shapes: list[Polygon], size: tuple[int, int]) -> None:
    whole = np.any([np.zeros(size, bool), *(full_canvas(shape, rule, *size) for shape in shapes)], axis=0)
    empty, mask = drawn([[], shapes], rule, *size)
    np.testing.assert_array_equal(mask, whole)
    assert not empty.any()


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=40)
@given(st.lists(st.tuples(st.lists(polygons(), max_size=2), sizes), max_size=4))
def test_images_do_not_touch_each_other(rule: RasterRule, images: list[tuple[list[Polygon], tuple[int, int]]]) -> None:
    height, width = (np.array([size[axis] for _, size in images], np.int64) for axis in (0, 1))
    together = rasterise([shapes for shapes, _ in images], rule, height, width).checked(height, width)
    for (shapes, size), mask in zip(images, masks_of_runs(together, height, width), strict=True):
        np.testing.assert_array_equal(mask, drawn([shapes], rule, *size)[0])


def test_polygons_bitmaps_and_ellipses_make_one_segment() -> None:
    mask = np.array([[True, False, True]])
    shapes = [Bitmap(7, 1, mask), box(0, 0, 2, 2), Ellipse(5.5, 5.5, 1.2, 1.2)]
    (found,) = drawn([shapes], "centre-evenodd", 8, 10)
    expected = np.zeros((8, 10), bool)
    expected[1, [7, 9]] = True
    expected[:2, :2] = True
    expected[5, 4:7] = expected[4:7, 5] = True
    np.testing.assert_array_equal(found, expected)


KEYHOLE = ring(
    (10, 10), (60, 10), (60, 60), (10, 60), (10, 10), (25, 25), (25, 45), (45, 45), (45, 25), (25, 25)
)  # fmt: skip
CORNER = np.linspace(0, 2 * np.pi, 64, endpoint=False)
CIRCLE = Polygon(np.column_stack([40 + 20 * np.cos(CORNER), 40 + 20 * np.sin(CORNER)]))
SQUARE = box(10, 10, 60, 60).exterior


@pytest.mark.parametrize(
    ("shape", "coco", "pil", "cv2"),
    [
        pytest.param(box(10, 10, 60, 60), 2500, 2601, 2601, id="a square"),
        pytest.param(box(2, 3, 6, 5), 8, 15, 15, id="a small rectangle"),
        pytest.param(box(2.5, 3.5, 6.5, 5.5), 8, 15, 15, id="a rectangle between pixels"),
        pytest.param(CIRCLE, 1252, 1294, 1310, id="a circle of 64 corners"),
        pytest.param(ring((10, 10), (60, 60), (35, 35)), 0, 51, 51, id="a line"),
        pytest.param(ring((10, 10), (60, 60), (60, 10), (10, 60)), 1250, 1351, 1351, id="a bow-tie"),
        pytest.param(KEYHOLE, 2100, 2240, 2240, id="a keyhole"),
        pytest.param(Polygon(np.tile(SQUARE, (2, 1))), 0, 200, 200, id="a square traced twice"),
    ],
)
def test_known_areas(shape: Polygon, coco: int, pil: int, cv2: int) -> None:
    """Pixels on a canvas of 80 x 80, as pycocotools, Pillow and OpenCV were seen to draw them."""
    areas = {rule: int(rasterise([[shape]], rule, 80, 80).areas(1)[0]) for rule in LIBRARIES}
    assert areas == {"coco": coco, "pil": pil, "cv2": cv2}


@settings(max_examples=40)
@given(rings())
def test_opencv_rounds_where_it_is_asked_to(points: np.ndarray) -> None:
    (nearest,) = drawn([[Polygon(points)]], "cv2", 40, 40, rounding="nearest")
    np.testing.assert_array_equal(nearest, full_canvas(Polygon(np.rint(points)), "cv2", 40, 40))


@pytest.mark.parametrize("rule", RULES)
def test_the_farthest_sound_coordinates_are_drawn(rule: RasterRule) -> None:
    far = 1e7
    around, beyond = box(-far, -far, far, far), box(far - 5, far - 5, far, far)
    slanted = ring((-far, -far), (far, far), (-far, far))  # half of the frame, cut along its diagonal
    whole, nothing, half = drawn([[around], [beyond], [slanted]], rule, 30, 40)
    assert whole.all()
    assert not nothing.any()
    assert half[29, 0]
    assert not half[0, 39]


@pytest.mark.parametrize("rule", RULES)
def test_nothing_gives_nothing(rule: RasterRule) -> None:
    assert len(rasterise([], rule, 10, 10)) == 0
    assert rasterise([[], []], rule, 10, 10).areas(2).tolist() == [0, 0]
    assert len(rasterise([[box(0, 0, 5, 5)]], rule, 0, 0)) == 0


def test_masks_have_no_rule_for_polygons() -> None:
    with pytest.raises(ValueError, match="mask-native"):
        rasterise([[box(0, 0, 5, 5)]], "mask-native", 10, 10)


def test_runs_are_those_of_a_batch() -> None:
    runs = rasterise([[box(1, 1, 3, 3)], [box(0, 0, 1, 2)]], "coco", 4, 4)
    expected = Runs(np.array([5, 9, 0]), np.array([2, 2, 2]), np.array([0, 0, 1], np.int32))
    np.testing.assert_equal([runs.start, runs.length, runs.owner], [expected.start, expected.length, expected.owner])
