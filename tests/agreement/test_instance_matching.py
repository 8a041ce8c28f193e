"""Matching: the best one-to-one pairs, from cells alone."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.agreement import instance_matching
from segdata.agreement.evaluation import RecognitionCounts, count_recognised
from segdata.agreement.instance_matching import (
    Columns,
    instance_overlaps,
    instance_tables,
    match_optimal,
    match_table,
    reference_overlaps,
)
from segdata.agreement.metrics.panoptic_quality import panoptic_quality
from segdata.agreement.paired_segments import AnnotatorPair, pair_annotators
from segdata.core.batch import replace_column
from segdata.core.runs import Ints
from segdata.testing.pictures import Mask, masks_of_runs, runs_of_masks
from tests.generators.panels import Panel, panel, scenes

Gains = NDArray[np.float64]
Cells = tuple[Ints, Ints, Gains]


@st.composite
def cells(draw: st.DrawFn, most: int = 5) -> Cells:
    """Some of the pairs of up to `most` x `most` segments, in any order, with different gains."""
    pairs = list(itertools.product(range(most), range(most)))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14))
    gains = draw(st.lists(st.integers(1, 999), unique=True, min_size=len(chosen), max_size=len(chosen)))
    a, b = np.array(chosen, np.int64).reshape(-1, 2).T
    return 3 * a, 7 * b + 2, np.array(gains) / 1000


def best_sum(given_cells: Cells) -> float:
    """By trying every subset of A with every order of B."""
    a, b, gain = given_cells
    worth = {(x, y): g for x, y, g in zip(a.tolist(), b.tolist(), gain.tolist(), strict=True)}

    def best(rest: tuple[int, ...], free: frozenset[int]) -> float:
        if not rest:
            return 0.0
        skipped = best(rest[1:], free)
        taken = [worth[rest[0], y] + best(rest[1:], free - {y}) for y in free if (rest[0], y) in worth]
        return max([skipped, *taken])

    return best(tuple(sorted(set(a.tolist()))), frozenset(b.tolist()))


@given(cells())
def test_the_sum_is_the_largest_there_is_and_nobody_is_taken_twice(given_cells: Cells) -> None:
    a, b, gain = given_cells
    kept = match_optimal(a, b, gain)
    assert len(set(a[kept])) == len(set(b[kept])) == kept.sum()
    assert gain[kept].sum() == pytest.approx(best_sum(given_cells))


@given(cells())
def test_it_does_not_matter_who_comes_first_nor_in_what_order_cells_come(given_cells: Cells) -> None:
    a, b, gain = given_cells
    total = gain[match_optimal(a, b, gain)].sum()
    assert gain[match_optimal(b, a, gain)].sum() == pytest.approx(total)
    assert gain[::-1][match_optimal(a[::-1], b[::-1], gain[::-1])].sum() == pytest.approx(total)


@given(cells(most=6).filter(lambda each: len(each[0]) > 0))
def test_large_blocks_are_settled_as_small_ones(given_cells: Cells) -> None:
    _, row = np.unique(given_cells[0], return_inverse=True)
    _, column = np.unique(given_cells[1], return_inverse=True)
    gain = given_cells[2]
    total = gain[instance_matching._match_dense(row, column, gain)].sum()
    assert gain[instance_matching._match_sparse(row, column, gain)].sum() == pytest.approx(total)


def test_a_chain_of_thousands_needs_no_table() -> None:
    n = 3000  # as a table 9 million cells, more than a block may have
    a = np.repeat(np.arange(n), 2)[1:]
    b = np.repeat(np.arange(n), 2)[:-1]
    gain = np.where(np.arange(len(a)) % 2, 0.9, 0.5)  # 0-0, 1-0, 1-1, 2-1, …: each second one is better
    kept = match_optimal(a, b, gain)
    np.testing.assert_array_equal(kept, gain == 0.9)


def test_nothing_to_match() -> None:
    none = np.empty(0, np.int64)
    assert len(match_optimal(none, none, np.empty(0))) == 0


few = settings(max_examples=30)


def both(given_: Panel) -> AnnotatorPair:
    return next(iter(pair_annotators(given_)))


@dataclass(frozen=True)
class Dense:
    """What two annotators drew, as masks: of each segment of A and of B, and what either calls void in each case."""

    own: tuple[list[Mask], list[Mask]]
    void: list[Mask]


def dense(opposite: AnnotatorPair) -> Dense:
    every = masks_of_runs(opposite.batch.runs, *opposite.batch.segment_size)
    sizes = zip(opposite.line.height.tolist(), opposite.line.width.tolist(), strict=True)
    void = [np.zeros(size, bool) for size in sizes]
    for drawn in (opposite.a, opposite.b):
        for row in np.flatnonzero(drawn.is_void):
            void[drawn.case[row]] |= every[drawn.segment[row]]
    return Dense(tuple([every[row] for row in drawn.segment] for drawn in (opposite.a, opposite.b)), void)


def counted(opposite: AnnotatorPair, found: Columns, threshold: float = 0.5) -> RecognitionCounts:
    return count_recognised(
        found, found["pair"].astype(np.int64), opposite.n_cases, len(opposite.categories), threshold=threshold
    )


def assert_equal(one: RecognitionCounts, other: RecognitionCounts) -> None:
    for mine, yours in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, yours)


@few
@given(scenes())
def test_every_segment_is_in_one_row(given_: Panel) -> None:
    opposite = both(given_)
    for found in (instance_overlaps(opposite), reference_overlaps(opposite)):
        columns = match_table(opposite, found)
        for drawn, name in ((opposite.a, "a"), (opposite.b, "b")):
            rows = columns[name][columns[name] >= 0]
            assert sorted(rows.tolist()) == np.flatnonzero(~drawn.is_void).tolist()
            np.testing.assert_array_equal(columns[f"category_{name}"][columns[name] >= 0], drawn.category[rows])


@few
@given(scenes())
def test_areas_and_iou_are_those_of_masks_without_void(given_: Panel) -> None:
    opposite = both(given_)
    columns = instance_tables(opposite)["matches"]
    seen = dense(opposite)
    own_a, own_b = seen.own
    for pair, a, b, area_a, area_b, shared, iou in zip(
        *(columns[name].tolist() for name in ("pair", "a", "b", "area_a", "area_b", "shared", "iou")), strict=True
    ):
        clear = ~seen.void[pair]
        mine, yours = (own_a[a] & clear if a >= 0 else clear & False), (own_b[b] & clear if b >= 0 else clear & False)
        assert (area_a, area_b) == (mine.sum(), yours.sum())
        if a >= 0 and b >= 0:
            assert shared == (mine & yours).sum()
            assert iou == pytest.approx(shared / (mine | yours).sum())
            outline = iou > 0.1 and 2 * shared > min(area_a, area_b)
            centres = [np.argwhere(mask).mean(axis=0) for mask in (mine, yours)]
            assert iou > 0.5 or outline or np.linalg.norm(centres[0] - centres[1]) <= 3
        else:
            assert shared == 0
            assert np.isnan(iou)


@few
@given(scenes())
def test_what_counts_for_nothing_lies_in_void_or_a_crowd(given_: Panel) -> None:
    opposite = both(given_)
    columns = instance_tables(opposite)["matches"]
    seen = dense(opposite)
    own = seen.own
    sides = (opposite.a, opposite.b)
    for k, name in enumerate("ab"):
        drawn, other = sides[k], sides[1 - k]
        alone = (columns[name] >= 0) & (columns["ab"[1 - k]] < 0)
        for row, case, ignored in zip(
            columns[name][alone].tolist(),
            columns["pair"][alone].tolist(),
            columns["ignored"][alone].tolist(),
            strict=True,
        ):
            gone = seen.void[case]
            alike = other.is_crowd & (other.case == case) & (other.category == drawn.category[row])
            for crowd in np.flatnonzero(alike):
                gone = gone | own[1 - k][crowd]
            mostly = 2 * (own[k][row] & gone).sum() > own[k][row].sum()
            assert ignored == bool(mostly or drawn.is_crowd[row])


@few
@given(scenes(overlaps=False))
def test_it_does_not_matter_who_comes_first(given_: Panel) -> None:
    opposite = both(given_)
    found, swapped = (counted(each, instance_tables(each)["matches"]) for each in (opposite, opposite.swap))
    assert_equal(found, RecognitionCounts(swapped.tp, swapped.fn, swapped.fp, swapped.iou_sum))


@few
@given(scenes())
def test_where_several_matchings_are_best_their_sum_is_the_same_for_both(given_: Panel) -> None:
    opposite = both(given_)
    found, swapped = (counted(each, instance_tables(each)["matches"]) for each in (opposite, opposite.swap))
    np.testing.assert_allclose(found.iou_sum, swapped.iou_sum)


@few
@given(scenes(overlaps=False))
def test_equal_work_matches_completely(given_: Panel) -> None:
    opposite = both(given_)
    twin = replace(opposite, b=opposite.a)
    columns = instance_tables(twin)["matches"]
    found = counted(twin, columns)
    assert found.fp.sum() == found.fn.sum() == 0
    np.testing.assert_allclose(found.iou_sum, found.tp)
    quality = panoptic_quality(*found)
    for each in quality:
        np.testing.assert_allclose(each[found.tp > 0], 1)
        assert np.isnan(each[found.tp == 0]).all()


def redrawn(given_: Panel, change: Any) -> Panel:
    """The same panel with every mask changed, as a picture is."""
    batch = given_.batch
    drawn = [change(mask) for mask in masks_of_runs(batch.runs, *batch.segment_size)]
    size = [change(np.zeros((int(h), int(w)))).shape for h, w in zip(*batch.image_size, strict=True)]
    images = replace_column(replace_column(batch.images, "height", [h for h, _ in size]), "width", [w for _, w in size])
    return replace(given_, batch=replace(batch, images=images, runs=runs_of_masks(drawn)))


@pytest.mark.parametrize("change", [np.transpose, np.flipud, np.fliplr])
@few
@given(given_=scenes())
def test_a_turned_picture_counts_the_same(given_: Panel, change: Any) -> None:
    one, other = both(given_), both(redrawn(given_, change))
    assert_equal(counted(one, instance_tables(one)["matches"]), counted(other, instance_tables(other)["matches"]))


@few
@given(scenes(overlaps=False))
def test_the_order_in_which_segments_were_drawn_does_not_matter(given_: Panel) -> None:
    batch = given_.batch
    annotation = batch.segment_annotation
    order = np.lexsort((-np.arange(len(annotation)), annotation))
    turned = replace(batch, segments=batch.segments.take(order), runs=batch.runs.take(order, batch.n_segments))
    one, other = both(given_), both(replace(given_, batch=turned))
    assert_equal(counted(one, instance_tables(one)["matches"]), counted(other, instance_tables(other)["matches"]))


def test_one_thing_under_two_names_is_one_row() -> None:
    opposite = both(panel("aaab\n....\na: car\nb: dog", "aaab\n....\na: bus\nb: dog"))
    columns = instance_tables(opposite)["matches"]
    assert columns["iou"].tolist() == [1.0, 1.0]
    names = [each.name for each in opposite.categories]
    called = [(names[a], names[b]) for a, b in zip(columns["category_a"], columns["category_b"], strict=True)]
    assert sorted(called) == [("car", "bus"), ("dog", "dog")]
    found = counted(opposite, columns)
    assert (found.tp.sum(), found.fp.sum(), found.fn.sum()) == (1, 1, 1)


def test_half_is_not_a_match() -> None:
    opposite = both(panel("aa..", "a...\n"))
    assert counted(opposite, instance_tables(opposite)["matches"]).tp.sum() == 0
    assert counted(opposite, match_table(opposite, instance_overlaps(opposite), threshold=0.4), 0.4).tp.sum() == 1


def test_higher_bars_are_passed_by_fewer() -> None:
    opposite = both(panel("aaaa.bbbbb", "aaa..bbbbb"))
    columns = instance_tables(opposite)["matches"]
    assert [counted(opposite, columns, bar).tp.sum() for bar in (0.5, 0.75, 0.8)] == [2, 1, 1]


def test_two_for_one_is_a_group() -> None:
    opposite = both(panel("aaaaaa.dd\n\na: car\nd: dog", "bbbccc.dd\n\nb, c: car\nd: dog"))
    found = instance_tables(opposite)["groups"]
    assert {name: column.tolist() for name, column in found.items()} == {
        "pair": [0, 0],
        "side": [0, 0],
        "segment": [0, 0],
        "piece": [0, 1],
    }
    found = instance_tables(opposite.swap)["groups"]
    assert found["side"].tolist() == [1, 1]


def test_a_small_thing_on_a_large_one_is_no_piece_of_it() -> None:
    """Both annotators drew the small one too: nobody split anything."""
    picture = "aaaax\naaaax\n\nx = a + b\na, b: car"
    assert len(instance_tables(both(panel(picture, picture)))["groups"]["pair"]) == 0


def matches_by_side(matched: Columns) -> list[tuple[int, int, int]]:
    """Of every matched segment the row, that of the other, and the side."""
    pairs = [(a, b) for a, b in zip(matched["a"].tolist(), matched["b"].tolist(), strict=True) if a >= 0 and b >= 0]
    return [(a, b, 0) for a, b in pairs] + [(b, a, 1) for a, b in pairs]


@few
@given(scenes())
def test_groups_hold_segments_by_more_than_half(given_: Panel) -> None:
    opposite = both(given_)
    seen = dense(opposite)
    own = seen.own
    sides = (opposite.a, opposite.b)
    expected = []
    matched = instance_tables(opposite)["matches"]
    partner = {(k, int(row)): int(of) for row, of, k in matches_by_side(matched)}
    for k, (drawn, other) in enumerate((sides, sides[::-1])):
        for row in np.flatnonzero(drawn.is_thing & ~drawn.is_crowd):
            clear = ~seen.void[drawn.case[row]]
            alike = other.is_thing & ~other.is_crowd & (other.category == drawn.category[row])
            inside = []
            for each in np.flatnonzero(alike & (other.case == drawn.case[row])):
                whole = own[1 - k][each] & clear
                taken = partner.get((1 - k, int(each)), int(row)) != row
                if 2 * (own[k][row] & whole).sum() > whole.sum() and not taken:
                    inside.append((int(drawn.case[row]), k, int(row), int(each)))
            if len(inside) >= 2:
                expected += inside
    found = instance_tables(opposite)["groups"]
    assert list(zip(*(found[name].tolist() for name in ("pair", "side", "segment", "piece")), strict=True)) == expected


def test_slices_of_a_volume_are_one_case() -> None:
    slices = "\n\nsequence: volume\na: cell (track 1)"
    given_ = panel("aa\n..\n\naa\n.." + slices, "aa\n..\n\naa\naa" + slices)
    opposite = next(iter(pair_annotators(replace(given_, volumes=frozenset({"film"})))))
    columns = instance_tables(opposite)["matches"]
    assert {name: columns[name].tolist() for name in ("pair", "area_a", "area_b", "shared")} == {
        "pair": [0],
        "area_a": [4],
        "area_b": [6],
        "shared": [4],
    }


def empty_rows(columns: Columns) -> Ints:
    return np.array([len(column) for column in columns.values()])


def test_nothing_drawn_is_no_row() -> None:
    given_ = panel("..\n..\na: cell (empty)", "..\n..\na: cell (empty)")
    opposite = both(given_)
    columns = instance_tables(opposite)["matches"]
    assert columns["ignored"].tolist() == [True, True]
    bare = both(replace(given_, batch=given_.batch.take_segments(np.empty(0, np.int64))))
    for table in instance_tables(bare).values():
        assert not empty_rows(table).any()
