"""Windows of large rasters, each an image of its own, and rasters.json, which lists them where names alone cannot."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import absolute_channels, absolute_uri, is_unsafe_path, relative_channels, relative_uri

_MAX_WHOLE_PIXELS = 2**26  # pixels of a raster that is one image; larger ones are cut
WINDOW_SIDE = 2048  # of a window
_MAX_WINDOWS = 2**17  # windows of one raster


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
        """The URI of this part of an image: the file, and after # a region of W3C Media Fragments 1.0."""
        return f"{path.absolute().as_uri()}#xywh={self.x},{self.y},{self.width},{self.height}"

    def meets(self, other: "Window") -> bool:
        """Whether two windows share pixels."""
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


@dataclass(frozen=True, slots=True)
class RasterWindow:
    """A window and the raster, of a size in pixels, that it is part of: the item ``window`` of an image's metadata."""

    raster: str
    raster_width: int
    raster_height: int
    window: Window

    @property
    def metadata(self) -> dict[str, str]:
        """The items of an image's metadata."""
        size = {"raster_width": self.raster_width, "raster_height": self.raster_height}
        item = {"raster": self.raster, **size, "x": self.window.x, "y": self.window.y}
        return {"window": json.dumps(item)}

    @staticmethod
    def of(metadata: Mapping[str, str], width: int, height: int) -> "RasterWindow | None":
        """The part that an image of this size claims to be; None if it claims none, or an impossible one."""
        try:
            item: Any = json.loads(metadata.get("window", "null"))  # Any: JSON
        except ValueError:
            return None
        keys = ("raster_width", "raster_height", "x", "y")
        if not isinstance(item, dict) or not all(type(item.get(key)) is int for key in keys):
            return None
        raster_width, raster_height, x, y = (item[key] for key in keys)
        fits = 0 <= x <= raster_width - width and 0 <= y <= raster_height - height and min(width, height) > 0
        named = isinstance(item.get("raster"), str) and item["raster"] != ""
        window = Window(x, y, width, height)
        return RasterWindow(item["raster"], raster_width, raster_height, window) if fits and named else None


def parse_side(value: object) -> int | None:
    """Parse the option `tile`: the side of windows, 0 for whole rasters; None: depending on the size of a raster."""
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
    """The windows of a raster, row by row; none where it is one image. Raises OSError for too many of them."""
    if side is None:
        side = WINDOW_SIDE if width * height > _MAX_WHOLE_PIXELS else 0
    if side == 0 or (width <= side and height <= side):
        return []
    if -(-width // side) * -(-height // side) > _MAX_WINDOWS:
        raise OSError(f"claims {width:,} x {height:,} pixels, more than {_MAX_WINDOWS:,} windows of {side} x {side}")
    return list(_grid(width, height, side))


def _grid(width: int, height: int, side: int) -> Iterator[Window]:
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield Window(x, y, min(side, width - x), min(side, height - y))


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
    """The whole file, its rows not looked at."""

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
    """The row with its URIs as they are written below `root`, or backwards."""
    return msgspec.structs.replace(row, uri=uri(row.uri, root), channels=channels(row.channels, root))


def read_raster_index(root: Path, defects: list[Defect]) -> list[RasterIndexRow]:
    """The rows of `rasters.json`; raises UnreadableError if it is not an index.

    Rows that are malformed, leave the root, or occur twice are left out, with a defect.
    """
    try:
        file = msgspec.json.decode((root / RASTER_INDEX).read_bytes(), type=_RasterIndex)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{root / RASTER_INDEX}: cannot be read: {error}") from error
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
        unsafe = next((name for name in (row.image, row.mask) if name is not None and is_unsafe_path(name)), None)
        if unsafe is not None:
            message = f"path {unsafe!r} leaves the dataset's root; name files below it"
            defects.append(Defect("SEG015", message, RASTER_INDEX, place))
        elif not row.image or min(row.x, row.y, row.width, row.height) < 0 or (row.part and not row.width * row.height):
            defects.append(Defect("SEG004", "an image without a name, or an invalid window", RASTER_INDEX, place))
        elif row.image in rows:
            defects.append(Defect("SEG008", "the same image twice", RASTER_INDEX, place, image=row.image))
        else:
            rows[row.image] = _with_uris(row, absolute_uri, absolute_channels, root)
    return [rows[name] for name in sorted(rows)]
