"""Overlaps of runs against a comparison of every run with every other, and against counted pixels."""

import os
import subprocess
import sys
from collections import Counter
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

Side = list[tuple[int, int, int]]  # start, end, owner


@st.composite
def sides(draw: st.DrawFn) -> Side:
    """Sorted runs; those of one owner are disjoint, those of several overlap. Some are empty."""
    runs = []
    for owner in range(draw(st.integers(0, 4))):
        borders = sorted(draw(st.lists(st.integers(0, 40), max_size=10)))
        runs += [(start, end, owner) for start, end in zip(borders[::2], borders[1::2], strict=False)]
    return sorted(draw(st.permutations(runs)), key=lambda run: run[0])


def columns(side: Side) -> tuple[np.ndarray, ...]:
    start, end, owner = np.array(side, np.int64).reshape(-1, 3).T
    return start.copy(), end.copy(), owner.astype(np.int32)


def rows(found: tuple[np.ndarray, ...]) -> list[tuple[int, ...]]:
    """(start, a, b, length) of every strip, as they came."""
    assert [column.dtype for column in found] == [np.int32, np.int32, np.int64, np.int64]
    a, b, start, length = (column.tolist() for column in found)
    return list(zip(start, a, b, length, strict=True))


def overlap(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int, int]:
    start = max(one[0], other[0])
    return start, one[2], other[2], min(one[1], other[1]) - start


@given(sides(), sides())
def test_strips_are_the_overlaps_of_all_pairs(kernels: ModuleType, a: Side, b: Side) -> None:
    wanted = [overlap(one, other) for one in a for other in b]
    assert rows(kernels.strips(*columns(a), *columns(b))) == sorted(strip for strip in wanted if strip[3] > 0)


@given(sides())
def test_strips_within_are_the_overlaps_of_two_owners(kernels: ModuleType, side: Side) -> None:
    wanted = [overlap(one, other) for one in side for other in side if one[2] < other[2]]
    assert rows(kernels.strips_within(*columns(side))) == sorted(strip for strip in wanted if strip[3] > 0)


def pixels_of_pairs(found: tuple[np.ndarray, ...]) -> list[tuple[tuple[int, int], int]]:
    assert [column.dtype for column in found] == [np.int32, np.int32, np.int64]
    a, b, pixels = (column.tolist() for column in found)
    return list(zip(zip(a, b, strict=True), pixels, strict=True))


@given(sides(), sides())
def test_overlaps_are_the_sums_of_strips(kernels: ModuleType, a: Side, b: Side) -> None:
    wanted: Counter[tuple[int, int]] = Counter()
    for _, one, other, length in rows(kernels.strips(*columns(a), *columns(b))):
        wanted[one, other] += length
    assert pixels_of_pairs(kernels.overlaps(*columns(a), *columns(b))) == sorted(wanted.items())


@given(sides())
def test_overlaps_within_are_the_sums_of_strips(kernels: ModuleType, side: Side) -> None:
    wanted: Counter[tuple[int, int]] = Counter()
    for _, one, other, length in rows(kernels.strips_within(*columns(side))):
        wanted[one, other] += length
    assert pixels_of_pairs(kernels.overlaps_within(*columns(side))) == sorted(wanted.items())


def test_memory_does_not_depend_on_how_deep_segments_overlap() -> None:
    """300 segments upon each other in 600 columns: 27 million strips, 640 MB if they were kept; 48,000 sums.

    The numpy reference does keep them, so this one asks for the compiled kernels.
    """
    pytest.importorskip("segdata.core.kernels._compiled.overlay")
    program = """if True:
        import resource
        import numpy as np
        from segdata.core.overlay import SweepRuns, find_overlaps, find_overlaps_within
        owner = np.tile(np.arange(300, dtype=np.int32), 600)
        start = np.repeat(100 * np.arange(600), 300)
        side = SweepRuns(start, start + 50, owner)
        find_overlaps_within(SweepRuns(*(column[:9] for column in (side.start, side.end, side.owner))))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        within, both = find_overlaps_within(side), find_overlaps(side, side)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(len(within.a), len(both.a), set(within.pixels.tolist()) | set(both.pixels.tolist()), grown < 60_000)"""
    asked_for_none = {name: value for name, value in os.environ.items() if name != "SEGDATA_KERNELS"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=asked_for_none, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["44850", "90000", "{30000}", "True"]


@given(sides())
def test_cover_counts_pixels(kernels: ModuleType, side: Side) -> None:
    start, end, _ = columns(side)
    depth = np.zeros(42, np.int64)
    for i, j, _ in side:
        depth[i:j] += 1
    border = np.flatnonzero(np.diff(depth > 0, prepend=False))
    pieces = [(int(i), int(j - i), int(np.count_nonzero(depth[i:j] > 1))) for i, j in border.reshape(-1, 2)]
    assert [tuple(row) for row in np.stack(kernels.cover(start, end), axis=1).tolist()] == pieces


def test_one_long_run_over_many(kernels: ModuleType) -> None:
    """The end of a number line of 10^10 pixels, under one run that covers all of it."""
    start = 10**10 + 2 * np.arange(20_000)
    owner = np.zeros(20_000, np.int32)
    long = np.array([0]), np.array([2 * 10**10]), np.array([3], np.int32)
    a, b, at, length = kernels.strips(*long, start, start + 1, owner)
    assert (set(a.tolist()), set(b.tolist()), set(length.tolist())) == ({3}, {0}, {1})
    np.testing.assert_array_equal(at, start)
    side = np.insert(start, 0, 0), np.insert(start + 1, 0, 2 * 10**10), np.insert(owner, 0, 3)
    np.testing.assert_array_equal(kernels.strips_within(*side)[2], start)
    assert [column.tolist() for column in kernels.cover(*side[:2])] == [[0], [2 * 10**10], [20_000]]


def test_many_runs_that_start_at_once(kernels: ModuleType) -> None:
    """All pairs of 60 segments that lie on each other, in the order of their owners."""
    owner = np.arange(60, dtype=np.int32)[::-1].copy()
    start = np.zeros(60, np.int64)
    a, b, _, _ = kernels.strips_within(start, start + 9, owner)
    np.testing.assert_array_equal(np.stack([a, b]), np.triu_indices(60, 1))
    a, b, _, _ = kernels.strips(start, start + 9, owner, start, start + 9, owner)
    np.testing.assert_array_equal(60 * a + b, np.arange(3600))
