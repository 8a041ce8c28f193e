"""Values of JSON that are joined, keys that repeat, and pages of mapped files, which only compiled kernels guard."""

import re

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_MARKS = re.compile(rb'[{}]|"((?:[^"\\]|\\.)*+)"(\s*:)?', re.DOTALL)


def join_spans(text: Bytes, first: Ints, last: Ints) -> bytearray:
    """The values ``text[first[i]:last[i]]`` as one JSON list; null where `first` is -1.

    >>> join_spans(np.frombuffer(b"1, 23", np.uint8), np.array([0, -1, 3]), np.array([1, -1, 5]))
    bytearray(b'[1,null,23]')
    """
    values = [
        text[begin:end].tobytes() if 0 <= begin < end <= len(text) else b"null"
        for begin, end in zip(first.tolist(), last.tolist(), strict=True)
    ]
    return bytearray(b"[" + b",".join(values) + b"]")


def repeated_keys(text: bytes | memoryview) -> Ints:
    r"""Where a key begins that its object has already, in valid JSON: (n,) positions of the opening quotes, ascending.

    Keys are compared as they are written: ``"a"`` and ``"\u0061"`` are two. A key that is there three times is found
    twice.

    >>> repeated_keys(b'{"id": 1, "box": {"id": 2}, "id": 3}').tolist()
    [28]
    """
    repeats = []
    keys: list[set[bytes]] = []  # of the objects that are open
    for match in _MARKS.finditer(bytes(text)):
        letter = match[0]
        if letter == b"{":
            keys.append(set())
        elif letter == b"}":
            if keys:
                keys.pop()
        elif match[2] is not None and keys:
            if match[1] in keys[-1]:
                repeats.append(match.start())
            keys[-1].add(match[1])
    return np.array(sorted(repeats), np.int64)


def guard_pages(begin: int, size: int) -> bool:
    """Let the pages of a mapped file read as zeros once another program has cut the file.

    Takes where the mapping begins in memory, and its bytes. Returns whether they do; else, as always without compiled
    kernels, a read behind the new end ends the process.
    """
    return False


def release_pages(begin: int) -> None:
    """End what `guard_pages` did, before the memory is used for something else."""
