"""Coordinates in JSON against Python's own reader."""

import json
import math
from decimal import Decimal
from itertools import pairwise
from types import ModuleType

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

digits = st.integers(0, 10**20).map(str)
numbers = st.one_of(
    st.integers(-99999, 99999).map(lambda hundredths: str(hundredths / 100)),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "-"]),
        digits,
        st.just("") | digits.map(".{}".format) | digits.map(".00{}".format),
        st.just("") | st.integers(-330, 330).map("e{}".format) | st.integers(0, 25).map("E+{}".format),
    ),
)
space = st.text(" \t\r\n", max_size=2)
scribble = st.text('[],.eE+-0123456789 NaIfinty"', max_size=14)


@st.composite
def polygons(draw: st.DrawFn) -> tuple[str, list[list[float]]]:
    """A polygon as text, and its numbers as Python reads them."""
    rings = draw(st.lists(st.lists(numbers, max_size=5), max_size=3))
    text = "[" + ",".join("[" + ",".join(draw(space) + one + draw(space) for one in ring) + "]" for ring in rings) + "]"
    return text, [[float(one) for one in ring] for ring in rings]


def parse(kernels: ModuleType, texts: list[str]) -> list[tuple[list[list[float]], int]]:
    """Parse texts that lie in one file, and take the result apart."""
    parts = [text.encode("latin-1") for text in texts]
    last = np.cumsum([len(part) + 1 for part in parts], dtype=np.int64)
    first = last - np.array([len(part) + 1 for part in parts], np.int64)
    xy, ring, segment, error = kernels.parse_rings(b":".join(parts), first, last - 1)
    assert (xy.dtype, ring.dtype, segment.dtype, error.dtype) == (np.float64, np.int64, np.int64, np.uint8)
    assert (ring[0], ring[-1], segment[0], segment[-1]) == (0, len(xy), 0, len(ring) - 1)
    rings = [xy[i:j].tolist() for i, j in pairwise(ring)]
    return [(rings[i:j], int(wrong)) for i, j, wrong in zip(segment[:-1], segment[1:], error, strict=True)]


@given(st.lists(polygons(), max_size=4))
def test_numbers_are_those_of_python(kernels: ModuleType, drawn: list[tuple[str, list[list[float]]]]) -> None:
    found = parse(kernels, [text for text, _ in drawn])
    # repr tells -0.0 from 0.0, and every double from its neighbours.
    assert repr(found) == repr([(rings, 0) for _, rings in drawn])


@example(text="[[-0]]")
@given(st.one_of(scribble, scribble.map("[[{}]]".format), scribble.map("[[1,{},2]]".format)))
def test_what_is_no_polygon_is_refused(kernels: ModuleType, text: str) -> None:
    """Its neighbours in the file are read all the same."""
    constants: list[str] = []
    try:
        value = json.loads(text, parse_int=float, parse_constant=lambda name: constants.append(name) or 0.0)
    except ValueError:
        value = None
    fine = isinstance(value, list) and all(
        isinstance(ring, list) and all(type(number) in (int, float) for number in ring) for ring in value
    )
    rings = [[float(number) for number in ring] for ring in value] if fine and not constants else []
    wanted = rings, 0 if fine and not constants else 2 if fine else 1
    assert repr(parse(kernels, ["[[1]]", text, "[[2]]"])) == repr([([[1.0]], 0), wanted, ([[2.0]], 0)])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        *((text, 1) for text in ["", "[", "[]]", "[[1]", "[[1],]", "[[1,]]", "[[,1]]", "[1,2]", "[[1]] x", "[[[1]]]"]),
        *((text, 1) for text in ["[[01]]", "[[1.]]", "[[.5]]", "[[+1]]", "[[1e]]", "[[1e+]]", "[[--1]]", "[[0x1]]"]),
        *((text, 1) for text in ['[["1"]]', "[[null]]", "[[true]]", "[{}]", "{}", "[[-NaN]]", "[[NaN, x]]", "[[nan]]"]),
        *((text, 1) for text in ["[[\xa01]]", "\xef\xbb\xbf[[1]]", "[[1\x002]]", "[" * 2000, "[[1 2]]", "[[1]\x0b]"]),
        *((text, 2) for text in ["[[NaN]]", "[[1, Infinity]]", "[[-Infinity], [3]]"]),
    ],
)
def test_errors(kernels: ModuleType, text: str, error: int) -> None:
    assert parse(kernels, [text, "[[5]]"]) == [([], error), ([[5.0]], 0)]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e-999", "0e99999999999", "9" * 5000, "0." + "0" * 400 + "1"])
def test_extreme_numbers(kernels: ModuleType, number: str) -> None:
    assert parse(kernels, [f"[[{number}]]"]) == [([[float(number)]], 0)]


def test_numbers_between_two_doubles(kernels: ModuleType) -> None:
    """Up to 19 digits of what lies in the middle of two neighbouring doubles, where rounding is hardest."""
    below = np.random.default_rng(0).uniform(0, 1000, 2000)
    middle = [(Decimal(one) + Decimal(other)) / 2 for one, other in zip(below, np.nextafter(below, 1e9), strict=True)]
    texts = [f"{number:.{digits}g}" for number in middle for digits in (16, 17, 18, 19)]
    assert parse(kernels, [f"[[{','.join(texts)}]]"]) == [([list(map(float, texts))], 0)]


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (0, 6), (4, 2)])
def test_places_outside_the_text_are_refused(kernels: ModuleType, first: int, last: int) -> None:
    assert kernels.parse_rings(b"[[1]]", np.array([first]), np.array([last]))[3].tolist() == [1]


def test_no_polygons(kernels: ModuleType) -> None:
    none = np.zeros(0, np.int64)
    assert [column.tolist() for column in kernels.parse_rings(b"", none, none)] == [[], [0], [0], []]
    assert parse(kernels, ["[]", "[[]]"]) == [([], 0), ([[]], 0)]


def test_any_bytes_can_be_read(kernels: ModuleType) -> None:
    zero, five = np.array([0]), np.array([5])
    for text in (b"[[1]]", bytearray(b"[[1]]"), memoryview(b"[[1]]"), np.frombuffer(b"[[1]]", np.uint8)):
        assert kernels.parse_rings(text, zero, five)[0].tolist() == [1.0]


@given(st.lists(st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.5, 10.0, -11.0, float("nan"), float("inf")]), max_size=10)))
def test_flawed_rings_are_those_without_an_inside(kernels: ModuleType, rings: list[list[float]]) -> None:
    xy, ring = np.array([number for each in rings for number in each]), np.cumsum([0, *map(len, rings)])
    expected = [
        len(each) % 2 == 1
        or len(each) < 6
        or not all(abs(number) <= 10 for number in each)
        or len(set(each[0::2])) == 1
        or len(set(each[1::2])) == 1
        for each in rings
    ]
    assert kernels.flawed_rings(xy, ring, 10.0).tolist() == expected


@given(st.lists(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=9), max_size=3), max_size=4), st.integers(0, 2))
def test_rings_are_as_long_as_their_edges(kernels: ModuleType, segments: list[list[list[float]]], before: int) -> None:
    """Summed edge by edge; rings before the first segment count for none, nor does half a point."""
    rings = [[5.0, 5.0, 9.0, 9.0]] * before + [ring for segment in segments for ring in segment]
    xy = np.array([number for ring in rings for number in ring], float)
    ring = np.cumsum([0, *map(len, rings)])
    segment = before + np.cumsum([0, *map(len, segments)])
    expected = []
    for own in segments:
        length = 0.0
        for points in ([*zip(one[::2], one[1::2], strict=False)] for one in own):
            for (x, y), (to_x, to_y) in zip(points, points[1:] + points[:1], strict=True):
                length += math.sqrt((to_x - x) ** 2 + (to_y - y) ** 2)
        expected.append(length)
    lengths = kernels.ring_lengths(xy, ring, segment)
    np.testing.assert_allclose(lengths, expected, rtol=1e-14)  # a compiler may fuse a * a + b * b


@given(
    st.lists(st.lists(st.lists(st.floats(-9, 9) | st.just(math.nan), max_size=7), max_size=3), max_size=4),
    st.integers(0, 2),
)
def test_boxes_are_those_of_whole_points(kernels: ModuleType, segments: list[list[list[float]]], before: int) -> None:
    """A coordinate that is no number leaves no box, nor do segments without points."""
    rings = [[5.0, 5.0, 9.0, 9.0]] * before + [ring for segment in segments for ring in segment]
    xy = np.array([number for ring in rings for number in ring], float)
    segment = before + np.cumsum([0, *map(len, segments)])
    boxes = kernels.ring_boxes(xy, np.cumsum([0, *map(len, rings)]), segment)
    for own, box in zip(segments, boxes.T.tolist(), strict=True):
        x, y = ([number for ring in own for number in ring[k : len(ring) // 2 * 2 : 2]] for k in range(2))
        if not x or any(map(math.isnan, x + y)):
            assert np.isnan(box).all()
        else:
            assert box == [min(x), min(y), max(x), max(y)]


def test_rings_that_are_not_there_have_no_length(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match="do not cut"):
        kernels.ring_lengths(np.zeros(4), np.array([0, 8]), np.array([0, 1]))
    with pytest.raises(ValueError, match="do not cut"):
        kernels.ring_lengths(np.zeros(8), np.array([0, 8]), np.array([0, 2]))


@given(
    st.lists(
        st.lists(st.one_of(st.integers(-4, 4).map(float), st.floats(-5, 5), st.just(math.nan)), max_size=14), max_size=4
    ),
    st.sampled_from([0.0, 0.05, 1.0]),
)
def test_convex_rings_turn_to_one_side(kernels: ModuleType, rings: list[list[float]], shallow: float) -> None:
    """Point by point, from both ends: a ring and its reverse are alike, and each ring is judged by itself."""
    xy, ring = np.array([number for one in rings for number in one], float), np.cumsum([0, *map(len, rings)])
    expected = []
    for one in rings:
        points = list(zip(one[::2], one[1::2], strict=False))
        sides = set()
        for (ax, ay), (bx, by), (cx, cy) in zip(
            points[-1:] + points[:-1], points, points[1:] + points[:1], strict=True
        ):
            cross = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            least = shallow * math.sqrt((cx - ax) ** 2 + (cy - ay) ** 2)
            sides |= {side for side in (-1, 1) if not side * cross <= least}
        expected.append(len(one) > 0 and len(one) % 2 == 0 and len(sides) < 2)
    assert kernels.convex_rings(xy, ring, shallow).tolist() == expected


@given(
    st.lists(st.tuples(st.floats(1, 39), st.floats(1, 11)), min_size=3, max_size=12),
    st.integers(0, 11),
    st.booleans(),
    st.sampled_from([0.0, 0.02, 0.2]),
)
def test_hulls_are_convex_and_hulls_with_a_dent_are_not(
    kernels: ModuleType, points: list[tuple[float, float]], edge: int, turned: bool, dent: float
) -> None:
    """Whichever way they go around; dents as shallow as coordinates are rounded do not count."""
    hull = cv2.convexHull(np.array(points, np.float32)).reshape(-1, 2).astype(float)
    sides = np.linalg.norm(np.roll(hull, -1, 0) - hull, axis=1)
    if len(hull) < 3 or cv2.contourArea(hull.astype(np.float32)) < 1 or sides.min() < 0.5:
        return
    edge %= len(hull)
    a, b = hull[edge], hull[(edge + 1) % len(hull)]
    across = np.array([a[1] - b[1], b[0] - a[0]]) / np.linalg.norm(b - a)
    within = (a + b) / 2 + dent * np.sign(across @ (hull.mean(0) - a)) * across
    ring = np.insert(hull, edge + 1, within, axis=0) if dent else hull
    if turned:
        ring = ring[::-1]
    xy = np.ascontiguousarray(ring).reshape(-1)
    assert kernels.convex_rings(xy, np.array([0, len(xy)]), 0.05).tolist() == [dent < 0.1]
