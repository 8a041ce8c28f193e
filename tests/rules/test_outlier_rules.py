"""SEG313, 354, 358, 359 and 360: what differs from what is usual in the dataset is found, and the usual is not."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdata
from segdata.core.config import Config
from segdata.core.finding import Finding
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.core.statistics import benjamini_hochberg, tail_probability
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.rules.statistic_outlier import _MIN_OCCURRENCE, _comparable, _sums, _usual_overlaps
from tests.generators.sequences import sequence_dataset
from tests.rules.test_copied_and_cut import coco, recategorised


def found(code: str, labels: np.ndarray, *, one_category: bool = False, **how: object) -> list[Finding]:
    rule = find_rule(code)
    dataset = recategorised(labels) if one_category else sequence_dataset(labels, **how)  # type: ignore[arg-type]  # tests pass what fits
    tables = measure_source(dataset, rule.needs, jobs=1)
    return list(run_rules(tables, [rule], Config()).findings)


def film(
    n: int = 16, speed: float = 2.0, *, seed: int = 0, side: int = 12, size: tuple[int, int] = (90, 160)
) -> np.ndarray:
    """Three squares that move steadily, and tremble by a pixel."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, *size), np.int64)
    for frame in range(n):
        for label, (top, left, step) in enumerate(((10, 5, 1.0), (40, 20, 0.7), (65, 80, 0.4)), start=1):
            y = top + int(rng.integers(-1, 2))
            x = left + int(frame * speed * step) + int(rng.integers(-1, 2))
            labels[frame, y : y + side, x : x + side] = label
    return labels


def moved(labels: np.ndarray, label: int, down: int, across: int) -> np.ndarray:
    """One label elsewhere in some frames; what it uncovers is nothing."""
    mask = labels == label
    result = np.where(mask, 0, labels)
    result[np.roll(mask, (down, across), axis=(1, 2))] = label
    return result


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("speed", [0.0, 1.0, 3.0])
def test_a_steady_film_has_nothing_to_say(speed: float, seed: int) -> None:
    for code in ("SEG354", "SEG359", "SEG360"):
        assert not found(code, film(speed=speed, seed=seed), tracked=True)


@pytest.mark.parametrize(("at", "down", "across"), [(5, 24, 0), (8, 0, 40), (11, -9, 30)])
def test_a_track_that_jumps_and_stays_is_found_once(at: int, down: int, across: int) -> None:
    labels = film(speed=1.0)
    labels[at:] = moved(labels[at:], 2, down, across)
    (finding,) = found("SEG354", labels, tracked=True)
    assert (finding.image, finding.segments) == (f"{at:04d}.png", (2,))
    assert "from this frame on" in finding.message or "goes on from there" in finding.message


def test_a_step_that_is_usual_in_its_video_is_no_jump() -> None:
    labels = np.zeros((14, 60, 420), np.int64)
    for frame in range(14):
        labels[frame, 20:32, 5 + 29 * frame : 17 + 29 * frame] = 1  # more than twice its own side
    assert not found("SEG354", labels, tracked=True)


def test_what_the_edge_uncovers_is_no_jump() -> None:
    labels = np.zeros((12, 60, 100), np.int64)
    for frame in range(12):
        labels[frame, 20:32, : 4 + (0 if frame < 6 else 60)] = 1
    assert not found("SEG354", labels, tracked=True)


def test_an_id_that_takes_the_place_of_another_for_one_frame_is_found() -> None:
    labels = film()
    labels[7][labels[7] == 3] = 4
    tracks = (1, 2, 3, 44)
    (finding,) = found("SEG359", np.where(labels == 4, 4, labels), tracks=tracks)
    assert finding.image == "0007.png"
    assert "track 44" in finding.message
    assert "used in this frame only" in finding.message


def test_a_new_object_at_the_edge_or_in_a_video_of_short_tracks_is_fine() -> None:
    labels = film()
    labels[7, :8, :8] = 4
    assert not found("SEG359", labels, tracked=True)
    short = np.zeros((12, 60, 60), np.int64)
    for frame in range(12):
        short[frame, 20:30, 20:30] = frame + 1
        short[frame, 40:50, 40:50] = 13
    assert not found("SEG359", short, tracked=True)


@pytest.mark.parametrize(("lasting", "speed", "flagged"), [(0, 1.0, 1), (2, 1.0, 1), (3, 1.0, 0), (0, 14.0, 0)])
def test_ids_of_detections_are_one_finding(lasting: int, speed: float, flagged: int) -> None:
    """Each square has another id in each frame, but for some that last; squares that jump take no place of another."""
    labels = film(speed=speed, size=(90, 260))
    ids = np.where(labels > 0, 10 + 3 * np.arange(16)[:, None, None] + labels, 0)
    for number in range(lasting):
        ids[1:, 20:32, 100 + 40 * number : 112 + 40 * number] = number + 1
    findings = found("SEG359", ids, one_category=True)
    assert len(findings) == flagged
    assert all(
        re.match(rf"48 of {48 + lasting} tracks are in one frame only, and ([6-9]\d|100)% of", one.message)
        for one in findings
    )


@given(st.integers(1, 12), st.integers(2, 8), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_exchanged_frames_are_named_in_a_film_that_moves(first: int, apart: int, seed: int) -> None:
    labels = film(speed=4.0, seed=seed)
    second = min(first + apart, 14)
    order = np.arange(16)
    order[[first, second]] = order[[second, first]]
    findings = found("SEG360", labels[order], tracked=True)
    if second > first + 1:
        assert any(f"frames {first} and {second} are exchanged" in finding.message for finding in findings)


@pytest.mark.parametrize("first", [2, 6, 11])
def test_exchanged_neighbours_are_named(first: int) -> None:
    labels = film(speed=6.0, side=8, size=(90, 200))
    labels[[first, first + 1]] = labels[[first + 1, first]]
    (finding,) = found("SEG360", labels, tracked=True)
    assert f"frames {first} and {first + 1} are exchanged" in finding.message


def test_a_category_of_many_parts_that_is_blank_on_one_slice_is_one_finding() -> None:
    rng = np.random.default_rng(1)
    tile = np.zeros((80, 80), np.int64)
    for y, x in rng.integers(0, 7, (20, 2)) * 11:
        tile[y : y + 7, x : x + 7] = 1
    tile[76:, :] = 2
    labels = np.repeat(tile[None], 7, axis=0)
    assert not found("SEG358", labels, kind="volume")
    labels[3][labels[3] == 1] = 0
    (finding,) = found("SEG358", labels, kind="volume")
    assert (finding.image, finding.category) == ("0003.png", "c1")
    assert "this slice has nothing of c1" in finding.message


def test_a_slice_with_a_hundred_times_the_specks_is_named() -> None:
    rng = np.random.default_rng(3)
    labels = np.zeros((20, 100, 100), np.int64)
    labels[:, 30:60, 30:60] = 1
    for image in labels:
        for y, x in rng.integers(0, 100, (int(rng.integers(3, 9)), 2)):
            image[y, x] = 1
    assert not found("SEG313", labels, kind="volume")
    for row in (6, 13):
        labels[row][rng.random((100, 100)) < 0.08] = 1
    findings = found("SEG313", labels, kind="volume")
    assert {finding.image for finding in findings} == {"0006.png", "0013.png"}
    assert all("parts of c1" in finding.message and "20 slices compared" in finding.message for finding in findings)


def test_an_organ_that_tapers_is_no_outlier_but_lone_voxels_are() -> None:
    """Few pixels in the first and the last slice of a thing, against a few after two slices without it."""
    rng = np.random.default_rng(4)
    labels = np.zeros((30, 200, 200), np.int64)
    for place, image in enumerate(labels[4:24]):
        height = 100 + int(rng.integers(0, 4)) if 0 < place < 19 else 3
        image[20 : 20 + height, 20:120] = 1
    assert not found("SEG313", labels, kind="volume")
    assert {finding.image for finding in found("SEG313", labels, kind="video")} == {"0004.png", "0023.png"}
    labels[4, 20:120, 20:120] = labels[23, 20:120, 20:120] = 1
    assert not found("SEG313", labels, kind="volume")
    labels[26, 20:22, 20:22] = 1
    assert {finding.image for finding in found("SEG313", labels, kind="volume")} == {"0026.png"}
    labels[25, 20:22, 20:22] = labels[24, 20:22, 20:22] = 1  # now it is the end
    assert "0026.png" not in {finding.image for finding in found("SEG313", labels, kind="volume")}


@pytest.mark.parametrize(("lacking", "apart"), [(2, 0), (0, 2), (0, 0)])
def test_pixels_that_two_categories_do_not_share(lacking: int, apart: int) -> None:
    """Infos: an image without a door, which the message says, and one whose door lies beside its body."""
    rng = np.random.default_rng(6)
    labels = {}
    for number in range(40):
        body, door = np.zeros((2, 200, 200), bool)
        body[20:160, 20:150] = True
        x = 155 if number < apart else 60
        door[40 : 80 + int(rng.integers(0, 4)), x : x + 30] = True
        labels[f"{number:02}.png"] = [(body, "body"), (door, "door")][: 1 if number < lacking else 2]
    findings = segdata.validate(segdata.from_arrays(labels, ["body", "door"]), select="SEG313").findings
    assert {finding.severity for finding in findings} <= {"info"}
    assert {finding.image for finding in findings} == ({"00.png", "01.png"} if lacking + apart else set())
    assert all(("; no door there" in finding.message) == bool(lacking) for finding in findings)


@pytest.mark.parametrize("law", ["normal", "laplace", "t", "exponential", "uniform"])
def test_few_values_of_any_common_law_are_outliers(law: str) -> None:
    """400 sets of 30 values, each alone tested at 5 %: few may have an outlier, even with tails heavier than normal."""
    rng = np.random.default_rng(5)
    draws = {
        "normal": lambda: rng.normal(size=30),
        "laplace": lambda: rng.laplace(size=30),
        "t": lambda: rng.standard_t(5, size=30),
        "exponential": lambda: rng.exponential(size=30),
        "uniform": lambda: rng.uniform(size=30),
    }
    hits = sum(
        bool(benjamini_hochberg(tail_probability(draws[law](), np.zeros(30, np.int64))[0], 0.05).any())
        for _ in range(400)
    )
    assert hits / 400 <= 0.1


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=40), st.floats(-3, 3), st.floats(0.1, 10))
def test_the_chance_does_not_depend_on_unit_or_origin(values: list[float], origin: float, unit: float) -> None:
    own, group = np.round(np.array(values), 3), np.zeros(len(values), np.int64)
    chance, median = tail_probability(own, group, 1e-6)
    other, other_median = tail_probability(own * unit + origin, group, 1e-6 * unit)
    assert np.allclose(chance, other, atol=1e-3)
    assert np.allclose(median * unit + origin, other_median)
    assert ((chance >= 0) & (chance <= 1)).all()


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 3), st.integers(0, 40))
@settings(max_examples=35, deadline=None)
def test_overlaps_of_categories_are_compared_where_most_of_a_group_has_them(
    seed: int, annotations: int, groups: int, pairs: int
) -> None:
    rng = np.random.default_rng(seed)
    group = np.unique(rng.integers(0, groups, annotations), return_inverse=True)[1]
    owner = np.repeat(np.arange(annotations), 4)
    category = np.tile([3, 5, 5, 9], annotations)
    which = rng.integers(0, annotations, pairs)
    side = np.sort(np.argsort(rng.random((pairs, 4)))[:, :2], axis=1)
    shared = rng.integers(1, 50, pairs)
    tables = SimpleNamespace(
        profile=SimpleNamespace(taxonomy=SimpleNamespace(void_ids=())),
        segments=Table(
            {"annotation": owner, "category_id": category, "iscrowd": np.zeros(len(owner), bool)}
            | {name: np.zeros(len(owner), np.int64) for name in ("area", "parts", "holes", "perimeter")}
        ),
        pairs=Table({"a": 4 * which + side[:, 0], "b": 4 * which + side[:, 1], "shared": shared}),
    )
    totals: dict[tuple[int, int], np.ndarray] = {}  # of every two categories and annotation
    for row, (a, b), pixels in zip(which.tolist(), category[side].tolist(), shared.tolist(), strict=True):
        totals.setdefault((min(a, b), max(a, b)), np.zeros(annotations))[row] += pixels
    usual = {
        names: total.tolist()
        for names, total in sorted(totals.items())
        if any((total[group == number] > 0).mean() >= _MIN_OCCURRENCE for number in np.unique(group))
    }
    compared = _usual_overlaps(Table(_sums(tables)), group)  # type: ignore[arg-type]  # two of the tables suffice
    sums = {names: np.bincount(row, pixels, annotations).tolist() for names, row, pixels in compared}
    assert {(min(names), max(names)): sum_ for names, sum_ in sums.items()} == usual
    assert list(sums) == sorted(sums, key=lambda names: (min(names), max(names)))


def test_a_dataset_without_a_segment_has_nothing_to_compare() -> None:
    assert not found("SEG313", np.zeros((8, 20, 20), np.int64), kind="volume")


def test_images_are_compared_with_those_of_their_size(tmp_path: Path) -> None:
    """Images that belong to no sequence are, and are called images."""
    outline = [[[10.0, 10.0, 40.0, 10.0, 40.0, 40.0]]]
    source = segdata.read(coco(tmp_path, [outline] * 4, [(60, 60), (900, 900), (900, 900), (60, 60)])).source
    group, nouns = _comparable(measure_source(source, frozenset(), jobs=1))
    assert group[0] == group[3] != group[1] == group[2]
    assert nouns == ["image"] * 4
