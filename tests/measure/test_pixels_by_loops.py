"""Measurements against pixels that are looked at one by one, and against OpenCV and scipy."""

import math
import statistics
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from segdata.core.batch import replace_column
from segdata.core.polygons import SourceRings
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.measure.tables import altered_copies as copies
from segdata.measure.tables import lobes
from segdata.measure.tables import picture_edges as edges
from segdata.measure.tables.lobes import _peer_areas
from segdata.measure.tables.outlines import _area_beyond, _even_odd_holes, _extents, _outside_columns
from segdata.measure.tables.straight_lines import _in_line, _Pieces
from segdata.testing.pictures import draw_picture
from tests.generators.sequences import sequence_dataset

SEEDS = range(25)
Rng = np.random.Generator


def bars(rng: Rng, n: int = 5) -> np.ndarray[Any, np.dtype[np.bool_]]:  # Any: of any size
    """Short bars one behind the other, in one of four directions, some a little aside, or missing."""
    down, across = ((0, 1), (1, 0), (1, 1), (1, -1))[rng.integers(4)]
    mask = np.zeros((90, 90), bool)
    y, x = 5 if down else 40, 80 if across < 0 else 5 if across else 40
    for _ in range(n):
        length, width = int(rng.integers(4, 10)), int(rng.integers(1, 4))
        aside = int(rng.choice([0, 0, 1, 2, 3]))
        for k, j in np.ndindex(length, width):
            side = j + aside
            mask[(y + down * k + abs(across) * side) % 90, (x + across * k + (1 - abs(across)) * side) % 90] = True
        step = length + int(rng.choice([2, 3, 6, 9]))
        y, x = y + down * step, x + across * step
        if max(y, x) > 78 or min(y, x) < 3:
            break
    return mask


@pytest.mark.parametrize("seed", range(60))
def test_pieces_in_line_are_those_of_their_moments(seed: int) -> None:
    mask = bars(np.random.default_rng(seed))
    label, n = ndimage.label(mask, np.ones((3, 3)))
    pieces = []
    for number in range(1, n + 1):
        y, x = np.nonzero(label == number)
        spread = np.cov(np.stack([x, y]), bias=True).reshape(2, 2) + np.eye(2) / 12
        values, vectors = np.linalg.eigh(spread)
        length, breadth = math.sqrt(12 * values[1]), math.sqrt(12 * max(values[0], 1 / 12))
        if length >= 2 * breadth:
            pieces.append((x.mean() + 0.5, y.mean() + 0.5, vectors[:, 1], length, breadth, (x, y)))
    pieces.sort(
        key=lambda piece: (-len(piece[5][0]), min(zip(*piece[5], strict=True)))
    )  # gaps are along the larger one
    in_line: dict[int, set[bool]] = defaultdict(set)
    gaps = []
    for i, (x, y, way, length, breadth, _) in enumerate(pieces):
        for j, (u, v, other_way, other_length, other_breadth, _) in enumerate(pieces):
            to = np.array([u - x, v - y])
            gap = abs(to @ (way if i < j else other_way)) - (length + other_length) / 2
            room = max(breadth, other_breadth, 2) / 2 + 0.5
            aside = max(abs(to[0] * one[1] - to[1] * one[0]) for one in (way, other_way))
            along = abs(way @ other_way) >= math.cos(math.radians(20))
            if i != j and along and aside <= room + 1e-9 and 1e-9 < gap <= 1.5 * min(length, other_length) + 1e-9:
                in_line[i].add(bool(to @ way > 0))
                gaps.append(gap)
    between = [i for i, sides in in_line.items() if len(sides) == 2]
    batch = sequence_dataset(mask[None].astype(np.int64)).batch
    found = _Pieces.from_runs(batch.runs, np.array([90]))
    assert len(found.owner) == len(pieces)
    assert sorted(found.length) == pytest.approx(sorted(piece[3] for piece in pieces))
    assert sorted(found.breadth) == pytest.approx(sorted(piece[4] for piece in pieces))
    assert sorted(_in_line(found)[2]) == pytest.approx(sorted(gaps)[::2], abs=1e-6)
    rows = ["".join(".a"[int(value)] for value in row) for row in mask.tolist()]
    text = "\n".join(rows) + "\n\ncategory: pole (thin)\na: pole"
    table = list(measure_source(draw_picture(text), frozenset({"dashes"}), jobs=1).dashes.lines(
        "pieces", "between", "gap", "x", "y", "width", "height"))  # fmt: skip
    if not between:
        assert table == []
        return
    x = np.concatenate([pieces[i][5][0] for i in in_line])
    y = np.concatenate([pieces[i][5][1] for i in in_line])
    box = int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1
    assert table == [(len(in_line), len(between), math.ceil(round(max(gaps), 9)), *box)]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_lies_within_two_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    line, shaded = (rng.random((12, 17)) < rng.choice([0.02, 0.1, 0.5]) for _ in range(2))
    line[3, 4] = shaded[5, 5] = True
    wide = [ndimage.binary_dilation(one, np.ones((5, 5))) for one in (line, shaded)]
    np.testing.assert_array_equal(edges._widen(line), wide[0])
    blank, bare = edges._shares_without_shade(line, shaded)
    assert blank == pytest.approx((line & ~wide[1]).sum() / line.sum())
    plain = (~wide[1]).sum() >= 0.1 * line.size
    expected = (shaded & wide[0]).sum() / shaded.sum() if plain else 0.0
    assert bare == pytest.approx(-1.0 if wide[0].mean() > 0.5 else expected)


def _gradients(uri: str, full: tuple[int, int], size: tuple[int, int]) -> edges.Plane | None:
    small = edges._reduced_picture(uri, full, size)
    return None if small is None else edges._steepness(small)


def test_gradients_are_differences_across_and_down(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    shades = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    Image.fromarray(shades).save(tmp_path / "a.png")
    uri = str(tmp_path / "a.png")
    found = _gradients(uri, (30, 40), (20, 15))
    small = shades.reshape(15, 2, 20, 2, 3).mean(axis=(1, 3))
    expected = np.zeros((15, 20))
    for y in range(15):
        for x in range(20):
            across = small[y, min(x + 1, 19)] - small[y, max(x - 1, 0)]
            down = small[min(y + 1, 14), x] - small[max(y - 1, 0), x]
            expected[y, x] = max(math.hypot(a, d) for a, d in zip(across, down, strict=True))
    assert found is not None
    np.testing.assert_allclose(found, expected, atol=2)  # Pillow rounds to whole levels
    assert _gradients(uri, (30, 42), (20, 15)) is None  # other proportions, by 5 %
    assert _gradients(uri, (300, 404), (20, 15)) is not None  # by 1 %
    Image.new("L", (40, 30), 7).save(tmp_path / "plain.png")
    assert _gradients(str(tmp_path / "plain.png"), (30, 40), (20, 15)) is None
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert _gradients(str(tmp_path / "broken.png"), (30, 40), (20, 15)) is None
    deep = np.arange(1200, dtype=np.float32).reshape(30, 40)
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    steep = _gradients(str(tmp_path / "deep.tif"), (30, 40), (40, 30))
    assert steep is not None
    assert steep[10, 10] == pytest.approx(math.hypot(2, 80))


def test_the_rank_of_a_gradient_is_the_share_that_is_no_steeper() -> None:
    rng = np.random.default_rng(9)
    steep = rng.random((20, 30)).astype(np.float32) ** 2
    steep[0, :4] = 0
    level = np.minimum(np.floor(np.sqrt(steep / steep.max()) * 1024), 1023)
    share = np.array([[(level <= own).mean() for own in row] for row in level])
    np.testing.assert_allclose(edges._rank(steep), edges.sharpen(share.astype(np.float32)), atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_cells_of_a_window_are_means_of_its_pixels(seed: int) -> None:
    """Against a picture whose pixels are each made of 20 x 20 equal ones."""
    rng = np.random.default_rng(seed)
    thumb = rng.random((1, 8, 10)).astype(np.float32)
    left, top = rng.integers(0, 5, 2) / 10
    right, bottom = left + rng.integers(4, 6) / 10, top + rng.integers(4, 6) / 10
    fine = (
        thumb[0]
        .repeat(20, axis=0)
        .repeat(20, axis=1)[round(top * 160) : round(bottom * 160), round(left * 200) : round(right * 200)]
    )
    expected = cv2.resize(fine, (5, 4), interpolation=cv2.INTER_AREA)
    found = copies._resample(thumb, [(left, right, top, bottom)], 4, 5)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_windows_are_all_places_of_sides_that_are_nearly_in_proportion() -> None:
    windows = copies._windows()
    assert len(windows) == len(set(windows))
    sides = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    n_places = {side: 1 + round((1 - side) * 16) for side in sides}
    expected = 0
    for i, width in enumerate(sides):
        for j, height in enumerate(sides):
            if abs(i - j) <= 1 and (width, height) != (1.0, 1.0):
                expected += n_places[width] * n_places[height]
    assert len(windows) == expected
    for left, right, top, bottom in windows:
        assert min(left, top) >= 0
        assert max(right, bottom) <= 1 + 1e-9
        width, height = right - left, bottom - top
        assert any(width == pytest.approx(side) for side in sides)
        assert abs(width - height) <= 0.1 + 1e-9
    widest = sorted({left for left, right, *_ in windows if right - left == pytest.approx(0.5)})
    assert widest == pytest.approx(np.arange(9) / 16)


def test_details_are_what_the_mean_around_leaves_and_at_most_twice_the_median() -> None:
    rng = np.random.default_rng(1)
    small = rng.random((3, 12, 14)).astype(np.float32)
    small[1, 4, 4] = 40
    found = copies.details(small)
    for one, own in zip(small.astype(float), found, strict=True):
        detail = one - ndimage.uniform_filter(one, 7, mode="nearest")
        most = 2 * np.median(np.abs(detail))
        detail = np.clip(detail, -most, most)
        np.testing.assert_allclose(own, detail / math.sqrt((detail**2).sum()), atol=1e-5)
    assert not copies.details(np.ones((1, 9, 9), np.float32)).any()
    thumbs = rng.random((2, 128, 136)).astype(np.float32)
    np.testing.assert_allclose(copies._shrunk(thumbs)[1, 3, 5], thumbs[1, 12:16, 20:24].mean(), rtol=1e-5)
    np.testing.assert_allclose(copies._cells(thumbs)[1, 3, 5], thumbs[1, 24:32, 40:48].mean(), rtol=1e-5)
    cells = copies._cells(thumbs)
    signs = copies._hash_signs(cells).reshape(2, 16, 16)
    assert all(
        signs[k, y, x] == (1 if cells[k, y, x + 1] > cells[k, y, x] else -1)
        for k in range(2) for y in range(16) for x in range(16)
    )  # fmt: skip


def test_details_that_all_images_share_show_none_of_them() -> None:
    detail = np.zeros((4, 3, 3), np.float32)
    detail[:, 0, 0] = 1  # the same in all
    detail[:, 0, 1] = (1, -1, 1, -1)
    detail[:, 0, 2] = (1, 0, 0, 1)  # mean 1/2, mean square 1/2: half is shared
    detail[:, 1, 0] = (1, 0, 0, 0)  # mean 1/4, mean square 1/4: a quarter, no more
    assert copies._is_own(detail).tolist() == [[False, True, False], [True, True, True], [True, True, True]]


def test_a_window_is_moved_to_where_the_crop_is() -> None:
    rng = np.random.default_rng(3)
    whole = ndimage.gaussian_filter(rng.random((128, 136)), 3).astype(np.float32) * 100
    crop = copies._resample(whole[None], [(0.16, 0.76, 0.24, 0.84)], 32, 34)
    fit = copies._fit(copies.details(crop)[0], whole, (0.18, 0.77, 0.23, 0.84))
    assert fit.correlation > 0.97
    assert fit.share == pytest.approx(0.36, abs=0.02)
    assert copies._move_window((0.1, 0.5, 0.2, 0.6), (1, 0, -1, 1), 0.05) == pytest.approx((0.15, 0.5, 0.15, 0.65))


@pytest.mark.parametrize("seed", SEEDS)
def test_means_of_stretches_are_those_of_opencv(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((int(rng.integers(5, 30)), int(rng.integers(5, 30))))
    n = int(rng.integers(2, min(values.shape)))
    for axis in (0, 1):
        size = values.shape[axis]
        expected = cv2.resize(
            values, (values.shape[1], n) if axis == 0 else (n, values.shape[0]), interpolation=cv2.INTER_AREA
        )
        np.testing.assert_allclose(lobes._mean_along(values, axis, n, size / n), expected, atol=1e-9)


def test_a_mask_is_made_smaller_by_the_share_of_its_longer_side() -> None:
    rng = np.random.default_rng(2)
    mask = (rng.random((40, 50)) < 0.5).astype(np.uint8)
    large = mask.repeat(8, axis=0).repeat(8, axis=1)
    small, scale = lobes.shrink_mask(large)
    assert (small.shape, scale) == ((128, 160), 0.4)
    expected = cv2.resize(large.astype(float), (160, 128), interpolation=cv2.INTER_AREA) > 0.5 - 1e-9
    np.testing.assert_array_equal(small, expected)
    same, one = lobes.shrink_mask(mask.repeat(4, axis=0)[:160])
    assert one == 1.0
    np.testing.assert_array_equal(same, mask.repeat(4, axis=0)[:160])


@pytest.mark.parametrize("seed", SEEDS)
def test_pixels_belong_to_the_nearest_seed_as_opencv_labels_them(seed: int) -> None:
    """By the distance to each seed alone; where two are as near, to either."""
    rng = np.random.default_rng(seed)
    seeds = np.zeros((24, 30), bool)
    for _ in range(3):
        y, x = rng.integers(0, 20), rng.integers(0, 26)
        seeds[y : y + rng.integers(1, 4), x : x + rng.integers(1, 4)] = True
    mask = ((rng.random(seeds.shape) < 0.9) | seeds).astype(np.uint8)
    label, n = lobes.label_regions(seeds)
    pieces = lobes._nearest_seed_masks(seeds, mask)
    assert len(pieces) == n
    np.testing.assert_array_equal(sum(piece.astype(int) for piece in pieces), mask)
    away = np.stack([cv2.distanceTransform((label != own).astype(np.uint8), cv2.DIST_L2, 5) for own in range(1, n + 1)])
    for own, piece in enumerate(pieces):
        assert (away[own][piece > 0] <= away.min(axis=0)[piece > 0] + 1e-4).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_peers_are_of_one_annotation_and_category(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = sequence_dataset(np.zeros((3, 40, 2), np.int64) + np.arange(40)[:, None] % 14 + 1).batch  # 14 in an image
    segments = batch.segments
    n = segments.num_rows
    category, crowd = rng.choice([3, 7], n), rng.random(n) < 0.1
    flags = [bool(flag) or [False, None][int(rng.integers(2))] for flag in crowd]  # unknown is no crowd
    for name, values in (("category_id", category.tolist()), ("iscrowd", flags)):
        segments = replace_column(segments, name, values)
    area = rng.choice([0, 10, 20, 40, 80], n)
    group, same, typical, spread = _peer_areas(replace(batch, segments=segments), area)
    owner = batch.segment_annotation
    assert same is area
    for row in range(n):
        peers = [k for k in range(n) if (owner[k], category[k]) == (owner[row], category[row])]
        peers = [k for k in peers if area[k] > 0 and not crowd[k]]
        if row not in peers or len(peers) < 7:
            assert np.isnan([typical[row], spread[row]]).all()
            continue
        middle = statistics.median(math.log(area[k]) for k in peers)
        away = statistics.median(abs(math.log(area[k]) - middle) for k in peers)
        assert (typical[row], spread[row]) == pytest.approx((math.exp(middle), 1.4826 * away))
        assert len({int(group[k]) for k in peers}) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_two_large_parts_and_what_hides_the_way_between(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = np.full((12, 40), ".")
    heights = rng.integers(2, 9, 3)
    for letter, x, width, high in (("a", 0, 6, heights[0]), ("a", 32, int(rng.integers(1, 8)), heights[1])):
        grid[:high, x : x + width] = letter
    for letter, x in (("b", 8), ("c", 16), ("g", 24)):
        if rng.random() < 0.7:
            grid[: rng.integers(1, 12), x : x + int(rng.integers(2, 7))] = letter
    if rng.random() < 0.4:
        grid[11, 39] = "a"
    if heights[0] >= 5 and seed % 2:  # the way begins outside of the part, in its middle
        middle = int(heights[0]) // 2
        grid[middle - 1 : middle + 1, 2:4] = rng.choice([".", "d"])
    text = (
        "...\n.x.\n\n"
        + "\n".join("".join(row) for row in grid)
        + "\n\na: car\nb: bus\nc: bus (crowd)\nd: bus\ng: road (stuff)"
    )
    table = list(measure_source(draw_picture(text), frozenset({"apart"}), jobs=1).apart.lines(
        "first", "second", "first_reach", "second_reach", "hidden"))  # fmt: skip
    label, n = ndimage.label(grid == "a")
    boxes = ndimage.find_objects(label)
    parts = sorted(((int((label == k + 1).sum()), -k, boxes[k]) for k in range(n)), reverse=True)[:2]
    if parts[1][0] < 0.15 * parts[0][0]:
        assert table == []
        return
    centres, reach = [], []
    for _, _, (down, across) in parts:
        centres.append(((across.start + across.stop) / 2, (down.start + down.stop) / 2))
        reach.append(math.hypot(across.stop - across.start, down.stop - down.start))
    way = [(k + 0.5) / 64 for k in range(64)]
    points = [tuple(math.floor(p * (1 - s) + q * s) for p, q in zip(*centres, strict=True)) for s in way]
    outside = [grid[y, x] for x, y in points if grid[y, x] != "a"]
    hidden = sum(letter in "bcd" for letter in outside) / max(len(outside), 1)
    assert table == [(parts[0][0], parts[1][0], *(pytest.approx(one) for one in reach), pytest.approx(hidden))]


def rings_of(drawn: list[list[list[tuple[float, float]]]]) -> SourceRings:
    return SourceRings(
        np.arange(len(drawn)),
        np.cumsum([0, *map(len, drawn)]),
        np.cumsum([0, *(2 * len(ring) for segment in drawn for ring in segment)]),
        np.array([number for segment in drawn for ring in segment for point in ring for number in point], float),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_vertices_beyond_the_frame_and_the_pixels_there(seed: int) -> None:
    """Rectangles of whole pixels, so that pixels beyond can be counted."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(6):
        rings = []
        for k in range(int(rng.integers(1, 3))):
            x, y = rng.integers(-6, 12, 2) + 20 * k
            width, height = rng.integers(1, 9, 2)
            rings.append([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
        drawn.append(rings)
    rings = rings_of(drawn)
    height, width = np.full(6, 25), rng.integers(18, 30, 6)
    extents = _extents(rings)
    found = _outside_columns(rings, extents, height, width)
    for k, own in enumerate(drawn):
        points = [point for ring in own for point in ring]
        x, y = zip(*points, strict=True)
        assert [extents[name][k] for name in ("left", "top", "right", "bottom")] == [min(x), min(y), max(x), max(y)]
        beyond = [max(-a, -b, a - width[k], b - 25) for a, b in points]
        assert found["outside"][k] == sum(far > 0 for far in beyond)
        assert found["overshoot"][k] == max(*beyond, 0)
        pixels = {(a, b) for ring in own for a in range(ring[0][0], ring[2][0]) for b in range(ring[0][1], ring[2][1])}
        outside = [(a, b) for a, b in pixels if not (0 <= a < width[k] and 0 <= b < 25)]
        assert found["outside_pixels"][k] == len(outside)
        apart = len(own) == 1 or own[0][2][0] <= own[1][0][0]
        if apart:  # by areas, where rings do not overlap
            assert _area_beyond(rings, height, width)[k] == len(outside)
    assert len(_area_beyond(rings_of([]), height[:0], width[:0])) == 0


def test_holes_by_the_even_odd_rule_that_are_filled() -> None:
    """Ring 1 is a hole of 0, with an island 2 in it; 4 is a hole of 3 that is cut out, and 5 one of which half is."""
    inner, outer = np.array([1, 2, 2, 4, 5]), np.array([0, 0, 1, 3, 3])
    area = np.array([100, 50, 10, 90, 20, 30])
    shared = np.array([100, 50, 10, 40, 0, 15])
    assert _even_odd_holes(inner, outer, area, shared).tolist() == [1, 5]
    shared[5] = 14
    assert _even_odd_holes(inner, outer, area, shared).tolist() == [1]
    shared[[1, 2]] = 30, 10  # of the hole's 40 pixels 20 are the segment's
    assert _even_odd_holes(inner, outer, area, shared).tolist() == [1]
    shared[1] = 29
    assert _even_odd_holes(inner, outer, area, shared).tolist() == []


def test_picture_files_of_several_images_are_left_out() -> None:
    uris = np.array(["a.png", "b.tif", "b.tif", None, "s3://bucket/c.png", "d.png"], object)
    assert copies.single_image_rows(Table({"uri": uris})) == [0, 5]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_box_of_filled_holes_is_that_of_the_first(order: tuple[int, ...]) -> None:
    """Of each segment: its rings within others count together."""
    inner = ["2 2 4 2 4 5 2 5", "6 2 9 2 9 4 6 4", "6 6 8 6 8 10 6 10"]
    boxes = [(2, 2, 2, 3), (6, 2, 3, 2), (6, 6, 2, 4)]
    rings = " | ".join(["1 1 11 1 11 11 1 11", *(inner[k] for k in order)])
    other = " | ".join(["12 0 16 0 16 4 12 4", "13 1 15 1 15 3 13 3"])
    legend = f"a: car (polygon {rings})\nb: car (polygon {other})\nc: car (polygon 0 0 1 0 1 1)"
    picture = "\n".join(["." * 17] * 12) + f"\n\n{legend}"
    outlines = measure_source(draw_picture(picture), frozenset({"outlines"}), jobs=1).outlines
    names = ("filled", "filled_pixels", "filled_x", "filled_y", "filled_width", "filled_height")
    assert list(outlines.lines(*names))[:2] == [(3, 6 + 6 + 8, *boxes[order[0]]), (1, 4, 13, 1, 2, 2)]
    assert outlines["filled"].tolist() == [3, 1, 0]
