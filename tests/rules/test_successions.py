"""SEG360, 362, 363: frames and slices that are exchanged, in reverse, misfits or frozen, and steady ones."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.core.config import Config
from segdata.core.finding import Finding
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.measure.measure import measure_source
from tests.generators.sequences import sequence_dataset

Labels = NDArray[np.int64]  # (frames, height, width)


def found(labels: Labels, *codes: str, **how: object) -> list[Finding]:
    rules = [find_rule(code) for code in codes or ("SEG360", "SEG362", "SEG363")]
    needs = frozenset().union(*(rule.needs for rule in rules))
    tables = measure_source(sequence_dataset(labels, **how), needs, jobs=1)  # type: ignore[arg-type]  # tests pass what fits
    return list(run_rules(tables, rules, Config()).findings)


def organ(n: int = 14, seed: int = 0) -> Labels:
    """Slices through two bodies of which no slice is like another, drawn by hand."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:70, :110]
    labels = np.zeros((n, 70, 110), np.int64)
    for k in range(n):
        wide = 10 + 16 * np.sin(np.pi * (k + 1) / (n + 1)) + rng.uniform(-0.7, 0.7)
        angle = np.arctan2(y - 33 - k / 3, x - 40 - k)
        bumps = 1 + 0.15 * np.sin(3 * angle + k / 5) + 0.1 * np.cos(2 * angle)
        labels[k][np.hypot(y - 33 - k / 3, x - 40 - k) < wide * bumps] = 1
        labels[k][np.hypot(y - 20, (x - 88 + k / 2) / 1.4) < 6 + k / 3] = 2
    return labels


def of_pixels(one: Labels, other: Labels) -> tuple[int, int]:
    """Pixels that both label alike, and those that either labels, once for each category."""
    pairs = [((one == category), (other == category)) for category in (1, 2, 3)]
    return sum(int((a & b).sum()) for a, b in pairs), sum(int((a | b).sum()) for a, b in pairs)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 12), st.sampled_from(["video", "volume"]))
def test_pixels_are_counted_as_one_by_one(seed: int, n: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (n, 5, 7)) * (rng.random((n, 5, 7)) < rng.random())
    tables = measure_source(sequence_dataset(labels, kind=kind), frozenset({"succession"}), jobs=1)  # type: ignore[arg-type]  # a kind
    rows = list(tables.succession.lines("annotation", "lag", "shared", "either"))
    assert sorted(rows) == sorted(
        [(k, 1, *of_pixels(labels[k - 1], labels[k])) for k in range(1, n)]
        + [(k, 2, *of_pixels(labels[k - 1], labels[k + 1])) for k in range(1, n - 1)]
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["video", "volume"])
def test_a_steady_sequence_is_left_alone(seed: int, kind: str) -> None:
    assert not found(organ(seed=seed), kind=kind)


@pytest.mark.parametrize("seed", range(3))
def test_labels_that_tremble_are_left_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.stack([np.roll(organ()[5], rng.integers(-2, 3, 2), axis=(0, 1)) for _ in range(20)])
    assert not found(labels, "SEG360", "SEG362", kind="volume")


def test_slices_that_were_written_twice() -> None:
    labels = organ(14)
    (finding,) = found(np.concatenate([labels, labels[-3:]]), "SEG363", kind="volume")
    assert finding.message == (
        "the labels of slices 14 to 16 are those of 11 to 13, pixel by pixel: were slices written twice?"
    )
    assert not found(np.concatenate([labels, labels[-3:]]), "SEG363", kind="video")
    # A ball is its own mirror image, and repeats slices in the other order.
    assert not found(np.concatenate([labels, labels[-2::-1]]), "SEG363", kind="volume")


@pytest.mark.parametrize("first", [2, 6, 10])
@pytest.mark.parametrize("kind", ["video", "volume"])
def test_exchanged_neighbours_are_named_once(first: int, kind: str) -> None:
    labels = organ()
    labels[[first, first + 1]] = labels[[first + 1, first]]
    (finding,) = found(labels, kind=kind)
    assert f"frames {first} and {first + 1} are exchanged" in finding.message


@pytest.mark.parametrize("at", [3, 7, 10])
@pytest.mark.parametrize("how", ["mirrored", "upside down", "shifted", "of another place"])
def test_a_slice_that_is_no_part_of_its_neighbours_is_named(at: int, how: str) -> None:
    labels = organ()
    slice_ = labels[at]
    changed = {
        "mirrored": slice_[:, ::-1],
        "upside down": slice_[::-1],
        "shifted": np.roll(slice_, 20, axis=1),
        "of another place": labels[13 if at < 7 else 0],
    }[how]
    labels[at] = changed.copy()
    (finding,) = found(labels, "SEG360", "SEG362", kind="volume")
    assert (finding.code, finding.image) == ("SEG362", f"{at:04d}.png")
    assert "fit neither neighbour" in finding.message


@pytest.mark.parametrize(("at", "n"), [(6, 1), (4, 5), (8, 3)])
def test_labels_that_are_held_are_named_once(at: int, n: int) -> None:
    """One frame without a picture is left to SEG356."""
    labels = organ(20)
    labels[at : at + n] = labels[at - 1]
    messages = [one.message for one in found(labels, "SEG363", kind="volume")]
    expected = f"the labels of {at - 1} are held until {at + n - 1}, pixel by pixel; others of the sequence change"
    assert messages == ([expected] if n > 1 else [])


@pytest.mark.parametrize("period", [2, 3])
def test_labels_at_a_part_of_the_rate_are_one_finding(period: int) -> None:
    labels = organ(18)[np.arange(18) // period * period]
    (finding,) = found(labels, "SEG363", kind="volume")
    assert f"every {period} have one and the same" in finding.message


def test_a_short_outline_that_is_held_for_many_frames() -> None:
    """At the end of an organ: one slice of it may be like the next, four are not."""
    labels = organ(20)
    labels[labels == 2] = 0
    labels[14:] = labels[19]
    (finding,) = found(labels, "SEG363", kind="volume")
    assert "the labels of 14 are held until 19" in finding.message


@pytest.mark.parametrize("kind", ["volume", "video"])
def test_every_other_frame_mirrored_is_one_finding(kind: str) -> None:
    labels = organ(14)
    labels[::2] = labels[::2, :, ::-1]
    (finding,) = found(labels, "SEG362", kind=kind)
    assert finding.message.startswith("12 of 12 frames fit those two steps away better than their neighbours")


def test_things_that_often_stand_still_are_left_alone() -> None:
    still = np.array([0, 0, 1, 2, 2, 3, 4, 5, 5, 5, 6, 7, 8, 8, 9, 10])
    assert not found(organ(16)[still], "SEG363", kind="volume")


@pytest.mark.parametrize("first", [6, 9])
def test_the_last_frames_in_reverse_are_named(first: int) -> None:
    labels = np.zeros((18, 60, 160), np.int64)
    for k in range(18):
        labels[k, 20:40, 5 + 7 * k : 25 + 7 * k] = 1
    assert not found(labels, "SEG360", tracked=True)
    labels[first:] = labels[first:][::-1]
    (finding,) = found(labels, "SEG360", tracked=True)
    assert f"frames {first} to 17 are in reverse" in finding.message


@pytest.mark.parametrize("seed", range(3))
def test_slices_in_reverse_within_a_volume(seed: int) -> None:
    labels = organ(20, seed)
    assert not found(labels, "SEG360", kind="volume")
    labels[6:11] = labels[6:11][::-1].copy()
    labels[:2], labels[-3:] = 0, 0
    (finding,) = found(labels, "SEG360", kind="volume")
    assert "the labels of slices 6 to 10 are in reverse" in finding.message


@pytest.mark.parametrize(("place", "n_found"), [(2, 2), (3, 1), (4, 2), (5, 1), (6, 2)])
def test_two_slices_at_an_end_of_a_block_are_exchanged_and_no_block_in_reverse(
    place: int, n_found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = np.array([place]), np.array([0.5])
    monkeypatch.setattr("segdata.rules.frames_exchanged._reversed_block", lambda *_: (3, 6, 0.9))
    monkeypatch.setattr("segdata.rules.sequence_slips.Succession.exchanges", lambda *_, **__: exchanged)
    messages = [finding.message for finding in found(organ(), "SEG360", kind="volume")]
    assert sum("are exchanged" in message for message in messages) == 1
    assert len(messages) == n_found


def test_a_body_that_begins_and_ends_is_in_order() -> None:
    labels = organ(20)
    labels[6:11, 50:66, 60:100] = 3
    assert not found(labels, "SEG360", kind="volume")


def test_frames_without_labels_before_and_after_tell_no_order() -> None:
    labels = np.zeros((30, 60, 160), np.int64)
    for k in range(8, 20):
        labels[k, 20:40, 5 * (k - 7) : 5 * (k - 7) + 20] = 1
    assert not [one for one in found(labels, "SEG360", tracked=True) if "in reverse" in one.message]


def test_a_cut_to_another_scene_is_no_turn() -> None:
    labels = np.zeros((18, 60, 160), np.int64)
    for k in range(18):
        left = 5 + 3 * k if k < 9 else 140 - 3 * (k - 9)
        labels[k, 20:40, left : left + 20] = 1
    assert not [one for one in found(labels, "SEG360") if "in reverse" in one.message]


def bodies(n: int, radius: Callable[[int], float]) -> Labels:
    """Slices through a body that is as wide as said."""
    y, x = np.mgrid[:40, :40]
    return np.stack([(np.hypot(y - 20, x - 20) < radius(k)).astype(np.int64) for k in range(n)])


def test_a_body_that_ends_within_its_volume() -> None:
    """Slices above and below it are empty as they should be; one in the middle is not."""
    ball = bodies(40, lambda k: math.sqrt(max(19**2 - (k - 20) ** 2, 0)))
    assert [k for k in range(40) if not ball[k].any()] == [0, 1, 39]
    assert unannotated(ball) == []
    ball[11] = 0
    assert unannotated(ball) == ["annotated, but without a segment"]
    assert unannotated(np.zeros((3, 5, 5), np.int64)) == ["3 of 3 annotations (100%) have no segment"]


@pytest.mark.parametrize(
    ("blank", "words"),
    [
        (
            slice(38, 40),
            "the last 2 slices of 40 of 'film' have no segment, and 109 px are labelled in the slice before them",
        ),
        (
            slice(0, 1),
            "the first 1 slice of 40 of 'film' has no segment, and 109 px are labelled in the slice after them",
        ),
    ],
)
def test_a_body_that_stops_from_one_slice_to_the_next(blank: slice, words: str) -> None:
    tube = bodies(40, lambda k: 6)
    tube[blank] = 0
    (message,) = unannotated(tube)
    assert message == f"{words}: is the work unfinished?"


def unannotated(labels: Labels) -> list[str]:
    return [finding.message for finding in found(labels, "SEG312", kind="volume")]


def test_slices_that_share_less_than_half_show_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lesion on thick slices, as of a brain at 6.5 mm."""
    labels = np.zeros((10, 40, 90), np.int64)
    for k, x in enumerate([4, 12, 20, 33, 31, 42, 50, 58], 1):
        labels[k, 10:30, x : x + 16] = 1
    assert not found(labels, "SEG360", kind="volume")
    monkeypatch.setattr("segdata.rules.sequence_slips._FURTHEST_NEIGHBOUR", 1.0)
    assert found(labels, "SEG360", kind="volume")


@pytest.mark.parametrize(("step", "n_empty", "is_told"), [(7, 3, True), (0, 3, False), (7, 0, False), (2, 3, False)])
def test_labels_that_were_moved_along_the_slices(step: int, n_empty: int, is_told: bool) -> None:
    """What left a volume at its end is at its beginning, where the structure goes on as large as it was."""
    labels = np.pad(np.where(organ(14) == 1, 1, 0), ((0, n_empty), (0, 0), (0, 0)))
    findings = found(np.roll(labels, step, axis=0), "SEG358", kind="volume")
    told = [one.message for one in findings if "goes on" in one.message]
    assert [message.partition(", and ")[2] for message in told] == [
        "ends on either side of 3 slices without it: were the labels moved along the slices?"
    ] * is_told


@pytest.mark.parametrize(("cut", "is_told"), [(50, True), (None, False)])
def test_a_structure_that_ends_flat_at_a_plane(cut: int | None, is_told: bool) -> None:
    """It was cut off there, unless another structure begins there, as the two halves of a brain do."""
    z, y, x = np.mgrid[-6:6, -40:40, -50:50]
    labels = ((z / 6) ** 2 + (y / 38) ** 2 + (x / 46) ** 2 < 1).astype(np.int64)
    half = np.where(labels * (x >= 10), 2, labels)
    labels[:, :, None if cut is None else cut + 10 :] = 0
    (*told,) = (one.message for one in found(labels, "SEG358", kind="volume"))
    assert told == ["c1 ends flat on the line x = 60 on 11 slices, up to 75 px of it: was it cut off there?"] * is_told
    assert not found(half, "SEG358", kind="volume")


@pytest.mark.parametrize(("n_held", "is_told"), [(2, True), (1, False)])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_structure_that_keeps_its_mask_at_its_end(n_held: int, is_told: bool, is_reversed: bool) -> None:
    """Another structure goes on meanwhile, so that no slice is the one before again."""
    y, x = np.mgrid[:60, :120]
    labels = np.zeros((8 + n_held, 60, 120), np.int64)
    for k, image in enumerate(labels):
        image[np.hypot(y - 30, x - 30) < 10 + min(k, 7)] = 1
        image[np.hypot(y - 30, x - 70 - 2 * k) < 12] = 2
    findings = found(labels[::-1] if is_reversed else labels, "SEG363", kind="volume")
    where = "first" if is_reversed else "last"
    assert [(one.severity, one.category, one.message.partition(" slices")[0]) for one in findings] == [
        ("info", "c1", f"c1 has one mask on its {where} 3")
    ] * is_told
