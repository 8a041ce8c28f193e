"""Lines: a label file as classes and rings, each line by itself."""

from collections.abc import Container
from dataclasses import dataclass
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.defect import Defect
from segdata.core.runs import Ints
from segdata.formats.shapes.flat import sums
from segdata.formats.shapes.shape import Floats

_TOLERANCE = 0.01  # beyond the frame, as Ultralytics allows: verify_image_label in ultralytics/data/utils.py
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Lines:
    """The n rings of a file.

    Attributes
    ----------
    number : (n,) of each line, from 1
    category : (n,) class
    rings : n rings (m, 2) of shares of the image's width and height
    defects : what is wrong with other lines; they are left out
    """

    number: Ints
    category: Ints
    rings: list[Floats]
    defects: list[Defect]


def read_lines(text: bytes, classes: Container[int] | None = None, keypoints: int | None = None) -> Lines:
    """The rings in a label file.

    `classes` are those that have a name, None: not known. `keypoints` is how many numbers follow the box in lines of a
    pose dataset.
    """
    defects: list[Defect] = []
    numbered = _numbers(text.removeprefix(_BOM), defects)
    count = np.fromiter((len(values) for _, values in numbered), np.int64, len(numbered))
    numbers = np.fromiter(chain.from_iterable(values for _, values in numbered), np.float64, count.sum())
    offset = sums(count)
    suspect = _suspect(numbers, offset, keypoints)
    category, rings, lines = [], [], []
    for row, (number, values) in enumerate(numbered):
        unknown = classes is not None and values[0] not in classes
        wrong = _problem(values, classes, keypoints) if suspect[row] or unknown else None
        if wrong is None:
            lines.append(number)
            category.append(int(values[0]))
            rings.append(numbers[offset[row] + 1 : offset[row + 1]].reshape(-1, 2))
        else:
            defects.append(Defect(wrong[0], wrong[1], place=f"line {number}", line=number))
    return Lines(np.array(lines, np.int64), np.array(category, np.int64), rings, defects)


def _suspect(numbers: Floats, offset: Ints, keypoints: int | None) -> NDArray[np.bool_]:
    """(n,) which lines are to be looked at closely; no other has anything wrong but its class."""
    if len(offset) == 1:
        return np.zeros(0, bool)
    first, n = offset[:-1], np.diff(offset) - 1
    category = numbers[first]
    shares = numbers.copy()
    shares[first] = 0
    sound = (np.minimum.reduceat(shares, first) >= -_TOLERANCE) & (np.maximum.reduceat(shares, first) <= 1 + _TOLERANCE)
    sound &= (category >= 0) & (category < 2**31) & (category == np.rint(category))
    sound &= (n >= 6) & (n % 2 == 0) & (n != 4 + (keypoints or 0))
    return ~sound


def _numbers(text: bytes, defects: list[Defect]) -> list[tuple[int, list[float]]]:
    """The numbers of every line that has any, with the line's own."""
    found = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
    found = [(number, words) for number, words in found if words]
    lists = b"],[".join([b",".join(words) for _, words in found])
    try:
        decoded = msgspec.json.decode(b"[[%b]]" % lists, type=list[list[float]]) if found else []
        if [len(values) for values in decoded] == [len(words) for _, words in found]:
            return [(number, values) for (number, _), values in zip(found, decoded, strict=True)]
    except (msgspec.DecodeError, UnicodeDecodeError):  # JSON knows neither nan, nor 1., nor words
        pass
    numbers = []
    for number, words in found:
        try:
            numbers.append((number, [float(word) for word in words]))
        except ValueError:
            shown = b" ".join(words)[:40].decode("utf-8", "backslashreplace")
            message = f"{shown!r} is no row of numbers; left out"
            defects.append(Defect("SEG004", message, place=f"line {number}", line=number))
    return numbers


def _problem(values: list[float], classes: Container[int] | None, keypoints: int | None) -> tuple[str, str] | None:
    """The code and message of what is wrong with a line; None where it is a ring of a known class."""
    category, n = values[0], len(values) - 1
    if not 0 <= category < 2**31 or category != int(category):
        return "SEG004", f"class {category:g} is no whole number from 0; left out"
    if n == 4:
        return (
            "SEG004",
            "a box (x y width height) is no segment; left out (among polygons Ultralytics makes 2 points of it)",
        )
    if n == 5:
        return "SEG004", "a box with a confidence is no segment; left out"
    if keypoints is not None and n == 4 + keypoints:
        return "SEG004", "a pose (box and key points) is no segment; left out"
    if n % 2:
        return "SEG006", f"the polygon has {n} numbers; x and y come in pairs (a confidence at the end, or a pose?)"
    if n < 6:
        return "SEG006", f"the polygon has {n // 2} points; at least 3 are needed"
    low, high = min(values[1:]), max(values[1:])
    if low < -_TOLERANCE or high > 1 + _TOLERANCE or sum(values) != sum(values):  # nan is not itself
        worst = next(each for each in values[1:] if not -_TOLERANCE <= each <= 1 + _TOLERANCE)
        code = "SEG004" if abs(worst) < float("inf") else "SEG006"
        return code, f"the coordinate {worst:g} is no share of the image (0 to 1); left out"
    if classes is not None and int(category) not in classes:
        return "SEG007", f"class {int(category)} has no name in data.yaml; left out"
    return None
