"""Mask files: image files decoded to the stored values, never to what a viewer shows, and the runs of the values.

`png_files` decodes common PNGs, Pillow everything else; both release the GIL. Pillow's changes are undone or refused:
grey PNGs of 2 and 4 bits get their stored values back, and colours of 16 bits per channel, of which Pillow keeps the
high byte, are refused.
Source: PNG specification (third edition), section 11.2.1; TIFF 6.0, sections 3, 4 and 19.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from segdata.core import kernels
from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.pixel_limit import decoding
from segdata.core.runs import Flags, Ints, Rows, Runs
from segdata.core.taxonomy import PALETTE_GREYS, Color, Taxonomy
from segdata.formats.shared.images import exif_orientation, open_bytes, open_image, undecodable_file
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry, relative_path
from segdata.formats.shared.png_files import (
    COLOUR,
    COLOUR_ALPHA,
    GREY,
    GREY_ALPHA,
    PALETTE,
    PngPixels,
    decode_png,
    may_decode,
)

_PIXEL_TYPES = {"L": "u1", "P": "u1", "I;16": "<u2"}  # Pillow's mode -> type of pixels
_FOUR_BYTE_MODES = frozenset({"RGB", "RGBA"})
_MAX_COLUMNS = 256  # of a picture, of which runs are counted to tell masks from photographs


def decoded_pixels(image: Image.Image) -> NDArray[Any]:  # Any: the dtype depends on the image
    """The decoded pixels of an image, (height, width), or (height, width, channels) for colours; read-only.

    Colours without alpha may have a meaningless fourth channel. Raises what Pillow raises if decoding fails.
    """
    image.load()
    mapped = getattr(image, "map", None) is not None  # the file may change while it is mapped
    if mapped or image.mode not in _PIXEL_TYPES.keys() | _FOUR_BYTE_MODES or not hasattr(image, "__arrow_c_array__"):
        return np.asarray(image)
    try:
        held: Any = pa.array(image).buffers()[-1]  # Any: pyarrow has no types
    except ValueError:  # Pillow keeps large images in several blocks
        return np.asarray(image)
    if image.mode in _FOUR_BYTE_MODES:
        return np.frombuffer(held, np.uint8).reshape(image.height, image.width, 4)
    return np.frombuffer(held, _PIXEL_TYPES[image.mode]).reshape(image.height, image.width)


Values = NDArray[np.uint8 | np.uint16 | np.uint32 | np.int32]
Palette = NDArray[np.uint8]
_N_FIRST_BYTES = 32  # enough for the bit depth of PNG and the kind of WebP
_SAMPLE_FORMAT, _COMPRESSION = 339, 259  # TIFF tags
_GREY_STEP = {2: 85, 4: 17}  # Pillow scales small greys to 0 to 255
_MODE_NAMES = {"1": "bilevel", "L": "grey", "LA": "grey+alpha", "P": "palette", "PA": "palette+alpha", "F": "float"}
_COLOUR_MODES = frozenset({"RGB", "RGBA"})
_PNG_MODES = {GREY: "L", COLOUR: "RGB", PALETTE: "P", GREY_ALPHA: "LA", COLOUR_ALPHA: "RGBA"}  # Pillow's
_ALPHA_MODES = frozenset({"LA", "PA", "RGBA"})


class MaskFile(msgspec.Struct, frozen=True):
    """The decoded content of a mask file.

    Attributes
    ----------
    pixels : (height, width), ids (a palette's index, a grey value) or packed colours R + 256 G + 65536 B; or
        (height, width, 3 or 4) bytes, colours, of which the fourth means nothing
    coloured : whether the pixels are colours
    encoding : storage of the pixels: ``palette 8 bit, palette 3f2a``, ``grey 16 bit``, ``RGB 8 bit``
    palette : (n, 3) the colour of each index; None if the file has no palette
    lossy : why its values cannot be trusted (``JPEG compression``); None if they can
    alpha : (height, width) bytes, 0 where transparent; None if the file has no such channel
    """

    pixels: Values
    coloured: bool
    encoding: str
    palette: Palette | None = None
    lossy: str | None = None
    alpha: NDArray[np.uint8] | None = None

    @property
    def values(self) -> Values:
        """(height, width) ids, or packed colours."""
        return self.pixels if self.pixels.ndim == 2 else kernels.pack_rgb(self.pixels.view(np.uint8))

    def distinct_values(self) -> set[int]:
        """The ids, or packed colours, that occur; by hashing, since sorting all pixels takes several times as long."""
        return set(pc.unique(pa.array(self.values.ravel())).to_pylist())

    def as_shown(self) -> "MaskFile":
        """The mask with its palette's colours as values; the mask itself without a complete palette."""
        if self.palette is None or self.coloured or int(self.values.max(initial=0)) >= len(self.palette):
            return self
        shown = shown_colors(self.palette)[self.values]
        return msgspec.structs.replace(self, pixels=shown, coloured=True, palette=None)

    def as_grey(self) -> "MaskFile":
        """The mask with grey levels as values, if all its colours are greys; else the mask itself."""
        values = self.values
        grey = values & 255
        is_grey = self.coloured and bool((values == grey * 0x010101).all())
        return msgspec.structs.replace(self, pixels=grey.astype(np.uint8), coloured=False) if is_grey else self


class MaskHeader(msgspec.Struct, frozen=True):
    """The header of a mask file."""

    mode: str  # Pillow's mode
    bits: int  # bits per channel in the file
    palette: Palette | None  # as in `MaskFile`
    lossy: str | None  # as in `MaskFile`
    orientation: int = 1  # of EXIF, which is not applied

    @property
    def has_colors(self) -> bool:
        """Whether pixels are colours, not ids."""
        return self.mode in _COLOUR_MODES

    @property
    def encoding(self) -> str:
        """The storage of the pixels, as in `MaskFile`."""
        name = _MODE_NAMES.get(self.mode, "grey" if self.mode.startswith("I") else self.mode)
        palette = "" if self.palette is None else f", palette {zlib.crc32(self.palette.tobytes()) & 0xFFFF:04x}"
        lossy = f", {self.lossy}" if self.lossy else ""
        turned = f", EXIF orientation {self.orientation}" if self.orientation != 1 else ""
        return f"{name} {self.bits} bit{palette}{lossy}{turned}"


def mask_header(path: Path) -> MaskHeader:
    """Read the header of a mask file without decoding pixels; raises OSError with the reason."""
    with open_image(path) as image, decoding("header"):
        return _header(image, _first_bytes(path))


def mask_headers(paths: Iterable[Path]) -> list[MaskHeader]:
    """The headers of the files that can be read."""
    headers = []
    for path in paths:
        with suppress(OSError):
            headers.append(mask_header(path))
    return headers


def looks_like_photograph(paths: Iterable[Path]) -> bool:
    """Whether neighbouring pixels rarely are equal in most files, as in photographs."""
    photographs = [share > 0.5 for share in run_shares(paths)]
    return 2 * sum(photographs) > len(photographs)


def run_shares(paths: Iterable[Path]) -> list[float]:
    """Vertical runs of equal values per pixel, for each file that can be read; 0 for tiny files.

    At 1, no pixel equals the one below it.
    """
    shares = []
    for path in paths:
        with suppress(OSError):
            status = path.stat()
            shares.append(_run_share(path, status.st_size, status.st_mtime_ns))
    return shares


@lru_cache(maxsize=4096)
def _run_share(path: Path, n_bytes: int, changed: int) -> float:
    """The share in some columns of a file in this state: while layouts are tried, files are looked at repeatedly."""
    pixels = decode_mask(path).pixels
    if pixels.shape[0] * pixels.shape[1] <= 1000:
        return 0.0
    columns = np.ascontiguousarray(pixels[:, :: max(1, pixels.shape[1] // _MAX_COLUMNS)])
    n_runs = len(kernels.label_runs(columns)[0])
    return float(n_runs / (columns.shape[0] * columns.shape[1]))


def occurring_values(paths: Iterable[Path]) -> set[int]:
    """The distinct values of each mask file that can be read."""
    values: set[int] = set()
    for path in paths:
        with suppress(OSError):
            values |= decode_mask(path).distinct_values()
    return values


def refuse_unreadable(root: Path, masks: Sequence[Path]) -> NoReturn:
    """Raise UnreadableError that says why the first mask cannot be read."""
    try:
        decode_mask(masks[0])
        reason = "it has changed"
    except OSError as error:
        reason = error.strerror or str(error)
    which = "the mask cannot" if len(masks) == 1 else f"none of {len(masks):,} masks can"
    raise UnreadableError(f"{root}: {which} be read; {relative_path(root, masks[0])}: {reason}")


def n_pages(path: Path) -> int:
    """The number of pages (such as slices of a volume) of a TIFF file; 1 for other and damaged files."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return 1
    try:
        with decoding(), open_image(path) as image:
            return int(getattr(image, "n_frames", 1))
    except OSError:
        return 1


_MAX_KEPT_BYTES = 1 << 25  # of the runs of all masks that are kept
_MAX_KEPT_RUNS = 1 / 16  # per pixel of a mask that is kept


class _KeptMasks:
    """Masks that will be decoded again, as runs along their rows: by file, page, bytes and time; the oldest first."""

    def __init__(self) -> None:
        self.masks: dict[tuple[Path, int, int, int], tuple[MaskFile, NDArray[np.int32], tuple[int, int]]] = {}
        self._n_bytes, self._lock = 0, Lock()

    def keep(self, key: tuple[Path, int, int, int], mask: MaskFile) -> None:
        """Keep the runs of a mask in place of the oldest ones, if they are few."""
        height, width = mask.pixels.shape[:2]
        flat = mask.pixels.reshape(-1)
        step = flat.size // (height * width)  # channels
        start = np.concatenate([[0], np.unique(np.flatnonzero(flat[step:] != flat[:-step]) // step) + 1])
        if len(start) > _MAX_KEPT_RUNS * height * width:
            return
        length = np.diff(start, append=height * width).astype(np.int32)
        first = mask.pixels.reshape(height * width, *mask.pixels.shape[2:])[start][:, None]
        values = msgspec.structs.replace(mask, pixels=first).values[:, 0]
        with self._lock:
            self._n_bytes += 0 if key in self.masks else length.nbytes
            self.masks[key] = msgspec.structs.replace(mask, pixels=values), length, (height, width)
            while self._n_bytes > _MAX_KEPT_BYTES:
                self._n_bytes -= self.masks.pop(next(iter(self.masks)))[1].nbytes


_KEPT = _KeptMasks()


def decode_mask(path: Path, page: int = 0, *, keeps: bool = False) -> MaskFile:
    """Decode a mask file, or one page of it; raises OSError with the reason.

    `keeps`: it is decoded again soon, so keep its runs, if they are few, until the file changes or room is needed.
    """
    status = path.stat()
    key = (path, page, status.st_size, status.st_mtime_ns)
    if (kept := _KEPT.masks.get(key)) is not None:
        mask, length, shape = kept
        return msgspec.structs.replace(mask, pixels=mask.pixels.repeat(length).reshape(shape))
    first, data = _read_head(path)
    plain = _decode_plain_png(data) if page == 0 and data is not None else None
    if plain is None:
        with open_image(path) as image:
            plain = _decode(image, first, page)
    if keeps and plain.alpha is None and plain.pixels.size:
        _KEPT.keep(key, plain)
    return plain


def decode_mask_bytes(data: bytes) -> MaskFile:
    """Decode a mask file in memory; raises OSError with the reason."""
    if (plain := _decode_plain_png(data)) is not None:
        return plain
    with open_bytes(data) as image:
        return _decode(image, data[:_N_FIRST_BYTES])


def _decode_plain_png(data: bytes) -> MaskFile | None:
    """Decode a common PNG file without Pillow; None if only Pillow can."""
    decoded = decode_png(data)
    if decoded is None:
        return None
    values, head = decoded.values, MaskHeader(_PNG_MODES[decoded.colour], decoded.bits, decoded.palette, None)
    alpha = np.ascontiguousarray(values[:, :, -1]) if decoded.colour in (GREY_ALPHA, COLOUR_ALPHA) else None
    if decoded.colour == GREY_ALPHA:
        values = np.ascontiguousarray(values[:, :, 0])
    return MaskFile(values, head.has_colors, head.encoding, head.palette, alpha=alpha)


def read_png(path: Path) -> PngPixels | None:
    """Decode a common PNG file as `decode_png` does; None if only Pillow can read it. Raises OSError."""
    data = _read_head(path)[1]
    return None if data is None else decode_png(data)


def _first_bytes(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(_N_FIRST_BYTES)


def _read_head(path: Path) -> tuple[bytes, bytes | None]:
    """The first bytes of a file, and all of its bytes if it may be a common PNG."""
    with path.open("rb", buffering=0) as file:
        first = file.read(_N_FIRST_BYTES)
        return first, first + file.read() if may_decode(first) else None


def _decode(image: Image.Image, first: bytes, page: int = 0) -> MaskFile:
    with decoding():
        try:
            if page:
                image.seek(page)
            head = _header(image, first)
            pixels = _pixels(image, head)
            alpha = np.array(image.getchannel("A"), np.uint8) if image.mode in _ALPHA_MODES else None
        except OSError as error:
            raise OSError(f"damaged: {error}" if error.strerror is None else error.strerror) from error
    return MaskFile(pixels, head.has_colors, head.encoding, head.palette, head.lossy, alpha)


def _header(image: Image.Image, first: bytes) -> MaskHeader:
    """The mask header of an opened image; `first` are the first bytes of its file."""
    bits = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 32, "F": 32}.get(image.mode, 8)
    if image.format == "PNG":
        if len(first) < 25:  # another program has truncated the file since it was opened
            raise OSError("damaged: it ends within its header")
        bits = first[24]  # IHDR's bit depth, which Pillow's mode does not tell
    palette = None
    if image.mode == "P" and image.palette is not None:
        # Only PNG and GIF have their palette before the pixels are decoded.
        plain = image.palette.rawmode is None and image.palette.mode == "RGB"
        colors = image.palette.tobytes() if plain else bytes(image.getpalette() or ())
        if len(colors) % 3:
            raise OSError(f"damaged: the palette has {len(colors)} bytes, which are not three for each colour")
        palette = np.frombuffer(colors, np.uint8).reshape(-1, 3)
    orientation = 1 if image.format == "TIFF" else exif_orientation(image)  # Pillow turns TIFF files itself
    return MaskHeader(image.mode, bits, palette, _lossy_reason(image, first), orientation)


def _lossy_reason(image: Image.Image, first: bytes) -> str | None:
    if image.format in ("JPEG", "MPO", "JPEG2000"):
        return "JPEG compression"
    if image.format == "TIFF" and image.info.get("compression") in ("jpeg", "tiff_jpeg", "webp"):
        return "JPEG compression in TIFF"
    return "lossy WebP compression" if image.format == "WEBP" and first[12:16] == b"VP8 " else None


def _pixels(image: Image.Image, head: MaskHeader) -> Values:
    if image.format == "PNG" and head.bits == 16 and image.mode in (*_COLOUR_MODES, "LA"):
        raise OSError(f"{head.encoding}: colours of 16 bits per channel cannot be read; save 8 bits per channel")
    pixels = decoded_pixels(image)
    if image.mode in ("LA", "PA"):
        return np.ascontiguousarray(pixels[:, :, 0])
    if image.mode == "1":
        return pixels.astype(np.uint8)
    if image.mode == "L" and image.format == "PNG" and head.bits in _GREY_STEP:
        return pixels // np.uint8(_GREY_STEP[head.bits])
    if image.mode == "F":
        return _float_values(pixels)
    if image.mode == "I":
        return _int32_values(image, np.ascontiguousarray(pixels))
    if image.mode.startswith("I;16"):
        return np.ascontiguousarray(pixels, dtype=np.uint16)
    if image.mode in ("L", "P") or head.has_colors:
        return np.ascontiguousarray(pixels)
    raise OSError(f"mode {image.mode} is not a mask; save it as 8 or 16 bit grey, palette or RGB PNG")


def _int32_values(image: Image.Image, pixels: NDArray[np.int32]) -> Values:
    """The 32-bit values of an image; Pillow reads unsigned TIFFs as signed, and before 10.3 16-bit PNGs as 32-bit."""
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]  # only TIFF images have it
        if tags.get(_SAMPLE_FORMAT, (1,))[0] == 1:
            return pixels.view(np.uint32)
    return pixels


def _float_values(pixels: NDArray[np.float32]) -> Values:
    """Float pixels as integers; raises OSError unless they are whole numbers that a float represents exactly."""
    if not np.isfinite(pixels).all() or (pixels != np.round(pixels)).any() or (np.abs(pixels) > 2**24).any():
        scaled = pixels * np.float32(255)
        if pixels.min() >= 0 and pixels.max() <= 1 and np.allclose(scaled, np.round(scaled), atol=1e-3):
            raise OSError("float pixels are multiples of 1/255, as of a picture; save ids as integers")
        raise OSError("some float pixels are not whole numbers; save ids as integers")
    return pixels.astype(np.int32)


class ValueRuns(msgspec.Struct, frozen=True):
    """A mask as maximal vertical runs of equal values, with the distinct values.

    Attributes
    ----------
    value : (k,) int64, the distinct values, ascending
    area : (k,) int64, pixels of each value
    first : (k,) int64, the first run of each value
    height, width : pixels
    start, length : (n,) int64, runs in column-major order
    row : (n,) int32, the index in `value` of each run's value
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
        """The runs of (height, width) values, or of (height, width, 3 or 4) colours, which become packed values."""
        height, width = pixels.shape[:2]
        start, length, value = kernels.label_runs(pixels)
        values, area, first, row = kernels.distinct(value.astype(np.int64), length)
        return ValueRuns(
            value=values, area=area, first=first, height=height, width=width, start=start, length=length, row=row
        )

    def first_pixel(self, row: int) -> tuple[int, int]:
        """(x, y) of a value's first pixel in column-major order."""
        x, y = divmod(int(self.start[self.first[row]]), max(self.height, 1))
        return x, y

    def select(self, rows: Ints) -> Runs:
        """The runs of the values at these rows; each value is an owner."""
        owner = np.full(len(self.value), -1, np.int32)
        owner[rows] = np.arange(len(rows), dtype=np.int32)
        return self.assign_owners(owner, len(rows))

    def group(self, keys: Ints, is_known: Flags) -> tuple[Ints, Rows]:
        """The distinct keys of the known values, ascending, and for each value (k,) the row of its key, or -1."""
        distinct, row = np.unique(keys[is_known], return_inverse=True)
        owner = np.full(len(self.value), -1, np.int32)
        owner[is_known] = row
        return distinct, owner

    def assign_owners(self, owner: Rows, n_owners: int) -> Runs:
        """The runs of each owner; `owner` (k,) is the owner of each value, -1 for none.

        Values that share an owner become one region.
        """
        return Runs(*kernels.deal(self.start, self.length, self.row, owner, n_owners, self.height))


class ValueMeanings(msgspec.Struct, frozen=True):
    """The meaning of the k values of a mask: one segment each."""

    kept: Flags  # (k,) whether a value is a segment; else it is background or unknown
    segment_id: Ints  # (k,) int64
    category_id: Ints  # (k,) int64
    iscrowd: Flags  # (k,) bool
    tracked: Flags | None = None  # (k,) whether the segment's id also is its track's; None: there are no tracks
    defects: Sequence[Defect] = ()  # values without a meaning

    def annotation(
        self, runs: ValueRuns, file: str, encoding: str | None, places: Sequence[str] | None = None
    ) -> ImageAnnotation:
        """The annotation in a mask with these runs; `places` (k,) name the segments in messages."""
        kept = np.flatnonzero(self.kept)
        segment_id = self.segment_id[kept]
        places = places or [f"value {value}" for value in runs.value.tolist()]
        tracked = () if self.tracked is None else zip(segment_id.tolist(), self.tracked[kept].tolist(), strict=True)
        return ImageAnnotation(
            size=(runs.height, runs.width),
            segment_id=segment_id,
            category_id=self.category_id[kept],
            runs=runs.select(kept),
            columns={
                "file": [file] * len(kept),
                "place": [places[row] for row in kept.tolist()],
                "iscrowd": self.iscrowd[kept].tolist(),
                "track_id": [id_ if is_tracked else None for id_, is_tracked in tracked],
            },
            encoding=encoding,
            defects=self.defects,
        )


def category_annotation(
    runs: ValueRuns,
    category: Ints,
    file: str,
    encoding: str,
    defects: Sequence[Defect],
    place: Callable[[int], str],
) -> ImageAnnotation:
    """The annotation in a mask of categories: one segment for each category of its k values.

    `category` (k,) may be UNLABELLED or UNKNOWN; `place` names the first value of a segment.
    """
    categories, owner = runs.group(category, category > UNKNOWN)
    first = np.empty(len(categories), np.int64)
    owned = np.flatnonzero(owner >= 0)[::-1]
    first[owner[owned]] = runs.value[owned]
    return ImageAnnotation(
        size=(runs.height, runs.width),
        segment_id=categories,
        category_id=categories,
        runs=runs.assign_owners(owner, len(categories)),
        columns={"file": [file] * len(categories), "place": [place(value) for value in first.tolist()]},
        encoding=encoding,
        defects=defects,
    )


def value_place(value: int, coloured: bool) -> str:
    """The phrase for a value or a packed colour in messages.

    >>> value_place(0x0000FF, True), value_place(7, False)
    ('colour #ff0000', 'value 7')
    """
    return f"colour #{value & 255:02x}{value >> 8 & 255:02x}{value >> 16:02x}" if coloured else f"value {value}"


def value_defects(runs: ValueRuns, rows: Iterable[int], problem: str, shown: Ints | None = None) -> list[Defect]:
    """SEG009 for each value at these rows; `shown` (k,) are the values to show in messages, by default the mask's."""
    defects = []
    for row in rows:
        x, y = runs.first_pixel(row)
        area = int(runs.area[row])
        value = (runs.value if shown is None else shown)[row]
        message = f"value {value} {problem}: {area:,} px, the first at x={x}, y={y}"
        defects.append(Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area))
    return defects


def decode_entry_mask(root: Path, entry: ImageEntry) -> MaskFile:
    """Decode the first mask of an image; raises BrokenLabelsError with the defect if that fails."""
    path = entry.files[0]
    try:
        return decode_mask(path, entry.page or 0)
    except OSError as error:
        raise BrokenLabelsError(undecodable_mask(root, path, error)) from error


def undecodable_mask(root: Path, path: Path, error: OSError) -> Defect:
    """The defect of a mask whose decoding raised `error`: SEG002 if the file is missing, else SEG001 or SEG021."""
    if isinstance(error, FileNotFoundError):
        return Defect("SEG002", "the mask file does not exist", relative_path(root, path))
    return undecodable_file("mask", error, relative_path(root, path))


UNLABELLED, UNKNOWN = -(2**63), -(2**63) + 1  # instead of a category id; no category id is that low
_MIN_SHARE_NEAR = 0.1  # of the pixels of unknown colours, where the known ones were smoothed
_MAX_UNKNOWN_VALUES = 32  # more in one image come from smoothing, not from a forgotten category


class Legend(msgspec.Struct, frozen=True):
    """The category of each value of a mask."""

    value: Ints  # (k,) int64 ascending, ids or packed colours
    category: Ints  # (k,) int64, the category id of each; UNLABELLED where it has none

    @staticmethod
    def from_mapping(meaning: dict[int, int]) -> "Legend":
        """The legend of a dict, value -> category id."""
        value = np.array(sorted(meaning), np.int64)
        return Legend(value, np.array([meaning[item] for item in value.tolist()], np.int64))

    def read(self, values: Ints) -> Ints:
        """(n,) the category id of each value; UNLABELLED for unlabelled values, UNKNOWN for those not in the legend."""
        if len(self.value) == 0:
            return np.full(len(values), UNKNOWN, np.int64)
        position = np.minimum(np.searchsorted(self.value, values), len(self.value) - 1)
        return np.where(self.value[position] == values, self.category[position], UNKNOWN)


def pack_color(color: Color) -> int:
    """Pack a colour into one number, R + 256 G + 65536 B."""
    return color[0] + 256 * color[1] + 65536 * color[2]


def shown_colors(palette: Palette) -> NDArray[np.uint32]:
    """(n,) the packed colour of each index of a palette."""
    packed: NDArray[np.uint32] = palette.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
    return packed


def unpack_color(value: int) -> Color:
    """The (R, G, B) colour of a packed number.

    >>> unpack_color(pack_color((128, 64, 32)))
    (128, 64, 32)
    """
    return value & 255, value >> 8 & 255, value >> 16 & 255


def colour_legend(taxonomy: Taxonomy) -> Legend:
    """The legend of RGB masks; if `unlabelled` is a category id, that category's colour means unlabelled."""
    meaning = {pack_color(color): category.id for color, category in taxonomy.by_color().items()}
    unlabelled = taxonomy.unlabelled_color
    if unlabelled is None and taxonomy.unlabelled_id is not None:
        named = taxonomy.by_id().get(taxonomy.unlabelled_id)
        unlabelled = named.rgb if named else None
    return Legend.from_mapping(meaning if unlabelled is None else meaning | {pack_color(unlabelled): UNLABELLED})


def index_legend(taxonomy: Taxonomy, palette: Palette | None) -> Legend:
    """The legend of masks whose values are category ids.

    If `unlabelled` is a colour, values with that colour in the palette, or grey v = (v, v, v), are unlabelled, unless
    they are the id of a category.
    """
    meaning = {category: category for category in taxonomy.by_id()}
    if taxonomy.unlabelled_id is not None:
        return Legend.from_mapping(meaning | {taxonomy.unlabelled_id: UNLABELLED})
    unlabelled = taxonomy.unlabelled_color
    if unlabelled is None:
        return Legend.from_mapping(meaning)
    shown = np.repeat(np.arange(256)[:, None], 3, axis=1) if palette is None else palette
    return Legend.from_mapping(
        {int(value): UNLABELLED for value in np.flatnonzero((shown == unlabelled).all(axis=1))} | meaning
    )


def unknown_value_defects(mask: MaskFile, runs: ValueRuns, category: Ints, taxonomy: Taxonomy) -> list[Defect]:
    """SEG009 for each value without a category, or one SEG010 if lossy compression or smoothing produced them."""
    rows = np.flatnonzero(category == UNKNOWN)
    pixels = int(runs.area[rows].sum())
    if mask.lossy:
        message = f"{mask.lossy} changes values: {len(rows)} of {len(runs.value)} are not in the taxonomy"
        return [Defect("SEG010", f"{message} ({pixels:,} px); save masks as PNG", pixels=pixels)]
    if mask.coloured and len(rows) > _MAX_UNKNOWN_VALUES:
        x, y = runs.first_pixel(int(rows[0]))
        near = int(runs.area[rows][_distance(runs.value[rows], taxonomy).min(axis=1) <= 16].sum())
        reason = "the mask was smoothed, resized or compressed"
        if near < _MIN_SHARE_NEAR * pixels:
            reason = "this is a picture rather than a mask, or most colours of its mask are not listed"
        message = (
            f"{len(rows):,} colours are not in the taxonomy ({pixels:,} px, {near:,} of them within 16 of a known "
            f"colour): {reason}"
        )
        return [Defect("SEG010", message, place=f"x={x}, y={y}", pixels=pixels)]
    if len(rows) > _MAX_UNKNOWN_VALUES and mask.palette is None:
        x, y = runs.first_pixel(int(rows[0]))
        message = (
            f"{len(rows):,} values are not in the taxonomy ({pixels:,} px): the mask was smoothed, resized or stored"
        )
        return [Defect("SEG010", f"{message} in another way", place=f"x={x}, y={y}", pixels=pixels)]
    return [_unknown_value_defect(mask, runs, int(row), taxonomy) for row in rows]


def _unknown_value_defect(mask: MaskFile, runs: ValueRuns, row: int, taxonomy: Taxonomy) -> Defect:
    """SEG009 for one value, with its pixel count, its first pixel, and the nearest known colour."""
    value, area = int(runs.value[row]), int(runs.area[row])
    x, y = runs.first_pixel(row)
    what = f"colour {unpack_color(value)}" if mask.coloured else f"value {value}"
    known = [category.id for category in taxonomy.categories if category.kind != "void"]
    if not mask.coloured and value == max(known, default=-2) + 1 and 0 in known and 0 not in runs.value:
        what += f" (categories are 0 to {value - 1}; do the values begin at 1, so that each is read as the next?)"
    elif not mask.coloured and _are_greys(runs.value):
        what += " (the grey of a colour of VOC's palette, as all values here: was a mask with a palette saved as grey?)"
    message = f"{what} is not in the taxonomy: {area:,} px, the first at x={x}, y={y}"
    if mask.coloured:
        message += _nearest_hint(value, taxonomy)
    return Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area)


def _are_greys(values: Ints) -> bool:
    """Whether the values are several greys of VOC's palette (220 is the grey of its void), and not just small ids."""
    used = values[values > 0]
    return len(used) > 1 and int(used.max()) >= PALETTE_GREYS[0] and bool(np.isin(used, (*PALETTE_GREYS, 220)).all())


def _nearest_hint(value: int, taxonomy: Taxonomy) -> str:
    """A hint that names the nearest known colour, or swapped channels."""
    categories = taxonomy.by_color()
    red, green, blue = unpack_color(value)
    swapped = categories.get((blue, green, red))
    if swapped is not None:
        return f"; with red and blue swapped it is {swapped.name!r}"
    if not categories:
        return ""
    color, category = list(categories.items())[int(_distance(np.array([value]), taxonomy)[0].argmin())]
    return f"; the nearest is {category.name!r} {color}"


def _distance(values: Ints, taxonomy: Taxonomy) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(n, k) the Euclidean distance of packed colours to the k colours of the taxonomy, in `by_color` order."""
    taxonomy_colors = np.array(list(taxonomy.by_color()) or [(10**6,) * 3], np.float64)
    colors = np.stack([values & 255, values >> 8 & 255, values >> 16 & 255], axis=1).astype(np.float64)
    result: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.linalg.norm(
        colors[:, None] - taxonomy_colors[None], axis=2
    )
    return result
