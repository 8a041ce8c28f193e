"""Flat ends of segments: against a count of pixels, and the same whichever way a picture is turned."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from segdata.measure.ends import SHORTEST
from segdata.measure.measure import measure
from segdata.testing.pictures import draw_picture

Ends = set[tuple[int, bool, int, int, bool]]
PICTURES = st_numpy.arrays(np.int64, (14, 18), elements=st.integers(0, 2), fill=st.just(1))


def ends_of(picture: NDArray[np.int64]) -> Ends:
    """Value, upright, at, length and begins of every flat end; 0 is unlabelled."""
    rows = ["".join(".abc"[value] for value in row) for row in picture.tolist()]
    table = measure(draw_picture("\n".join(rows)), frozenset({"ends"}), jobs=1).ends
    values = sorted(set(picture.ravel().tolist()) - {0})
    return {(values[row], *rest) for row, *rest in table.lines("segment", "upright", "at", "length", "begins")}


def counted(picture: NDArray[np.int64]) -> Ends:
    """The same, by counting the pixels of each column and row."""
    found = set()
    for value in sorted(set(picture.ravel().tolist()) - {0}):
        for upright in (True, False):
            pixels = np.pad((picture == value).sum(axis=0 if upright else 1), 5)
            for at in range(1, len(pixels) - 10):
                step = int(pixels[at + 5] - pixels[at + 4])
                around = abs(int(pixels[at + 8] - pixels[at + 1]))
                if abs(step) >= SHORTEST and abs(step) >= 0.75 * around:
                    found.add((value, upright, at, abs(step), step > 0))
    return found


@settings(max_examples=40)
@given(PICTURES)
def test_ends_are_those_that_counting_finds(picture: NDArray[np.int64]) -> None:
    assert ends_of(picture) == counted(picture)


@settings(max_examples=20)
@given(PICTURES)
def test_a_transposed_picture_has_the_same_ends(picture: NDArray[np.int64]) -> None:
    turned = {(value, not upright, *rest) for value, upright, *rest in ends_of(picture.T)}
    assert turned == ends_of(picture)


def test_a_disc_has_none_and_a_cut_disc_has_one() -> None:
    y, x = np.mgrid[:80, :80]
    disc = ((x - 40) ** 2 + (y - 40) ** 2 <= 35**2).astype(np.int64)
    assert ends_of(disc) == set()
    disc[:, 50:] = 0
    assert ends_of(disc) == {(1, True, 50, int(disc[:, 49].sum()), False)}
