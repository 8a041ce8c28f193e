"""Columns of numbers and boxes that are read without Python's own objects have the values that msgspec gives."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.formats.coco.items import Items, boxes, numbers

finite = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70))


def raws(texts: list[str]) -> list[msgspec.Raw]:
    return [msgspec.Raw(text.encode()) for text in texts]


@given(st.lists(finite, min_size=1))
def test_numbers_are_those_of_python(values: list[float]) -> None:
    found = numbers(
        raws([msgspec.json.encode(value).decode() if isinstance(value, float) else str(value) for value in values])
    )
    assert found is not None
    assert found.tolist() == [float(value) for value in values]


@given(st.lists(st.tuples(finite, finite, finite, finite).map(list), min_size=1))
def test_boxes_are_those_of_python(values: list[list[float]]) -> None:
    found = boxes(raws([str(value) for value in values]))
    assert found is not None
    assert found.to_pylist() == [list(map(float, value)) for value in values]


@pytest.mark.parametrize("odd", ["", "null", "true", '"5"', "[5]", "{}", "1e999"])
def test_what_is_no_number_is_left_to_msgspec(odd: str) -> None:
    assert numbers(raws(["1", odd])) is None
    assert numbers(raws([odd, "1"])) is None


@pytest.mark.parametrize(
    "odd", ["", "null", "5", "[]", "[1,2,3]", "[1,2,3,4,5]", "[1,2,3,null]", "[[1,2,3,4]]", "[1,2,3,1e999]"]
)
def test_what_is_no_box_is_left_to_msgspec(odd: str) -> None:
    assert boxes(raws(["[1, 2, 3, 4]", odd])) is None
    assert boxes(raws([odd, "[1,2,3,4]"])) is None


@pytest.mark.parametrize("rows", [range(12), [0, 3, 4, 7]])
def test_places_of_several_items_are_those_of_each(rows: list[int]) -> None:
    items = Items([None] * len(rows), rows, pointer="/annotations")
    at = np.array([3, 0, 2])
    assert items.places(at).to_pylist() == [items.place(i) for i in at.tolist()]
