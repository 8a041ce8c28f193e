"""Columns, and places on the number line, against division of Python's own numbers."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from segdata.core.kernels import _reference
from segdata.testing.pictures import runs_of_masks

RUNS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)))
HEIGHTS = np.array([4, 0, 7])


def packed(runs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    owner, start = np.array(runs, np.int64).reshape(-1, 2).T.copy()
    return start, owner.astype(np.int32)


@given(st.lists(st.integers(0, 5)), st.integers(0, 7))
def test_bounds_are_where_owners_begin(kernels: ModuleType, owner: list[int], n_owners: int) -> None:
    ordered = sorted(owner)
    found = kernels.bounds(np.array(ordered, np.int32), n_owners)
    assert found.dtype == np.int64
    assert found.tolist() == [sum(each < one for each in ordered) for one in range(n_owners + 1)]


def test_bounds_of_owners_with_many_rows(kernels: ModuleType) -> None:
    owner = np.repeat(np.arange(0, 90, 3, dtype=np.int32), np.arange(30) ** 2)
    np.testing.assert_array_equal(kernels.bounds(owner, 100), np.searchsorted(owner, np.arange(101)))


@given(RUNS)
def test_columns_are_quotients(kernels: ModuleType, runs: list[tuple[int, int]]) -> None:
    x, top = kernels.columns(*packed(runs), HEIGHTS)
    expected = [divmod(start, max(int(HEIGHTS[owner]), 1)) for owner, start in runs]
    assert list(zip(x.tolist(), top.tolist(), strict=True)) == expected


@given(RUNS)
def test_every_column_of_a_frame_has_a_place_more(kernels: ModuleType, runs: list[tuple[int, int]]) -> None:
    base = np.array([0, 100, 1000])
    start, owner = packed(runs)
    x, _ = kernels.columns(start, owner, HEIGHTS)
    assert kernels.lift(start, owner, base, HEIGHTS).tolist() == (base[owner] + start + x).tolist()


@given(RUNS)
def test_what_is_lifted_can_be_lowered(kernels: ModuleType, runs: list[tuple[int, int]]) -> None:
    """In any order; of frames that have a height, for only these have pixels."""
    start, owner = packed([(owner, start) for owner, start in runs if HEIGHTS[owner]])
    base = np.array([3, 200, 300])
    x, top = kernels.columns(start, owner, HEIGHTS)
    found = kernels.lower(kernels.lift(start, owner, base, HEIGHTS), base, HEIGHTS)
    np.testing.assert_array_equal(found, (owner, x, top))


@pytest.mark.parametrize("owner", [-1, 3])
def test_owners_that_do_not_exist_are_refused(kernels: ModuleType, owner: int) -> None:
    start, owners = np.zeros(2, np.int64), np.array([owner, 0], np.int32)
    with pytest.raises(ValueError, match=f"owner {owner} of 3"):
        kernels.columns(start, owners, HEIGHTS)
    with pytest.raises(ValueError, match=f"owner {owner} of 3"):
        kernels.lift(start, owners, HEIGHTS, HEIGHTS)


def test_places_before_all_frames_are_refused(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match="place 2 lies before all 3 frames"):
        kernels.lower(np.array([9, 2]), np.array([3, 20, 30]), HEIGHTS)


@pytest.mark.parametrize("name", ["lift", "lower"])
def test_frames_without_a_height_are_refused(kernels: ModuleType, name: str) -> None:
    start, owner = np.zeros(1, np.int64), np.zeros(1, np.int32)
    runs = (start, owner) if name == "lift" else (start,)
    with pytest.raises(ValueError, match="2 base come with 3 height"):
        getattr(kernels, name)(*runs, HEIGHTS[:2], HEIGHTS)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(1, 4))), st.permutations(range(3)))
def test_strip_hashes_depend_on_pixels_and_kind_alone(
    kernels: ModuleType, runs: list[tuple[int, int, int]], kinds: list[int]
) -> None:
    """In whatever order; the numbers themselves are those of the numpy reference."""
    kind, one_height = np.array(kinds), np.array([5, 5, 5])

    def hashes(rows: list[tuple[int, int, int]], height: np.ndarray) -> np.ndarray:
        owner, start, length = np.array(rows, np.int64).reshape(-1, 3).T.copy()
        found: np.ndarray = kernels.strip_hashes(start, length, owner.astype(np.int32), height, kind)
        assert (found == _reference.strip_hashes(start, length, owner.astype(np.int32), height, kind)).all()
        return found

    found = hashes(runs, HEIGHTS)
    assert found.shape == (2, 3)
    assert (found == hashes(runs[::-1], HEIGHTS)).all()
    pixels = [sorted((*divmod(start, 5), length) for owner, start, length in runs if owner == one) for one in range(3)]
    taller = np.array([5, 9, 7])
    moved = [(owner, start // 5 * int(taller[owner]) + start % 5, length) for owner, start, length in runs]
    assert (hashes(runs, one_height) == hashes(moved, taller)).all()
    same = [[pixels[a] == pixels[b] and (a == b or not pixels[a]) for a in range(3)] for b in range(3)]
    first = hashes(runs, one_height)
    assert [[bool((first[:, a] == first[:, b]).all()) for a in range(3)] for b in range(3)] == same


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 3), st.integers(1, 3))), st.booleans())
def test_lines_with_the_same_pixels_have_the_same_hash(
    kernels: ModuleType, runs: list[tuple[int, int, int, int]], is_first_left_out: bool
) -> None:
    """Columns and rows of three images of 5 x 6 pixels, against lists of pixels; the numbers are the reference's."""
    owner, x, top, length = np.array(sorted(set(runs)), np.int64).reshape(-1, 4).T.copy()
    first_column, first_row = 5 * np.arange(3), 7 * np.arange(3)
    if is_first_left_out:
        first_column[0] = first_row[0] = -1
    given_runs = (6 * x + top, length, owner.astype(np.int32), np.full(3, 6), first_column, first_row, 15, 21)
    found = kernels.line_hashes(*given_runs)
    for hashes, expected in zip(found, _reference.line_hashes(*given_runs), strict=True):
        np.testing.assert_array_equal(hashes, expected)
    columns, rows = ([[[] for _ in range(size)] for _ in range(3)] for size in (5, 7))
    for one, column, begin, n in zip(owner, x, top, length, strict=True):
        columns[one][column].append((begin, n))
        for row in range(begin, begin + n):
            rows[one][row].append(column)
    for lines, hashes in zip((columns, rows), found, strict=True):
        for one in range(int(is_first_left_out), 3):
            own = hashes.reshape(3, -1)[one]
            assert (own[:, None] == own).tolist() == [[a == b for b in lines[one]] for a in lines[one]]


def test_runs_outside_of_their_lines_are_refused(kernels: ModuleType) -> None:
    for start, length in ((30, 1), (4, 3), (0, -1)):
        run = (np.array([start]), np.array([length]), np.zeros(1, np.int32), np.array([6]))
        with pytest.raises(ValueError, match="outside of its lines"):
            kernels.line_hashes(*run, np.zeros(1, np.int64), np.zeros(1, np.int64), 5, 7)
    with pytest.raises(ValueError, match="come with"):
        kernels.line_hashes(*run, np.zeros(2, np.int64), np.zeros(1, np.int64), 5, 7)


LINE = np.array([0, 300, 500])  # where frames begin; two owners may lie in one


@given(RUNS, st.permutations(range(3)), st.booleans())
def test_runs_are_swept_in_the_order_of_their_starts(
    kernels: ModuleType, runs: list[tuple[int, int]], frame: list[int], together: bool
) -> None:
    """Also where frames do not ascend, and where several owners share one."""
    base, height = LINE[frame], HEIGHTS[frame]
    if together:
        base[1], height[1] = base[0], height[0]
    start, owner = packed(sorted(runs))
    length = np.arange(1, len(start) + 1)
    place = kernels.lift(start, owner, base, height)
    order = np.argsort(place, kind="stable")
    expected = [place[order].tolist(), (place + length)[order].tolist(), owner[order].tolist()]
    assert [each.tolist() for each in kernels.sweep_order(start, length, owner, base, height)] == expected


@pytest.mark.parametrize(("high", "wide"), [(5, 400), (4000, 2), (3, 100_000)])
def test_many_runs_are_swept_in_order(kernels: ModuleType, high: int, wide: int) -> None:
    """Columns with many runs, and frames with many more columns than runs."""
    rng = np.random.default_rng(4)
    owner = np.repeat(np.arange(30, dtype=np.int32), 40)
    start = np.sort(rng.integers(0, high * wide, (30, 40)), axis=1).ravel()
    base, height = np.repeat([0, 2 * high * wide + 9], 15), np.full(30, high)
    length = rng.integers(1, 3, len(start))
    expected = _reference.sweep_order(start, length, owner, base, height)
    for column, of_twin in zip(kernels.sweep_order(start, length, owner, base, height), expected, strict=True):
        np.testing.assert_array_equal(column, of_twin)


def test_what_cannot_be_swept_is_refused(kernels: ModuleType) -> None:
    one, owner = np.ones(1, np.int64), np.array([3], np.int32)
    with pytest.raises(ValueError, match="owner 3 of 3"):
        kernels.sweep_order(one, one, owner, HEIGHTS, HEIGHTS)
    with pytest.raises(ValueError, match="1 starts come with 2"):
        kernels.sweep_order(one, np.ones(2, np.int64), owner, HEIGHTS, HEIGHTS)


@given(st.lists(hnp.arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 6))), max_size=3))
def test_empty_strips_are_what_columns_with_runs_leave(kernels: ModuleType, masks: list[np.ndarray]) -> None:
    runs, height = runs_of_masks(masks), np.array([len(mask) for mask in masks], np.int64)
    expected = []
    for owner, mask in enumerate(masks):
        has_runs = np.pad(mask.any(axis=0), 1)
        for x in np.flatnonzero(has_runs[1:-1]):
            empty, count = ndimage.label(~np.pad(mask[:, x], 1))
            for (rows,) in ndimage.find_objects(empty, count):
                is_open = rows.start == 0 or rows.stop == len(empty) or not (has_runs[x] and has_runs[x + 2])
                expected.append((x, rows.start - 1, rows.stop - 1, owner, is_open))
    found = kernels.empty_strips(runs.start, runs.length, runs.owner, height)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected
