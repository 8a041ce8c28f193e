"""Rules that compare segments with others of the dataset, on random tables, against loops that say what pages say."""

import math
import statistics
from collections import Counter, defaultdict
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from segdata.core.rule import Tables
from segdata.core.statistics import outlier_limit, proves_rate, tail_probability
from segdata.core.table import Table
from segdata.core.taxonomy import SizeLimits
from segdata.rules.misplaced_category import _chances, _turned_axis
from segdata.rules.occlusion_treatment import _borders, kept_parts
from segdata.rules.seam import _are_behind_bands, _lie_under
from segdata.rules.statistic_outlier import _are_apart, _describe, _judge, _Statistic
from tests.rules.campaigns import with_tables
from tests.rules.test_rules_by_loops import (
    CAR,
    HAZE,
    PERSON,
    ROAD,
    SEEDS,
    SIGN,
    THINGS,
    check,
    images,
    is_thing,
    mostly,
    pairs_of,
    scattered,
    whole,
)  # fmt: skip
from tests.rules.test_tracks_by_loops import overlap


def _no_holes_and_pairs() -> dict[str, Table]:
    """Measured tables without a row, for segments that have no hole and do not meet."""
    holes = {name: np.zeros(0, int) for name in ("segment", "area", "x", "y", "width", "height", "empty")}
    pairs = {name: np.zeros(0, int) for name in ("a", "b", "shared")}
    return {"holes": Table(holes), "parts": Table(holes), "pairs": Table(pairs)}


def changed(tables: Tables, **columns: Any) -> Tables:  # Any: columns of all types
    """The tables with columns of the segments."""
    return replace(tables, segments=tables.segments.beside(**columns))


@pytest.mark.parametrize("seed", range(60))
def test_a_mask_that_is_what_the_others_leave(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 12))
    tables = images(n, 10, 10, "task: semantic")
    share = rng.choice([1, 2, 5, 10], n) * 3
    turned = rng.random(n) < rng.choice([0.0, 0.2, 0.4])
    share = np.where(turned, 100 - share, share)
    share[rng.random(n) < 0.1] = 50
    rows = [row for row in range(n) if rng.random() < 0.95]
    segments = {"annotation": np.array(rows), "image": np.array(rows), "area": share[rows]}
    segments |= {"category_id": np.full(len(rows), CAR), "iscrowd": np.zeros(len(rows), bool)}
    full = turned[rows] ^ (rng.random(len(rows)) < 0.1)
    segments |= {"width": np.where(full, 10, 9), "height": mostly(rng, len(rows), [10], 9)}
    tables = replace(tables, segments=Table({**segments, "holes": np.zeros(len(segments["area"]), int)}))
    inverted = [k for k, row in enumerate(rows) if full[k] and segments["height"][k] == 10 and share[row] > 50]
    others = [share[row] / 100 for row in rows if share[row] < 50]
    found = check("SEG132", tables, min_images=6, min_gap=1.5, max_share=0.25)
    expected = []
    if len(rows) >= 6 and 0 < len(inverted) <= 0.25 * len(rows) and len(inverted) + len(others) == len(rows):
        low, high = min(others), max(others)
        if min(share[rows[k]] for k in inverted) / 100 - high >= 1.5 * (high - low):
            expected = [rows[k] for k in inverted]
    assert [one.annotation for one in found] == expected
    for one in found:
        (words, _) = one.message.split(" of the image")
        assert words == f"{share[one.annotation]}%"
        assert f"{min(others):.0%} to {max(others):.0%} in {len(others)} other" in one.message


@pytest.mark.parametrize(("width", "n_found"), [(10, 1), (9, 0)])
def test_a_mask_that_does_not_reach_all_sides_is_not_inverted(width: int, n_found: int) -> None:
    tables = images(10, 10, 10, "task: semantic")
    rows, area = np.arange(10), np.array([5] * 9 + [89])
    segments = {"annotation": rows, "image": rows, "area": area, "category_id": np.full(10, CAR)}
    segments |= {"iscrowd": np.zeros(10, bool), "width": np.full(10, width), "height": np.full(10, 10)}
    assert (
        len(
            check(
                "SEG132", replace(tables, segments=Table({**segments, "holes": np.zeros(len(segments["area"]), int)}))
            )
        )
        == n_found
    )


@pytest.mark.parametrize(
    ("shares", "min_gap", "n_found"),
    [
        ([5] * 9 + [89], 1.5, 1),
        ([5] * 8 + [30, 60], 1.5, 0),  # 30 apart, where the others are 25
        ([5] * 8 + [30, 90], 1.5, 1),
        ([5] * 8 + [50, 95], 0.5, 0),  # which of the two is half of an image?
    ],
)
def test_an_inverted_mask_is_far_from_all_others(shares: list[int], min_gap: float, n_found: int) -> None:
    """A segment without pixels, of another category, does not count."""
    tables = images(10, 10, 10, "task: semantic")
    rows = np.append(np.arange(10), 0)
    segments = {"annotation": rows, "image": rows, "area": np.array([*shares, 0])}
    segments |= {"category_id": np.array([CAR] * 10 + [PERSON]), "iscrowd": np.zeros(11, bool)}
    segments |= {"width": np.full(11, 10), "height": np.full(11, 10)}
    assert (
        len(
            check(
                "SEG132",
                replace(tables, segments=Table({**segments, "holes": np.zeros(len(segments["area"]), int)})),
                min_gap=min_gap,
            )
        )
        == n_found
    )


def test_an_id_around_all_others_that_is_not_the_largest_is_no_background() -> None:
    annotation = np.repeat(np.arange(6), 2)
    columns = {"annotation": annotation, "image": annotation, "segment_id": np.tile([1, 2], 6)}
    columns |= {"area": np.tile([30, 70], 6), "width": np.tile([10, 8], 6), "height": np.tile([10, 8], 6)}
    columns |= {"category_id": np.full(12, CAR), "iscrowd": np.zeros(12, bool)}
    columns |= {"parts": np.ones(12, int), "holes": np.zeros(12, int), "x": annotation, "y": annotation}
    assert (
        check(
            "SEG132",
            replace(images(6, 10, 10), segments=Table(columns), measured=_no_holes_and_pairs()),
        )
        == []
    )


@pytest.mark.parametrize(
    ("numbered", "area", "number", "n_found"),
    [
        ((3, 7), 60, 1, 1),
        ((3, 5, 7, 8), 60, 1, 1),
        ((3, 5, 6, 7, 8), 60, 1, 1),
        ((7,), 60, 1, 0),  # one alone may be
        ((3, 7), 50, 1, 0),
        ((3, 7), 60, 2, 0),  # another id in each
    ],
)
def test_an_id_that_is_all_that_others_leave_in_some_images(
    numbered: tuple[int, ...], area: int, number: int, n_found: int
) -> None:
    rows = []
    for image in range(10):
        if image in numbered:
            rows += [(image, 1 + (image if number == 2 else 0), area, 10), (image, 20, 100 - area, 6)]
        else:
            rows += [(image, 1, 20, 6), (image, 20, 10, 6)]
    annotation, id_, pixels, side = np.array(rows).T
    columns = {"annotation": annotation, "image": annotation, "segment_id": id_, "area": pixels, "width": side}
    columns |= {"height": side, "category_id": np.full(len(rows), CAR), "iscrowd": np.zeros(len(rows), bool)}
    columns |= {"parts": np.ones(len(rows), int), "holes": np.zeros(len(rows), int)}
    columns |= {"x": columns["annotation"], "y": columns["annotation"]}
    tables = replace(images(10, 10, 10), segments=Table(columns), measured=_no_holes_and_pairs())
    found = check("SEG132", tables, min_images=6)
    assert len(found) == n_found
    for one in found:
        assert one.message.startswith(f"segment 1 is what all other segments leave, in {len(numbered)} of 10 images")
        assert one.pixels == area * len(numbered)


@pytest.mark.parametrize("seed", range(60))
def test_an_id_that_is_all_that_others_leave(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 9))
    rows: list[tuple[int, int, int, int]] = []
    expected: dict[int, list[int]] = defaultdict(list)
    for image in range(n):
        background = int(rng.choice([1, 1, 1, 1, 1, 1, 7]))
        parts = rng.choice([0, 10, 30, 60], 2, p=[0.05, 0.5, 0.4, 0.05]).tolist()
        left = 100 - sum(parts) - int(rng.random() < 0.08)
        spans = int(rng.random() < 0.95)
        own = [
            (image, background, left, 10 if spans else 9),
            *((image, 2 + k, part, 5) for k, part in enumerate(parts)),
        ]
        own = [row for row in own if row[2] > 0]
        if spans and sum(row[2] for row in own) == 100 and len(own) > 1 and left == max(row[2] for row in own):
            expected[background].append(left)
        rows += own
    annotation, id_, area, side = np.array(rows).T
    columns = {"annotation": annotation, "image": annotation, "segment_id": id_, "area": area, "width": side}
    columns |= {"height": side, "category_id": np.full(len(rows), CAR), "iscrowd": np.zeros(len(rows), bool)}
    columns |= {"parts": np.ones(len(rows), int), "holes": np.zeros(len(rows), int)}
    columns |= {"x": columns["annotation"], "y": columns["annotation"]}
    tables = replace(images(n, 10, 10), segments=Table(columns), measured=_no_holes_and_pairs())
    found = check("SEG132", tables, min_images=6, min_filled=0.75)
    best = max(expected.values(), key=len, default=[])
    among = sum(map(len, expected.values())) if best and min(best) > 50 else n
    if n >= 6 and len(best) >= max(2, 0.75 * among):
        (one,) = found
        assert one.message.startswith(f"segment {1 if best is expected[1] else 7} is what all other segments leave")
        assert f"in {len(best)} of {n} images" in one.message
        assert one.pixels == sum(best)
    else:
        assert found == []


@pytest.mark.parametrize("seed", SEEDS)
def test_bands_along_the_border_of_images_full_of_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    bands = np.array([mostly(rng, 4, [0], 1, 2, 3, 5, 6) for _ in range(n)])
    if seed % 3 == 0:
        bands[:] = bands[0]
    rows: list[tuple[int, ...]] = []
    ends: list[tuple[int, ...]] = []
    straight = np.ones((n, 4), bool)
    labelled = np.zeros(n, np.int64)
    for image, (left, top, right, bottom) in enumerate(bands.tolist()):
        wide, high = 20 - left - right, 16 - top - bottom
        for side, at in enumerate((left, top, 20 - right, 16 - bottom)):
            extent = wide if side % 2 else high
            length = int(rng.choice([extent, extent, (extent + 1) // 2, (extent - 1) // 2]))
            straight[image, side] = 2 * length >= extent
            # Of both segments; and ends that do not count: one pixel further, of the other side, of void.
            kind = (side % 2 == 0, side < 2)
            ends += [(3 * image, *kind, at, length - length // 2), (3 * image + 1, *kind, at, length // 2)]
            ends += [(3 * image, *kind, at + 1, extent), (3 * image, kind[0], not kind[1], at, extent)]
            ends.append((3 * image + 2, *kind, at, extent))
        labelled[image] = wide * high - int(rng.choice([0, 0, wide * high // 10, wide * high // 5]))
        half = wide // 2
        rows += [(image, left, top, half, high, CAR), (image, left + half, top, wide - half, high, ROAD)]
        rows.append((image, 0, 0, 20, 16, HAZE))  # void does not count
    names = ("annotation", "x", "y", "width", "height", "category_id")
    columns: dict[str, Any] = dict(zip(names, np.array(rows).T, strict=True))
    columns |= {"image": columns["annotation"], "area": np.full(len(rows), 9), "iscrowd": np.zeros(len(rows), bool)}
    of_ends = dict(zip(("segment", "upright", "begins", "at", "length"), np.array(ends).T, strict=True))
    of_ends |= {name: of_ends[name].astype(bool) for name in ("upright", "begins")}
    tables = with_tables(replace(images(n, 20, 16), segments=Table(columns)), ends=Table(of_ends))
    void = rng.integers(0, 4, n)
    annotations = tables.annotations.beside(labelled=labelled + void, void=void)
    found = check("SEG130", replace(tables, annotations=annotations), min_width=2, max_share=0.25, min_filled=0.9)
    kinds: dict[tuple[int, ...], list[int]] = defaultdict(list)
    n_dense = 0
    for image, (left, top, right, bottom) in enumerate(bands.tolist()):
        if labelled[image] < 0.9 * (20 - left - right) * (16 - top - bottom):
            continue
        n_dense += 1
        limits = (5, 4, 5, 4)
        kind = tuple(
            width if 2 <= width <= most and is_cut else 0
            for width, most, is_cut in zip(bands[image], limits, straight[image], strict=True)
        )
        if any(kind):
            kinds[kind].append(image)
    if statistics.median(labelled / 320) < 0.5:
        kinds = defaultdict(list)
    is_habit = sum(map(len, kinds.values())) == n_dense > 1
    assert len(found) == len(kinds)
    for one, (kind, own) in zip(found, sorted(kinds.items()), strict=True):
        sides = zip(("left", "top", "right", "bottom"), kind, strict=True)
        words = " and ".join(f"{width} px at the {side}" for side, width in sides if width)
        assert one.message.partition(";")[0] == f"no pixel is labelled in a band of {words}"
        assert (f"; {len(own)} images of {n_dense}: {own[0] + 1}.png" in one.message) == (len(own) > 1)
        assert one.annotation == (own[0] if len(own) == 1 else None)
        assert one.pixels == len(own) * (320 - (20 - kind[0] - kind[2]) * (16 - kind[1] - kind[3]))
        assert one.severity == ("warning" if len(own) >= 3 and not is_habit else None)


@pytest.mark.parametrize("task", ["semantic", "instance"])
def test_a_segment_by_itself_leaves_no_band(task: str) -> None:
    """A dog, or a board, that fills most of its photograph is not cut short of the frame."""
    columns = {"annotation": [0], "x": [4], "y": [0], "width": [14], "height": [16], "category_id": [CAR]}
    dog = {name: np.array(values) for name, values in columns.items()}
    dog |= {"image": dog["annotation"], "area": np.full(1, 9), "iscrowd": np.zeros(1, bool)}
    tables = replace(images(1, 20, 16), segments=Table(dog))
    annotations = tables.annotations.beside(labelled=np.array([224]), void=np.array([0]))
    tables = replace(tables, annotations=annotations, profile=replace(tables.profile, task=task))
    flat = {"segment": [0, 0], "upright": [True, True], "at": [4, 18], "length": [16, 16], "begins": [True, False]}
    tables = with_tables(tables, ends=Table({name: np.array(values) for name, values in flat.items()}))
    assert not check("SEG130", tables, min_width=2, max_share=0.25, min_filled=0.9)


@pytest.mark.parametrize("seed", range(60))
def test_segments_that_are_their_whole_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, layered = int(rng.choice([1, 8, 12, 12])), seed % 3 == 0
    tables = images(n, 5, 4, "overlap: allow" if layered else "overlap: forbid")
    rows = []
    for image in range(n):
        if rng.random() < (0.12 if seed % 4 else 1.0):
            rows.append((image, int(rng.choice([CAR, ROAD])), 20))
        else:
            ids = [CAR, PERSON, ROAD, SIGN][: int(rng.choice([2, 3, 3, 3, 4, 4]))]
            rows += [(image, id_, 20 if layered and id_ == CAR and seed % 2 else 5) for id_ in ids]
        rows.append((image, HAZE, 20 if rng.random() < 0.2 else 0))
    annotation, category, area = np.array(rows).T
    columns = {"annotation": annotation, "image": annotation, "category_id": category, "area": area}
    tables = replace(tables, segments=Table(columns | {"iscrowd": np.zeros(len(rows), bool)}))
    judged = [row for row in rows if row[1] != HAZE]
    full = [row for row in judged if row[2] == 20]
    drawn: dict[int, list[int]] = defaultdict(list)
    for _, id_, pixels in judged:
        drawn[id_].append(pixels)
    options = {"min_segments": 5, "min_layers": 6, "min_images": 10, "min_categories": 3, "max_share": 0.2}
    found = check("SEG129", tables, **options)
    names = {CAR: "car", PERSON: "person", ROAD: "road", SIGN: "sign"}
    expected: list[tuple[str | None, int]] = []
    if len(judged) >= 5 and n > 1 and len(full) == len(judged):
        expected = [(None, 20 * len(judged))]
    elif layered:
        expected = [
            (names[id_], sum(own)) for id_, own in sorted(drawn.items()) if len(own) >= 6 and min(own) == max(own) == 20
        ]
    elif n >= 10 and 0 < len(full) <= max(1, 0.2 * n):
        some = [{row[1] for row in rows if row[0] == image and row[2] > 0} for image in range(n)]
        others = [len(ids) for image, ids in enumerate(some) if image not in {row[0] for row in full}]
        if sum(count >= 3 for count in others) >= 0.9 * len(others):
            expected = [(names[id_], 20) for _, id_, _ in full]
            middle = statistics.median(others)
            assert all(f"the others have {middle:.0f} categories (median)" in one.message for one in found)
    assert [(one.category, one.pixels) for one in found] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_things_far_from_the_usual_size_of_their_category(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    tables = scattered(rng, images(6, 30, 20), n, (CAR, CAR, CAR, PERSON, ROAD))
    place = {"x": mostly(rng, n, [3, 4], 2), "y": mostly(rng, n, [3, 4], 2)}
    place |= {"width": mostly(rng, n, [5, 23], 24, 25), "height": mostly(rng, n, [5, 13], 14, 15)}
    area = mostly(rng, n, [40, 50, 60], 2, 3, 900, 0)
    tables = changed(tables, area=area, **place)
    # Two sizes are about the same, one is not known, and one is four times as large.
    wide = rng.choice([30, 120] if seed % 2 else [30, 30, 34, 0], 6)
    tables = replace(tables, images=tables.images.beside(width=wide))
    image, category = whole(tables, "image"), whole(tables, "category_id")
    frame = [max(20 * int(wide[own]), 1) for own in image]
    kept: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in range(n):
        x, y, width, height = (int(place[name][row]) for name in ("x", "y", "width", "height"))
        cut = x < 3 or y < 3 or x + width > wide[image[row]] - 3 or y + height > 17
        if is_thing(tables, row) and area[row] > 0 and (not cut or frame[row] == 1):
            kept[category[row], round(math.log2(frame[row]) / 2)].append(row)
    expected = []
    for rows in kept.values():
        if len(rows) < 5:
            continue
        share = {row: math.log(area[row] / frame[row]) for row in rows}
        middle = statistics.median(share.values())
        limit = float(outlier_limit(np.array([len(rows)]), 0.05)[0])
        for row in rows:
            away = share[row] - middle
            side = [abs(value - middle) for value in share.values() if (value - middle) * away >= 0]
            score = away / max(1.4826 * statistics.median(side), 0.1)
            here = [share[other] for other in rows if image[other] == image[row]]
            similar = len(here) >= 4 and abs(share[row] - statistics.median(here)) <= math.log(2)
            if abs(score) > limit and abs(away) > math.log(2) and not similar:
                words = f"{abs(score):.1f} times the usual spread, the limit is {limit:.1f}"
                expected.append((row, words, area[row] / math.exp(middle) / frame[row]))
    found = check("SEG307", tables, min_segments=5, rate=0.05, min_ratio=2.0)
    assert [one.segments[0] for one in found] == sorted(row for row, *_ in expected)
    for one, (row, words, ratio) in zip(found, sorted(expected), strict=True):
        times = f"{ratio:,.0f} times the" if ratio >= 1 else f"1/{1 / ratio:,.0f} of the"
        assert one.message.startswith(f"{area[row]} px, {times} category's median")
        assert one.message.endswith(words)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_lies_under_another_and_what_is_behind_a_band(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = 8, 60
    tables = scattered(rng, images(1, 12, 12), n, (CAR,))
    box = {"x": rng.integers(0, 8, n), "y": rng.integers(0, 8, n)}
    box |= {"width": rng.integers(1, 12, n), "height": rng.integers(1, 12, n)}
    tables = replace(tables, segments=tables.segments.beside(**box, area=rng.choice([10, 10, 16], n)))
    first, second = np.array([(a, b) for a in range(n) for b in range(a + 1, n) if rng.random() < 0.3]).reshape(-1, 2).T
    shared = rng.choice([4, 5, 8], len(first))
    tables = with_tables(tables, pairs=Table({"a": first, "b": second, "shared": shared}))
    area = tables.segments["area"]
    covers: list[set[int]] = [{-1} for _ in range(n)]
    behind = set()
    for a, b, pixels in zip(first.tolist(), second.tolist(), shared.tolist(), strict=True):
        for one, other in ((a, b), (b, a)):
            if 2 * pixels >= area[one] and (area[one], -one) < (area[other], -other):
                covers[one] = covers[one] - {-1} | {other}
            for upright, (start, size) in enumerate((("y", "height"), ("x", "width"))):
                for begins in (False, True):
                    limit = [int(box[start][row] + (0 if begins else box[size][row])) for row in (one, other)]
                    if 2 * box[size][other] < box[size][one] and abs(limit[0] - limit[1]) <= 2:
                        behind |= {(one, upright, begins, limit[0] + off) for off in range(-2, 3)}
    assert all(row in several for row, several in zip(_lie_under(tables).tolist(), covers, strict=True))
    ends = {"segment": rng.integers(0, n, m), "upright": rng.random(m) < 0.5, "begins": rng.random(m) < 0.5}
    ends |= {"at": rng.integers(0, 20, m)}
    rows = zip(*(ends[name].tolist() for name in ("segment", "upright", "begins", "at")), strict=True)
    assert _are_behind_bands(tables, Table(ends)).tolist() == [row in behind for row in rows]


@pytest.mark.parametrize(("length", "n_found"), [(9, 1), (10, 0), (12, 0)])
def test_a_line_that_is_the_edge_of_one_thing_beyond_it_is_no_seam(length: int, n_found: int) -> None:
    """Three ends of 4 px on a line; one on its other side explains them from eight in ten of their pixels on."""
    tables = scattered(np.random.default_rng(0), images(1, 40, 40), 4, (CAR,))
    box = {"x": np.array([4, 12, 20, 4]), "y": np.array([20, 20, 20, 5]), "width": np.array([5, 5, 5, 24])}
    box |= {"height": np.array([6, 6, 6, 15]), "area": np.full(4, 20), "annotation": np.zeros(4, int)}
    ends = {"segment": np.arange(4), "upright": np.zeros(4, bool), "at": np.full(4, 20)}
    ends |= {"begins": np.arange(4) < 3, "length": np.array([4, 4, 4, length])}
    pairs = Table({name: np.zeros(0, int) for name in ("a", "b", "shared")})
    tables = replace(tables, segments=tables.segments.beside(**box))
    tables = with_tables(tables, ends=Table(ends), pairs=pairs, steps=Table({"segment": np.zeros(0, int)}))
    assert len(check("SEG116", tables, min_length=4, min_segments=3)) == n_found


@pytest.mark.parametrize("seed", range(60))
def test_an_order_is_a_law_if_nearly_all_have_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 60))
    distance = rng.choice([0.05, 0.2, 0.2, 0.3], n)
    turned = rng.permutation(n)[: int(rng.choice([0, 1, 1, 2, 3]))]
    distance[turned] = rng.choice([0.0, -0.05, -0.1, -0.3], len(turned))
    is_named = bool(seed % 2)
    found = _chances(distance, is_named, 20, 0.05)
    usual, middle = [value for value in distance.tolist() if value > 0], statistics.median(distance)
    is_reversed = distance <= -0.5 * middle
    if is_named and proves_rate(len(usual), n, 0.6) and np.quantile(usual, 0.1) >= 0.3 * middle:
        np.testing.assert_array_equal(found, np.where(is_reversed, 0.0, 1.0))
    elif n >= 20 and n - len(usual) <= max(1, 0.05 * n) and proves_rate(len(usual), n, 0.75):
        assert found is not None
        chance, _ = tail_probability(distance, np.zeros(n, np.int64), 0.01)
        np.testing.assert_array_equal(found, np.where(is_reversed, chance, 1.0))
    else:
        assert found is None


@pytest.mark.parametrize("seed", SEEDS)
def test_the_last_axis_along_which_six_pairs_are_reversed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = Table({"unit": np.repeat([3, 5], 8)})
    laws: list[Any] = [
        SimpleNamespace(axis=axis, row=rng.permutation(16)[:6], distance=rng.choice([-1.0, 1.0], 6, p=[p, 1 - p]))
        for axis in range(3)
        for p in rng.choice([0.5, 0.95, 1.0], 2)
    ]
    for unit in (3, 5):
        expected = None
        for axis in range(3):
            pairs = [
                value < 0
                for law in laws
                if law.axis == axis
                for row, value in zip(law.row, law.distance, strict=True)
                if rows["unit"][row] == unit
            ]
            if len(pairs) >= 6 and sum(pairs) >= 0.9 * len(pairs):
                expected = axis
        assert _turned_axis(rows, laws, unit) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_ends_on_one_line_of_several_things(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 16
    tables = scattered(rng, images(2, 12, 12), n, (CAR, CAR, CAR, HAZE))
    segments = tables.segments
    m = 60
    ends = {
        "segment": rng.integers(0, n, m),
        "upright": rng.random(m) < 0.5,
        "at": rng.choice([1, 11] if seed % 2 else [4, 11], m),
    }
    ends |= {"begins": rng.random(m) < 0.8, "length": mostly(rng, m, [4, 5, 6], 3)}
    pairs = pairs_of(rng, tables, 0.5)
    both = np.array([min(segments["area"][a], segments["area"][b]) // 2 + rng.integers(0, 2)
                     for a, b in pairs.lines("a", "b")], np.int64)  # fmt: skip
    steps = rng.permutation(n)[:2]
    tables = with_tables(tables, ends=Table(ends), pairs=pairs.beside(shared=both), steps=Table({"segment": steps}))
    area = segments["area"]
    above = [-1] * n
    for turned in (False, True):
        for (a, b), shared in zip(pairs.lines("a", "b"), both.tolist(), strict=True):
            small, large = (b, a) if turned else (a, b)
            if 2 * shared >= area[small] and (
                area[small] < area[large] or (area[small] == area[large] and small > large)
            ):
                above[small] = large
    met = {frozenset(pair) for pair in pairs.lines("a", "b")}

    def is_behind_a_band(k: int) -> bool:
        row, begins = ends["segment"][k], ends["begins"][k]
        start, size = ("x", "width") if ends["upright"][k] else ("y", "height")

        def limit(of: int) -> int:
            return int(segments[start][of] + (0 if begins else segments[size][of]))

        others = [other for other in range(n) if frozenset((int(row), other)) in met and other != row]
        return abs(limit(row) - ends["at"][k]) <= 2 and any(
            2 * segments[size][other] < segments[size][row] and abs(limit(row) - limit(other)) <= 2 for other in others
        )

    lines: dict[tuple[int, bool, int], list[int]] = defaultdict(list)
    for k in range(m):
        row = int(ends["segment"][k])
        full = area[row] == segments["width"][row] * segments["height"][row]
        if ends["length"][k] >= 4 and not full and row not in steps and segments["category_id"][row] != HAZE:
            lines[int(segments["annotation"][row]), bool(ends["upright"][k]), int(ends["at"][k])].append(k)
    expected = []
    for (annotation, upright, at), members in sorted(lines.items()):
        for begins in (True, False):
            own = [k for k in members if ends["begins"][k] == begins and not is_behind_a_band(k)]
            length = sum(ends["length"][k] for k in own)
            longest = max((ends["length"][k] for k in members if ends["begins"][k] != begins), default=0)
            owners = [int(ends["segment"][k]) for k in own]
            things = sum(above[row] not in owners for row in owners)
            if len(own) >= 3 and things >= 3 and longest < 0.8 * length:
                expected.append((annotation, tuple(sorted(owners)), int(length), "x" if upright else "y", at, begins))
                break
    found = check("SEG116", tables, min_length=4, min_segments=3)
    assert [(one.annotation, one.segments, one.pixels) for one in found] == [row[:3] for row in expected]
    for one, (_, owners, length, axis, at, begins) in zip(found, expected, strict=True):
        short = "" if at == 4 else ", 1 px short of the frame"
        flat = "begin" if begins else "end"
        words = f"{len(owners)} segments {flat} flat on the line {axis} = {at}{short}, over {length} px of it"
        assert one.message == words
        across, along = ("x", "y") if axis == "x" else ("y", "x")
        size = {"x": "width", "y": "height"}
        low = min(segments[along][row] for row in owners)
        high = max(segments[along][row] + segments[size[along]][row] for row in owners)
        box = {across: at - 1, along: low, size[across]: 2, size[along]: high - low}
        assert one.bbox == tuple(box[name] for name in ("x", "y", "width", "height"))


@pytest.mark.parametrize("seed", SEEDS)
def test_rims_of_things_that_are_filled_elsewhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 30
    tables = scattered(rng, images(3, 20, 20), n, (CAR, CAR, PERSON, HAZE))
    area = rng.choice([0, 24, 25, 40], n, p=[0.1, 0.3, 0.3, 0.3])
    holes = mostly(rng, n, [0, 8], 24, 40, 60)
    columns = {"area": area, "hole_pixels": holes, "holes": np.where(holes > 0, rng.choice([1, 2, 3, 0], n), 0)}
    columns |= {"perimeter": rng.choice([0, 10, 12, 16, 50], n)}
    tables = changed(tables, **columns)
    rows = [row for row in range(n) if area[row] > 0 and not tables.segments["iscrowd"][row]]
    expected = []
    for id_ in (CAR, PERSON):
        own = [row for row in rows if tables.segments["category_id"][row] == id_]
        rim = {row: 2 * area[row] / max(columns["perimeter"][row], 1) for row in own}
        hollow = [
            row
            for row in own
            if holes[row] >= 0.5 * (area[row] + holes[row]) and rim[row] <= 5 and columns["holes"][row]
        ]
        if len(own) >= 6 and len(hollow) <= max(1, 0.125 * len(own)):
            name, have = ["car", "person"][id_ == PERSON], "is" if len(hollow) == 1 else "are"
            for row in (row for row in hollow if columns["holes"][row] <= 2):  # things of bars have more
                what = "a hole" if columns["holes"][row] == 1 else "holes"
                words = f"a rim of {rim[row]:.0f} px around {what} of {holes[row]} px; {len(hollow)} of {len(own)} "
                expected.append((row, int(holes[row]), f"{words}segments of {name} {have} hollow"))
    found = check("SEG131", tables, min_hole=0.5, max_rim=5.0, max_share=0.125, min_segments=6)
    assert [(one.segments[0], one.pixels, one.message) for one in found] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_sizes_that_the_taxonomy_does_not_allow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(3, 8, 8), 18, (CAR, PERSON))
    taxonomy = tables.profile.taxonomy
    sizes = {"car": SizeLimits(min_pixels=5, max_pixels=20), "person": SizeLimits(max_pixels=9)}
    known = tuple(msgspec.structs.replace(entry, size=sizes.get(entry.name)) for entry in taxonomy.categories)
    profile = replace(tables.profile, taxonomy=msgspec.structs.replace(taxonomy, categories=known))
    area = rng.choice([0, 3, 4, 5, 9, 10, 20, 21], 18)
    place = {name: mostly(rng, 18, [1, 2], 0) for name in ("x", "y")}
    place |= {name: mostly(rng, 18, [2, 5], 6, 7) for name in ("width", "height")}
    tables = changed(replace(tables, profile=profile), area=area, **place)
    found = check("SEG214", tables)
    expected = []
    for id_, how, limit in ((CAR, "smaller", 5), (CAR, "larger", 20), (PERSON, "larger", 9)):
        for annotation in range(3):
            own = []
            for row in range(18):
                x, y, width, height = (place[name][row] for name in ("x", "y", "width", "height"))
                inner = x > 0 and y > 0 and x + width < 8 and y + height < 8
                mine = tables.segments["category_id"][row] == id_ and tables.segments["annotation"][row] == annotation
                mine = mine and not tables.segments["iscrowd"][row] and area[row] > 0
                out = inner and area[row] < limit if how == "smaller" else area[row] > limit
                own += [row] if mine and out else []
            if own:
                worst = min(area[own]) if how == "smaller" else max(area[own])
                words = f"1 segment ({worst} px) {how} than {limit} px"
                if len(own) > 1:
                    words = f"{len(own)} segments {how} than {limit} px, the {how.replace('er', 'est')} {worst} px"
                expected.append((tuple(own), int(area[own].sum()), words))
    assert sorted((one.segments, one.pixels, one.message) for one in found) == sorted(expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_declared_areas_and_boxes_that_are_not_the_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 20
    tables = scattered(rng, images(2, 30, 30), n)
    segments = tables.segments
    area = np.where(rng.random(n) < 0.1, 0, rng.integers(50, 400, n))
    off = mostly(rng, n, [0.0, 11.0, 20.0], 11.5, 21.0, 40.0) * rng.choice([-1, 1], n)
    columns: dict[str, Any] = {"area": area, "perimeter": np.full(n, 20)}
    columns["declared_area"] = np.where(rng.random(n) < 0.1, math.nan, area + off)
    sides = {name: segments[name] + mostly(rng, n, [0.0, 2.0, -2.0], 2.5, -3.0) for name in ("x", "y")}
    sides |= {name: segments[name] + mostly(rng, n, [0.0], 1.0, -1.0, 2.5, -40.0) for name in ("width", "height")}
    columns |= {f"declared_{name}": side for name, side in sides.items()}
    ringed = rng.permutation(n)[:8]
    corners = {"left": "x", "top": "y"}
    rings = {name: sides[side][ringed] + rng.choice([0.0, 5.0], 8) for name, side in corners.items()}
    rings |= {"right": (sides["x"] + sides["width"])[ringed], "bottom": (sides["y"] + sides["height"])[ringed]}
    outside = rng.choice([0.0, 10.0], 8)
    outlines = Table({"segment": ringed, "outside_pixels": outside, **rings})
    tables = with_tables(changed(tables, **columns), outlines=outlines)
    expected = []
    for row in range(n):
        error = abs(columns["declared_area"][row] - area[row])
        more = outside[ringed.tolist().index(row)] if row in ringed else 0
        is_area = error > max(0.5 * 20 + 1 + more, 0.05 * area[row])
        x, y, width, height = (sides[name][row] for name in ("x", "y", "width", "height"))
        own = [segments[name][row] for name in ("x", "y", "width", "height")]
        actual = [(own[0], own[1], own[0] + own[2], own[1] + own[3])]
        if row in ringed:
            k = ringed.tolist().index(row)
            actual.append(tuple(rings[name][k] for name in ("left", "top", "right", "bottom")))
        box = min(max(abs(p - q) for p, q in zip((x, y, x + width, y + height), one, strict=True)) for one in actual)
        if area[row] > 0 and (is_area or box > 2):
            negative = [name for name, side in (("width", width), ("height", height)) if side < 0]
            expected.append((row, is_area, f"{box:,.0f} px off" if box > 2 else "", " and ".join(negative)))
    found = check("SEG013", tables, max_area_share=0.05, max_edge=0.5, max_box_pixels=2.0)
    assert [one.segments[0] for one in found] == [row for row, *_ in expected]
    for one, (_, is_area, words, negative) in zip(found, expected, strict=True):
        assert ("declared area" in one.message) == is_area
        assert one.message.endswith(words)
        assert ("declared box" in one.message) == bool(words)
        assert (f"has a negative {negative}," in one.message) == bool(negative and words)


@pytest.mark.parametrize("seed", SEEDS)
def test_objects_in_parts_that_others_drew_as_one_or_as_several(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = [(0, 0), (30, 0), (0, 30), (30, 30)]
    rows: list[tuple[int, int, int, int]] = []  # annotation, category, area, first part
    parts: list[tuple[int, int, int, int, int, int]] = []
    for annotation in range(4):
        for k in range(2):
            pair = [(*places[2 * k + j], *rng.choice([10, 10, 10, 6], 2).tolist()) for j in (0, 1)]
            how = rng.choice(["kept", "several", "one", "none"], p=[0.45, 0.35, 0.1, 0.1])
            if how == "kept":
                rows.append((annotation, CAR if rng.random() < 0.9 else PERSON, 0, len(parts)))
                for box in [*pair, (50, 50, 7, 7)][: int(rng.choice([2, 2, 3]))]:
                    parts.append((len(rows) - 1, box[2] * box[3], *box))
            else:
                for box in [] if how == "none" else pair if how == "several" else pair[:1]:
                    rows.append((annotation, CAR, box[2] * box[3], -1 - len(rows)))
                    parts.append((len(rows) - 1, -1, *box))
    n = len(rows)
    image = [0, 0, 0, 1]
    several = [part for part in parts if part[1] >= 0]
    area = [row[2] or sum(part[1] for part in several if part[0] == k) for k, row in enumerate(rows)]
    boxes = {part[0]: part[2:] for part in parts if part[1] < 0}
    crowd = rng.random(n) < 0.05
    box = np.array([boxes.get(k, (0, 0, 60, 60)) for k in range(n)]).T
    columns: dict[str, Any] = dict(zip(("x", "y", "width", "height"), box, strict=True))
    columns |= {"annotation": np.array([row[0] for row in rows]), "area": np.array(area), "iscrowd": crowd}
    columns |= {"category_id": np.array([row[1] for row in rows])}
    columns["image"] = np.array(image)[columns["annotation"]]
    table = Table(dict(zip(("segment", "area", "x", "y", "width", "height"), np.array(several).T, strict=True)))
    tables = images(2, 60, 60)
    annotations = Table({"image": np.array(image), "annotator": np.array(list("abcd"), object)})
    tables = with_tables(replace(tables, annotations=annotations, segments=Table(columns)), parts=table)

    objects: dict[int, list[Any]] = {}
    for k in range(n):
        large = [
            part for part in several if part[0] == k and part[1] >= 50 and part[1] >= 0.1 * area[k] and not crowd[k]
        ]
        large.sort(key=lambda part: (-part[1], part[3], part[2]))
        if len(large) > 1:
            objects[k] = [part[2:] for part in large[:2]]

    def alike(pair: list[Any], others: list[Any]) -> bool:
        table = [[overlap(one, other) for other in others] for one in pair]
        best = [max(range(len(row)), key=row.__getitem__) for row in table] if others else [0, 0]
        return len(others) > 1 and best[0] != best[1] and all(max(row) >= 0.5 for row in table)

    owner, category = columns["annotation"].tolist(), columns["category_id"].tolist()
    expected = []
    for k in objects:
        group = [(owner[k], True)]
        for other in [a for a in range(4) if image[a] == image[owner[k]] and a != owner[k]]:
            here = [j for j in range(n) if owner[j] == other and category[j] == category[k]]
            is_kept = any(alike(objects[k], objects[j]) for j in here if j in objects)
            pieces = [j for j in here if not any(part[0] == j for part in several) and area[j] >= 50 and not crowd[j]]
            if is_kept and other < owner[k]:
                group = []
                break
            if is_kept or alike(objects[k], [columns_box(columns, j) for j in pieces]):
                group.append((other, is_kept))
        if len(group) > 1:
            expected.append((category[k], sorted(group)))
    found = kept_parts(tables)
    seen: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    kind = {}
    for annotation, id_, number, kept in found.lines("annotation", "category", "object", "kept"):
        seen[number].append((annotation, kept))
        kind[number] = id_
    assert sorted((kind[number], sorted(group)) for number, group in seen.items()) == sorted(expected)


def columns_box(columns: dict[str, Any], row: int) -> tuple[int, ...]:  # Any: columns of all types
    return tuple(int(columns[name][row]) for name in ("x", "y", "width", "height"))


@pytest.mark.parametrize("seed", SEEDS)
def test_borders_of_things_that_touch_or_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(2, 9, 9), 16, (CAR, PERSON, SIGN, ROAD))
    area = rng.choice([49, 50, 100], 16, p=[0.1, 0.4, 0.5])
    tables = changed(tables, area=area, iscrowd=rng.random(16) < 0.05)
    pairs, borders = pairs_of(rng, tables, 0.5), pairs_of(rng, tables, 0.5, touching=3)
    shared = rng.choice([1, 4, 5, 10, 45, 46, 90, 91], len(pairs))
    tables = with_tables(tables, pairs=pairs.beside(shared=shared), borders=borders)
    pixels: Counter[tuple[int, int]] = Counter({(a, b): 0 for a, b, n in borders.lines("a", "b", "touching") if n > 0})
    for (a, b), n in zip(pairs.lines("a", "b"), shared.tolist(), strict=True):
        pixels[a, b] += n
    category, owner, crowd = (whole(tables, name) for name in ("category_id", "annotation", "iscrowd"))
    expected = []
    for (a, b), n in pixels.items():
        smaller = min(area[a], area[b])
        free = {category[a], category[b]} in ({SIGN, CAR}, {PERSON, CAR})
        if smaller < 50 or n > 0.9 * smaller or crowd[a] or crowd[b] or free:
            continue
        for one, other in {(category[a], category[b]), (category[b], category[a])}:
            if one in THINGS:
                expected.append((one, other, owner[a], n >= 0.1 * smaller))
    found = _borders(tables, 0.1)
    assert sorted(found.lines("category", "other", "annotation", "over")) == sorted(expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_values_that_stand_apart_from_all_others_of_their_group(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 90
    values, group = rng.integers(0, 12, n).astype(float), rng.choice([-1, 0, 1, 1, 1, 2], n)
    group[0] = 3
    values[rng.permutation(n)[:5]] += rng.choice([3, 9, 20], 5)
    expected = [False] * n
    for number in (0, 1, 2):
        rows = sorted(np.flatnonzero(group == number).tolist(), key=lambda row: -values[row])
        most = max(1, int(0.05 * len(rows)))
        for k in range(1, min(most, len(rows) - 1) + 1):
            if values[rows[k - 1]] - values[rows[k]] >= 3:
                for row in rows[:k]:
                    expected[row] = True
    assert _are_apart(values, group, 3.0).tolist() == expected


def test_a_statistic_in_words() -> None:
    assert _describe("pixels", 1200.0, 0.9) == "pixels: 1,200, where the median is 0 in an image of this size"
    assert _describe("pixels", 3000.0, 2.0) == "pixels: 3,000, 1,500 times the median (2 in an image of this size)"
    assert _describe("pixels", 1.0, 1.0) == "pixels: 1, 1 times the median (1 in an image of this size)"
    assert _describe("pixels", 4.0, 8000.0) == "pixels: 4, 1/2,000 of the median (8,000 in an image of this size)"
    assert _describe("pixels", 0.0, 50.0) == "pixels: 0, 1/50 of the median (50 in an image of this size)"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_far_from_the_median_of_its_group(seed: int) -> None:
    """Which numbers are compared, with how many, and whether they are far: not by which chance."""
    rng = np.random.default_rng(seed)
    n = 24
    group = rng.choice([0, 0, 1], n)
    every = np.arange(n)
    frame = np.full(n, 400.0)
    one, inf = np.ones(n), np.full(n, np.inf)
    rare = np.where(rng.random(n) < 0.3, rng.choice([4, 100, 300], n), 0).astype(float)
    usual = mostly(rng, n, [8.0, 10.0, 12.0], 1.0, 90.0, 300.0)
    some = np.sort(rng.permutation(n)[:14])
    block = [
        _Statistic("a", every, usual, one, inf),
        _Statistic("b", every, rare, one, frame, counted=True, floor=np.sqrt(frame) / 2),
        _Statistic("c", every, rare, one, inf),
        _Statistic("d", some, usual[some], np.full(14, 2.0), frame[some], category=3),
        _Statistic("e", every, rare, one, inf, counted=True),
    ]
    found, n_tests = _judge(block, group, 5, 1.0, 4.0, 15, 6)
    expected, tests = {}, 0
    for which, statistic in enumerate(block, start=5):
        for number in (0, 1):
            rows = [k for k in range(len(statistic.amount)) if group[statistic.annotation[k]] == number]
            is_rare = sum(statistic.amount[k] > 0 for k in rows) < 0.75 * len(rows)
            if len(rows) < 6 or (is_rare and not statistic.counted):
                continue
            tests += len(rows)
            floor = float(statistic.floor[rows[0]]) if is_rare and statistic.floor is not None else 0.0
            scaled = {}
            for k in rows:
                part, whole_of = statistic.amount[k], statistic.whole[k]
                rest = max(whole_of - part, 1) if whole_of < np.inf else statistic.size[k]
                scaled[k] = math.log(max(part + floor, 1) / rest)
            middle = statistics.median(scaled.values())
            ranked = sorted(rows, key=lambda k: -scaled[k])
            gaps = [k for k in range(1, max(1, int(0.05 * len(rows))) + 1)
                    if scaled[ranked[k - 1]] - scaled[ranked[k]] >= math.log(4)]  # fmt: skip
            apart = set(ranked[: max(gaps, default=0)]) if floor else set(rows)
            for k in apart:
                odds, whole_of = math.exp(middle), statistic.whole[k]
                median = odds * statistic.size[k]
                if whole_of < np.inf:
                    median = max(whole_of * odds - floor, 0) / (1 + odds)
                amount = statistic.amount[k]
                far = abs(scaled[k] - middle) >= math.log(4) and abs(amount - median) >= 15
                far = far and abs(math.log(max(amount, 1) / max(median, 1))) >= math.log(4)
                expected[which, int(statistic.annotation[k])] = (amount, median, len(rows), far)
    assert n_tests == tests
    rows_found = {
        (which, row): (amount, median, of, far)
        for which, row, amount, median, of, far in found.lines("which", "annotation", "amount", "median", "n", "far")
    }
    assert rows_found.keys() == expected.keys()
    for key, (amount, median, of, far) in expected.items():
        assert rows_found[key] == (amount, pytest.approx(median), of, far)
