"""Losing: annotators, or batches, whose labels are doubted more than those of others on images of the same sort."""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints
from segdata.core.statistics.blocks import Blocks
from segdata.noise.evidence.drawn import Floats

SEED = 509  # the same data give the same findings
PERMUTATIONS = 1999


@dataclass(frozen=True, slots=True)
class Losing:
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


def excess(probability: Floats, category: Ints, owner: Ints, n_owners: int) -> Floats:
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


def losing(value: Floats, group: Ints, stratum: Ints, n_groups: int, rate: float = 0.05) -> tuple[Losing, ...]:
    """The groups whose values are larger than those of others in the same strata, the worst first.

    Parameters
    ----------
    value : (n,) of observations, see `excess`; NaN: left out
    group, stratum : (n,) who it is by, and which are of one sort, as `segdata.core.observed.Observed` tells them
    n_groups : how many groups there are
    rate : how probable it may be that any group is returned where all are alike

    Groups are exchanged at random within strata. A group counts where its standardised difference is beyond what the
    largest of any group, to either side, reaches in `rate` of the cases; then it is left out, and the next is sought.
    Source: Strasser and Weber (1999), see `segdata.core.statistics.blocks`.
    """
    rng = np.random.default_rng(SEED)
    known = np.isfinite(value)
    filled = np.where(known, value, 0.0)
    blocks, found = Blocks.of(group, stratum, n_groups, known), []
    while len(blocks.rows):
        compared = blocks.compare(filled)
        z = np.nan_to_num(compared.z)
        worst = int(z.argmax())
        p, critical = blocks.chance(filled, rng, PERMUTATIONS)
        if z[worst] <= 0 or p > rate or z[worst] < critical:
            break
        found.append(Losing(worst, float(compared.difference[worst]), int(compared.n[worst]), p))
        present = np.flatnonzero(compared.n > 0)
        blocks = blocks.only([int(each) for each in present if each != worst])
    return tuple(found)
