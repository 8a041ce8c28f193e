"""rasters.json: which window of which raster each image is, where names alone cannot say it. Our writer leaves one."""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import absolute_channels, absolute_uri, is_unsafe_path, relative_channels, relative_uri
from segdata.formats.geo.window import Window

INDEX = "rasters.json"


class IndexRow(msgspec.Struct, frozen=True, omit_defaults=True):
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


class _File(msgspec.Struct, frozen=True):
    """The whole file, its rows not looked at."""

    images: tuple[msgspec.Raw, ...]
    version: int = 1


def write_index(target: Path, rows: Iterable[IndexRow]) -> None:
    """Write `rasters.json` below `target`, an image a line."""
    below = (_with_uris(row, relative_uri, relative_channels, target) for row in rows)
    lines = ",\n".join(msgspec.json.encode(row).decode() for row in below)
    (target / INDEX).write_text(f'{{"version": 1, "images": [\n{lines}\n]}}\n', encoding="utf-8")


def _with_uris(
    row: IndexRow,
    uri: Callable[[str | None, Path], str | None],
    channels: Callable[[object, Path], tuple[dict[str, str | None], ...] | None],
    root: Path,
) -> IndexRow:
    """The row with its URIs as they are written below `root`, or backwards."""
    return msgspec.structs.replace(row, uri=uri(row.uri, root), channels=channels(row.channels, root))


def read_index(root: Path, defects: list[Defect]) -> list[IndexRow]:
    """The rows of `rasters.json`; raises UnreadableError where it is no index.

    Rows that are malformed, leave the root, or are there twice are left out, with a defect.
    """
    try:
        file = msgspec.json.decode((root / INDEX).read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{root / INDEX}: cannot be read: {error}") from error
    if file.version != 1:
        raise UnreadableError(f"{root / INDEX}: version {file.version}; this segdata reads version 1")
    found: dict[str, IndexRow] = {}
    for number, raw in enumerate(file.images):
        place = f"/images/{number}"
        try:
            row = msgspec.json.decode(raw, type=IndexRow)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            defects.append(Defect("SEG004", str(error), INDEX, place))
            continue
        unsafe = next((name for name in (row.image, row.mask) if name is not None and is_unsafe_path(name)), None)
        if unsafe is not None:
            message = f"path {unsafe!r} leaves the dataset's root; name files below it"
            defects.append(Defect("SEG015", message, INDEX, place))
        elif not row.image or min(row.x, row.y, row.width, row.height) < 0 or (row.part and not row.width * row.height):
            defects.append(Defect("SEG004", "an image without name, or a window that is none", INDEX, place))
        elif row.image in found:
            defects.append(Defect("SEG008", "the same image twice", INDEX, place, image=row.image))
        else:
            found[row.image] = _with_uris(row, absolute_uri, absolute_channels, root)
    return [found[name] for name in sorted(found)]
