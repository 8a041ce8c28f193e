import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.formats.shapes.bridge import Points, bridged

places = st.integers(0, 12)
one_ring = st.lists(st.tuples(places, places), min_size=1, max_size=6).map(lambda points: np.array(points, np.int32))
on_a_line = st.lists(places, min_size=1, max_size=4).map(lambda x: np.column_stack([x, x]).astype(np.int32))


def edges(ring: Points) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    points = [tuple(point) for point in ring.tolist()]
    return [(a, b) for a, b in zip(points, points[1:] + points[:1], strict=True) if a != b]


def shortest(rings: list[Points]) -> float:
    """The length of the shortest tree over all rings, by Prim's algorithm over all pairs of points."""
    joined, left, length = [rings[0]], list(rings[1:]), 0.0
    while left:
        gaps = [min(float(np.hypot(*(a[:, None] - b[None]).T.astype(float)).min()) for a in joined) for b in left]
        nearest = int(np.argmin(gaps))
        length += gaps[nearest]
        joined.append(left.pop(nearest))
    return length


@given(st.lists(one_ring, min_size=1, max_size=6) | st.lists(on_a_line, min_size=1, max_size=6))
def test_the_ring_is_all_rings_and_the_shortest_bridges_there_and_back(rings: list[Points]) -> None:
    left = edges(bridged(rings))
    for ring in rings:
        for edge in edges(ring):
            left.remove(edge)
    bridges = sorted(left)
    assert bridges == sorted((b, a) for a, b in bridges)
    length = sum(np.hypot(b[0] - a[0], b[1] - a[1]) for a, b in bridges) / 2
    np.testing.assert_allclose(length, shortest(rings))


@given(arrays(np.int32, (300, 2), elements=st.integers(0, 4000)))
def test_hundreds_of_single_points_are_joined(points: Points) -> None:
    ring = bridged(list(points[:, None]))
    assert {tuple(point) for point in ring.tolist()} == {tuple(point) for point in points.tolist()}
    assert len(ring) == 3 * 300 - 2
