"""SEG106, 353, 354, 358, 361 and 362: what one frame or slice does that the others of its sequence never do."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from segdata.core.config import Config
from segdata.core.finding import Finding
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.measure.measure import measure_source
from tests.generators.sequences import sequence_dataset
from tests.rules.test_successions import organ

Labels = NDArray[np.int64]  # (frames, height, width)
CODES = ("SEG353", "SEG354", "SEG358", "SEG361", "SEG362")


def found(labels: Labels, kind: str = "video", codes: Sequence[str] = CODES, **how: object) -> list[Finding]:
    rules = [find_rule(code) for code in codes]
    needs = frozenset().union(*(rule.needs for rule in rules))
    if kind == "video":
        how |= {"tracked": True, "task": "instance", "tracks": range(1, int(labels.max()) + 1)}
    dataset = sequence_dataset(labels, kind=kind, **how)  # type: ignore[arg-type]  # tests pass what fits
    return list(run_rules(measure_source(dataset, needs, jobs=1), rules, Config()).findings)


def film(n: int = 20, seed: int = 0) -> Labels:
    """Two animals that walk and breathe, and a small one that follows."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:120, :200]
    labels = np.zeros((n, 120, 200), np.int64)
    for k in range(n):
        for number, (left, top, size) in enumerate(((40, 50, 22), (120, 60, 18), (160, 30, 9)), 1):
            angle = np.arctan2(y - top - k / 4, x - left - k)
            wide = size * (1 + 0.1 * np.sin(3 * angle + k / 3)) + rng.uniform(-0.6, 0.6)
            labels[k][np.hypot(y - top - k / 4, x - left - k) < wide] = number
    return labels


def grow(labels: Labels, frame: int, number: int, pixels: int) -> None:
    """One label of a frame wider or narrower all around."""
    mine = labels[frame] == number
    shape = ndimage.distance_transform_edt(~mine if pixels > 0 else mine)
    if pixels > 0:
        labels[frame][(shape <= pixels) & (labels[frame] == 0)] = number
    else:
        labels[frame][mine & (shape <= -pixels)] = 0


@pytest.mark.parametrize("seed", range(3))
def test_steady_sequences_are_quiet(seed: int) -> None:
    assert found(film(24, seed)) == []
    assert found(organ(24, seed), "volume") == []


@pytest.mark.parametrize("pixels", [6, -5])
@pytest.mark.parametrize("number", [1, 2])
def test_a_mask_of_another_size_for_one_frame(pixels: int, number: int) -> None:
    labels = film()
    grow(labels, 11, number, pixels)
    (finding,) = found(labels)
    assert (finding.code, finding.image) == ("SEG354", "0011.png")
    assert finding.message.startswith(f"track {number} is ")


def test_a_mask_three_times_as_large_beside_others() -> None:
    """What stands beside it leaves it no rim on one side."""
    labels = film()
    labels[:, :, :22] = 4
    grow(labels, 11, 1, 13)
    (finding,) = found(labels)
    assert (finding.code, finding.image) == ("SEG354", "0011.png")
    assert "times larger in this frame only; its areas are " in finding.message


def test_a_mask_that_varies_anyway_tells_nothing() -> None:
    labels = film()
    for frame in range(1, 20, 2):
        grow(labels, frame, 1, 6 + frame % 3)
    assert found(labels) == []


def test_what_passes_behind_a_thing_may_be_small() -> None:
    labels = film()
    labels[11, 40:, 36:70] = 4
    assert not [one for one in found(labels) if one.code == "SEG354"]


def test_an_outline_that_collapses_between_keyframes() -> None:
    labels = film()
    for frame, pixels in ((8, 3), (9, 6), (10, 8), (11, 6), (12, 3)):
        grow(labels, frame, 1, -pixels)
    (finding,) = found(labels)
    assert (finding.code, finding.image) == ("SEG354", "0010.png")
    assert "narrower all around, or more, than 3 frames before and after" in finding.message


def test_a_piece_with_the_id_of_another_track() -> None:
    labels = film()
    mine = labels[11] == 2
    mine[: np.flatnonzero(mine.any(axis=1))[14]] = False
    labels[11][mine] = 3
    (finding,) = found(labels)
    assert (finding.code, finding.image) == ("SEG354", "0011.png")
    assert finding.message.startswith("track 2 has lost a part of its pixels to track 3 in this frame only")


def test_the_frame_before_a_slip_is_not_named() -> None:
    """A track that takes pixels of another is small in the frame before, as if the other had taken some there."""
    labels = film()
    mine = labels[11] == 2
    mine[: np.flatnonzero(mine.any(axis=1))[10]] = False
    labels[11][mine] = 3
    grow(labels, 10, 3, -4)
    assert [one.image for one in found(labels)] == ["0011.png"]


def test_a_thin_thing_hides_nothing() -> None:
    """The box of a frame of thin lines covers a place, and its pixels do not."""
    labels = film()
    labels[:, 20:110, 20:22] = labels[:, 20:110, 190:192] = labels[:, 20:22, 20:190] = 4
    labels[9:13][labels[9:13] == 1] = 0
    (finding,) = found(labels)
    assert finding.code == "SEG353"
    assert finding.message.startswith("track 1 is missing in 4 frames between frame 8 ")
    labels[9:13, 24:100, 24:100] = 4
    assert not [one for one in found(labels) if one.code == "SEG353"]


@pytest.mark.parametrize("pixels", [8, -6])
def test_a_slice_that_is_wider_or_narrower_all_around(pixels: int) -> None:
    labels = organ(20)
    grow(labels, 9, 1, pixels)
    (finding,) = found(labels, "volume")
    assert (finding.code, finding.image) == ("SEG362", "0009.png")
    assert finding.message.startswith("c1 is 7 px wider all around" if pixels > 0 else "c1 is 5 px narrower all around")


@pytest.mark.parametrize("axis", [1, 2])
def test_slices_that_lie_aside_by_turns(axis: int) -> None:
    labels = organ(20)
    labels[1::2] = np.roll(labels[1::2], 3, axis=axis)
    (finding,) = found(labels, "volume")
    assert finding.code == "SEG362"
    assert (
        f" px aside by turns, {'left and right' if axis == 2 else 'up and down'}, in 18 of 18 slices" in finding.message
    )


def test_slices_that_lie_aside_by_turns_in_a_part_of_a_volume() -> None:
    """Two slices in three are no habit of the scanner."""
    labels = organ(20)
    labels[1:14:2] = np.roll(labels[1:14:2], 3, axis=2)
    assert not [one for one in found(labels, "volume") if "by turns" in one.message]


@pytest.mark.parametrize("seed", range(4))
def test_slices_that_tremble_do_not_lie_aside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = organ(20)
    labels = np.stack([np.roll(slice_, rng.integers(-3, 4), axis=1) for slice_ in labels])
    assert not [one for one in found(labels, "volume") if "aside" in one.message]


@pytest.mark.parametrize(("step", "every"), [(2, "other"), (3, "third")])
def test_labels_on_every_other_slice(step: int, every: str) -> None:
    labels = organ(20)
    labels[np.arange(20) % step != 0] = 0
    (finding,) = found(labels, "volume")
    assert (finding.code, finding.category) == ("SEG358", "c1")
    n = len(range(0, 20, step))
    between = f"c1 on {n} slices, and nothing of it on the {(n - 1) * (step - 1)} between"
    assert finding.message == f"c1 and 1 other category are on every {every} slice only: {between}"
    labels[organ(20) == 2] = 2
    (finding,) = found(labels, "volume", ("SEG358",))
    assert finding.message == f"c1 is on every {every} slice only: {between}"


def test_slices_that_nobody_annotated_are_not_missing() -> None:
    assert found(organ(20), "volume", unannotated=range(1, 20, 2)) == []


def test_another_category_from_one_slice_on() -> None:
    labels = organ(20)
    labels[11:][labels[11:] == 1] = 3
    (finding,) = found(labels, "volume")
    assert (finding.code, finding.image) == ("SEG361", "0011.png")
    assert finding.message.startswith("c1 is c3 from this slice on: ")


def test_neighbours_that_take_turns_along_the_slices_are_no_change() -> None:
    """Vertebrae and the discs between them have one outline."""
    labels = organ(24)
    for first, number in ((0, 1), (6, 3), (12, 4), (18, 5)):
        part = labels[first : first + 6]
        part[part == 1] = number
    assert found(labels, "volume") == []


def test_what_ends_where_another_begins_small_is_no_change() -> None:
    labels = organ(20)
    for k in range(11, 20):
        mine = labels[k] == 1
        labels[k][mine] = 0
        y, x = np.mgrid[:70, :110]
        labels[k][np.hypot(y - 40, x - 55) < 2 + (k - 10)] = 3
    assert not [one for one in found(labels, "volume") if one.code == "SEG361"]


@pytest.mark.parametrize(("at", "side", "stray"), [(9, 4, True), (0, 4, False), (9, 12, False)])
def test_a_blob_far_from_the_organ(at: int, side: int, stray: bool) -> None:
    """On the first slice it may be the end of something, and a large one is a second thing."""
    labels = np.zeros((20, 70, 220), np.int64)
    labels[:, :, :110] = np.where(organ(20) == 1, 1, 0)
    assert found(labels, "volume", ("SEG106",)) == []
    labels[at : at + 2, 40 : 40 + side, 180 : 180 + side] = 1
    findings = found(labels, "volume", ("SEG106",))
    assert [one.message for one in findings] == [
        f"1 stray part of 32 voxels, in a segment of {int(labels.sum()):,} voxels"
    ] * stray


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_blob_beside_the_organ_is_not_far_from_it(axis: int, mirrored: bool) -> None:
    """On either side: what counts is the gap between them, against the organ's own width there."""
    labels = np.zeros((20, 220, 220), np.int64)
    labels[:, 75:145, 55:165] = np.where(organ(20) == 1, 1, 0)
    rows, columns = (np.flatnonzero((labels == 1)[9].any(axis=other)) for other in (1, 0))
    gap = max(np.ptp(rows), np.ptp(columns)) - 4
    place = [int(rows.mean()), int(columns.mean())]
    own = (rows, columns)[axis - 1]
    place[axis - 1] = int(own[0] - gap - 4 if mirrored else own[-1] + gap)
    for further in (0, 60):
        moved = labels.copy()
        place[axis - 1] += -further if mirrored else further
        if 0 <= place[axis - 1] < 216:
            moved[9:11, place[0] : place[0] + 4, place[1] : place[1] + 4] = 1
            assert len(found(moved, "volume", ("SEG106",))) == (further > 0)
