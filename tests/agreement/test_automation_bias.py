"""Unchanged: shares that were planted are found, and what two persons have alike is no model's."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import segdata
from segdata.agreement.copying import UnchangedShare
from segdata.agreement.summary import Agreement
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.derived_sources import with_origin

TAXONOMY = Taxonomy(categories=(Category(id=1, name="car", kind="thing"), Category(id=2, name="bus", kind="thing")))
Boxes = list[tuple[NDArray[np.bool_], str]]


def box(place: int, wide: int = 8, high: int = 8) -> NDArray[np.bool_]:
    """A box in one of 12 places of an image that do not touch."""
    found = np.zeros((30, 40), bool)
    found[10 * (place // 4) : 10 * (place // 4) + high, 10 * (place % 4) : 10 * (place % 4) + wide] = True
    return found


def drawn(images: list[Boxes]) -> OpenDataset:
    return segdata.from_arrays({f"{k}.png": each for k, each in enumerate(images)}, TAXONOMY)


def agreed(who: dict[str, list[Boxes]], *models: str) -> Agreement:
    return segdata.agree({name: drawn(each) for name, each in who.items()}, models=models, resamples=100)


def of(found: Agreement, annotator: str) -> UnchangedShare:
    return next(each for each in found.unchanged if each.annotator == annotator)


@settings(max_examples=6)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=4))
def test_the_share_that_was_left_as_it_was_is_found(kept: list[int]) -> None:
    """Ben leaves the first of 12 segments of each image as they are and redraws the others; anna draws for herself."""
    model: list[Boxes] = [[(box(k), "car") for k in range(12)] for _ in kept]
    ben: list[Boxes] = [[(box(k, 8 if k < n else 7), "car") for k in range(12)] for n in kept]
    anna: list[Boxes] = [[(box(k, 8, 7), "car") for k in range(12)] for _ in kept]
    found = agreed({"anna": anna, "ben": ben, "model": model}, "model")
    mine = of(found, "ben")
    assert (mine.model, mine.images, mine.segments) == ("model", len(kept), 12 * len(kept))
    assert mine.share.value == pytest.approx(sum(kept) / (12 * len(kept)))
    assert not mine.share.low > mine.share.value
    assert not mine.share.high < mine.share.value
    assert (of(found, "anna").share.value, mine.persons.value) == (0, 0)


def test_two_persons_who_left_the_same_segments_are_no_measure_of_persons() -> None:
    """Of what anna and ben drew themselves half is alike, whatever both have of the model."""
    model: list[Boxes] = [[(box(k), "car") for k in range(8)]] * 3
    own: Boxes = [(box(10, 5), "car"), (box(11, 5), "car")]
    other: Boxes = [(box(10, 5), "car"), (box(11, 6), "car")]
    found = agreed({"anna": [[*model[0], *own]] * 3, "ben": [[*model[0], *other]] * 3, "model": model}, "model")
    assert of(found, "anna").share.value == of(found, "ben").share.value == 0.8
    assert of(found, "anna").persons.value == 0.5


def test_another_category_is_no_other_drawing() -> None:
    found = agreed({"ben": [[(box(0), "bus")]], "model": [[(box(0), "car")]]}, "model")
    assert of(found, "ben").share.value == 1
    assert of(found, "ben").share.low < 0.1  # one image is not much
    assert np.isnan(of(found, "ben").persons.value)


def test_models_are_those_whose_annotations_say_so() -> None:
    images: list[Boxes] = [[(box(0), "car")]]
    model = drawn(images)
    told = replace(model, source=with_origin(model.source, "model"))
    found = segdata.agree({"ben": drawn(images), "pilot": told}, resamples=100)
    assert [(each.annotator, each.model) for each in found.unchanged] == [("ben", "pilot")]
    assert agreed({"ben": images, "pilot": images}).unchanged == ()


def test_nobody_is_called_so() -> None:
    with pytest.raises(SegdataError, match="model: no annotator 'robot'; there are: anna, ben"):
        agreed({"anna": [[(box(0), "car")]], "ben": [[(box(0), "car")]]}, "robot")
