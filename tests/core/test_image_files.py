"""Planes: images as files have them, whatever decodes them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.errors import SegdataError
from segdata.core.image_files import encode_image, read_channels
from segdata.core.tiff_files import create_raster


def raster(path: Path, pixels: np.ndarray) -> str:
    pytest.importorskip("rasterio")
    count, height, width = pixels.shape
    with create_raster(path, count=count, height=height, width=width, dtype=pixels.dtype) as file:
        file.write(pixels)
    return str(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 13])
def test_bands_of_tiff(tmp_path: Path, dtype: type, count: int, caplog: pytest.LogCaptureFixture) -> None:
    pixels = np.arange(count * 12).reshape(count, 3, 4).astype(dtype) * (1 if dtype == np.uint8 else 300)
    found = read_channels(raster(tmp_path / "a.tif", pixels), (3, 4))
    assert found.dtype == dtype
    assert found.tolist() == pixels.tolist()
    assert "samples per pixel" not in caplog.text


@pytest.mark.parametrize("count", [3, 4])
def test_colours_of_16_bits_in_png(tmp_path: Path, count: int) -> None:
    """Pillow would keep the high byte."""
    pixels = np.arange(count * 12, dtype=np.uint16).reshape(count, 3, 4) * 301
    blue_first = pixels[[2, 1, 0, 3][:count]].transpose(1, 2, 0)
    cv2.imwrite(str(tmp_path / "a.png"), np.ascontiguousarray(blue_first))
    assert read_channels(str(tmp_path / "a.png"), (3, 4)).tolist() == pixels.tolist()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_opencv_reads_what_is_encoded(tmp_path: Path, suffix: str, dtype: type, channels: int) -> None:
    if suffix == ".png" and np.dtype(dtype).kind == "f":
        return
    pixels = (np.random.default_rng(0).random((37, 21, channels)) * (255 if dtype == np.uint8 else 65535)).astype(dtype)
    if channels == 4 and suffix == ".tif":
        pixels[:, :, 3] = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1  # OpenCV multiplies by opacity
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encode_image(pixels, suffix))
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).reshape(37, 21, channels)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[:, :, [2, 1, 0, 3][:channels] if channels > 1 else [0]], pixels)


def test_a_region(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    uri = Path(raster(tmp_path / "a b.tif", pixels)).as_uri()
    assert read_channels(f"{uri}#xywh=2,1,3,2", (2, 3)).tolist() == pixels[:, 1:3, 2:5].tolist()
    with pytest.raises(OSError, match="has 6x4 pixels"):
        read_channels(f"{uri}#xywh=5,0,2,1", (1, 2))


def test_an_image_of_grey_is_one_channel(tmp_path: Path) -> None:
    Image.fromarray(np.array([[7, 8]], np.uint16)).save(tmp_path / "a.png")
    found = read_channels(str(tmp_path / "a.png"), (1, 2))
    assert (found.dtype, found.tolist()) == (np.uint16, [[[7, 8]]])


@pytest.mark.parametrize("uri", ["https://example.org/a.png", "file:///a.nii.gz#t=3"])
def test_what_is_not_here(uri: str) -> None:
    with pytest.raises(SegdataError, match=r"of this machine and of stores|must be a region"):
        read_channels(uri, (1, 1))


def test_windows_of_a_raster_train(tmp_path: Path) -> None:
    """Each with its part of an image of five bands."""
    pytest.importorskip("torch")
    pixels = np.arange(5 * 6 * 4, dtype=np.uint16).reshape(5, 6, 4)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    raster(tmp_path / "images" / "a.tif", pixels)
    raster(tmp_path / "masks" / "a.tif", (pixels[:1] % 3).astype(np.uint8))
    (tmp_path / "taxonomy.yaml").write_text("unlabelled: 0\ncategories: [{id: 1, name: a}, {id: 2, name: b}]\n")
    data = segdata.read(tmp_path, format="geotiff", options={"tile": 4}).torch()
    assert len(data) == 2
    second = data[1]
    assert second["image"].numpy().tolist() == pixels[:, 4:].tolist()
    assert second["semantic"].tolist() == [
        [255 if value == 0 else value - 1 for value in row] for row in pixels[0, 4:] % 3
    ]
