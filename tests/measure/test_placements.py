"""Placements: scores are sums of products counted one by one, and what was moved, turned or scaled is moved back."""

import math
from collections.abc import Iterable
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import uniform_filter
from scipy.signal import correlate

from segdata.core.batch import concatenate_batches
from segdata.measure import placements
from segdata.measure.placements import (
    CHANGES,
    FITS,
    MIN_PART_ANNOTATIONS,
    SCALED,
    SHIFTED,
    SIDE,
    WIDENED,
    OutlinePlanes,
    Placement,
    Plane,
    _best_product,
    _best_shift,
    _box_means,
    _cut_to,
    _fast_length,
    _gain_both,
    _lasting_sides,
    _near_scores,
    _paint_columns,
    _peak,
    _rescale,
    _rim_scores,
    _roll,
    _scaled_scores,
    _spectrum,
    _surface,
    best_placement,
    change_words,
    common_change,
    correlation_noise,
    place_parts,
    reduce_outlines,
    reduced_size,
    sharpen,
)
from segdata.testing.pictures import draw_picture

HIGH, WIDE = 48, 64


def lines(seed: int, n: int = 7, within: int = 0) -> Plane:
    """Frames of rectangles of many sizes, none like its mirror image, or lines so many pixels within them."""
    rng = np.random.default_rng(seed)
    plane = np.zeros((HIGH, WIDE), np.float32)
    for _ in range(n):
        y, x = int(rng.integers(6, 26)), int(rng.integers(6, 40))
        below, right = y + int(rng.integers(5, 14)), x + int(rng.integers(5, 16))
        y, x, below, right = y + within, x + within, below - within, right - within
        plane[y : below + 1, [x, right]] = plane[[y, below], x : right + 1] = 1
    return plane


def placed(outline: Plane, edges: Plane, annotation: int = 0, unit: int = 1) -> OutlinePlanes:
    """Both planes of an image `unit` times as large."""
    return OutlinePlanes.from_outline(annotation, sharpen(outline), sharpen(edges), (HIGH * unit, WIDE * unit))


@given(st.integers(1, 700))
def test_a_fast_length_is_the_next_with_small_factors(least: int) -> None:
    def rest(length: int) -> int:
        for factor in (2, 3, 5):
            while length % factor == 0:
                length //= factor
        return length

    assert _fast_length(least) == next(length for length in range(least, 2 * least + 1) if rest(length) == 1)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_an_image_is_reduced_to_its_longer_side_and_never_enlarged(height: int, width: int) -> None:
    wide, high = reduced_size(height, width)
    scale = min(SIDE / max(height, width), 1)
    assert (high, wide) == (max(round(height * scale), 8), max(round(width * scale), 8))
    assert max(high, wide) <= max(SIDE, 8)
    if max(height, width) <= SIDE and min(height, width) >= 8:
        assert (high, wide) == (height, width)


@given(st.integers(15, 40), st.integers(15, 40), st.integers(0, 99))
@settings(max_examples=20)
def test_sharp_is_what_the_mean_around_leaves(high: int, wide: int, seed: int) -> None:
    plane = np.random.default_rng(seed).random((high, wide)).astype(np.float32)
    expected = plane - uniform_filter(plane.astype(np.float64), 15, mode="reflect")
    np.testing.assert_allclose(sharpen(plane), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (16, 27), (31, 10), (256, 171)])
def test_no_move_meets_the_plane_from_the_other_side(size: tuple[int, int]) -> None:
    draw = np.random.default_rng(0)
    outline, edges = (draw.normal(size=size).astype(np.float32) for _ in range(2))
    every = correlate(edges.astype(float), outline.astype(float), method="direct" if size[0] < 40 else "fft")
    (high, wide), centre = size, (size[0] - 1, size[1] - 1)
    rows, columns = (np.r_[0 : side // 2, -((side + 1) // 2) : 0] for side in (high, wide))
    wanted = every[centre[0] + rows[:, None], centre[1] + columns]
    surface = _surface(outline, size, _spectrum(edges, size))
    np.testing.assert_allclose(surface, wanted / wanted.std(), atol=2e-5)


def test_scores_are_the_sums_of_products_of_all_displacements() -> None:
    rng = np.random.default_rng(2)
    outline, edges = (rng.normal(size=(10, 12)).astype(np.float32) for _ in range(2))
    surface = _surface(outline, (10, 12), _spectrum(edges, (10, 12)))
    products = np.zeros((10, 12))
    for row in range(-5, 5):
        for column in range(-6, 6):
            moved = np.zeros((10, 12))
            for y, x in np.ndindex(10, 12):
                if 0 <= y + row < 10 and 0 <= x + column < 12:
                    moved[y + row, x + column] = outline[y, x]
            products[row, column] = (moved * edges).sum()
    ratio = float(np.vdot(surface, products) / np.vdot(products, products))
    np.testing.assert_allclose(surface, ratio * products, atol=1e-3)
    assert np.std(surface) == pytest.approx(1, rel=1e-3)
    assert (
        _surface(outline, (10, 12), _spectrum(np.zeros_like(edges), (10, 12))).tolist() == np.zeros((10, 12)).tolist()
    )


@pytest.mark.parametrize("reach", [0, 1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_only_scores_that_are_like_chance_are_rough(seed: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    high, wide = rng.integers(12, 40, 2).tolist()
    edges = rng.normal(size=(high, wide)).astype(np.float32)
    drawn = [(share * edges + rng.normal(size=edges.shape)).astype(np.float32) for share in (0, 0.02, 0.1, 0.3, 1)]
    one = OutlinePlanes.from_outline(0, drawn[0], edges, (high, wide))
    scores = one.scores(drawn, reach)
    assert scores[0] < 3 < scores[-1]
    for outline, score in zip(drawn, scores, strict=True):
        every = correlate(edges.astype(float), outline.astype(float))
        around = every[high - 1 - reach : high + reach, wide - 1 - reach : wide + reach]
        rough = around.max() / correlation_noise(outline, edges)
        assert _best_product(outline, edges, reach) == pytest.approx(around.max(), rel=1e-4, abs=1e-3)
        full = _surface(outline, edges.shape, _spectrum(edges, edges.shape))
        steps = np.arange(-reach, reach + 1)
        assert score == pytest.approx(rough if rough < 3 else full[steps[:, None], steps].max(), rel=1e-4)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("steps", [-9, -5, -1, 0, 2, 5, 6])
def test_a_plane_is_moved_with_zeros_behind_it(steps: int, axis: int) -> None:
    plane = np.arange(1, 31, dtype=np.float32).reshape(5, 6)
    moved = _roll(plane, steps, axis)
    for y, x in np.ndindex(5, 6):
        place = (y - steps, x) if axis == 0 else (y, x - steps)
        inside = 0 <= place[0] < 5 and 0 <= place[1] < 6
        assert moved[y, x] == (plane[place] if inside else 0)


def test_sides_last_where_a_rim_leaves_them_apart() -> None:
    """One stripe of 5 pixels and one of 12: rims narrow both from both sides."""
    begins, ends = np.zeros((2, 2, 20, 40), np.float32)
    for first, side in ((4, 5), (20, 12)):
        begins[0, 3:13, first], ends[0, 3:13, first + side] = 1, 1
    shares = _lasting_sides(begins, ends)
    assert list(shares) == list(range(-12, 13))
    wanted = {rim: (2 * -rim < 5) / 2 + (2 * -rim < 12) / 2 if rim < 0 else 1 for rim in shares}
    assert shares == pytest.approx(wanted)


@pytest.mark.parametrize(("scale_x", "scale_y"), [(2.0, 1.0), (1.0, 0.5), (0.75, 1.25), (1.0, 1.0)])
def test_a_scaled_outline_has_each_pixel_where_the_scale_puts_it(scale_x: float, scale_y: float) -> None:
    outline = np.arange(1, 36, dtype=np.float32).reshape(5, 7)
    expected = np.zeros((5, 7))
    for y, x in np.ndindex(5, 7):
        from_y, from_x = int(y / scale_y), int(x / scale_x)
        if from_y < 5 and from_x < 7:
            expected[y, x] = outline[from_y, from_x]
    np.testing.assert_array_equal(_rescale(outline, scale_x, scale_y), expected)


def test_a_plane_is_cut_or_filled_at_the_lower_right() -> None:
    plane = np.arange(6).reshape(2, 3)
    assert _cut_to(plane, (3, 2)).tolist() == [[0, 1], [3, 4], [0, 0]]
    assert _cut_to(plane, (1, 5)).tolist() == [[0, 1, 2, 0, 0]]


def test_outlines_are_the_pixels_on_both_sides_of_a_border() -> None:
    picture = "." * 20 + ("\n" + "." * 4 + "aabb" + "." * 12) * 5 + ("\n" + "." * 20) * 14
    batch = concatenate_batches([draw_picture("c" * 20 + ("\n" + "c" * 20) * 19).batch, draw_picture(picture).batch])
    label = np.zeros((20, 20), int)
    label[1:6, 4:6], label[1:6, 6:8] = 1, 2
    expected = np.zeros((20, 20), np.float32)
    for y, x in np.ndindex(20, 20):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        if any(0 <= b < 20 and 0 <= a < 20 and label[b, a] != label[y, x] for b, a in around):
            expected[y, x] = 0.5
    drawn, sides = reduce_outlines(batch, 1, (20, 20), (20, 20))
    np.testing.assert_allclose(drawn, sharpen(expected), atol=1e-6)
    across, down = np.zeros((2, 20, 20))
    across[1:6, 3:5], across[1:6, 7:9], down[0:2, 4:8], down[5:7, 4:8] = 1, -1, 1, -1  # not where both touch
    np.testing.assert_array_equal(sides, [across, down])
    assert not any(planes.any() for planes in reduce_outlines(batch, 0, (20, 20), (20, 20)))
    alone = batch.take_images(np.array([1]))
    np.testing.assert_allclose(reduce_outlines(alone, 0, (20, 20), (20, 20))[0], sharpen(expected), atol=1e-6)


@pytest.mark.parametrize("full", [(640, 427), (301, 88), (100, 100), (60, 5), (7, 90)])
def test_means_of_boxes_are_those_of_pillow(full: tuple[int, int]) -> None:
    plane = np.random.default_rng(7).choice(np.array([-2, -1, 0, 0, 0, 0, 1, 2], np.int8), full)
    wide, high = reduced_size(*full)
    expected = Image.fromarray(plane.astype(np.float32)).resize((wide, high), Image.Resampling.BOX)
    np.testing.assert_allclose(_box_means(plane, (high, wide)), np.asarray(expected), atol=1e-6)


def test_of_segments_on_each_other_the_later_one_is_painted() -> None:
    start, length = np.array([0, 3, 6, 4, 7]), np.array([2, 2, 2, 2, 2])
    columns = _paint_columns(start, length, np.array([1, 1, 1, 2, 2]), (3, 4))
    assert columns.T.tolist() == [[1, 1, 1, 0], [1, 2, 2, 0], [0, 2, 2, 0]]


@pytest.mark.parametrize("rim", [-5, -2, 3, 6])
def test_a_wider_label_has_its_score_where_it_is_narrowed(rim: int) -> None:
    """Boxes whose labels are wider by a rim all around; others reach the frame."""
    high, wide = 90, 120
    label, wider = np.zeros((2, high, wide), int)
    boxes = ((20, 40, 30, 60), (0, 30, 70, 100), (60, high, 20, 50), (50, 80, 90, wide))
    for number, (top, bottom, left, right) in enumerate(boxes, 1):
        label[top:bottom, left:right] = number
        wider[max(top - rim, 0) : bottom + rim, max(left - rim, 0) : right + rim] = number
    planes = []
    for values in (label, wider):
        rows = "\n".join("".join(".abcd"[value] for value in row) for row in values.tolist())
        planes.append(reduce_outlines(draw_picture(rows).batch, 0, (high, wide), (wide, high)))
    one = OutlinePlanes.from_outline(0, planes[1][0], planes[0][0], (2 * high, 2 * wide))
    one.sides = planes[1][1]
    scores = _rim_scores(one)
    assert max(scores, key=scores.__getitem__) == -rim
    best = best_placement(one)
    assert (best.change, best.x) == (WIDENED, -2 * rim)
    words = f"{abs(2 * rim)} px {'narrower' if rim > 0 else 'wider'} all around"
    assert change_words(best.change, best.x, best.y) == words


def test_lines_so_thin_that_their_sides_cancel_have_no_rim() -> None:
    """Reduced to a third, each side of the line is in the same pixels as the other."""
    drawn, sides = reduce_outlines(
        draw_picture("\n".join(["......"] * 4 + ["aaaaaa"] + ["......"] * 4)).batch, 0, (9, 6), (2, 3)
    )
    assert drawn.any()
    assert not sides.any()
    assert _rim_scores(OutlinePlanes(0, drawn, drawn, (9, 6), np.zeros((3, 3), np.float32), sides=sides)) == {}


def test_rings_are_not_too_wide_by_their_own_width() -> None:
    """The picture has steep edges within the rings alone, where the discs in them end."""
    y, x = np.mgrid[:90, :120]
    apart = np.minimum(*(np.maximum(abs(y - 45), abs(x - middle)) for middle in (30, 90)))
    rows = "\n".join("".join(".ab"[value] for value in row) for row in ((apart < 24) * 1 + (apart < 18)).tolist())
    outline, sides = reduce_outlines(draw_picture(rows).batch, 0, (90, 120), (120, 90))
    inner, _ = reduce_outlines(draw_picture(rows.replace("a", ".")).batch, 0, (90, 120), (120, 90))
    one = OutlinePlanes.from_outline(0, outline, inner, (90, 120))
    one.sides = sides
    assert max(_rim_scores(one).values()) < FITS < one.own_score
    one.outline = outline - inner  # of nobody
    assert max(_rim_scores(one), key=_rim_scores(one).__getitem__) == -6


@pytest.mark.parametrize(("shape", "reach"), [((100, 256), 42), ((256, 84), 41), ((48, 64), 23), ((9, 300), 3)])
def test_labels_may_be_displaced_by_a_sixth_of_a_picture(shape: tuple[int, int], reach: int) -> None:
    one = OutlinePlanes.from_outline(0, np.ones(shape, np.float32), np.ones(shape, np.float32), shape)
    assert (one.reach, one.near.shape) == (reach, (2 * reach + 1, 2 * reach + 1))


def test_products_of_what_has_nothing_in_common_have_this_noise() -> None:
    rng = np.random.default_rng(0)
    outline = rng.normal(size=(20, 30)).astype(np.float32)
    products = [np.vdot(outline, 3 * rng.normal(size=(20, 30))) for _ in range(2000)]
    noise = correlation_noise(outline, (3 * rng.normal(size=(20, 30))).astype(np.float32))
    assert np.std(products) == pytest.approx(noise, rel=0.1)
    assert correlation_noise(np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)) == 1


@pytest.mark.parametrize("unit", [1, 2])
@pytest.mark.parametrize(("down", "across"), [(0, 0), (4, -6), (-5, 3), (0, 9)])
def test_a_shift_is_undone_in_pixels_of_the_image(down: int, across: int, unit: int) -> None:
    edges = lines(3)
    one = placed(np.roll(edges, (down, across), (0, 1)), edges, 7, unit)
    best = best_placement(one)
    assert (best.annotation, best.change, best.x, best.y) == (7, SHIFTED, -across * unit, -down * unit)
    assert best.score == pytest.approx(one.near.max())
    assert (one.own_score > 0.9 * best.score) == ((down, across) == (0, 0))


@pytest.mark.parametrize("name", [name for name in CHANGES if "turned by 90" not in name and "270" not in name])
def test_a_change_is_undone(name: str) -> None:
    edges = lines(5)
    if name == "with x and y exchanged":  # which cuts off what lies outside of both
        edges[:, HIGH:] = 0
    change = list(CHANGES).index(name)
    one = placed(CHANGES[name](edges), edges)
    best = best_placement(one)
    assert (best.change, best.x, best.y) == (change, 0, 0)
    assert best.score > 2 * one.own_score


def test_a_group_has_one_change_and_says_for_how_many_it_is_better() -> None:
    """One of six lies well as it is."""
    edges = [lines(seed) for seed in range(6)]
    shifted = [placed(np.roll(plane, (3, -5), (0, 1)), plane, 4 + row) for row, plane in enumerate(edges[:5])]
    place, n_better = common_change([*shifted, placed(edges[5], edges[5], 9)])
    assert (place.annotation, place.change, place.x, place.y, n_better) == (4, SHIFTED, 5, -3, 5)
    assert place.score > place.own > 0
    mirrored = [placed(plane[:, ::-1], plane, row) for row, plane in enumerate(edges)]
    place, n_better = common_change(mirrored, poor=np.inf)
    assert (place.change, n_better) == (list(CHANGES).index("mirrored left to right"), 6)
    assert common_change(mirrored, poor=0.0)[0].change == SHIFTED


def test_labels_of_smaller_images_are_scaled() -> None:
    edges = [lines(seed, 9) for seed in range(4)]
    reduced = [placed(_rescale(plane, 0.8, 0.8), plane) for plane in edges]
    place, n_better = common_change(reduced, poor=np.inf)
    assert (place.change, n_better) == (SCALED, 4)
    assert [place.x, place.y] == pytest.approx([1.25, 1.25], abs=0.03)


def test_labels_that_are_a_little_too_large_are_not_called_shifted() -> None:
    """They lie well enough that scales are not tried, but for the shift that places their middle better."""
    edges = [np.block([[lines(seed), lines(seed + 1)], [lines(seed + 2), lines(seed + 3)]]) for seed in range(0, 24, 4)]
    place, n_better = common_change([placed(_rescale(plane, 1.04, 1.04), plane) for plane in edges], poor=0.0)
    assert (place.change, n_better) == (SCALED, 6)
    assert [place.x, place.y] == pytest.approx([0.96, 0.96], abs=0.011)


@pytest.mark.parametrize("n_moved", [MIN_PART_ANNOTATIONS - 1, MIN_PART_ANNOTATIONS])
def test_a_part_of_a_group_is_those_that_lie_better(n_moved: int) -> None:
    edges = [lines(seed, 9) for seed in range(9)]
    moved = [np.roll(plane, (0, 6), (0, 1)) if row < n_moved else plane for row, plane in enumerate(edges)]
    planes = [placed(outline, plane, 10 + row) for row, (outline, plane) in enumerate(zip(moved, edges, strict=True))]
    parts = list(place_parts(planes, np.zeros(9, np.int64)))
    assert [(one.change, one.x, one.y, one.annotation) for one, _, _ in parts] == [(SHIFTED, -6, 0, 10)] * (
        n_moved == MIN_PART_ANNOTATIONS
    )
    assert [(group, rows) for _, group, rows in parts] == [(0, list(range(n_moved)))] * (
        n_moved == MIN_PART_ANNOTATIONS
    )
    assert not list(place_parts(planes[: MIN_PART_ANNOTATIONS - 1], np.zeros(MIN_PART_ANNOTATIONS - 1, np.int64)))


def test_labels_that_are_too_narrow_all_around_are_not_shifted() -> None:
    """A shift would lay two sides on their edges, and the opposite one the two others: borders of void do that."""
    edges = [lines(seed) for seed in range(6)]
    narrow = [placed(lines(seed, within=2), plane, seed) for seed, plane in enumerate(edges)]
    place, _ = common_change(narrow, poor=-np.inf)  # shifts alone
    assert place.score == place.own


def test_loose_outlines_are_not_shifted_in_part() -> None:
    """Each lies beside the only side that its picture shows, half of them the left one, half the right one."""
    planes = []
    for row in range(2 * MIN_PART_ANNOTATIONS):
        edges, outline = lines(row, 9), np.zeros((HIGH, WIDE), np.float32)
        outline[:, 5:] = edges[:, :-5]
        planes.append(placed(outline if row % 2 else outline[:, ::-1], edges if row % 2 else edges[:, ::-1], row))
    same_side = [placed(one.outline[:, ::-1], one.edges[:, ::-1], one.annotation) for one in planes[::2]]
    assert list(place_parts(planes, np.zeros(len(planes), np.int64))) == []
    ((place, _, rows),) = place_parts([*same_side, *planes[1::2]], np.zeros(len(planes), np.int64))
    assert (place.change, place.x, place.y, len(rows)) == (SHIFTED, -5, 0, len(planes))


@pytest.mark.parametrize("loose", [4, -3])
def test_outlines_beside_all_four_sides_are_not_scaled(loose: int) -> None:
    """Enlarged from the corner of the image, they lie on the far sides; reduced, on the near ones."""

    def frame(seed: int, beside: int) -> Plane:
        rng, plane = np.random.default_rng(seed), np.zeros((HIGH, WIDE), np.float32)
        y, x = rng.integers(12, 15, 2)
        below, right = y + int(rng.integers(18, 22)) + beside, x + int(rng.integers(18, 22)) + beside
        y, x = y - beside, x - beside
        plane[y : below + 1, [x, right]] = plane[[y, below], x : right + 1] = 1
        return plane

    planes = [placed(frame(seed, loose), frame(seed, 0), seed) for seed in range(8)]
    assert common_change(planes, poor=np.inf)[0].score < FITS
    assert list(place_parts(planes, np.zeros(8, np.int64))) == []


@pytest.mark.parametrize(("across", "down"), [(True, True), (True, False), (False, True)])
def test_a_scale_is_screened_by_where_the_middles_of_pixels_go(across: bool, down: bool) -> None:
    rng = np.random.default_rng(3)
    outline = (rng.random((9, 12)) * (rng.random((9, 12)) < 0.4)).astype(np.float32)
    edges = rng.normal(size=(9, 12)).astype(np.float32)
    found = _scaled_scores(OutlinePlanes(0, outline, edges, (9, 12), np.zeros((3, 3), np.float32)), across, down)
    for scale, score in zip(placements._SCALES.tolist(), found.tolist(), strict=True):
        total = squares = 0.0
        for y, x in np.argwhere(outline > 0.1).tolist():
            row = round((y + 0.5) * scale - 0.5) if down else y
            column = round((x + 0.5) * scale - 0.5) if across else x
            if row < 9 and column < 12:
                total += float(outline[y, x]) * float(edges[row, column])
                squares += float(outline[y, x]) ** 2
        noise = math.sqrt(squares * float((edges.astype(float) ** 2).mean()))
        assert score == pytest.approx(total / max(noise, 1e-12), rel=1e-4, abs=1e-5)


Near = list[list[float]]  # the scores around no displacement
SCALES = [0.5, 0.8, 1.25, 2.0]


class Scored(OutlinePlanes):
    """Labels whose scores after a change are numbers drawn by it."""

    def drawn(self, *how: float) -> float:
        """High for most labels, or for few, as the change says; in whole numbers every other time."""
        seed = [self.annotation // 100, *(round(100 * number) for number in how)]
        is_high = np.random.default_rng(seed).random() < 0.4
        rng = np.random.default_rng([self.annotation, *seed])
        score = rng.uniform(8, 24) if rng.random() < (0.9 if is_high else 0.2) else rng.uniform(1, 9)
        return float(round(score) if self.annotation // 100 % 2 else score)

    def scores(self, outlines: Iterable[Plane], reach: int = 1) -> list[float]:
        assert reach == 2
        return [self.drawn(*outline) for outline in outlines]


def scored(seed: int, n: int, monkeypatch: pytest.MonkeyPatch) -> list[OutlinePlanes]:
    """So many random labels, some of which go further around than others, and some that may not be turned."""
    rng = np.random.default_rng([7, seed])
    monkeypatch.setattr(placements, "_SCALES", np.array(SCALES))
    monkeypatch.setattr(placements, "_rescale", lambda outline, x, y: (x, y))
    monkeypatch.setattr(
        placements,
        "_scaled_scores",
        lambda one, *axes: np.array([one.drawn(scale, *axes) for scale in SCALES]),
    )
    planes: list[OutlinePlanes] = []
    strength = rng.choice([1, 2, 3] if seed % 4 else [1, 4, 8, 9, 10], (7, 7))
    for _ in range(int(rng.integers(0, 4))):
        strength[*rng.integers(1, 6, 2)] = rng.choice([8, 9, 14])
    for k in range(n):
        reach = int(rng.choice([2, 3]))
        near = np.where(rng.random((7, 7)) < 0.8, strength, rng.choice([1.0, 2.0, 8.0, 9.0], (7, 7)))
        weak = 0.25 if rng.random() < [0.0, 0.3, 0.6][seed % 3] else 1.0
        near = weak * near[3 - reach : 4 + reach, 3 - reach : 4 + reach].astype(np.float32)
        one = Scored(100 * seed + k, near, np.zeros((10, 20), np.float32), (30, int(rng.choice([40, 60]))), near)
        every = [number for number in range(len(CHANGES)) if number != 3 or rng.random() < 0.95]
        one._changed = {number: one.drawn(number, 7) for number in every}
        planes.append(one)
    return planes


def own_of(one: OutlinePlanes) -> float:
    middle = len(one.near) // 2
    return max(float(one.near[middle + y, middle + x]) for y in (-1, 0, 1) for x in (-1, 0, 1))


def around(planes: list[OutlinePlanes]) -> tuple[int, list[dict[tuple[int, int], float]]]:
    """How far all go, and the scores of each by rows down and columns across."""
    reach = min(len(one.near) // 2 for one in planes)
    steps = range(-reach, reach + 1)
    return reach, [
        {(y, x): float(one.near[len(one.near) // 2 + y, len(one.near) // 2 + x]) for y in steps for x in steps}
        for one in planes
    ]


def best_place(value: dict[tuple[int, int], float], beyond: tuple[int, int] | None = None) -> tuple[int, int]:
    """The first of the greatest; of those on the other side of the middle than `beyond`, or the first if none is."""
    some = [place for place in value if beyond is None or place[0] * beyond[0] + place[1] * beyond[1] < 0]
    return max(some or value, key=value.__getitem__) if some else next(iter(value))


def moved(planes: list[OutlinePlanes], place: tuple[int, int]) -> tuple[tuple[int, float, float], list[float]]:
    """A shift in pixels of the images, and the scores after it, or a step beside."""
    unit = [max(one.full) / 20 for one in planes]
    beside = [(place[0] + y, place[1] + x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    scores = [max(own[step] for step in beside if step in own) for own in around(planes)[1]]
    return (SHIFTED, median(place[1] * one for one in unit), median(place[0] * one for one in unit)), scores


def gain_both(own: list[float], scores: list[float], opposite: list[float]) -> bool:
    return median(opposite) - median(own) > 0.5 * (median(scores) - median(own))


def told(place: Placement) -> tuple[int, float, float]:
    return place.change, place.x, place.y


@pytest.mark.parametrize("seed", range(40))
def test_shifts_of_labels_that_go_less_or_further(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    planes = scored(seed, 4, monkeypatch)
    reach, near = around(planes)
    found = _near_scores(planes)
    assert [one.tolist() for one in found] == [
        [[own[y, x] for x in range(-reach, reach + 1)] for y in range(-reach, reach + 1)] for own in near
    ]
    assert [one.own_score for one in planes] == [own_of(one) for one in planes]
    place = int(rng.integers(-reach, reach + 1)), int(rng.integers(-reach, reach + 1))
    shift, scores = _best_shift(planes, found, place[0] + reach, place[1] + reach)
    assert (told(shift), scores.tolist()) == moved(planes, place)
    row, column = _peak(found[0])
    assert (row - reach, column - reach) == best_place(near[0])
    if place != (0, 0):
        row, column = _peak(found[0], (place[0] + reach, place[1] + reach))
        assert (row - reach, column - reach) == best_place(near[0], place)
    values = [rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], 3).tolist() for _ in range(3)]
    assert _gain_both(*(np.array(some) for some in values)) == gain_both(*values)


def changes_of_group(planes: list[OutlinePlanes]) -> list[tuple[tuple[int, float, float], list[float]]]:
    own = [own_of(one) for one in planes]
    changes: list[tuple[tuple[int, float, float], list[float]]] = []
    for number in range(len(CHANGES)):
        if all(number in one.changed_scores() for one in planes):
            changes.append(((number, 0.0, 0.0), [one.changed_scores()[number] for one in planes]))
    for across, down in ((True, True), (True, False), (False, True)):
        rough = [sum(Scored.drawn(one, scale, across, down) for one in planes[:12]) for scale in SCALES]  # type: ignore[arg-type]  # all are
        best = rough.index(max(rough))
        others = [k for k in range(4) if (SCALES[k] < 1) != (SCALES[best] < 1)]
        other = max(others, key=rough.__getitem__)
        scales = [(SCALES[k] if across else 1.0, SCALES[k] if down else 1.0) for k in (best, other)]
        scores, opposite = ([Scored.drawn(one, *scale) for one in planes] for scale in scales)  # type: ignore[arg-type]  # as above
        if not gain_both(own, scores, opposite):
            changes.append(((SCALED, *scales[0]), scores))
    return changes


@pytest.mark.parametrize("seed", range(40))
def test_the_change_of_a_group_has_the_greatest_median(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    planes = scored(seed, int(rng.choice([1, 3, 14])), monkeypatch)
    own = [own_of(one) for one in planes]
    _, near = around(planes)
    mean = {place: sum(one[place] for one in near) / len(near) for place in near[0]}
    best = best_place(mean)
    shift, scores = moved(planes, best)
    opposite = moved(planes, best_place(mean, best))[1]
    changes = [(shift, own if gain_both(own, scores, opposite) else scores)]
    poor = [0.0, 9.0, 100.0, None][int(rng.integers(4))]
    if median(own) < (10 if poor is None else poor):
        changes += changes_of_group(planes)
    expected, scores = max(changes, key=lambda change: median(change[1]))
    place, n_better = common_change(planes) if poor is None else common_change(planes, poor)
    assert (told(place), n_better) == (expected, sum(a > b for a, b in zip(scores, own, strict=True)))
    assert (place.annotation, place.own, place.score) == (100 * seed, median(own), median(scores))


@pytest.mark.parametrize("seed", range(80))
def test_the_change_of_a_part_is_that_of_the_most_labels(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    planes = scored(seed, int(rng.integers(4, 24)), monkeypatch)
    groups = np.where(rng.random(len(planes)) < 0.8, 2, 1)
    expected = []
    for group in (1, 2):
        rows = [k for k in range(len(planes)) if groups[k] == group]
        part = _part([planes[k] for k in rows])
        if part is not None:
            place, scores, members = part
            own = [own_of(planes[rows[k]]) for k in members]
            first = (place, planes[rows[members[0]]].annotation, median(own), median(scores[k] for k in members))
            expected.append((*first, group, [rows[k] for k in members]))
    found = [
        (told(one), one.annotation, one.own, one.score, group, rows) for one, group, rows in place_parts(planes, groups)
    ]
    assert found == expected


def _part(planes: list[OutlinePlanes]) -> tuple[tuple[int, float, float], list[float], list[int]] | None:
    """The change after which most of some labels, five or more, score 8 or more, and 1.5 times as much as before."""
    own = [own_of(one) for one in planes]
    changes: list[tuple[tuple[int, float, float], list[float]]] = []
    if len(planes) < MIN_PART_ANNOTATIONS:
        return None
    _, near = around(planes)
    better = [
        {place: value >= max(8, 1.5 * before) for place, value in one.items()}
        for one, before in zip(near, own, strict=True)
    ]
    gained = {
        place: sum(one[place] for one, is_better in zip(near, better, strict=True) if is_better[place])
        for place in near[0]
    }
    n_better = {place: sum(one[place] for one in better) for place in near[0]}
    best = best_place(gained)
    opposite = n_better[best_place(gained, best)]
    if opposite <= 0.5 * n_better[best] > 0:
        changes.append(moved(planes, best))
    weak = [k for k in range(len(own)) if own[k] < 0.8 * np.quantile(own, 0.8)]
    if len(weak) >= MIN_PART_ANNOTATIONS:
        rough = {
            scale: [value for k in weak if (value := Scored.drawn(planes[k], scale)) >= 0.8 * max(8, 1.5 * own[k])]  # type: ignore[arg-type]  # as above
            for scale in SCALES
        }
        scale = max(SCALES, key=lambda one: sum(rough[one]))
        others = max(len(rough[one]) for one in SCALES if (one < 1) != (scale < 1))
        if max(map(len, rough.values())) >= MIN_PART_ANNOTATIONS and others <= 0.5 * len(rough[scale]):
            changes.append(
                ((SCALED, scale, scale), _instead(own, {k: Scored.drawn(planes[k], scale, scale) for k in weak}))
            )  # type: ignore[arg-type]  # as above
        lost = [k for k in range(len(own)) if own[k] < FITS]
        for number in range(len(CHANGES)) if len(lost) >= MIN_PART_ANNOTATIONS else ():
            if all(number in planes[k].changed_scores() for k in lost):
                changes.append(
                    ((number, 0.0, 0.0), _instead(own, {k: planes[k].changed_scores()[number] for k in lost}))
                )
    best_change, most = None, MIN_PART_ANNOTATIONS - 1
    for place, scores in changes:
        members = [k for k in range(len(own)) if scores[k] >= max(8, 1.5 * own[k])]
        if len(members) > most:
            best_change, most = (place, scores, members), len(members)
    return best_change


def _instead(own: list[float], changed: dict[int, float]) -> list[float]:
    return [changed.get(k, value) for k, value in enumerate(own)]


@pytest.mark.parametrize("seed", range(60))
def test_the_best_placement_has_the_highest_score(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = scored(seed, 1, monkeypatch)
    _, (near,) = around([one])
    place = best_place(near)
    unit = max(one.full) / 20
    changes = [(near[place], (SHIFTED, place[1] * unit, place[0] * unit))]
    changes += [(score, (number, 0.0, 0.0)) for number, score in one.changed_scores().items()]
    changes += [(Scored.drawn(one, scale, scale), (SCALED, scale, scale)) for scale in (0.25, 0.5, 2.0, 4.0)]  # type: ignore[arg-type]  # as above
    score, change = max(changes, key=lambda pair: pair[0])
    best = best_placement(one)
    assert (best.annotation, best.own, best.score, told(best)) == (100 * seed, 0, score, change)
