"""Outline matches: what was drawn larger or smaller is neither missed nor made up, however small it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import segdata
from segdata.api.agreement import AgreementResult
from segdata.core.taxonomy import Category, CategoryKind, Taxonomy

Drawn = list[tuple[NDArray[np.bool_], str]]


def discs(*places: tuple[int, int, float], name: str = "cell") -> Drawn:
    """Discs at columns and rows of an image, of these radii."""
    y, x = np.mgrid[:60, :90]
    return [((x - left) ** 2 + (y - top) ** 2 <= radius**2, name) for left, top, radius in places]


def drawn_by_two(one: Drawn, two: Drawn, kind: CategoryKind = "thing") -> AgreementResult:
    names = Taxonomy(categories=[Category(id=k, name=name, kind=kind) for k, name in enumerate(("cell", "knot"), 1)])
    data = [segdata.from_arrays({f"{k}.png": masks for k in range(8)}, names) for masks in (one, two)]
    return segdata.agree(dict(zip("ab", data, strict=True)), resamples=100, jobs=1)


@pytest.mark.parametrize("radius", [1.5, 2.5, 4.0])
def test_a_larger_outline_of_small_things_is_no_miss_and_no_extra(radius: float) -> None:
    """Two pixels further out: the IoU is below 0.5, and PQ says so; but nothing is missing."""
    places = [(15, 15), (45, 15), (75, 15), (15, 45)]
    small, large = ([(x, y, radius + more) for x, y in places] for more in (0, 2))
    found = drawn_by_two(discs(*small), discs(*large))
    assert found.overall.scores["f1"].value == 0
    assert not [each for each in found.findings if each.code in ("SEG401", "SEG402")]
    (pair,) = found.pairs
    assert pair.offset.value == pytest.approx(2, abs=0.45)
    (causes,) = found.disagreement
    assert (causes.missed, causes.extra, causes.boundary) == (0, 0, 1)
    for each in found.annotator_bias:
        assert (each.missed.value, each.extra.value) == (0, 0)


def test_what_is_elsewhere_in_pieces_or_of_another_name_is_no_outline() -> None:
    """A neighbour, two for one, a speck on a large thing, and another category are no larger outlines."""
    far = drawn_by_two(discs((15, 15, 4)), discs((21, 15, 4)))
    pieces = drawn_by_two(discs((15, 15, 9)), discs((11, 15, 3.5), (19, 15, 3.5)))
    speck = drawn_by_two(discs((15, 15, 12)), discs((15, 15, 2)))
    other = drawn_by_two(discs((15, 15, 3)), discs((15, 15, 5), name="knot"))
    for found in (far, speck, other):
        assert {each.code for each in found.findings} >= {"SEG401"}
        assert found.run.tables.annotator_pairs.matches["iou"].dtype.kind == "f"
        both = found.run.tables.annotator_pairs.matches
        assert not ((both["a"] >= 0) & (both["b"] >= 0)).any()
    assert {each.code for each in pieces.findings} >= {"SEG405"}


@settings(max_examples=30)
@given(st.integers(-3, 3), st.integers(-3, 3), st.sampled_from([0.5, 1.0, 1.5]), st.booleans())
def test_tiny_things_are_matched_by_their_centres(right: int, down: int, radius: float, thing: bool) -> None:
    """Up to 3 px apart a tiny thing is neither missed nor made up, overlapping or not; farther it is both."""
    places = [(15, 15), (45, 30), (75, 45)] if thing else [(45, 30)]
    moved = [(x + right, y + down, radius) for x, y in places]
    found = drawn_by_two(discs(*((x, y, radius) for x, y in places)), discs(*moved), kind="thing" if thing else "stuff")
    (causes,) = found.disagreement or (None,)
    far = right**2 + down**2 > 9
    if causes is not None:
        assert (causes.missed > 0) == far
    missed = [each for each in found.annotator_bias if not np.isnan(each.missed.value) and each.missed.value > 0]
    if thing:
        assert bool(missed) == far


def test_a_neighbour_is_not_the_same_thing() -> None:
    """Two of one annotator near one of the other: which of them it is nobody knows."""
    found = drawn_by_two(discs((15, 15, 1)), discs((15, 13, 0.4), (15, 17, 0.4)))
    both = found.run.tables.annotator_pairs.matches
    assert not ((both["a"] >= 0) & (both["b"] >= 0)).any()


def test_a_small_region_that_ends_elsewhere_is_not_missed() -> None:
    """Stuff: three by three pixels, and a ring around it, are the same lesion; two forgotten ones are missed."""
    larger = drawn_by_two(discs((45, 30, 3)), discs((45, 30, 5.5)), kind="stuff")
    assert not [each for each in larger.findings if each.code in ("SEG401", "SEG402")]
    (causes,) = larger.disagreement
    assert (causes.missed, causes.extra, causes.boundary) == (0, 0, 1)
    every = discs((15, 15, 4), (45, 15, 4), (75, 15, 4))
    forgotten = drawn_by_two([every[0]], [(every[0][0] | every[1][0] | every[2][0], "cell")], kind="stuff")
    assert {each.code for each in forgotten.findings} >= {"SEG401"}
