"""Categories that lie inside others nearly everywhere, and outside of them in some images."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import segdata
from segdata.core.finding import Finding
from tests.rules.test_by_part import check_all

Mask = NDArray[np.bool_]
Masks = list[tuple[Mask, str]]
SIDE = 64
ROW, COLUMN = np.mgrid[:SIDE, :SIDE]


def disc(x: float, y: float, radius: float) -> Mask:
    return np.asarray((COLUMN - x) ** 2 + (ROW - y) ** 2 < radius**2)


def cell(x: float, y: float, *, holed: bool) -> Masks:
    """A cell and its nucleus, on its pixels or in a hole of it."""
    outer, inner = disc(x, y, 10), disc(x + 1, y, 5)
    return [(outer & ~inner if holed else outer, "cell"), (inner, "nucleus")]


def images(change: Callable[[int, Masks], Masks], n: int = 24, *, holed: bool = True) -> segdata.Dataset:
    """Three cells each, and a cat that is anywhere."""
    rng = np.random.default_rng(5)
    labels = {}
    for number in range(n):
        masks = [mask for x, y in ((14, 14), (45, 16), (20, 45)) for mask in cell(x, y, holed=holed)]
        x, y = rng.uniform(34, 58, 2).tolist()
        labels[f"{number:02d}.png"] = change(number, [*masks, (disc(x, y, 5), "cat")])
    return segdata.from_arrays(labels, ["cell", "nucleus", "cat", "tissue"])


def found(data: segdata.Dataset) -> list[Finding]:
    return list(data.validate(select=["SEG318"], jobs=1).findings)


def moved(number: int, masks: Masks) -> Masks:
    """In images 5 and 11 the first nucleus lies in the corner."""
    return [(masks[0][0], "cell"), (disc(56, 56, 5), "nucleus"), *masks[2:]] if number in (5, 11) else masks


@pytest.mark.parametrize("holed", [True, False])
def test_a_nucleus_outside_of_its_cell(holed: bool) -> None:
    data = images(moved, holed=holed)
    first, second = found(data)
    assert (first.image, second.image, first.category, first.severity) == ("05.png", "11.png", "nucleus", "warning")
    assert first.message == ("'nucleus' lies outside of 'cell' in 1 of 3 places; in 70 of all 72 places it lies inside")
    assert (first.bbox, first.pixels) == ((52, 52, 9, 9), int(disc(56, 56, 5).sum()))
    check_all(data, (7,), frozenset({"SEG318"}))


@pytest.mark.parametrize("holed", [True, False])
def test_names_exchanged(holed: bool) -> None:
    swap = {"cell": "nucleus", "nucleus": "cell", "cat": "cat"}
    data = images(lambda k, masks: [(m, swap[name] if k == 9 else name) for m, name in masks], holed=holed)
    assert [(one.image, one.message[:53]) for one in found(data)] == [
        ("09.png", "'nucleus' lies outside of 'cell' in 3 of 3 places; in")
    ]


def test_all_parts_of_one_mask_are_looked_at() -> None:
    """Of a semantic mask, where a category is one segment: a cell without its rim leaves its nucleus outside."""

    def semantic(number: int, masks: Masks) -> Masks:
        masks = [*masks[2:], masks[1]] if number == 7 else masks
        names = sorted({name for _, name in masks})
        return [(np.logical_or.reduce([m for m, own in masks if own == name]), name) for name in names]

    (one,) = found(images(semantic))
    assert one.message.startswith("'nucleus' lies outside of 'cell' in 1 of 3 places; in 71 of all 72")


def test_an_inner_one_at_the_border_of_its_outer_one_is_not_outside() -> None:
    """A nucleus that is pressed against the rim of its cell leaves no hole in it."""

    def pressed(number: int, masks: Masks) -> Masks:
        nucleus = disc(20, 14, 5)
        return [(disc(14, 14, 10) & ~nucleus, "cell"), (nucleus, "nucleus"), *masks[2:]] if number == 5 else masks

    assert found(images(pressed)) == []


def test_what_is_no_law_is_not_told() -> None:
    assert found(images(lambda k, masks: masks)) == []
    assert found(images(moved, 19)) == []  # of too few images
    # In too many images: 3 of 24 is more than a tenth.
    assert found(images(lambda k, masks: moved(5 if k in (3, 8, 13) else 0, masks))) == []
    # At the frame, and a speck.
    for where in (disc(62, 56, 5), disc(56, 56, 2)):
        assert found(images(lambda k, masks: [*masks, (where, "nucleus")] if k == 5 else masks)) == []  # noqa: B023
    # It leaves its cell in part.
    half = disc(29, 45, 5)
    assert (
        found(images(lambda k, masks: [*masks[:5], (half, "nucleus"), masks[6]] if k == 5 else masks, holed=False))
        == []
    )


def test_everything_lies_in_a_background() -> None:
    """Tissue is all around the cells; that one cell lies in a cat says nothing."""

    def in_tissue(number: int, masks: Masks) -> Masks:
        if number == 5:
            masks = [*masks[:-1], (disc(20, 45, 14) & ~masks[4][0] & ~masks[5][0], "cat")]
        taken = np.logical_or.reduce([mask for mask, _ in masks])
        return [*masks, (~taken, "tissue")]

    assert found(images(in_tissue)) == []
    # Of a tissue that covers less, it is a law.
    assert len(found(images(lambda k, masks: [(m & (COLUMN < 34) if name == "tissue" else m, name) for m, name in in_tissue(k, masks)]))) == 0  # fmt: skip  # noqa: E501
