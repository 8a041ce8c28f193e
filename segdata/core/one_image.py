"""One image: rows of images that stand for the same picture made one, with everything that was drawn on each."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch, replaced
from segdata.core.runs import Ints, Runs


def one_image(batch: Batch, image: Ints) -> tuple[Batch, Ints]:
    """The batch with `image` (n_images,) as the new row of each image, counted from 0 without a gap.

    Of several rows that become one the first says what is known of the image. Annotations keep their order on it.
    Also returns the former rows of the annotations.
    """
    _, first = np.unique(image, return_index=True)
    of_annotation = image[batch.annotation_image]
    order = np.argsort(of_annotation, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    of_segment = rank[batch.segment_annotation]
    segment_order = np.argsort(of_segment, kind="stable")
    segment_rank = np.empty(len(segment_order), np.int32)
    segment_rank[segment_order] = np.arange(len(segment_order), dtype=np.int32)
    owner = segment_rank[batch.runs.owner]
    by_owner = kernels.order_by(owner, batch.n_segments)
    joined = Batch(
        batch.images.take(pa.array(first)),
        replaced(batch.annotations.take(pa.array(order)), "image", of_annotation[order].astype(np.int32)),
        replaced(
            batch.segments.take(pa.array(segment_order)), "annotation", of_segment[segment_order].astype(np.int32)
        ),
        Runs(batch.runs.start[by_owner], batch.runs.length[by_owner], owner[by_owner]),
        batch.defects,
    )
    return joined, order
