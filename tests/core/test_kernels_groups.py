"""Order, sums, medians and pairs by owner against sorting, dictionaries and Python's statistics."""

from collections import Counter
from statistics import median
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

owners = st.one_of(st.integers(-1, 4), st.sampled_from([2**31 - 1, 2**31 - 2]))


@given(st.lists(st.integers(0, 6)))
def test_order_is_stable(kernels: ModuleType, owner: list[int]) -> None:
    order = kernels.order_by(np.array(owner, np.int32), 7)
    assert order.dtype == np.int64
    assert order.tolist() == sorted(range(len(owner)), key=owner.__getitem__)


@pytest.mark.parametrize("owner", [-1, 3, 2**31 - 1])
def test_owners_that_do_not_exist_are_refused(kernels: ModuleType, owner: int) -> None:
    with pytest.raises(ValueError, match=f"owner {owner} of 3"):
        kernels.order_by(np.array([0, owner, 1], np.int32), 3)


@given(st.lists(st.tuples(owners, owners, st.integers(-(10**12), 10**12))))
def test_tally_sums_by_pair(kernels: ModuleType, rows: list[tuple[int, int, int]]) -> None:
    sums: Counter[tuple[int, int]] = Counter()
    for a, b, weight in rows:
        sums[a, b] += weight
    found = kernels.tally(*columns(rows))
    assert [column.dtype for column in found] == [np.int32, np.int32, np.int64]
    a, b, total = (column.tolist() for column in found)
    assert list(zip(zip(a, b, strict=True), total, strict=True)) == sorted(sums.items())


def test_many_pairs(kernels: ModuleType) -> None:
    """More pairs than the first table of sums has room for."""
    a, b = (index.ravel().astype(np.int32) - 1 for index in np.indices((80, 90)))
    order = np.random.default_rng(0).permutation(2 * len(a)) % len(a)
    found = kernels.tally(a[order], b[order], order)
    np.testing.assert_array_equal(found, (a, b, 2 * np.arange(len(a))))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(-(2**60), 2**60)), max_size=8))
def test_sums_are_exact(kernels: ModuleType, dtype: type, rows: list[tuple[int, int]]) -> None:
    group, values = np.array(rows, np.int64).reshape(-1, 2).T.copy()
    sums = [sum(value for one, value in rows if one == each) for each in range(4)]
    expected = [(each + 2**63) % 2**64 - 2**63 for each in sums]
    assert kernels.sums(group.astype(dtype), values, 4).tolist() == expected


@given(st.lists(st.tuples(st.integers(-(2**62), 2**62), st.integers(0, 5))))
def test_ranges_become_their_rows(kernels: ModuleType, ranges: list[tuple[int, int]]) -> None:
    first, count = np.array(ranges, np.int64).reshape(-1, 2).T.copy()
    rows = kernels.expand_ranges(first, count)
    assert rows.dtype == np.int64
    assert rows.tolist() == [row for begin, n in ranges for row in range(begin, begin + n)]


@pytest.mark.parametrize("count", [[1, -1, 2], [1, 2], [1, 2, 3, 4]])
def test_ranges_that_do_not_fit_are_refused(kernels: ModuleType, count: list[int]) -> None:
    with pytest.raises(ValueError, match="3 ranges come with"):
        kernels.expand_ranges(np.zeros(3, np.int64), np.array(count))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))), st.sampled_from([np.int32, np.int64, np.float64]))
def test_values_of_ranges(kernels: ModuleType, ranges: list[tuple[int, int]], dtype: type) -> None:
    values = (np.arange(18) * 1.5).astype(dtype)
    first, count = np.array(ranges, np.int64).reshape(-1, 2).T.copy()
    taken = kernels.take_ranges(values, first, count)
    assert taken.dtype == dtype
    assert taken.tolist() == [values[row] for begin, n in ranges for row in range(begin, begin + n)]


@pytest.mark.parametrize("ranges", [[(0, 1), (2, 2)], [(-1, 2)], [(1, -1)], [(4, 0)]])
def test_ranges_beyond_the_values_are_refused(kernels: ModuleType, ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="ranges of 3 values"):
        kernels.take_ranges(np.zeros(3), *np.array(ranges).T.copy())


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))),
    st.sampled_from([bool, np.uint8, np.uint16, np.int32, np.float64]),
)
def test_ranges_are_filled_in_order(kernels: ModuleType, ranges: list[tuple[int, int]], dtype: type) -> None:
    first, count = np.array(ranges, np.int64).reshape(-1, 2).T.copy()
    values, cells, wanted = (np.arange(len(ranges)) % 3).astype(dtype), np.ones(18, dtype), np.ones(18, dtype)
    kernels.fill_ranges(cells, first, count, values)
    for value, (begin, n) in zip(values, ranges, strict=True):
        wanted[begin : begin + n] = value
    assert cells.tolist() == wanted.tolist()


@pytest.mark.parametrize("ranges", [[(0, 1), (2, 2)], [(-1, 2)], [(1, -1)], [(4, 0)]])
def test_ranges_beyond_the_cells_are_refused(kernels: ModuleType, ranges: list[tuple[int, int]]) -> None:
    cells = np.zeros(3)
    with pytest.raises(ValueError, match="ranges of 3 cells"):
        kernels.fill_ranges(cells, *np.array(ranges).T.copy(), np.ones(len(ranges)))
    assert not cells.any()


def test_values_of_another_type_are_refused(kernels: ModuleType) -> None:
    one = np.ones(1, np.int64)
    with pytest.raises(ValueError, match="int64 values do not fit"):
        kernels.fill_ranges(np.zeros(3, np.uint8), one, one, one)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1e9, 1e9))))
def test_medians_are_those_of_each_group(kernels: ModuleType, rows: list[tuple[int, float]]) -> None:
    group = np.array([one for one, _ in rows], np.int64)
    found = kernels.medians(np.array([value for _, value in rows], np.float64), group, 4)
    told = [[value for one, value in rows if one == each] for each in range(4)]
    np.testing.assert_array_equal(found, [median(each) if each else np.nan for each in told])


def test_medians_of_large_groups(kernels: ModuleType) -> None:
    values, group = np.random.default_rng(0).normal(size=5001).round(1), np.arange(5001) % 2
    np.testing.assert_array_equal(
        kernels.medians(values, group, 2), [np.median(values[group == 0]), np.median(values[group == 1])]
    )


def test_nan_is_the_largest_of_a_group(kernels: ModuleType) -> None:
    values, group = np.array([np.nan, 2.0, 1.0, np.nan, np.nan, 3.0]), np.array([0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(kernels.medians(values, group, 2), [2.0, np.nan])


@given(st.lists(st.integers(-70, 200)))
def test_numbers_are_ranked_without_gaps(kernels: ModuleType, numbers: list[int]) -> None:
    first, place = kernels.first_rows(np.array(numbers, np.int64), -70, 200)
    assert first.dtype == place.dtype == np.int64
    assert first.tolist() == [numbers.index(number) for number in sorted(set(numbers))]
    assert [numbers[row] for row in first[place]] == numbers


@pytest.mark.parametrize("number", [4, 9])
def test_numbers_beyond_the_table_are_refused(kernels: ModuleType, number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} is not from 5 to 8"):
        kernels.first_rows(np.array([5, number]), 5, 8)


def columns(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, ...]:
    a, b, weight = np.array(rows, np.int64).reshape(-1, 3).T
    return a.astype(np.int32), b.astype(np.int32), weight.copy()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9), st.integers(1, 5))))
def test_extents_are_those_of_the_pixels(kernels: ModuleType, rows: list[tuple[int, int, int, int]]) -> None:
    group, x, top, length = np.array(rows, np.int64).reshape(-1, 4).T.copy()
    area, left, upper, width, height = kernels.extents(group, x, top, top + length, 4)
    for one in range(4):
        mine = [row for row in rows if row[0] == one]
        xs, ys = [row[1] for row in mine], [y for row in mine for y in (row[2], row[2] + row[3] - 1)]
        expected = [min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1] if mine else [0, 0, 0, 0]
        assert [left[one], upper[one], width[one], height[one]] == expected
        assert area[one] == sum(row[3] for row in mine)


def test_groups_that_do_not_exist_are_refused(kernels: ModuleType) -> None:
    one = np.array([5])
    with pytest.raises(ValueError, match="group 5 of 3"):
        kernels.extents(one, one, one, one + 1, 3)
    with pytest.raises(ValueError, match="group 5 of 3"):
        kernels.sums(one, one, 3)
    with pytest.raises(ValueError, match="group 5 of 3"):
        kernels.medians(one.astype(np.float64), one, 3)
