"""Numbers: two or three digits, intervals in brackets, a dash for what is undefined."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.scores import Score
from segdata.core.taxonomy import Category
from segdata.report.agreement.wording import (
    DASH,
    LENGTHS,
    SCORE_NAMES,
    distance_unit,
    format_percent,
    format_score,
    images_in_words,
    score_with_interval,
)
from tests.generators.agreement_tables import tables_of_maps


@given(st.floats(0, 1), st.sampled_from(sorted(SCORE_NAMES)))
def test_what_is_shown_is_near(value: float, score: str) -> None:
    text = format_score(score, value).replace("−", "-")
    number = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    assert abs(number - value) <= 0.0051


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from(LENGTHS))
def test_lengths_keep_their_sign_and_no_zero_has_one(value: float, score: str) -> None:
    text = format_score(score, value, signed=True)
    if float(text.replace("−", "-").replace(",", "")) == 0:
        assert text[0] not in "+−"
    else:
        assert text[0] == ("+" if value > 0 else "−")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_undefined_is_a_dash(value: float) -> None:
    assert {format_score(score, value) for score in SCORE_NAMES} | {format_percent(value)} == {DASH}
    assert score_with_interval("iou", Score(value, value, value, 0, 3)) == DASH


def test_only_what_is_whole_says_so() -> None:
    assert format_score("iou", 0.9996) == "0.9996"
    assert format_percent(0.9999) == "99.99%"


def test_extent_and_unit() -> None:
    two = tables_of_maps([[np.zeros((2, 2), int)] * 3] * 2, [Category(id=1, name="a", kind="stuff")])
    assert images_in_words(two) == "3 images"
    assert distance_unit(two) == "px"
