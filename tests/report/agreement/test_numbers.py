"""Numbers: two or three digits, intervals in brackets, a dash for what is undefined."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.summary.agreed import Value
from segdata.core.taxonomy import Category
from segdata.report.agreement.numbers import LENGTHS, NAMES, NONE, extent, percent, shown, unit, with_interval
from tests.generators.agreement_tables import tables_of_maps


@given(st.floats(0, 1), st.sampled_from(sorted(NAMES)))
def test_what_is_shown_is_near(value: float, score: str) -> None:
    text = shown(score, value).replace("−", "-")
    number = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    assert abs(number - value) <= 0.0051


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from(LENGTHS))
def test_lengths_keep_their_sign_and_no_zero_has_one(value: float, score: str) -> None:
    text = shown(score, value, signed=True)
    if float(text.replace("−", "-").replace(",", "")) == 0:
        assert text[0] not in "+−"
    else:
        assert text[0] == ("+" if value > 0 else "−")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_undefined_is_a_dash(value: float) -> None:
    assert {shown(score, value) for score in NAMES} | {percent(value)} == {NONE}
    assert with_interval("iou", Value(value, value, value, 0, 3)) == NONE


def test_only_what_is_whole_says_so() -> None:
    assert shown("iou", 0.9996) == "0.9996"
    assert percent(0.9999) == "99.99%"


def test_extent_and_unit() -> None:
    two = tables_of_maps([[np.zeros((2, 2), int)] * 3] * 2, [Category(id=1, name="a", kind="stuff")])
    assert extent(two) == "3 images"
    assert unit(two) == "px"
