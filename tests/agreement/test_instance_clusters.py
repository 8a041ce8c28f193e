"""What is one thing to all annotators, from pictures, and against the matches of every two."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.agreement.instance_clusters import (
    InstanceConsensus,
    PanelSegments,
    SegmentClusters,
    cluster_segments,
    collect_panel_segments,
    instance_consensus,
    member_rows,
    member_table,
)
from segdata.agreement.instance_matching import instance_overlaps, match_table
from segdata.agreement.metrics.krippendorff_alpha import coincidences, krippendorff_alpha
from segdata.agreement.paired_segments import PanelBatch, pair_annotators
from segdata.agreement.votes import UNDECIDED
from segdata.core.runs import Runs
from segdata.testing.pictures import Mask, masks_of_runs
from tests.generators.panels import Panel, panel, scenes

few = settings(max_examples=40)


def said(given_: Panel, **options: Any) -> list[tuple[int, dict[str, str | None]]]:
    """For each cluster its case, and what each annotator calls it; None: nothing."""
    found = member_table(replace(given_, **options))
    result: dict[tuple[int, int], dict[str, str | None]] = {}
    for case, cluster, annotator, category in zip(
        *(found[name].tolist() for name in ("case", "cluster", "annotator", "category")), strict=True
    ):
        name = None if category < 0 else given_.categories[category].name
        result.setdefault((case, cluster), {})[given_.annotators[annotator]] = name
    return [(case, each) for (case, _), each in result.items()]


def test_one_thing_three_opinions() -> None:
    given_ = panel("aaa.bb\n\na: car\nb: dog", "aaa...\n\na: bus", "aa..bb\n\na: car\nb: dog")
    assert said(given_) == [
        (0, {"a": "car", "b": "bus", "c": "car"}),
        (0, {"a": "dog", "b": None, "c": "dog"}),
    ]


def test_who_did_not_see_it_says_nothing() -> None:
    car = "aaa...\n\na: car"
    assert said(panel(car, car, absent=[("b", 0)])) == [(0, {"a": "car"})]
    assert said(panel(car, "vvvv..\n\nv: fog (void)", car)) == [(0, {"a": "car", "c": "car"})]
    assert said(panel(car, "kkkk..\n\nk: car (crowd)", car)) == [(0, {"a": "car", "c": "car"})]
    assert said(panel(car, "k.....\n\nk: car (crowd)", car)) == [(0, {"a": "car", "b": None, "c": "car"})]
    asked = np.array([[True, True], [False, True]])
    given_ = panel("aaa.b.\n\na: car\nb: dog", "....b.\n\nb: dog")
    assert said(given_, asked=asked) == [(0, {"a": "car"}), (0, {"a": "dog", "b": "dog"})]


def test_what_one_calls_void_is_no_part_of_what_is_compared_with_him() -> None:
    a, b = "aaaaaa\n\na: car", "aavvvv\n\na: car\nv: fog (void)"
    assert said(panel(a, b)) == [(0, {"a": "car", "b": "car"})]
    c = "aa....\n\na: car"  # with a it shares a third, with b all
    assert said(panel(a, b, c)) == [(0, {"a": "car", "b": "car", "c": "car"})]
    assert said(panel(a, c)) == [(0, {"a": "car", "b": "car"})]  # of one thing, which ends elsewhere


def test_stuff_and_semantic_data_are_not_counted() -> None:
    assert said(panel("aabb\n\na: sky (stuff)\nb: car", "aabb\n\na: sky (stuff)\nb: car")) == [
        (0, {"a": "car", "b": "car"})
    ]
    assert said(panel("aa\n\na: car", "aa\n\na: car"), is_semantic=True) == []


def test_a_track_in_a_volume_is_one_thing() -> None:
    slices = "\n\nsequence: volume\na: cell (track 1)"
    given_ = panel("aa\n..\n\naa\n.." + slices, "aa\n..\n\naa\na." + slices)
    assert said(given_, volumes=frozenset({"film"})) == [(0, {"a": "cell", "b": "cell"})]
    assert len(said(given_)) == 2


@few
@given(scenes(n_annotators=3, absent=True))
def test_every_thing_is_in_one_cluster(given_: Panel) -> None:
    found = member_table(given_)
    drew = found["segment"] >= 0
    kind = np.array([each.kind == "thing" for each in given_.categories])
    counted = []
    every = masks_of_runs(given_.batch.runs, *given_.batch.segment_size)
    for row, (category, crowd, annotation) in enumerate(
        zip(
            *(given_.batch.segments[name].to_pylist() for name in ("category_id", "iscrowd", "annotation")), strict=True
        )
    ):
        same = np.flatnonzero(given_.batch.segment_annotation == annotation)
        void = [k for k in same if given_.batch.segments["category_id"][int(k)].as_py() == 4]
        hidden = np.logical_or.reduce([np.zeros_like(every[row]), *(every[k] for k in void)])
        if kind[category - 1] and not crowd and (every[row] & ~hidden).any():
            counted.append(row)
    assert sorted(found["segment"][drew].tolist()) == counted
    place = np.stack([found["case"], found["cluster"], found["annotator"]], axis=1)
    assert len(np.unique(place, axis=0)) == len(place)
    np.testing.assert_array_equal(np.lexsort(place.T[::-1]), np.arange(len(place)))
    np.testing.assert_array_equal(found["category"] >= 0, drew)


@few
@given(scenes(n_annotators=2, overlaps=False))
def test_two_annotators_get_the_matches_of_both(given_: Panel) -> None:
    """Where segments do not overlap an IoU above 0.5 is unique; else the largest sum and the best first may differ."""
    found = member_table(given_)
    rows = np.flatnonzero(found["segment"] >= 0)
    place = np.stack([found["case"][rows], found["cluster"][rows]])
    pairs: dict[tuple[int, ...], list[int]] = {}
    for key, row in zip(place.T.tolist(), rows.tolist(), strict=True):
        pairs.setdefault(tuple(key), []).append(int(found["segment"][row]))
    opposite = next(iter(pair_annotators(given_)))
    overlap = instance_overlaps(opposite)
    things = replace(
        overlap,
        open_a=overlap.open_a & opposite.a.is_thing & (overlap.area_a > 0),
        open_b=overlap.open_b & opposite.b.is_thing & (overlap.area_b > 0),
        spared_a=np.zeros(len(opposite.a), bool),
        spared_b=np.zeros(len(opposite.b), bool),
    )
    expected = match_table(opposite, things, any_category=True, outlines=True, centres=True)
    both = (expected["a"] >= 0) & (expected["b"] >= 0)
    matched = zip(
        opposite.a.segment[expected["a"][both].astype(int)].tolist(),
        opposite.b.segment[expected["b"][both].astype(int)].tolist(),
        strict=True,
    )
    assert {frozenset(each) for each in pairs.values() if len(each) == 2} == {frozenset(each) for each in matched}


def test_alpha_of_things() -> None:
    given_ = panel("aaa.bb\n\na: car\nb: dog", "aaa.bb\n\na: car\nb: dog", "aaa.bb\n\na: car\nb: car")
    found = member_table(given_)
    n = int(found["cluster"].max()) + 1
    of = coincidences(found["cluster"], found["category"], np.ones(n), np.zeros(n), 1, 2)
    alpha = krippendorff_alpha(of.agreeing, of.votes)[0]
    # 4 cars and 2 dogs: of 6 votes 2 x 2 / 2 = 2 pairs differ; by chance 2 x 4 x 2 / 30 do.
    assert float(alpha) == pytest.approx(1 - (2 / 6) / (16 / 30))
    twice = krippendorff_alpha(2 * of.agreeing, 2 * of.votes)
    np.testing.assert_allclose(twice, 1 - (4 / 12) / (64 / 132))


def test_nobody() -> None:
    drawn = panel("A.")
    batch = type(drawn.batch)(
        drawn.batch.images, drawn.batch.annotations.slice(0, 0), drawn.batch.segments.slice(0, 0), Runs.empty()
    )
    assert len(member_table(PanelBatch(batch, (), drawn.categories))["case"]) == 0


few_things = settings(max_examples=40)


def found_in(given_: Panel, **options: Any) -> tuple[PanelSegments, SegmentClusters, InstanceConsensus]:
    countable = np.array([each.kind == "thing" for each in given_.categories], bool)
    every = collect_panel_segments(given_)
    found = cluster_segments(every, countable)
    return every, found, instance_consensus(every, found, **options)


def drawn(given_: Panel, things: InstanceConsensus) -> list[Mask]:
    """The pixels of each segment."""
    height, width = (each[things.image] for each in given_.batch.image_size)
    return masks_of_runs(things.runs.checked(height, width), height, width)


def agreed(given_: Panel, **options: Any) -> list[tuple[str, str]]:
    """Category and pixels of the things agreed on, of one image, row by row."""
    _, _, things = found_in(given_, **options)
    return [
        (given_.categories[things.category[thing]].name, "/".join("".join(".#"[int(p)] for p in row) for row in mask))
        for thing, mask in zip(things.thing.tolist(), drawn(given_, things), strict=True)
        if things.is_agreed[thing]
    ]


CAR = "\n\na: car\nb: bus"


def test_pixels_of_most_and_the_name_that_most_give() -> None:
    given_ = panel("aaa." + CAR, "aaaa" + CAR, ".bbb" + CAR)
    assert agreed(given_) == [("car", "####")]
    _, _, things = found_in(given_)
    assert (things.drawn_by.tolist(), things.judged_by.tolist(), things.support.tolist()) == ([3], [3], [1.0])
    np.testing.assert_allclose(things.iou, (3 / 4 + 3 / 4 + 2 / 4) / 3)


def test_what_half_have_is_for_someone_to_settle() -> None:
    given_ = panel("aaa." + CAR, "aa.." + CAR, "...." + CAR, "...." + CAR)
    _, _, things = found_in(given_)
    assert things.is_agreed.tolist() == [False]
    assert things.support.tolist() == [0.5]
    assert agreed(given_, least=0.4) == [("car", "##..")]
    absent = panel("aaa." + CAR, "aa.." + CAR, "...." + CAR, "...." + CAR, absent=[("d", 0)])
    assert agreed(absent) == [("car", "##..")]
    void = panel("aaa." + CAR, "aa.." + CAR, "...." + CAR, "vvvv\n\nv: fog (void)")
    assert agreed(void) == [("car", "##..")]


def test_one_thing_under_two_names_is_for_someone_to_settle() -> None:
    _, _, things = found_in(panel("aaa." + CAR, "bbb." + CAR))
    assert things.category.tolist() == [UNDECIDED]
    assert things.is_agreed.tolist() == [False]


def test_one_who_is_alone_with_an_image_is_believed() -> None:
    given_ = panel("aa.." + CAR, "...." + CAR, absent=[("b", 0)])
    assert agreed(given_) == [("car", "##..")]


def test_things_that_share_pixels_can_be_parted() -> None:
    a = "aaaaaa....\n\na: car\nb: bus"
    b = "....bbbbbb\n\na: car\nb: bus"
    x = "aaaaaxbbbb\n\nx = a + b\na: car\nb: bus"
    given_ = panel(x, x, a, b)
    assert agreed(given_) == [("car", "######...."), ("bus", ".....#####")]
    assert agreed(given_, exclusive=True) == [("car", "######...."), ("bus", "......####")]


def test_a_thing_in_a_volume_has_a_segment_on_each_slice() -> None:
    slices = "\n\nsequence: volume\na: cell (track 1)"
    given_ = panel("aa\n..\n\naa\n.." + slices, "aa\n..\n\naa\na." + slices)
    every = collect_panel_segments(replace(given_, volumes=frozenset({"film"})))
    things = instance_consensus(every, cluster_segments(every, np.array([True])))
    assert things.thing.tolist() == [0, 0]
    assert things.image.tolist() == [0, 1]
    assert things.runs.length.tolist() == [1, 1, 1, 1]


@few_things
@given(scenes(n_annotators=3, absent=True), st.booleans())
def test_masks_are_those_of_most_members(given_: Panel, exclusive: bool) -> None:
    every, found, things = found_in(given_, exclusive=exclusive)
    masks = masks_of_runs(given_.batch.runs, *given_.batch.segment_size)
    annotation = given_.batch.segment_annotation
    void = {k: np.zeros_like(masks[row]) for row, k in enumerate(annotation.tolist())}
    for row, category in enumerate(given_.batch.segments["category_id"].to_pylist()):
        if category == 4:
            void[int(annotation[row])] |= masks[row]
    members: dict[int, list[Mask]] = {}
    for row, number in enumerate(found.number.tolist()):
        segment = int(every.segments.segment[row])
        if number >= 0:
            members.setdefault(number, []).append(masks[segment] & ~void[int(annotation[segment])])
    votes = {number: np.sum(own, axis=0) for number, own in members.items()}
    expected = {number: 2 * votes[number] > len(own) for number, own in members.items()}
    if exclusive:
        claims = {k: expected[k].copy() for k in expected if things.is_agreed[k]}
        for one in claims:
            for other in claims:
                if one != other and things.case[one] == things.case[other]:
                    rank = [(votes[k], len(members[k]), -k) for k in (one, other)]
                    loses = rank[0][0] < rank[1][0]
                    loses |= (rank[0][0] == rank[1][0]) & (rank[0][1:] < rank[1][1:])
                    expected[one] = expected[one] & ~(claims[one] & claims[other] & loses)
    got = dict(zip(things.thing.tolist(), drawn(given_, things), strict=True))
    for number, mask in expected.items():
        np.testing.assert_array_equal(got.get(number, np.zeros_like(mask)), mask)
    assert set(got) == {number for number, mask in expected.items() if mask.any()}


@few_things
@given(scenes(n_annotators=3, overlaps=False), st.permutations(range(3)))
def test_no_annotator_is_the_first(given_: Panel, order: list[int]) -> None:
    moved = replace(given_, annotators=tuple(given_.annotators[k] for k in order))
    seen = []
    for each in (given_, moved):
        _, _, things = found_in(each)
        masks = dict(zip(things.thing.tolist(), drawn(each, things), strict=True))
        seen.append(
            {
                (int(things.case[k]), int(things.category[k]), bool(things.is_agreed[k]), mask.tobytes())
                for k, mask in masks.items()
            }
        )
    assert seen[0] == seen[1]


def test_of_two_that_are_as_near_it_is_not_the_first_annotators() -> None:
    texts = ["aaaa..", ".aaaa.", "..aaaa"]
    found = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        given_ = panel(*(texts[k] for k in order))
        _, _, things = found_in(given_)
        found.append(sorted(mask.tobytes() for mask in drawn(given_, things)))
    assert found[0] == found[1] == found[2]


@few_things
@given(scenes(overlaps=False, crowds=False, kinds=("thing", "thing")))
def test_what_one_alone_has_stays_as_he_drew_it(given_: Panel) -> None:
    batch = given_.batch.take_segments(np.flatnonzero(given_.batch.segment_annotation % 2 == 0))
    one = replace(given_, batch=batch)
    every, found, things = found_in(replace(one, annotators=("a", "b")))
    rows = member_rows(every, found)
    assert (rows["category"] < 0).sum() == len(found)  # b has nothing anywhere
    assert not things.is_agreed.any()
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    assert {mask.tobytes() for mask in drawn(one, things)} == {mask.tobytes() for mask in masks}
