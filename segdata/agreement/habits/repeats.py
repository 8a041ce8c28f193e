"""Repeats: how much annotators agree with their own earlier work, and the tolerance that follows from it."""

import numpy as np

from segdata.agreement.summary.estimates import Amounts, Resampling, pair_scores
from segdata.core.opposed import Opposed
from segdata.core.table import Table

_COLUMNS = {"annotator": int, "value": float, "low": float, "high": float, "others": float, "clusters": int}


def repeats(opposed: Opposed, how: Resampling) -> Table:
    """The Dice of each annotator with themselves on images that they annotated twice.

    Columns: annotator (position of the first pass), value, low, high, others (the Dice of different annotators on the
    same images; NaN where there is none), clusters.
    """
    amounts = Amounts.of(opposed)
    person = np.array(opposed.persons, np.int64)
    own = person[amounts.a] == person[amounts.b]
    lines = []
    for who in np.unique(person[amounts.a[own]]).tolist():
        rows = np.flatnonzero(own & (person[amounts.a] == who))
        there = np.isin(amounts.case, amounts.case[rows])
        between = np.flatnonzero(there & ~own)
        value = pair_scores(amounts, rows, how)["dice"]
        others = pair_scores(amounts, between, how)["dice"].value if len(between) else np.nan
        lines.append((int(amounts.a[rows].min()), value.value, value.low, value.high, others, amounts.units(rows)[1]))
    columns = list(zip(*lines, strict=True)) if lines else [()] * len(_COLUMNS)
    return Table(
        {name: np.array(column, type_) for (name, type_), column in zip(_COLUMNS.items(), columns, strict=True)}
    )


def proposed_tolerance(opposed: Opposed) -> float:
    """The tolerance of boundaries, in pixels or mm, that annotators need against themselves; NaN without repeats.

    The median over repeated annotations of the 95th percentile of the distances between both boundaries: what the same
    hand does not do twice is no disagreement. Source: Nikolov and others (2021), Journal of Medical Internet Research
    23(7), e26151, who take the tolerance of the surface Dice from the variation between experts.
    """
    person = np.array(opposed.persons, np.int64)
    pairs, surfaces = opposed.pairs, opposed.surfaces
    if not len(surfaces):
        return float("nan")
    own = (person[pairs["a"]] == person[pairs["b"]])[surfaces["pair"]]
    distances = surfaces["hd95"][own & (surfaces["match"] < 0) & np.isfinite(surfaces["hd95"])]
    return float(np.median(distances)) if len(distances) else float("nan")
