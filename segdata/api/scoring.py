"""A scorecard for each annotator."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from segdata.api.agreeing import Named, members, open_panel
from segdata.api.opening import Data, Progress, ReadOptions, silent
from segdata.api.reviewing import rework
from segdata.core.config import DISTANCES, Metric, nearest
from segdata.core.errors import SegdataError
from segdata.formats.images import image_limits

if TYPE_CHECKING:
    from segdata.agreement.gold.scorecard import Scorecard


def scorecard(
    data: Data | Mapping[str, Data] | Sequence[Named],
    *,
    gold: str | None = None,
    before: Data | None = None,
    metric: Metric = "iou",
    worst: int = 3,
    tolerance: float | None = None,
    tolerance_mm: float | None = None,
    pair_by: str | None = None,
    taxonomy_map: str | Path | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    jobs: int = 0,
    progress: Progress = silent,
    **opening: Unpack[ReadOptions],
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
    tolerance, tolerance_mm, pair_by, taxonomy_map, confidence, resamples, seed, jobs, progress, opening : as for
        `segdata.agree`

    Raises SegdataError as `agree` does.
    """
    from segdata.agreement.compare import compare
    from segdata.agreement.gold.gold import section_of, tolerance_of
    from segdata.agreement.gold.scorecard import scorecard as made
    from segdata.agreement.summary.estimates import Resampling

    if metric in DISTANCES:
        raise SegdataError(f"a scorecard of {metric}: it is a distance, which is not from 0 to 1; take another metric")
    every = members(data, opening)
    panel = open_panel(every, pair_by, taxonomy_map)
    section = section_of(each.dataset.config for each in every)
    gold = gold or (section.name if section else None)
    near = tolerance_of(section, tolerance, tolerance_mm)
    with image_limits():
        tables = compare(panel, tolerance=near, jobs=jobs, progress=progress)
    opposed = tables.opposed
    assert opposed is not None
    if gold is not None and gold not in opposed.annotators:
        known = ", ".join(opposed.annotators)
        raise SegdataError(f"gold: no annotator {gold!r}{nearest(gold, list(opposed.annotators))}; there are: {known}")
    review = None
    if before is not None:
        if len(every) > 1:
            raise SegdataError(f"work before a review can be held against one dataset, there are {len(every)}")
        review = rework(
            before,
            every[0].dataset,
            tolerance=tolerance,
            tolerance_mm=tolerance_mm,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            jobs=jobs,
            **opening,
        )
    reference = None if gold is None else opposed.annotators.index(gold)
    how = Resampling(confidence, resamples, seed)
    return made(tables, reference=reference, metric=metric, review=review, how=how, n_worst=worst)
