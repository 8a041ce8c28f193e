"""Companions: what is usual among the segments of a category, in an annotation where it has many, else everywhere."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.reported import is_lossy
from segdata.core.rule import Tables
from segdata.core.statistics.robust import group_median

Floats = NDArray[np.float64]
_MAD = 1.4826  # times the median absolute deviation it is the standard deviation of a normal distribution


def usual(
    tables: Tables, values: Floats, among: NDArray[np.bool_], least_near: int = 8, least_far: int = 20
) -> tuple[Floats, Floats]:
    """Median and standard deviation of `values` among the companions of each segment, both (n_segments,).

    `values` and `among`, which segments count as companions, are (n_segments,). Companions are those of the same
    annotation and category where there are `least_near`, else those of the same category in the dataset where there
    are `least_far`; NaN where there are fewer. The standard deviation is that of the median absolute deviation.
    """
    segments = tables.segments
    _, category = np.unique(segments["category_id"], return_inverse=True)
    near = segments["annotation"].astype(np.int64) * (int(category.max(initial=0)) + 1) + category
    middle, spread = _of_groups(values, near, among, least_near)
    far_middle, far_spread = _of_groups(values, category, among, least_far)
    few = np.isnan(middle)
    return np.where(few, far_middle, middle), np.where(few, far_spread, spread)


def _of_groups(values: Floats, group: NDArray[np.int64], among: NDArray[np.bool_], least: int) -> tuple[Floats, Floats]:
    """Median and standard deviation for each member of a group, of those of its members that are among the chosen."""
    _, which = np.unique(group, return_inverse=True)
    n_groups = int(which.max(initial=-1)) + 1
    chosen = np.flatnonzero(among)
    of = which[chosen]
    middles = group_median(values[chosen], of)
    spreads = group_median(np.abs(values[chosen] - middles), of) * _MAD
    enough = np.bincount(of, minlength=n_groups) >= least
    middle, spread = np.full(n_groups, np.nan), np.full(n_groups, np.nan)
    middle[of], spread[of] = middles, spreads
    middle[~enough] = spread[~enough] = np.nan
    return middle[which], spread[which]


def are_things(tables: Tables) -> NDArray[np.bool_]:
    """(n_segments,) whether a segment stands for one object: a thing of the taxonomy, no crowd, its mask unchanged."""
    things = [each.id for each in tables.profile.taxonomy.by_id().values() if each.kind == "thing"]
    segments = tables.segments
    result: NDArray[np.bool_] = np.isin(segments["category_id"], things) & ~segments["iscrowd"] & ~is_lossy(tables)
    return result
