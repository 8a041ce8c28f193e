"""Lines in pieces: found in any direction, and only where at least three lie behind each other."""

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture

Picture = NDArray[np.uint8]


def dashed(angle: float, n_pieces: int, gap: float = 6, length: float = 14) -> Picture:
    """Pieces of a line through the middle of a picture, at an angle in degrees."""
    picture = np.zeros((160, 160), np.uint8)
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    first = -(n_pieces * length + (n_pieces - 1) * gap) / 2
    for number in range(n_pieces):
        begin = 80 + direction * (first + number * (length + gap))
        end = begin + direction * length
        cv2.line(picture, begin.round().astype(int).tolist(), end.round().astype(int).tolist(), 1, 2)
    return picture


def found_in(picture: Picture, words: str = "thin") -> list[tuple[int, int]]:
    """Pieces and between of each segment listed."""
    rows = ["".join(".a"[int(value)] for value in row) for row in picture.tolist()]
    text = "\n".join(rows) + f"\n\ncategory: pole ({words})\na: pole"
    return list(measure_source(draw_picture(text), frozenset({"dashes"}), jobs=1).dashes.lines("pieces", "between"))


@settings(max_examples=25)
@given(st.floats(0, 180), st.integers(3, 5))
@example(91.5, 4)  # of which some are drawn upright, some not quite: their directions are opposites
def test_pieces_are_in_line_whatever_their_direction(angle: float, n_pieces: int) -> None:
    assert found_in(dashed(angle, n_pieces, length=24)) == [(n_pieces, n_pieces - 2)]  # shorter ones end too crookedly


@settings(max_examples=15)
@given(st.floats(0, 180))
def test_two_pieces_are_a_line_that_is_hidden_somewhere(angle: float) -> None:
    assert found_in(dashed(angle, 2)) == []


@pytest.mark.parametrize("turns", range(4))
def test_a_turned_picture_has_the_same_box(turns: int) -> None:
    picture = np.rot90(dashed(20, 4), turns)
    rows = ["".join(".a"[int(value)] for value in row) for row in picture.tolist()]
    table = measure_source(
        draw_picture("\n".join(rows) + "\n\ncategory: p (thin)\na: p"), frozenset({"dashes"}), jobs=1
    ).dashes
    y, x = np.nonzero(picture)
    box = (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)
    assert [tuple(line) for line in table.lines("x", "y", "width", "height")] == [tuple(int(each) for each in box)]


def test_categories_that_are_not_thin_are_not_looked_at() -> None:
    assert found_in(dashed(0, 4), "thing") == []


def test_pieces_far_apart_are_lines_of_their_own() -> None:
    assert found_in(dashed(0, 3, gap=30)) == []
