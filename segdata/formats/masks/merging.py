"""Merging: what is lost where segments are painted with one value a pixel, by category or each with its own."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.loss import Losses
from segdata.core.runs import Ints
from segdata.formats.masks.painting import V, count_overlaps, occurs
from segdata.formats.sheets import Sheet, examples, is_painted


def count_by_category(
    batch: Batch, values: Ints, losses: Losses, blank: int | None = None, ids: Ints | None = None
) -> None:
    """Count what masks lose in which segments of one category become one.

    Parameters
    ----------
    values : (n_segments,) what the category of each segment is painted with; -1: it cannot be painted
    blank : what unlabelled pixels are painted with
    ids : (n_segments,) which segment id each will have; None: that of its category
    """
    areas = batch.runs.areas(batch.n_segments)
    _count_unpainted(batch, values >= 0, areas, losses)
    merged = is_painted(batch) & (values >= 0) & (areas > 0)
    keys = np.stack([batch.segment_annotation, values], axis=1)[merged]
    _, group, size = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    several = np.flatnonzero(merged)[size[group.reshape(-1)] > 1]
    losses.add("instance", "segments", len(several), int(areas[several].sum()), examples(batch, several))
    new = batch.segments["category_id"].to_numpy() if ids is None else ids
    renamed = np.flatnonzero(merged & ((new != batch.segments["segment_id"].to_numpy()) | _named(batch)))
    losses.add("segment-id", "segments", len(renamed), 0, examples(batch, renamed))
    unlabelled = np.flatnonzero(merged & (values == (-1 if blank is None else blank)))
    losses.add("unlabelled", "segments", len(unlabelled), int(areas[unlabelled].sum()), examples(batch, unlabelled))
    count_overlaps(batch, np.where(is_painted(batch), values, -1), losses)


def count_by_segment(batch: Batch, kept: NDArray[np.bool_], losses: Losses, painted_as: Ints | None = None) -> None:
    """Count what masks lose in which each segment has a value of its own.

    `kept` (n_segments,): it can be painted. `painted_as` (n_segments,): the same number for segments of one annotation
    that share a value, as void does; None: none do.
    """
    areas = batch.runs.areas(batch.n_segments)
    _count_unpainted(batch, kept, areas, losses)
    mine = is_painted(batch) & kept
    named = np.flatnonzero(mine & _named(batch))
    losses.add("segment-id", "segments", len(named), 0, examples(batch, named))
    own = np.arange(batch.n_segments, dtype=np.int64) if painted_as is None else painted_as
    count_overlaps(batch, np.where(mine, own, -1), losses)


def count_covered(batch: Batch, sheet: Sheet, values: Ints, pixels: NDArray[V], losses: Losses) -> None:
    """Count the segments of one image that are nowhere to be seen, because others were painted over them.

    `values` (n,) of the sheet's segments, -1: it is not painted; `pixels` is what was painted.
    """
    there = (sheet.runs.areas(len(sheet.segments)) > 0) & (values >= 0)
    gone = sheet.segments[there][~occurs(values[there], pixels)]
    losses.add("empty-segment", "segments", len(gone), 0, examples(batch, gone))


def _count_unpainted(batch: Batch, kept: NDArray[np.bool_], areas: Ints, losses: Losses) -> None:
    """Count the segments of categories that the format does not have, and those without pixels."""
    mine = is_painted(batch)
    unknown = np.flatnonzero(mine & ~kept)
    losses.add("category", "segments", len(unknown), int(areas[unknown].sum()), examples(batch, unknown))
    empty = np.flatnonzero(mine & kept & (areas == 0))
    losses.add("empty-segment", "segments", len(empty), 0, examples(batch, empty))


def _named(batch: Batch) -> NDArray[np.bool_]:
    """(n_segments,) whether the source's id of a segment is a text."""
    named: NDArray[np.bool_] = batch.segments["source_id"].is_valid().to_numpy()
    return named
