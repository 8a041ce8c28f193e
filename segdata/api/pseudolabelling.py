"""Draft labels from what a model says: where it is sure; the rest is void."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from segdata.api.deriving import altered, derive
from segdata.api.opening import Data, Progress, ReadOptions, read, silent
from segdata.api.prelabelling import Draft, Seen, unannotated
from segdata.core.batch import Batch
from segdata.core.counted import counted
from segdata.core.dataset import Dataset
from segdata.core.taxonomy import Taxonomy
from segdata.drafting.sure import drafted, sure, with_void
from segdata.formats.shared.images import image_limits
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource
from segdata.noise.evidence.drawn import VOID

if TYPE_CHECKING:
    from segdata.noise.networks.settings import Settings
    from segdata.noise.networks.stage import Stage
    from segdata.noise.scoring.confident import Confident


class _Unsure(NamedTuple):
    """Of a batch: segments below the confidence, segments without any, annotations without a segment but void."""

    n_unsure: int
    n_unscored: int
    n_empty: int


def draft_from(
    predictions: Data,
    target: str | Path,
    *,
    confidence: float = 0.5,
    jobs: int = 0,
    progress: Progress = silent,
    **opening: Unpack[ReadOptions],
) -> Draft:
    """Make a draft of a model's results.

    They are in any format that can be read: COCO results, SAM's masks, probabilities, panoptic PNG files. Segments with
    a score below `confidence` become void, as far as no other segment claims their pixels; scores are kept. `opening`
    as for `read`. The annotations are from the source ``model``, at the stage ``drafted``.
    """
    dataset = read(predictions, **opening)
    taxonomy, void = with_void(dataset.profile)
    seen: list[_Unsure] = []

    def of_model(batch: Batch) -> Batch:
        found, n_unsure = sure(batch, confidence, void)
        drawn = found.segment_annotation[found.segments["category_id"].to_numpy() != void]
        per_annotation = np.bincount(drawn, minlength=found.annotations.num_rows)
        seen.append(_Unsure(n_unsure, batch.segments["score"].null_count, int((per_annotation == 0).sum())))
        return drafted(found)

    changed = altered(dataset, of_model)
    profile = replace(dataset.profile, taxonomy=taxonomy)
    written = derive(
        replace(changed, profile=profile),
        target,
        f"drafted from {dataset.profile.files} with a confidence of {confidence:g}",
        jobs=jobs,
        progress=progress,
    )
    n_unsure, n_unscored, n_empty = (sum(column) for column in zip(*seen, _Unsure(0, 0, 0), strict=True))
    remarks = []
    if n_unsure:
        remarks.append(f"{counted(n_unsure, 'segment')} with a score below {confidence:g} became void")
    if n_unscored:
        remarks.append(f"{counted(n_unscored, 'segment')} without a score stayed")
    return Draft(written, "predictions", {"confidence": confidence}, n_empty, tuple(remarks))


def draft_by_model(
    data: Data,
    target: str | Path,
    *,
    precision: float = 0.9,
    work: str | Path | None = None,
    settings: "Settings | None" = None,
    jobs: int = 0,
    progress: Progress = silent,
    trained: "Callable[[Stage], None] | None" = None,
    **opening: Unpack[ReadOptions],
) -> Draft:
    """Draft labels for the images of a dataset that nobody annotated, by networks trained on the others.

    Parameters
    ----------
    data : a dataset with image files, some of them annotated
    target : the dataset to be written, of the other images alone
    precision : how often pixels (or instances, where these are told apart) are to be right. From which confidence on
        they are is read off the annotated images, each predicted by a network that had not seen it, category by
        category, with 90 % confidence. What is less sure becomes void; a category of which that cannot be said from any
        confidence on is not drafted. Of panoptic data things are drawn one by one, and stuff around them
    work : a folder for networks and predictions, where a run that was stopped goes on; default: one that is removed
    settings : of the training
    trained : is called with how far the training is
    jobs, progress : as for `convert`
    opening : as for `read`

    Raises SegdataError where every image is annotated, or none, or no file of the others is known.
    """
    from segdata.noise.evidence.given import Given
    from segdata.noise.networks.out_of_fold import out_of_fold
    from segdata.noise.scoring.confident import Confident

    dataset = read(data, **opening)
    taught, others = _annotated(dataset), unannotated(dataset)
    with TemporaryDirectory() as scratch, image_limits():
        more: dict[str, Any] = {} if trained is None else {"progress": trained}  # Any: a function
        found = out_of_fold(dataset, work or scratch, settings, **more)
        maps = dataset.maps()
        rows = np.flatnonzero(found.usable & taught).tolist()
        things = frozenset(each.id for each in dataset.taxonomy.categories if each.kind == "thing")
        judged = Confident.learnt(found, Given.of(maps, found.categories), rows, precision, things)
        known, void = with_void(dataset.profile)
        sizes = list(zip(maps.height.tolist(), maps.width.tolist(), strict=True))
        entries = [replace(each, size=sizes[each.record]) for each in others if found.usable[each.record]]
        seen: list[Seen] = []
        said = {"source": "model", "stage": "drafted", "attributes": _told(precision)}
        profile = replace(dataset.profile, taxonomy=known, name=Path(target).name)
        look = partial(_look, judged, void, said, seen)
        entries.sort(key=lambda entry: entry.image_id)
        source = PerImageSource(Path(dataset.profile.files), profile, entries, found.defects, look, "draft-model")
        how = f"drafted by networks trained on {int(taught.sum())} images, with a precision of {precision:g}"
        written = derive(
            replace(dataset, source=source, profile=profile, rows=None), target, how, jobs=jobs, progress=progress
        )
    remarks = tuple(_remarks(judged, known))
    return Draft(written, "model", {"precision": precision}, sum(each.is_empty for each in seen), remarks)


def _annotated(dataset: Dataset) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """(n_images,) whether somebody annotated an image, in the order of the dataset's batches."""
    pieces = [np.bincount(batch.annotation_image, minlength=batch.images.num_rows) > 0 for batch in dataset]
    return np.concatenate([np.empty(0, bool), *pieces])


def _told(precision: float) -> list[tuple[str, str]]:
    return [("method", '"model"'), ("precision", f"{precision:g}")]


def _look(
    judged: "Confident", void: int, said: Mapping[str, object], seen: list[Seen], entry: ImageEntry
) -> list[ImageAnnotation]:
    """What the networks are sure of on one image."""
    drawn = judged.drawn(entry.record)
    seen.append(Seen(bool((drawn.category == VOID).all())))
    category = np.append(judged.found.categories, void)[np.where(drawn.category == VOID, -1, drawn.category - 1)]
    ids = np.arange(1, len(drawn) + 1, dtype=np.int64) if judged.found.plan.instances else category
    columns: dict[str, list[object]] = {
        "source": ["model"] * len(drawn),
        "score": [None if np.isnan(each) else each for each in drawn.score.tolist()],
    }
    size = (drawn.height, drawn.width)
    return [ImageAnnotation(size, ids, category, drawn.runs, columns=columns, annotation=said)]


def _remarks(judged: "Confident", taxonomy: Taxonomy) -> Iterator[str]:
    """From which confidence on each category was drawn."""
    for id_, bar in zip(judged.found.categories, judged.bars[1:].tolist(), strict=True):
        name = taxonomy.name_of(id_)
        yield (
            f"{name}: not drafted; these images do not show that the networks are so often right about it"
            if np.isinf(bar)
            else f"{name}: drawn from a confidence of {bar:.2f}"
        )
    yield from judged.found.notes
