"""The kernels that scan JSON once more, letter by letter: the oracle of the compiled ones."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._reference import join_spans as join_spans

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
MAX_DEPTH = 64  # lists and objects in each other
HAS_MORE, IS_ODD = 1, 2  # flags of items

_BLANKS = re.compile(r"[ \t\n\r]*")
_TEXT = re.compile(r'"((?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}))*)"')
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?=[,} \t\n\r])")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_CLOSING = {"[": "]", "{": "}"}


def scan_items(
    text: Bytes, at: int, stop: int, numbers: Sequence[bytes], texts: Sequence[bytes], others: Sequence[bytes]
) -> tuple[int, int, Ints, Ints, NDArray[np.uint8], bool, bool]:
    """As the kernel.

    >>> text = np.frombuffer(b'[{"id": 7, "name": "a"}, {"x": 1}]', np.uint8)
    >>> state, _, place, value, flag, _, _ = scan_items(text, 1, len(text), [b"id"], [b"name"], [])
    >>> state, place.tolist(), value.tolist(), flag.tolist()
    (1, [[1, 23], [25, 33]], [[7, 20, 21], [-1, -1, -1]], [0, 3])
    """
    reader = _Reader(text)
    names = [name.decode("latin-1") for name in (*numbers, *texts, *others)]
    width = len(numbers) + 2 * len(texts)
    places: list[tuple[int, int]] = []
    values: list[list[int]] = []
    flags: list[int] = []
    state = 0
    try:
        if not 0 <= at < len(text):
            raise ValueError
        reader.at = at
        if at > 0 and text[at - 1] == ord("[") and reader.next() == "]":
            reader.at, state = reader.at + 1, 1
        while state == 0 and reader.at < stop:
            reader.next()
            first, value = reader.at, [-1] * width
            flags.append(_scan_item(reader, names, len(numbers), len(texts), value))
            places.append((first, reader.at))
            values.append(value)
            letter = reader.next()
            reader.at += 1
            if letter not in (",", "]"):
                raise ValueError
            state = int(letter == "]")
    except ValueError:
        state = -1
        places, values, flags = places[: len(values)], values[: len(places)], flags[: len(values)]
    return (
        state,
        reader.at,
        np.array(places, np.int64).reshape(-1, 2),
        np.array(values, np.int64).reshape(-1, width),
        np.array(flags, np.uint8),
        reader.wide,
        reader.repeats,
    )


def skip_json(text: Bytes, at: int) -> tuple[int, bool, bool]:
    """As the kernel.

    >>> skip_json(np.frombuffer(b'{"a": [1, {}]}', np.uint8), 6)
    (13, False, False)
    """
    reader = _Reader(text)
    reader.at = at
    try:
        reader.next()
        reader.skip(0)
    except ValueError:
        return -1, False, False
    return reader.at, reader.wide, reader.repeats


def value_spans(text: Bytes, first: Ints, last: Ints, names: Sequence[bytes]) -> Ints:
    """As the kernel.

    >>> text = np.frombuffer(b'[{"a": 1, "b": [2]}]', np.uint8)
    >>> value_spans(text, np.array([1]), np.array([19]), [b"b", b"c"]).tolist()
    [[[15], [18]], [[-1], [-1]]]
    """
    spans = np.full((len(names), 2, len(first)), -1, np.int64)
    order = {name.decode("latin-1"): row for row, name in enumerate(names)}
    for i, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        if not 0 <= begin < end <= len(text):
            continue
        reader = _Reader(text[begin:end])
        if reader.text[:1] != "{" or reader.text[-1:] != "}":
            continue
        reader.at = 1
        while reader.next() == '"':
            key = reader.key(set())
            value = reader.at
            reader.skip(1)
            if key in order:
                spans[order[key], :, i] = begin + value, begin + reader.at
            reader.next()
            reader.at += 1
    return spans


class _Reader:
    """A place in a JSON text, whose letters are bytes."""

    def __init__(self, text: Bytes) -> None:
        whole = text.tobytes().decode("latin-1")
        self.text = whole[: max(whole.rfind("}"), whole.rfind("]")) + 1]
        self.at = 0
        self.wide = self.repeats = False

    def next(self) -> str:
        """The next letter that is no blank; empty at the end."""
        match = _BLANKS.match(self.text, self.at)
        self.at = self.at if match is None else match.end()
        return self.text[self.at : self.at + 1]

    def string(self) -> str:
        """The text that begins here, as it is written."""
        match = _TEXT.match(self.text, self.at)
        if match is None:
            raise ValueError
        self.at = match.end()
        self.wide |= not match[1].isascii()
        return match[1]

    def key(self, seen: set[str]) -> str:
        """The key that begins here, with its colon and blanks."""
        key = self.string()
        self.repeats |= key in seen or len(seen) == 24
        if len(seen) < 24:
            seen.add(key)
        if self.next() != ":":
            raise ValueError
        self.at += 1
        self.next()
        return key

    def skip(self, depth: int) -> None:
        """Go behind the value that begins here."""
        letter = self.text[self.at : self.at + 1]
        if letter == '"':
            self.string()
        elif letter in ("[", "{") and letter:
            if depth == MAX_DEPTH:
                raise ValueError
            self.at += 1
            seen: set[str] = set()
            after = self.next()
            while after != _CLOSING[letter]:
                if letter == "{":
                    self.key(seen)
                self.skip(depth + 1)
                after = self.next()
                if after == ",":
                    self.at += 1
                    after = self.next()
                    if after == _CLOSING[letter]:
                        raise ValueError
                elif after != _CLOSING[letter]:
                    raise ValueError
            self.at += 1
        else:
            match = _SCALAR.match(self.text, self.at)
            if match is None:
                raise ValueError
            self.at = match.end()


def _scan_item(reader: _Reader, names: Sequence[str], n_numbers: int, n_texts: int, value: list[int]) -> int:
    """The values of the item that begins here; its flags."""
    if reader.next() != "{":
        reader.skip(1)
        return IS_ODD
    seen: set[str] = set()
    known: set[str] = set()
    more = odd = False
    reader.at += 1
    letter = reader.next()
    if letter == "}":
        reader.at += 1
    while letter != "}":
        key = reader.key(seen)
        if "\\" in key:
            raise ValueError
        more |= key not in names
        odd |= key in known
        known |= {key} & set(names)
        row = names.index(key) if key in names else len(names)
        integer = _INTEGER.match(reader.text, reader.at) if row < n_numbers else None
        if integer is not None:
            value[row], reader.at = int(integer[0]), integer.end()
        elif n_numbers <= row < n_numbers + n_texts and reader.text[reader.at] == '"':
            begin = reader.at
            odd |= "\\" in reader.string()
            column = n_numbers + 2 * (row - n_numbers)
            value[column : column + 2] = begin + 1, reader.at - 1
        else:
            odd |= row < n_numbers + n_texts
            reader.skip(1 + 1)
        letter = reader.next()
        reader.at += 1
        if letter == ",":
            if reader.next() == "}":
                raise ValueError
        elif letter != "}":
            raise ValueError
    odd |= not set(names[: n_numbers + n_texts]) <= known
    return HAS_MORE * more + IS_ODD * odd
