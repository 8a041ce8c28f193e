"""SEG504: why an outline is suspected, in words."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segdata.core.finding import Correction
from segdata.core.rule import Candidates, rules
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture

ROW: dict[str, Any] = {
    "annotation": 0, "segment": 0, "type": "boundary", "probability": 0.3, "low": 0.12, "high": 0.55,
    "category": "car", "seen": "car",
    "x": 0, "y": 0, "width": 2, "height": 2, "pixels": 4, "flagged": True, "whole": True, "believed": 0.4,
    "believed_seen": 0.9, "right": 0.0, "down": 0.0, "seam": 0, "is_sampled": False,
}  # fmt: skip


def message_of(row: dict[str, Any], correction: Correction) -> str:
    table = Table(
        {name: np.array([value], object if isinstance(value, str) else None) for name, value in (ROW | row).items()}
    )
    tables = measure_source(draw_picture("aa\naa\n\na: car\n"), frozenset())
    (found,) = rules()["SEG504"].check(replace(tables, candidates=Candidates(table, (correction,))))
    return found.message


@pytest.mark.parametrize(
    ("row", "correction", "why"),
    [
        ({}, {"action": "redraw", "iou": 0.62}, "IoU 0.62 with the model's outline; redraw it"),
        ({"whole": False}, {"action": "redraw"}, "the model gives it 0.40; redraw car"),
        (
            {"segment": -1, "category": "", "believed": 0.1},
            {"action": "add"},
            "the model predicts 4 px more of it (probability 0.90); add car",
        ),
    ],
)
def test_the_reason_is_what_the_model_sees(row: dict[str, Any], correction: dict[str, Any], why: str) -> None:
    message = message_of(row, Correction(category="car", size=(2, 2), counts=("04",), **correction))
    assert message.endswith(f"may have the wrong outline: P 0.12 to 0.55, {why}")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.36, 0.97, "P 0.36 to 0.97"),
        (0.3, 0.3, "P 0.30"),
        (0.05, 0.57, "rank 1 of 1, P at most 0.57"),
        (0.0, 0.95, "rank 1 of 1"),
    ],
)
def test_a_range_from_next_to_nothing_is_a_rank(low: float, high: float, said: str) -> None:
    redrawn = Correction(action="redraw", category="car", size=(2, 2), counts=("04",), iou=0.62)
    assert f"may have the wrong outline: {said}, IoU" in message_of({"low": low, "high": high}, redrawn)
