"""Mask files: an image file decoded to the values that it stores, never to what a viewer would show, and their runs.

Pillow decodes (it lets other threads run meanwhile). What it changes is undone or refused: grey PNGs of 2 and 4 bits
come back as the values they store, and colours of 16 bits a channel, of which it keeps the high byte, are refused.
Source: PNG specification (third edition), section 11.2.1; TIFF 6.0, sections 3, 4 and 19.
"""

import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from segdata.core import kernels
from segdata.core.finding import Defect
from segdata.core.runs import Ints, Rows, Runs
from segdata.formats.shared.images import open_bytes, open_image
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.plain_images import PALETTE, decode_palette_png

_HELD = {"L": "u1", "P": "u1", "I;16": "<u2"}  # Pillow's mode -> type of pixels
_FOUR_BYTES = frozenset({"RGB", "RGBA"})


def decoded_pixels(image: Image.Image) -> NDArray[Any]:  # Any: of the image's type
    """The decoded pixels (height, width) of an image, (height, width, channels) of colours; not to be written to.

    Colours without alpha may have a fourth channel, which means nothing. Raises what Pillow raises where they cannot be
    decoded.
    """
    image.load()
    mapped = getattr(image, "map", None) is not None  # to a file, which may change
    if mapped or image.mode not in _HELD.keys() | _FOUR_BYTES or not hasattr(image, "__arrow_c_array__"):
        return np.asarray(image)
    try:
        held: Any = pa.array(image).buffers()[-1]  # Any: pyarrow has no types
    except ValueError:  # Pillow keeps large images in several pieces
        return np.asarray(image)
    if image.mode in _FOUR_BYTES:
        return np.frombuffer(held, np.uint8).reshape(image.height, image.width, 4)
    return np.frombuffer(held, _HELD[image.mode]).reshape(image.height, image.width)


Values = NDArray[np.uint8 | np.uint16 | np.uint32 | np.int32]
Palette = NDArray[np.uint8]
_FIRST = 32  # bytes that tell the bit depth of PNG and whether WebP is lossy
_SAMPLE_FORMAT, _COMPRESSION = 339, 259  # TIFF tags
_GREY_STEP = {2: 85, 4: 17}  # Pillow spreads small greys over 0 to 255
_NAMES = {"1": "bilevel", "L": "grey", "LA": "grey+alpha", "P": "palette", "PA": "palette+alpha", "F": "float"}
_COLOURED = frozenset({"RGB", "RGBA"})


@dataclass(frozen=True, slots=True)
class MaskFile:
    """What a mask file stores.

    Attributes
    ----------
    pixels : (height, width), ids (a palette's index, a grey value) or packed colours R + 256 G + 65536 B; or
        (height, width, 3 or 4) bytes, colours, of which the fourth means nothing
    coloured : the pixels are colours
    encoding : how the file stores them: ``palette 8 bit, palette 3f2a``, ``grey 16 bit``, ``RGB 8 bit``
    palette : (n, 3) the colour of each index; None if the file has no palette
    lossy : why its values cannot be trusted (``JPEG compression``); None if they can
    """

    pixels: Values
    coloured: bool
    encoding: str
    palette: Palette | None = None
    lossy: str | None = None

    @property
    def values(self) -> Values:
        """(height, width) ids, or packed colours."""
        return self.pixels if self.pixels.ndim == 2 else kernels.pack_rgb(self.pixels.view(np.uint8))


@dataclass(frozen=True, slots=True)
class MaskHeader:
    """The header of a mask file.

    Attributes
    ----------
    mode : Pillow's name for how pixels are stored
    bits : bits a channel in the file
    palette : as in `MaskFile`
    lossy : as in `MaskFile`
    """

    mode: str
    bits: int
    palette: Palette | None
    lossy: str | None

    @property
    def coloured(self) -> bool:
        """Pixels are colours, not ids."""
        return self.mode in _COLOURED

    @property
    def encoding(self) -> str:
        """How pixels are stored, in words."""
        name = _NAMES.get(self.mode, "grey" if self.mode.startswith("I") else self.mode)
        lossy = f", {self.lossy}" if self.lossy else ""
        if self.palette is None:
            return f"{name} {self.bits} bit{lossy}"
        return f"{name} {self.bits} bit, palette {zlib.crc32(self.palette.tobytes()) & 0xFFFF:04x}{lossy}"


def mask_header(path: Path) -> MaskHeader:
    """How a mask file stores its pixels, without decoding them; raises OSError with the reason."""
    with open_image(path) as image:
        return _header(image, _first(path))


def mask_headers(paths: Iterable[Path]) -> list[MaskHeader]:
    """The headers of those files that have one."""
    headers = []
    for path in paths:
        with suppress(OSError):
            headers.append(mask_header(path))
    return headers


def n_pages(path: Path) -> int:
    """The number of pages of a TIFF file, slices of a volume for example; 1 for other files and damaged ones."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return 1
    try:
        with open_image(path) as image:
            return int(getattr(image, "n_frames", 1))
    except (OSError, SyntaxError, ValueError, EOFError):
        return 1


def decode_mask(path: Path, page: int = 0) -> MaskFile:
    """The values of a mask file (of one page of it); raises OSError with the reason if it has none."""
    first, data = _begun(path)
    if page == 0 and data is not None and (plain := _plain(data)) is not None:
        return plain
    with open_image(path) as image:
        return _decode(image, first, page)


def decode_mask_bytes(data: bytes) -> MaskFile:
    """The values of a mask file in memory; raises OSError with the reason if it has none."""
    if (plain := _plain(data)) is not None:
        return plain
    with open_bytes(data) as image:
        return _decode(image, data[:_FIRST])


def _plain(data: bytes) -> MaskFile | None:
    """An ordinary palette PNG file, decoded without Pillow."""
    decoded = decode_palette_png(data)
    if decoded is None:
        return None
    pixels, palette = decoded
    return MaskFile(pixels, False, MaskHeader("P", 8, palette, None).encoding, palette)


def _first(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(_FIRST)


def _begun(path: Path) -> tuple[bytes, bytes | None]:
    """The first bytes of a file, and all of its bytes if it may be a palette PNG."""
    with path.open("rb", buffering=0) as file:
        first = file.read(_FIRST)
        return first, first + file.read() if first[24:26] == PALETTE else None


def _decode(image: Image.Image, first: bytes, page: int = 0) -> MaskFile:
    try:
        if page:
            image.seek(page)
        head = _header(image, first)
        pixels = _pixels(image, head)
    except (SyntaxError, ValueError, EOFError, IndexError) as error:
        raise OSError(f"damaged: {error}") from error
    except OSError as error:
        raise OSError(f"damaged: {error}" if error.strerror is None else error.strerror) from error
    return MaskFile(pixels, head.coloured, head.encoding, head.palette, head.lossy)


def _header(image: Image.Image, first: bytes) -> MaskHeader:
    """How an image stores its pixels; `first` are the first bytes of its file."""
    bits = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 32, "F": 32}.get(image.mode, 8)
    if image.format == "PNG":
        bits = first[24]  # IHDR's bit depth, which Pillow's mode does not tell
    palette = None
    if image.mode == "P" and image.palette is not None:
        # Only PNG and GIF palettes are plain before the pixels are decoded.
        plain = image.palette.rawmode is None and image.palette.mode == "RGB"
        colors = image.palette.tobytes() if plain else bytes(image.getpalette() or ())
        palette = np.frombuffer(colors, np.uint8).reshape(-1, 3)
    return MaskHeader(image.mode, bits, palette, _lossy(image, first))


def _lossy(image: Image.Image, first: bytes) -> str | None:
    if image.format in ("JPEG", "MPO", "JPEG2000"):
        return "JPEG compression"
    if image.format == "TIFF" and image.info.get("compression") in ("jpeg", "tiff_jpeg", "webp"):
        return "JPEG compression in TIFF"
    return "lossy WebP compression" if image.format == "WEBP" and first[12:16] == b"VP8 " else None


def _pixels(image: Image.Image, head: MaskHeader) -> Values:
    """The pixels as stored: ids, or colours."""
    if image.format == "PNG" and head.bits == 16 and image.mode in (*_COLOURED, "LA"):
        raise OSError(f"{head.encoding}: colours of 16 bits a channel cannot be read; save 8 bits")
    pixels = decoded_pixels(image)
    if image.mode in ("LA", "PA"):
        return np.ascontiguousarray(pixels[:, :, 0])
    if image.mode == "1":
        return pixels.astype(np.uint8)
    if image.mode == "L" and image.format == "PNG" and head.bits in _GREY_STEP:
        return pixels // np.uint8(_GREY_STEP[head.bits])
    if image.mode == "F":
        return _integral(pixels)
    if image.mode == "I":
        return _thirty_two(image, np.ascontiguousarray(pixels))
    if image.mode.startswith("I;16"):
        return np.ascontiguousarray(pixels, dtype=np.uint16)
    if image.mode in ("L", "P") or head.coloured:
        return np.ascontiguousarray(pixels)
    raise OSError(f"mode {image.mode} is not a mask; save it as 8 or 16 bit grey, palette or RGB PNG")


def _thirty_two(image: Image.Image, pixels: NDArray[np.int32]) -> Values:
    """32-bit values. Pillow reads unsigned TIFFs as signed; 16-bit PNGs were mode I in Pillow before 10.3."""
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]  # only TIFF images have it
        if tags.get(_SAMPLE_FORMAT, (1,))[0] == 1:
            return pixels.view(np.uint32)
    return pixels


def _integral(pixels: NDArray[np.float32]) -> Values:
    """Float pixels as ids; raises OSError unless they are whole numbers that a float holds exactly."""
    if not np.isfinite(pixels).all() or (pixels != np.round(pixels)).any() or (np.abs(pixels) > 2**24).any():
        raise OSError("float pixels that are not whole numbers; ids are integers")
    return pixels.astype(np.int32)


@dataclass(frozen=True, slots=True)
class ValueRuns:
    """Every pixel of a mask as maximal vertical runs of equal value, and the distinct values.

    Attributes
    ----------
    value : (k,) int64, the distinct values, ascending
    area : (k,) int64, pixels of each value
    first : (k,) int64, the first run of each value
    height, width : pixels
    start, length : (n,) int64, runs in column-major order
    row : (n,) int32, the row of `value` that each run has
    """

    value: Ints
    area: Ints
    first: Ints
    height: int
    width: int
    start: Ints
    length: Ints
    row: Rows

    @staticmethod
    def of(pixels: Values) -> "ValueRuns":
        """The runs of (height, width) values, or of colours (height, width, 3 or 4), whose values are packed."""
        height, width = pixels.shape[:2]
        start, length, value = kernels.label_runs(pixels)
        values, area, first, row = kernels.distinct(value.astype(np.int64), length)
        return ValueRuns(values, area, first, height, width, start, length, row)

    def first_pixel(self, row: int) -> tuple[int, int]:
        """(x, y) of the first pixel, in column-major order, of a value."""
        x, y = divmod(int(self.start[self.first[row]]), max(self.height, 1))
        return x, y

    def assign_owners(self, owner: Rows, n_owners: int) -> Runs:
        """The runs of each owner; `owner` (k,) is the owner of each value, -1: none.

        Values that share an owner become one region.
        """
        return Runs(*kernels.deal(self.start, self.length, self.row, owner, n_owners, self.height))


def decode_entry_mask(root: Path, entry: ImageEntry) -> MaskFile:
    """The first mask of an image; raises BrokenLabelsError, with its defect, if it cannot be decoded."""
    path = entry.files[0]
    try:
        return decode_mask(path, entry.page or 0)
    except OSError as error:
        raise BrokenLabelsError(undecodable_mask(root, path, error)) from error


def undecodable_mask(root: Path, path: Path, error: OSError) -> Defect:
    """The defect of a mask that raised `error` when it was decoded: SEG002 if it is missing, else SEG001."""
    if isinstance(error, FileNotFoundError):
        return Defect("SEG002", "the mask file does not exist", relative_path(root, path))
    return Defect("SEG001", f"mask cannot be read: {error.strerror or error}", relative_path(root, path))
