"""Deliveries: gold images found among the tasks, defects counted, and the decision with its risks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import hypergeom

import segdata
from segdata.agreement.acceptance import DeliveryQuality
from segdata.api.evaluate import accept
from segdata.core.config import CategoryGold, Config, Gold, InstanceIds, Sequences
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError

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
