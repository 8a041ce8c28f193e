"""Bit streams of brush strokes."""

import numpy as np
from numpy.typing import NDArray

_WORD = 8  # bits of a value


def unpack_alpha(text: NDArray[np.uint8], first: int, sizes: NDArray[np.int64], alpha: NDArray[np.uint8]) -> int:
    """The opacity of n pixels in a packed stream of red, green, blue and alpha, pixel by pixel, 8 bits each.

    Parameters
    ----------
    text : the stream, bits from the highest of each byte
    first : the bit where records begin. A record is a bit (1: a value repeats), two bits (which of `sizes`), as many
        bits as that says (the length less 1), and one value, or as many as the length
    sizes : (4,) bits of lengths, at most 16
    alpha : (n,) is written to, as far as there are records

    Returns 0, or what is wrong: 1 the stream ends early, 2 it has more values than there are.
    Source: thi-ng/umbrella packages/rle-pack/src/index.ts.
    """
    bits = np.unpackbits(text)
    n, i, position = 4 * len(alpha), 0, first
    while i < n:
        if position + 3 > len(bits):
            return 1
        size = int(sizes[_number(bits[position + 1 : position + 3])])
        begin = position + 3 + size
        if begin > len(bits):
            return 1
        length = _number(bits[position + 3 : begin]) + 1
        if i + length > n:
            return 2
        end = begin + (_WORD if bits[position] else _WORD * length)
        if end > len(bits):
            return 1
        words = np.packbits(bits[begin:end])
        pixels = np.arange(i // 4, (i + length) // 4)
        alpha[pixels] = words[0] if bits[position] else words[4 * pixels + 3 - i]
        i, position = i + length, end
    return 0


def _number(bits: NDArray[np.uint8]) -> int:
    return int("".join(map(str, bits.tolist())), 2)
