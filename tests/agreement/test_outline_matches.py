"""Outline matches: what was drawn larger or smaller is neither missed nor made up, however small it is."""

import numpy as np
import pytest
from numpy.typing import NDArray

import segdata
from segdata.api.agreement import AgreementResult


def discs(*places: tuple[int, int, float], name: str = "cell") -> list[tuple[NDArray[np.bool_], str]]:
    """Discs at columns and rows of an image, of these radii."""
    y, x = np.mgrid[:60, :90]
    return [((x - left) ** 2 + (y - top) ** 2 <= radius**2, name) for left, top, radius in places]


def drawn_by_two(one: list[tuple[NDArray[np.bool_], str]], two: list[tuple[NDArray[np.bool_], str]]) -> AgreementResult:
    data = [segdata.from_arrays({f"{k}.png": masks for k in range(8)}, ["cell", "knot"]) for masks in (one, two)]
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
