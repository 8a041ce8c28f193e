"""What annotators of a pilot agree on: held against what was planted."""

import math

import numpy as np
import pytest

import segdata
from segdata.agreement.comparison import compare_panel
from segdata.agreement.panel import PanelMember, build_panel
from segdata.campaign.readiness import PilotAgreement, measure_pilot_agreement
from segdata.core.dataset import OpenDataset
from segdata.core.taxonomy import Category, Taxonomy
from tests.generators.annotators import ErrorRates, SimulatedAnnotator, simulate_annotator

CATEGORIES = ("car", "bus", "tram")
TAXONOMY = Taxonomy(
    categories=tuple(
        Category(id=at, name=name, definition=f"A {name}.", boundary_rule="Along the paint.")
        for at, name in enumerate(CATEGORIES, 1)
    )
)


def truth(n_images: int = 24) -> OpenDataset:
    """Images of 60 x 60 pixels with two of each category, well apart."""
    rng = np.random.default_rng(5)
    labels = {}
    for at in range(n_images):
        drawn = []
        for k in range(6):
            mask = np.zeros((60, 60), bool)
            y, x = 20 * (k // 3) + 1, 20 * (k % 3) + 1
            mask[y : y + rng.integers(8, 18), x : x + rng.integers(8, 18)] = True
            drawn.append((mask, CATEGORIES[k % 3]))
        labels[f"{at:02}.png"] = drawn
    return segdata.from_arrays(labels, TAXONOMY)


def of(*people: SimulatedAnnotator) -> PilotAgreement:
    data = truth()
    opposed = compare_panel(
        build_panel([PanelMember(simulate_annotator(data, who, k, "abc"[k])) for k, who in enumerate(people)])
    ).annotator_pairs
    assert opposed is not None
    found = measure_pilot_agreement(opposed)
    assert found is not None
    return found


HONEST = SimulatedAnnotator(ErrorRates(jitter=0.5))


def test_careful_annotators_agree() -> None:
    found = of(HONEST, HONEST, HONEST)
    assert (found.annotators, found.images) == (("a", "b", "c"), 24)
    assert [each.category for each in found.categories] == list(CATEGORIES)
    assert {each.score for each in found.categories} == {"f1"}
    assert all(each.value.low <= each.value.value <= each.value.high for each in found.categories)
    assert not any(each.is_low for each in found.categories)
    assert max((each.share for each in found.confused), default=0) == 0


def test_an_unclear_category_is_told_from_an_unclear_person() -> None:
    vague = SimulatedAnnotator(ErrorRates(jitter=0.5), of={"tram": ErrorRates(misses=0.7)})
    everybody = of(vague, vague, vague)
    assert [each.category for each in everybody.categories if each.is_surely_low] == ["tram"]
    one = of(HONEST, HONEST, vague)
    (tram,) = [each for each in one.categories if each.category == "tram"]
    assert (tram.without, tram.is_low) == ("c", False)
    assert tram.best > 0.9


def test_confused_categories_are_counted_as_they_were_called() -> None:
    data = truth()
    muddled = SimulatedAnnotator(of={"bus": ErrorRates(calls={"tram": 0.5})})
    other = simulate_annotator(data, muddled, 3, "b")
    opposed = compare_panel(
        build_panel([PanelMember(simulate_annotator(data, SimulatedAnnotator(), 0, "a")), PanelMember(other)])
    ).annotator_pairs
    assert opposed is not None
    found = measure_pilot_agreement(opposed)
    assert found is not None
    ids = {name: k for k, name in enumerate(CATEGORIES, 1)}
    called = other.segments["category_id"].to_numpy()
    n_more = int((called == ids["tram"]).sum()) - 48
    (pair,) = [each for each in found.confused if each.segments]
    assert (pair.a, pair.b, pair.segments) == ("bus", "tram", n_more)
    assert pair.of_segments == 48  # all that one of them calls a bus
    assert pair.share == pytest.approx(n_more / 48)
    assert all(math.isnan(each.best) and not each.without for each in found.categories)


def test_the_pilot_says_so() -> None:
    data = truth()
    muddled = SimulatedAnnotator(of={"bus": ErrorRates(calls={"tram": 0.5}), "car": ErrorRates(misses=0.8)})
    both = [simulate_annotator(data, each, k, "ab"[k]) for k, each in enumerate((muddled, muddled))]
    whole = build_panel([PanelMember(each) for each in both])
    found = segdata.pilot(OpenDataset(whole, whole.profile, data.config))
    assert found.agreement is not None
    blocking = {(reason.kind, reason.categories) for reason in found.reasons if reason.blocks}
    assert ("confused", ("bus", "tram")) in blocking
    assert ("unclear-category", ("car",)) in blocking
    alone = segdata.pilot(both[0])
    assert alone.agreement is None
    assert not {reason.kind for reason in alone.reasons} & {"confused", "unclear-category"}
