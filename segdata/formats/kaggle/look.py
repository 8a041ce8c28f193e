"""Look: the segments of one image of a Kaggle table."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.defect import Defect
from segdata.core.finding import Severity
from segdata.core.runs import Ints, Runs, spread
from segdata.formats.kaggle.rows import Line
from segdata.formats.shared.images import read_header
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry

Order = Literal["column", "row"]
_COHERENT, _TORN = (
    0.7,
    0.3,
)  # how much of a mask goes on in the next line, in real masks and in those read the wrong way
_FEWEST = 8  # runs that tell anything of that
Floats = NDArray[np.float64]


def look(called: str, ids: Mapping[str | None, int], order: Order | None, entry: ImageEntry) -> list[ImageAnnotation]:
    """What the rows of an image hold: a segment for each that has pairs."""
    height, width = entry.size if 0 not in entry.size else _size_of(entry)
    defects: list[Defect] = []
    lines, pairs = _read([line for line in entry.record if line.pairs], height * width, called, defects)
    for row in _turned(pairs, len(lines), height, width) if order is None else ():
        message = "the pixels make no region down the columns, but along the rows: try --read-option order=row"
        defects.append(_said(lines[row], message, called, "warning"))
    if order == "row":
        pieces = [_along_rows(pairs.take(np.array([row]), len(lines)), height, width) for row in range(len(lines))]
        runs = Runs.concatenate(pieces, [1] * len(pieces))
    else:
        runs = _down_columns(pairs, height, width)
    categories = np.array([ids[line.category] for line in lines], np.int64)
    columns = {"file": [called] * len(lines), "place": [f"line {line.number}" for line in lines]}
    numbers = np.arange(1, len(lines) + 1, dtype=np.int64)
    return [ImageAnnotation((height, width), numbers, categories, runs, columns, defects=defects)]


def _said(line: Line, message: str, called: str, severity: Severity | None = None) -> Defect:
    return Defect("SEG005", message, called, line=line.number, category=line.category, severity=severity)


def _read(lines: list[Line], n_pixels: int, called: str, defects: list[Defect]) -> tuple[list[Line], Runs]:
    """The lines whose pairs are sound, and these, sorted, in the order of the table; others are told in `defects`."""
    found = _at_once(lines, n_pixels)
    if found is not None:
        return lines, found
    sound, pieces = [], []
    for line in lines:
        try:
            start, length = _parsed(line.pairs, n_pixels)
        except ValueError as error:
            defects.append(_said(line, f"{error}; left out", called))
            continue
        sound.append(line)
        pieces.append(Runs(start, length, np.zeros(len(start), np.int32)))
    return sound, Runs.concatenate(pieces, [1] * len(pieces))


def _at_once(lines: list[Line], n_pixels: int) -> Runs | None:
    """The pairs of all lines; None where any of them is to be looked at by itself."""
    text = "\n".join([line.pairs for line in lines]).encode()
    if not lines or text.translate(None, b"0123456789 \n"):
        return None
    size = np.fromiter((len(line.pairs) for line in lines), np.int64, len(lines))
    lists = b"[[%b]]" % text.replace(b" ", b",").replace(b"\n", b"]],[[")
    last = np.cumsum(size + 5) - 1
    numbers, ring, _, error = kernels.parse_rings(np.frombuffer(lists, np.uint8), last - size - 4, last)
    count = np.diff(ring)
    if error.any() or (count % 2).any() or (numbers > n_pixels).any():
        return None
    start, length = numbers[::2].astype(np.int64) - 1, numbers[1::2].astype(np.int64)
    owner = np.repeat(np.arange(len(lines), dtype=np.int32), count // 2)
    place = owner * np.int64(n_pixels) + start
    if (place[1:] < place[:-1]).any():
        order = np.argsort(place, kind="stable")
        start, length, owner, place = start[order], length[order], owner[order], place[order]
    beyond = start + length > n_pixels
    if (start < 0).any() or (length <= 0).any() or beyond.any() or (place[1:] < place[:-1] + length[:-1]).any():
        return None
    return Runs(start, length, owner)


def _size_of(entry: ImageEntry) -> tuple[int, int]:
    """Height and width of the image file; raises BrokenLabelsError where it does not tell."""
    try:
        if entry.image is None:
            raise OSError("there is no image file")
        head = read_header(entry.image)
    except OSError as error:
        message = f"run lengths need the image's size, and {error.strerror or error}"
        raise BrokenLabelsError(Defect("SEG005", message)) from error
    return head.height, head.width


def _parsed(pairs: str, n_pixels: int) -> tuple[Ints, Ints]:
    """Starts, from 0, and lengths; raises ValueError that says what is wrong with them."""
    words = pairs.split()
    try:
        numbers = np.array(words, np.int64)
    except (ValueError, OverflowError):
        strange = next((word for word in words if not word.isdigit()), words[0])
        raise ValueError(f"{strange[:20]!r} is not a whole number") from None
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} numbers are no pairs of start and length")
    start, length = numbers[::2] - 1, numbers[1::2]
    if (start < 0).any():
        raise ValueError(f"start {int(start.min()) + 1}: pixels are counted from 1")
    if (length <= 0).any():
        raise ValueError(f"length {int(length.min())} is not positive")
    by_start = np.argsort(start, kind="stable")
    start, length = start[by_start], length[by_start]
    if start[-1] + length[-1] > n_pixels:
        raise ValueError(f"pixel {int(start[-1] + length[-1])} is beyond the image's {n_pixels}")
    again = np.flatnonzero(start[1:] < start[:-1] + length[:-1])
    if len(again):
        raise ValueError(f"pixel {int(start[again[0] + 1]) + 1} is there twice")
    return start, length


def _down_columns(pairs: Runs, height: int, width: int) -> Runs:
    """Runs in column-major order, cut where a column ends and joined where two touch within one."""
    # All segments on one number line: as columns of one wide image.
    start = pairs.owner * np.int64(height * width) + pairs.start
    first, last = start // height, (start + pairs.length - 1) // height
    column = spread(first, last - first + 1)
    of = np.repeat(np.arange(len(start)), last - first + 1)
    top = np.maximum(start[of], column * height)
    bottom = np.minimum((start + pairs.length)[of], (column + 1) * height)
    begins = np.ones(len(top), bool)
    begins[1:] = (top[1:] > bottom[:-1]) | (column[1:] != column[:-1])
    at = np.flatnonzero(begins)
    length = np.add.reduceat(bottom - top, at) if len(at) else top
    return Runs(top[at] % (height * width), length, pairs.owner[of[at]])


def _along_rows(pairs: Runs, height: int, width: int) -> Runs:
    """The runs of one segment whose pixels are numbered along the rows."""
    edges = np.zeros(height * width + 1, np.int8)
    edges[pairs.start] += 1
    edges[pairs.start + pairs.length] -= 1
    mask = np.cumsum(edges[:-1], dtype=np.int8).reshape(height, width).view(np.uint8)
    begins, lengths, value = kernels.label_runs(mask)
    inside = value > 0
    return Runs(begins[inside], lengths[inside], np.zeros(int(inside.sum()), np.int32))


def _turned(pairs: Runs, n_lines: int, height: int, width: int) -> list[int]:
    """The lines whose pairs make torn stripes down the columns and coherent regions along the rows.

    In a region most of a run is beside the run in the line before. Square images tell nothing: they are transposed.
    """
    some = np.bincount(pairs.owner, minlength=n_lines) >= _FEWEST
    if height == width or not some.any():
        return []
    torn = _coherence(pairs, n_lines, height, height * width) < _TORN
    rows: list[int] = np.flatnonzero(
        some & torn & (_coherence(pairs, n_lines, width, height * width) > _COHERENT)
    ).tolist()
    return rows


def _coherence(pairs: Runs, n_lines: int, line: int, n_pixels: int) -> Floats:
    """(n_lines,) how much of each mask has the mask beside it in the next line of `line` pixels, 0 to 1."""
    start = pairs.owner * np.int64(n_pixels + line) + pairs.start  # room in between: no mask is beside another's
    ends, shifted = start + pairs.length, start + line
    at = np.maximum(np.searchsorted(start, shifted, side="right") - 1, 0)
    shared = np.zeros(len(start), np.int64)
    for beside in (at, np.minimum(at + 1, len(start) - 1)):
        overlap = np.minimum(ends[beside], shifted + pairs.length) - np.maximum(start[beside], shifted)
        shared = np.maximum(shared, overlap)
    whole = np.maximum(np.bincount(pairs.owner, pairs.length, n_lines), 1)
    coherent: Floats = np.bincount(pairs.owner, shared, n_lines) / whole
    return coherent
