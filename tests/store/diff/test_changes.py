"""Cells: which of two columns' cells differ, against Python's own comparison."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.schema import TEXTS
from segdata.store.diff.changes import cell_text, differing_rows

_NUMBERS = st.integers(0, 2)
_TEXTS = st.sampled_from(["1", "true", '{"a":1,"b":2}', '{"b": 2, "a": 1}', "no json", ""])
_TYPES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), _NUMBERS),
    (pa.bool_(), st.booleans()),
    (pa.string(), _TEXTS),
    (pa.float64(), st.sampled_from([0.0, 1.5, float("nan")])),
    (pa.list_(pa.int64()), st.lists(_NUMBERS, max_size=3)),
    (pa.list_(pa.list_(pa.float64())), st.lists(st.lists(st.sampled_from([0.0, 1.0]), max_size=2), max_size=2)),
    (TEXTS, st.dictionaries(st.sampled_from("ab"), _TEXTS, max_size=2).map(lambda each: list(each.items()))),
    (
        pa.list_(pa.struct([("x", pa.string()), ("y", pa.int64())])),
        st.lists(st.fixed_dictionaries({"x": _TEXTS, "y": _NUMBERS}), max_size=2),
    ),
]


def plain(value: Any, of: pa.DataType) -> Any:
    """What a cell says, in a form that Python compares."""
    if value is None or value is False or value == []:
        return None
    if of == TEXTS:
        texts = {}
        for key, text in value:
            try:
                texts[key] = json.dumps(json.loads(text), sort_keys=True)
            except ValueError:
                texts[key] = text
        return texts
    return "NaN" if value != value else value


@pytest.mark.parametrize(("of", "cells"), _TYPES, ids=lambda each: str(each)[:20])
@given(data=st.data())
def test_the_rows_that_differ(of: pa.DataType, cells: st.SearchStrategy[Any], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(st.none() | cells, st.none() | cells), max_size=6))
    cut = data.draw(st.integers(0, len(rows)))
    a, b = [x for x, _ in rows], [y for _, y in rows]
    first = pa.chunked_array([pa.array(a[:cut], of), pa.array(a[cut:], of)])
    second = pa.chunked_array([pa.array([None, *b], of).slice(1)])
    expected = [row for row, (x, y) in enumerate(rows) if plain(x, of) != plain(y, of)]
    assert differing_rows(first, second).tolist() == expected


def test_long_cells_are_cut() -> None:
    assert [cell_text("x" * n) for n in (60, 61, 100)] == ["x" * 60, "x" * 59 + "…", "x" * 59 + "…"]
    assert cell_text([("b", "1"), ("a", "2")]) == "a 2, b 1"
    assert cell_text(0) == "0"
