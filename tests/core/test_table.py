"""Tables against pandas, which says what filtering, grouping and missing values mean."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.table import Table

ROWS = st.lists(
    st.tuples(st.integers(-2, 2), st.none() | st.sampled_from("ab"), st.none() | st.floats(0, 1)), max_size=9
)


def both(rows: list[tuple[int, str | None, float | None]]) -> tuple[Table, pd.DataFrame]:
    types = {"number": pa.int64(), "name": pa.string(), "share": pa.float64()}
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    table = pa.table({name: pa.array(list(values), types[name]) for name, values in zip(types, columns, strict=True)})
    return Table.of(table), table.to_pandas()


@given(ROWS)
def test_columns_and_missing_values(rows: list[tuple[int, str | None, float | None]]) -> None:
    table, frame = both(rows)
    assert len(table) == len(frame)
    for name in table.names:
        missing = table.missing(name).tolist()
        assert missing == frame[name].isna().tolist()
        assert table.missing(name).tolist() == missing  # the same once it is numpy
        told = [value for value, gone in zip(table[name].tolist(), missing, strict=True) if not gone]
        assert told == frame[name].dropna().tolist()
        assert [table.cell(name, row) for row in range(len(table)) if not missing[row]] == told


@given(ROWS, st.data())
def test_take_lines_and_beside(rows: list[tuple[int, str | None, float | None]], data: st.DataObject) -> None:
    table, _ = both(rows)
    flags = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    expected = [row[:2] for row, kept in zip(rows, flags, strict=True) if kept]
    assert list(table.take(flags).lines("number", "name")) == expected
    assert list(table.take(np.flatnonzero(flags)).lines("number", "name")) == expected
    twice = table.beside(number=2 * table["number"], double=2 * table["number"])
    assert twice["number"].tolist() == twice["double"].tolist() == [2 * row[0] for row in rows]


@given(ROWS)
def test_groups_and_repeated_are_those_of_pandas(rows: list[tuple[int, str | None, float | None]]) -> None:
    table, frame = both([row for row in rows if row[1] is not None])
    found = [group.tolist() for group in table.groups("number", "name")]
    expected = [list(group) for group in frame.groupby(["number", "name"], sort=True).groups.values()] if rows else []
    assert found == expected
    assert table.repeated("number", "name").tolist() == frame.duplicated(["number", "name"], keep=False).tolist()


def test_whole_numbers_with_a_missing_one_keep_their_digits() -> None:
    table = Table.of(pa.table({"id": pa.array([2**62 + 1, None])}))
    assert table["id"].tolist() == [2**62 + 1, None]
    assert table.missing("id").tolist() == [False, True]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"columns of \[1, 2\] rows"):
        Table({"a": np.zeros(1), "b": np.zeros(2)})


@given(ROWS, st.data())
def test_rows_are_taken_from_rows_that_were_taken(
    rows: list[tuple[int, str | None, float | None]], data: st.DataObject
) -> None:
    """Nobody need have asked for a column in between, and it may have been numpy already."""
    table, _ = both(rows)
    if data.draw(st.booleans()):
        table["number"]
    order = np.array(data.draw(st.permutations(range(len(rows)))), np.int64)
    kept = order[data.draw(st.integers(0, len(rows))) :]
    found = table.take(order).take(np.isin(order, kept))
    assert len(found) == len(kept)
    assert list(found.lines("number", "name")) == [rows[row][:2] for row in order.tolist() if row in kept]
    assert found.missing("share").tolist() == [rows[row][2] is None for row in order.tolist() if row in kept]
