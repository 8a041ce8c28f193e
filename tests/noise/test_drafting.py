"""Drafts of drawn scenes: what stands out is found, whatever its polarity, turned or mirrored; options are checked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.core.errors import SegdataError
from segdata.noise.drafting import (
    METHODS,
    check_options,
    fill_small_holes,
    foreground,
    options_of,
    remove_small_regions,
    scale_image,
    segmentation_method,
)


def _discs(*places: tuple[int, int, int], size: int = 96, noise: float = 0.05) -> NDArray[np.uint8]:
    """A grey picture (1, size, size) with bright discs (x, y, radius) on dark ground."""
    y, x = np.mgrid[:size, :size]
    picture = np.full((size, size), 60.0)
    for at_x, at_y, radius in places:
        picture[(x - at_x) ** 2 + (y - at_y) ** 2 <= radius**2] = 180
    noisy = picture + 255 * noise * np.random.default_rng(0).standard_normal(picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)[None]


def _drawn(method: str, picture: NDArray[np.generic], **options: str | int | float) -> NDArray[np.int32]:
    colours = scale_image(picture)
    return segmentation_method(method, check_options(method, options), lambda: [colours])(colours)


@pytest.mark.parametrize("method", ["threshold", "watershed"])
@pytest.mark.parametrize("inverted", [False, True])
def test_objects_are_found_whatever_is_brighter(method: str, inverted: bool) -> None:
    picture = _discs((25, 25, 12), (70, 65, 15))
    found = _drawn(method, 255 - picture if inverted else picture)
    areas = sorted(np.bincount(found.ravel())[1:].tolist())
    assert len(areas) == 2
    assert areas == pytest.approx([np.pi * 12**2, np.pi * 15**2], rel=0.08)


def test_watershed_divides_what_touches_and_threshold_does_not() -> None:
    picture = _discs((35, 48, 14), (61, 48, 14))
    assert _drawn("threshold", picture).max() == 1
    assert _drawn("watershed", picture).max() == 2


def test_a_window_evens_out_the_light() -> None:
    picture = _discs((20, 20, 8), (75, 75, 8), noise=0.01)[0].astype(float)
    lit = (picture * np.linspace(0.25, 1.3, 96)).clip(0, 255).astype(np.uint8)[None]
    assert _drawn("threshold", lit).max() != 2
    assert _drawn("threshold", lit, window=41).max() == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_of_one_value_has_no_objects_or_a_single_region(method: str) -> None:
    found = _drawn(method, np.full((3, 40, 50), 7, np.uint8))
    assert found.shape == (40, 50)
    assert len(np.unique(found)) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "picture",
    [
        _discs((40, 40, 20)).astype(np.uint16) * 200,
        np.repeat(_discs((40, 40, 20)), 12, axis=0),
        _discs((40, 40, 20)).astype(np.float32) / 7 - 3,
        np.concatenate([np.repeat(_discs((40, 40, 20)), 3, axis=0), np.full((1, 96, 96), 255, np.uint8)]),
    ],
    ids=["16 bits", "12 channels", "floats", "alpha"],
)
def test_any_depth_and_number_of_channels(method: str, picture: NDArray[np.generic]) -> None:
    found = _drawn(method, picture, **({"regions": 2} if method == "kmeans" else {}))
    inside = found[40, 40]
    assert inside > 0
    assert found[5, 5] != inside
    assert (found == inside).sum() == pytest.approx(np.pi * 20**2, rel=0.2)


@given(st.sampled_from(["threshold", "kmeans"]), st.integers(0, 3), st.booleans())
@settings(max_examples=8)
def test_a_turned_picture_has_the_turned_draft(method: str, turns: int, mirrored: bool) -> None:
    picture = _discs((25, 30, 12), (70, 60, 10), size=90)

    def turned(array: NDArray[np.generic]) -> NDArray[np.generic]:
        array = np.rot90(array, turns, axes=(-2, -1))
        return array[..., ::-1] if mirrored else array

    colours = scale_image(picture)
    draw = segmentation_method(method, check_options(method, {}), lambda: [colours])
    assert np.array_equal(draw(scale_image(np.ascontiguousarray(turned(picture)))) > 0, turned(draw(colours) > 0))


@pytest.mark.parametrize("method", METHODS)
def test_grey_is_as_good_as_grey_three_times(method: str) -> None:
    picture = _discs((25, 25, 12), (70, 65, 15))
    assert np.array_equal(_drawn(method, picture), _drawn(method, np.repeat(picture, 3, axis=0)))


def test_the_regions_of_kmeans_are_the_same_in_all_images() -> None:
    dark, bright = np.full((1, 60, 60), 40, np.uint8), np.full((1, 60, 60), 200, np.uint8)
    both = [np.concatenate([dark, bright], axis=1), np.concatenate([bright, bright, dark], axis=2)]
    colours = [scale_image(each) for each in both]
    draw = segmentation_method("kmeans", check_options("kmeans", {"regions": 2, "smooth": 0}), lambda: colours)
    for picture, image in zip(both, colours, strict=True):
        assert np.array_equal(draw(image), np.where(picture[0] > 100, 2, 1))


def test_superpixels_follow_the_border_of_colours() -> None:
    found = _drawn("superpixels", _discs((48, 48, 25), noise=0.01))
    inside = found == found[48, 48]
    y, x = np.mgrid[:96, :96]
    disc = (x - 48) ** 2 + (y - 48) ** 2 <= 25**2
    assert (inside & disc).sum() / (inside | disc).sum() > 0.9


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("watershd", {}, "watershed"),
        ("watershed", {"waste": 1}, "waist"),
        ("watershed", {"waist": 2}, "from 0.0 to 1.0"),
        ("threshold", {"polarity": "left"}, "auto, bright, dark"),
        ("kmeans", {"regions": "many"}, "a whole number"),
        ("kmeans", {"regions": 1}, "from 2 to 255"),
    ],
)
def test_what_cannot_be_an_option_is_refused(method: str, options: dict[str, str | int], said: str) -> None:
    with pytest.raises(SegdataError, match=said):
        check_options(method, options)


def test_options_come_as_texts_too() -> None:
    assert check_options("watershed", {"waist": "0.5", "min_pixels": "7"}) == options_of("watershed") | {
        "waist": 0.5,
        "min_pixels": 7,
    }


def test_holes_at_the_frame_are_none() -> None:
    mask = np.ones((9, 9), bool)
    mask[0, 4] = mask[4, 4] = mask[6:8, 6:8] = False
    found = fill_small_holes(mask, 3)
    assert found[4, 4]
    assert not found[0, 4]
    assert not found[6:8, 6:8].any()


def test_small_labels_go_and_the_others_are_numbered_again() -> None:
    labels = np.array([[1, 0, 2, 2], [3, 3, 0, 2]], np.int32)
    assert remove_small_regions(labels, 2).tolist() == [[0, 0, 1, 1], [2, 2, 0, 1]]


def test_the_frame_tells_the_background() -> None:
    picture = np.full((1, 20, 20), 200, np.uint8)
    picture[0, 5:18, 2:18] = 30  # most of the picture, yet not at the frame
    assert foreground(scale_image(picture))[0].sum() == 0
    assert foreground(scale_image(picture))[5:18, 2:18].all()
