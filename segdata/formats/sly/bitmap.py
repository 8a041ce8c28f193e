"""Bitmaps of Supervisely: a PNG of a piece of the image, packed with zlib, as base64 text."""

import base64
import binascii
import io
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.bool_]
Levels = NDArray[np.uint8]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FULL = 255


class BrokenBitmapError(ValueError):
    """A text that is no bitmap; the message says why, without a subject."""


def mask_of(text: str, n_pixels: int) -> Mask:
    """The pixels (height, width) of a `bitmap`: those with alpha where there is any, else all that are not 0."""
    image = _opened(text, n_pixels)
    if image.mode == "P":
        return _of_palette(image)
    mask: Mask = _values(image) != 0
    return mask


def levels_of(text: str, n_pixels: int) -> Levels:
    """The opacity (height, width) of an `alpha_mask`, 0 to 255."""
    image = _opened(text, n_pixels)
    if image.mode == "P":
        return _of_palette(image).astype(np.uint8) * _FULL
    values = _values(image)
    return values.astype(np.uint8) * _FULL if values.dtype == bool else np.clip(values, 0, _FULL).astype(np.uint8)


def encoded_mask(mask: Mask) -> str:
    """A mask (height, width) as `data` of a bitmap: black and white in a palette, of which black is transparent."""
    image = Image.fromarray(np.ascontiguousarray(mask, np.uint8), "P")
    image.putpalette([0, 0, 0, _FULL, _FULL, _FULL])
    packed = io.BytesIO()
    image.save(packed, format="PNG", bits=1, transparency=0, optimize=False)
    return base64.b64encode(zlib.compress(packed.getvalue())).decode("ascii")


def _opened(text: str, n_pixels: int) -> Image.Image:
    """The PNG in a text, decoded; at most `n_pixels` are expected, and more are not decoded."""
    try:
        packed = base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError) as error:
        raise BrokenBitmapError(f"is no base64 text: {error}") from error
    png = packed if packed.startswith(_SIGNATURE) else _unpacked(packed, 16 * n_pixels + (1 << 16))
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    if not png.startswith(_SIGNATURE) or len(png) < 33:
        raise BrokenBitmapError("is no PNG")
    if width * height > n_pixels:
        raise BrokenBitmapError(f"is {width} x {height}, larger than the image")
    try:
        image = Image.open(io.BytesIO(png), formats=["PNG"])
        image.load()
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise BrokenBitmapError(f"is a damaged PNG: {error}") from error
    return image


def _unpacked(packed: bytes, limit: int) -> bytes:
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(packed, limit)
    except zlib.error as error:
        raise BrokenBitmapError(f"is neither a PNG nor packed with zlib: {error}") from error
    if unpack.unconsumed_tail:
        raise BrokenBitmapError(f"unpacks to more than {limit:,} bytes")
    return data


def _of_palette(image: Image.Image) -> Mask:
    """Where a palette image is not transparent; without transparency Supervisely takes it for three channels."""
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


def _values(image: Image.Image) -> NDArray[np.generic]:
    """The alpha of an image that has one, else its only channel."""
    if image.mode in ("RGBA", "LA", "PA"):
        return np.asarray(image.getchannel("A"))
    if len(image.getbands()) != 1:
        raise BrokenBitmapError(f"has {len(image.getbands())} channels; one, or one with alpha is expected")
    return np.asarray(image)
