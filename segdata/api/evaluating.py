"""Evaluate models against a reference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from segdata.api.agreeing import Named, members, named, open_panel
from segdata.api.opening import Data, Progress, ReadOptions, read, silent
from segdata.core.dataset import Dataset
from segdata.formats.images import image_limits

if TYPE_CHECKING:
    from segdata.agreement.gold.evaluation import Evaluation

GOLD = "gold standard"  # so that nobody else is called so


def evaluate(
    predictions: Data | Mapping[str, Data] | Sequence[Named],
    gold: Data,
    *,
    pair_by: str | None = None,
    taxonomy_map: str | Path | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    jobs: int = 0,
    progress: Progress = silent,
    **opening: Unpack[ReadOptions],
) -> "tuple[Evaluation, ...]":
    """The figures of models against a reference: mIoU, Dice, PQ, and mask AP as COCO has it.

    Parameters
    ----------
    predictions : of one model, or of several by their names; segments may have scores. Of a list of COCO results the
        reference says which images and categories it speaks of
    gold : the reference
    pair_by, taxonomy_map, confidence, resamples, seed, jobs, progress, opening : as for `segdata.agree`

    Returns an evaluation for each model, by name; see `segdata.agreement.gold.evaluation`. Images that only the
    reference has are left out: give the model's answer on them, even where it is empty. Raises SegdataError as `agree`
    does.
    """
    from segdata.agreement.gold.evaluation import evaluate as evaluated
    from segdata.agreement.summary.estimates import Resampling

    reference = gold if isinstance(gold, Dataset) else read(gold, **opening)
    every = [(name, _answers(data, reference, opening)) for name, data in named(predictions)]
    panel = open_panel(members([*every, (GOLD, reference)], {}), pair_by, taxonomy_map)
    with image_limits():
        how = Resampling(confidence, resamples, seed)
        return evaluated(panel, GOLD, how=how, jobs=jobs, progress=progress)


def _answers(data: Data, reference: Dataset, opening: ReadOptions) -> Dataset:
    """Predictions, opened; a list of COCO results takes its images and categories from a reference that has them."""
    from segdata.formats.sight import recognised

    if isinstance(data, Dataset):
        return data
    options = dict(opening.get("options") or {})
    is_list = (opening.get("format") or recognised(Path(data))) == "coco-results"
    if is_list and reference.profile.format in ("coco-instances", "lvis") and Path(reference.profile.files).is_file():
        options = {"truth": str(reference.profile.files), **options}
    more: ReadOptions = {**opening, "options": options}
    return read(data, **more)
