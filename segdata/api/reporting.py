"""Report: everything that is known of a dataset's quality, together."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec

from segdata.api.checking import info, measured, validate
from segdata.api.deciding import place_of, review_progress
from segdata.api.opening import Data, Progress, ReadOptions, read, silent
from segdata.campaign.costs import costs
from segdata.core.dataset import Dataset
from segdata.core.errors import SegdataError
from segdata.report.whole import Whole
from segdata.review import log

if TYPE_CHECKING:
    from segdata.agreement.summary.agreed import Agreement
    from segdata.report.agreement.points import Conclusion
    from segdata.report.flag_json import FlagReport


def overview(
    data: Data,
    *,
    flagged: str | Path | None = None,
    agreement: bool = True,
    jobs: int = 0,
    progress: Progress = silent,
    **opening: Unpack[ReadOptions],
) -> Whole:
    """What is known of a dataset's quality: the rules, balance, agreement, noise, review and costs.

    Parameters
    ----------
    data : a file, a folder or a `Dataset`
    flagged : the JSON report of a run of `segdata flag`; None: nothing is said of noise
    agreement : hold its annotators against each other, where it has several
    jobs : threads; 0: one per core
    progress : is called with the number of images done since the last call
    opening : as for `read`

    Raises SegdataError as `read` does, and where `flagged` is no such report.
    """
    dataset = read(data, **opening)
    found = validate(dataset, jobs=jobs, progress=progress)
    summary = info(dataset, jobs=jobs)
    notes: list[str] = []
    agreed, conclusions = _agreement(dataset, jobs, notes) if agreement else (None, ())
    noise = None if flagged is None else _flag(Path(flagged))
    decisions = [] if "://" in dataset.profile.files else log.read(place_of(dataset))
    reviewed = None
    if decisions:
        more = [] if noise is None else [row.finding() for row in noise.findings]
        every = validate(dataset, review=False, jobs=jobs).findings
        reviewed = review_progress(dataset, findings=[*every, *more], jobs=jobs)
    right = 0 if reviewed is None else sum(each.right for each in reviewed.rules)
    spent = costs(measured(dataset, frozenset(), jobs), decisions, dataset.config.cost, right)
    return Whole(found, summary, agreed, conclusions, noise, reviewed, spent, notes)


def _agreement(dataset: Dataset, jobs: int, notes: list[str]) -> "tuple[Agreement | None, tuple[Conclusion, ...]]":
    """How much the annotators of a dataset agree; nothing where it has one only, or they share no image."""
    annotators = {name for batch in dataset for name in batch.annotations["annotator"].to_pylist()}
    if len(annotators) < 2:
        return None, ()
    from segdata.api.agreeing import compare_annotators
    from segdata.report.agreement.conclusions import conclusions

    try:
        found = compare_annotators(dataset, jobs=jobs)
    except SegdataError as error:
        notes.append(f"agreement: {error}")
        return None, ()
    return found.agreement, tuple(conclusions(found.agreement, found.tables))


def _flag(path: Path) -> "FlagReport":
    from segdata.report.flag_json import FlagReport

    try:
        return msgspec.json.decode(path.read_bytes(), type=FlagReport)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise SegdataError(f"{path}: is no report of segdata flag: {error}; make one with --format json") from error
