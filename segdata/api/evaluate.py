"""Judge work by a reference: models, deliveries, each annotator's scorecard, and what a review changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec
import numpy as np

from segdata.agreement.acceptance import DeliveryQuality as DeliveryQuality
from segdata.agreement.acceptance import Inspection, inspect_delivery
from segdata.agreement.estimates import Resampling
from segdata.agreement.gold_standard import gold_section
from segdata.agreement.panel import PanelMember
from segdata.agreement.plugin import is_less_better
from segdata.agreement.rework import CORRECTED, ReworkSummary, measure_rework
from segdata.agreement.scorecard import Scorecard, build_scorecard
from segdata.agreement.scores import column_of
from segdata.agreement.summary import Agreement
from segdata.agreement.surface_distances import Tolerance
from segdata.api.panel import (
    ComparedPanel,
    PairOptions,
    PanelData,
    PanelOptions,
    check_reference_named,
    compare_panel,
    join_panels,
    open_members,
    open_panel,
    panel_gold_section,
    read_options,
    reference_index,
    resampling,
)
from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, csv_table, promote
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.batch import Batch, replace_column
from segdata.core.config import Gold
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, count_noun
from segdata.core.executor import Progress, no_progress
from segdata.core.rule import Tables
from segdata.core.rule_settings import CONFIG_FILE, check_metric
from segdata.core.runs import Ints
from segdata.core.safe_text import shell_word
from segdata.dataset import Dataset
from segdata.formats.dataset_folders import detect_layout
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.images import image_limits

if TYPE_CHECKING:
    import pandas as pd

    from segdata.agreement.evaluation import Evaluation


GOLD = "gold standard"  # cannot be the name of another annotator


class EvaluationResult(Result, tuple["Evaluation", ...]):
    """The figures of each model against a reference, one `Evaluation` for each model."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata evaluate --format json`` prints it."""
        from segdata.report.quality import evaluation_json

        return evaluation_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each model, category and figure as a pandas table: the rows of ``--format csv``."""
        from segdata.report.quality import evaluation_csv

        return csv_table(evaluation_csv(self))


def evaluate(
    predictions: PanelData, gold: Data, *, name: str | None = None, **options: Unpack[PairOptions]
) -> EvaluationResult:
    """Evaluate models against a reference: mIoU, Dice, PQ, and mask AP as COCO defines it.

    Parameters
    ----------
    predictions : of one model, or of several by their names; a list of COCO results takes its images and categories
        from the reference
    gold : the reference dataset
    name : the name of a single model
    pair_by, taxonomy_map, confidence, resamples, seed : as for `agreement`
    jobs, progress : see `Dataset`

    Images that only the reference has are left out: give the model's answer on them even if it is empty. Returns an
    `Evaluation` for each model.
    """
    from segdata.agreement.evaluation import evaluate_models

    opening = read_options(options)
    truth = read(gold) if isinstance(gold, OpenDataset) else read(gold, **opening)
    models = [(called, _open_predictions(data, truth, opening)) for called, data in join_panels(predictions, (), name)]
    members = open_members([*models, (GOLD, truth)], {})
    panel = open_panel(members, options.get("pair_by"), options.get("taxonomy_map"))
    jobs, progress = options.get("jobs", 0), options.get("progress", no_progress)
    with image_limits():
        evaluations = evaluate_models(panel, GOLD, resampling=resampling(options), jobs=jobs, progress=progress)
    return EvaluationResult(evaluations)


def _open_predictions(data: Data, reference: Dataset, opening: ReadOptions) -> Dataset:
    """Predictions, opened; a list of COCO results takes its images and categories from a reference that has them."""
    if isinstance(data, OpenDataset):
        return read(data)
    options = dict(opening.get("options") or {})
    is_list = (opening.get("format") or detect_layout(Path(data)).format) == "coco-results"
    if is_list and reference.profile.format in ("coco-instances", "lvis") and Path(reference.profile.files).is_file():
        options = {"truth": str(reference.profile.files), **options}
    more: ReadOptions = {**opening, "options": options}
    return read(data, **more)


class AcceptanceResult(Result, Inspection, frozen=True, kw_only=True):
    """Whether a delivery is accepted, and what each gold image in it reached."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata acceptance judge --format json`` prints it."""
        from segdata.report.quality import inspection_json

        return inspection_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each inspected annotation as a pandas table."""
        import pandas as pd

        return pd.DataFrame([msgspec.structs.asdict(row) for row in self.inspected])


def acceptance(
    delivery: Data,
    gold: Data,
    *,
    quality: DeliveryQuality | None = None,
    lot: int | None = None,
    metric: str | None = None,
    bar: float | None = None,
    tolerance: float | None = None,
    tolerance_mm: float | None = None,
    pair_by: str | None = None,
    taxonomy_map: str | Path | None = None,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> AcceptanceResult:
    """Accept or reject a delivery by the gold images in it.

    Parameters
    ----------
    gold : the gold standard: the same images, annotated by the reference
    quality : shares of defective images and risks, `segdata.DeliveryQuality`; None: 1 % is acceptable,
        5 % is not, with risks of 5 % and 10 %
    lot : how many images, or volumes, were delivered; None: as many as it has
    metric, bar : of all categories together; they override segdata.yaml, which may also set bars for categories. A
        metric of a plugin has its own name
    tolerance, tolerance_mm, taxonomy_map : as for `agreement`
    pair_by : as for `agreement`; default: by id if any id is in both, otherwise by the content of image files,
        which also finds gold images that were hidden under other names
    jobs, progress : see `Dataset`

    The section `gold` of segdata.yaml is that beside the gold standard, or else beside the delivery. Raises
    SegdataError if there is no bar.
    """
    reference, delivered = read(gold, **opening), read(delivery, **opening)
    section = _bars(gold_section((reference.config, delivered.config)) or Gold(), metric, bar)
    if pair_by is None:
        pair_by = "id" if set(reference.image_ids) & set(delivered.image_ids) else "content"
    panel = compare_panel(
        [PanelMember(reference, GOLD), PanelMember(delivered, unnamed="delivery")],
        section,
        {
            "pair_by": pair_by,
            "taxonomy_map": taxonomy_map,
            "tolerance": tolerance,
            "tolerance_mm": tolerance_mm,
            "jobs": jobs,
            "progress": progress,
        },
    )
    tables, annotator_pairs = panel.tables, panel.annotator_pairs
    is_gold = np.array([name == GOLD for name in tables.annotations["annotator"].tolist()], bool)
    if GOLD not in annotator_pairs.annotators:
        raise SegdataError(f"{reference.profile.files}: nobody annotated these images")
    n_gold = len(np.unique(column_of(annotator_pairs.pairs, "case")))
    if lot is not None and lot < n_gold:
        raise SegdataError(
            f"lot: {count_noun(lot, 'image')} delivered, but {count_noun(n_gold, 'gold image')} are among them"
        )
    quality = quality or DeliveryQuality()
    inspection = inspect_delivery(
        annotator_pairs,
        annotator_pairs.annotators.index(GOLD),
        section,
        quality,
        _count_delivered(annotator_pairs, tables.annotations["image"][~is_gold], len(delivered))
        if lot is None
        else lot,
        tables.annotations["image"][is_gold],
        panel.near,
    )
    return promote(AcceptanceResult, inspection)


accept = acceptance  # its earlier name


def _bars(section: Gold, metric: str | None, bar: float | None) -> Gold:
    """The section `gold`, with the caller's metric and bar if given; raises SegdataError without any bar."""
    given = {name: value for name, value in (("metric", metric), ("bar", bar)) if value is not None}
    section = msgspec.structs.replace(section, **given)
    bars = [section.bar, section.each, *(category.bar for category in section.categories.values())]
    if all(value is None for value in bars):
        raise SegdataError(f"no bar for the delivery: give --bar, or add a section gold to {CONFIG_FILE}")
    return section


def _count_delivered(annotator_pairs: AnnotatorPairs, annotated: Ints, n_images: int) -> int:
    """The number of delivered images, or of annotated volumes, whose slices are inspected together."""
    if (annotator_pairs.cases["frames"] == 1).all():
        return n_images
    return len(np.unique(np.searchsorted(annotator_pairs.cases["image"], annotated, side="right")))


class ScorecardResult(Result, Scorecard, frozen=True, kw_only=True):
    """The work of each annotator: how much, how well, how fast, the trend by month, and the worst examples."""

    @property
    def run(self) -> "ScorecardRun":
        """The data of the scorecard."""
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
            return scorecard_html(self, run.dataset, run.annotator_pairs, typed, jobs)

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
    annotator_pairs: "AnnotatorPairs"
    near: "Tolerance"

    @property
    def n_before(self) -> int:
        """The number of annotations before the review."""
        return sum(not name.endswith(CORRECTED) for name in self.tables.annotations["annotator"].tolist())


def rework(before: Data, after: Data, **options: Unpack[PanelOptions]) -> ReworkResult:
    """Measure how much of the work `before` a reviewer corrected in `after`: `segdata.Dataset.rework`.

    Both are datasets, or revisions of one, ``DATA@r0001``. Options of `read` and `agree` hold for both.
    Raises SegdataError if they have no annotation in common.
    """
    compared = compare_review(before, after, options)
    result = promote(
        ReworkResult, measure_rework(compared.annotator_pairs, compared.n_before, resampling(options), compared.near)
    )
    if not result.images:
        raise SegdataError(f"{after}: has no annotation of {before}")
    return result


def compare_review(before: Data, after: Data, options: PanelOptions) -> ReworkPanel:
    """Open both as one panel, with a suffix for the annotators of corrected annotations."""
    opening = read_options(options)
    first, second = read(before, **opening), read(after, **opening)
    called = PanelMember(second).display_name

    def rename(batch: Batch) -> Batch:
        names = [f"{name or called}{CORRECTED}" for name in batch.annotations["annotator"].to_pylist()]
        return replace(batch, annotations=replace_column(batch.annotations, "annotator", names))

    second = replace(second, source=AlteredSource(second.source, rename))
    members = [PanelMember(first), PanelMember(second)]
    compared: ComparedPanel = compare_panel(members, panel_gold_section(members), options)
    compared.check_sizes()
    return ReworkPanel(compared.tables, compared.annotator_pairs, compared.near)


@dataclass(frozen=True, slots=True)
class ScorecardRun:
    """The data of a scorecard: all annotators' work as one dataset, and what they have in common."""

    dataset: Dataset
    annotator_pairs: "AnnotatorPairs"


def scorecard(
    data: PanelData,
    others: PanelData = (),
    *,
    name: str | None = None,
    gold: str | None = None,
    before: Data | None = None,
    metric: str = "iou",
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
    metric : of the scores; not a distance. A metric of a plugin has its own name
    worst : how many examples of each annotator
    pair_by, taxonomy_map, tolerance, tolerance_mm, confidence, resamples, seed, client : as for `agreement`
    jobs, progress : see `Dataset`
    """
    check_metric(metric)
    if is_less_better(metric):
        raise SegdataError(f"metric {metric} is lower for those who agree more, so it is no score; choose another one")
    members = open_members(join_panels(data, others, name), read_options(options))
    if before is not None and len(members) > 1:
        raise SegdataError(f"`before` can be compared with one dataset, not with {len(members)}")
    section = panel_gold_section(members)
    gold = gold or (section.name if section else None)
    check_reference_named(gold, members)
    compared = compare_panel(members, section, options)
    compared.check_sizes()
    reference = reference_index(gold, compared.annotator_pairs.annotators)
    passed = None if before is None else rework(before, members[0].dataset, **_without_progress(options))
    resampled = resampling(options)
    card = build_scorecard(
        compared.tables,
        reference=reference,
        metric=metric,
        review=passed,
        resampling=resampled,
        n_worst=worst,
        tolerance=compared.near,
    )
    dataset = Dataset(compared.panel, compared.panel.profile, members[0].dataset.config)
    return promote(ScorecardResult, card, run=ScorecardRun(dataset, compared.annotator_pairs))


def scorecard_of_agreement(agreement: Agreement, tables: Tables) -> Scorecard:
    """The scorecard of a completed agreement, without another pass over the labels.

    Two annotators without a reference have no worst examples, as both would have the same.
    """
    judged, intervals = tables.assessment, agreement.intervals
    resampled = Resampling(intervals.confidence, intervals.resamples, intervals.seed)
    reference = None if judged is None else judged.gold
    return build_scorecard(
        tables,
        reference=reference,
        metric=agreement.leading,
        resampling=resampled,
        n_worst=0 if reference is None and len(agreement.pairs) == 1 else 3,
        tolerance=agreement.tolerance,
    )


def _without_progress(options: PanelOptions) -> PanelOptions:
    """The options for the pass over earlier labels, which does not count as progress."""
    kept = options.copy()
    kept.pop("progress", None)
    return kept
