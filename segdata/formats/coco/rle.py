"""RLE of COCO annotations: compressed texts and lists of counts, to runs and back."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Ints, Runs
from segdata.formats.coco.fault import Fault
from segdata.formats.coco.items import decode_column

Flags = NDArray[np.bool_]
Count = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Size = Annotated[list[int], msgspec.Meta(min_length=2, max_length=2)]  # a tuple in a union is unsafe in msgspec 0.22


class Rle(msgspec.Struct, gc=False):
    """An RLE segmentation: compressed where `counts` is a text. `size` is [height, width] in pixels."""

    size: Size
    counts: str | list[Count]


def read_rles(raws: Sequence[msgspec.Raw], height: Ints, width: Ints) -> tuple[Runs, Flags, list[Fault]]:
    """The pixels of n RLEs, which of them are sound, and the faults; sizes (n,) of the images in pixels."""
    values, broken = decode_column(raws, Rle)
    faults = [Fault(row, "SEG005", f"RLE: {why.message}", f"/segmentation{why.place}") for row, why in broken.items()]
    sound = np.zeros(len(raws), bool)
    pieces = []
    for compressed in (True, False):
        rows, rles = [], []
        for row, rle in enumerate(values):
            if rle is None or isinstance(rle.counts, str) != compressed:
                continue
            if rle.size == [height[row], width[row]]:
                rows.append(row)
                rles.append(rle)
            else:
                faults.append(_other_size(row, rle, int(height[row]), int(width[row])))
        at = np.array(rows, np.int64)
        start, length, owner, error = _decode(rles, compressed, height[at], width[at])
        faults += [_complaint(rows[k], rles[k], int(error[k])) for k in np.flatnonzero(error).tolist()]
        sound[at] = error == 0
        pieces.append(Runs(start, length, at[owner].astype(np.int32)))
    return Runs.concatenate(pieces, [0, 0]), sound, faults


def _decode(
    rles: list[Rle], compressed: bool, height: Ints, width: Ints
) -> tuple[Ints, Ints, NDArray[np.int32], NDArray[np.uint8]]:
    if compressed:
        # A letter beyond ASCII is no count whatever its code: errors="replace" keeps it one byte that is refused.
        texts = [str(rle.counts).encode("ascii", "replace") for rle in rles]
        return kernels.decode_counts(np.frombuffer(b"".join(texts), np.uint8), _offsets(texts), height, width)
    lists = [np.array(rle.counts, np.int64) for rle in rles]
    return kernels.split_counts(np.concatenate([np.empty(0, np.int64), *lists]), _offsets(lists), height, width)


def _offsets(pieces: Sequence[bytes] | Sequence[Ints]) -> Ints:
    return np.cumsum([0, *map(len, pieces)], dtype=np.int64)


def _other_size(row: int, rle: Rle, height: int, width: int) -> Fault:
    swap = ": height and width are swapped" if rle.size == [width, height] else ""
    message = f"RLE size [height, width] is {rle.size}, the image has {[height, width]}{swap}"
    return Fault(row, "SEG005", message, "/segmentation/size")


def _complaint(row: int, rle: Rle, error: int) -> Fault:
    """What the kernel's error means, with both numbers where it is about a sum."""
    height, width = rle.size
    if error in (4, 5):
        counts = letters_to_counts(rle.counts) if isinstance(rle.counts, str) else rle.counts
        said = f"counts sum to {sum(counts):,}, height x width is {height:,} x {width:,} = {height * width:,}"
    else:
        said = {
            1: "counts hold a letter outside the 64 of compressed RLE",
            2: "counts end within a number, or hold one of more than 7 letters",
            3: "a count is negative",
        }[error]
    return Fault(row, "SEG005", f"RLE: {said}", "/segmentation/counts")


def letters_to_counts(text: str) -> list[int]:
    """The counts of one compressed text, letter by letter: for messages about texts that the kernel refuses.

    >>> letters_to_counts("13")
    [1, 3]
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - 48
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code >> 4 & 1) << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    return counts


def write_rles(runs: Runs, rows: Ints, height: Ints, width: Ints) -> list[dict[str, object]]:
    """The compressed RLE of some owners of `runs`; sizes (n_owners,) of the images in pixels."""
    kept = runs.take(rows, len(height))
    text, offset = kernels.encode_counts(kept.start, kept.length, kept.offsets(len(rows)), height[rows], width[rows])
    letters = text.tobytes().decode("ascii")
    return [
        {"size": [high, wide], "counts": letters[first:last]}
        for first, last, high, wide in zip(
            offset[:-1].tolist(), offset[1:].tolist(), height[rows].tolist(), width[rows].tolist(), strict=True
        )
    ]
