"""Pairing: which images of several datasets are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.pairing import By, keys, varying


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (["drive/01_manual1.gif", "drive/02_manual1.gif", "drive/10_manual1.gif"], ["01", "02", "10"]),
        (["seg_1/0001", "seg_1/0002"], ["0001", "0002"]),
        (["a/x.png", "b/x.png"], ["a", "b"]),
        (["only.png"], [""]),
        ([], []),
    ],
)
def test_what_varies_is_what_tells_images_apart(images: list[str], expected: list[str]) -> None:
    assert varying(images) == expected


@given(st.lists(st.from_regex(r"[a-z]{1,4}[0-9]{1,3}", fullmatch=True), min_size=2, max_size=8, unique=True))
def test_a_folder_and_an_ending_in_common_change_nothing(names: list[str]) -> None:
    assert varying([f"one/{name}_a.png" for name in names]) == varying([f"other/{name}_b.gif" for name in names])


@given(st.lists(st.integers(0, 9999), min_size=2, max_size=9, unique=True))
def test_numbers_stay_whole(numbers: list[int]) -> None:
    """However many there are: a dataset of two frames pairs with one of two thousand."""
    assert varying([f"a/{number:04}.png" for number in numbers]) == [f"{number:04}" for number in numbers]


@pytest.mark.parametrize("by", ["stem", "name", "varying"])
def test_what_several_have_in_common_pairs_nothing(by: By) -> None:
    assert len(set(keys(["a/x.png", "a/x.jpg", "b/y.png"], by))) == 3


def test_an_id_that_is_there_twice_is_counted() -> None:
    assert keys(["x", "x", "y"], "id") == [("x", 0), ("x", 1), ("y", 0)]
