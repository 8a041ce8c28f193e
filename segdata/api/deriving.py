"""Derive: a canonical dataset made of another one, batch by batch, with a word on how it came about."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from segdata.api.converting import Conversion, convert
from segdata.api.copying import Copies
from segdata.api.opening import Progress, silent
from segdata.core.batch import Batch
from segdata.core.dataset import Dataset
from segdata.formats.shared.derived_sources import AlteredSource


def derive(
    dataset: Dataset,
    target: str | Path,
    made: str,
    *,
    copy_images: bool | Callable[[Path], Copies] = False,
    jobs: int = 0,
    progress: Progress = silent,
) -> Conversion:
    """Write what was made of a dataset as a new canonical one; `made` says how, and dataset.yaml of which revision.

    `copy_images`: the image files too, into the folder ``images``. Whatever goes wrong, nothing half-written stays
    behind. Raises SegdataError where the target exists.
    """
    how = made if dataset.profile.revision is None else f"{made}; of revision {dataset.profile.revision}"
    return convert(dataset, target, copy_images=copy_images, jobs=jobs, progress=progress, write_options={"made": how})


def altered(dataset: Dataset, alter: Callable[[Batch], Batch]) -> Dataset:
    """The dataset with batches that are changed on their way."""
    return replace(dataset, source=AlteredSource(dataset.source, alter))
