"""Image files: headers, and what is wrong with them."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from segdata.core.finding import Defect
from segdata.formats.shared.file_names import is_image_name
from segdata.formats.shared.images import (
    ImageFolder,
    ImageHeader,
    image_limits,
    index_entry_defect,
    jpeg_header,
    read_header,
    size_defects,
)
from segdata.formats.shared.per_image import ImageEntry, entry_header
from segdata.formats.shared.png_files import png_header

PHOTO = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


def test_a_png_header_needs_no_pixels(tmp_path: Path) -> None:
    """Pillow looks for EXIF behind the pixels and would decode them all."""
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[100:-100] = bytes(len(data) - 200)
    (tmp_path / "scrambled.png").write_bytes(data)
    assert read_header(tmp_path / "scrambled.png") == ImageHeader(60, 40)


@pytest.mark.parametrize("n_zeros", [0, 3000, 4095, 4096, 60_000])
def test_zeros_that_fill_a_block_after_the_end_of_a_jpeg(tmp_path: Path, n_zeros: int) -> None:
    """As cameras in cars write them; without its end the file is cut off nevertheless."""
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)).save(path, quality=95)
    content = path.read_bytes()
    path.write_bytes(content + bytes(n_zeros))
    assert (read_header(path).width, read_header(path).height) == (300, 200)
    path.write_bytes(content[:-600] + bytes(n_zeros))
    with pytest.raises(OSError, match="cut off"):
        read_header(path)


def test_records_that_a_camera_appends_to_a_jpeg_with_a_thumbnail(tmp_path: Path) -> None:
    """As telephones write them, 5,422 bytes in one public set; the end mark of the thumbnail is none of the file."""
    path = tmp_path / "a.jpg"
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8))
    thumbnail = io.BytesIO()
    photo.resize((30, 20)).save(thumbnail, "JPEG")
    photo.save(path, quality=95)
    record = b"Exif\0\0" + thumbnail.getvalue()
    content = path.read_bytes()
    content = content[:2] + b"\xff\xe1" + (len(record) + 2).to_bytes(2, "big") + record + content[2:]
    path.write_bytes(content + b"record" * 1000)
    assert (read_header(path).width, read_header(path).height) == (300, 200)
    path.write_bytes(content[:-600] + b"record" * 1000)
    with pytest.raises(OSError, match="cut off"):
        read_header(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_file_without_its_end_is_cut_off(tmp_path: Path, name: str) -> None:
    Image.fromarray(PHOTO).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(OSError, match="cut off"):
        read_header(tmp_path / name)


def test_orientation_is_read_from_jpeg_and_png(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "a.png"):
        Image.fromarray(PHOTO).save(tmp_path / name, exif=exif)
        assert read_header(tmp_path / name) == ImageHeader(60, 40, 6)
        assert read_header(tmp_path / name).is_rotated


def test_a_folder_inside_is_as_if_it_were_listed_alone(tmp_path: Path) -> None:
    (tmp_path / "in" / "images" / "a").mkdir(parents=True)
    (tmp_path / "else").mkdir()
    for name in ("in/x.png", "in/images/y.png", "in/images/a/z.png", "else/w.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "else")
    whole = ImageFolder.below(tmp_path / "in")
    for name in ("images", "linked", "missing"):
        assert whole.subfolder(name) == ImageFolder.below(tmp_path / "in" / name)


@pytest.mark.parametrize(
    ("name", "there"), [("A.JPG", "a.png"), ("a", "a.png"), (".png", ".png"), ("b.", "b..png"), ("c/D.x", "c/d.png")]
)
def test_what_differs_in_case_or_extension_is_near(name: str, there: str) -> None:
    assert ImageFolder(Path(), {there: Path(there)}).similar_name(name) == there


def test_a_header_has_the_size_of_the_image_file(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "a.png")
    defects: list[Defect] = []
    head = entry_header(tmp_path, ImageEntry("a.png", tmp_path / "a.png"), defects)
    assert head is not None
    assert (head.height, head.width, defects) == (2, 3, [])


def test_no_image_file_is_no_defect(tmp_path: Path) -> None:
    defects: list[Defect] = []
    assert entry_header(tmp_path, ImageEntry("a.png"), defects) is None
    assert not defects


def test_a_broken_image_file_is_named_from_the_root(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.png").write_bytes(b"no image")
    defects: list[Defect] = []
    assert entry_header(tmp_path, ImageEntry("x.png", tmp_path / "deep" / "a.png"), defects) is None
    assert [(each.code, each.file, each.image) for each in defects] == [("SEG001", "deep/a.png", "x.png")]


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
    return png_header(data) or jpeg_header(data)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("orientation", [0, 1, 3, 6, 8])
def test_jpeg_is_read_without_pillow(mode: str, orientation: int) -> None:
    assert jpeg_header(encoded(mode, "JPEG", orientation)) == (14, 9, orientation or 1)


@pytest.mark.parametrize("mode", MODES[:-1])
def test_png_is_read_without_pillow(mode: str) -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert("L" if mode == "I;16" else mode).save(file, "PNG", dpi=(72, 72))
    assert png_header(file.getvalue()) == (14, 9, 1)


@pytest.mark.parametrize("order", [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"])
def test_both_byte_orders_of_exif(order: bytes) -> None:
    """Pillow writes one of them; cameras write both."""
    name = "little" if order[:1] == b"I" else "big"
    entry = b"".join(number.to_bytes(size, name) for number, size in ((1, 2), (0x0112, 2), (3, 2), (1, 4), (8, 2)))
    exif = b"Exif\0\0" + order + entry + b"\0\0" + bytes(4)
    data = encoded("RGB", "JPEG")
    data = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    assert jpeg_header(data) == by_pillow(data) == (14, 9, 8)


def test_exif_that_points_outside_itself_is_left_to_pillow() -> None:
    """Which gives up there, and takes the orientation that follows for none."""
    data = encoded("RGB", "JPEG", 6)
    at = data.index(b"\x01\x0f\x00\x02") + 8
    damaged = data[:at] + b"\0\0\xff\x26" + data[at + 4 :]
    assert jpeg_header(data) == (14, 9, 6)
    assert jpeg_header(damaged) is None


def test_what_may_hold_an_orientation_elsewhere_is_left_to_pillow() -> None:
    """PNG with EXIF or texts, and JPEG with XMP."""
    texts, file = PngImagePlugin.PngInfo(), io.BytesIO()
    texts.add_text("Raw profile type exif", "\nexif\n0\n")
    Image.fromarray(PIXELS).save(file, "PNG", pnginfo=texts)
    assert png_header(file.getvalue()) is None
    assert png_header(encoded("RGB", "PNG", 6)) is None
    said = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'
    data = encoded("RGB", "JPEG")
    assert jpeg_header(data[:2] + b"\xff\xe1" + (len(said) + 2).to_bytes(2, "big") + said + data[2:]) is None


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
                assert read_header(path) == ImageHeader(*found)
                assert found == by_pillow(path.read_bytes()), path
    assert plain > 1000


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x20ftypisom", "a video (MP4)"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="">', "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"\0" * 128 + b"DICM", "DICOM"),
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.heic"])
def test_a_kind_that_is_not_supported_is_not_unreadable(tmp_path: Path, start: bytes, kind: str, name: str) -> None:
    (tmp_path / name).write_bytes(start + b"\0" * 200)
    _, header, (defect,) = ImageFolder.below(tmp_path).find(name, "coco.json", "/images/0")
    assert header is None
    assert (defect.code, defect.severity, defect.image) == ("SEG021", None, name)
    assert defect.message == f"image is {kind}, which segdata does not decode; convert it to PNG or JPEG"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>404", "web page"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "damaged"),
        (b"\x89PNG\n\x1a\n" + b"\0" * 50, "bytes git or FTP changed as text"),
        (b"neither", "damaged"),
    ],
)
def test_what_is_damaged_or_in_place_of_an_image_is_unreadable(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    _, _, (defect,) = ImageFolder.below(tmp_path).find("a.png", "coco.json", "/images/0")
    assert defect.code == "SEG001"
    assert reason in defect.message


@pytest.mark.parametrize(
    ("image", "path", "invalid", "code"),
    [
        ("b.png", "b.png", None, None),
        ("a.png", "a.png", None, "SEG008"),
        ("b.png", "../b.png", None, "SEG015"),
        ("b.png", "", None, "SEG004"),
        ("b.png", "b.png", "a negative size", "SEG004"),
    ],
)
def test_entries_of_an_index_that_do_not_count(image: str, path: str, invalid: str | None, code: str | None) -> None:
    defect = index_entry_defect("volumes.json", "/volumes/3", image, {"a.png"}, (path,), invalid)
    assert (defect and defect.code) == code
    assert defect is None or (defect.file, defect.place) == ("volumes.json", "/volumes/3")


@pytest.mark.parametrize(
    ("header", "size", "words"),
    [
        (ImageHeader(40, 30, 6), (40, 30), "the mask 40x30 is not turned"),
        (ImageHeader(40, 30, 6), (30, 40), "the mask 30x40 is turned as EXIF orientation 6 says"),
        (ImageHeader(40, 40, 6), (40, 40), "a square of 40x40 does not tell whether its labels are turned"),
        (ImageHeader(40, 40, 3), (40, 40), "the mask 40x40 is not turned"),
    ],
)
def test_exif_orientation_and_sizes(header: ImageHeader, size: tuple[int, int], words: str) -> None:
    (told,) = size_defects("a.jpg", header, *size, "mask", None, None)
    assert told.code == "SEG012"
    assert words in told.message
