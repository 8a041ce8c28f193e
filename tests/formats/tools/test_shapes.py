"""Polygons of annotation tools: read, written, and refused where they are broken."""

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.finding import Defect
from segdata.formats.shapes.geometry import Polygon, PolygonArrays, box, check_ring
from segdata.formats.tools.shapes import (
    Layout,
    ParsedPolygons,
    PolygonNotation,
    PolygonText,
    ToolShape,
    parse_polygons,
    split_bridged,
    take_polygons,
)

Json = Any  # Any: JSON
NUMBERS = st.one_of(st.integers(-50, 50), st.floats(-50, 50), st.sampled_from([1e9, -1e8]))
STRANGE = st.sampled_from([None, True, "7", [], {}, [[1, 2], [3]]])
RINGS = st.one_of(
    st.lists(st.lists(NUMBERS, min_size=2, max_size=2), max_size=6),
    st.lists(NUMBERS, max_size=9),
    st.lists(st.lists(st.one_of(NUMBERS, STRANGE), max_size=3), max_size=4),
    STRANGE,
)


def written(value: Json) -> ToolShape:
    return ToolShape("cat", PolygonText((json.dumps(value).encode(),), "the ring", "/points"), "/shapes/0")


def rings(parsed: ParsedPolygons) -> dict[int, Json]:
    points, ring = parsed.kept, parsed.drawn.ring
    return {
        row: points[ring[first] : ring[last]].tolist()
        for row, first, last in zip(
            parsed.owner.tolist(), parsed.drawn.polygon[:-1].tolist(), parsed.drawn.polygon[1:].tolist(), strict=True
        )
    }


@given(st.lists(RINGS, max_size=5))
def test_rings_are_parsed_at_once_as_one_by_one(values: list[Json]) -> None:
    """What is sound has the numbers that Python reads, and of each other one it is told what is wrong."""
    size = np.full((len(values), 2), 40, np.int64)
    parsed = parse_polygons([written(value) for value in values], size, PolygonNotation())
    wrong = [check_ring(value) for value in values]
    sound = {row: np.array(value, float).reshape(-1, 2).tolist() for row, value in enumerate(values) if not wrong[row]}
    assert rings(parsed) == sound
    said = {
        row: Defect("SEG006", f"the ring {each}; left out", place="/points") for row, each in enumerate(wrong) if each
    }
    assert parsed.broken == said


@given(st.lists(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=7), max_size=4))
def test_every_layout_holds_the_same_rings(points: list[list[tuple[int, int]]]) -> None:
    layouts: dict[Layout, list[Json]] = {
        "pairs": [[list(point) for point in ring] for ring in points],
        "flat": [[[number for point in ring for number in point]] for ring in points],
        "axes": [[[x for x, _ in ring], [y for _, y in ring]] for ring in points],
    }
    size = np.full((len(points), 2), 40, np.int64)
    for layout, values in layouts.items():
        parsed = parse_polygons([written(value) for value in values], size, PolygonNotation(layout))
        assert rings(parsed) == {row: [list(map(float, point)) for point in ring] for row, ring in enumerate(points)}


def test_marks_keep_their_order_among_boxes_and_what_is_broken() -> None:
    triangle = [[1, 1], [5, 1], [3, 4]]
    shapes = [written(triangle), ToolShape("cat", box(0, 0, 2, 2), "/1"), written([[1, 1]]), written(triangle)]
    parsed = parse_polygons(shapes, np.full((4, 2), 9, np.int64), PolygonNotation())
    assert parsed.owner.tolist() == [0, 1, 3]
    assert list(parsed.broken) == [2]
    assert rings(parsed)[1] == [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]


def test_numbers_that_are_too_large_in_pixels_alone_are_told() -> None:
    """Shares and percents are in range as they are written, and beyond it once they are scaled."""
    notation = PolygonNotation(
        placed=lambda flat, sides: (flat.points * sides, flat.points * sides),
        mend=lambda shape, size: shape.refusal("is far"),
    )
    shapes = [written([[1, 1], [2, 1], [1, 2]]), written([[1, 1], [9e6, 1], [1, 2]])]
    parsed = parse_polygons(shapes, np.full((2, 2), 1000, np.int64), notation)
    assert parsed.owner.tolist() == [0]
    assert parsed.broken[1].message == "the ring is far; left out"


RING = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=12)


@given(st.lists(RING, max_size=4))
def test_bridged_polygons_are_taken_apart_together_as_alone(points: list[list[tuple[int, int]]]) -> None:
    every = PolygonArrays.of([Polygon(np.array(ring, float)) for ring in points])
    together = split_bridged(every)
    for row in range(len(points)):
        alone = split_bridged(take_polygons(every, np.array([row])))
        assert (0 in alone) == (row in together)
        if row in together:
            assert together[row].as_lists() == alone[0].as_lists()
            assert len(together[row]) > 1


def test_a_ring_with_a_bridge_has_two_parts() -> None:
    ring = [[0, 0], [4, 0], [4, 4], [6, 4], [9, 4], [9, 9], [6, 9], [6, 4], [4, 4], [0, 4]]
    found = split_bridged(PolygonArrays.of([Polygon(np.array(ring, float)), box(0, 0, 3, 3)]))
    assert list(found) == [0]
    assert sorted(map(len, found[0].as_lists())) == [8, 8]
