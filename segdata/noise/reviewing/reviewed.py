"""Reviewed: probabilities that fit what reviewers have said of some candidates."""

from collections.abc import Sequence

import numpy as np

from segdata.core.decision import Decision
from segdata.core.runs import Ints, boxes
from segdata.noise.flagged import ids_of
from segdata.noise.reviewing.recalibration import Recalibrated, recalibrated
from segdata.noise.reviewing.verdicts import verdicts
from segdata.noise.scoring.scores import Suspicions
from segdata.noise.suspects import Case


def calibration(case: Case, found: Suspicions, decisions: Sequence[Decision]) -> Recalibrated:
    """How log odds become probabilities after some decisions; without any, as they were learnt."""
    rows, wrong = np.empty(0, np.int64), np.empty(0, bool)
    if decisions:
        image = case.images[found.image]
        names = np.array(case.given.maps.image_ids, object)[image].tolist()
        rows, wrong = verdicts(decisions, names, ids_of(case, image, found.row).tolist(), _boxes(found))
    return recalibrated(found.odds[rows], wrong)


def _boxes(found: Suspicions) -> Ints:
    """(n, 4) x, y, width and height of each candidate."""
    every = [drawn for sort in ("drawn", "regions") for drawn in (getattr(each, sort) for each in found.found)]
    told = [np.column_stack(boxes(each.runs, each.heights, len(each))) for each in every]
    return np.concatenate([np.empty((0, 4), np.int64), *told])
