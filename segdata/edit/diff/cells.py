"""Cells: which cells of two columns do not say the same. Null, false, an empty list and an empty map say nothing."""

import json
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core.runs import Ints, spread

Flags = NDArray[np.bool_]


def unlike(a: pa.ChunkedArray, b: pa.ChunkedArray) -> Ints:
    """The rows in which two columns (n,) of one type differ. Maps are the same in any order of their keys.

    >>> unlike(pa.chunked_array([[1, None, 3]]), pa.chunked_array([[1, None, 4]])).tolist()
    [2]
    """
    first, second = _whole(a), _whole(b)
    rows: Ints = np.flatnonzero(~_alike(first, second))
    if not pa.types.is_map(first.type):
        return rows
    few = pa.array(rows)
    pairs = zip(first.take(few).to_pylist(), second.take(few).to_pylist(), strict=True)
    other: Ints = rows[np.array([_plain(x) != _plain(y) for x, y in pairs], bool)]
    return other


def said(value: object) -> str:
    """A cell in a few words, for a message.

    >>> said(None), said("train"), said([("occluded", "true")]), said(b"x")
    ('nothing', 'train', 'occluded true', 'some')
    """
    if value is None or value is False or value == []:
        return "nothing"
    if value is True or isinstance(value, bytes):
        return "true" if value is True else "some"
    if isinstance(value, list) and all(isinstance(each, tuple) for each in value):
        return _short(", ".join(f"{key} {text}" for key, text in sorted(value)))
    return _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _alike(a: pa.Array, b: pa.Array) -> Flags:
    """(n,) whether the cells of two arrays of one type are equal."""
    if pa.types.is_list(a.type) or pa.types.is_map(a.type):
        return _alike_lists(a, b)
    if pa.types.is_struct(a.type):
        fields = [_alike(pc.struct_field(a, [k]), pc.struct_field(b, [k])) for k in range(a.type.num_fields)]
        every: Flags = np.logical_and.reduce([np.ones(len(a), bool), *fields])
        return every
    if pa.types.is_boolean(a.type):
        a, b = a.fill_null(False), b.fill_null(False)
    same = pc.or_(pc.fill_null(pc.equal(a, b), False), pc.and_(a.is_null(), b.is_null()))
    if pa.types.is_floating(a.type):
        same = pc.or_(same, pc.fill_null(pc.and_(pc.is_nan(a), pc.is_nan(b)), False))
    return np.asarray(same.to_numpy(zero_copy_only=False), bool)


def _alike_lists(a: pa.Array, b: pa.Array) -> Flags:
    """The same for lists and maps: as many entries, and each like its opposite."""
    first, length = _bounds(a)
    first_b, length_b = _bounds(b)
    same: Flags = length == length_b
    rows = np.flatnonzero(same & (length > 0))
    count = length[rows]
    at_a, at_b = pa.array(spread(first[rows], count)), pa.array(spread(first_b[rows], count))
    entry = np.ones(int(count.sum()), bool)
    for child_a, child_b in zip(_children(a), _children(b), strict=True):
        entry &= _alike(child_a.take(at_a), child_b.take(at_b))
    same[np.repeat(rows, count)[~entry]] = False
    return same


def _bounds(lists: pa.Array) -> tuple[Ints, Ints]:
    """Where each list begins among the values, and how long it is; null as empty."""
    offset = lists.offsets.to_numpy().astype(np.int64)
    return offset[:-1], np.where(lists.is_valid().to_numpy(zero_copy_only=False), np.diff(offset), 0)


def _children(lists: pa.Array) -> tuple[pa.Array, ...]:
    return (lists.keys, lists.items) if pa.types.is_map(lists.type) else (lists.values,)


def _plain(value: list[tuple[str, str]] | None) -> dict[str, str]:
    """A map in a form that does not depend on how its JSON texts are spaced and ordered."""
    plain = {}
    for key, text in value or ():
        with suppress(TypeError, ValueError):
            text = json.dumps(json.loads(text), sort_keys=True)
        plain[key] = text
    return plain
