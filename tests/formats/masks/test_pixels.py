"""Pixels that are not copied are those that Pillow copies."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.formats.masks.maskfile import decode
from segdata.formats.masks.pixels import pixels_of
from segdata.formats.masks.valueruns import ValueRuns

BYTES = {"1": 2 * 9, "L": 144, "P": 144, "I;16": 288, "I": 576, "LA": 288, "PA": 288, "RGB": 432, "RGBA": 576}


@pytest.mark.parametrize(("mode", "n_bytes"), BYTES.items())
def test_pixels_are_those_that_pillow_copies(mode: str, n_bytes: int) -> None:
    data = np.random.default_rng(0).integers(0, 256, n_bytes, np.uint8).tobytes()
    image = Image.frombytes(mode, (16, 9), data)
    copied, held = np.asarray(image), pixels_of(image)
    assert held.dtype == copied.dtype
    np.testing.assert_array_equal(held[..., : copied.shape[2]] if copied.ndim == 3 else held, copied)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pixels_that_pillow_keeps_in_pieces(mode: str) -> None:
    """Images of more than 16 MiB are not in one piece of memory."""
    image = Image.new(mode, (2048, 2100))
    image.paste((1, 2, 3), (2000, 50, 2048, 2090))
    runs = ValueRuns.of(pixels_of(image))
    assert (runs.value.tolist(), runs.area.tolist()) == ([0, 0x030201], [2048 * 2100 - 48 * 2040, 48 * 2040])


@pytest.mark.parametrize("name", ["mask.png", "mask.tif"])
def test_pixels_outlive_their_file(tmp_path: Path, name: str) -> None:
    """Those of plain TIFF files too, which Pillow maps into memory."""
    values = np.random.default_rng(0).integers(0, 255, (300, 500), np.uint8)
    Image.fromarray(values).save(tmp_path / name)
    mask = decode(tmp_path / name)
    with (tmp_path / name).open("r+b") as file:
        file.write(bytes((tmp_path / name).stat().st_size))
    np.testing.assert_array_equal(mask.pixels, values)


def test_files_that_are_cut_off_raise(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (300, 500, 3), np.uint8)
    Image.fromarray(values).save(tmp_path / "mask.png")
    (tmp_path / "mask.png").write_bytes((tmp_path / "mask.png").read_bytes()[:40_000])
    with pytest.raises(OSError, match="damaged"):
        decode(tmp_path / "mask.png")
