"""Reviews: what was deleted, added, recategorised and moved; who drew it; and what passed as it was."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import segdata
from segdata.agreement.rework import ReworkSummary
from segdata.api.evaluate import rework
from segdata.core.config import Config, Layers
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy

CATEGORIES = Taxonomy(
    categories=(Category(id=1, name="car"), Category(id=2, name="bus"), Category(id=3, name="road", kind="stuff"))
)
Things = list[tuple[NDArray[np.bool_], str]]


def box(x: int, y: int, side: int = 10) -> NDArray[np.bool_]:
    found = np.zeros((60, 80), bool)
    found[y : y + side, x : x + side] = True
    return found


def drawn(images: dict[str, Things], annotator: str | None = None) -> OpenDataset:
    nothing = np.zeros((60, 80), np.uint8)
    labels = {name: each or nothing for name, each in images.items()}
    return segdata.from_arrays(labels, CATEGORIES, annotator=annotator)


def reviewed(before: OpenDataset, after: OpenDataset, **more: float) -> ReworkSummary:
    return rework(before, after, resamples=200, **more)  # type: ignore[arg-type]  # as rework has them


KEPT, MOVED, WRONG, GONE, FORGOTTEN = box(0, 0), box(20, 0), box(40, 0), box(60, 0), box(0, 30)
BEFORE: Things = [(KEPT, "car"), (MOVED, "car"), (WRONG, "car"), (GONE, "bus")]
AFTER: Things = [(KEPT, "car"), (box(20, 3), "car"), (WRONG, "bus"), (FORGOTTEN, "bus")]


def test_every_kind_of_correction_is_counted_by_category() -> None:
    found = reviewed(drawn({"1.png": BEFORE, "2.png": []}, "anna"), drawn({"1.png": AFTER, "2.png": []}, "anna"))
    rows = {each.category: each for each in found.rows if each.annotator == "anna"}
    every, car, bus = rows[None], rows["car"], rows["bus"]
    assert (every.segments, every.deleted, every.added, every.recategorised, every.moved) == (4, 1, 1, 1, 1)
    assert every.rework.value == 4 / 5
    assert (car.segments, car.deleted, car.added, car.recategorised, car.moved) == (3, 0, 0, 1, 1)
    assert car.rework.value == 2 / 3
    assert (bus.segments, bus.deleted, bus.added) == (1, 1, 1)
    # 30 px on both sides of the moved car; the wrong one is no car any more; of all, that one is changed but once.
    assert car.pixels.value == 160 / 330
    assert every.pixels.value == 360 / 530
    assert (every.images, every.passed.value, bus.images, bus.passed.value) == (2, 0.5, 1, 0.0)
    assert (found.images, found.unreviewed) == (2, 0)


def test_what_moves_within_the_tolerance_was_not_corrected() -> None:
    before, after = drawn({"1.png": [(MOVED, "car")]}), drawn({"1.png": [(box(20, 3), "car")]})
    for tolerance, moved in ((2.9, 1), (3.0, 0)):
        (row, _) = reviewed(before, after, tolerance=tolerance).rows[:2]
        assert (row.moved, row.passed.value) == (moved, 1 - moved)
        assert row.pixels.value == 60 / 130


def test_stuff_moves_as_a_whole() -> None:
    before, after = drawn({"1.png": [(box(0, 0, 40), "road")]}), drawn({"1.png": [(box(0, 0, 50), "road")]})
    row = reviewed(before, after).find(None, "road")
    assert row is not None
    assert (row.moved, row.deleted, row.added) == (1, 0, 0)


def test_a_reviewer_may_sign_and_may_leave_work_alone(tmp_path: Path) -> None:
    """Anna's and Ben's work, corrected by a reviewer under his own name; one image was not reviewed."""
    anna = {f"a{k}.png": BEFORE for k in range(4)}
    ben = {f"b{k}.png": AFTER for k in range(3)}
    parts = [drawn(anna, "anna"), drawn(ben, "ben")]
    for k, part in enumerate(parts):
        segdata.convert(part, tmp_path / str(k))
    segdata.merge([tmp_path / "0", tmp_path / "1"], tmp_path / "all")
    corrected = {name: AFTER for name in [*anna, *ben] if name != "a3.png"}
    found = reviewed(segdata.read(tmp_path / "all"), drawn(corrected, "chief"))
    assert (found.images, found.unreviewed) == (6, 1)
    everybody, first, second = (found.find(name) for name in (None, "anna", "ben"))
    assert everybody is not None
    assert first is not None
    assert second is not None
    assert (everybody.images, first.images, second.images) == (6, 3, 3)
    assert (first.rework.value, first.passed.value) == (0.8, 0.0)
    assert (second.rework.value, second.passed.value) == (0.0, 1.0)
    assert everybody.rework.value == (3 * 4) / (3 * 4 + 3 * 4 + 3)
    # That nothing was wrong in three images does not say that nothing is.
    assert (second.rework.low, second.rework.high) == (0.0, pytest.approx(1 - 0.05 ** (1 / 3)))


def test_own_corrections_go_before_those_of_others(tmp_path: Path) -> None:
    """Two annotators on one image: each is held against what became of the own work."""
    for k, (name, things) in enumerate([("anna", BEFORE), ("ben", AFTER)]):
        segdata.convert(drawn({"1.png": things}, name), tmp_path / f"before{k}")
        segdata.convert(drawn({"1.png": AFTER}, name), tmp_path / f"after{k}")
    for name in ("before", "after"):
        segdata.merge([tmp_path / f"{name}{k}" for k in range(2)], tmp_path / name)
    found = reviewed(segdata.read(tmp_path / "before"), segdata.read(tmp_path / "after"))
    assert found.images == 2
    for name, value in (("anna", 0.8), ("ben", 0.0)):
        row = found.find(name)
        assert row is not None
        assert row.rework.value == value


def test_nothing_in_common_is_an_error() -> None:
    with pytest.raises(SegdataError, match="no image is in two datasets"):
        reviewed(drawn({"a.png": BEFORE, "b.png": BEFORE}), drawn({"c.png": AFTER, "d.png": AFTER}))


def test_an_experts_correction_of_nerves(real_data: Path) -> None:
    """Six of ten images were corrected; the share of changed pixels is counted by hand."""
    data = real_data / "axon_sem_corrections"
    taxonomy = Taxonomy(
        categories=(Category(id=1, name="axon", kind="stuff"), Category(id=2, name="myelin", kind="stuff"))
    )
    sides: list[OpenDataset] = []
    changed = every = 0
    for version in ("original", "corrected"):
        layers = Layers(pattern=f"labels_{version}/{{stem}}_seg-{{category}}-manual.png", threshold=128)
        sides.append(segdata.read(data, config=Config(layers=layers), taxonomy=taxonomy))
    for path in sorted((data / "labels_original").glob("*_seg-myelin-manual.png")):
        with Image.open(path) as one, Image.open(data / "labels_corrected" / path.name) as other:
            old, new = (np.asarray(each.convert("L")) >= 128 for each in (one, other))
            changed += int((old ^ new).sum())
            every += int((old | new).sum())
    found = rework(*sides, resamples=200)
    row = found.find(None, "myelin")
    assert row is not None
    assert row.pixels.value == pytest.approx(changed / every)
    whole = found.find(None)
    assert whole is not None
    assert (whole.images, whole.passed.value) == (10, 0.4)
