"""Coverage: which pixels of an annotation are labelled, void, claimed twice, or nobody's."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.cover import complement, cover
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.parts import shape
from segdata.core.roi import roi_runs
from segdata.core.runs import Rows, Runs
from segdata.core.taxonomy import Taxonomy
from segdata.measure.shapes import regions


def coverage(batch: Batch, side: Side, line: Line, taxonomy: Taxonomy, with_gaps: bool) -> dict[str, pa.Table]:
    """Columns for `annotations` (labelled, unlabelled, void, multiple: pixels) and the table `gaps`.

    Unlabelled pixels and gaps are counted inside the image's region of interest only, where it has one. `gaps` are
    the 4-connected unlabelled regions: the annotation's row, area, box, perimeter in pixel edges.
    """
    covered = cover(side, line)
    void = np.zeros(batch.annotations.num_rows, np.int64)
    is_void = np.isin(batch.segments["category_id"].to_numpy(), taxonomy.void_ids)
    areas = batch.runs.areas(batch.n_segments)
    np.add.at(void, batch.segment_annotation[is_void], areas[is_void])
    limits = roi_runs(batch)
    columns = {"labelled": covered.labelled, "void": void, "multiple": covered.multiple}
    if not with_gaps and limits is None:
        return {"coverage": pa.table({"unlabelled": line.height * line.width - covered.labelled, **columns})}
    empty = complement(covered.runs, line.height, line.width)
    if limits is not None:
        empty = _within(empty, limits, line, batch.annotation_image, batch.images.num_rows)
    found = shape(empty, line.height, len(line.base))
    return {
        "coverage": pa.table({"unlabelled": empty.areas(len(line.base)), **columns}),
        "gaps": regions(found.parts, "annotation", np.arange(len(found.parts.area))),
    }


def _within(empty: Runs, limits: Runs, line: Line, image: Rows, n_images: int) -> Runs:
    """The pixels of `empty` (owners: annotations) that lie inside their image's region of interest."""
    per_annotation = limits.take(image, n_images)
    frames = np.arange(len(line.base), dtype=np.int64)
    a, b = Side.of(empty, line, frames), Side.of(per_annotation, line, frames)
    owner, _, start, length = kernels.strips(a.start, a.end, a.owner, b.start, b.end, b.owner)
    frame, x, y = line.lower(start)
    return Runs(x * line.height[frame] + y, length, owner)
