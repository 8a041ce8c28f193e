from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segdata.api.in_memory import from_arrays
from segdata.core.label_maps import LabelMaps
from segdata.noise.networks.images import ImageCache

HIGH, WIDE = 6, 5


def maps_of(n: int, folder: Path | None = None) -> LabelMaps:
    labels = {f"{row}.png": np.ones((HIGH, WIDE), np.uint8) for row in range(n)}
    return from_arrays(labels, ["a"], images=folder).maps()


def pictures_of(*arrays: NDArray[np.generic], folder: Path, budget: int = 2**20) -> ImageCache:
    """The images that a loader hands out, in order."""
    for row in range(len(arrays)):
        (folder / f"{row}.png").touch()
    return ImageCache(maps_of(len(arrays), folder), budget, lambda uri, size: arrays[int(Path(uri).stem)])


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 12])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_number_of_channels_and_bits(channels: int, dtype: type[np.generic], tmp_path: Path) -> None:
    image = np.random.default_rng(channels).integers(0, 250, (channels, HIGH, WIDE)).astype(dtype)
    pictures = pictures_of(image, image, folder=tmp_path)
    assert pictures.survey(1).tolist() == [True, True]
    assert pictures.channels == channels
    found = pictures.get(0)
    assert found is not None
    np.testing.assert_array_equal(found.pixels, image)
    assert (found.low < found.high).all()
    if channels > 4:  # bands have scales of their own
        np.testing.assert_allclose(found.low, np.percentile(image.reshape(channels, -1), 1, axis=1), rtol=1e-5)
    else:
        np.testing.assert_allclose(found.high, np.percentile(image, 99.5), rtol=1e-5)


def test_grey_colour_and_alpha_become_what_most_have(tmp_path: Path) -> None:
    colour = np.arange(3 * HIGH * WIDE, dtype=np.uint8).reshape(3, HIGH, WIDE)
    alpha = np.concatenate([colour, colour[:1]])
    pictures = pictures_of(
        colour, colour, colour[:1], colour[:2], alpha, np.zeros((7, HIGH, WIDE), np.uint8), folder=tmp_path
    )
    assert pictures.survey(2).tolist() == [True] * 5 + [False]
    for row, wanted in ((2, colour[[0, 0, 0]]), (3, colour[[0, 0, 0]]), (4, colour)):
        found = pictures.get(row)
        assert found is not None
        np.testing.assert_array_equal(found.pixels, wanted)
    (defect,) = pictures.defects
    assert (defect.code, defect.image) == ("SEG003", "5.png")
    assert "has 7 channels, most images have 3" in defect.message


def test_files_that_cannot_be_used_become_defects(tmp_path: Path) -> None:
    for row in range(4):
        Image.fromarray(np.full((HIGH, WIDE), 9, np.uint8)).save(tmp_path / f"{row}.png")
    maps = maps_of(4, tmp_path)
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:40])
    Image.fromarray(np.zeros((WIDE, HIGH), np.uint8)).save(tmp_path / "2.png")
    pictures = ImageCache(maps, 2**20)
    assert pictures.survey(1).tolist() == [False, False, False, True]
    assert [(each.code, each.image) for each in pictures.defects] == [
        ("SEG002", "0.png"),
        ("SEG001", "1.png"),
        ("SEG003", "2.png"),
    ]
    assert pictures.get(1) is None


def test_memory_is_bounded_and_what_was_dropped_is_read_again(tmp_path: Path) -> None:
    asked: list[int] = []
    arrays = [np.full((1, HIGH, WIDE), row + 1, np.uint8) for row in range(4)]

    def load(uri: str, size: tuple[int, int]) -> NDArray[np.generic]:
        asked.append(int(Path(uri).stem))
        return arrays[asked[-1]]

    for row in range(4):
        (tmp_path / f"{row}.png").touch()
    pictures = ImageCache(maps_of(4, tmp_path), 2 * HIGH * WIDE, load)
    for row in (0, 1, 1, 2, 1, 0):
        found = pictures.get(row)
        assert found is not None
        assert found.pixels[0, 0, 0] == row + 1
    assert asked == [0, 1, 2, 0]  # 0 was the one least recently used when 2 came


def test_a_copy_of_a_process_keeps_what_was_read_and_a_share_of_what_comes(tmp_path: Path) -> None:
    asked: list[int] = []

    def load(uri: str, size: tuple[int, int]) -> NDArray[np.generic]:
        asked.append(int(Path(uri).stem))
        return np.full((1, HIGH, WIDE), asked[-1], np.uint8)

    for row in range(5):
        (tmp_path / f"{row}.png").touch()
    pictures = ImageCache(maps_of(5, tmp_path), 4 * HIGH * WIDE, load)
    for row in (0, 1):
        pictures.get(row)
    pictures.divide(2)
    for row in (0, 2, 3, 1, 4, 3, 2, 0):
        found = pictures.get(row)
        assert found is not None
        assert found.pixels[0, 0, 0] == row
    assert asked == [0, 1, 2, 3, 4, 2]  # 2 had to go when 4 came; 0 and 1 stay


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int16])
def test_a_reduced_image_has_means_and_the_scale_of_the_whole(dtype: type[np.generic], tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 250, (5, HIGH, WIDE)).astype(dtype)
    whole = pictures_of(image, image, folder=tmp_path)
    assert whole.survey(1).all()
    before, kept = whole.get(0), whole.downscale(1 / 3).get(0)
    assert before is not None
    assert kept is not None
    assert kept.pixels.shape == (5, 2, 2)
    np.testing.assert_array_equal(kept.low, before.low)
    np.testing.assert_allclose(kept.pixels.mean((1, 2)), image.mean((1, 2)), atol=0.5)
    read = ImageCache(maps_of(1, tmp_path), 2**20, lambda uri, size: image, 1 / 3).get(0)
    assert read is not None
    np.testing.assert_array_equal(kept.pixels, read.pixels)


def test_what_is_no_number_does_not_move_the_scale(tmp_path: Path) -> None:
    image = np.linspace(1, 2, HIGH * WIDE, dtype=np.float32).reshape(1, HIGH, WIDE)
    image[0, 0, 0] = np.nan
    found = pictures_of(image, folder=tmp_path).get(0)
    assert found is not None
    assert np.isfinite([*found.low, *found.high]).all()
