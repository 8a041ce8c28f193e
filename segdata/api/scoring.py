"""A scorecard for each annotator."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from segdata.api.opening import Data
from segdata.api.panels import (
    PanelOptions,
    Several,
    check_named,
    check_sizes,
    members,
    opened,
    reading,
    reference,
    resampling,
    sections,
)
from segdata.api.reviewing import rework
from segdata.core.config import DISTANCES, Metric
from segdata.core.dataset import Dataset
from segdata.core.errors import SegdataError

if TYPE_CHECKING:
    from segdata.agreement.gold.scorecard import Scorecard
    from segdata.api.agreeing import Compared
    from segdata.core.opposed import Opposed


@dataclass(frozen=True, slots=True)
class Scored:
    """A scorecard with what it was made of: all annotators' work as one dataset, and what they have in common."""

    scorecard: "Scorecard"
    dataset: Dataset
    opposed: "Opposed"


def scorecard(
    data: Several,
    *,
    gold: str | None = None,
    before: Data | None = None,
    metric: Metric = "iou",
    worst: int = 3,
    **options: Unpack[PanelOptions],
) -> "Scorecard":
    """What each annotator did, how well, how fast, how that changes, and their worst examples.

    Parameters
    ----------
    data : one dataset or several, as for `segdata.agree`; here one annotator alone will do, who then has no score
    gold : the name of the reference; default: the one in segdata.yaml; None there too: everybody against the others
    before : the work in `data` (one dataset then) as it was before a review, from which follows what passed as it was;
        None: what the stages of annotations tell
    metric : of the scores; no distance
    worst : how many examples of each
    and tolerance, tolerance_mm, pair_by, taxonomy_map, confidence, resamples, seed, jobs, progress, and what `read`
        takes: as for `segdata.agree`

    Raises SegdataError as `agree` does.
    """
    return score_annotators(data, gold=gold, before=before, metric=metric, worst=worst, **options).scorecard


def score_annotators(
    data: Several,
    *,
    gold: str | None = None,
    before: Data | None = None,
    metric: Metric = "iou",
    worst: int = 3,
    **options: Unpack[PanelOptions],
) -> Scored:
    """The same as `scorecard`, with what it was made of."""
    from segdata.agreement.gold.scorecard import scorecard as made

    if metric in DISTANCES:
        raise SegdataError(f"a scorecard of {metric}: it is a distance, which is not from 0 to 1; take another metric")
    every = members(data, reading(options))
    if before is not None and len(every) > 1:
        raise SegdataError(f"work before a review can be held against one dataset, there are {len(every)}")
    section = sections(every)
    gold = gold or (section.name if section else None)
    check_named(gold, every)
    found = opened(every, section, options)
    check_sizes(found)
    at = reference(gold, found.opposed.annotators)
    review = None if before is None else rework(before, every[0].dataset, **_for_before(options))
    how = resampling(options)
    card = made(found.tables, reference=at, metric=metric, review=review, how=how, n_worst=worst, tolerance=found.near)
    return Scored(card, Dataset(found.panel, found.panel.profile, every[0].dataset.config), found.opposed)


def cards_of(found: "Compared", worst: int = 3) -> "Scorecard":
    """The scorecard of annotators who have been compared, without another pass over their work.

    Of two without a reference there are no worst examples: those of one are those of the other.
    """
    from segdata.agreement.gold.scorecard import scorecard as made
    from segdata.agreement.summary.estimates import Resampling

    told, judged = found.agreement, found.tables.judged
    how = Resampling(told.confidence, told.resamples, told.seed)
    at = None if judged is None else judged.gold
    worst = 0 if at is None and len(told.pairs) == 1 else worst
    return made(found.tables, reference=at, how=how, n_worst=worst, tolerance=told.tolerance)


def _for_before(options: PanelOptions) -> PanelOptions:
    """The options for the pass over the work before: its images are none that a caller waits for."""
    kept = options.copy()
    kept.pop("progress", None)
    return kept
