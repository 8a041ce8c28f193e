"""Stored tables say what plain ones do, however they are cut into pieces, and keep few decoded columns."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.table import Table
from segdata.measure import stored_tables
from segdata.measure.stored_tables import EncodedPiece, StoredTables

VALUES = {
    "number": (pa.int64(), st.integers(-(2**62), 2**62)),
    "some_number": (pa.int64(), st.none() | st.integers(-9, 9)),
    "real": (pa.float64(), st.none() | st.floats(allow_nan=False)),
    "flag": (pa.bool_(), st.booleans()),
    "text": (pa.string(), st.none() | st.text(max_size=4)),
    "entries": (pa.map_(pa.string(), pa.string()), st.none() | st.lists(st.tuples(st.text(max_size=2), st.text()))),
}


@st.composite
def pieces(draw: st.DrawFn) -> list[pa.Table]:
    made = []
    for n in draw(st.lists(st.integers(0, 5), min_size=1, max_size=4)):
        columns = {}
        for name, (type_, values) in VALUES.items():
            of_piece = draw(st.lists(values, min_size=n, max_size=n))
            unknown = name == "text" and all(value is None for value in of_piece)
            columns[name] = pa.array(of_piece, pa.null() if unknown else type_)
        made.append(pa.table(columns))
    return made


def lists(fresh: Callable[[], Table], name: str) -> tuple[object, ...]:
    """A column in every way that a table gives it, each time of a table that nobody has read."""
    n = len(fresh())
    taken = fresh().take(np.arange(n)[::-2])
    return (
        repr(fresh()[name].tolist()),
        fresh()[name].dtype,
        repr([fresh().cell(name, row) for row in range(n)]),
        repr(fresh().rows(range(n), name)),
        fresh().missing(name).tolist(),
        repr(taken[name].tolist()),
        taken.missing(name).tolist(),
        repr(list(fresh().select([name]).lines(name))),
    )


@settings(max_examples=30, deadline=None)
@given(pieces(), st.booleans(), st.sampled_from([0, 500, 1 << 30]))
def test_encoded_pieces_say_what_one_table_does(parts: list[pa.Table], at_once: bool, most_lz4: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_tables, "PIECE_BYTES", 1)
        patch.setattr(stored_tables, "MAX_UNCOMPRESSED_BYTES", 1 << 30 if at_once else 1)
        patch.setattr(stored_tables, "MAX_LZ4_BYTES", most_lz4)
        stored = StoredTables()
        for part in parts:
            stored.append({"rows": part})
        stored.close()
    expected = pa.concat_tables(parts, promote_options="permissive")
    files = []
    for k, n_rows in enumerate(stored.piece_rows("rows")):
        file = io.BytesIO()
        stored.write_piece("rows", k, file)
        files.append(EncodedPiece.read(file.getvalue(), n_rows))
    saved = StoredTables({}, {"rows": files})
    for tables in (stored, saved):
        assert list(tables) == ["rows"]
        assert tables["rows"].to_pylist() == expected.to_pylist()
        assert tables.schema("rows") == expected.schema
        for name in VALUES:
            joined = pa.chunked_array([expected[name].combine_chunks()], expected[name].type)
            assert lists(partial(tables.lazy, "rows"), name) == lists(partial(Table, {name: joined}), name)


def test_decoded_columns_stay_within_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_tables, "PIECE_BYTES", 1)
    monkeypatch.setattr(stored_tables, "MAX_UNCOMPRESSED_BYTES", 1)
    monkeypatch.setattr(stored_tables, "MAX_DECODED_BYTES", 3 * 8_000)
    stored = StoredTables()
    for first in (0, 500):
        stored.append({"rows": pa.table({f"c{k}": np.arange(first, first + 500) * k for k in range(9)})})
    assert [len(pieces) for pieces in stored._encoded.values()] == [2]
    table = stored.lazy("rows")

    def total(k: int) -> int:
        return int(table[f"c{k % 9}"].sum())

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(total, range(90))) == [sum(range(1000)) * (k % 9) for k in range(90)]
    assert stored._decoded._bytes == sum(size for _, size in stored._decoded._columns.values()) <= 3 * 8_000
    assert table["c8"] is table["c8"]  # the last one stays


def test_pieces_are_encoded_once_tables_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_tables, "PIECE_BYTES", 16)
    monkeypatch.setattr(stored_tables, "MAX_UNCOMPRESSED_BYTES", 40)
    stored, sizes = StoredTables(), []
    for value in range(10):  # 8 bytes each
        stored.append({"rows": pa.table({"a": [value]})})
        sizes.append([piece.n_rows for piece in stored._encoded.get("rows", [])])
    assert sizes == [[]] * 4 + [[5]] * 2 + [[5, 2]] * 2 + [[5, 2, 2]] * 2
    stored.close()
    assert stored["rows"]["a"].to_pylist() == list(range(10))


def test_few_rows_stay_as_they_are() -> None:
    stored = StoredTables()
    stored.append({"rows": pa.table({"a": [1]})})
    stored.append({"rows": pa.table({"a": [2]})})
    stored.close()
    assert not stored._encoded
    stored.replace("rows", pa.table({"a": [3]}))
    assert stored["rows"].to_pydict() == {"a": [3]}
