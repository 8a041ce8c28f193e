"""The law of every format, for those of the annotation tools."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segdata.core.batch import Batch
from segdata.core.format import find_format
from segdata.core.profile import Profile
from segdata.formats.tools.qupath_files import object_properties
from segdata.formats.tools.supervisely_writer import TagMetas
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

PLAIN = Details(several=False, extras=False)
Dataset = tuple[Profile, list[Batch]]
FORMATS = pytest.mark.parametrize("name", ["labelme", "via", "cvat"])


def _new(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("dataset")


def _has_images(dataset: Dataset) -> bool:
    """LabelMe has a file for each image, and none without any."""
    return any(batch.images.num_rows for batch in dataset[1])


@FORMATS
@settings(max_examples=25)
@given(dataset=datasets())
def test_only_what_was_counted_is_lost(tmp_path_factory: pytest.TempPathFactory, name: str, dataset: Dataset) -> None:
    assume(_has_images(dataset))
    assert_round_trip(find_format(name), *dataset, _new(tmp_path_factory))


@FORMATS
@settings(max_examples=30)
@given(dataset=datasets(PLAIN), never=st.just(frozenset({"attributes", "rings", "hole", "part", "overlap", "void"})))
def test_of_plain_segments_all_is_held(
    tmp_path_factory: pytest.TempPathFactory, name: str, dataset: Dataset, never: frozenset[str]
) -> None:
    """Pixels, holes, overlaps, categories and void come back: only ids and what is empty may be counted."""
    assume(_has_images(dataset))
    losses = assert_round_trip(find_format(name), *dataset, _new(tmp_path_factory))
    kinds = {loss.kind for loss in losses.listed()}
    assert not kinds & never
    assert kinds <= {"empty-annotation", "empty-segment", "segment-id"}


def test_a_number_of_thousands_of_digits_is_counted_where_it_would_become_a_text() -> None:
    for text, n_lost in (("9" * 5000, 1), ("-" + "9" * 5000, 1), (json.dumps("9" * 5000), 0), ("9", 0)):
        assert TagMetas().split_attributes([("n", text)])[1] == n_lost
        assert object_properties({"n": text})[1] == (n_lost == 0)
