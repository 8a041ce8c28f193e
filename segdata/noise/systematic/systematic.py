"""Systematic: what is wrong in a dataset as a whole: categories that are confused, and people whose work is doubted."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from segdata.core.observed import sort_of_image
from segdata.core.runs import Ints
from segdata.core.strata import strata_if_any
from segdata.core.table import Table
from segdata.core.tallies import joint, numbered, units
from segdata.noise.scoring.scores import Suspicions
from segdata.noise.suspects import Case
from segdata.noise.systematic.confusions import confusions
from segdata.noise.systematic.losing import excess, losing


def confused(found: Suspicions, case: Case) -> Table:
    """The pairs of categories that labels confuse; see `segdata.core.suspected.Suspected.confusions`.

    Of things each segment counts; of others each part in which the model sees another category than was given.
    """
    annotated = found.row >= 0
    told = (found.category > 0) & (found.believed > 0) & (case.witness.things[found.category] | ~annotated)
    unit = units(case.tables)[case.images[found.image[told]]]
    names = np.array(case.names, object)
    pairs = confusions(found.category[told], found.believed[told], unit)
    columns = {name: np.array([getattr(each, name) for each in pairs]) for name in ("n", "reverse", "images")}
    for name, dtype in (("expected", np.float64), ("p", np.float64)):
        columns[name] = np.array([getattr(each, name) for each in pairs], dtype)
    for name in ("given", "seen"):
        columns[name] = names[np.array([getattr(each, name) for each in pairs], np.int64)]
    return Table(columns)


def doubted(found: Suspicions, case: Case) -> Table:
    """Annotators and batches whose labels are doubted; see `segdata.core.suspected.Suspected.doubted`.

    Batches are the months in which annotations were made, and what the configuration says by `by`. Compared are images
    of the same camera, size and split; images of one group or sequence count as one.
    """
    annotation = case.rows.annotation[case.images[found.image]]
    category = np.where(found.category > 0, found.category, found.believed)
    value = excess(found.probability, category, annotation, len(case.tables.annotations))
    by = case.tables.profile.by
    columns = dict.fromkeys(["annotator", "month", *([] if by in (None, "split") else [by])])
    rows = [row for column in columns for row in _doubted(case, column, value)]
    usual = float(found.probability.mean()) if len(found) else 0.0
    names = ("column", "name", "difference", "n", "p")
    cells: dict[str, Any] = {name: [row[at] for row in rows] for at, name in enumerate(names)}  # Any: as the columns
    texts = {name: np.array(cells.pop(name), object) for name in ("column", "name")}
    numbers = {name: np.array(cells[name], np.int64 if name == "n" else np.float64) for name in cells}
    return Table({**texts, **numbers, "usual": np.full(len(rows), usual)})


def _doubted(case: Case, column: str, value: np.ndarray[Any, np.dtype[np.float64]]) -> Iterator[tuple[Any, ...]]:
    """The rows of one column's groups."""
    names, group = numbered(strata_if_any(case.tables, column))
    told = np.flatnonzero((group >= 0) & np.isfinite(value))
    if len(names) < 2 or not len(told):
        return
    image = case.tables.annotations["image"][told].astype(np.int64)
    unit: Ints = units(case.tables)[image]
    row, first = joint(unit, group[told])
    mean = np.bincount(row, value[told]) / np.bincount(row)
    stratum = sort_of_image(case.tables, column)[image[first]]
    for each in losing(mean, group[told][first], stratum, len(names)):
        yield column, names[each.group], each.difference, each.n, each.p
