"""Evaluate models against a reference."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from segdata.api.panel import PairOptions, PanelData, name_datasets, open_members, open_panel, read_options, resampling
from segdata.api.read import Data, ReadOptions, no_progress, read
from segdata.api.result import Result, csv_table
from segdata.core.dataset import OpenDataset
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
        from segdata.report.evaluation import to_json

        return to_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each model, category and figure as a pandas table: the rows of ``--format csv``."""
        from segdata.report.evaluation import to_csv

        return csv_table(to_csv(self))


def evaluate(predictions: PanelData, gold: Data, **options: Unpack[PairOptions]) -> EvaluationResult:
    """Evaluate models against a reference: `segdata.Dataset.evaluate`, for several models.

    `predictions`: of one model, or of several by their names; a list of COCO results takes its images and categories
    from the reference. `options` as for `segdata.agree`. Returns an `Evaluation` for each model.
    """
    from segdata.agreement.evaluation import evaluate_models as evaluated

    opening = read_options(options, PairOptions)
    truth = read(gold) if isinstance(gold, OpenDataset) else read(gold, **opening)
    every = open_members(
        [
            *((name, _open_predictions(data, truth, opening)) for name, data in name_datasets(predictions)),
            (GOLD, truth),
        ],
        {},
    )
    panel = open_panel(every, options.get("pair_by"), options.get("taxonomy_map"))
    jobs, progress = options.get("jobs", 0), options.get("progress", no_progress)
    with image_limits():
        return EvaluationResult(evaluated(panel, GOLD, how=resampling(options), jobs=jobs, progress=progress))


def _open_predictions(data: Data, reference: Dataset, opening: ReadOptions) -> Dataset:
    """Predictions, opened; a list of COCO results takes its images and categories from a reference that has them."""
    from segdata.formats.unknown_format import detect_format

    if isinstance(data, OpenDataset):
        return read(data)
    options = dict(opening.get("options") or {})
    is_list = (opening.get("format") or detect_format(Path(data))) == "coco-results"
    if is_list and reference.profile.format in ("coco-instances", "lvis") and Path(reference.profile.files).is_file():
        options = {"truth": str(reference.profile.files), **options}
    more: ReadOptions = {**opening, "options": options}
    return read(data, **more)
