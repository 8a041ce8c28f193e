"""Cropping: the pictures of windows, cut out of image files."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from segdata.api.copying import Copies
from segdata.core.batch import Batch, replaced
from segdata.core.counted import counted
from segdata.core.errors import SegdataError
from segdata.core.planes import Planes, planes
from segdata.edit.tile import Tile, tile_of


@dataclass
class Crops(Copies):
    """Writes the windows that a batch's images are, below a folder; `n_files` counts them.

    PNG files of 8 or 16 bits with 1, 3 or 4 channels; TIFF files, which may hold floats too, where the source is one.
    What fits in neither is left out, and `remarks` names it.
    """

    _last: tuple[str, Planes] | None = field(default=None, repr=False)  # the tiles of an image follow each other

    def batch(self, batch: Batch) -> Batch:
        """The batch, with its images where their pictures are."""
        rows = batch.images.select(["image_id", "width", "height", "metadata"]).to_pylist()
        uris = []
        for row in rows:
            tile = tile_of(row["metadata"])
            assert tile is not None, "a window says what it is cut from"
            uris.append(self._cropped(row["image_id"], tile, row["width"], row["height"]))
        return replace(batch, images=replaced(batch.images, "uri", uris))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was not cropped, a line for each reason."""
        return tuple(each.replace("not copied", "not cropped", 1) for each in super().remarks)

    def _cropped(self, name: str, tile: Tile, width: int, height: int) -> str | None:
        """Write one picture; returns where it is, None where there is none, and remembers why."""
        target = self.folder / name
        why = self._written(target, tile, width, height)
        if why is not None:
            self.left.setdefault(why, []).append(tile.of)
            return None
        self.n_files += 1
        return str(target.absolute())

    def _written(self, target: Path, tile: Tile, width: int, height: int) -> str | None:
        """Write one picture; returns why that is not possible, None when it is done."""
        if tile.uri is None:
            return "no file is known"
        try:
            whole = self._decoded(tile.uri, (tile.height, tile.width))
        except FileNotFoundError:
            return "the file does not exist"
        except OSError as error:
            return f"the file cannot be read: {error.strerror or error}"
        except SegdataError as error:
            return str(error).partition(": ")[2]
        if whole.shape[1:] != (tile.height, tile.width):
            return "the file has another size than its labels"
        picture = whole[:, tile.y : tile.y + height, tile.x : tile.x + width]
        target.parent.mkdir(parents=True, exist_ok=True)
        return _write(np.ascontiguousarray(picture.transpose(1, 2, 0)), target)

    def _decoded(self, uri: str, size: tuple[int, int]) -> Planes:
        if self._last is None or self._last[0] != uri:
            self._last = uri, planes(uri, size)
        return self._last[1]


def _write(pixels: Planes, target: Path) -> str | None:
    """Write an image (height, width, channels); returns why that is not possible, None when it is done."""
    import cv2

    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    channels = pixels.shape[2]
    held: tuple[str, ...] = ("uint8", "uint16")
    if target.suffix == ".tif":
        held = (*held, "float32", "float64")
    if pixels.dtype.name not in held or channels not in (1, 3, 4):
        kind = "TIFF" if target.suffix == ".tif" else "PNG"
        return f"{counted(channels, 'channel')} of {pixels.dtype.name} fit in no {kind}"
    order = [2, 1, 0, *range(3, channels)] if channels > 1 else [0]  # OpenCV has blue first
    done, data = cv2.imencode(target.suffix, pixels[:, :, order])  # type: ignore[arg-type]  # the types are checked above
    if not done:
        return f"{counted(channels, 'channel')} of {pixels.dtype.name} cannot be encoded"
    target.write_bytes(data.tobytes())
    return None
