"""Categories that may be taken for each other, and those that may not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.campaign.confusable_categories import ConfusablePair, confusable_pairs, mean_colours
from segdata.core.guideline import rgb_to_cielab
from segdata.core.rule import Tables
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture

FAMILIES = frozenset({"pairs", "shapes"})
EMPTY = measure_source(draw_picture("category: cup\ncategory: mug"), FAMILIES, jobs=1)


def pairs_in(text: str) -> list[ConfusablePair]:
    tables = measure_source(draw_picture(text), FAMILIES, jobs=1)
    return list(confusable_pairs(tables, np.full((len(tables.segments), 3), np.nan)))


TWICE = "xxxxa\n\nxxbbb\n\nx = a + b\na: cup\nb: bowl"


def test_a_thing_drawn_as_two_categories() -> None:
    (found,) = pairs_in(TWICE)
    assert (found.a, found.b, found.twice, found.images, found.of) == ("bowl", "cup", 1, 1, 2)


@pytest.mark.parametrize("relation", ["may_overlap", "part_of", "also"])
def test_what_the_taxonomy_lets_overlap_is_no_mistake(relation: str) -> None:
    assert pairs_in(f"{TWICE}\ncategory: bowl\ncategory: cup ({relation} bowl)") == []


def test_things_that_share_little_are_two_things() -> None:
    assert pairs_in("aaaxbbb\n\nx = a + b\na: cup\nb: bowl") == []


def test_two_of_one_category_are_not_confused() -> None:
    assert pairs_in("xxxxa\n\nx = a + b\na, b: cup") == []


def test_names_and_colours() -> None:
    text = "a\n\na: sign\ncategory: sign (color 90 10 10)\ncategory: signs (color 10 10 200)"
    found = {(each.a, each.b): each for each in pairs_in(text + "\ncategory: tree (color 96 10 10)")}
    assert set(found) == {("sign", "signs"), ("sign", "tree")}
    assert found["sign", "signs"].names
    assert not found["sign", "tree"].names
    assert 2.3 < found["sign", "tree"].colour < 6


def scene(rng: np.random.Generator, n_images: int, grows: float) -> tuple[Tables, np.ndarray]:
    """Images with a segment of each of two categories; the second is `grows` times as large, else the same."""
    image = np.repeat(np.arange(n_images), 2)
    category = np.tile([1, 2], n_images)
    side = np.exp(rng.normal(3, 0.3, len(image)) + np.log(grows) / 2 * (category == 2))
    columns = {
        "annotation": image,
        "image": image,
        "category_id": category,
        "iscrowd": np.zeros(len(image), bool),
        "area": side**2 * rng.uniform(0.6, 1, len(image)),
        "x": rng.integers(0, 300, len(image)),
        "y": rng.integers(0, 200, len(image)),
        "width": side,
        "height": side * rng.uniform(0.7, 1.4, len(image)),
        "perimeter": side * 4 * rng.uniform(1, 1.3, len(image)),
    }
    blank = np.full(n_images, None, object)
    images = {"width": np.full(n_images, 400), "height": np.full(n_images, 300), "group": blank, "sequence": blank}
    annotations = {"n_segments": rng.integers(2, 9, n_images)}
    tables = replace(EMPTY, images=Table(images), annotations=Table(annotations), segments=Table(columns))
    return tables, rng.normal(50, 10, (len(image), 3))


def looking_alike(rng: np.random.Generator, n_images: int, grows: float) -> bool:
    return any(each.mistaken > 0 for each in confusable_pairs(*scene(rng, n_images, grows)))


def test_categories_of_one_look_are_found_and_others_not() -> None:
    """Twenty pilots of 60 images each; a larger one is told from a smaller, and few images tell nothing."""
    rng = np.random.default_rng(3)
    assert sum(looking_alike(rng, 60, 1) for _ in range(20)) >= 15
    assert sum(looking_alike(rng, 60, 4) for _ in range(20)) == 0
    assert sum(looking_alike(rng, 7, 1) for _ in range(20)) == 0


def test_colour_alone_tells_two_categories_apart() -> None:
    rng = np.random.default_rng(4)
    tables, colours = scene(rng, 60, 1)
    assert any(each.coloured for each in confusable_pairs(tables, colours))
    colours[tables.segments["category_id"] == 2] += 40
    assert confusable_pairs(tables, colours) == ()


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (7, 9, 3)).astype(np.uint8)


def test_they_are_those_of_the_pixels(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[:, :, 0]).save(tmp_path / "b.png")  # grey
    masks = [np.random.default_rng(seed).random((7, 9)) < 0.4 for seed in range(3)]
    drawn = [(mask, "car") for mask in masks]
    dataset = segdata.from_arrays({"a.png": drawn, "b.png": drawn[:1], "c.png": drawn[:1]}, ["car"], images=tmp_path)
    found = mean_colours(dataset)
    grey = np.repeat(pixels[masks[0]][:, :1].mean(axis=0), 3)
    expected = np.stack([*(pixels[mask].mean(axis=0) for mask in masks), grey])
    np.testing.assert_allclose(found[:4], rgb_to_cielab(expected))
    assert np.isnan(found[4]).all()  # there is no c.png


def test_an_image_of_another_size_or_none_at_all_tells_nothing(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels[:5]).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    mask = np.ones((7, 9), bool)
    dataset = segdata.from_arrays({"a.png": [(mask, "car")], "b.png": [(mask, "car")]}, ["car"], images=tmp_path)
    assert np.isnan(mean_colours(dataset)).all()
