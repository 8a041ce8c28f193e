"""Each annotator against the others: what was planted is found, and their own work does not help them."""

import numpy as np
import pytest

import segdata
from segdata.agreement.consensus import ConsensusMethod
from segdata.agreement.consensus_dataset import AgainstOthers, LeaveOneOutPanel, compare_with_others
from segdata.agreement.estimates import Resampling
from segdata.agreement.panel import Panel, PanelMember, build_panel
from segdata.core.dataset import OpenDataset
from tests.generators.annotators import ErrorRates, SimulatedAnnotator, simulate_annotator

HOW = Resampling(n_draws=200)
CAREFUL = SimulatedAnnotator(ErrorRates(jitter=0.4))


def truth(n_images: int = 16) -> OpenDataset:
    """Images of 80 x 80 pixels with nine things, well apart."""
    rng = np.random.default_rng(2)
    labels = {}
    for at in range(n_images):
        drawn = []
        for k in range(9):
            mask = np.zeros((80, 80), bool)
            y, x = 26 * (k // 3) + 4, 26 * (k % 3) + 4
            mask[y : y + rng.integers(9, 16), x : x + rng.integers(9, 16)] = True
            drawn.append((mask, "car" if k % 2 else "bus"))
        labels[f"{at:02}.png"] = drawn
    return segdata.from_arrays(labels, ["bus", "car"])


def panel_of(**people: SimulatedAnnotator) -> Panel:
    data = truth()
    return build_panel(
        [PanelMember(simulate_annotator(data, who, k, name)) for k, (name, who) in enumerate(people.items())]
    )


def against(method: str = "auto", **people: SimulatedAnnotator) -> dict[str, AgainstOthers]:
    whole = panel_of(**people)
    how = ConsensusMethod.from_name(method, whole.profile.task)
    return {each.annotator: each for each in compare_with_others(whole, people, how, resampling=HOW, jobs=1)}


def test_a_miss_and_an_extra_are_found() -> None:
    found = against(
        anna=CAREFUL,
        ben=CAREFUL,
        carl=SimulatedAnnotator(ErrorRates(jitter=0.4, misses=0.3)),
        dora=SimulatedAnnotator(ErrorRates(adds=0.25)),
    )
    assert list(found) == ["anna", "ben", "carl", "dora"]
    assert found["carl"].missed_things.value == pytest.approx(0.3, abs=0.08)
    assert found["carl"].missed_things.low < 0.3 < found["carl"].missed_things.high + 0.05
    assert found["dora"].extra_things.value == pytest.approx(0.2, abs=0.08)  # of four drawn a fifth is made up
    assert found["anna"].missed_things.value < 0.05
    assert found["carl"].missed.value > 3 * found["anna"].missed.value
    assert all(each.images == 16 for each in found.values())


@pytest.mark.parametrize(("grown", "name"), [(1.0, "anna"), (1.0, "zoe"), (-1.0, "zoe")])
def test_who_draws_larger(grown: float, name: str) -> None:
    """The sign does not depend on whose name comes first."""
    found = against(mia=CAREFUL, nina=CAREFUL, **{name: SimulatedAnnotator(ErrorRates(jitter=0.4, larger=grown))})
    assert found[name].boundary_offset.value == pytest.approx(grown, abs=0.35)
    assert found[name].boundary_offset.low <= found[name].boundary_offset.value <= found[name].boundary_offset.high
    assert (found[name].extra.value > found[name].missed.value) == (grown > 0)


def test_one_who_never_agrees_is_not_helped_by_their_own_work() -> None:
    """Of three, the others make the consensus: with their own vote in it the third would be nearer to it."""
    found = against(
        "majority", anna=CAREFUL, ben=CAREFUL, carl=SimulatedAnnotator(ErrorRates(jitter=0.4, shift=4.0, misses=0.2))
    )
    assert found["carl"].iou_micro.value < found["anna"].iou_micro.value - 0.15


def test_of_two_annotators_the_other() -> None:
    found = against(anna=CAREFUL, ben=CAREFUL)
    assert found["anna"].iou_micro.value == found["ben"].iou_micro.value
    assert found["anna"].missed.value == found["ben"].extra.value
    assert found["anna"].boundary_offset.value == -found["ben"].boundary_offset.value


def test_identical_annotators_are_the_consensus() -> None:
    found = against(anna=SimulatedAnnotator(), ben=SimulatedAnnotator(), carl=SimulatedAnnotator())
    for each in found.values():
        assert each.iou_micro.value == each.f1.value == 1
        assert (each.missed.value, each.extra.value) == (0, 0)
        assert [of.score for of in each.categories] == ["f1", "f1"]


def test_the_consensus_has_nothing_of_the_one_left_out() -> None:
    """Pixel by pixel the same, whatever the annotator draws."""
    one, other = (
        panel_of(anna=CAREFUL, ben=CAREFUL, carl=who)
        for who in (CAREFUL, SimulatedAnnotator(ErrorRates(larger=2.0, misses=0.5)))
    )
    runs = []
    for whole in (one, other):
        fields = {name: getattr(whole, name) for name in Panel.__dataclass_fields__}
        left = LeaveOneOutPanel(**fields, whom="carl", method=ConsensusMethod("instances"))
        batch = left.load(np.arange(16))
        rows = [each == left.consensus_name for each in batch.annotations["annotator"].to_pylist()]
        assert sum(rows) == 16
        made = batch.take_segments(np.flatnonzero(np.array(rows)[batch.segment_annotation]))
        runs.append((made.runs.start.tolist(), made.runs.length.tolist(), made.segments["category_id"].to_pylist()))
    assert runs[0] == runs[1]


def test_images_that_too_few_others_annotated_do_not_count() -> None:
    found = against(anna=CAREFUL, ben=CAREFUL, carl=SimulatedAnnotator(ErrorRates(), skips=0.5))
    assert found["anna"].images == found["ben"].images == found["carl"].images < 16
