"""Costs: what annotation and its quality assurance took, and what a true error found has cost."""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from segdata.core.config import Cost
from segdata.core.finding import Decision
from segdata.core.rule import Tables

LONGEST_PAUSE = 300.0  # seconds between two decisions after which a reviewer was away
USUAL_SHARE = (0.2, 0.4)  # of the cost, for quality assurance


@dataclass(frozen=True, slots=True)
class Costs:
    """Hours of work, and what an hour costs."""

    annotation: float  # hours for the first annotation of each image
    again: float  # hours for further annotations of the same images, which are there for comparison
    review: float  # hours in which reviewers decided, by the times in the log
    # the share of annotations by people that say how long they took; of the others it is estimated, where `assumed`
    # says how
    known: float
    assumed: str  # in words; empty where nothing was
    n_errors: int  # true errors that reviewers found
    # rate, currency: of an hour; None: not known
    rate: float | None = None
    currency: str = ""

    @property
    def assurance(self) -> float:
        """Hours for quality assurance."""
        return self.again + self.review

    @property
    def share(self) -> float:
        """Of quality assurance in all hours; NaN where none are known."""
        total = self.annotation + self.assurance
        return self.assurance / total if total else float("nan")

    @property
    def per_error(self) -> float:
        """Hours of review for each true error found; NaN where none was found."""
        return self.review / self.n_errors if self.n_errors else float("nan")

    def amount(self, hours: float) -> float | None:
        """What so many hours cost; None where the rate is not known."""
        return None if self.rate is None else hours * self.rate


def annotation_costs(
    tables: Tables, decisions: Sequence[Decision], cost: Cost | None = None, n_errors: int = 0
) -> Costs:
    """What the annotations of a dataset and the review of it took.

    Time that an annotation says (`seconds`) goes before what `cost` says of an image or a segment. Models cost nothing.
    The first annotation of an image is its annotation, every further one by a person is quality assurance.
    """
    setting = cost or Cost()
    rows = tables.annotations
    people = np.array([source != "model" for source in rows["source"].tolist()], bool)
    seconds = np.asarray(rows["seconds"], np.float64)
    timed = np.isfinite(seconds) & (seconds >= 0)
    guess = np.full(len(seconds), 0.0)
    if setting.minutes_per_image is not None:
        guess[:] = 60 * setting.minutes_per_image
    elif setting.minutes_per_segment is not None:
        guess = 60 * setting.minutes_per_segment * rows["n_segments"].astype(np.float64)
    spent = np.where(people, np.where(timed, seconds, guess), 0.0)
    image = rows["image"][people]
    is_first = np.zeros(len(image), bool)
    is_first[np.unique(image, return_index=True)[1]] = True
    return Costs(
        annotation=float(spent[people][is_first].sum()) / 3600,
        again=float(spent[people][~is_first].sum()) / 3600,
        review=review_seconds(decisions, setting.seconds_per_decision) / 3600,
        known=float(timed[people].mean()) if people.any() else float("nan"),
        assumed=_assumption(setting) if (people & ~timed).any() else "",
        n_errors=n_errors,
        rate=setting.rate,
        currency=setting.currency,
    )


def _assumption(cost: Cost) -> str:
    if cost.minutes_per_image is not None:
        return f"{cost.minutes_per_image:g} minutes an image"
    return "" if cost.minutes_per_segment is None else f"{cost.minutes_per_segment:g} minutes a segment"


def review_seconds(decisions: Iterable[Decision], seconds: float | None = None) -> float:
    """How long reviewers took: `each` seconds a decision, else the time between one decision and the next.

    A pause of more than `LONGEST_PAUSE` does not count; the first decision after one took as long as the reviewer's
    median decision.

    >>> review_seconds([])
    0.0
    """
    times: dict[str, list[float]] = defaultdict(list)
    for decision in decisions:
        times[decision.reviewer].append(datetime.datetime.fromisoformat(decision.time).timestamp())
    if seconds is not None:
        return float(seconds * sum(map(len, times.values())))
    total = 0.0
    for those in times.values():
        gaps = [after - before for before, after in pairwise(sorted(those))]
        worked = [gap for gap in gaps if gap <= LONGEST_PAUSE]
        n_begun = len(those) - len(worked)
        total += sum(worked) + n_begun * (median(worked) if worked else 0.0)
    return total
