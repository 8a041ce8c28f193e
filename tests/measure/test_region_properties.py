"""Objects: the numbers of scikit-image, from runs alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label, regionprops

from segdata.core.batch import Batch, replace_column
from segdata.core.profile import ImageSequence
from segdata.core.runs import Runs
from segdata.measure import region_properties
from segdata.measure.region_properties import _portions, feret_diameters, object_table, segment_moments
from segdata.testing.pictures import draw_picture, masks_of_runs, runs_of_masks
from tests.measure.test_tables_by_loops import PROFILE, random_batch

MASKS = st.integers(1, 9).flatmap(lambda high: st.integers(1, 9).flatmap(lambda wide: arrays(bool, (high, wide))))


@given(MASKS)
def test_moments_are_those_of_the_pixels(mask: np.ndarray) -> None:
    found = segment_moments(runs_of_masks([mask]), np.array([mask.shape[0]]), 1)
    y, x = np.nonzero(mask)
    if not len(x):
        assert np.isnan([found.x, found.y, found.xx]).all()
        return
    for value, expected in (
        (found.x, x.mean()),
        (found.y, y.mean()),
        (found.xx, x.var()),
        (found.yy, y.var()),
        (found.xy, ((x - x.mean()) * (y - y.mean())).mean()),
    ):
        assert value[0] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60)
@given(MASKS)
def test_axes_are_those_of_scikit_image(mask: np.ndarray) -> None:
    if not mask.any():
        return
    (region,) = regionprops(mask.astype(np.uint8))
    length, width, angle = segment_moments(runs_of_masks([mask]), np.array([mask.shape[0]]), 1).axes()
    assert length[0] == pytest.approx(region.axis_major_length, abs=1e-6)
    assert width[0] == pytest.approx(region.axis_minor_length, abs=1e-6)
    if np.isfinite(angle[0]):
        # There the angle is from the rows' axis, the other way round.
        other = 90 - np.degrees(region.orientation)
        assert np.sin(np.radians(angle[0] - other)) == pytest.approx(0, abs=1e-6)


def brute_feret(mask: np.ndarray, wide: float = 1, high: float = 1) -> float:
    """The largest distance between middles of pixel edges, pair by pair."""
    y, x = np.nonzero(mask)
    points = np.concatenate([np.stack([x + a, y + b], 1) for a, b in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))])
    points = points * (wide, high)
    return float(np.linalg.norm(points[:, None] - points[None], axis=2).max())


@given(MASKS, st.floats(0.1, 9), st.floats(0.1, 9))
def test_feret_is_the_largest_of_all_distances(mask: np.ndarray, wide: float, high: float) -> None:
    one, ones = np.array([mask.shape[0]]), np.ones(1)
    pixels, scaled = feret_diameters(runs_of_masks([mask]), one, 1, (ones, ones), (ones * wide, ones * high))
    if not mask.any():
        assert np.isnan(pixels[0])
        return
    assert pixels[0] == pytest.approx(brute_feret(mask))
    assert scaled[0] == pytest.approx(brute_feret(mask, wide, high))


def test_feret_is_that_of_scikit_image_for_a_disk() -> None:
    y, x = np.mgrid[:61, :61]
    for mask in ((x - 30) ** 2 + (y - 30) ** 2 <= 27**2, (x - 30) ** 2 / 9 + (y - 30 - (x - 30) / 3) ** 2 <= 80):
        (region,) = regionprops(mask.astype(np.uint8))
        (found,) = feret_diameters(runs_of_masks([mask]), np.array([61]), 1)
        # scikit-image first draws the convex hull in pixels, which may reach half a pixel further on either side.
        assert region.feret_diameter_max - 1 <= found[0] <= region.feret_diameter_max + 1e-9


def test_feret_of_none_and_of_many() -> None:
    assert feret_diameters(Runs.empty(), np.zeros(0, np.int64), 0)[0].tolist() == []
    rng = np.random.default_rng(0)
    masks = [rng.random((8, 8)) < share for share in np.linspace(0, 1, 40)]
    (found,) = feret_diameters(runs_of_masks(masks), np.full(40, 8), 40)
    np.testing.assert_allclose(found, [brute_feret(mask) if mask.any() else np.nan for mask in masks])


PICTURE = "aa...\n.aa.b\n....b\n\na: road (stuff)\nb: car"


def test_a_row_for_each_segment() -> None:
    drawing = draw_picture(PICTURE)
    rows = object_table(drawing.batch, drawing.profile).to_pylist()
    assert [(row["category"], row["part"], row["area_px"], row["perimeter_px"]) for row in rows] == [
        ("road", None, 4, 10),
        ("car", None, 2, 6),
    ]
    car = rows[1]
    assert (car["x"], car["y"], car["angle"], car["feret_px"]) == (4, 1.5, 90, 2)
    assert [car[f"box_{name}"] for name in ("x", "y", "width", "height")] == [4, 1, 1, 2]
    assert {row["area_mm2"] for row in rows} == {None}


def test_in_semantic_data_each_part_is_a_thing() -> None:
    drawing = draw_picture("a.b.a\na...a\n\na: hut\ntask: semantic")
    rows = object_table(drawing.batch, drawing.profile).to_pylist()
    assert [(row["category"], row["part"], row["x"], row["area_px"]) for row in rows] == [
        ("hut", 1, 0, 2),
        ("hut", 2, 4, 2),
        ("b", 1, 2, 1),
    ]


@given(st.lists(MASKS, min_size=1, max_size=4))
def test_parts_are_those_of_scikit_image(masks: list[np.ndarray]) -> None:
    high, wide = (max(mask.shape[axis] for mask in masks) for axis in (0, 1))
    padded = [np.pad(mask, ((0, high - mask.shape[0]), (0, wide - mask.shape[1]))) for mask in masks]
    drawing = draw_picture("\n".join(["." * wide] * high) + "\n\ntask: semantic")
    letters = draw_picture("\n".join(["".join("abcdefghi"[: len(masks)]).ljust(wide + 9, ".")]) + "\n\ntask: semantic")
    segments = letters.batch.segments.slice(0, len(masks))
    batch = Batch(drawing.batch.images, drawing.batch.annotations, segments, runs_of_masks(padded))
    found = object_table(batch, letters.profile)
    expected = [
        (region.area, *region.centroid[::-1]) for mask in padded for region in regionprops(label(mask, connectivity=1))
    ]
    got = zip(*(found[name].to_pylist() for name in ("area_px", "x", "y")), strict=True)
    np.testing.assert_allclose(np.array(sorted(got)).reshape(-1, 3), np.array(sorted(expected)).reshape(-1, 3))


def test_millimetres_of_pixels_that_are_not_square() -> None:
    drawing = draw_picture(PICTURE)
    place = ImageSequence("s", "volume", spacing=(2.0, 0.5, 1.0))
    batch = replace(drawing.batch, images=replace_column(drawing.batch.images, "sequence", ["s"]))
    rows = object_table(batch, replace(drawing.profile, sequences=(place,))).to_pylist()
    assert [row["area_mm2"] for row in rows] == [4.0, 2.0]
    assert [row["perimeter_mm"] for row in rows] == [3 * 2 * 2 + 4 * 0.5, 2 * 2 + 4 * 0.5]
    mask = np.array([[1, 1, 0], [0, 1, 1]], bool)
    assert rows[0]["feret_mm"] == pytest.approx(brute_feret(mask, 2, 0.5))
    assert rows[1]["length_mm"] == pytest.approx(4 * 0.5 * 0.5)


@pytest.mark.parametrize("seed", range(12))
def test_rows_say_what_masks_do_in_pixels_and_millimetres(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = random_batch(rng)
    n = batch.n_segments
    images = replace_column(batch.images, "sequence", rng.choice(["s", "t", None], 6).tolist())
    columns = {
        "source_id": [["x7", None][int(rng.integers(2))] for _ in range(n)],
        "track_id": [[None, 4][int(rng.integers(2))] for _ in range(n)],
        "iscrowd": [[None, True, False][int(rng.integers(3))] for _ in range(n)],
    }
    segments = batch.segments
    for name, values in columns.items():
        segments = replace_column(segments, name, values)
    batch = replace(batch, images=images, segments=segments)
    spacing = {"s": (2.0, 0.5), "t": (0.25, 3.0), None: None}
    known = [
        ImageSequence("s", "volume", spacing=(2.0, 0.5, 1.0)),
        ImageSequence("t", "video", spacing=(0.25, 3.0, 9.0)),
    ]
    expected = []
    for row, mask in enumerate(masks_of_runs(batch.runs, *batch.segment_size)):
        if not mask.any():
            continue
        image, annotation = int(batch.segment_image[row]), int(batch.segment_annotation[row])
        room = np.pad(mask, 1).astype(int)
        level, upright = (int(np.abs(np.diff(room, axis=axis)).sum()) for axis in (0, 1))
        step = spacing[images["sequence"][image].as_py()]
        wide, high = step or (np.nan, np.nan)
        expected.append({
            "image_id": f"{image}.png", "annotator": batch.annotations["annotator"][annotation].as_py(),
            "category": ["car", "road"][segments["category_id"][row].as_py() - 1], "part": None,
            "segment_id": columns["source_id"][row] or str(segments["segment_id"][row].as_py()),
            "crowd": bool(columns["iscrowd"][row]), "track_id": columns["track_id"][row],
            "area_px": int(mask.sum()), "perimeter_px": level + upright, "feret_px": brute_feret(mask),
            "area_mm2": mask.sum() * wide * high, "perimeter_mm": level * wide + upright * high,
            "feret_mm": brute_feret(mask, wide, high) if step else np.nan,
        })  # fmt: skip
    found = object_table(batch, replace(PROFILE, sequences=tuple(known))).to_pylist()
    for one, other in zip(found, expected, strict=True):
        for name, value in other.items():
            if isinstance(value, float):
                assert one[name] == (None if np.isnan(value) else pytest.approx(value)), name
            else:
                assert one[name] == value, name


@pytest.mark.parametrize("at_once", [1, 20, 300])
def test_points_are_compared_in_portions(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portion ends where the pairs before it have filled another `at_once`."""
    monkeypatch.setattr(region_properties, "_MAX_POINT_PAIRS", at_once)
    rng = np.random.default_rng(at_once)
    masks = [rng.random((6, 6)) < share for share in np.linspace(0, 1, 30)]
    asked = []

    def portions(work: np.ndarray) -> list[tuple[int, int]]:
        asked.append(work.tolist())
        return _portions(work)

    monkeypatch.setattr(region_properties, "_portions", portions)
    (found,) = feret_diameters(runs_of_masks(masks), np.full(30, 6), 30)
    np.testing.assert_allclose(found, [brute_feret(mask) if mask.any() else np.nan for mask in masks])
    (work,) = asked
    corners = [round(pairs**0.5) for pairs in work]
    assert work == [number**2 for number in corners]
    expected, filled = [[0]], [sum(work[: k + 1]) // at_once for k in range(30)]
    for k in range(1, 30):
        if filled[k] != filled[k - 1]:
            expected.append([])
        expected[-1].append(k)
    assert _portions(np.array(work)) == [(rows[0], rows[-1] + 1) for rows in expected]
    assert _portions(np.empty(0, np.int64)) == []
