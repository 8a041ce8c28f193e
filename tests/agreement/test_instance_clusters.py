"""What is one thing to all annotators, from pictures, and against the matches of every two."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from segdata.agreement.annotator_pairs import pair_annotators
from segdata.agreement.instance_clusters import member_table
from segdata.agreement.instance_matching import instance_overlaps, match_table
from segdata.agreement.metrics.coincidences import coincidences
from segdata.agreement.metrics.krippendorff_alpha import krippendorff_alpha
from segdata.core.runs import Runs
from segdata.testing.pictures import masks_of_runs
from tests.generators.panels import Panel, panel, scenes

few = settings(max_examples=40)


def said(given_: Panel, **options: Any) -> list[tuple[int, dict[str, str | None]]]:
    """For each cluster its case, and what each annotator calls it; None: nothing."""
    found = member_table(given_.batch, given_.annotators, given_.categories, **options)
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
    c = "aa....\n\na: car"  # with a it shares a third, with b all: on average more than half
    assert said(panel(a, b, c)) == [(0, {"a": "car", "b": "car", "c": "car"})]
    assert said(panel(a, c)) == [(0, {"a": "car", "b": None}), (0, {"a": None, "b": "car"})]


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
    found = member_table(given_.batch, given_.annotators, given_.categories)
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
    found = member_table(given_.batch, given_.annotators, given_.categories)
    rows = np.flatnonzero(found["segment"] >= 0)
    place = np.stack([found["case"][rows], found["cluster"][rows]])
    pairs: dict[tuple[int, ...], list[int]] = {}
    for key, row in zip(place.T.tolist(), rows.tolist(), strict=True):
        pairs.setdefault(tuple(key), []).append(int(found["segment"][row]))
    opposite = next(iter(pair_annotators(given_.batch, given_.annotators, given_.categories)))
    overlap = instance_overlaps(opposite)
    things = replace(
        overlap,
        open_a=overlap.open_a & opposite.a.is_thing & (overlap.area_a > 0),
        open_b=overlap.open_b & opposite.b.is_thing & (overlap.area_b > 0),
    )
    expected = match_table(opposite, things, any_category=True)
    both = (expected["a"] >= 0) & (expected["b"] >= 0)
    matched = zip(
        opposite.a.segment[expected["a"][both].astype(int)].tolist(),
        opposite.b.segment[expected["b"][both].astype(int)].tolist(),
        strict=True,
    )
    assert {frozenset(each) for each in pairs.values() if len(each) == 2} == {frozenset(each) for each in matched}


def test_alpha_of_things() -> None:
    given_ = panel("aaa.bb\n\na: car\nb: dog", "aaa.bb\n\na: car\nb: dog", "aaa.bb\n\na: car\nb: car")
    found = member_table(given_.batch, given_.annotators, given_.categories)
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
    assert len(member_table(batch, (), drawn.categories)["case"]) == 0
