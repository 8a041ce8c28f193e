"""Runs of label images, and who gets them, against a walk over every pixel."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from segdata.core.kernels import _reference

DTYPES = [np.uint8, np.uint16, np.uint32, np.int32, np.int64]
images = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays(
        dtype,
        array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12),
        elements=st.sampled_from([0, 1, int(np.iinfo(dtype).max), int(np.iinfo(dtype).min)]),
    )
)

coloured = arrays(
    np.uint8,
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([3, 4])),
    elements=st.sampled_from([0, 1, 255]),
)


@given(images)
def test_runs_rebuild_the_image(kernels: ModuleType, image: np.ndarray) -> None:
    start, length, value = kernels.label_runs(image)
    assert (start.dtype, length.dtype, value.dtype) == (np.int64, np.int64, image.dtype)
    np.testing.assert_array_equal(np.repeat(value, length), image.T.ravel())
    np.testing.assert_array_equal(start, np.cumsum(length) - length)


@given(images)
def test_runs_are_as_long_as_can_be(kernels: ModuleType, image: np.ndarray) -> None:
    start, _, value = kernels.label_runs(image)
    pixels = image.T.ravel()
    wanted = [p for p in range(image.size) if p % image.shape[0] == 0 or pixels[p] != pixels[p - 1]]
    assert start.tolist() == wanted
    assert value.tolist() == pixels[wanted].tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_wide_images(kernels: ModuleType, dtype: type) -> None:
    """Rows longer than what is compared at once, with rare changes anywhere."""
    rng = np.random.default_rng(0)
    image = np.repeat(rng.integers(0, 3, (6, 301)), 5, axis=0).astype(dtype)
    start, length, value = kernels.label_runs(image)
    np.testing.assert_array_equal(np.repeat(value, length), image.T.ravel())
    assert len(start) == 301 + np.count_nonzero(np.diff(image.astype(np.int64), axis=0))


def test_images_that_may_not_be_written(kernels: ModuleType) -> None:
    image = np.zeros((2, 3), np.uint8)
    image.flags.writeable = False
    assert kernels.label_runs(image)[0].tolist() == [0, 2, 4]


def test_an_image_is_flat_or_coloured(kernels: ModuleType) -> None:
    for image in (np.zeros((2, 3, 1), np.uint8), np.zeros((2, 3, 3), np.uint16), np.zeros(2, np.uint8)):
        with pytest.raises(ValueError, match=r"shape \(2,"):
            kernels.label_runs(image)


def test_an_image_may_be_a_view(kernels: ModuleType) -> None:
    image = np.arange(60).reshape(6, 10) // 7
    np.testing.assert_array_equal(kernels.label_runs(image[1:, ::3])[2], kernels.label_runs(image[1:, ::3].copy())[2])


@pytest.mark.parametrize("dtype", [*DTYPES, bool])
def test_rows_may_lie_apart_or_the_other_way_round(kernels: ModuleType, dtype: type) -> None:
    wide = np.random.default_rng(0).integers(0, 2, (9, 150)).astype(dtype)
    for image in (
        wide[:, 1:],
        wide[:, 20:21],
        wide[::2, :70],
        wide[::-1, 3:],
        wide.T,
        np.broadcast_to(wide[0], (3, 150)),
    ):
        for mine, wanted in zip(kernels.label_runs(image), kernels.label_runs(image.copy()), strict=True):
            np.testing.assert_array_equal(mine, wanted)


@given(coloured)
def test_runs_of_colours_are_those_of_packed_ones(kernels: ModuleType, image: np.ndarray) -> None:
    """Whatever is in a fourth channel."""
    for mine, packed in zip(kernels.label_runs(image), kernels.label_runs(kernels.pack_rgb(image)), strict=True):
        assert mine.dtype == packed.dtype
        np.testing.assert_array_equal(mine, packed)


@pytest.mark.parametrize("channels", [3, 4])
def test_wide_images_of_colours(kernels: ModuleType, channels: int) -> None:
    rng = np.random.default_rng(0)
    image = np.repeat(rng.integers(0, 2, (6, 301, channels), np.uint8), 5, axis=0)
    image[..., 3:] = rng.integers(0, 256, image[..., 3:].shape)
    start, length, value = kernels.label_runs(image)
    np.testing.assert_array_equal(np.repeat(value, length), kernels.pack_rgb(image).T.ravel())
    assert len(start) == 301 + np.count_nonzero(np.diff(image[..., :3].astype(int), axis=0).any(axis=2))


@given(coloured)
def test_colours_are_packed(kernels: ModuleType, image: np.ndarray) -> None:
    packed = kernels.pack_rgb(image)
    assert packed.dtype == np.uint32
    assert packed.tolist() == [[r + 256 * g + 65536 * b for r, g, b, *_ in row] for row in image.tolist()]


def test_a_colour_has_three_channels(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match="2 channels"):
        kernels.pack_rgb(np.zeros((1, 1, 2), np.uint8))


@given(st.lists(st.tuples(st.sampled_from([-(2**63), -1, 0, 5, 2**32, 2**63 - 1]), st.integers(1, 9))))
def test_distinct_values_are_counted_and_placed(kernels: ModuleType, pairs: list[tuple[int, int]]) -> None:
    value, weight = np.array(pairs, np.int64).reshape(-1, 2).T
    check_distinct(kernels, np.ascontiguousarray(value), np.ascontiguousarray(weight))


@pytest.mark.parametrize("n_values", [127, 128, 129, 5000])
def test_many_distinct_values(kernels: ModuleType, n_values: int) -> None:
    rng = np.random.default_rng(0)
    value = np.concatenate([rng.permutation(n_values), rng.integers(0, n_values, 999)]) * 7919
    check_distinct(kernels, value, rng.integers(1, 9, len(value)))


def check_distinct(kernels: ModuleType, value: np.ndarray, weight: np.ndarray) -> None:
    found, total, first, row = kernels.distinct(value, weight)
    assert (found.dtype, total.dtype, first.dtype, row.dtype) == (np.int64, np.int64, np.int64, np.int32)
    wanted = sorted(set(value.tolist()))
    assert found.tolist() == wanted
    assert total.tolist() == [int(weight[value == each].sum()) for each in wanted]
    assert first.tolist() == [value.tolist().index(each) for each in wanted]
    np.testing.assert_array_equal(found[row], value)


def test_columns_are_of_one_length(kernels: ModuleType) -> None:
    two, one, owner = np.array([1, 2]), np.array([1]), np.zeros(1, np.int32)
    with pytest.raises(ValueError, match="2 values come with 1 weights"):
        kernels.distinct(two, one)
    with pytest.raises(ValueError, match="2 starts come with 1 lengths and 1 rows"):
        kernels.deal(two, one, owner, owner, 1, 3)


@given(images.filter(lambda image: image.size > 0), st.data())
def test_runs_are_dealt_to_the_owners_of_their_values(
    kernels: ModuleType, image: np.ndarray, data: st.DataObject
) -> None:
    """Pixel by pixel; and the runs of an owner are as long as can be."""
    start, length, value = kernels.label_runs(image)
    known, row = np.unique(value, return_inverse=True)
    n_owners = 3
    owner = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=len(known), max_size=len(known))), np.int32)
    dealt, long, whose = kernels.deal(start, length, row.astype(np.int32), owner, n_owners, len(image))
    assert (dealt.dtype, long.dtype, whose.dtype) == (np.int64, np.int64, np.int32)
    of_pixel = owner[np.searchsorted(known, image)].T.ravel()
    wanted: list[list[int]] = []
    for each in range(n_owners):
        for pixel in np.flatnonzero(of_pixel == each).tolist():
            before = wanted[-1] if wanted else [-1, 0, 0]
            if before[0] == each and sum(before[1:]) == pixel and pixel % len(image):
                before[2] += 1
            else:
                wanted.append([each, pixel, 1])
    assert np.stack([whose, dealt, long], axis=1).tolist() == wanted


def test_runs_go_to_owners_that_exist(kernels: ModuleType) -> None:
    one = np.ones(1, np.int64)
    for row, owner in (([-1], [0]), ([1], [0]), ([0], [2])):
        with pytest.raises(ValueError, match="it has none of them"):
            kernels.deal(one, one, np.array(row, np.int32), np.array(owner, np.int32), 2, 3)


def test_nobody_gets_nothing(kernels: ModuleType) -> None:
    none = np.empty(0, np.int64)
    for column in kernels.deal(none, none, none.astype(np.int32), none.astype(np.int32), 0, 0):
        assert column.tolist() == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(1, 14), st.sampled_from([2, 256]))
def test_a_flood_is_that_of_pixels_one_by_one(kernels: ModuleType, seed: int, high: int, wide: int, most: int) -> None:
    """Against the numpy reference; each seed's pixels hang together, and the mask that a seed reaches is full."""
    rng = np.random.default_rng(seed)
    height = rng.integers(0, most, (high, wide)).astype(np.uint8)
    mask = (rng.random((high, wide)) < 0.8).astype(np.uint8)
    seeds = (rng.integers(1, 5, (high, wide)) * (rng.random((high, wide)) < 0.15)).astype(np.int32)
    label = kernels.flood(height, seeds, mask)
    assert label.dtype == np.int32
    np.testing.assert_array_equal(label, _reference.flood(height, seeds, mask))
    np.testing.assert_array_equal(label[(seeds > 0) & (mask > 0)], seeds[(seeds > 0) & (mask > 0)])
    regions, _ = ndimage.label(mask)
    reached = np.isin(regions, regions[(seeds > 0) & (mask > 0)]) & (mask > 0)
    np.testing.assert_array_equal(label > 0, reached)


def test_a_flood_is_a_watershed_as_others_have_it(kernels: ModuleType) -> None:
    segmentation = pytest.importorskip("skimage.segmentation")
    rng = np.random.default_rng(3)
    smooth = ndimage.gaussian_filter(rng.random((96, 80)), 4)
    height = (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)
    mask = ndimage.gaussian_filter(rng.random((96, 80)), 6) > 0.49
    seeds, n = ndimage.label(mask & (height < 80))
    assert n > 5
    theirs = segmentation.watershed(height, seeds, mask=mask)
    ours = kernels.flood(height, seeds.astype(np.int32), mask.astype(np.uint8))
    assert (ours != theirs).mean() < 0.01  # where heights are equal the order of seeds decides
    np.testing.assert_array_equal(ours > 0, theirs > 0)


def test_a_flood_of_arrays_that_do_not_fit_is_refused(kernels: ModuleType) -> None:
    one, two = np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.int32)
    with pytest.raises(ValueError, match="not of one image"):
        kernels.flood(one, two, one)
    assert kernels.flood(one[:0], np.zeros((0, 3), np.int32), one[:0]).shape == (0, 3)
