"""Join: batches dealt apart and joined again are what they were, in any order."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.profile import Profile
from segdata.store.merge import merge_batches
from segdata.testing.round_trip import content
from segdata.testing.strategies import datasets


@settings(max_examples=30)
@given(datasets(), st.data())
def test_parts_joined_are_the_whole(made: tuple[Profile, list[Batch]], data: st.DataObject) -> None:
    whole = concatenate_batches(made[1])
    n = whole.images.num_rows
    part = np.array([data.draw(st.integers(0, 2)) for _ in range(n)], np.int64)
    order = data.draw(st.permutations(whole.images["image_id"].to_pylist()))
    found = merge_batches([whole.take_images(np.flatnonzero(part == at)) for at in range(3)], order)
    found.runs.checked(*found.segment_size)
    assert found.images["image_id"].to_pylist() == list(order)
    assert content(found, made[0], frozenset()) == content(whole, made[0], frozenset())


@settings(max_examples=20)
@given(datasets())
def test_the_same_twice_is_once(made: tuple[Profile, list[Batch]]) -> None:
    whole = concatenate_batches(made[1])
    found = merge_batches([whole, whole], whole.images["image_id"].to_pylist())
    assert content(found, made[0], frozenset()) == content(whole, made[0], frozenset())


@settings(max_examples=20)
@given(datasets())
def test_what_one_does_not_say_the_other_may(made: tuple[Profile, list[Batch]]) -> None:
    """Annotations and splits that the first lacks come from the second."""
    whole = concatenate_batches(made[1])
    n = whole.images.num_rows
    bare = Batch(
        replace_column(replace_column(whole.images, "split", [None] * n), "metadata", [None] * n),
        whole.annotations.slice(0, 0),
        whole.segments.slice(0, 0),
        whole.runs.take(np.empty(0, np.int64), whole.n_segments),
    )
    found = merge_batches([bare, whole], whole.images["image_id"].to_pylist())
    assert content(found, made[0], frozenset()) == content(whole, made[0], frozenset())
