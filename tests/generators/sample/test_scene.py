"""Scenes: what hides what, and labels that are exactly what is visible."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tests.generators.sample.scene import compose, nearest_label, remove_small_parts, render
from tests.generators.sample.taxonomy import CAR, LEAVES
from tests.generators.sample.writers import NamedPicture, n_parts, rings


def test_every_pixel_is_labelled_and_every_segment_is_there(shots: list[NamedPicture]) -> None:
    for _, picture in shots:
        assert set(np.unique(picture.labels)) == set(range(1, len(picture.segments) + 1))
        assert len(set(picture.segments)) == len(picture.segments)


def test_no_part_and_no_hole_is_a_few_pixels(shots: list[NamedPicture]) -> None:
    for _, picture in shots:
        for label in range(1, len(picture.segments) + 1):
            for mask in (picture.mask(label), ~picture.mask(label)):
                parts, _ = ndimage.label(mask)
                assert (np.bincount(parts.ravel())[1:] >= 24).all()


def test_occlusion_makes_parts_and_holes_of_one_thing() -> None:
    """Over some pictures there are cars cut in two, things with holes, crowds, and every category."""
    pictures = [render(compose(np.random.default_rng([1, n]), 240, 180)) for n in range(12)]
    cars = [p.mask(k) for p in pictures for k, s in enumerate(p.segments, start=1) if s.category is CAR]
    assert any(n_parts(car) > 1 for car in cars)
    assert any(len(rings(car)) > n_parts(car) for car in cars)
    segments = [segment for picture in pictures for segment in picture.segments]
    assert any(segment.crowd for segment in segments)
    assert {segment.category for segment in segments} == set(LEAVES)


def test_the_pixels_tell_the_categories_apart(shots: list[NamedPicture]) -> None:
    """The mean colour of a category, learnt on three pictures, beats chance by far on the fourth."""
    colours: dict[str, list[np.ndarray]] = {}
    for _, picture in shots[:3]:
        for label, segment in enumerate(picture.segments, start=1):
            colours.setdefault(segment.category.name, []).append(picture.image[picture.mask(label)])
    names = ["sky", "road", "vegetation", "building"]
    means = np.array([np.concatenate(colours[name]).mean(axis=0) for name in names])
    picture = shots[3].picture
    hits = []
    for label, segment in enumerate(picture.segments, start=1):
        if segment.category.name in names:
            pixels = picture.image[picture.mask(label)][:, None, :].astype(float)
            nearest = ((pixels - means) ** 2).sum(axis=-1).argmin(axis=1)
            hits.append(nearest == names.index(segment.category.name))
    assert np.concatenate(hits).mean() > 0.6


def test_a_scene_renders_the_same_twice_and_noise_changes_only_the_image() -> None:
    scene = compose(np.random.default_rng(3), 160, 120)
    first, second = render(scene), render(scene)
    np.testing.assert_array_equal(first.image, second.image)
    other = render(dataclasses.replace(scene, noise_seed=scene.noise_seed + 1))
    np.testing.assert_array_equal(first.labels, other.labels)
    assert 0 < np.abs(first.image.astype(int) - other.image).mean() < 8


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_no_small_part_is_left_and_large_parts_stay(seed: int, min_pixels: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(1, 5, (6, 7)), np.ones((5, 5), int)).astype(np.int32)
    labels[rng.random(labels.shape) < 0.1] = 9
    tidied, kept = remove_small_parts(labels, min_pixels)
    assert set(np.unique(tidied)) == set(range(1, len(kept) + 1))
    for label in range(1, len(kept) + 1):
        parts, n = ndimage.label(tidied == label)
        assert (np.bincount(parts.ravel())[1:] >= min_pixels).all()
        assert n
    was = np.array([0, *kept])[tidied]
    for value in np.unique(labels):
        parts, n = ndimage.label(labels == value)
        for part in range(1, n + 1):
            if (parts == part).sum() >= min_pixels:
                assert (was[parts == part] == value).all()


def test_a_map_without_any_large_part_is_refused() -> None:
    with pytest.raises(ValueError, match="30 pixels"):
        remove_small_parts(np.array([[1, 2], [3, 4]], np.int32), 30)


def test_the_nearest_label_wins() -> None:
    labels = np.array([[1, 0, 0, 0, 2]], np.int32)
    assert nearest_label(labels, labels > 0)[0, [1, 3]].tolist() == [1, 2]
