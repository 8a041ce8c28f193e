"""Packed pixels: COCO run-length counts, compressed and not, to runs and back; bit streams of brush strokes.

And values of JSON that are joined, keys that repeat, and pages of mapped files, which only compiled kernels guard.
"""

import re

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._reference.sweep import expand
from segdata.core.kernels.checks import check_offsets

Int64 = NDArray[np.int64]
Decoded = tuple[Int64, Int64, NDArray[np.int32], NDArray[np.uint8]]

MAX_GROUPS = 7  # 35 bits with sign: a difference of two counts in 100 000 x 100 000 pixels needs them
_WORD = 8  # bits of a brush stroke's value
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_MARKS = re.compile(rb'[{}]|"((?:[^"\\]|\\.)*+)"(\s*:)?', re.DOTALL)


def decode_counts(text: NDArray[np.uint8], offset: Int64, height: Int64, width: Int64) -> Decoded:
    """Runs of compressed COCO strings.

    Takes the concatenated strings `text` (t,), where string i is `text[offset[i]:offset[i + 1]]`, and the sizes of
    the n images in pixels. Returns `start` and `length` (r,) in pixels and `owner` (r,), the string that a run came
    from, sorted by (owner, start), each run inside one column; and `error` (n,): 0 fine, 1 a byte outside 48..111, 2
    a number that does not end or is longer than 7 letters, 3 a negative count, 4 counts that sum to less than height
    * width, 5 to more. The smallest that applies is given (1 and 2: the one that comes first), and such a string has
    no runs. Source: rleFrString in cocodataset/cocoapi, common/maskApi.c.

    >>> text = np.frombuffer(b"13", np.uint8)
    >>> start, length, owner, error = decode_counts(text, np.array([0, 2]), np.array([2]), np.array([2]))
    >>> start.tolist(), length.tolist(), owner.tolist(), error.tolist()
    ([1, 2], [1, 2], [0, 0], [0])
    """
    check_offsets(offset, len(height), len(text))
    counts, count_offset, error = _read_strings(text, offset)
    return _split(counts, count_offset, height, width, error)


def split_counts(counts: Int64, offset: Int64, height: Int64, width: Int64) -> Decoded:
    """Runs of uncompressed COCO counts, background first.

    As `decode_counts`, with the counts (c,) of segment i at `counts[offset[i]:offset[i + 1]]`; errors 3, 4 and 5.

    >>> start, length, owner, error = split_counts(np.array([1, 3]), np.array([0, 2]), np.array([2]), np.array([2]))
    >>> start.tolist(), length.tolist()
    ([1, 2], [1, 2])
    """
    check_offsets(offset, len(height), len(counts))
    counts, offset = counts[offset[0] : offset[-1]], offset - offset[0]
    return _split(counts, offset, height, width, np.zeros(len(height), np.uint8))


def encode_counts(
    start: Int64, length: Int64, offset: Int64, height: Int64, width: Int64
) -> tuple[NDArray[np.uint8], Int64]:
    """Compressed COCO strings of runs, byte for byte those of pycocotools.

    Takes the runs of segment i, sorted, at `offset[i]:offset[i + 1]`. Returns the concatenated strings (t,) and their
    offsets (n + 1,). Source: rleToString in cocodataset/cocoapi, common/maskApi.c.

    >>> one = np.array([1])
    >>> text, _ = encode_counts(one, np.array([3]), np.array([0, 1]), 2 * one, 2 * one)
    >>> text.tobytes()
    b'13'
    """
    counts, count_offset = join_counts(start, length, offset, height, width)
    index = np.arange(len(counts)) - np.repeat(count_offset[:-1], np.diff(count_offset))
    rest = counts.copy()
    rest[index > 2] -= counts[np.flatnonzero(index > 2) - 2]
    letters = np.zeros((len(counts), MAX_GROUPS), np.uint8)
    used = np.zeros((len(counts), MAX_GROUPS), bool)
    more = np.ones(len(counts), bool)
    for group in range(MAX_GROUPS):
        bits = rest & 31
        rest >>= 5
        used[:, group] = more
        more = more & (rest != np.where(bits & 16, -1, 0))
        letters[:, group] = 48 + bits + 32 * more
    text_offset = np.concatenate([[0], np.cumsum(used.sum(axis=1))])[count_offset]
    return letters[used], text_offset


def join_counts(start: Int64, length: Int64, offset: Int64, height: Int64, width: Int64) -> tuple[Int64, Int64]:
    """Uncompressed COCO counts of runs, background first; runs that go on in the next column are joined.

    Takes what `encode_counts` takes. Returns the concatenated counts (c,) and their offsets (n + 1,).

    >>> one = np.array([1])
    >>> join_counts(np.array([1, 2]), np.array([1, 2]), np.array([0, 2]), 2 * one, 2 * one)[0].tolist()
    [1, 3]
    """
    check_offsets(offset, len(height), min(len(start), len(length)))
    start, length = start[offset[0] : offset[-1]], length[offset[0] : offset[-1]]
    n_runs = np.diff(offset)
    owner = np.repeat(np.arange(len(n_runs)), n_runs)
    first = np.ones(len(start), bool)
    first[1:] = (start[1:] != start[:-1] + length[:-1]) | (owner[1:] != owner[:-1])
    # The borders between background and segment, each with the image's two ends; a border met twice is none.
    begins, begin_owner = start[first], owner[first]
    last = np.roll(first, -1)
    ends = start[last] + length[last]
    n_borders = 2 * np.bincount(begin_owner, minlength=len(n_runs)) + 2
    borders = np.empty(n_borders.sum(), np.int64)
    border_offset = np.concatenate([[0], np.cumsum(n_borders)])
    place = 2 * np.arange(len(begins)) + 2 * begin_owner + 1
    borders[border_offset[:-1]] = 0
    borders[place] = begins
    borders[place + 1] = ends
    borders[border_offset[1:] - 1] = height * width
    is_end = np.zeros(len(borders), bool)
    is_end[border_offset[1:] - 1] = True
    starts_image = np.zeros(len(borders), bool)
    starts_image[border_offset[:-1]] = True
    counts = np.diff(borders, prepend=0)
    # No background after a segment that reaches the image's end, unless there is nothing else.
    kept = ~starts_image & ~(is_end & (counts == 0) & np.repeat(n_borders > 2, n_borders))
    return counts[kept], np.concatenate([[0], np.cumsum(kept)])[border_offset]


def _read_strings(text: NDArray[np.uint8], offset: Int64) -> tuple[Int64, Int64, NDArray[np.uint8]]:
    """Counts of strings, their offsets, and errors 1 to 3."""
    n = len(offset) - 1
    letters = text[offset[0] : offset[-1]].astype(np.int64) - 48
    string = np.repeat(np.arange(n), np.diff(offset))
    ends = (letters & 32) == 0
    closes = ends.copy()
    closes[offset[1:][np.diff(offset) > 0] - offset[0] - 1] = True
    first = np.concatenate([[True], closes[:-1]])[: len(letters)]
    number = np.cumsum(first) - 1
    group = np.arange(len(letters)) - np.flatnonzero(first)[number]
    error = np.zeros(n, np.uint8)
    # Going backwards, the first fault of a string is the one that stays.
    bad = (letters < 0) | (letters > 63)
    fault = np.flatnonzero(bad | (~ends & ((group >= MAX_GROUPS - 1) | closes)))[::-1]
    error[string[fault]] = np.where(bad[fault], 1, 2)
    fine = error[string] == 0
    letters, group, first, ends, string = (column[fine] for column in (letters, group, first, ends, string))
    begins = np.flatnonzero(first)
    differences = np.add.reduceat((letters & 31) << 5 * group, begins) if len(begins) else np.zeros(0, np.int64)
    negative = (letters[ends] & 16) > 0
    differences[negative] -= np.int64(1) << 5 * (group[ends][negative] + 1)
    string = string[begins]
    counts = _add_up(differences, string)
    error[string[counts < 0]] = 3
    return counts, np.searchsorted(string, np.arange(n + 1)), error


def _add_up(differences: Int64, string: Int64) -> Int64:
    """Counts from what is stored: from the fourth on, the difference to the count before the last."""
    index = np.arange(len(string)) - np.searchsorted(string, string)
    # Each string has three chains: its first number, the odd ones, and the even ones after the first.
    chain = np.where(index == 0, 0, 2 - index % 2)
    order = np.lexsort((index, chain, string))
    total = np.cumsum(differences[order])
    key = 3 * string[order] + chain[order]
    begin = np.searchsorted(key, key)
    counts = np.empty_like(differences)
    counts[order] = total - total[begin] + differences[order][begin]
    return counts


def _split(counts: Int64, offset: Int64, height: Int64, width: Int64, error: NDArray[np.uint8]) -> Decoded:
    """Runs of counts, cut where columns end and joined where zero counts had cut them."""
    n_counts = np.diff(offset)
    string = np.repeat(np.arange(len(height)), n_counts)
    index = np.arange(len(counts)) - np.repeat(offset[:-1], n_counts)
    pixels = height * width
    negative = np.bincount(string, counts < 0, len(height)) > 0
    # Counts are clipped just beyond the image, where they are wrong all the same: their sum cannot overflow.
    clipped = np.clip(counts, 0, pixels[string] + 1)
    end = np.cumsum(clipped)
    before = np.concatenate([[0], end])[offset]
    total = np.diff(before)
    errors = np.where(negative, 3, np.where(total < pixels, 4, np.where(total > pixels, 5, 0)))
    error = np.where(error > 0, error, errors).astype(np.uint8)
    end -= before[:-1][string]
    is_run = (index % 2 == 1) & (counts > 0) & (error[string] == 0)
    begin, stop, owner = (end - clipped)[is_run], end[is_run], string[is_run]
    tall = height[owner]
    column, place = expand(begin // tall, (stop - 1) // tall + 1)
    start = np.maximum(begin[place], column * tall[place])
    length = np.minimum(stop[place], (column + 1) * tall[place]) - start
    owner = owner[place]
    goes_on = np.zeros(len(start), bool)
    goes_on[1:] = (
        (start[1:] == start[:-1] + length[:-1]) & (owner[1:] == owner[:-1]) & (start[1:] % height[owner[1:]] > 0)
    )
    begins = np.flatnonzero(~goes_on)
    length = np.add.reduceat(length, begins) if len(begins) else length
    return start[begins], length, owner[begins].astype(np.int32), error


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
    r"""Find keys that their object has already, in valid JSON: (n,) positions of the opening quotes, ascending.

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
