"""Sure: what a model is sure of, and void where it is not."""

from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replaced
from segdata.core.columns import BATCH_SEGMENTS, table
from segdata.core.cover import complement, cover
from segdata.core.meet import Side
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs
from segdata.core.taxonomy import Category, Taxonomy


def with_void(profile: Profile) -> tuple[Taxonomy, int]:
    """The taxonomy of a dataset with a category for what is to be ignored, and that category's id."""
    taxonomy = profile.taxonomy
    for each in taxonomy.categories:
        if each.kind == "void":
            return taxonomy, each.id
    names = {*(each.name for each in taxonomy.categories), *profile.unknown_names.values()}
    id_ = profile.free_category
    name = "void" if "void" not in names else f"void_{id_}"
    void = Category(id=id_, name=name, kind="void")
    return msgspec.structs.replace(taxonomy, categories=(*taxonomy.categories, void)), id_


def sure(batch: Batch, confidence: float, void: int) -> tuple[Batch, int]:
    """The segments with a score of at least `confidence`, or without any; and how many others there were.

    The pixels of those others, as far as no segment that stays claims them, become one segment of the category `void`
    in each annotation.
    """
    score = batch.segments["score"].fill_null(np.inf).to_numpy()
    kept, gone = np.flatnonzero(~(score < confidence)), np.flatnonzero(score < confidence)  # NaN is no score
    if not len(gone):
        return batch, 0
    left = _left(batch, kept, gone)
    n_annotations = batch.annotations.num_rows
    voided = np.flatnonzero(left.areas(n_annotations))
    ids = batch.segments["segment_id"].to_numpy()
    highest = np.zeros(n_annotations, np.int64)
    np.maximum.at(highest, batch.segment_annotation, ids)
    added = table(
        BATCH_SEGMENTS,
        len(voided),
        annotation=voided.astype(np.int32),
        segment_id=np.maximum(highest[voided] + 1, void),
        category_id=np.full(len(voided), void, np.int64),
        iscrowd=np.zeros(len(voided), bool),
        source=["model"] * len(voided),
    )
    segments = pa.concat_tables([batch.segments.take(pa.array(kept)), added]).combine_chunks()
    runs = Runs.concatenate(
        [batch.runs.take(kept, batch.n_segments), left.take(voided, n_annotations)], [len(kept), len(voided)]
    )
    order = np.argsort(segments["annotation"].to_numpy(), kind="stable")
    return replace(batch, segments=segments.take(pa.array(order)), runs=runs.take(order, len(order))), len(gone)


def _left(batch: Batch, kept: Ints, gone: Ints) -> Runs:
    """The pixels of the segments `gone` that none of those `kept` claims; the owners are annotations."""
    height, width = (side[batch.annotation_image] for side in batch.image_size)
    others = complement(_covered(batch, gone), height, width)
    both = Runs.concatenate([_covered(batch, kept), others], [0, 0])
    line = batch.annotation_line
    frames = np.arange(batch.annotations.num_rows)
    union = cover(Side.of(both, line, frames), line)
    return complement(union.runs, height, width)


def _covered(batch: Batch, rows: Ints) -> Runs:
    line = batch.annotation_line
    side = Side.of(batch.runs.take(rows, batch.n_segments), line, batch.segment_annotation[rows].astype(np.int64))
    return cover(side, line).runs


def drafted(batch: Batch) -> Batch:
    """The batch as a model's work that nobody has looked at yet."""
    n = batch.annotations.num_rows
    annotations = replaced(batch.annotations, "source", ["model"] * n)
    return replace(batch, annotations=replaced(annotations, "stage", ["drafted"] * n))
