import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import points_in_poly

from segdata.formats.shapes.centre import fill_centres
from segdata.formats.shapes.flat import Flat
from segdata.formats.shapes.shape import Polygon
from tests.formats.shapes.drawings import drawn, rings, sizes

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
    np.testing.assert_array_equal(drawn([[polygon]], "centre-evenodd", *size)[0], inside(polygon, *size))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_scikit_image_agrees_away_from_edges(seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-5, 25, (7, 2))
    x, y = np.meshgrid(np.arange(20) + 0.5, np.arange(15) + 0.5)
    expected = points_in_poly(np.column_stack([x.ravel(), y.ravel()]), points).reshape(15, 20)
    np.testing.assert_array_equal(drawn([[Polygon(points)]], "centre-evenodd", 15, 20)[0], expected)


@settings(max_examples=40)
@given(rings(EXACT), sizes, st.data())
def test_pieces_that_share_edges_share_no_pixel(points: np.ndarray, size: tuple[int, int], data: st.DataObject) -> None:
    """A fan of triangles about any point covers each pixel as often as the ring does, modulo 2."""
    middle = data.draw(rings(EXACT))[:1]
    ahead = np.roll(points, -1, axis=0)
    fan = [[Polygon(np.concatenate([middle, [a], [b]]))] for a, b in zip(points, ahead, strict=True)]
    times = np.sum(drawn(fan, "centre-evenodd", *size), axis=0)
    np.testing.assert_array_equal(times % 2 == 1, drawn([[Polygon(points)]], "centre-evenodd", *size)[0])


def test_no_polygons_have_no_pixels() -> None:
    nothing = np.empty(0, np.int64)
    assert len(fill_centres(Flat.of([]), nothing, nothing)) == 0
