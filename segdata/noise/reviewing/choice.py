"""Choice: which candidates are told, all that are above their threshold or those that a reviewer has time for."""

from dataclasses import dataclass

import numpy as np

from segdata.core.correction import Action
from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Flags, Floats
from segdata.noise.reviewing.budget import Budget, by_image, chosen, seconds
from segdata.noise.reviewing.sampling import Chosen
from segdata.noise.scoring.scores import Suspicions
from segdata.noise.scoring.trust import Trust, flagged
from segdata.noise.suspects import likely_types
from segdata.noise.types import TYPES, Type

MOST = 0.05  # of what was annotated is told, where nobody says how many
_ACTION: dict[Type, Action] = {
    "missing": "add", "extra": "delete", "category": "rename", "boundary": "redraw", "merge": "split", "split": "join",
    "shift": "redraw",
}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What is told.

    Attributes
    ----------
    rows : (c,) rows of the candidates, the most probable errors first
    by_lot : (c,) whether each was drawn at random, so that all errors can be estimated
    sample : what a review of these says of all, where there is a budget: the same candidates in the order in which to
        look at them, or images
    images : (i,) the images that were chosen, where the budget is of images; else None
    left_out : candidates above their threshold that are not told
    n_labels : how many of those that the sample stands for are annotated; the others are seen by the model alone
    """

    rows: Ints
    by_lot: Flags
    sample: Chosen | None = None
    images: Ints | None = None
    left_out: int = 0
    n_labels: int = 0


def choice(
    found: Suspicions,
    trust: list[Trust],
    threshold: Floats,
    things: Flags,
    budget: Budget | None,
    seed: int,
    settled: Ints | None = None,
) -> Choice:
    """What to look at again; nothing of categories that are not to be trusted.

    Without a budget: what is above its threshold, at most `MOST` of what was annotated. With one, as much as it
    says, thresholds or not; of images, what is above its threshold in those with most probable errors. `settled` are
    rows that need not be looked at again: neither they nor what is drawn by lot stands for them.
    """
    done = np.empty(0, np.int64) if settled is None else settled
    above = _without(flagged(found, trust, threshold), done)
    if budget is None:
        most = max(int(np.ceil(MOST * (found.row >= 0).sum())), 1)
        return Choice(above[:most], np.zeros(min(most, len(above)), bool), left_out=max(len(above) - most, 0))
    open_ = _without(_trusted(found, trust), done)
    types, cost = _costs(found, things)
    if budget.of_images:
        return _of_images(found, open_, above, cost, budget, seed)
    taken = chosen(found.probability[open_], cost[open_], budget, kind=types[open_], seed=seed)
    rows = open_[taken.rows]
    order = np.argsort(-found.probability[rows], kind="stable")
    sample = Chosen(rows, taken.stratum, taken.size)
    left = len(np.setdiff1d(above, rows))
    n_labels = int((found.row[open_] >= 0).sum())
    return Choice(rows[order], taken.stratum[order] >= 0, sample, left_out=left, n_labels=n_labels)


def _of_images(found: Suspicions, open_: Ints, above: Ints, cost: Floats, budget: Budget, seed: int) -> Choice:
    n_images = len(found.softmin)
    probability, price = by_image(found.probability[open_], cost[open_], found.image[open_], n_images)
    taken = chosen(probability, np.maximum(price, 1e-9), budget, seed=seed)
    inside = np.isin(found.image[above], taken.rows)
    rows = above[inside]
    return Choice(rows, np.zeros(len(rows), bool), taken, taken.rows, int((~inside).sum()))


def _trusted(found: Suspicions, trust: list[Trust]) -> Ints:
    return flagged(found, trust, np.zeros(len(trust) + 1))


def _without(rows: Ints, settled: Ints) -> Ints:
    return rows[~np.isin(rows, settled)]


def _costs(found: Suspicions, things: Flags) -> tuple[Ints, Floats]:
    """(n,) each: the most probable type of the candidates, and the seconds that it takes to judge what it proposes."""
    types = likely_types(found, things)
    return types, seconds([_ACTION[each] for each in TYPES])[types]
