"""Mask files: the values that they store, and their runs."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from segdata.formats.shared import mask_files
from segdata.formats.shared.mask_files import ValueRuns, decode_mask, decoded_pixels, mask_header, n_pages
from segdata.testing.pictures import masks_of_runs

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
    mask = decode_mask(grey_png(tmp_path / "m.png", values, bits))
    np.testing.assert_array_equal(mask.values, values)
    assert mask.encoding == f"{'bilevel' if bits == 1 else 'grey'} {bits} bit"
    assert not mask.coloured


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_index_is_the_id(tmp_path: Path, bits: int) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4) % min(2**bits, 3)
    picture = Image.fromarray(values)
    picture.putpalette(([9, 9, 9, 200, 0, 0] + [0, 200, 0] * 254)[: 3 * 2**bits])
    picture.save(tmp_path / "m.png")
    mask = decode_mask(tmp_path / "m.png")
    np.testing.assert_array_equal(mask.values, values)
    assert mask.encoding.startswith(f"palette {bits} bit, palette ")
    assert mask.palette is not None
    np.testing.assert_array_equal(mask.palette[:2], [[9, 9, 9], [200, 0, 0]])


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".bmp"])
def test_palettes_of_other_formats(tmp_path: Path, suffix: str) -> None:
    picture = Image.fromarray(IDS % 3)
    picture.putpalette([0, 0, 0, 10, 0, 0, 0, 10, 0])
    picture.save(tmp_path / f"m{suffix}")
    np.testing.assert_array_equal(decode_mask(tmp_path / f"m{suffix}").values, IDS % 3)


def test_colours_are_packed_red_first(tmp_path: Path) -> None:
    colors = np.array([[[1, 2, 3], [255, 0, 128]]], np.uint8)
    Image.fromarray(colors).save(tmp_path / "rgb.png")
    mask = decode_mask(tmp_path / "rgb.png")
    assert mask.values.tolist() == [[1 + 256 * 2 + 65536 * 3, 255 + 65536 * 128]]
    assert (mask.coloured, mask.encoding) == (True, "RGB 8 bit")
    clear = np.dstack([colors, np.array([[0, 255]], np.uint8)])
    Image.fromarray(clear).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "rgba.png").values, mask.values)


def test_alpha_of_grey_is_ignored(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([IDS, 255 - IDS])).save(tmp_path / "la.png")
    mask = decode_mask(tmp_path / "la.png")
    np.testing.assert_array_equal(mask.values, IDS)
    assert mask.encoding == "grey+alpha 8 bit"


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535), (np.int32, 2**31 - 1)])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_tiff_keeps_wide_ids(tmp_path: Path, dtype: type, top: int, compression: str) -> None:
    values = np.array([[0, 1], [256 % (top + 1), top]], dtype)
    Image.fromarray(values).save(tmp_path / "m.tif", compression=compression)
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.tif").values, values)


def test_unsigned_tiff_is_not_read_as_signed(tmp_path: Path) -> None:
    """Pillow gives 32-bit unsigned TIFF as int32; ids above 2^31 must not turn negative."""
    values = np.array([[1, 2**32 - 1]], "<u4")
    tags = [(256, 3, 2), (257, 3, 1), (258, 3, 32), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 1), (279, 4, 8)]
    tags += [(277, 3, 1), (339, 3, 1)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(tags))
    body = struct.pack("<2sHI", b"II", 42, 16) + values.tobytes() + struct.pack("<H", len(tags)) + entries + b"\0" * 4
    (tmp_path / "m.tif").write_bytes(body)
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.tif").values, values)


def test_float_pixels_are_ids_only_when_whole(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 3.0]], np.float32)).save(tmp_path / "whole.tif")
    assert decode_mask(tmp_path / "whole.tif").values.tolist() == [[0, 3]]
    Image.fromarray(np.array([[0.0, 2.5]], np.float32)).save(tmp_path / "half.tif")
    with pytest.raises(OSError, match="whole numbers"):
        decode_mask(tmp_path / "half.tif")


def test_sixteen_bit_colours_are_refused_rather_than_cut(tmp_path: Path) -> None:
    path = grey_png(tmp_path / "deep.png", np.full((2, 2, 3), 0x0102, np.uint16), 16, color=2)
    with pytest.raises(OSError, match="16 bits per channel"):
        decode_mask(path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_turn_that_programs_may_apply_is_named(tmp_path: Path, suffix: str) -> None:
    """Pillow turns TIFF files itself, and leaves PNG files as they are stored."""
    exif = Image.Exif()
    exif[274] = 3
    Image.fromarray(np.array([[1, 2]], np.uint8)).save(tmp_path / f"m.{suffix}", exif=exif)
    mask = decode_mask(tmp_path / f"m.{suffix}")
    turned = suffix == "tif"
    assert mask.values.tolist() == ([[2, 1]] if turned else [[1, 2]])
    assert mask.encoding == ("grey 8 bit" if turned else "grey 8 bit, EXIF orientation 3")


def test_lossy_files_say_so(tmp_path: Path) -> None:
    Image.fromarray(IDS).save(tmp_path / "m.jpg")
    assert decode_mask(tmp_path / "m.jpg").lossy == "JPEG compression"
    Image.fromarray(np.dstack([IDS] * 3)).save(tmp_path / "lossy.webp")
    assert decode_mask(tmp_path / "lossy.webp").lossy == "lossy WebP compression"
    Image.fromarray(np.dstack([IDS] * 3)).save(tmp_path / "exact.webp", lossless=True)
    assert decode_mask(tmp_path / "exact.webp").lossy is None


def test_broken_files_raise_oserror_with_a_reason(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60), np.uint8)).save(tmp_path / "m.png")
    whole = (tmp_path / "m.png").read_bytes()
    for name, data in {"cut": whole[:800], "empty": b"", "text": b"not an image", "head": whole[:30]}.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(data)
        with pytest.raises(OSError, match=r".+"):
            decode_mask(path)
    with pytest.raises(FileNotFoundError):
        decode_mask(tmp_path / "none.png")


def test_pages_of_a_volume(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((2, 3), value, np.uint16)) for value in (5, 6, 7)]
    pages[0].save(tmp_path / "v.tif", save_all=True, append_images=pages[1:])
    assert n_pages(tmp_path / "v.tif") == 3
    assert [int(decode_mask(tmp_path / "v.tif", page).values[0, 0]) for page in range(3)] == [5, 6, 7]
    assert n_pages(tmp_path / "none.tif") == 1
    content = (tmp_path / "v.tif").read_bytes()
    widths = [place for place in range(len(content) - 3) if content[place : place + 4] == b"\x00\x01\x04\x00"]
    assert len(widths) == 3  # of each page: tag 256, a long
    (tmp_path / "v.tif").write_bytes(content[: widths[1]] + b"\xff\xff" + content[widths[1] + 2 :])
    assert n_pages(tmp_path / "v.tif") == 1
    with pytest.raises(OSError, match="damaged"):
        decode_mask(tmp_path / "v.tif", 1)


def test_header_says_what_decoding_says(tmp_path: Path) -> None:
    Image.fromarray(IDS.astype(np.uint16)).save(tmp_path / "m.png")
    head = mask_header(tmp_path / "m.png")
    assert (head.bits, head.has_colors, head.encoding) == (16, False, decode_mask(tmp_path / "m.png").encoding)


BYTES = {"1": 2 * 9, "L": 144, "P": 144, "I;16": 288, "I": 576, "LA": 288, "PA": 288, "RGB": 432, "RGBA": 576}


@pytest.mark.parametrize(("mode", "n_bytes"), BYTES.items())
def test_pixels_are_those_that_pillow_copies(mode: str, n_bytes: int) -> None:
    data = np.random.default_rng(0).integers(0, 256, n_bytes, np.uint8).tobytes()
    image = Image.frombytes(mode, (16, 9), data)
    copied, held = np.asarray(image), decoded_pixels(image)
    assert held.dtype == copied.dtype
    np.testing.assert_array_equal(held[..., : copied.shape[2]] if copied.ndim == 3 else held, copied)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pixels_that_pillow_keeps_in_pieces(mode: str) -> None:
    """Images of more than 16 MiB are not in one piece of memory."""
    image = Image.new(mode, (2048, 2100))
    image.paste((1, 2, 3), (2000, 50, 2048, 2090))
    runs = ValueRuns.of(decoded_pixels(image))
    assert (runs.value.tolist(), runs.area.tolist()) == ([0, 0x030201], [2048 * 2100 - 48 * 2040, 48 * 2040])


@pytest.mark.parametrize("name", ["mask.png", "mask.tif"])
def test_pixels_outlive_their_file(tmp_path: Path, name: str) -> None:
    """Those of plain TIFF files too, which Pillow maps into memory."""
    values = np.random.default_rng(0).integers(0, 255, (300, 500), np.uint8)
    Image.fromarray(values).save(tmp_path / name)
    mask = decode_mask(tmp_path / name)
    with (tmp_path / name).open("r+b") as file:
        file.write(bytes((tmp_path / name).stat().st_size))
    np.testing.assert_array_equal(mask.pixels, values)


def test_files_that_are_cut_off_raise(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (300, 500, 3), np.uint8)
    Image.fromarray(values).save(tmp_path / "mask.png")
    (tmp_path / "mask.png").write_bytes((tmp_path / "mask.png").read_bytes()[:40_000])
    with pytest.raises(OSError, match="damaged"):
        decode_mask(tmp_path / "mask.png")


SIDES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)
WIDE = st.sampled_from([0, 1, 255, 300, 65535])
IMAGES = st.one_of(
    hnp.arrays(np.uint8, SIDES, elements=st.integers(0, 3)),
    hnp.arrays(np.uint16, SIDES, elements=WIDE),
    hnp.arrays(np.uint32, SIDES, elements=st.sampled_from([0, 7, 2**32 - 1])),
    hnp.arrays(np.int32, SIDES, elements=st.sampled_from([-4, 0, 2**31 - 1])),
)


@given(IMAGES)
def test_values_and_areas_are_those_of_the_pixels(image: np.ndarray) -> None:
    runs = ValueRuns.of(image)
    value, area = np.unique(image, return_counts=True)
    np.testing.assert_array_equal(runs.value, value)
    np.testing.assert_array_equal(runs.area, area)
    for row in range(len(value)):
        x, y = runs.first_pixel(row)
        assert x * image.shape[0] + y == int((image.T.reshape(-1) == value[row]).argmax())


@given(IMAGES, st.data())
def test_each_owner_gets_the_pixels_of_its_values(image: np.ndarray, data: st.DataObject) -> None:
    """Also where several values have one owner: then their runs join, as `Runs` promises."""
    runs = ValueRuns.of(image)
    n_owners = 2
    owner = np.array(data.draw(st.lists(st.integers(-1, 1), min_size=len(runs.value), max_size=len(runs.value))))
    owned = runs.assign_owners(owner.astype(np.int32), n_owners)
    height, width = (np.full(n_owners, side) for side in image.shape)
    owned.checked(height, width)
    again = (owned.owner[1:] == owned.owner[:-1]) & (owned.start[1:] == owned.start[:-1] + owned.length[:-1])
    assert (owned.start[1:][again] % image.shape[0] == 0).all()
    for each, mask in enumerate(masks_of_runs(owned, height, width)):
        np.testing.assert_array_equal(mask, np.isin(image, runs.value[owner == each]))


def test_a_file_that_is_cut_after_it_was_opened_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.ones((3, 4), np.uint8)).save(tmp_path / "m.png")
    monkeypatch.setattr(mask_files, "_first_bytes", lambda path: path.read_bytes()[:20])
    with pytest.raises(OSError, match="damaged: it ends within its header"):
        mask_files.mask_header(tmp_path / "m.png")


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "I;16"])
def test_a_mask_that_is_kept_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """It has the same values the second time, without its file being read again until it changes."""
    values = np.zeros((40, 64), np.uint16 if mode == "I;16" else np.uint8)
    values[10:20, 5:30], values[15:, 40:] = 3, 7
    picture = Image.fromarray(values)
    path = tmp_path / "mask.png"
    (picture if mode in ("L", "I;16") else picture.convert(mode)).save(path)
    first = decode_mask(path, keeps=True)
    n_reads = []
    read = mask_files._read_head
    monkeypatch.setattr(mask_files, "_read_head", lambda path: (n_reads.append(path), read(path))[1])
    second = decode_mask(path)
    assert len(n_reads) == (1 if mode == "RGBA" else 0)
    assert (second.values == first.values).all()
    assert second.values.shape == first.values.shape
    assert (second.coloured, second.encoding) == (first.coloured, first.encoding)
    Image.fromarray(np.full((30, 20), 5, np.uint8)).save(path)
    assert (decode_mask(path).values == 5).all()


def test_masks_of_many_runs_are_not_kept_and_the_oldest_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_files, "_KEPT", kept := mask_files._KeptMasks())
    monkeypatch.setattr(mask_files, "_MAX_KEPT_BYTES", 12)  # three runs
    noise = np.random.default_rng(0).integers(0, 200, (32, 32)).astype(np.uint8)
    halves = np.zeros((32, 32), np.uint8)
    halves[16:] = 1
    for name, values in (("noise", noise), ("first", halves), ("second", halves)):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
        decode_mask(tmp_path / f"{name}.png", keeps=True)
    assert [key[0].stem for key in kept.masks] == ["second"]
