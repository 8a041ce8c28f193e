"""Deliveries: gold images found among the tasks, defects counted, and the decision with its risks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import stats
from scipy.stats import hypergeom

import segdata
from segdata.agreement.acceptance import (
    DeliveryQuality,
    SamplingPlan,
    operating_curve,
    plan_sampling,
    strictest_plan,
)
from segdata.agreement.inference import finite_interval
from segdata.api.evaluate import accept
from segdata.core.config import CategoryGold, Config, Gold, InstanceIds, Sequences
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.report.console import Console
from segdata.report.quality import inspection_text

LENIENT = DeliveryQuality(acceptable=0.1, limit=0.4, consumer_risk=0.2)


def mask(left: int) -> NDArray[np.uint8]:
    found = np.zeros((20, 40), np.uint8)
    found[5:15, left : left + 20] = 1
    return found


def work(lefts: dict[str, int], *, annotator: str | None = None, images: Path | None = None) -> OpenDataset:
    """A car in every image, so many pixels from the left."""
    found = {name: mask(left) for name, left in lefts.items()}
    return segdata.from_arrays(found, ["car"], annotator=annotator, images=images)


GOLD = work({f"{k}.png": 5 for k in range(12)})


def test_hidden_images_are_found_by_id_and_counted() -> None:
    """Three of ten are 10 px off (IoU 1 / 3); two of the gold images did not come back."""
    delivery = work({f"{k}.png": 15 if k < 3 else 5 for k in range(10)} | {f"task{k}.png": 0 for k in range(90)})
    found = accept(delivery, GOLD, bar=0.8, quality=LENIENT)
    assert (found.lot, len(found.inspected), found.wrong, found.rate) == (100, 10, 3, 0.3)
    assert [each.image for each in found.inspected[:3]] == ["0.png", "1.png", "2.png"]
    assert found.inspected[0].value == pytest.approx(1 / 3)
    assert [each.defective for each in found.inspected] == [True] * 3 + [False] * 7
    assert found.missing == ("10.png", "11.png")
    assert found.low < 0.3 < found.high
    # Of 40 defective ones in 100 at most 2 are among 10 in 15 % of cases, at most 3 in 38 %.
    assert found.plan is not None
    assert found.plan.accept == 2
    assert found.producer_risk == pytest.approx(1 - hypergeom.cdf(2, 100, 10, 10))
    assert (found.decision, found.accepted) == ("rejected", False)
    sound = accept(work({f"{k}.png": 5 + (k == 0) * 10 for k in range(10)}), GOLD, bar=0.8, quality=LENIENT, lot=100)
    assert (sound.decision, sound.wrong) == ("accepted", 1)


def test_hidden_images_are_found_by_content_under_any_name_and_twice(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    names = {"gold": ["a.png", "b.png"], "tasks": ["t1.png", "t2.png", "t3.png", "t4.png"]}
    for folder, files in names.items():
        (tmp_path / folder).mkdir()
        for name in files:
            Image.fromarray(rng.integers(0, 255, (20, 40), np.uint8)).save(tmp_path / folder / name)
    for task, own in (("t2", "a"), ("t3", "b"), ("t4", "a")):
        (tmp_path / "tasks" / f"{task}.png").write_bytes((tmp_path / "gold" / f"{own}.png").read_bytes())
    gold = work({"a.png": 5, "b.png": 5}, images=tmp_path / "gold")
    delivery = work({"t1.png": 0, "t2.png": 5, "t3.png": 15, "t4.png": 5}, annotator="ben", images=tmp_path / "tasks")
    found = accept(delivery, gold, bar=0.8, quality=LENIENT)
    assert [(each.image, each.annotator, each.defective) for each in found.inspected] == [
        ("b.png", "ben", True),
        ("a.png", "ben", False),
        ("a.png", "ben (2)", False),
    ]


def test_few_images_decide_nothing_unless_they_are_too_bad() -> None:
    """Two images cannot show that less than 5 % are defective; but 12 of 12 show that more are."""
    quality = DeliveryQuality()
    few = accept(work({"0.png": 5, "1.png": 5}), GOLD, bar=0.8, quality=quality, lot=5000)
    assert (few.decision, few.plan, few.needed.sample) == ("undecided", None, 131)
    bad = accept(work({f"{k}.png": 15 for k in range(12)}), GOLD, bar=0.8, quality=quality, lot=5000)
    assert (bad.decision, bad.plan) == ("rejected", None)


def test_an_image_is_defective_under_the_bar_of_one_category_and_sound_where_nothing_is() -> None:
    """The section is that of the gold standard; what the caller says goes before it."""
    section = Gold(metric="dice", bar=0.1, categories={"car": CategoryGold(bar=0.6)})
    gold = replace(GOLD, config=Config(gold=section))
    delivery = work({"0.png": 15, "1.png": 5})
    found = accept(delivery, gold, quality=LENIENT)
    first = found.inspected[0]
    assert (first.category, first.metric, first.defective) == ("car", "dice", True)
    empty = segdata.from_arrays({"0.png": np.zeros((20, 40), np.uint8)}, ["car"])
    found = accept(empty, empty, bar=1.0, quality=LENIENT)
    assert [(each.metric, each.defective) for each in found.inspected] == [("", False)]
    with pytest.raises(SegdataError, match=r"no bar for the delivery: give --bar, or add a section gold"):
        accept(delivery, GOLD)
    with pytest.raises(SegdataError, match="no image is in two datasets, by content"):
        accept(work({"x.png": 5}), GOLD, bar=0.8)


def test_a_volume_is_inspected_as_one(tmp_path: Path) -> None:
    """Two of three volumes are gold; one of these is 10 px off in each of its four slices."""
    sequences = Sequences(pattern="{sequence}/{frame}.png", kind="volume")
    sides = []
    for name, lefts in (("gold", {"a": 5, "b": 5}), ("delivery", {"a": 15, "b": 5, "c": 5})):
        for volume, left in lefts.items():
            for k in range(4):
                path = tmp_path / name / "masks" / volume / f"{k}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask(left)).save(path)
        config = Config(sequences=sequences, instance_ids=InstanceIds(category="car"))
        sides.append(segdata.read(tmp_path / name / "masks", config=config, format="instance-ids"))
    found = accept(sides[1], sides[0], bar=0.8, quality=LENIENT)
    assert found.lot == 3
    assert [(each.image, each.defective) for each in found.inspected] == [("a", True), ("b", False)]
    assert found.missing == ()


RISKS = st.floats(0.02, 0.3)


# Truong (2025), the R package AccSamplingDesign, vignette: sample, accept, both risks, and a chance of acceptance.
@pytest.mark.parametrize(
    ("producer", "consumer", "plan", "risks", "at_3_percent"),
    [
        (0.05, 0.10, SamplingPlan(132, 3), (0.04425251, 0.0992283), 0.4384354),
        (0.02, 0.15, SamplingPlan(144, 4), (0.01534843, 0.1487162), 0.5656415),
    ],
)
def test_published_plans(
    producer: float, consumer: float, plan: SamplingPlan, risks: tuple[float, float], at_3_percent: float
) -> None:
    assert plan_sampling(0.01, 0.05, producer_risk=producer, consumer_risk=consumer) == plan
    good, bad, between = plan.acceptance_probability(np.array([0.01, 0.05, 0.03]))
    assert (1 - good, bad, between) == pytest.approx((*risks, at_3_percent), rel=1e-6)


@given(st.integers(1, 60), st.data(), RISKS, RISKS)
def test_smallest_plan_of_a_lot(lot: int, data: st.DataObject, producer: float, consumer: float) -> None:
    """No plan of fewer items keeps both risks, by the definition over all plans."""
    good, bad = sorted((data.draw(st.integers(0, lot)), data.draw(st.integers(0, lot))))
    assume(good < bad)
    plan = plan_sampling(good / lot, bad / lot, lot=lot, producer_risk=producer, consumer_risk=consumer)
    sample, accept = np.mgrid[0 : lot + 1, 0 : lot + 1]
    keeps = (stats.hypergeom.cdf(accept, lot, good, sample) >= 1 - producer - 1e-9) & (
        stats.hypergeom.cdf(accept, lot, bad, sample) <= consumer
    )
    assert keeps[plan.sample, plan.accept]
    assert plan.sample == np.flatnonzero(keeps.any(axis=1))[0]


@given(st.floats(0, 0.2), st.floats(1.5, 10), RISKS, RISKS)
def test_risks_hold_without_end(quality: float, times: float, producer: float, consumer: float) -> None:
    limit = min(1.0, quality * times + 0.02)
    plan = plan_sampling(quality, limit, producer_risk=producer, consumer_risk=consumer)
    better, worse = np.linspace(0, quality, 9), np.linspace(limit, 1, 9)
    assert (plan.acceptance_probability(better) >= 1 - producer - 1e-6).all()
    assert (plan.acceptance_probability(worse) <= consumer + 1e-9).all()


def test_a_delivery_that_is_inspected_as_a_whole_is_known() -> None:
    """The rate has no interval, and no curve of chances follows, which would be one value in all rows."""
    delivery = work({f"{k}.png": 15 if k < 3 else 5 for k in range(12)})
    found = accept(delivery, GOLD, bar=0.8, quality=LENIENT)
    assert (found.rate, found.low, found.high, found.decision) == (0.25, 0.25, 0.25, "accepted")
    text = inspection_text(found, LENIENT, Console())
    assert "nothing is left to chance" in text
    assert "left after correction" not in text
    assert "left after correction" in inspection_text(
        accept(delivery, GOLD, bar=0.8, quality=LENIENT, lot=500), LENIENT, Console()
    )


def test_a_large_lot_is_nearly_without_end() -> None:
    assert plan_sampling(0.02, 0.08, lot=2_000_000) == SamplingPlan(98, 4, 2_000_000)
    assert plan_sampling(0.02, 0.08) == SamplingPlan(98, 4)


def test_a_small_lot_is_inspected_whole() -> None:
    """Of 10 items none may be wrong, and one is too many: only all of them tell."""
    assert plan_sampling(0, 0.1, lot=10, consumer_risk=0.05) == SamplingPlan(10, 0, 10)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.data())
def test_the_interval_of_a_lot_holds_its_rate(lot: int, data: st.DataObject) -> None:
    """The interval misses at most 5 % of all samples, whatever the lot has; once all is seen it is the rate itself."""
    trials = data.draw(st.integers(1, lot))
    bad = data.draw(st.integers(0, lot))
    hits = np.arange(max(0, trials - (lot - bad)), min(bad, trials) + 1)
    ends = np.array([finite_interval(int(hit), trials, lot) for hit in hits])
    held = (ends[:, 0] <= bad / lot + 1e-12) & (bad / lot <= ends[:, 1] + 1e-12)
    assert stats.hypergeom.pmf(hits[held], lot, bad, trials).sum() >= 0.95 - 1e-9
    assert finite_interval(bad, lot, lot) == (bad / lot, bad / lot)


def test_simulated_deliveries() -> None:
    """Of 4,000 deliveries as many are accepted as the curve says; the tolerance is four standard errors."""
    rng, plan = np.random.default_rng(0), plan_sampling(0.02, 0.1, lot=400)
    for wrong in (8, 24, 40):
        drawn = rng.hypergeometric(wrong, 400 - wrong, plan.sample, 4000)
        accepted = np.mean(drawn <= plan.accept)
        assert accepted == pytest.approx(float(plan.acceptance_probability(wrong / 400)), abs=0.032)


def test_operating_curve() -> None:
    curve = operating_curve(SamplingPlan(50, 1, 200))
    assert curve["accepted"][0] == 1
    assert (np.diff(curve["accepted"]) <= 0).all()
    assert curve["accepted"][-1] <= 0.01 < curve["accepted"][-2]
    np.testing.assert_allclose(curve["outgoing"], curve["rate"] * curve["accepted"] * 0.75)
    assert operating_curve(SamplingPlan(50, 1), np.array([0.04]))["accepted"] == pytest.approx(
        stats.binom.cdf(1, 50, 0.04)
    )
    assert operating_curve(SamplingPlan(3, 3))["accepted"].tolist() == [1] * 51


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        ({"quality": 0.05, "limit": 0.05}, "the limit larger"),
        ({"quality": -0.1, "limit": 0.05}, "shares of 0 to 100 %"),
        ({"quality": 0.01, "limit": 0.02, "lot": 0}, "a lot of 0"),
        ({"quality": 0.01, "limit": 0.02, "producer_risk": 0.0}, "risks"),
    ],
)
def test_misuse(ask: dict[str, float], said: str) -> None:
    with pytest.raises(SegdataError, match=said):
        plan_sampling(**ask)  # type: ignore[arg-type]  # as asked


@pytest.mark.parametrize("sample", [5, 22, 45, 46, 120])
@pytest.mark.parametrize(("lot", "bad"), [(None, 0.05), (150, 8)])
def test_the_strictest_number_keeps_the_risk_and_one_more_would_not(sample: int, lot: int | None, bad: float) -> None:
    """5 % of 150 are 7.5, and 7 are less than the limit."""
    found = strictest_plan(sample, 0.05, lot=lot)
    most = -1 if found is None else found.accept
    chance = [
        stats.binom.cdf(accept, sample, bad) if lot is None else stats.hypergeom.cdf(accept, lot, int(bad), sample)
        for accept in (most, most + 1)
    ]
    assert chance[1] > 0.1
    assert most < 0 or chance[0] <= 0.1
