"""Connected parts against scipy.ndimage."""

from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from skimage.measure import euler_number

images = arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=10), elements=st.integers(0, 3))


def runs_of(image: np.ndarray, cut: int) -> np.ndarray:
    """Runs (owner, x, top, bottom) of an image of owners, sorted; with `cut`, runs end at every such row as well."""
    runs = []
    for owner in np.unique(image):
        for x, column in enumerate(image.T):
            inside = np.concatenate([[False], column == owner, [False]])
            for top, bottom in np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2):
                rows = [top, *(row for row in range(top + 1, bottom) if cut and row % cut == 0), bottom]
                runs += [(owner, x, *pair) for pair in pairwise(rows)]
    return np.array(runs, np.int64)


@pytest.mark.parametrize("diagonal", [False, True])
@given(image=images, cut=st.sampled_from([0, 1, 3]))
def test_parts_are_those_of_scipy(kernels: ModuleType, diagonal: bool, image: np.ndarray, cut: int) -> None:
    owner, x, top, bottom = runs_of(image, cut).T.copy()
    part, left, links = kernels.parts(x, top, bottom, owner.astype(np.int32), diagonal)
    assert (part.dtype, left.dtype, links.dtype) == (np.int64, np.int64, np.int64)
    seen: dict[tuple[int, int], int] = {}
    labels = {one: ndimage.label(image == one, np.ones((3, 3)) if diagonal else None)[0] for one in np.unique(image)}
    wanted = [seen.setdefault((o, labels[o][t, i]), len(seen)) for o, i, t in zip(owner, x, top, strict=True)]
    assert part.tolist() == wanted
    same = np.zeros(image.shape, bool)
    same[:, 1:] = image[:, 1:] == image[:, :-1]
    assert left.tolist() == [same[t:b, i].sum() for i, t, b in zip(x, top, bottom, strict=True)]
    reach = int(diagonal)
    touched = [
        (x == i - 1) & (owner == o) & (top < b + reach) & (bottom + reach > t) | (x == i) & (owner == o) & (bottom == t)
        for o, i, t, b in zip(owner, x, top, bottom, strict=True)
    ]
    assert links.tolist() == [int(each.sum()) for each in touched]
    if not diagonal and not cut:
        for one in np.unique(image):
            assert (owner == one).sum() - links[owner == one].sum() == euler_number(image == one, connectivity=1)


def test_owners_and_gaps_keep_parts_apart(kernels: ModuleType) -> None:
    """The last column of one owner and the first of the next; a column without runs; images on one number line."""
    owner = np.array([0, 0, 1, 1, 1], np.int32)
    x = np.array([3, 4, 5, 7, 10**11])
    top = np.zeros(5, np.int64)
    part, left, _ = kernels.parts(x, top, top + 100_000, owner, True)
    assert part.tolist() == [0, 0, 1, 2, 3]
    assert left.tolist() == [0, 100_000, 0, 0, 0]


def test_a_long_spiral_is_one_part(kernels: ModuleType) -> None:
    """Two combs that hold each other, and long chains of unions."""
    image = np.zeros((101, 400), np.int32)
    image[::2] = 1
    image[1::4, -1] = 1
    image[3::4, 0] = 1
    owner, x, top, bottom = runs_of(image, 0).T.copy()
    part, _, _ = kernels.parts(x, top, bottom, owner.astype(np.int32), False)
    assert set(part[owner == 1].tolist()) == {part[owner == 1][0]}
    assert len(set(part.tolist())) == 1 + ndimage.label(image == 0)[1]


def test_no_runs(kernels: ModuleType) -> None:
    none = np.zeros(0, np.int64)
    assert [column.tolist() for column in kernels.parts(none, none, none, none.astype(np.int32), False)] == [[], [], []]
