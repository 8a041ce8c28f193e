"""Budget: which suspected labels a reviewer looks at, when there is time for some of them only.

Most of a budget goes to what is most probably wrong, with a quota for each kind so that the rare ones are seen; the
rest is drawn by lot from what is left, so that the errors nobody suspects can be estimated, too.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.correction import Action
from segdata.core.errors import SegdataError
from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Floats
from segdata.noise.reviewing.sampling import Chosen, Strata

# Assumptions, not measurements: a glance at what is there or not, or a look along an outline. Time your own reviewers.
SECONDS: Mapping[Action, float] = {"add": 8, "delete": 8, "rename": 8, "redraw": 12, "split": 12, "join": 12}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*(%|images?|minutes?|min|m|hours?|h)?")


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is looked at: so many `items`, a `share` of all, or as many as take so many `minutes`.

    Attributes
    ----------
    items, share, minutes : exactly one of them
    of_images : an item is an image with all of its labels, see `by_image`; else a single label
    """

    items: int | None = None
    share: float | None = None
    minutes: float | None = None
    of_images: bool = False

    def __post_init__(self) -> None:
        told = [each for each in (self.items, self.share, self.minutes) if each is not None]
        if len(told) != 1 or not told[0] > 0 or (self.share or 0) > 1:
            raise SegdataError(f"{self}: one of items, share (up to 1) and minutes is needed, above 0")

    @staticmethod
    def parsed(text: str) -> "Budget":
        """As a person writes it: ``200``, ``5%``, ``30min``, ``2h``, ``40 images``; raises SegdataError otherwise.

        >>> Budget.parsed("5%").share, Budget.parsed("2h").minutes, Budget.parsed("40 images").of_images
        (0.05, 120.0, True)
        """
        found = _TEXT.fullmatch(text.strip().lower())
        if found is None:
            raise SegdataError(f"budget {text!r}: write 200, 5%, 30min, 2h or 40 images")
        number, unit = float(found[1]), found[2] or ""
        if not number > 0:
            raise SegdataError(f"budget {text!r}: it must be more than 0")
        if unit == "%" and number > 100:
            raise SegdataError(f"budget {text!r}: there are no more than 100% of the labels")
        if unit == "%":
            return Budget(share=number / 100)
        if unit.startswith(("m", "h")):
            return Budget(minutes=number * (60 if unit.startswith("h") else 1))
        if number != int(number):
            raise SegdataError(f"budget {text!r}: a whole number is needed")
        return Budget(items=int(number), of_images=unit.startswith("image"))

    def room(self, cost: Floats) -> float:
        """How much there is room for: seconds where minutes are told, else items; `cost` (n,) is of all there are."""
        if self.minutes is not None:
            return 60 * self.minutes
        return float(min(self.items or max(1, round((self.share or 0) * len(cost))), len(cost)))


def seconds(actions: Sequence[Action], taking: Mapping[Action, float] = SECONDS) -> Floats:
    """(n,) how long a reviewer takes to judge proposals to do this; `taking` overrides the assumptions.

    >>> seconds(["add", "redraw"], {"redraw": 20}).tolist()
    [8.0, 20.0]
    """
    return np.array([taking.get(each, SECONDS[each]) for each in actions], np.float64)


def by_image(probability: Floats, cost: Floats, image: Ints, n_images: int) -> tuple[Floats, Floats]:
    """(n_images,) each: how probably an image has an error, were its labels wrong independently, and its cost.

    From the probabilities and costs (n,) of its labels.
    """
    log_right = np.bincount(image, np.log1p(-np.clip(probability, 0, 1 - 1e-12)), n_images)
    return np.asarray(-np.expm1(log_right)), np.bincount(image, cost, n_images).astype(np.float64)


def chosen(
    probability: Floats,
    cost: Floats,
    budget: Budget,
    *,
    kind: Ints | None = None,
    by_lot: float = 0.2,
    quota: float = 0.2,
    seed: int = 0,
) -> Chosen:
    """The items that a reviewer sees.

    Parameters
    ----------
    probability : (n,) that each is wrong
    cost : (n,) seconds to judge each, above 0; they count where the budget is of minutes
    kind : (n,) the type, or category, of each, from 0: those that share the quota; None: there is no quota
    by_lot : the share of the budget that is drawn at random, stratified by probability; 0: no error rate can be
        estimated but that of what was chosen
    quota : the share of what is not drawn by lot that is kept for the kinds, for each the same: its most probable ones

    What is left goes to the most probable errors, a second for a second where the budget is of minutes. Everything is
    the same for the same seed.
    """
    room = budget.room(cost)
    price = cost if budget.minutes is not None else np.ones(len(cost))
    order = np.argsort(-probability / price, kind="stable")
    sure = _sure(order, price, (1 - by_lot) * room, kind, quota)
    rest = np.setdiff1d(np.arange(len(cost)), sure)
    left = room - float(price[sure].sum())
    n = min(len(rest), int(left / price[rest].mean() + 0.5)) if len(rest) and by_lot > 0 else 0
    strata = Strata.of_probability(probability[rest], n)
    rng = np.random.default_rng(seed)
    return Chosen.of(sure[np.argsort(-probability[sure], kind="stable")], rest, strata, rng)


def _sure(order: Ints, price: Floats, room: float, kind: Ints | None, quota: float) -> Ints:
    """The items (in this order) that there is room for: first the quotas, then whatever comes first."""
    taken = np.zeros(len(order), bool)
    if kind is not None and quota > 0:
        kinds, row = np.unique(kind[order], return_inverse=True)
        for each in range(len(kinds)):
            mine = order[row.reshape(-1) == each]
            taken[mine[np.cumsum(price[mine]) <= quota * room / len(kinds) + 1e-9]] = True
    rest = order[~taken[order]]
    taken[rest[np.cumsum(price[rest]) <= room - price[taken].sum() + 1e-9]] = True
    return np.flatnonzero(taken)
