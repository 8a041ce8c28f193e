"""Image files: headers, and what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.core.finding import Defect
from segdata.formats.shared.images import ImageFolder, ImageHeader, read_header
from segdata.formats.shared.per_image import ImageEntry, entry_header

PHOTO = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


def test_a_png_header_needs_no_pixels(tmp_path: Path) -> None:
    """Pillow looks for EXIF behind the pixels and would decode them all."""
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[100:-100] = bytes(len(data) - 200)
    (tmp_path / "scrambled.png").write_bytes(data)
    assert read_header(tmp_path / "scrambled.png") == ImageHeader(60, 40)


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
