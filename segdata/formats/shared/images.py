"""Image files beside the labels: found by name, opened for header and EXIF only."""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO

from PIL import Image, UnidentifiedImageError

from segdata.core.finding import Defect
from segdata.core.paths import check_path_name, is_unsafe_path
from segdata.core.tiff_files import HEIGHT, ORIENTATION, WIDTH, is_tiff, tiff_tags
from segdata.formats.shared.file_names import is_image_name
from segdata.formats.shared.plain_images import jpeg_header, png_header

MAX_PIXELS = 2**31  # a file that claims more is a decompression bomb
_PNG_PIXELS = 8 * 1032  # that a byte can hold at most: of one bit each, packed as far as DEFLATE can
_EXIF_ORIENTATION = 0x0112
_EXIF_CHUNKS = frozenset({"exif", "Raw profile type exif"})
_ROTATED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
# What a whole file of a format has near its end; some programs append a little of their own.
_END_MARKS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
_START, _TAIL = 16_384, 4096  # bytes
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # else Windows reads texts


@contextmanager
def image_limits() -> Iterator[None]:
    """Replace Pillow's limit on image sizes, which is made for web uploads, by ours while the block runs."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow refuses at twice this
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """The header of an image file: width and height in pixels as stored, and the EXIF orientation (1: none)."""

    width: int
    height: int
    orientation: int = 1

    @property
    def is_rotated(self) -> bool:
        """Whether a viewer that applies the orientation shows width and height swapped."""
        return self.orientation in _ROTATED


def read_header(path: Path) -> ImageHeader:
    """The header of an image file; raises OSError with the reason if it has none."""
    file = os.open(path, _READ)  # Python's own file objects take longer to make than the header to read
    try:
        header = _plain_header(file)
    finally:
        os.close(file)
    return header or _any_header(path)


def _plain_header(file: int) -> ImageHeader | None:
    """The header of an open PNG or JPEG file that is ordinary and complete; None: Pillow has to read it."""
    start = os.read(file, _START)
    size = len(start) if len(start) < _START else os.fstat(file).st_size
    header, mark = png_header(start), _END_MARKS["PNG"]
    if header is None:
        header, mark = jpeg_header(start), _END_MARKS["JPEG"]
    elif header[0] * header[1] > size * _PNG_PIXELS:
        return None
    if header is None:
        return None
    if size > len(start):
        os.lseek(file, max(size - _TAIL, 0), os.SEEK_SET)
        start = os.read(file, _TAIL)
    return ImageHeader(*header) if start.find(mark, max(len(start) - _TAIL, 0)) >= 0 else None


def _any_header(path: Path) -> ImageHeader:
    if is_tiff(path):
        return _tiff_header(path)  # of any number of channels; Pillow knows one to four
    with path.open("rb") as file, _open(file, os.fstat(file.fileno()).st_size) as image:
        try:
            # Pillow decodes a whole PNG to look for EXIF behind its pixels; before them is where writers put it.
            may_have_exif = image.format in ("JPEG", "TIFF", "WEBP", "MPO") or image.info.keys() & _EXIF_CHUNKS
            if _is_truncated(file, str(image.format)):
                raise OSError("the file is cut off: its end is missing")
            exif = image.getexif() if may_have_exif else {}
            return ImageHeader(image.width, image.height, int(exif.get(_EXIF_ORIENTATION, 1) or 1))
        except (SyntaxError, ValueError, EOFError) as error:
            raise OSError(f"damaged header: {error}") from error


def _tiff_header(path: Path) -> ImageHeader:
    tags = tiff_tags(path)
    width, height = tags.get(WIDTH, 0), tags.get(HEIGHT, 0)
    if not width or not height:
        raise OSError("damaged header: it has no size")
    if width * height > MAX_PIXELS:
        raise OSError(f"claims more than {MAX_PIXELS:,} pixels (decompression bomb)")
    return ImageHeader(width, height, tags.get(ORIENTATION) or 1)


def open_image(path: Path) -> Image.Image:
    """An opened image file, pixels undecoded; raises OSError with the reason if it is no image."""
    return _open(path, path.stat().st_size)


def open_bytes(data: bytes) -> Image.Image:
    """An opened image file in memory, pixels undecoded; raises OSError with the reason if it is no image."""
    return _open(io.BytesIO(data), len(data))


def _open(file: Path | IO[bytes], size: int) -> Image.Image:
    if size == 0:
        raise OSError("the file is empty (0 bytes)")
    try:
        image = Image.open(file)
    except UnidentifiedImageError as error:
        raise OSError("is not an image that Pillow knows, or its header is damaged") from error
    except Image.DecompressionBombError as error:
        raise OSError(f"claims more than {MAX_PIXELS:,} pixels (decompression bomb)") from error
    except (SyntaxError, ValueError, EOFError) as error:
        raise OSError(f"damaged header: {error}") from error
    if image.format == "PNG" and image.width * image.height > size * _PNG_PIXELS:
        image.close()
        raise OSError(f"claims {image.width:,} x {image.height:,} pixels, more than {size:,} bytes can hold")
    return image


def _is_truncated(file: IO[bytes], format_name: str) -> bool:
    """Whether the end mark of the file's format is missing; reads the last few bytes only."""
    mark = _END_MARKS.get(format_name)
    if mark is None:
        return False
    file.seek(max(os.fstat(file.fileno()).st_size - _TAIL, 0))
    return mark not in file.read()


@dataclass(frozen=True)
class ImageFolder:
    """The image files below some folders, listed once.

    Attributes
    ----------
    root : where names start; None when there is no such folder
    paths : name (path below the root, POSIX, with extension) -> file
    """

    root: Path | None
    paths: dict[str, Path] = field(default_factory=dict)

    @staticmethod
    def below(root: Path | None) -> "ImageFolder":
        """Every image file below `root`, at any depth."""
        if root is None or not root.is_dir():
            return ImageFolder(None)
        paths = {}
        for folder, _, names in os.walk(root, followlinks=False):
            place = Path(folder)
            start = "" if place == root else f"{place.relative_to(root).as_posix()}/"
            plain = folder.isascii()
            for name in names:
                if is_image_name(name):
                    paths[start + name] = path = place / name
                    if not (plain and name.isascii()):
                        check_path_name(path)
        return ImageFolder(root, dict(sorted(paths.items())))

    def subfolder(self, name: str) -> "ImageFolder":
        """The files below the folder `name` in this one; a link is followed."""
        start = f"{name}/"
        paths = {path_name[len(start) :]: path for path_name, path in self.paths.items() if path_name.startswith(start)}
        if self.root is None or paths:
            return ImageFolder(self.root and self.root / name, paths)
        return ImageFolder.below(self.root / name)

    def similar_name(self, name: str) -> str | None:
        """A name that differs from `name` only in case or extension."""
        return self._alike.get(_bare(name))

    @cached_property
    def _alike(self) -> dict[str, str]:
        """Bare name -> the first file name with it; cached, as many files may be missing."""
        return {_bare(name): name for name in reversed(self.paths)}

    def find(
        self, name: str, file: str | None, place: str | None
    ) -> tuple[Path | None, ImageHeader | None, list[Defect]]:
        """The file, header and defects of an image: missing, unreadable, or outside the root.

        `file` and `place` say where the annotation file names the image, for the defects.
        """
        if is_unsafe_path(name):
            message = f"path {name!r} leaves the dataset's root; name files below it"
            return None, None, [Defect("SEG015", message, file, place, image=name)]
        path = self.paths.get(name)
        if path is None:
            message = f"image file {name!r} does not exist{similar_name_hint(self.similar_name(name))}"
            return None, None, [Defect("SEG002", message, file, place, image=name)]
        try:
            return path, read_header(path), []
        except OSError as error:
            return path, None, [Defect("SEG001", f"image cannot be read: {error.strerror or error}", name, image=name)]


def similar_name_hint(near: str | None) -> str:
    """The end of a message about a missing file; `near` is a file with almost the same name."""
    return f"; there is {near!r}, which differs only in case or extension" if near else ""


def _bare(name: str) -> str:
    """`name` without extension, in lower case."""
    if "/" not in name:  # as most are: which is known faster than paths are parsed
        dot = name.rfind(".")
        return (name[:dot] if 0 < dot < len(name) - 1 else name).lower()
    path = PurePosixPath(name)
    return (path.parent / path.stem).as_posix().lower()


def size_defects(
    image: str, header: ImageHeader | None, width: int, height: int, what: str, file: str | None, place: str | None
) -> list[Defect]:
    """SEG003 if an image file and `what` (``"mask"``, ``"declared size"``) of width x height pixels disagree.

    Says when the two are swapped, or agree only before or after EXIF rotation; SEG012 where sizes cannot tell.
    """
    if header is None or width == 0 or height == 0:
        return []
    same = (header.width, header.height) == (width, height)
    swapped = (header.height, header.width) == (width, height)
    if same and header.orientation == 1:
        return []
    stored = f"the image file is {header.width}x{header.height}"
    if same:
        message = (
            f"EXIF orientation {header.orientation}: viewers turn the image, the {what} {width}x{height} is not turned"
        )
        return [Defect("SEG012", message, image, image=image)]
    if swapped and header.is_rotated:
        message = (
            f"the {what} {width}x{height} is turned as EXIF orientation {header.orientation} says, {stored} as stored"
        )
        return [Defect("SEG012", message, image, image=image)]
    hint = " (width and height are swapped)" if swapped else ""
    return [Defect("SEG003", f"the {what} is {width}x{height}, {stored}{hint}", file, place, image=image)]
