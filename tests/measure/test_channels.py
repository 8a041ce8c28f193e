"""Channels: means and deviations over all pixels of all files, whatever their sizes and depths."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from segdata.core.table import Table
from segdata.measure.channels import channels


def files(folder: Path, pictures: dict[str, np.ndarray]) -> Table:
    """The pictures as files, and a table of them with one more that does not exist."""
    for name, pixels in pictures.items():
        cv2.imwrite(str(folder / name), pixels)
    uris = [*(str(folder / name) for name in pictures), str(folder / "none.png"), None]
    heights = [*(pixels.shape[0] for pixels in pictures.values()), 1, 1]
    widths = [*(pixels.shape[1] for pixels in pictures.values()), 1, 1]
    return Table({"uri": np.array(uris, object), "height": np.array(heights), "width": np.array(widths)})


@pytest.mark.parametrize("jobs", [1, 3])
def test_they_are_those_of_all_pixels_at_once(tmp_path: Path, jobs: int) -> None:
    rng = np.random.default_rng(0)
    colour = [rng.integers(0, 256, (high, 5, 3), dtype=np.uint8) for high in (3, 8, 13)]
    deep = rng.integers(60_000, 60_010, (9, 9), dtype=np.uint16)
    named = {f"{at}.png": pixels for at, pixels in enumerate(colour)}
    found, unread = channels(files(tmp_path, {**named, "deep.png": deep}), jobs)
    assert unread == 2
    assert [(each.dtype, len(each.mean), each.n_images, each.top) for each in found] == [
        ("uint8", 3, 3, 255),
        ("uint16", 1, 1, 65535),
    ]
    every = np.concatenate([pixels.reshape(-1, 3) for pixels in colour])[:, ::-1]  # OpenCV wrote blue first
    assert found[0].n_pixels == len(every)
    np.testing.assert_allclose(found[0].mean, every.mean(axis=0))
    np.testing.assert_allclose(found[0].std, every.std(axis=0))
    np.testing.assert_allclose((found[1].mean[0], found[1].std[0]), (deep.mean(), deep.std()))
