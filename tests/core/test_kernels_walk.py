"""The walk over a segment's runs: against scipy and skimage, pixel counts, and one kernel against the other."""

from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from skimage.measure import euler_number

from segdata.core.kernels import _reference

Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
images = st.lists(
    arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3), fill=st.just(1)),
    max_size=3,
)


def columns_of(pictures: list[np.ndarray], cut: int) -> Columns:
    """Start, length, owner, height and width; values 1, 2 and 3 are owners; with `cut`, runs end at every such row."""
    runs, sizes = [], []
    for number, picture in enumerate(pictures):
        high, wide = picture.shape
        sizes += 3 * [(high, wide)]
        for value in (1, 2, 3):
            flat = picture.T.ravel() == value
            for x in range(wide):
                inside = np.concatenate([[False], flat[x * high : (x + 1) * high], [False]])
                for top, bottom in np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2):
                    rows = [top, *(row for row in range(top + 1, bottom) if cut and row % cut == 0), bottom]
                    for one, other in pairwise(rows):
                        runs.append((x * high + one, other - one, 3 * number + value - 1))
    start, length, owner = np.array(runs, np.int64).reshape(-1, 3).T
    height, width = np.array(sizes, np.int64).reshape(-1, 2).T
    return start.copy(), length.copy(), owner.astype(np.int32), height.copy(), width.copy()


@settings(deadline=None)
@given(pictures=images)
def test_numbers_are_those_of_scipy(kernels: ModuleType, pictures: list[np.ndarray]) -> None:
    measured, several, _ = kernels.measure_segments(*columns_of(pictures, 0), 3, 0.75, 2)
    assert (measured.dtype, several.dtype) == (np.int64, np.int64)
    masks = [picture == value for picture in pictures for value in (1, 2, 3)]
    for owner, mask in enumerate(masks):
        area, x, y, width, height, parts, holes, largest, perimeter, *sums = measured[:, owner].tolist()
        assert sums == [np.nonzero(mask)[1].sum(), 2 * np.nonzero(mask)[0].sum()]
        label, count = ndimage.label(mask)
        sizes = np.bincount(label.ravel(), minlength=2)[1:]
        assert (area, parts, largest) == (mask.sum(), count, sizes.max())
        assert parts - holes == (euler_number(mask, connectivity=1) if area else 0)
        padded = np.pad(mask, 1).astype(int)
        assert perimeter == np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
        if area:
            rows, columns = np.nonzero(mask)
            assert (x, y, x + width - 1, y + height - 1) == (columns.min(), rows.min(), columns.max(), rows.max())
        mine = several[:, several[0] == owner]
        assert mine.shape[1] == (parts if parts > 1 else 0)
        clusters = ndimage.label(mask, np.ones((3, 3)))[0]
        for _, size, left, top, wide, high, edges, cluster in mine.T.tolist():
            box = label[top : top + high, left : left + wide]
            own = [one for one in np.unique(box[box > 0]) if sizes[one - 1] == size and edges_of(label == one) == edges]
            assert any(cluster == (clusters == clusters[label == one][0]).sum() for one in own)


def edges_of(mask: np.ndarray) -> int:
    padded = np.pad(mask, 1).astype(int)
    return int(np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum())


@settings(deadline=None)
@given(pictures=images, shortest=st.integers(1, 6), least=st.sampled_from([0.3, 0.75, 1.0]), near=st.integers(0, 4))
def test_flat_ends_are_those_that_counting_finds(
    kernels: ModuleType, pictures: list[np.ndarray], shortest: int, least: float, near: int
) -> None:
    _, _, ends = kernels.measure_segments(*columns_of(pictures, 0), shortest, least, near)
    expected = []
    for owner, mask in enumerate(picture == value for picture in pictures for value in (1, 2, 3)):
        for upright in (1, 0):
            pixels = np.pad(mask.sum(axis=0 if upright else 1), near + 1)
            for at in range(1, len(pixels) - 2 * (near + 1)):
                step = int(pixels[at + near + 1] - pixels[at + near])
                around = abs(int(pixels[at + 2 * near + 1] - pixels[at]))
                if abs(step) >= shortest and abs(step) >= least * around:
                    expected.append([owner, upright, at, step])
    assert ends.T.tolist() == expected


@settings(deadline=None)
@given(pictures=images, cut=st.sampled_from([0, 1, 3]), flatness=st.tuples(st.integers(1, 9), st.floats(0, 2)))
@example(pictures=[], cut=0, flatness=(8, 0.75))
def test_kernels_agree(kernels: ModuleType, pictures: list[np.ndarray], cut: int, flatness: tuple[int, float]) -> None:
    """Also where runs of one column touch."""
    columns = columns_of(pictures, cut)
    both = (each.measure_segments(*columns, *flatness, 3) for each in (kernels, _reference))
    for ours, expected in zip(*both, strict=True):
        np.testing.assert_array_equal(ours, expected)


@settings(deadline=None)
@given(pictures=images, cut=st.sampled_from([0, 1, 3]), times=st.integers(1, 4))
def test_steps_of_enlarged_pictures_are_even(
    kernels: ModuleType, pictures: list[np.ndarray], cut: int, times: int
) -> None:
    """As counted in the masks themselves."""
    pictures = [np.kron(picture, np.ones((times, times), picture.dtype)) for picture in pictures]
    columns = columns_of(pictures, cut)
    steps = kernels.even_steps(*columns)
    assert steps.dtype == np.int64
    np.testing.assert_array_equal(steps, _reference.even_steps(*columns))
    if cut:
        return
    expected = []
    for mask in (picture == value for picture in pictures for value in (1, 2, 3)):
        found = []
        for one in (mask, mask.T):
            places = np.flatnonzero((one[:, 1:] != one[:, :-1]).any(axis=0)) + 1
            found += [int(np.diff(places).min(initial=10**6)) if len(places) > 1 else 0, len(places)]
        expected.append(found if found[0] > 1 and found[2] > 1 else [0] * 4)
    assert steps.T.tolist() == expected


def test_an_image_far_larger_than_its_segments_takes_no_memory(kernels: ModuleType) -> None:
    """A billion rows, of which one segment has pixels in ten."""
    high = 10**9
    start = np.array([5 * high + 7, 6 * high + 8, 3, 40])
    owner, size = np.array([0, 0, 1, 1], np.int32), np.array([high, 5])
    measured, several, _ = kernels.measure_segments(start, np.array([4, 9, 2, 2]), owner, size, size, 8, 0.75, 3)
    sums = [5 * 4 + 6 * 9, 2 * (sum(range(7, 11)) + sum(range(8, 17)))]
    assert measured[:, 0].tolist() == [13, 5, 7, 2, 10, 1, 0, 13, 2 * (2 + 13 - 3), *sums]
    assert several[:2].tolist() == [[1, 1], [2, 2]]
    assert not kernels.even_steps(start, np.array([4, 9, 2, 2]), owner, size, size).any()


def test_what_does_not_fit_is_refused(kernels: ModuleType) -> None:
    one, owner = np.ones(3, np.int64), np.zeros(3, np.int32)
    for start, owners, lengths, message in (
        (np.array([4, 8, 7]), owner, one, "owner 0 are not sorted"),
        (one, np.array([0, 0, 1], np.int32), one, "owner 1 of 1 owners"),
        (one, np.array([-1, 0, 0], np.int32), one, "owner -1 of 1 owners"),
        (one, owner, one[:2], "2 lengths"),
    ):
        with pytest.raises(ValueError, match=message):
            kernels.measure_segments(start, lengths, owners, 5 * one[:1], 5 * one[:1], 8, 0.75, 3)
        with pytest.raises(ValueError, match=message.replace("owner 0 are", "runs are")):
            kernels.even_steps(start, lengths, owners, 5 * one[:1], 5 * one[:1])
