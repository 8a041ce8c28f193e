"""Tracks, flickers and repeats from frame to frame, against pixels counted one by one in dense masks."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from segdata.core.rule import Family, Tables
from segdata.measure.measure import measure_source
from tests.generators.sequences import sequence_dataset
from tests.measure.test_volumes import chopped

FAMILIES: frozenset[Family] = frozenset({"frames"})
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


def movies(tracks: int = 3, least: int = 1) -> st.SearchStrategy[Labels]:
    """Small videos (frames, height, width) of labels, 0 is nothing."""
    size = st.tuples(st.integers(least, 6), st.integers(3, 9), st.integers(3, 9))
    return size.flatmap(lambda drawn: arrays(np.int64, drawn, elements=st.integers(0, tracks)))


def measured(labels: Labels, **how: object) -> Tables:
    return measure_source(sequence_dataset(labels, **how), FAMILIES, jobs=1)  # type: ignore[arg-type]  # tests pass what fits


def place(tables: Tables, column: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Frame and track of some segments, by row."""
    frame = tables.images["frame"][tables.segments["image"][column]]
    return list(zip(frame.tolist(), tables.segments["track_id"][column].astype(int).tolist(), strict=True))


def iou(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / (a | b).sum())


def moved(mask: Mask, down: int, across: int) -> Mask:
    """A mask on a canvas three times as large, so that nothing falls off it."""
    canvas = np.pad(mask, [(mask.shape[0],) * 2, (mask.shape[1],) * 2])
    return np.roll(canvas, (down, across), axis=(0, 1))


@settings(max_examples=40)
@given(movies(least=3))
def test_turns_move_the_neighbours_halfway(labels: Labels) -> None:
    tables = measured(labels, tracked=True)
    found = {key: row for row, key in enumerate(place(tables, tables.turns["segment"]))}
    expected = {
        (frame, track)
        for frame in range(1, len(labels) - 1)
        for track in range(1, 4)
        if all((labels[k] == track).any() for k in (frame - 1, frame, frame + 1))
    }
    assert found.keys() == expected
    for (frame, track), row in found.items():
        before, here, after = (labels[k] == track for k in (frame - 1, frame, frame + 1))
        centre = [np.array(ndimage.center_of_mass(each)) for each in (before, here, after)]
        middle = (centre[0] + centre[2]) / 2
        step = [np.rint(np.round(middle - each, 9)).astype(int) for each in (centre[0], centre[2])]  # a half is a half
        ends = [moved(each, *by) for each, by in zip((before, after), step, strict=True)]
        drawn = moved(here, 0, 0)
        part, n_parts = ndimage.label(drawn, np.ones((3, 3)))
        apart = [
            part == k for k in range(1, n_parts + 1) if n_parts > 1 and not ((part == k) & (ends[0] | ends[1])).any()
        ]
        stray = max((int(each.sum()) for each in apart), default=0)
        turn = {name: tables.turns[name][row] for name in tables.turns.names}
        assert turn["stray"] == stray
        assert turn["agree"] == pytest.approx(iou(*ends))
        shared = [int((each & drawn).sum()) for each in ends]
        whole = [int(each.sum() + drawn.sum()) - stray for each in ends]
        assert turn["fit"] == pytest.approx(max(s / (w - s) for s, w in zip(shared, whole, strict=True)))
        assert (turn["like_before"], turn["like_after"]) == pytest.approx((iou(before, here), iou(after, here)))
        assert turn["shift"] == pytest.approx(np.hypot(*(centre[1] - middle)))


@settings(max_examples=40)
@given(movies(least=2))
def test_exchanges_are_ious_with_the_frame_before(labels: Labels) -> None:
    tables = measured(labels, tracked=True)
    found = {}
    for one, other, own, crossed in tables.exchanges.lines("a", "b", "own", "crossed"):
        (frame, a), (_, b) = place(tables, np.array([one, other]))
        found[frame, a, b] = own, crossed
    expected = {}
    for frame in range(1, len(labels)):
        for a in range(1, 4):
            for b in range(a + 1, 4):
                before, here = ([labels[k] == track for track in (a, b)] for k in (frame - 1, frame))
                if not all(mask.any() for mask in (*before, *here)):
                    continue
                across = iou(before[0], here[1]), iou(before[1], here[0])
                if min(across) > 0:
                    own = iou(before[0], here[0]) + iou(before[1], here[1])
                    expected[frame, a, b] = own / 2, sum(across) / 2
    assert found.keys() == expected.keys()
    for key, values in found.items():
        assert values == pytest.approx(expected[key])


def flickering(labels: Labels) -> Counter[tuple[int, int, int, int]]:
    """Frame, category around, category shown, pixels of each part that flickers, without the band of two pixels."""
    found: Counter[tuple[int, int, int, int]] = Counter()
    for frame in range(1, len(labels) - 1):
        before, here, after = labels[frame - 1 : frame + 2]
        for around in range(1, 4):
            flicker = (before == around) & (after == around) & (here != around)
            core = ndimage.binary_erosion(flicker, np.ones((5, 5)))
            for shown in range(1, 4):
                part, n_parts = ndimage.label(here == shown)
                for number in range(1, n_parts + 1):
                    if pixels := int((core & (part == number)).sum()):
                        found[frame, around, shown, pixels] += 1
    return found


@settings(max_examples=35)
@given(st.data())
def test_flickers_are_pixels_of_another_category_for_a_frame(data: st.DataObject) -> None:
    size = data.draw(st.tuples(st.integers(3, 5), st.integers(5, 12), st.integers(5, 12)))
    labels = np.ones(size, np.int64)
    for frame in range(size[0]):
        for _ in range(data.draw(st.integers(0, 3))):
            rows, columns = (sorted(data.draw(st.tuples(*[st.integers(0, side)] * 2))) for side in size[1:])
            labels[frame, slice(*rows), slice(*columns)] = data.draw(st.integers(0, 3))
    tables = measured(labels)
    frame = tables.images["frame"][tables.annotations["image"][tables.flickers["annotation"]]]
    shown = tables.segments["category_id"][tables.flickers["segment"]]
    found = tables.flickers.beside(frame=frame, shown=shown)
    assert Counter(found.lines("frame", "category_id", "shown", "area")) == flickering(labels)
    for at, category, other, around, lost, gained in found.lines(
        "frame", "category_id", "shown", "around", "lost", "gained"
    ):
        count = [[int((labels[k] == each).sum()) for k in (at - 1, at, at + 1)] for each in (category, other)]
        assert around == min(count[0][0], count[0][2])
        assert lost == around - count[0][1]
        assert gained == count[1][1] - max(count[1][0], count[1][2])


def test_void_neither_flickers_nor_is_flickered_to() -> None:
    labels = np.ones((3, 9, 9), np.int64)
    labels[1] = 2
    assert len(measured(labels).flickers) == 1
    for void in (1, 2):
        assert len(measured(labels, void=(void,)).flickers) == 0


@pytest.mark.parametrize(("frames", "found"), [((0, 5, 10), 1), ((0, 5, 11), 0), ((3, 4, 5), 1)])
def test_only_equal_steps_are_compared(frames: tuple[int, ...], found: int) -> None:
    labels = np.ones((3, 9, 9), np.int64)
    labels[1] = 2
    assert len(measured(labels, frames=frames).flickers) == found


def test_frames_that_nobody_annotated_are_passed_over() -> None:
    labels = np.ones((5, 9, 9), np.int64)
    labels[2] = 2
    labels[[1, 3]] = 3
    tables = measured(labels, tracked=True, unannotated=(1, 3))
    assert place(tables, tables.flickers["segment"]) == [(2, 2)]


def test_masks_that_are_those_of_the_frame_before_are_repeats() -> None:
    labels = np.zeros((5, 4, 4), np.int64)
    labels[0, 0] = labels[1, 1] = labels[2, 1] = 1
    tables = measured(labels)  # frames 3 and 4 are empty: nothing repeats there
    image = tables.annotations["image"]
    assert [image[row] for row in tables.still["annotation"]] == [2]
    assert [image[row] for row in tables.still["of"]] == [1]


@settings(max_examples=15)
@given(movies(least=2), st.data())
def test_nothing_depends_on_chunks_or_jobs(labels: Labels, data: st.DataObject) -> None:
    source = sequence_dataset(np.concatenate([labels] * 4), tracked=True)
    whole = measure_source(source, FAMILIES, jobs=1)
    cut = measure_source(replace(source, portions=chopped(source, data)), FAMILIES, jobs=2)
    for name in ("turns", "exchanges", "flickers", "still"):
        told = []
        for tables in (whole, cut):
            found = getattr(tables, name)
            named = {
                each: np.array([100 * frame + track for frame, track in place(tables, found[each])])
                for each in {"a", "b", "before", "segment", "after"}.intersection(found.names)
            }
            told.append(Counter(found.beside(**named).lines(*sorted(set(found.names) - {"annotation", "of"}))))
        assert told[0] == told[1]
        assert len(whole.still) == len(cut.still)


HALVES = np.zeros((3, 7, 3), np.int64)  # the centroids are moved by half a pixel, but for the last digit
HALVES[0, 0, 1] = HALVES[0, 1, :2] = HALVES[1, 0, 0] = HALVES[2, 1, 1] = HALVES[2, 2, 2] = HALVES[2, 6, 2] = 1


@settings(max_examples=20)
@example(HALVES, "mirrored")
@given(movies(least=3), st.sampled_from(["mirrored", "turned over", "transposed", "renumbered"]))
def test_how_a_picture_lies_does_not_matter(labels: Labels, how: str) -> None:
    other = {
        "mirrored": labels[:, :, ::-1],
        "turned over": labels[:, ::-1],
        "transposed": labels.transpose(0, 2, 1),
        "renumbered": np.where(labels > 0, 4 - labels, 0),
    }[how]
    columns = {
        "turns": ("agree", "fit", "like_before", "like_after", "stray"),
        "exchanges": ("own", "crossed"),
        "flickers": ("area", "part"),
    }
    one, two = (measured(np.ascontiguousarray(each), tracked=True) for each in (labels, other))
    for name, chosen in columns.items():
        told = [sorted(np.round(list(getattr(each, name).lines(*chosen)), 9).tolist()) for each in (one, two)]
        assert told[0] == told[1]
