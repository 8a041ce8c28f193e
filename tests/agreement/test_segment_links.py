"""Segments of several annotators that are one, against the definition done step by step."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.agreement.instance_clusters import link_segments
from segdata.core.runs import Ints

Graph = tuple[Ints, Ints, Ints, NDArray[np.float64]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to 8 segments of 4 annotators, and different IoU of some pairs."""
    annotator = np.array(draw(st.lists(st.integers(0, 3), min_size=1, max_size=8)))
    pairs = [(i, j) for i, j in itertools.combinations(range(len(annotator)), 2) if annotator[i] != annotator[j]]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    iou = draw(st.lists(st.integers(200, 999), unique=True, min_size=len(chosen), max_size=len(chosen)))
    i, j = np.array(chosen, np.int64).reshape(-1, 2).T
    return annotator, i, j, np.array(iou) / 1000


def sets(cluster: Ints) -> set[frozenset[int]]:
    """The clusters as sets of segments."""
    return {frozenset(np.flatnonzero(cluster == each).tolist()) for each in cluster}


@settings(max_examples=50)
@given(graphs(), st.permutations(range(8)))
def test_one_of_each_annotator_in_a_cluster_and_no_order_matters(graph: Graph, order: list[int]) -> None:
    annotator, i, j, iou = graph
    found = link_segments(annotator, i, j, iou, 0.5)
    for each in sets(found):
        assert len({int(annotator[k]) for k in each}) == len(each)
    place = np.argsort([k for k in order if k < len(annotator)])  # segment k is now number place[k]
    back = np.argsort(place)
    moved = link_segments(annotator[back], place[j], place[i], iou, 0.5)
    assert sets(found) == {frozenset(int(back[k]) for k in each) for each in sets(moved)}
    renamed = link_segments(3 - annotator, i, j, iou, 0.5)
    assert sets(found) == sets(renamed)


@settings(max_examples=50)
@given(graphs())
def test_two_annotators_get_their_matches(graph: Graph) -> None:
    annotator, i, j, iou = graph
    two = (annotator[i] < 2) & (annotator[j] < 2)
    found = link_segments(annotator, i[two], j[two], iou[two], 0.5)
    total = sum(iou[two][(found[i[two]] == found[j[two]])])
    best = 0.0
    cells = list(zip(i[two].tolist(), j[two].tolist(), iou[two].tolist(), strict=True))
    good = [cell for cell in cells if cell[2] > 0.5]
    for size in range(len(good) + 1):
        for chosen in itertools.combinations(good, size):
            ends = [end for cell in chosen for end in cell[:2]]
            if len(set(ends)) == len(ends):
                best = max(best, sum(cell[2] for cell in chosen))
    np.testing.assert_allclose(total, best)


def test_all_that_are_alike_are_one() -> None:
    annotator = np.arange(5)
    i, j = np.array(list(itertools.combinations(range(5), 2))).T
    iou = np.linspace(0.6, 0.9, len(i))
    assert link_segments(annotator, i, j, iou, 0.5).tolist() == [0] * 5


def test_a_chain_is_cut_where_the_average_is_low() -> None:
    annotator = np.arange(3)
    i, j = np.array([0, 1, 0]), np.array([1, 2, 2])
    assert link_segments(annotator, i, j, np.array([0.8, 0.6, 0.1]), 0.5).tolist() == [0, 0, 2]
    assert link_segments(annotator, i, j, np.array([0.8, 0.6, 0.45]), 0.5).tolist() == [0, 0, 0]


def test_nothing_to_join() -> None:
    none = np.empty(0, np.int64)
    assert len(link_segments(none, none, none, np.empty(0), 0.5)) == 0
    assert link_segments(np.array([0, 1]), none, none, np.empty(0), 0.5).tolist() == [0, 1]
