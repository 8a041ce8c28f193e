"""Whom: whose annotations a consensus is made of."""

import numpy as np
import pyarrow as pa

from segdata.agreement.compare import person_of
from segdata.agreement.opposite import Flags
from segdata.core.batch import Batch, replace_column


def voters(batch: Batch, least: int = 2) -> Flags:
    """(n_annotations,) those that count: of a person the first pass alone, on images with `least` annotators or more.

    ``anna (2)`` is the second pass of anna, where the image has her first.
    """
    names = batch.annotations["annotator"].to_pylist()
    image = batch.annotation_image
    known = set(zip(image.tolist(), names, strict=True))
    further = [
        person_of(name) != name and (of, person_of(name)) in known
        for of, name in zip(image.tolist(), names, strict=True)
    ]
    first = ~np.array(further, bool)
    n_voters = np.bincount(image[first], minlength=batch.images.num_rows)
    return first & (n_voters[image] >= least)


def only(batch: Batch, chosen: Flags) -> Batch:
    """The same images with some annotations (n_annotations,) alone."""
    if chosen.all():
        return batch
    kept = np.flatnonzero(chosen)
    rows = np.flatnonzero(chosen[batch.segment_annotation])
    annotation = np.searchsorted(kept, batch.segment_annotation[rows]).astype(np.int32)
    return Batch(
        batch.images,
        batch.annotations.take(pa.array(kept)).combine_chunks(),
        replace_column(batch.segments.take(pa.array(rows)).combine_chunks(), "annotation", annotation),
        batch.runs.take(rows, batch.n_segments),
        batch.defects,
    )
