"""Reuse: tables measured before, cut to the images that have not changed and put together with those that have."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from segdata.core.batch import replaced
from segdata.core.runs import Ints
from segdata.measure.measure import ROWS_OF, Measured


def cut(measured: Measured, first: int, last: int) -> Measured:
    """The tables of the images `first:last`, rows counted from 0 within it; of the defects those that name one of them.

    Each table must be in the order of its images, as `measure_batch` makes them and `together` leaves them.
    """
    span = {"images": (first, last)}
    tables = {"images": measured.tables["images"].slice(first, last - first)}
    for name, columns in ROWS_OF.items():  # a table comes after those that it refers to
        if name not in measured.tables:
            continue
        table = measured.tables[name]
        column, of = next(iter(columns.items()))
        begin, end = np.searchsorted(table[column].to_numpy(), span[of]).tolist()
        span[name] = (begin, end)
        part = table.slice(begin, end - begin)
        for each, target in columns.items():
            part = replaced(part, each, part[each].to_numpy().astype(np.int64) - span[target][0])
        tables[name] = part
    names = set(tables["images"]["image_id"].to_pylist())
    return Measured(tables, [defect for defect in measured.defects if defect.image in names])


def interleaved(
    order: Ints, kept: Mapping[int, int], before: Measured, fresh: Iterable[tuple[Ints, Measured]]
) -> Iterator[Measured]:
    """Pieces in the order of the images: those kept from before, those measured now.

    Parameters
    ----------
    order : rows of all images, in the order in which they are measured
    kept : row -> the image's row in `before`
    fresh : the other rows in the same order, in portions, and what was measured of each
    """
    pieces = _one_by_one(fresh)
    begin = 0
    rows: Sequence[int] = order.tolist()
    while begin < len(rows):
        if rows[begin] not in kept:
            yield next(pieces)
            begin += 1
            continue
        first = kept[rows[begin]]
        end = begin + 1
        while end < len(rows) and kept.get(rows[end]) == first + end - begin:
            end += 1
        yield cut(before, first, first + end - begin)
        begin = end


def _one_by_one(fresh: Iterable[tuple[Ints, Measured]]) -> Iterator[Measured]:
    for rows, measured in fresh:
        if len(rows) == 1:
            yield measured
        else:
            yield from (cut(measured, at, at + 1) for at in range(len(rows)))
