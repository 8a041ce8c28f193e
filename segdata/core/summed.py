"""Summed: many small things of one owner as one row, so that a rule can speak of them in one finding."""

import numpy as np

from segdata.core.table import Table

COLUMNS = ("n", "pixels", "area", "x", "y", "width", "height")


def summed(things: Table, by: str, *also: str) -> Table:
    """One row per owner, ascending.

    Takes `things` with the columns area, x, y, width, height in pixels, and `by`, the column that names the owner.
    Returns the columns `by`, n (how many), pixels (their sum), and area, box and the columns `also` of the largest; of
    equals the first.
    """
    owner, which = np.unique(things[by], return_inverse=True)
    order = np.lexsort((-things["area"], which))
    first = order[np.searchsorted(which[order], np.arange(len(owner)))]
    largest = things.take(first)
    return Table(
        {
            by: owner,
            "n": np.bincount(which, minlength=len(owner)),
            "pixels": np.bincount(which, weights=things["area"], minlength=len(owner)).astype(np.int64),
            **{name: largest[name] for name in (*COLUMNS[2:], *also)},
        }
    )
