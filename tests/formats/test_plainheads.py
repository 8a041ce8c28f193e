"""What we read of image files by ourselves is what Pillow reads, in sound files and in damaged ones."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from segdata.formats.imagenames import is_image_name
from segdata.formats.images import Header, header, image_limits
from segdata.formats.plainheads import jpeg_head, png_head

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK")
PIXELS = np.random.default_rng(0).integers(0, 255, (9, 14, 3), np.uint8)


def encoded(mode: str, format_name: str, orientation: int = 0, progressive: bool = False) -> bytes:
    """A small image file, with EXIF where an orientation is given."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x010F] = "a maker"
    exif[0x0112] = orientation
    saved = {"exif": exif} if orientation else {}
    image = Image.fromarray(PIXELS[..., 0].astype(np.uint16)) if mode == "I;16" else Image.fromarray(PIXELS)
    image = image if mode == "I;16" else image.convert(mode)
    image.save(file, format_name, progressive=progressive, icc_profile=b"i" * 20, dpi=(72, 72), **saved)
    return file.getvalue()


FILES = [
    *(encoded(mode, "PNG") for mode in MODES[:-1]),
    *(encoded(mode, "JPEG", way, way == 3) for mode in ("L", "RGB", "CMYK") for way in (0, 3, 6)),
]


def by_pillow(data: bytes) -> tuple[int, int, int] | None:
    """Size and orientation, as Pillow has them; None where it refuses the file."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            known = image.format == "JPEG" or "exif" in image.info
            return image.width, image.height, int((image.getexif() if known else {}).get(0x0112, 1) or 1)
    except (OSError, SyntaxError, ValueError):
        return None


def head_of(data: bytes) -> tuple[int, int, int] | None:
    return png_head(data) or jpeg_head(data)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("orientation", [0, 1, 3, 6, 8])
def test_jpeg_is_read_without_pillow(mode: str, orientation: int) -> None:
    assert jpeg_head(encoded(mode, "JPEG", orientation)) == (14, 9, orientation or 1)


@pytest.mark.parametrize("mode", MODES[:-1])
def test_png_is_read_without_pillow(mode: str) -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert("L" if mode == "I;16" else mode).save(file, "PNG", dpi=(72, 72))
    assert png_head(file.getvalue()) == (14, 9, 1)


@pytest.mark.parametrize("order", [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"])
def test_both_byte_orders_of_exif(order: bytes) -> None:
    """Pillow writes one of them; cameras write both."""
    name = "little" if order[:1] == b"I" else "big"
    entry = b"".join(number.to_bytes(size, name) for number, size in ((1, 2), (0x0112, 2), (3, 2), (1, 4), (8, 2)))
    exif = b"Exif\0\0" + order + entry + b"\0\0" + bytes(4)
    data = encoded("RGB", "JPEG")
    data = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    assert jpeg_head(data) == by_pillow(data) == (14, 9, 8)


def test_exif_that_points_outside_itself_is_left_to_pillow() -> None:
    """Which gives up there, and takes the orientation that follows for none."""
    data = encoded("RGB", "JPEG", 6)
    at = data.index(b"\x01\x0f\x00\x02") + 8
    damaged = data[:at] + b"\0\0\xff\x26" + data[at + 4 :]
    assert jpeg_head(data) == (14, 9, 6)
    assert jpeg_head(damaged) is None


def test_what_may_hold_an_orientation_elsewhere_is_left_to_pillow() -> None:
    """PNG with EXIF or texts, and JPEG with XMP."""
    texts, file = PngImagePlugin.PngInfo(), io.BytesIO()
    texts.add_text("Raw profile type exif", "\nexif\n0\n")
    Image.fromarray(PIXELS).save(file, "PNG", pnginfo=texts)
    assert png_head(file.getvalue()) is None
    assert png_head(encoded("RGB", "PNG", 6)) is None
    said = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'
    data = encoded("RGB", "JPEG")
    assert jpeg_head(data[:2] + b"\xff\xe1" + (len(said) + 2).to_bytes(2, "big") + said + data[2:]) is None


@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=3),
    st.integers(0, 700),
    st.binary(max_size=4),
)
def test_damaged_files_are_read_as_pillow_reads_them_or_left_to_it(
    data: bytes, changed: list[tuple[int, int]], cut: int, put: bytes
) -> None:
    damaged = bytearray(data)
    for at, value in changed:
        damaged[at % len(data)] = value
    damaged[cut:cut] = put
    found = head_of(bytes(damaged))
    assert found is None or found == by_pillow(bytes(damaged))


def test_every_real_image_is_read_as_pillow_reads_it(real_data: Path) -> None:
    plain = 0
    for path in sorted(each for each in real_data.rglob("*") if is_image_name(each.name) and each.is_file()):
        with path.open("rb") as file, image_limits():
            found = head_of(file.read(16_384))
            if found is not None:
                plain += 1
                assert header(path) == Header(*found)
                assert found == by_pillow(path.read_bytes()), path
    assert plain > 1000
