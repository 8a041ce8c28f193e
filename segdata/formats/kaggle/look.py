"""Look: the segments of one image of a Kaggle table."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from segdata.core import kernels
from segdata.core.defect import Defect
from segdata.core.runs import Ints, Runs
from segdata.formats.images import header
from segdata.formats.kaggle.rows import Line
from segdata.formats.perimage.entry import Entry
from segdata.formats.perimage.found import BrokenLabelsError, Found

Order = Literal["column", "row"]
_COHERENT, _TORN = (
    0.7,
    0.3,
)  # how much of a mask goes on in the next line, in real masks and in those read the wrong way


def look(called: str, ids: Mapping[str | None, int], order: Order | None, entry: Entry) -> list[Found]:
    """What the rows of an image hold: a segment for each that has pairs."""
    height, width = entry.size if 0 not in entry.size else _size_of(entry)
    lines: list[Line] = []
    pieces: list[Runs] = []
    defects: list[Defect] = []
    for line in entry.record:
        if not line.pairs:
            continue
        try:
            start, length = _parsed(line.pairs, height * width)
        except ValueError as error:
            defects.append(Defect("SEG005", f"{error}; left out", called, line=line.number, category=line.category))
            continue
        along = order == "row"
        if order is None and _looks_turned(start, length, height, width):
            message = "the pixels make no region down the columns, but along the rows: try --read-option order=row"
            defects.append(
                Defect("SEG005", message, called, line=line.number, category=line.category, severity="warning")
            )
        lines.append(line)
        pieces.append(_along_rows(start, length, height, width) if along else _down_columns(start, length, height))
    categories = np.array([ids[line.category] for line in lines], np.int64)
    columns = {"file": [called] * len(lines), "place": [f"line {line.number}" for line in lines]}
    numbers = np.arange(1, len(lines) + 1, dtype=np.int64)
    runs = Runs.concatenate(pieces, [1] * len(pieces))
    return [Found((height, width), numbers, categories, runs, columns, defects=defects)]


def _size_of(entry: Entry) -> tuple[int, int]:
    """Height and width of the image file; raises BrokenLabelsError where it does not tell."""
    try:
        if entry.image is None:
            raise OSError("there is no image file")
        head = header(entry.image)
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


def _down_columns(start: Ints, length: Ints, height: int) -> Runs:
    """Runs in column-major order, cut where a column ends and joined where two touch within one."""
    first, last = start // height, (start + length - 1) // height
    count = last - first + 1
    column = np.repeat(first, count) + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    top = np.maximum(np.repeat(start, count), column * height)
    bottom = np.minimum(np.repeat(start + length, count), (column + 1) * height)
    begins = np.concatenate([[True], (top[1:] > bottom[:-1]) | (column[1:] != column[:-1])])
    at = np.flatnonzero(begins)
    return Runs(top[at], np.add.reduceat(bottom - top, at), np.zeros(len(at), np.int32))


def _along_rows(start: Ints, length: Ints, height: int, width: int) -> Runs:
    """Runs of pixels that are numbered along the rows."""
    edges = np.zeros(height * width + 1, np.int8)
    edges[start] += 1
    edges[start + length] -= 1
    mask = np.cumsum(edges[:-1], dtype=np.int8).reshape(height, width).view(np.uint8)
    begins, lengths, value = kernels.label_runs(mask)
    inside = value > 0
    return Runs(begins[inside], lengths[inside], np.zeros(int(inside.sum()), np.int32))


def _looks_turned(start: Ints, length: Ints, height: int, width: int) -> bool:
    """Whether pairs make torn stripes down the columns and coherent regions along the rows.

    In a region most of a run is beside the run in the line before. Square images tell nothing: they are transposed.
    """
    if height == width or len(start) < 8:
        return False
    return _coherence(start, length, height) < _TORN and _coherence(start, length, width) > _COHERENT


def _coherence(start: Ints, length: Ints, line: int) -> float:
    """How much of a mask has the mask beside it in the next line of `line` pixels, 0 to 1."""
    ends = start + length
    shifted = start + line
    at = np.maximum(np.searchsorted(start, shifted, side="right") - 1, 0)
    shared = np.zeros(len(start), np.int64)
    for beside in (at, np.minimum(at + 1, len(start) - 1)):
        overlap = np.minimum(ends[beside], shifted + length) - np.maximum(start[beside], shifted)
        shared = np.maximum(shared, overlap)
    return float(np.maximum(shared, 0).sum() / length.sum())
