"""Matching: which box of an XML file belongs to which object of the masks. VOC itself does not say."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints
from segdata.formats.voc.boxes import Boxed

_SAME, _ALIKE = 0.3, 0.5  # intersection over union; masks lack the border that boxes include
Floats = NDArray[np.float64]


def match(
    boxes: Sequence[Ints], category: Ints, said: Sequence[Boxed], named: Mapping[str, int]
) -> tuple[Ints, list[Boxed]]:
    """For each object the row of the box that is its own, -1 without one; and the boxes that are nobody's.

    Parameters
    ----------
    boxes : x, y, width and height, (n,) each, of the objects in pixels
    category : (n,) of the objects
    said : the boxes
    named : category ids by name

    A box is an object's where class and place are the same; the third box of an image goes to its third object before
    others of the same place, for so development kits read them.
    """
    theirs = np.array([each.box for each in said], np.float64).reshape(-1, 4).T
    shared = _iou(np.asarray(boxes, np.float64), theirs)
    ids = np.array([_category(each.name, named) for each in said], np.int64)
    first, second = np.nonzero((shared >= _SAME) & (category[:, None] == ids))
    in_turn = (first == second) & (shared[first, second] >= _ALIKE)
    found, taken = [-1] * len(category), [False] * len(said)
    order = np.lexsort((-shared[first, second], ~in_turn))
    for mine, box in zip(first[order].tolist(), second[order].tolist(), strict=True):
        if found[mine] < 0 and not taken[box]:
            found[mine], taken[box] = box, True
    return np.array(found, np.int64), [each for each, has in zip(said, taken, strict=True) if not has]


def _category(name: str, named: Mapping[str, int]) -> int:
    return named.get(name, named.get(name.strip(), -1))


def _iou(a: Floats, b: Floats) -> Floats:
    """(n, m) shared pixels over pixels in either box, of (4, n) and (4, m) boxes x, y, width, height."""
    left, top = (np.maximum(a[side][:, None], b[side]) for side in (0, 1))
    right, bottom = (np.minimum((a[at] + a[at + 2])[:, None], b[at] + b[at + 2]) for at in (0, 1))
    both = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    iou: Floats = both / np.maximum((a[2] * a[3])[:, None] + b[2] * b[3] - both, 1e-9)
    return iou
