"""Rasterising polygons by the rule of each tool."""

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw
from skimage.measure import points_in_poly

from segdata.core.profile import RasterRule
from segdata.core.runs import Runs
from segdata.formats.shapes.geometry import (
    Bitmap,
    Ellipse,
    Polygon,
    PolygonArrays,
    box,
    crop_bitmaps,
    fill_bitmaps,
    fill_centres,
    rasterise,
)
from segdata.testing.pictures import Mask, masks_of_runs, runs_of_masks
from tests.formats.shapes.drawings import RULES, draw_masks, full_canvas, polygons, rings, sizes

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
    for polygon, mask in zip(shapes, draw_masks([[shape] for shape in shapes], rule, *size), strict=True):
        np.testing.assert_array_equal(mask, full_canvas(polygon, rule, *size))


@pytest.mark.parametrize("rule", LIBRARIES)
@settings(max_examples=40)
@given(st.lists(polygons(), max_size=4), sizes)
def test_a_segment_is_the_union_of_its_shapes(rule: RasterRule, shapes: list[Polygon], size: tuple[int, int]) -> None:
    whole = np.any([np.zeros(size, bool), *(full_canvas(shape, rule, *size) for shape in shapes)], axis=0)
    empty, mask = draw_masks([[], shapes], rule, *size)
    np.testing.assert_array_equal(mask, whole)
    assert not empty.any()


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=40)
@given(st.lists(st.tuples(st.lists(polygons(), max_size=2), sizes), max_size=4))
def test_images_do_not_touch_each_other(rule: RasterRule, images: list[tuple[list[Polygon], tuple[int, int]]]) -> None:
    height, width = (np.array([size[axis] for _, size in images], np.int64) for axis in (0, 1))
    together = rasterise([shapes for shapes, _ in images], rule, height, width).checked(height, width)
    for (shapes, size), mask in zip(images, masks_of_runs(together, height, width), strict=True):
        np.testing.assert_array_equal(mask, draw_masks([shapes], rule, *size)[0])


def test_polygons_bitmaps_and_ellipses_make_one_segment() -> None:
    mask = np.array([[True, False, True]])
    shapes = [Bitmap(7, 1, mask), box(0, 0, 2, 2), Ellipse(5.5, 5.5, 1.2, 1.2)]
    (found,) = draw_masks([shapes], "centre-evenodd", 8, 10)
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
    (nearest,) = draw_masks([[Polygon(points)]], "cv2", 40, 40, rounding="nearest")
    np.testing.assert_array_equal(nearest, full_canvas(Polygon(np.rint(points)), "cv2", 40, 40))


@pytest.mark.parametrize("rule", RULES)
def test_the_farthest_sound_coordinates_are_drawn(rule: RasterRule) -> None:
    far = 1e7
    around, beyond = box(-far, -far, far, far), box(far - 5, far - 5, far, far)
    slanted = ring((-far, -far), (far, far), (-far, far))  # half of the frame, cut along its diagonal
    whole, nothing, half = draw_masks([[around], [beyond], [slanted]], rule, 30, 40)
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


pictures = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9))
places = st.integers(-12, 12)


@given(st.lists(st.builds(Bitmap, places, places, pictures), max_size=5), st.integers(1, 9), st.integers(1, 9))
def test_a_bitmap_lies_where_it_says_and_ends_at_the_frame(bitmaps: list[Bitmap], height: int, width: int) -> None:
    high, wide = np.full(len(bitmaps), height), np.full(len(bitmaps), width)
    found = masks_of_runs(fill_bitmaps(bitmaps, high, wide).checked(high, wide), high, wide)
    for bitmap, mask in zip(bitmaps, found, strict=True):
        room = np.zeros((height + 48, width + 48), bool)
        rows, columns = bitmap.mask.shape
        room[bitmap.y + 24 : bitmap.y + 24 + rows, bitmap.x + 24 : bitmap.x + 24 + columns] = bitmap.mask
        np.testing.assert_array_equal(mask, room[24 : 24 + height, 24 : 24 + width])


@given(st.lists(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)), max_size=5))
def test_a_segment_is_cropped_to_its_box(masks: list[Mask]) -> None:
    height = np.array([len(mask) for mask in masks], np.int64)
    bitmaps = list(crop_bitmaps(runs_of_masks(masks), height, len(masks)))
    for bitmap, mask in zip(bitmaps, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows) == 0:
            assert bitmap.mask.size == 0
            continue
        assert (bitmap.x, bitmap.y) == (columns[0], rows[0])
        np.testing.assert_array_equal(bitmap.mask, mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def test_more_than_is_cropped_at_once() -> None:
    side = 2200  # squared, two of them are more than the 2^23 pixels that are cropped at once
    corners = [np.zeros((side, side), bool) for _ in range(3)]
    for row, mask in enumerate(corners):
        mask[0, 0] = mask[-1, -1] = mask[row, 5] = True
    bitmaps = [Bitmap(0, 0, mask) for mask in corners]
    size = np.full(3, side)
    runs = fill_bitmaps(bitmaps, size, size).checked(size, size)
    assert runs.areas(3).tolist() == [3, 3, 3]
    for bitmap, mask in zip(crop_bitmaps(runs, size, 3), corners, strict=True):
        np.testing.assert_array_equal(bitmap.mask, mask)


def test_no_bitmaps_have_no_pixels() -> None:
    nothing = np.empty(0, np.int64)
    assert len(fill_bitmaps([], nothing, nothing)) == 0
    assert list(crop_bitmaps(Runs.empty(), nothing, 0)) == []


EXACT = ("pixels", "few", "quarters", "far")


def inside(polygon: Polygon, height: int, width: int) -> np.ndarray:
    """Centre by centre and edge by edge, in whole numbers: eighths of a pixel."""
    edges = []
    for ring in polygon.rings:
        points = [(round(8 * x), round(8 * y)) for x, y in ring.tolist()]
        for a, b in zip(points, points[1:] + points[:1], strict=True):
            edges.append((*min(a, b), *max(a, b)))
    mask = np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            x, y = 8 * column + 4, 8 * row + 4
            above = [x0 <= x < x1 and (y - y0) * (x1 - x0) >= (y1 - y0) * (x - x0) for x0, y0, x1, y1 in edges]
            mask[row, column] = sum(above) % 2
    return mask


@settings(max_examples=40)
@given(rings(EXACT), st.lists(rings(EXACT), max_size=2), st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_a_pixel_is_inside_when_its_centre_is(
    exterior: np.ndarray, holes: list[np.ndarray], size: tuple[int, int]
) -> None:
    polygon = Polygon(exterior, tuple(holes))
    np.testing.assert_array_equal(draw_masks([[polygon]], "centre-evenodd", *size)[0], inside(polygon, *size))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_scikit_image_agrees_away_from_edges(seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-5, 25, (7, 2))
    x, y = np.meshgrid(np.arange(20) + 0.5, np.arange(15) + 0.5)
    expected = points_in_poly(np.column_stack([x.ravel(), y.ravel()]), points).reshape(15, 20)
    np.testing.assert_array_equal(draw_masks([[Polygon(points)]], "centre-evenodd", 15, 20)[0], expected)


@settings(max_examples=40)
@given(rings(EXACT), sizes, st.data())
def test_pieces_that_share_edges_share_no_pixel(points: np.ndarray, size: tuple[int, int], data: st.DataObject) -> None:
    """A fan of triangles about any point covers each pixel as often as the ring does, modulo 2."""
    middle = data.draw(rings(EXACT))[:1]
    ahead = np.roll(points, -1, axis=0)
    fan = [[Polygon(np.concatenate([middle, [a], [b]]))] for a, b in zip(points, ahead, strict=True)]
    times = np.sum(draw_masks(fan, "centre-evenodd", *size), axis=0)
    np.testing.assert_array_equal(times % 2 == 1, draw_masks([[Polygon(points)]], "centre-evenodd", *size)[0])


def test_no_polygons_have_no_pixels() -> None:
    nothing = np.empty(0, np.int64)
    assert len(fill_centres(PolygonArrays.of([]), nothing, nothing)) == 0


numbers = st.floats(-20, 70) | st.integers(-20, 70).map(float)
radii = st.floats(0, 40) | st.integers(0, 40).map(float)
degrees = st.floats(-400, 400) | st.sampled_from([0.0, 90.0, 45.0])


@given(numbers, numbers, radii, sizes)
def test_pillow_draws_circles(x: float, y: float, radius: float, size: tuple[int, int]) -> None:
    image = Image.new("L", size[::-1])
    ImageDraw.Draw(image).ellipse(((x - radius, y - radius), (x + radius, y + radius)), outline=1, fill=1)
    np.testing.assert_array_equal(draw_masks([[Ellipse(x, y, radius, radius)]], "pil", *size)[0], np.array(image) > 0)


@given(numbers, numbers, radii, radii, degrees, sizes)
def test_opencv_draws_ellipses(
    x: float, y: float, radius_x: float, radius_y: float, turn: float, size: tuple[int, int]
) -> None:
    canvas = np.zeros(size, np.uint8)
    axes = (round(radius_x), round(radius_y))
    cv2.ellipse(canvas, (round(x), round(y)), axes, turn, 0, 360, 255, thickness=-1)
    ellipse = Ellipse(x, y, radius_x, radius_y, turn)
    for mask in (*draw_masks([[ellipse]], "cv2", *size), *draw_masks([[ellipse]], "coco", *size)):
        np.testing.assert_array_equal(mask, canvas > 0)


@given(numbers, numbers, radii, radii, degrees, sizes)
def test_else_centres_decide(
    x: float, y: float, radius_x: float, radius_y: float, turn: float, size: tuple[int, int]
) -> None:
    """A point is inside when its distances from the two foci sum up to less than the long axis."""
    (mask,) = draw_masks([[Ellipse(x, y, radius_x, radius_y, turn)]], "centre-evenodd", *size)
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
    np.testing.assert_array_equal(
        draw_masks([[ellipse]], "pil", 40, 40), draw_masks([[ellipse]], "centre-evenodd", 40, 40)
    )
