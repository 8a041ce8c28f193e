"""Scorecards for annotators, and how much of their work a review changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

from segdata.agreement.estimates import Resampling
from segdata.agreement.panel import PanelMember
from segdata.agreement.rework import CORRECTED, ReworkSummary, measure_rework
from segdata.agreement.scorecard import Scorecard, build_scorecard
from segdata.api.panel import (
    ComparedPanel,
    PanelData,
    PanelOptions,
    check_reference_named,
    compare_panel,
    gold_section,
    join_panels,
    open_members,
    read_options,
    reference_index,
    resampling,
)
from segdata.api.read import Data, read
from segdata.api.result import Result, csv_table, promote
from segdata.core.batch import Batch, replace_column
from segdata.core.config import DISTANCES, Metric
from segdata.core.errors import SegdataError
from segdata.core.safe_text import shell_word
from segdata.dataset import Dataset
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.images import image_limits

if TYPE_CHECKING:
    import pandas as pd

    from segdata.agreement.surface_distances import Tolerance
    from segdata.api.agreement import AgreementRun
    from segdata.core.annotator_pairs import AnnotatorPairs
    from segdata.core.rule import Tables


class ScorecardResult(Result, Scorecard, frozen=True, kw_only=True):
    """What each annotator did: how much, how well, how fast, the trend by month, and the worst examples."""

    @property
    def run(self) -> "ScorecardRun":
        """What the scorecard was made of."""
        run: ScorecardRun = self._context["run"]
        return run

    def to_json(self) -> str:
        """The result as JSON, as ``segdata scorecard --format json`` prints it."""
        from segdata.report.scorecard import scorecard_json

        return scorecard_json(self)

    def to_html(self, *, jobs: int = 0, typed: Sequence[str] = ()) -> str:
        """One HTML file with a section for each annotator, and pictures of the worst examples.

        `typed`: the command as it was typed, for the commands that the report proposes.
        """
        from segdata.report.scorecard import scorecard_html

        run = self.run
        typed = typed or ["scorecard", shell_word(run.dataset.profile.files)]
        with image_limits():
            return scorecard_html(self, run.dataset, run.opposed, typed, jobs)

    def table(self) -> "pd.DataFrame":
        """One row for each annotator as a pandas table: the rows of ``--format csv``."""
        from segdata.report.scorecard import scorecard_csv

        return csv_table(scorecard_csv(self))


class ReworkResult(Result, ReworkSummary, frozen=True, kw_only=True):
    """How much of the work a reviewer corrected, by annotator and category."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata rework --format json`` prints it."""
        from segdata.report.quality import rework_json

        return rework_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each annotator and category as a pandas table: the rows of ``--format csv``."""
        from segdata.report.quality import rework_csv

        return csv_table(rework_csv(self))


@dataclass(frozen=True, slots=True)
class ReworkPanel:
    """Work before and after a review: the measured tables, and what they have in common, with which tolerance."""

    tables: "Tables"
    opposed: "AnnotatorPairs"
    near: "Tolerance"

    @property
    def n_before(self) -> int:
        """How many annotations there were before the review."""
        return sum(not name.endswith(CORRECTED) for name in self.tables.annotations["annotator"].tolist())


def rework(before: Data, after: Data, **options: Unpack[PanelOptions]) -> ReworkResult:
    """Measure how much of the work `before` a reviewer corrected in `after`: `segdata.Dataset.rework`.

    Both are datasets, or revisions of one, ``DATA@r0001``. Options of `read` and `agree` hold for both.
    """
    compared = compare_review(before, after, options)
    result = promote(
        ReworkResult, measure_rework(compared.opposed, compared.n_before, resampling(options), compared.near)
    )
    if not result.images:
        raise SegdataError(f"{after}: has no annotation of {before}")
    return result


def compare_review(before: Data, after: Data, options: PanelOptions) -> ReworkPanel:
    """Both as one panel, in which the corrected annotations are by others, who are called so."""
    opening = read_options(options)
    first, second = read(before, **opening), read(after, **opening)
    called = PanelMember(second).called

    def renamed(batch: Batch) -> Batch:
        names = [f"{name or called}{CORRECTED}" for name in batch.annotations["annotator"].to_pylist()]
        return replace(batch, annotations=replace_column(batch.annotations, "annotator", names))

    second = replace(second, source=AlteredSource(second.source, renamed))
    every = [PanelMember(first), PanelMember(second)]
    compared: ComparedPanel = compare_panel(every, gold_section(every), options)
    compared.check_sizes()
    return ReworkPanel(compared.tables, compared.opposed, compared.near)


@dataclass(frozen=True, slots=True)
class ScorecardRun:
    """What a scorecard was made of: all annotators' work as one dataset, and what they have in common."""

    dataset: Dataset
    opposed: "AnnotatorPairs"


def scorecard(
    data: PanelData,
    others: PanelData = (),
    *,
    name: str | None = None,
    gold: str | None = None,
    before: Data | None = None,
    metric: Metric = "iou",
    worst: int = 3,
    **options: Unpack[PanelOptions],
) -> ScorecardResult:
    """Report what each annotator did, how well, how fast, how that changes, and their worst examples.

    Parameters
    ----------
    data, others, name : as for `agreement`; here one annotator is enough, who then has no score
    gold : the name of the reference; default: as segdata.yaml says; without one: each against the others
    before : this work as it was before a review, which gives the share that passed unchanged; None: the stages of
        annotations give it
    metric : of the scores; not a distance
    worst : how many examples of each annotator
    pair_by, taxonomy_map, tolerance, tolerance_mm, confidence, resamples, seed, client : as for `agreement`
    jobs, progress : see `Dataset`
    """
    if metric in DISTANCES:
        raise SegdataError(f"metric {metric} is a distance, not a score from 0 to 1; choose another metric")
    every = open_members(join_panels(data, others, name), read_options(options))
    if before is not None and len(every) > 1:
        raise SegdataError(f"`before` can be compared with one dataset, not with {len(every)}")
    section = gold_section(every)
    gold = gold or (section.name if section else None)
    check_reference_named(gold, every)
    compared = compare_panel(every, section, options)
    compared.check_sizes()
    reference = reference_index(gold, compared.opposed.annotators)
    passed = None if before is None else rework(before, every[0].dataset, **_without_progress(options))
    resampled = resampling(options)
    card = build_scorecard(
        compared.tables,
        reference=reference,
        metric=metric,
        review=passed,
        how=resampled,
        n_worst=worst,
        tolerance=compared.near,
    )
    dataset = Dataset(compared.panel, compared.panel.profile, every[0].dataset.config)
    return promote(ScorecardResult, card, run=ScorecardRun(dataset, compared.opposed))


def scorecard_of_agreement(run: "AgreementRun", worst: int = 3) -> Scorecard:
    """The scorecard of annotators who have been compared, without another pass over their work.

    Of two without a reference there are no worst examples: those of one are those of the other.
    """
    agreement, judged = run.agreement, run.tables.assessment
    made = agreement.intervals
    resampled = Resampling(made.confidence, made.resamples, made.seed)
    reference = None if judged is None else judged.gold
    worst = 0 if reference is None and len(agreement.pairs) == 1 else worst
    return build_scorecard(
        run.tables,
        reference=reference,
        metric=agreement.leading,
        how=resampled,
        n_worst=worst,
        tolerance=agreement.tolerance,
    )


def _without_progress(options: PanelOptions) -> PanelOptions:
    """The options for the pass over the work before: its images are none that a caller waits for."""
    kept = options.copy()
    kept.pop("progress", None)
    return kept
