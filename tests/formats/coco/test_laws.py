"""Round trips of random datasets through COCO's two formats."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from segdata.core.batch import Batch
from segdata.core.format import find_format
from segdata.core.profile import Profile
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

FORMATS = ("coco-instances", "coco-panoptic")


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=35)
@given(dataset=datasets())
def test_only_counted_losses_are_missing(name: str, dataset: tuple[Profile, list[Batch]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_round_trip(find_format(name), *dataset, Path(folder))


@settings(max_examples=35)
@given(dataset=datasets(Details(several=False, extras=False, void=False)))
def test_instances_hold_all_pixels(dataset: tuple[Profile, list[Batch]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        losses = assert_round_trip(find_format("coco-instances"), *dataset, Path(folder))
    assert {loss.kind for loss in losses.listed()} <= {"segment-id", "empty-annotation"}


@settings(max_examples=35)
@given(dataset=datasets(Details(overlaps=False, several=False, extras=False, void=False)))
def test_panoptic_holds_disjoint_segments(dataset: tuple[Profile, list[Batch]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        losses = assert_round_trip(find_format("coco-panoptic"), *dataset, Path(folder))
    assert {loss.kind for loss in losses.listed()} <= {"segment-id", "empty-segment"}
