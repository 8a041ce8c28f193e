"""Raster files: header, class names, windows and values of a GeoTIFF of labels, and rasters.json."""

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from xml.etree.ElementTree import Element

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import absolute_channels, absolute_uri, relative_channels, relative_uri
from segdata.core.runs import Flags
from segdata.core.safe_text import stored_json
from segdata.core.taxonomy import Category, Color
from segdata.core.tiff_files import open_raster
from segdata.formats.geo.georeference import Georeference
from segdata.formats.shared.images import MAX_PIXELS, index_entry_defect
from segdata.formats.shared.json_files import read_sidecar
from segdata.formats.shared.mask_files import Palette, Values
from segdata.formats.shared.taxonomies import kind_from_name
from segdata.formats.shared.xml_files import XmlError, read_xml

_MAX_WHOLE_PIXELS = 2**26  # larger rasters are cut into windows
WINDOW_SIDE = 2048  # in pixels
_MAX_WINDOWS = 2**17  # of one raster


@dataclass(frozen=True, slots=True)
class Window:
    """Column and row where it begins, width and height, in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows and columns, as rasterio takes them."""
        return (self.y, self.y + self.height), (self.x, self.x + self.width)

    def uri(self, path: Path) -> str:
        """The URI of this part of an image: path#xywh=… as in W3C Media Fragments 1.0."""
        return f"{path.absolute().as_uri()}#xywh={self.x},{self.y},{self.width},{self.height}"

    def meets(self, other: "Window") -> bool:
        """Whether two windows share pixels."""
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


_Place = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]  # as GDAL counts


class _StoredWindow(msgspec.Struct, frozen=True):
    """The item ``window`` of an image's metadata."""

    raster: str
    raster_width: _Place
    raster_height: _Place
    x: _Place
    y: _Place


@dataclass(frozen=True, slots=True)
class RasterWindow:
    """A window of a raster and the raster's size in pixels: the item ``window`` of an image's metadata."""

    raster: str
    raster_width: int
    raster_height: int
    window: Window

    @property
    def metadata(self) -> dict[str, str]:
        """The window as items of an image's metadata."""
        size = {"raster_width": self.raster_width, "raster_height": self.raster_height}
        item = {"raster": self.raster, **size, "x": self.window.x, "y": self.window.y}
        return {"window": json.dumps(item)}

    @staticmethod
    def from_metadata(metadata: Mapping[str, str], width: int, height: int) -> "RasterWindow | None":
        """The window in the metadata of an image of this size; None if there is none, or an impossible one."""
        item = stored_json(metadata.get("window"), _StoredWindow)
        if item is None or not item.raster or min(width, height) <= 0:
            return None
        fits = item.x <= item.raster_width - width and item.y <= item.raster_height - height
        fits = fits and item.raster_width * item.raster_height <= _MAX_WINDOWS * WINDOW_SIDE**2
        window = Window(item.x, item.y, width, height)
        return RasterWindow(item.raster, item.raster_width, item.raster_height, window) if fits else None


def parse_side(value: object) -> int | None:
    """Parse the option `tile`: the side of windows in pixels, 0 for whole rasters; None: by the size of each raster.

    Raises SegdataError for anything else.
    """
    if value is None:
        return None
    try:
        side = int(str(value))
    except ValueError:
        side = -1
    if side < 0:
        raise SegdataError(f"tile is {value!r}; give the side of windows in pixels, or 0 for whole rasters")
    return side


def cut_windows(width: int, height: int, side: int | None) -> list[Window]:
    """The windows of a raster, row by row; none if it is one image. Raises OSError for too many windows."""
    if side is None:
        side = WINDOW_SIDE if width * height > _MAX_WHOLE_PIXELS else 0
    if side == 0 or (width <= side and height <= side):
        return []
    if -(-width // side) * -(-height // side) > _MAX_WINDOWS:
        raise OSError(f"claims {width:,} x {height:,} pixels, more than {_MAX_WINDOWS:,} windows of {side} x {side}")
    return [
        Window(x, y, min(side, width - x), min(side, height - y))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


RASTER_INDEX = "rasters.json"


class RasterIndexRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image: its raster of labels below the root, where it is annotated; the rest as in the canonical dataset.

    `part`: it is the window of the raster at x and y; else it is all of it.
    """

    image: str
    mask: str | None = None
    part: bool = False
    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0
    uri: str | None = None
    channels: tuple[dict[str, str | None], ...] | None = None
    sequence: str | None = None
    frame: int | None = None
    split: str | None = None
    group: str | None = None
    metadata: dict[str, str] = {}

    @property
    def window(self) -> Window | None:
        """The window of the raster."""
        return Window(self.x, self.y, self.width, self.height) if self.part else None


class _RasterIndex(msgspec.Struct, frozen=True):
    """The index file with undecoded rows."""

    images: tuple[msgspec.Raw, ...]
    version: int = 1


def write_raster_index(target: Path, rows: Iterable[RasterIndexRow]) -> None:
    """Write `rasters.json` below `target`, an image a line."""
    below = (_with_uris(row, relative_uri, relative_channels, target) for row in rows)
    lines = ",\n".join(msgspec.json.encode(row).decode() for row in below)
    (target / RASTER_INDEX).write_text(f'{{"version": 1, "images": [\n{lines}\n]}}\n', encoding="utf-8")


def _with_uris(
    row: RasterIndexRow,
    uri: Callable[[str | None, Path], str | None],
    channels: Callable[[object, Path], tuple[dict[str, str | None], ...] | None],
    root: Path,
) -> RasterIndexRow:
    """The row with its URIs made relative to `root`, or resolved against it."""
    return msgspec.structs.replace(row, uri=uri(row.uri, root), channels=channels(row.channels, root))


def read_raster_index(root: Path, defects: list[Defect]) -> list[RasterIndexRow]:
    """The rows of `rasters.json`; raises UnreadableError if it is not an index.

    Rows that are malformed, leave the root, or occur twice are left out, with a defect.
    """
    file = read_sidecar(root / RASTER_INDEX, _RasterIndex)
    if file.version != 1:
        raise UnreadableError(f"{root / RASTER_INDEX}: version {file.version}; this segdata reads version 1")
    rows: dict[str, RasterIndexRow] = {}
    for number, raw in enumerate(file.images):
        place = f"/images/{number}"
        try:
            row = msgspec.json.decode(raw, type=RasterIndexRow)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            defects.append(Defect("SEG004", str(error), RASTER_INDEX, place))
            continue
        is_empty = row.part and not row.width * row.height
        invalid = "an invalid window" if min(row.x, row.y, row.width, row.height) < 0 or is_empty else None
        paths = (row.image,) if row.mask is None else (row.image, row.mask)
        defect = index_entry_defect(RASTER_INDEX, place, row.image, rows, paths, invalid)
        if defect is not None:
            defects.append(defect)
        else:
            rows[row.image] = _with_uris(row, absolute_uri, absolute_channels, root)
    return [rows[name] for name in sorted(rows)]


MASKED, BROKEN = -(2**31), -(2**31) + 1  # stand for masked pixels, and for pixels that are not labels
_EXACT_TYPES = frozenset({"uint8", "uint16", "uint32", "int32"})  # values that need no check


@dataclass(frozen=True, slots=True)
class RasterHeader:
    """The header of a raster."""

    path: Path
    width: int  # pixels
    height: int  # pixels
    n_bands: int
    dtype: str  # numpy's name of the values' type
    place: Georeference
    nodata: float | None = None  # the value of pixels without data
    masked: bool = False  # whether a mask band or alpha excludes pixels
    palette: Palette | None = None  # (256, 3) the colour of each value; None without a colour table
    lossy: str | None = None  # why the values cannot be trusted; None if they can
    bands: tuple[str | None, ...] = ()  # their names; None: unnamed
    tags: tuple[tuple[str, str], ...] = ()  # of the file, without those that GDAL always adds

    @property
    def has_colors(self) -> bool:
        """Pixels are colours, not ids."""
        return self.n_bands in (3, 4) and self.dtype == "uint8"

    @property
    def nodata_value(self) -> int | None:
        """`nodata` as a label value (packed for colours); None if no label value equals it."""
        if self.nodata is None or not float(self.nodata).is_integer():
            return None
        value = int(self.nodata)
        kind = np.dtype(self.dtype)
        if kind.kind in "iu" and not np.iinfo(kind).min <= value <= np.iinfo(kind).max:
            return None
        return value * 0x010101 if self.has_colors else value

    @property
    def encoding(self) -> str:
        """The storage of the labels, as in `MaskFile`."""
        kind = np.dtype(self.dtype)
        name = "RGB" if self.has_colors else "float" if kind.kind == "f" else "grey"
        shown = ""
        if self.palette is not None:
            name, shown = "palette", f", palette {zlib.crc32(self.palette.tobytes()) & 0xFFFF:04x}"
        return f"{name} {8 * kind.itemsize} bit{shown}" + (f", {self.lossy}" if self.lossy else "")

    @property
    def metadata(self) -> dict[str, str]:
        """The header as items of an image's metadata."""
        bands = {"bands": json.dumps(list(self.bands), ensure_ascii=False)} if any(self.bands) else {}
        tags = {"tags": json.dumps(dict(self.tags), ensure_ascii=False)} if self.tags else {}
        return {**self.place.metadata, **bands, **tags}


@dataclass(frozen=True, slots=True)
class RasterValues:
    """The values of a raster, or of a window of it."""

    values: Values  # (height, width), ids or packed colours; `MASKED` where a mask excludes them
    # (height, width) whether a pixel is not a label; its value is `BROKEN`. None: all are labels
    broken: Flags | None = None


def read_raster_header(path: Path) -> RasterHeader:
    """The header of a raster; raises OSError with the reason if the file is not a raster."""
    with open_raster(path) as raster:
        flags = {flag.name for band in raster.mask_flag_enums for flag in band}
        tags = raster.tags()
        if tags.get("AREA_OR_POINT") == "Area":
            del tags["AREA_OR_POINT"]
        return RasterHeader(
            path=path,
            width=raster.width,
            height=raster.height,
            n_bands=raster.count,
            dtype=raster.dtypes[0],
            place=Georeference.of_raster(raster),
            nodata=raster.nodata,
            masked="per_dataset" in flags or "alpha" in flags,
            palette=_palette(raster),
            lossy=_lossy(raster.tags(ns="IMAGE_STRUCTURE")),
            bands=tuple(raster.descriptions),
            tags=tuple(sorted(tags.items())),
        )


def read_raster_values(head: RasterHeader, window: Window | None, band: int | None) -> RasterValues:
    """Read the labels in a window, or in the whole raster; raises OSError if there are none.

    `band` holds them, from 1; None: the only one, or the first three as colours.
    """
    _check_readable(head, window, band)
    slices = None if window is None else window.slices
    with open_raster(head.path) as raster:
        if head.has_colors and band is None:
            pixels = raster.read([1, 2, 3], window=slices)
            values: Any = kernels.pack_rgb(np.ascontiguousarray(pixels.transpose(1, 2, 0)))  # Any: of several types
        else:
            values = raster.read(band or 1, window=slices)
        mask = raster.read_masks(band or 1, window=slices) if head.masked else None
    ids, broken = _to_ids(values, head.nodata)
    if mask is not None and not mask.all():
        if ids.dtype == np.uint32:
            ids, broken = _to_ids(ids.astype(np.int64), None)
        ids = np.where(mask == 0, np.int32(MASKED), ids.astype(np.int32))
        broken = None if broken is None else broken & (mask != 0)
    return RasterValues(ids, broken)


def _check_readable(head: RasterHeader, window: Window | None, band: int | None) -> None:
    """Raise OSError if a raster cannot hold labels, or is too large."""
    if band is not None and band > head.n_bands:
        raise OSError(f"has {head.n_bands} bands, so there is no band {band}")
    alpha = head.masked and head.n_bands == 2
    if band is None and head.n_bands != 1 and not head.has_colors and not alpha:
        raise OSError(
            f"has {head.n_bands} bands of {head.dtype}: labels have one, or three of 8 bits as colours; "
            "choose one with --read-option band=1"
        )
    if np.dtype(head.dtype).kind not in "iuf":
        raise OSError(f"holds {head.dtype} values, which cannot be labels")
    width, height = (head.width, head.height) if window is None else (window.width, window.height)
    if width * height > MAX_PIXELS:
        raise OSError(f"claims {width:,} x {height:,} pixels; read it in windows, with --read-option tile=2048")
    if window is not None and (window.x + width > head.width or window.y + height > head.height):
        raise OSError(f"has {head.width}x{head.height} pixels, too few for a window at x={window.x}, y={window.y}")


def _to_ids(
    values: NDArray[Any],  # Any: of several types
    nodata: float | None,
) -> tuple[Values, Flags | None]:
    """The values as ids of at most 32 bits, and which of them were replaced because they are not ids."""
    if values.dtype.name in _EXACT_TYPES:
        return np.ascontiguousarray(values), None
    if values.dtype.itemsize < 4 and values.dtype.kind == "i":
        return values.astype(np.int32), None
    sound = (values > BROKEN) & (values < 2**31)
    if values.dtype.kind == "f":
        sound &= values == np.round(values)
    if sound.all():
        return values.astype(np.int32), None
    empty = np.isnan(values) if nodata is not None and np.isnan(nodata) else values == nodata
    ids = np.where(sound, values, 0).astype(np.int32)
    ids[~sound] = np.where(empty[~sound], MASKED, BROKEN)
    return ids, ids == BROKEN


def _lossy(structure: dict[str, str]) -> str | None:
    """Why the values cannot be trusted, judged by the compression that GDAL reports; None if they can."""
    name = structure.get("COMPRESSION", "")
    changes = "JPEG" in name or structure.get("COMPRESSION_REVERSIBILITY") == "LOSSY"
    return f"{name} compression in TIFF" if changes else None


def _palette(raster: Any) -> Palette | None:  # Any: rasterio has no types
    if raster.count != 1 or raster.dtypes[0] != "uint8":
        return None
    try:
        table = raster.colormap(1)
    except ValueError:  # there is none
        return None
    colors: Palette = np.zeros((256, 3), np.uint8)
    for value, color in table.items():
        colors[value] = color[:3]
    return colors


# GFU_MinMax, GFU_Name, GFU_Red, GFU_Green, GFU_Blue
_USAGES = {"5": "value", "2": "name", "6": "red", "7": "green", "8": "blue"}
_COLUMN_NAMES = {
    "value": "value", "id": "value", "class_name": "name", "classname": "name", "class_names": "name",
    "category": "name", "class": "name", "label": "name", "name": "name", "red": "red", "green": "green",
    "blue": "blue",
}  # fmt: skip
_MAX_ROWS = 2**16
Rows = Sequence[Mapping[str, str]]  # of value, name, red, green, blue


def read_class_names(path: Path, file: str, band: int, defects: list[Defect]) -> tuple[Category, ...]:
    """Read the categories named beside a raster; empty if there are none. `file` is the raster's name in defects.

    Files that cannot be read become defects.
    """
    rows: Rows = ()
    pam, dbf = path.with_name(f"{path.name}.aux.xml"), path.with_name(f"{path.name}.vat.dbf")
    try:
        if pam.is_file():
            rows = _parse_pam(read_xml(pam), band)
    except (XmlError, OSError) as error:
        defects.append(Defect("SEG001", f"names of classes cannot be read: {error}", f"{file}.aux.xml"))
    try:
        if not rows and dbf.is_file():
            rows = _parse_dbf(dbf.read_bytes())
    except (struct.error, OSError) as error:
        defects.append(Defect("SEG001", f"names of classes cannot be read: {error}", f"{file}.vat.dbf"))
    categories: dict[int, Category] = {}
    for row in rows:
        category = _category(row)
        if category is not None:
            categories.setdefault(category.id, category)
    return tuple(categories.values())


def _parse_pam(root: Element, band: int) -> Rows:
    for element in root.iter("PAMRasterBand"):
        if element.get("band") == str(band):
            table, names = element.find("GDALRasterAttributeTable"), element.find("CategoryNames")
            if table is not None:
                return _parse_attribute_table(table)
            if names is not None:
                return [{"value": str(k), "name": name.text or ""} for k, name in enumerate(names.iter("Category"))]
    return ()


def _parse_attribute_table(table: Element) -> Rows:
    columns = []
    for field in table.iter("FieldDefn"):
        called = _COLUMN_NAMES.get((field.findtext("Name") or "").strip().lower(), "")
        columns.append((_USAGES.get(field.findtext("Usage") or "") or called, field.findtext("Type") == "1"))
    rows = []
    for row in table.iter("Row"):
        cells: dict[str, str] = {}
        for (column, is_real), cell in zip(columns, row.iter("F"), strict=False):
            text = (cell.text or "").strip()
            # Colours are 0 to 255 in columns of whole numbers, and 0 to 1 in those of real ones.
            share = is_real and column in ("red", "green", "blue")
            cells.setdefault(column, str(round(255 * float(text))) if share and _is_number(text) else text)
        rows.append(cells)
    return rows


def _parse_dbf(data: bytes) -> Rows:
    """The records of a dBASE table; raises struct.error where it is cut off."""
    n_records, head, size = struct.unpack("<IHH", data[4:12])
    fields, position = [], 1  # the first byte of a record says whether it is deleted
    for place in range(32, head - 1, 32):
        name = data[place : place + 11].split(b"\0")[0].decode("latin-1").strip().lower()
        (length,) = struct.unpack("<B", data[place + 16 : place + 17])
        fields.append((_COLUMN_NAMES.get(name, ""), position, position + length))
        position += length
    if n_records > _MAX_ROWS or size < position or len(data) < head + n_records * size:
        raise struct.error("the table is cut off, or holds fewer records than its header says")
    records = [data[head + k * size : head + (k + 1) * size] for k in range(n_records)]
    return [
        {column: record[first:last].decode("utf-8", "replace").strip() for column, first, last in reversed(fields)}
        for record in records
        if record[:1] != b"*"
    ]


def _category(row: Mapping[str, str]) -> Category | None:
    """The category of a row; None for one without a value or a name."""
    value, name = row.get("value", ""), row.get("name", "")
    if not name or not _is_number(value) or not float(value).is_integer() or abs(float(value)) > 2**32:
        return None
    channels = [int(float(text)) for text in map(row.get, ("red", "green", "blue")) if text and _is_number(text)]
    color: Color | None = None
    if len(channels) == 3 and all(0 <= channel <= 255 for channel in channels):
        color = (channels[0], channels[1], channels[2])
    kind = kind_from_name(name)
    return Category(id=int(float(value)), name=name, color=color, kind="stuff" if kind == "thing" else kind)


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < 2**53
    except ValueError:
        return False
