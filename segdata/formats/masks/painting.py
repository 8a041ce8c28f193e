"""Painting: one annotation's segments in one array, for formats with one value a pixel. Later segments win."""

from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.loss import Losses
from segdata.core.meet import Side, meet_within
from segdata.core.runs import Ints, spread
from segdata.core.unsafe import is_unsafe
from segdata.formats.sheets import Sheet, examples

V = TypeVar("V", np.uint8, np.uint16, np.uint32, np.int32)


def painted(sheet: Sheet, values: Ints, blank: int, dtype: type[V]) -> NDArray[V]:
    """The (height, width) array in which segment i has `values[i]` and the rest `blank`; negative: it is left out."""
    canvas: NDArray[V] = np.full(sheet.width * sheet.height, blank, dtype)
    runs, value = sheet.runs, values[sheet.runs.owner]
    start, length = runs.start, runs.length
    if (value < 0).any():
        start, length, value = start[value >= 0], length[value >= 0], value[value >= 0]
    canvas[spread(start, length)] = np.repeat(value, length)
    return np.ascontiguousarray(canvas.reshape(sheet.width, sheet.height).T)


def occurs(values: Ints, pixels: NDArray[V]) -> NDArray[np.bool_]:
    """(n,) whether any pixel of a painted array has each value: a segment may be covered by later ones."""
    present = np.zeros(max(int(pixels.max(initial=0)), int(values.max(initial=0))) + 1, bool)
    present[pixels] = True
    return present[values]


def count_overlaps(batch: Batch, painted_as: Ints, losses: Losses) -> None:
    """Count the pixels that change their meaning because a later segment covers an earlier one.

    `painted_as` (n_segments,) is the value that each segment is painted with; only segments of different values of
    one annotation count, and -1 stands for a segment that is not painted.
    """
    met = meet_within(Side.of(batch.runs, batch.annotation_line, batch.segment_annotation))
    lost = (painted_as[met.a] >= 0) & (painted_as[met.b] >= 0) & (painted_as[met.a] != painted_as[met.b])
    losses.add(
        "overlap", "pairs of segments", int(lost.sum()), int(met.pixels[lost].sum()), examples(batch, met.a[lost])
    )


class MaskNames:
    """Gives each image a mask file of its own, `masks/<image>.png`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, image_id: str, suffix: str = ".png") -> str:
        """The path below the target; raises SegdataError for an id that leaves it."""
        if is_unsafe(image_id):
            raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so its mask has no place")
        stem = PurePosixPath("masks", image_id).with_suffix("").as_posix()
        if stem.lower() in self._taken:  # a.jpg and a.png, or names that some file systems take for the same
            stem = f"masks/{image_id}.{len(self._taken)}"
        self._taken.add(stem.lower())
        return stem + suffix
