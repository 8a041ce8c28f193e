"""Partitions: tables in pieces are those of the whole, and portions those of loops, whoever measures them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from segdata.core.batch import Batch, replace_column
from segdata.core.config import Config
from segdata.core.finding import Defect
from segdata.core.rule import Family, rules
from segdata.core.rule_runner import find_by_rule
from segdata.core.table import Table
from segdata.measure import partitions
from segdata.measure.measure import MeasuredTables, concatenate_measured, measure_batch, measure_source
from segdata.measure.partitions import (
    MeasuringJob,
    PortionSource,
    RemoteTables,
    find_by_part,
    find_in_partition,
    partition_chunks,
    sequence_portions,
    summarise_partition,
)
from tests.measure.test_tables_by_loops import FAMILIES, PROFILE, plain, random_batch
from tests.memory import Memory

SEEDS = range(12)


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(0, []), (1, [1]), (64, [1] * 64), (127, [1] * 127), (128, [2] * 64), (130, [2] * 65), (1023, [15] * 68 + [3]),
     (1024, [16] * 64), (5000, [16] * 312 + [8])],
)  # fmt: skip
def test_portions_of_a_partition(n: int, sizes: list[int]) -> None:
    chunks = [np.array([k]) for k in range(n)]
    found = partition_chunks(chunks)
    assert [len(portions) for portions in found] == sizes
    assert [int(rows[0]) for portions in found for rows in portions] == list(range(n))


@pytest.mark.parametrize("seed", SEEDS)
def test_portions_as_a_source(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, 8)
    sizes = [1, 3, 2, 2]
    begins = [0, 1, 4, 6]
    loaded: list[int] = []

    def load(k: int) -> Batch:
        loaded.append(k)
        return batch.take_images(np.arange(begins[k], begins[k] + sizes[k]))

    source = PortionSource(PROFILE, sizes, load)
    assert source.image_ids == batch.images["image_id"].to_pylist()
    assert [rows.tolist() for rows in source.chunks()] == [[0], [1, 2, 3], [4, 5], [6, 7]]
    loaded.clear()
    rows = rng.permutation(8)[: int(rng.integers(1, 9))]
    if rng.random() < 0.5:
        rows = np.sort(rows)
    found, expected = source.load(rows), batch.take_images(rows)
    assert found.images["image_id"].to_pylist() == [f"{row}.png" for row in rows]
    assert sorted(found.segments["segment_id"].to_pylist()) == sorted(expected.segments["segment_id"].to_pylist())
    assert found.annotations.num_rows == expected.annotations.num_rows
    assert loaded == []  # four portions stay loaded


@pytest.mark.parametrize("seed", SEEDS)
def test_sequences_are_with_the_part_of_their_first_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, most = 11, int(rng.integers(1, 5))
    names = [[None, "v", "w", "x"][int(rng.integers(4))] for _ in range(n)]
    begins = np.array([0, *sorted(rng.choice(np.arange(1, n), 2, replace=False).tolist())])
    parts: list[list[int]] = [[], [], []]
    for row, name in enumerate(names):
        first = row if name is None else names.index(name)
        parts[max(k for k in range(3) if begins[k] <= first)].append(row)
    found = sequence_portions(Table({"sequence": np.array(names, object)}), begins, most)
    assert [np.concatenate(portions).tolist() for portions in found] == [part for part in parts if part]
    for portions in found:
        sizes = [len(rows) for rows in portions]
        assert max(sizes) <= most
        assert len(sizes) == -(-sum(sizes) // most)
        assert max(sizes) - min(sizes) <= 1


def local_cluster(calls: list[int]) -> Any:  # Any: as much of a cluster as tables need
    """Runs what it is given here; `calls` gets how many tasks there were each time."""

    def submit_all(
        function: Callable[..., Any], *columns: Sequence[Any], name: str, columns_: Sequence[str] = (), **named: Any
    ) -> Iterable[Any]:
        calls.append(len(columns[0]))
        return [function(*row, name=name, **named) for row in zip(*columns, strict=True)]

    return SimpleNamespace(submit_all=submit_all, results=list)


@pytest.mark.parametrize("small", [0, 20_000])
@pytest.mark.parametrize("seed", SEEDS)
def test_tables_in_pieces_are_those_of_the_whole(seed: int, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_MAX_SMALL_ROWS", small)
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, 7)
    cuts = np.split(np.arange(7), sorted(rng.integers(0, 8, 3).tolist()))
    pieces = [measure_batch(batch.take_images(rows), PROFILE, FAMILIES) for rows in cuts]
    whole = concatenate_measured(iter(pieces))
    empty = measure_batch(Batch.empty(), PROFILE, FAMILIES).tables
    n_rows = {name: np.array([piece.tables[name].num_rows for piece in pieces]) for name in empty}
    calls: list[int] = []
    tables = RemoteTables(local_cluster(calls), pieces, n_rows, empty)  # type: ignore[arg-type]  # futures here
    for name in empty:
        table, expected = tables.table(name), whole.tables[name]
        assert len(table) == expected.num_rows
        assert tables.first_rows(name).tolist() == [int(n_rows[name][:k].sum()) for k in range(4)]
        for column in expected.column_names:
            assert repr(table[column].tolist()) == repr(Table.of(expected)[column].tolist()), (name, column)
            rows = rng.integers(0, max(expected.num_rows, 1), int(rng.integers(0, 5)) if expected.num_rows else 0)
            some = tables.rows(name, column, rows).to_pylist()
            assert some == [expected[column][int(row)].as_py() for row in rows]
    assert tables.fetched > 0
    assert plain(MeasuredTables({name: tables.whole(name) for name in empty}, [])) == plain(whole)
    name = max(n_rows, key=lambda name: int(n_rows[name].sum()))
    calls.clear()
    column = empty[name].column_names[0]
    fresh = RemoteTables(local_cluster(calls), pieces, n_rows, empty)  # type: ignore[arg-type]  # as above
    fresh.table(name)[column]
    fresh.table(name)[empty[name].column_names[1]]
    with_rows = int((n_rows[name] > 0).sum())
    assert calls == ([with_rows] if small else [with_rows, with_rows])


@pytest.mark.parametrize("seed", range(4))
def test_rules_find_in_parts_what_they_find_in_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, 9)
    splits = ["train", "val"] * 4 + ["train"]
    batch = replace(batch, images=replace_column(batch.images, "split", splits))
    defects = [Defect("SEG005", "opened", image="1.png"), Defect("SEG001", "file")]
    source = Memory(PROFILE, batch, 3, defects)
    chosen = [
        rule for rule in rules("validate").values()
        if rule.applies(PROFILE) and rule.runs_by_part(PROFILE) and rule.needs <= FAMILIES | {"coverage"}
    ]  # fmt: skip
    families: frozenset[Family] = FAMILIES
    config = Config()
    tables = measure_source(source, families, jobs=1)
    whole = find_by_rule(tables, chosen, config)
    job = MeasuringJob(None, PROFILE, config, families, tuple(rule.code for rule in chosen), tuple(defects))
    pieces = [measure_batch(source.load(rows), PROFILE, families) for rows in source.chunks()]
    summaries = [summarise_partition(piece, job) for piece in pieces]
    names = summaries[0].n_rows
    n_rows = {name: np.array([one.n_rows[name] for one in summaries]) for name in names}
    found = find_by_part(
        job, tables, [one.findings for one in summaries], n_rows,
        lambda answers, codes: [find_in_partition(piece, answers=answers, job=job, codes=codes) for piece in pieces],
    )  # fmt: skip
    assert {code: sorted(map(repr, some)) for code, some in found.items() if some} == {
        code: sorted(map(repr, some)) for code, some in whole.items() if some
    }
    assert sum(map(len, found.values())) > 0
