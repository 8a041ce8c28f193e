"""Measured tables against pixels counted one by one in dense masks."""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.profile import Policy, Profile
from segdata.core.rule import Family
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table, runs_to_rle
from segdata.measure.measure import (
    MeasuredTables,
    concatenate_measured,
    gather_measured,
    measure_batch,
    with_unmeasured,
)
from segdata.measure.registry import BatchView, all_families, row_links
from segdata.measure.stored_tables import StoredTables
from segdata.measure.tables.outlines import measure_outlines
from segdata.testing.pictures import Mask, masks_of_runs, runs_of_masks
from segdata.testing.strategies import datasets

EVERYTHING: frozenset[Family] = all_families()
EXHAUSTIVE = Policy("exhaustive", declared=True)


def dense(batch: Batch) -> list[Mask]:
    return masks_of_runs(batch.runs, *batch.segment_size)


def frames(measured: MeasuredTables) -> dict[str, pd.DataFrame]:
    return {name: rows.to_pandas() for name, rows in measured.tables.items()}


@settings(max_examples=35)
@given(datasets())
def test_every_table_counts_pixels(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = made
    batch = concatenate_batches(batches)
    profile = replace(profile, coverage=EXHAUSTIVE)
    tables = frames(measure_batch(batch, profile, EVERYTHING))
    masks = dense(batch)
    height, width = batch.image_size
    assert tables["segments"]["area"].tolist() == [int(mask.sum()) for mask in masks]
    assert tables["segments"]["parts"].tolist() == [ndimage.label(mask)[1] for mask in masks]
    owners = np.repeat(np.arange(len(tables["annotations"])), tables["annotations"]["n_segments"])
    assert tables["segments"]["annotation"].tolist() == owners.tolist()  # so that counts say where the rows are
    void = profile.taxonomy.void_ids
    for row, annotation in tables["annotations"].iterrows():
        mine = [k for k in range(len(masks)) if batch.segment_annotation[k] == row]
        count = sum(
            (masks[k].astype(int) for k in mine), np.zeros((height[annotation.image], width[annotation.image]), int)
        )
        assert annotation.labelled == (count > 0).sum()
        assert annotation.unlabelled == (count == 0).sum()
        assert annotation.multiple == (count > 1).sum()
        assert annotation.n_segments == len(mine)
        category = tables["segments"]["category_id"]
        assert annotation.void == sum(int(masks[k].sum()) for k in mine if category[k] in void)
        gaps = tables["gaps"][tables["gaps"]["annotation"] == row]
        label, n_gaps = ndimage.label(count == 0)
        assert sorted(gaps["area"]) == sorted((label == each).sum() for each in range(1, n_gaps + 1))
        pairs = tables["pairs"]
        first = {k: next(j for j in mine if ((masks[j] == masks[k]).all() and masks[k].any()) or j == k) for k in mine}
        shared = {
            (a, b): int((masks[a] & masks[b]).sum())
            for a, b in combinations(mine, 2)
            if first[b] == a or (first[a] == a and first[b] == b)
        }
        found = {(p.a, p.b): p.shared for p in pairs.itertuples() if p.a in mine}
        assert found == {pair: pixels for pair, pixels in shared.items() if pixels}
        for pair in pairs.itertuples():
            if pair.a in mine:
                ys, xs = np.nonzero(masks[pair.a] & masks[pair.b])
                assert [pair.x, pair.y] == [xs.min(), ys.min()]
                assert [pair.width, pair.height] == [np.ptp(xs) + 1, np.ptp(ys) + 1]


@settings(max_examples=25)
@given(datasets())
def test_a_batch_measures_as_its_images_one_by_one(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = made
    profile = replace(profile, coverage=EXHAUSTIVE)
    whole = concatenate_batches(batches)
    single = [whole.take_images(np.array([row])) for row in range(whole.images.num_rows)]
    at_once = frames(measure_batch(whole, profile, EVERYTHING))
    nothing = measure_batch(Batch.empty(), profile, EVERYTHING)
    pieces = frames(concatenate_measured([nothing, *(measure_batch(one, profile, EVERYTHING) for one in single)]))
    for name, expected in at_once.items():
        pd.testing.assert_frame_equal(pieces[name], expected, check_dtype=False)


@settings(max_examples=25)
@given(datasets(), st.data())
def test_outside_the_region_of_interest_nothing_is_a_gap(
    made: tuple[Profile, list[Batch]], data: st.DataObject
) -> None:
    profile, batches = made
    batch = concatenate_batches(batches)
    height, width = batch.image_size
    regions = [
        data.draw(st.none() | st.sampled_from([np.zeros((h, w), bool), np.tri(h, w).astype(bool)]))
        for h, w in zip(height, width, strict=True)
    ]
    counts = [
        None if region is None else runs_to_rle(runs_of_masks([region]), *np.array([[h], [w]]))[0].as_py()
        for region, h, w in zip(regions, height, width, strict=True)
    ]
    limited = replace(batch, images=replace_column(batch.images, "roi", counts))
    found = frames(measure_batch(limited, replace(profile, coverage=EXHAUSTIVE), EVERYTHING))
    masks, seen = dense(batch), []
    for k, mask in enumerate(masks):
        region = regions[batch.segment_image[k]]
        left = mask if region is None else mask & region
        if left.any() or not mask.any():
            seen.append(int(left.sum()))
    assert found["segments"]["area"].tolist() == seen
    for row, annotation in found["annotations"].iterrows():
        size = height[annotation.image], width[annotation.image]
        region = regions[annotation.image] if regions[annotation.image] is not None else np.ones(size, bool)
        covered = np.zeros(size, bool)
        for k in np.flatnonzero(batch.segment_annotation == row):
            covered |= masks[k]
        assert annotation.labelled == (region & covered).sum()
        assert annotation.unlabelled == (region & ~covered).sum()


def test_a_damaged_region_of_interest_is_a_defect_and_limits_nothing() -> None:
    batch = polygons([SQUARE])
    broken = replace(batch, images=replace_column(batch.images, "roi", [b"0123"]))
    found = measure_batch(broken, _profile(), EVERYTHING)
    assert [defect.code for defect in found.defects] == ["SEG005"]
    assert frames(found)["segments"]["area"].tolist() == [100]


def polygons(*segments: list[list[float]], size: tuple[int, int] = (20, 20)) -> Batch:
    """One image with segments given by their rings."""
    from segdata.core import kernels

    rings = [ring for segment in segments for ring in segment]
    ring_end = np.cumsum([0, *(len(ring) for ring in rings)])
    segment_end = np.cumsum([0, *(len(segment) for segment in segments)])
    high, wide = (np.full(len(segments), each, np.int64) for each in size)
    runs = Runs(*kernels.rasterise(np.concatenate(rings).astype(float), ring_end, segment_end, high, wide))
    n = len(segments)
    columns = {
        "segment_id": range(n),
        "category_id": [1] * n,
        "rings": [[list(map(float, r)) for r in s] for s in segments],
    }
    return Batch(
        make_table(BATCH_IMAGES, 1, image_id=["a.png"], height=[size[0]], width=[size[1]]),
        make_table(BATCH_ANNOTATIONS, 1, image=[0]),
        make_table(BATCH_SEGMENTS, n, annotation=[0] * n, **columns),
        runs,
    )


SQUARE = [2, 2, 12, 2, 12, 12, 2, 12]


def test_copies_are_paired_with_the_first_of_them_alone() -> None:
    other = [8, 8, 16, 8, 16, 16, 8, 16]
    batch = polygons([SQUARE], [other], [SQUARE], [SQUARE], [other])
    found = frames(measure_batch(batch, _profile(), EVERYTHING))["pairs"]
    assert list(zip(found["a"], found["b"], found["shared"], strict=True)) == [
        (0, 1, 16),
        (0, 2, 100),
        (0, 3, 100),
        (1, 4, 64),
    ]


def test_outlines_of_a_clean_square() -> None:
    row = measure_outlines(BatchView(polygons([SQUARE]), _profile())).to_pylist()[0]
    assert (row["vertices"], row["crossings"], row["outside"], row["filled"]) == (4, 0, 0, 0)
    assert np.isnan(row["cross_x"])


def test_outlines_find_a_hole_that_the_union_fills() -> None:
    inner = [4, 4, 8, 4, 8, 9, 4, 9]
    rows = measure_outlines(
        BatchView(polygons([SQUARE], [SQUARE, inner], [SQUARE, [13, 2, 18, 2, 18, 8]]), _profile())
    ).to_pylist()
    assert [row["filled"] for row in rows] == [0, 1, 0]
    assert rows[1]["filled_pixels"] == 20
    assert [rows[1][f"filled_{name}"] for name in ("x", "y", "width", "height")] == [4, 4, 4, 5]


def test_outlines_count_pixels_beyond_the_frame() -> None:
    beyond = [-3, 5, 4, 5, 4, 9, -3, 9]
    corner = [18, 18, 24, 18, 24, 24, 18, 24]
    rows = measure_outlines(BatchView(polygons([SQUARE], [beyond], [corner]), _profile())).to_pylist()
    assert [row["outside"] for row in rows] == [0, 2, 3]
    assert [row["overshoot"] for row in rows] == [0, 3, 4]
    assert [row["outside_pixels"] for row in rows] == [0, 12, 32]


def test_outlines_find_a_bow_tie() -> None:
    rows = measure_outlines(BatchView(polygons([SQUARE, [1, 14, 9, 18, 9, 14, 1, 18]]), _profile())).to_pylist()
    assert (rows[0]["crossings"], rows[0]["cross_x"], rows[0]["cross_y"]) == (1, 5.0, 16.0)


def test_segments_carry_what_their_file_declares() -> None:
    batch = polygons([SQUARE])
    declared = replace(
        batch,
        segments=replace_column(
            replace_column(batch.segments, "declared_area", [99.5]), "declared_bbox", [[2.0, 2.0, 10.0, 10.0]]
        ),
    )
    profile = _profile()
    row = frames(measure_batch(declared, profile, frozenset()))["segments"].iloc[0]
    assert (row["declared_area"], row["declared_x"], row["declared_height"]) == (99.5, 2.0, 10.0)
    crooked = replace(batch, segments=replace_column(batch.segments, "declared_bbox", [[1.0]]))
    assert frames(measure_batch(crooked, profile, frozenset()))["segments"]["declared_x"].isna().all()


def _profile() -> Profile:
    from segdata.core.taxonomy import Category, Taxonomy

    categories = (Category(id=1, name="car"),)
    habits = Policy("sparse"), Policy("allow")
    return Profile("d", "f", "instance", Taxonomy(categories=categories), True, *habits)  # type: ignore[arg-type]


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_the_result_does_not_depend_on_threads(jobs: int, tmp_path: Path) -> None:
    from segdata.api.validate import validate

    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    images, annotations = [], []
    for number in range(1, 9):
        images.append({"id": number, "file_name": f"{number}.png", "width": 40, "height": 30})
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), np.zeros((30, 40, 3), np.uint8))
        for k in range(5):
            ring = (rng.random(12) * 40).round(1).tolist()
            annotations.append(
                {"id": number * 10 + k, "image_id": number, "category_id": 1 + k % 2, "segmentation": [ring]}
            )
    categories = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    data = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "d.json").write_text(json.dumps(data))
    assert validate(tmp_path / "d.json", jobs=jobs) == validate(tmp_path / "d.json", jobs=1)


@settings(max_examples=25)
@given(datasets(), st.frozensets(st.sampled_from(sorted(EVERYTHING))))
def test_tables_that_are_not_measured_have_their_columns(
    made: tuple[Profile, list[Batch]], families: frozenset[Family]
) -> None:
    profile, batches = made
    measured = measure_batch(concatenate_batches(batches), profile, families).tables
    complete = with_unmeasured(StoredTables(measured), profile)
    empty = measure_batch(Batch.empty(), profile, EVERYTHING).tables
    assert list(complete) == list(row_links())
    for name, table in complete.items():
        expected = measured.get(name, empty[name])
        assert (len(table), table.names) == (expected.num_rows if name in measured else 0, expected.column_names)


@settings(max_examples=8)
@given(datasets())
def test_a_batch_without_images_in_front_changes_nothing(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = made
    pieces = [measure_batch(batch, profile, EVERYTHING) for batch in batches]
    empty = measure_batch(Batch.empty(), profile, EVERYTHING)
    with_it = concatenate_measured([empty, *pieces]).tables
    without = gather_measured(iter(pieces), [], EVERYTHING, profile).tables
    assert {name: table.schema for name, table in with_it.items()} == {n: table.schema for n, table in without.items()}
    for name, table in with_it.items():
        assert repr(table.to_pylist()) == repr(without[name].to_pylist())  # NaN equals nothing


@settings(max_examples=1)
@given(datasets())
def test_what_is_measured_needs_no_empty_batch(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = made
    pieces = [measure_batch(batch, profile, EVERYTHING) for batch in batches]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "empty", lambda: pytest.fail("a batch without images is measured"))
        gathered = gather_measured(iter(pieces), [], EVERYTHING, profile)
        with_unmeasured(gathered.tables, profile)
