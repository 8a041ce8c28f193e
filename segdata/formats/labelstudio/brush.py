"""Brush strokes: Label Studio's packed pictures of red, green, blue and alpha, row by row, to masks and back.

Source: thi-ng/umbrella packages/rle-pack/src/index.ts, as HumanSignal/label-studio-sdk
src/label_studio_sdk/converter/brush.py has it.
"""

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Ints, expand_ranges

Mask = NDArray[np.bool_]
_HEAD = 32 + 5 + 4 * 4  # bits: how many values, bits of a value, and of the four sorts of lengths
_SIZES = np.array([3, 4, 8, 16])  # bits of lengths, of those four sorts
_WORD = 8
_LONGEST = 1 << 16
_MESSAGES = {1: "the strokes end early", 2: "the strokes have more values than the picture"}


class BrokenStrokesError(ValueError):
    """Bytes that are no picture of the image's size; the message says why."""


def decode_strokes(packed: object, height: int, width: int) -> NDArray[np.uint8]:
    """The opacity (height, width) of packed strokes, a list of bytes; raises BrokenStrokesError."""
    text = _bytes(packed)
    if len(text) * 8 < _HEAD:
        raise BrokenStrokesError(f"the strokes have {len(text)} bytes, less than their head")
    head = int.from_bytes(text[:7].tobytes(), "big") >> (56 - _HEAD)
    n = head >> (_HEAD - 32)
    word = (head >> 16 & 31) + 1
    if n != 4 * height * width:
        raise BrokenStrokesError(f"the strokes have {n:,} values, 4 x {width} x {height} are needed")
    if word != _WORD:
        raise BrokenStrokesError(f"the strokes have values of {word} bits, {_WORD} are expected")
    sizes = np.array([(head >> shift & 15) + 1 for shift in (12, 8, 4, 0)], np.int64)
    alpha = np.zeros(height * width, np.uint8)
    error = kernels.unpack_alpha(text, _HEAD, sizes, alpha)
    if error:
        raise BrokenStrokesError(_MESSAGES[error])
    return alpha.reshape(height, width)


def _bytes(packed: object) -> NDArray[np.uint8]:
    """A list of numbers from 0 to 255 as such."""
    try:
        if not isinstance(packed, list):
            raise TypeError
        return np.frombuffer(bytes(packed), np.uint8)
    except (TypeError, ValueError) as error:
        raise BrokenStrokesError("rle is no list of numbers from 0 to 255") from error


def encode_strokes(mask: Mask) -> list[int]:
    """A mask (height, width) as packed strokes, byte for byte as Label Studio's `mask2rle` packs it in white."""
    flat = mask.ravel()
    change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    start = np.concatenate([[0], change])
    length = 4 * np.diff(start, append=len(flat))
    value = np.where(flat[start], 255, 0)
    pieces = np.maximum(-(-length // _LONGEST), 1)  # a record has at most so many
    rest = length - (pieces - 1) * _LONGEST
    size = np.full(pieces.sum(), _LONGEST)
    size[np.cumsum(pieces) - 1] = rest
    return _packed(size, np.repeat(value, pieces), 4 * len(flat))


def _packed(length: Ints, value: Ints, n_values: int) -> list[int]:
    """The bytes of records of n values that repeat."""
    sort = np.searchsorted(2**_SIZES, length)
    n_length = _SIZES[sort]
    # One bit that says "repeats", two for the sort of length, the length less 1, and the value.
    code = ((((4 | sort) << n_length) | (length - 1)) << _WORD) | value
    n_bits = 3 + n_length + _WORD
    record = np.repeat(np.arange(len(code)), n_bits)
    place = expand_ranges(np.zeros(len(code), np.int64), n_bits)
    bits = code[record] >> (n_bits[record] - 1 - place) & 1
    head = n_values << 21 | (_WORD - 1) << 16
    for shift, each in zip((12, 8, 4, 0), _SIZES.tolist(), strict=True):
        head |= (each - 1) << shift
    in_head = head >> np.arange(_HEAD - 1, -1, -1) & 1
    whole = np.concatenate([in_head, bits, np.zeros(8 - (_HEAD + len(bits)) % 8, np.int64)])
    packed: list[int] = np.packbits(whole.astype(np.uint8)).tolist()
    return packed
