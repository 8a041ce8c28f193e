"""Two annotators' boundaries: how to measure them in a test, and the same from dense masks."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import ndimage

from segdata.agreement.metrics.surface_dice import surface_dice
from segdata.agreement.metrics.surface_distance import symmetric_surface_distance
from segdata.agreement.paired_segments import AnnotatorPair, pair_annotators
from segdata.agreement.surface_distances import Tolerance, surface_table
from segdata.core.batch import Batch, replace_column
from tests.generators.panels import Panel, panel_of_masks

Mask = np.ndarray
Row = dict[str, Any]
NO_MATCHES = {"a": np.zeros(0, np.int64), "b": np.zeros(0, np.int64)}


def opposite_of(a: Mask | None, b: Mask | None, void: Mask | None = None) -> AnnotatorPair:
    """Two annotators who drew one thing each on one image; `void` is what the first calls void."""
    size = next(each for each in (a, b) if each is not None).shape
    layers = [[[(0, each)] if each is not None else []] for each in (a, b)]
    if void is not None:
        layers[0][0].append((1, void))
    return only(panel_of_masks([size], layers, ["thing", "void"]))


def only(panel: Panel, **options: Any) -> AnnotatorPair:
    return next(pair_annotators(replace(panel, **options)))


def measured(opposite: AnnotatorPair, matches: dict[str, Any] = NO_MATCHES, **options: Any) -> list[Row]:
    columns = surface_table(opposite, matches, **options)["surfaces"]
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


def dense(a: Mask, b: Mask, void: Mask, within: float, spacing: Sequence[float], is_match: bool = False) -> Row:
    """What `surface_table` says, from masks; `spacing` by axis of the array."""
    far = max(5, round(0.02 * float(np.hypot(*a.shape[-2:])))) * float(np.sqrt(spacing[-1] * spacing[-2]))
    far = np.inf if is_match else far + 1e-6
    beside = ndimage.binary_dilation(void)
    row: Row = {}
    if not is_match:
        bands = [band_of(each & ~void) for each in (a, b)]
        row = {"band_both": int((bands[0] & bands[1]).sum()), "band_any": int((bands[0] | bands[1]).sum())}
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
        signed = np.where(other, -distance, distance)[edge & (distance < room - 1e-9) & (distance <= far)]
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


def stacked(opposite: AnnotatorPair) -> dict[tuple[int, int, int], Mask]:
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


def compare(opposite: AnnotatorPair, matches: dict[str, Any], spacing: np.ndarray, tolerance: Tolerance) -> None:
    """Every row of `surface_table` against dense masks."""
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
        assert_like(row, dense(a, b, void[0] | void[1], within, [*size[2:], size[1], size[0]], row["match"] >= 0))
    at = [(int(a), int(b)) for a, b in zip(matches["a"], matches["b"], strict=True) if a >= 0 and b >= 0]
    fit = [(a, b) for a, b in at if sides[0].category[a] == sides[1].category[b] and sides[0].is_thing[a]]
    assert wanted == len(fit)


def volumes(panel: Panel, sequences: Sequence[str | None], tracks: bool) -> Batch:
    """The images of a panel as the slices of volumes, or as themselves; a category is one track."""
    images = replace_column(panel.batch.images, "sequence", list(sequences))
    segments = panel.batch.segments
    if tracks:
        segments = replace_column(segments, "track_id", segments["category_id"].to_pylist())
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
