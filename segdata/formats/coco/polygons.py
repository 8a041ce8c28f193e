"""Polygons of COCO annotations: from the bytes of the JSON to runs, every ring checked on the way."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Ints, Runs, spread
from segdata.formats.coco.fault import Fault

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
MAX_COORDINATE = 1e7  # pixels from the frame; scan conversion walks along edges, so more is not handed on


@dataclass(frozen=True, slots=True)
class Polygons:
    """Rings of n segments: ring j is ``xy[ring[j]:ring[j + 1]]``, segment i owns ``segment[i]:segment[i + 1]``."""

    xy: Floats
    ring: Ints
    segment: Ints

    def take_rings(self, kept: Ints) -> "Polygons":
        """Only some rings, in ascending order."""
        size = np.diff(self.ring)[kept]
        owner = np.repeat(np.arange(len(self.segment) - 1), np.diff(self.segment))[kept]
        n_rings = np.bincount(owner, minlength=len(self.segment) - 1)
        return Polygons(self.xy[spread(self.ring[kept], size)], _offsets(size), _offsets(n_rings))

    def rasterise(self, height: Ints, width: Ints) -> Runs:
        """The pixels by COCO's rule, united over the rings of a segment; sizes (n,) of the images in pixels."""
        return Runs(*kernels.rasterise(self.xy, self.ring, self.segment, height, width))

    def as_lists(self, rows: Ints, n: int) -> pa.Array:
        """(n,) list<list<double>>: the rings of segment i at ``rows[i]``, null elsewhere."""
        count, absent = np.zeros(n, np.int64), np.ones(n, bool)
        count[rows], absent[rows] = np.diff(self.segment), False
        lists = pa.ListArray.from_arrays(pa.array(self.ring.astype(np.int32)), pa.array(self.xy))
        return pa.ListArray.from_arrays(pa.array(_offsets(count).astype(np.int32)), lists, mask=pa.array(absent))

    @staticmethod
    def of_lists(lists: pa.Array) -> "Polygons":
        """Rings from a list<list<double>> column; a null has none."""
        rings = lists.flatten()
        return Polygons(
            rings.flatten().to_numpy(zero_copy_only=False).astype(np.float64),
            _offsets(rings.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)),
            _offsets(lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)),
        )


def read_polygons(text: Bytes, first: Ints, last: Ints) -> tuple[Polygons, Flags, list[Fault]]:
    """The sound rings of n segmentations ``text[first[i]:last[i]]``, which segmentations are sound, and the faults.

    A segmentation is sound when any of its rings is, or when it is an empty list.
    """
    xy, ring, segment, error = kernels.parse_rings(text, first, last)
    every = Polygons(xy, ring, segment)
    faults = [_explain(i, text[first[i] : last[i]].tobytes()) for i in np.flatnonzero(error).tolist()]
    wrong = malformed(every)
    owner = np.repeat(np.arange(len(first)), np.diff(segment))
    for j in np.flatnonzero(wrong).tolist():
        i = int(owner[j])
        faults.append(Fault(i, "SEG006", _complaint(xy[ring[j] : ring[j + 1]]), f"/segmentation/{j - int(segment[i])}"))
    kept = every.take_rings(np.flatnonzero(~wrong))
    for j in np.flatnonzero(~wrong)[flat(kept)].tolist():
        i = int(owner[j])
        said = "ring of zero area: its points are on one line; kept, with the pixels that COCO's rule gives it"
        faults.append(Fault(i, "SEG006", said, f"/segmentation/{j - int(segment[i])}", lost=False))
    sound = (error == 0) & ((np.diff(kept.segment) > 0) | (np.diff(segment) == 0))
    return kept, sound, faults


def _offsets(count: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64)


def malformed(polygons: Polygons) -> Flags:
    """(n_rings,) rings that pycocotools would misread, never finish, or that hold no pixel whatever their place."""
    count = np.diff(polygons.ring)
    wrong: Flags = (count % 2 == 1) | (count < 6)
    far = ~(np.abs(polygons.xy) <= MAX_COORDINATE)
    wrong[np.repeat(np.arange(len(count)), count)[far]] = True
    whole = np.flatnonzero(~wrong)
    if len(whole):
        xy = polygons.xy[spread(polygons.ring[whole], count[whole])]
        point = (np.cumsum(count[whole]) - count[whole]) // 2
        for side in (xy[0::2], xy[1::2]):
            wrong[whole] |= np.maximum.reduceat(side, point) == np.minimum.reduceat(side, point)
    return wrong


def flat(polygons: Polygons) -> Flags:
    """(n_rings,) whether all points of a ring are on one line: COCO's rule gives some of them pixels."""
    x0, y0, x1, y1, x2, y2 = (polygons.xy[polygons.ring[:-1] + n] for n in range(6))
    one, other = (x1 - x0) * (y2 - y0), (x2 - x0) * (y1 - y0)
    result: Flags = np.abs(one - other) <= 1e-6 * np.abs(one)
    near = np.flatnonzero(result)  # those whose first three points are, few as a rule
    if len(near):
        few = polygons.take_rings(near)
        start = np.repeat(few.ring[:-1], np.diff(few.ring) // 2)
        x, y, point = few.xy[0::2] - few.xy[start], few.xy[1::2] - few.xy[start + 1], few.ring[:-1] // 2
        xx, yy, xy = (np.add.reduceat(each, point) for each in (x * x, y * y, x * y))
        result[near] = xx * yy * (1 - 1e-12) <= xy**2
    return result


def _complaint(xy: Floats) -> str:
    if len(xy) % 2:
        said = f"{len(xy)} numbers; x and y come in pairs"
    elif len(xy) == 4:
        said = "4 numbers: a box passed off as a polygon? 3 points (6 numbers) are needed"
    elif len(xy) < 6:
        said = f"{len(xy) // 2} points; at least 3 are needed"
    elif (far := ~(np.abs(xy) <= MAX_COORDINATE)).any():
        said = f"the coordinate {xy[far][0]:g}, more than {MAX_COORDINATE:,.0f} px from the frame"
    else:
        said = "zero area: its points are on one line"
    return f"ring of {said}; left out, other rings of the annotation are kept"


def _explain(row: int, raw: bytes) -> Fault:
    """Why a segmentation is not a list of lists of numbers."""
    rings = json.loads(raw, parse_constant=str)
    if all(isinstance(value, (int, float)) for value in rings):
        return Fault(row, "SEG006", "a flat list of numbers; a list of rings is expected: [[x, y, …]]", "/segmentation")
    for j, ring in enumerate(rings):
        place = f"/segmentation/{j}"
        if not isinstance(ring, list):
            return Fault(row, "SEG006", f"ring is {json.dumps(ring)[:20]}, not a list of numbers", place)
        for i, value in enumerate(ring):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return Fault(row, "SEG006", f"coordinate is {json.dumps(value)[:20]}, not a number", f"{place}/{i}")
    return Fault(row, "SEG006", "not a list of rings of numbers", "/segmentation")
