"""Pixel limit: the largest image or array that is decoded, since small files can claim, and hold, terabytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.errors import SegdataError

if TYPE_CHECKING:
    from PIL import ImageFile

DEFAULT_MAX_PIXELS = 178_956_970  # the limit of Pillow: an RGB image of 512 MiB
_MAX_NUMBERS_PER_BYTE = 100  # of a compressed file; model probabilities have 1 to 30

_limit = [DEFAULT_MAX_PIXELS]


class TooManyPixelsError(OSError):
    """An image or array that is larger than the limit."""


def set_max_pixels(number: int | None = None) -> None:
    """Set how many pixels, 1 or more, an image may have to be decoded in this process; None: 178,956,970.

    A larger image is not decoded, and is reported as unreadable (SEG001): a compressed file of 1 MB can hold 1,000
    million pixels, which take gigabytes of memory. Images whose labels are polygons or RLE are not decoded, and so may
    have any size.
    """
    if number is not None and number < 1:
        raise ValueError(f"max_pixels is {number}; it must be at least 1")
    _limit[0] = DEFAULT_MAX_PIXELS if number is None else number


@contextmanager
def pixel_limit(number: int | None) -> Iterator[None]:
    """`set_max_pixels` while the block runs, if `number` is not None."""
    before = _limit[0]
    if number is not None:
        set_max_pixels(number)
    try:
        yield
    finally:
        _limit[0] = before


def max_pixels() -> int:
    """How many pixels an image may have to be decoded."""
    return _limit[0]


def check_pixels(width: int, height: int) -> None:
    """Raise TooManyPixelsError for an image that is too large to be decoded."""
    if width * height > _limit[0]:
        raise TooManyPixelsError(
            f"has {width:,} x {height:,} pixels, more than the limit of {_limit[0]:,}; if that is right, raise it with "
            f"--max-pixels {width * height}"
        )


def check_numbers(count: int, n_bytes: int) -> None:
    """Raise TooManyPixelsError if an array of `count` numbers from `n_bytes` of a compressed file is too large."""
    if count > _limit[0] and count > n_bytes * _MAX_NUMBERS_PER_BYTE:
        raise TooManyPixelsError(
            f"has {count:,} numbers in {n_bytes:,} bytes, more than the limit of {_limit[0]:,}; if that is right, "
            f"raise it with --max-pixels {count}"
        )


@contextmanager
def decoding(part: str = "") -> Iterator[None]:
    """Raise OSError for whatever Pillow raises of a damaged file, or part of it: its plugins raise anything."""
    try:
        yield
    except (OSError, SegdataError, MemoryError):
        raise
    except Exception as error:
        raise OSError(f"{f'damaged {part}'.rstrip()}: {error}") from error


def open_picture(path: Path | str) -> "ImageFile.ImageFile":
    """Open an image file with Pillow, without decoding it; its pixels are within the limit.

    Raises OSError if it is a pipe, which would wait for its writer, or no image, and TooManyPixelsError.
    """
    from PIL import Image  # seldom needed at start-up

    path = Path(path)
    refuse_pipe(path)
    with decoding():
        image = Image.open(path)
    try:
        check_pixels(image.width, image.height)
    except BaseException:
        image.close()
        raise
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        del image.info["transparency"]  # colours and levels are read, and Pillow warns of it in every conversion
    return image


def refuse_pipe(path: Path) -> None:
    """Raise OSError for a pipe, socket or device, which may never return bytes."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(f"{path} is a pipe, a socket or a device, not a file")
