"""Bitmaps of Supervisely: base64 texts of a zlib-compressed PNG of a crop of the image."""

import base64
import binascii
import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.pixel_limit import TooManyPixelsError, check_pixels, decoding, max_pixels
from segdata.formats.shared.png_files import SIGNATURE, inflate, unfilter_rows

Mask = NDArray[np.bool_]
_Levels = NDArray[np.uint8]
_FULL = 255
_LEVEL = 6  # zlib's, as in Supervisely


class BrokenBitmapError(ValueError):
    """A text that is not a bitmap; the message says why, without a subject."""


def decode_mask(text: str, n_pixels: int) -> Mask:
    """The pixels (height, width) of a `bitmap`: those with alpha if it has any, else all that are not 0."""
    png = _png(text, n_pixels)
    plain = _decode_plain(png)
    if plain is not None:
        return plain
    image = _open_png(png)
    if image.mode == "P":
        return _opaque_pixels(image)
    mask: Mask = _alpha_or_only_channel(image) != 0
    return mask


def decode_opacity(text: str, n_pixels: int) -> _Levels:
    """The opacity (height, width) of an `alpha_mask`, 0 to 255."""
    image = _open_png(_png(text, n_pixels))
    if image.mode == "P":
        return _opaque_pixels(image).astype(np.uint8) * _FULL
    values = _alpha_or_only_channel(image)
    return values.astype(np.uint8) * _FULL if values.dtype == bool else np.clip(values, 0, _FULL).astype(np.uint8)


def encode_mask(mask: Mask) -> str:
    """A mask (height, width) as `data` of a bitmap: black and white in a palette, with black transparent."""
    height, width = mask.shape
    bits = np.packbits(mask, axis=1)
    rows = np.zeros((height, 1 + bits.shape[1]), np.uint8)  # filter type 0 before each row
    rows[:, 1:] = bits
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)),
        (b"PLTE", bytes([0, 0, 0, _FULL, _FULL, _FULL])),
        (b"tRNS", bytes([0])),
        (b"IDAT", zlib.compress(rows.tobytes(), _LEVEL)),
        (b"IEND", b""),
    )
    png = b"".join(
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big") for name, data in parts
    )
    return base64.b64encode(zlib.compress(SIGNATURE + png, 1)).decode("ascii")  # compressed already


def _png(text: str, n_pixels: int) -> bytes:
    """The PNG in a text; at most `n_pixels` are expected, and more are not decoded."""
    try:
        packed = base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError) as error:
        raise BrokenBitmapError(f"is not base64 text: {error}") from error
    png = packed if packed.startswith(SIGNATURE) else _unpack(packed, 16 * min(n_pixels, max_pixels()) + (1 << 16))
    width, height = (int.from_bytes(png[offset : offset + 4], "big") for offset in (16, 20))
    if not png.startswith(SIGNATURE) or len(png) < 33:
        raise BrokenBitmapError("is not a PNG")
    if width * height > n_pixels:
        raise BrokenBitmapError(f"is {width} x {height}, larger than the image")
    return png


def _decode_plain(png: bytes) -> Mask | None:
    """Decode a PNG of the kind that Supervisely writes, ten times as fast as Pillow opens one.

    That kind has a palette of one bit per pixel; returns None for other and damaged files.
    """
    width, height, depth, color, *plain = struct.unpack_from(">IIBBBBB", png, 16)
    parts: dict[bytes, bytes] = {}
    offset = len(SIGNATURE)
    while b"IEND" not in parts:
        if offset + 12 > len(png):
            return None
        size = int.from_bytes(png[offset : offset + 4], "big")
        name, end = png[offset + 4 : offset + 8], offset + 8 + size
        if zlib.crc32(png[offset + 4 : end]) != int.from_bytes(png[end : end + 4], "big"):
            return None
        parts[name] = parts.get(name, b"") + png[offset + 8 : end]
        offset = end + 4
    if (depth, color, any(plain)) != (1, 3, False) or not {b"PLTE", b"IDAT", b"tRNS"} <= parts.keys():
        return None
    stride = 1 + (width + 7) // 8
    data = inflate(parts[b"IDAT"], stride * height)
    rows = None if data is None else unfilter_rows(data, height, 1)
    if rows is None:
        return None
    bits = np.unpackbits(rows, axis=1)[:, :width]
    opaque = np.frombuffer(parts[b"tRNS"][:2].ljust(2, b"\xff"), np.uint8) != 0
    mask: Mask = bits.view(bool) if opaque.tolist() == [False, True] else opaque[bits]
    return mask


def _open_png(png: bytes) -> Image.Image:
    try:
        with decoding():
            image = Image.open(io.BytesIO(png), formats=["PNG"])
            check_pixels(image.width, image.height)
            image.load()
    except TooManyPixelsError as error:
        raise BrokenBitmapError(str(error)) from error
    except OSError as error:
        raise BrokenBitmapError(f"is a damaged PNG: {error}") from error
    return image


def _unpack(packed: bytes, limit: int) -> bytes:
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(packed, limit)
    except zlib.error as error:
        raise BrokenBitmapError(f"is neither a PNG nor packed with zlib: {error}") from error
    if unpack.unconsumed_tail:
        raise BrokenBitmapError(f"unpacks to more than {limit:,} bytes")
    return data


def _opaque_pixels(image: Image.Image) -> Mask:
    """The opaque pixels of a palette image; Supervisely reads one without transparency as three channels."""
    clear = image.info.get("transparency")
    values = np.asarray(image)
    if isinstance(clear, int):
        mask: Mask = values != clear
        return mask
    if not isinstance(clear, bytes):
        raise BrokenBitmapError("has a palette without transparency; Supervisely refuses it")
    alpha = np.frombuffer(clear[:256].ljust(256, b"\xff"), np.uint8)
    opaque: Mask = alpha[values] != 0
    return opaque


def _alpha_or_only_channel(image: Image.Image) -> NDArray[np.generic]:
    """The alpha of an image that has one, else its only channel."""
    if image.mode in ("RGBA", "LA", "PA"):
        return np.asarray(image.getchannel("A"))
    if len(image.getbands()) != 1:
        raise BrokenBitmapError(f"has {len(image.getbands())} channels; one, or one with alpha is expected")
    return np.asarray(image)
