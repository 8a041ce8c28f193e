"""Runs, boxes, meet, cover, parts and holes: laws, and pixels counted one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.measure import euler_number

from segdata.core.overlay import (
    SweepRuns,
    complement,
    find_contacts,
    find_overlaps,
    find_overlaps_within,
    union_by_frame,
)
from segdata.core.runs import NumberLine, Runs, bounding_boxes, find_holes, segment_shapes
from segdata.testing.pictures import Mask, masks_of_runs, runs_of_masks

CROSS = ndimage.generate_binary_structure(2, 1)
SQUARE = np.ones((3, 3), bool)


@st.composite
def frames(draw: st.DrawFn, n_sides: int = 1) -> list[list[list[Mask]]]:
    """Up to three frames of different sizes, each with up to four masks (which may overlap) for each side."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
        masks = hnp.arrays(bool, size, elements=st.booleans())
        made.append([draw(st.lists(masks, min_size=0, max_size=4)) for _ in range(n_sides)])
    return made


def flat(frames_: list[list[list[Mask]]], side: int) -> tuple[Runs, np.ndarray, list[Mask]]:
    """One side's masks of all frames: their runs, the frame of each, and the masks."""
    masks = [mask for frame in frames_ for mask in frame[side]]
    frame_of = np.array([row for row, frame in enumerate(frames_) for _ in frame[side]], np.int64)
    return runs_of_masks(masks), frame_of, masks


def line_of(frames_: list[list[list[Mask]]], shapes: list[tuple[int, int]]) -> NumberLine:
    return NumberLine.from_sizes(np.array([h for h, _ in shapes], np.int64), np.array([w for _, w in shapes], np.int64))


def shapes_of(frames_: list[list[list[Mask]]]) -> list[tuple[int, int]]:
    return [next((mask.shape for side in frame for mask in side), (1, 1)) for frame in frames_]


@given(frames())
def test_dense_and_back(made: list[list[list[Mask]]]) -> None:
    runs, _, masks = flat(made, 0)
    height = np.array([m.shape[0] for m in masks], np.int64)
    width = np.array([m.shape[1] for m in masks], np.int64)
    runs.checked(height, width)
    back = masks_of_runs(runs, height, width)
    assert all((a == b).all() for a, b in zip(masks, back, strict=True))


@given(frames())
def test_areas_and_boxes_are_those_of_the_pixels(made: list[list[list[Mask]]]) -> None:
    runs, _, masks = flat(made, 0)
    height = np.array([m.shape[0] for m in masks], np.int64)
    assert runs.areas(len(masks)).tolist() == [int(m.sum()) for m in masks]
    found = np.stack(bounding_boxes(runs, height, len(masks)), axis=1)
    for row, mask in enumerate(masks):
        if mask.any():
            ys, xs = np.nonzero(mask)
            expected = [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
            assert found[row].tolist() == expected
        else:
            assert found[row].tolist() == [0, 0, 0, 0]


@given(frames(), st.data())
def test_a_few_owners_are_what_they_are_among_all(made: list[list[list[Mask]]], data: st.DataObject) -> None:
    runs, _, masks = flat(made, 0)
    for row in data.draw(st.lists(st.integers(0, len(masks) - 1), max_size=2)) if masks else []:
        one, expected = runs.take(np.array([row]), len(masks)), runs_of_masks([masks[row]])
        for name in ("start", "length", "owner"):
            np.testing.assert_array_equal(getattr(one, name), getattr(expected, name))
            assert getattr(one, name).dtype == getattr(expected, name).dtype


@given(frames(), st.randoms(use_true_random=False))
def test_take_renumbers_owners(made: list[list[list[Mask]]], random: object) -> None:
    runs, _, masks = flat(made, 0)
    rows = list(range(len(masks)))
    random.shuffle(rows)  # type: ignore[attr-defined]
    taken = runs.take(np.array(rows, np.int64), len(masks))
    expected = runs_of_masks([masks[row] for row in rows])
    for name in ("start", "length", "owner"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(expected, name))


@given(frames(n_sides=2))
def test_meet_counts_every_shared_pixel(made: list[list[list[Mask]]]) -> None:
    (a, frame_a, masks_a), (b, frame_b, masks_b) = flat(made, 0), flat(made, 1)
    line = line_of(made, shapes_of(made))
    met = find_overlaps(SweepRuns.from_runs(a, line, frame_a), SweepRuns.from_runs(b, line, frame_b))
    expected = {}
    for i, mask_a in enumerate(masks_a):
        others = [j for j in range(len(masks_b)) if frame_b[j] == frame_a[i]]
        for j in others:
            expected[i, j] = int((mask_a & masks_b[j]).sum())
        covered = np.any([masks_b[j] for j in others], axis=0) if others else np.zeros_like(mask_a)
        expected[i, -1] = int((mask_a & ~covered).sum())
    for j, mask_b in enumerate(masks_b):
        others = [i for i in range(len(masks_a)) if frame_a[i] == frame_b[j]]
        covered = np.any([masks_a[i] for i in others], axis=0) if others else np.zeros_like(mask_b)
        expected[-1, j] = int((mask_b & ~covered).sum())
    found = dict(zip(zip(met.a.tolist(), met.b.tolist(), strict=True), met.pixels.tolist(), strict=True))
    assert found == {pair: pixels for pair, pixels in expected.items() if pixels}
    assert list(zip(met.a, met.b, strict=True)) == sorted(zip(met.a, met.b, strict=True))


@given(frames(n_sides=2))
def test_meet_is_symmetric(made: list[list[list[Mask]]]) -> None:
    (a, frame_a, _), (b, frame_b, _) = flat(made, 0), flat(made, 1)
    line = line_of(made, shapes_of(made))
    one, other = SweepRuns.from_runs(a, line, frame_a), SweepRuns.from_runs(b, line, frame_b)
    forth, back = find_overlaps(one, other), find_overlaps(other, one)
    assert sorted(zip(forth.a, forth.b, forth.pixels, strict=True)) == sorted(
        zip(back.b, back.a, back.pixels, strict=True)
    )


@given(frames())
def test_meet_within_and_touch_count_pairs(made: list[list[list[Mask]]]) -> None:
    runs, frame, masks = flat(made, 0)
    line = line_of(made, shapes_of(made))
    side = SweepRuns.from_runs(runs, line, frame)
    shared, touching = {}, {}
    for i, a in enumerate(masks):
        for j in range(i + 1, len(masks)):
            b = masks[j]
            if frame[i] != frame[j]:
                continue
            shared[i, j] = int((a & b).sum())
            touching[i, j] = sum(
                int((p[:-1] & q[1:]).sum() + (p[:, :-1] & q[:, 1:]).sum()) for p, q in ((a, b), (b, a))
            )
    for met, expected in ((find_overlaps_within(side), shared), (find_contacts(side, line), touching)):
        found = dict(zip(zip(met.a.tolist(), met.b.tolist(), strict=True), met.pixels.tolist(), strict=True))
        assert found == {pair: count for pair, count in expected.items() if count}


@given(frames())
def test_cover_and_complement(made: list[list[list[Mask]]]) -> None:
    runs, frame, masks = flat(made, 0)
    sizes = shapes_of(made)
    line = line_of(made, sizes)
    found = union_by_frame(SweepRuns.from_runs(runs, line, frame), line)
    rest = complement(found.runs, line.height, line.width)
    covered, empty = (masks_of_runs(each, line.height, line.width) for each in (found.runs, rest))
    for row, size in enumerate(sizes):
        count = np.zeros(size, int)
        for mask, of in zip(masks, frame, strict=True):
            if of == row:
                count += mask
        np.testing.assert_array_equal(covered[row], count > 0)
        np.testing.assert_array_equal(empty[row], count == 0)
        assert found.labelled[row] == (count > 0).sum()
        assert found.multiple[row] == (count > 1).sum()


@given(frames())
def test_parts_are_those_of_scipy(made: list[list[list[Mask]]]) -> None:
    runs, _, masks = flat(made, 0)
    height = np.array([m.shape[0] for m in masks], np.int64)
    parts = segment_shapes(runs, height, len(masks)).parts
    for row, mask in enumerate(masks):
        label, count = ndimage.label(mask, CROSS)
        mine = np.flatnonzero(parts.owner == row)
        assert len(mine) == count
        expected = sorted((label == each).sum() for each in range(1, count + 1))
        assert sorted(parts.area[mine]) == expected
        expected_boxes = sorted((s[1].start, s[0].start, s[1].stop, s[0].stop) for s in ndimage.find_objects(label))
        found = sorted(
            (parts.x[i], parts.y[i], parts.x[i] + parts.width[i], parts.y[i] + parts.height[i]) for i in mine
        )
        assert found == expected_boxes


@given(frames())
def test_holes_are_the_enclosed_complement(made: list[list[list[Mask]]]) -> None:
    runs, _, masks = flat(made, 0)
    height = np.array([m.shape[0] for m in masks], np.int64)
    found = segment_shapes(runs, height, len(masks))
    empty = find_holes(runs, height, found.n_holes > 0)
    for row, mask in enumerate(masks):
        label, count = ndimage.label(np.pad(~mask, 1, constant_values=True), SQUARE)
        enclosed = [each for each in range(1, count + 1) if each != label[0, 0]]
        mine = np.flatnonzero(empty.owner == row)
        assert found.n_holes[row] == len(mine) == len(enclosed)
        assert found.n_parts[row] - found.n_holes[row] == euler_number(mask, connectivity=1)
        slices = ndimage.find_objects(label)
        expected = sorted(
            ((label == each).sum(), slices[each - 1][1].start - 1, slices[each - 1][0].start - 1) for each in enclosed
        )
        assert sorted(zip(empty.area[mine], empty.x[mine], empty.y[mine], strict=True)) == expected


@given(frames())
def test_perimeter_counts_pixel_edges(made: list[list[list[Mask]]]) -> None:
    runs, _, masks = flat(made, 0)
    height = np.array([m.shape[0] for m in masks], np.int64)
    found = segment_shapes(runs, height, len(masks)).perimeter
    for row, mask in enumerate(masks):
        padded = np.pad(mask, 1).astype(int)
        assert found[row] == np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()


@given(frames())
def test_a_batch_is_the_same_as_its_images_one_by_one(made: list[list[list[Mask]]]) -> None:
    runs, _, masks = flat(made, 0)
    height = np.array([m.shape[0] for m in masks], np.int64)
    together = segment_shapes(runs, height, len(masks))
    single = [segment_shapes(runs_of_masks([mask]), height[row : row + 1], 1) for row, mask in enumerate(masks)]
    assert together.perimeter.tolist() == [int(one.perimeter[0]) for one in single]
    assert together.parts.area.tolist() == [int(area) for one in single for area in one.parts.area]


@given(frames())
def test_transposed_and_flipped_images_have_the_same_parts_and_holes(made: list[list[list[Mask]]]) -> None:
    _, _, masks = flat(made, 0)
    for turned in ([mask.T.copy() for mask in masks], [mask[::-1, ::-1].copy() for mask in masks]):
        for before, after in zip(masks, turned, strict=True):
            results = []
            for mask in (before, after):
                runs, high = runs_of_masks([mask]), np.array([mask.shape[0]], np.int64)
                found = segment_shapes(runs, high, 1)
                hole = find_holes(runs, high, np.array([True]))
                results.append((sorted(found.parts.area), int(found.perimeter[0]), sorted(hole.area)))
            assert results[0] == results[1]


def test_a_hundred_thousand_pixels_squared_do_not_overflow() -> None:
    side = 100_000
    height = np.array([side, side], np.int64)
    columns = np.arange(side, dtype=np.int64)
    full = Runs(columns * side, np.full(side, side, np.int64), np.zeros(side, np.int32))
    corner = Runs(np.array([side * side - 1]), np.array([1]), np.array([0], np.int32))
    line = NumberLine.from_sizes(height, height)
    whole, last = SweepRuns.from_runs(full, line, np.array([1])), SweepRuns.from_runs(corner, line, np.array([1]))
    met = find_overlaps(whole, last)
    assert met.pixels.tolist() == [side * side - 1, 1]
    found = segment_shapes(full, height, 1)
    assert found.parts.area.tolist() == [side * side]
    assert found.perimeter.tolist() == [4 * side]
    assert complement(corner, height[:1], height[:1]).areas(1).tolist() == [side * side - 1]


@pytest.mark.parametrize(
    ("start", "length", "owner", "promise"),
    [
        ([0], [0], [0], "not positive"),
        ([-1], [1], [0], "negative"),
        ([8], [2], [0], "leaves its image"),
        ([1], [3], [0], "leaves its column"),
        ([3, 0], [1, 1], [0, 0], "not sorted"),
        ([0, 1], [2, 1], [0, 0], "overlap"),
    ],
)
def test_a_broken_promise_is_named(start: list[int], length: list[int], owner: list[int], promise: str) -> None:
    runs = Runs(np.array(start, np.int64), np.array(length, np.int64), np.array(owner, np.int32))
    with pytest.raises(ValueError, match=promise):
        runs.checked(np.array([3], np.int64), np.array([3], np.int64))
