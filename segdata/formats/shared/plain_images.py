"""Plain images: headers of ordinary PNG and JPEG files and pixels of palette PNG files, read without Pillow.

Opening an image with Pillow costs some 60 us, which is more than all the polygons of many a label file. Pillow also
decompresses row by row and copies each row; all rows at once take less time, and their runs are found in place.
Functions return None for files that are damaged or out of the ordinary: Pillow reads these and names what is wrong.
Sources: PNG, third edition, sections 5, 9 and 11.2; ITU-T T.81, annex B; Exif 2.32, section 4.6.
"""

import struct
import zlib
from binascii import crc32

import numpy as np
from numpy.typing import NDArray

_MOST_PIXELS = 2**26  # less than Pillow warns of
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_IHDR_END = 33
_PNG_SORTS = frozenset(
    {(1, 0), (1, 3), (2, 3), (4, 3), (8, 0), (8, 2), (8, 3), (8, 4), (8, 6), (16, 0)}
)  # bits, colour
# Chunks ahead of the pixels that can neither fail in Pillow nor hold EXIF, and their size where that matters.
_KNOWN_CHUNKS = {
    b"sRGB": 1,
    b"gAMA": 4,
    b"pHYs": 9,
    b"cHRM": 32,
    b"bKGD": None,
    b"sBIT": None,
    b"tIME": None,
    b"PLTE": None,
}
_JPEG = b"\xff\xd8\xff"
_SCAN, _QUANTIZATION, _EXIF = 0xDA, 0xDB, 0xE1
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_SKIPPED = frozenset({0xC4, 0xDD, 0xFE})  # Huffman tables, restart intervals, comments
_TABLES = {b"JFIF\0": 14, b"ICC_PROFILE\0": 14, b"Adobe": 12}  # how application segments begin, and their least size
_ORIENTATION, _SHORT = 0x0112, 3
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # of a value, by its EXIF type

PlainHeader = tuple[int, int, int]  # width, height, EXIF orientation


def png_header(data: bytes) -> PlainHeader | None:
    """Width and height in pixels and EXIF orientation (1: none), of the first bytes of a PNG file."""
    if not data.startswith(_PNG) or len(data) < _IHDR_END or not _is_whole(data, 8, 13):
        return None
    width, height, bits, colour, packing, filtering, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    if (bits, colour) not in _PNG_SORTS or packing or filtering or interlace:
        return None
    offset = _IHDR_END
    while data[offset + 4 : offset + 8] != b"IDAT":
        (size,) = struct.unpack_from(">I", data, offset) if offset + 12 <= len(data) else (0,)
        kind = data[offset + 4 : offset + 8]
        if kind not in _KNOWN_CHUNKS or _KNOWN_CHUNKS[kind] not in (None, size) or not _is_whole(data, offset, size):
            return None
        offset += size + 12
    return (width, height, 1) if 0 < width * height <= _MOST_PIXELS else None


def _is_whole(data: bytes, offset: int, size: int) -> bool:
    """Whether a chunk is within the bytes and has the right check sum."""
    end = offset + 8 + size
    return data[end : end + 4] == crc32(memoryview(data)[offset + 4 : end]).to_bytes(4, "big")


def jpeg_header(data: bytes) -> PlainHeader | None:
    """Width and height in pixels and EXIF orientation (1: none), of the first bytes of a JPEG file."""
    if not data.startswith(_JPEG):
        return None
    offset, frame, orientation = 2, None, None
    while offset + 4 <= len(data) and data[offset] == 0xFF:
        marker, end = data[offset + 1], offset + 2 + (data[offset + 2] << 8 | data[offset + 3])
        segment = data[offset + 4 : end]
        if end > len(data) or end < offset + 4:
            return None
        if marker == _SCAN:
            return None if frame is None else (*frame, orientation or 1)
        if marker in _FRAMES and frame is None:
            frame = _frame(segment)
            sound = frame is not None
        elif marker == _EXIF and orientation is None:
            orientation = _orientation(segment)
            sound = orientation is not None
        elif marker == _QUANTIZATION:
            sound = _is_quantization(segment)
        else:
            sound = marker in _SKIPPED or _is_known(marker, segment)
        if not sound:
            return None
        offset = end
    return None


def _frame(segment: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None for a frame that Pillow may not read."""
    if len(segment) < 6 or len(segment) != 6 + 3 * segment[5] or segment[0] != 8 or segment[5] not in (1, 3, 4):
        return None
    height, width = struct.unpack_from(">HH", segment, 1)
    return (width, height) if 0 < width * height <= _MOST_PIXELS else None


def _is_known(marker: int, segment: bytes) -> bool:
    """Whether an application segment is a common one, and long enough."""
    return 0xE0 <= marker <= 0xEF and any(
        segment.startswith(start) and len(segment) >= least for start, least in _TABLES.items()
    )


def _is_quantization(segment: bytes) -> bool:
    """Whether tables are complete: 64 values each, of one or two bytes."""
    offset = 0
    while offset < len(segment):
        offset += 65 if segment[offset] < 16 else 129
    return offset == len(segment)


def _orientation(segment: bytes) -> int | None:
    """The orientation in an EXIF segment, 1 if it has none; None: Pillow has to read it, as XMP."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(segment[6:10])
    if not segment.startswith(b"Exif\0\0") or order is None or len(segment) < 16:
        return None
    (start,) = struct.unpack_from(f"{order}I", segment, 10)
    if not 8 <= start <= len(segment) - 8:
        return None
    (n_entries,) = struct.unpack_from(f"{order}H", segment, 6 + start)
    entries = segment[8 + start : 8 + start + 12 * n_entries]
    if len(entries) != 12 * n_entries:
        return None
    orientation = 1
    for tag, kind, count, value in struct.iter_unpack(f"{order}HHI4s", entries):
        n_bytes = count * _BYTES.get(kind, len(segment))
        if n_bytes > len(value) and struct.unpack(f"{order}I", value)[0] + n_bytes > len(segment) - 6:
            return None  # where Pillow gives up
        if tag == _ORIENTATION:
            if kind != _SHORT or count != 1:
                return None
            orientation = struct.unpack_from(f"{order}H", value)[0] or 1
    return orientation


PALETTE = b"\x08\x03"  # 8 bits, with a palette: bytes 24 and 25 of the file
_AROUND = 12  # bytes of a chunk beside its data: size and name before it, check sum behind
_MOST_COLORS = 256
Bytes = NDArray[np.uint8]


def decode_palette_png(data: bytes) -> tuple[Bytes, Bytes] | None:
    """The values (height, width) and colours (n, 3) of a palette PNG file of 8 bits; None: Pillow has to read it."""
    head = png_header(data)
    chunks = _chunks(data) if head and data[24:26] == PALETTE else []
    names = [name for name, _ in chunks]
    if head is None or names.count(b"PLTE") != 1 or names[-1] != b"IEND":
        return None
    first, colors = names.index(b"IDAT"), chunks[names.index(b"PLTE")][1]
    if set(names[first:-1]) != {b"IDAT"} or len(colors) % 3 or not 0 < len(colors) <= 3 * _MOST_COLORS:
        return None
    width, height, _ = head
    rows = _unpacked(b"".join(chunk for _, chunk in chunks[first:-1]), height * (width + 1))
    if rows is None:
        return None
    filtered = np.frombuffer(rows, np.uint8).reshape(height, width + 1)
    if filtered[:, 0].any():  # rows hold differences; hardly ever where values are indices
        return None
    return filtered[:, 1:], np.frombuffer(colors, np.uint8).reshape(-1, 3)


def _chunks(data: bytes) -> list[tuple[bytes, memoryview]]:
    """Name and data of each complete chunk."""
    chunks, offset, view = [], 8, memoryview(data)
    while offset + _AROUND <= len(data):
        size = int.from_bytes(data[offset : offset + 4], "big")
        if offset + _AROUND + size > len(data):
            break
        chunks.append((data[offset + 4 : offset + 8], view[offset + 8 : offset + 8 + size]))
        offset += _AROUND + size
    return chunks


def _unpacked(packed: bytes, size: int) -> bytes | None:
    """The bytes of a complete zlib stream of this size, else None; unpacks at most one byte more."""
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(packed, size + 1)
    except zlib.error:
        return None
    return unpacked if unpacking.eof and len(unpacked) == size else None
