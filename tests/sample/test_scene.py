import dataclasses

import numpy as np
from scipy import ndimage

from segdata.sample.outline import n_parts, rings
from segdata.sample.scene import compose, render
from segdata.sample.taxonomy import CAR, LEAVES
from segdata.sample.write import Shot


def test_every_pixel_is_labelled_and_every_segment_is_there(shots: list[Shot]) -> None:
    for _, picture in shots:
        assert set(np.unique(picture.labels)) == set(range(1, len(picture.segments) + 1))
        assert len(set(picture.segments)) == len(picture.segments)


def test_no_part_and_no_hole_is_a_few_pixels(shots: list[Shot]) -> None:
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


def test_the_pixels_tell_the_categories_apart(shots: list[Shot]) -> None:
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
