"""What a dataset of volumes or slices holds, as tests compare it."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata import Dataset
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.finding import Defect
from segdata.testing.pictures import Mask, masks_of_runs

Key = TypeVar("Key", int, str)


def box(size: tuple[int, int], left: int, top: int, right: int, bottom: int) -> Mask:
    """A mask of a box in an image of this height and width."""
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


def whole(dataset: Dataset) -> Batch:
    """All of it as one batch, whose runs are sound."""
    batch = concatenate_batches(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


def met(dataset: Dataset) -> list[Defect]:
    """What readers met."""
    return [*dataset.source.defects, *whole(dataset).defects]


def codes(dataset: Dataset) -> list[tuple[str, str | None]]:
    """Code and file of what readers met, information left out."""
    return sorted((each.code, each.file) for each in met(dataset) if each.severity != "info")


def by_id(dataset: Dataset) -> dict[tuple[str, int], Mask]:
    """Image and segment id -> mask."""
    batch = whole(dataset)
    return dict(
        zip(zip(_names(batch), batch.segments["segment_id"].to_pylist(), strict=True), _masks(batch), strict=True)
    )


def by_category(dataset: Dataset) -> dict[tuple[str, str], Mask]:
    """Image and name of a category -> mask."""
    batch = whole(dataset)
    called = [dataset.profile.name_of(id_) for id_ in batch.segments["category_id"].to_pylist()]
    return dict(zip(zip(_names(batch), called, strict=True), _masks(batch), strict=True))


def lists(found: dict[tuple[str, Key], Mask]) -> dict[tuple[str, Key], list[list[bool]]]:
    """The masks as lists, which can be compared."""
    return {key: mask.tolist() for key, mask in found.items()}


def voxels_of(dataset: Dataset, shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """(i, j, k) the category ids of one volume."""
    batch = whole(dataset)
    found = np.zeros(shape, np.int64)
    frames, category = batch.images["frame"].to_pylist(), batch.segments["category_id"].to_pylist()
    for mask, image, id_ in zip(_masks(batch), batch.segment_image, category, strict=True):
        found[:, :, frames[image]][mask.T] = id_
    return found


def _names(batch: Batch) -> list[str]:
    names = batch.images["image_id"].to_pylist()
    return [names[image] for image in batch.segment_image]


def _masks(batch: Batch) -> list[Mask]:
    return masks_of_runs(batch.runs, *batch.segment_size)
