"""The words of a trend: they do not contradict its interval."""

import math

import pytest

from segdata.agreement.scorecard import ScoreTrend
from segdata.report.scorecard import trend_in_words


@pytest.mark.parametrize(
    ("ends", "p", "stands", "said"),
    [
        ((0.01, 0.03), 0.001, True, "more than chance, p = 0.001"),
        ((0.01, 0.03), 0.41, False, "one of the others may be the cause, p = 0.41"),
        ((-0.03, -0.01), 0.41, False, "one of the others may be the cause, p = 0.41"),
        ((0.01, 0.03), 0.04, False, "may be chance, p = 0.04"),  # of many annotators some trend is as steep
        ((-0.01, 0.03), 0.41, False, "may be chance, p = 0.41"),
        ((math.nan, math.nan), math.nan, False, "not tested: too few images"),
    ],
)
def test_the_words_of_a_trend(ends: tuple[float, float], p: float, stands: bool, said: str) -> None:
    trend = ScoreTrend((), sum(ends) / 2 if p == p else 0.02, *ends, p, True)
    assert trend_in_words(trend, stands=stands).endswith(f": {said}")
