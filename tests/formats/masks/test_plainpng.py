"""Palette PNG files that are read without Pillow have the values that Pillow finds; all others are left to it."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from segdata.core import kernels
from segdata.formats.masks.maskfile import decode, decode_bytes
from segdata.formats.masks.plainpng import palette_png

VALUES = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLORS = bytes(range(36))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    rows: bytes, *between: bytes, bits: int = 8, color: int = 3, interlace: int = 0, last: bytes = b"IEND"
) -> bytes:
    """A file of 4 x 3 pixels with these rows, in two pieces, and further chunks after the palette."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 3, bits, color, 0, 0, interlace))
    packed = zlib.compress(rows)
    pixels = chunk(b"IDAT", packed[:7]) + chunk(b"IDAT", packed[7:])
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"PLTE", COLORS) + b"".join(between) + pixels + chunk(last, b"")


def rows_of(values: np.ndarray, filter: int = 0) -> bytes:
    return b"".join(bytes([filter]) + row.tobytes() for row in values)


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=80), elements=st.sampled_from([0, 1, 2, 255])))
def test_values_are_those_that_pillow_finds(values: np.ndarray) -> None:
    picture = Image.fromarray(values)
    picture.putpalette([level for index in range(256) for level in (index, 255 - index, 7)])
    file = io.BytesIO()
    picture.save(file, "png")
    found = palette_png(file.getvalue())
    assert found is not None
    np.testing.assert_array_equal(found[0], values)
    assert found[1].tolist() == [[index, 255 - index, 7] for index in range(256)]
    for mine, wanted in zip(kernels.label_runs(found[0]), kernels.label_runs(values), strict=True):
        np.testing.assert_array_equal(mine, wanted)


def test_a_file_and_its_bytes_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    path.write_bytes(png(rows_of(VALUES)))
    for mask in (decode(path), decode_bytes(path.read_bytes())):
        np.testing.assert_array_equal(mask.values, VALUES)
        assert mask.encoding == f"palette 8 bit, palette {zlib.crc32(COLORS) & 0xFFFF:04x}"
        assert not mask.coloured
        assert mask.lossy is None
        assert mask.palette is not None
        assert mask.palette.tobytes() == COLORS


UNUSUAL = {
    "rows that hold differences": png(rows_of(VALUES, filter=1)),
    "grey": png(rows_of(VALUES), color=0),
    "four bits": png(rows_of(VALUES[:, :2]), bits=4),
    "interlaced": png(rows_of(VALUES), interlace=1),
    "a second palette": png(rows_of(VALUES), chunk(b"PLTE", COLORS)),
    "another chunk": png(rows_of(VALUES), chunk(b"tEXt", b"a\0b")),
    "a row too few": png(rows_of(VALUES[:2])),
    "a row too many": png(rows_of(VALUES) + b"\0\1\2\3\4"),
    "no end": png(rows_of(VALUES))[:-12],
    "another end": png(rows_of(VALUES), last=b"tIME"),
    "cut off": png(rows_of(VALUES))[:-20],
    "damaged pixels": png(rows_of(VALUES)).replace(zlib.compress(rows_of(VALUES))[7:], b"\xff" * 30),
    "nothing": b"",
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_is_unusual_is_left_to_pillow(what: str) -> None:
    assert palette_png(UNUSUAL[what]) is None


def test_no_more_is_unpacked_than_the_header_says() -> None:
    """A megabyte of zeros behind twelve pixels."""
    assert palette_png(png(rows_of(VALUES) + bytes(2**20))) is None


def test_differences_are_read_by_pillow(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    path.write_bytes(UNUSUAL["rows that hold differences"])
    np.testing.assert_array_equal(decode(path).values, np.cumsum(VALUES, axis=1, dtype=np.uint8))
