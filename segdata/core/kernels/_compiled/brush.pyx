# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Bit streams of brush strokes."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset


def unpack_alpha(const uint8_t[::1] text, int first, const int64_t[::1] sizes, uint8_t[::1] alpha):
    """The opacity of pixels in a packed stream: see the plain twin."""
    cdef int64_t n_bits = 8 * text.shape[0], n = 4 * alpha.shape[0], at = first, i = 0, length, size, q
    cdef int repeats
    cdef uint8_t word
    if sizes.shape[0] != 4:
        raise ValueError("four sizes of lengths are needed")
    cdef int error = 0
    with nogil:
        while i < n:
            if at + 3 > n_bits:
                error = 1
                break
            repeats = read(text, at, 1)
            size = sizes[read(text, at + 1, 2)]
            at += 3
            if at + size > n_bits:
                error = 1
                break
            length = read(text, at, size) + 1
            at += size
            if i + length > n:
                error = 2
                break
            if at + (8 if repeats else 8 * length) > n_bits:
                error = 1
                break
            if repeats:
                word = read(text, at, 8)
                at += 8
                if (i + length) // 4 > i // 4:
                    memset(&alpha[i // 4], word, (i + length) // 4 - i // 4)
            else:
                for q in range(i // 4, (i + length) // 4):
                    alpha[q] = read(text, at + 8 * (4 * q + 3 - i), 8)
                at += 8 * length
            i += length
    return error


cdef inline uint32_t read(const uint8_t[::1] text, int64_t at, int64_t size) noexcept nogil:
    """Up to 16 bits from bit `at`, the highest first; they are known to be there."""
    cdef int64_t byte = at // 8, last = text.shape[0] - 1
    cdef uint32_t window = <uint32_t>text[byte] << 16
    if byte < last:
        window |= <uint32_t>text[byte + 1] << 8
    if byte + 1 < last:
        window |= text[byte + 2]
    return (window >> (24 - at % 8 - size)) & ((<uint32_t>1 << size) - 1)
