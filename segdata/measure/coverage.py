"""Coverage: which pixels of an annotation are labelled, void, claimed twice, or nobody's."""

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.cover import complement, cover
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.parts import shape
from segdata.core.roi import inside
from segdata.core.runs import Runs
from segdata.core.taxonomy import Taxonomy
from segdata.measure.shapes import regions


def coverage(
    batch: Batch, side: Side, line: Line, limits: Runs | None, taxonomy: Taxonomy, with_gaps: bool
) -> dict[str, pa.Table]:
    """Columns for `annotations` (labelled, unlabelled, void, multiple: pixels) and the table `gaps`.

    `side` are the batch's runs on `line`, its annotations' number line. Unlabelled pixels and gaps are counted inside
    `limits` only, the annotations' regions of interest; None: everywhere. `gaps` are the 4-connected unlabelled
    regions: the annotation's row, area, box, perimeter in pixel edges.
    """
    covered = cover(side, line)
    void = np.zeros(batch.annotations.num_rows, np.int64)
    is_void = np.isin(batch.segments["category_id"].to_numpy(), taxonomy.void_ids)
    areas = batch.runs.areas(batch.n_segments)
    np.add.at(void, batch.segment_annotation[is_void], areas[is_void])
    columns = {"labelled": covered.labelled, "void": void, "multiple": covered.multiple}
    if not with_gaps and limits is None:
        return {"coverage": pa.table({"unlabelled": line.height * line.width - covered.labelled, **columns})}
    empty = complement(covered.runs, line.height, line.width)
    if limits is not None:
        empty = inside(empty, np.arange(len(line.base)), limits, line, len(line.base))
    found = shape(empty, line.height, len(line.base))
    return {
        "coverage": pa.table({"unlabelled": empty.areas(len(line.base)), **columns}),
        "gaps": regions(found.parts, "annotation", np.arange(len(found.parts.area))),
    }
