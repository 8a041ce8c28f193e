"""SEG301: the effective number of categories against scipy's entropy."""

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segdata.core.finding import Finding
from segdata.core.statistics import effective_number

Judged = Callable[..., list[Finding]]


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=9))
def test_effective_number(counts: list[int]) -> None:
    effective = effective_number(np.array(counts))
    np.testing.assert_allclose(effective, np.exp(stats.entropy(counts)), rtol=1e-9)
    assert 1 - 1e-9 <= effective <= len(counts) + 1e-9


def test_void_and_crowds_do_not_count(judged: Judged) -> None:
    picture = "aaaaaaaaaaaab\n\na: {}\nb: bus"
    assert judged("SEG301", picture.format("car"), max_pixel_ratio=10.0)
    assert not judged("SEG301", picture.format("unknown (void)"), max_pixel_ratio=10.0)


def test_each_measure_is_one_finding(judged: Judged) -> None:
    picture = "a.c.d.b\n\na.c.d..\n\na, c, d: car\nb: bus"
    messages = [finding.message for finding in judged("SEG301", picture, max_ratio=1.5, max_pixel_ratio=5.0)]
    assert [message.split(",")[0] for message in messages] == ["by images", "by pixels", "by segments"]
