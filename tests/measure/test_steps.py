"""Stairs of outlines: against a comparison of neighbouring columns and rows, and of masks enlarged by any factor."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from segdata.measure.measure import measure
from segdata.testing.pictures import draw_picture

Mask = NDArray[np.bool_]
SMALL = st_numpy.arrays(np.bool_, st.tuples(st.integers(2, 7), st.integers(2, 7)))


def steps_of(mask: Mask) -> tuple[int, ...] | None:
    """Across, down, n_across and n_down; None where the segment is not listed."""
    rows = ["".join(".a"[int(value)] for value in row) for row in mask.tolist()]
    table = measure(draw_picture("\n".join(rows)), frozenset({"steps"}), jobs=1).steps
    return next(table.lines("across", "down", "n_across", "n_down"), None)


def compared(mask: Mask) -> tuple[int, ...] | None:
    """The same, by comparing every column and row with the one before."""
    found = []
    for side in (mask.T, mask):
        changes = np.flatnonzero((side[1:] != side[:-1]).any(axis=1)) + 1
        found.append((int(np.diff(changes).min(initial=99)) % 99, len(changes)))
    (across, n_across), (down, n_down) = found
    return (across, down, n_across, n_down) if across > 1 and down > 1 else None


@settings(max_examples=60)
@given(SMALL, st.integers(1, 3), st.integers(1, 3))
def test_steps_are_those_that_comparing_finds(small: Mask, wide: int, high: int) -> None:
    mask = small.repeat(high, axis=0).repeat(wide, axis=1)
    assert steps_of(mask) == compared(mask)


@settings(max_examples=20)
@given(st.floats(2, 4.5), st.integers(0, 2**32 - 1))
def test_an_enlarged_blob_is_all_stairs_and_a_drawn_one_is_not(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    radius = rng.uniform(8, 12)

    def disc(at: float, scale: float) -> Mask:
        y, x = np.mgrid[: int(30 * scale), : int(30 * scale)]
        inside: Mask = ((x - at * scale) ** 2 + (y - at * scale) ** 2) <= (radius * scale) ** 2
        return inside

    coarse = disc(15, 1)
    place = (np.arange(int(30 * factor)) / factor).astype(int)
    found = steps_of(coarse[place][:, place])
    assert found is not None
    assert found[0] >= int(factor)
    assert found[1] >= int(factor)
    assert min(found[2:]) >= 8
    assert steps_of(disc(15, factor)) is None
