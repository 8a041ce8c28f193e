"""Flat ends, stairs, seams and dashes: against counts of pixels, and the same whichever way a picture is turned."""

import math

import cv2
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from segdata.core.runs import Ints
from segdata.measure.measure import measure_source
from segdata.measure.registry import SHORTEST_END, BatchView, walk_segments
from segdata.measure.tables import straight_lines
from segdata.measure.tables.rows import segment_rows
from segdata.measure.tables.straight_lines import (
    LARGEST_DEVIATION,
    SHORTEST_SEAM,
    measure_seams,
    siblings,
)
from segdata.testing.pictures import draw_picture

Ends = set[tuple[int, bool, int, int, bool]]
PICTURES = st_numpy.arrays(np.int64, (14, 18), elements=st.integers(0, 2), fill=st.just(1))
Picture = NDArray[np.uint8]


def ends_of(picture: NDArray[np.int64]) -> Ends:
    """Value, upright, at, length and begins of every flat end; 0 is unlabelled."""
    rows = ["".join(".abc"[value] for value in row) for row in picture.tolist()]
    table = measure_source(draw_picture("\n".join(rows)), frozenset({"ends"}), jobs=1).ends
    values = sorted(set(picture.ravel().tolist()) - {0})
    return {(values[row], *rest) for row, *rest in table.lines("segment", "upright", "at", "length", "begins")}


def counted(picture: NDArray[np.int64]) -> Ends:
    """The same, by counting the pixels of each column and row."""
    found = set()
    for value in sorted(set(picture.ravel().tolist()) - {0}):
        for upright in (True, False):
            pixels = np.pad((picture == value).sum(axis=0 if upright else 1), 5)
            for at in range(1, len(pixels) - 10):
                step = int(pixels[at + 5] - pixels[at + 4])
                around = abs(int(pixels[at + 8] - pixels[at + 1]))
                if abs(step) >= SHORTEST_END and abs(step) >= 0.75 * around:
                    found.add((value, upright, at, abs(step), step > 0))
    return found


@settings(max_examples=40)
@given(PICTURES)
def test_ends_are_those_that_counting_finds(picture: NDArray[np.int64]) -> None:
    assert ends_of(picture) == counted(picture)


@settings(max_examples=20)
@given(PICTURES)
def test_a_transposed_picture_has_the_same_ends(picture: NDArray[np.int64]) -> None:
    turned = {(value, not upright, *rest) for value, upright, *rest in ends_of(picture.T)}
    assert turned == ends_of(picture)


def test_a_disc_has_none_and_a_cut_disc_has_one() -> None:
    y, x = np.mgrid[:80, :80]
    disc = ((x - 40) ** 2 + (y - 40) ** 2 <= 35**2).astype(np.int64)
    assert ends_of(disc) == set()
    disc[:, 50:] = 0
    assert ends_of(disc) == {(1, True, 50, int(disc[:, 49].sum()), False)}


Mask = NDArray[np.bool_]
SMALL = st_numpy.arrays(np.bool_, st.tuples(st.integers(2, 7), st.integers(2, 7)))


def steps_of(mask: Mask) -> tuple[int, ...] | None:
    """Across, down, n_across and n_down; None where the segment is not listed."""
    rows = ["".join(".a"[int(value)] for value in row) for row in mask.tolist()]
    table = measure_source(draw_picture("\n".join(rows)), frozenset({"steps"}), jobs=1).steps
    return next(table.lines("across", "down", "n_across", "n_down"), None)


def compared(mask: Mask) -> tuple[int, ...] | None:
    """The same, by comparing every column and row with the one before."""
    found = []
    for side in (mask.T, mask):
        changes = np.flatnonzero((side[1:] != side[:-1]).any(axis=1)) + 1
        found.append((int(np.diff(changes).min(initial=99)) % 99, len(changes)))
    (across, n_across), (down, n_down) = found
    return (across, down, n_across, n_down) if across > 1 and down > 1 else None


@settings(max_examples=35)
@given(SMALL, st.integers(1, 3), st.integers(1, 3))
def test_steps_are_those_that_comparing_finds(small: Mask, wide: int, high: int) -> None:
    mask = small.repeat(high, axis=0).repeat(wide, axis=1)
    assert steps_of(mask) == compared(mask)


@settings(max_examples=20)
@given(st.floats(2, 4.5), st.integers(0, 2**32 - 1))
def test_an_enlarged_blob_is_all_stairs_and_a_drawn_one_is_not(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    radius = rng.uniform(8, 12)

    def disc(at: float, scale: float) -> Mask:
        y, x = np.mgrid[: int(30 * scale), : int(30 * scale)]
        inside: Mask = ((x - at * scale) ** 2 + (y - at * scale) ** 2) <= (radius * scale) ** 2
        return inside

    coarse = disc(15, 1)
    place = (np.arange(int(30 * factor)) / factor).astype(int)
    found = steps_of(coarse[place][:, place])
    assert found is not None
    assert found[0] >= int(factor)
    assert found[1] >= int(factor)
    assert min(found[2:]) >= 8
    assert steps_of(disc(15, factor)) is None


Labels = NDArray[np.int64]
BLOCKS = arrays(np.int64, (3, 3), elements=st.integers(0, 3)).map(lambda small: np.kron(small, np.ones((7, 8), int)))


def text_of(labels: Labels, legend: str = "a, b, c: car") -> str:
    rows = ["".join(".abcd"[value] for value in row) for row in labels]
    return "\n".join(rows) + "\n\n" + legend


def measured(labels: Labels) -> pa.Table:
    present = [".abcd"[value] for value in np.unique(labels[labels > 0])]
    drawing = draw_picture(text_of(labels, f"{', '.join(present)}: car" if present else ""))
    segments = segment_rows(drawing.batch, walk_segments(drawing.batch))
    return measure_seams(BatchView(drawing.batch, drawing.profile, tables={"segments": segments}))


def contact(labels: Labels, a: int, b: int) -> NDArray[np.float64]:
    """The middles of the pixel edges between two labels, (n, 2) x and y."""
    found = []
    for (y, x), value in np.ndenumerate(labels):
        for dy, dx in ((0, 1), (1, 0)):
            if y + dy < labels.shape[0] and x + dx < labels.shape[1] and {value, labels[y + dy, x + dx]} == {a, b}:
                found.append((x + (1 + dx) / 2, y + (1 + dy) / 2))
    return np.array(found, float).reshape(-1, 2)


@settings(max_examples=30)
@given(BLOCKS)
def test_straight_contacts_are_those_whose_edges_lie_on_a_line(labels: Labels) -> None:
    """Blocks touch along upright and level lines: no gap and no bend is a seam, of as many pixels as edges."""
    values = np.unique(labels[labels > 0]).tolist()
    expected = {}
    for first, a in enumerate(values):
        for second, b in enumerate(values[first + 1 :], start=first + 1):
            edges = contact(labels, a, b)
            bent = len(edges) == 0 or (np.ptp(edges[:, 0]) > 0 and np.ptp(edges[:, 1]) > 0)
            if not bent and np.ptp(edges, axis=0).max() == len(edges) - 1:
                expected[first, second] = len(edges)
    found = {(row["a"], row["b"]): row["length"] for row in measured(labels).to_pylist() if row["deviation"] < 1e-6}
    assert found == {pair: float(length) for pair, length in expected.items()}


@settings(max_examples=30)
@given(BLOCKS)
def test_a_transposed_picture_has_the_same_seams(labels: Labels) -> None:
    names = ["a", "b", "length", "deviation", "flush", "waist", "astray", "mirrored"]
    assert measured(labels).select(names).to_pylist() == measured(labels.T).select(names).to_pylist()


@pytest.mark.parametrize("angle", [0.2, 0.5, 0.9, 1.3, 2.0, 2.8])
def test_a_disc_cut_at_any_angle_has_a_seam_that_both_halves_end_with(angle: float) -> None:
    y, x = np.mgrid[:61, :61] - 30
    beyond = x * math.cos(angle) + y * math.sin(angle) > 3
    (seam,) = measured(np.where(x * x + y * y < 28**2, 1 + beyond, 0)).to_pylist()
    assert seam["length"] == pytest.approx(2 * math.sqrt(28**2 - 3**2), abs=2)
    assert seam["deviation"] < 0.3
    assert seam["flush"] > 0.93
    assert seam["waist"] < 1
    assert seam["astray"] == 0


@pytest.mark.parametrize("angle", [0.0, math.pi / 2, 0.2, 0.5, 0.9, 1.3, 2.0, 2.8])
def test_a_thing_and_its_reflection_are_mirror_images_and_the_parts_of_one_are_not(angle: float) -> None:
    """Also where the frame cuts the reflection off."""
    y, x = np.mgrid[:81, :81] - 40.0
    across, along = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    wedge = (abs(along - 3) < 13) & (abs(across) < 20 + along / 2)
    (seam,) = measured(np.where(wedge, np.where(across < 0, 1, 2), 0)).to_pylist()
    assert seam["mirrored"] >= 0.8
    (seam,) = measured(np.where(wedge, np.where(across < 0, 1, 2), 0)[:, :50]).to_pylist()
    assert seam["mirrored"] >= 0.75
    (seam,) = measured(np.where(wedge & (across > -9), np.where(across < 0, 1, 2), 0)).to_pylist()
    assert seam["mirrored"] < 0.6


@pytest.mark.parametrize("angle", [0.0, 0.5, 0.9, 2.8])
def test_the_share_beyond_a_line_hardly_depends_on_how_many_pixels_are_looked_at(
    angle: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a disc with a piece of the other half, which it does not touch: it lies beyond the contact's line."""
    y, x = np.mgrid[:161, :161] - 80.0
    across, along = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    disc, other = x * x + y * y < 75**2, np.where(along < 20, 2, np.where(along > 30, 1, 0))
    labels = np.where(disc, np.where(across < 0, 1, other), 0)
    (every,) = measured(labels).to_pylist()
    assert every["astray"] > 0.05
    monkeypatch.setattr(straight_lines, "_ASTRAY_PIXELS", 1_000)
    (some,) = measured(labels).to_pylist()
    assert some["astray"] == pytest.approx(every["astray"], abs=0.03)
    assert {**some, "astray": 0} == {**every, "astray": 0}


@pytest.mark.parametrize("angle", [0.0, 0.5, 0.9, 2.8])
def test_some_pixels_of_large_things_tell_as_all_do(angle: float, monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[:480, :480] - 240.0
    across, along = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    wedge = (abs(along - 9) < 78) & (abs(across) < 120 + along / 2)
    pictures = [np.where(each, np.where(across < 0, 1, 2), 0) for each in (wedge, wedge & (across > -27))]
    some = [seam["mirrored"] for labels in pictures for seam in measured(labels).to_pylist()]
    monkeypatch.setattr(straight_lines, "_MIRRORED_PIXELS", 10**9)
    every = [seam["mirrored"] for labels in pictures for seam in measured(labels).to_pylist()]
    assert some == pytest.approx(every, abs=0.05)


def test_two_discs_that_touch_widen_on_both_sides() -> None:
    y, x = np.mgrid[:41, :80]
    left = (x - 22) ** 2 + (y - 20) ** 2 < 18**2
    right = (x - 56) ** 2 + (y - 20) ** 2 < 18**2
    (seam,) = measured(np.where(left & (x < 39), 1, np.where(right & (x >= 39), 2, 0))).to_pylist()
    assert seam["waist"] > 1.3


def test_shorter_and_crooked_contacts_are_left_out() -> None:
    rows = pa.concat_tables([measured(labels) for labels in _crooked()])
    assert all(length >= SHORTEST_SEAM for length in rows["length"].to_pylist())
    assert all(deviation <= LARGEST_DEVIATION for deviation in rows["deviation"].to_pylist())


def _crooked() -> list[Labels]:
    """Pictures parted by a wave, and by a line of five pixels."""
    y, x = np.mgrid[:40, :40]
    return [1 + (x > 20 + 4 * np.sin(y / 4)), np.where(np.abs(y - 20) < 3, 1 + (x > 20), 0)]


@pytest.mark.parametrize("most", [0, 300])
@settings(max_examples=30)
@given(BLOCKS)
def test_siblings_are_those_whose_boxes_touch(most: int, labels: Labels) -> None:
    """Of groups that are too large to compare all are taken."""
    batch = draw_picture(text_of(labels, "")).batch if not (labels > 0).any() else draw_picture(_alike(labels)).batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segdata.measure.tables.straight_lines._MAX_SIBLINGS_COMPARED", most)
        found, begin, end = siblings(batch, segment_rows(batch, walk_segments(batch)))
    assert (begin <= end).all()
    expected = _touching(labels) if most else np.arange(batch.n_segments * (batch.n_segments > 1))
    np.testing.assert_array_equal(found, expected)


def _alike(labels: Labels) -> str:
    return text_of(labels, f"{', '.join('.abcd'[value] for value in np.unique(labels[labels > 0]))}: car")


def _touching(labels: Labels) -> Ints:
    values = np.unique(labels[labels > 0]).tolist()
    boxes = [(where.min(axis=0), where.max(axis=0)) for where in (np.argwhere(labels == value) for value in values)]
    near = [
        i
        for i, (low, high) in enumerate(boxes)
        if any(j != i and (low <= end + 1).all() and (begin <= high + 1).all() for j, (begin, end) in enumerate(boxes))
    ]
    return np.array(near, np.int64)


def dashed(angle: float, n_pieces: int, gap: float = 6, length: float = 14) -> Picture:
    """Pieces of a line through the middle of a picture, at an angle in degrees."""
    picture = np.zeros((160, 160), np.uint8)
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    first = -(n_pieces * length + (n_pieces - 1) * gap) / 2
    for number in range(n_pieces):
        begin = 80 + direction * (first + number * (length + gap))
        end = begin + direction * length
        cv2.line(picture, begin.round().astype(int).tolist(), end.round().astype(int).tolist(), 1, 2)
    return picture


def found_in(picture: Picture, words: str = "thin") -> list[tuple[int, int]]:
    """Pieces and between of each segment listed."""
    rows = ["".join(".a"[int(value)] for value in row) for row in picture.tolist()]
    text = "\n".join(rows) + f"\n\ncategory: pole ({words})\na: pole"
    return list(measure_source(draw_picture(text), frozenset({"dashes"}), jobs=1).dashes.lines("pieces", "between"))


@settings(max_examples=25)
@given(st.floats(0, 180), st.integers(3, 5))
@example(91.5, 4)  # of which some are drawn upright, some not quite: their directions are opposites
def test_pieces_are_in_line_whatever_their_direction(angle: float, n_pieces: int) -> None:
    assert found_in(dashed(angle, n_pieces, length=24)) == [(n_pieces, n_pieces - 2)]  # shorter ones end too crookedly


@settings(max_examples=15)
@given(st.floats(0, 180))
def test_two_pieces_are_a_line_that_is_hidden_somewhere(angle: float) -> None:
    assert found_in(dashed(angle, 2)) == []


@pytest.mark.parametrize("turns", range(4))
def test_a_turned_picture_has_the_same_box(turns: int) -> None:
    picture = np.rot90(dashed(20, 4), turns)
    rows = ["".join(".a"[int(value)] for value in row) for row in picture.tolist()]
    table = measure_source(
        draw_picture("\n".join(rows) + "\n\ncategory: p (thin)\na: p"), frozenset({"dashes"}), jobs=1
    ).dashes
    y, x = np.nonzero(picture)
    box = (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)
    assert [tuple(line) for line in table.lines("x", "y", "width", "height")] == [tuple(int(each) for each in box)]


def test_categories_that_are_not_thin_are_not_looked_at() -> None:
    assert found_in(dashed(0, 4), "thing") == []


def test_pieces_far_apart_are_lines_of_their_own() -> None:
    assert found_in(dashed(0, 3, gap=30)) == []
