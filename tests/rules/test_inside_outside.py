"""Categories that lie inside others nearly everywhere, and outside of them in some images."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import segdata
from segdata.core.finding import Finding
from segdata.core.profile import ImageSequence
from segdata.core.statistics import proves_rate
from segdata.core.table import Table
from segdata.rules import inside_outside
from segdata.rules.inside_outside import outside_findings, outside_rows
from tests.rules.campaigns import with_tables
from tests.rules.test_by_part import check_all
from tests.rules.test_rules_by_loops import CAR, HAZE, PERSON, ROAD, mostly, scattered
from tests.rules.test_rules_by_loops import images as empty_images

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
    assert (first.image, second.image, first.category, first.severity) == ("05.png", "11.png", "nucleus", "info")
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


Box = tuple[int, int, int, int]


def shared_pixels(one: Box, other: Box) -> int:
    across, down = (min(one[k] + one[k + 2], other[k] + other[k + 2]) - max(one[k], other[k]) for k in (0, 1))
    return max(across, 0) * max(down, 0)


@pytest.mark.parametrize("seed", range(40))
def test_parts_inside_and_outside_as_loops_tell_them(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small parts in large holes, or on pixels of others; with a law that a few of them prove."""
    monkeypatch.setattr(
        inside_outside, "_MIN_INSIDE_RATE", rate := float(np.random.default_rng(seed).choice([0.05, 0.3]))
    )
    rng = np.random.default_rng(seed)
    n, side = 40, 30
    tables = empty_images(6, side, side)
    tables = scattered(rng, tables, n, (CAR, PERSON, ROAD, HAZE))
    sequences = (ImageSequence("film", "video"), ImageSequence("scan", "volume"))
    names = np.array([None] * 4 + ["film", "scan"], object)
    tables = replace(tables, images=tables.images.beside(sequence=names),
                     profile=replace(tables.profile, sequences=sequences))  # fmt: skip

    def boxes(m: int) -> dict[str, Any]:  # Any: columns
        place = {name: mostly(rng, m, [1, 4, 10, 16], 0) for name in ("x", "y")}
        return place | {name: mostly(rng, m, [4, 5, 6], 14, 26) for name in ("width", "height")}

    area = mostly(rng, n, [16, 20, 30], 0, 15, 500)
    tables = replace(tables, segments=tables.segments.beside(**boxes(n), area=area))
    m = 16
    parts = Table({"segment": np.sort(rng.integers(0, n, m)), "area": mostly(rng, m, [16, 20], 15), **boxes(m)})
    holes = {"segment": rng.integers(0, n, 50), "area": rng.choice([15, 16, 20, 30, 90], 50)}
    holes |= {name: rng.choice([0, 1, 4, 9], 50) for name in ("x", "y")}
    holes |= {name: rng.choice([4, 6, 12, 20], 50) for name in ("width", "height")}
    segments, owner = tables.segments, tables.segments["annotation"]
    both = np.array([(a, b) for a in range(n) for b in range(a + 1, n) if owner[a] == owner[b] and rng.random() < 0.3])
    shares = rng.choice([0.3, 0.5, 0.6, 0.9], len(both))
    shared = np.ceil(shares * np.minimum(area[both[:, 0]], area[both[:, 1]])).astype(np.int64)
    tables = with_tables(tables, parts=parts, holes=Table(holes),
                         pairs=Table({"a": both[:, 0], "b": both[:, 1], "shared": shared}))  # fmt: skip
    category, crowd = segments["category_id"].tolist(), segments["iscrowd"].tolist()
    example = [area[k] > 0 and category[k] != HAZE and not crowd[k] for k in range(n)]
    counts = [example[k] and owner[k] < 4 for k in range(n)]
    sides = ("x", "y", "width", "height")
    cells = [
        (k, int(area[k]), tuple(int(segments[name][k]) for name in sides))
        for k in range(n)
        if k not in parts["segment"]
    ]
    cells += [(row[0], row[1], tuple(row[2:])) for row in parts.lines("segment", "area", *sides)]
    cells = [cell for cell in cells if counts[cell[0]]]
    whole = [
        (k, pixels, box) for k, pixels, box in cells
        if pixels >= 16 and box[0] > 0 and box[1] > 0 and box[0] + box[2] < side and box[1] + box[3] < side
    ]  # fmt: skip
    claimed: dict[tuple[int, int], int] = defaultdict(int)
    for (a, b), pixels in zip(both.tolist(), shared.tolist(), strict=True):
        for one, other in ((a, b), (b, a)):
            if example[one] and example[other] and category[one] != category[other]:
                claimed[one, category[other]] += pixels

    def lies_in(cell: tuple[int, int, Box], outer: int, least: float) -> bool:
        k, pixels, (x, y, width, height) = cell
        for hole, room, left, top, wide, high in Table(holes).lines("segment", "area", *sides):
            inside = left <= x and top <= y and x + width <= left + wide and y + height <= top + high
            if category[hole] == outer != category[k] and owner[hole] == owner[k] and inside and pixels <= room:
                return True
        return (k, outer) in claimed and claimed[k, outer] >= least * area[k]

    covering = {}
    for id_ in (CAR, PERSON, ROAD):
        own = [k for k in range(n) if example[k] and category[k] == id_]
        covering[id_] = sum(area[k] for k in own) > 0.5 * side * side * len({int(owner[k]) for k in own})
    expected = []
    for inner in (CAR, PERSON, ROAD):
        mine = [cell for cell in whole if category[cell[0]] == inner]
        n_images = len({int(owner[cell[0]]) for cell in mine})
        for outer in (CAR, PERSON, ROAD, HAZE):
            within = sum(lies_in(cell, outer, 0.9) for cell in mine)
            if not within or covering.get(outer) or n_images < 2 or not proves_rate(within, len(mine), rate):
                continue
            others = [cell for cell in cells if category[cell[0]] == outer]
            for annotation in range(4):
                here = [cell for cell in mine if owner[cell[0]] == annotation]
                out = [
                    cell for cell in here
                    if not lies_in(cell, outer, 0.5) and not any(
                        owner[other[0]] == annotation
                        and 2 * shared_pixels(cell[2], other[2]) >= cell[2][2] * cell[2][3]
                        for other in others
                    )
                ]  # fmt: skip
                if out:
                    left, top = (min(cell[2][k] for cell in out) for k in (0, 1))
                    right, bottom = (max(cell[2][k] + cell[2][k + 2] for cell in out) for k in (0, 1))
                    amounts = (len(out), len(here), sum(cell[1] for cell in out), left, top, right, bottom)
                    expected.append(((inner, outer, within, len(mine), n_images), annotation, amounts))
    laws, rows = outside_rows(tables, 2)
    known = {(law.inner, law.outer): tuple(law) for law in laws}
    names_of = ("n", "of", "pixels", "left", "top", "right", "bottom")
    found = [
        (known[inner, outer], annotation, tuple(amounts))
        for inner, outer, annotation, *amounts in Table(rows).lines("inner", "outer", "annotation", *names_of)
    ]
    assert found == expected
    share = float(rng.choice([0.1, 0.5]))
    often = defaultdict(int)
    for (inner, outer, *_), _, _ in expected:
        often[inner, outer] += 1
    best: dict[tuple[int, int], Any] = {}
    for row in expected:
        (inner, outer, within, _, n_images), annotation, _ = row
        if (
            often[inner, outer] <= max(1, share * n_images)
            and within > best.get((annotation, inner), ((0,) * 5,))[0][2]
        ):
            best[annotation, inner] = row
    told = list(outside_findings(tables, laws, Table(rows), share))
    assert [one.annotation for one in told] == [key[0] for key in sorted(best)]
    label = {CAR: "car", PERSON: "person", ROAD: "road", HAZE: "haze"}
    for one, (_, row) in zip(told, sorted(best.items()), strict=True):
        (inner, outer, within, n_parts, _), _, (n_out, of, pixels, left, top, right, bottom) = row
        assert one.message == (
            f"{label[inner]!r} lies outside of {label[outer]!r} in {n_out} of {of} places; "
            f"in {within} of all {n_parts} places it lies inside"
        )
        assert (one.category, one.pixels) == (label[inner], pixels)
        assert one.bbox == (left, top, right - left, bottom - top)
