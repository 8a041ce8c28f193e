"""Segments: predicted segments with scores, as probabilities of pixels and things with outlines."""

from collections.abc import Mapping

import numpy as np

from segdata.core.batch import Batch, whole
from segdata.core.runs import spread
from segdata.noise.evidence.drawn import UNLABELLED, Drawn, Flags, Floats
from segdata.noise.evidence.evidence import Evidence
from segdata.noise.witness import with_parts

LEAST_SCORE = 0.3  # of things that are seen; of what is less sure only pixels know


def evidence_of(
    batch: Batch, channel: Mapping[int, int], things: Flags, size: tuple[int, int], *, outlined: bool
) -> Evidence:
    """What the segments of one image say; `size` is (height, width).

    Each pixel is as probable as the best score of its category there, and nothing is as probable as the best of all is
    not. `channel`: category id -> row of probabilities; others are left out. Without a score a segment is certain.
    `outlined`: each segment is a thing, which ends where it ends; else connected pixels are.
    """
    height, width = size
    drawn = _drawn(batch, channel, height, width)
    field = np.zeros((len(things), width * height), np.float32)
    surer = drawn.take(np.argsort(drawn.score, kind="stable"))  # the last one wins
    at = spread(surer.runs.start, surer.runs.length)
    owner = np.repeat(surer.runs.owner, surer.runs.length)
    field[surer.category[owner], at] = surer.score[owner]
    field[UNLABELLED] = 1 - field[1:].max(axis=0, initial=0)
    field /= field.sum(axis=0)
    square = field.reshape(-1, width, height).transpose(0, 2, 1)
    if not outlined:
        return Evidence.of(square)
    sure = drawn.take(np.flatnonzero(things[drawn.category] & (drawn.score >= LEAST_SCORE)))
    largest = sure.take(np.argsort(-sure.areas, kind="stable"))  # what lies within another is painted over it
    seen = with_parts(largest, square, things)
    ends = Evidence(field, seen, np.zeros(width * height, np.float32))
    return Evidence(field, seen, ends.border.astype(np.float32))


def _drawn(batch: Batch, channel: Mapping[int, int], height: int, width: int) -> Drawn:
    """The segments of the first annotation whose categories are known, with scores from 0 to 1."""
    category = np.array([channel.get(each, UNLABELLED) for each in whole(batch.segments["category_id"]).tolist()])
    crowd = batch.segments["iscrowd"].fill_null(False).to_numpy(zero_copy_only=False).astype(bool)
    kept = np.flatnonzero((category != UNLABELLED) & ~crowd & (batch.segment_annotation == 0))
    score: Floats = batch.segments["score"].to_numpy(zero_copy_only=False).astype(np.float64)[kept]
    score = np.clip(np.where(np.isfinite(score), score, 1.0), 0.0, 1.0)
    return Drawn(batch.runs.take(kept, batch.n_segments), category[kept].astype(np.int64), score, height, width)
