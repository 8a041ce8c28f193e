"""Plain PNG: the values of palette PNG files as almost all are, read by ourselves.

Pillow decompresses row by row and copies each row to memory of its own. All rows at once take less time, and their runs
are found where they lie. Nothing is decided here: whatever is damaged or out of the ordinary is None, and left to
Pillow, which says what is wrong with it. Source: PNG, third edition, sections 5, 9 and 11.2.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from segdata.formats.plainheads import png_head

PALETTE = b"\x08\x03"  # 8 bits, with a palette: bytes 24 and 25 of the file
_AROUND = 12  # bytes of a chunk beside its data: size and name before it, check sum behind
_MOST_COLORS = 256
Bytes = NDArray[np.uint8]


def palette_png(data: bytes) -> tuple[Bytes, Bytes] | None:
    """The values (height, width) and colours (n, 3) of a palette PNG file of 8 bits; None where Pillow has to look."""
    head = png_head(data)
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
    """Name and data of each chunk, up to the end or where the file is cut off."""
    found, at, whole = [], 8, memoryview(data)
    while at + _AROUND <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if at + _AROUND + size > len(data):
            break
        found.append((data[at + 4 : at + 8], whole[at + 8 : at + 8 + size]))
        at += _AROUND + size
    return found


def _unpacked(packed: bytes, size: int) -> bytes | None:
    """The bytes of a whole zlib stream, which are this many; never more than one byte beyond is unpacked."""
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(packed, size + 1)
    except zlib.error:
        return None
    return found if unpacking.eof and len(found) == size else None
