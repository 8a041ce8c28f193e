"""Boundary agreement: published and measured figures, dense masks as the oracle, and laws."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segdata.agreement.instances import instances
from segdata.agreement.metrics.boundary_iou import boundary_iou
from segdata.agreement.metrics.surface_dice import surface_dice
from segdata.agreement.metrics.surface_distance import surface_distance, symmetric_surface_distance
from segdata.agreement.opposite import Opposite, opposites
from segdata.agreement.surfaces import Tolerance, surfaces
from segdata.core.batch import Batch, replaced
from segdata.testing.dense import masks_of_runs
from segdata.testing.panels import Panel, panel_of_masks, panels

Mask = np.ndarray
Row = dict[str, Any]
NO_MATCHES = {"a": np.zeros(0, np.int64), "b": np.zeros(0, np.int64)}


def box(size: int, top: int, bottom: int, left: int, right: int) -> Mask:
    mask = np.zeros((size, size), bool)
    mask[top:bottom, left:right] = True
    return mask


A, MOVED, LARGER = box(100, 20, 80, 20, 80), box(100, 22, 82, 20, 80), box(100, 17, 83, 17, 83)


def opposite_of(a: Mask | None, b: Mask | None, void: Mask | None = None) -> Opposite:
    """Two annotators who drew one thing each on one image; `void` is what the first calls void."""
    size = next(each for each in (a, b) if each is not None).shape
    layers = [[[(0, each)] if each is not None else []] for each in (a, b)]
    if void is not None:
        layers[0][0].append((1, void))
    return only(panel_of_masks([size], layers, ["thing", "void"]))


def only(panel: Panel, **options: Any) -> Opposite:
    return next(opposites(panel.batch, panel.annotators, panel.categories, **options))


def measured(opposite: Opposite, matches: dict[str, Any] = NO_MATCHES, **options: Any) -> list[Row]:
    columns = surfaces(opposite, matches, **options)["surfaces"]
    assert list(columns) == COLUMNS
    lists = [column.tolist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


COLUMNS = ["pair", "category", "match", "band_both", "band_any", "edge_a", "near_a", "sum_a", "edge_b", "near_b"]
COLUMNS += ["sum_b", "hd95", "hd", "offset", "offset_sd"]


def one(a: Mask | None, b: Mask | None, void: Mask | None = None, **options: Any) -> Row:
    (row,) = measured(opposite_of(a, b, void), **options)
    return row


def nsd(row: Row) -> float:
    return float(surface_dice(*(np.array(row[name]) for name in ("near_a", "near_b", "edge_a", "edge_b"))))


def assd(row: Row) -> float:
    return float(symmetric_surface_distance(*(np.array(row[name]) for name in ("sum_a", "sum_b", "edge_a", "edge_b"))))


def test_a_square_that_is_moved() -> None:
    row = one(A, MOVED)
    assert (row["band_both"], row["band_any"]) == (456, 912)
    assert boundary_iou(np.array(row["band_both"]), np.array(row["band_any"])) == 0.5
    assert (row["hd95"], row["hd"], assd(row), nsd(row)) == (2, 2, 1, 1)
    assert (row["sum_a"] / row["edge_a"], row["sum_b"] / row["edge_b"]) == (1, 1)
    assert row["offset"] == 0


def test_a_square_that_is_larger() -> None:
    row = one(A, LARGER)
    assert (row["band_both"], row["band_any"]) == (0, 684 + 756)
    assert row["hd95"] == pytest.approx(3.1622776602)
    assert row["hd"] == pytest.approx(4.2426406871)
    assert assd(row) == pytest.approx(3.0224056, abs=1e-7)
    assert nsd(row) == 0
    assert nsd(one(A, LARGER, tolerance=Tolerance(3))) > 0.9
    assert row["offset"] == pytest.approx(3.0213715, abs=1e-7)
    assert surface_distance(np.array(row["sum_a"]), np.array(row["edge_a"])) == 3
    assert row["sum_b"] / row["edge_b"] == pytest.approx(3.0427431, abs=1e-7)


def test_small_squares() -> None:
    a, b = box(8, 1, 5, 1, 5), box(8, 2, 6, 1, 5)
    assert nsd(one(a, b, tolerance=Tolerance(1))) == 1
    row = one(a, b, tolerance=Tolerance(0.5))
    assert (nsd(row), row["hd95"], row["sum_a"] / row["edge_a"], row["sum_b"] / row["edge_b"]) == (0.5, 1, 0.5, 0.5)


def test_the_end_of_the_image_bounds_a_segment() -> None:
    half, whole = box(100, 0, 100, 0, 50), box(100, 0, 100, 0, 100)
    row = one(half, whole)
    assert row["band_any"] == 864 + 1164 - row["band_both"]
    assert (row["edge_a"], row["edge_b"]) == (296, 396)


def test_the_end_of_the_image_says_nothing_about_who_draws_larger() -> None:
    """Both reach the border; inside the image one draws two pixels further."""
    row = one(box(100, 0, 60, 0, 100), box(100, 0, 62, 0, 100))
    assert row["offset"] == 2
    assert row["offset_sd"] == 0


def test_one_empty_and_both_empty() -> None:
    row = one(A, None)
    assert (row["edge_a"], row["edge_b"], row["near_a"], nsd(row)) == (236, 0, 0, 0)
    assert (row["band_both"], row["band_any"]) == (0, 684)
    assert np.isnan([row[name] for name in ("hd95", "hd", "sum_a", "sum_b", "offset", "offset_sd")]).all()
    assert measured(only(panel_of_masks([(5, 5)], [[[]], [[]]], ["thing"]))) == []


def test_segments_in_void_alone_have_no_row() -> None:
    assert measured(opposite_of(None, A, void=np.ones((100, 100), bool))) == []


def test_boundaries_beside_void_do_not_count() -> None:
    """What the first calls void covers the lower half, where they differ."""
    low = box(100, 50, 100, 0, 100)
    row = one(box(100, 20, 50, 20, 80), box(100, 20, 90, 20, 80), void=low)
    assert row["edge_a"] == row["edge_b"] == 60 + 2 * 28
    assert (row["hd"], nsd(row), row["offset"]) == (0, 1, 0)
    assert row["band_both"] == row["band_any"]


def test_distances_in_mm_where_the_spacing_is_known() -> None:
    spacing = np.array([[0.5, 2.0, np.nan]])
    row = one(A, MOVED, spacing=spacing, tolerance=Tolerance(2, mm=3.9))
    assert (row["hd"], row["near_a"] < row["edge_a"]) == (4, True)
    assert nsd(one(A, MOVED, spacing=spacing, tolerance=Tolerance(2, mm=4))) == 1
    assert nsd(one(A, MOVED, spacing=spacing, tolerance=Tolerance(4))) == 1
    assert one(A, MOVED, spacing=np.full((1, 3), np.nan))["hd"] == 2


def test_a_segment_in_two_matches_is_refused() -> None:
    with pytest.raises(ValueError, match="two matches"):
        surfaces(opposite_of(A, A), {"a": np.array([0, 0]), "b": np.array([0, 0])})


def edges_of(mask: Mask) -> Mask:
    return mask & ~ndimage.binary_erosion(mask)


def band_of(mask: Mask) -> Mask:
    """Boundary IoU's own definition, slice by slice."""
    found = []
    for plane in mask if mask.ndim == 3 else mask[None]:
        height, width = plane.shape
        depth = max(1, round(0.02 * float(np.sqrt(height**2 + width**2))))
        padded = cv2.copyMakeBorder(plane.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=depth)[1:-1, 1:-1]
        found.append(plane & (eroded == 0))
    return np.stack(found).reshape(mask.shape)


def dense(a: Mask, b: Mask, void: Mask, within: float, spacing: Sequence[float]) -> Row:
    """What `surfaces` says, from masks; `spacing` by axis of the array."""
    beside = ndimage.binary_dilation(void)
    bands = [band_of(each & ~void) for each in (a, b)]
    row: Row = {"band_both": int((bands[0] & bands[1]).sum()), "band_any": int((bands[0] | bands[1]).sum())}
    inner = np.zeros(a.shape, bool)
    inner[tuple(slice(1, -1) for _ in a.shape)] = True
    room = ndimage.distance_transform_edt(inner, sampling=spacing)
    directed, signs, spreads = [], [], []
    for name, mine, other in (("a", a & ~void, b & ~void), ("b", b & ~void, a & ~void)):
        edge = edges_of(mine) & ~beside
        target = edges_of(other)
        distance = (
            ndimage.distance_transform_edt(~target, sampling=spacing) if target.any() else np.full(a.shape, np.inf)
        )
        values = distance[edge]
        row |= {f"edge_{name}": int(edge.sum()), f"near_{name}": int((values <= within + 1e-9).sum())}
        known = len(values) > 0 and target.any()
        row[f"sum_{name}"] = values.sum() if known else np.nan
        directed.append([np.percentile(values, 95), values.max()] if known else [np.nan, np.nan])
        signed = np.where(other, -distance, distance)[edge & (distance < room - 1e-9)]
        defined = len(signed) > 0 and target.any()
        signs.append(signed.mean() if defined else np.nan)
        spreads.append((signed**2).mean() if defined else np.nan)
    row["hd95"], row["hd"] = np.max(directed, axis=0)
    row["offset"] = (signs[1] - signs[0]) / 2
    row["offset_sd"] = (
        np.sqrt(max(0.0, np.mean(spreads) - row["offset"] ** 2)) if row["offset"] == row["offset"] else np.nan
    )
    return row


def assert_like(found: Row, wanted: Row) -> None:
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-6, nan_ok=True), name


def stacked(opposite: Opposite) -> dict[tuple[int, int, int], Mask]:
    """The pixels of each segment of each side, and of void, in each case: (H, W), of volumes (slices, H, W)."""
    height, width = opposite.line.height, opposite.line.width
    found: dict[tuple[int, int, int], Mask] = {}
    for side, drawn in enumerate((opposite.a, opposite.b)):
        frame, x, y = opposite.line.lower(drawn.side.start)
        for row, of, column, top, length in zip(
            drawn.side.owner, frame, x, y, drawn.side.end - drawn.side.start, strict=True
        ):
            case = int(drawn.case[row])
            frames = np.flatnonzero(opposite.case_of_frame == case)
            shape = (len(frames), int(height[of]), int(width[of]))
            mask = found.setdefault((side, case, int(row)), np.zeros(shape, bool))
            mask[list(frames).index(of), top : top + length, column] = True
    return {key: mask[0] if len(mask) == 1 else mask for key, mask in found.items()}


def compare(opposite: Opposite, matches: dict[str, Any], spacing: np.ndarray, tolerance: Tolerance) -> None:
    """Every row of `surfaces` against dense masks."""
    masks = stacked(opposite)
    sides = (opposite.a, opposite.b)

    def union(side: int, case: int, rows: np.ndarray) -> Mask | None:
        picked = [masks[key] for row in rows if (key := (side, case, int(row))) in masks]
        return np.any(picked, axis=0) if picked else None

    rows = measured(opposite, matches, spacing=spacing, tolerance=tolerance)
    wanted = 0
    for row in rows:
        case = row["pair"]
        voids = [union(side, case, np.flatnonzero(each.is_void)) for side, each in enumerate(sides)]
        if row["match"] < 0:
            chosen = [np.flatnonzero((each.category == row["category"]) & ~each.is_void) for each in sides]
        else:
            chosen = [np.array([matches[name][row["match"]]]) for name in "ab"]
            wanted += 1
        drawn = [union(side, case, each) for side, each in enumerate(chosen)]
        some = next(each for each in (*drawn, *voids) if each is not None)
        a, b, *void = (np.zeros(some.shape, bool) if each is None else each for each in (*drawn, *voids))
        known = np.isfinite(spacing[case][: some.ndim]).all()
        size = spacing[case][: some.ndim] if known else np.ones(some.ndim)
        within = tolerance.pixels if not known else float(tolerance.mm or 0)
        assert_like(row, dense(a, b, void[0] | void[1], within, [*size[2:], size[1], size[0]]))
    at = [(int(a), int(b)) for a, b in zip(matches["a"], matches["b"], strict=True) if a >= 0 and b >= 0]
    fit = [(a, b) for a, b in at if sides[0].category[a] == sides[1].category[b] and sides[0].is_thing[a]]
    assert wanted == len(fit)


spacings = st.sampled_from([np.nan, 1.0, 0.7, 2.5])


@given(panel=panels(), x=spacings, y=spacings, mm=st.sampled_from([0.5, 1.4, 3.0]))
def test_small_images_are_as_dense_masks_say(panel: Panel, x: float, y: float, mm: float) -> None:
    opposite = next(opposites(panel.batch, panel.annotators, panel.categories), None)
    if opposite is not None:
        spacing = np.tile([x, y, np.nan], (opposite.n_cases, 1))
        compare(opposite, instances(opposite)["matches"], spacing, Tolerance(1, mm=mm))


def volume(panel: Panel, tracks: bool) -> Batch:
    """The images of a panel as the slices of a volume; a category is one track."""
    n = panel.batch.images.num_rows
    images = replaced(replaced(panel.batch.images, "sequence", ["film"] * n), "frame", list(range(n)))
    segments = panel.batch.segments
    if tracks:
        segments = replaced(segments, "track_id", segments["category_id"].to_pylist())
    return Batch(images, panel.batch.annotations, segments, panel.batch.runs)


@st.composite
def blobs(draw: st.DrawFn, images: int = 3, void: bool = True) -> Panel:
    """Smooth shapes of three categories on images of one size."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = int(rng.integers(5, 30)), int(rng.integers(5, 30))
    field = ndimage.gaussian_filter(rng.normal(size=(images, *size)), (0.6, 2, 2))
    layers: list[list[Any]] = []
    for _ in range(2):
        noisy = field + 0.3 * ndimage.gaussian_filter(rng.normal(size=field.shape), (0, 1.5, 1.5))
        ranks = np.digitize(noisy, np.quantile(field, [0.3, 0.6, 0.9]))
        layers.append([[(code, ranks[k] == code) for code in range(4 if void else 3)] for k in range(images)])
    return panel_of_masks([size] * images, layers, ["thing", "stuff", "thing", "void"])


@settings(max_examples=30)
@given(panel=blobs(), x=spacings, z=spacings, tracks=st.booleans())
def test_volumes_are_as_dense_masks_say(panel: Panel, x: float, z: float, tracks: bool) -> None:
    batch = volume(panel, tracks)
    opposite = next(
        opposites(batch, panel.annotators, panel.categories, volumes=frozenset(["film"]), is_semantic=not tracks)
    )
    assert (opposite.n_cases, len(opposite.case_of_frame)) == (1, 3)
    matches = instances(opposite)["matches"]
    compare(opposite, matches, np.array([[x, 1.3, z]]), Tolerance(1, mm=1.4))


@settings(max_examples=30)
@given(panel=blobs())
def test_images_are_as_dense_masks_say(panel: Panel) -> None:
    opposite = only(panel)
    compare(opposite, instances(opposite)["matches"], np.full((3, 3), np.nan), Tolerance(1.5))


def test_deep_bands_in_images_of_several_sizes() -> None:
    """Depths from 1 to 9, with noise that erosion removes and shapes that it leaves."""
    rng = np.random.default_rng(5)
    sizes = [(200, 400), (7, 3), (90, 61), (400, 130), (200, 400)]
    layers: list[list[Any]] = [[], []]
    for size in sizes:
        field = ndimage.gaussian_filter(rng.normal(size=size), 12)
        for of_annotator in layers:
            own = ndimage.gaussian_filter(rng.normal(size=size), 3) / 8
            of_annotator.append([(0, field + own > 0), (1, field + own < -0.01)])
    opposite = only(panel_of_masks(sizes, layers, ["thing", "stuff"]))
    compare(opposite, instances(opposite)["matches"], np.full((5, 3), np.nan), Tolerance(2))


def test_hausdorff_is_simpleitks() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        field = ndimage.gaussian_filter(rng.normal(size=(40, 50)), 3)
        masks = [field + 0.05 * ndimage.gaussian_filter(rng.normal(size=field.shape), 1) > 0.03 for _ in range(2)]
        edges = [SimpleITK.GetImageFromArray(edges_of(mask).astype(np.uint8)) for mask in masks]
        oracle = SimpleITK.HausdorffDistanceImageFilter()
        oracle.Execute(*edges)
        row = one(*masks)
        assert row["hd"] == pytest.approx(oracle.GetHausdorffDistance(), rel=1e-5)
        # Its average is the larger of both directed means in some versions, and the mean of both in others.
        means = row["sum_a"] / row["edge_a"], row["sum_b"] / row["edge_b"]
        assert min(means) - 1e-5 <= oracle.GetAverageHausdorffDistance() <= max(means) + 1e-5


def transformed(panel: Panel, how: Any) -> Panel:
    """The same panel with every mask turned or mirrored."""
    height, width = panel.batch.segment_size
    masks = masks_of_runs(panel.batch.runs, height, width)
    sizes = [
        how(np.zeros(size, bool)).shape
        for size in zip(*(each.tolist() for each in panel.batch.image_size), strict=True)
    ]
    layers: list[list[Any]] = [[None] * len(sizes) for _ in panel.annotators]
    who = [panel.annotators.index(name) for name in panel.batch.annotations["annotator"].to_pylist()]
    for annotation, image in enumerate(panel.batch.annotation_image.tolist()):
        layers[who[annotation]][image] = []
    for annotation, code, mask in zip(
        panel.batch.segment_annotation.tolist(), panel.batch.segments["category_id"].to_pylist(), masks, strict=True
    ):
        layers[who[annotation]][panel.batch.annotation_image[annotation]].append((code - 1, how(mask)))
    return panel_of_masks(sizes, layers, [each.kind for each in panel.categories])


@pytest.mark.parametrize("how", [np.transpose, np.flipud, np.fliplr], ids=["transposed", "upside down", "mirrored"])
@settings(max_examples=25)
@given(panel=blobs())
def test_turning_and_mirroring_change_nothing(how: Any, panel: Panel) -> None:
    found = measured(only(panel))
    turned = measured(only(transformed(panel, how)))
    assert len(found) == len(turned)
    for row, other in zip(found, turned, strict=True):
        assert_like(row, other)


def swap(name: str) -> str:
    return name[:-1] + {"a": "b", "b": "a"}[name[-1]] if name.endswith(("_a", "_b")) else name


@settings(max_examples=25)
@given(panel=blobs())
def test_who_comes_first_only_turns_the_offset(panel: Panel) -> None:
    opposite = only(panel)
    matches = instances(opposite)["matches"]
    swapped = {"a": matches["b"], "b": matches["a"]}
    for row, other in zip(measured(opposite, matches), measured(opposite.swapped, swapped), strict=True):
        turned = {swap(name): value for name, value in other.items()}
        assert_like(row, turned | {"offset": -other["offset"]})


@settings(max_examples=25)
@given(panel=blobs(void=False))
def test_the_same_drawn_twice(panel: Panel) -> None:
    opposite = only(panel)
    twice = Opposite(
        opposite.batch,
        opposite.annotators,
        opposite.categories,
        opposite.case,
        opposite.case_of_frame,
        opposite.image_of_frame,
        opposite.line,
        opposite.a,
        opposite.a,
    )
    for row in measured(twice):
        assert nsd(row) == 1
        assert row["band_both"] == row["band_any"]
        assert (row["hd"], row["hd95"], assd(row)) == (0, 0, 0)
        assert row["offset"] == 0 or np.isnan(row["offset"])


@given(x=st.integers(0, 30), y=st.integers(0, 30))
def test_where_a_pair_lies_changes_nothing(x: int, y: int) -> None:
    rng = np.random.default_rng(3)
    shapes = [ndimage.gaussian_filter(rng.normal(size=(60, 50)), 4) > 0 for _ in range(2)]
    rows = []
    for left, top in ((0, 0), (x, y)):
        masks = []
        for shape in shapes:
            masks.append(np.zeros((190, 180), bool))
            masks[-1][50 + top : 110 + top, 50 + left : 100 + left] = shape
        rows.append(one(*masks))
    assert_like(*rows)


@settings(max_examples=25)
@given(panel=blobs())
def test_a_batch_is_as_its_images_one_by_one(panel: Panel) -> None:
    together = measured(only(panel))
    alone = []
    for image in range(3):
        single = panel.batch.take_images(np.array([image]))
        opposite = next(opposites(single, panel.annotators, panel.categories))
        alone += [row | {"pair": image} for row in measured(opposite)]
    assert len(together) == len(alone)
    for row, other in zip(together, alone, strict=True):
        assert_like(row, other)
