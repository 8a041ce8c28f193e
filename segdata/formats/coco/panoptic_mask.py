"""Masks of COCO panoptic: PNGs whose pixels are ids, R + 256 G + 65536 B."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from segdata.core.runs import Ints, Runs
from segdata.formats.shared.images import open_image
from segdata.formats.shared.mask_files import ValueRuns, Values, decoded_pixels

UNLABELLED = 0
MAX_ID = 2**24 - 1
_LOSSY = frozenset({"JPEG", "WEBP", "MPO", "JPEG2000"})
_BIT_DEPTH = 24  # byte of a PNG file that holds the bits per channel


class RefusedMaskError(Exception):
    """Why a mask cannot be read, with the code of the defect."""

    def __init__(self, code: Literal["SEG001", "SEG010", "SEG014"], message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Mask:
    """A decoded mask.

    Attributes
    ----------
    width, height : pixels
    encoding : how the file stores values
    ids : (n,) int64, ascending, without 0
    first : (n,) int64, the first pixel of each id, column-major
    runs : the pixels; `runs.owner` is the position in `ids`
    """

    width: int
    height: int
    encoding: str
    ids: Ints
    first: Ints
    runs: Runs

    @property
    def areas(self) -> Ints:
        """(n,) pixels of each id."""
        return self.runs.areas(len(self.ids))

    def pixel(self, i: int) -> str:
        """The first pixel of an id, in words."""
        x, y = divmod(int(self.first[i]), self.height)
        return f"x={x}, y={y}"

    @property
    def swapped_ids(self) -> Ints:
        """(n,) the ids if red and blue had been exchanged."""
        return (self.ids & 255) << 16 | self.ids & 0xFF00 | self.ids >> 16


def read_mask(path: Path) -> Mask:
    """Decode a mask; raises RefusedMaskError where ids cannot be trusted."""
    try:
        with open_image(path) as image:
            encoding = _encoding(image, path)
            pixels, transparent = decoded_pixels(image), image.mode == "RGBA"
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RefusedMaskError("SEG001", f"mask cannot be decoded: {reason}") from error
    if transparent and pixels[:, :, 3].min(initial=255) < 255:
        raise RefusedMaskError("SEG014", "mask has transparent pixels: their ids are not to be trusted")
    height, width = pixels.shape[:2]
    return Mask(width, height, encoding, *regions(np.ascontiguousarray(pixels)))


def regions(picture: Values) -> tuple[Ints, Ints, Runs]:
    """The ids (n,) of a picture, ascending and without 0, their first pixels (n,), and their runs.

    The picture holds ids (height, width), or their colours (height, width, 3 or 4).
    """
    found = ValueRuns.of(picture)
    n_blank = int((found.value[:1] == UNLABELLED).sum())
    owner = np.arange(len(found.value), dtype=np.int32) - n_blank  # -1, nobody's, for what is unlabelled
    runs = found.owned(owner, len(owner) - n_blank)
    return found.value[n_blank:], found.start[found.first[n_blank:]], runs


def _encoding(image: Image.Image, path: Path) -> str:
    """How the file stores ids; raises RefusedMaskError where that changes them."""
    if image.format in _LOSSY:
        message = f"mask is a {image.format}, which changes ids: save it as an 8 bit RGB PNG"
        raise RefusedMaskError("SEG010", message)
    depth = 8
    if image.format == "PNG":
        with path.open("rb") as file:
            depth = file.read(_BIT_DEPTH + 1)[-1]
    if image.mode not in ("RGB", "RGBA") or depth != 8:
        mode = {"P": "palette", "L": "grey", "LA": "grey with alpha", "1": "black and white"}.get(
            image.mode, image.mode
        )
        message = f"mask is {mode} with {depth} bits; ids are R + 256 G + 65536 B of an 8 bit RGB PNG"
        raise RefusedMaskError("SEG014", message)
    return f"{image.mode} {depth} bit"
