"""Boxes as fractions give back their pixels, whoever reads them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.report.fiftyone.media_files import relative_boxes


@st.composite
def boxes(draw: st.DrawFn) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """A box, and the size of an image that holds it."""
    width, height = draw(st.integers(1, 20_000)), draw(st.integers(1, 20_000))
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return (x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y))), (width, height)


def fractions(box: tuple[int, int, int, int], size: tuple[int, int]) -> list[float]:
    return relative_boxes(*(np.array([side], np.int64) for side in box), *size)[0].tolist()  # type: ignore[arg-type]


@given(boxes())
def test_rounding_gives_the_box_back(drawn: tuple[tuple[int, int, int, int], tuple[int, int]]) -> None:
    box, (width, height) = drawn
    left, top, wide, high = fractions(box, (width, height))
    assert (round(left * width), round(top * height), round(wide * width), round(high * height)) == box


@given(boxes())
def test_cutting_off_gives_the_corners_back(drawn: tuple[tuple[int, int, int, int], tuple[int, int]]) -> None:
    """FiftyOne's own code takes the integer part of both corners."""
    (x, y, wide, high), (width, height) = drawn
    left, top, w, h = fractions((x, y, wide, high), (width, height))
    assert (int(left * width), int(top * height)) == (x, y)
    assert (int((left + w) * width), int((top + h) * height)) == (x + wide, y + high)


def test_the_plain_quotient_would_move_a_box() -> None:
    assert int(29 / 100 * 100) == 28
    assert int(fractions((29, 0, 1, 1), (100, 1))[0] * 100) == 29
