from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

def scan_items(
    text: Bytes, at: int, stop: int, numbers: Sequence[bytes], texts: Sequence[bytes], others: Sequence[bytes]
) -> tuple[int, int, Ints, Ints, NDArray[np.uint8], bool, bool]:
    """The objects of a JSON list as columns, from where one begins (or from behind the bracket) until `stop`.

    Parameters
    ----------
    text : the bytes of the document, which ends with its last brace or bracket and blanks
    at : where to begin
    stop : no item that begins here or later is read
    numbers, texts, others : the known keys; of the first the whole numbers are wanted, of the second the places of
        the texts between their quotes

    Returns the state (0: further items follow, 1: the list has ended, -1: this is no JSON, or a key of an item is
    written with escapes, a text holds half of a surrogate, or values are nested over 64 deep), where it stopped,
    the first and last positions of the items (n, 2), their values (n, numbers + 2 texts; -1 where there is none), their
    flags (n,), and, for all that was read, whether texts have letters beyond ASCII and whether an object may have a key
    twice (one with more than 24 keys always may). Flags: 1: the item has keys that are not known. 2: it is no object,
    has a known key twice, or one of the wanted values is missing or no whole number of at most 18 digits, or no
    text without escapes.

    >>> text = np.frombuffer(b'[{"id": 7, "name": "a"}, {"x": 1}]', np.uint8)
    >>> state, _, place, value, flag, _, _ = scan_items(text, 1, len(text), [b"id"], [b"name"], [])
    >>> state, place.tolist(), value.tolist(), flag.tolist()
    (1, [[1, 23], [25, 33]], [[7, 20, 21], [-1, -1, -1]], [0, 3])
    """

def skip_json(text: Bytes, at: int) -> tuple[int, bool, bool]:
    """Where the JSON value ends that begins at a position or behind blanks there; -1: `scan_items` says -1 of such.

    Also whether its texts have letters beyond ASCII, and whether an object may have a key twice.

    >>> skip_json(np.frombuffer(b'{"a": [1, {}]}', np.uint8), 6)
    (13, False, False)
    """

def value_spans(text: Bytes, first: Ints, last: Ints, names: Sequence[bytes]) -> Ints:
    """Where values of items are: (n_names, 2, n) first and last positions, -1 where an item lacks the key.

    Item i is ``text[first[i]:last[i]]``, and was found to be sound by `scan_items`. Of a key that is there twice the
    last value counts.

    >>> text = np.frombuffer(b'[{"a": 1, "b": [2]}]', np.uint8)
    >>> value_spans(text, np.array([1]), np.array([19]), [b"b", b"c"]).tolist()
    [[[15], [18]], [[-1], [-1]]]
    """
