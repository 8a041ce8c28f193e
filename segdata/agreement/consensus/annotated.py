"""Annotated: a consensus as annotations of a batch's images."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from segdata.agreement.consensus.reached import Reached
from segdata.core.batch import Batch
from segdata.core.runs import Ints
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_SEGMENTS, make_table

NAME = "consensus"


def annotated(
    batch: Batch, found: Reached, ids: Ints, *, name: str = NAME, instances: bool = True, deep: Sequence[bool] = ()
) -> Batch:
    """The batch's images with one annotation each, for all that somebody of the consensus annotated.

    Parameters
    ----------
    batch : that the consensus was made of: its annotations tell which images have one, and who made it
    ids : (n_categories,) the id of each category; -1: its segments are left out
    instances : segments are counted in each image; else their ids are those of their categories
    deep : (n_images,) slices of volumes: there a thing has a track, the same in all slices

    Segments have their support as `score`, and the mean IoU of annotators as the attribute ``mean_iou``.
    """
    whose: dict[int, list[str]] = {}
    for image, who in zip(batch.annotation_image.tolist(), batch.annotations["annotator"].to_pylist(), strict=True):
        whose.setdefault(image, []).append(who)
    images = sorted(whose)
    row = np.full(batch.images.num_rows, -1, np.int64)
    row[images] = np.arange(len(images))
    annotations = make_table(
        BATCH_ANNOTATIONS,
        len(images),
        image=pa.array(images, pa.int32()),
        annotator=[name] * len(images),
        source=["consensus"] * len(images),
        attributes=[[("annotators", json.dumps(sorted(whose[each]), ensure_ascii=False))] for each in images],
    )
    kept = np.flatnonzero(ids[found.category] >= 0)
    image = found.image[kept]
    first = np.searchsorted(image, image)
    number = np.arange(len(kept)) - first + 1 if instances else ids[found.category[kept]]
    is_tracked = (found.track[kept] >= 0) & np.array(deep, bool)[image] if len(deep) else np.zeros(len(kept), bool)
    segments = make_table(
        BATCH_SEGMENTS,
        len(kept),
        annotation=pa.array(row[image].astype(np.int32)),
        segment_id=pa.array(number),
        category_id=pa.array(ids[found.category[kept]]),
        iscrowd=pa.array(found.crowd[kept]),
        track_id=pa.array(found.track[kept] + 1, mask=~is_tracked),
        score=pa.array(found.support[kept], from_pandas=True),
        source=["consensus"] * len(kept),
        attributes=[None if value != value else [("mean_iou", f"{value:.4g}")] for value in found.iou[kept].tolist()],
    )
    return Batch(batch.images, annotations, segments, found.runs.take(kept, len(found)))
