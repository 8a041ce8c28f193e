"""Why two annotators disagree about pixels, against dense masks."""

import numpy as np
from hypothesis import given, settings

from segdata.agreement.contingency import pixel_tables
from segdata.agreement.instance_matching import CAUSES, Columns, cause_table, instance_tables
from segdata.agreement.paired_segments import AnnotatorPair, pair_annotators
from segdata.testing.pictures import masks_of_runs
from tests.generators.panels import Panel, panel, scenes

few = settings(max_examples=100)


def both(given_: Panel) -> AnnotatorPair:
    return next(iter(pair_annotators(given_)))


def found_in(opposite: AnnotatorPair) -> Columns:
    return cause_table(opposite, instance_tables(opposite)["matches"])


def by_name(given_: Panel, side: int) -> dict[str, dict[str, int]]:
    """The pixels of each category's causes that are not 0."""
    opposite = both(given_)
    columns = found_in(opposite)
    return {
        opposite.categories[category].name: {
            name: int(columns[name][row]) for name in CAUSES if columns[name][row] and columns["side"][row] == side
        }
        for row, category in enumerate(columns["category"].tolist())
        if columns["side"][row] == side
    }


@few
@given(scenes())
def test_all_causes_together_are_the_pixels_on_which_two_disagree(given_: Panel) -> None:
    opposite = both(given_)
    columns, overlaps = found_in(opposite), pixel_tables(opposite)["overlaps"]
    shape = (opposite.n_cases, len(opposite.categories), 2)
    total = np.zeros(shape, np.int64)
    total[columns["pair"], columns["category"], columns["side"]] = sum(columns[name] for name in CAUSES)
    expected = np.zeros(shape, np.int64)
    expected[overlaps["pair"], overlaps["category"], 0] = overlaps["area_a"] - overlaps["both"]
    expected[overlaps["pair"], overlaps["category"], 1] = overlaps["area_b"] - overlaps["both"]
    np.testing.assert_array_equal(total, expected)


@few
@given(scenes())
def test_the_best_match_of_a_pixels_segments_is_its_cause(given_: Panel) -> None:
    opposite = both(given_)
    columns, matches = found_in(opposite), instance_tables(opposite)["matches"]
    every = masks_of_runs(opposite.batch.runs, *opposite.batch.segment_size)
    void = [np.zeros((int(h), int(w)), bool) for h, w in zip(opposite.line.height, opposite.line.width, strict=True)]
    for drawn in (opposite.a, opposite.b):
        for row in np.flatnonzero(drawn.is_void):
            void[drawn.case[row]] |= every[drawn.segment[row]]
    rank = {}
    for a, b, first, second, ignored in zip(
        *(matches[name].tolist() for name in ("a", "b", "category_a", "category_b", "ignored")), strict=True
    ):
        both_have = a >= 0 and b >= 0
        rank["a", a] = rank["b", b] = (0 if first == second else 1) if both_have else (3 if ignored else 2)
    expected = {}
    sides = (opposite.a, opposite.b)
    for k in (0, 1):
        drawn, other = sides[k], sides[1 - k]
        for case in range(opposite.n_cases):
            for category in set(drawn.category[(drawn.case == case) & ~drawn.is_void].tolist()):
                why = np.full(void[case].shape, 9)
                for row in np.flatnonzero((drawn.case == case) & (drawn.category == category)).tolist():
                    mask = every[drawn.segment[row]]
                    why[mask] = np.minimum(why[mask], rank["ab"[k], row])
                why[void[case]] = 9
                for row in np.flatnonzero((other.case == case) & (other.category == category)).tolist():
                    why[every[other.segment[row]]] = 9
                if (why < 9).any():
                    expected[case, category, k] = np.bincount(why[why < 9], minlength=4).tolist()
    keys = zip(*(columns[name].tolist() for name in ("pair", "category", "side")), strict=True)
    assert dict(zip(keys, np.stack([columns[name] for name in CAUSES], axis=1).tolist(), strict=True)) == expected


@few
@given(scenes())
def test_who_comes_first_is_only_the_side(given_: Panel) -> None:
    opposite = both(given_)
    one, other = found_in(opposite), found_in(opposite.swap)
    order = np.lexsort((1 - other["side"], other["category"], other["pair"]))
    np.testing.assert_array_equal(one["side"], 1 - other["side"][order])
    for name in ("pair", "category", *CAUSES):
        np.testing.assert_array_equal(one[name], other[name][order])


def test_categories_do_not_run_into_each_other() -> None:
    """The last pixel of one, and the first of the next, which two segments claim."""
    given_ = panel("a\nb\n\na: one\nb: two", "x\nc\n\nx = d + e\nd, e: two\nc: one")
    assert by_name(given_, 0) == {"one": {"confused": 1}, "two": {"confused": 1}}
    assert by_name(given_, 1) == {"one": {"confused": 1}, "two": {"confused": 1}}


def test_each_cause_by_its_name() -> None:
    a = "aaaaa.bbb.ccc.ddd\n\na: edge\nb: missed\nc: dog\nd: crowd (crowd)"
    b = "aaaa......ccc.ddd\n\na: edge\nc: cat\nd: crowd"
    given_ = panel(a, b)
    assert by_name(given_, 0) == {"edge": {"boundary": 1}, "missed": {"unmatched": 3}, "dog": {"confused": 3}}
    assert by_name(given_, 1) == {"cat": {"confused": 3}}
    in_crowd = panel("aaaaaaaa\n\na: crowd (crowd)", "bbb.....\n\nb: crowd")
    assert by_name(in_crowd, 0) == {"crowd": {"ignored": 5}}
