"""Round trips of random datasets through the relatives of COCO instances."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from segdata.core.batch import Batch
from segdata.core.format import find_format
from segdata.core.profile import Profile
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

# What each loses even of datasets without extras: Datumaro's id 0 is none.
ALWAYS = {
    "coco-results": {"empty-annotation", "score", "segment-id", "source"},
    "datumaro": {"empty-annotation", "segment-id"},
    "lvis": {"empty-annotation", "segment-id"},
}


@pytest.mark.parametrize("name", ALWAYS)
@settings(max_examples=30)
@given(dataset=datasets())
def test_only_counted_losses_are_missing(name: str, dataset: tuple[Profile, list[Batch]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_round_trip(find_format(name), *dataset, Path(folder))


@pytest.mark.parametrize("name", ALWAYS)
@settings(max_examples=25)
@given(dataset=datasets(Details(several=False, extras=False, void=False)))
def test_all_pixels_are_held(name: str, dataset: tuple[Profile, list[Batch]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        losses = assert_round_trip(find_format(name), *dataset, Path(folder))
    assert {loss.kind for loss in losses.listed()} <= ALWAYS[name]
