"""Proposed edits: they leave alone what nobody doubts."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as drawn_from
from hypothesis import settings
from hypothesis import strategies as st

from segdata.core.errors import SegdataError
from segdata.noise.candidates import find_candidates
from segdata.noise.error_types import ErrorType
from segdata.noise.predictor import ImagePrediction
from segdata.noise.proposals import MIN_PROPOSAL_IOU, edit_part, edit_region, edit_thing, is_piece
from segdata.noise.segments import SegmentPixels, SegmentSet, runs_of_pixels, split_into_parts

HEIGHT, WIDTH = 40, 60
ONE = np.array([False, True])
SOIL = np.zeros(3, bool)


def pixels(x: int, y: int, width: int, height: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    columns, rows = np.meshgrid(np.arange(x, x + width), np.arange(y, y + height))
    return np.sort((columns * HEIGHT + rows).ravel())


def drawn(*boxes: tuple[int, int, int, int], category: int | list[int] = 1) -> SegmentSet:
    at = [pixels(*box) for box in boxes]
    of = np.repeat(np.arange(len(at)), [len(each) for each in at])
    runs = runs_of_pixels(np.concatenate(at), of, HEIGHT)
    return SegmentSet.from_runs(runs, np.broadcast_to(category, (len(at),)).astype(np.int64), HEIGHT, WIDTH)


def two_parts() -> SegmentSet:
    """A segment of two parts, the second of 8 x 8 pixels at (40, 10)."""
    given = drawn((0, 0, 20, 40), (40, 10, 8, 8))
    one = replace(given.runs, owner=np.zeros_like(given.runs.owner))
    return replace(given, runs=one, category=np.array([1]), score=np.ones(1))


def seen(labels: SegmentSet, n_categories: int, *, as_one: bool = False) -> ImagePrediction:
    """A model that is sure of these labels."""
    p = np.full((n_categories, WIDTH * HEIGHT), 0.02, np.float32)
    p[labels.categories(), np.arange(p.shape[1])] = 1 - 0.02 * (n_categories - 1)
    square = p.reshape(n_categories, WIDTH, HEIGHT).transpose(0, 2, 1)
    return ImagePrediction.from_probabilities(square, None if as_one else labels)


def test_a_thing_is_redrawn_without_its_neighbours() -> None:
    """The model sees both as one; only the left one is suspected."""
    given = drawn((5, 5, 8, 10), (16, 5, 10, 10))
    prediction = seen(drawn((3, 5, 23, 10)), 2)
    found = find_candidates(given, prediction, ONE)
    amended = edit_thing(found, 0, "boundary", given, prediction)
    assert (amended.action, amended.segment, amended.whole) == ("redraw", 0, True)
    proposed = SegmentPixels.of_runs(amended.pieces, 1).index
    assert sorted(proposed.tolist()) == pixels(3, 5, 13, 10).tolist()
    assert amended.iou == pytest.approx(80 / 130)


def test_a_thing_without_pieces_is_redrawn_and_one_of_two_is_split() -> None:
    given = drawn((5, 5, 20, 10))
    prediction = seen(drawn((5, 5, 10, 10), (15, 5, 10, 10)), 2)
    found = find_candidates(given, prediction, ONE)
    amended = edit_thing(found, 0, "merge", given, prediction)
    assert (amended.action, amended.n_pieces) == ("split", 2)
    assert amended.seam(HEIGHT, WIDTH) >= 10
    round_ = seen(given, 2)
    assert edit_thing(find_candidates(given, round_, ONE), 0, "merge", given, round_).action in ("split", "redraw")


def test_a_piece_lies_where_the_model_sees_its_category_and_on_no_other_segment() -> None:
    leaf, rest, copy, weed = (5, 5, 6, 10), (11, 5, 14, 10), (12, 6, 12, 8), (40, 20, 6, 6)
    given = drawn(leaf, rest, copy, weed)
    prediction = seen(drawn((5, 5, 20, 10)), 2)
    assert [is_piece(given.row(number), given, prediction) for number in range(4)] == [True, False, False, False]
    found = find_candidates(given, prediction, ONE)
    joined = edit_thing(found, 0, "split", given, prediction)
    assert (joined.action, joined.joins) == ("join", 1)


def test_a_split_without_scikit_image_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    given = drawn((5, 5, 20, 10))
    prediction = seen(drawn((5, 5, 10, 10), (15, 5, 10, 10)), 2)
    with pytest.raises(SegdataError, match=r"scikit-image is not installed .*segdata\[torch\]"):
        edit_thing(find_candidates(given, prediction, ONE), 0, "merge", given, prediction)


def test_a_part_is_taken_out_of_its_segment_and_the_rest_stays() -> None:
    given = two_parts()
    prediction = seen(drawn((0, 0, 20, 40)), 3, as_one=True)
    found = find_candidates(given, prediction, SOIL)
    at = int(found.annotated.areas.argmin())
    amended = edit_part(found, at, "extra", given, prediction)
    assert (amended.action, amended.segment, amended.whole) == ("redraw", 0, False)
    assert amended.pieces.areas(1).tolist() == [20 * 40]
    renamed = edit_part(found, at, "category", given, seen(drawn((0, 0, 20, 40), (40, 10, 8, 8), category=[1, 2]), 3))
    assert (renamed.action, renamed.category, renamed.pieces.areas(1).tolist()) == ("add", 2, [64])


def test_the_way_of_a_part_is_its_own_and_not_that_of_its_segment() -> None:
    given = two_parts()
    prediction = seen(drawn((0, 0, 20, 40), (44, 13, 8, 8), category=[1, 1]), 3)
    found = find_candidates(given, prediction, SOIL)
    at = int(found.annotated.areas.argmin())
    part = found.annotated.take(np.array([at]))
    amended = edit_part(found, at, "shift", given, prediction)
    assert amended.way(part, given) == (4.0, 3.0)
    assert edit_part(found, at, "extra", given, prediction).way(part, given) == (0.0, 0.0)
    thing = drawn((5, 5, 8, 10))
    moved = seen(drawn((7, 4, 8, 10)), 2)
    of_thing = edit_thing(find_candidates(thing, moved, ONE), 0, "shift", thing, moved)
    assert of_thing.way(thing, thing) == (2.0, -1.0)


@pytest.mark.parametrize("type_", ["boundary", "shift"])
def test_a_part_is_redrawn_as_something_of_its_category_or_taken_out(type_: ErrorType) -> None:
    given = two_parts()
    elsewhere = seen(drawn((0, 0, 20, 40), (38, 8, 12, 12), category=[1, 2]), 3)
    found = find_candidates(given, elsewhere, SOIL)
    at = int(found.annotated.areas.argmin())
    amended = edit_part(found, at, type_, given, elsewhere)
    assert (amended.action, amended.category, amended.gone) == ("redraw", 1, True)
    assert amended.pieces.areas(1).tolist() == [20 * 40]
    both = seen(drawn((0, 0, 20, 40), (38, 6, 12, 10), (38, 16, 12, 4), category=[1, 2, 1]), 3)
    amended = edit_part(find_candidates(given, both, SOIL), at, type_, given, both)
    assert (amended.action, amended.gone, amended.pieces.areas(1).tolist()) == ("redraw", False, [20 * 40 + 12 * 4])


def test_a_part_that_is_two_is_cut_where_the_model_sees_the_edge() -> None:
    given = drawn((10, 5, 30, 20))
    prediction = seen(drawn((10, 5, 14, 20), (26, 5, 14, 20)), 3)
    found = find_candidates(given, prediction, SOIL)
    amended = edit_part(found, 0, "merge", given, prediction)
    assert (amended.action, amended.segment) == ("redraw", 0)
    cut = np.setdiff1d(pixels(10, 5, 30, 20), SegmentPixels.of_runs(amended.pieces, 1).index)
    columns = np.unique(cut // HEIGHT)
    assert len(cut) == 20 * len(columns)  # right through
    assert ((columns >= 23) & (columns <= 26)).all()


def test_two_rings_that_touch_are_cut_where_they_do() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    away = np.minimum(np.hypot(x - 18, y - 20), np.hypot(x - 40, y - 20))
    at = np.flatnonzero(((away < 11.5) & (away > 6)).T)
    given = SegmentSet.from_runs(
        runs_of_pixels(at, np.zeros(len(at), np.int64), HEIGHT), np.ones(1, np.int64), HEIGHT, WIDTH
    )
    found = find_candidates(given, seen(given, 3, as_one=True), SOIL)
    amended = edit_part(found, 0, "merge", given, seen(given, 3, as_one=True))
    cut = np.setdiff1d(at, SegmentPixels.of_runs(amended.pieces, 1).index)
    assert 0 < len(cut) < 20
    assert np.abs(cut // HEIGHT - 29).max() <= 2
    parts, _ = split_into_parts(amended.pieces, HEIGHT, 1)
    assert len(np.unique(parts.owner)) == 2


def test_a_part_that_was_cut_is_closed() -> None:
    both = np.append(pixels(10, 5, 14, 20), pixels(26, 5, 14, 20))
    given = SegmentSet.from_runs(
        runs_of_pixels(both, np.zeros(len(both), np.int64), HEIGHT), np.ones(1, np.int64), HEIGHT, WIDTH
    )
    prediction = seen(drawn((10, 5, 30, 20)), 3)
    found = find_candidates(given, prediction, SOIL)
    amended = edit_part(found, 0, "split", given, prediction)
    assert (amended.action, amended.pieces.areas(1).tolist()) == ("redraw", [30 * 20])
    alone = drawn((10, 5, 14, 20))
    found = find_candidates(alone, prediction, SOIL)
    assert edit_part(found, 0, "split", alone, prediction).action == "redraw"  # as the model sees it


def test_what_the_model_sees_elsewise_is_added_or_taken_out() -> None:
    given = drawn((0, 0, 30, 40))
    prediction = seen(drawn((0, 0, 30, 20), (0, 20, 10, 20), (40, 0, 12, 12), category=[1, 2, 2]), 3, as_one=True)
    found = find_candidates(given, prediction, SOIL)
    kinds = {(int(label), int(category)) for label, category in zip(found.label, found.regions.category, strict=True)}
    assert kinds == {(0, 2), (1, 0), (1, 2)}
    for at in range(len(found.regions)):
        amended = edit_region(found, at, given)
        label, category = int(found.label[at]), int(found.regions.category[at])
        assert amended.action == ("redraw" if category == 0 else "add")
        assert amended.segment == (0 if label else -1)
        if category == 0:
            assert amended.pieces.areas(1)[0] == given.areas[0] - found.regions.areas[at]


def test_a_speck_on_something_is_deleted_and_not_redrawn_as_that() -> None:
    given = drawn((20, 15, 3, 3))
    prediction = seen(drawn((5, 5, 30, 25)), 2)
    for type_ in ("boundary", "shift", "merge"):
        amended = edit_thing(find_candidates(given, prediction, ONE), 0, type_, given, prediction)
        assert (amended.action, amended.gone, amended.whole) == ("delete", True, True)


def test_a_label_over_many_things_is_split_into_them() -> None:
    """Each of them is a small part of the label; together they are more than a fifth of it."""
    boxes = [(x, y, 6, 6) for x in range(2, 50, 11) for y in range(2, 38, 12)]
    given, prediction = drawn((0, 0, 60, 40)), seen(drawn(*boxes), 2)
    amended = edit_thing(find_candidates(given, prediction, ONE), 0, "boundary", given, prediction)
    assert (amended.action, amended.n_pieces) == ("split", len(boxes))
    assert amended.iou == pytest.approx(36 * len(boxes) / 2400)


def test_things_that_are_seen_twice_count_once() -> None:
    """Two predicted things cover the same pixel of eleven, which is less than a tenth."""
    given, prediction = drawn((0, 0, 1, 11)), seen(drawn((0, 0, 1, 1), (0, 0, 1, 1)), 2)
    assert edit_thing(find_candidates(given, prediction, ONE), 0, "boundary", given, prediction).action == "delete"


BOXES = st.tuples(st.integers(0, 40), st.integers(0, 25), st.integers(1, 20), st.integers(1, 15))


@settings(max_examples=80, deadline=None)
@drawn_from(
    BOXES, st.lists(BOXES, max_size=4), st.lists(BOXES, max_size=3), st.sampled_from(["boundary", "shift", "merge"])
)
def test_what_is_redrawn_overlaps_what_was_drawn(
    box: tuple[int, int, int, int],
    others: list[tuple[int, int, int, int]],
    things: list[tuple[int, int, int, int]],
    type_: ErrorType,
) -> None:
    """A proposal is about its segment, or it is a deletion."""
    given, prediction = drawn(box, *others), seen(drawn(*(things or [(50, 35, 2, 2)])), 2)
    amended = edit_thing(find_candidates(given, prediction, ONE), 0, type_, given, prediction)
    if amended.action in ("redraw", "split"):
        before = given.pixels_of(0)
        after = np.unique(SegmentPixels.of_runs(amended.pieces, amended.n_pieces).index)
        both = len(np.intersect1d(before, after))
        assert both / len(np.union1d(before, after)) >= MIN_PROPOSAL_IOU
    else:
        assert amended.action in ("delete", "join")
