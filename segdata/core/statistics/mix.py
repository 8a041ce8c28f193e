"""Mix: how far apart two portions' shares of categories are, and how far chance alone would bring them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Apart:
    """A portion compared with the rest.

    Attributes
    ----------
    distance : total variation between their mixes: the share, in [0, 1], that would have to change category
    by_chance : the mean distance of portions of as many units drawn at random
    p : the share of those that are as far apart as this one
    """

    distance: float
    by_chance: float
    p: float


def apart(
    amounts: Floats, inside: NDArray[np.bool_], rng: np.random.Generator, least: float, n_permutations: int = 999
) -> Apart | None:
    """The units `inside` (n,) against the others, by amounts (n, n_categories); None where nearer than `least`.

    `least` is the distance beyond what chance explains. Units (images, or sequences where there are any) are drawn
    whole: nothing is assumed about how much they vary.
    """
    total = amounts.sum(axis=0)
    found = float(_distance(amounts[inside].sum(axis=0)[None], total)[0])
    if not found >= least:  # NaN, too: a portion without anything
        return None
    n_inside, drawn = int(inside.sum()), []
    for _ in range(n_permutations):
        chosen = rng.permutation(len(inside))[:n_inside]
        drawn.append(amounts[chosen].sum(axis=0))
    by_chance = _distance(np.array(drawn), total)
    by_chance = by_chance[np.isfinite(by_chance)]
    p = (1 + int((by_chance >= found - 1e-12).sum())) / (len(by_chance) + 1)
    return Apart(found, float(by_chance.mean()), p) if found - by_chance.mean() >= least else None


def _distance(part: Floats, total: Floats) -> Floats:
    """(n,) between the mixes of portions (n, n_categories) and of what they leave of the total (n_categories,)."""
    rest = total - part
    with np.errstate(divide="ignore", invalid="ignore"):
        mine, others = part / part.sum(axis=1, keepdims=True), rest / rest.sum(axis=1, keepdims=True)
    result: Floats = np.abs(mine - others).sum(axis=1) / 2
    return result
