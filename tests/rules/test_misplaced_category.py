"""Categories on the other side of each other than in nearly all other images or volumes."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import segdata
from segdata.core.finding import Finding
from segdata.rules import misplaced_category
from segdata.rules.misplaced_category import _ordered_pairs, are_sides
from tests.rules.test_by_part import check_all

Places = dict[str, tuple[float, float]]  # the middle of each category's square, in pixels
SIDE = 64


def sound(rng: np.random.Generator) -> Places:
    """A house with two windows, below the sky; a cat that is anywhere."""
    x, y = rng.uniform(24, 40, 2)
    jitter = rng.normal(0, 1, (4, 2))
    places = [(x, y), (x - 10, y), (x + 10, y), (x, y - 18)]
    names = ("house", "window_l", "window_r", "sky")
    near = {name: (px + dx, py + dy) for name, (px, py), (dx, dy) in zip(names, places, jitter.tolist(), strict=True)}
    return near | {"cat": (float(rng.uniform(8, 56)), float(rng.uniform(8, 56)))}


def exchange(places: Places, first: str, second: str) -> Places:
    return places | {first: places[second], second: places[first]}


def images(change: Callable[[int, Places], Places], n: int = 24) -> segdata.Dataset:
    """Small squares at the places of each image."""
    rng = np.random.default_rng(3)
    labels: dict[str, list[tuple[NDArray[np.bool_], str]]] = {}
    row, column = np.mgrid[:SIDE, :SIDE]
    for number in range(n):
        places = change(number, sound(rng))
        labels[f"{number:02d}.png"] = [
            (np.maximum(abs(column - x), abs(row - y)) < 4, name) for name, (x, y) in places.items()
        ]
    return segdata.from_arrays(labels, sorted({name for image in labels.values() for _, name in image}))


def found(data: segdata.Dataset) -> list[Finding]:
    return list(data.validate(select=["SEG318"], jobs=1).findings)


def test_left_and_right_exchanged() -> None:
    data = images(lambda k, places: exchange(places, "window_l", "window_r") if k in (5, 11) else places)
    assert [finding.image for finding in found(data)] == ["05.png", "11.png"]
    message = found(data)[0].message
    assert "'window_l' lies right of 'window_r'" in message
    assert "in 22 of 24 images it lies left of it" in message
    assert message.endswith(": are left and right exchanged?")
    check_all(data, (7,), frozenset({"SEG318"}))


def test_what_has_no_order_is_none() -> None:
    assert found(images(lambda k, places: places)) == []
    # The sky is lower than elsewhere, but still above.
    assert (
        found(
            images(lambda k, places: places | {"sky": (places["sky"][0], places["house"][1] - 5)} if k == 5 else places)
        )
        == []
    )


def test_too_few_images() -> None:
    def change(k: int, places: Places) -> Places:
        return exchange(places, "house", "sky") if k == 5 else places

    assert [finding.image for finding in found(images(change, 20))] == ["05.png"]
    assert found(images(change, 19)) == []


def test_sides_in_few_images_are_no_law_as_in_volumes() -> None:
    def change(k: int, places: Places) -> Places:
        return exchange(places, "window_l", "window_r") if k == 5 else places

    assert found(images(change, 12)) == []


def test_what_only_some_images_have_is_compared_with_what_these_have() -> None:
    def change(k: int, places: Places) -> Places:
        places = exchange(places, "sky", "window_l") if k == 5 else places
        return {name: place for name, place in places.items() if name != "sky" or k % 3}

    (finding,) = found(images(change, 36))
    assert finding.image == "05.png"
    assert "in 23 of 24 images it lies above it" in finding.message


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_image_that_is_turned_and_one_that_is_mirrored(mirrored: bool) -> None:
    """Left and right tell nothing about which of the two happened; above and below do."""

    def change(k: int, places: Places) -> Places:
        row = {f"thing{number}": (6.0 + 8 * number, 40.0) for number in range(5)}
        tall = {f"tall{number}": (32.0, 6.0 + 8 * number) for number in range(4)}
        both = {**(row if mirrored else tall), "lamp_left": (6.0, 56.0), "lamp_right": (56.0, 56.0)}
        if k != 7:
            return both
        return {name: (SIDE - x, y) if mirrored else (SIDE - x, SIDE - y) for name, (x, y) in both.items()}

    (finding,) = found(images(change))
    assert finding.image == "07.png"
    cause = ": are left and right exchanged?" if mirrored else ": is the image upside down?"
    assert finding.message.endswith(cause)


def test_an_order_that_varies_by_nature() -> None:
    """People turn: some are seen from the side, and some from behind."""

    def turn(k: int, places: Places) -> Places:
        angle = np.random.default_rng(k).normal(0, 0.9)
        return places | {"window_l": (32 - 10 * np.cos(angle), 30), "window_r": (32 + 10 * np.cos(angle), 30)}

    data = images(turn, 60)
    assert found(data) == []


def test_an_image_upside_down() -> None:
    def turn(k: int, places: Places) -> Places:
        return {name: (SIDE - x, SIDE - y) for name, (x, y) in places.items()} if k == 7 else places

    (finding,) = found(images(turn))
    assert finding.image == "07.png"
    assert "other pairs" in finding.message


def _volumes(root: Path, exchanged: frozenset[int], n: int = 10, mirrored: frozenset[int] = frozenset()) -> Path:
    """nnU-Net volumes with two kidneys; the header of a mirrored one says so."""
    nibabel = pytest.importorskip("nibabel")
    rng = np.random.default_rng(1)
    (root / "labelsTr").mkdir(parents=True)
    (root / "imagesTr").mkdir()
    for k in range(n):
        labels = np.zeros((30, 20, 5), np.uint8)
        x = int(rng.integers(-2, 3))
        labels[5 + x : 9 + x, 8:14, 1:4] = 1
        labels[20 + x : 24 + x, 8:14, 1:4] = 2
        affine = np.diag([2.0, 2.0, 5.0, 1.0])
        if k in exchanged:
            labels = np.array([0, 2, 1], np.uint8)[labels]
        if k in mirrored:
            labels, affine = labels[::-1], np.diag([-2.0, 2.0, 5.0, 1.0])
        grey = rng.integers(0, 200, labels.shape).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(labels, affine), root / f"labelsTr/case_{k:03d}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(grey, affine), root / f"imagesTr/case_{k:03d}_0000.nii.gz")
    names = {"background": 0, "kidney_left": 1, "kidney_right": 2}
    content = {"channel_names": {"0": "CT"}, "labels": names, "numTraining": n, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def test_sides_in_volumes(tmp_path: Path) -> None:
    (finding,) = found(segdata.read(_volumes(tmp_path / "one", frozenset({4}))))
    assert str(finding.image).startswith("case_004")
    assert finding.message == (
        "'kidney_left' lies to the patient's right of 'kidney_right', by 50% of the volume; in 9 of 10 volumes it lies "
        "to the patient's left of it: are left and right exchanged?"
    )
    # What the header turns is no defect, and what no header turns is one.
    assert found(segdata.read(_volumes(tmp_path / "turned", frozenset(), mirrored=frozenset({2, 6})))) == []
    assert found(segdata.read(_volumes(tmp_path / "few", frozenset({4}), 7))) == []


def test_names_of_sides() -> None:
    assert are_sides("Linkes Auge links", "Linkes Auge rechts")
    assert are_sides("l_eye", "r_eye")
    assert not are_sides("left_eye", "left_ear")
    assert not are_sides("left", "right_eye")


def test_ordered_pairs_by_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs are those that a loop over units counts, however many are counted at once."""
    rng = np.random.default_rng(5)
    for _ in range(40):
        present = rng.random((int(rng.integers(1, 30)), 6)) < 0.7
        unit, code = np.nonzero(present)
        category, least = code * 7 + 3, int(rng.integers(2, 12))
        # Categories from left to right, with some images mirrored; down, they lie anywhere.
        across = np.where(rng.random(len(present)) < 0.15, -1, 1)[unit] * code / 10.0
        places = np.stack([across, rng.random(len(unit))])
        expected = []
        for own, axis, other in product(range(6), range(2), range(6)):
            both = np.flatnonzero(present[:, own] & present[:, other])
            away = [
                places[axis, (unit == u) & (code == own)][0] - places[axis, (unit == u) & (code == other)][0]
                for u in both
            ]
            few = min(sum(d > 0 for d in away), sum(d < 0 for d in away))
            if other > own and len(both) >= least and 0 < few <= max(1, len(both) / 4):
                expected.append((own * 7 + 3, axis, other * 7 + 3))
        for at_once in (1, 17, 1_000_000):
            monkeypatch.setattr(misplaced_category, "_PAIRS_AT_ONCE", at_once)
            assert _ordered_pairs(unit, category, places, least) == expected
