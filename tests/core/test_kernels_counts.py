"""COCO counts against pycocotools and against a decoder that reads one letter after the other."""

from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

Runs = list[tuple[int, int]]

masks = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 1))
letters = st.one_of(st.binary(max_size=12), st.text("0123456789@AOPQR_`mno", max_size=12).map(str.encode))
sides = st.integers(0, 6)


def runs_of(mask: np.ndarray) -> Runs:
    """Vertical runs, found pixel by pixel."""
    runs: Runs = []
    for p in np.flatnonzero(mask.T):
        if runs and sum(runs[-1]) == p and p % mask.shape[0]:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((int(p), 1))
    return runs


def offsets(sizes: list[int]) -> np.ndarray:
    return np.cumsum([0, *sizes], dtype=np.int64)


def decode(kernels: ModuleType, texts: list[bytes], sizes: list[tuple[int, int]]) -> tuple[list[Runs], list[int]]:
    height, width = np.array(sizes, np.int64).reshape(-1, 2).T.copy()
    text = np.frombuffer(b"".join(texts), np.uint8)
    return by_owner(kernels.decode_counts(text, offsets(list(map(len, texts))), height, width))


def by_owner(decoded: tuple[np.ndarray, ...]) -> tuple[list[Runs], list[int]]:
    start, length, owner, error = decoded
    assert [column.dtype for column in decoded] == [np.int64, np.int64, np.int32, np.uint8]
    assert np.all(np.diff(owner) >= 0)
    runs: list[Runs] = [[] for _ in error]
    for one in zip(owner.tolist(), start.tolist(), length.tolist(), strict=True):
        runs[one[0]].append(one[1:])
    return runs, error.tolist()


def read_counts(counts: list[int], height: int, width: int) -> tuple[Runs, int]:
    """Paint counts into an image."""
    if any(count < 0 for count in counts):
        return [], 3
    if sum(counts) != height * width:
        return [], 4 if sum(counts) < height * width else 5
    pixels = np.repeat(np.arange(len(counts)) % 2, counts)
    return runs_of(pixels.reshape(width, height).T) if height else [], 0


def read_text(text: bytes, height: int, width: int) -> tuple[Runs, int]:
    """Read one letter after the other, as the format describes it."""
    counts: list[int] = []
    value = group = 0
    for letter in text:
        if not 48 <= letter <= 111:
            return [], 1
        value |= (letter - 48 & 31) << 5 * group
        group += 1
        if letter - 48 & 32:
            if group == 7:
                return [], 2
            continue
        if letter - 48 & 16:
            value -= 1 << 5 * group
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = group = 0
    return ([], 2) if group else read_counts(counts, height, width)


@given(st.lists(masks, max_size=4))
def test_pycocotools_strings_become_their_masks(kernels: ModuleType, images: list[np.ndarray]) -> None:
    texts = [coco.encode(np.asfortranarray(mask))["counts"] for mask in images]
    runs, error = decode(kernels, texts, [mask.shape for mask in images])
    assert runs == [runs_of(mask) for mask in images]
    assert not any(error)


@given(st.lists(st.tuples(letters, sides, sides), max_size=6))
def test_any_bytes_are_read_or_refused(kernels: ModuleType, strings: list[tuple[bytes, int, int]]) -> None:
    """A fault in one string does not touch its neighbours."""
    found = decode(kernels, [text for text, _, _ in strings], [size for _, *size in strings])
    wanted = [read_text(*string) for string in strings]
    assert found == ([runs for runs, _ in wanted], [error for _, error in wanted])


@given(st.lists(st.tuples(st.lists(st.integers(-1, 9), max_size=7), sides, sides), max_size=4), st.booleans())
def test_uncompressed_counts(kernels: ModuleType, items: list[tuple[list[int], int, int]], complete: bool) -> None:
    if complete:
        items = [(counts, sum(map(abs, counts)), 1) for counts, _, _ in items]
    height, width = (np.array([item[place] for item in items], np.int64) for place in (1, 2))
    counts = np.array([count for item in items for count in item[0]], np.int64)
    found = by_owner(kernels.split_counts(counts, offsets([len(item[0]) for item in items]), height, width))
    wanted = [read_counts(*item) for item in items]
    assert found == ([runs for runs, _ in wanted], [error for _, error in wanted])


@given(st.lists(masks, max_size=4))
def test_runs_become_the_strings_of_pycocotools(kernels: ModuleType, images: list[np.ndarray]) -> None:
    runs = [runs_of(mask) for mask in images]
    start, length = np.array([run for some in runs for run in some], np.int64).reshape(-1, 2).T.copy()
    height, width = np.array([mask.shape for mask in images], np.int64).reshape(-1, 2).T.copy()
    arguments = start, length, offsets(list(map(len, runs))), height, width
    text, place = kernels.encode_counts(*arguments)
    texts = [text.tobytes()[i:j] for i, j in pairwise(place)]
    assert texts == [coco.encode(np.asfortranarray(mask))["counts"] for mask in images]
    counts, place = kernels.join_counts(*arguments)
    assert (counts.dtype, place.dtype, text.dtype) == (np.int64, np.int64, np.uint8)
    assert by_owner(kernels.split_counts(counts, place, height, width))[0] == runs


def test_the_largest_image(kernels: ModuleType) -> None:
    """A run over nearly all of 10^10 pixels is cut at 10^5 columns, and joined again."""
    side = np.array([100_000])
    counts = np.array([5, 10**10 - 12, 7])
    start, length, owner, error = kernels.split_counts(counts, np.array([0, 3]), side, side)
    assert error[0] == 0
    assert len(start) == 100_000
    assert length.sum() == 10**10 - 12
    assert start[-1] + length[-1] == 10**10 - 7
    runs = start, length, np.array([0, len(owner)]), side, side
    np.testing.assert_array_equal(kernels.join_counts(*runs)[0], counts)
    text, place = kernels.encode_counts(*runs)
    np.testing.assert_array_equal(kernels.decode_counts(text, place, side, side)[0], start)


@pytest.mark.parametrize(("text", "error"), [(b"", 4), (b"0", 4), (b"oooooo?", 5), (b"ooooooO", 3)])
def test_strings_that_do_not_fill_the_image(kernels: ModuleType, text: bytes, error: int) -> None:
    assert decode(kernels, [text], [(1000, 1000)]) == ([[]], [error])


def test_sums_that_overflow_are_too_large(kernels: ModuleType) -> None:
    one = np.array([4])
    counts = np.array([2**62, 2**62, 2**62, 2**62, 16])
    assert kernels.split_counts(counts, np.array([0, 5]), one, one)[3].tolist() == [5]


def test_an_image_without_pixels(kernels: ModuleType) -> None:
    assert decode(kernels, [b"", b"0", b"1"], [(0, 5), (5, 0), (0, 0)]) == ([[], [], []], [0, 0, 5])
    zero, five = np.array([0]), np.array([5])
    empty = np.zeros(0, np.int64)
    assert kernels.encode_counts(empty, empty, np.array([0, 0]), zero, five)[0].tobytes() == b"0"


def test_offsets_need_not_reach_the_ends(kernels: ModuleType) -> None:
    """The middle of a column, as slices of Arrow columns are."""
    one, two = np.array([1]), np.array([2])
    middle = np.array([1, 3])
    assert kernels.decode_counts(np.frombuffer(b"?13?", np.uint8), middle, two, two)[1].tolist() == [1, 2]
    assert kernels.split_counts(np.array([9, 1, 3, 9]), middle, two, two)[1].tolist() == [1, 2]
    start, length = np.array([0, 1, 2, 0]), np.array([9, 1, 2, 9])
    assert kernels.encode_counts(start, length, middle, two, two)[0].tobytes() == b"13"
    assert kernels.split_counts(one, np.array([0, 0]), two, two)[3].tolist() == [4]


@pytest.mark.parametrize("offset", [[0], [0, 1, 1], [-1, 1], [0, 9], [2, 1]])
def test_offsets_that_do_not_fit_are_refused(kernels: ModuleType, offset: list[int]) -> None:
    one, two, text = np.array([1]), np.array([2, 2]), np.array([49, 51], np.uint8)
    for name, columns in {"decode": [text], "split": [two], "join": [two, two], "encode": [two, two]}.items():
        with pytest.raises(ValueError, match="do not cut 2 items into 1 groups"):
            getattr(kernels, f"{name}_counts")(*columns, np.array(offset), one, one)


def test_runs_of_more_columns_than_the_text_has_letters(kernels: ModuleType) -> None:
    counts, sizes = [[0, 900], [1, 898, 1], [0, 900], [450, 450]], [(1, 900), (1, 900), (2, 450), (3, 300)]
    height, width = np.array(sizes).T.copy()
    runs, errors = by_owner(
        kernels.split_counts(np.concatenate(counts), offsets(list(map(len, counts))), height, width)
    )
    assert errors == [0, 0, 0, 0]
    assert runs == [read_counts(one, *size)[0] for one, size in zip(counts, sizes, strict=True)]
    texts = [coco.encode(np.asfortranarray(np.ones(size, np.uint8)))["counts"] for size in sizes]
    assert decode(kernels, texts, sizes)[0] == [[(x * h, h) for x in range(w)] for h, w in sizes]
