"""Tile: where a window is from, as its image's metadata and its name say it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import msgspec

KEY = "tile"  # of the metadata
_TIFF = frozenset({".tif", ".tiff"})


class Tile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A window of an image: its place in pixels, and what the image's row says that the tile's cannot.

    `of` is the image_id, `width` and `height` are the image's.
    """

    of: str
    x: int
    y: int
    width: int
    height: int
    uri: str | None = None
    sha256: str | None = None
    sequence: str | None = None
    frame: int | None = None
    group: str | None = None

    def entry(self) -> tuple[str, str]:
        """As an entry of metadata."""
        return KEY, msgspec.json.encode(self).decode()


def tile_of(metadata: Sequence[tuple[str, str]] | None) -> Tile | None:
    """What the metadata of an image say of the image that it was cut from; None where nothing."""
    found = next((text for key, text in reversed(metadata or ()) if key == KEY), None)
    try:
        return None if found is None else msgspec.json.decode(found, type=Tile)
    except msgspec.DecodeError:
        return None


def prefixes(image_ids: Sequence[str]) -> dict[str, str]:
    """How the names of an image's windows begin: as its own without extension, with it where another has the same.

    >>> prefixes(["a/b.png", "a/c.jpg", "a/c.png"])
    {'a/b.png': 'a/b', 'a/c.jpg': 'a/c.jpg', 'a/c.png': 'a/c.png'}
    """
    bare = {name: PurePosixPath(name).with_suffix("").as_posix() for name in image_ids}
    taken = Counter(bare.values())
    return {name: stem if taken[stem] == 1 else name for name, stem in bare.items()}


def name_of(image_id: str, prefix: Mapping[str, str], x: int, y: int, size: tuple[int, int] | None = None) -> str:
    """The image_id of a window: those of an image are in the order of x, y, and their size (width, height).

    >>> name_of("a/b.jpg", {"a/b.jpg": "a/b"}, 448, 0)
    'a/b_x00448_y00000.png'
    """
    sized = "" if size is None else f"_w{size[0]:05d}_h{size[1]:05d}"
    suffix = ".tif" if PurePosixPath(image_id).suffix.lower() in _TIFF else ".png"
    return f"{prefix[image_id]}_x{x:05d}_y{y:05d}{sized}{suffix}"
