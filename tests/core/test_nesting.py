"""Which ring lies inside which, against outlines, which know."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from segdata.core.polygons import Rings, enclosing_rings, trace_outlines
from segdata.testing.pictures import runs_of_masks

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=11))


@given(several=st.lists(masks, min_size=1, max_size=3), data=st.data())
def test_holes_are_found_in_rings_of_any_order_and_direction(several: list[np.ndarray], data: st.DataObject) -> None:
    rings = trace_outlines(runs_of_masks(several), np.array([mask.shape[0] for mask in several]))
    lists = [np.reshape(ring, (-1, 2)) for ring in rings.as_lists()]
    order = sorted(data.draw(st.permutations(list(range(len(rings))))), key=rings.owner.tolist().__getitem__)
    turns = data.draw(st.lists(st.sampled_from([1, -1]), min_size=len(order), max_size=len(order)))
    turned = [lists[k][::turn].ravel() for k, turn in zip(order, turns, strict=True)]
    offset = np.cumsum([0, *map(len, turned)])
    numbers = np.concatenate([np.empty(0, np.int64), *turned])
    mixed = Rings(numbers, offset, rings.owner[order], np.arange(len(order)))
    assert [order[k] for k in enclosing_rings(mixed).tolist()] == rings.outer[order].tolist()


def test_rings_in_rings_of_many_sizes() -> None:
    """Every second one is a hole of the one around it; another owner's rings in the same place are none of theirs."""
    squares = [[k, k, 500.0 - k, k, 500.0 - k, 500.0 - k, k, 500.0 - k] for k in range(0, 250, 2)]
    numbers = np.ravel([*squares, squares[3]])
    n = len(squares)
    rings = Rings(numbers, 8 * np.arange(n + 2), np.repeat([0, 1], [n, 1]).astype(np.int32), np.arange(n + 1))
    assert enclosing_rings(rings).tolist() == [*(np.arange(n) - np.arange(n) % 2).tolist(), n]


def test_no_rings() -> None:
    none = Rings(np.empty(0), np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))
    assert enclosing_rings(none).tolist() == []
