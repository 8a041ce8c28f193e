"""Ordinary PNG files, read without Pillow, against Pillow."""

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
from segdata.core.pixel_limit import pixel_limit
from segdata.formats.shared.images import open_bytes
from segdata.formats.shared.mask_files import decode_mask, decode_mask_bytes, decoded_pixels
from segdata.formats.shared.png_files import decode_png

filtered = pytest.mark.skipif(
    not kernels.is_compiled("undo_filters"), reason="without compiled kernels Pillow reads filtered rows"
)
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
    found = decode_png(file.getvalue())
    assert found is not None
    assert found.palette is not None
    np.testing.assert_array_equal(found.values, values)
    assert found.palette.tolist() == [[index, 255 - index, 7] for index in range(256)]
    for mine, wanted in zip(kernels.label_runs(found.values), kernels.label_runs(values), strict=True):
        np.testing.assert_array_equal(mine, wanted)


def test_a_file_and_its_bytes_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    path.write_bytes(png(rows_of(VALUES)))
    for mask in (decode_mask(path), decode_mask_bytes(path.read_bytes())):
        np.testing.assert_array_equal(mask.values, VALUES)
        assert mask.encoding == f"palette 8 bit, palette {zlib.crc32(COLORS) & 0xFFFF:04x}"
        assert not mask.coloured
        assert mask.lossy is None
        assert mask.palette is not None
        assert mask.palette.tobytes() == COLORS


UNUSUAL = {
    "a filter that PNG lacks": png(rows_of(VALUES, filter=5)),
    "grey with a palette": png(rows_of(VALUES), color=0),
    "four bits": png(rows_of(VALUES[:, :2]), bits=4),
    "interlaced": png(rows_of(VALUES), interlace=1),
    "a second palette": png(rows_of(VALUES), chunk(b"PLTE", COLORS)),
    "a text ahead of the pixels": png(rows_of(VALUES), chunk(b"tEXt", b"a\0b")),
    "transparent indices": png(rows_of(VALUES), chunk(b"tRNS", b"\0")),
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
    assert decode_png(UNUSUAL[what]) is None


def test_no_more_is_unpacked_than_the_header_says() -> None:
    """A megabyte of zeros behind twelve pixels."""
    assert decode_png(png(rows_of(VALUES) + bytes(2**20))) is None


CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # of the colour types that Pillow can be asked about without a palette
pictures = st.sampled_from(sorted(CHANNELS)).flatmap(
    lambda colour: st.tuples(
        st.just(colour),
        arrays(
            np.uint8,
            st.tuples(st.integers(1, 6), st.integers(1, 70), st.just(CHANNELS[colour])),
            elements=st.sampled_from([0, 0, 1, 128, 255]),
        ),
    )
)


def file_of(colour: int, bits: int, stored: np.ndarray, filters: list[int]) -> bytes:
    """A PNG file whose rows hold these bytes (height, width, bytes of a pixel), whatever they come to mean."""
    height, width, _ = stored.shape
    rows = b"".join(bytes([filters[y % len(filters)]]) + stored[y].tobytes() for y in range(height))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def by_pillow(data: bytes) -> np.ndarray:
    with open_bytes(data) as image:
        return np.array(image)


@filtered
@given(pictures, st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_every_filter_is_undone_as_pillow_undoes_it(picture: tuple[int, np.ndarray], filters: list[int]) -> None:
    colour, stored = picture
    data = file_of(colour, 8, stored, filters)
    found = decode_png(data)
    assert found is not None
    assert (found.colour, found.bits, found.palette) == (colour, 8, None)
    np.testing.assert_array_equal(found.values, by_pillow(data))


@filtered
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 40), st.just(2)), elements=st.integers(0, 255)),
    st.lists(st.integers(0, 4), min_size=1, max_size=6),
)
def test_grey_of_sixteen_bits(stored: np.ndarray, filters: list[int]) -> None:
    data = file_of(0, 16, stored, filters)
    found = decode_png(data)
    assert found is not None
    assert (found.values.dtype, found.values.flags.c_contiguous) == (np.uint16, True)
    np.testing.assert_array_equal(found.values, by_pillow(data))


@filtered
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_a_mask_is_what_pillow_would_make_of_it(tmp_path: Path, mode: str) -> None:
    rng = np.random.default_rng(0)
    shape = (30, 41, *{"LA": (2,), "RGB": (3,), "RGBA": (4,)}.get(mode, ()))
    values = np.kron(rng.integers(0, 3, shape), np.ones((4, 4, 1) if len(shape) == 3 else (4, 4))).astype(
        np.uint16 if mode == "I;16" else np.uint8
    )
    path = tmp_path / "m.png"
    Image.fromarray(values).save(path)
    assert decode_png(path.read_bytes()) is not None
    mask = decode_mask(path)
    with Image.open(path) as image:
        assert image.mode == mode
        pixels = decoded_pixels(image)
    colours = pixels[:, :, :3] if mode in ("RGB", "RGBA") else pixels[:, :, 0] if mode == "LA" else pixels
    np.testing.assert_array_equal(mask.pixels[:, :, :3] if mask.pixels.ndim == 3 else mask.pixels, colours)
    assert mask.coloured is (mode in ("RGB", "RGBA"))
    assert mask.encoding == {"L": "grey 8 bit", "LA": "grey+alpha 8 bit", "I;16": "grey 16 bit"}.get(
        mode, f"{mode} 8 bit"
    )
    if mode in ("LA", "RGBA"):
        np.testing.assert_array_equal(mask.alpha, values[:, :, -1])
    else:
        assert mask.alpha is None


def test_a_text_behind_the_pixels_does_not_matter() -> None:
    data = png(rows_of(VALUES))
    found = decode_png(data[:-12] + chunk(b"tEXt", b"date:create\x002024") + data[-12:])
    assert found is not None
    np.testing.assert_array_equal(found.values, VALUES)


def test_what_is_larger_than_the_limit_is_left_to_pillow() -> None:
    with pixel_limit(11):
        assert decode_png(png(rows_of(VALUES))) is None
    assert decode_png(png(rows_of(VALUES))) is not None


@given(st.integers(0, 200), st.integers(0, 255))
def test_damage_is_never_read_as_something_else(place: int, value: int) -> None:
    """One byte of a file is another; whatever is read still is what Pillow reads."""
    whole = file_of(2, 8, np.arange(60, dtype=np.uint8).reshape(4, 5, 3), [0, 1, 2, 3, 4])
    damaged = bytearray(whole)
    damaged[place % len(whole)] = value
    found = decode_png(bytes(damaged))
    if found is not None:
        np.testing.assert_array_equal(found.values, by_pillow(bytes(damaged)))
