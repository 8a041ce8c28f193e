"""What several annotators' things come to, from pictures and against dense masks."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.agreement.consensus_instances import InstanceConsensus, instance_consensus
from segdata.agreement.consensus_pixels import UNDECIDED
from segdata.agreement.instance_clusters import (
    PanelSegments,
    SegmentClusters,
    cluster_segments,
    collect_panel_segments,
    member_rows,
)
from segdata.testing.pictures import Mask, masks_of_runs
from tests.generators.panels import Panel, panel, scenes

few = settings(max_examples=40)


def found_in(given_: Panel, **options: Any) -> tuple[PanelSegments, SegmentClusters, InstanceConsensus]:
    countable = np.array([each.kind == "thing" for each in given_.categories], bool)
    every = collect_panel_segments(given_.batch, given_.annotators, given_.categories)
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
    assert agreed(given_, weight=[1, 1, 3]) == [("bus", "####")]


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
    every = collect_panel_segments(given_.batch, given_.annotators, given_.categories, volumes=frozenset({"film"}))
    things = instance_consensus(every, cluster_segments(every, np.array([True])))
    assert things.thing.tolist() == [0, 0]
    assert things.image.tolist() == [0, 1]
    assert things.runs.length.tolist() == [1, 1, 1, 1]


@few
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
        segment = int(every.drawn.segment[row])
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


@few
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


@few
@given(scenes(overlaps=False, crowds=False, kinds=("thing", "thing")))
def test_what_one_alone_has_stays_as_he_drew_it(given_: Panel) -> None:
    batch = given_.batch.take_segments(np.flatnonzero(given_.batch.segment_annotation % 2 == 0))
    one = replace(given_, batch=batch)
    every, found, things = found_in(replace(one, annotators=("a", "b")))
    rows = member_rows(every, found.number)
    assert (rows["category"] < 0).sum() == len(found)  # b has nothing anywhere
    assert not things.is_agreed.any()
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    assert {mask.tobytes() for mask in drawn(one, things)} == {mask.tobytes() for mask in masks}
