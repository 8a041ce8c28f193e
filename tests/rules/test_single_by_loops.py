"""Rules that filter one table, on random rows at and beside the limits, against loops that say what pages say."""

import math
import statistics
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from segdata.core.table import Table
from segdata.core.taxonomy import MaxVoid
from segdata.measure.measure import measure_source
from segdata.measure.placements import ELSEWHERE
from segdata.rules import sequence_slips, shared
from segdata.rules.frame_order import _missing, _other_size, _same_number
from segdata.rules.speck import _small_by_nature
from segdata.testing.pictures import draw_picture
from tests.generators.sequences import sequence_dataset
from tests.rules.campaigns import with_tables
from tests.rules.test_rules_by_loops import (
    CAR,
    HAZE,
    PERSON,
    ROAD,
    SEEDS,
    SIGN,
    check,
    images,
    is_thing,
    mostly,
    pairs_of,
    scattered,
    whole,
)  # fmt: skip
from tests.rules.test_tracks_by_loops import film

NAMES = {CAR: "car", PERSON: "person", ROAD: "road", HAZE: "haze", SIGN: "sign"}


@pytest.mark.parametrize("seed", SEEDS)
def test_stuff_in_several_segments_and_things_without_ids(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(3, 9, 8), 14, (CAR, ROAD, ROAD, HAZE))
    ids = np.array([rng.choice([None, 7]) for _ in range(14)], object)
    sources = np.array([rng.choice([None, "x"]) for _ in range(14)], object)
    tables = replace(tables, segments=tables.segments.beside(segment_id=ids, source_id=sources))
    owner, category, crowd, area = (whole(tables, name) for name in ("annotation", "category_id", "iscrowd", "area"))
    expected = []
    for annotation in range(3):
        own = [k for k in range(14) if owner[k] == annotation and category[k] == ROAD and not crowd[k]]
        if len(own) > 1:
            words = f"stuff in {len(own)} segments of one annotation; it is one segment by definition"
            expected.append((tuple(own), sum(area[k] for k in own), words))
    for k in range(14):
        if category[k] == CAR and not crowd[k] and ids[k] is None and sources[k] is None:
            expected.append(((k,), area[k], "a thing without instance id"))
    found = check("SEG206", tables)
    assert [(one.segments, one.pixels, one.message) for one in found] == expected


@pytest.mark.parametrize(
    ("n_letters", "pixels", "expected"), [(3, 19, True), (3, 18, False), (2, 20, False), (4, 20, True)]
)
def test_images_full_of_things_of_three_categories(n_letters: int, pixels: int, expected: bool) -> None:
    rows = "".join("abcd"[k % n_letters] for k in range(pixels)).ljust(20, ".")
    tables = measure_source(draw_picture(f"....................\n\n{rows}\n\ntask: panoptic"), frozenset(), jobs=1)
    found = check("SEG206", tables, max_things=0.9)
    assert [(one.annotation, one.severity) for one in found] == [(1, "warning")] * expected
    assert all(one.message.startswith(f"{n_letters} categories label {pixels / 20:.0%} of the image") for one in found)
    other = measure_source(draw_picture(f"{rows}\n\ntask: panoptic\ncategory: sky (stuff)"), frozenset(), jobs=1)
    assert check("SEG206", other) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_void_beyond_what_is_allowed_or_usual(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = images(5, 10, 10)
    labelled, unlabelled = rng.choice([0, 30, 60], 5), rng.choice([0, 40], 5)
    void = rng.choice([0, 10, 15, 25, 30, 80], 5)
    columns = {"labelled": labelled, "unlabelled": unlabelled, "void": void}
    tables = replace(tables, annotations=tables.annotations.beside(**columns))
    frame = labelled + unlabelled
    own = np.minimum(void, frame)
    share = [own[k] / max(frame[k], 1) for k in range(5)]
    high = [k for k in range(5) if share[k] > 0.25]
    found = check("SEG210", tables, usual_share=0.25)
    assert [(one.pixels, one.severity) for one in found] == [(sum(own[k] for k in high), "info")] * bool(high)
    for one in found:
        have = "1 annotation of 5 has" if len(high) == 1 else f"{len(high)} annotations of 5 have"
        assert one.message.startswith(f"{have} more than 25% void, up to {max(share):.1%};")
    taxonomy = msgspec.structs.replace(tables.profile.taxonomy, max_void=MaxVoid(image=0.25, dataset=0.2))
    declared = replace(tables, profile=replace(tables.profile, taxonomy=taxonomy))
    expected: list[tuple[Any, ...]] = [
        (k, own[k], f"{share[k]:.1%} of the image is void; the limit is 25.0%") for k in high
    ]
    overall = sum(own) / max(sum(frame), 1)
    if overall > 0.2:
        expected.append((None, sum(own), f"{overall:.1%} of all pixels are void; the limit is 20.0%"))
    assert [(one.annotation, one.pixels, one.message) for one in check("SEG210", declared)] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_masks_that_are_rectangles(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 24
    tables = scattered(rng, images(3, 9, 8), n, (CAR, PERSON, HAZE))
    sides = {"width": mostly(rng, n, [3, 4, 8], 2, 9), "height": mostly(rng, n, [3, 4, 7], 2, 8)}
    area = sides["width"] * sides["height"] - (rng.random(n) < 0.7)
    tables = replace(tables, segments=tables.segments.beside(area=area, **sides))
    expected = []
    for id_ in (CAR, PERSON):
        own = [k for k in range(n) if tables.segments["category_id"][k] == id_ and not tables.segments["iscrowd"][k]]
        own = [k for k in own if 3 <= sides["width"][k] < 9 and 3 <= sides["height"][k] < 8]
        full = [k for k in own if area[k] == sides["width"][k] * sides["height"][k]]
        if len(own) >= 6 and len(full) > 0.25 * len(own):
            words = f"{len(full)} of {len(own)} segments ({len(full) / len(own):.0%}) are exact rectangles; "
            expected.append((NAMES[id_], int(area[full].sum()), f"{words}the limit is 25%"))
    found = check("SEG112", tables, max_share=0.25, min_segments=6, min_side=3)
    assert [(one.category, one.pixels, one.message) for one in found] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_two_segments_of_the_same_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(2, 9, 8), 10, (CAR, CAR, PERSON))
    area = rng.choice([8, 9, 10, 16], 10)  # of 16 px a copy of 8 is a half
    tables = replace(tables, segments=tables.segments.beside(area=area))
    pairs = pairs_of(rng, tables, 0.8, x=5, y=5, width=5, height=5)
    both = np.minimum(area[pairs["a"]], area[pairs["b"]]) - rng.choice([0, 0, 1, 3], len(pairs))
    tables = with_tables(tables, pairs=pairs.beside(shared=both))
    category, crowd = whole(tables, "category_id"), whole(tables, "iscrowd")
    expected = []
    for (a, b, *box), n in zip(pairs.lines("a", "b", "x", "y", "width", "height"), both.tolist(), strict=True):
        iou, same = n / (area[a] + area[b] - n), category[a] == category[b]
        if iou >= (0.8 if same else 0.9) and not crowd[a] and not crowd[b]:
            severity = None if same else "info"
            expected.append(((a, b), n, tuple(box), iou == 1 and same, severity, iou))
            words = "two segments are identical" if iou == 1 else f"cover nearly the same pixels (IoU {iou:.2f})"
            others = "" if same else f", one is {NAMES[category[a]]}, the other {NAMES[category[b]]}"
            assert any(words in one.message and one.message.endswith(others) for one in check("SEG104", tables,
                       min_iou=0.8, min_iou_across=0.9))  # fmt: skip
    found = check("SEG104", tables, min_iou=0.8, min_iou_across=0.9)
    seen = [(one.segments, one.pixels, one.bbox, one.is_fixable, one.severity, one.score) for one in found]
    assert seen == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_flickers_of_one_segment_count_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [{k: ((5 * k, 4, 9, 9), 1) for k in range(1, 4)} for _ in range(4)]
    frames[2][3] = ((15, 4, 9, 9), 2)  # the track changes its category: another rule's
    tables = film(frames)
    n = 16
    columns = {"segment": rng.integers(0, 12, n), "category_id": rng.choice([1, 2], n), "area": rng.integers(1, 20, n)}
    columns |= {"part": (columns["area"] * rng.choice([1, 2, 3], n)), "annotation": np.zeros(n, np.int64)}
    columns |= {name: rng.integers(0, 9, n) for name in ("x", "y", "width", "height")}
    columns |= {name: rng.integers(0, 20, n) for name in ("lost", "gained")} | {"around": rng.choice([50, 100, 200], n)}
    found = check("SEG357", with_tables(tables, flickers=Table(columns)), min_pixels=8, min_share=0.1, min_fill=0.5,
                  min_change=0.5)  # fmt: skip
    rows = list(tables.segments.lines("track_id", "category_id"))
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for k in range(n):
        segment = int(columns["segment"][k])
        if rows[segment][0] != 3 and columns["area"][k] >= 0.5 * columns["part"][k]:
            groups[segment, int(columns["category_id"][k])].append(k)
    expected = []
    for (segment, before), members in sorted(groups.items()):
        first = max(members, key=lambda k: columns["area"][k])
        pixels, around = sum(columns["area"][members]), columns["around"][first]
        change = min(columns["lost"][first], columns["gained"][first])
        if pixels >= max(8, 0.1 * around) and change >= 0.5 * pixels:
            name = {1: "car", 2: "bus"}
            words = f"{pixels} px ({pixels / around:.1%} of {name[before]}) are {name[rows[segment][1]]} here, and "
            words += f"{name[before]} in the frames before and after"
            expected.append(
                ((segment,), tuple(columns[s][first] for s in ("x", "y", "width", "height")), pixels, words)
            )
    assert [(one.segments, one.bbox, one.pixels, one.message) for one in found] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_of_a_track_that_lie_astray(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = film([{1: ((5, 4, 9, 10), 1)} for _ in range(3)])
    n = 12
    turns = {"segment": np.ones(n, np.int64), "stray": rng.choice([0, 17, 18, 30], n)}
    turns |= {name: rng.choice([0.25, 0.5, 0.75], n) for name in ("agree", "fit")}
    turns |= {f"stray_{name}": rng.integers(0, 9, n) for name in ("x", "y", "width", "height")}
    found = check("SEG352", with_tables(tables, turns=Table(turns)), min_share=0.25, min_agree=0.5, min_fit=0.75)
    kept = [k for k in range(n) if turns["stray"][k] >= 18 and turns["agree"][k] >= 0.5 and turns["fit"][k] >= 0.75]
    box = [tuple(turns[f"stray_{name}"][k] for name in ("x", "y", "width", "height")) for k in kept]
    assert [(one.pixels, one.bbox, one.severity) for one in found] == [
        (turns["stray"][k], own, "warning") for k, own in zip(kept, box, strict=True)
    ]
    assert all(f"a part of {one.pixels} px" in one.message for one in found)
    assert all(one.message.endswith(f"the rest has {90 - (one.pixels or 0)} px") for one in found)


@pytest.mark.parametrize("seed", SEEDS)
def test_regions_as_large_as_several_have_a_wide_neck(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 20
    tables = scattered(rng, images(1, 40, 40), n, (CAR,))
    tables = replace(tables, segments=tables.segments.beside(area=rng.integers(20, 60, n)))
    lobes = {"segment": np.arange(n), "lobes": rng.integers(2, 4, n), "neck": rng.choice([0.4, 0.5, 0.6], n)}
    lobes |= {"typical": rng.uniform(10, 20, n), "spread": rng.uniform(0.2, 0.5, n)}
    lobes |= dict.fromkeys(("first", "second"), lobes["typical"])
    lobes |= {
        "typical_solidity": np.full(n, 0.9),
        "lobe_solidity": np.full(n, 0.9),
        "solidity": rng.uniform(0.5, 0.9, n),
    }
    lobes["solidity_spread"] = rng.uniform(0.02, 0.2, n)
    tables = with_tables(tables, lobes=Table(lobes))
    expected = []
    for row, neck, a, b, gain in shared.bridged_segments(tables).lines("segment", "neck", "area_z", "bent_z", "gain"):
        if neck > 0.5 and a >= 2 and b >= 1 and gain >= 2.25 and is_thing(tables, row):
            area = tables.segments["area"][row]
            words = f"{area} px in {lobes['lobes'][row]} lobes, {area / lobes['typical'][row]:.1f} times what is usual"
            expected.append(((row,), words))
    found = check("SEG120", tables, min_neck=0.5, min_area_z=2.0, min_bent_z=1.0, min_gain=2.25)
    assert [one.segments for one in found] == [rows for rows, _ in expected]
    assert all(one.message.startswith(words) for one, (_, words) in zip(found, expected, strict=True))


@pytest.mark.parametrize("seed", range(40))
def test_outlines_that_are_pasted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    tables = scattered(rng, images(5, 20, 20), n, (CAR, CAR, CAR, ROAD))
    same = rng.random(n) < 0.35 * (tables.segments["annotation"] < rng.integers(1, 4))
    columns = {"width": np.where(same, 6, rng.integers(4, 8, n)), "height": np.where(same, 5, rng.integers(4, 8, n))}
    columns |= {"perimeter": mostly(rng, n, [20, 22], 19), "x": rng.integers(0, 3, n), "y": rng.integers(0, 3, n)}
    columns["area"] = np.where(rng.random(n) < 0.1, columns["width"] * columns["height"], 12)
    tables = replace(tables, segments=tables.segments.beside(**columns))
    owner, category, crowd = (whole(tables, name) for name in ("annotation", "category_id", "iscrowd"))
    judged: dict[int, list[int]] = defaultdict(list)
    shapes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for k in range(n):
        width, height, area, edges = (int(columns[name][k]) for name in ("width", "height", "area", "perimeter"))
        if category[k] != HAZE and not crowd[k] and area < 0.95 * width * height and edges >= 20:
            judged[owner[k]].append(k)
            shapes[owner[k], category[k], width, height, area, edges].append(k)
    pasted = {key: rows for key, rows in shapes.items() if len({(columns["x"][k], columns["y"][k]) for k in rows}) >= 3}
    many = [annotation for annotation, rows in judged.items() if len(rows) >= 3]
    flagged = {key[0] for key in pasted}
    expected = []
    if len(flagged) <= max(1, 0.25 * len(many)):
        for (_, id_, width, height, area, _), rows in sorted(pasted.items()):
            words = f"{len(rows)} segments have one outline, {width} x {height} px and {area} px, at other places"
            expected.append((tuple(rows), NAMES[id_], words))
    found = check("SEG133", tables, min_segments=3, min_outline=20, max_share=0.25)
    assert sorted((one.segments, one.category, one.message.split(":")[0]) for one in found) == sorted(expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_track_of_two_categories_is_told_by_stretches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = {track: rng.choice([1, 1, 1, 2], 9) for track in (3, 5)}
    gone = {(track, k) for track in kinds for k in range(9) if rng.random() < 0.1}
    frames = [
        {track: ((5 * track, 4, 5, 5 + k), int(kinds[track][k])) for track in kinds if (track, k) not in gone}
        for k in range(9)
    ]
    tables = film(frames)
    name, expected = {1: "car", 2: "bus"}, []
    for track, own in kinds.items():
        seen = [k for k in range(9) if (track, k) not in gone]
        count = Counter(int(own[k]) for k in seen)
        usual = min(count, key=lambda id_: (-count[id_], next(k for k in seen if own[k] == id_)))
        stretch: list[int] = []
        for k in [*seen, None]:
            if stretch and (k is None or own[k] != own[stretch[0]]):
                if own[stretch[0]] != usual:
                    where = f"frames {stretch[0]} to {stretch[-1]}" if len(stretch) > 1 else f"frame {stretch[0]}"
                    often = "1 frame" if count[usual] == 1 else f"{count[usual]} frames"
                    words = f"track {track} is {name[own[stretch[0]]]} in {where}, but {name[usual]} in {often}"
                    expected.append((words, sum(5 * (5 + j) for j in stretch)))
                stretch = []
            if k is not None:
                stretch.append(k)
    assert [(one.message, one.pixels) for one in check("SEG351", tables)] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_slivers_holes_and_stray_parts_are_small_for_their_segment(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(3, 30, 30, "coverage: exhaustive"), 12, (CAR, HAZE))
    areas = rng.choice([90, 160, 400], 12)
    tables = replace(tables, segments=tables.segments.beside(area=areas, perimeter=rng.choice([60, 200, 400], 12)))
    n = 24
    owner = np.sort(rng.integers(0, 12, n))
    box = {name: rng.integers(0, 9, n) for name in ("x", "y", "width", "height")}
    area = rng.choice([1, 6, 7, 8, 9], n)
    common = {"segment": owner, "area": area, "whole": areas[owner], **box}
    holes = Table(common | {"empty": rng.random(n) < 0.8})
    cluster = np.where(rng.random(n) < 0.2, 20, area)
    parts = Table(common | {"cluster": cluster, "drawn": rng.random(n) < 0.8, "cut": rng.random(n) < 0.2})
    parts = parts.beside(perimeter=2 * area + 2)
    gaps = {"annotation": rng.integers(0, 3, n), "area": rng.choice([9, 10, 20, 40], n), **box}
    gaps["perimeter"] = rng.choice([20, 22, 24, 44], n)
    no_things = Table({name: np.zeros(0, np.int64) for name in (*common, "thing", "cluster", "cut", "empty")})
    tables = with_tables(tables, holes=holes, parts=parts, gaps=Table(gaps), cavities=no_things, solids=no_things)
    category, crowd = whole(tables, "category_id"), whole(tables, "iscrowd")
    plain = [category[row] == CAR and not crowd[row] for row in range(12)]
    half = tables.segments["perimeter"] / 2
    net = [areas[row] < 3 * half[row] and half[row] ** 2 > 50 * areas[row] for row in range(12)]
    small: dict[str, list[int]] = {"SEG106": [], "SEG107": []}
    for k in range(n):
        row = owner[k]
        if plain[row] and not net[row] and area[k] < 8 and area[k] < 0.05 * areas[row] and holes["empty"][k]:
            small["SEG107"].append(k)
        is_stray = cluster[k] < 8 and cluster[k] < 0.05 * areas[row] and parts["drawn"][k] and not parts["cut"][k]
        if plain[row] and is_stray:
            small["SEG106"].append(k)
    for code, rows in small.items():
        found = check(code, tables, min_pixels=8, max_share=0.05)
        sums = [(row, sum(area[k] for k in rows if owner[k] == row)) for row in sorted({int(owner[k]) for k in rows})]
        assert [(one.segments[0], one.pixels) for one in found] == sums
    slivers: dict[int, list[int]] = defaultdict(list)
    for k in range(n):
        edges = gaps["perimeter"][k] / 2
        root = math.sqrt(max(edges**2 - 4 * gaps["area"][k], 0))
        if (edges - root) / 2 <= 2 and (edges + root) / 2 >= 10:
            slivers[int(gaps["annotation"][k])].append(k)
    found = check("SEG111", tables, max_width=2.0, min_length=10.0)
    expected = []
    for annotation, rows in sorted(slivers.items()):
        sizes = [int(gaps["area"][k]) for k in rows]
        kind = "1 unlabelled sliver" if len(rows) == 1 else f"{len(rows)} unlabelled slivers"
        largest = f", the largest of {max(sizes)} px" if len(rows) > 1 else ""
        expected.append((annotation, sum(sizes), f"{kind} up to 2 px wide, {sum(sizes)} px{largest}"))
    assert [(one.annotation, one.pixels, one.message) for one in found] == expected


@pytest.mark.parametrize("seed", range(40))
def test_labels_of_a_slice_that_fit_neither_neighbour(seed: int) -> None:
    """Bars that move on, of which some slices are mirrored, or all at odd places."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((9, 30, 60), np.int64)
    for k in range(9):
        labels[k, 4:26, 6 + k : 24 + k] = 1
    for k in rng.permutation(np.arange(1, 8))[: int(rng.integers(1, 3))] if seed % 3 else (1, 3, 5, 7):
        labels[k] = labels[k, :, ::-1]
    if seed % 4 == 0:
        labels[4] = 0
    tables = measure_source(sequence_dataset(labels, kind="volume"), frozenset({"succession"}), jobs=1)
    tables = replace(tables, annotations=tables.annotations.beside(n_segments=labels.any(axis=(1, 2)).astype(np.int64)))
    apart = [[int((labels[i] != labels[j]).sum()) for j in range(9)] for i in range(9)]
    either = [[int(((labels[i] + labels[j]) > 0).sum()) for j in range(9)] for i in range(9)]

    def share(i: int, j: int) -> float:
        return apart[i][j] / max(either[i][j], 1)

    ((one),) = sequence_slips.successions(tables, 6)
    exchanged, _ = one.exchanges(0.05, 20)
    gains, pixels = {}, {}
    for k in range(1, 8):
        near = min(share(k - 1, k), share(k, k + 1))
        gains[k] = (near - share(k - 1, k + 1)) / max(near, 1e-12)
        pixels[k] = min(apart[k - 1][k], apart[k][k + 1]) - apart[k - 1][k + 1]
    full = [k for k in range(1, 8) if labels[k].any()]
    fits = [k for k in full if gains[k] >= 0.1 and pixels[k] >= 20 and share(k - 1, k + 1) <= 0.9]
    found = check("SEG362", tables)
    if len(full) >= 4 and len(fits) >= 0.8 * len(full):
        (by_turns,) = found
        assert by_turns.annotation == fits[0]
        assert by_turns.message.startswith(f"{len(fits)} of {len(full)} frames fit those two steps away better")
        return
    outlying = sequence_slips.stands_out(np.array(list(gains.values())), 0.1)
    expected = [k for k in fits if outlying[k - 1] and labels[k].any()]
    expected = [k for k in expected if k not in {*exchanged.tolist(), *(exchanged + 1).tolist()}]
    assert [one.annotation for one in found] == expected
    for one_found in found:
        k = one_found.annotation or 0
        words = (
            f"the labels of {k} fit neither neighbour: {share(k - 1, k):.0%} and {share(k, k + 1):.0%} of the pixels"
        )
        assert one_found.message == f"{words} differ, and {share(k - 1, k + 1):.0%} between the neighbours"


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_and_sizes_of_frames(seed: int) -> None:
    rng = np.random.default_rng(seed)
    step = int(rng.choice([1, 5]))
    numbers = step * np.arange(40)
    gone = rng.choice([0, 1, 12], p=[0.2, 0.5, 0.3])
    first = int(rng.integers(2, 20))
    numbers = np.delete(numbers, slice(first, first + gone))
    if rng.random() < 0.3:
        numbers = np.sort(np.append(numbers, numbers[5]))
    if rng.random() < 0.3:
        numbers[-1] += 1  # no whole number of steps
    order = rng.permutation(len(numbers))
    number = np.zeros(len(numbers), np.int64)
    number[order] = numbers
    unique = sorted(set(numbers.tolist()))
    expected = []
    steps = [b - a for a, b in pairwise(unique)]
    odd = len(steps) - steps.count(step)
    for k, own in enumerate(steps):
        if own > step and own % step == 0 and odd <= max(1, 0.1 * len(steps)):
            missing = list(range(unique[k] + step, unique[k + 1], step))
            listed = ", ".join(map(str, missing[:8])) + (f" to {missing[-1]}" if len(missing) > 8 else "")
            frames = "1 frame" if len(missing) == 1 else f"{len(missing)} frames"
            row = order[numbers.tolist().index(unique[k + 1])]
            expected.append((int(row), f"{frames} missing before frame {unique[k + 1]}: {listed}"))
    assert [(one.image, one.message) for one in _missing(number, order, 0.9, len(unique))] == expected
    assert list(_missing(number, order, 0.9, len(unique) + 1)) == []
    names = [f"n{row}" for row in range(len(numbers))]
    twice = [(int(order[k]), f"frame {numbers[k]} occurs twice: n{order[k - 1]} has this number as well")
             for k in range(1, len(numbers)) if numbers[k] == numbers[k - 1]]  # fmt: skip
    assert [(one.image, one.message) for one in _same_number(names, number, order)] == twice
    wide, high = mostly(rng, 12, [8, 8, 8], 9, 0), mostly(rng, 12, [6], 7)
    sizes = list(zip(wide.tolist(), high.tolist(), strict=True))
    (usual, count), *_ = Counter(sizes).most_common(1)
    found = list(_other_size(Table({"width": wide, "height": high}), np.arange(12), 12))
    other = [k for k, size in enumerate(sizes) if size != usual and 0 not in size]
    assert [one.image for one in found] == (other if count >= 9 and 0 not in usual else [])
    for one in found:
        own = sizes[one.image or 0]
        assert one.message == f"the frame is {own[0]} x {own[1]}, {count} of 12 are {usual[0]} x {usual[1]}"
        assert one.severity == "warning"
    assert list(_other_size(Table({"width": wide, "height": high}), np.arange(12), 13)) == []


@pytest.mark.parametrize("seed", range(60))
def test_gaps_of_a_category_in_a_volume(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.ones((9, 2, 2), np.int64)
    labels[:, 1] = 2
    tables = measure_source(sequence_dataset(labels, kind="volume"), frozenset(), jobs=1)
    n = int(rng.integers(1, 8 if seed < 30 else 20))
    between = np.sort(rng.integers(1, 8, n))
    category = rng.choice([1, 2], n)
    area = np.ones(18, np.int64)
    for k in rng.permutation(between)[: int(rng.integers(0, 3 if seed < 30 else 9))]:
        area[2 * k : 2 * k + 2] = 0
    tables = replace(tables, segments=tables.segments.beside(area=area))
    smaller = rng.integers(10, 60 if seed % 3 else 24, n)
    shared_pixels = (smaller * rng.choice([0.5, 0.6, 0.75, 1.0], n)).astype(np.int64)
    box = {name: rng.integers(0, 9, n) for name in ("x", "y", "width", "height")}
    skips = {"before": 2 * (between - 1) + category - 1, "after": 2 * (between + 1), "annotation": between}
    skips |= {"shared": shared_pixels, "smaller": smaller, **box}
    slices = rng.choice([2, 3, 9], 6)
    solids = Table({"segment": rng.integers(0, 18, 6), "slices": slices})
    tables = with_tables(tables, skips=Table(skips), solids=solids)
    limit = 0.5 if seed % 2 else 0.1
    found = check("SEG358", tables, min_pixels=16, min_share=0.75, max_gaps=limit)
    gone = [area[2 * between[k] + category[k] - 1] == 0 for k in range(n)]
    kept = []
    for id_ in (1, 2):
        mine = [k for k in range(n) if category[k] == id_ and shared_pixels[k] >= max(8, 0.5 * smaller[k])]
        n_long = sum(slices[k] > 2 and solids["segment"][k] % 2 + 1 == id_ for k in range(6))
        n_blank = len({between[k] for k in mine if gone[k]})
        n_gaps = sum(not gone[k] for k in mine) * 7 / max(7 - 3 * n_blank, 0.5)
        for k in mine:
            is_habit = n_blank > max(2, limit * 7) if gone[k] else n_gaps > max(2, limit * n_long)
            if not is_habit and shared_pixels[k] >= max(16, 0.75 * smaller[k]):
                kept.append(k)
    kept.sort()
    expected: list[tuple[Any, ...]] = []
    for k in kept:
        if not gone[k]:
            words = (
                f"c{category[k]} is missing here, but {shared_pixels[k]} px overlap between the slices before and after"
            )
            words += f" (the smaller part has {smaller[k]} px)"
            own = tuple(box[name][k] for name in ("x", "y", "width", "height"))
            expected.append((between[k], own, shared_pixels[k], words))
    for slice_, id_ in sorted({(between[k], category[k]) for k in kept if gone[k]}):
        rows = [k for k in kept if gone[k] and (between[k], category[k]) == (slice_, id_)]
        left, top = (min(box[name][k] for k in rows) for name in ("x", "y"))
        right, bottom = (max(box[a][k] + box[b][k] for k in rows) for a, b in (("x", "width"), ("y", "height")))
        total = sum(shared_pixels[k] for k in rows)
        parts = "1 part" if len(rows) == 1 else f"{len(rows)} parts"
        words = (
            f"this slice has nothing of c{id_}, but {total} px of {parts} overlap between the slices before and after"
        )
        expected.append((slice_, (left, top, right - left, bottom - top), total, words))
    assert [(one.annotation, one.bbox, one.pixels, one.message) for one in found] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_that_lie_on_the_edges_of_their_pictures_elsewhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = images(24, 4, 4)
    annotators = np.array([["anna", "ben", "carl"][k // 8] for k in range(24)], object)
    tables = replace(tables, annotations=tables.annotations.beside(annotator=annotators))
    groups = []
    for group in range(3):
        own, fitting = rng.choice([4.0, 6.0, 10.0]), int(rng.integers(3, 9))
        change = int(rng.choice([0, 1]))
        groups.append((group, 8, fitting, own, rng.choice([8.0, 9.0, 15.0, 20.0]), change, 0.0, 0.0, 0))
        if rng.random() < 0.5:
            groups.append((group, 8, int(rng.integers(3, 7)), own, 18.0, change, 0.0, 0.0, 1))
    names = ("group", "n", "fitting", "own", "score", "change", "x", "y", "is_part")
    of_groups = Table({name: np.array(column) for name, column in zip(names, zip(*groups, strict=True), strict=True)})
    single = {"annotation": np.arange(24), "group": np.arange(24) // 8, "part": rng.choice([-1, -1, 0, 1, 2], 24)}
    single["part"] = np.where(single["part"] == single["group"], single["part"], -1)
    single["part"][::8] = (0, 1, 2)
    single |= {"own": rng.choice([3.0, 4.0, 9.0], 24), "score": rng.choice([11.0, 12.0, 13.0, 27.0], 24)}
    single |= {
        "change": rng.choice([-1, 0, 1, ELSEWHERE], 24),
        "x": np.zeros(24),
        "y": np.zeros(24),
        "other": np.zeros(24, np.int64),
        "alike": rng.choice([0.0, 12.0, 13.0, 40.0], 24),
    }
    single |= {
        "blank": mostly(rng, 24, [0.0, 0.1], 0.4, 0.39, 0.9),
        "bare": mostly(rng, 24, [0.0, -1.0], 0.98, 0.99, 1.0),
    }
    single |= {"padded": mostly(rng, 24, [0.0, 0.2], 0.5, 0.49, 1.0), "rim": np.full(24, np.nan)}
    of_groups = of_groups.beside(of_volumes=np.zeros(len(groups), np.int64))
    found = check("SEG314", with_tables(tables, placements=Table(single), group_placements=of_groups))
    expected: list[tuple[Any, ...]] = []
    flagged = set()
    for group, n, fitting, own, score, *_, is_part in groups:
        if not is_part and score >= max(8, 1.5 * own) and n >= 5 and fitting >= 0.8 * n:
            flagged.add(group)
            expected.append((None, annotators[8 * group], f"the labels of {fitting} of 8 images lie", score, own))
    in_part: set[int] = set()
    for group, _, fitting, own, score, *_, is_part in groups:
        members = [k for k in range(24) if single["part"][k] == group]
        if is_part and group not in flagged and fitting >= 5 and members:
            in_part |= set(members)
            listed = ", ".join(sorted(f"{k + 1}.png" for k in members)[:3]) + (", …" if len(members) > 3 else "")
            expected.append(
                (None, annotators[members[0]], f"the labels of {fitting} of 8 images ({listed})", score, own)
            )
    stands = [k for k in range(24) if k not in in_part and single["change"][k] >= 0]
    stands = [k for k in stands if single["score"][k] >= max(12, 3 * single["own"][k])]
    best = [single["score"][k] if k in stands else single["own"][k] for k in range(24)]
    for k in stands:
        is_elsewhere = single["change"][k] == ELSEWHERE
        if is_elsewhere and single["alike"][k] > single["score"][k]:
            continue
        if k // 8 not in flagged and statistics.median(best[8 * (k // 8) : 8 * (k // 8) + 8]) >= 8:
            words = f"the labels lie on the edges of {'another picture, 1.png' if is_elsewhere else 'the picture'}"
            expected.append((k, None, words, single["score"][k], single["own"][k]))
    for group in range(3):
        rows = range(8 * group, 8 * group + 8)
        blank, padded = ([single[name][k] for k in rows] for name in ("blank", "padded"))
        bare = [one for one in single["bare"].tolist() if one >= 0]
        for k in rows:
            if single["bare"][k] >= 0.99 and statistics.median(bare) < 0.99 / 2:
                expected.append((k, None, "the picture shows nothing but the outlines", None, None))
            elif single["blank"][k] >= 0.4 and statistics.median(blank) < 0.2:
                words = f"{single['blank'][k]:.0%} of the outlines lie where the picture is blank"
                expected.append((k, None, words, None, None))
            elif single["padded"][k] >= 0.5 and statistics.median(padded) < 0.25:
                expected.append((k, None, "the padding around the picture", None, None))
    assert [(one.annotation, one.annotator) for one in found] == [row[:2] for row in expected]
    for one, (*_, words, score, own) in zip(found, expected, strict=True):
        assert one.message.startswith(words)
        if score is not None:
            assert one.message.endswith(f": {score:.0f} instead of {own:.0f} standard deviations above chance")


@pytest.mark.parametrize("seed", range(40))
def test_segments_that_are_also_on_another_image_in_the_same_place(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 60
    tables = scattered(rng, images(8, 20, 20), n, (CAR, CAR, ROAD))
    tables = replace(tables, annotations=tables.annotations.beside(image=np.array([0, 1, 2, 3, 4, 5, 6, 6])))
    kind = rng.integers(0, 8, n)
    columns = {"category_id": np.where(kind < 7, CAR, tables.segments["category_id"])}
    columns |= {"x": kind, "y": kind, "width": np.full(n, 5), "height": np.full(n, 5)}
    columns |= {"area": mostly(rng, n, [12], 13, 25), "perimeter": mostly(rng, n, [30], 29, 32)}
    columns["parts"] = np.full(n, 2)  # a dot of one part is another matter
    columns["image"] = tables.annotations["image"][tables.segments["annotation"]]
    count = np.bincount(tables.segments["annotation"], minlength=8)
    annotators = np.array([rng.choice(["anna", "anna", "ben"]) for _ in range(8)], object)
    content = np.array([rng.choice([None, "x", "y"], p=[0.8, 0.1, 0.1]) for _ in range(8)], object)
    names = tables.images["image_id"]
    tables = replace(
        tables,
        images=tables.images.beside(content=content),
        annotations=tables.annotations.beside(
            n_segments=count, annotator=annotators, imprint=np.array([*"abcdefgh"], object)
        ),
        segments=tables.segments.beside(**columns),
    )
    # 3 and 6 are each a copy of 1, and so of each other.
    alike = {"image": np.array([3, 6]), "of": np.array([1, 1]), "same": np.array([1, 0]), "bits": np.array([0, 4])}
    repeated = {"annotation": np.array([5]), "of": np.array([4]), "bits": np.array([-1])}
    outlines = Table(
        {name: np.zeros(0, int) for name in ("segment", "around", "vertices", "left", "top", "right", "bottom")}
    )
    tables = with_tables(tables, alike=Table(alike), repeated_labels=Table(repeated), outlines=outlines)
    owners: dict[tuple[int, ...], dict[int, int]] = defaultdict(dict)  # and the category there
    edges = [0] * 8
    for k in range(n):
        own, area, around = (
            int(one) for one in (tables.segments["annotation"][k], columns["area"][k], columns["perimeter"][k])
        )
        if area < 0.95 * 25:
            edges[own] += around
            if around >= 30:
                owners[int(kind[k]), area, around].setdefault(own, int(columns["category_id"][k]))
    shared_shapes: Counter[tuple[int, int]] = Counter()
    renamed: Counter[tuple[int, int]] = Counter()
    for several in owners.values():
        if 1 < len(several) <= 3:
            neighbours = [(b, a) for a, b in pairwise(sorted(several))]
            shared_shapes.update(neighbours)
            renamed.update((b, a) for b, a in neighbours if several[a] != several[b])
    image = tables.annotations["image"].tolist()
    expected = []
    if edges[5] >= 60 and (content[5] is None or content[5] != content[4]):
        expected.append((5, "these labels are a copy of those of 5.png, to the pixel"))
    for (b, a), n_shared in sorted(shared_shapes.items()):
        is_copy = content[image[a]] is not None and content[image[a]] == content[image[b]]
        free = is_copy or image[a] == image[b] or {image[a], image[b]} <= {1, 3, 6} or annotators[a] != annotators[b]
        if n_shared >= 2 and n_shared >= 0.25 * min(count[a], count[b]) and not free and (b, a) != (5, 4):
            message = f"{n_shared} of {count[b]} segments are copies of those of {names[image[a]]}"
            n_renamed = renamed[b, a]
            expected.append((b, message + (f", {n_renamed} of them under another category" if n_renamed else "")))
    found = check("SEG315", tables, min_edge=60, min_segments=2, min_share=0.25)
    assert [(one.annotation, one.message) for one in found] == expected


@pytest.mark.parametrize("seed", range(60))
def test_small_parts_among_many_of_their_size_or_of_dots_are_small_by_nature(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group, area = [], []
    for number in range(6):
        n_small, n_larger = int(rng.choice([1, 5, 6, 19, 20])), int(rng.choice([0, 19, 20, 21, 24, 25]))
        area += [4] * n_small + rng.choice([8, 31], n_larger).tolist() + [32] * int(rng.integers(0, 2))
        group += [number] * (len(area) - len(group))
    order = rng.permutation(len(area))
    columns = {"segment": np.array(group)[order], "area": np.array(area)[order]}
    parts = Table(columns | {"cluster": columns["area"]})
    expected = []
    for number in range(6):
        own = columns["area"][columns["segment"] == number].tolist()
        n_small, n_larger = sum(a < 8 for a in own), sum(8 <= a < 32 for a in own)
        expected.append((n_larger >= 20 and n_larger >= 4 * n_small) or (n_small >= 20 and max(own) < 8))
    found = _small_by_nature(parts, "segment", columns["area"] < 8, 8).tolist()
    assert found == [expected[number] for number in columns["segment"].tolist()]
