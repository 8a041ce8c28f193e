"""Reviewed: which candidates reviewers have judged, and how."""

from collections.abc import Sequence

import numpy as np

from segdata.core.decision import Decision
from segdata.core.runs import Ints, boxes
from segdata.noise.evidence.drawn import Flags
from segdata.noise.flagged import ids_of
from segdata.noise.reviewing.verdicts import verdicts
from segdata.noise.scoring.scores import Suspicions
from segdata.noise.suspects import Case


def reviewed(case: Case, found: Suspicions, decisions: Sequence[Decision]) -> tuple[Ints, Flags]:
    """The rows (v,) of candidates that the decisions are about, and whether each is wrong (v,)."""
    if not decisions:
        return np.empty(0, np.int64), np.empty(0, bool)
    image = case.images[found.image]
    names = np.array(case.given.maps.image_ids, object)[image].tolist()
    whose = case.tables.annotations["annotator"][case.rows.annotation[image]].tolist()
    return verdicts(decisions, names, ids_of(case, image, found.row).tolist(), boxes_of(found), whose)


def boxes_of(found: Suspicions) -> Ints:
    """(n, 4) x, y, width and height of each candidate."""
    every = [drawn for sort in ("drawn", "regions") for drawn in (getattr(each, sort) for each in found.found)]
    told = [np.column_stack(boxes(each.runs, each.heights, len(each))) for each in every]
    return np.concatenate([np.empty((0, 4), np.int64), *told])
