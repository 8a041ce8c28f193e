"""Summary: advice on the task, and statistics for training, of pixels and of categories, over whole datasets."""

import math
import random
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.core.batch import Batch, replace_column
from segdata.core.profile import Task
from segdata.core.rule import Tables
from segdata.core.statistics import class_weights
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.measure.summary import (
    AcceptedSegments,
    _category_table,
    _summary_facts,
    channel_statistics,
    count_accepted,
    effective_weights,
    inverse_frequency,
    median_frequency,
    summarise,
    task_advice,
)
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
            f"effective number of the {len(used)} categories in use: {pixels} by pixels, {segments} by segments, "
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


@pytest.mark.parametrize("task", ["semantic", "instance", "panoptic"])
@pytest.mark.parametrize("seed", range(6))
def test_weights_count_pixels_and_images_of_semantic_data_and_else_segments(seed: int, task: Task) -> None:
    tables = random_annotations(np.random.default_rng(seed))
    tables = replace(tables, profile=replace(tables.profile, task=task))
    found = _category_table(tables)
    counts = {}
    for name in ("pixels", "images", "segments"):
        counts[name] = [0 if kind == "void" else n for kind, n in zip(found["kind"], found[name], strict=True)]
    counted = counts["pixels" if task == "semantic" else "segments"]
    of = sum(n > 0 for n in counted)
    inverse = [sum(counted) / (of * n) if n else 0 for n in counted]
    assert found["weight_inverse"].tolist() == pytest.approx(inverse)
    assert found["weight"].tolist() == pytest.approx(class_weights(np.array(counted)).tolist())
    samples = counts["images" if task == "semantic" else "segments"]
    effective = [1 / sum(0.999**k for k in range(n)) if n else 0 for n in samples]
    mean = sum(effective) / max(sum(n > 0 for n in samples), 1)
    assert found["weight_effective"].tolist() == pytest.approx([weight / mean if mean else 0 for weight in effective])


def files(folder: Path, pictures: dict[str, np.ndarray]) -> Table:
    """The pictures as files, and a table of them with one more that does not exist."""
    for name, pixels in pictures.items():
        cv2.imwrite(str(folder / name), pixels)
    uris = [*(str(folder / name) for name in pictures), str(folder / "none.png"), None]
    heights = [*(pixels.shape[0] for pixels in pictures.values()), 1, 1]
    widths = [*(pixels.shape[1] for pixels in pictures.values()), 1, 1]
    return Table({"uri": np.array(uris, object), "height": np.array(heights), "width": np.array(widths)})


@pytest.mark.parametrize("jobs", [1, 3])
def test_they_are_those_of_all_pixels_at_once(tmp_path: Path, jobs: int) -> None:
    rng = np.random.default_rng(0)
    colour = [rng.integers(0, 256, (high, 5, 3), dtype=np.uint8) for high in (3, 8, 13)]
    deep = rng.integers(60_000, 60_010, (9, 9), dtype=np.uint16)
    named = {f"{at}.png": pixels for at, pixels in enumerate(colour)}
    found, unread = channel_statistics(files(tmp_path, {**named, "deep.png": deep}), jobs)
    assert unread == 2
    assert [(each.dtype, len(each.mean), each.n_images, each.top) for each in found] == [
        ("uint8", 3, 3, 255),
        ("uint16", 1, 1, 65535),
    ]
    every = np.concatenate([pixels.reshape(-1, 3) for pixels in colour])[:, ::-1]  # OpenCV wrote blue first
    assert found[0].n_pixels == len(every)
    np.testing.assert_allclose(found[0].mean, every.mean(axis=0))
    np.testing.assert_allclose(found[0].std, every.std(axis=0))
    np.testing.assert_allclose((found[1].mean[0], found[1].std[0]), (deep.mean(), deep.std()))


def test_values_of_floats_are_shares_already(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((5, 6), np.float32)
    (found,), unread = channel_statistics(files(tmp_path, {"a.tif": pixels}), 1)
    assert (found.dtype, found.top, found.n_pixels, unread) == ("float32", 1.0, 30, 2)
    np.testing.assert_allclose((found.mean[0], found.std[0]), (pixels.mean(), pixels.std()), rtol=1e-6)


COUNTS = arrays(np.int64, st.integers(1, 6), elements=st.integers(0, 10**9))


@given(COUNTS)
def test_by_inverse_frequency_all_that_occur_count_the_same(count: np.ndarray) -> None:
    weighted = inverse_frequency(count) * count
    some = count > 0
    assert (weighted[~some] == 0).all()
    if some.any():
        np.testing.assert_allclose(weighted[some], count.sum() / some.sum())


@given(COUNTS, st.integers(1, 5))
def test_the_median_category_weighs_one(pixels: np.ndarray, times: int) -> None:
    found = median_frequency(pixels, pixels * times)
    np.testing.assert_allclose(found, (pixels > 0).astype(float))  # all are as frequent where they occur
    odd = median_frequency(np.array([1, 10, 100]), np.array([1000, 1000, 1000]))
    np.testing.assert_allclose(odd, [10, 1, 0.1])


@given(COUNTS)
def test_effective_numbers_are_the_geometric_sum(count: np.ndarray) -> None:
    count = count % 2000
    found, beta = effective_weights(count), 0.999
    sums = np.array([sum(beta**k for k in range(n)) for n in count.tolist()])
    some = count > 0
    assert (found[~some] == 0).all()
    if some.any():
        np.testing.assert_allclose(found[some], (1 / sums[some]) / (1 / sums[some]).mean())


def _batch(*pictures: str) -> Batch:
    """One image, annotated first by a model, then by people."""
    batches = [draw_picture(each).load(np.array([0])) for each in pictures]
    annotations = pa.concat_tables([each.annotations for each in batches])
    source = ["model"] + ["human"] * (len(pictures) - 1)
    shift = np.cumsum([0] + [each.n_segments for each in batches])
    segments = pa.concat_tables(
        [
            replace_column(each.segments, "annotation", np.full(each.n_segments, row, np.int32))
            for row, each in enumerate(batches)
        ]
    )
    runs = type(batches[0].runs).concatenate([each.runs for each in batches], np.diff(shift).tolist())
    return Batch(batches[0].images, replace_column(annotations, "source", source), segments, runs)


def test_the_same_pixels_are_accepted_whatever_they_are_called() -> None:
    model = "aab.\na.b."
    assert count_accepted([_batch(model, model)]) == AcceptedSegments(2, 2)
    assert count_accepted([_batch(model, "ccd.\nc.d.")]) == AcceptedSegments(2, 2)
    assert count_accepted([_batch(model, "aab.\naab.")]) == AcceptedSegments(2, 1)
    assert count_accepted([_batch(model, "aa..\na.b.")]) == AcceptedSegments(2, 1)


def test_each_person_accepts_for_themselves() -> None:
    model, other = "aab.\na.b.", "aa.b\na..b"
    assert count_accepted([_batch(model, model, other)]) == AcceptedSegments(4, 3)


def test_two_alike_accept_one_of_the_models_once() -> None:
    assert count_accepted([_batch("aa", "xx\n\nx = a + b\na, b: car")]) == AcceptedSegments(2, 1)


def test_where_no_model_drew_nothing_is_counted() -> None:
    batch = draw_picture("aab.").load(np.array([0]))
    assert count_accepted([batch]) == AcceptedSegments(0, 0)
