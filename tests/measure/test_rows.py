"""Attributes and secondary categories as tables, against the batch read row by row."""

from dataclasses import replace

from hypothesis import given, settings

from segdata.core.batch import Batch, concatenate_batches
from segdata.core.profile import Profile
from segdata.core.rule import Family
from segdata.core.taxonomy import Attribute, Category, Taxonomy
from segdata.measure.measure import concatenate_measured, measure_batch
from segdata.measure.registry import BatchView
from segdata.measure.tables import rows
from segdata.testing.strategies import datasets

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
    also = [(row, id_) for row, ids in enumerate(batch.segments["also"].to_pylist()) for id_ in ids or ()]
    table = rows.measure_secondary_categories(view)
    assert list(zip(table["segment"].to_pylist(), table["category_id"].to_pylist(), strict=True)) == also


@settings(max_examples=30)
@given(datasets())
def test_chunks_put_together_are_the_whole(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = replace(made[0], taxonomy=NAMES), made[1]
    families: frozenset[Family] = frozenset({"attributes", "also"})
    whole = measure_batch(concatenate_batches(batches), profile, families)
    pieces = concatenate_measured(measure_batch(batch, profile, families) for batch in batches)
    for name in ("attributes", "also"):
        assert whole.tables[name].to_pylist() == pieces.tables[name].to_pylist()


@settings(max_examples=1)
@given(datasets())
def test_nothing_is_said_of_nothing(made: tuple[Profile, list[Batch]]) -> None:
    view = BatchView(Batch.empty(), replace(made[0], taxonomy=NAMES))
    assert rows.measure_attributes(view).num_rows == rows.measure_secondary_categories(view).num_rows == 0
