"""Mean colours of segments, against masks and images the plain way."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.campaign.confusable_categories import mean_colours
from segdata.core.cielab import rgb_to_cielab


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
