"""Attributes and secondary categories as tables, against the batch read row by row."""

from collections import Counter
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.profile import Policy, Profile
from segdata.core.rule import Family
from segdata.core.taxonomy import Attribute, Category, Taxonomy
from segdata.measure.measure import concatenate_measured, measure_batch
from segdata.measure.registry import BatchView
from segdata.measure.tables import rows
from segdata.testing.pictures import masks_of_runs
from segdata.testing.strategies import datasets
from tests.generators.sequences import sequence_dataset
from tests.measure.test_tables_by_loops import PROFILE, random_batch

NAMES = Taxonomy(categories=(Category(id=1, name="a", attributes=(Attribute("occluded"), Attribute("of"))),))


@settings(max_examples=40)
@given(datasets())
def test_every_row_says_what_its_segment_says(made: tuple[Profile, list[Batch]]) -> None:
    batch = concatenate_batches(made[1])
    view = BatchView(batch, replace(made[0], taxonomy=NAMES))
    said = [
        (row, key, value)
        for row, pairs in enumerate(batch.segments["attributes"].to_pylist())
        for key, value in pairs or ()
        if key == "occluded"
    ]
    table = rows.measure_attributes(view)
    assert list(zip(*(table[name].to_pylist() for name in ("segment", "name", "value")), strict=True)) == said
    counted: dict[tuple[int, str, str], list[int]] = {}
    for row, pairs in enumerate(batch.segments["attributes"].to_pylist()):
        for key, value in pairs or ():
            counted.setdefault((int(batch.segment_annotation[row]), key, value), []).append(row)
    spellings = rows.measure_spellings(view).to_pylist()
    assert [row["segment"] for row in spellings] == sorted(row["segment"] for row in spellings)
    expected = {(own[0], key, value, len(own)) for (_, key, value), own in counted.items()}
    assert {(row["segment"], row["name"], row["value"], row["n"]) for row in spellings} == expected
    also = [(row, id_) for row, ids in enumerate(batch.segments["also"].to_pylist()) for id_ in ids or ()]
    table = rows.measure_secondary_categories(view)
    assert list(zip(table["segment"].to_pylist(), table["category_id"].to_pylist(), strict=True)) == also


@settings(max_examples=30)
@given(datasets())
def test_chunks_put_together_are_the_whole(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = replace(made[0], taxonomy=NAMES), made[1]
    families: frozenset[Family] = frozenset({"attributes", "spellings", "also"})
    whole = measure_batch(concatenate_batches(batches), profile, families)
    pieces = concatenate_measured(measure_batch(batch, profile, families) for batch in batches)
    for name in ("attributes", "spellings", "also"):
        assert whole.tables[name].to_pylist() == pieces.tables[name].to_pylist()


@settings(max_examples=1)
@given(datasets())
def test_nothing_is_said_of_nothing(made: tuple[Profile, list[Batch]]) -> None:
    view = BatchView(Batch.empty(), replace(made[0], taxonomy=NAMES))
    for measured in (rows.measure_attributes, rows.measure_spellings, rows.measure_secondary_categories):
        assert measured(view).num_rows == 0


@pytest.mark.parametrize("seed", range(12))
def test_where_the_pixels_of_segments_lie(seed: int) -> None:
    batch = random_batch(np.random.default_rng(seed))
    table = measure_batch(batch, PROFILE, frozenset({"centroids"})).tables["centroids"].to_pylist()
    for row, mask in enumerate(masks_of_runs(batch.runs, *batch.segment_size)):
        y, x = np.nonzero(mask)
        expected = [x.mean(), y.mean(), x.std(), y.std()] if len(x) else [0] * 4
        names = ("center_x", "center_y", "spread_x", "spread_y")
        assert [table[row][name] for name in names] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(12))
def test_imprints_are_those_of_categories_and_pixels_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = random_batch(rng)
    annotation = np.sort(rng.integers(0, batch.annotations.num_rows, batch.n_segments)).astype(np.int32)
    segments = replace_column(batch.segments, "annotation", annotation)
    runs = batch.runs.take(rng.integers(0, 3, batch.n_segments), batch.n_segments)  # of three shapes
    batch = replace(batch, segments=segments, runs=runs)
    drawn: list[list[tuple[int, bytes]]] = [[] for _ in range(batch.annotations.num_rows)]
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    for row, category, mask in zip(annotation, segments["category_id"].to_pylist(), masks, strict=True):
        drawn[row].append((category, mask.tobytes()))
    found = measure_batch(batch, PROFILE, frozenset({"imprints"})).tables["annotations"]["imprint"].to_pylist()
    for one, own in zip(drawn, found, strict=True):
        for other, theirs in zip(drawn, found, strict=True):
            assert (own == theirs) == (sorted(one) == sorted(other))
    assert {len(imprint) for imprint in found} == {32}


@pytest.mark.parametrize("flag", [False, None])
def test_a_crowd_that_nobody_declares_is_none(flag: bool | None) -> None:
    batch = random_batch(np.random.default_rng(0))
    other = replace(batch, segments=replace_column(batch.segments, "iscrowd", [flag] * batch.n_segments))
    families: frozenset[Family] = frozenset({"ends", "seams", "dashes", "lobes"})
    for name, table in measure_batch(other, PROFILE, families).tables.items():
        assert table.equals(measure_batch(batch, PROFILE, families).tables[name])
    crowds = replace(batch, segments=replace_column(batch.segments, "iscrowd", [True] * batch.n_segments))
    tables = measure_batch(crowds, PROFILE, families).tables
    assert [tables[name].num_rows for name in ("ends", "seams", "dashes", "lobes")] == [0] * 4


@pytest.mark.parametrize("declared", [None, [], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_declared_boxes_are_of_four_numbers(declared: list[float] | None) -> None:
    batch = random_batch(np.random.default_rng(0))
    boxes = [declared if row % 2 else [5.0, 6.0, 7.0, 8.0] for row in range(batch.n_segments)]
    batch = replace(batch, segments=replace_column(batch.segments, "declared_bbox", boxes))
    table = measure_batch(batch, PROFILE, frozenset()).tables["segments"].to_pylist()
    for row, box in zip(table, boxes, strict=True):
        sides = [row[f"declared_{name}"] for name in ("x", "y", "width", "height")]
        assert sides == (box if box is not None and len(box) == 4 else [None] * 4)


@pytest.mark.parametrize("seed", range(20))
def test_thin_runs_between_two_categories_are_those_of_the_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, (3, 24, 18))
    values[rng.random(values.shape) < 0.3] = 0
    made = sequence_dataset(values, void=(4,))
    profile = replace(made.profile, overlap=Policy("forbid"))
    rows_of = {row["annotation"]: row for row in rows.measure_between(BatchView(made.batch, profile)).to_pylist()}
    for k, image in enumerate(values):
        n, pairs = 0, Counter[tuple[int, int, int]]()
        for column in image.T.tolist():
            pieces = [(value, len(list(group))) for value, group in groupby(column)]
            for (above, _), (own, length), (below, _) in zip(pieces, pieces[1:], pieces[2:], strict=False):
                if own and length <= rows.THINNEST and above != below and 4 not in (above, own, below):
                    n += 1
                    if min(above, below) < own < max(above, below):
                        pairs[own, min(above, below), max(above, below)] += 1
        usual = Counter(own for (own, _, _), times in pairs.items() if times >= 3)
        mixed = sum(times >= 2 for times in usual.values())
        expected = {"annotation": k, "n": n, "between": pairs.total(), "mixed": mixed}
        assert rows_of.get(k, {"annotation": k, "n": 0, "between": 0, "mixed": 0}) == expected
