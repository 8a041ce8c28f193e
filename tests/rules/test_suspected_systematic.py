"""SEG508 and SEG509: what is told of a dataset as a whole, from tables of what was found."""

from dataclasses import replace
from typing import Any

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.rule import Candidates, rules
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture

CONFUSED = {"given": "van", "seen": "car", "n": 41, "reverse": 3, "expected": 22.0, "images": 20, "p": 0.0004}
DOUBTED = {"column": "annotator", "name": "ben", "difference": 0.12, "usual": 0.05, "n": 40, "p": 0.0005}


def table(row: dict[str, Any]) -> Table:
    return Table({name: np.array([value], object if isinstance(value, str) else None) for name, value in row.items()})


def found(code: str, suspected: Candidates | None, **options: float) -> list[RowFinding]:
    drawing = draw_picture("aa\naa\n\na: car\n")
    tables = measure_source(drawing, frozenset())
    told = replace(tables, candidates=suspected)
    return list(rules()[code].check(told, **options))


def test_a_confusion_is_told_with_both_directions() -> None:
    (one,) = found("SEG508", Candidates(Table({}), (), confusions=table(CONFUSED)))
    assert one.category == "van"
    assert one.message == (
        "41 segments labelled van look like car, and 3 the reverse; 22.0 were expected; in 20 images, p 0.0004"
    )
    assert one.score == 1 - 0.0004


def test_a_small_excess_is_not_told() -> None:
    rare = CONFUSED | {"n": 41, "reverse": 39, "expected": 36.0}
    assert found("SEG508", Candidates(Table({}), (), confusions=table(rare))) == []
    assert len(found("SEG508", Candidates(Table({}), (), confusions=table(rare)), min_share=0.05)) == 1


def test_an_annotator_is_told_by_name_and_a_batch_by_its_column() -> None:
    (one,) = found("SEG509", Candidates(Table({}), (), doubted=table(DOUBTED)))
    assert one.annotator == "ben"
    assert "labels by ben have an error probability 0.12 above" in one.message
    (batch,) = found(
        "SEG509", Candidates(Table({}), (), doubted=table(DOUBTED | {"column": "month", "name": "2024-05"}))
    )
    assert batch.annotator is None
    assert "labels of month 2024-05" in batch.message
    assert found("SEG509", Candidates(Table({}), (), doubted=table(DOUBTED | {"difference": 0.01}))) == []


def test_where_nothing_was_looked_for_nothing_is_told() -> None:
    for code in ("SEG508", "SEG509"):
        assert found(code, None) == []
        assert found(code, Candidates(Table({}), ())) == []
