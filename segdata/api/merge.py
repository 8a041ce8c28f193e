"""Merge: several datasets as one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from segdata.api.convert import Conversion, write_derived
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.core.dataset import OpenDataset
from segdata.store.merge import merge_datasets
from segdata.store.remap import TaxonomyMap


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What `merge` did.

    Attributes
    ----------
    written : the dataset that was made
    remarks : categories, images, annotators and sequences that have another name now, one line each
    n_shared : images that several of the datasets have
    """

    written: Conversion
    remarks: tuple[str, ...]
    n_shared: int


def merge(
    data: Iterable[Data],
    target: str | Path,
    *,
    taxonomy_maps: Mapping[int, str | Path | TaxonomyMap] | None = None,
    apart: bool = False,
    copy_images: bool = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> MergeResult:
    """Write several datasets as one: `segdata.Dataset.merge`; `opening` is for those that are not open yet."""
    datasets = [read(source) if isinstance(source, OpenDataset) else read(source, **opening) for source in data]
    merged = merge_datasets(datasets, taxonomy_maps or {}, apart=apart)
    written = write_derived(
        merged.dataset, target, merged.origin, copy_images=copy_images, jobs=jobs, progress=progress
    )
    return MergeResult(written, merged.remarks(), merged.n_shared)
