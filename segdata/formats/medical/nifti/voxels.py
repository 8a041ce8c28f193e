"""NIfTI voxels: a volume of labels as the runs of its values, slice by slice, never as a whole array."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints
from segdata.formats.medical.nifti.head import Head, open_volume, read_head
from segdata.formats.shared.mask_files import ValueRuns, Values

_TOLERANCE = 1e-3  # how far from a whole number a label may be
_MOST = 2**31 - 1  # values beyond this come from damage or from another kind of data
Stored = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Volume:
    """A decoded volume.

    Attributes
    ----------
    head : its header
    slices : the runs of each slice's values; voxels that are no whole numbers are 0 in them
    n_broken : voxels that are no whole numbers, or too large to be labels
    first_broken : index (i, j, k) and value of the first of them
    n_rounded : voxels that were rounded, because they are a little off
    """

    head: Head
    slices: tuple[ValueRuns, ...]
    n_broken: int = 0
    first_broken: tuple[int, int, int, float] | None = None
    n_rounded: int = 0

    @property
    def values(self) -> Ints:
        """(k,) the distinct values, ascending."""
        return np.unique(np.concatenate([each.value for each in self.slices]))


def decode(path: Path) -> Volume:
    """The volume in a file; raises OSError with the reason where it is damaged."""
    head = read_head(path)
    if head.dtype.kind not in "iufb":
        raise OSError(f"voxels of type {head.dtype} are no labels")
    found: list[ValueRuns] = []
    n_broken = n_rounded = 0
    first: tuple[int, int, int, float] | None = None
    for k, stored in enumerate(_stored(path, head)):
        labels, broken, rounded = _labels(stored, head)
        if broken is not None:
            n_broken += int(broken.sum())
            if first is None:
                j, i = np.unravel_index(int(broken.argmax()), broken.shape)
                first = int(i), int(j), k, float(_scaled(stored, head)[j, i])
        n_rounded += rounded
        found.append(ValueRuns.of(labels))
    return Volume(head, tuple(found), n_broken, first, n_rounded)


def _stored(path: Path, head: Head) -> Iterator[Stored]:
    """The slices (rows, columns) as the file stores them, one in memory at a time."""
    columns, rows, n_slices = head.shape
    size = columns * rows * head.dtype.itemsize
    try:
        with open_volume(path) as file:
            file.read(head.offset)
            for k in range(n_slices):
                data = file.read(size)
                if len(data) < size:
                    raise OSError(f"the file is cut off: slice {k} of {n_slices} is not whole")
                yield np.frombuffer(data, head.dtype).reshape(rows, columns)
    except (EOFError, zlib.error) as error:
        raise OSError(f"damaged: {error}") from error


def _scaled(stored: Stored, head: Head) -> NDArray[np.float64]:
    return stored.astype(np.float64) * head.slope + head.inter


def _labels(stored: Stored, head: Head) -> tuple[Values, NDArray[np.bool_] | None, int]:
    """The slice in whole numbers, where it has none (None: nowhere), and how many were rounded."""
    scaled = (head.slope, head.inter) != (1.0, 0.0)
    if stored.dtype.kind in "iu" and stored.dtype.itemsize < 8 and not scaled:
        native: Values = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        return native, None, 0
    values = (
        _scaled(stored, head) if scaled or stored.dtype.kind != "f" else stored.astype(head.dtype.newbyteorder("="))
    )
    with np.errstate(invalid="ignore"):
        whole = np.rint(values)
        off = np.abs(values - whole)
        broken = ~((off <= _TOLERANCE) & (np.abs(whole) <= _MOST))
    whole[broken] = 0
    return whole.astype(np.int32), broken if broken.any() else None, int(((off > 0) & ~broken).sum())
