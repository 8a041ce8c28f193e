"""Measured outlines: crossings of rings that have bridges."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segdata.core import kernels
from segdata.core.format import ReadRequest
from segdata.core.polygons import SourceRings
from segdata.formats.coco import instances
from segdata.measure.registry import BatchView
from segdata.measure.tables import outlines
from segdata.measure.tables.outlines import measure_outlines
from tests.generators.coco_documents import annotation, document, load_all, write_document

SQUARE = [[1, 1], [9, 1], [9, 9], [1, 9]]
BOW = [[20, 1], [29, 9], [29, 1], [20, 9]]
HOLE = [[3, 3], [3, 6], [5, 6], [5, 3]]


def measured(folder: Path, *rings: list[list[float]]) -> dict[str, Any]:
    """The columns of one segment with these rings."""
    segmentation = [np.ravel(ring).tolist() for ring in rings]
    images = [{"id": 1, "file_name": "a.png", "height": 12, "width": 40}]
    path = write_document(folder, document(images=images, annotations=[annotation(segmentation=segmentation)]))
    source = instances.read(ReadRequest(path))
    return measure_outlines(BatchView(load_all(source)[0], source.profile)).to_pylist()[0]


def bridged(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    """Around a, over to b and around it, and back."""
    return [*a, a[0], *b, b[0]]


@pytest.mark.parametrize("turn", [1, -1])
def test_bridges_may_cross_what_they_like(tmp_path: Path, turn: int) -> None:
    """The bridge from the far corner of a hole crosses the hole."""
    ring = bridged(SQUARE, [HOLE[2], *(HOLE[3:] + HOLE[:2])[::turn]])
    assert kernels.crossings(np.ravel(ring).astype(float), np.array([0, 2 * len(ring)]))[0] == [2]
    row = measured(tmp_path, ring)
    assert (row["crossings"], np.isnan(row["cross_x"]), np.isnan(row["cross_y"])) == (0, True, True)


def test_what_crosses_itself_beside_bridges_is_found(tmp_path: Path) -> None:
    """The bow; the bridge to it crosses two edges, both ways, which do not count."""
    row = measured(tmp_path, HOLE, bridged(SQUARE, BOW), SQUARE)
    assert (row["crossings"], row["cross_x"], row["cross_y"]) == (1, 24.5, 5)


def test_an_island_in_a_hole_is_no_hole(tmp_path: Path) -> None:
    """The union fills the hole; the ring within it would be inside by the even-odd rule too."""
    island = [[3.5, 3.5], [3.5, 5], [4.5, 5], [4.5, 3.5]]
    row = measured(tmp_path, SQUARE, HOLE, island)
    assert (row["filled"], row["filled_pixels"], row["filled_x"], row["filled_y"]) == (1, 6, 3, 3)


@pytest.mark.parametrize("turn", [0, 1, 3])
def test_rings_that_are_there_twice(tmp_path: Path, turn: int) -> None:
    """Wherever they begin, and in either direction; a ring of the same box is another one. OpenCV fills by even-odd."""
    again = [*SQUARE[turn:], *SQUARE[:turn]]
    diamond = [[5, 1], [9, 5], [5, 9], [1, 5]]
    assert measured(tmp_path, SQUARE, BOW, again)["repeated"] == 1
    assert measured(tmp_path, SQUARE, again[::-1], again)["repeated"] == 2
    assert measured(tmp_path, SQUARE, BOW, diamond)["repeated"] == measured(tmp_path, SQUARE)["repeated"] == 0
    drawing = np.zeros((12, 12), np.uint8)
    cv2.fillPoly(drawing, [np.array(SQUARE), np.array(again)], 1)
    assert drawing[2:9, 2:9].sum() == 0


def test_points_that_are_there_twice(tmp_path: Path) -> None:
    """All of a ring; a few points that are there twice are left alone."""
    stuttering = np.repeat(SQUARE, 2, axis=0).tolist()
    assert measured(tmp_path, stuttering, BOW, np.repeat(HOLE, 2, axis=0).tolist())["stuttering"] == 2
    rest = [
        stuttering[:-1],
        [*stuttering[:6], [2, 9], [1, 9]],
        SQUARE,
        [*SQUARE, SQUARE[0]],
        np.repeat(SQUARE, 3, 0).tolist(),
    ]
    assert [measured(tmp_path, ring)["stuttering"] for ring in rest] == [0] * 5


def test_the_length_of_all_rings_and_how_skew_a_quadrilateral_is(tmp_path: Path) -> None:
    row = measured(tmp_path, SQUARE, [[20, 1], [23, 5], [20, 5]])
    assert row["around"] == pytest.approx(32 + 12)
    assert np.isnan(row["skew"])  # two rings
    assert measured(tmp_path, SQUARE)["skew"] == 0
    assert measured(tmp_path, [[1, 1], [5, 2], [8, 9], [4, 8]])["skew"] == pytest.approx(0)
    kite = [[0, 5], [2, 0], [12, 5], [2, 10]]
    assert measured(tmp_path, kite)["skew"] == pytest.approx(4 / 12)


@given(
    st.lists(
        st.lists(
            st.lists(st.tuples(st.integers(-40, 100), st.integers(-30, 60)), min_size=1, max_size=5),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=3,
    )
)
@example([[[(0, -20), (36, -20), (36, 18), (0, 18)], [(6, -29), (30, -29), (30, 12), (6, 12)]]])  # nest in the frame
@example([[[(0, 0), (36, 0), (36, 24), (0, 24)], [(6, 6), (12, 6), (50, 10), (12, 7), (12, 15)]]])  # a thin spike
def test_rings_that_nest_are_found_whatever_is_left_out_before(drawn: list[list[list[tuple[int, int]]]]) -> None:
    """Boxes of vertices only leave out rings; those of pixels decide."""
    rings = SourceRings(
        np.arange(len(drawn)),
        np.cumsum([0, *map(len, drawn)]),
        np.cumsum([0, *(2 * len(ring) for segment in drawn for ring in segment)]),
        np.array([number for segment in drawn for ring in segment for point in ring for number in point]) / 3,
    )
    size = np.full(len(drawn), 12), np.full(len(drawn), 20)
    found = outlines._segments_with_nested_rings(rings, *size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outlines, "_have_rings_that_meet", lambda few: np.ones(len(few.segment), bool))
        assert found.tolist() == outlines._segments_with_nested_rings(rings, *size).tolist()
