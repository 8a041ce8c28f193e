"""Evaluate models against a reference, and accept or reject deliveries by the gold images in them."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec
import numpy as np

from segdata.agreement.acceptance import DeliveryQuality as DeliveryQuality
from segdata.agreement.acceptance import Inspection, inspect_delivery
from segdata.agreement.gold_standard import gold_section
from segdata.agreement.panel import PanelMember
from segdata.agreement.scores import column_of
from segdata.api.panel import (
    PairOptions,
    PanelData,
    compare_panel,
    join_panels,
    open_members,
    open_panel,
    read_options,
    resampling,
)
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.api.result import Result, csv_table, promote
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.config import Gold, Metric
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, count_noun
from segdata.core.rule_settings import CONFIG_FILE
from segdata.core.runs import Ints
from segdata.dataset import Dataset
from segdata.formats.shared.images import image_limits

if TYPE_CHECKING:
    import pandas as pd

    from segdata.agreement.evaluation import Evaluation


GOLD = "gold standard"  # so that nobody else is called so


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
    from segdata.agreement.evaluation import evaluate_models as evaluated

    opening = read_options(options, PairOptions)
    truth = read(gold) if isinstance(gold, OpenDataset) else read(gold, **opening)
    models = [(called, _open_predictions(data, truth, opening)) for called, data in join_panels(predictions, (), name)]
    every = open_members([*models, (GOLD, truth)], {})
    panel = open_panel(every, options.get("pair_by"), options.get("taxonomy_map"))
    jobs, progress = options.get("jobs", 0), options.get("progress", no_progress)
    with image_limits():
        return EvaluationResult(evaluated(panel, GOLD, how=resampling(options), jobs=jobs, progress=progress))


def _open_predictions(data: Data, reference: Dataset, opening: ReadOptions) -> Dataset:
    """Predictions, opened; a list of COCO results takes its images and categories from a reference that has them."""
    from segdata.formats.split_parts import detect_layout

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
    metric: Metric | None = None,
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
    metric, bar : of all categories together; they override segdata.yaml, which may also set bars for categories
    tolerance, tolerance_mm, taxonomy_map : as for `agreement`
    pair_by : as for `agreement`; default: by id if any id is in both, otherwise by the content of image files,
        which also finds gold images that were hidden under other names
    jobs, progress : see `Dataset`

    The section `gold` of segdata.yaml is that beside the gold standard, or else beside the delivery. Raises
    SegdataError if there is no bar.
    """
    reference, delivered = read(gold, **opening), read(delivery, **opening)
    section = gold_section((reference.config, delivered.config)) or Gold()
    overrides = {"metric": metric, "bar": bar}
    section = msgspec.structs.replace(
        section, **{name: value for name, value in overrides.items() if value is not None}
    )
    if (
        section.bar is None
        and section.each is None
        and all(category.bar is None for category in section.categories.values())
    ):
        raise SegdataError(f"no bar for the delivery: give --bar, or add a section gold to {CONFIG_FILE}")
    if pair_by is None:
        pair_by = "id" if set(reference.image_ids) & set(delivered.image_ids) else "content"
    panel = compare_panel(
        [PanelMember(reference, GOLD), PanelMember(delivered)],
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
    tables, opposed = panel.tables, panel.opposed
    is_gold = np.array([name == GOLD for name in tables.annotations["annotator"].tolist()], bool)
    if GOLD not in opposed.annotators:
        raise SegdataError(f"{reference.profile.files}: nobody annotated these images")
    n_back = len(np.unique(column_of(opposed.pairs, "case")))
    if lot is not None and lot < n_back:
        raise SegdataError(
            f"lot: {count_noun(lot, 'image')} delivered, but {count_noun(n_back, 'gold image')} are among them"
        )
    quality = quality or DeliveryQuality()
    inspection = inspect_delivery(
        opposed,
        opposed.annotators.index(GOLD),
        section,
        quality,
        _count_delivered(opposed, tables.annotations["image"][~is_gold], len(delivered)) if lot is None else lot,
        tables.annotations["image"][is_gold],
        panel.near,
    )
    return promote(AcceptanceResult, inspection)


accept = acceptance  # its earlier name


def _count_delivered(opposed: AnnotatorPairs, annotated: Ints, n_images: int) -> int:
    """How many images were delivered; of volumes, whose slices are inspected as one, how many were annotated."""
    if (opposed.cases["frames"] == 1).all():
        return n_images
    return len(np.unique(np.searchsorted(opposed.cases["image"], annotated, side="right")))
