"""Segmentations of COCO annotations, a chunk at a time: polygons, and RLE in either form."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.runs import Ints, Runs
from segdata.formats.coco.fault import Fault
from segdata.formats.coco.polygons import read_polygons
from segdata.formats.coco.rle import read_rles


@dataclass(frozen=True, slots=True)
class Shapes:
    """Decoded segmentations.

    Attributes
    ----------
    runs : the pixels; `runs.owner` is the position of the segmentation
    rings : (n,) list<list<double>>, the sound rings of polygons; null for RLE
    sound : (n,) whether anything of the segmentation could be read
    faults : what could not
    """

    runs: Runs
    rings: pa.Array
    sound: NDArray[np.bool_]
    faults: list[Fault]


def read_shapes(raws: Sequence[msgspec.Raw], height: Ints, width: Ints) -> Shapes:
    """The segmentations of n annotations as runs; sizes (n,) are those of their images, in pixels.

    A ring or an RLE that is not sound becomes a fault, and never reaches a decoder that trusts it.
    """
    n = len(raws)
    size = np.fromiter(map(len, raws), np.int64, n)
    last = np.cumsum(size)
    first = last - size
    text = np.frombuffer(b"".join(raws), np.uint8)
    head = np.zeros(n, np.uint8)
    head[size > 0] = text[first[size > 0]]
    drawn, coded = np.flatnonzero(head == ord("[")), np.flatnonzero(head == ord("{"))
    polygons, drawn_sound, drawn_faults = read_polygons(text, first[drawn], last[drawn])
    drawn_runs = polygons.rasterise(height[drawn], width[drawn])
    coded_runs, coded_sound, coded_faults = read_rles(
        [raws[row] for row in coded.tolist()], height[coded], width[coded]
    )
    sound = np.zeros(n, bool)
    sound[drawn], sound[coded] = drawn_sound, coded_sound
    faults = [
        Fault(int(rows[fault.row]), fault.code, fault.message, fault.place, fault.lost)
        for rows, found in ((drawn, drawn_faults), (coded, coded_faults))
        for fault in found
    ]
    for row in np.flatnonzero((head != ord("[")) & (head != ord("{"))).tolist():
        found = bytes(memoryview(raws[row])[:20]).decode("utf-8", "replace")
        said = f"is {found}, neither polygons nor RLE" if found else "is missing"
        faults.append(Fault(row, "SEG004", f"segmentation {said}; left out", "/segmentation" if found else ""))
    if len(coded) == 0 and len(drawn) == n:
        return Shapes(drawn_runs, polygons.as_lists(drawn, n), sound, faults)  # sorted already
    runs = [
        Runs(each.start, each.length, rows[each.owner].astype(np.int32))
        for rows, each in ((drawn, drawn_runs), (coded, coded_runs))
    ]
    both = Runs.concatenate(runs, [0, 0]).sorted_by_owner(n)
    return Shapes(both, polygons.as_lists(drawn, n), sound, faults)
