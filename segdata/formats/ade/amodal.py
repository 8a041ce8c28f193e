"""Amodal: visible and hidden pixels of an object together, as an attribute in COCO's RLE.

They are no segment of their own: training, counting and comparing would see every occluded object twice, and rules
would call the two duplicates. As an attribute they go with the object into every format that holds attributes, exactly.
"""

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.runs import Runs
from segdata.core.schema import rle_to_runs, runs_to_rle

Size = tuple[int, int]


class _Rle(msgspec.Struct):
    size: list[int]
    counts: str


def rle(runs: Runs, size: Size) -> str:
    """The runs of owner 0 in an image of this height and width as COCO's RLE, in JSON.

    >>> rle(Runs(np.array([2]), np.array([1]), np.zeros(1, np.int32)), (2, 2))
    '{"size":[2,2],"counts":"211"}'
    """
    height, width = size
    counts = runs_to_rle(runs, np.array([height]), np.array([width]))[0].as_py()
    return msgspec.json.encode({"size": [height, width], "counts": counts.decode()}).decode()


def runs_of_rle(json: str, size: Size) -> Runs | None:
    """The runs of an RLE; None where it is none of an image of this height and width."""
    try:
        said = msgspec.json.decode(json, type=_Rle)
    except msgspec.DecodeError:
        return None
    if said.size != list(size):
        return None
    counts = pa.array([said.counts.encode("ascii", "replace")], pa.binary())
    runs, error = rle_to_runs(counts, np.array([size[0]]), np.array([size[1]]))
    return None if error[0] else runs
