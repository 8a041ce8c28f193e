"""Region of interest: where labels are expected in an image. Outside it, nothing is judged."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core import kernels
from segdata.core.batch import Batch, replaced
from segdata.core.counts import MESSAGES, runs_of_counts
from segdata.core.cover import complement
from segdata.core.defect import Defect
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.runs import Ints, Rows, Runs


def limited(batch: Batch) -> tuple[Batch, Runs | None]:
    """The batch without what lies outside its images' regions of interest, and those regions for each annotation.

    None stands for regions where no image has one. Segments that lose all of their pixels are left out; those that
    lose some no longer know their rings and what their file declares, which speak of the whole. A region that is not
    a valid RLE of its image's size limits nothing, and is SEG005.
    """
    column = batch.images["roi"].combine_chunks()
    if column.null_count == len(column):
        return batch, None
    regions, defects = _regions(batch, column)
    limits = regions.take(batch.annotation_image, batch.images.num_rows)
    line = batch.annotation_line
    runs = inside(batch.runs, batch.segment_annotation, limits, line, batch.n_segments)
    before, after = batch.runs.areas(batch.n_segments), runs.areas(batch.n_segments)
    segments = batch.segments
    cut = pa.array(before != after)
    for name in ("rings", "declared_area", "declared_bbox"):
        column = segments[name].combine_chunks()
        segments = replaced(segments, name, pc.if_else(cut, pa.scalar(None, column.type), column))
    whole = replace(batch, segments=segments, runs=runs, defects=(*batch.defects, *defects))
    return whole.take_segments(np.flatnonzero((after > 0) | (before == 0))), limits


def inside(runs: Runs, frame: Rows | Ints, limits: Runs, line: Line, n_owners: int) -> Runs:
    """The pixels of `runs` that lie in `limits`, whose owners are the frames of `line`; `frame` is each owner's."""
    a = Side.of(runs, line, frame)
    b = Side.of(limits, line, np.arange(len(line.base), dtype=np.int64))
    owner, _, start, length = kernels.strips(a.start, a.end, a.owner, b.start, b.end, b.owner)
    of, x, y = line.lower(start)
    return Runs(x * line.height[of] + y, length, owner).sorted_by_owner(n_owners)


def _regions(batch: Batch, column: pa.Array) -> tuple[Runs, list[Defect]]:
    """The region of each image as runs (owner: image row), the whole image where it has none of its own."""
    height, width = batch.image_size
    given = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    found, error = runs_of_counts(column.take(pa.array(given)), height[given], width[given])
    names = batch.images["image_id"].take(pa.array(given)).to_pylist()
    defects = [
        Defect("SEG005", f"region of interest: {MESSAGES[int(code)]}; it is ignored", image=name)
        for name, code in zip(names, error, strict=True)
        if code
    ]
    others = np.setdiff1d(np.arange(len(height)), given[error == 0])
    whole = complement(Runs.empty(), height[others], width[others])
    start = np.concatenate([found.start, whole.start])
    length = np.concatenate([found.length, whole.length])
    owner = np.concatenate([given[found.owner], others[whole.owner]]).astype(np.int32)
    order = kernels.order_by(owner, len(height))
    return Runs(start[order], length[order], owner[order]), defects
