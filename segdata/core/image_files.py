"""Image files: the channels of an image, or of a region or slice of it, as its file stores them."""

import re
import struct
import zlib
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from segdata.core.errors import SegdataError
from segdata.core.medical_files import is_dicom, read_dicom_image, read_volume_slice
from segdata.core.pixel_limit import check_pixels, decoding, open_picture, refuse_pipe
from segdata.core.storage import STORES, local_copy
from segdata.core.tiff_files import BITS, CHANNELS, HEIGHT, SAMPLE_FORMAT, WIDTH, open_raster, tiff_tags

ChannelArray = NDArray[np.generic]
_SIDEWAYS_ORIENTATIONS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
_EXIF_ORIENTATION = 0x0112
_REGION = re.compile(r"xywh=(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})")
_SLICE = re.compile(r"k=(\d{1,9})")
_MAX_PILLOW_CHANNELS = 4  # that Pillow knows
_CONVERTED_MODES = ("P", "CMYK", "YCbCr")


def read_channels(uri: str, size: tuple[int, int], most: int | None = None) -> ChannelArray:
    """Read the pixels of an image, (channels, height, width), with the dtype of its file, mostly uint8 or uint16.

    `uri` is a path or URI of a local file, or of a file in a store (``s3://``), which is copied to this machine once.
    After a # it may name a region, ``xywh=x,y,width,height`` in pixels, or a slice of a NIfTI volume, ``k=3``. An image
    that has the height and width `size` only after its EXIF rotation is rotated.
    rasterio reads GeoTIFFs that Pillow cannot hold (regions, several channels of 16 bits, more than four channels), the
    first `most` channels; values of NIfTI and DICOM files are scaled as their headers say.

    Raises OSError if the file cannot be decoded, and SegdataError if a package is needed and not installed.
    """
    path, part = split_uri(uri)
    if isinstance(part, int):
        return read_volume_slice(path, part)
    if part is not None or _is_raster(path):
        return _read_raster(path, part, most)
    refuse_pipe(path)
    with path.open("rb") as file:
        head = file.read(132)
    if is_dicom(head):
        return read_dicom_image(path)
    if _is_deep_png(head):
        return _read_deep_png(path)
    with decoding(), open_picture(path) as opened:
        image = exif_turned(opened, size)
        pixels = np.array(image.convert("RGB") if image.mode in _CONVERTED_MODES else image)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    layers = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return np.ascontiguousarray(layers.transpose(2, 0, 1))


def exif_turned(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An image turned as its EXIF data say if that swaps its sides and it has not the height and width `size`."""
    sideways = image.getexif().get(_EXIF_ORIENTATION, 1) in _SIDEWAYS_ORIENTATIONS
    return ImageOps.exif_transpose(image) if sideways and (image.height, image.width) != size else image


def split_uri(uri: str) -> tuple[Path, tuple[int, ...] | int | None]:
    """Split a path or URI into its local file, and its region (x, y, width, height) or number of a slice.

    A file in a store is copied to this machine first. Raises SegdataError for a URI of another machine, and for any
    other fragment after the #.
    """
    if "://" not in uri:
        return Path(uri), None
    parts = urlparse(uri)
    if parts.scheme in STORES:
        return _split_remote(uri)
    if parts.scheme != "file":
        raise SegdataError(f"{uri}: segdata reads files of this machine and of stores such as s3://; copy it there")
    path = Path(unquote(parts.path))
    region, slice_ = (pattern.fullmatch(parts.fragment) for pattern in (_REGION, _SLICE))
    if slice_ is not None:
        return path, int(slice_[1])
    if parts.fragment and region is None:
        problem = "a region xywh=x,y,width,height or a slice k=number"
        raise SegdataError(f"{uri}: the part after # must be {problem}")
    return path, None if region is None else tuple(map(int, region.groups()))


def _split_remote(uri: str) -> tuple[Path, tuple[int, ...] | int | None]:
    """Like `split_uri`, for a file that is not on this machine."""
    address, _, part = uri.partition("#")
    return split_uri(f"{local_copy(address).as_uri()}#{part}" if part else str(local_copy(address)))


def _is_raster(path: Path) -> bool:
    """Whether a TIFF file has channels that Pillow cannot read."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return False
    try:
        tags = tiff_tags(path)
        channels = tags.get(CHANNELS, 1)
        if channels > _MAX_PILLOW_CHANNELS or (channels > 1 and tags.get(BITS, 1) > 8):
            return True  # of many channels Pillow complains aloud
        with open_picture(path) as image:
            return len(image.getbands()) < channels
    except OSError:
        return path.is_file()


def _is_deep_png(head: bytes) -> bool:
    """Whether the first bytes are those of a PNG with colours of 16 bits a channel, of which Pillow keeps 8."""
    return head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) > 25 and head[24] == 16 and head[25] in (2, 6)


def _read_deep_png(path: Path) -> ChannelArray:
    """The channels of a PNG of 16 bits: Pillow decodes the high bytes of its values first, then the low bytes."""
    halves = []
    for order in "BL":  # as if its bytes were big-endian, or little-endian
        with decoding(), open_picture(path) as image:
            (tile,) = image.tile
            image.tile = [tile._replace(args=f"{image.mode};16{order}")]
            halves.append(np.asarray(image).astype(np.uint16))
    return np.ascontiguousarray((halves[0] << 8 | halves[1]).transpose(2, 0, 1))


def encode_image(pixels: ChannelArray, suffix: str) -> bytes:
    """An image (height, width, channels) of 1, 3 or 4 channels as a PNG or (``".tif"``) a TIFF file.

    Values are uint8 or uint16, in a TIFF float32 or float64 too. Both are lossless and compressed with zlib.
    """
    height, width, channels = pixels.shape
    bits = 8 * pixels.itemsize
    if suffix == ".tif":
        return _encode_tiff(pixels)
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    step = channels * pixels.itemsize
    rows[:, step:] -= rows[:, :-step].copy()  # filter 1: less the pixel to the left
    data = zlib.compress(np.insert(rows, 0, 1, axis=1).tobytes(), 1)
    head = struct.pack(">IIBBBBB", width, height, bits, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _encode_tiff(pixels: ChannelArray) -> bytes:
    """A TIFF file of an image (height, width, channels) of whole or floating-point numbers, in one compressed strip."""
    height, width, channels = pixels.shape
    data = zlib.compress(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes(), 1)
    photometric, deflate, contiguous = 2 if channels > 1 else 1, 8, 1
    kind = 3 if pixels.dtype.kind == "f" else 1
    entries: list[tuple[int, tuple[int, ...]]] = [  # tags and values
        (WIDTH, (width,)),
        (HEIGHT, (height,)),
        (BITS, (8 * pixels.itemsize,) * channels),
        (259, (deflate,)),
        (262, (photometric,)),
        (273, (8,)),  # where the strip begins
        (CHANNELS, (channels,)),
        (278, (height,)),  # rows of the strip
        (279, (len(data),)),
        (284, (contiguous,)),
        *([(338, (2,))] if channels == 4 else []),  # the fourth channel is opacity
        (SAMPLE_FORMAT, (kind,) * channels),
    ]
    directory = 8 + len(data) + len(data) % 2
    beyond = directory + 2 + 12 * len(entries) + 4
    cells, tail = [], b""
    for tag, values in entries:
        is_long = max(values) > 0xFFFF
        body = struct.pack(f"<{len(values)}{'I' if is_long else 'H'}", *values)
        if len(body) > 4:
            body, tail = struct.pack("<I", beyond + len(tail)), tail + body
        cells.append(struct.pack("<HHI4s", tag, 4 if is_long else 3, len(values), body))
    head = struct.pack("<2sHI", b"II", 42, directory)
    return b"".join([head, data, bytes(len(data) % 2), struct.pack("<H", len(cells)), *cells, bytes(4), tail])


def _read_raster(path: Path, region: tuple[int, ...] | None, most: int | None) -> ChannelArray:
    """The bands of a GeoTIFF, or of a region of it."""
    x, y, width, height = region or (0, 0, 0, 0)
    with open_raster(path) as raster:
        if region is not None and (x + width > raster.width or y + height > raster.height):
            raise OSError(f"has {raster.width}x{raster.height} pixels, region {x},{y},{width},{height} is outside")
        window = None if region is None else ((y, y + height), (x, x + width))
        check_pixels(*((raster.width, raster.height) if region is None else (width, height)))
        pixels: ChannelArray = raster.read(list(raster.indexes[:most]), window=window)
    return pixels
