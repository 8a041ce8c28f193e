"""Mask files come back as the values that were written, in every mode that a mask may have."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.formats.masks.maskfile import decode, mask_header, n_pages

IDS = np.array([[0, 1, 2], [255, 7, 3]], np.uint8)


def grey_png(path: Path, values: np.ndarray, bits: int, color: int = 0) -> Path:
    """A PNG of any bit depth and colour type, written byte by byte: Pillow cannot write grey of 2 and 4 bits."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = values.shape[:2]
    if bits == 16:
        rows = [b"\0" + row.astype(">u2").tobytes() for row in values]
    else:
        digits = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :].reshape(height, -1)
        rows = [b"\0" + np.packbits(row).tobytes() for row in digits]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_png_keeps_its_ids_at_every_depth(tmp_path: Path, bits: int) -> None:
    """Pillow spreads 2 and 4 bit greys over 0 to 255; the ids in the file are 0 to 3 and 0 to 15."""
    values = (np.arange(12).reshape(3, 4) * 4099 % 2**bits).astype(np.uint16)
    mask = decode(grey_png(tmp_path / "m.png", values, bits))
    np.testing.assert_array_equal(mask.values, values)
    assert mask.encoding == f"{'bilevel' if bits == 1 else 'grey'} {bits} bit"
    assert not mask.coloured


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_index_is_the_id(tmp_path: Path, bits: int) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4) % min(2**bits, 3)
    picture = Image.fromarray(values)
    picture.putpalette(([9, 9, 9, 200, 0, 0] + [0, 200, 0] * 254)[: 3 * 2**bits])
    picture.save(tmp_path / "m.png")
    mask = decode(tmp_path / "m.png")
    np.testing.assert_array_equal(mask.values, values)
    assert mask.encoding.startswith(f"palette {bits} bit, palette ")
    assert mask.palette is not None
    np.testing.assert_array_equal(mask.palette[:2], [[9, 9, 9], [200, 0, 0]])


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".bmp"])
def test_palettes_of_other_formats(tmp_path: Path, suffix: str) -> None:
    picture = Image.fromarray(IDS % 3)
    picture.putpalette([0, 0, 0, 10, 0, 0, 0, 10, 0])
    picture.save(tmp_path / f"m{suffix}")
    np.testing.assert_array_equal(decode(tmp_path / f"m{suffix}").values, IDS % 3)


def test_colours_are_packed_red_first(tmp_path: Path) -> None:
    colors = np.array([[[1, 2, 3], [255, 0, 128]]], np.uint8)
    Image.fromarray(colors).save(tmp_path / "rgb.png")
    mask = decode(tmp_path / "rgb.png")
    assert mask.values.tolist() == [[1 + 256 * 2 + 65536 * 3, 255 + 65536 * 128]]
    assert (mask.coloured, mask.encoding) == (True, "RGB 8 bit")
    clear = np.dstack([colors, np.array([[0, 255]], np.uint8)])
    Image.fromarray(clear).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(decode(tmp_path / "rgba.png").values, mask.values)


def test_alpha_of_grey_is_ignored(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([IDS, 255 - IDS])).save(tmp_path / "la.png")
    mask = decode(tmp_path / "la.png")
    np.testing.assert_array_equal(mask.values, IDS)
    assert mask.encoding == "grey+alpha 8 bit"


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535), (np.int32, 2**31 - 1)])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_tiff_keeps_wide_ids(tmp_path: Path, dtype: type, top: int, compression: str) -> None:
    values = np.array([[0, 1], [256 % (top + 1), top]], dtype)
    Image.fromarray(values).save(tmp_path / "m.tif", compression=compression)
    np.testing.assert_array_equal(decode(tmp_path / "m.tif").values, values)


def test_unsigned_tiff_is_not_read_as_signed(tmp_path: Path) -> None:
    """Pillow gives 32-bit unsigned TIFF as int32; ids above 2^31 must not turn negative."""
    values = np.array([[1, 2**32 - 1]], "<u4")
    tags = [(256, 3, 2), (257, 3, 1), (258, 3, 32), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 1), (279, 4, 8)]
    tags += [(277, 3, 1), (339, 3, 1)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(tags))
    body = struct.pack("<2sHI", b"II", 42, 16) + values.tobytes() + struct.pack("<H", len(tags)) + entries + b"\0" * 4
    (tmp_path / "m.tif").write_bytes(body)
    np.testing.assert_array_equal(decode(tmp_path / "m.tif").values, values)


def test_float_pixels_are_ids_only_when_whole(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 3.0]], np.float32)).save(tmp_path / "whole.tif")
    assert decode(tmp_path / "whole.tif").values.tolist() == [[0, 3]]
    Image.fromarray(np.array([[0.0, 2.5]], np.float32)).save(tmp_path / "half.tif")
    with pytest.raises(OSError, match="whole numbers"):
        decode(tmp_path / "half.tif")


def test_sixteen_bit_colours_are_refused_rather_than_cut(tmp_path: Path) -> None:
    path = grey_png(tmp_path / "deep.png", np.full((2, 2, 3), 0x0102, np.uint16), 16, color=2)
    with pytest.raises(OSError, match="16 bits a channel"):
        decode(path)


def test_lossy_files_say_so(tmp_path: Path) -> None:
    Image.fromarray(IDS).save(tmp_path / "m.jpg")
    assert decode(tmp_path / "m.jpg").lossy == "JPEG compression"
    Image.fromarray(np.dstack([IDS] * 3)).save(tmp_path / "lossy.webp")
    assert decode(tmp_path / "lossy.webp").lossy == "lossy WebP compression"
    Image.fromarray(np.dstack([IDS] * 3)).save(tmp_path / "exact.webp", lossless=True)
    assert decode(tmp_path / "exact.webp").lossy is None


def test_broken_files_raise_oserror_with_a_reason(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60), np.uint8)).save(tmp_path / "m.png")
    whole = (tmp_path / "m.png").read_bytes()
    for name, data in {"cut": whole[:800], "empty": b"", "text": b"not an image", "head": whole[:30]}.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(data)
        with pytest.raises(OSError, match=r".+"):
            decode(path)
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "none.png")


def test_pages_of_a_volume(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((2, 3), value, np.uint16)) for value in (5, 6, 7)]
    pages[0].save(tmp_path / "v.tif", save_all=True, append_images=pages[1:])
    assert n_pages(tmp_path / "v.tif") == 3
    assert [int(decode(tmp_path / "v.tif", page).values[0, 0]) for page in range(3)] == [5, 6, 7]
    assert n_pages(tmp_path / "none.tif") == 1


def test_header_says_what_decoding_says(tmp_path: Path) -> None:
    Image.fromarray(IDS.astype(np.uint16)).save(tmp_path / "m.png")
    head = mask_header(tmp_path / "m.png")
    assert (head.bits, head.coloured, head.encoding) == (16, False, decode(tmp_path / "m.png").encoding)
