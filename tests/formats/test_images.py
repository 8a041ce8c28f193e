"""Image headers: sizes and orientation without decoding any pixel."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.formats.images import Header, ImageFolder, header

PHOTO = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


def test_a_png_header_needs_no_pixels(tmp_path: Path) -> None:
    """Pillow looks for EXIF behind the pixels and would decode them all."""
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[100:-100] = bytes(len(data) - 200)
    (tmp_path / "scrambled.png").write_bytes(data)
    assert header(tmp_path / "scrambled.png") == Header(60, 40)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_file_without_its_end_is_cut_off(tmp_path: Path, name: str) -> None:
    Image.fromarray(PHOTO).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(OSError, match="cut off"):
        header(tmp_path / name)


def test_orientation_is_read_from_jpeg_and_png(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "a.png"):
        Image.fromarray(PHOTO).save(tmp_path / name, exif=exif)
        assert header(tmp_path / name) == Header(60, 40, 6)
        assert header(tmp_path / name).turned


def test_a_folder_inside_is_as_if_it_were_listed_alone(tmp_path: Path) -> None:
    (tmp_path / "in" / "images" / "a").mkdir(parents=True)
    (tmp_path / "else").mkdir()
    for name in ("in/x.png", "in/images/y.png", "in/images/a/z.png", "else/w.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "else")
    whole = ImageFolder.below(tmp_path / "in")
    for name in ("images", "linked", "missing"):
        assert whole.inside(name) == ImageFolder.below(tmp_path / "in" / name)


@pytest.mark.parametrize(
    ("name", "there"), [("A.JPG", "a.png"), ("a", "a.png"), (".png", ".png"), ("b.", "b..png"), ("c/D.x", "c/d.png")]
)
def test_what_differs_in_case_or_extension_is_near(name: str, there: str) -> None:
    assert ImageFolder(Path(), {there: Path(there)}).near(name) == there
