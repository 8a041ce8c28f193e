"""What tells a drawn part from one that the raster broke off, and an empty hole from a filled one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture

SEGMENTS = arrays.arrays(
    np.dtype("<U1"), st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from(".ab")
)
FOUR, EIGHT = ndimage.generate_binary_structure(2, 1), ndimage.generate_binary_structure(2, 2)


def text(pixels: np.ndarray) -> str:
    return "\n".join("".join(row) for row in pixels)


@given(SEGMENTS)
def test_cluster_is_the_area_of_the_8_connected_region(pixels: np.ndarray) -> None:
    tables = measure_source(draw_picture(text(pixels)), frozenset({"parts"}), jobs=1)
    expected = []
    for letter in sorted(set(pixels.ravel()) - {"."}):
        parts, n_parts = ndimage.label(pixels == letter, FOUR)
        clusters, _ = ndimage.label(pixels == letter, EIGHT)
        areas = np.bincount(clusters.ravel())
        if n_parts > 1:
            expected += [
                (int((parts == part).sum()), int(areas[clusters[parts == part][0]])) for part in range(1, n_parts + 1)
            ]
    assert sorted(zip(tables.parts["area"], tables.parts["cluster"], strict=True)) == sorted(expected)
    assert tables.parts["drawn"].all()


@given(SEGMENTS)
def test_a_hole_is_empty_where_all_of_it_is_unlabelled(pixels: np.ndarray) -> None:
    tables = measure_source(draw_picture(text(pixels)), frozenset({"holes"}), jobs=1)
    expected = []
    for letter in sorted(set(pixels.ravel()) - {"."}):
        outside = np.pad(pixels != letter, 1, constant_values=True)
        regions, n_regions = ndimage.label(outside, EIGHT)
        for region in set(range(1, n_regions + 1)) - {regions[0, 0]}:
            inside = (regions == region)[1:-1, 1:-1]
            expected.append((int(inside.sum()), bool((pixels[inside] == ".").all())))
    assert sorted(zip(tables.holes["area"], tables.holes["empty"], strict=True)) == sorted(expected)


def test_a_hole_is_empty_only_in_its_own_annotation() -> None:
    tables = measure_source(
        draw_picture("aaa\na.a\naaa\n\naaa\naba\naaa\n\naaa\na.a\naaa\n"), frozenset({"holes"}), jobs=1
    )
    assert tables.holes["empty"].tolist() == [True, False, True]


def test_rings_that_the_raster_keeps_whole_are_drawn() -> None:
    frame = "\n".join(["." * 12] * 8)
    dumbbell = "0 0 4 0 4 2.6 8 2.6 8 0 12 0 12 5 8 5 8 2.8 4 2.8 4 5 0 5"
    for rings, drawn_parts in ((dumbbell, 0), ("0 0 4 0 4 4 0 4 | 8 2 10 2 10 4 8 4", 2)):
        tables = measure_source(draw_picture(f"{frame}\n\na: car (polygon {rings})"), frozenset({"parts"}), jobs=1)
        assert len(tables.parts) > 1
        assert int(tables.parts["drawn"].sum()) == drawn_parts
