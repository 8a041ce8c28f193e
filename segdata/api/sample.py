"""Sample: a few images as a dataset of their own, for a gold set or a pilot."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from segdata.api.convert import Conversion, write_derived
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.api.result import Result, json_table
from segdata.api.validate import measure_dataset
from segdata.core.errors import count_noun
from segdata.store.sample import ImageSample, Purpose, draw_images

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SampleResult(Result):
    """What `draw_sample` did: which images it drew, and the dataset that has them; None where none was asked for."""

    draw: ImageSample
    written: Conversion | None

    def to_json(self) -> str:
        """The result as JSON, as ``segdata sample --format json`` prints it."""
        from segdata.report.edits import sample_json

        return sample_json(self.draw, **({} if self.written is None else {"target": str(self.written.target)}))

    def table(self) -> "pd.DataFrame":
        """One row for each category as a pandas table: its segments in all images, and in the sample."""
        return json_table(self.to_json(), "categories")


def draw_sample(
    data: Data,
    target: str | Path | None,
    n: int,
    *,
    purpose: Purpose = "gold",
    stratify: str | None = None,
    wanted: int = 30,
    seed: int = 0,
    copy_images: bool = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> SampleResult:
    """Draw images, and write them as a dataset: `segdata.Dataset.sample` of ``read(data, **opening)``."""
    dataset = read(data, **opening)
    tables = measure_dataset(dataset, frozenset(), jobs, progress if target is None else no_progress)
    drawn_images = draw_images(tables, n, purpose=purpose, stratify=stratify, wanted=wanted, seed=seed)
    if target is None:
        return SampleResult(drawn_images, None)
    names = set(drawn_images.images)
    every = dataset.source.image_ids
    rows_read = range(len(every)) if dataset.rows is None else dataset.rows.tolist()
    rows = np.array([row for row in rows_read if every[row] in names], np.int64)
    origin = (
        f"{count_noun(n, 'image')} drawn for a {purpose}{'' if stratify is None else f', by {stratify}'}, seed {seed}"
    )
    return SampleResult(
        drawn_images,
        write_derived(
            replace(dataset, rows=rows), target, origin, copy_images=copy_images, jobs=jobs, progress=progress
        ),
    )
