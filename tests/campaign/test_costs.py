"""Costs: seconds that annotations say go before what is assumed; the first annotation of an image is annotation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.campaign.projection import Costs, annotation_costs, review_seconds
from segdata.core.config import Cost
from segdata.core.finding import Decision
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture


def _decision(second: int, reviewer: str = "anna") -> Decision:
    time = f"2026-01-01T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}+00:00"
    return Decision(verdict="accept", reviewer=reviewer, time=time, via="python", image="a.png")


def _costs(rows: list[tuple[int, str | None, float | None, int]], cost: Cost | None = None, n_errors: int = 0) -> Costs:
    """Of annotations: image, source, seconds, how many segments."""
    drawing = draw_picture("a.")
    tables = measure_source(drawing, frozenset())
    annotations = Table(
        {
            "image": np.array([row[0] for row in rows], np.int32),
            "source": np.array([row[1] for row in rows], object),
            "seconds": np.array([math.nan if row[2] is None else row[2] for row in rows]),
            "n_segments": np.array([row[3] for row in rows], np.int64),
        }
    )
    return annotation_costs(replace(tables, annotations=annotations), [], cost, n_errors)


def test_a_second_annotation_is_quality_assurance_and_models_cost_nothing() -> None:
    found = _costs([(0, "human", 3600, 5), (0, "human", 1800, 5), (1, None, 7200, 1), (1, "model", 999, 1)])
    assert (found.annotation, found.again, found.known, found.assumed) == (3.0, 0.5, 1.0, "")
    assert found.share == pytest.approx(0.5 / 3.5)


def test_what_is_not_said_is_assumed_where_somebody_says_how() -> None:
    rows = [(0, "human", 600, 5), (1, "human", None, 4)]
    assert _costs(rows).annotation == pytest.approx(1 / 6)
    assert _costs(rows, Cost(minutes_per_segment=15.0)).annotation == pytest.approx(1 / 6 + 1)
    found = _costs(rows, Cost(minutes_per_image=30.0, rate=20.0, currency="EUR"))
    assert (found.known, found.assumed) == (0.5, "30 minutes an image")
    assert found.amount(found.annotation) == pytest.approx(20 * (1 / 6 + 0.5))


def test_of_nothing_nothing_is_said() -> None:
    found = _costs([])
    assert math.isnan(found.share)
    assert math.isnan(found.per_error)
    assert found.amount(1.0) is None


def test_pauses_are_no_review() -> None:
    worked = [_decision(at) for at in (0, 10, 30, 1000, 1010)]
    assert review_seconds(worked) == (10 + 20 + 10) + 2 * 10  # the first after a pause takes as long as the middle one
    assert review_seconds(worked, 4.0) == 20.0


@given(st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from("ab")), max_size=12))
def test_reviewers_add_up_in_any_order(told: list[tuple[int, str]]) -> None:
    every = [_decision(second, name) for second, name in told]
    apart = sum(review_seconds(each for each in every if each.reviewer == name) for name in "ab")
    assert review_seconds(reversed(every)) == pytest.approx(apart)
