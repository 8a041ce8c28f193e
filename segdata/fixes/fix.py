"""Fix: what a file of a fix offers, and how fixes are found."""

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import segdata.fixes
from segdata.core.annotation import Annotation
from segdata.core.batch import Batch, replaced
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs

Mend = Callable[[Annotation, Sequence[Evidence], Profile], Batch]
# In this order findings of one annotation are mended: what is no segment goes first, gaps are filled last.
ORDER = ("SEG105", "SEG104", "SEG013", "SEG018", "SEG115", "SEG106", "SEG107", "SEG111", "SEG101")

_REGISTRY: dict[str, Mend] = {}


def fix(code: str) -> Callable[[Mend], Mend]:
    """Register a function as the fix of a rule: an annotation and what is found in it, to what it should be.

    Whether it is safe its rule says, by `fix=` of its decorator.
    """

    def register(mend: Mend) -> Mend:
        _REGISTRY[code] = mend
        return mend

    return register


@cache
def fixes() -> dict[str, Mend]:
    """Every fix by the code of its rule, in the order in which they are made."""
    for module in pkgutil.iter_modules(segdata.fixes.__path__, "segdata.fixes."):
        import_module(module.name)
    return dict(sorted(_REGISTRY.items(), key=lambda each: (*ORDER, each[0]).index(each[0])))


def redrawn(batch: Batch, rows: Ints, drawn: Runs) -> Batch:
    """The batch with other pixels for some segments, which no longer know the polygons that they came from.

    `drawn` has the owners 0, 1, … for `rows` (ascending).
    """
    others = np.setdiff1d(np.arange(batch.n_segments), rows)
    place = np.argsort(np.concatenate([rows, others]), kind="stable")
    both = Runs.concatenate([drawn, batch.runs.take(others, batch.n_segments)], [len(rows), len(others)]).take(
        place, batch.n_segments
    )
    return replace(batch, runs=both, segments=undeclared(batch.segments, rows, "rings"))


def undeclared(segments: pa.Table, rows: Ints, *more: str) -> pa.Table:
    """The segments without what their file declares of some of them: area and box, and the columns `more`."""
    gone = np.isin(np.arange(segments.num_rows), rows)
    for name in ("declared_area", "declared_bbox", *more):
        column = segments[name].combine_chunks()
        segments = replaced(segments, name, pc.if_else(pa.array(gone), pa.scalar(None, column.type), column))
    return segments


def rows_of(findings: Sequence[Evidence]) -> Ints:
    """The segments that findings name, each once, in ascending order."""
    return np.unique(np.concatenate([np.empty(0, np.int64), *(each.segments for each in findings)]))


def dense(runs: Runs, height: int, width: int) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
    """The pixels of runs of one image as a picture (height, width)."""
    change = np.zeros(height * width + 1, np.int64)
    np.add.at(change, runs.start, 1)
    np.add.at(change, runs.start + runs.length, -1)
    return (np.cumsum(change[:-1]) > 0).reshape(width, height).T


def runs_of(picture: "np.ndarray[tuple[int, int], np.dtype[np.bool_]]") -> Runs:
    """The pixels of a picture (height, width) as runs of owner 0."""
    columns = np.pad(picture.T, ((0, 0), (1, 1))).astype(np.int8)
    step = np.diff(columns, axis=1)
    x, top = np.nonzero(step == 1)
    _, bottom = np.nonzero(step == -1)
    return Runs(x * picture.shape[0] + top, bottom - top, np.zeros(len(x), np.int32))
