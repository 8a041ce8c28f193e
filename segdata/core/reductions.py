"""Reductions: sums, medians and rows over a whole dataset, for rules that run on parts of it.

A rule that is registered with `by_part` runs on each part of a dataset, where the rows of that part are. It gets data
of the other parts through the functions of this module: sums by key, exact medians, and a few rows that are judged
together. If a dataset has no parts, they compute from its tables, so that a rule is written once.

A rule that needs the other parts stops with a `Request`. When the requests of all parts are combined, the rule runs
again in each part, with the answer. So it must make the same requests in each run and in all parts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.finding import RowFinding
from segdata.core.rule import Request, Tables, Turn, WaitError
from segdata.core.runs import Flags, Floats, Ints, unique_inverse
from segdata.core.statistics import benjamini_hochberg
from segdata.core.strata import joint_codes
from segdata.core.table import Column, Table

_INTEGER_TYPES = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64)  # the narrowest first
_BUCKET_BITS = 48  # that buckets drop from the 64 of a float: sign, exponent and 4 bits of the fraction remain


class Part(msgspec.Struct, frozen=True):
    """The part of a dataset that a rule runs on, with the answers to its requests."""

    whole: Tables | None = None  # in the leading part, which has no rows of its own: the tables of the whole dataset
    answers: Sequence[Table] = ()  # to what the rule has asked for so far


class Outcome(msgspec.Struct, frozen=True):
    """The findings of a rule in a part, and its request to other parts; findings are final without a request."""

    findings: list[RowFinding]
    request: Request | None = None


def run_part(check: Callable[[Tables], Iterable[RowFinding]], tables: Tables, part: Part) -> Outcome:
    """Run a rule on one part, up to its first request without an answer."""
    findings: list[RowFinding] = []
    try:
        for finding in check(replace(tables, turn=Turn(part.whole, part.answers))):
            findings.append(finding)
    except WaitError as waits:
        return Outcome(findings, pack_request(waits.request))
    return Outcome(findings)


def pack_request(request: Request) -> Request:
    """The request with each column of whole numbers in its smallest dtype."""
    return msgspec.structs.replace(request, columns={name: _narrow(col) for name, col in request.columns.items()})


def _narrow(column: Column) -> Column:
    if column.dtype.kind not in "iu" or len(column) == 0:
        return column
    low, high = int(column.min()), int(column.max())
    fits = (kind for kind in _INTEGER_TYPES if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return column.astype(next(fits, column.dtype))


def combine_requests(requests: Sequence[Request | None], first_rows: Sequence[Mapping[str, int]]) -> Table:
    """Combine the requests of all parts, in order, to an answer; `first_rows`: the first row of each part, by table.

    Raises ValueError if parts ask for different columns.
    """
    asked = [(request, rows) for request, rows in zip(requests, first_rows, strict=True) if request is not None]
    pieces: dict[str, list[Column]] = {name: [] for name in asked[0][0].columns}
    for request, rows in asked:
        if request.columns.keys() != pieces.keys() or request.keys != asked[0][0].keys:
            raise ValueError(f"a rule asks for {list(pieces)} in one part and {list(request.columns)} in another")
        for name, column in request.columns.items():
            whole = column.astype(np.int64) if column.dtype.kind in "iu" else column
            pieces[name].append(whole + rows[request.links[name]] if name in request.links else whole)
    columns = {name: np.concatenate(several) for name, several in pieces.items()}
    keys = asked[0][0].keys
    return Table(columns) if keys is None else _at_least(_sum_columns(columns, keys), keys, asked[0][0].least)


def _sum_columns(columns: Mapping[str, Column], n_keys: int) -> Table:
    """One row for each combination of the first `n_keys` columns, ascending, with integer sums of the other columns."""
    names = list(columns)
    which, first = joint_codes(*(columns[name] for name in names[:n_keys]))
    summed = {name: columns[name][first] for name in names[:n_keys]}
    for name in names[n_keys:]:
        # As floats whole numbers up to 2 ** 53 are exact, in any order.
        summed[name] = np.bincount(which, columns[name], len(first)).astype(np.int64)
    return Table(summed)


def sum_by(tables: Tables, keys: Mapping[str, Ints], sums: Mapping[str, Column], least: int = 0) -> Table:
    """Sum columns (n,) of whole numbers or flags over the whole dataset, for each combination of keys (n,).

    Returns one row for each combination that occurs, in ascending order, without those whose first sum is below
    `least`.
    """
    summed = _sum_columns({**keys, **sums}, len(keys))
    if tables.turn is None:
        return _at_least(summed, len(keys), least)
    return tables.turn.ask(Request({name: summed[name] for name in summed.names}, len(keys), least=least))


def _at_least(summed: Table, n_keys: int, least: int) -> Table:
    return summed.take(np.flatnonzero(summed[summed.names[n_keys]] >= least)) if least else summed


def total(tables: Tables, **values: int) -> dict[str, int]:
    """Sum whole numbers over the whole dataset."""
    sums = {name: np.array([value], np.int64) for name, value in values.items()}
    summed = sum_by(tables, {"": np.zeros(1, np.int64)}, sums)
    return {name: int(summed[name].sum()) for name in values}


def gather(tables: Tables, columns: Mapping[str, Column], links: Mapping[str, str] = {}) -> tuple[Tables, Table]:
    """The tables of the whole dataset, and rows of all parts, in the leading part only: the rest of a rule runs once.

    `links`: columns that are rows of a table, ``{"owner": "annotations"}``.
    """
    turn = tables.turn
    if turn is None:
        return tables, Table(dict(columns))
    rows = turn.ask(Request(dict(columns), links=dict(links)))
    turn.is_over = True
    assert turn.whole is not None  # only the leading part gets this answer
    return turn.whole, rows


def gather_each(
    tables: Tables, kinds: Sequence[Mapping[str, Column]], links: Mapping[str, str] = {}
) -> tuple[Tables, list[Table]]:
    """As `gather`, of rows of several kinds at once: what follows `gather` has no parts to gather more from.

    Returns the tables of the whole dataset, and a table for each of `kinds`, in their order. Each of them has a column.
    """
    if tables.turn is None:
        return tables, [Table(dict(columns)) for columns in kinds]
    n = [len(next(iter(columns.values()))) for columns in kinds]
    joined: dict[str, Column] = {"": np.repeat(np.arange(len(kinds)), n)}
    for name in dict.fromkeys(name for columns in kinds for name in columns):
        pieces = (columns.get(name, np.zeros(k, np.int64)) for columns, k in zip(kinds, n, strict=True))
        joined[name] = np.concatenate([*pieces])
    whole, rows = gather(tables, joined, links)
    return whole, [rows.take(rows[""] == kind).select(columns) for kind, columns in enumerate(kinds)]


def leading(tables: Tables) -> Tables | None:
    """The tables of the whole dataset in the leading part, which yields findings about it; None in the other parts.

    If the dataset has no parts, these are `tables` themselves.
    """
    return tables if tables.turn is None else tables.turn.whole


def name_keys(names: pa.Array) -> Ints:
    """(n,) a number for each text, the same in all parts: 63 bits of its hash; -1 for None."""
    coded = names.dictionary_encode()
    digests = [
        blake2b(name.encode("utf-8", "replace"), digest_size=8).digest() for name in coded.dictionary.to_pylist()
    ]
    keys = np.array([*(int.from_bytes(digest, "little") >> 1 for digest in digests), -1], np.int64)
    return np.asarray(keys[coded.indices.fill_null(len(digests)).to_numpy()])


def stands_beyond_chance(tables: Tables, p: Floats, rate: float) -> Flags:
    """(n,) whether a test is significant among those of the whole dataset; see `benjamini_hochberg`."""
    if tables.turn is None:
        return benjamini_hochberg(p, rate)
    low = _ordered_bits(p[p <= rate])
    # No other can stand: they are but counted, under a key that no p-value has.
    counted = sum_by(tables, {"p": np.append(low, -1)}, {"n": np.append(np.ones_like(low), len(p) - len(low))})
    every = np.repeat(_from_bits(counted["p"][1:]), counted["n"][1:])
    stands = benjamini_hochberg(every, rate, int(counted["n"].sum()))
    return np.asarray(p <= every[stands].max(initial=-1.0))


def group_medians(tables: Tables, values: Floats, group: Ints) -> Floats:
    """(n,) the median of each value's group in the whole dataset; a group has the same number in all parts."""
    by_group = medians(tables, values, group)
    middle: Floats = by_group["median"][np.searchsorted(by_group["group"], group)]
    return middle


def medians(tables: Tables, values: Floats, group: Ints) -> Table:
    """The columns group, n and median of the values (n,) of each group (n,) in the whole dataset, ascending by group.

    The medians are exact: values are first counted in buckets, and only buckets that hold a median are refined.
    """
    if tables.turn is None:
        groups, inverse = unique_inverse(group)
        n = np.bincount(inverse, minlength=len(groups))
        return Table({"group": groups, "n": n, "median": kernels.medians(values, inverse, len(groups))})
    ones, key = np.ones(len(group), np.int64), _ordered_bits(values)
    bucket = key >> _BUCKET_BITS
    counts = sum_by(tables, {"group": group, "bucket": bucket}, {"n": ones})
    groups, begin = np.unique(counts["group"], return_index=True)
    end = np.append(begin, len(counts))[1:]
    upto = np.concatenate([[0], np.cumsum(counts["n"])])
    n = upto[end] - upto[begin]
    low, high = (np.searchsorted(upto, upto[begin] + rank, "right") - 1 for rank in ((n - 1) // 2, n // 2))
    is_middle = np.zeros(len(counts), bool)
    is_middle[low] = is_middle[high] = True
    middle = _contains(counts, is_middle, group, bucket)
    fine = sum_by(tables, {"group": group[middle], "key": key[middle]}, {"n": ones[middle]})
    fine_upto = np.concatenate([[0], np.cumsum(fine["n"])])
    first = fine_upto[np.searchsorted(fine["group"], groups)] - (upto[low] - upto[begin])  # between them are no others
    keys = [fine["key"][np.searchsorted(fine_upto, first + rank, "right") - 1] for rank in ((n - 1) // 2, n // 2)]
    pair = np.stack([_from_bits(key) for key in keys], axis=1).ravel()
    return Table({"group": groups, "n": n, "median": kernels.medians(pair, np.repeat(np.arange(len(n)), 2), len(n))})


def _contains(counts: Table, chosen: Flags, group: Ints, bucket: Ints) -> Flags:
    """(n,) whether the row of `counts` of a group and bucket is chosen."""
    low, size = int(counts["bucket"].min(initial=0)), int(np.ptp(counts["bucket"])) + 1 if len(counts) else 1
    groups = np.unique(counts["group"])
    codes = np.searchsorted(groups, counts["group"]) * size + counts["bucket"] - low
    place = np.searchsorted(codes, np.searchsorted(groups, group) * size + bucket - low)
    return chosen[place]


def _ordered_bits(values: Floats) -> Ints:
    """Map floats to whole numbers in the same order."""
    bits = (values + 0.0).view(np.int64)  # -0.0 becomes 0.0
    return np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)


def _from_bits(key: Ints) -> Floats:
    """The inverse of `_ordered_bits`."""
    numbers: Floats = np.where(key < 0, key ^ np.int64(2**63 - 1), key).view(np.float64)
    return numbers
