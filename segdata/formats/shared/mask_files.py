"""Mask files: an image file decoded to the values that it stores, never to what a viewer would show, and their runs.

Ordinary PNGs are decoded by `png_files`, all else by Pillow (both let other threads run meanwhile). What Pillow changes
is undone or refused: grey PNGs of 2 and 4 bits come back as the values they store, and colours of 16 bits a channel, of
which it keeps the high byte, are refused.
Source: PNG specification (third edition), section 11.2.1; TIFF 6.0, sections 3, 4 and 19.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from segdata.core import kernels
from segdata.core.finding import Defect
from segdata.core.runs import Flags, Ints, Rows, Runs
from segdata.core.taxonomy import PALETTE_GREYS, Color, Taxonomy
from segdata.formats.shared.images import open_bytes, open_image, undecodable_file
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
_MODES = {GREY: "L", COLOUR: "RGB", PALETTE: "P", GREY_ALPHA: "LA", COLOUR_ALPHA: "RGBA"}  # as Pillow calls them
_WITH_ALPHA = frozenset({"LA", "PA", "RGBA"})


class MaskFile(msgspec.Struct, frozen=True):
    """What a mask file stores.

    Attributes
    ----------
    pixels : (height, width), ids (a palette's index, a grey value) or packed colours R + 256 G + 65536 B; or
        (height, width, 3 or 4) bytes, colours, of which the fourth means nothing
    coloured : the pixels are colours
    encoding : how the file stores them: ``palette 8 bit, palette 3f2a``, ``grey 16 bit``, ``RGB 8 bit``
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

    def as_shown(self) -> "MaskFile":
        """The mask with the colours that its palette shows as values; itself without a palette that has them all."""
        if self.palette is None or self.coloured or int(self.values.max(initial=0)) >= len(self.palette):
            return self
        shown = shown_colors(self.palette)[self.values]
        return msgspec.structs.replace(self, pixels=shown, coloured=True, palette=None)

    def as_grey(self) -> "MaskFile":
        """The mask with the greys of its colours as values; itself if it has other colours, or none."""
        values = self.values
        grey = values & 255
        is_grey = self.coloured and bool((values == grey * 0x010101).all())
        return msgspec.structs.replace(self, pixels=grey.astype(np.uint8), coloured=False) if is_grey else self


class MaskHeader(msgspec.Struct, frozen=True):
    """The header of a mask file."""

    mode: str  # Pillow's name for how pixels are stored
    bits: int  # bits a channel in the file
    palette: Palette | None  # as in `MaskFile`
    lossy: str | None  # as in `MaskFile`

    @property
    def has_colors(self) -> bool:
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


def looks_like_photograph(paths: Iterable[Path]) -> bool:
    """Whether in most files neighbouring pixels rarely are equal: masks consist of areas, photographs of shades."""
    photographs = [share > 0.5 for share in run_shares(paths)]
    return 2 * sum(photographs) > len(photographs)


def run_shares(paths: Iterable[Path]) -> list[float]:
    """Vertical runs of equal values over pixels, for each file that can be read; 0 for tiny files.

    1: no pixel is like the one below it.
    """
    shares = []
    for path in paths:
        with suppress(OSError):
            runs = ValueRuns.of(decode_mask(path).pixels)
            n_pixels = runs.height * runs.width
            shares.append(len(runs.start) / n_pixels if n_pixels > 1000 else 0.0)
    return shares


def occurring_values(paths: Iterable[Path]) -> set[int]:
    """The values that occur in the mask files that can be read."""
    values: set[int] = set()
    for path in paths:
        with suppress(OSError):
            values |= set(np.unique(decode_mask(path).values).tolist())
    return values


def n_pages(path: Path) -> int:
    """The number of pages of a TIFF file, slices of a volume for example; 1 for other files and damaged ones."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return 1
    try:
        with open_image(path) as image:
            return int(getattr(image, "n_frames", 1))
    except (OSError, SyntaxError, ValueError, EOFError, TypeError):  # TypeError: a page without a width
        return 1


def decode_mask(path: Path, page: int = 0) -> MaskFile:
    """The values of a mask file (of one page of it); raises OSError with the reason if it has none."""
    first, data = _read_head(path)
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
    """An ordinary PNG file, decoded without Pillow."""
    decoded = decode_png(data)
    if decoded is None:
        return None
    values, head = decoded.values, MaskHeader(_MODES[decoded.colour], decoded.bits, decoded.palette, None)
    alpha = np.ascontiguousarray(values[:, :, -1]) if decoded.colour in (GREY_ALPHA, COLOUR_ALPHA) else None
    if decoded.colour == GREY_ALPHA:
        values = np.ascontiguousarray(values[:, :, 0])
    return MaskFile(values, head.has_colors, head.encoding, head.palette, alpha=alpha)


def read_png(path: Path) -> PngPixels | None:
    """The values of an ordinary PNG file, as `decode_png`; None: Pillow has to read it. Raises OSError."""
    data = _read_head(path)[1]
    return None if data is None else decode_png(data)


def _first(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(_FIRST)


def _read_head(path: Path) -> tuple[bytes, bytes | None]:
    """The first bytes of a file, and all of its bytes if it may be an ordinary PNG."""
    with path.open("rb", buffering=0) as file:
        first = file.read(_FIRST)
        return first, first + file.read() if may_decode(first) else None


def _decode(image: Image.Image, first: bytes, page: int = 0) -> MaskFile:
    try:
        if page:
            image.seek(page)
        head = _header(image, first)
        pixels = _pixels(image, head)
        alpha = np.array(image.getchannel("A"), np.uint8) if image.mode in _WITH_ALPHA else None
    except (SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        raise OSError(f"damaged: {error}") from error
    except OSError as error:
        raise OSError(f"damaged: {error}" if error.strerror is None else error.strerror) from error
    return MaskFile(pixels, head.has_colors, head.encoding, head.palette, head.lossy, alpha)


def _header(image: Image.Image, first: bytes) -> MaskHeader:
    """How an image stores its pixels; `first` are the first bytes of its file."""
    bits = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 32, "F": 32}.get(image.mode, 8)
    if image.format == "PNG":
        if len(first) < 25:  # another program has cut it since it was opened
            raise OSError("damaged: it ends within its header")
        bits = first[24]  # IHDR's bit depth, which Pillow's mode does not tell
    palette = None
    if image.mode == "P" and image.palette is not None:
        # Only PNG and GIF palettes are plain before the pixels are decoded.
        plain = image.palette.rawmode is None and image.palette.mode == "RGB"
        colors = image.palette.tobytes() if plain else bytes(image.getpalette() or ())
        if len(colors) % 3:
            raise OSError(f"damaged: the palette has {len(colors)} bytes, which are not three for each colour")
        palette = np.frombuffer(colors, np.uint8).reshape(-1, 3)
    return MaskHeader(image.mode, bits, palette, _lossy(image, first))


def _lossy(image: Image.Image, first: bytes) -> str | None:
    if image.format in ("JPEG", "MPO", "JPEG2000"):
        return "JPEG compression"
    if image.format == "TIFF" and image.info.get("compression") in ("jpeg", "tiff_jpeg", "webp"):
        return "JPEG compression in TIFF"
    return "lossy WebP compression" if image.format == "WEBP" and first[12:16] == b"VP8 " else None


def _pixels(image: Image.Image, head: MaskHeader) -> Values:
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
    if image.mode in ("L", "P") or head.has_colors:
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


class ValueRuns(msgspec.Struct, frozen=True):
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
        return ValueRuns(
            value=values, area=area, first=first, height=height, width=width, start=start, length=length, row=row
        )

    def first_pixel(self, row: int) -> tuple[int, int]:
        """(x, y) of the first pixel, in column-major order, of a value."""
        x, y = divmod(int(self.start[self.first[row]]), max(self.height, 1))
        return x, y

    def select(self, rows: Ints) -> Runs:
        """The runs of the values at these rows, each value an owner by itself."""
        owner = np.full(len(self.value), -1, np.int32)
        owner[rows] = np.arange(len(rows), dtype=np.int32)
        return self.assign_owners(owner, len(rows))

    def group(self, keys: Ints, is_known: NDArray[np.bool_]) -> tuple[Ints, Rows]:
        """The distinct keys of the known values, ascending, and the row of its key (k,) for each value, -1: none."""
        distinct, row = np.unique(keys[is_known], return_inverse=True)
        owner = np.full(len(self.value), -1, np.int32)
        owner[is_known] = row
        return distinct, owner

    def assign_owners(self, owner: Rows, n_owners: int) -> Runs:
        """The runs of each owner; `owner` (k,) is the owner of each value, -1: none.

        Values that share an owner become one region.
        """
        return Runs(*kernels.deal(self.start, self.length, self.row, owner, n_owners, self.height))


class ValueMeanings(msgspec.Struct, frozen=True):
    """The segments that the k values of a mask stand for, one each."""

    kept: Flags  # (k,) whether a value stands for a segment; else it is background or unknown
    # segment_id, category_id: (k,) int64
    segment_id: Ints
    category_id: Ints
    iscrowd: Flags  # (k,) bool
    tracked: Flags | None = None  # (k,) whether the segment's id is that of its track, too; None: there are no tracks
    defects: Sequence[Defect] = ()  # values without a meaning

    def annotation(
        self, runs: ValueRuns, file: str, encoding: str | None, places: Sequence[str] | None = None
    ) -> ImageAnnotation:
        """The annotation in the mask with these runs; `places` (k,) default to the values."""
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
    """The annotation in a mask whose k values have these categories: one segment for each that occurs.

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
    """A value, or a packed colour, in words.

    >>> value_place(0x0000FF, True), value_place(7, False)
    ('colour #ff0000', 'value 7')
    """
    return f"colour #{value & 255:02x}{value >> 8 & 255:02x}{value >> 16:02x}" if coloured else f"value {value}"


def value_defects(runs: ValueRuns, rows: Iterable[int], problem: str, shown: Ints | None = None) -> list[Defect]:
    """SEG009 for each value at these rows; `shown` (k,) are the values in messages, by default those of the mask."""
    defects = []
    for row in rows:
        x, y = runs.first_pixel(row)
        area = int(runs.area[row])
        value = (runs.value if shown is None else shown)[row]
        message = f"value {value} {problem}: {area:,} px, the first at x={x}, y={y}"
        defects.append(Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area))
    return defects


def decode_entry_mask(root: Path, entry: ImageEntry) -> MaskFile:
    """The first mask of an image; raises BrokenLabelsError, with its defect, if it cannot be decoded."""
    path = entry.files[0]
    try:
        return decode_mask(path, entry.page or 0)
    except OSError as error:
        raise BrokenLabelsError(undecodable_mask(root, path, error)) from error


def undecodable_mask(root: Path, path: Path, error: OSError) -> Defect:
    """The defect of a mask that raised `error` when it was decoded: SEG002 if it is missing, else SEG001 or SEG021."""
    if isinstance(error, FileNotFoundError):
        return Defect("SEG002", "the mask file does not exist", relative_path(root, path))
    return undecodable_file("mask", error, relative_path(root, path))


UNLABELLED, UNKNOWN = -(2**63), -(2**63) + 1  # in place of a category id, which never is that low
_MANY = 32  # more unknown values than this in one image come from smoothing, not from a forgotten category


class Legend(msgspec.Struct, frozen=True):
    """Values and their categories."""

    value: Ints  # (k,) int64 ascending, ids or packed colours
    category: Ints  # (k,) int64, the category id of each; UNLABELLED where it has none

    @staticmethod
    def from_mapping(meaning: dict[int, int]) -> "Legend":
        """The legend in a dict: value -> category id."""
        value = np.array(sorted(meaning), np.int64)
        return Legend(value, np.array([meaning[item] for item in value.tolist()], np.int64))

    def read(self, values: Ints) -> Ints:
        """The category id (n,) of each value; UNLABELLED for unlabelled ones, UNKNOWN for those not in the legend."""
        if len(self.value) == 0:
            return np.full(len(values), UNKNOWN, np.int64)
        position = np.minimum(np.searchsorted(self.value, values), len(self.value) - 1)
        return np.where(self.value[position] == values, self.category[position], UNKNOWN)


def pack_color(color: Color) -> int:
    """A colour as one number, R + 256 G + 65536 B."""
    return color[0] + 256 * color[1] + 65536 * color[2]


def shown_colors(palette: Palette) -> NDArray[np.uint32]:
    """(n,) the packed colour of each index of a palette."""
    packed: NDArray[np.uint32] = palette.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
    return packed


def unpack_color(value: int) -> Color:
    """The colour of a packed number.

    >>> unpack_color(pack_color((128, 64, 32)))
    (128, 64, 32)
    """
    return value & 255, value >> 8 & 255, value >> 16 & 255


def colour_legend(taxonomy: Taxonomy) -> Legend:
    """The legend of RGB masks; if `unlabelled` is the id of a category, that category's colour is unlabelled, too."""
    meaning = {pack_color(color): category.id for color, category in taxonomy.by_color().items()}
    nobody = taxonomy.unlabelled_color
    if nobody is None and taxonomy.unlabelled_id is not None:
        named = taxonomy.by_id().get(taxonomy.unlabelled_id)
        nobody = named.rgb if named else None
    return Legend.from_mapping(meaning if nobody is None else meaning | {pack_color(nobody): UNLABELLED})


def index_legend(taxonomy: Taxonomy, palette: Palette | None) -> Legend:
    """The legend of index masks, whose values are category ids.

    If `unlabelled` is a colour, values of that colour are unlabelled: by the palette, or as grey v = (v, v, v). The
    id of a category is never unlabelled.
    """
    meaning = {category: category for category in taxonomy.by_id()}
    if taxonomy.unlabelled_id is not None:
        return Legend.from_mapping(meaning | {taxonomy.unlabelled_id: UNLABELLED})
    nobody = taxonomy.unlabelled_color
    if nobody is None:
        return Legend.from_mapping(meaning)
    shown = np.repeat(np.arange(256)[:, None], 3, axis=1) if palette is None else palette
    return Legend.from_mapping(
        {int(value): UNLABELLED for value in np.flatnonzero((shown == nobody).all(axis=1))} | meaning
    )


def unknown_value_defects(mask: MaskFile, runs: ValueRuns, category: Ints, taxonomy: Taxonomy) -> list[Defect]:
    """SEG009 for each value without a meaning, or one SEG010 if lossy compression or smoothing made them."""
    rows = np.flatnonzero(category == UNKNOWN)
    pixels = int(runs.area[rows].sum())
    if mask.lossy:
        message = f"{mask.lossy} changes values: {len(rows)} of {len(runs.value)} are not in the taxonomy"
        return [Defect("SEG010", f"{message} ({pixels:,} px); save masks as PNG", pixels=pixels)]
    if mask.coloured and len(rows) > _MANY:
        x, y = runs.first_pixel(int(rows[0]))
        near = int(runs.area[rows][_distance(runs.value[rows], taxonomy).min(axis=1) <= 16].sum())
        message = (
            f"{len(rows):,} colours are not in the taxonomy ({pixels:,} px, {near:,} of them within 16 of a known "
            "colour): the mask was smoothed, resized or compressed"
        )
        return [Defect("SEG010", message, place=f"x={x}, y={y}", pixels=pixels)]
    if len(rows) > _MANY and mask.palette is None:
        x, y = runs.first_pixel(int(rows[0]))
        message = (
            f"{len(rows):,} values are not in the taxonomy ({pixels:,} px): the mask was smoothed, resized or stored"
        )
        return [Defect("SEG010", f"{message} in another way", place=f"x={x}, y={y}", pixels=pixels)]
    return [_unknown(mask, runs, int(row), taxonomy) for row in rows]


def _unknown(mask: MaskFile, runs: ValueRuns, row: int, taxonomy: Taxonomy) -> Defect:
    """SEG009 for one value: its pixels, the first of them, and the nearest known colour."""
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
    """Whether several values, more than small ids, are all greys of VOC's palette; 220 is that of its void."""
    used = values[values > 0]
    return len(used) > 1 and int(used.max()) >= PALETTE_GREYS[0] and bool(np.isin(used, (*PALETTE_GREYS, 220)).all())


def _nearest_hint(value: int, taxonomy: Taxonomy) -> str:
    """A hint at the nearest known colour, or at swapped channels."""
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
