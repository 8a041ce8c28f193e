"""The tags of TIFF files, as rasterio and Pillow wrote them, and of what is damaged."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.core.tiff_files import (
    CHANNELS,
    GEOGRAPHIC,
    HEIGHT,
    ORIENTATION,
    SAMPLE_FORMAT,
    WIDTH,
    create_raster,
    tiff_tags,
)
from segdata.formats.shared.images import read_header


@pytest.mark.parametrize("big", ["YES", "NO"])
@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
def test_every_kind_of_tiff(tmp_path: Path, big: str, endian: str) -> None:
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / "a.tif"
    said = {"width": 7, "height": 70000, "count": 5, "dtype": "float32", "BIGTIFF": big, "ENDIANNESS": endian}
    at = rasterio.Affine(2.0, 0.0, 5.0, 0.0, -2.0, 5.0)
    with create_raster(path, **said, transform=at, crs="EPSG:3857", SPARSE_OK=True):
        pass
    tags = tiff_tags(path)
    assert [tags[tag] for tag in (WIDTH, HEIGHT, CHANNELS, SAMPLE_FORMAT)] == [7, 70000, 5, 3]
    assert tags.keys() & GEOGRAPHIC == {33550, 33922, 34735}
    found = read_header(path)
    assert (found.width, found.height, found.orientation) == (7, 70000, 1), "Pillow knows no five channels of float"


def test_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "a.tif", exif=exif)
    assert tiff_tags(tmp_path / "a.tif")[ORIENTATION] == 6


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"II",
        b"II*\0",
        b"PK\3\4....",
        b"II*\0" + struct.pack("<I", 2**32 - 1),
        b"II*\0" + struct.pack("<IH", 8, 65535),
        b"II*\0" + struct.pack("<IHHHII", 8, 2, 256, 4, 1, 9),
        b"II+\0" + struct.pack("<HHQQ", 8, 0, 2**64 - 1, 3),
        b"II*\0" + struct.pack("<IHHHII", 8, 1, 256, 4, 9, 2**32 - 1),
    ],
)
def test_what_is_no_tiff(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"TIFF"):
        tiff_tags(path)
    with pytest.raises(OSError, match=r"TIFF|damaged header|empty|not an image"):
        read_header(path)
