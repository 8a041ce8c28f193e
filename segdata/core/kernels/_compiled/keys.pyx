# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Keys that a JSON object has twice, straight from the bytes of the JSON."""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, qsort
from libc.string cimport memchr, memcmp

from segdata.core.kernels._compiled.room cimport grow

cdef struct Key:
    uint64_t hash
    Py_ssize_t begin  # behind the opening quote
    Py_ssize_t size

cdef struct Reader:
    const uint8_t *text
    Py_ssize_t last
    Key *keys  # of all objects that are open, the innermost last
    Py_ssize_t n_keys
    Py_ssize_t room_keys
    Py_ssize_t *first  # of each open object: its first key
    Py_ssize_t depth
    Py_ssize_t room_depth
    int64_t *found
    Py_ssize_t n_found
    Py_ssize_t room_found

cdef Py_ssize_t FEW = 24  # keys of an object that are compared each with each


def repeated_keys(const uint8_t[::1] text):
    """Positions of repeated keys in a JSON text: see the numpy reference."""
    cdef Reader reader
    cdef bint complete
    cdef Py_ssize_t i
    if text.shape[0] == 0:
        return np.empty(0, np.int64)
    reader = Reader(&text[0], text.shape[0], NULL, 0, 0, NULL, 0, 0, NULL, 0, 0)
    try:
        with nogil:
            complete = scan(&reader)
        if not complete:
            raise MemoryError
        found = np.empty(reader.n_found, np.int64)
        for i in range(reader.n_found):
            found[i] = reader.found[i]
        found.sort()
        return found
    finally:
        free(reader.keys)
        free(reader.first)
        free(reader.found)


cdef bint scan(Reader *r) noexcept nogil:
    """Go through the text from string to string; False without memory."""
    cdef Py_ssize_t begin = 0, quote, close, after
    cdef const uint8_t *hit
    while True:
        hit = <const uint8_t *>memchr(r.text + begin, 34, r.last - begin)
        quote = r.last if hit == NULL else hit - r.text
        if not walk(r, begin, quote):
            return False
        if quote == r.last:
            return True
        close = string_end(r, quote + 1)
        if close == r.last:
            return True
        after = close + 1
        while after < r.last and (r.text[after] == 32 or 9 <= r.text[after] <= 13):
            after += 1
        if after < r.last and r.text[after] == 58 and r.depth and not add(r, quote + 1, close - quote - 1):
            return False
        begin = after


cdef inline Py_ssize_t string_end(Reader *r, Py_ssize_t begin) noexcept nogil:
    """The closing quote of a string that begins here."""
    cdef Py_ssize_t at = begin, back
    cdef const uint8_t *hit
    while True:
        hit = <const uint8_t *>memchr(r.text + at, 34, r.last - at)
        if hit == NULL:
            return r.last
        at = hit - r.text
        back = at
        while back > begin and r.text[back - 1] == 92:
            back -= 1
        if (at - back) % 2 == 0:
            return at
        at += 1


cdef inline bint walk(Reader *r, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Open and close the objects whose braces lie between two strings."""
    cdef Py_ssize_t at = begin
    cdef uint8_t letter
    cdef const uint8_t *hit
    if end - begin > 64 and memchr(r.text + begin, 123, end - begin) == NULL:
        while True:  # a long list of numbers: only ends of objects may come behind it
            hit = <const uint8_t *>memchr(r.text + at, 125, end - at)
            if hit == NULL:
                return True
            if not close_object(r):
                return False
            at = hit - r.text + 1
    while at < end:
        letter = r.text[at]
        if letter == 123:
            if not grow(<void **>&r.first, &r.room_depth, r.depth + 1, sizeof(Py_ssize_t)):
                return False
            r.first[r.depth] = r.n_keys
            r.depth += 1
        elif letter == 125 and not close_object(r):
            return False
        at += 1
    return True


cdef inline bint add(Reader *r, Py_ssize_t begin, Py_ssize_t size) noexcept nogil:
    """Add a key to the innermost object."""
    cdef uint64_t value = 14695981039346656037u
    cdef Py_ssize_t i
    if not grow(<void **>&r.keys, &r.room_keys, r.n_keys + 1, sizeof(Key)):
        return False
    for i in range(begin, begin + size):
        value = (value ^ r.text[i]) * 1099511628211u  # FNV-1a
    r.keys[r.n_keys] = Key(value, begin, size)
    r.n_keys += 1
    return True


cdef inline bint close_object(Reader *r) noexcept nogil:
    """Compare the keys of the innermost object, and forget them."""
    cdef Py_ssize_t n, i, j
    cdef Key *keys
    if r.depth == 0:
        return True
    r.depth -= 1
    keys = r.keys + r.first[r.depth]
    n = r.n_keys - r.first[r.depth]
    r.n_keys = r.first[r.depth]
    if n <= FEW:
        for i in range(1, n):
            for j in range(i):
                if keys[i].hash == keys[j].hash and same(r, &keys[i], &keys[j]):
                    if not report(r, keys[i].begin - 1):
                        return False
                    break
        return True
    qsort(keys, n, sizeof(Key), in_order)
    for i in range(1, n):
        j = i - 1
        if keys[i].hash == keys[j].hash and same(r, &keys[i], &keys[j]) and not report(r, keys[i].begin - 1):
            return False
    return True


cdef inline bint same(Reader *r, Key *a, Key *b) noexcept nogil:
    return a.size == b.size and memcmp(r.text + a.begin, r.text + b.begin, a.size) == 0


cdef int in_order(const void *a, const void *b) noexcept nogil:
    cdef Key *x = <Key *>a
    cdef Key *y = <Key *>b
    if x.hash != y.hash:
        return -1 if x.hash < y.hash else 1
    return -1 if x.begin < y.begin else 1


cdef bint report(Reader *r, Py_ssize_t place) noexcept nogil:
    if not grow(<void **>&r.found, &r.room_found, r.n_found + 1, sizeof(int64_t)):
        return False
    r.found[r.n_found] = place
    r.n_found += 1
    return True
