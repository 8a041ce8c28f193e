"""Runs of label images against a walk over every pixel."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

DTYPES = [np.uint8, np.uint16, np.uint32, np.int32, np.int64]
images = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays(
        dtype,
        array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12),
        elements=st.sampled_from([0, 1, int(np.iinfo(dtype).max), int(np.iinfo(dtype).min)]),
    )
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


def test_an_image_is_flat(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"\(2, 3, 1\)"):
        kernels.label_runs(np.zeros((2, 3, 1), np.uint8))


@given(
    arrays(
        np.uint8, st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([3, 4])), elements=st.integers(0, 255)
    )
)
def test_colours_are_packed(kernels: ModuleType, image: np.ndarray) -> None:
    packed = kernels.pack_rgb(image)
    assert packed.dtype == np.uint32
    assert packed.tolist() == [[r + 256 * g + 65536 * b for r, g, b, *_ in row] for row in image.tolist()]


def test_a_colour_has_three_channels(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match="2 channels"):
        kernels.pack_rgb(np.zeros((1, 1, 2), np.uint8))
