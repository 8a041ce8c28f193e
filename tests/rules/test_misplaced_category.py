"""Categories on the other side of each other than in nearly all other images or volumes."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import segdata
from segdata.core.finding import Finding
from segdata.core.profile import ImageSequence
from segdata.core.table import Table
from segdata.rules import misplaced_category
from segdata.rules.misplaced_category import (
    _finding,
    _Law,
    _merge,
    _ordered_pairs,
    _patient_axes,
    _places,
    are_sides,
)
from tests.rules.campaigns import with_tables
from tests.rules.test_by_part import check_all
from tests.rules.test_rules_by_loops import CAR, HAZE, PERSON, ROAD, SIGN, scattered
from tests.rules.test_rules_by_loops import images as empty_images

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
    assert [(finding.image, finding.severity) for finding in found(data)] == [
        ("05.png", "warning"),
        ("11.png", "warning"),
    ]
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

    assert [(finding.image, finding.severity) for finding in found(images(change, 20))] == [("05.png", "info")]
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


@pytest.mark.parametrize(("case", "n", "n_found"), [("renumbered", 12, 2), ("renumbered", 9, 0), ("missing", 12, 0)])
def test_a_kidney_in_the_place_of_the_other(tmp_path: Path, case: str, n: int, n_found: int) -> None:
    """Seven volumes that have both tell nothing, and one kidney alone is none in the other's place."""
    nibabel = pytest.importorskip("nibabel")
    root = _volumes(tmp_path, frozenset(), n)
    for path in sorted((root / "labelsTr").glob("*.nii.gz"))[:2]:
        image = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
        values = np.where(values > 1, values - (case == "renumbered"), 0).astype(np.uint8)
        nibabel.save(nibabel.Nifti1Image(values, image.affine), path)
    told = [one.message for one in found(segdata.read(root)) if "has it the name" in one.message]
    assert (
        told
        == [
            f"'kidney_left' lies where 'kidney_right' lies in {n - 2} volumes that have both, and this one has no "
            "'kidney_right': has it the name of the other?"
        ]
        * n_found
    )


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


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ("RAS", [(0, False), (1, False), (2, False)]),
        ("LPI", [(0, True), (1, True), (2, True)]),
        ("AIL", [(1, False), (2, True), (0, True)]),
        ("RAX", None),
        ("RRS", None),
        (None, None),
    ],
)
def test_axes_of_patients(axes: str | None, expected: list[tuple[int, bool]] | None) -> None:
    assert _patient_axes(ImageSequence("v", "volume", axes=axes)) == expected
    assert _patient_axes(None) is None


@pytest.mark.parametrize("seed", range(20))
def test_places_of_categories_in_images_and_volumes(seed: int) -> None:
    """The mean of an image, or of all slices of a volume, by pixels; along the patient's axes where they are known."""
    rng = np.random.default_rng(seed)
    n, slices, letters = 12, (3, 5), (rng.choice(["RAS", "LPI", "AIL", "SLP"]), rng.choice([None, "ILA"]))
    tables = empty_images(n, 9, 9)
    names = np.array([None] * 4 + ["u"] * 3 + ["v"] * 5, object)
    frames = np.array([None] * 4 + [*range(3), *range(5)], object)
    sequences = tuple(ImageSequence(name, "volume", axes=own) for name, own in zip("uv", letters, strict=True))
    profile = replace(tables.profile, sequences=sequences)
    tables = replace(tables, images=tables.images.beside(sequence=names, frame=frames), profile=profile)
    columns = {"annotation": rng.integers(0, n, 40), "category": rng.integers(1, 4, 40)}
    columns |= {name: rng.random(40) + 0.1 for name in ("pixels", "x", "y")}
    merged = _merge(tables, Table(columns))
    groups: dict[tuple[int, int], list[tuple[float, ...]]] = defaultdict(list)
    first: dict[tuple[int, int], int] = {}
    for annotation, category, *amounts in Table(columns).lines("annotation", "category", "pixels", "x", "y"):
        volume = None if annotation < 4 else int(annotation >= 7)
        z = 0.0 if volume is None else (annotation - (4, 7)[volume] + 0.5) / slices[volume]
        unit = annotation if volume is None else n + volume
        groups[unit, category].append((*amounts, z))
        first.setdefault((unit, category), annotation)
    assert list(merged.lines("unit", "category")) == sorted(groups)
    for k, (key, rows) in enumerate(sorted(groups.items())):
        place = [np.average([row[axis] for row in rows], weights=[row[0] for row in rows]) for axis in (1, 2, 3)]
        known = None if key[0] < n else _patient_axes(sequences[key[0] - n])
        for axis, (target, flip) in enumerate(known or [(0, False), (1, False), (2, False)]):
            assert merged[str(target)][k] == pytest.approx(1 - place[axis] if flip else place[axis])
        assert merged["is_placed"][k] == (known is not None)
        assert merged["annotation"][k] == first[key]


@pytest.mark.parametrize("seed", range(12))
def test_centres_of_categories_are_shares_of_the_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, empty_images(3, 8, 6), 24)
    sequence, profile = np.array([None, "film", "scan"], object), tables.profile
    kinds = (ImageSequence("film", "video"), ImageSequence("scan", "volume"))
    wide = np.array([8, 8, 0])
    tables = replace(tables, images=tables.images.beside(sequence=sequence, width=wide),
                     profile=replace(profile, sequences=kinds))  # fmt: skip
    centres = {name: rng.random(24) * 5 for name in ("center_x", "center_y")}
    tables = with_tables(tables, centroids=Table(centres))
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    owner, category, area = (tables.segments[name].tolist() for name in ("annotation", "category_id", "area"))
    for k in range(24):
        if area[k] > 0 and category[k] != HAZE and not tables.segments["iscrowd"][k] and owner[k] != 1:
            groups[owner[k], category[k]].append(k)
    found = Table(_places(tables))
    assert list(found.lines("annotation", "category")) == sorted(groups)
    for row, ((annotation, _), own) in zip(range(len(found)), sorted(groups.items()), strict=True):
        total = sum(area[k] for k in own)
        x, y = (sum(area[k] * centres[f"center_{name}"][k] for k in own) / total for name in "xy")
        assert [found[name][row] for name in ("pixels", "x", "y")] == pytest.approx(
            [total, x / max(wide[annotation], 1), y / 6]
        )


def law(axis: int, sign: int, categories: tuple[int, int] = (CAR, PERSON), *, first: int = 0) -> _Law:
    """In three units, of which the first has the other order and the last has none."""
    return _Law(*categories, axis, sign, False, np.arange(first, first + 3), np.array([-0.25, 0.5, 0.0]),
                np.array([0.1, 1.0, 1.0]))  # fmt: skip


@pytest.mark.parametrize("n_pairs", [1, 2, 3])
@pytest.mark.parametrize(
    ("where", "axis", "here", "usual"),
    [
        ("image", 0, "left of", "right of"),
        ("image", 1, "above", "below"),
        ("unplaced", 1, "above", "below"),
        ("unplaced", 2, "on lower slices than", "on higher slices than"),
        ("placed", 0, "to the patient's left of", "to the patient's right of"),
        ("placed", 1, "behind", "in front of"),
        ("placed", 2, "below", "above"),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_an_image_or_volume_in_words(where: str, axis: int, here: str, usual: str, sign: int, n_pairs: int) -> None:
    tables, what = empty_images(3, 4, 4), "image" if where == "image" else "volume"
    unit = np.arange(3) + (0 if where == "image" else 3)
    rows = Table({"unit": unit, "annotation": np.array([2, 1, 0]), "is_placed": np.full(3, where == "placed")})
    laws = [
        law(axis, sign),
        law((axis + 1) % 2, sign),
        law(axis, sign, (PERSON, ROAD)),
        law(axis, sign, (SIGN, PERSON)),
    ]
    pairs = [(0.1, number, 0) for number in range(n_pairs + 1)]  # the first two are of the same categories
    found = _finding(tables, rows, laws, int(unit[0]), pairs)
    here, usual = (here, usual)[::sign]
    more = ["", "; so does another pair", "; so do 2 other pairs"][n_pairs - 1]
    assert (
        found.message == f"'car' lies {here} 'person', by 25% of the {what}; in 1 of 3 {what}s it lies {usual} it{more}"
    )
    assert (found.annotation, found.category) == (2, "car" if n_pairs == 1 else "person")


@pytest.mark.parametrize(("placed", "causes"), [
    (False, ("mirrored", "upside down", "in the other order of slices")),
    (True, ("mirrored", "back to front", "upside down")),
])  # fmt: skip
def test_what_turned_a_volume(placed: bool, causes: tuple[str, ...]) -> None:
    tables = empty_images(3, 4, 4)
    rows = Table({"unit": np.arange(3, 6), "annotation": np.arange(3), "is_placed": np.full(3, placed)})
    for axis, cause in enumerate(causes):
        laws = [law(axis, 1)] * 6
        found = _finding(tables, rows, laws, 3, [(0.1, number, 0) for number in range(6)])
        assert found.message.endswith(f": is the volume {cause}?")
        few = _finding(tables, rows, laws[:5], 3, [(0.1, number, 0) for number in range(5)])
        assert "?" not in few.message


def test_sides_that_differ_in_one_word() -> None:
    assert not are_sides("left upper lung", "right lower lung")
    assert not are_sides("left eye", "upper eye")
    assert not are_sides("upper eye", "right eye")
