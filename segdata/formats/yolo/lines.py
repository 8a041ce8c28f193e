"""Lines: a label file as marks, each line by itself."""

from collections.abc import Container, Mapping, Sequence

import numpy as np

from segdata.core.finding import Defect
from segdata.formats.shapes.flat import Flat
from segdata.formats.shapes.scaled import scaled
from segdata.formats.shapes.shape import Floats, Ring
from segdata.formats.tools.mark import Mark, Written
from segdata.formats.tools.written import Notation
from segdata.formats.yolo.bridges import in_pixels, unbridged

_TOLERANCE = 0.01  # beyond the frame, as Ultralytics allows: verify_image_label in ultralytics/data/utils.py
_BOM = b"\xef\xbb\xbf"


def read_lines(text: bytes, names: Mapping[bytes, str], keypoints: int | None, defects: list[Defect]) -> list[Mark]:
    """The rings in a label file; what is wrong with other lines is added to `defects`.

    `names` are those of the classes by their numbers. `keypoints` is how many numbers follow the box in lines of a pose
    dataset.
    """
    marks = []
    for number, line in enumerate(text.removeprefix(_BOM).splitlines(), 1):
        word, _, rest = line.strip().partition(b" ")
        name = names.get(word)
        if not word:
            continue
        place = f"line {number}"
        if name is None or b"," in rest or keypoints is not None:
            try:
                name, rest = _closely(line.split(), names, keypoints)
            except ValueError as wrong:
                code, message = wrong.args
                defects.append(Defect(code, message, place=place, line=number))
                continue
        marks.append(
            Mark(name, Written((b"[[%b]]" % rest.replace(b" ", b","),), word.decode(), place), place, None, number)
        )
    return marks


def _closely(words: Sequence[bytes], names: Mapping[bytes, str], keypoints: int | None) -> tuple[str, bytes]:
    """The name of a line's class, and its ring; raises ValueError with the code and message of what is wrong."""
    values = _numbers(words)
    known = {int(each) for each in names}
    wrong = _problem(values, known, keypoints)
    if wrong is not None:
        raise ValueError(*wrong)
    return names[b"%d" % int(values[0])], b" ".join(words[1:])


def _numbers(words: Sequence[bytes]) -> list[float]:
    """The numbers of a line; raises ValueError with a code and a message."""
    try:
        return [float(word) for word in words]
    except ValueError:
        shown = b" ".join(words)[:40].decode("utf-8", "backslashreplace")
        raise ValueError("SEG004", f"{shown!r} is no row of numbers; left out") from None


def occurring(text: bytes) -> set[int]:
    """The classes of the rings in a label file."""
    found = set()
    for line in text.removeprefix(_BOM).splitlines():
        words = line.split()
        try:
            values = _numbers(words)
        except ValueError:
            continue
        if values and _problem(values, None, None) is None:
            found.add(int(values[0]))
    return found


def _mended(mark: Mark, size: tuple[int, int]) -> list[Ring] | Defect:
    """The ring of a line that is not written as most are, or why it is left out."""
    written = mark.shape
    words = (
        [written.name.encode(), *written.texts[0][2:-2].replace(b",", b" ").split()]
        if isinstance(written, Written)
        else []
    )
    try:
        values = _numbers(words)
        wrong = _problem(values, None, None)
        if wrong is None:
            return [np.array(values[1:]).reshape(-1, 2)]
    except ValueError as strange:
        wrong = strange.args[0], strange.args[1]
    return Defect(wrong[0], wrong[1], place=mark.place, line=mark.id)


def _placed(flat: Flat, sides: Floats) -> tuple[Floats, Floats]:
    """Shares of the image's sides in pixels: as Ultralytics computes them, and without the noise of that."""
    return in_pixels(flat.points, sides), scaled(flat.points, sides)


NOTATION = Notation("flat", -_TOLERANCE, 1 + _TOLERANCE, _placed, _mended, unbridged, keeps_bridges=True)


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
