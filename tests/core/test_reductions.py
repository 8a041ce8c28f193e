"""Reductions over parts are what the whole gives: sums, exact medians, rows in order."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.finding import RowFinding
from segdata.core.reductions import (
    Part,
    combine_requests,
    gather,
    group_medians,
    medians,
    run_part,
    stands_beyond_chance,
    sum_by,
    total,
)
from segdata.core.rule import Tables
from segdata.core.statistics import benjamini_hochberg
from segdata.core.table import Table

Work = Callable[[Tables], object]


def tables_of(columns: dict[str, np.ndarray]) -> Tables:
    """Tables of which only `segments` matters."""
    none = SimpleNamespace()
    return Tables(none, Table({}), Table({}), Table(columns), {}, ())  # type: ignore[arg-type]  # nothing looks at it


def run_in_parts(work: Work, columns: dict[str, np.ndarray], cuts: list[int]) -> list[Any]:
    """What `work` returns in the leading part, then in each of the others."""
    pieces = [slice(0, 0), *(slice(*pair) for pair in zip([0, *cuts], [*cuts, None], strict=True))]
    parts = [tables_of({name: column[piece] for name, column in columns.items()}) for piece in pieces]
    begins = [{"segments": piece.start} for piece in pieces]
    results: list[Any] = [None] * len(parts)
    answers: list[Table] = []

    def check(number: int) -> Callable[[Tables], Iterable[RowFinding]]:
        def found(tables: Tables) -> Iterable[RowFinding]:
            results[number] = work(tables)
            return ()

        return found

    requests: list[Any] = [None] * len(parts)
    last = False
    while True:
        for k, part in enumerate(parts[:1] if last else parts):
            requests[k] = run_part(check(k), part, Part(None if k else tables_of(columns), answers)).request
        if requests[0] is None:
            return results
        last = requests[0].keys is None
        answers.append(combine_requests(requests, begins))


values = st.sampled_from([0.0, -0.0, 1.5, -2.25, 1e-300, -1e300, 7.0, 7.000001, 3e9])


@given(st.data(), st.integers(0, 60), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_medians_of_parts_are_those_of_the_whole(data: st.DataObject, n: int, n_cuts: int) -> None:
    columns = {
        "value": np.array(data.draw(st.lists(values | st.floats(-1e6, 1e6), min_size=n, max_size=n)), float),
        "group": np.array(data.draw(st.lists(st.integers(-2, 3), min_size=n, max_size=n)), np.int64),
    }
    cuts = sorted(data.draw(st.lists(st.integers(0, n), min_size=n_cuts, max_size=n_cuts)))

    def work(tables: Tables) -> list[list[float]]:
        found = medians(tables, tables.segments["value"], tables.segments["group"])
        return [found[name].tolist() for name in ("group", "n", "median")]

    groups = np.unique(columns["group"])
    expected = [float(np.median(columns["value"][columns["group"] == group])) for group in groups]
    for part in run_in_parts(work, columns, cuts):
        assert part[0] == groups.tolist()
        assert part[2] == expected
        assert part == work(tables_of(columns))


@given(st.lists(st.floats(0, 0.12) | st.sampled_from([0.0, 0.05, 1.0, 0.01]), max_size=40), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_what_stands_beyond_chance_in_parts_stands_in_the_whole(p: list[float], n_cuts: int) -> None:
    columns = {"p": np.array(p, float)}
    cuts = sorted(np.random.default_rng(len(p)).integers(0, len(p) + 1, n_cuts).tolist())
    parts = run_in_parts(lambda tables: stands_beyond_chance(tables, tables.segments["p"], 0.05), columns, cuts)
    assert np.concatenate(parts).tolist() == benjamini_hochberg(columns["p"], 0.05).tolist()


def test_sums_totals_and_rows_of_parts() -> None:
    columns = {"key": np.array([5, -1, 5, 2**40, 5]), "value": np.array([1, 2, 300, 4, 70_000])}

    def work(tables: Tables) -> list[Any]:
        key, value = tables.segments["key"], tables.segments["value"]
        sums = sum_by(tables, {"key": key}, {"sum": value, "large": value > 3})
        frequent = sum_by(tables, {"key": key}, {"n": np.ones(len(key), np.int64)}, least=2)
        middle = group_medians(tables, value.astype(float), key)
        n = total(tables, n=len(key))["n"]
        if tables.turn is not None and tables.turn.whole is None:
            assert len(middle) == len(key)
        found = [list(sums.lines("key", "sum", "large")), frequent["key"].tolist(), n]
        whole, rows = gather(tables, {"row": np.arange(len(key)), "value": value}, {"row": "segments"})
        assert whole.segments["value"][rows["row"]].tolist() == rows["value"].tolist()
        return [*found, rows["value"].tolist()]

    expected = [[(-1, 2, 0), (5, 70_301, 2), (2**40, 4, 1)], [5], 5, [1, 2, 300, 4, 70_000]]
    assert work(tables_of(columns)) == expected
    leading, *others = run_in_parts(work, columns, [1, 1, 4])
    assert leading == expected
    assert others == [None] * 4  # what follows `gather` runs once


def test_parts_that_ask_for_different_things_are_refused() -> None:
    columns = {"value": np.array([1, 2])}

    def work(tables: Tables) -> object:
        name = "a" if len(tables.segments) else "b"
        return sum_by(tables, {name: tables.segments["value"]}, {})

    with pytest.raises(ValueError, match="asks for"):
        run_in_parts(work, columns, [1])


def test_what_asks_other_parts_after_gathering_rows_is_refused() -> None:
    """The other parts have ended by then, and their rows would be missing."""

    def work(tables: Tables) -> object:
        gather(tables, {"x": tables.segments["x"]})
        return total(tables, n=len(tables.segments))

    with pytest.raises(RuntimeError, match="after it gathered rows"):
        run_in_parts(work, {"x": np.arange(6)}, [2])
