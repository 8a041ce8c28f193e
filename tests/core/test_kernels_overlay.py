"""Sums by pair over one sweep: against pixels, and one kernel against the other."""

from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.core.kernels import _reference

OWNERS = 3  # of each frame
Mask = np.ndarray
frames = st.lists(
    st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(
        lambda size: arrays(bool, (OWNERS, *size), elements=st.booleans(), fill=st.booleans())
    ),
    max_size=3,
)


def side_of(drawn: list[Mask]) -> tuple[np.ndarray, ...]:
    """Start, end, owner, base and height of frames with three owners each, on the number line."""
    rooms = [(1 + masks.shape[1]) * (1 + masks.shape[2]) for masks in drawn]
    base = (np.cumsum([0, *rooms])[:-1] if drawn else np.zeros(0)).astype(np.int64)
    runs = []
    for number, masks in enumerate(drawn):
        for owner, mask in enumerate(masks):
            for x, column in enumerate(mask.T):
                inside = np.concatenate([[False], column, [False]])
                for top, bottom in np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2):
                    place = base[number] + x * (mask.shape[0] + 1)
                    runs.append((place + top, place + bottom, OWNERS * number + owner))
    start, end, owner = np.array(sorted(runs), np.int64).reshape(-1, 3).T
    height = np.array([masks.shape[1] for masks in drawn], np.int64)
    return start.copy(), end.copy(), owner.astype(np.int32), base, height


def pairs_of(drawn: list[Mask]) -> list[tuple[int, int, Mask, Mask]]:
    """The number and the mask of every two owners of a frame."""
    return [
        (OWNERS * number + a, OWNERS * number + b, masks[a], masks[b])
        for number, masks in enumerate(drawn)
        for a in range(OWNERS)
        for b in range(a + 1, OWNERS)
    ]


@settings(deadline=None)
@given(drawn=frames)
def test_shared_pixels_are_those_of_both_masks(kernels: ModuleType, drawn: list[Mask]) -> None:
    a, b, rows = kernels.shared_pixels(*side_of(drawn))
    assert (a.dtype, b.dtype, rows.dtype) == (np.int32, np.int32, np.int64)
    expected = []
    for one, other, mask, second in pairs_of(drawn):
        both = mask & second
        if both.any():
            y, x = np.nonzero(both)
            padded = np.pad(both, 1).astype(int)
            edges = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
            box = (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)
            expected.append([one, other, both.sum(), *box, edges])
    assert np.column_stack([a, b, rows.T]).tolist() == expected


def lines_between(mask: Mask, second: Mask) -> list[tuple[int, int, bool]]:
    """X and y of the upper left end, and whether it is upright, of every pixel edge between two masks."""
    found = []
    for one, other in ((mask, second), (second, mask)):
        y, x = np.nonzero(one[:, :-1] & other[:, 1:])
        found += [(left + 1, top, True) for left, top in zip(x.tolist(), y.tolist(), strict=True)]
        y, x = np.nonzero(one[:-1] & other[1:])
        found += [(left, top + 1, False) for left, top in zip(x.tolist(), y.tolist(), strict=True)]
    return found


@settings(deadline=None)
@given(drawn=frames, kinds=st.lists(st.integers(0, 1), min_size=3 * OWNERS, max_size=3 * OWNERS))
def test_contacts_are_the_edges_between_masks(kernels: ModuleType, drawn: list[Mask], kinds: list[int]) -> None:
    a, b, rows = kernels.contacts(*side_of(drawn), np.array(kinds))
    found = {(one, other): row for one, other, row in zip(a.tolist(), b.tolist(), rows.T.tolist(), strict=True)}
    assert list(found) == sorted(found)
    for one, other, mask, second in pairs_of(drawn):
        lines = lines_between(mask, second)
        if not lines or kinds[one] != kinds[other]:
            assert (one, other) not in found
            continue
        x, y, width, height, edges, *moments = found.pop((one, other))
        assert (x, y) == (min(line[0] for line in lines), min(line[1] for line in lines))
        assert x + width == max(left + (not upright) for left, _, upright in lines)
        assert y + height == max(top + upright for _, top, upright in lines)
        ends = np.array([(left - x, top - y, left + (not up) - x, top + up - y) for left, top, up in lines], float).T
        u, v, right, bottom = ends
        integrals = (  # along a line from (u, v) to (right, bottom)
            (u + right).sum(),
            (v + bottom).sum(),
            (u * u + u * right + right * right).sum(),
            (v * v + v * bottom + bottom * bottom).sum(),
            ((u + right) * (v + bottom)).sum(),
        )
        assert (edges, *moments) == (len(lines), *integrals)
    assert not found


@settings(deadline=None)
@given(drawn=frames, widest=st.integers(0, 4), hidden=st.sets(st.integers(0, 3 * OWNERS - 1)))
def test_bands_are_counted_down_columns(kernels: ModuleType, drawn: list[Mask], widest: int, hidden: set[int]) -> None:
    seen = np.array([owner not in hidden for owner in range(3 * OWNERS)], np.uint8)
    start, end, owner, base, height = side_of(drawn)
    expected: dict[tuple[int, int], list[int]] = {}
    runs = [run for run in zip(start.tolist(), end.tolist(), owner.tolist(), strict=True) if seen[run[2]]]
    for (first, last, one), (begin, _, other) in pairwise(runs):
        frame = np.searchsorted(base, first, side="right") - 1
        column = (first - base[frame]) // (height[frame] + 1)
        same = frame == np.searchsorted(base, begin, side="right") - 1
        if one != other and same and column == (begin - base[frame]) // (height[frame] + 1) and begin - last <= widest:
            counts = expected.setdefault((min(one, other), max(one, other)), [0, 0])
            counts[begin > last] += 1
    a, b, rows = kernels.bands(start, end, owner, base, height, seen, widest)
    assert dict(zip(zip(a.tolist(), b.tolist(), strict=True), rows.T.tolist(), strict=True)) == expected
    assert sorted(expected) == list(zip(a.tolist(), b.tolist(), strict=True))


@settings(deadline=None)
@given(drawn=frames)
def test_covered_pixels_are_counted(kernels: ModuleType, drawn: list[Mask]) -> None:
    start, end, _, base, _ = side_of(drawn)
    expected = [[int((masks.sum(axis=0) >= least).sum()) for masks in drawn] for least in (1, 2)]
    assert kernels.cover_frames(start, end, base).tolist() == expected


@settings(deadline=None)
@given(
    intervals=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30), st.integers(0, 5)), max_size=30),
    kind=st.lists(st.integers(0, 1), min_size=6, max_size=6),
)
def test_kernels_agree_on_runs_that_no_picture_has(
    kernels: ModuleType, intervals: list[tuple[int, int, int]], kind: list[int]
) -> None:
    """Runs of one owner that touch; those of two owners may begin together, and many lie upon each other."""
    high, spare, last, runs = 9, 120, dict.fromkeys(range(6), 0), []
    for start, length, number in sorted(intervals):
        owner = number % OWNERS + OWNERS * (start > spare)  # each lies in one frame
        begin = max(start, last[owner])
        end = min(begin + length, (begin // (high + 1)) * (high + 1) + high)
        if end > begin and (begin < spare) == (start <= spare) and not spare <= begin <= spare + high:
            runs.append((begin, end, owner))
            last[owner] = end
    start, end, owner = np.array(sorted(runs), np.int64).reshape(-1, 3).T.copy()
    side = start, end, owner.astype(np.int32), np.array([0, spare + high + 1]), np.array([high, high])
    for name, more in (("shared_pixels", ()), ("contacts", (np.array(kind),)), ("bands", (np.uint8(kind), 3))):
        ours, plain = (getattr(one, name)(*side, *more) for one in (kernels, _reference))
        for column, expected in zip(ours, plain, strict=True):
            np.testing.assert_array_equal(column, expected)
    np.testing.assert_array_equal(kernels.cover_frames(*side[:2], side[3]), _reference.cover_frames(*side[:2], side[3]))


def test_what_does_not_fit_is_refused(kernels: ModuleType) -> None:
    one, owner, frame = np.array([3, 3, 5]), np.zeros(3, np.int32), np.zeros(1, np.int64)
    for call, message in (
        (lambda: kernels.shared_pixels(one, one[:2], owner, frame, frame), "3 starts come with 2 ends"),
        (lambda: kernels.shared_pixels(one[::-1].copy(), one, owner, frame, frame), "not sorted"),
        (lambda: kernels.shared_pixels(one, one, owner, frame + 4, frame), "place 3 lies before all 1 frames"),
        (lambda: kernels.bands(one, one, owner, frame, frame[:0], np.ones(1, np.uint8), 5), "1 base come with 0"),
        (lambda: kernels.bands(one, one, owner + 1, frame, frame, np.ones(1, np.uint8), 5), "owner 1 of 1 owners"),
        (lambda: kernels.contacts(one, one, owner + 1, frame, frame, frame), "owner 1 of 1 owners"),
        (lambda: kernels.cover_frames(one, one[:2], frame), "3 starts come with 2 ends"),
        (lambda: kernels.cover_frames(one, one, frame[:0]), "lies before all 0 frames"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
