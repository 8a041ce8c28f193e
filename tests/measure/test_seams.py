"""Seams: measured contacts against pixel edges counted one by one."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from segdata.core.runs import Ints
from segdata.measure.rows import segments
from segdata.measure.seams import SHORTEST, STRAIGHTEST, seams, siblings
from segdata.testing.pictures import draw_picture

Labels = NDArray[np.int64]
BLOCKS = arrays(np.int64, (3, 3), elements=st.integers(0, 3)).map(lambda small: np.kron(small, np.ones((7, 8), int)))


def text_of(labels: Labels, legend: str = "a, b, c: car") -> str:
    rows = ["".join(".abcd"[value] for value in row) for row in labels]
    return "\n".join(rows) + "\n\n" + legend


def measured(labels: Labels) -> pa.Table:
    present = [".abcd"[value] for value in np.unique(labels[labels > 0])]
    batch = draw_picture(text_of(labels, f"{', '.join(present)}: car" if present else "")).batch
    return seams(batch, segments(batch))


def contact(labels: Labels, a: int, b: int) -> NDArray[np.float64]:
    """The middles of the pixel edges between two labels, (n, 2) x and y."""
    found = []
    for (y, x), value in np.ndenumerate(labels):
        for dy, dx in ((0, 1), (1, 0)):
            if y + dy < labels.shape[0] and x + dx < labels.shape[1] and {value, labels[y + dy, x + dx]} == {a, b}:
                found.append((x + (1 + dx) / 2, y + (1 + dy) / 2))
    return np.array(found, float).reshape(-1, 2)


@settings(max_examples=30)
@given(BLOCKS)
def test_straight_contacts_are_those_whose_edges_lie_on_a_line(labels: Labels) -> None:
    """Blocks touch along upright and level lines: no gap and no bend is a seam, of as many pixels as edges."""
    values = np.unique(labels[labels > 0]).tolist()
    expected = {}
    for first, a in enumerate(values):
        for second, b in enumerate(values[first + 1 :], start=first + 1):
            edges = contact(labels, a, b)
            bent = len(edges) == 0 or (np.ptp(edges[:, 0]) > 0 and np.ptp(edges[:, 1]) > 0)
            if not bent and np.ptp(edges, axis=0).max() == len(edges) - 1:
                expected[first, second] = len(edges)
    found = {(row["a"], row["b"]): row["length"] for row in measured(labels).to_pylist() if row["deviation"] < 1e-6}
    assert found == {pair: float(length) for pair, length in expected.items()}


@settings(max_examples=30)
@given(BLOCKS)
def test_a_transposed_picture_has_the_same_seams(labels: Labels) -> None:
    names = ["a", "b", "length", "deviation", "flush", "waist", "astray"]
    assert measured(labels).select(names).to_pylist() == measured(labels.T).select(names).to_pylist()


@pytest.mark.parametrize("angle", [0.2, 0.5, 0.9, 1.3, 2.0, 2.8])
def test_a_disc_cut_at_any_angle_has_a_seam_that_both_halves_end_with(angle: float) -> None:
    y, x = np.mgrid[:61, :61] - 30
    beyond = x * math.cos(angle) + y * math.sin(angle) > 3
    (seam,) = measured(np.where(x * x + y * y < 28**2, 1 + beyond, 0)).to_pylist()
    assert seam["length"] == pytest.approx(2 * math.sqrt(28**2 - 3**2), abs=2)
    assert seam["deviation"] < 0.3
    assert seam["flush"] > 0.93
    assert seam["waist"] < 1
    assert seam["astray"] == 0


def test_two_discs_that_touch_widen_on_both_sides() -> None:
    y, x = np.mgrid[:41, :80]
    left = (x - 22) ** 2 + (y - 20) ** 2 < 18**2
    right = (x - 56) ** 2 + (y - 20) ** 2 < 18**2
    (seam,) = measured(np.where(left & (x < 39), 1, np.where(right & (x >= 39), 2, 0))).to_pylist()
    assert seam["waist"] > 1.3


def test_shorter_and_crooked_contacts_are_left_out() -> None:
    rows = pa.concat_tables([measured(labels) for labels in _crooked()])
    assert all(length >= SHORTEST for length in rows["length"].to_pylist())
    assert all(deviation <= STRAIGHTEST for deviation in rows["deviation"].to_pylist())


def _crooked() -> list[Labels]:
    """Pictures parted by a wave, and by a line of five pixels."""
    y, x = np.mgrid[:40, :40]
    return [1 + (x > 20 + 4 * np.sin(y / 4)), np.where(np.abs(y - 20) < 3, 1 + (x > 20), 0)]


@pytest.mark.parametrize("most", [0, 300])
@settings(max_examples=30)
@given(BLOCKS)
def test_siblings_are_those_whose_boxes_touch(most: int, labels: Labels) -> None:
    """Of groups that are too large to compare all are taken."""
    batch = draw_picture(text_of(labels, "")).batch if not (labels > 0).any() else draw_picture(_alike(labels)).batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segdata.measure.seams._MANY", most)
        found, begin, end = siblings(batch, segments(batch))
    assert (begin <= end).all()
    expected = _touching(labels) if most else np.arange(batch.n_segments * (batch.n_segments > 1))
    np.testing.assert_array_equal(found, expected)


def _alike(labels: Labels) -> str:
    return text_of(labels, f"{', '.join('.abcd'[value] for value in np.unique(labels[labels > 0]))}: car")


def _touching(labels: Labels) -> Ints:
    values = np.unique(labels[labels > 0]).tolist()
    boxes = [(where.min(axis=0), where.max(axis=0)) for where in (np.argwhere(labels == value) for value in values)]
    near = [
        i
        for i, (low, high) in enumerate(boxes)
        if any(j != i and (low <= end + 1).all() and (begin <= high + 1).all() for j, (begin, end) in enumerate(boxes))
    ]
    return np.array(near, np.int64)
