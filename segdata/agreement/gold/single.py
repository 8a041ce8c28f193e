"""Single: the scores of single pairs of annotations, image by image."""

from collections.abc import Sequence

import numpy as np

from segdata.agreement.summary.estimates import Amounts
from segdata.agreement.summary.scores import Weighed, by_category, of_pair
from segdata.core.bootstrap import Floats
from segdata.core.runs import Ints

_AT_ONCE = 2_000_000  # numbers held in one go, to bound memory


def single_scores(amounts: Amounts, rows: Ints, names: Sequence[str]) -> tuple[Floats, Floats]:
    """Scores of the pairs of annotations `rows` (n,), each by itself: by category, and of all categories together.

    Returns (n, k, n_categories) and (n, k) for k names of `OF_CATEGORIES`; NaN where undefined.
    """
    wide = len(amounts.opposed.categories)
    of_categories = np.full((len(rows), len(names), wide), np.nan)
    of_all = np.full((len(rows), len(names)), np.nan)
    some = max(1, _AT_ONCE // max(amounts.sums.width, 1))
    for first in range(0, len(rows), some):
        part = slice(first, first + some)
        weighed = _each(amounts, rows[part])
        for k, name in enumerate(names):
            of_categories[part, k] = by_category(name, weighed)
            of_all[part, k] = of_pair(name, weighed)
    return of_categories, of_all


def _each(amounts: Amounts, rows: Ints) -> Weighed:
    """The amounts of some pairs, one resample for each."""
    taken = {name: each[rows] for name, each in amounts.sums.amounts.items()}
    dense = {name: each if isinstance(each, np.ndarray) else each.toarray() for name, each in taken.items()}
    return Weighed(dense, amounts.sums.cells, amounts.opposed.countable)
