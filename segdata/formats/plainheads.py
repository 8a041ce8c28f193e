"""Plain heads: what the first bytes of ordinary PNG and JPEG files say, read by ourselves.

Opening an image with Pillow costs some 60 us, which is more than all the polygons of many a label file. Nothing is
decided here: whatever is damaged or out of the ordinary is None, and left to Pillow, which says what is wrong with it.
Sources: PNG, third edition, section 5; ITU-T T.81, annex B; Exif 2.32, section 4.6.
"""

import struct
from binascii import crc32

_MOST_PIXELS = 2**26  # less than Pillow warns of
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_IHDR_END = 33
_PNG_SORTS = frozenset(
    {(1, 0), (1, 3), (2, 3), (4, 3), (8, 0), (8, 2), (8, 3), (8, 4), (8, 6), (16, 0)}
)  # bits, colour
# Chunks ahead of the pixels that can neither fail in Pillow nor hold EXIF, and their size where that matters.
_CHUNKS = {b"sRGB": 1, b"gAMA": 4, b"pHYs": 9, b"cHRM": 32, b"bKGD": None, b"sBIT": None, b"tIME": None, b"PLTE": None}
_JPEG = b"\xff\xd8\xff"
_SCAN, _QUANTIZATION, _EXIF = 0xDA, 0xDB, 0xE1
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_SKIPPED = frozenset({0xC4, 0xDD, 0xFE})  # Huffman tables, restart intervals, comments
_TABLES = {b"JFIF\0": 14, b"ICC_PROFILE\0": 14, b"Adobe": 12}  # how application segments begin, and their least size
_ORIENTATION, _SHORT = 0x0112, 3
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # of a value, by its EXIF type

Head = tuple[int, int, int]  # width, height, EXIF orientation


def png_head(data: bytes) -> Head | None:
    """Width and height in pixels and EXIF orientation (1: none), of the first bytes of a PNG file."""
    if not data.startswith(_PNG) or len(data) < _IHDR_END or not _is_whole(data, 8, 13):
        return None
    width, height, bits, colour, packing, filtering, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    if (bits, colour) not in _PNG_SORTS or packing or filtering or interlace:
        return None
    at = _IHDR_END
    while data[at + 4 : at + 8] != b"IDAT":
        (size,) = struct.unpack_from(">I", data, at) if at + 12 <= len(data) else (0,)
        kind = data[at + 4 : at + 8]
        if kind not in _CHUNKS or _CHUNKS[kind] not in (None, size) or not _is_whole(data, at, size):
            return None
        at += size + 12
    return (width, height, 1) if 0 < width * height <= _MOST_PIXELS else None


def _is_whole(data: bytes, at: int, size: int) -> bool:
    """Whether a chunk is within the bytes, and its check sum right."""
    end = at + 8 + size
    return data[end : end + 4] == crc32(memoryview(data)[at + 4 : end]).to_bytes(4, "big")


def jpeg_head(data: bytes) -> Head | None:
    """Width and height in pixels and EXIF orientation (1: none), of the first bytes of a JPEG file."""
    if not data.startswith(_JPEG):
        return None
    at, frame, orientation = 2, None, None
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, end = data[at + 1], at + 2 + (data[at + 2] << 8 | data[at + 3])
        segment = data[at + 4 : end]
        if end > len(data) or end < at + 4:
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
        at = end
    return None


def _frame(segment: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None of a frame that Pillow may not read."""
    if len(segment) < 6 or len(segment) != 6 + 3 * segment[5] or segment[0] != 8 or segment[5] not in (1, 3, 4):
        return None
    height, width = struct.unpack_from(">HH", segment, 1)
    return (width, height) if 0 < width * height <= _MOST_PIXELS else None


def _is_known(marker: int, segment: bytes) -> bool:
    """Whether an application segment is one that is everywhere, and long enough."""
    return 0xE0 <= marker <= 0xEF and any(
        segment.startswith(start) and len(segment) >= least for start, least in _TABLES.items()
    )


def _is_quantization(segment: bytes) -> bool:
    """Whether tables are whole: 64 values each, of one or two bytes."""
    at = 0
    while at < len(segment):
        at += 65 if segment[at] < 16 else 129
    return at == len(segment)


def _orientation(segment: bytes) -> int | None:
    """The orientation in an EXIF segment, 1 where it has none; None where Pillow should look, as at XMP."""
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
    found = 1
    for tag, kind, count, value in struct.iter_unpack(f"{order}HHI4s", entries):
        n_bytes = count * _BYTES.get(kind, len(segment))
        if n_bytes > len(value) and struct.unpack(f"{order}I", value)[0] + n_bytes > len(segment) - 6:
            return None  # where Pillow gives up
        if tag == _ORIENTATION:
            if kind != _SHORT or count != 1:
                return None
            found = struct.unpack_from(f"{order}H", value)[0] or 1
    return found
