# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The items of JSON lists as columns, and places of values in them, straight from the bytes of the JSON."""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memchr, memcmp, memcpy

from segdata.core.kernels._compiled.room cimport grow

cdef enum:
    MAX_DEPTH = 64  # lists and objects in each other
    FEW = 24  # keys of an object that are compared each with each
    MAX_DIGITS = 18
    MAX_KEYS = 32

cdef uint8_t[256] PLAIN  # 1: letters of texts that need no look, 2: those beyond ASCII
cdef int _letter
for _letter in range(256):
    PLAIN[_letter] = 0 if _letter < 32 or _letter in (34, 92) else 1 if _letter < 128 else 2

cdef struct Keys:
    uint64_t hash[FEW]
    Py_ssize_t n

cdef struct Reader:
    const uint8_t *text
    Py_ssize_t at
    Py_ssize_t last  # behind the document's last brace: no number and no blank reaches it
    bint wide  # a text has letters beyond ASCII
    bint repeats  # an object may have a key twice

cdef struct Names:
    Py_ssize_t n
    const uint8_t *text
    int64_t *offset


def scan_items(const uint8_t[::1] text, Py_ssize_t at, Py_ssize_t stop, numbers, texts, others):
    """Items of a list of objects as columns: see the numpy reference."""
    cdef Reader reader
    cdef Names names
    cdef Py_ssize_t n_numbers = len(numbers), n_texts = len(texts), width = n_numbers + 2 * n_texts, n = 0, i, first
    cdef Py_ssize_t room_place = 0, room_value = 0, room_flag = 0
    cdef int64_t *place = NULL
    cdef int64_t *value = NULL
    cdef uint8_t *flag = NULL
    cdef int state = 0, item_flag
    every = (*numbers, *texts, *others)
    if len(every) > MAX_KEYS:
        raise ValueError(f"{len(every)} names of keys: {MAX_KEYS} at most")
    cdef const uint8_t[::1] letters = np.frombuffer(b"".join(every) + b" ", np.uint8)
    cdef int64_t[::1] offset = np.cumsum([0, *map(len, every)]).astype(np.int64)
    names = Names(len(every), &letters[0], &offset[0])
    if not 0 <= at < text.shape[0]:
        return -1, at, np.empty((0, 2), np.int64), np.empty((0, width), np.int64), np.empty(0, np.uint8), False, False
    reader = Reader(&text[0], at, closing_brace(&text[0], text.shape[0]) + 1, False, False)
    try:
        with nogil:
            if at > 0 and text[at - 1] == 91 and skip_space(&reader) == 93:  # an empty list
                reader.at += 1
                state = 1
            while state == 0 and reader.at < stop:
                if not (
                    grow(<void **>&place, &room_place, 2 * n + 2, sizeof(int64_t))
                    and grow(<void **>&value, &room_value, width * n + width, sizeof(int64_t))
                    and grow(<void **>&flag, &room_flag, n + 1, sizeof(uint8_t))
                ):
                    state = -2
                    break
                skip_space(&reader)
                first = reader.at
                for i in range(width):
                    value[width * n + i] = -1
                item_flag = scan_item(&reader, &names, n_numbers, n_texts, value + width * n)
                if item_flag < 0:
                    state = -1
                    break
                place[2 * n], place[2 * n + 1], flag[n] = first, reader.at, item_flag
                n += 1
                i = skip_space(&reader)
                reader.at += 1
                state = 1 if i == 93 else 0 if i == 44 else -1
        if state == -2:
            raise MemoryError
        places, values, flags = np.empty((n, 2), np.int64), np.empty((n, width), np.int64), np.empty(n, np.uint8)
        copy(places, place, n * 2 * sizeof(int64_t))
        copy(values, value, n * width * sizeof(int64_t))
        copy(flags, flag, n)
        return state, reader.at, places, values, flags, bool(reader.wide), bool(reader.repeats)
    finally:
        free(place)
        free(value)
        free(flag)


def skip_json(const uint8_t[::1] text, Py_ssize_t at):
    """Where a JSON value ends: see the numpy reference."""
    cdef Reader reader
    cdef bint sound = False
    if 0 <= at < text.shape[0]:
        reader = Reader(&text[0], at, closing_brace(&text[0], text.shape[0]) + 1, False, False)
        with nogil:
            skip_space(&reader)
            sound = skip_value(&reader, 0)
    return (reader.at, bool(reader.wide), bool(reader.repeats)) if sound else (-1, False, False)


def value_spans(const uint8_t[::1] text, const int64_t[::1] first, const int64_t[::1] last, names):
    """Where values of items are: see the numpy reference."""
    cdef Py_ssize_t n = first.shape[0], k = len(names), i
    if last.shape[0] != n:
        raise ValueError(f"{n} first and {last.shape[0]} last positions: as many are needed")
    cdef const uint8_t[::1] letters = np.frombuffer(b"".join(names) + b" ", np.uint8)
    cdef int64_t[::1] offset = np.cumsum([0, *map(len, names)]).astype(np.int64)
    cdef Names wanted = Names(k, &letters[0], &offset[0])
    spans = np.full((k, 2, n), -1, np.int64)
    cdef int64_t[:, :, ::1] span = spans
    if n and k:
        with nogil:
            for i in range(n):
                if 0 <= first[i] < last[i] <= text.shape[0]:
                    find_values(&text[0], first[i], last[i], &wanted, &span[0, 0, i], n)
    return spans


def join_spans(const uint8_t[::1] text, const int64_t[::1] first, const int64_t[::1] last):
    """Values as one JSON list: see the numpy reference."""
    cdef Py_ssize_t n = first.shape[0], i, size = 2, at = 1
    if last.shape[0] != n:
        raise ValueError(f"{n} first and {last.shape[0]} last positions: as many are needed")
    for i in range(n):
        size += 1 + (last[i] - first[i] if 0 <= first[i] < last[i] <= text.shape[0] else 4)
    cdef bytearray joined = bytearray(size)
    cdef uint8_t *to = joined
    with nogil:
        to[0] = 91
        for i in range(n):
            if i:
                to[at] = 44
                at += 1
            if 0 <= first[i] < last[i] <= text.shape[0]:
                memcpy(to + at, &text[first[i]], last[i] - first[i])
                at += last[i] - first[i]
            else:
                memcpy(to + at, b"null", 4)
                at += 4
        to[at] = 93
    del joined[at + 1 :]
    return joined


cdef copy(array, const void *source, size_t size):
    cdef uint8_t[::1] to
    if size:
        to = array.reshape(-1).view(np.uint8)
        memcpy(&to[0], source, size)


cdef Py_ssize_t closing_brace(const uint8_t *text, Py_ssize_t last) noexcept nogil:
    """The last brace or bracket that closes anything; -1: none."""
    last -= 1
    while last >= 0 and text[last] != 125 and text[last] != 93:
        last -= 1
    return last


cdef inline int skip_space(Reader *r) noexcept nogil:
    """The next letter that is no blank; 0 at the end."""
    cdef uint8_t letter
    while r.at < r.last:
        letter = r.text[r.at]
        if letter != 32 and letter != 10 and letter != 13 and letter != 9:
            return letter
        r.at += 1
    return 0


cdef inline bint skip_string(Reader *r, bint *escapes) noexcept nogil:
    """Go behind the closing quote of a text, from its first letter; halves of surrogates are refused."""
    cdef uint8_t kind, letter
    cdef int i
    while r.at < r.last:
        kind = PLAIN[r.text[r.at]]
        if kind == 1:
            r.at += 1
            continue
        if kind == 2:
            r.wide = True
            r.at += 1
            continue
        letter = r.text[r.at]
        r.at += 1
        if letter == 34:
            return True
        if letter != 92 or r.at >= r.last:
            return False
        escapes[0] = True
        letter = r.text[r.at]
        r.at += 1
        if letter == 117:  # u
            if r.at + 4 > r.last:
                return False
            if (r.text[r.at] | 32) == 100 and r.text[r.at + 1] >= 56:
                return False
            for i in range(4):
                letter = r.text[r.at + i] | 32
                if not (48 <= r.text[r.at + i] <= 57 or 97 <= letter <= 102):
                    return False
            r.at += 4
        elif not (
            letter == 34 or letter == 92 or letter == 47 or letter == 98 or letter == 102 or letter == 110
            or letter == 114 or letter == 116
        ):
            return False
    return False


cdef inline bint skip_number(Reader *r) noexcept nogil:
    """Go behind a number; False where there is none as JSON writes it."""
    cdef const uint8_t *t = r.text
    cdef Py_ssize_t at = r.at
    if t[at] == 45:
        at += 1
    if t[at] == 48:
        at += 1
    elif 49 <= t[at] <= 57:
        while 48 <= t[at] <= 57:
            at += 1
    else:
        return False
    if t[at] == 46:
        at += 1
        if not 48 <= t[at] <= 57:
            return False
        while 48 <= t[at] <= 57:
            at += 1
    if t[at] == 101 or t[at] == 69:
        at += 1
        if t[at] == 43 or t[at] == 45:
            at += 1
        if not 48 <= t[at] <= 57:
            return False
        while 48 <= t[at] <= 57:
            at += 1
    r.at = at
    return True


cdef inline bint skip_word(Reader *r, const char *word, Py_ssize_t size) noexcept nogil:
    if r.at + size > r.last or memcmp(r.text + r.at, word, size):
        return False
    r.at += size
    return True


cdef bint skip_value(Reader *r, int depth) noexcept nogil:
    """Go behind a value; False where it is no JSON, or nested too deeply. It begins here, without blanks."""
    cdef uint8_t letter
    cdef bint escapes = False
    if r.at >= r.last:
        return False
    letter = r.text[r.at]
    if letter == 91:
        return skip_list(r, depth + 1)
    if letter == 123:
        return skip_object(r, depth + 1)
    if letter == 34:
        r.at += 1
        return skip_string(r, &escapes)
    if letter == 116:
        return skip_word(r, b"true", 4)
    if letter == 102:
        return skip_word(r, b"false", 5)
    if letter == 110:
        return skip_word(r, b"null", 4)
    return skip_number(r)


cdef bint skip_list(Reader *r, int depth) noexcept nogil:
    cdef int letter
    if depth > MAX_DEPTH:
        return False
    r.at += 1
    if skip_space(r) == 93:
        r.at += 1
        return True
    while True:
        letter = r.text[r.at] if r.at < r.last else 0
        if letter == 45 or 48 <= letter <= 57:
            if not skip_number(r):
                return False
        elif not skip_value(r, depth):
            return False
        letter = skip_space(r)
        r.at += 1
        if letter == 93:
            return True
        if letter != 44:
            return False
        skip_space(r)


cdef bint skip_object(Reader *r, int depth) noexcept nogil:
    cdef Keys keys
    cdef int letter
    cdef bint escapes = False
    if depth > MAX_DEPTH:
        return False
    keys.n = 0
    r.at += 1
    if skip_space(r) == 125:
        r.at += 1
        return True
    while True:
        if skip_key(r, &keys, &escapes) < 0:
            return False
        if not skip_value(r, depth):
            return False
        letter = skip_space(r)
        r.at += 1
        if letter == 125:
            return True
        if letter != 44:
            return False
        skip_space(r)


cdef inline Py_ssize_t skip_key(Reader *r, Keys *keys, bint *escapes) noexcept nogil:
    """Go behind a key, its colon and blanks; where it began, behind the quote, or -1."""
    cdef Py_ssize_t first, i
    cdef uint64_t value = 14695981039346656037u
    if r.at >= r.last or r.text[r.at] != 34:
        return -1
    r.at += 1
    first = r.at
    if not skip_string(r, escapes):
        return -1
    for i in range(first, r.at - 1):
        value = (value ^ r.text[i]) * 1099511628211u  # FNV-1a
    if keys.n == FEW:
        r.repeats = True  # so many keys are compared elsewhere
    else:
        for i in range(keys.n):
            if keys.hash[i] == value:
                r.repeats = True
        keys.hash[keys.n] = value
        keys.n += 1
    if skip_space(r) != 58:
        return -1
    r.at += 1
    skip_space(r)
    return first


cdef inline Py_ssize_t name_of(Names *names, const uint8_t *key, Py_ssize_t size) noexcept nogil:
    """The number of a key among names; -1 where it is none."""
    cdef Py_ssize_t i
    for i in range(names.n):
        if names.offset[i + 1] - names.offset[i] == size and not memcmp(names.text + names.offset[i], key, size):
            return i
    return -1


cdef int scan_item(Reader *r, Names *names, Py_ssize_t n_numbers, Py_ssize_t n_texts, int64_t *value) noexcept nogil:
    """The values of an item; its flags, or -1 where it is no JSON or a key of it is written with escapes."""
    cdef Keys keys
    cdef int letter, flags = 0
    cdef Py_ssize_t i, name, first, begin
    cdef bint escapes = False, odd = False
    cdef uint64_t seen = 0
    if skip_space(r) != 123:
        return 2 if skip_value(r, 1) else -1
    keys.n = 0
    r.at += 1
    letter = skip_space(r)
    if letter == 125:
        r.at += 1
    while letter != 125:
        first = skip_key(r, &keys, &escapes)
        if first < 0 or escapes:
            return -1
        begin = r.at
        i = first
        while r.text[i] != 34:
            i += 1
        name = name_of(names, r.text + first, i - first)
        if name < 0:
            flags |= 1
        elif seen >> name & 1:
            odd = True
        else:
            seen |= <uint64_t>1 << name
        if 0 <= name < n_numbers:
            if not read_integer(r, value + name):
                odd = True
                if not skip_value(r, 2):
                    return -1
        elif n_numbers <= name < n_numbers + n_texts and begin < r.last and r.text[begin] == 34:
            r.at += 1
            if not skip_string(r, &escapes):
                return -1
            odd |= escapes
            escapes = False
            i = n_numbers + 2 * (name - n_numbers)
            value[i], value[i + 1] = begin + 1, r.at - 1
        else:
            odd |= n_numbers <= name < n_numbers + n_texts
            if not skip_value(r, 2):
                return -1
        letter = skip_space(r)
        r.at += 1
        if letter != 125:
            if letter != 44:
                return -1
            skip_space(r)
    if odd or seen & ((<uint64_t>1 << (n_numbers + n_texts)) - 1) != (<uint64_t>1 << (n_numbers + n_texts)) - 1:
        flags |= 2
    return flags


cdef inline bint read_integer(Reader *r, int64_t *value) noexcept nogil:
    """Read a whole number of few digits; False, and nowhere else, where there is another value."""
    cdef Py_ssize_t at = r.at, first
    cdef int64_t result = 0
    cdef bint negative = r.at < r.last and r.text[at] == 45
    cdef uint8_t letter
    at += negative
    first = at
    while at < r.last and 48 <= r.text[at] <= 57:
        if at - first == MAX_DIGITS:
            return False
        result = 10 * result + (r.text[at] - 48)
        at += 1
    if at == first or (at - first > 1 and r.text[first] == 48):
        return False
    letter = r.text[at] if at < r.last else 0
    if letter != 44 and letter != 125 and letter != 32 and letter != 10 and letter != 13 and letter != 9:
        return False
    value[0] = -result if negative else result
    r.at = at
    return True


cdef void find_values(
    const uint8_t *text, Py_ssize_t at, Py_ssize_t last, Names *names, int64_t *span, Py_ssize_t n
) noexcept nogil:
    """The spans of an object's values; it was found to be sound before, but is not trusted to be so still."""
    cdef Reader r = Reader(text, at, last, False, False)
    cdef Py_ssize_t first, name
    cdef int depth
    if text[at] != 123 or text[last - 1] != 125:
        return
    r.at += 1
    while skip_space(&r) == 34:
        r.at += 1
        first = r.at
        jump_string(&r)
        name = name_of(names, text + first, r.at - 1 - first)
        if skip_space(&r) != 58:
            return
        r.at += 1
        skip_space(&r)
        first = r.at
        jump_value(&r)
        if name >= 0 and first < r.at < last:
            span[2 * n * name], span[2 * n * name + n] = first, r.at
        if skip_space(&r) != 44:
            return
        r.at += 1


cdef inline void jump_string(Reader *r) noexcept nogil:
    """Go behind the closing quote of a sound text."""
    while r.at < r.last:
        if r.text[r.at] == 34:
            r.at += 1
            return
        r.at += 2 if r.text[r.at] == 92 else 1
    r.at = r.last


cdef inline bint jump_list(Reader *r) noexcept nogil:
    """Go behind a sound list without texts, from bracket to bracket; False, and nowhere, where it has texts."""
    cdef Py_ssize_t begin = r.at, end
    cdef int depth = 0
    cdef const uint8_t *hit
    while True:
        hit = <const uint8_t *>memchr(r.text + r.at, 93, r.last - r.at)
        end = r.last if hit == NULL else hit - r.text
        if hit == NULL or memchr(r.text + r.at, 34, end - r.at) != NULL:
            r.at = begin
            return False
        while True:
            hit = <const uint8_t *>memchr(r.text + r.at, 91, end - r.at)
            if hit == NULL:
                break
            depth += 1
            r.at = hit - r.text + 1
        depth -= 1
        r.at = end + 1
        if depth == 0:
            return True


cdef inline void jump_value(Reader *r) noexcept nogil:
    """Go behind a sound value."""
    cdef int depth = 0
    cdef uint8_t letter
    if r.at < r.last and r.text[r.at] == 91 and jump_list(r):
        return
    while r.at < r.last:
        letter = r.text[r.at]
        if letter == 34:
            r.at += 1
            jump_string(r)
            if depth == 0:
                return
            continue
        if letter == 91 or letter == 123:
            depth += 1
        elif letter == 93 or letter == 125:
            if depth == 0:
                return
            depth -= 1
            if depth == 0:
                r.at += 1
                return
        elif depth == 0 and (letter == 44 or letter == 32 or letter == 10 or letter == 13 or letter == 9):
            return
        r.at += 1
