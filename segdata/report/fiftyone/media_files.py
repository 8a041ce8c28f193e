"""Media files: masks and pictures that FiftyOne reads from disk, beside its database."""

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from segdata.core.errors import SegdataError
from segdata.core.image_files import split_uri
from segdata.report.background_image import BackgroundImage
from segdata.report.fiftyone.masks import Map, Mask

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # that every browser shows
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # 8 bits a channel
_ORIENTATION = 0x0112
_SWAPPED = (5, 6, 7, 8)  # EXIF orientations that turn width into height
_BLANK = 150  # grey
_UNKNOWN = (640, 480)  # of a blank picture, where nobody knows the image's size


def picture_file(uri: str | None, width: int, height: int, folder: Path) -> tuple[Path, str | None]:
    """The file to show for labels of this size, and the reason if it is not the image's own file.

    Copies and blank pictures are written below `folder`; an existing copy is reused until the image changes.
    """
    path = _local(uri)
    if uri is None or path is None or not path.is_file():
        return _blank(width, height, folder), "the image file is missing"
    if "://" not in uri and _is_plain(path, width, height):
        return path.absolute(), None
    state = path.stat()
    name = blake2b(f"{uri}\0{state.st_size}\0{state.st_mtime_ns}\0{width}\0{height}".encode(), digest_size=16)
    copy = folder / "copies" / f"{name.hexdigest()}.png"
    if not copy.exists():
        ground = BackgroundImage.of(uri, *((width, height) if width and height else _UNKNOWN))
        if ground.image is None:
            return _blank(width, height, folder), ground.note
        _save(ground.image, copy)
    return copy.absolute(), "shown as a copy of 8 bits a channel"


def _local(uri: str | None) -> Path | None:
    try:
        return None if uri is None else split_uri(uri)[0]
    except SegdataError:
        return None


def _is_plain(path: Path, width: int, height: int) -> bool:
    """Whether a browser shows the file in the orientation of the labels."""
    try:
        with Image.open(path) as image:
            if image.format not in _FORMATS or image.mode not in _MODES:
                return False
            turned = image.getexif().get(_ORIENTATION, 1) if "exif" in image.info else 1
            # A browser rotates the picture by its EXIF orientation; the labels fit only if they have that size.
            return turned == 1 or (turned in _SWAPPED and image.size == (height, width) != (width, height))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _blank(width: int, height: int, folder: Path) -> Path:
    """A grey picture of this size."""
    size = (width, height) if width and height else _UNKNOWN
    path = folder / "copies" / f"blank-{size[0]}x{size[1]}.png"
    if not path.exists():
        _save(Image.new("L", size, _BLANK), path)
    return path.absolute()


def _save(picture: Image.Image, path: Path) -> None:
    """Write a complete PNG file or none; several threads may write the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{id(picture)}.partial")
    try:
        picture.save(partial, format="PNG", compress_level=1)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class MediaFiles:
    """A folder of mask files and of copies of pictures.

    Attributes
    ----------
    folder : folder of the files
    used : files in use; `sweep` removes all others
    """

    folder: Path
    used: set[Path] = field(default_factory=set)

    def mask(self, pixels: Map | Mask) -> str:
        """The file of a mask, written if it does not exist; a boolean mask becomes 0 and 255."""
        values = pixels.astype("uint8") * 255 if pixels.dtype == bool else pixels
        name = blake2b(f"{values.shape}{values.dtype}".encode() + values.tobytes(), digest_size=16).hexdigest()
        path = (self.folder / "masks" / name[:2] / f"{name}.png").absolute()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{name}.{os.getpid()}.{id(pixels)}.partial")
            try:
                Image.fromarray(values).save(partial, format="PNG", compress_level=1)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        self.used.add(path)
        return str(path)

    def picture(self, uri: str | None, width: int, height: int) -> tuple[str, str | None]:
        """The file to show for an image, and the reason if it is not the image's own file."""
        path, note = picture_file(uri, width, height, self.folder)
        if note is not None:
            self.used.add(path)
        return str(path), note

    def sweep(self) -> None:
        """Remove unused files."""
        for path in [*self.folder.glob("masks/*/*.png"), *self.folder.glob("copies/*.png")]:
            if path.absolute() not in self.used:
                path.unlink(missing_ok=True)
