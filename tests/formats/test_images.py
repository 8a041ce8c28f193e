"""Image headers: sizes and orientation without decoding any pixel."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.formats.images import Header, header

PHOTO = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


def test_a_png_header_needs_no_pixels(tmp_path: Path) -> None:
    """Pillow looks for EXIF behind the pixels and would decode them all."""
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[100:-100] = bytes(len(data) - 200)
    (tmp_path / "scrambled.png").write_bytes(data)
    assert header(tmp_path / "scrambled.png") == Header(60, 40)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_file_without_its_end_is_cut_off(tmp_path: Path, name: str) -> None:
    Image.fromarray(PHOTO).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(OSError, match="cut off"):
        header(tmp_path / name)


def test_orientation_is_read_from_jpeg_and_png(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "a.png"):
        Image.fromarray(PHOTO).save(tmp_path / name, exif=exif)
        assert header(tmp_path / name) == Header(60, 40, 6)
        assert header(tmp_path / name).turned
