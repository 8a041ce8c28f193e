"""Stored tables: measured tables as compressed Arrow files in memory, whose columns are decoded on use.

The measured tables of a large dataset take most of the memory of a validation, and most rules read few of their
columns. So pieces of tables are compressed as they arrive, a column is decoded when a rule uses it, and the columns
that were used last stay decoded.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from segdata.core.executor import return_freed_memory
from segdata.core.runs import Ints
from segdata.core.table import Column, LazyColumn, Table, column_to_numpy

_Key = tuple[str, str, bool]  # table, column, whether as objects
PIECE_BYTES = 24 << 20  # of uncompressed rows that make a piece
MAX_UNCOMPRESSED_BYTES = 72 << 20  # of the tables of a smaller dataset: they take less time as they are
MAX_DECODED_BYTES = 128 << 20  # of columns that stay decoded
MAX_LZ4_BYTES = 256 << 20  # of compressed rows; further ones are ZSTD: slower, and little over half as large
_OBJECT_BYTES = 64  # of a text as a Python object, about


class EncodedPiece(NamedTuple):
    """Some rows of a table as a compressed Arrow file."""

    data: bytes | pa.Buffer
    n_rows: int
    schema: pa.Schema

    @classmethod
    def of(cls, table: pa.Table, compression: Literal["lz4", "zstd"] = "lz4") -> "EncodedPiece":
        """Encode a table as one piece."""
        sink = pa.BufferOutputStream()
        _write_piece(table, sink, compression)
        return cls(sink.getvalue(), table.num_rows, table.schema)

    @classmethod
    def read(cls, data: bytes, n_rows: int) -> "EncodedPiece":
        """Read a stored piece; raises ArrowInvalid if it is damaged."""
        return cls(data, n_rows, pa.ipc.open_file(data).schema)

    def column(self, field: pa.Field) -> pa.Table:
        """One column as a table, with missing values if the piece lacks it."""
        place = self.schema.get_field_index(field.name)
        if place < 0:
            return pa.table({field.name: pa.nulls(self.n_rows, field.type)})
        options = pa.ipc.IpcReadOptions(included_fields=[place], use_threads=False)
        return pa.ipc.open_file(self.data, options=options).read_all()


class StoredTables(Mapping[str, pa.Table]):
    """Tables by name. ``stored["segments"]`` decodes a whole table; `lazy` decodes its columns when they are used.

    Takes tables as they are, or of each its encoded pieces in order. Columns that a piece lacks, or has in a narrower
    type, are promoted as `pyarrow.concat_tables` does.
    """

    def __init__(
        self, tables: Mapping[str, pa.Table] | None = None, encoded: Mapping[str, list[EncodedPiece]] | None = None
    ) -> None:
        self._waiting = {name: [table] for name, table in (tables or {}).items()}
        self._encoded = {name: list(pieces) for name, pieces in (encoded or {}).items()}
        self._waiting_bytes = 0
        self._decoded = _DecodedColumns(MAX_DECODED_BYTES)

    def append(self, tables: Mapping[str, pa.Table]) -> None:
        """Add rows; they are compressed as soon as there are enough."""
        for name, table in tables.items():
            self._waiting.setdefault(name, []).append(table)
            self._waiting_bytes += table.nbytes
        if self._waiting_bytes >= (PIECE_BYTES if self._encoded else MAX_UNCOMPRESSED_BYTES):
            self._encode_waiting()

    def close(self) -> None:
        """Compress the remaining rows; if all tables together are small, they stay uncompressed, each in one piece."""
        if self._encoded:
            self._encode_waiting()
        else:
            self._waiting = {name: [_join(tables).combine_chunks()] for name, tables in self._waiting.items()}
        if self._encoded or self._waiting_bytes >= PIECE_BYTES:
            return_freed_memory()  # freed blocks do not fit the arrays of rules: 100 MiB for 118,000 images

    def replace(self, name: str, table: pa.Table) -> None:
        """Replace the table of this name."""
        self._encoded.pop(name, None)
        self._waiting[name] = [table]

    def __getitem__(self, name: str) -> pa.Table:
        if name not in self._encoded:
            self._waiting[name] = [_join(self._waiting[name])]
            return self._waiting[name][0]
        return _join([pa.ipc.open_file(piece.data).read_all() for piece in self._encoded[name]])

    def __iter__(self) -> Iterator[str]:
        return iter({**self._encoded, **self._waiting})

    def __len__(self) -> int:
        return len(self._encoded.keys() | self._waiting.keys())

    def piece_rows(self, name: str) -> list[int]:
        """The numbers of rows of the pieces of a table."""
        return [piece.n_rows for piece in self._encoded[name]] if name in self._encoded else [self[name].num_rows]

    def write_piece(self, name: str, k: int, file: IO[bytes]) -> None:
        """Write piece k of a table as an Arrow file."""
        if name in self._encoded:
            file.write(memoryview(self._encoded[name][k].data))
        else:
            _write_piece(self[name], file)

    def schema(self, name: str) -> pa.Schema:
        """The columns of a table."""
        if name not in self._encoded:
            return self[name].schema
        return pa.unify_schemas([piece.schema for piece in self._encoded[name]], promote_options="permissive")

    def lazy(self, name: str) -> Table:
        """A table whose columns are decoded when they are used."""
        if name not in self._encoded:
            return Table.of(self[name])
        pieces = self._encoded[name]
        n = sum(piece.n_rows for piece in pieces)
        return Table({field.name: _StoredColumn(pieces, name, field, n, self._decoded) for field in self.schema(name)})

    def _encode_waiting(self) -> None:
        n_bytes = sum(len(piece.data) for pieces in self._encoded.values() for piece in pieces)
        compression: Literal["lz4", "zstd"] = "lz4" if n_bytes < MAX_LZ4_BYTES else "zstd"
        for name, tables in self._waiting.items():
            self._encoded.setdefault(name, []).append(EncodedPiece.of(_join(tables), compression))
        self._waiting, self._waiting_bytes = {}, 0


def _write_piece(
    table: pa.Table, sink: pa.BufferOutputStream | IO[bytes], compression: Literal["lz4", "zstd"] = "lz4"
) -> None:
    table = table.combine_chunks()  # many small pieces take longer to read
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)


def _join(tables: list[pa.Table]) -> pa.Table:
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")


class _DecodedColumns:
    """A thread-safe cache of the columns that were used last, up to a number of bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._columns: OrderedDict[_Key, tuple[Any, int]] = OrderedDict()  # Any: numpy or Arrow
        self._lock = threading.Lock()

    def get(self, key: _Key) -> Any:  # Any: as it was put
        """The column, or None if it is not cached."""
        with self._lock:
            if key not in self._columns:
                return None
            self._columns.move_to_end(key)
            return self._columns[key][0]

    def put(self, key: _Key, column: Any, n_bytes: int) -> None:  # Any: numpy or Arrow
        """Keep a column, and drop those that were unused for longest if there is no room."""
        with self._lock:
            self._bytes += n_bytes - self._columns.pop(key, (None, 0))[1]
            self._columns[key] = column, n_bytes
            while self._bytes > self._most_bytes and len(self._columns) > 1:
                self._bytes -= self._columns.popitem(last=False)[1][1]


class _StoredColumn(LazyColumn):
    """A column of encoded tables: numbers without missing values as numpy, everything else as Arrow."""

    __slots__ = ("_decoded", "_field", "_lock", "_n", "_pieces", "_table")
    stays = False

    def __init__(
        self, pieces: list[EncodedPiece], table: str, field: pa.Field, n: int, decoded: _DecodedColumns
    ) -> None:
        self._pieces, self._table, self._field, self._n, self._decoded = pieces, table, field, n, decoded
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._n

    def materialize(self) -> Any:  # Any: numpy or Arrow
        with self._lock:
            key = (self._table, self._field.name, False)
            column = self._decoded.get(key)
            if column is None:
                column = self._decode()
                self._decoded.put(key, column, column.nbytes)
            return column

    def values(self) -> Column:
        """All rows as numpy."""
        column = self.materialize()
        if not isinstance(column, pa.ChunkedArray):
            return column  # type: ignore[no-any-return]  # numpy now
        with self._lock:
            key = (self._table, self._field.name, True)
            objects = self._decoded.get(key)
            if objects is None:
                objects = column_to_numpy(column)
                self._decoded.put(key, objects, len(objects) * _OBJECT_BYTES)
            return objects  # type: ignore[no-any-return]  # numpy

    def take(self, rows: Ints) -> Any:  # Any: numpy or Arrow
        """Some rows; of texts only the pieces that hold them are decoded, and not kept: they would displace numbers."""
        if pa.types.is_string(self._field.type) and self._decoded.get((self._table, self._field.name, False)) is None:
            return self._take_by_piece(rows)
        column = self.materialize()
        return column.take(pa.array(rows)) if isinstance(column, pa.ChunkedArray) else column[rows]

    def _take_by_piece(self, rows: Ints) -> pa.ChunkedArray:
        ends = np.cumsum([piece.n_rows for piece in self._pieces])
        holds = np.searchsorted(ends, rows, "right")
        order = np.argsort(holds, kind="stable")
        taken, begin = list[pa.Array](), 0
        for piece, end, n in zip(self._pieces, ends, np.bincount(holds, minlength=len(ends)).tolist(), strict=True):
            own = order[begin : begin + n]
            begin += n
            if n:
                column = piece.column(self._field)[0].cast(self._field.type)
                taken += column.take(pa.array(rows[own] - (end - piece.n_rows))).chunks
        place = np.empty(len(rows), np.int64)
        place[order] = np.arange(len(rows))
        return pa.chunked_array(taken, self._field.type).take(pa.array(place))

    def _decode(self) -> Any:  # Any: numpy or Arrow
        tables = [piece.column(self._field) for piece in self._pieces]
        column = pa.concat_tables([pa.schema([self._field]).empty_table(), *tables], promote_options="permissive")[0]
        is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        if column.null_count == 0 and (is_number or pa.types.is_boolean(column.type)):
            return column.to_numpy()
        return pa.chunked_array([column.combine_chunks()], column.type)
