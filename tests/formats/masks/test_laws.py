"""The law of every format, for those that are masks."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from segdata.core.batch import Batch
from segdata.core.format import find_format
from segdata.core.profile import Profile
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

EXACT = Details(overlaps=False, several=False, extras=False)


@pytest.mark.parametrize("name", ["colour-masks", "instance-ids"])
@settings(max_examples=40)
@given(dataset=datasets())
def test_only_what_was_counted_is_lost(
    tmp_path_factory: pytest.TempPathFactory, name: str, dataset: tuple[Profile, list[Batch]]
) -> None:
    assert_round_trip(find_format(name), *dataset, _new(tmp_path_factory))


@settings(max_examples=40)
@given(dataset=datasets(EXACT))
def test_instance_ids_lose_nothing_that_is_pixels(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    """Without overlaps, several annotators and extra columns only segments without pixels cannot be kept."""
    losses = assert_round_trip(find_format("instance-ids"), *dataset, _new(tmp_path_factory))
    assert {loss.kind for loss in losses.listed()} <= {"empty-segment"}


def _new(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("law")
