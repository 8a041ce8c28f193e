"""Reports on a dataset as a whole: its quality, and predictions of a pilot for the campaign."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec

from segdata.agreement.panel import PanelMember, build_panel
from segdata.agreement.summary import Agreement
from segdata.api.decisions import log_path
from segdata.api.info import info
from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, json_table, promote
from segdata.api.review import review_progress
from segdata.api.validate import dataset_tables, validate
from segdata.campaign.confusable_categories import confusable_pairs, mean_colours
from segdata.campaign.projection import CampaignPlan, annotation_costs, project_campaign
from segdata.campaign.readiness import PilotAgreement, PilotResult, assess_readiness, measure_pilot_agreement
from segdata.core.config import Config
from segdata.core.errors import SegdataError
from segdata.core.executor import Progress, no_progress
from segdata.core.finding import Finding
from segdata.core.rule import Tables, rules
from segdata.core.rule_settings import configured_options
from segdata.core.safe_text import reading_json, shell_word
from segdata.dataset import Dataset
from segdata.formats.shared.images import image_limits
from segdata.report.agreement.wording import Conclusion
from segdata.report.dataset_report import DatasetReport, dataset_report_html, dataset_report_json
from segdata.report.flag import FlagReport, LabelErrors, label_errors
from segdata.review import decision_log

if TYPE_CHECKING:
    import pandas as pd


class ReportResult(Result, DatasetReport):
    """The quality of a dataset: rules, balance, agreement, noise, review and costs."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the rules, worst first."""
        return self.validation.findings

    def to_json(self) -> str:
        """The report as JSON, as ``segdata report --format json`` prints it."""
        return dataset_report_json(self)

    def to_html(self) -> str:
        """The report as one HTML file."""
        return dataset_report_html(self, [shell_word(self.validation.dataset)])

    def table(self) -> "pd.DataFrame":
        """The findings as a pandas table, one row each."""
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
    spent = annotation_costs(dataset_tables(dataset, frozenset(), jobs), decisions, dataset.config.cost, right)
    return ReportResult(
        validation=validation,
        summary=summary,
        agreement=agreed,
        agreed=conclusions,
        flag=noise,
        progress=reviewed,
        errors=errors,
        costs=spent,
        notes=notes,
    )


def _agreement(dataset: Dataset, jobs: int, notes: list[str]) -> tuple[Agreement | None, tuple[Conclusion, ...]]:
    """The agreement of a dataset's annotators; None if it has only one, or they share no image."""
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
    """The estimated number of wrong labels, by the first report of `segdata flag --budget` that has decisions.

    None if there is no such report.
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
    """Load the JSON report of `segdata flag`; raises SegdataError if the file is no such report."""
    with reading_json(path, "a report of segdata flag", "make one with --format json"):
        return msgspec.json.decode(path.read_bytes(), type=FlagReport)


class PilotOutcome(Result, PilotResult):
    """Whether a taxonomy is ready for the campaign, and predictions for the campaign."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata pilot --format json`` prints it."""
        from segdata.report.pilot import pilot_json

        return pilot_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each category as a pandas table: what the pilot has, and what the campaign will have."""
        return json_table(self.to_json(), "categories")


def pilot(
    data: Data,
    *,
    campaign: int | None = None,
    min_instances: int | None = None,
    minutes_per_image: float | None = None,
    minutes_per_segment: float | None = None,
    rate: float | None = None,
    ignore: str | Iterable[str] = (),
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> PilotOutcome:
    """Judge from this pilot whether a taxonomy is ready for the full campaign.

    Parameters
    ----------
    campaign : images in the campaign, those of the pilot among them; default: totals for 1000 images
    min_instances : segments wanted of each category; default: as rule SEG302 is configured
    minutes_per_image, minutes_per_segment : of work; default: as the annotations say (`seconds`)
    rate : the cost of an hour
    ignore : kinds of reasons that do not count
    jobs, progress : see `Dataset`

    The images must be a random sample of the campaign's. Returns what the campaign will hold, with ranges that
    are right in 19 of 20 campaigns, and the reasons not to begin yet; `ready` is true if nothing blocks.
    """
    dataset = read(data, **opening)
    needed = _wanted_instances(dataset.config) if min_instances is None else min_instances
    plan = CampaignPlan(campaign, needed, minutes_per_image, minutes_per_segment, rate)
    tables = dataset_tables(dataset, frozenset({"coverage", "pairs", "shapes"}), jobs, progress)
    outlook = project_campaign(tables, plan)
    with image_limits():
        colours = mean_colours(dataset, jobs)
    kinds = [ignore] if isinstance(ignore, str) else list(ignore)
    agreement = _pilot_agreement(dataset, tables, jobs)
    result = assess_readiness(dataset.profile, plan, outlook, confusable_pairs(tables, colours), kinds, agreement)
    return promote(PilotOutcome, result)


def _pilot_agreement(dataset: Dataset, tables: Tables, jobs: int) -> PilotAgreement | None:
    """The agreement of annotators on images that have several."""
    from segdata.agreement.comparison import compare_panel

    image = tables.annotations["image"]
    if len(set(image.tolist())) == len(image):
        return None
    with image_limits():
        annotator_pairs = compare_panel(build_panel([PanelMember(dataset)]), jobs=jobs).annotator_pairs
    return None if annotator_pairs is None else measure_pilot_agreement(annotator_pairs)


def _wanted_instances(config: Config) -> int:
    """The number of segments of a category that the rule too-few requires."""
    few = rules()["SEG302"]
    needed: int = configured_options(config).get(few.code, few.options).get("min_segments", few.options["min_segments"])
    return needed
