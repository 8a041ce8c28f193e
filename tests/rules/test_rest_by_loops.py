"""The rules that are left: random rows at and beside the limits, against loops that say what the pages say."""

import json
import math
from collections import Counter
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
import pytest

from segdata.core.finding import Defect
from segdata.core.profile import ImageSequence, Policy
from segdata.core.rule import Tables
from segdata.core.table import Table
from segdata.core.taxonomy import STAND_IN, Attribute, Category, ExpectedCategory, Taxonomy
from segdata.rules.repeated_labels import _are_different
from tests.rules.campaigns import with_tables
from tests.rules.test_rules_by_loops import (
    CAR,
    HAZE,
    PERSON,
    ROAD,
    SEEDS,
    SIGN,
    TREE,
    check,
    images,
    pairs_of,
    scattered,
    whole,
)  # fmt: skip

NAMES = {CAR: "car", PERSON: "person", ROAD: "road", HAZE: "haze", SIGN: "sign", TREE: "tree"}


def with_profile(tables: Tables, **fields: Any) -> Tables:  # Any: fields of all types
    return replace(tables, profile=replace(tables.profile, **fields))


def boxes(tables: Tables, rows: list[int]) -> tuple[int, int, int, int]:
    """The box around some segments that have pixels."""
    x, y, width, height = (np.array(whole(tables, name))[rows] for name in ("x", "y", "width", "height"))
    left, top = int(x.min()), int(y.min())
    return left, top, int((x + width).max()) - left, int((y + height).max()) - top


@pytest.mark.parametrize("share", [None, 1.0, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(8))
def test_categories_that_are_expected(seed: int, share: float | None) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(4, 6, 5), int(rng.integers(3, 12)), (CAR, ROAD, TREE))
    expected = ExpectedCategory(least_share=share, whenever=("car", "vehicle"))
    categories = [
        msgspec.structs.replace(one, expected=expected if one.name == "road" else None,
                                parent="vehicle" if one.name == "tree" else one.parent)
        for one in tables.profile.taxonomy.categories
    ]  # fmt: skip
    taxonomy = msgspec.structs.replace(tables.profile.taxonomy, categories=tuple(categories), groups={"vehicle": None})
    tables = with_profile(tables, taxonomy=taxonomy)
    drawn = [{c for a, c in zip(whole(tables, "annotation"), whole(tables, "category_id"), strict=True) if a == k}
             for k in range(4)]  # fmt: skip
    told: list[tuple[int | None, str]] = []
    n_present = sum(ROAD in own for own in drawn)
    if share is not None and n_present < share * 4:
        if share == 1:
            told += [(k, "no 'road', which is expected in every image") for k in range(4) if ROAD not in drawn[k]]
        else:
            told.append(
                (None, f"in {n_present} of 4 annotations ({n_present / 4:.1%}), expected in {share:.1%} or more")
            )
    for name, id_ in (("car", CAR), ("vehicle", TREE)):
        told += [
            (k, f"no 'road', which is expected wherever {name!r} is") for k in range(4)
            if id_ in drawn[k] and ROAD not in drawn[k]
        ]  # fmt: skip
    found = check("SEG213", tables)
    assert [(one.annotation, one.message) for one in found] == told
    assert {one.category for one in found} <= {"road"}


VALUES = ['"parked"', '"flying"', "parked", "3", "true", "null", None, '"3"', "2.5"]


@pytest.mark.parametrize("seed", range(30))
def test_attributes_that_are_missing_or_not_allowed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    tables = scattered(rng, images(2, 6, 5), n, (CAR, PERSON))
    attribute = Attribute(
        "driven", required=bool(rng.random() < 0.7), values=("parked", 3, True) if rng.random() < 0.8 else ()
    )
    car = Category(id=CAR, name="car", attributes=(attribute,))
    taxonomy = Taxonomy(categories=(car, Category(id=PERSON, name="person")))
    declared = bool(rng.random() < 0.5)
    rows = [(k, VALUES[int(rng.integers(len(VALUES)))]) for k in range(n) if rng.random() < 0.6]
    names = np.array(["driven" if rng.random() < 0.9 else "other" for _ in rows], object)
    columns = {"segment": np.array([k for k, _ in rows], np.int64), "name": names}
    columns["value"] = np.array([value for _, value in rows] + [None], object)[:-1]
    tables = with_tables(with_profile(tables, taxonomy=taxonomy, taxonomy_declared=declared), attributes=Table(columns))
    owner, category, crowd, area = (whole(tables, name) for name in ("annotation", "category_id", "iscrowd", "area"))
    cars = [k for k in range(n) if category[k] == CAR and not crowd[k]]
    stated = {
        k: value for (k, value), name in zip(rows, names, strict=True)
        if name == "driven" and k in cars and value not in (None, "null")
    }  # fmt: skip
    told: list[tuple[tuple[int, ...], str]] = []

    def each(segments: list[int], words: str) -> None:
        for annotation in range(2):
            own = tuple(k for k in segments if owner[k] == annotation)
            if own:
                told.append((own, f"{len(own)} segment{'s' * (len(own) > 1)} {words}"))

    silent = [k for k in cars if k not in stated]
    required = "'driven', which is required"
    if attribute.required:
        if len(silent) == len(cars) > 1:
            told.append(((), f"none of {len(cars)} segments has {required}"))
        else:
            each(silent, f"without {required}")
    if attribute.values:
        for text in sorted({str(value) for value in stated.values()}):
            if text not in ('"parked"', "parked", "3", "true", '"3"'):
                each([k for k, value in stated.items() if value == text],
                     f"with driven {text}; allowed: parked, 3, True")  # fmt: skip
    found = check("SEG209", tables)
    assert [(one.segments, one.message) for one in found] == told
    assert {one.severity for one in found} <= {None if declared else "warning"}
    if told and not told[0][0]:
        assert found[0].pixels == sum(area[k] for k in cars)


@pytest.mark.parametrize("seed", SEEDS)
def test_outlines_in_large_steps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(3, 9, 8), 14)
    names = ("across", "down", "n_across", "n_down")
    rows = {name: rng.integers(1, 4, 14) if len(name) < 7 else rng.integers(6, 10, 14) for name in names}
    tables = with_tables(tables, steps=Table({"segment": np.arange(14), **rows}))
    owner, crowd, area = (whole(tables, name) for name in ("annotation", "iscrowd", "area"))
    told = []
    for annotation in range(3):
        own = [
            k for k in range(14)
            if owner[k] == annotation and not crowd[k] and min(rows["across"][k], rows["down"][k]) >= 2
            and min(rows["n_across"][k], rows["n_down"][k]) >= 7
        ]  # fmt: skip
        if own:
            step = min(min(rows["across"][k], rows["down"][k]) for k in own)
            what = "1 segment" if len(own) == 1 else f"{len(own)} segments"
            have = "has an outline" if len(own) == 1 else "have outlines"
            pixels = sum(area[k] for k in own)
            words = f"{what} of {pixels} px {have} with steps of {step} px or more: the mask was enlarged {step} times"
            told.append((annotation, words, pixels))
    found = check("SEG118", tables, min_step=2, min_steps=7)
    assert [(one.annotation, one.message, one.pixels) for one in found] == told


def test_pieces_that_lie_in_line() -> None:
    columns = {"segment": [1, 2], "pieces": [4, 3], "between": [2, 1], "gap": [7, 5], "x": [0, 1], "y": [2, 3],
               "width": [4, 5], "height": [6, 7]}  # fmt: skip
    tables = with_tables(scattered(np.random.default_rng(0), images(1, 9, 9), 3),
                         dashes=Table({name: np.array(values) for name, values in columns.items()}))  # fmt: skip
    told = [((1,), "4 pieces lie in line, 2 of them between two others; gaps of up to 7 px", (0, 2, 4, 6)),
            ((2,), "3 pieces lie in line, 1 of them between two others; gaps of up to 5 px", (1, 3, 5, 7))]  # fmt: skip
    for least, n in ((1, 2), (2, 1), (3, 0)):
        found = check("SEG119", tables, min_between=least)
        assert [(one.segments, one.message, one.bbox) for one in found] == told[:n]


@pytest.mark.parametrize("seed", SEEDS)
def test_ids_that_are_on_several_segments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 16
    tables = scattered(rng, images(2, 9, 8), n, (CAR, PERSON))
    numbers: list[Any] = [None if rng.random() < 0.1 else int(rng.integers(0, 4)) for _ in range(n)]
    texts: list[Any] = [["a", "1"][int(rng.integers(2))] if seed % 2 and rng.random() < 0.3 else None for _ in range(n)]
    columns: dict[str, Any] = {"segment_id": np.array(numbers, object), "source_id": np.array(texts, object)}
    if seed % 4 == 0:
        numbers = [0 if number is None else number for number in numbers]
        columns["segment_id"] = np.array(numbers)
    tables = replace(tables, segments=tables.segments.beside(**columns))
    owner, category, area = (whole(tables, name) for name in ("annotation", "category_id", "area"))
    ids = [numbers[k] if texts[k] is None else texts[k] for k in range(n)]
    told = []
    for annotation in range(2):
        own = sorted({str(ids[k]) for k in range(n) if owner[k] == annotation and ids[k] is not None})
        for name in own:
            rows = tuple(k for k in range(n) if owner[k] == annotation and str(ids[k]) == name and ids[k] is not None)
            if len(rows) > 1:
                kinds = {category[k] for k in rows}
                several = f" of {len(kinds)} categories" if len(kinds) > 1 else ""
                told.append((rows, f"id {name} is on {len(rows)} segments{several}", sum(area[k] for k in rows)))
    found = check("SEG103", tables)
    assert sorted((one.segments, one.message, one.pixels) for one in found) == sorted(told)


@pytest.mark.parametrize(
    ("defects", "told"),
    [((), True), (("info",), True), (("warning", "info"), True), ((None,), False), (("info", "error"), False)],
)
def test_datasets_without_a_segment(defects: tuple[Any, ...], told: bool) -> None:
    tables = scattered(np.random.default_rng(0), images(3, 4, 4), 0)
    tables = replace(tables, defects=tuple(Defect("SEG001", "", severity=severity) for severity in defects))
    message = "3 images, 3 of them annotated, and not one segment"
    assert [(one.message, one.pixels) for one in check("SEG020", tables)] == [(message, 0)] * told
    one = replace(tables, annotations=tables.annotations.take(np.array([1])))
    assert [found.message for found in check("SEG020", one)] == [message.replace("3 of", "1 of")] * told
    none = replace(one, images=tables.images.take(np.array([], np.int64)), annotations=one.annotations.take(
        np.array([], np.int64)))  # fmt: skip
    empty = "no image and no segment: the dataset is empty"
    assert [found.message for found in check("SEG020", none)] == [empty] * told
    assert check("SEG020", scattered(np.random.default_rng(0), images(1, 4, 4), 1)) == []


@pytest.mark.parametrize(
    ("x", "y", "width", "height", "is_box"),
    [
        (0, 0, 9, 8, True), (-1, -1, 9, 8, True), (-1.1, 0, 9, 8, False), (0, -1.1, 9, 8, False), (1, 0, 9, 8, True),
        (1.1, 0, 9, 8, False), (0, 1, 9, 8, True), (0, 1.1, 9, 8, False), (3, 3, 2, 2, True), (3, 3, 1.9, 5, False),
        (3, 3, 5, 1.9, False), (math.nan,) * 4 + (False,),
    ],
)  # fmt: skip
def test_segments_that_are_a_box_alone(x: float, y: float, width: float, height: float, is_box: bool) -> None:
    tables = scattered(np.random.default_rng(0), images(1, 9, 8), 2)
    sides = {"declared_x": x, "declared_y": y, "declared_width": width, "declared_height": height}
    columns = {name: np.array([value, value], float) for name, value in sides.items()}
    tables = replace(tables, segments=tables.segments.beside(area=np.array([0, 1]), **columns))
    (found,) = check("SEG105", tables)
    box = (
        f"no pixels, but a box of {width:.0f} x {height:.0f} px: the outline is missing (in COCO an empty "
        "`segmentation`), or its rings cancel, as one that goes around twice does; draw its outline, or leave it out "
        "where masks are trained"
    )
    assert (found.segments, found.pixels) == ((0,), 0)
    assert found.message == (box if is_box else "the segment has no pixels inside the frame")


@pytest.mark.parametrize("seed", SEEDS)
def test_outlines_filled_beyond_the_frame_or_crossed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 12
    columns: dict[str, Any] = {"segment": rng.permutation(n), "filled": rng.integers(0, 3, n),
                               "repeated": rng.integers(0, 3, n), "vertices":
                               rng.integers(1, 9, n), "outside": rng.integers(1, 5, n), "filled_pixels":
                               rng.integers(0, 4, n), "overshoot": rng.choice([0.0, 0.5, 0.6, 20.04], n),
                               "outside_pixels": rng.integers(0, 3, n) * 1000, "crossings": rng.integers(0, 3, n),
                               "cross_x": rng.random(n), "cross_y": rng.random(n)}  # fmt: skip
    columns |= {f"filled_{side}": rng.integers(0, 5, n) for side in ("x", "y", "width", "height")}
    tables = with_tables(scattered(rng, images(1, 9, 9), n), outlines=Table(columns))
    rows = [{name: values[k].item() for name, values in columns.items()} for k in range(n)]
    filled = [
        (row["segment"], f"{row['filled']} ring{'s' * (row['filled'] > 1)} inside another; the union fills "
         f"{row['filled_pixels']} px; is a hole intended?",
         tuple(row[f"filled_{side}"] for side in ("x", "y", "width", "height")), row["filled_pixels"])
        for row in rows if row["filled"] and row["filled_pixels"] >= 2
    ]  # fmt: skip
    filled += [
        (
            row["segment"],
            f"{row['repeated']} ring{'s' * (row['repeated'] > 1)} there twice: the union is the same, and "
            "empty by the even-odd rule",
            None,
            None,
        )
        for row in rows
        if row["repeated"]
    ]
    found = check("SEG018", tables, min_pixels=2)
    assert [(one.segments[0], one.message, one.bbox, one.pixels) for one in found] == filled
    beyond = [
        (row["segment"], f"{row['outside']} of {row['vertices']} {'vertex' if row['vertices'] == 1 else 'vertices'} "
         f"outside the frame, up to {row['overshoot']:.1f} px, with {row['outside_pixels']:,} px of the segment",
         row["outside_pixels"], "info" if row["overshoot"] <= 3 else None)
        for row in rows if row["overshoot"] > 0.5 and row["outside_pixels"]
    ]  # fmt: skip
    found = check("SEG115", tables)
    assert [(one.segments[0], one.message, one.pixels, one.severity) for one in found] == beyond
    crossed = [
        (row["segment"], "the outline crosses itself " + ("once, " if row["crossings"] == 1 else
         f"{row['crossings']} times, first ") + f"at x={row['cross_x']:.1f}, y={row['cross_y']:.1f}")
        for row in rows if row["crossings"]
    ]  # fmt: skip
    assert [(one.segments[0], one.message) for one in check("SEG114", tables)] == crossed


@pytest.mark.parametrize("seed", range(30))
def test_pixels_without_a_label(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 4
    tables = images(n, 10, 10)
    unlabelled = rng.choice([0, 3, 4, 5, 40], n)
    void, labelled = rng.choice([0, 7], n), rng.choice([0, 50], n)
    own = np.array([[None, "exhaustive", "sparse"][int(rng.choice(3, p=[0.6, 0.2, 0.2]))] for _ in range(n)], object)
    coverage = Policy(["exhaustive", "sparse"][int(rng.random() < 0.2)], bool(rng.random() < 0.5))
    holes = [(k, int(rng.integers(1, 30)), *rng.integers(0, 5, 2), *rng.integers(1, 5, 2)) for k in range(n) for _ in
             range(int(rng.integers(1, 3)))]  # fmt: skip
    names = ("annotation", "area", "x", "y", "width", "height")
    gaps = Table({name: np.array([row[k] for row in holes], np.int64) for k, name in enumerate(names)})
    code = ["SEG007", "SEG009", "SEG010", "SEG014", "SEG005"][int(rng.integers(5))]
    defects = (Defect(code, "", image="2.png", pixels=2), Defect(code, "", image="2.png", pixels=1),
               Defect(code, "", image="1.png"))  # fmt: skip
    annotations = tables.annotations.beside(unlabelled=unlabelled, void=void, labelled=labelled, coverage=own)
    tables = with_tables(with_profile(replace(tables, annotations=annotations, defects=defects), coverage=coverage),
                         gaps=gaps)  # fmt: skip
    known = [3 if k == 1 and code != "SEG005" else 0 for k in range(n)]
    told = []
    for k in range(n):
        full = (own[k] or coverage.value) == "exhaustive"
        pieces = [row for row in holes if row[0] == k]
        if not full or unlabelled[k] - known[k] < 4:
            continue
        pixels = sum(row[1] for row in pieces)
        words = f"{pixels} unlabelled px ({pixels / 100:.2%}) in {len(pieces)} gap{'s' * (len(pieces) > 1)}"
        words += f", the largest {max(row[1] for row in pieces)} px" if len(pieces) > 1 else ""
        words += f"; plus {void[k]} px of void" if void[k] else ""
        words += f"; {known[k]} px of them could not be read" if known[k] else ""
        severity = "error" if coverage.declared or own[k] is not None else "warning"
        told.append((k, words, pixels, severity, bool(labelled[k])))
    found = check("SEG101", tables, min_pixels=4)
    assert [(one.annotation, one.message, one.pixels, one.severity, one.is_fixable) for one in found] == told


@pytest.mark.parametrize("seed", SEEDS)
def test_masks_of_another_encoding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [None, "grey 8 bit", "RGB 8 bit; grey 1 bit", "palette 8 bit"]
    encoding = [kinds[int(rng.integers(4))] for _ in range(8)]
    tables = images(8, 2, 2)
    tables = replace(tables, annotations=tables.annotations.beside(encoding=np.array(encoding, object)))
    count = Counter(name for name in encoding if name is not None)
    ranked = sorted(count, key=lambda name: (-count[name], name))
    for form, one, many in (("made", "mask", "masks"), ("layers", "image with layers", "images with layers")):
        told = [
            (encoding.index(name), f"{count[name]} {one if count[name] == 1 else many} stored as "
             f"{name.replace('; ', ' and ')}, this one first; {count[ranked[0]]} stored as "
             f"{ranked[0].replace('; ', ' and ')}")
            for name in ranked[1:]
        ]  # fmt: skip
        found = check("SEG016", with_profile(tables, format=form))
        assert [(row.annotation, row.message) for row in found] == told


@pytest.mark.parametrize("ruled", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_secondary_categories_that_are_not_allowed(seed: int, ruled: bool) -> None:
    rng = np.random.default_rng(seed)
    n = 10
    tables = scattered(rng, images(3, 6, 5), n, (CAR, PERSON, TREE))
    also = (("car", "person"), ("tree", "car"))
    categories = [
        msgspec.structs.replace(one, also=tuple(b for a, b in also if a == one.name and ruled))
        for one in tables.profile.taxonomy.categories
    ]  # fmt: skip
    taxonomy = msgspec.structs.replace(tables.profile.taxonomy, categories=tuple(categories))
    declared = bool(rng.random() < 0.5)
    pairs = sorted({(int(rng.integers(n)), int(rng.choice([CAR, PERSON, 99]))) for _ in range(9)})
    columns = {"segment": np.array([k for k, _ in pairs]), "category_id": np.array([c for _, c in pairs])}
    tables = with_tables(with_profile(tables, taxonomy=taxonomy, taxonomy_declared=declared), also=Table(columns))
    owner, category, area = (whole(tables, name) for name in ("annotation", "category_id", "area"))
    names = {CAR: "car", PERSON: "person", TREE: "tree", 99: tables.profile.name_of(99)}
    allowed = {(CAR, PERSON), (TREE, CAR)} if ruled else set()
    odd = [(k, category[k], second) for k, second in pairs if (category[k], second) not in allowed]
    groups: dict[Any, list[int]] = {}
    for k, own, second in odd:
        groups.setdefault((owner[k] if ruled else 0, own, second), []).append(k)
    told = []
    for (_, own, second), rows in sorted(groups.items()):
        why = "which is the same" if own == second else f"which the taxonomy does not {'allow' if ruled else 'mention'}"
        what = "1 segment" if len(rows) == 1 else f"{len(rows)} segments"
        words = f"{what} of {names[own]!r} also {'has' if len(rows) == 1 else 'have'} {names[second]!r}, {why}"
        severity = None if ruled or declared else "info"
        one = len({owner[k] for k in rows}) == 1
        told.append((words, tuple(rows) if one else (), None if one else names[own], sum(area[k] for k in rows),
                     severity))  # fmt: skip
    found = check("SEG211", tables)
    assert [(one.message, one.segments, one.category, one.pixels, one.severity) for one in found] == told


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_segments_of_a_category_that_is_divided(seed: int, declared: bool) -> None:
    rng = np.random.default_rng(seed)
    parents = {"car": None, "person": "car", "road": "car", "haze": "person", "sign": "sign", "tree": "sign"}
    parents |= {f"c{k}": "car" for k in range(seed % 5)}
    ids = dict(zip(parents, [CAR, PERSON, ROAD, HAZE, SIGN, TREE, *range(20, 30)], strict=False))
    categories = tuple(
        Category(id=ids[name], name=name, parent=parent, kind="void" if name == "haze" else "thing")
        for name, parent in parents.items()
    )
    tables = scattered(rng, images(3, 6, 5), 12, (CAR, PERSON, SIGN))
    tables = with_profile(tables, taxonomy=Taxonomy(categories=categories), taxonomy_declared=declared)
    owner, category, crowd, area = (whole(tables, name) for name in ("annotation", "category_id", "iscrowd", "area"))
    children = ["person", "road", *(f"c{k}" for k in range(seed % 5))]
    more = ", …" if len(children) > 4 else ""
    below = ", ".join(children[:4])
    told = []
    for annotation in range(3) if declared else [None]:
        rows = [k for k in range(12) if category[k] == CAR and not crowd[k] and annotation in (None, owner[k])]
        if rows:
            what = "1 segment" if len(rows) == 1 else f"{len(rows)} segments"
            told.append((f"{what} of 'car', which is divided into {below}", sum(area[k] for k in rows)))
    found = check("SEG205", tables)
    assert [one.pixels for one in found] == [pixels for _, pixels in told]
    for one, (words, _) in zip(found, told, strict=True):
        assert one.message.startswith(words)
        assert (one.message == words) == (not more)
        assert one.severity == (None if declared else "info")


@pytest.mark.parametrize("policy", [("forbid", True), ("forbid", False), ("allow", False), ("allow", True)])
@pytest.mark.parametrize("seed", range(10))
def test_segments_that_share_pixels(seed: int, policy: tuple[Any, bool]) -> None:
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(3, 9, 8), 12, (CAR, PERSON))
    crowd, category, owner = (whole(tables, name) for name in ("iscrowd", "category_id", "annotation"))
    pairs = pairs_of(rng, tables, 0.4, shared=6, x=5, y=5, width=5, height=5)
    tables = with_tables(with_profile(tables, overlap=Policy(*policy)), pairs=pairs)
    rows = [
        row for row in pairs.lines("a", "b", "shared", "x", "y", "width", "height")
        if row[2] >= 2 and not crowd[row[0]] and not crowd[row[1]]
        and category[row[0]] == category[row[1]]  # a person is part_of a car
    ]  # fmt: skip
    found = check("SEG102", tables, min_pixels=2)
    told: list[tuple[Any, ...]] = []
    if policy == ("forbid", True):
        for a, b, shared, *box in rows:
            first, second = sorted(NAMES[category[k]] for k in (a, b))
            whose = f"two segments of {first!r}" if first == second else f"{first!r} and {second!r}"
            told.append((f"{shared} px belong to {whose}; overlap is forbidden", (a, b), tuple(box), shared, None))
    elif policy == ("forbid", False):
        for annotation in range(3):
            own = [row for row in rows if owner[row[0]] == annotation]
            if own:
                a, b, most, *box = max(own, key=lambda row: row[2])
                total = sum(row[2] for row in own)
                words = f"{len(own)} pairs of segments share {total} px, summed over pairs; this one most: {most} px"
                words = words if len(own) > 1 else f"1 pair of segments shares {total} px"
                told.append((words, (a, b), tuple(box), total, "warning"))
    elif policy == ("allow", False) and rows:
        n = len({owner[row[0]] for row in rows})
        total = sum(row[2] for row in rows)
        share = f"share {total} px (summed over pairs)" if len(rows) > 1 else f"shares {total} px"
        words = (
            f"{len(rows)} pair{'s' * (len(rows) > 1)} of segments in {n} annotation{'s' * (n > 1)} {share}; "
            "this format allows it: declare `overlap: allow` in segdata.yaml if you mean it, or `overlap: forbid` to "
            "list each pair"
        )
        told.append((words, (), None, total, "info"))
    assert [(one.message, one.segments, one.bbox, one.pixels, one.severity) for one in found] == told


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ([38, 75], True), ([38, 75, 113], True), ([38], False), ([75], False), ([38, 75, 40], False),
        ([0, 38, 75, -3], True), ([75, 38, 38], True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tracked", [False, True])
def test_values_that_are_the_greys_of_a_palette(values: list[int], warned: bool, tracked: bool) -> None:
    n = len(values)
    tables = scattered(np.random.default_rng(0), images(1, 5, 5), n)
    numbers = np.array(values, float if tracked else np.int64)
    columns = {"track_id": numbers, "category_id": np.full(n, 7)} if tracked else {"category_id": numbers}
    columns |= {} if tracked else {"track_id": np.full(n, math.nan)}
    tables = replace(tables, segments=tables.segments.beside(**columns))
    provisional = replace(tables, defects=(Defect("SEG219", "guessed"),))
    for one, told in ((tables, tracked), (provisional, True)):
        found = [finding for finding in check("SEG219", one) if finding.severity == "warning"]
        assert len(found) == (told and warned)
        shown = ", ".join(str(value) for value in sorted({value for value in values if value > 0}))
        assert all(f"the values {shown} are the greys" in finding.message for finding in found)


@pytest.mark.parametrize("seed", SEEDS)
def test_tracks_that_exchange_places(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 10
    tables = scattered(rng, images(1, 9, 8), n)
    tables = replace(tables, segments=tables.segments.beside(track_id=np.arange(n) + 50.0))
    own, crossed = rng.choice([0.0, 0.25, 0.5], n), rng.choice([0.25, 0.5, 0.75, 1.0], n)
    a, b = rng.permutation(n), rng.permutation(n)
    tables = with_tables(tables, exchanges=Table({"a": a, "b": b, "own": own, "crossed": crossed}))
    area = whole(tables, "area")
    told = [
        ((int(a[k]), int(b[k])), f"tracks {a[k] + 50} and {b[k] + 50} exchange places: their mean IoU with the frame "
         f"before is {own[k]:.2f}, and {crossed[k]:.2f} when exchanged", area[a[k]] + area[b[k]],
         boxes(tables, [int(a[k]), int(b[k])]))
        for k in range(n) if crossed[k] - own[k] >= 0.25
    ]  # fmt: skip
    found = check("SEG355", tables, min_gain=0.25)
    assert [(one.segments, one.message, one.pixels, one.bbox) for one in found] == told


@pytest.mark.parametrize("seed", SEEDS)
def test_categories_that_the_taxonomy_lacks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 12
    tables = scattered(rng, images(3, 6, 5), n, (CAR, 90, -1))
    ids = np.arange(n) + 100
    segments = tables.segments.beside(segment_id=ids, source_id=np.full(n, None, object))
    metadata = {"unknown_categories": json.dumps({"-1": "cra"})}
    defects = (Defect("SEG007", "", image="2.png", segments=(int(ids[5]), int(ids[6]))),)
    tables = with_profile(replace(tables, segments=segments, defects=defects), metadata=metadata)
    owner, category, area = (whole(tables, name) for name in ("annotation", "category_id", "area"))
    told = []
    for annotation in range(3):
        for id_ in (-1, 90):
            rows = tuple(
                k for k in range(n) if owner[k] == annotation and category[k] == id_
                and not (annotation == 1 and k in (5, 6))
            )  # fmt: skip
            if rows:
                called, hint = ("'cra'", "; nearest: car") if id_ == -1 else ("id 90", "")
                what = "1 segment" if len(rows) == 1 else f"{len(rows)} segments"
                words = f"category {called} of {what} is not in the taxonomy{hint}"
                told.append((rows, words, "cra" if id_ == -1 else "90", sum(area[k] for k in rows)))
    found = check("SEG201", tables)
    assert [(one.segments, one.message, one.category, one.pixels) for one in found] == told


@pytest.mark.parametrize("n_images", [9, 10])
def test_categories_that_nothing_has(n_images: int) -> None:
    tables = scattered(np.random.default_rng(0), images(n_images, 4, 4), 1, (CAR,))
    extra = (Category(id=20, name="vehicle"), Category(id=21, name="van", parent="vehicle"),
             Category(id=22, name="own", parent="own"),
             Category(id=23, name="region", definition=STAND_IN))  # fmt: skip
    own = tables.profile.taxonomy
    tables = with_profile(tables, taxonomy=msgspec.structs.replace(own, categories=(*own.categories, *extra)))
    found = check("SEG204", tables)
    names = {"person": 2, "road": 3, "sign": 5, "tree": 6, "van": 21, "own": 22}
    assert [(one.message, one.category) for one in found] == [
        (f"no segment is of category {name!r} (id {id_})", name) for name, id_ in names.items()
    ]
    assert {one.severity for one in found} == {"info" if n_images < 10 else None}
    none = replace(tables, segments=tables.segments.take(np.array([], np.int64)))
    assert check("SEG204", none) == []


@pytest.mark.parametrize("seed", range(15))
def test_images_with_far_more_or_fewer_than_others(seed: int) -> None:
    """By a robust z of logarithms, with Poisson's scatter at least, and beyond a ratio and a number."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([9, 10, 14]))
    counts = rng.integers(4, 8, n)
    counts[0] = int(rng.choice([1, 16, 17, 30, 60]))
    owner = np.repeat(np.arange(n), counts)
    tables = scattered(rng, images(n, 5, 5), len(owner), (CAR,))
    crowd = np.zeros(len(owner), bool)
    crowd[np.flatnonzero(owner == 1)[:1]] = rng.random() < 0.5
    columns = {"image": owner, "annotation": owner, "area": owner * 0 + 5, "category_id": owner * 0 + CAR}
    tables = replace(tables, segments=tables.segments.beside(iscrowd=crowd, **columns))
    kept = [k for k in range(n) if not crowd[owner == k].any()]
    found = check("SEG308", tables, min_ratio=2.5, min_more=9, min_images=10)
    logs = [math.log(counts[k]) for k in kept]
    usual, own = math.exp(float(np.median(logs))), int(counts[0])
    away = math.log(own / usual)
    side = [abs(one - math.log(usual)) for one in logs if (one - math.log(usual)) * away >= 0]
    z = away / max(float(np.median(side)) * 1.4826, usual**-0.5)
    limit = -NormalDist().inv_cdf(0.05 / (2 * len(kept)))
    told = len(kept) >= 10 and abs(away) > math.log(2.5) and abs(own - usual) > 9 and abs(z) > limit
    assert [one.annotation for one in found] == [0] * told
    for one in found:
        expected = f"{usual:.0f} (median); {abs(z):.1f} times the usual spread, the limit is {limit:.1f}"
        assert one.message == f"{own} segments of 'car', where images that have it have {expected}"


@pytest.mark.parametrize("seed", range(20))
def test_labels_that_two_different_images_have(seed: int) -> None:
    """Neighbours of a sequence are those between which nothing else is drawn; copies have one file, or one picture."""
    rng = np.random.default_rng(seed)
    n = 9
    tables = images(n, 3, 3)
    sequence = [[None, "v", "v", "w"][int(rng.integers(4))] for _ in range(n)]
    frame = [None if name is None else k for k, name in enumerate(sequence)]
    imprint = [["a", "a", "a", "b"][int(rng.integers(4))] for _ in range(n)]
    content = [[None, "x", "y", "z"][int(rng.integers(4))] for _ in range(n)]
    names = [f"p{int(rng.integers(2))}_jpg.rf.{k:032x}.jpg" if rng.random() < 0.3 else f"{k}.jpg" for k in range(n)]
    columns = {"sequence": sequence, "frame": frame, "content": content, "image_id": names}
    own = tables.images.beside(**{name: np.array(values, object) for name, values in columns.items()})
    annotations = tables.annotations.beside(imprint=np.array(imprint, object))
    profile = replace(tables.profile, sequences=(ImageSequence("v", "video"), ImageSequence("w", "volume")))
    tables = replace(tables, images=own, annotations=annotations, profile=profile)
    pairs = [(b, a) for b in range(n) for a in range(b) if imprint[a] == imprint[b]]
    expected = []
    for b, a in pairs:
        of_one = sequence[a] is not None and sequence[a] == sequence[b]
        between = [k for k in range(a, b + 1) if sequence[k] == sequence[a]]
        neighbours = of_one and len({imprint[k] for k in between}) == 1
        pictures = [name.partition(".rf.")[0] if ".rf." in name else None for name in (names[a], names[b])]
        copies = (content[a] is not None and content[a] == content[b]) or (
            None not in pictures and len({*pictures}) == 1
        )
        expected.append(not neighbours and not copies)
    assert _are_different(tables, np.array(pairs, np.int64).reshape(-1, 2)).tolist() == expected
