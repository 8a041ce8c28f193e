"""Helpers of several rules against loops over rows, and sentences written by hand."""

import math
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segdata.core.finding import Defect
from segdata.core.rule import Tables
from segdata.core.runs import Floats
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.rules import sequence_slips, shared
from segdata.testing.pictures import draw_picture
from tests.generators.sequences import sequence_dataset
from tests.rules.campaigns import with_tables

SEEDS = range(60)
UNKNOWN = math.nan


def tables_of(text: str, *families: str) -> Tables:
    return measure_source(draw_picture(text), frozenset(families), jobs=1)


def table(**columns: list[Any]) -> Table:  # Any: values of all types
    return Table({name: np.array(values) for name, values in columns.items()})


def test_lists_are_cut_after_the_most() -> None:
    assert shared.join_first([3, 2, 1], 3) == "3, 2, 1"
    assert shared.join_first("abc", 2) == "a, b, …"
    tables = tables_of("a\n\na\n\na\n\na")
    assert shared.image_names(tables, np.array([2, 0, 2, 1])) == "1.png, 2.png, 3.png"
    assert shared.image_names(tables, np.array([3, 2, 0, 1])) == "1.png, 2.png, 3.png, …"


def test_a_box_and_the_pixels_of_several_segments() -> None:
    tables = tables_of("......\n.aa...\n.aa.bb\n......\n..c...")
    found = shared.segments_finding(tables, "these", np.array([0, 1]), "car", "info")
    assert (found.message, found.segments, found.pixels) == ("these", (0, 1), 6)
    assert (found.category, found.severity) == ("car", "info")
    assert shared.box_around(tables, [0, 1]) == (1, 1, 5, 2)
    assert shared.box_around(tables, np.array([2, 1])) == (2, 2, 4, 3)


def test_a_reader_s_defect_is_a_finding_with_all_that_it_knows() -> None:
    defect = Defect(
        "SEG004", "odd", image="1.png", annotator="ben", segments=("7",), bbox=(1, 2, 3, 4), pixels=5, category="car",
        severity="info", file="a.json", place="annotations[3]", line=9,
    )  # fmt: skip
    tables = replace(tables_of("a"), defects=(Defect("SEG005", "other"), defect))
    (found,) = shared.reader_findings(tables, "SEG004")
    assert (found.message, found.ids, found.image_id, found.annotator) == ("odd", ("7",), "1.png", "ben")
    assert (found.bbox, found.pixels, found.category, found.severity) == ((1, 2, 3, 4), 5, "car", "info")
    assert (found.file, found.place, found.line) == ("a.json", "annotations[3]", 9)


def test_a_defect_names_segments_of_its_image_alone() -> None:
    tables = tables_of("ab\n\nab\n\na: car (id 7)\nb: car (id 8)")
    assert not shared.has_defect(tables, "SEG004").any()
    assert not shared.is_lossy(tables).any()
    defects = (
        Defect("SEG004", "odd", image="2.png", segments=(8,)),  # type: ignore[arg-type]  # readers give numbers, too
        Defect("SEG005", "odd", image="1.png", segments=(7,)),  # type: ignore[arg-type]
        Defect("SEG010", "lossy", image="1.png"),
        Defect("SEG010", "lossy"),
    )
    tables = replace(tables, defects=defects)
    assert shared.has_defect(tables, "SEG004").tolist() == [False, False, False, True]
    assert shared.is_lossy(tables).tolist() == [True, True, False, False]
    named = replace(tables, segments=tables.segments.beside(source_id=np.array(["x", None, None, "8"], object)))
    assert not shared.has_defect(named, "SEG004").any()
    assert shared.counts_small_shapes(tables).tolist() == [False, False, True, True]
    assert shared.is_thing(tables).tolist() == [False, False, True, True]


def test_small_shapes_of_crowds_void_and_thin_things_do_not_count() -> None:
    tables = tables_of(
        "abcde\n\na: car\nb: car (crowd)\nc: haze (void)\nd: pole\ne: sky (stuff)\ncategory: pole (thin)"
    )
    assert shared.counts_small_shapes(tables).tolist() == [True, False, False, False, True]


@pytest.mark.parametrize("habit", ["sparse", "exhaustive"])
def test_coverage_is_the_annotation_s_own_or_the_dataset_s(habit: str) -> None:
    tables = tables_of(f"a\n\na\n\na\n\ncoverage: {habit}")
    own = tables.annotations.beside(coverage=np.array(["sparse", None, "exhaustive"], object))
    assert shared.requires_full_coverage(replace(tables, annotations=own)).tolist() == [
        False,
        habit == "exhaustive",
        True,
    ]
    assert shared.background_is_declared(tables.profile)


@pytest.mark.parametrize(
    ("empty", "labelled", "expected"),
    [(9, 1, True), (8, 2, False), (5, 0, True), (4, 0, False), (18, 2, True), (17, 3, False)],
)
def test_background_is_unlabelled_in_nine_of_ten_of_five_or_more(empty: int, labelled: int, expected: bool) -> None:
    """A quarter of an image (2 of 8 pixels) is not more than a quarter."""
    pictures = ["aaaaa...\n"] * empty + ["aaaaaa..\n"] * labelled
    tables = tables_of("\n".join(pictures) + "\ncoverage: exhaustive (habit)", "coverage")
    profile = replace(tables.profile, taxonomy_declared=False)
    assert shared.leaves_background_unlabelled(replace(tables, profile=profile)) == expected
    declared = tables_of("\n".join(pictures) + "\ncoverage: exhaustive", "coverage")
    assert not shared.leaves_background_unlabelled(declared)
    assert not shared.leaves_background_unlabelled(tables_of("\n".join(pictures), "coverage"))


def test_annotations_that_declare_coverage_do_not_tell_of_the_background() -> None:
    tables = tables_of("\n".join(["a...\n"] * 5 + ["aaaa\n"] * 5) + "\ncoverage: exhaustive (habit)", "coverage")
    own = tables.annotations.beside(coverage=np.array([None] * 5 + ["exhaustive"] * 5, object))
    assert not shared.leaves_background_unlabelled(tables)
    assert shared.leaves_background_unlabelled(replace(tables, annotations=own))


@pytest.mark.parametrize("policy", ["forbid", "same-category-forbid"])
def test_pairs_that_a_relation_names_may_overlap(policy: str) -> None:
    """Of all pairs of eight segments those are left that no relation names, in any order of names."""
    letters, names = "abcdefgh", ["car", "car", "wheel", "wiper", "rider", "road", "sky"]
    legend = "\n".join(f"{letter}: {name}" for letter, name in zip(letters, names, strict=False))
    relations = (
        "category: wheel (part_of car)\ncategory: wiper (may_overlap wheel)\n"
        "category: rider (may_not_overlap wiper)\ncategory: road (may_not_touch rider)"
    )
    tables = tables_of(f"{letters}\n\n{legend}\nh: car (crowd)\n{relations}\noverlap: {policy}")
    a, b = np.triu_indices(8, 1)
    left = shared.forbidden_overlaps(with_tables(tables, pairs=Table({"a": a, "b": b})))
    free = {frozenset(pair.split()) for pair in ("wheel car", "wiper wheel", "rider wiper", "road rider")}
    expected = {
        (a, b)
        for a in range(7)
        for b in range(a + 1, 7)
        if frozenset({names[a], names[b]}) not in free and (policy == "forbid" or names[a] == names[b])
    }
    assert {(int(a), int(b)) for a, b in zip(left["a"], left["b"], strict=True)} == expected


def test_typical_values_of_several_sorts_and_of_some_segments() -> None:
    tables = tables_of("aabbcc\naabbcc\n\nddeeff\nddeeff\n\na, b, d, e: car\nc, f: bus")
    rng = np.random.default_rng(5)
    values, among = rng.random((3, 6)), np.array([True, True, True, False, True, True])
    whole = [shared.typical_values(tables, own, among, 2, 3) for own in values]
    rows = np.array([5, 3, 0])
    middle, spread = shared.typical_values(tables, values, among, 2, 3, of=rows)
    assert middle.shape == spread.shape == (3, 3)
    for k in range(3):
        np.testing.assert_array_equal(middle[k], whole[k][0][rows])
        np.testing.assert_array_equal(spread[k], whole[k][1][rows])


@pytest.mark.parametrize("seed", SEEDS)
def test_what_stands_out_is_four_quartiles_above_the_median(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-3, 4, rng.integers(2, 12)).astype(float)
    values[rng.random(len(values)) < 0.2] = UNKNOWN
    values[0] = rng.integers(1, 30)
    known = [value for value in values if value == value]
    lower, middle, upper = statistics.quantiles(known, n=4, method="inclusive") if len(known) > 1 else known * 3
    for least in (0.0, 1.0, 3.0):
        expected = [
            middle <= 0 and value >= least and value - middle >= 4 * min(upper - middle, middle - lower)
            for value in values
        ]
        assert sequence_slips.stands_out(values, least).tolist() == expected
    assert sequence_slips.stands_out(np.array([UNKNOWN, UNKNOWN]), 0.0).tolist() == [False, False]
    assert sequence_slips.stands_out(np.empty(0), 0.0).tolist() == []


@pytest.mark.parametrize("seed", range(10))
def test_things_of_one_owner_are_counted_and_the_first_of_the_largest_is_shown(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ("owner", "area", "x", "y", "width", "height", "more")
    rows = rng.integers(1, 5, (12, len(names)))
    rows[:, 6] = np.arange(12)
    summed = shared.sum_by_owner(Table(dict(zip(names, rows.T, strict=True))), "owner", "more")
    expected = []
    for owner in sorted(set(rows[:, 0].tolist())):
        own = [row for row in rows.tolist() if row[0] == owner]
        largest = max(own, key=lambda row: row[1])  # the first of equals
        expected.append((owner, len(own), sum(row[1] for row in own), *largest[1:]))
    assert list(summed.lines("owner", "n", "pixels", *names[1:])) == expected
    assert summed["pixels"].dtype == np.int64


def test_small_regions_in_words() -> None:
    regions = table(
        segment=[4, 4, 5, 6, 7],
        whole=[2000, 2000, 1, 90, 80],
        area=[3, 1, 1, 1200, 2],
        x=[1, 9, 2, 3, 4],
        y=[1, 9, 2, 3, 4],
        width=[2, 9, 1, 3, 4],
        height=[2, 9, 1, 3, 4],
    )
    found = list(shared.small_region_findings(regions, "segment", "hole", "pixels"))
    assert [(one.segments, one.bbox, one.pixels, one.message) for one in found] == [
        ((4,), (1, 1, 2, 2), 4, "2 holes of 4 pixels, the largest 3 pixels, in a segment of 2,000 pixels"),
        ((5,), (2, 2, 1, 1), 1, "1 hole of 1 pixel, in a segment of 1 pixels"),
        ((6,), (3, 3, 3, 3), 1200, "1 hole of 1,200 pixels, in a segment of 90 pixels"),
        ((7,), (4, 4, 4, 4), 2, "1 hole of 2 pixels, in a segment of 80 pixels"),
    ]
    ones = table(**{name: [1, 1] for name in regions.names})
    (found_one,) = shared.small_region_findings(ones, "segment", "part", "pixels")
    assert found_one.message == "2 parts of 2 pixels, the largest 1 pixel, in a segment of 1 pixels"


@pytest.mark.parametrize("seed", SEEDS)
def test_bridged_segments_have_two_lobes_that_are_like_their_peers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = tables_of("abcdefghk\n\na, b, c, d, e, f: car\ng: road (stuff)\nh, k: car (crowd)")
    n = len(tables.segments)
    areas = rng.integers(1, 4000, n)
    names = ("typical", "spread", "typical_solidity", "solidity_spread", "solidity", "lobe_solidity", "first", "second")
    columns = {name: rng.random(n) for name in names}
    columns |= {"typical": rng.uniform(1, 3000, n), "spread": columns["spread"] * 0.5}
    columns["solidity_spread"] *= 0.1
    columns["lobe_solidity"] = columns["typical_solidity"] - rng.uniform(-0.1, 0.5, n)
    columns |= {name: columns["typical"] * np.exp(rng.normal(0, 0.6, n)) for name in ("first", "second")}
    lobes = Table({"segment": rng.permutation(n), **columns})
    tables = replace(tables, segments=tables.segments.beside(area=areas))
    expected = []
    for row in range(n):
        segment = int(lobes["segment"][row])
        typical, solid = columns["typical"][row], columns["typical_solidity"][row]
        spread = max(columns["spread"][row], 0.2)
        scale = max(columns["solidity_spread"][row], 0.02, 0.15 / math.sqrt(typical))
        area_z = (math.log(areas[segment]) - math.log(typical)) / spread
        bent_z = (solid - columns["solidity"][row]) / scale
        first, second = ((math.log(columns[name][row]) - math.log(typical)) / spread for name in ("first", "second"))
        bent = (solid - columns["lobe_solidity"][row]) / scale
        gain = math.hypot(max(area_z, 0), max(bent_z, 0)) - max(first, -second, bent, 0)
        if segment < 6 and first <= 2 and second >= -2 and bent <= 3:
            expected.append((segment, area_z, bent_z, gain))
    found = shared.bridged_segments(with_tables(tables, lobes=lobes))
    assert [row[0] for row in expected] == found["segment"].tolist()
    for k, name in enumerate(("area_z", "bent_z", "gain"), start=1):
        np.testing.assert_allclose(found[name], [row[k] for row in expected])


def test_outlines_of_boxes_are_not_free() -> None:
    """19 of the 20 pixels of a box (95 %) are one, 18 are none (18 edges), nor are 5 of 9 (12 edges)."""
    text = "aaaaa.bbbbb\naaaaa.bbbbb\naaaaa.bbbbb\naaaa...bbb.\n\n.c.\nccc\n.c."
    is_shape, edges = shared.free_outlines(tables_of(text, "shapes"))
    assert is_shape.tolist() == [False, True, True]
    assert edges.tolist() == [18.0, 12.0]


def way(seed: int) -> sequence_slips.Succession:
    """How a sequence goes on; whole shares, so that ties are frequent."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    near, far = (rng.choice([0.0, 0.25, 0.5, 1.0, UNKNOWN], n, p=[0.2, 0.3, 0.25, 0.2, 0.05]) for _ in range(2))
    either, either_far = (rng.choice([8.0, 16.0, 40.0], n) for _ in range(2))
    sequence: Any = None
    return sequence_slips.Succession(0, sequence, near, far, either, either_far)


def naive_saved(one: sequence_slips.Succession) -> list[tuple[int, float, float]]:
    rows = []
    for k in range(1, len(one.near) - 1):
        nearest = min(one.near[k], one.near[k + 1]) if one.near[k] == one.near[k] else UNKNOWN
        nearest = UNKNOWN if one.near[k + 1] != one.near[k + 1] else nearest
        pixels = min(one.near[k] * one.either[k], one.near[k + 1] * one.either[k + 1]) - one.far[k] * one.either_far[k]
        pixels = UNKNOWN if nearest != nearest else pixels
        rows.append((k, (nearest - one.far[k]) / max(nearest, 1e-12) if nearest == nearest else UNKNOWN, pixels))
    return rows


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_saved_without_a_frame_or_in_the_other_order(seed: int) -> None:
    one = way(seed)
    expected_rows = np.array(naive_saved(one)).reshape(-1, 3).T
    if len(one.near) > 1:
        for found, expected_row in zip(one.saved_without(), expected_rows, strict=True):
            np.testing.assert_allclose(found, expected_row)
    if len(one.near) < 4:
        return
    alone = {k: share for k, share, _ in naive_saved(one)}
    gains, saved = [], []
    for k in range(1, len(one.near) - 2):
        given, turned = one.near[k] + one.near[k + 2], one.far[k] + one.far[k + 1]
        near, far = one.near * one.either, one.far * one.either_far
        gains.append((given - turned) / max(given, 1e-12) if given == given else UNKNOWN)
        saved.append(near[k] + near[k + 2] - far[k] - far[k + 1])
    for min_gain, min_pixels in ((0.0, 0), (0.0, 16), (0.0, 30), (0.25, 8), (0.5, 12)):
        stands: Floats = sequence_slips.stands_out(np.array(gains), min_gain)
        expected = [
            k
            for k, gain, pixels, good in zip(range(1, len(gains) + 1), gains, saved, stands, strict=True)
            if good and pixels >= min_pixels and gain >= np.nanmax([alone[k], alone[k + 1], -np.inf])
            if alone[k] == alone[k] or alone[k + 1] == alone[k + 1]
            if one.far[k] + one.far[k + 1] < 1.0  # half of their pixels are shared
        ]
        found_places, found_gains = one.exchanges(min_gain, min_pixels)
        assert found_places.tolist() == expected
        assert found_gains.tolist() == [gains[k - 1] for k in expected]


def test_successions_are_shares_of_what_either_frame_has() -> None:
    labels = np.zeros((5, 6, 8), np.int64)
    labels[0, 1:3, 1:5] = 1  # 8 pixels
    labels[1, 1:3, 3:7] = 1  # 4 of them again
    labels[4, 1:3, 3:7] = 1
    tables = measure_source(sequence_dataset(labels, unannotated=[]), frozenset({"succession"}), jobs=1)
    assert list(sequence_slips.successions(tables, 6)) == []
    (one,) = sequence_slips.successions(tables, 5)
    np.testing.assert_allclose(one.near, [UNKNOWN, 2 / 3, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(one.either, [UNKNOWN, 12, 8, 0, 8])
    # Of the frame before and the one after: frames 0 and 2, 1 and 3, 2 and 4.
    np.testing.assert_allclose(one.far, [UNKNOWN, 1.0, 1.0, 1.0, UNKNOWN])
    np.testing.assert_allclose(one.either_far, [UNKNOWN, 8, 8, 8, UNKNOWN])
