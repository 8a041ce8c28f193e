"""Packed brush strokes against a reader of bits as text."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

SIZES = [3, 4, 8, 16]
records = st.lists(
    st.tuples(st.booleans(), st.integers(0, 3), st.lists(st.integers(0, 255), min_size=1, max_size=8)), max_size=12
)


def packed(strokes: list[tuple[bool, int, list[int]]], first: int) -> tuple[np.ndarray, list[int]]:
    """The stream of some records, `first` bits of nothing before them, and the values that it holds."""
    bits, values = "1" * first, []
    for repeats, sort, words in strokes:
        bits += f"{int(repeats)}{sort:02b}{len(words) - 1:0{SIZES[sort]}b}"
        written = words[:1] if repeats else words
        bits += "".join(f"{word:08b}" for word in written)
        values += words[:1] * len(words) if repeats else words
    bits += "0" * (-len(bits) % 8)
    text = np.array([int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)], np.uint8)
    return text, values


@given(records, st.integers(0, 9))
def test_every_fourth_value_is_opacity(
    kernels: ModuleType, strokes: list[tuple[bool, int, list[int]]], first: int
) -> None:
    text, values = packed(strokes, first)
    filling = -len(values) % 4
    if filling:
        text, values = packed([*strokes, (False, 0, [7] * filling)], first)
    alpha = np.zeros(len(values) // 4, np.uint8)
    assert kernels.unpack_alpha(text, first, np.array(SIZES), alpha) == 0
    assert alpha.tolist() == values[3::4]


@pytest.mark.parametrize(
    ("strokes", "n_pixels", "error"),
    [
        ([(True, 0, [9] * 4)], 2, 1),  # half of it
        ([], 1, 1),
        ([(False, 1, [9] * 8)], 1, 2),  # twice of it
        ([(True, 2, [9] * 5)], 1, 2),
    ],
)
def test_streams_of_other_lengths_are_told(
    kernels: ModuleType, strokes: list[tuple[bool, int, list[int]]], n_pixels: int, error: int
) -> None:
    text, _ = packed(strokes, 5)
    assert kernels.unpack_alpha(text, 5, np.array(SIZES), np.zeros(n_pixels, np.uint8)) == error


def test_cut_off_streams_never_read_beyond_their_end(kernels: ModuleType) -> None:
    text, values = packed([(False, 3, list(range(200))), (True, 3, [5] * 200)], 53)
    for end in range(len(text)):
        alpha = np.zeros(len(values) // 4, np.uint8)
        assert kernels.unpack_alpha(text[:end].copy(), 53, np.array(SIZES), alpha) == 1
