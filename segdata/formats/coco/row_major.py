"""Row-major: RLEs that were written row by row. Read column by column they are noise, with the right area."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.runs import Ints, Runs, boxes
from segdata.formats.coco.annotations import Column
from segdata.formats.coco.fault import Fault
from segdata.formats.coco.items import Raw
from segdata.formats.coco.rle import Rle, read_rles
from segdata.formats.coco.segmentation import Shapes

Boxes = NDArray[np.float64]
_OFF, _FITS = 2, 1  # pixels between the edges of a declared box and those of the pixels


def without_row_major(
    shapes: Shapes, raws: Sequence[msgspec.Raw], declared: Column, height: Ints, width: Ints
) -> Shapes:
    """`shapes` without those RLEs of which the declared box fits only the reading by rows: these become faults.

    `raws` are the segmentations, `declared` their boxes [x, y, width, height] where they have one, and sizes (n,)
    those of their images in pixels.
    """
    coded = np.flatnonzero(shapes.sound & shapes.rings.is_null().to_numpy(zero_copy_only=False))
    if len(coded) == 0:
        return shapes
    given = declared.tolist() if isinstance(declared, pa.Array) else declared
    rows = np.array([k for k in coded.tolist() if given[k] is not None], np.int64)
    if len(rows) == 0:
        return shapes
    told = np.array([given[k] for k in rows.tolist()], np.float64)
    drawn = np.stack(boxes(shapes.runs, height, len(raws)), axis=1)[rows].astype(np.float64)
    doubtful = np.flatnonzero(~(_distance(told, drawn) <= _OFF) & (drawn[:, 2] > 0))
    rows, told = rows[doubtful], told[doubtful]
    other = _boxes_by_rows([raws[k] for k in rows.tolist()], height[rows], width[rows])
    wrong = rows[_distance(told, other) <= _FITS]
    if len(wrong) == 0:
        return shapes
    kept = np.flatnonzero(~np.isin(shapes.runs.owner, wrong))
    runs = Runs(shapes.runs.start[kept], shapes.runs.length[kept], shapes.runs.owner[kept])
    sound = shapes.sound.copy()
    sound[wrong] = False
    message = "RLE: the counts fit the bbox only when read row by row; COCO goes column by column; left out"
    faults = [Fault(k, "SEG005", message, "/segmentation/counts") for k in wrong.tolist()]
    return replace(shapes, runs=runs, sound=sound, faults=shapes.faults + faults)


def _distance(a: Boxes, b: Boxes) -> Boxes:
    """(n,) the largest distance between edges of the boxes (n, 4), in pixels."""
    first = np.abs(a[:, :2] - b[:, :2])
    last = np.abs(a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:])
    largest: Boxes = np.maximum(first, last).max(axis=1, initial=0)
    return largest


def _boxes_by_rows(raws: Sequence[msgspec.Raw], height: Ints, width: Ints) -> Boxes:
    """(n, 4) the boxes of RLEs whose counts go row by row: by columns of the transposed image."""
    rles = msgspec.json.decode(b"[" + b",".join(raws) + b"]", type=list[Rle])
    turned = [Raw(msgspec.json.encode(Rle(rle.size[::-1], rle.counts))) for rle in rles]
    runs, _, _ = read_rles(turned, width, height)
    y, x, high, wide = boxes(runs.sorted_by_owner(len(raws)), width, len(raws))
    return np.stack([x, y, wide, high], axis=1).astype(np.float64)
