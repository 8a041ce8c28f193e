"""COCO's compressed counts, the canonical form of pixels on disk, to runs and back."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.columns import flat_bytes
from segdata.core.runs import Ints, Runs

MESSAGES = {
    1: "counts hold a byte that no compressed RLE has",
    2: "counts end in the middle of a number, or hold one that is too long",
    3: "counts hold a negative number",
    4: "counts sum to less than height x width",
    5: "counts sum to more than height x width",
}


def runs_of_counts(counts: pa.Array, height: Ints, width: Ints) -> tuple[Runs, NDArray[np.uint8]]:
    """Runs of n segments and an error code each (0: fine, else a key of `MESSAGES`; such a segment has no runs).

    `counts` (n,) binary, COCO compressed RLE; `height` and `width` (n,) of each segment's image, in pixels.
    """
    text, offset = flat_bytes(counts)
    start, length, owner, error = kernels.decode_counts(text, offset, height, width)
    return Runs(start, length, owner), error


def counts_of_runs(runs: Runs, height: Ints, width: Ints) -> pa.Array:
    """(n,) binary: the compressed RLE of every owner, byte for byte as pycocotools writes it."""
    n_owners = len(height)
    text, offset = kernels.encode_counts(runs.start, runs.length, runs.offsets(n_owners), height, width)
    large = pa.Array.from_buffers(pa.large_binary(), n_owners, [None, pa.py_buffer(offset), pa.py_buffer(text)])
    return large.cast(pa.binary())
