"""Annotator noise: errors of a dataset as a whole: confused categories, and annotators or batches with more errors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from segdata.core.group_features import image_types
from segdata.core.permutation_tests import StratifiedGroups
from segdata.core.runs import Ints
from segdata.core.strata import annotation_strata_if_any, independent_units, joint_codes, number_names
from segdata.core.table import Table
from segdata.noise.confusions import find_confusions
from segdata.noise.ranking import RankedCandidates
from segdata.noise.segments import Floats
from segdata.noise.selection import LabelCheck

SEED = 509  # the same data give the same findings
PERMUTATIONS = 1999


@dataclass(frozen=True, slots=True)
class NoisyGroup:
    """A group whose labels are doubted more than others'.

    Attributes
    ----------
    group : its number
    difference : the mean value of the group less that of others in the same strata
    n : how many images, or groups of images, of it were compared
    p : how probable it is that chance brings any group so far
    """

    group: int
    difference: float
    n: int
    p: float


def excess_error_probability(probability: Floats, category: Ints, owner: Ints, n_owners: int) -> Floats:
    """(n_owners,) by how much more probably wrong the labels of each annotation are than their like; NaN without any.

    From the probabilities and categories (n,) of labels, and the annotation that each is of: the mean of the
    probability less that of its category in all annotations, as an annotator who was given what is hard to draw is no
    bad one. What is missing counts under the category that the model sees.
    """
    _, row = np.unique(category, return_inverse=True)
    row = row.reshape(-1)
    usual = np.bincount(row, probability) / np.maximum(np.bincount(row), 1)
    n = np.bincount(owner, minlength=n_owners)
    total = np.bincount(owner, probability - usual[row] if len(row) else probability, n_owners)
    return np.asarray(np.divide(total, n, out=np.full(n_owners, np.nan), where=n > 0))


def find_noisy_groups(
    value: Floats, group: Ints, stratum: Ints, n_groups: int, rate: float = 0.05
) -> tuple[NoisyGroup, ...]:
    """The groups whose values are larger than those of others in the same strata, the worst first.

    Parameters
    ----------
    value : (n,) of observations, see `excess_error_probability`; NaN: left out
    group, stratum : (n,) who it is by, and which are of one sort, as `segdata.core.group_features.GroupedAnnotations`
    tells them n_groups : how many groups there are rate : how probable it may be that any group is returned where all
    are alike

    Groups are exchanged at random within strata. A group counts where its standardised difference is beyond what the
    largest of any group, to either side, reaches in `rate` of the cases; then it is left out, and the next is sought.
    Source: Strasser and Weber (1999), see `segdata.core.permutation_tests`.
    """
    rng = np.random.default_rng(SEED)
    known = np.isfinite(value)
    filled = np.where(known, value, 0.0)
    blocks, found = StratifiedGroups.of(group, stratum, n_groups, known), []
    while len(blocks.rows):
        compared = blocks.compare(filled)
        z = np.nan_to_num(compared.z)
        worst = int(z.argmax())
        p, critical = blocks.chance(filled, rng, PERMUTATIONS)
        if z[worst] <= 0 or p > rate or z[worst] < critical:
            break
        found.append(NoisyGroup(worst, float(compared.difference[worst]), int(compared.n[worst]), p))
        present = np.flatnonzero(compared.n > 0)
        blocks = blocks.only([int(each) for each in present if each != worst])
    return tuple(found)


def confusion_table(found: RankedCandidates, case: LabelCheck) -> Table:
    """The pairs of categories that labels confuse; see `segdata.core.candidates.Candidates.confusions`.

    Of things each segment counts; of others each part in which the model sees another category than was given.
    """
    annotated = found.row >= 0
    told = (found.category > 0) & (found.believed > 0) & (case.witness.things[found.category] | ~annotated)
    unit = independent_units(case.tables)[case.images[found.image[told]]]
    names = np.array(case.names, object)
    pairs = find_confusions(found.category[told], found.believed[told], unit)
    columns = {name: np.array([getattr(each, name) for each in pairs]) for name in ("n", "reverse", "images")}
    for name, dtype in (("expected", np.float64), ("p", np.float64)):
        columns[name] = np.array([getattr(each, name) for each in pairs], dtype)
    for name in ("given", "seen"):
        columns[name] = names[np.array([getattr(each, name) for each in pairs], np.int64)]
    return Table(columns)


def noisy_group_table(found: RankedCandidates, case: LabelCheck) -> Table:
    """Annotators and batches whose labels are doubted; see `segdata.core.candidates.Candidates.doubted`.

    Batches are the months in which annotations were made, and what the configuration says by `by`. Compared are images
    of the same camera, size and split; images of one group or sequence count as one.
    """
    annotation = case.rows.annotation[case.images[found.image]]
    category = np.where(found.category > 0, found.category, found.believed)
    value = excess_error_probability(found.probability, category, annotation, len(case.tables.annotations))
    by = case.tables.profile.by
    columns = dict.fromkeys(["annotator", "month", *([] if by in (None, "split") else [by])])
    rows = [row for column in columns for row in _doubted(case, column, value)]
    usual = float(found.probability.mean()) if len(found) else 0.0
    names = ("column", "name", "difference", "n", "p")
    cells: dict[str, Any] = {name: [row[at] for row in rows] for at, name in enumerate(names)}  # Any: as the columns
    texts = {name: np.array(cells.pop(name), object) for name in ("column", "name")}
    numbers = {name: np.array(cells[name], np.int64 if name == "n" else np.float64) for name in cells}
    return Table({**texts, **numbers, "usual": np.full(len(rows), usual)})


def _doubted(case: LabelCheck, column: str, value: np.ndarray[Any, np.dtype[np.float64]]) -> Iterator[tuple[Any, ...]]:
    """The rows of one column's groups."""
    names, group = number_names(annotation_strata_if_any(case.tables, column))
    told = np.flatnonzero((group >= 0) & np.isfinite(value))
    if len(names) < 2 or not len(told):
        return
    image = case.tables.annotations["image"][told].astype(np.int64)
    unit: Ints = independent_units(case.tables)[image]
    row, first = joint_codes(unit, group[told])
    mean = np.bincount(row, value[told]) / np.bincount(row)
    stratum = image_types(case.tables, column)[image[first]]
    for each in find_noisy_groups(mean, group[told][first], stratum, len(names)):
        yield column, names[each.group], each.difference, each.n, each.p
