"""Table: rows as numpy columns, which rules filter. Importing pandas alone would take longer than most runs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Flags, Ints, unique_inverse

if TYPE_CHECKING:
    import pandas as pd

Column = NDArray[Any]  # Any: numbers, flags, or objects (texts, lists)


class LazyColumn:
    """A column that is computed when it is first used.

    A table keeps the computed column; other users compute it again or cache it themselves.
    """

    __slots__ = ()
    stays = True

    def __len__(self) -> int:
        raise NotImplementedError

    def materialize(self) -> Any:  # Any: numpy or Arrow
        """All rows."""
        raise NotImplementedError

    def values(self) -> Column:
        """All rows as numpy."""
        column = self.materialize()
        return column_to_numpy(column) if isinstance(column, pa.ChunkedArray) else column

    def take(self, rows: Ints) -> Any:  # Any: numpy or Arrow
        """Some rows."""
        return _take(self.materialize(), rows)


class _LazyRows(LazyColumn):
    """Some rows of a column (numpy, Arrow or lazy), which are taken when first used."""

    __slots__ = ("column", "rows")

    def __init__(self, column: Any, rows: Ints) -> None:  # Any: numpy or Arrow
        self.column, self.rows = column, rows

    def __len__(self) -> int:
        return len(self.rows)

    def materialize(self) -> Any:  # Any: as the column
        """The rows themselves."""
        return _take(self.column, self.rows)

    def take(self, rows: Ints) -> Any:  # Any: as the column
        """Some of the rows."""
        return _take(self.column, self.rows[rows])


def _take(column: Any, rows: Ints) -> Any:  # Any: numpy or Arrow
    """Some rows of a column."""
    if isinstance(column, LazyColumn):
        return column.take(rows)
    return column.take(pa.array(rows)) if isinstance(column, pa.ChunkedArray) else column[rows]


class Table:
    """n rows as columns.

    ``table["area"]`` is a column, (n,): whole numbers, floats (missing: NaN), flags, or objects (missing: None; a
    column of whole numbers with missing ones has objects). Columns from Arrow become numpy on first access, and
    `take` defers its work to the first access of each column.
    """

    __slots__ = ("_columns", "_missing", "_n")

    def __init__(self, columns: Mapping[str, Column | pa.ChunkedArray | LazyColumn]) -> None:
        self._columns: dict[str, Any] = dict(columns)  # Any: numpy or Arrow, taken or not
        self._missing: dict[str, Flags] = {}  # of columns of objects that were Arrow's
        lengths = {len(column) for column in self._columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"columns of {sorted(lengths)} rows")
        self._n = lengths.pop() if lengths else 0

    @staticmethod
    def of(table: pa.Table) -> "Table":
        """An Arrow table's rows."""
        return Table({name: table[name] for name in table.column_names})

    def __len__(self) -> int:
        return self._n

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self._columns)

    def __getitem__(self, name: str) -> Column:
        if name not in self._columns:
            raise KeyError(f"no column {name!r}; there are: {', '.join(self._columns)}")
        column = self._columns[name]
        if isinstance(column, LazyColumn) and not column.stays:
            return column.values()
        column = self._column(name)
        if isinstance(column, pa.ChunkedArray):
            arrow, column = column, column_to_numpy(column)
            self._columns[name] = column
            if column.dtype == object:  # where to look for what is missing would take long
                self._missing[name] = arrow.is_null().to_numpy()
        return column  # type: ignore[no-any-return]  # numpy now

    def _column(self, name: str) -> Any:  # Any: numpy or Arrow
        """A column as it is stored: numpy, Arrow or lazy."""
        column = self._columns[name]
        if isinstance(column, LazyColumn):
            made = column.materialize()
            if column.stays:
                self._columns[name] = made
            return made
        return column

    def texts(self, name: str) -> pa.Array:
        """A column of texts as an Arrow array, without a Python object for each."""
        column = self._column(name)
        if not isinstance(column, pa.ChunkedArray):
            return pa.array(column, pa.string())
        joined = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        return joined if pa.types.is_string(joined.type) else joined.cast(pa.string())

    def cell(self, name: str, row: int) -> Any:  # Any: as the column
        """One value of a column as a Python number or text; does not convert the column."""
        column = self._column(name)
        if isinstance(column, pa.ChunkedArray):
            if column.num_chunks > 1:
                column = self._columns[name] = pa.chunked_array([column.combine_chunks()])
            return column[row].as_py()
        value = column[row]
        return value.item() if isinstance(value, np.generic) else value

    def missing(self, name: str) -> Flags:
        """(n,) whether a value of a column is missing."""
        if name in self._missing:
            return self._missing[name]
        column = self._column(name)
        if isinstance(column, pa.ChunkedArray):
            return column.is_null().to_numpy()  # type: ignore[no-any-return]  # pyarrow has no types
        if column.dtype == object:
            return np.array([value is None for value in column], bool)
        return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)

    def select(self, names: Iterable[str]) -> "Table":
        """Some columns, in this order."""
        return Table({name: self._columns[name] for name in names})

    def take(self, rows: Ints | Flags) -> "Table":
        """Some rows, by number or by flag."""
        positions: Ints = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64, copy=False)
        return Table({name: _LazyRows(column, positions) for name, column in self._columns.items()})

    def beside(self, **columns: Column) -> "Table":
        """The same rows with columns added or replaced."""
        return Table({**self._columns, **columns})

    def lines(self, *names: str) -> Iterator[tuple[Any, ...]]:  # Any: as the columns
        """The rows of some columns, as Python numbers and texts."""
        return zip(*(self[name].tolist() for name in names), strict=True)

    def rows(self, rows: Collection[int], *names: str) -> dict[int, tuple[Any, ...]]:  # Any: as the columns
        """Row number -> the cells of some columns, as Python numbers and texts; builds no whole columns."""
        if not rows:
            return {}
        positions = np.fromiter(rows, np.int64, len(rows))
        columns = (_take(self._columns[name], positions) for name in names)
        values = [column.to_pylist() if isinstance(column, pa.ChunkedArray) else column.tolist() for column in columns]
        return dict(zip(positions.tolist(), zip(*values, strict=True), strict=True))

    def groups(self, *names: str) -> Iterator[Ints]:
        """The rows of each distinct combination of values in some columns, in ascending order of the combination."""
        if self._n:
            order, same = self._sorted_by(names)
            yield from np.split(order, np.flatnonzero(~same) + 1)

    def repeated(self, *names: str) -> Flags:
        """(n,) whether the combination of values in some columns occurs more than once."""
        order, same = self._sorted_by(names)
        result = np.zeros(self._n, bool)
        result[order[1:][same]] = result[order[:-1][same]] = True
        return result

    def _sorted_by(self, names: Sequence[str]) -> tuple[Ints, Flags]:
        """The rows sorted by some columns, and (n - 1,) whether each has the same values as the one before."""
        columns = [self[name] for name in names]
        codes = [np.unique(column, return_inverse=True)[1] if column.dtype == object else column for column in columns]
        if len(codes) == 1 and codes[0].dtype.kind in "iu":
            single = unique_inverse(codes[0])[1].astype(np.int32)
            codes, order = [single], kernels.order_by(single, int(single.max(initial=-1)) + 1)
        else:
            order = np.lexsort(codes[::-1])
        same = np.ones(max(self._n - 1, 0), bool)
        for code in codes:
            same &= code[order][1:] == code[order][:-1]
        return order, same

    def to_pandas(self) -> "pd.DataFrame":
        """Convert to a pandas table."""
        import pandas as pd

        return pd.DataFrame({name: self[name] for name in self._columns})


def column_to_numpy(column: pa.ChunkedArray) -> Column:
    """A column as a numpy array (n,), without a copy if there is nothing to convert."""
    if pa.types.is_integer(column.type) and column.null_count:
        return np.array(column.to_pylist(), dtype=object)
    if pa.types.is_boolean(column.type):
        column = pc.fill_null(column, False)
    return column.to_numpy()  # type: ignore[no-any-return]  # pyarrow has no types


def group_edges(boxes: Table, group: Ints, n: int) -> dict[str, Ints]:
    """(n,) `left`, `top`, `right` and `bottom`, in pixels, of what encloses the boxes of each of n groups.

    `group` (n_boxes,) is that of each box, from 0; without one, left and top are the greatest number, the others 0.
    """
    edges = {name: np.full(n, np.iinfo(np.int64).max) for name in ("left", "top")}
    edges |= {name: np.zeros(n, np.int64) for name in ("right", "bottom")}
    for start, size, low, high in (("x", "width", "left", "right"), ("y", "height", "top", "bottom")):
        np.minimum.at(edges[low], group, boxes[start])
        np.maximum.at(edges[high], group, boxes[start] + boxes[size])
    return edges
