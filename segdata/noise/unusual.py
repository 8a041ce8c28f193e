"""Unusual labels: a short list, by features without a model, for datasets that the model cannot predict.

A weak model cannot rank labels, but errors are often unusual in size, shape, place or brightness. Such labels are worth
a look; their probability of error is unknown, so they have none and count as no expected error.
"""

from collections.abc import Sequence

import numpy as np

from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.noise.ranking import RankedCandidates, needed_odds
from segdata.noise.selection import LabelCheck, candidate_boxes
from segdata.noise.thresholds import CategoryTrust, candidates_above

_MAX_SHARE, _MAX_LISTED = 0.02, 20  # of all labels, and at most as many: nobody reads a long list of mere oddities


def unusual_labels(ranked: RankedCandidates, trust: Sequence[CategoryTrust], settled: Ints | None = None) -> Ints:
    """(u,) the rows of unusual labels, the oddest first; none if the model can judge half of the labels.

    The evidence that needs no model must be as strong as that of any other finding, and something about the label must
    be rare, so that a finding can name it. `settled` are rows that reviewers have decided. Source of the limit: see
    `STRONG_EVIDENCE`.
    """
    is_label, is_judged = ranked.row >= 0, np.zeros(len(ranked), bool)
    is_judged[candidates_above(ranked, trust)] = True
    n_labels = int(is_label.sum())
    if ranked.alone is None or 2 * int((is_judged & is_label).sum()) >= n_labels:
        return np.empty(0, np.int64)
    is_open = is_label & ~is_judged & (np.exp(ranked.alone) >= needed_odds(n_labels, ranked.prior))
    if ranked.oddest is not None:
        is_open &= ranked.oddest != ""
    is_open[[] if settled is None else settled] = False
    rows = np.flatnonzero(is_open)
    n_most = min(int(_MAX_SHARE * n_labels), _MAX_LISTED)
    return rows[np.argsort(-ranked.alone[rows], kind="stable")][:n_most]


def unusual_table(case: LabelCheck, ranked: RankedCandidates, rows: Ints) -> Table:
    """The table of unusual labels, see `Candidates.unusual`."""
    image = case.images[ranked.image[rows]]
    boxes = candidate_boxes(ranked)[rows]
    areas = np.concatenate([np.empty(0, np.int64), *(candidates.annotated.areas for candidates in ranked.candidates)])
    segment = case.rows.first[image] + ranked.row[rows]
    parts = np.bincount(case.rows.first[case.images[ranked.image]][ranked.row >= 0] + ranked.row[ranked.row >= 0])
    oddest = np.full(len(ranked), "", object) if ranked.oddest is None else ranked.oddest
    return Table(
        {
            "annotation": case.rows.annotation[image],
            "segment": case.rows.segment[segment],
            "category": np.array(case.names, object)[ranked.category[rows]],
            **{name: boxes[:, column] for column, name in enumerate(("x", "y", "width", "height"))},
            "pixels": areas[rows],  # labels come before regions
            "whole": parts[segment] == 1,
            "oddest": oddest[rows],
        }
    )
