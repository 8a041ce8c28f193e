"""Unclear: categories on which annotators disagree whoever they are, told apart from the doing of one of them."""

from collections.abc import Sequence

import numpy as np

from segdata.agreement.summary.estimates import Amounts, Resampling, category_scores
from segdata.agreement.summary.summary import between_persons
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints
from segdata.core.table import Table

_COLUMNS = {
    "category": int,
    "value": float,
    "low": float,
    "high": float,
    "best": float,
    "without": int,
    "clusters": int,
}


def unclear(opposed: AnnotatorPairs, how: Resampling) -> Table:
    """How much annotators agree on each category, and how much they would without the one who lowers it most.

    Columns: category (position), value, low, high (F1 of segments for things, Dice for all else, over all pairs of
    annotators), best (the value without one annotator), without (who: position), clusters. Three annotators are
    needed, since without one of two there is no agreement: there are no rows for fewer.
    """
    amounts = Amounts.of(opposed)
    rows = between_persons(amounts)
    if len(opposed.annotators) < 3 or not len(rows):
        return _table([])
    every = _values(amounts, rows, how)
    once = Resampling(n_draws=1, seed=how.seed)
    left = {i: rows[(amounts.a[rows] != i) & (amounts.b[rows] != i)] for i in range(len(opposed.annotators))}
    others = {i: _values(amounts, own, once) for i, own in left.items() if len(own)}
    lines = []
    for k, (value, low, high, n) in enumerate(every):
        without = {i: found[k][0] for i, found in others.items() if np.isfinite(found[k][0])}
        if np.isfinite(value) and without:
            worst = max(without, key=lambda i: (without[i], -i))
            lines.append((k, value, low, high, without[worst], worst, n))
    return _table(lines)


def _values(amounts: Amounts, rows: Ints, how: Resampling) -> list[tuple[float, float, float, int]]:
    """Of each category the value, the ends of its interval, and the number of clusters with it."""
    countable = amounts.opposed.countable
    scores = category_scores(amounts, rows, how)
    found = []
    for k, of_category in enumerate(scores):
        score = of_category["f1" if countable[k] else "dice"]
        found.append((score.value, score.low, score.high, score.n))
    return found


def _table(lines: Sequence[tuple[float, ...]]) -> Table:
    columns = list(zip(*lines, strict=True)) if lines else [()] * len(_COLUMNS)
    return Table(
        {name: np.array(column, type_) for (name, type_), column in zip(_COLUMNS.items(), columns, strict=True)}
    )
