"""Rules on random tables of small numbers, where ties are frequent, against loops that say what their pages say."""

import math
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, find_rule
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.rules import shared
from segdata.testing.pictures import draw_picture
from tests.rules.campaigns import with_tables

SEEDS = range(25)
Rng = np.random.Generator
LEGEND = """
category: car
category: person (part_of car)
category: road (stuff)
category: haze (void)
category: sign (may_overlap car, may_not_touch person)
category: tree (may_not_overlap car, may_not_touch car)
"""
CAR, PERSON, ROAD, HAZE, SIGN, TREE = range(1, 7)
THINGS = (CAR, PERSON, SIGN, TREE)


def check(code: str, tables: Tables, **options: Any) -> list[RowFinding]:  # Any: options of all types
    return list(find_rule(code).check(tables, **options))


def images(n: int, wide: int, high: int, more: str = "") -> Tables:
    """So many empty images."""
    return measure_source(draw_picture("\n\n".join(["\n".join(["." * wide] * high)] * n) + "\n" + LEGEND + more),
                          frozenset(), jobs=1)  # fmt: skip


def scattered(rng: Rng, tables: Tables, n: int, categories: tuple[int, ...] = (1, 2, 3, 4, 5, 6)) -> Tables:
    """The tables with n random segments, in the order of the annotations."""
    annotation = np.sort(rng.integers(0, len(tables.images), n))
    wide, high = int(tables.images["width"][0]), int(tables.images["height"][0])
    x, y = rng.integers(0, wide, n), rng.integers(0, high, n)
    width, height = rng.integers(1, wide - x + 1), rng.integers(1, high - y + 1)
    columns: dict[str, Any] = {"x": x, "y": y, "width": width, "height": height}
    columns |= {"annotation": annotation, "image": annotation.copy()}
    columns |= {"category_id": rng.choice(categories, n), "iscrowd": rng.random(n) < 0.1}
    columns["area"] = np.where(rng.random(n) < 0.3, width * height, rng.integers(0, width * height + 1))
    columns |= {"segment_id": np.arange(n), "source_id": np.full(n, None, object)}
    return replace(tables, segments=Table(columns))


def mostly(rng: Rng, n: int, values: list[Any], *others: Any) -> Any:  # Any: values of all types
    """(n,) one of some values in nine of ten rows, one of the others in the rest."""
    return np.where(rng.random(n) < 0.9, rng.choice(values, n), rng.choice(others, n))


def whole(tables: Tables, name: str) -> list[Any]:  # Any: a column
    return tables.segments[name].tolist()


def is_thing(tables: Tables, row: int) -> bool:
    return tables.segments["category_id"][row] in THINGS and not tables.segments["iscrowd"][row]


def pairs_of(rng: Rng, tables: Tables, chance: float, **columns: int) -> Table:
    """Random pairs a < b of segments of one annotation, with columns of random numbers below a limit."""
    owner = whole(tables, "annotation")
    both = [(a, b) for a, b in combinations(range(len(owner)), 2) if owner[a] == owner[b] and rng.random() < chance]
    a, b = np.array(both, np.int64).reshape(-1, 2).T
    return Table({"a": a, "b": b} | {name: rng.integers(0, most, len(a)) for name, most in columns.items()})


@pytest.mark.parametrize("seed", SEEDS)
def test_nested_segments_lie_in_another_or_fill_its_hole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(3, 9, 8), 24, (CAR, SIGN, ROAD))
    area = whole(tables, "area")
    pairs = pairs_of(rng, tables, 0.6)
    shared_pixels = [
        int(rng.choice([min(area[a], area[b]), max(min(area[a], area[b]) - 1, 0), min(area[a], area[b]) // 2]))
        for a, b in zip(pairs["a"], pairs["b"], strict=True)
    ]
    n = 30
    holes = {name: rng.integers(0, 3, n) for name in ("x", "y")} | {
        name: rng.integers(3, 9, n) for name in ("width", "height")
    }
    holes |= {"segment": rng.integers(0, 24, n), "area": rng.integers(1, 40, n), "empty": rng.random(n) < 0.2}
    tables = with_tables(tables, pairs=pairs.beside(shared=np.array(shared_pixels, np.int64)), holes=Table(holes))
    nested = set()
    for a, b, both in zip(pairs["a"].tolist(), pairs["b"].tolist(), shared_pixels, strict=True):
        inner, outer = (a, b) if area[a] < area[b] else (b, a)
        if both >= 0.75 * area[inner] and both <= 0.5 * area[outer]:
            nested.add((inner, outer))
    edges = [whole(tables, name) for name in ("x", "y", "width", "height")]
    for k in range(n):
        outer = int(holes["segment"][k])
        for inner in range(24):
            x, y, width, height = (edge[inner] for edge in edges)
            inside = holes["x"][k] <= x and x + width <= holes["x"][k] + holes["width"][k]
            inside &= holes["y"][k] <= y and y + height <= holes["y"][k] + holes["height"][k]
            fits = 0.75 * holes["area"][k] <= area[inner] <= holes["area"][k]
            own = whole(tables, "annotation")
            if inner != outer and own[inner] == own[outer] and inside and fits and not holes["empty"][k]:
                nested.add((inner, outer))
    category = whole(tables, "category_id")
    expected = [
        ((inner, outer), area[inner], tuple(edge[inner] for edge in edges))
        for inner, outer in sorted(nested)
        if category[inner] == category[outer] and is_thing(tables, inner) and is_thing(tables, outer)
    ]
    found = check("SEG110", tables, min_share=0.75, max_iou=0.5)
    assert [(one.segments, one.pixels, one.bbox) for one in found] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_lie_in_their_wholes_and_what_may_not_touch_does_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(3, 9, 8), 20, (CAR, PERSON, PERSON, SIGN, TREE))
    area, category, crowd = (whole(tables, name) for name in ("area", "category_id", "iscrowd"))
    pairs = pairs_of(rng, tables, 0.5, shared=8, x=5, y=5, width=5, height=5)
    contacts = pairs_of(rng, tables, 0.3, length=3)
    tables = with_tables(tables, pairs=pairs, contacts=contacts)

    def with_wholes(table: Table, column: str) -> list[int]:
        total = [0] * 20
        for a, b, n in table.lines("a", "b", column):
            for part, other in ((a, b), (b, a)):
                if category[part] == PERSON and category[other] == CAR:
                    total[part] += n
        return total

    inside, beside = with_wholes(pairs, "shared"), with_wholes(contacts, "length")
    for a, b, n in pairs.lines("a", "b", "shared"):
        if n == area[a] == area[b]:
            inside[b] = max(inside[b], inside[a])
    expected: list[tuple[Any, ...]] = []
    for row in range(20):
        within = min(inside[row], area[row])
        cut_out = within <= 0.02 * area[row] and within + beside[row] > 0
        if category[row] == PERSON and not crowd[row] and area[row] > 0 and not cut_out and within < 0.5 * area[row]:
            expected.append(((row,), area[row] - within, None, bool(within)))
    reported = set()
    forbidden = ({CAR, TREE}, {PERSON, SIGN})
    for a, b, n, *box in pairs.lines("a", "b", "shared", "x", "y", "width", "height"):
        if {category[a], category[b]} in forbidden and not crowd[a] and not crowd[b]:
            reported.add((a, b))
            expected.append(((a, b), n, tuple(box), False))
    for a, b in contacts.lines("a", "b"):
        if {category[a], category[b]} in forbidden and not crowd[a] and not crowd[b] and (a, b) not in reported:
            expected.append(((a, b), None, None, False))
    found = check("SEG207", tables)
    seen = [(one.segments, one.pixels, one.bbox, "only" in one.message) for one in found]
    assert seen == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_coarse_outlines_have_fewer_points_than_nine_in_ten_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(2, 40, 30), 30, (CAR, PERSON, HAZE))
    area = mostly(rng, 30, [16, 17, 60], 3, 4, 15)
    place = {"x": mostly(rng, 30, [2, 3], 1), "y": mostly(rng, 30, [2, 3], 1)}
    place |= {"width": mostly(rng, 30, [10, 35], 36, 37), "height": mostly(rng, 30, [10, 25], 26, 27)}
    crowd = rng.random(30) < 0.05
    tables = replace(tables, segments=tables.segments.beside(area=area, iscrowd=crowd, **place))
    n = 50
    segment, vertices = rng.integers(0, 30, n), mostly(rng, n, [24, 24, 30, 30], 3, 8, 8, 9, 23)
    around = np.sqrt(4 * np.pi * area[segment] / mostly(rng, n, [0.51, 0.7], 0.4, 0.49))
    skew = mostly(rng, n, [0.09, np.nan, 0.5], 0.05, 0.08)
    outlines = Table({"segment": segment, "vertices": vertices, "around": around, "skew": skew})
    tables = with_tables(tables, outlines=outlines)
    category = whole(tables, "category_id")
    frame = [whole(tables, name) for name in ("x", "y", "width", "height")]
    expected = []
    for id_ in (CAR, PERSON):
        members = [k for k in range(n) if category[segment[k]] == id_ and not crowd[segment[k]]]
        members = [k for k in members if area[segment[k]] * 4 >= 16]
        if len(members) <= 5:
            continue
        for k in members:
            x, y, width, height = (side[segment[k]] for side in frame)
            near = min(x, y, 40 - x - width, 30 - y - height) < 2
            compact = 4 * math.pi * area[segment[k]] >= 0.5 * around[k] ** 2
            coarse = vertices[k] <= 8 and area[segment[k]] >= 16 and compact and not near and not skew[k] <= 0.08
            finer = sum(vertices[other] >= 3 * vertices[k] for other in members)
            if coarse and finer >= 0.9 * (len(members) - 1):
                expected.append(((int(segment[k]),), int(area[segment[k]])))
    found = check("SEG113", tables, max_vertices=8, min_pixels=16, min_ratio=3.0)
    assert [(one.segments, one.pixels) for one in found] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_two_halves_end_with_the_straight_line_between_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(2, 9, 8), 24, (CAR, CAR, CAR, PERSON, ROAD))
    pairs = pairs_of(rng, tables, 0.9)
    n = len(pairs)
    seams = {"length": mostly(rng, n, [4.0, 5.0, 7.0, 8.0], 3.0), "deviation": mostly(rng, n, [0.05, 0.06, 0.25], 0.3)}
    seams |= {"astray": mostly(rng, n, [0.0, 0.02], 0.03), "flush": mostly(rng, n, [0.75, 0.875, 1.0], 0.7, 0.5)}
    seams |= {"waist": mostly(rng, n, [0.5, 1.0], 1.1), "mirrored": mostly(rng, n, [0.1, 0.79], 0.8)}
    seams |= {name: mostly(rng, n, [1, 2], 0) for name in ("x", "y")}
    seams |= {"width": mostly(rng, n, [0, 1, 6], 7, 8), "height": mostly(rng, n, [0, 1, 5], 6, 7)}
    tables = with_tables(tables, seams=pairs.beside(**seams))
    area = whole(tables, "area")
    log = np.log(np.maximum(area, 1))
    among = ~tables.segments["iscrowd"] & (tables.segments["area"] > 0)
    middle, spread = shared.typical_values(tables, log, among)
    expected, lines = [], []
    for k, (a, b) in enumerate(pairs.lines("a", "b")):
        length, deviation, flush = (seams[name][k] for name in ("length", "deviation", "flush"))
        cut = length >= 4 and deviation <= 0.25 and seams["astray"][k] <= 0.02 and seams["waist"][k] <= 1
        cut = cut and flush >= 0.75 and (1 - flush) * length <= 1 and is_thing(tables, a) and is_thing(tables, b)
        x, y, width, height = (int(seams[name][k]) for name in ("x", "y", "width", "height"))
        at_edge = x <= 0 or y <= 0 or x + width >= 9 or y + height >= 8
        exact = deviation <= 0.05 and length >= 8
        large = (math.log(max(area[a] + area[b], 1)) - middle[a]) / max(spread[a], 0.2) > 1.0
        if cut and not at_edge and (exact or not large):
            line = (tables.segments["annotation"][a], width < height, x if width < height else y)
            lines.append(line if deviation <= 0.05 and seams["mirrored"][k] < 0.8 else None)
            expected.append(((a, b), (x, y, max(width, 1), max(height, 1)), min(area[a], area[b])))
    severities = ["warning" if line is not None and lines.count(line) >= 3 else None for line in lines]
    options = {"min_length": 4.0, "max_deviation": 0.25, "min_flush": 0.75, "max_step": 1.0, "max_z": 1.0}
    found = check("SEG109", tables, **options)
    assert [(one.segments, one.bbox, one.pixels) for one in found] == expected
    assert [one.severity for one in found] == severities


@pytest.mark.parametrize("seed", SEEDS)
def test_two_under_one_id_have_parts_like_others_or_a_neck(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 80
    tables = scattered(rng, images(2, 40, 30), n, (CAR, CAR, CAR, PERSON, ROAD))
    area = np.exp(rng.normal(3, 0.3, n)).astype(np.int64)
    largest = (area * rng.choice([0.5, 0.86, 1.0], n)).astype(np.int64)
    sides = {name: rng.integers(4, 9, n) for name in ("width", "height")}
    tables = replace(tables, segments=tables.segments.beside(area=area, largest=largest, **sides))
    far = rng.permutation(n)[:20]
    for side in sides.values():
        side[far[:12]] *= 2
    apart = {"segment": far, "first": area[far] * 0.8 + rng.integers(0, 9, 20), "second": rng.integers(12, 25, 20)}
    apart |= {"first_reach": rng.uniform(5, 12, 20), "second_reach": rng.uniform(5, 12, 20)}
    apart |= {"hidden": mostly(rng, 20, [0.0, 0.25], 0.3)}
    apart["first"] = apart["first"].astype(np.int64)
    names = ("typical_solidity", "solidity_spread", "solidity", "lobe_solidity", "neck")
    lobes = {"segment": rng.permutation(n)[:20], "lobes": rng.integers(2, 4, 20)}
    lobes |= {name: rng.random(20) for name in names} | {"spread": rng.uniform(0, 0.4, 20)}
    lobes |= {name: rng.uniform(8, 14, 20) for name in ("typical", "first", "second")}
    lobes["lobe_solidity"] = lobes["typical_solidity"]
    tables = with_tables(tables, apart=Table(apart), lobes=Table(lobes))
    thing = np.array([is_thing(tables, row) for row in range(n)])
    single = thing & (area > 0) & (largest >= 0.85 * area)
    reach = np.log(np.hypot(tables.segments["width"], tables.segments["height"]))
    middle, spread = shared.typical_values(tables, np.log(area), single)
    usual_reach, reach_spread = shared.typical_values(tables, reach, single)
    expected = []
    for k, row in enumerate(far.tolist()):
        own, wide = max(spread[row], 0.2), max(reach_spread[row], 0.12)
        first, second = ((math.log(apart[name][k]) - middle[row]) / own for name in ("first", "second"))
        longer = math.log(max(apart["first_reach"][k], apart["second_reach"][k]))
        if (
            first <= 1.5
            and second >= -0.75 * 1.5
            and (longer - usual_reach[row]) / wide <= 1.5
            and (reach[row] - usual_reach[row]) / wide >= 1
            and reach_spread[row] <= 0.4
            and apart["hidden"][k] <= 0.25
            and thing[row]
        ):
            expected.append((row,))
    reported = {row for (row,) in expected}
    for segment, neck, area_z, bent_z, gain in shared.bridged_segments(tables).lines(
        "segment", "neck", "area_z", "bent_z", "gain"
    ):
        if neck <= 0.5 and area_z >= 0.5 and bent_z >= 1.5 and gain >= 0.5 and segment not in reported:
            expected.append((segment,))
    options = {"max_neck": 0.5, "min_area_z": 0.5, "min_gain": 0.5, "min_reach_z": 1.0, "max_part_z": 1.5}
    found = check("SEG108", tables, **options, max_hidden=0.25)
    assert [one.segments for one in found] == expected
    assert [one.pixels for one in found] == [area[row] for (row,) in expected]


@pytest.mark.parametrize("seed", range(60))
def test_labels_in_the_upper_left_corner(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(8, 20, 20), 24, (CAR, ROAD))
    low = int(rng.choice([8, 10, 11]))
    place = {name: rng.integers(0, 3, 24) for name in ("x", "y")}
    sides = {name: rng.integers(5, low - 1, 24) for name in ("width", "height")}
    moved = rng.random(24) < rng.choice([0.0, 0.3])
    place["x"] = np.where(moved, place["x"] + 9, place["x"])
    place["y"] = np.where(moved & (rng.random(24) < 0.5), place["y"] + 10, place["y"])
    area = np.where(rng.random(24) < 0.1, 0, rng.integers(1, 30, 24))
    tables = replace(tables, segments=tables.segments.beside(**place, **sides, area=area))
    least = int(rng.choice([2, 4]))
    found = check("SEG317", tables, min_segments=20, min_images=6, least=least, min_share=0.5)
    drawn = [row for row in range(24) if area[row] > 0]
    x, y, width, height = (whole(tables, name) for name in ("x", "y", "width", "height"))
    image = whole(tables, "image")
    right, lower = ({row: (a[row] + b[row]) / 20 for row in drawn} for a, b in ((x, width), (y, height)))
    if len(drawn) >= 20 and len({image[row] for row in drawn}) >= 6 and max(*right.values(), *lower.values()) <= 0.55:
        (one,) = found
        assert one.message.startswith(
            f"all {len(drawn)} segments end within {max(right.values()):.0%} of the width and "
            f"{max(lower.values()):.0%} of the height"
        )
        return
    expected = []
    quarters = [0] * 4
    for own in {image[row] for row in drawn}:
        rows = [row for row in drawn if image[row] == own]
        for k, (is_right, is_low) in enumerate(((False, False), (False, True), (True, False), (True, True))):
            across = all(x[row] / 20 >= 0.5 if is_right else right[row] <= 0.5 for row in rows)
            down = all(y[row] / 20 >= 0.5 if is_low else lower[row] <= 0.5 for row in rows)
            quarters[k] += across and down
    if quarters[0] >= 20 + 4 * max(quarters[1:]):  # never of eight images
        expected.append("upper left quarter")
    things = [row for row in drawn if tables.segments["category_id"][row] == CAR]
    first = [row for row in things if 2 * width[row] < 20 and 2 * height[row] < 20 and x[row] <= 1 and y[row] <= 1]
    there = sorted({image[row] for row in first})
    if len(first) >= max(least, 0.5 * len(things)) and len(there) >= 6:
        assert found[0].pixels == sum(area[row] for row in first)
        expected.append(f"{len(first)} of {len(things)} objects begin at x = 0, y = 0, in {len(there)} images")
    assert [text in one.message for text, one in zip(expected, found, strict=True)] == [True] * len(expected)


@pytest.mark.parametrize("seed", range(60))
def test_images_whose_labels_are_all_in_one_quarter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.choice([3, 7]))
    tables = scattered(rng, images(9, 20, 16), 3 * n, (ROAD,))
    quarter = rng.choice(4, 9, p=[0.75, 0.1, 0.1, 0.05])
    annotation = np.sort(rng.integers(0, 9, 3 * n))
    right, low = quarter[annotation] // 2, quarter[annotation] % 2
    columns = {"annotation": annotation, "image": annotation, "area": np.full(3 * n, 4)}
    columns |= {"x": 10 * right + rng.integers(0, 3, 3 * n), "width": rng.choice([5, 7, 8], 3 * n)}
    columns |= {"y": 8 * low + rng.integers(0, 3, 3 * n), "height": rng.choice([4, 5, 6], 3 * n)}
    names = np.array(rng.choice([None, None, "a", "b"], 9), object)
    pictures = tables.images.beside(sequence=names)
    tables = replace(tables, images=pictures, segments=tables.segments.beside(**columns))
    unit = [next((k for k in range(9) if names[k] == names[own]), own) if names[own] else own for own in range(9)]
    counts = [0] * 4
    for one in {unit[own] for own in annotation.tolist()}:
        rows = [row for row in range(3 * n) if unit[annotation[row]] == one]
        left, top = ([columns[name][row] for row in rows] for name in ("x", "y"))
        end, bottom = (
            [columns[a][row] + columns[b][row] for row in rows] for a, b in (("x", "width"), ("y", "height"))
        )
        for k, (across, down) in enumerate(
            (a, b) for a in (max(end) <= 10, min(left) >= 10) for b in (max(bottom) <= 8, min(top) >= 8)
        ):
            counts[k] += across and down
    labelled = len({unit[own] for own in annotation.tolist()})
    for least in (1, 3, 5):
        found = check("SEG317", tables, min_segments=least, least=1, min_images=10)
        assert len(found) == (counts[0] >= least + 4 * max(counts[1:]))
        for one in found:
            assert one.message.startswith(f"all labels of {counts[0]} of {labelled} image")
            assert f"those of {max(counts[1:])} in another one" in one.message
