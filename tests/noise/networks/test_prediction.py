from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.noise.networks.images import ImageCache
from segdata.noise.networks.network import precision
from segdata.noise.networks.plan import TrainingPlan
from segdata.noise.networks.prediction import ChannelLegend, predict, tiles
from segdata.noise.networks.predictions import StoredPrediction, prediction_path

LEGEND = ChannelLegend(np.array([3, 7]), np.array([True, True]))


class Pixelwise(nn.Module):
    """A network whose answer for a pixel depends on that pixel alone; it runs out of memory above `most` images."""

    def __init__(self, most: int = 9) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.most = nn.Conv2d(3, 6, 1), most

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        said = 9 * self.layer(images)
        return said[:, :3], said[:, 3:]


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([(32, 32), (96, 64), (512, 512)]))
def test_tiles_cover_every_pixel_once_from_within(height: int, width: int, size: tuple[int, int]) -> None:
    times = np.zeros((height, width), int)
    for tile in tiles(height, width, size):
        y0, y1, x0, x1 = tile.kept
        times[y0:y1, x0:x1] += 1
        assert tile.top <= y0 < y1 <= tile.top + size[0]
        assert tile.left <= x0 < x1 <= tile.left + size[1]
        for low, high, first, length, side in (
            (y0, y1, tile.top, height, size[0]),
            (x0, x1, tile.left, width, size[1]),
        ):
            margin = min(side // 4, 64) - 1 if length > side else 0
            assert low == 0 or low - first >= margin
            assert high == length or first + side - high >= margin
    assert (times == 1).all()


def stored(folder: Path, row: int) -> StoredPrediction:
    return StoredPrediction.decode(prediction_path(folder, row).read_bytes())


@pytest.mark.parametrize("flips", [0, 2])
def test_tiles_and_mirrors_change_nothing_where_pixels_stand_alone(
    shapes: Callable[[Path, int], OpenDataset], tiny: TrainingPlan, tmp_path: Path, flips: int
) -> None:
    maps = shapes(tmp_path / "images", 3).maps()
    pictures, rows = ImageCache(maps, 2**20), np.arange(3)
    pictures.survey(1)
    told: list[int] = []
    for name, tile in (("whole", (64, 64)), ("tiles", (32, 32))):
        plan = replace(tiny, tile=tile, flips=flips)
        predict([Pixelwise()], rows, maps, pictures, plan, LEGEND, tmp_path / name, told.append, 1)
    assert told == [0, 1, 2, 3] * 2
    for row in range(3):
        whole, tiled = (stored(tmp_path / name, row) for name in ("whole", "tiles"))
        assert whole.probabilities().shape == (3, 64, 64)
        np.testing.assert_allclose(whole.probabilities(), tiled.probabilities(), atol=0.01)
        np.testing.assert_allclose(whole.probabilities().sum(0), 1, atol=1e-5)
        np.testing.assert_allclose(whole.edges(), tiled.edges(), atol=0.005)
    assert not list(tmp_path.glob("**/.*"))


@pytest.mark.parametrize("tile", [(32, 32), (64, 64)])
def test_what_is_said_of_a_reduced_image_is_enlarged_to_the_whole_one(
    shapes: Callable[[Path, int], OpenDataset], tiny: TrainingPlan, tmp_path: Path, tile: tuple[int, int]
) -> None:
    maps = shapes(tmp_path / "images", 2).maps()
    pictures = ImageCache(maps, 2**20)
    pictures.survey(1)
    smaller, plan = pictures.downscale(0.7), replace(tiny, tile=tile, scale=0.7)
    predict([Pixelwise()], np.arange(2), maps, smaller, plan, LEGEND, tmp_path, lambda done: None, 1)
    picture = smaller.get(1)
    assert picture is not None
    assert picture.pixels.shape == (3, 45, 45)
    scaled = (picture.pixels - picture.low[:, None, None]) / (picture.high - picture.low)[:, None, None]
    with precision(torch.device("cpu")):
        said = [head.float() for head in Pixelwise()(torch.from_numpy(scaled.clip(-0.5, 1.5))[None])]
    of_file = stored(tmp_path, 1)
    edges = of_file.edges()
    assert edges is not None
    found = of_file.probabilities(), np.stack([edges])
    for values, logits, channels in zip(found, said, (slice(None), slice(2, 3)), strict=True):
        wanted = functional.interpolate(logits.softmax(1), (64, 64), mode="bilinear")[0].detach()[channels]
        np.testing.assert_allclose(values.transpose(0, 2, 1), wanted, atol=0.01)


def test_what_is_there_is_not_predicted_again(
    shapes: Callable[[Path, int], OpenDataset], tiny: TrainingPlan, tmp_path: Path
) -> None:
    maps = shapes(tmp_path / "images", 3).maps()
    pictures = ImageCache(maps, 2**20)
    pictures.survey(1)
    plan = replace(tiny, instances=False)
    predict([Pixelwise()], np.arange(2), maps, pictures, plan, LEGEND, tmp_path, lambda done: None, 1)
    before = [prediction_path(tmp_path, row).stat().st_mtime_ns for row in range(2)]
    told: list[int] = []
    predict([Pixelwise()], np.arange(3), maps, pictures, plan, LEGEND, tmp_path, told.append, 1)
    assert told == [2, 3]
    assert [prediction_path(tmp_path, row).stat().st_mtime_ns for row in range(2)] == before
    assert stored(tmp_path, 0).edges() is None


def test_one_tile_that_does_not_fit_is_an_error(
    shapes: Callable[[Path, int], OpenDataset], tiny: TrainingPlan, tmp_path: Path
) -> None:
    maps = shapes(tmp_path / "images", 1).maps()
    pictures = ImageCache(maps, 2**20)
    with pytest.raises(SegdataError, match="one tile does not fit"):
        predict([Pixelwise(0)], np.arange(1), maps, pictures, tiny, LEGEND, tmp_path, lambda done: None, 1)
