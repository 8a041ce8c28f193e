"""Report: everything that is known of a dataset's quality, together."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec

from segdata.api.decisions import log_path
from segdata.api.info import info
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.api.result import Result
from segdata.api.review import review_progress
from segdata.api.validate import measure_dataset, validate
from segdata.campaign.costs import annotation_costs
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.safe_text import shell_word
from segdata.dataset import Dataset
from segdata.report.dataset_report import DatasetReport
from segdata.report.flag import FlagReport, LabelErrors, label_errors
from segdata.review import decision_log

if TYPE_CHECKING:
    import pandas as pd

    from segdata.agreement.summary import Agreement
    from segdata.report.agreement.wording import Conclusion


class ReportResult(Result, DatasetReport):
    """What is known of a dataset's quality: rules, balance, agreement, noise, review and costs."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules found, worst first."""
        return self.validation.findings

    def to_json(self) -> str:
        """The report as JSON, as ``segdata report --format json`` prints it."""
        from segdata.report.dataset_report import dataset_report_json

        return dataset_report_json(self)

    def to_html(self) -> str:
        """The report as one HTML file."""
        from segdata.report.dataset_report import dataset_report_html

        return dataset_report_html(self, [shell_word(self.validation.dataset)])

    def table(self) -> "pd.DataFrame":
        """What the rules found as a pandas table, one row each."""
        return self.validation.table()


def overview(
    data: Data,
    *,
    flagged: str | Path | None = None,
    agreement: bool = True,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> ReportResult:
    """Report everything known about quality: rules, balance, agreement, suspected labels, review and costs.

    Parameters
    ----------
    flagged : the JSON report of a run of `flag`; without it the report has no suspected labels
    agreement : compare the annotators, if there are several
    jobs, progress : see `Dataset`
    """
    dataset = read(data, **opening)
    validation = validate(dataset, jobs=jobs, progress=progress)
    summary = info(dataset, jobs=jobs)
    notes: list[str] = []
    agreed, conclusions = _agreement(dataset, jobs, notes) if agreement else (None, ())
    noise = None if flagged is None else flag_report(Path(flagged))
    decisions = [] if "://" in dataset.profile.files else decision_log.read_decisions(log_path(dataset))
    reviewed = errors = None
    if decisions:
        more = [] if noise is None else [row.finding() for row in noise.findings]
        reviewed = review_progress(dataset, findings=[*validation.single, *validation.settled], earlier=more, jobs=jobs)
        errors = None if noise is None else label_errors(noise, decisions)
    right = 0 if reviewed is None else sum(rule.right for rule in reviewed.rules)
    spent = annotation_costs(measure_dataset(dataset, frozenset(), jobs), decisions, dataset.config.cost, right)
    return ReportResult(validation, summary, agreed, conclusions, noise, reviewed, errors, spent, notes)


def _agreement(dataset: Dataset, jobs: int, notes: list[str]) -> "tuple[Agreement | None, tuple[Conclusion, ...]]":
    """How much the annotators of a dataset agree; nothing where it has one only, or they share no image."""
    annotators = {name for batch in dataset for name in batch.annotations["annotator"].to_pylist()}
    if len(annotators) < 2:
        return None, ()
    from segdata.api.agreement import agree
    from segdata.report.agreement.conclusions import conclusions

    try:
        compared = agree(dataset, jobs=jobs)
    except SegdataError as error:
        notes.append(f"agreement: {error}")
        return None, ()
    return compared, tuple(conclusions(compared, compared.run.tables))


def label_errors_of(data: Data, reports: Iterable[Path], **opening: Unpack[ReadOptions]) -> LabelErrors | None:
    """How many labels are wrong in all, by the first of these reports of `segdata flag --budget` with decisions on it.

    None if no report is one, or nobody has decided on any of its findings.
    """
    decisions = decision_log.read_decisions(log_path(read(data, **opening)))
    for path in reports:
        try:
            errors = label_errors(flag_report(path), decisions)
        except SegdataError:  # of another command
            continue
        if errors is not None:
            return errors
    return None


def flag_report(path: Path) -> FlagReport:
    """The JSON report of a run of `segdata flag`; raises SegdataError where the file is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=FlagReport)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise SegdataError(f"{path}: is not a report of segdata flag: {error}; make one with --format json") from error
