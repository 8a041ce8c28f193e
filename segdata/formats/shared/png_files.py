"""Decode common PNG files without Pillow: their header, and the stored values.

ISA-L inflates a mask ten times as fast as zlib, which Pillow, OpenCV and libpng use (`benchmarks/speed/masks.py`).
Pillow handles the rest: interlacing, transparent colours, text chunks before the pixels, damage of any kind.

Source: PNG specification (third edition), sections 5, 9 and 11.
"""

import struct
from binascii import crc32
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.pixel_limit import max_pixels

Bytes = NDArray[np.uint8]
PlainHeader = tuple[int, int, int]  # width, height, EXIF orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START = SIGNATURE + b"\x00\x00\x00\x0dIHDR"
_IHDR_END = 33
_TYPE_OFFSET = 24  # of bit depth and colour type
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
# Pairs of bit depth and colour type that Pillow accepts.
_KNOWN_TYPES = frozenset({(1, 0), (1, 3), (2, 3), (4, 3), (8, 0), (8, 2), (8, 3), (8, 4), (8, 6), (16, 0)})
_CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
# Chunks before the pixels that neither fail in Pillow nor hold EXIF, and their size if Pillow checks it.
_KNOWN_CHUNKS = {
    b"sRGB": 1, b"gAMA": 4, b"pHYs": 9, b"cHRM": 32, b"bKGD": None, b"sBIT": None, b"tIME": None, b"PLTE": None,
}  # fmt: skip
_LATER_CHUNKS = frozenset({b"IDAT", b"tEXt", b"tIME"})  # may follow the first chunk of pixels
_MAX_PIXELS = 2**26  # below the size at which Pillow warns
_MAX_COLORS = 256
MAX_FILTER = 4  # the last filter type of rows
_CHUNK_OVERHEAD = 12  # bytes: size and name before the data, checksum after it


class PngPixels(msgspec.Struct, frozen=True):
    """The decoded pixels of a PNG file."""

    # (height, width) uint8 or uint16; (height, width, channels) uint8 if there are several channels
    values: NDArray[Any]  # uint8 or uint16
    colour: int  # the colour type: `GREY`, `COLOUR`, `PALETTE`, `GREY_ALPHA` or `COLOUR_ALPHA`
    bits: int  # per channel, 8 or 16
    palette: Bytes | None  # (n, 3) uint8, the colour of each value; None without a palette


def png_header(data: bytes) -> PlainHeader | None:
    """Width, height and EXIF orientation (1: none) in the first bytes of a PNG file; None if Pillow must read it."""
    if not data.startswith(_START) or len(data) < _IHDR_END or not _is_whole(data, 8, 13):
        return None
    width, height, bits, colour, packing, filtering, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    if (bits, colour) not in _KNOWN_TYPES or packing or filtering or interlace:
        return None
    offset = _IHDR_END
    while data[offset + 4 : offset + 8] != b"IDAT":
        (size,) = struct.unpack_from(">I", data, offset) if offset + _CHUNK_OVERHEAD <= len(data) else (0,)
        kind = data[offset + 4 : offset + 8]
        if kind not in _KNOWN_CHUNKS or _KNOWN_CHUNKS[kind] not in (None, size) or not _is_whole(data, offset, size):
            return None
        offset += size + _CHUNK_OVERHEAD
    return (width, height, 1) if 0 < width * height <= _MAX_PIXELS else None


def _is_whole(data: bytes, offset: int, size: int) -> bool:
    """Whether a chunk lies within the data and its checksum is right."""
    end = offset + 8 + size
    return data[end : end + 4] == crc32(memoryview(data)[offset + 4 : end]).to_bytes(4, "big")


def may_decode(start: bytes) -> bool:
    """Whether `decode_png` may be able to read a file with this beginning; 26 bytes are enough."""
    return (
        start.startswith(_START)
        and len(start) > _TYPE_OFFSET + 1
        and _is_decoded(start[_TYPE_OFFSET], start[_TYPE_OFFSET + 1])
    )


def _is_decoded(bits: int, colour: int) -> bool:
    return (bits == 8 and colour in _CHANNELS) or (bits, colour) == (16, GREY)


def decode_png(data: bytes) -> PngPixels | None:
    """Decode a PNG file of 8 bits per channel, or 16-bit grey; None if only Pillow can read it."""
    head = png_header(data) if may_decode(data) else None
    if head is None or head[0] * head[1] > max_pixels():
        return None
    width, height, _ = head
    bits, colour = data[_TYPE_OFFSET], data[_TYPE_OFFSET + 1]
    chunks = _chunks(data)
    names = [name for name, _ in chunks]
    first = names.index(b"IDAT") if b"IDAT" in names else len(names)
    if first == len(names) or names[-1] != b"IEND" or not set(names[first:-1]) <= _LATER_CHUNKS:
        return None
    palettes = [chunk for name, chunk in chunks[:first] if name == b"PLTE"]
    if len(palettes) != (colour == PALETTE) or any(not _is_palette(chunk) for chunk in palettes):
        return None
    step = _CHANNELS[colour] * bits // 8
    inflated = inflate(b"".join(chunk for name, chunk in chunks if name == b"IDAT"), height * (width * step + 1))
    rows = None if inflated is None else unfilter_rows(inflated, height, step)
    if rows is None:
        return None
    if bits == 16:
        rows = np.ascontiguousarray(rows).view(">u2").astype(np.uint16)
    elif step > 1:
        rows = rows.reshape(height, width, step)
    palette = np.frombuffer(palettes[0], np.uint8).reshape(-1, 3) if palettes else None
    return PngPixels(rows, colour, bits, palette)


def _is_palette(chunk: memoryview) -> bool:
    return len(chunk) % 3 == 0 and 0 < len(chunk) <= 3 * _MAX_COLORS


def _chunks(data: bytes) -> list[tuple[bytes, memoryview]]:
    chunks, offset, view = [], len(SIGNATURE), memoryview(data)
    while offset + _CHUNK_OVERHEAD <= len(data):
        size = int.from_bytes(data[offset : offset + 4], "big")
        if offset + _CHUNK_OVERHEAD + size > len(data):
            break
        chunks.append((data[offset + 4 : offset + 8], view[offset + 8 : offset + 8 + size]))
        offset += _CHUNK_OVERHEAD + size
    return chunks


def inflate(packed: bytes, size: int) -> bytes | None:
    """Inflate a zlib stream that must have exactly this size, else None; inflates at most one byte more."""
    from isal import isal_zlib  # takes 2 ms, and most commands do not need it

    inflating = isal_zlib.decompressobj()
    try:
        inflated: bytes = inflating.decompress(packed, size + 1)
    except isal_zlib.IsalError:  # type: ignore[misc]  # its stub calls the class an instance
        return None
    return inflated if inflating.eof and len(inflated) == size else None


def unfilter_rows(inflated: bytes, height: int, step: int) -> Bytes | None:
    """(height, bytes per row) the unfiltered rows of a picture; `step` is the number of bytes of a pixel, at least 1.

    None for an invalid filter, and for any filter if the kernel is not compiled.
    """
    filtered = np.frombuffer(inflated, np.uint8).reshape(height, -1)
    if step == 1 and not filtered[:, 0].any():
        return filtered[:, 1:]  # the usual case for palette indices
    if not kernels.is_compiled("undo_filters") or filtered[:, 0].max() > MAX_FILTER:
        return None
    return kernels.undo_filters(filtered, step)
