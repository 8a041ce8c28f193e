"""The law of every format, for the three of street scenes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import Batch
from segdata.core.format import find_format
from segdata.core.profile import Policy, Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.street.cityscapes_labels import LABELS
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, batches, datasets

EXACT = Details(overlaps=False, several=False, extras=False, void=False)
Dataset = tuple[Profile, list[Batch]]


@st.composite
def scenes(draw: Callable[[st.SearchStrategy[Any]], Any], details: Details = EXACT) -> Dataset:
    """Random datasets whose categories are some of Cityscapes', by name or alias, with ids of their own."""
    labels = draw(st.lists(st.sampled_from(LABELS.categories), min_size=1, max_size=4, unique_by=lambda each: each.id))
    ids = draw(st.lists(st.integers(0, 40), min_size=len(labels), max_size=len(labels), unique=True))
    aliased = draw(st.booleans())
    kinds = ["thing", "stuff", "void"] if details.void else ["thing", "stuff"]
    taxonomy = Taxonomy(
        categories=tuple(
            Category(
                id=id_,
                name=f"my {label.name}" if aliased else label.name,
                aliases=(label.name,) if aliased else (),
                kind=draw(st.sampled_from(kinds)),
            )
            for id_, label in zip(ids, labels, strict=True)
        )
    )
    task = draw(st.sampled_from(["semantic", "instance", "panoptic"]))
    profile = Profile("random", "random", task, taxonomy, True, Policy("sparse"), Policy("allow"))
    return profile, [draw(batches(taxonomy, 3 * place, details)) for place in range(draw(st.integers(1, 2)))]


@pytest.mark.parametrize("name", ["cityscapes", "kitti", "mapillary-vistas"])
@settings(max_examples=25)
@given(dataset=scenes(Details()))
def test_only_what_was_counted_is_lost(tmp_path_factory: pytest.TempPathFactory, name: str, dataset: Dataset) -> None:
    assert_round_trip(find_format(name), *dataset, _new(tmp_path_factory))


@settings(max_examples=25)
@given(dataset=datasets())
def test_vistas_takes_any_category(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> None:
    """Its config lists them."""
    losses = assert_round_trip(find_format("mapillary-vistas"), *dataset, _new(tmp_path_factory))
    assert "category" not in {loss.kind for loss in losses.listed()}


@pytest.mark.parametrize("name", ["cityscapes", "kitti", "mapillary-vistas"])
@settings(max_examples=30)
@given(dataset=scenes())
def test_of_plain_scenes_only_ids_and_separate_stuff_are_lost(
    tmp_path_factory: pytest.TempPathFactory, name: str, dataset: Dataset
) -> None:
    losses = assert_round_trip(find_format(name), *dataset, _new(tmp_path_factory))
    assert {loss.kind for loss in losses.listed()} <= {"empty-segment", "instance", "segment-id"}


def _new(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("law")
