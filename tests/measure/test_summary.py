"""Fit: advice where regions are several things large, and where instances say no more than classes."""

import math
import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from segdata.core.rule import Tables
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.measure.summary import _summary_facts, summarise, task_advice
from segdata.testing.pictures import draw_picture


def said(text: str) -> list[str]:
    return list(task_advice(measure_source(draw_picture(text), frozenset({"parts"}), jobs=1)))


def cells(wide: list[int]) -> str:
    """Regions 4 pixels high and as wide as said, side by side."""
    row = "".join("a" * each + "." for each in wide)
    return "\n".join([row] * 4) + "\n\na: cell\ntask: semantic"


def test_regions_several_cells_large() -> None:
    (line,) = said(cells([5] * 40 + [20] * 5))
    assert "33% of the pixels of 'cell' are in 5 regions more than 2.5 times as large as the median of 20 px" in line


def test_nothing_is_said_of_sizes_that_vary_or_are_alike_or_few() -> None:
    varied = random.Random(0).choices(range(4, 40), k=60)
    for wide in ([5] * 60, varied, [5] * 10 + [20] * 5):
        assert said(cells(wide)) == []
    assert said(cells([5] * 40 + [20] * 5).replace("a: cell", "a: field (stuff)")) == []


def test_instances_that_are_one_a_category() -> None:
    one = "\n\n".join(["ab"] * 30)
    (line,) = said(one + "\n\ntask: instance")
    assert "no image has two instances of one category (30 images with things)" in line
    assert said(one + "\n\nac\n\na, c: car\ntask: instance") == []
    assert said(one.replace("ab\n\n", "", 1) + "\n\ntask: instance") == []


@pytest.mark.parametrize(("n_sizes", "more"), [(1, ""), (5, ""), (6, ", 1 more"), (8, ", 3 more")])
def test_five_sizes_are_listed_and_the_others_counted(n_sizes: int, more: str) -> None:
    """The most common one first."""
    pictures = ["a" * (size + 1) for size in range(n_sizes) for _ in range(n_sizes - size)]
    tables = measure_source(draw_picture("\n\n".join(pictures)), frozenset({"coverage"}), jobs=1)
    facts = _summary_facts(tables, pd.DataFrame({"segments": [len(pictures)], "pixels": [1], "kind": ["thing"]}))
    listed = ", ".join(f"{size + 1}x1 ({n_sizes - size})" for size in range(min(n_sizes, 5)))
    assert facts["image sizes"] == listed + more
    assert facts["pixels of all images"] == sum(map(len, pictures))
    assert (facts["images"], facts["segments"], facts["empty annotations"]) == (len(pictures), len(pictures), 0)


@pytest.mark.parametrize("seed", range(12))
def test_counts_by_category_and_stratum_are_those_of_the_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = random_annotations(rng)
    segments, images = tables.segments, tables.images
    n = len(segments)
    summary = summarise("set", tables, by="camera")
    kinds = {1: "thing", 2: "stuff", 3: "void", 4: "thing", 9: "unknown"}
    names = {1: "car", 2: "road", 3: "haze", 4: "bus", 9: "(id 9)"}
    category, area, image = (segments[name].tolist() for name in ("category_id", "area", "image"))
    ids = [1, 2, 3, 4, *([9] if 9 in category else [])]
    frame = [int(w) * int(h) for w, h in images.lines("width", "height")]
    table = summary.categories.set_index("id")
    counts_of = np.bincount(image, minlength=len(images))
    low, middle, high = counts_of.min(), np.median(counts_of), counts_of.max()
    assert summary.facts["pixels of all images"] == sum(frame)
    assert summary.facts["segments an image"] == (f"{low} to {high}, median {middle:.0f}" if low < high else f"{low}")
    assert (summary.facts["images"], summary.facts["annotated images"], summary.facts["segments"]) == (6, 6, n)
    assert summary.facts["image sizes"] == "4x2 (3), 3x3 (3)"
    assert table.index.tolist() == ids
    total = sum(area)
    counts = {}
    for id_ in ids:
        own = [k for k in range(n) if category[k] == id_]
        there = {image[k] for k in own}
        row = table.loc[id_]
        assert (row["name"], row["kind"]) == (names[id_], kinds[id_])
        assert (row["images"], row["segments"]) == (len(there), len(own))
        assert row["pixels"] == sum(area[k] for k in own)
        assert row["share"] == pytest.approx(row["pixels"] / total)
        counts[id_] = 0 if kinds[id_] == "void" else len(own), sum(frame[k] for k in there)
        for name, share in (("min", 0), ("q25", 0.25), ("median", 0.5), ("q75", 0.75), ("max", 1)):
            expected = np.quantile([area[k] for k in own], share) if own else np.nan
            assert row[f"area_{name}"] == pytest.approx(expected, nan_ok=True)
    used = [count for count, _ in counts.values() if count]
    inverse = {id_: sum(used) / (len(used) * count) if count else 0 for id_, (count, _) in counts.items()}
    assert table["weight_inverse"].to_dict() == pytest.approx(inverse)
    shares = {
        id_: table.loc[id_, "pixels"] / counts[id_][1] for id_ in ids if counts[id_][0] and table.loc[id_, "pixels"]
    }
    middle = np.median(list(shares.values()))
    assert table["weight_median"].to_dict() == pytest.approx(
        {id_: middle / shares[id_] if id_ in shares else 0 for id_ in ids}
    )
    camera = ["(none)" if name is None else name for name in images["camera"].tolist()]
    owner = tables.annotations["image"].tolist()
    strata = sorted({*camera} - {"(none)"}) + ["(none)"] * ("(none)" in {camera[own] for own in owner})
    portions = summary.portions.set_index("stratum")
    assert portions.index.tolist() == [name for name in strata if name in {camera[own] for own in owner}]
    kept = [k for k in range(n) if area[k] > 0 and category[k] != 3]
    for name in portions.index:
        row = portions.loc[name]
        assert row["images"] == camera.count(name)
        assert row["annotations"] == sum(camera[own] == name for own in owner)
        assert row["segments"] == sum(camera[image[k]] == name for k in kept)
    rows = {(row.stratum, row.id): row for row in summary.strata.itertuples()}
    groups = {(camera[image[k]], category[k]) for k in kept}
    assert rows.keys() == groups
    for (name, id_), row in rows.items():
        own = [k for k in kept if (camera[image[k]], category[k]) == (name, id_)]
        pixels = sum(area[k] for k in own)
        of_stratum = sum(area[k] for k in kept if camera[image[k]] == name)
        assert (row.images, row.pixels) == (len({image[k] for k in own}), pixels)
        assert row.segments == len(own)
        assert row.share == pytest.approx(pixels / of_stratum)


@pytest.mark.parametrize("seed", range(12))
def test_how_many_equal_categories_those_in_use_are_worth(seed: int) -> None:
    """The exponential of the entropy of their shares; void, and what nothing has, does not count."""
    rng = np.random.default_rng(seed)
    tables = random_annotations(rng)
    kept = np.flatnonzero(np.isin(tables.segments["category_id"], rng.choice([1, 2, 3, 9], int(rng.integers(0, 4)))))
    tables = replace(tables, segments=tables.segments.take(kept))
    category, area, image = (tables.segments[name].tolist() for name in ("category_id", "area", "image"))
    used = sorted({*category} - {3})
    worth = []
    for amount in (
        [sum(a for c, a in zip(category, area, strict=True) if c == id_) for id_ in used],
        [category.count(id_) for id_ in used],
        [len({i for c, i in zip(category, image, strict=True) if c == id_}) for id_ in used],
    ):
        shares = [one / sum(amount) for one in amount if one]
        worth.append(math.exp(-sum(share * math.log(share) for share in shares)) if shares else math.nan)
    told = summarise("set", tables).facts["balance"]
    if len(used) > 1:
        pixels, segments, images = (f"{one:.1f}" for one in worth)
        assert told == (
            f"{len(used)} categories in use count as {pixels} equal ones by pixels, {segments} by segments, "
            f"{images} by images"
        )
    else:
        assert told == ("one category in use" if used else "no categories in use")


def random_annotations(rng: np.random.Generator) -> Tables:
    """Random segments of a few images of two sizes and cameras."""
    legend = "category: car\ncategory: road (stuff)\ncategory: haze (void)\ncategory: bus"
    pictures = "\n\n".join(["....\n....", "...\n...\n..."] * 3)
    tables = measure_source(draw_picture(f"{pictures}\n{legend}"), frozenset({"coverage"}), jobs=1)
    n = int(rng.integers(4, 30))
    owner = np.sort(rng.integers(0, 6, n))
    columns = {"annotation": owner, "image": owner, "category_id": rng.choice([1, 1, 2, 3, 9], n)}
    columns |= {"area": rng.choice([0, 1, 5, 7], n), "iscrowd": np.zeros(n, bool)}
    camera = np.array([rng.choice(["left", "right", None]) for _ in range(6)], object)
    return replace(tables, images=tables.images.beside(camera=camera), segments=Table(columns))
