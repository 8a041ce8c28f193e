"""Companions: what is usual among the segments of a category, in an annotation where it has many, else everywhere."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.distinct import distinct
from segdata.core.reported import is_lossy
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.statistics.robust import group_median

Floats = NDArray[np.float64]
_MAD = 1.4826  # times the median absolute deviation it is the standard deviation of a normal distribution


def usual(
    tables: Tables,
    values: Floats,
    among: NDArray[np.bool_],
    least_near: int = 8,
    least_far: int = 20,
    *,
    of: Ints | None = None,
) -> tuple[Floats, Floats]:
    """Median and standard deviation of `values` among the companions of some segments, `of` (n,); default: of all.

    `values` and `among`, which segments count as companions, are (n_segments,). Companions are those of the same
    annotation and category where there are `least_near`, else those of the same category in the dataset where there
    are `least_far`; NaN where there are fewer. The standard deviation is that of the median absolute deviation.
    """
    segments = tables.segments
    asked = np.arange(len(segments)) if of is None else of
    category = distinct(segments["category_id"])[1]
    near = segments["annotation"].astype(np.int64) * (int(category.max(initial=0)) + 1) + category
    middle, spread = _of_groups(values, near, among, least_near, asked)
    few = np.isnan(middle)
    middle[few], spread[few] = _of_groups(values, category, among, least_far, asked[few])
    return middle, spread


def _of_groups(values: Floats, group: Ints, among: NDArray[np.bool_], least: int, asked: Ints) -> tuple[Floats, Floats]:
    """Median and standard deviation for the groups of those asked for, of their members that are among the chosen."""
    which = distinct(group)[1]
    n_groups = int(which.max(initial=-1)) + 1
    told = np.zeros(n_groups, bool)
    told[which[asked]] = True
    told &= np.bincount(which[among], minlength=n_groups) >= least
    chosen = np.flatnonzero(among & told[which])
    member = which[chosen]
    middles = group_median(values[chosen], member)
    middle, spread = np.full(n_groups, np.nan), np.full(n_groups, np.nan)
    middle[member] = middles
    spread[member] = group_median(np.abs(values[chosen] - middles), member) * _MAD
    return middle[which[asked]], spread[which[asked]]


def are_things(tables: Tables) -> NDArray[np.bool_]:
    """(n_segments,) whether a segment stands for one object: a thing of the taxonomy, no crowd, its mask unchanged."""
    things = [each.id for each in tables.profile.taxonomy.by_id().values() if each.kind == "thing"]
    segments = tables.segments
    result: NDArray[np.bool_] = np.isin(segments["category_id"], things) & ~segments["iscrowd"] & ~is_lossy(tables)
    return result
