"""Image files beside the labels: found by name, read for header and EXIF only, common ones without Pillow."""

import io
import os
import re
import stat
import struct
import sys
import warnings
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec
from PIL import Image, UnidentifiedImageError

from segdata.core.finding import Defect
from segdata.core.memo import memoize
from segdata.core.paths import check_path_name, is_file, is_unsafe_path
from segdata.core.pixel_limit import check_pixels, decoding
from segdata.core.safe_text import quote_path
from segdata.core.tiff_files import HEIGHT, ORIENTATION, WIDTH, is_tiff, tiff_tags
from segdata.formats.shared.file_names import fold_name, is_image_name, stands_in, walk_nearest
from segdata.formats.shared.png_files import PlainHeader, png_header

_MAX_ENTRIES = 100_000  # files and folders around a single file that are searched for its images
_MAX_PIXELS = 2**26  # below the size at which Pillow warns
_JPEG = b"\xff\xd8\xff"
_SCAN, _QUANTIZATION, _EXIF = 0xDA, 0xDB, 0xE1
_FRAME_MARKERS = frozenset({0xC0, 0xC1, 0xC2})
_SKIPPED_MARKERS = frozenset({0xC4, 0xDD, 0xFE})  # Huffman tables, restart intervals, comments
_MIN_SEGMENT_SIZES = {b"JFIF\0": 14, b"ICC_PROFILE\0": 14, b"Adobe": 12}  # by the beginning of an application segment
_ORIENTATION, _SHORT = 0x0112, 3
_EXIF_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # bytes of a value


def jpeg_header(data: bytes) -> PlainHeader | None:
    """Width, height and EXIF orientation (1: none) in the first bytes of a JPEG file; None if Pillow must read it."""
    if not data.startswith(_JPEG):
        return None
    offset, frame, orientation = 2, None, None
    while offset + 4 <= len(data) and data[offset] == 0xFF:
        marker, end = data[offset + 1], offset + 2 + (data[offset + 2] << 8 | data[offset + 3])
        segment = data[offset + 4 : end]
        if end > len(data) or end < offset + 4:
            return None
        if marker == _SCAN:
            return None if frame is None else (*frame, orientation or 1)
        if marker in _FRAME_MARKERS and frame is None:
            frame = _frame(segment)
            sound = frame is not None
        elif marker == _EXIF and orientation is None:
            orientation = _orientation(segment)
            sound = orientation is not None
        elif marker == _QUANTIZATION:
            sound = _is_quantization(segment)
        else:
            sound = marker in _SKIPPED_MARKERS or _is_known(marker, segment)
        if not sound:
            return None
        offset = end
    return None


def _frame(segment: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a frame header; None for a kind of frame that Pillow may not read."""
    if len(segment) < 6 or len(segment) != 6 + 3 * segment[5] or segment[0] != 8 or segment[5] not in (1, 3, 4):
        return None
    height, width = struct.unpack_from(">HH", segment, 1)
    return (width, height) if 0 < width * height <= _MAX_PIXELS else None


def _is_known(marker: int, segment: bytes) -> bool:
    """Whether an application segment is of a common kind and complete."""
    return 0xE0 <= marker <= 0xEF and any(
        segment.startswith(start) and len(segment) >= least for start, least in _MIN_SEGMENT_SIZES.items()
    )


def _is_quantization(segment: bytes) -> bool:
    """Whether a segment holds complete quantization tables: 64 values each, of one or two bytes."""
    offset = 0
    while offset < len(segment):
        offset += 65 if segment[offset] < 16 else 129
    return offset == len(segment)


def _orientation(segment: bytes) -> int | None:
    """The orientation in an EXIF segment, 1 if it states none; None if only Pillow can read it."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(segment[6:10])
    if not segment.startswith(b"Exif\0\0") or order is None or len(segment) < 16:
        return None
    (start,) = struct.unpack_from(f"{order}I", segment, 10)
    if not 8 <= start <= len(segment) - 8:
        return None
    (n_entries,) = struct.unpack_from(f"{order}H", segment, 6 + start)
    entries = segment[8 + start : 8 + start + 12 * n_entries]
    if len(entries) != 12 * n_entries:
        return None
    orientation = 1
    for tag, kind, count, value in struct.iter_unpack(f"{order}HHI4s", entries):
        n_bytes = count * _EXIF_TYPE_BYTES.get(kind, len(segment))
        if n_bytes > len(value) and struct.unpack(f"{order}I", value)[0] + n_bytes > len(segment) - 6:
            return None  # where Pillow gives up
        if tag == _ORIENTATION:
            if kind != _SHORT or count != 1:
                return None
            orientation = struct.unpack_from(f"{order}H", value)[0] or 1
    return orientation


MAX_PIXELS = 2**31  # a file that claims more is a decompression bomb
_MAX_PNG_PIXELS_PER_BYTE = 8 * 1032  # of one bit each, at DEFLATE's highest ratio
_EXIF_ORIENTATION = 0x0112
_EXIF_CHUNKS = frozenset({"exif", "Raw profile type exif"})
_ROTATED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
# End marks of complete files; some programs append bytes.
_END_MARKS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
_START, _TAIL = 16_384, 4096  # bytes
# Without O_BINARY, Windows changes line ends; without O_NONBLOCK, opening a pipe blocks.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def image_limits() -> Iterator[None]:
    """Lift Pillow's limit on image sizes while the block runs, since most images are read for their header only.

    `segdata.core.pixel_limit` limits what is decoded.
    """
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow refuses at twice this
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


class ImageHeader(msgspec.Struct, frozen=True):
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
    file = os.open(path, _OPEN_FLAGS)  # Python's own file objects take longer to make than the header to read
    try:
        header = _fast_header(file)
    finally:
        os.close(file)
    return header or _any_header(path)


def _fast_header(file: int) -> ImageHeader | None:
    """The header of an open PNG or JPEG file, if it is of a common kind and complete; None if Pillow must read it."""
    start = os.read(file, _START)
    if not start and not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError("is a pipe, a socket or a device, not a file")
    size = len(start) if len(start) < _START else os.fstat(file).st_size
    header, mark = png_header(start), _END_MARKS["PNG"]
    if header is None:
        header, mark = jpeg_header(start), _END_MARKS["JPEG"]
    elif header[0] * header[1] > size * _MAX_PNG_PIXELS_PER_BYTE:
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
    with path.open("rb") as file, decoding("header"), _open(file, os.fstat(file.fileno()).st_size) as image:
        if _is_truncated(file, str(image.format)):
            raise OSError("the file is cut off: its end is missing")
        return ImageHeader(image.width, image.height, exif_orientation(image))


def exif_orientation(image: Image.Image) -> int:
    """The EXIF orientation of an opened image (1: none)."""
    # Pillow decodes a whole PNG to look for EXIF behind its pixels; before them is where writers put it.
    may_have_exif = image.format in ("JPEG", "TIFF", "WEBP", "MPO") or image.info.keys() & _EXIF_CHUNKS
    return int(image.getexif().get(_EXIF_ORIENTATION, 1) or 1) if may_have_exif else 1


def _tiff_header(path: Path) -> ImageHeader:
    tags = tiff_tags(path)
    width, height = tags.get(WIDTH, 0), tags.get(HEIGHT, 0)
    if not width or not height:
        raise OSError("damaged header: it has no size")
    if width * height > MAX_PIXELS:
        raise OSError(f"claims more than {MAX_PIXELS:,} pixels (decompression bomb)")
    return ImageHeader(width, height, tags.get(ORIENTATION) or 1)


def open_image(path: Path) -> Image.Image:
    """Open an image file without decoding it; raises OSError with the reason if it is no image, or too large."""
    return _to_decode(_open(path, path.stat().st_size))


def open_bytes(data: bytes) -> Image.Image:
    """Open an image in memory without decoding it; raises OSError as `open_image` does."""
    return _to_decode(_open(io.BytesIO(data), len(data)))


def _to_decode(image: Image.Image) -> Image.Image:
    try:
        check_pixels(image.width, image.height)
    except OSError:
        image.close()
        raise
    return image


def _open(file: Path | IO[bytes], size: int) -> Image.Image:
    if size == 0:
        raise OSError("the file is empty (0 bytes)")
    try:
        with decoding("header"):
            image = Image.open(file)
    except UnidentifiedImageError as error:
        _refuse_kind(file)
        raise OSError("is not an image that Pillow knows, or its header is damaged") from error
    except OSError as error:
        if isinstance(error.__cause__, Image.DecompressionBombError):
            raise OSError(f"claims more than {MAX_PIXELS:,} pixels (decompression bomb)") from error
        raise
    if image.format == "PNG" and image.width * image.height > size * _MAX_PNG_PIXELS_PER_BYTE:
        image.close()
        raise OSError(f"claims {image.width:,} x {image.height:,} pixels, more than {size:,} bytes can hold")
    return image


class UnsupportedFileError(OSError):
    """A file of a kind that segdata does not decode; it may be sound."""


_UNSUPPORTED_KINDS = (  # offset of the signature, signature, name
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyp", "a video (MP4)"),
    (8, b"AVI ", "a video (AVI)"),
    (0, b"\x1a\x45\xdf\xa3", "a video (Matroska)"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"%PDF", "PDF"),
    (0, b"<svg", "SVG"),
    (128, b"DICM", "DICOM"),
    (0, b"\x89HDF", "HDF5"),
)
_SVG = re.compile(rb"(<\?xml.{0,200}?\?>|<!--.*?-->|<!DOCTYPE svg.*?>|\s)*<svg", re.DOTALL)


def _refuse_kind(file: Path | IO[bytes]) -> None:
    """Raise OSError that says what a file is, if its first bytes show a kind that Pillow does not read."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            start = opened.read(1024)
    else:
        file.seek(0)
        start = file.read(1024)
    reason = stands_in(start, "the image")
    if reason is not None:
        raise OSError(reason)
    kind = next((kind for offset, mark, kind in _UNSUPPORTED_KINDS if start[offset : offset + len(mark)] == mark), None)
    if kind is not None or _SVG.match(start):
        raise UnsupportedFileError(f"is {kind or 'SVG'}, which segdata does not decode; convert it to PNG or JPEG")


def undecodable_file(what: str, error: OSError, file: str, image: str | None = None) -> Defect:
    """The defect of an image or mask (`what`) that raised `error`: SEG021 for an unsupported kind, else SEG001.

    An unreadable image is a warning, since its annotation is still there; an unreadable mask is an error.
    """
    if isinstance(error, UnsupportedFileError):
        return Defect("SEG021", f"{what} {error}", file, image=image, severity=None if what == "image" else "error")
    return Defect("SEG001", f"{what} cannot be read: {error.strerror or error}", file, image=image)


def _is_truncated(file: IO[bytes], format_name: str) -> bool:
    """Whether the end mark of the file's format is missing; reads the last bytes only, if the mark is there.

    Cameras append up to a whole block of zeros, or kilobytes of their own records.
    """
    mark = _END_MARKS.get(format_name)
    if mark is None:
        return False
    file.seek(max(os.fstat(file.fileno()).st_size - _TAIL, 0))
    if mark in file.read():
        return False
    file.seek(0)
    data = file.read()
    return data.find(mark, 0 if format_name == "PNG" else _first_scan(data)) < 0


def _first_scan(data: bytes) -> int:
    """Where the pixels of a JPEG file begin: a thumbnail in front of them has an end mark of its own."""
    place = 2
    while place + 4 <= len(data) and data[place : place + 2] != b"\xff\xda":
        place += 1 if data[place + 1] == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return place


class ImageFolder(msgspec.Struct, frozen=True, dict=True):
    """The image files below some folders, listed once.

    Attributes
    ----------
    root : where names start; None when there is no such folder
    paths : name (path below the root, POSIX, with extension) -> file
    """

    root: Path | None
    paths: dict[str, Path] = {}

    @staticmethod
    def below(root: Path | None, limit: int | None = None) -> "ImageFolder":
        """Every image file below `root`, at any depth; with a `limit`, only near it, as `walk_nearest`."""
        if root is None or not root.is_dir():
            return ImageFolder(None)
        return ImageFolder(root, _list_images(root, limit).copy())

    @staticmethod
    def near(data: Path, images: Path | None = None) -> "ImageFolder":
        """Every image file below `images`, else below a dataset's folder, else in the nearest folders around a file."""
        if images is not None or data.is_dir():
            return ImageFolder.below(images or data)
        return ImageFolder.below(data.parent, _MAX_ENTRIES)

    @staticmethod
    def of_names(root: Path, names: Iterable[str]) -> "ImageFolder":
        """The image files in those folders below `root` that these names denote, and in no other folder."""
        paths: dict[str, Path] = {}
        for folder in {name.rpartition("/")[0] for name in names}:
            place, start = root / folder, f"{folder}/" if folder else ""
            with suppress(OSError, ValueError), os.scandir(place) as entries:  # ValueError: NUL in a name
                paths |= {start + entry.name: place / entry.name for entry in entries if is_image_name(entry.name)}
        return ImageFolder(root, dict(sorted(paths.items())))

    def subfolder(self, name: str) -> "ImageFolder":
        """The files below the folder `name` in this one; a link is followed."""
        start = f"{name}/"
        paths = {path_name[len(start) :]: path for path_name, path in self.paths.items() if path_name.startswith(start)}
        if self.root is None or paths:
            return ImageFolder(self.root and self.root / name, paths)
        return ImageFolder.below(self.root / name)

    def similar_name(self, name: str) -> str | None:
        """The name of a file that differs from `name` only in case, extension or the encoding of letters."""
        return self._alike.get(_bare(name))

    @cached_property
    def _alike(self) -> dict[str, str]:
        """Folded name without extension -> the first file name with it; cached, as many files may be missing."""
        return {_bare(name): name for name in reversed(self.paths)}

    def find(
        self, name: str, file: str | None, place: str | None
    ) -> tuple[Path | None, ImageHeader | None, list[Defect]]:
        """Look up an image by name: its file, its header, and defects (missing, unreadable, outside the root).

        `file` and `place` say in defects where the annotation file names the image.
        """
        if is_unsafe_path(name):
            return None, None, [unsafe_path_defect(name, file, place, name)]
        path = self.paths.get(name)
        if path is None and self.root is not None and not is_image_name(name) and is_file(self.root / name):
            path = self.root / name  # of a kind that no image folder is searched for
        if path is None:
            message = f"image file {name!r} does not exist{similar_name_hint(self.similar_name(name))}"
            return None, None, [Defect("SEG002", message, file, place, image=name)]
        try:
            return path, read_header(path), []
        except OSError as error:
            return path, None, [undecodable_file("image", error, name, name)]


@memoize
def _list_images(root: Path, limit: int | None) -> dict[str, Path]:
    """Name -> file of the image files below a folder, sorted by name; see `ImageFolder.below`."""
    paths = {}
    for place, names in walk_nearest([root], sys.maxsize if limit is None else limit):
        start = "" if place == root else f"{place.relative_to(root).as_posix()}/"
        plain = str(place).isascii()
        for name in names:
            if is_image_name(name):
                paths[start + name] = path = place / name
                if not (plain and name.isascii()):
                    check_path_name(path)
    return dict(sorted(paths.items()))


def unsafe_path_defect(name: str, file: str | None, place: str | None, image: str | None = None) -> Defect:
    """SEG015 for a path in `file` that leaves the dataset."""
    return Defect(
        "SEG015", f"path {quote_path(name)} leaves the dataset's root; name files below it", file, place, image=image
    )


def index_entry_defect(
    index: str, place: str, image: str, taken: Container[str], paths: Iterable[str], invalid: str | None
) -> Defect | None:
    """The defect of an entry in an index file that segdata's writers leave beside labels; None if the entry is valid.

    `index` names the file and `place` the entry. `paths` must be below the root; `taken` holds the image ids of
    earlier entries; `invalid` says what is wrong with the entry's numbers.
    """
    named = list(paths)
    if not all(named):
        return Defect("SEG004", "it names no file", index, place, image=image or None)
    unsafe = next(filter(is_unsafe_path, named), None)
    if unsafe is not None:
        return unsafe_path_defect(unsafe, index, place)
    if image in taken:
        return Defect("SEG008", "the same image twice", index, place, image=image)
    return None if invalid is None else Defect("SEG004", invalid, index, place, image=image)


def similar_name_hint(near: str | None) -> str:
    """The end of a message about a missing file that suggests `near`, a file with almost the same name."""
    return f"; there is {near!r}, which differs only in case, extension or the encoding of letters" if near else ""


def _bare(name: str) -> str:
    """`name` without extension, folded."""
    if "/" not in name:  # the usual case, without the cost of parsing a path
        dot = name.rfind(".")
        return fold_name(name[:dot] if 0 < dot < len(name) - 1 else name)
    path = PurePosixPath(name)
    return fold_name((path.parent / path.stem).as_posix())


def size_defects(
    image: str, header: ImageHeader | None, width: int, height: int, what: str, file: str | None, place: str | None
) -> list[Defect]:
    """SEG003 if an image file and `what` (``"mask"``, ``"declared size"``) of width x height pixels differ in size.

    The message says if width and height are swapped, or if the sizes agree only before or after EXIF rotation. SEG012
    if a rotation cannot be judged by the sizes.
    """
    if header is None or width == 0 or height == 0:
        return []
    same = (header.width, header.height) == (width, height)
    swapped = (header.height, header.width) == (width, height)
    if same and header.orientation == 1:
        return []
    stored = f"the image file is {header.width}x{header.height}"
    if same and swapped and header.is_rotated:
        message = (
            f"EXIF orientation {header.orientation}: viewers turn the image, and a square of {width}x{height} does not "
            "tell whether its labels are turned"
        )
        return [Defect("SEG012", message, image, image=image)]
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
