"""Unannotated: the images that nobody has annotated, in the order in which to annotate them."""

import numpy as np

from segdata.core.executor import run_ordered
from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Floats
from segdata.noise.reviewing.order import appearance, doubt, order
from segdata.noise.suspects import Case


def unannotated(case: Case, threads: int = 1) -> Ints:
    """(u,) the rows of images that nobody has annotated and of which something is seen, the first to annotate first.

    Those that were looked at are loaded again, since what comes first is unlike them; nothing is where all images are
    annotated. See `segdata.noise.reviewing.order.order`.
    """
    open_ = np.array(case.witness.usable, bool)
    open_[case.tables.annotations["image"]] = False
    rows = np.flatnonzero(open_)
    if not len(rows):
        return rows

    def seen(row: int) -> tuple[Floats, float]:
        evidence = case.witness.evidence(row)
        p = evidence.probability.reshape(-1, evidence.width, evidence.height).transpose(0, 2, 1)
        return appearance(p), doubt(p)

    told = [*run_ordered(seen, [*rows.tolist(), *case.images.tolist()], threads)]
    features = np.array([each for each, _ in told])
    unsure = np.array([each for _, each in told[: len(rows)]])
    return rows[order(features[: len(rows)], unsure, known=features[len(rows) :])]
