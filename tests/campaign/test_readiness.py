"""Why a taxonomy is not ready, in sentences that say what to do."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest

import segdata
from segdata.campaign.readiness import PilotResult, ReadinessReason
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, MaxVoid, Taxonomy


def taxonomy(*names: str, **more: object) -> Taxonomy:
    categories = tuple(
        Category(id=at, name=name, parent="vehicle", definition=f"A {name}.", boundary_rule="Along the paint.")
        for at, name in enumerate(names, 1)
    )
    return Taxonomy(categories=categories, **more)  # type: ignore[arg-type]  # fields of a taxonomy


def dataset(known: Taxonomy, n_images: int = 30, bus_in: int = 30) -> OpenDataset:
    """Images of 20 x 20 pixels with two cars, and in some of them a bus."""
    rng = np.random.default_rng(8)
    labels = {}
    for at in range(n_images):
        drawn = []
        for row, name in enumerate(["car", "car", "bus"] if at < bus_in else ["car", "car"]):
            mask = np.zeros((20, 20), bool)
            mask[6 * row : 6 * row + rng.integers(2, 6), 2 : rng.integers(5, 19)] = True
            drawn.append((mask, name))
        labels[f"{at:02}.png"] = drawn
    return segdata.from_arrays(labels, known)


def of(found: PilotResult, kind: str) -> list[ReadinessReason]:
    return [reason for reason in found.reasons if reason.kind == kind]


def messages(reasons: Sequence[ReadinessReason]) -> str:
    return "\n".join(reason.message for reason in reasons)


def test_ready() -> None:
    found = segdata.pilot(dataset(taxonomy("car", "bus")), campaign=1000, min_instances=100)
    assert [reason for reason in found.reasons if reason.blocks] == []
    assert found.ready


def test_a_small_pilot() -> None:
    found = segdata.pilot(dataset(taxonomy("car", "bus"), n_images=6))
    assert not found.ready
    assert messages(of(found, "small-pilot")) == "the pilot has 6 images; annotate 20 or more, drawn at random"


def test_an_unused_category_says_how_rare_it_is_and_what_to_do() -> None:
    (reason,) = of(segdata.pilot(dataset(taxonomy("car", "bus", "tram"))), "unused-category")
    assert reason.blocks
    assert reason.categories == ("tram",)
    assert reason.message == (
        "'tram' is in none of 30 images: at most 12 % of the images have it; merge it with others of 'vehicle' "
        "('car'), or choose images that have it"
    )


def test_a_rare_category_blocks_where_fewer_are_expected_than_wanted() -> None:
    data = dataset(taxonomy("car", "bus"), bus_in=3)
    (reason,) = of(segdata.pilot(data, campaign=1000, min_instances=200), "too-few")
    assert (reason.blocks, reason.categories) == (True, ("bus",))
    assert "3 of 30 images: expect" in reason.message
    (doubt,) = of(segdata.pilot(data, campaign=1000, min_instances=50), "too-few")
    assert (doubt.blocks, doubt.categories) == (False, ("bus",))
    assert of(segdata.pilot(data, campaign=100_000, min_instances=50), "too-few") == []
    assert of(segdata.pilot(data, min_instances=50), "too-few") == []  # nobody knows how many images there will be


def test_what_is_wanted_is_what_too_few_asks_for() -> None:
    data = dataset(taxonomy("car", "bus"))
    assert segdata.pilot(data).plan.min_instances == 3
    config = msgspec.convert({"rules": {"SEG302": {"min_segments": 70}}}, type(data.config))
    assert segdata.pilot(replace(data, config=config)).plan.min_instances == 70


def test_the_guideline() -> None:
    bare = Taxonomy(categories=(Category(id=1, name="car"), Category(id=2, name="bus", definition="A bus.")))
    found = segdata.pilot(dataset(bare))
    (undefined,), (boundless,) = of(found, "no-definition"), of(found, "no-boundary-rule")
    assert (undefined.blocks, undefined.categories) == (True, ("car",))
    assert (boundless.blocks, boundless.categories) == (False, ("car", "bus"))
    assert "1 category without a definition: car; write down" in undefined.message
    assert segdata.pilot(dataset(bare), ignore="no-definition").ready


def test_void_and_unlabelled() -> None:
    haze = Category(id=9, name="haze", kind="void", definition="Haze.")
    known = msgspec.structs.replace(taxonomy("car"), categories=(*taxonomy("car").categories, haze))
    ids = np.ones((10, 10), int)
    ids[:2], ids[2:4] = 9, 0
    data = segdata.from_arrays({f"{at:02}.png": ids for at in range(25)}, known)
    profile = replace(data.profile, coverage=replace(data.profile.coverage, value="exhaustive", declared=True))
    found = segdata.pilot(replace(data, profile=profile))
    assert "of the pixels are void, 10 % is much" in messages(of(found, "void"))
    assert "of the pixels are unlabelled, and all should be" in messages(of(found, "unlabelled"))
    assert not found.ready
    lenient = msgspec.structs.replace(known, max_void=MaxVoid(dataset=0.3))
    assert of(segdata.pilot(replace(data, profile=replace(profile, taxonomy=lenient))), "void") == []


def test_things_drawn_as_two_categories_block_where_it_is_no_slip() -> None:
    mask = np.zeros((10, 10), bool)
    mask[2:8, 2:8] = True
    once = {f"{at:02}.png": [(mask, "car")] for at in range(25)}
    twice = once | {"00.png": [(mask, "car"), (mask, "bus")]}
    often = twice | {"01.png": [(mask, "car"), (mask, "bus")]}
    known = taxonomy("car", "bus")
    (slip,), (habit,) = (of(segdata.pilot(segdata.from_arrays(each, known)), "drawn-twice") for each in (twice, often))
    assert (slip.blocks, habit.blocks) == (False, True)
    assert "'bus' and 'car': 2 of 2 were drawn as both, in 2 of 25 images" in habit.message


def test_an_unknown_category() -> None:
    data = dataset(taxonomy("car", "bus"))
    lacking = replace(data, profile=replace(data.profile, taxonomy=taxonomy("car")))
    (reason,) = of(segdata.pilot(lacking), "unknown-category")
    assert reason.blocks
    assert "is in 30 of 30 images and not in the taxonomy" in reason.message


def test_an_unknown_kind_of_reason() -> None:
    with pytest.raises(SegdataError, match="no kind of reason is called 'too-view'; did you mean 'too-few'"):
        segdata.pilot(dataset(taxonomy("car", "bus")), ignore="too-view")
