"""Verify a conversion: read what was written, and hold every difference against the losses that were counted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from segdata.api.opening import read
from segdata.core.batch import Batch, replaced
from segdata.core.dataset import Dataset
from segdata.core.loss import Loss
from segdata.edit.diff.compare import compare
from segdata.edit.diff.proof import Proof, proof
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.images import image_limits


def proven(dataset: Dataset, target: Path, to: str, losses: Sequence[Loss], jobs: int) -> Proof:
    """What reading `target` back shows, which was written from `dataset` in the format `to` with these losses."""
    if any(loss.kind == "annotator" and loss.of == "images" for loss in losses):
        dataset = replace(dataset, source=AlteredSource(dataset.source, first_annotations))
    by_id = not any(loss.kind == "segment-id" for loss in losses)
    with image_limits():
        found = compare(dataset, read(target, format=to), strict=True, least=0.0, by_id=by_id, jobs=jobs)
    return proof(found, losses)


def first_annotations(batch: Batch) -> Batch:
    """The first annotation of each image: what formats keep that hold one."""
    image = batch.annotation_image
    kept = np.unique(image, return_index=True)[1]
    rows = np.flatnonzero(np.isin(batch.segment_annotation, kept))
    segments = batch.take_segments(rows)
    annotation = np.searchsorted(kept, segments.segment_annotation).astype(np.int32)
    return replace(
        segments,
        annotations=batch.annotations.take(pa.array(kept)),
        segments=replaced(segments.segments, "annotation", annotation),
    )
