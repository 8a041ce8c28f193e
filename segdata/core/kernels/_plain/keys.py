"""Keys that a JSON object has twice."""

import re

import numpy as np
from numpy.typing import NDArray

_MARKS = re.compile(rb'[{}]|"((?:[^"\\]|\\.)*+)"(\s*:)?', re.DOTALL)


def repeated_keys(text: bytes | memoryview) -> NDArray[np.int64]:
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
