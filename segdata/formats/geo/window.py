"""Window: the part of a large raster that is an image of its own, so that no more than it is ever in memory."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segdata.core.errors import SegdataError

WHOLE = 2**26  # pixels of a raster that is one image; larger ones are cut
SIDE = 2048  # of a window
_MOST = 2**17  # windows of one raster


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
        """Where this part of an image is: the file, and behind a # what W3C Media Fragments 1.0 calls a region."""
        return f"{path.absolute().as_uri()}#xywh={self.x},{self.y},{self.width},{self.height}"

    def meets(self, other: "Window") -> bool:
        """Whether two windows share pixels."""
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


@dataclass(frozen=True, slots=True)
class Piece:
    """Of which raster, of what size in pixels, a window is a part: in an image's metadata the item ``window``."""

    raster: str
    raster_width: int
    raster_height: int
    window: Window

    @property
    def metadata(self) -> dict[str, str]:
        """As an image's metadata has it."""
        size = {"raster_width": self.raster_width, "raster_height": self.raster_height}
        said = {"raster": self.raster, **size, "x": self.window.x, "y": self.window.y}
        return {"window": json.dumps(said)}

    @staticmethod
    def of(metadata: Mapping[str, str], width: int, height: int) -> "Piece | None":
        """The part that an image of this size says to be; None where it says nothing, or what cannot be."""
        try:
            said: Any = json.loads(metadata.get("window", "null"))  # Any: JSON
        except ValueError:
            return None
        keys = ("raster_width", "raster_height", "x", "y")
        if not isinstance(said, dict) or not all(type(said.get(key)) is int for key in keys):
            return None
        raster_width, raster_height, x, y = (said[key] for key in keys)
        fits = 0 <= x <= raster_width - width and 0 <= y <= raster_height - height and min(width, height) > 0
        named = isinstance(said.get("raster"), str) and said["raster"] != ""
        window = Window(x, y, width, height)
        return Piece(said["raster"], raster_width, raster_height, window) if fits and named else None


def side_of(said: object) -> int | None:
    """The option `tile`: the side of windows, 0 for none; None: as the size of a raster asks for."""
    if said is None:
        return None
    try:
        side = int(str(said))
    except ValueError:
        side = -1
    if side < 0:
        raise SegdataError(f"tile is {said!r}; it is the side of windows in pixels, or 0 for whole rasters")
    return side


def windows(width: int, height: int, side: int | None) -> list[Window]:
    """The windows of a raster, row by row; none where it is one image. Raises OSError for too many of them."""
    if side is None:
        side = SIDE if width * height > WHOLE else 0
    if side == 0 or (width <= side and height <= side):
        return []
    if -(-width // side) * -(-height // side) > _MOST:
        raise OSError(f"claims {width:,} x {height:,} pixels, more than {_MOST:,} windows of {side} x {side}")
    return list(_grid(width, height, side))


def _grid(width: int, height: int, side: int) -> Iterator[Window]:
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield Window(x, y, min(side, width - x), min(side, height - y))
