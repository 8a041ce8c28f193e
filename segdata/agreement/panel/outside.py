"""Outside: what lies outside the region of interest, as void of every annotator: nobody was to look there."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch, replace_column
from segdata.core.overlay import complement
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy

NAME = "outside the region of interest"


def outside_category(taxonomy: Taxonomy) -> Category:
    """A void category of no other's id."""
    return Category(id=max((each.id for each in taxonomy.categories), default=0) + 1, name=NAME, kind="void")


def with_outside(batch: Batch, limits: Runs, category: Category) -> Batch:
    """The batch with a segment more in each annotation, of all that lies outside its region, and no regions.

    `limits` are the regions; their owners are the annotations.
    """
    height, width = batch.image_size
    n = batch.annotations.num_rows
    outside = complement(limits, height[batch.annotation_image], width[batch.annotation_image])
    added = make_table(BATCH_SEGMENTS, n, annotation=pa.array(range(n), pa.int32()), category_id=[category.id] * n)
    added = replace_column(added, "segment_id", np.full(n, -1))
    segments = pa.concat_tables([batch.segments, added])
    order = np.argsort(np.append(batch.segment_annotation, np.arange(n)), kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    owner = rank[np.append(batch.runs.owner, outside.owner + batch.n_segments)]
    start, length = np.append(batch.runs.start, outside.start), np.append(batch.runs.length, outside.length)
    by_owner = kernels.order_by(owner, len(order))
    return replace(
        batch,
        images=replace_column(batch.images, "roi", [None] * batch.images.num_rows),
        segments=segments.take(pa.array(order)).combine_chunks(),
        runs=Runs(start[by_owner], length[by_owner], owner[by_owner]),
    )
